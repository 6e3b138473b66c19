"""The controls of objects: a nested one, added, folded and removed as a whole; and a whole request, with the problems below it."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, shorten, to_pointer
from seedance_nb._check.check import masked
from seedance_nb._form.controls.base import REST, Change, Compound, Control, Fold, OnChange, WidgetFactory
from seedance_nb._form.labels import FieldStatus, error_html, label_html
from seedance_nb._form.model.fields import Field, children_of, conditional_fields, rest_of, start_of
from seedance_nb._form.model.shape import with_property

_OPEN_LEVELS = 2  # number of levels of objects that are open at first: a recursive schema would have no end


class ObjectControl(Compound):
    """An object with a heading. An optional one is absent until it is added, and can be removed again."""

    bare = False
    levels = 1  # how much deeper its fields are
    _slot: Any = None  # a box of the conditional fields (`if`, `dependentSchemas`), so that no other field is redrawn
    _body: Any = None
    fold: Fold | None = None  # of the `advanced` fields

    def __init__(self, field: Field, factory: WidgetFactory, on_change: OnChange) -> None:
        self._controls, self._shown, self._conditional = dict[str, Any](), dict[str, Any](), dict[str, Any]()
        self.advanced: list[tuple[ObjectControl, Field]] = []
        super().__init__(field, factory, on_change)

    def _build(self) -> Any:
        self._button = cache(self._new_button)
        self._open = self.bare or (self.field.required and self._factory.depth < _OPEN_LEVELS)
        self._make_head()
        return self._factory.box(W.VBox, self._layout(), "sdn-field", "sdn-bare" if self.bare else "sdn-object")

    def parts(self) -> Mapping[str, Control]:
        return {**self._controls, **self._shown}

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        if not self._open and any(problem.path and not problem.warns for problem in problems):
            self._flip()
        super().show_problems(problems)

    def focus(self, path: tuple[str, ...]) -> None:
        if self.value is ABSENT and not self._open:
            self._button("add").focus()
        else:
            if not self._open:
                self._flip()
            super().focus(path)

    def _flip(self) -> None:
        self._open = not self._open
        self._arrange()

    def _set(self, value: Any) -> None:
        self._open = self.bare or value is not ABSENT
        self.show(value)
        self._accept(value)
        self.focus(())

    def _display(self, value: Any) -> None:
        if isinstance(value, Mapping) and self._factory.depth < _OPEN_LEVELS:
            self._open = True
        self._show_parts()
        self._arrange()

    def _show_parts(self) -> None:
        """Show what has changed, in the conditional fields that apply and in all others."""
        body = self.value if isinstance(self.value, Mapping) else {}
        with self._factory.deeper(self.levels):
            applying = conditional_fields(self.field, self.value) if self._slot is not None else ()
            fields = {field.path[-1]: field for field in applying if field.kind != "constant"}
            if list(fields) != list(self._shown):
                new = {name: self._child(field) for name, field in fields.items() if name not in self._conditional}
                self._conditional |= new
                self._shown = {name: self._conditional[name] for name in fields}
                self._slot.children = [control.widget for control in self._shown.values()]
            for name, control in self.parts().items():
                value = self.value if name == REST else body.get(name, ABSENT)
                if control.value is not value and repr(control.value) != repr(value):
                    control.show(value)

    def _status_with(self, problems: tuple[Problem, ...] = ()) -> FieldStatus:
        if self.value is ABSENT or (self._open and isinstance(self.value, Mapping)):
            return FieldStatus(problems)
        shape = self.field.shape
        return FieldStatus(problems, brief=shorten(masked({**shape.view, "$defs": shape.defs}, self.value), 90))

    def _arrange(self) -> None:
        self.widget.children = self._layout()
        Control.show_problems(self, self._status.problems)

    def _layout(self) -> list[Any]:
        body = [self._fields_box()] if self._open else []
        if self.bare:
            return [self.label_widget, *body]
        if self.value is ABSENT and not self.field.required:
            return [self.label_widget, self._button("add")]
        fold = self._button("fold")
        fold.icon = "caret-down" if self._open else "caret-right"
        return [self.label_widget, fold, *([] if self.field.required else [self._button("remove")]), *body]

    def _new_button(self, name: str) -> Any:
        label, make = self.field.label, self._factory.button
        if name == "add":
            add = {"icon": "plus", "description": f"Add {label.lower()}"}
            return make(lambda: self._set(start_of(self.field)), "sdn-add", **add)
        if name == "fold":
            return make(self._flip, "sdn-icon", icon="caret-right", tooltip=f"Show or hide {label}")
        return make(partial(self._set, ABSENT), "sdn-icon", icon="times", tooltip=f"Remove {label}")

    def _fields_box(self) -> Any:
        if self._body is None:
            with self._factory.deeper():
                parts = self._add(children_of(self.field.shape, (), [0]))
            self._body = self._factory.box(W.VBox, [*parts, *self.add_fold()], "sdn-fields")
            self._show_parts()
            names = [field.path[-1] for _, field in self.advanced]
            if self.fold and isinstance(self.value, Mapping) and not self.value.keys().isdisjoint(names):
                self.fold.open()
        return self._body

    def _add(self, fields: Iterable[Field]) -> list[Any]:
        """The widgets of new controls for the fields, the conditional ones and the rest, without the `advanced` ones."""
        widgets: list[Any] = []
        for field in fields:
            if field.advanced and field.kind != "group":
                self.advanced.append((self, field))
            elif field.kind != "constant":
                control = self._controls[field.path[-1]] = self._child(field)
                is_group = isinstance(control, GroupControl)
                widgets += control.widgets if is_group else [control.widget]
                self.advanced += control.advanced if is_group else []
        if self.field.shape.conditions:
            self._slot = self._factory.box(W.VBox, [], "sdn-slot")
            widgets.append(self._slot)
        if rest := rest_of(self.field):
            self._controls[REST] = self._factory.control(rest, partial(self._on_edit, REST))
            widgets.append(self._controls[REST].widget)
        return widgets

    def add_fold(self) -> list[Any]:
        """The button and the box of the advanced fields, if there are any; their controls are created when it is opened."""
        self.fold = Fold(self._factory, "Advanced", cache(self._open_advanced)) if self.advanced else None
        return [self.fold.button, self.fold.box] if self.fold else []

    def _open_advanced(self) -> list[Any]:
        notes = "; ".join(f"{field.label}: {field.advanced}" for _, field in self.advanced)
        widgets = [self._factory.html(Html('<span class="sdn-dim">{}</span>').format(notes), "sdn-fold-note")]
        for group, field in self.advanced:
            control = group._controls[field.path[-1]] = group._child(field)  # noqa: SLF001 - one of its own kind
            widgets.append(control.widget)
            group._show_parts()  # noqa: SLF001
        return widgets

    def _child(self, field: Field) -> Any:
        return self._factory.control(field, partial(self._on_edit, field.path[-1]))

    def _on_edit(self, name: str, change: Change) -> None:
        with self._factory.lock:  # a form's values may be set in another thread
            value, rest = self.parts()[name].value, self._controls.get(REST)
            if name != REST:
                change = change.below(name)
                if self.value is not ABSENT or value is not ABSENT:
                    base = self.value if isinstance(self.value, Mapping) else start_of(self.field)
                    value = with_property(self.field.shape.view, base, name, value)
            self.value = value
            if rest is not None:
                rest.value = value
            self._show_parts()
            self._arrange()
        self._on_change(change)


class GroupControl(ObjectControl):
    """An object whose fields stand open among those of the form, as `widgets`, without a box around them."""

    levels = 0

    def _build(self) -> None:
        self.widgets = self._add(self.field.children)
        if self.field.path and "x-inputs" not in self.field.shape.view:
            self.widgets.insert(0, self._factory.html(label_html(self.field, FieldStatus()), "sdn-head", "sdn-section"))

    def leaves(self) -> dict[str, Control]:
        """The controls by the JSON Pointer of their values, those of the groups inside too."""
        found: dict[str, Control] = {}
        for name, control in self.parts().items():
            path = to_pointer(self.field.path if name == REST else (*self.field.path, name))
            found |= control.leaves() if isinstance(control, GroupControl) else {path: control}
        return found

    def _arrange(self) -> None:
        """Do nothing: it has no box and no label that changes."""


class BareControl(ObjectControl):
    bare = True
    _html = staticmethod(lambda _, status: error_html(status.problems))
