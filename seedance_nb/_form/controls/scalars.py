"""The controls of single values, alternatives (`oneOf`, `anyOf`) and nullable values; a label has its help and errors."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as W  # noqa: N812 - the name its own documentation uses

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, is_number
from seedance_nb._document.operations import is_json
from seedance_nb._document.reader import packaged
from seedance_nb._form.controls.base import Change, Control, mark, silence, toggle
from seedance_nb._form.controls.objects import BareControl
from seedance_nb._form.labels import FieldStatus, plain
from seedance_nb._form.model.fields import branch_for, branches_of, reusable_part
from seedance_nb._form.model.values import json_of, number_of

_FEW, _FEW_CHARACTERS, _NONE = 4, 56, -1


class TextControl(Control):
    """A line or box of text. The value is exactly what is typed; an empty one is absent unless required."""

    def _build(self) -> Any:
        view, prose = self.field.shape.view, self.field.kind in ("prose", "json")
        self.live, self.eager = prose, self.field.kind == "text"
        shape = "json" if self.field.kind == "json" else view.get("format")
        self._by_name = shape == "binary" and not is_json(self._factory.spec.content_type)
        hint = "" if shape == "binary" and not self._by_name else packaged("_form")["hints"].get(shape, "")
        hint = hint if self.field.example is ABSENT else plain(self.field.example)
        text = self._make(W.Textarea if prose else W.Text, placeholder=hint, continuous_update=prose)
        says = str(view.get("description" if shape == "binary" else "contentEncoding")).lower()
        if not (self._by_name or shape == "byte" or "base64" in says):
            return text
        self._files = self._factory.make(W.FileUpload, "sdn-file", icon="upload", on=self._on_files)
        return self._factory.box(W.HBox, [text, self._files], "sdn-nullable")

    def _on_files(self, files: Sequence[dict[str, Any]]) -> None:
        for file in files:  # one, which the button forgets, so that no notebook saves it
            self._files.value = ()
            self.label_widget.value = file["name"] if self._by_name else b64encode(file["content"]).decode()

    def _read(self, shown: str) -> None:
        self._accept(self._value_of(shown))

    def _value_of(self, text: str) -> Any:
        is_json = self.field.kind == "json"
        if not text:
            return "" if self.field.required and not is_json else ABSENT
        return json_of(text) if is_json else text

    def _display(self, value: Any) -> None:
        if self.field.kind == "json" and isinstance(value, str) and self._value_of(value) != value:
            value = json.dumps(value, ensure_ascii=False)  # it would be read as another value
        self.label_widget.value = "" if value is ABSENT else plain(value)

    def _status_with(self, problems: tuple[Problem, ...] = ()) -> FieldStatus:
        return FieldStatus(problems, len(self.label_widget.value) if self.field.kind == "prose" else None)


class PasswordControl(Control):
    """A secret. The text box is cleared as soon as it is typed, so that a saved notebook never contains it."""

    def _build(self) -> Any:
        self._box = self._make(W.Password, placeholder="", continuous_update=False)
        icon = {"icon": "times", "tooltip": f"Forget {self.field.label}"}
        self._forget_button = self._factory.button(lambda: self._read(ABSENT), "sdn-icon", "sdn-hidden", **icon)
        return self._factory.box(W.HBox, [self._box, self._forget_button], "sdn-nullable")

    def _read(self, shown: Any) -> None:
        if shown != "":
            self.show(shown)
            self._accept(shown)

    def _display(self, value: Any) -> None:
        self._box.value = ""
        self._box.placeholder = "" if value is ABSENT else "set (in memory only); type to replace"
        toggle(self._forget_button, shown=value is not ABSENT)


class ChoiceControl(Control):
    """Buttons for a few choices, a dropdown for more. The default is shown as chosen; the value is absent until a user chooses."""

    further: tuple[str, ...] = ()  # words after the choices; the widget's value is an index: two can be equal in Python

    def _build(self) -> Any:
        choices = self.field.choices
        counts = Counter(["", *map(plain, choices)])  # "" must be seen, and 1 and "1" must look different
        texts = [plain(one) if counts[plain(one)] == 1 else json.dumps(one, ensure_ascii=False) for one in choices]
        words = [label or text for label, text in zip(self.field.labels or texts, texts, strict=True)]
        clears = not self.field.required and self.field.default is ABSENT
        return self._make_chooser([*words, *self.further], clears=clears, shown=self._index(ABSENT))

    def _make_chooser(self, words: Sequence[str], *, clears: bool, shown: int | None) -> Any:
        options, classes = list(zip(words, range(len(words)), strict=True)), []
        if clears:
            options, classes = [("–", _NONE), *options], ["sdn-optional"]
        widget = W.ToggleButtons if len(words) <= _FEW and sum(map(len, words)) <= _FEW_CHARACTERS else W.Dropdown
        return self._make(widget, *classes, kind="choice", options=options, value=shown)

    def _read(self, shown: int | None) -> None:
        self._accept(ABSENT if shown in (None, _NONE) else self.field.choices[shown])

    def _index(self, value: Any) -> int | None:
        value = self.field.default if value is ABSENT else value
        if value is ABSENT:
            return None if self.field.required else _NONE
        choices = enumerate(self.field.choices)
        return next((index for index, one in choices if one == value and type(one) is type(value)), None)

    def _display(self, value: Any) -> None:
        self.label_widget.value = self._index(value)


class LikelyControl(ChoiceControl):
    """Likely values, and "Other…" for the field's own box, because any value may be sent."""

    further = ("Other…",)

    def _build(self) -> Any:
        own = replace(self.field, label=f"Other {self.field.label.lower()}", required=False, help="", more=(), unit="", likely=(),
                      third_party_limits="", default=ABSENT)  # fmt: skip
        self._box = self._factory.control(own, lambda change: self._accept(self._box.value, change))
        self.field = replace(self.field, kind="choice", choices=(*self.field.likely,))
        toggle(self._box.widget, shown=False)
        return self._factory.box(W.VBox, [super()._build(), self._box.widget], "sdn-field", "sdn-likely")

    def _read(self, shown: int | None) -> None:
        is_other = shown == len(self.field.choices)
        toggle(self._box.widget, shown=is_other)
        if is_other:
            self._box.focus(())
            self._accept(self._box.value)
        else:
            super()._read(shown)

    def _display(self, value: Any) -> None:
        is_other = value is not ABSENT and self._index(value) is None
        self.label_widget.value = len(self.field.choices) if is_other else self._index(value)
        self._box.show(value if is_other else ABSENT)
        toggle(self._box.widget, shown=is_other)


class ToggleControl(Control):
    def _build(self) -> Any:
        return self._make(W.Checkbox, indent=False, value=self.field.default is True)

    def _display(self, value: Any) -> None:
        self.widget.value = value is True or (value is ABSENT and self.field.default is True)


class NumberControl(Control):
    """A text box for a number, with a slider over the likely ones. Nothing is clamped."""

    _slider: Any = None
    eager = True

    def _build(self) -> Any:
        example = self.field.default if self.field.default is not ABSENT else self.field.example
        self._box = self._make(W.Text, placeholder="" if example is ABSENT else plain(example), continuous_update=False)
        likely = self.field.likely
        if not likely:
            return self._box
        self._start = example if example in likely else likely[0]
        self._slider = self._factory.make(W.IntSlider, "sdn-slider", min=likely[0], max=likely[-1], value=self._start,
                                          readout=False, description=self.field.label, on=self._on_slide)  # fmt: skip
        return self._factory.box(W.HBox, [self._box, self._slider], "sdn-field", "sdn-slid")

    def _read(self, shown: str) -> None:
        value = number_of(shown)
        if self.field.kind == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)
        self._show_slider(value)
        self._accept(value)

    def _on_slide(self, number: int) -> None:
        with silence():
            self._box.value = str(number)
        self._accept(number)

    def _show_slider(self, value: Any) -> None:
        """Move the slider to a value within its range; any other leaves it where it is."""
        if self._slider is not None and (value is ABSENT or (is_number(value) and value in self.field.likely)):
            with silence():
                self._slider.value = self._start if value is ABSENT else int(value)

    def _display(self, value: Any) -> None:
        self._box.value = "" if value is ABSENT else json.dumps(value) if not isinstance(value, str) else f'"{value}"'
        self._show_slider(value)


class BranchControl(ChoiceControl):
    """A chooser and the fields of the chosen branch. Another branch keeps the values that are valid for it."""

    def _build(self) -> Any:
        self._branches = branches_of(self.field)
        self._controls: dict[int, Control] = {}
        self.part: Control | None = None
        clears, words = not self.field.required, [branch.label for branch in self._branches]
        chooser = self._make_chooser(words, clears=clears, shown=_NONE if clears else None)
        return self._factory.box(W.VBox, [chooser], "sdn-field", "sdn-branches")

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        own = tuple(p for p in problems if not self.part or (p.path == "" and p.rule in ("oneOf", "anyOf")))
        if self.part:
            self.part.show_problems(tuple(p for p in problems if p not in own))
        super().show_problems(own)

    def focus(self, path: tuple[str, ...]) -> None:
        if self.part and path:
            self.part.focus(path)
        else:
            super().focus(path)

    def _read(self, shown: int | None) -> None:
        if shown is not None:
            value = ABSENT if shown == _NONE else reusable_part(self._branches[shown], self.value)
            self._switch(shown, value)
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
        self.part = self._controls.get(index)
        if self.part:
            self.part.show(value)
        self.widget.children = [self.label_widget, *([self.part.widget] if self.part else [])]

    def _on_edit(self, change: Change) -> None:
        if self.part:
            self._accept(self.part.value, change)

    def _display(self, value: Any) -> None:
        branch = branch_for(self.field, self._branches, value)
        index = _NONE if branch is None else branch
        self._switch(index, value)
        self.label_widget.value = None if index == _NONE and self.field.required else index


class NullControl(Control):
    """A nullable value: its control with a null switch beside it, so that null, empty and absent stay distinct."""

    def _build(self) -> Any:
        self._inner = self._factory.control(replace(self.field, nullable=False), self._on_edit)
        self._switch = self._factory.make(W.Checkbox, "sdn-null", description="null", indent=False, value=False,
                                          on=self._set_null, tooltip=f"Send null for {self.field.label}")  # fmt: skip
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
        mark(self.widget, "sdn-is-null", on=is_null)
        self._accept(None if is_null else self._inner.value)

    def _on_edit(self, change: Change) -> None:
        with silence():
            self._show_null(self._inner.value)
        self._accept(self._inner.value, change)

    def _show_null(self, value: Any) -> None:
        self._switch.value = value is None
        mark(self.widget, "sdn-is-null", on=value is None)

    def _display(self, value: Any) -> None:
        self._show_null(value)
        self._inner.show(ABSENT if value is None else value)
