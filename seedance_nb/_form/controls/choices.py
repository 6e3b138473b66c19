"""The controls of alternatives (`oneOf`, `anyOf`) and of nullable values."""

from dataclasses import replace
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control, mark
from seedance_nb._form.controls.objects import BareControl
from seedance_nb._form.controls.scalars import chooser_for
from seedance_nb._form.labels import FieldStatus, label_html
from seedance_nb._form.model.fields import branch_for, branches_of, reusable_part

ALTERNATIVES = ("oneOf", "anyOf")  # keywords of alternative schemas

_NONE = -1


class BranchControl(Control):
    """A chooser and the fields of the chosen branch. Another branch keeps the values that are valid for it."""

    def _build(self) -> Any:
        self._branches = branches_of(self.field)
        self._controls: dict[int, Control] = {}
        self._at = _NONE
        labels = [branch.label for branch in self._branches]
        options, classes = list(zip(labels, range(len(labels)), strict=True)), []
        if not self.field.required:
            options, classes = [("–", _NONE), *options], ["sdn-optional"]
        self._chooser = self.label_widget = self._factory.make(
            chooser_for(labels), "sdn-field", "sdn-choice", *classes, options=options, on=self._on_choice,
            value=None if self.field.required else _NONE, description=label_html(self.field, FieldStatus()),
        )  # fmt: skip
        return self._factory.box(W.VBox, [self._chooser], "sdn-field", "sdn-branches")

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        part = self._controls.get(self._at)
        own = problems if part is None else tuple(p for p in problems if p.path == "" and p.rule in ALTERNATIVES)
        if part is not None:
            part.show_problems(tuple(p for p in problems if p not in own))
        super().show_problems(own)

    def focus(self, path: tuple[str, ...]) -> None:
        part = self._controls.get(self._at)
        if part is None or not path:
            self._chooser.focus()
        else:
            part.focus(path)

    def _on_choice(self, index: int | None) -> None:
        if self._quiet or index is None:
            return
        value = ABSENT if index == _NONE else reusable_part(self._branches[index], self.value)
        self._switch(index, value)
        self._accept(value)

    def _switch(self, index: int, value: Any) -> None:
        if index != _NONE and index not in self._controls:
            field = self._branches[index]
            if field.help == self.field.help:
                field = replace(field, help="")
            with self._factory.deeper():
                if field.kind == "object" and not field.nullable:
                    self._controls[index] = BareControl(field, self._factory, self._on_edit)
                else:
                    self._controls[index] = self._factory.control(field, self._on_edit)
        self._at = index
        part = self._controls.get(index)
        if part is not None:
            part.show(value)
        self.widget.children = [self._chooser] if part is None else [self._chooser, part.widget]

    def _on_edit(self, change: Change) -> None:
        if not self._quiet and self._at in self._controls:
            self._accept(self._controls[self._at].value, change)

    def _display(self, value: Any) -> None:
        branch = branch_for(self.field, self._branches, value)
        index = _NONE if branch is None else branch
        self._switch(index, value)
        self._chooser.value = None if index == _NONE and self.field.required else index


class NullControl(Control):
    """A nullable value: its control with a null switch beside it, so that null, empty and absent stay distinct."""

    def _build(self) -> Any:
        self._inner = self._factory.control(replace(self.field, nullable=False), self._on_edit)
        self._switch = self._factory.make(
            W.Checkbox, "sdn-null", description="null", indent=False, value=False, on=self._set_null,
            tooltip=f"Send null for {self.field.label}",
        )  # fmt: skip
        widgets = [self._inner.widget, self._switch]
        return self._factory.box(W.HBox, widgets, "sdn-nullable", f"sdn-of-{self.field.kind}")

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        self._inner.show_problems(problems)

    def relabel(self, label: str) -> None:
        self.field = replace(self.field, label=label)
        self._inner.relabel(label)

    def focus(self, path: tuple[str, ...]) -> None:
        if self.value is None:
            self._switch.focus()
        else:
            self._inner.focus(path)

    def _set_null(self, is_null: bool) -> None:
        if not self._quiet:
            mark(self.widget, "sdn-is-null", on=is_null)
            self._accept(None if is_null else self._inner.value)

    def _on_edit(self, change: Change) -> None:
        if not self._quiet:
            with self._silence():
                self._switch.value = False
            mark(self.widget, "sdn-is-null", on=False)
            self._accept(self._inner.value, change)

    def _display(self, value: Any) -> None:
        self._switch.value = value is None
        mark(self.widget, "sdn-is-null", on=value is None)
        self._inner.show(ABSENT if value is None else value)
