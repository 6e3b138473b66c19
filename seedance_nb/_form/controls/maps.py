"""The control of an object with free property names: a name and a value in each entry."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.html import Html
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control
from seedance_nb._form.controls.entries import ControlEntry, Entries
from seedance_nb._form.model.parts import defined_names, extra_of, start_of
from seedance_nb._schema.validator import fits

_NAME = Html('<span class="sdn-name">Name</span>')
_WRONG = Html('<span class="sdn-error" role="alert"><span>{}</span></span>')


class _Entry(ControlEntry):
    """A name and its value. `named` is True once a user typed a name or the body has one, even an empty one."""

    def __init__(self, owner: "MapControl", name: str, value: Any, *, named: bool) -> None:
        self._owner = owner
        self.name = name
        self.named = named
        factory = owner._factory  # noqa: SLF001 - a part of the same control
        self.key = factory.make(
            W.Text, TextStyle, "sdn-field", "sdn-key", value=name, continuous_update=False, placeholder="name",
            description=_NAME, on=lambda name: owner.rename(self, name),
        )  # fmt: skip
        self.focus = self.key.focus
        [self.gone] = owner.buttons(self)
        self.widget = factory.box(W.HBox, [], "sdn-pair")
        self.make(value)

    def make(self, value: Any) -> None:
        """Create the control for the name's schema and show a value in it."""
        owner, field = self._owner, extra_of(self._owner.field, self.name)
        self.control = owner._factory.control(field, lambda change: owner.on_edit(self, change))  # noqa: SLF001
        self.show(value)
        self.widget.children = [self.key, self.control.widget, self.gone]


class MapControl(Entries):
    """The properties of an object that its schema does not name. Entries without a name or with a duplicate name are not sent."""

    fixed = True

    def _build(self) -> Any:
        self._defined = defined_names(self.field)
        return self._frame("field", "sdn-map")

    def parts(self) -> Mapping[str, Control]:
        return {name: entry.control for name, entry in self._by_name().items()}

    def add(self, value: Any = ABSENT) -> None:
        """Add an entry without a name; it is sent once it has one."""
        start = start_of(extra_of(self.field, "")) if value is ABSENT else value
        self._entries.append(_Entry(self, "", start, named=False))
        self._arrange()

    def remove(self, entry: _Entry) -> None:
        if entry in self._entries:
            self._entries.remove(entry)
            self._arrange()
            self._accept(self._collect())

    def rename(self, entry: _Entry, name: str) -> None:
        """Rename an entry, as a user's change; its position stays."""
        if self._quiet or entry not in self._entries:
            return
        old, new = (extra_of(self.field, each).shape for each in (entry.name, name))
        entry.name, entry.named = name, bool(name)
        if old.view != new.view:
            entry.make(entry.value if fits(new.view, new.defs, entry.value) else None)
        self._check_names()
        self._accept(self._collect(), Change(path=(name,)))

    def on_edit(self, entry: _Entry, change: Change) -> None:
        """Accept an entry's new value."""
        if not self._quiet and entry in self._entries:
            self._accept(self._collect(), change.below(entry.name))

    def _by_name(self) -> dict[str, _Entry]:
        """The entries that are sent, by name."""
        entries: dict[str, _Entry] = {}
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
            self._entries = [_Entry(self, name, item, named=True) for name, item in extra.items()]
        self._arrange()

    def _count(self) -> int | None:
        return len(self._entries) or None

    def _check_names(self) -> None:
        sent = self._by_name()
        for entry in self._entries:
            error = "This name is already used." if entry.named else "Enter a name; without one this is not sent."
            entry.key.description = _NAME if sent.get(entry.name) is entry else _NAME + _WRONG.format(error)

    def _arrange(self) -> None:
        self._check_names()
        super()._arrange()
        self._update_head()
