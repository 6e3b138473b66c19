"""The control of an object with free property names: a name and a value in each entry."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.html import Html
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control
from seedance_nb._form.controls.entries import Entries, value_of
from seedance_nb._form.model.parts import defined_names, extra_of, start_of
from seedance_nb._schema.validator import fits

_NAME = Html('<span class="sdn-name">Name</span>')


class _Entry:
    """A name and its value. `named` is True once a person typed a name or the body has one, even an empty one."""

    def __init__(self, owner: "MapControl", name: str, value: Any, *, named: bool) -> None:
        self._owner = owner
        self.name = name
        self.named = named
        shared = owner._shared  # noqa: SLF001 - a part of the same control
        self.key = shared.make(
            W.Text, TextStyle, "sdn-field", "sdn-key", value=name, continuous_update=False, placeholder="name",
            description=_NAME, description_allow_html=True,
        )  # fmt: skip
        self.key.observe(lambda change: owner.rename(self, change["new"]), "value")
        [self.gone] = owner.buttons(self)
        self.widget = shared.box(W.HBox, [], "sdn-pair")
        self.make(value)

    def make(self, value: Any) -> None:
        """Make the control for the name's schema and show a value in it."""
        self.control = self._owner.value_control(self)
        self.show(value)
        self.widget.children = [self.key, self.control.widget, self.gone]

    def show(self, value: Any) -> None:
        """Show a value."""
        self.control.show(value)
        self.value = value_of(self.control)

    def say(self, fault: str) -> None:
        """Show what is wrong with the name."""
        wrong = Html('<span class="sdn-error" role="alert"><span>{}</span></span>')
        self.key.description = _NAME + wrong.format(fault) if fault else _NAME


class MapControl(Entries):
    """The properties of an object that its schema does not name. Entries without a name or with a duplicate name are not sent."""

    fixed = True

    def _build(self) -> Any:
        self._known = defined_names(self.field)
        return self._frame("field", "sdn-map")

    def parts(self) -> Mapping[str, Control]:
        return {name: row.control for name, row in self._by_name().items()}

    def value_control(self, row: _Entry) -> Control:
        """The control for an entry's value."""
        return self._shared.control(extra_of(self.field, row.name), lambda change: self._edited(row, change))

    def add(self, value: Any = ABSENT) -> None:
        """Add an entry without a name; it is sent once it has one."""
        start = start_of(extra_of(self.field, "")) if value is ABSENT else value
        self._rows.append(_Entry(self, "", start, named=False))
        self._arrange()
        self._rows[-1].key.focus()

    def remove(self, row: _Entry) -> None:
        if row in self._rows:
            self._rows.remove(row)
            self._arrange()
            self._took(self._whole())

    def rename(self, row: _Entry, name: str) -> None:
        """Rename an entry, as a person's change; its position stays."""
        if self._quiet or row not in self._rows:
            return
        before, after = (extra_of(self.field, each).shape for each in (row.name, name))
        row.name, row.named = name, bool(name)
        if before.view != after.view:
            row.make(row.value if fits(after.view, after.defs, row.value) else None)
        self._say_names()
        self._took(self._whole(), Change(path=(name,)))

    def _edited(self, row: _Entry, change: Change) -> None:
        if not self._quiet and row in self._rows:
            row.value = value_of(row.control)
            self._took(self._whole(), change.below(row.name))

    def _by_name(self) -> dict[str, _Entry]:
        """The entries that are sent, by name."""
        made: dict[str, _Entry] = {}
        for row in self._rows:
            if row.named and row.name not in self._known:
                made.setdefault(row.name, row)
        return made

    def _whole(self) -> Any:
        sent = {name: row.value for name, row in self._by_name().items()}
        old = self.value if isinstance(self.value, dict) else {}
        # Existing names keep their positions; a new name comes last.
        before = {name: sent.get(name, item) for name, item in old.items() if name in self._known or name in sent}
        made = before | sent
        if list(sent) != [name for name in made if name in sent]:
            made = {name: item for name, item in old.items() if name in self._known} | sent
        return made if made or self.field.required or self._known else ABSENT

    def _display(self, value: Any) -> None:
        items = value.items() if isinstance(value, dict) else ()
        extra = {name: item for name, item in items if name not in self._known}
        if [row.name for row in self._rows] == list(extra):
            for row, item in zip(self._rows, extra.values(), strict=True):
                row.show(item)
        else:
            self._rows = [_Entry(self, name, item, named=True) for name, item in extra.items()]
        self._arrange()

    def _count(self) -> int | None:
        return len(self._rows) or None

    def _say_names(self) -> None:
        sent = self._by_name()
        for row in self._rows:
            fault = "This name is already used." if row.named else "Enter a name; without one this is not sent."
            row.say("" if sent.get(row.name) is row else fault)

    def _arrange(self) -> None:
        self._say_names()
        super()._arrange()
        self._rehead()
