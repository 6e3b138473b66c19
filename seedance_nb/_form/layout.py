"""The controls of one form by JSON Pointer, which show values and problems, and the summary of problems below them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, find, pointer_parts, to_pointer
from seedance_nb._form.controls.base import Change, Control, WidgetFactory
from seedance_nb._form.controls.entries import MapControl
from seedance_nb._form.controls.objects import Slot
from seedance_nb._form.labels import FieldStatus, label_at, label_html, sentence
from seedance_nb._form.model.fields import Field, allows_more, rest_of, start_of
from seedance_nb._form.model.shape import with_property

_MOST_BUTTONS = 8


class FormLayout:
    """The controls of a form: `widgets`, `advanced` fields, `labels` (`labels_of`); `on_change` gets the path and change of a value."""

    def __init__(self, root: Field, factory: WidgetFactory, start: Any, labels: Mapping[str, str],
                 on_change: Callable[[str, Change], None]) -> None:  # fmt: skip
        self.labels = labels
        self.controls: dict[str, Control] = {}
        self.advanced: list[Field] = []
        self._factory, self._values, self._on_change = factory, start, on_change
        self._groups: dict[tuple[str, ...], Field] = {}
        self._slots: list[tuple[str, Slot]] = []
        self.widgets = self._group(root) if root.kind == "group" else [self.new_control(root).widget]

    def show(self, values: Any) -> None:
        """Show a whole body without reporting a change."""
        self.update_conditions(values)
        for path, control in self.controls.items():
            control.show(find(values, path))

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        """Send all updates of each label to the browser as one message at the end of the block."""
        with ExitStack() as stack:
            for control in list(self.controls.values()):
                stack.enter_context(control.label_widget.hold_sync())
            yield

    def update_conditions(self, values: Any) -> None:
        """Show and hide the fields that depend on others, and update the maps of other fields."""
        self._values = values
        for path, control in self.controls.items():
            if isinstance(control, MapControl) and isinstance(body := find(values, path), dict):
                control.value = body
        for path, slot in self._slots:
            if slot.update(find(values, path)):
                for name, control in slot.controls.items():
                    control.show(find(values, path + to_pointer((name,))))

    def show_problems(self, problems: Sequence[Problem]) -> tuple[list[Problem], list[Problem]]:
        """Show each problem at its field, as a sentence. Returns: the problems that a field shows, and the others."""
        problems = [replace(problem, message=sentence(problem, self.labels)) for problem in problems]
        paths = [(self.owner_path(problem.path), problem) for problem in problems]
        at: dict[str | None, list[Problem]] = {}
        for path, problem in paths:
            at.setdefault(path, []).append(problem)
        for path, control in self.controls.items():
            control.show_problems(tuple(replace(one, path=one.path[len(path) :]) for one in at.get(path, ())))
        return [problem for path, problem in paths if path is not None], at.get(None, [])

    def owner_path(self, path: str) -> str | None:
        """The path of the control that shows the value at a path, None if none does. *pure*."""
        while path and path not in self.controls:
            path = path.rpartition("/")[0]
        return path if path in self.controls else None

    def put(self, values: Any, path: str) -> Any:
        """The body with the value of the control at a path; nothing else is changed or moved. *pure*."""
        return self._put(values, self.controls[path].field.path, self.controls[path].value, ())

    def focus(self, path: str) -> None:
        """Unfold what hides the field at a path, and put the cursor into it."""
        if (owner := self.owner_path(path)) is not None:
            self.controls[owner].focus(pointer_parts(path[len(owner) :]))

    def _group(self, group: Field) -> list[Any]:
        self._groups[group.path] = group
        widgets: list[Any] = []
        if group.path and "x-inputs" not in group.shape.view:
            widgets.append(self._factory.html(label_html(group, FieldStatus()), "sdn-head", "sdn-section"))
        for child in group.children:
            if child.kind == "group":
                widgets += self._group(child)
            elif child.advanced:
                self.advanced.append(child)
            elif child.kind != "constant":
                widgets.append(self.new_control(child).widget)
        if group.shape.conditions:
            slot = Slot(group, lambda one: self.new_control(replace(one, path=group.path + one.path)), self._factory)
            self._slots.append((to_pointer(group.path), slot))
            widgets.append(slot.widget)
            slot.update(find(self._values, to_pointer(group.path)))
        if allows_more(group):
            widgets.append(self.new_control(rest_of(group)).widget)
        return widgets

    def new_control(self, field: Field) -> Control:
        """Create the control of a field, which shows the field's value."""
        path = to_pointer(field.path)
        control = self.controls[path] = self._factory.control(field, lambda change: self._on_change(path, change))
        if (value := find(self._values, path)) is not ABSENT:
            control.show(value)
        return control

    def _put(self, old: Any, path: tuple[str, ...], new: Any, at: tuple[str, ...]) -> Any:
        if not path:
            return {} if new is ABSENT else new
        group = self._groups[at]
        inner = old.get(path[0], ABSENT) if isinstance(old, dict) else ABSENT
        if len(path) > 1 and (new is not ABSENT or inner is not ABSENT):
            new = self._put(inner, path[1:], new, (*at, path[0]))
        base = old if isinstance(old, dict) else start_of(group)
        return with_property(group.shape.view, base, path[0], new)


class Summary:
    """The lines below a form, and a button to each field with a problem. `widgets` are both, in order."""

    def __init__(self, factory: WidgetFactory, labels: Mapping[str, str], go: Callable[[str], None]) -> None:
        self._labels, self._factory, self._go = labels, factory, go
        self._buttons: dict[str, Any] = {}
        self.widgets = [factory.html("", "sdn-summary"), factory.box(W.HBox, [], "sdn-jumps")]

    @property
    def value(self) -> str:
        """The lines as HTML."""
        return str(self.widgets[0].value)

    def show_problems(self, at_fields: Sequence[Problem], rest: Sequence[Problem]) -> None:
        """Show the problems to fix, those of `rest` in full."""
        count = sum(not problem.warns and problem.rule != "server" for problem in (*at_fields, *rest))
        self.widgets[0].value = _summary_html(count, [problem for problem in rest if not problem.warns])
        paths = list(dict.fromkeys(problem.path for problem in at_fields if not problem.warns))[:_MOST_BUTTONS]
        for path in paths:
            if path not in self._buttons:
                traits = {"tooltip": "Go to this field", "description": in_words(path, self._labels)}
                self._buttons[path] = self._factory.button(partial(self._go, path), "sdn-jump", **traits)
        self.widgets[1].children = [self._buttons[path] for path in paths]


def in_words(path: str, labels: Mapping[str, str]) -> str:
    """A path in a body as text for people: `/input/shots/1/text` is "Input › Shots 2 › Text". *pure*."""
    parts = pointer_parts(path)
    ends = [end for end in range(1, len(parts) + 1) if not "".join(parts[end : end + 1]).isdecimal()]
    return " › ".join(filter(None, (label_at(to_pointer(parts[:end]), labels) for end in ends)))


def _summary_html(total: int, rest: list[Problem]) -> Html:
    if not total:
        return Html()
    lines = Html("<li>{}</li>").each(problem.message for problem in rest)
    count = "1 problem" if total == 1 else f"{total} problems"
    return Html('<div class="sdn-error" role="status">Fix {} to generate:<ul>{}</ul></div>').format(count, lines)
