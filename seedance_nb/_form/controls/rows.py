"""The control of a list of anything but plain texts: each entry has the control of its kind."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control
from seedance_nb._form.controls.entries import Entries, value_of
from seedance_nb._form.model.fields import Field
from seedance_nb._form.model.parts import entry_of, start_of

_OPEN_ROWS = 3
"""The entries of longer lists are folded."""

_AT_FIRST = 40
"""How many entries are drawn before "Show more" is pressed."""


class _Row:
    """One entry and its buttons."""

    def __init__(self, owner: "RowsControl", place: int, value: Any) -> None:
        shared, field = owner._shared, owner.entry(place)  # noqa: SLF001 - a part of the same control
        self.control: Control = shared.control(field, lambda change: owner.edited(self, change))
        self.show(start_of(field) if value is ABSENT else value)
        self.widget = shared.box(W.HBox, [self.control.widget, *owner.buttons(self)], "sdn-item")

    def show(self, value: Any) -> None:
        """Show a value."""
        self.control.show(value)
        self.value = value_of(self.control)


class RowsControl(Entries):
    """A list. A new entry is null until it is filled in, or the only value that the schema allows; no entry is ever dropped."""

    def _build(self) -> Any:
        self._waiting: list[Any] = []
        self._more: Any = None
        self.fixed = "prefixItems" in self.field.shape.view
        self._first = entry_of(self.field, 0)
        self._noun = "" if self.fixed or self._first.label == "1" else self._first.label
        return self._frame(self._noun.lower() or "entry", "sdn-rows")

    def parts(self) -> Mapping[str, Control]:
        return {str(place): row.control for place, row in enumerate(self._rows)}

    def entry(self, place: int) -> Field:
        """The field of the entry at an index, labelled by its number. *pure*."""
        if self.fixed:
            return entry_of(self.field, place)
        return replace(self._first, label=f"{self._noun} {place + 1}".strip())

    def add(self, value: Any = ABSENT) -> None:
        self._show_waiting()
        super().add(value)

    def edited(self, row: _Row, change: Change) -> None:
        """Accept an entry's new value."""
        if row in self._rows and not self._quiet:
            row.value = value_of(row.control)
            self._took(self._whole(), change.below(str(self._rows.index(row))))

    def focus(self, path: tuple[str, ...]) -> None:
        if path and path[0].isdecimal() and int(path[0]) >= len(self._rows):
            self._show_more()
        if path and path[0] in self.parts():
            super().focus(path)
        else:
            self._add.focus()

    def _row(self, place: int, value: Any) -> _Row:
        return _Row(self, place, value)

    def _name(self, row: _Row, place: int) -> None:
        if not self.fixed:
            row.control.relabel(self.entry(place).label)

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        self._waiting = items[_AT_FIRST:]
        if self.fixed:
            self._rows = []
        with self._shared.deeper(0 if len(items) <= _OPEN_ROWS else 2):
            super()._display(items[:_AT_FIRST])

    def _show_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._shared.deeper(2):
            self._rows += [_Row(self, len(self._rows) + place, item) for place, item in enumerate(waiting)]

    def _show_more(self) -> None:
        self._show_waiting()
        self._arrange()

    def _whole(self) -> Any:
        made = [*(row.value for row in self._rows), *self._waiting]
        return made if made or self.field.required else ABSENT

    def _count(self) -> int | None:
        return len(self._rows) + len(self._waiting)

    def _foot(self) -> list[Any]:
        if not self._waiting:
            return [self._add]
        if self._more is None:
            self._more = self._shared.button(self._show_more, "sdn-fold", icon="caret-right")
        self._more.description = f"Show {len(self._waiting):,} more"
        return [self._more, self._add]
