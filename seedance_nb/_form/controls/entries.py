"""The controls of lists and maps: entries that a user adds, moves and removes, each with a control of its own kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Compound, Control
from seedance_nb._form.labels import FieldStatus
from seedance_nb._form.model.fields import Field, entry_of, extra_of, start_of
from seedance_nb._form.model.shape import properties_of, shape_of
from seedance_nb._schema.validator import fits

_OPEN_ITEMS = 3  # entries of longer lists are folded
_AT_FIRST = 40  # entries that are built at first, and with each "Show 40 more": each takes some milliseconds
_NAME = Html('<span class="sdn-name">Name</span>')
_WRONG = Html('<span class="sdn-error" role="alert"><span>{}</span></span>')


class Entries(Compound):
    """A control of many entries. Each entry has a `value`, a `widget`, `show` for another value, and `focus`."""

    entry_class: type[Any]
    fixed = False  # whether an entry's index decides its schema, so that entries cannot be moved

    _entries: list[Any]
    _rest: Sequence[Any] = ()  # the values of the entries after these, which are not built yet
    _collect: Callable[[], Any]  # the value of all entries together

    def _frame(self, noun: str, kind: str) -> Any:
        self._entries = []
        add = {"icon": "plus", "description": f"Add {noun}"}
        self._add = self._factory.button(lambda: self.press(self.add), "sdn-add", **add)
        return self._factory.box(W.VBox, [self._make_head(), *self._foot()], "sdn-field", kind)

    def parts(self) -> Mapping[str, Any]:
        return {str(index): getattr(entry, "control", entry) for index, entry in enumerate(self._entries)}

    def focus(self, path: tuple[str, ...]) -> None:
        if path and path[0] in self.parts():
            super().focus(path)
        else:
            self._add.focus()

    def buttons(self, entry: Any) -> list[Any]:
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

    def on_edit(self, entry: Any, change: Change) -> None:
        """Accept an entry's new value, unless the entry was removed: the browser may still send its events."""
        if entry in self._entries:
            self._accept(self._collect(), change.below(entry.name if entry.key else str(self._entries.index(entry))))

    def add(self, value: Any = ABSENT) -> None:
        self._entries.append(self.entry_class(self, len(self._entries), value))
        self._arrange()
        self._accept(self._collect())

    def remove(self, entry: Any) -> None:
        """Remove an entry, as a user's change. Without entries the field is absent, unless required."""
        if entry in self._entries:
            self._reorder([index for index, other in enumerate(self._entries) if other is not entry])

    def move(self, entry: Any, by: int) -> None:
        order = list(range(len(self._entries)))
        here = self._entries.index(entry) if entry in self._entries else -1
        if here in order and here + by in order:
            order[here], order[here + by] = here + by, here
            self._reorder(order)

    def _reorder(self, order: list[int]) -> None:
        rest = range(len(self._entries), len(self._entries) + len(self._rest))
        self._entries = [self._entries[index] for index in order]
        is_map = self.field.kind == "map"
        if self.fixed and not is_map:
            self.show(self._collect())
        self._arrange()
        self._accept(self._collect(), Change(order=None if is_map else (*order, *rest)))

    def _name(self, entry: Any, index: int) -> None:
        """Label an entry by its index."""

    def _display(self, value: Any) -> None:
        items = value if isinstance(value, list) else []
        for entry, item in zip(self._entries, items, strict=False):
            entry.show(item)
        more = [self.entry_class(self, index, items[index]) for index in range(len(self._entries), len(items))]
        self._entries = self._entries[: len(items)] + more
        self._arrange()

    def _status_with(self, problems: tuple[Problem, ...] = ()) -> FieldStatus:
        count = len(self._entries) + len(self._rest)
        return FieldStatus(problems, count or None if self.field.kind == "map" else count)

    def _arrange(self) -> None:
        for index, entry in enumerate(self._entries):
            self._name(entry, index)
            if not self.fixed:
                entry.up.disabled, entry.down.disabled = index == 0, index == len(self._entries) - 1
        most = None if self.field.kind == "map" else self.field.most_items
        self._add.disabled = most is not None and len(self._entries) >= most
        # Last: updating a text box after it is shown would lose what a user has typed.
        self.widget.children = [self.label_widget, *(entry.widget for entry in self._entries), *self._foot()]

    def _foot(self) -> list[Any]:
        return [self._add]


class Entry:
    """An entry with a control of its own. In a map it has a `name`, `named` once a user typed one or the body has one, even an empty one."""

    def __init__(self, owner: "ItemsControl | MapControl", at: Any, value: Any = ABSENT, *, named: bool = True) -> None:
        self.owner, self.name, self.named, factory = owner, at, named, owner._factory  # noqa: SLF001 - a part of the same control
        self.key: Any = None
        if isinstance(owner, MapControl):
            self.key = factory.make(W.Text, "sdn-field", "sdn-key", value=at, continuous_update=False, placeholder="name",
                                    description=_NAME, on=lambda name: owner.rename(self, name))  # fmt: skip
        self.buttons = owner.buttons(self)
        self.widget = factory.box(W.HBox, self.make(value), "sdn-pair" if self.key else "sdn-item")

    def make(self, value: Any) -> list[Any]:
        field, owner = self.owner.entry_field(self.name), self.owner
        self.control = owner._factory.control(field, lambda change: owner.on_edit(self, change))  # noqa: SLF001
        self.control.show(start_of(field) if value is ABSENT else value)
        return [*([self.key] if self.key else []), self.control.widget, *self.buttons]

    @property
    def value(self) -> Any:
        """Its value, which cannot be absent: null if not filled in, "" or false for a text or switch. *pure*."""
        shown = getattr(self.control, "part", None) or self.control  # the chosen branch
        empty = {"text": "", "prose": "", "toggle": False}.get(shown.field.kind)
        return empty if self.control.value is ABSENT else self.control.value

    def show(self, value: Any) -> None:
        self.control.show(value)

    def focus(self) -> None:
        if self.key:
            self.key.focus()
        else:
            self.control.focus(())


class ItemsControl(Entries):
    """A list. A new entry is null until it is filled in, or the only value that the schema allows; entries are never dropped."""

    entry_class = Entry

    def _build(self) -> Any:
        self.fixed, self._first = "prefixItems" in self.field.shape.view, cache(partial(entry_of, self.field, 0))
        items = shape_of(self.field.shape.view.get("items", {}), self.field.shape.defs).view
        self._noun = "" if self.fixed else str(items.get("x-label") or items.get("title") or "")
        return self._frame(self._noun.lower() or "entry", "sdn-items")

    def entry_field(self, index: int) -> Field:
        if self.fixed:
            return entry_of(self.field, index)
        return replace(self._first(), label=f"{self._noun} {index + 1}".strip())

    def _name(self, entry: Entry, index: int) -> None:
        if not self.fixed:
            entry.control.relabel(self.entry_field(index).label)

    def focus(self, path: tuple[str, ...]) -> None:
        path = path or ("0",) * bool(self._rest)  # the button below the last entry is not shown yet
        if self._rest and path[0] not in self.parts():
            self._show_more(max(_AT_FIRST, int(path[0]) + 1 - len(self._entries)))
        super().focus(path)

    def _show_more(self, count: int) -> None:
        first, items, self._rest = len(self._entries), self._rest[:count], self._rest[count:]
        with self._factory.deeper(2):
            self._entries += [Entry(self, index, item) for index, item in enumerate(items, first)]
        self._arrange()
        self._entries[first].focus()

    def _display(self, value: Any) -> None:
        if self.fixed:
            self._entries = []
        items, built = value if isinstance(value, list) else [], max(_AT_FIRST, len(self._entries))
        self._rest = items[built:]
        with self._factory.deeper(2 if len(items) > _OPEN_ITEMS else 0):
            super()._display(items[:built])

    def _collect(self) -> Any:
        items = [*(entry.value for entry in self._entries), *self._rest]
        return items if items or self.field.required else ABSENT

    def _foot(self) -> list[Any]:
        more = [self._factory.button(partial(self._show_more, count), "sdn-fold", icon="caret-right", description=f"Show {count:,} more")
                for count in sorted({min(_AT_FIRST, len(self._rest)), len(self._rest)}) if count]  # fmt: skip
        return [self._factory.box(W.HBox, more, "sdn-adds") if more else self._add]


class MapControl(Entries):
    """The properties of an object that its schema does not name. Entries without a name or with a duplicate name are not sent."""

    fixed = True

    def _build(self) -> Any:
        shape = self.field.shape
        more = [shape_of(schema, shape.defs).view for _, *both in shape.conditions for schema in both]
        self._defined = {name for view in (shape.view, *more) for name in properties_of(view)}
        return self._frame("field", "sdn-map")

    def entry_field(self, name: str) -> Field:
        return extra_of(self.field, name)

    def parts(self) -> Mapping[str, Control]:
        return {name: entry.control for name, entry in self._by_name().items()}

    def add(self, value: Any = ABSENT) -> None:
        self._entries.append(Entry(self, "", value, named=False))
        self._arrange()

    def rename(self, entry: Entry, name: str) -> None:
        if entry not in self._entries:
            return
        old, new = (self.entry_field(each).shape for each in (entry.name, name))
        entry.name, entry.named = name, bool(name)
        if old.view != new.view:
            entry.widget.children = entry.make(entry.value if fits(new.view, new.defs, entry.value) else None)
        self._check_names()
        self._accept(self._collect(), Change(path=(name,)))

    def _by_name(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for entry in self._entries:
            if entry.named and entry.name not in self._defined:
                entries.setdefault(entry.name, entry)
        return entries

    def _collect(self) -> Any:
        sent = {name: entry.value for name, entry in self._by_name().items()}
        old = self.value if isinstance(self.value, dict) else {}
        # Existing names keep their positions; a new name comes last.
        ordered = {name: sent.get(name, item) for name, item in old.items() if name in self._defined or name in sent}
        result = ordered | sent
        if list(sent) != [name for name in result if name in sent]:
            result = {name: item for name, item in old.items() if name in self._defined} | sent
        return result if result or self.field.required or self._defined else ABSENT

    def _display(self, value: Any) -> None:
        items = value.items() if isinstance(value, dict) else ()
        extra = {name: item for name, item in items if name not in self._defined}
        if [entry.name for entry in self._entries] == list(extra):
            for entry, item in zip(self._entries, extra.values(), strict=True):
                entry.show(item)
        else:
            self._entries = [Entry(self, name, item) for name, item in extra.items()]
        self._arrange()

    def _check_names(self) -> None:
        sent = self._by_name()
        for entry in self._entries:
            error = "This name is already used." if entry.named else "Enter a name; without one this is not sent."
            entry.key.description = _NAME if sent.get(entry.name) is entry else _NAME + _WRONG.format(error)

    def _arrange(self) -> None:
        self._check_names()
        super()._arrange()
        Control.show_problems(self, self._status.problems)
