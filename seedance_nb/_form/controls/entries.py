"""The base of the controls of lists and maps: entries that a user adds, moves and removes."""

from collections.abc import Callable
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Compound, Control


class Entries(Compound):
    """A control of many entries. Each entry has a `value`, a `widget`, `show` for another value, and `focus`."""

    entry_class: type[Any]
    fixed = False  # whether an entry's index decides its schema, so that entries cannot be moved

    _entries: list[Any]

    def _frame(self, noun: str, kind: str) -> Any:
        self._entries = []
        self._head = self._new_head()
        add = {"icon": "plus", "description": f"Add {noun}"}
        self._add = self._factory.button(lambda: self.press(self.add), "sdn-add", **add)
        return self._factory.box(W.VBox, [self._head, *self._foot()], "sdn-field", kind)

    def buttons(self, entry: Any) -> list[Any]:
        """The buttons that move an entry, unless `fixed`, and the one that removes it."""
        button = self._factory.button
        remove = button(lambda: self.press(self.remove, entry), "sdn-icon", icon="times", tooltip="Remove")
        if self.fixed:
            return [remove]
        entry.up = button(lambda: self.press(self.move, entry, -1), "sdn-icon", icon="arrow-up", tooltip="Move up")
        entry.down = button(lambda: self.press(self.move, entry, 1), "sdn-icon", icon="arrow-down", tooltip="Move down")
        return [entry.up, entry.down, remove]

    def press(self, act: Callable[..., None], *given: Any) -> None:
        """Do what a button says, then focus its entry: the new one, the one that was moved, or the one in its place."""
        entry: Any = given[0] if given else None
        here = self._entries.index(entry) if entry in self._entries else -1
        act(*given)
        if self._entries and entry not in self._entries:
            entry = self._entries[min(here, len(self._entries) - 1)]
        (entry if self._entries else self._add).focus()

    def add(self, value: Any = ABSENT) -> None:
        """Add an entry at the end, as a user's change."""
        self._entries.append(self.entry_class(self, len(self._entries), value))
        self._arrange()
        self._accept(self._collect())

    def remove(self, entry: Any) -> None:
        """Remove an entry, as a user's change. Without entries the field is absent, unless required."""
        if entry in self._entries:
            self._reorder([index for index, other in enumerate(self._entries) if other is not entry])

    def move(self, entry: Any, by: int) -> None:
        """Move an entry up (-1) or down (1), as a user's change."""
        order = list(range(len(self._entries)))
        here = self._entries.index(entry) if entry in self._entries else -1
        if here in order and here + by in order:
            order[here], order[here + by] = here + by, here
            self._reorder(order)

    def _reorder(self, order: list[int]) -> None:
        further = range(len(self._entries), self._count() or 0)
        self._entries = [self._entries[index] for index in order]
        if self.fixed:
            self.show(self._collect())
        self._arrange()
        self._accept(self._collect(), Change(order=(*order, *further)))

    def _name(self, entry: Any, index: int) -> None:
        """Label an entry by its index."""

    def _collect(self) -> Any:
        """The value of all entries together."""
        raise NotImplementedError

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        for entry, item in zip(self._entries, items, strict=False):
            entry.show(item)
        more = [self.entry_class(self, index, items[index]) for index in range(len(self._entries), len(items))]
        self._entries = self._entries[: len(items)] + more
        self._arrange()

    def _count(self) -> int | None:
        return len(self._entries)

    def _arrange(self) -> None:
        last = len(self._entries) - 1
        for index, entry in enumerate(self._entries):
            self._name(entry, index)
            if not self.fixed:
                entry.up.disabled, entry.down.disabled = index == 0, index == last
        most = None if self.field.kind == "map" else self.field.most_items
        self._add.disabled = most is not None and (self._count() or 0) >= most
        # Last: updating a text box after it is shown would lose what a user has typed.
        self.widget.children = [self._head, *(entry.widget for entry in self._entries), *self._foot()]

    def _foot(self) -> list[Any]:
        return [self._add]


class ControlEntry:
    """An entry with a control of its own."""

    control: Control

    @property
    def value(self) -> Any:
        """Its value, which cannot be absent: null if not filled in, "" or false for a text or switch. *pure*."""
        empty = {"text": "", "prose": "", "toggle": False}.get(self.control.field.kind)
        return empty if self.control.value is ABSENT else self.control.value

    def show(self, value: Any) -> None:
        """Show a value."""
        self.control.show(value)
