"""The control of a list of anything but plain texts: rows that are added, removed and moved, each with the control of its kind."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Compound, Control, swapped, without
from seedance_nb._form.model.parts import entry_of, start_of

_OPEN_ROWS = 3
"""A list of at most this many entries shows them open; those of a longer one are opened one by one."""

_AT_FIRST = 40
"""How many rows are drawn before somebody asks for more."""


class _Row:
    """One entry on the screen, and its buttons."""

    def __init__(self, owner: "RowsControl", place: int, value: Any) -> None:
        shared = owner._shared  # noqa: SLF001 - a part of the same control
        field = owner.entry(place)
        self.control: Control = shared.control(field, lambda change: owner.edited(self, change))
        self.control.show(value)
        self.value = value
        self.buttons = []
        if not owner.fixed:
            self.up = shared.button(lambda: owner.move(self, -1), "sdn-icon", icon="arrow-up", tooltip="Move up")
            self.down = shared.button(lambda: owner.move(self, 1), "sdn-icon", icon="arrow-down", tooltip="Move down")
            self.buttons = [self.up, self.down]
        self.buttons.append(shared.button(lambda: owner.remove(self), "sdn-icon", icon="times", tooltip="Remove"))
        self.widget = shared.box(W.HBox, [self.control.widget, *self.buttons], "sdn-item")


class RowsControl(Compound):
    """A list. A new entry is null until it is filled, or what the document leaves no choice about; none is ever dropped."""

    def _build(self) -> Any:
        self._rows: list[_Row] = []
        self._waiting: list[Any] = []
        self.fixed = "prefixItems" in self.field.shape.view
        self._noun = entry_of(self.field, 0).label
        self._head = self._new_head()
        noun = "entry" if self.fixed or self._noun == "1" else self._noun.lower()
        self._add = self._shared.button(self.add, "sdn-add", icon="plus", description=f"Add {noun}")
        self._more: Any = None
        return self._shared.box(W.VBox, [self._head, self._add], "sdn-field", "sdn-rows")

    def parts(self) -> Mapping[str, Control]:
        return {str(place): row.control for place, row in enumerate(self._rows)}

    def entry(self, place: int) -> Any:
        """The field of the entry at a place, named by its number. *pure*."""
        field = entry_of(self.field, place)
        return (
            field if self.fixed or field.label == str(place + 1) else replace(field, label=f"{field.label} {place + 1}")
        )

    def add(self) -> None:
        """Adds an entry at the end, as a person's change."""
        self._show_waiting()
        place = len(self._rows)
        begin = start_of(self.entry(place))
        row = _Row(self, place, begin)
        row.value = _present(row, begin)
        self._rows.append(row)
        self._arrange()
        self._took(self._entries())

    def remove(self, row: _Row) -> None:
        """Removes an entry, as a person's change; the last one gone makes the list absent unless it is needed."""
        if row in self._rows:
            self._show_waiting()
            here = self._rows.index(row)
            order = without(len(self._rows), here)
            self._rows.pop(here)
            if self.fixed:  # the place decides what an entry is
                self.show([row.value for row in self._rows])
            self._arrange()
            self._took(self._entries(), Change(order=order))

    def move(self, row: _Row, by: int) -> None:
        """Moves an entry up (-1) or down (1), as a person's change."""
        here = self._rows.index(row) if row in self._rows else -1
        if order := swapped(len(self._rows), here, by):
            self._rows = [self._rows[place] for place in order]
            self._arrange()
            self._took(self._entries(), Change(order=order))

    def edited(self, row: _Row, change: Change) -> None:
        """Takes an entry's new value."""
        if row in self._rows and not self._quiet:
            row.value = _present(row, row.control.value)
            self._took(self._entries(), change.below(str(self._rows.index(row))))

    def focus(self, path: tuple[str, ...]) -> None:
        if path and path[0].isdecimal() and int(path[0]) >= len(self._rows):
            self._show_waiting()
            self._arrange()
        if path and path[0] in self.parts():
            super().focus(path)
        else:
            self._add.focus()

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        self._waiting = list(items[_AT_FIRST:])
        items = items[:_AT_FIRST]
        with self._shared.deeper(0 if len(items) <= _OPEN_ROWS else 2):
            if not self.fixed:
                for row, item in zip(self._rows, items, strict=False):
                    row.value = item
                    row.control.show(item)
                del self._rows[len(items) :]
            else:
                self._rows = []
            self._rows += [_Row(self, place, items[place]) for place in range(len(self._rows), len(items))]
        self._arrange()

    def _show_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._shared.deeper(2):
            self._rows += [_Row(self, len(self._rows) + place, item) for place, item in enumerate(waiting)]

    def _show_more(self) -> None:
        self._show_waiting()
        self._arrange()

    def _entries(self) -> Any:
        made = [*(row.value for row in self._rows), *self._waiting]
        return made if made or self.field.required else ABSENT

    def _count(self) -> int | None:
        return len(self._rows) + len(self._waiting)

    def _arrange(self) -> None:
        last = len(self._rows) - 1
        for place, row in enumerate(self._rows):
            row.control.relabel(self.entry(place).label if not self.fixed else row.control.field.label)
            for button, off in zip(row.buttons[:-1], (place == 0, place == last), strict=False):
                if button.disabled is not off:
                    button.disabled = off
        full = self.field.most_items is not None and (self._count() or 0) >= self.field.most_items
        if self._add.disabled is not full:
            self._add.disabled = full
        foot = [self._add]
        if self._waiting:
            if self._more is None:
                self._more = self._shared.button(self._show_more, "sdn-fold", icon="caret-right")
            self._more.description = f"Show {len(self._waiting):,} more"
            foot = [self._more, self._add]
        wanted = (self._head, *(row.widget for row in self._rows), *foot)
        if self.widget.children != wanted:
            self.widget.children = wanted


def _present(row: _Row, value: Any) -> Any:
    """In a list nothing can be absent: null stands for what is not filled, an empty text or an unmoved switch for itself."""
    if value is not ABSENT:
        return value
    return {"text": "", "prose": "", "toggle": False}.get(row.control.field.kind)
