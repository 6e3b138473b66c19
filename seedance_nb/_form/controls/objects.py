"""The controls of objects: a nested one, added, folded and removed as a whole; and a whole request, with the problems below it."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._check.check import masked_in
from seedance_nb._form.controls.base import REST, Change, Compound, Control, Fold, WidgetFactory
from seedance_nb._form.labels import brief, error_html
from seedance_nb._form.model.fields import Field, allows_more, conditional_fields, own_fields, rest_of, start_of
from seedance_nb._form.model.shape import with_property

_OPEN_LEVELS = 2  # number of levels of objects that are open at first: a recursive schema would have no end


class Slot:
    """The conditional fields (`if`, `dependentSchemas`) in a box of their own, so that no other field is redrawn."""

    def __init__(self, field: Field, make: Callable[[Field], Control], factory: WidgetFactory) -> None:
        self.field = field
        self.controls: dict[str, Control] = {}
        self.widget = factory.box(W.VBox, [], "sdn-slot")
        self._make = make
        self._cache: dict[str, Control] = {}

    def update(self, value: Any) -> bool:
        """Show the fields that apply to a value. Returns: whether they changed."""
        fields = {field.path[-1]: field for field in conditional_fields(self.field, value) if field.kind != "constant"}
        if list(fields) == list(self.controls):
            return False
        self._cache |= {name: self._make(field) for name, field in fields.items() if name not in self._cache}
        self.controls = {name: self._cache[name] for name in fields}
        self.widget.children = [control.widget for control in self.controls.values()]
        return True


class ObjectControl(Compound):
    """An object with a heading. An optional one is absent until it is added, and can be removed again."""

    bare = False

    def _build(self) -> Any:
        self._controls: dict[str, Control] = {}
        self._advanced: list[Field] = []
        self._body: Any = None
        self._slot: Slot | None = None
        self._button = cache(self._new_button)
        self._open = self.bare or (self.field.required and self._factory.depth < _OPEN_LEVELS)
        self._head = self._new_head()
        return self._factory.box(W.VBox, self._layout(), "sdn-field", "sdn-bare" if self.bare else "sdn-object")

    def parts(self) -> Mapping[str, Control]:
        return self._controls if self._slot is None else {**self._controls, **self._slot.controls}

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        if not self._open and any(problem.path and not problem.warns for problem in problems):
            self.open()
        super().show_problems(problems)

    def focus(self, path: tuple[str, ...]) -> None:
        if self.value is ABSENT and not self._open:
            self._button("add").focus()
        else:
            self.open()
            super().focus(path)

    def open(self) -> None:
        if not self._open:
            self._flip()

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
        value = self.value if isinstance(self.value, Mapping) else {}
        with self._factory.deeper():
            if self._slot is not None:
                self._slot.update(value)
            for name, control in self.parts().items():
                control.show(self.value if name == REST else value.get(name, ABSENT))

    def _brief(self) -> str:
        if self.value is ABSENT or (self._open and isinstance(self.value, Mapping)):
            return ""
        shape = self.field.shape
        return brief(masked_in({"$defs": shape.defs}, shape.view, self.value))

    def _arrange(self) -> None:
        self.widget.children = self._layout()
        Control.show_problems(self, self._status.problems)

    def _layout(self) -> list[Any]:
        body = [self._fields_box()] if self._open else []
        if self.bare:
            return [self._head, *body]
        if self.value is ABSENT and not self.field.required:
            return [self._head, self._button("add")]
        fold = self._button("fold")
        fold.icon = "caret-down" if self._open else "caret-right"
        return [self._head, fold, *([] if self.field.required else [self._button("remove")]), *body]

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
                fields = [field for field in own_fields(self.field) if field.kind != "constant"]
                self._controls = {field.path[-1]: self._child(field) for field in fields if not field.advanced}
                self._advanced = [field for field in fields if field.advanced]
                parts = [control.widget for control in self._controls.values()]
                if self.field.shape.conditions:
                    self._slot = Slot(self.field, self._child, self._factory)
                    parts.append(self._slot.widget)
                if allows_more(self.field):
                    self._controls[REST] = self._factory.control(rest_of(self.field), partial(self._on_edit, REST))
                    parts.append(self._controls[REST].widget)
                if self._advanced:
                    self._fold = Fold(self._factory, "Advanced", cache(self._open_advanced))
                    parts += [self._fold.button, self._fold.box]
            self._body = self._factory.box(W.VBox, parts, "sdn-fields")
            self._show_parts()
            if any(isinstance(self.value, Mapping) and field.path[-1] in self.value for field in self._advanced):
                self._fold.flip()
        return self._body

    def _open_advanced(self) -> list[Any]:
        advanced = {field.path[-1]: self._child(field) for field in self._advanced}
        self._controls = {**self._controls, **advanced}
        self._show_parts()
        return [control.widget for control in advanced.values()]

    def _child(self, field: Field) -> Control:
        return self._factory.control(field, partial(self._on_edit, field.path[-1]))

    def _on_edit(self, name: str, change: Change) -> None:
        if self._quiet:
            return
        value, rest = self.parts()[name].value, self._controls.get(REST)
        if name != REST:
            change = change.below(name)
            if self.value is not ABSENT or value is not ABSENT:
                base = self.value if isinstance(self.value, Mapping) else start_of(self.field)
                value = with_property(self.field.shape.view, base, name, value)
        self.value = value
        if self._slot is not None and self._slot.update(value):
            self._show_parts()
        if rest is not None and name != REST and rest.value != value:
            rest.show(value)
        self._arrange()
        self._accept(value, change)


class BareControl(ObjectControl):
    """An object without a heading of its own: only its fields, always open."""

    bare = True
    _html = staticmethod(lambda _, status: error_html(status.problems))
