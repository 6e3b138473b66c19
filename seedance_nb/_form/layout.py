"""The controls of one form by the JSON Pointers of their values: shows values and problems, and puts a change into the body."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, find, pointer_parts, to_pointer
from seedance_nb._form.controls.base import Change, Control, Shared
from seedance_nb._form.controls.choices import ALTERNATIVES
from seedance_nb._form.controls.maps import MapControl
from seedance_nb._form.controls.objects import Slot
from seedance_nb._form.labels import FieldStatus, label_html, sentence
from seedance_nb._form.model.fields import Field
from seedance_nb._form.model.parts import allows_more, rest_of, start_of, with_name
from seedance_nb._form.model.shape import properties_of


class FormLayout:
    """The controls of a form. `widgets` are theirs, in order; `later` are the fields under "Advanced"; `labels` as of `labels_of`.

    `took` is called with a control's path after a person's change of it.
    """

    def __init__(
        self, root: Field, shared: Shared, start: Any, labels: Mapping[str, str], took: Callable[[str, Change], None]
    ) -> None:
        self.labels = labels
        self.controls: dict[str, Control] = {}
        self.later: list[Field] = []
        self._shared = shared
        self._values = start
        self._took = took
        self._groups: dict[tuple[str, ...], Field] = {}
        self._slots: list[tuple[str, Slot]] = []
        self.widgets = self._group(root) if root.kind == "group" else [self._control(root).widget]

    def show(self, values: Any) -> None:
        """Shows a whole body without counting it as a person's change."""
        self.follow(values)
        for path, control in self.controls.items():
            control.show(find(values, path))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Holds back what each control says to the browser until all of it is said."""
        with ExitStack() as held:
            for control in list(self.controls.values()):
                held.enter_context(control.label_widget.hold_sync())
            yield

    def follow(self, values: Any) -> None:
        """Shows and hides the fields that depend on others, and tells a map of further fields what stands beside it."""
        self._values = values
        for path, control in self.controls.items():
            if isinstance(control, MapControl) and isinstance(beside := find(values, path), dict):
                control.value = beside
        for path, slot in self._slots:
            if slot.update(find(values, path)):
                for name, control in slot.controls.items():
                    control.show(find(values, path + to_pointer((name,))))

    def say(self, problems: Sequence[Problem]) -> tuple[list[Problem], list[Problem]]:
        """Shows each problem at its field, as a sentence; returns those that a field shows and those that none does."""
        problems = [replace(problem, message=sentence(problem, self.labels)) for problem in problems]
        homes = [(self.home(problem.path), problem) for problem in problems]
        at: dict[str | None, list[Problem]] = {}
        for home, problem in homes:
            at.setdefault(home, []).append(problem)
        for path, control in self.controls.items():
            control.say(tuple(_from(problem, path) for problem in at.get(path, ())))
        return [problem for home, problem in homes if home is not None], at.get(None, [])

    def refined(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """Problems of a choice between schemas as those of the branch that is chosen. *pure*."""
        made: list[Problem] = []
        for problem in problems:
            path = self.home(problem.path) if problem.rule in ALTERNATIVES else None
            if path is None:
                made.append(problem)
            else:
                found = self.controls[path].refine(_from(problem, path))
                made += [replace(one, path=path + one.path) for one in found]
        return tuple(made)

    def home(self, path: str) -> str | None:
        """The path of the control that a place in the body belongs to, None if none does. *pure*."""
        while path not in self.controls:
            if not path:
                return None
            path = path.rpartition("/")[0]
        return path

    def put(self, values: Any, path: str) -> Any:
        """The body with what a control shows in its place; nothing else in it is changed or moved. *pure*."""
        control = self.controls[path]
        return self._put(values, control.field.path, control.value, ())

    def focus(self, path: str) -> None:
        """Opens what is folded above a place, and puts the cursor there."""
        home = self.home(path)
        if home is not None:
            self.controls[home].focus(pointer_parts(path[len(home) :]))

    def open_later(self) -> tuple[list[Field], list[Any]]:
        """Makes the fields that stand apart; they and their widgets, each once."""
        later, self.later = self.later, []
        return later, [self._control(field).widget for field in later]

    def _group(self, group: Field) -> list[Any]:
        self._groups[group.path] = group
        made: list[Any] = []
        if group.path and "x-inputs" not in group.shape.view:
            made.append(self._shared.html(label_html(group, FieldStatus()), "sdn-head", "sdn-section"))
        for child in group.children:
            if child.kind == "group":
                made += self._group(child)
            elif child.advanced:
                self.later.append(child)
            elif child.kind != "constant":
                made.append(self._control(child).widget)
        if group.shape.conditions:
            slot = Slot(group, lambda field: self._control(replace(field, path=group.path + field.path)), self._shared)
            self._slots.append((to_pointer(group.path), slot))
            made.append(slot.widget)
            slot.update(find(self._values, to_pointer(group.path)))
        if allows_more(group):
            made.append(self._control(rest_of(group)).widget)
        return made

    def _control(self, field: Field) -> Control:
        path = to_pointer(field.path)
        control = self.controls[path] = self._shared.control(field, lambda change: self._took(path, change))
        value = find(self._values, path)
        if value is not ABSENT:
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
        return with_name(base, path[0], new, tuple(properties_of(group.shape.view)))


def _from(problem: Problem, path: str) -> Problem:
    return replace(problem, path=problem.path[len(path) :]) if path else problem
