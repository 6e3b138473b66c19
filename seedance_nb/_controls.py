"""One control for each kind of field, in stock ipywidgets: label, help and error live in the control's own label."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as W  # noqa: N812 - the name its own documentation uses
from ipywidgets.widgets.widget_bool import CheckboxStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_int import SliderStyle
from ipywidgets.widgets.widget_selection import ToggleButtonsStyle
from ipywidgets.widgets.widget_string import HTMLStyle, TextStyle

from seedance_nb._fields import Field
from seedance_nb._labels import Said, label_html, plain
from seedance_nb._values import ABSENT, Problem, read_json

_FEW = 4
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?")

Changed = Callable[[], None]


class Shared:
    """The models that all controls of one form share, so that a form is few messages on the wire."""

    def __init__(self) -> None:
        self.layout = W.Layout()
        self._styles: dict[type, Any] = {}

    def make(self, widget: type, style: type, *classes: str, **traits: Any) -> Any:
        """A widget with the shared layout and the shared style of its kind."""
        if style not in self._styles:
            self._styles[style] = style()
        return widget(layout=self.layout, style=self._styles[style], _dom_classes=list(classes), **traits)

    def box(self, kind: type, children: Sequence[Any], *classes: str) -> Any:
        """A box with the shared layout."""
        return kind(children, layout=self.layout, _dom_classes=["widget-box", *classes])

    def html(self, text: str, *classes: str) -> Any:
        """A piece of HTML; what goes in must be escaped."""
        return self.make(W.HTML, HTMLStyle, *classes, value=text)


class Control:
    """One field on the screen. `value` is what it shows, `ABSENT` while nobody has touched it; `live` is typed text."""

    live = False

    def __init__(self, field: Field, shared: Shared, changed: Changed) -> None:
        self.field = field
        self.value: Any = ABSENT
        self._shared = shared
        self._changed = changed
        self._quiet = False
        self.widget = self._build()

    def show(self, value: Any) -> None:
        """Shows a value without counting it as the person's change."""
        self.value = value
        self._quiet = True
        try:
            self._display(value)
        finally:
            self._quiet = False

    def say(self, problems: tuple[Problem, ...]) -> None:
        """Shows these problems, or none; nothing is sent to the browser where nothing changes."""
        self._set_label(self.widget, problems)

    def _build(self) -> Any:
        raise NotImplementedError

    def _display(self, value: Any) -> None:
        raise NotImplementedError

    def _count(self) -> int | None:
        return None

    def _set_label(self, labelled: Any, problems: tuple[Problem, ...]) -> None:
        text = label_html(self.field, Said(problems=problems, count=self._count()))
        if labelled.description != text:
            labelled.description = text
        mark(self.widget, bad=any(not problem.warns for problem in problems))

    def _took(self, value: Any) -> None:
        if not self._quiet:
            self.value = value
            self._changed()

    def _make(self, widget: type, style: type, **traits: Any) -> Any:
        label = label_html(self.field, Said(count=0 if self.field.kind == "prose" else None))
        told = " ".join((self.field.help, *self.field.more)) if self.field.more else None
        return self._shared.make(
            widget, style, "sdn-field", f"sdn-{self.field.kind}",
            description=label, description_allow_html=True, tooltip=told, **traits,
        )  # fmt: skip


class TextControl(Control):
    """A line or a box of text; exactly what is typed is the value, and an emptied one is absent unless required."""

    def _build(self) -> Any:
        prose = self.field.kind in ("prose", "json")
        self.live = prose
        hint = plain(self.field.example) if self.field.example is not ABSENT else ""
        known = {"options": self.field.suggestions} if self.field.suggestions else {}
        kind = W.Textarea if prose else W.Combobox if known else W.Text
        made = self._make(kind, TextStyle, placeholder=hint, continuous_update=prose, **known)
        made.observe(lambda change: self._took(self._read(change["new"])), "value")
        return made

    def _read(self, text: str) -> Any:
        if not text:
            return "" if self.field.required else ABSENT
        if self.field.kind == "json":
            try:
                return read_json(text)
            except ValueError:
                return text
        return text

    def _display(self, value: Any) -> None:
        text = "" if value is ABSENT else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        self.widget.value = text

    def _count(self) -> int | None:
        return len(self.widget.value) if self.field.kind == "prose" else None

    def say(self, problems: tuple[Problem, ...]) -> None:
        super().say(problems)
        if self.field.kind == "text" and self.widget.continuous_update is not bool(problems):
            self.widget.continuous_update = bool(problems)  # an error that is shown answers to every key


class ChoiceControl(Control):
    """Buttons for a few choices, a list for more. The default is shown as chosen; it is absent until somebody chooses."""

    def _build(self) -> Any:
        options = [(plain(choice), choice) for choice in self.field.choices]
        few = len(options) <= _FEW
        start = self.field.default if self.field.default in self.field.choices else None
        kind = (W.ToggleButtons, ToggleButtonsStyle) if few else (W.Dropdown, DescriptionStyle)
        made = self._make(*kind, options=options, value=start)
        made.observe(lambda change: self._took(change["new"] if change["new"] is not None else ABSENT), "value")
        return made

    def _display(self, value: Any) -> None:
        wanted = self.field.default if value is ABSENT else value
        same = [choice for choice in self.field.choices if choice == wanted and type(choice) is type(wanted)]
        self.widget.value = same[0] if same else None


class ToggleControl(Control):
    """A switch; absent until somebody moves it."""

    def _build(self) -> Any:
        made = self._make(W.Checkbox, CheckboxStyle, indent=False, value=self.field.default is True)
        made.observe(lambda change: self._took(change["new"]), "value")
        return made

    def _display(self, value: Any) -> None:
        self.widget.value = value is True or (value is ABSENT and self.field.default is True)


class NumberControl(Control):
    """A box that takes any typing, and a slider beside it where the document gives both bounds. Neither clamps the other."""

    def _build(self) -> Any:
        self._slider = None
        hint = "" if self.field.default is ABSENT else plain(self.field.default)
        self._box = self._make(W.Text, TextStyle, placeholder=hint, continuous_update=False)
        self._box.observe(self._typed, "value")
        low, high = self.field.minimum, self.field.maximum
        if self.field.kind != "integer" or low is None or high is None:
            return self._box
        start = self.field.default if isinstance(self.field.default, int) else int(low)
        self._slider = self._shared.make(
            W.IntSlider, SliderStyle, "sdn-slider", min=int(low), max=int(high), value=start, readout=False,
            description=self.field.label,
        )  # fmt: skip
        self._slider.observe(self._slid, "value")
        return self._shared.box(W.HBox, [self._box, self._slider], "sdn-field", "sdn-slid")

    def _typed(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            value = _number(change["new"])
            self.show_slider(value)
            self._took(value)

    def _slid(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self._quiet = True
            self._box.value = str(change["new"])
            self._quiet = False
            self._took(change["new"])

    def show_slider(self, value: Any) -> None:
        """Moves the slider to a value that it has room for; leaves it where it is for any other."""
        wanted = self.field.default if value is ABSENT else value
        if isinstance(wanted, float) and wanted.is_integer():
            wanted = int(wanted)
        if self._slider is not None and type(wanted) is int and self._slider.min <= wanted <= self._slider.max:
            was, self._quiet = self._quiet, True
            self._slider.value = wanted
            self._quiet = was

    def _display(self, value: Any) -> None:
        self._box.value = "" if value is ABSENT else json.dumps(value) if not isinstance(value, str) else f'"{value}"'
        self.show_slider(value)

    def say(self, problems: tuple[Problem, ...]) -> None:
        self._set_label(self._box, problems)
        if self._box.continuous_update is not bool(problems):
            self._box.continuous_update = bool(problems)


def _number(text: str) -> Any:
    match = _NUMBER.fullmatch(text)
    if not text:
        return ABSENT
    return text if not match else float(text) if match.group(1) else int(text)


def mark(widget: Any, *, bad: bool) -> None:
    """Marks a widget as wrong, or not; nothing is sent to the browser where nothing changes."""
    has = "sdn-bad" in widget._dom_classes  # noqa: SLF001 - the trait behind add_class
    if bad and not has:
        widget.add_class("sdn-bad")
    if has and not bad:
        widget.remove_class("sdn-bad")


def toggle(widget: Any, *, shown: bool) -> None:
    """Shows a widget, or hides it; nothing is sent to the browser where nothing changes."""
    hidden = "sdn-hidden" in widget._dom_classes  # noqa: SLF001 - the trait behind add_class
    if shown and hidden:
        widget.remove_class("sdn-hidden")
    if not shown and not hidden:
        widget.add_class("sdn-hidden")
