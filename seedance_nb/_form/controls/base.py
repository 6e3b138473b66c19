"""The base classes of a form's controls: shared widget models, the value that a control shows, and its problems."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import ipywidgets as W  # noqa: N812 - the name its own documentation uses

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, to_path, to_pointer
from seedance_nb._form.labels import FieldStatus, label_html
from seedance_nb._form.model.fields import Field
from seedance_nb._provider.account import Account

_SILENT: ContextVar[bool] = ContextVar("silent", default=False)
REST = "\0"  # name of the part for properties that the schema does not name; its value is the whole object


@dataclass(frozen=True, slots=True)
class Change:
    """A user's change: its path within the control, whether it is typed text (`live`), and the new order of entries."""

    path: tuple[str, ...] = ()
    live: bool = False
    order: tuple[int, ...] | None = None

    def below(self, name: str) -> "Change":
        return replace(self, path=(name, *self.path))


OnChange = Callable[[Change], None]
# The `keys` of a class of widgets: ipywidgets finds them anew for each widget, in a tenth of the time that it takes.
_synced: Callable[[Any], list[str]] = cache(lambda kind: kind.class_trait_names(sync=True))


@contextmanager
def silence() -> Iterator[None]:
    """Ignore what widgets report in this thread within the block: it is not a user's change."""
    was = _SILENT.set(True)
    try:
        yield
    finally:
        _SILENT.reset(was)


class WidgetFactory:
    """Creates widgets that share one layout and one style per kind, so that a form takes few messages to the browser."""

    # `account` uploads files and registers URLs, where the `calls` of `spec` say that the provider takes them.
    def __init__(self, control: Any = None, spec: Any = None, account: Callable[[], Account] | None = None) -> None:
        self.layout, self.lock = W.Layout(keys=[key for key in _synced(W.Layout) if key[0] == "_"]), threading.RLock()
        self.layout.keys = [*_synced(W.Layout)]  # the browser knows that the others are empty until one is set
        self.spec, self.account, self.depth = spec, account, 0  # the depth of what is being created
        self.control: Callable[[Field, OnChange], Control] = lambda field, on_change: control(field, self, on_change)
        self._style = cache(lambda style: style(keys=[*_synced(style)]))

    def make(self, kind: Any, *classes: str, on: Callable[[Any], object] | None = None, **traits: Any) -> Any:
        """A widget with the shared layout and the shared style of its kind, which calls `on` with each new value."""
        is_html = {"description_allow_html": True} if isinstance(traits.get("description"), Html) else {}
        shared = {"keys": [*_synced(kind)], "layout": self.layout, "style": self._style(kind.style.klass)}
        widget = kind(_dom_classes=list(classes), **shared, **is_html, **traits)
        if on is not None:
            widget.observe(lambda change: _SILENT.get() or on(change["new"]), "value")
        return widget

    def box(self, kind: type, children: Sequence[Any], *classes: str) -> Any:
        return kind(children, keys=[*_synced(kind)], layout=self.layout, _dom_classes=["widget-box", *classes])

    def html(self, text: Html | Literal[""], *classes: str) -> Any:
        return self.make(W.HTML, *classes, value=text)

    def button(self, act: Callable[[], object], *classes: str, **traits: Any) -> Any:
        button = self.make(W.Button, *classes, **traits)
        button.on_click(lambda _: act())
        return button

    @contextmanager
    def deeper(self, levels: int = 1) -> Iterator[None]:
        self.depth += levels
        try:
            yield
        finally:
            self.depth -= levels


class StaticBox(W.VBox):  # type: ignore[misc]
    """A box that viewers without widgets see as the text and HTML of `static`."""

    def __init__(self, children: list[Any], layout: Any, *classes: str, static: Callable[[], tuple[str, Html]]) -> None:
        super().__init__(children, keys=[*_synced(W.VBox)], layout=layout, _dom_classes=["widget-box", *classes])
        self._static = static

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        text, html = self._static()
        return {**(super()._repr_mimebundle_(**options) or {}), "text/plain": text, "text/html": str(html)}


class Control:
    """The control of one field. `value` is what it shows, `ABSENT` while it is untouched."""

    live = False  # whether its changes are typed text
    eager = False  # whether it updates a shown problem at every key
    value: Any = ABSENT
    label_widget: Any = None  # the one with the label: `widget` itself, or the one from `_make` or `_make_head`
    _build: Callable[[], Any]  # creates the widget
    _html: Callable[[Field, FieldStatus], Html] = staticmethod(label_html)

    def __init__(self, field: Field, factory: WidgetFactory, on_change: OnChange) -> None:
        self.field, self._factory, self._on_change = field, factory, on_change
        self.widget = self._build()
        self.label_widget = self.label_widget or self.widget
        self._status = self._status_with()

    def show(self, value: Any) -> None:
        """Show a value without reporting a change."""
        self.value = value
        with silence():
            self._display(value)

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        """Show these problems, whose paths start at this field; nothing is sent to the browser if nothing changed."""
        status = self._status_with(problems)
        if self._status != status:
            self._status = status
            self._write()
            mark(self.widget, "sdn-bad", on=any(not problem.warns for problem in problems))
        if self.eager:
            self.label_widget.continuous_update = bool(problems)

    def relabel(self, label: str) -> None:
        if self.field.label != label:
            self.field = replace(self.field, label=label)
            self._write()

    def focus(self, path: tuple[str, ...]) -> None:  # noqa: ARG002 - for compound controls
        """Unfold what hides the field at this path below, and put the cursor into it."""
        self.label_widget.focus()

    def _display(self, value: Any) -> None:
        """Show the value in the widgets."""

    def _status_with(self, problems: tuple[Problem, ...] = ()) -> FieldStatus:
        return FieldStatus(problems)

    def _write(self) -> None:
        trait = "value" if isinstance(self.label_widget, W.HTML) else "description"
        setattr(self.label_widget, trait, self._html(self.field, self._status))

    def _make_head(self) -> Any:
        self.label_widget = self._factory.html(self._html(self.field, self._status_with()), "sdn-head")
        return self.label_widget

    def _accept(self, value: Any, change: Change | None = None) -> None:
        self.value = value
        self._on_change(change or Change(live=self.live))

    def _make(self, widget: type, *classes: str, kind: str = "", **traits: Any) -> Any:
        if self.field.more:
            traits["tooltip"] = " ".join((self.field.help, *self.field.more))
        self.label_widget = self._factory.make(
            widget, "sdn-field", f"sdn-{kind or self.field.kind}", *classes, **traits,
            description=label_html(self.field, FieldStatus(count=0 if self.field.kind == "prose" else None)),
            on=self._read,
        )  # fmt: skip
        return self.label_widget

    def _read(self, shown: Any) -> None:
        self._accept(shown)


def mark(widget: Any, name: str, *, on: bool) -> None:
    (widget.add_class if on else widget.remove_class)(name)


def toggle(widget: Any, *, shown: bool) -> None:
    mark(widget, "sdn-hidden", on=not shown)


class Fold:
    """A button with a triangle, and below it what `make` returns, shown while it is open."""

    def __init__(self, factory: WidgetFactory, label: str, make: Callable[[], Sequence[Any]]) -> None:
        self.is_open = False
        self.button = factory.button(self.flip, "sdn-fold", description=label, icon="caret-right")
        self.box = factory.box(W.VBox, [], "sdn-fields", "sdn-hidden")
        self._make = make

    def open(self) -> None:
        if not self.is_open:
            self.flip()

    def flip(self) -> None:
        self.is_open = not self.is_open
        self.button.icon = "caret-down" if self.is_open else "caret-right"
        if self.is_open:
            self.box.children = self._make()
        toggle(self.box, shown=self.is_open)


class Compound(Control):
    """A control with nested controls. Its head shows its label and its own problems; each part shows those of the part."""

    parts: Callable[[], Mapping[str, Any]]  # the nested controls so far, by the names or indexes of their values

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        parts = self.parts()
        at = dict[str | None, list[Problem]]()  # by the name of the part, None for the head
        for problem in problems:
            name, *inner = to_path(problem.path) or ("",)
            if problem.path and name in parts:
                at.setdefault(name, []).append(replace(problem, path=to_pointer(inner)))
            elif problem.path and REST in parts:
                at.setdefault(REST, []).append(problem)
            else:  # no control shows that value, so the head reports it, with its path
                words = [*to_path(problem.path)[:-1], problem.message]
                at.setdefault(None, []).append(replace(problem, path="", message=" › ".join(words)))
        for name, part in parts.items():
            part.show_problems(tuple(at.get(name, ())))
        Control.show_problems(self, tuple(at.get(None, ())))

    def focus(self, path: tuple[str, ...]) -> None:
        parts = self.parts()
        name, *inner = path or [*parts][:1] or ("",)
        if name in parts:
            parts[name].focus(tuple(inner))
        elif REST in parts:
            parts[REST].focus(path)
