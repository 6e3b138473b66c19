"""The control of a list of anything but plain texts: each entry has a control of its own kind."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control
from seedance_nb._form.controls.entries import ControlEntry, Entries
from seedance_nb._form.model.fields import Field
from seedance_nb._form.model.parts import entry_of, start_of

_OPEN_ITEMS = 3  # entries of longer lists are folded

_AT_FIRST = 40  # number of entries shown before "Show more" is pressed


class _Item(ControlEntry):
    """One entry and its buttons."""

    def __init__(self, owner: "ItemsControl", index: int, value: Any) -> None:
        factory, field = owner._factory, owner.entry_field(index)  # noqa: SLF001 - a part of the same control
        self.control = factory.control(field, lambda change: owner.on_edit(self, change))
        self.show(start_of(field) if value is ABSENT else value)
        self.focus = partial(self.control.focus, ())
        self.widget = factory.box(W.HBox, [self.control.widget, *owner.buttons(self)], "sdn-item")


class ItemsControl(Entries):
    """A list. A new entry is null until it is filled in, or the only value that the schema allows; entries are never dropped."""

    entry_class = _Item

    def _build(self) -> Any:
        self._waiting: list[Any] = []
        self._more: Any = None
        self.fixed = "prefixItems" in self.field.shape.view
        self._first = entry_of(self.field, 0)
        self._noun = "" if self.fixed or self._first.label == "1" else self._first.label
        return self._frame(self._noun.lower() or "entry", "sdn-items")

    def parts(self) -> Mapping[str, Control]:
        return {str(index): entry.control for index, entry in enumerate(self._entries)}

    def entry_field(self, index: int) -> Field:
        """The field of the entry at an index, labelled by its number. *pure*."""
        if self.fixed:
            return entry_of(self.field, index)
        return replace(self._first, label=f"{self._noun} {index + 1}".strip())

    def add(self, value: Any = ABSENT) -> None:
        self._show_waiting()
        super().add(value)

    def on_edit(self, entry: _Item, change: Change) -> None:
        """Accept an entry's new value."""
        if entry in self._entries and not self._quiet:
            self._accept(self._collect(), change.below(str(self._entries.index(entry))))

    def focus(self, path: tuple[str, ...]) -> None:
        if path and path[0].isdecimal() and int(path[0]) >= len(self._entries):
            self._show_waiting()
        if path and path[0] in self.parts():
            super().focus(path)
        else:
            self._add.focus()

    def _name(self, entry: _Item, index: int) -> None:
        if not self.fixed:
            entry.control.relabel(self.entry_field(index).label)

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        self._waiting = items[_AT_FIRST:]
        if self.fixed:
            self._entries = []
        with self._factory.deeper(0 if len(items) <= _OPEN_ITEMS else 2):
            super()._display(items[:_AT_FIRST])

    def _show_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._factory.deeper(2):
            self._entries += [_Item(self, index, item) for index, item in enumerate(waiting, len(self._entries))]
        if waiting:
            self._arrange()

    def _collect(self) -> Any:
        items = [*(entry.value for entry in self._entries), *self._waiting]
        return items if items or self.field.required else ABSENT

    def _count(self) -> int | None:
        return len(self._entries) + len(self._waiting)

    def _foot(self) -> list[Any]:
        if not self._waiting:
            return [self._add]
        if self._more is None:
            self._more = self._factory.button(self._show_waiting, "sdn-fold", icon="caret-right")
        self._more.description = f"Show {len(self._waiting):,} more"
        return [self._more, self._add]
