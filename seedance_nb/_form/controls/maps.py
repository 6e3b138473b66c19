"""The control of an object whose names a person gives: a name and a value in each row."""

from collections.abc import Mapping
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.html import Html
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Compound, Control
from seedance_nb._form.model.parts import extra_of, known_names, start_of
from seedance_nb._schema.validator import fits

_NAME = Html('<span class="sdn-name">Name</span>')


class _Entry:
    """A name and its value on the screen. `named` says that somebody gave it a name, be it an empty one."""

    def __init__(self, owner: "MapControl", name: str, value: Any, *, named: bool) -> None:
        self._owner = owner
        self.name = name
        self.value = value
        self.named = named
        shared = owner._shared  # noqa: SLF001 - a part of the same control
        self.key = shared.make(
            W.Text, TextStyle, "sdn-field", "sdn-key", value=name, continuous_update=False, placeholder="name",
            description=_NAME, description_allow_html=True,
        )  # fmt: skip
        self.key.observe(lambda change: owner.rename(self, change["new"]), "value")
        self.gone = shared.button(lambda: owner.remove(self), "sdn-icon", icon="times", tooltip="Remove")
        self.widget = shared.box(W.HBox, [], "sdn-pair")
        self.make()

    def make(self) -> None:
        """Makes the control that the name calls for."""
        owner = self._owner
        self.control: Control = owner.value_control(self)
        self.control.show(self.value)
        self.widget.children = [self.key, self.control.widget, self.gone]

    def say(self, fault: str) -> None:
        """Says what is wrong with the name."""
        wrong = Html('<span class="sdn-error" role="alert"><span>{}</span></span>')
        text = _NAME + wrong.format(fault) if fault else _NAME
        if self.key.description != text:
            self.key.description = text


class MapControl(Compound):
    """The properties of an object that its document does not name. Rows without a name, or with one given twice, are not sent."""

    def _build(self) -> Any:
        self._known = known_names(self.field)
        self._entries: list[_Entry] = []
        self._head = self._new_head()
        self._add = self._shared.button(self.add, "sdn-add", icon="plus", description="Add field")
        return self._shared.box(W.VBox, [self._head, self._add], "sdn-field", "sdn-map")

    def parts(self) -> Mapping[str, Control]:
        return {entry.name: entry.control for entry in self._entries if self._is_sent(entry)}

    def value_control(self, entry: _Entry) -> Control:
        """The control for an entry's value."""
        return self._shared.control(extra_of(self.field, entry.name), lambda change: self._edited(entry, change))

    def add(self) -> None:
        """Adds a row without a name; it is sent once it has one."""
        self._entries.append(_Entry(self, "", start_of(extra_of(self.field, "")), named=False))
        self._entries[-1].value = _present(self._entries[-1].value, self._entries[-1].control)
        self._arrange()
        self._entries[-1].key.focus()

    def remove(self, entry: _Entry) -> None:
        """Removes a row and what it sent, as a person's change."""
        if entry in self._entries:
            self._entries.remove(entry)
            self._arrange()
            self._took(self._whole())

    def rename(self, entry: _Entry, name: str) -> None:
        """Gives an entry another name, in its place among the others, as a person's change."""
        if self._quiet or entry not in self._entries:
            return
        old, entry.name, entry.named = entry.name, name, bool(name)
        if extra_of(self.field, old).shape.view != extra_of(self.field, name).shape.view:
            entry.value = (
                entry.value if fits(extra_of(self.field, name).shape.view, self.field.shape.defs, entry.value) else None
            )
            entry.make()
        self._say_names()
        self._took(self._whole(), Change(path=(name,)))

    def _edited(self, entry: _Entry, change: Change) -> None:
        if not self._quiet and entry in self._entries:
            entry.value = _present(entry.control.value, entry.control)
            self._took(self._whole(), change.below(entry.name))

    def _whole(self) -> Any:
        sent = {entry.name: entry.value for entry in self._entries if self._is_sent(entry)}
        old = self.value if isinstance(self.value, dict) else {}
        # What is still there keeps its place; a new name comes last.
        before = {name: sent.get(name, item) for name, item in old.items() if name in self._known or name in sent}
        made = before | sent
        if list(sent) != [name for name in made if name in sent]:
            made = {name: item for name, item in old.items() if name in self._known} | sent
        return made if made or self.field.required or self._known else ABSENT

    def _is_sent(self, entry: _Entry) -> bool:
        first = next((one for one in self._entries if one.named and one.name == entry.name), None)
        return first is entry and entry.name not in self._known

    def _display(self, value: Any) -> None:
        extra = (
            {name: item for name, item in value.items() if name not in self._known} if isinstance(value, dict) else {}
        )
        if [entry.name for entry in self._entries] == list(extra):
            for entry, item in zip(self._entries, extra.values(), strict=True):
                entry.value = item
                entry.control.show(item)
        else:
            self._entries = [_Entry(self, name, item, named=True) for name, item in extra.items()]
        self._arrange()

    def _count(self) -> int | None:
        return len(self._entries) or None

    def _say_names(self) -> None:
        for entry in self._entries:
            fault = ""
            if not self._is_sent(entry):
                fault = (
                    "Give it a name; it is not sent without one." if not entry.named else "This name is there already."
                )
            entry.say(fault)

    def _arrange(self) -> None:
        self._say_names()
        wanted = (self._head, *(entry.widget for entry in self._entries), self._add)
        if self.widget.children != wanted:
            self.widget.children = wanted
        self._rehead()


def _present(value: Any, control: Control) -> Any:
    if value is not ABSENT:
        return value
    return {"text": "", "prose": "", "toggle": False}.get(control.field.kind)
