"""The base of the controls of lists and maps: entries that a person adds, moves and removes."""

from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Compound, Control


class Entries(Compound):
    """A control of many entries. Each entry has a `value`, a `widget`, and `show` for another value."""

    fixed = False
    """Whether an entry's index decides its schema, so that entries cannot be moved."""

    _rows: list[Any]

    def _frame(self, noun: str, kind: str) -> Any:
        self._rows = []
        self._head = self._new_head()
        self._add = self._shared.button(self.add, "sdn-add", icon="plus", description=f"Add {noun}")
        return self._shared.box(W.VBox, [self._head, *self._foot()], "sdn-field", kind)

    def buttons(self, row: Any) -> list[Any]:
        """The buttons that move an entry, unless `fixed`, and the one that removes it."""
        button = self._shared.button
        gone = button(lambda: self.remove(row), "sdn-icon", icon="times", tooltip="Remove")
        if self.fixed:
            return [gone]
        row.up = button(lambda: self.move(row, -1), "sdn-icon", icon="arrow-up", tooltip="Move up")
        row.down = button(lambda: self.move(row, 1), "sdn-icon", icon="arrow-down", tooltip="Move down")
        return [row.up, row.down, gone]

    def add(self, value: Any = ABSENT) -> None:
        """Add an entry at the end, as a person's change."""
        self._rows.append(self._row(len(self._rows), value))
        self._arrange()
        self._took(self._whole())

    def remove(self, row: Any) -> None:
        """Remove an entry, as a person's change. Without entries the field is absent, unless required."""
        if row in self._rows:
            self._reorder([place for place, other in enumerate(self._rows) if other is not row])

    def move(self, row: Any, by: int) -> None:
        """Move an entry up (-1) or down (1), as a person's change."""
        order = list(range(len(self._rows)))
        here = self._rows.index(row) if row in self._rows else -1
        if here in order and here + by in order:
            order[here], order[here + by] = here + by, here
            self._reorder(order)

    def _reorder(self, order: list[int]) -> None:
        further = range(len(self._rows), self._count() or 0)
        self._rows = [self._rows[place] for place in order]
        if self.fixed:
            self.show(self._whole())
        self._arrange()
        self._took(self._whole(), Change(order=(*order, *further)))

    def _row(self, place: int, value: Any) -> Any:
        """A new entry; `ABSENT` makes an empty one."""
        raise NotImplementedError

    def _name(self, row: Any, place: int) -> None:
        """Label an entry by its index."""

    def _whole(self) -> Any:
        raise NotImplementedError

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        for row, item in zip(self._rows, items, strict=False):
            row.show(item)
        more = [self._row(place, items[place]) for place in range(len(self._rows), len(items))]
        self._rows = self._rows[: len(items)] + more
        self._arrange()

    def _count(self) -> int | None:
        return len(self._rows)

    def _arrange(self) -> None:
        last = len(self._rows) - 1
        for place, row in enumerate(self._rows):
            self._name(row, place)
            if not self.fixed:
                row.up.disabled, row.down.disabled = place == 0, place == last
        most = None if self.field.kind == "map" else self.field.most_items
        self._add.disabled = most is not None and (self._count() or 0) >= most
        # Last: a text box that is updated once it can be typed into loses what was typed so far.
        self.widget.children = [self._head, *(row.widget for row in self._rows), *self._foot()]

    def _foot(self) -> list[Any]:
        return [self._add]


def value_of(control: Control) -> Any:
    """The value of an entry's control, which cannot be absent: null if not filled in, "" or false for a text or switch. *pure*."""
    if control.value is not ABSENT:
        return control.value
    return {"text": "", "prose": "", "toggle": False}.get(control.field.kind)
