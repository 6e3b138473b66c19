"""The control for a list of texts, above all of media addresses: add, remove, move, a count, an error for each row."""

import json
import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import Html, linked
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control, apart, mark, swapped, toggle, without
from seedance_nb._form.labels import Said, error_html, label_html
from seedance_nb._form.uploads import Uploads

_ADDRESS = re.compile(r"(?:https?|asset)://\S")
_HINTS = {
    "image": "https://… or asset://…",
    "video": "https://….mp4 or asset://…",
    "audio": "https://….mp3 or asset://…",
}


class Row:
    """One entry on the screen. Its widgets are made when it is added."""

    def __init__(self, owner: Any, value: Any, place: int) -> None:
        self.value = value
        text = value if isinstance(value, str) else json.dumps(value)
        shared, media = owner._shared, owner.field.media  # noqa: SLF001 - a part of the same control
        self.picture = shared.html(thumb_html(text, media), "sdn-thumb")
        self.text = shared.make(
            W.Text, TextStyle, "sdn-entry", value=text, placeholder=_HINTS.get(media, ""), continuous_update=False,
            description=_label(owner.name_of(place), ()), description_allow_html=True,
        )  # fmt: skip
        self.text.observe(lambda _: owner.edited(self), "value")
        self.up = self._button(owner, "arrow-up", "Move up", lambda: owner.move(self, -1))
        self.down = self._button(owner, "arrow-down", "Move down", lambda: owner.move(self, 1))
        gone = self._button(owner, "times", "Remove", lambda: owner.remove(self))
        more = []
        if owner.uploads is not None and owner.uploads.assets:
            tip = f"Register at {owner.uploads.provider} as an asset (advised for pictures of real faces)"
            more = [self._button(owner, "id-badge", tip, lambda: owner.register(self))]
        self.widget = shared.box(W.HBox, [self.picture, self.text, *more, self.up, self.down, gone], "sdn-row")

    def _button(self, owner: Any, icon: str, tooltip: str, act: Any) -> Any:
        made = owner._shared.make(W.Button, ButtonStyle, "sdn-icon", icon=icon, tooltip=tooltip)  # noqa: SLF001
        made.on_click(lambda _: act())
        return made

    def say(self, name: str, media: str, problems: tuple[Problem, ...]) -> None:
        """Labels the row and shows its errors and its picture."""
        label = _label(name, problems)
        if self.text.description != label:
            self.text.description = label
        picture = thumb_html(self.text.value, media) if not problems else thumb_html("", media)
        if self.picture.value != picture:
            self.picture.value = picture
        if self.text.continuous_update is not bool(problems):
            self.text.continuous_update = bool(problems)
        mark(self.widget, bad=any(not problem.warns for problem in problems))


class ListControl(Control):
    """A list of texts. No entry is dropped or changed: an empty row is an empty entry, and is told so."""

    uploads: Uploads | None = None

    def offer(self, uploads: Uploads) -> None:
        """Shows a button that sends local files to the provider, where it takes any."""
        self.uploads = uploads
        if uploads.uploads and self.field.media:
            self._files = self._shared.make(
                W.FileUpload, ButtonStyle, "sdn-add", "sdn-upload", accept=f"{self.field.media}/*", multiple=True, icon="upload",
                description=f"Upload {self.field.media}", tooltip="Up to about 10 MB here; sd.upload in a cell takes larger files",
            )  # fmt: skip
            self._files.observe(self._chosen, "value")
            self._state = self._shared.html("", "sdn-state")
            self._arrange()

    def register(self, row: Row) -> None:
        """Has an entry's address registered as an asset, and puts the asset's address in its place."""
        if self.uploads is None or row.text.value.startswith("asset://"):
            return
        was = row.text.value
        self._tell(f"Registering {self.name_of(self._rows.index(row))}…")
        self._when(self.uploads.asset(was, self.field.media), lambda made: self._replace(row, was, made))

    def _replace(self, row: Row, was: str, made: str) -> None:
        if row in self._rows and row.text.value == was:
            row.text.value = made

    def _chosen(self, _: Any) -> None:
        files, self._files.value = self._files.value, ()
        for file in files:
            self._tell(f"Uploading {file['name']}…")
            if self.uploads is not None:
                self._when(self.uploads.upload(bytes(file["content"]), file["name"]), self.add)

    def _when(self, future: Future[str], then: Callable[[str], None]) -> None:
        def ended(done: Future[str]) -> None:
            try:
                then(done.result())
            except SeedanceError as error:
                self._tell(str(error), bad=True)
            except Exception as error:  # noqa: BLE001 - raised into a callback it would be seen nowhere
                self._tell(f"Something unexpected happened: {error!r}", bad=True)
            else:
                self._tell("")

        future.add_done_callback(ended)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        kind = "sdn-error" if bad else "sdn-dim"
        self._state.value = Html('<span class="{}" role="status">{}</span>').format(kind, text) if text else ""

    _files: Any = None
    _state: Any = None

    def _build(self) -> Any:
        self._rows: list[Row] = []
        self._head = self._shared.html(label_html(self.field, Said(count=0)), "sdn-head")
        noun = self.field.media or "entry"
        self._add = self._shared.button(self.add, "sdn-add", icon="plus", description=f"Add {noun}")
        return self._shared.box(W.VBox, [self._head, self._add], "sdn-field", "sdn-list")

    def name_of(self, place: int) -> str:
        """What the prompt calls the entry at `place`, counted from 0. *pure*."""
        if place < len(self.field.names):
            return self.field.names[place]
        return self.field.markers[0].replace("{n}", str(place + 1)) if self.field.markers else str(place + 1)

    def add(self, text: str = "") -> None:
        """Adds an entry at the end, as a person's change."""
        self._rows.append(Row(self, text, len(self._rows)))
        self._arrange()
        self._took(self._entries())

    def remove(self, row: Row) -> None:
        """Removes an entry, as a person's change; the last one gone makes the list absent."""
        if row in self._rows:
            here = self._rows.index(row)
            order = without(len(self._rows), here)
            self._rows.remove(row)
            self._arrange()
            self._took(self._entries(), Change(order=order))

    def move(self, row: Row, by: int) -> None:
        """Moves an entry up (-1) or down (1), as a person's change."""
        here = self._rows.index(row) if row in self._rows else -1
        if order := swapped(len(self._rows), here, by):
            self._rows = [self._rows[place] for place in order]
            self._arrange()
            self._took(self._entries(), Change(order=order))

    def edited(self, row: Row) -> None:
        """Takes an entry's new text."""
        if row in self._rows and not self._quiet:  # the browser may still speak of a row that is gone
            here = self._rows.index(row)
            several = addresses(row.text.value)
            if len(several) > 1:  # many were pasted into one
                self._quiet = True
                row.text.value = several[0]
                self._quiet = False
                self._rows[here + 1 : here + 1] = [Row(self, text, here) for text in several[1:]]
                self._arrange()
            row.value = row.text.value
            self._took(self._entries(), Change(path=(str(here),)))

    def paste(self, text: str) -> None:
        """Adds an entry for each line of a text, as a person's change; empty rows at the end are filled first."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        while lines and self._rows and self._rows[-1].value == "":
            self._rows.pop()
        if lines:
            self._rows += [Row(self, line, len(self._rows)) for line in lines]
            self._arrange()
            self._took(self._entries())

    def _open_paste(self) -> None:
        if self._box is None:
            self._box = self._shared.make(
                W.Textarea, TextStyle, "sdn-field", "sdn-paste", continuous_update=False, placeholder="one per line",
                description=Html('<span class="sdn-name">{}, one per line</span>').format(self.field.label),
                description_allow_html=True,
            )  # fmt: skip
            self._box.observe(self._pasted, "value")
        toggle(self._box, shown=True)
        self._arrange()
        self._box.focus()

    def _pasted(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self._box.value = ""
            toggle(self._box, shown=False)
            self.paste(change["new"])

    _box: Any = None
    _many: Any = None

    def focus(self, path: tuple[str, ...]) -> None:
        here = int(path[0]) if path and path[0].isdecimal() else -1
        (self._rows[here].text if 0 <= here < len(self._rows) else self._add).focus()

    def say(self, problems: tuple[Problem, ...]) -> None:
        own, below = apart(problems)
        label = label_html(self.field, Said(problems=own, count=len(self._rows)))
        if self._head.value != label:
            self._head.value = label
        for place, row in enumerate(self._rows):
            row.say(self.name_of(place), self.field.media, below.get(str(place), ()))

    def _display(self, value: Any) -> None:
        self._rows = [Row(self, item, place) for place, item in enumerate(value)] if isinstance(value, list) else []
        self._arrange()

    def _entries(self) -> Any:
        # In a list of lists an entry cannot be absent.
        return [row.value for row in self._rows] or ([] if self.field.required and not self.field.path else ABSENT)

    def _arrange(self) -> None:
        for place, row in enumerate(self._rows):
            for button, off in ((row.up, place == 0), (row.down, place == len(self._rows) - 1)):
                if button.disabled is not off:
                    button.disabled = off
        full = self.field.most_items is not None and len(self._rows) >= self.field.most_items
        if self._add.disabled is not full:
            self._add.disabled = full
        # Last, because a box that is told anything once it can be typed into forgets what was typed so far.
        paste = [] if self._box is None else [self._box]
        foot = [self._add] if self._files is None and not self._rows else [self._foot()]
        self.widget.children = [self._head, *(row.widget for row in self._rows), *paste, *foot]

    def _foot(self) -> Any:
        if self._many is None and self._rows:
            self._many = self._shared.button(self._open_paste, "sdn-add", icon="paste", description="Paste many")
        parts = [part for part in (self._add, self._many, self._files, self._state) if part is not None]
        if self._buttons is None:
            self._buttons = self._shared.box(W.HBox, parts, "sdn-adds")
        elif self._buttons.children != tuple(parts):
            self._buttons.children = parts
        return self._buttons

    _buttons: Any = None


def _label(name: str, problems: tuple[Problem, ...]) -> Html:
    return Html('<span class="sdn-marker">{}</span>{}').format(name, error_html(problems))


def thumb_html(url: str, media: str) -> Html:
    """A small picture of an image's address, or a plain tile that names the kind. *pure*."""
    if media == "image" and url.startswith(("https://", "http://")):
        return Html('<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">').format(linked(url))
    kind = "asset" if url.startswith("asset://") else media or "text"
    return Html('<span class="sdn-tile">{}</span>').format(kind)


def addresses(text: str) -> list[str]:
    """The addresses in a text of several, [] for anything else: what is one text with spaces in it stays one. *pure*."""
    parts = text.split()
    several = len(parts) > 1 and all(_ADDRESS.match(part) for part in parts)
    return parts if several else []
