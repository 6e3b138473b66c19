"""The control for a list of texts, above all of media addresses: add, remove, move, a count, an error for each row."""

import html
import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._controls import Control, mark
from seedance_nb._errors import SeedanceError
from seedance_nb._helper import Helper
from seedance_nb._labels import Said, error_html, label_html
from seedance_nb._values import ABSENT, Problem, join

_HINTS = {
    "image": "https://… or asset://…",
    "video": "https://….mp4 or asset://…",
    "audio": "https://….mp3 or asset://…",
}


class _Row:
    """One entry on the screen. Its widgets are made when it is added."""

    def __init__(self, owner: "ListControl", value: Any, place: int) -> None:
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
        if owner.helper is not None and owner.helper.assets:
            tip = f"Register at {owner.helper.provider} as an asset (advised for pictures of real faces)"
            more = [self._button(owner, "id-badge", tip, lambda: owner.register(self))]
        self.widget = shared.box(W.HBox, [self.picture, self.text, *more, self.up, self.down, gone], "sdn-row")

    def _button(self, owner: "ListControl", icon: str, tooltip: str, act: Any) -> Any:
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


def _label(name: str, problems: tuple[Problem, ...]) -> str:
    return f'<span class="sdn-marker">{html.escape(name)}</span>{error_html(problems)}'


def thumb_html(url: str, media: str) -> str:
    """A small picture of an image's address, or a plain tile that names the kind. *pure*; the address is escaped."""
    if media == "image" and url.startswith(("https://", "http://")):
        safe = html.escape(url, quote=True)
        return f'<img src="{safe}" alt="" loading="lazy" referrerpolicy="no-referrer">'
    return f'<span class="sdn-tile">{html.escape("asset" if url.startswith("asset://") else media or "text")}</span>'


class ListControl(Control):
    """A list of texts. No entry is dropped or changed: an empty row is an empty entry, and is told so."""

    helper: Helper | None = None

    def offer(self, helper: Helper) -> None:
        """Shows a button that sends local files to the provider, where it takes any."""
        self.helper = helper
        if helper.uploads and self.field.media:
            self._files = self._shared.make(
                W.FileUpload, ButtonStyle, "sdn-add", "sdn-upload", accept=f"{self.field.media}/*", multiple=True, icon="upload",
                description=f"Upload {self.field.media}", tooltip="Up to about 10 MB here; sd.upload in a cell takes larger files",
            )  # fmt: skip
            self._files.observe(self._chosen, "value")
            self._state = self._shared.html("", "sdn-state")
            self._arrange()

    def register(self, row: _Row) -> None:
        """Has an entry's address registered as an asset, and puts the asset's address in its place."""
        if self.helper is None or row.text.value.startswith("asset://"):
            return
        was = row.text.value
        self._tell(f"Registering {self.name_of(self._rows.index(row))}…")
        self._when(self.helper.asset(was, self.field.media), lambda made: self._replace(row, was, made))

    def _replace(self, row: _Row, was: str, made: str) -> None:
        if row in self._rows and row.text.value == was:
            row.text.value = made

    def _chosen(self, _: Any) -> None:
        files, self._files.value = self._files.value, ()
        for file in files:
            self._tell(f"Uploading {file['name']}…")
            if self.helper is not None:
                self._when(self.helper.upload(bytes(file["content"]), file["name"]), self.add)

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
        self._state.value = f'<span class="{kind}" role="status">{html.escape(text)}</span>' if text else ""

    _files: Any = None
    _state: Any = None

    def _build(self) -> Any:
        self._rows: list[_Row] = []
        self._head = self._shared.html(label_html(self.field, Said(count=0)), "sdn-head")
        noun = self.field.media or "entry"
        self._add = self._shared.make(W.Button, ButtonStyle, "sdn-add", icon="plus", description=f"Add {noun}")
        self._add.on_click(lambda _: self.add())
        return self._shared.box(W.VBox, [self._head, self._add], "sdn-field", "sdn-list")

    def name_of(self, place: int) -> str:
        """What the prompt calls the entry at `place`, counted from 0. *pure*."""
        if place < len(self.field.names):
            return self.field.names[place]
        return self.field.markers[0].replace("{n}", str(place + 1)) if self.field.markers else str(place + 1)

    def add(self, text: str = "") -> None:
        """Adds an entry at the end, as a person's change."""
        self._rows.append(_Row(self, text, len(self._rows)))
        self._arrange()
        self._took(self._entries())

    def remove(self, row: _Row) -> None:
        """Removes an entry, as a person's change; the last one gone makes the list absent."""
        if row in self._rows:
            self._rows.remove(row)
            self._arrange()
            self._took(self._entries())

    def move(self, row: _Row, by: int) -> None:
        """Moves an entry up (-1) or down (1), as a person's change."""
        here = self._rows.index(row) if row in self._rows else -1
        there = here + by
        if here >= 0 and 0 <= there < len(self._rows):
            self._rows[here], self._rows[there] = self._rows[there], self._rows[here]
            self._arrange()
            self._took(self._entries())

    def edited(self, row: _Row) -> None:
        """Takes an entry's new text."""
        if row in self._rows and not self._quiet:  # the browser may still speak of a row that is gone
            row.value = row.text.value
            self.last_edited = (*self.field.path, str(self._rows.index(row)))
            self._took(self._entries())

    last_edited: tuple[str, ...] = ()

    def say(self, problems: tuple[Problem, ...]) -> None:
        own = join(self.field.path)
        label = label_html(
            self.field, Said(problems=tuple(p for p in problems if p.path == own), count=len(self._rows))
        )
        if self._head.value != label:
            self._head.value = label
        for place, row in enumerate(self._rows):
            row.say(self.name_of(place), self.field.media, tuple(p for p in problems if p.path == f"{own}/{place}"))

    def _display(self, value: Any) -> None:
        self._rows = [_Row(self, item, place) for place, item in enumerate(value)] if isinstance(value, list) else []
        self._arrange()

    def _entries(self) -> Any:
        return [row.value for row in self._rows] or ABSENT

    def _arrange(self) -> None:
        for place, row in enumerate(self._rows):
            for button, off in ((row.up, place == 0), (row.down, place == len(self._rows) - 1)):
                if button.disabled is not off:
                    button.disabled = off
        full = self.field.most_items is not None and len(self._rows) >= self.field.most_items
        if self._add.disabled is not full:
            self._add.disabled = full
        # Last, because a box that is told anything once it can be typed into forgets what was typed so far.
        foot = [self._add] if self._files is None else [self._foot()]
        self.widget.children = [self._head, *(row.widget for row in self._rows), *foot]

    def _foot(self) -> Any:
        if self._buttons is None:
            self._buttons = self._shared.box(W.HBox, [self._add, self._files, self._state], "sdn-adds")
        return self._buttons

    _buttons: Any = None
