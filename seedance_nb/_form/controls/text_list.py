"""The control of a list of texts, mostly media URLs: add, remove, move, upload, paste; an error at each entry."""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import Html, safe_url
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Change, Control, apart, mark_bad, toggle
from seedance_nb._form.controls.entries import Entries
from seedance_nb._form.labels import error_html, plain

_URL = re.compile(r"(?:https?|asset)://\S")
_HINTS = {
    "image": "https://… or asset://…",
    "video": "https://….mp4 or asset://…",
    "audio": "https://….mp3 or asset://…",
}


class Row:
    """One entry: its thumbnail, text box and buttons."""

    def __init__(self, owner: "ListControl", place: int, value: Any) -> None:
        self.value = value
        shared, media, name = owner._shared, owner.field.media, owner.name_of(place)  # noqa: SLF001 - a part of the same control
        self._said: Any = (name, (), plain(value))
        self.thumbnail = shared.html(thumb_html(plain(value), media), "sdn-thumb")
        self.text = shared.make(
            W.Text, TextStyle, "sdn-entry", value=plain(value), placeholder=_HINTS.get(media, ""), continuous_update=False,
            description=_label(name, ()), description_allow_html=True,
        )  # fmt: skip
        self.text.observe(lambda _: owner.edited(self), "value")
        more = []
        if owner.uploads is not None and owner.uploads.assets:
            tip = f"Register as an asset at {owner.uploads.provider} (recommended for images of real faces)"
            more = [shared.button(lambda: owner.register(self), "sdn-icon", icon="id-badge", tooltip=tip)]
        self.widget = shared.box(W.HBox, [self.thumbnail, self.text, *more, *owner.buttons(self)], "sdn-row")

    def show(self, value: Any) -> None:
        """Show a value."""
        self.value = value
        self.text.value = plain(value)

    def say(self, name: str, media: str, problems: tuple[Problem, ...]) -> None:
        """Update the entry's label, errors and thumbnail."""
        said = (name, problems, self.text.value)
        if self._said != said:
            self._said = said
            self.text.description = _label(name, problems)
            self.thumbnail.value = thumb_html("" if problems else self.text.value, media)
            self.text.continuous_update = bool(problems)
            mark_bad(self.widget, problems)


class ListControl(Entries):
    """A list of texts. No entry is dropped or changed; an empty text is an empty entry, and reported."""

    _files: Any = None
    _state: Any = None
    _box: Any = None
    _many: Any = None
    _buttons: Any = None

    def _build(self) -> Any:
        self.uploads = self._shared.uploads if self.field.media else None
        if self.uploads is not None:
            self._state = self._shared.html("", "sdn-state")
        if self.uploads is not None and self.uploads.uploads:
            self._files = self._shared.make(
                W.FileUpload, ButtonStyle, "sdn-add", "sdn-upload", accept=f"{self.field.media}/*", multiple=True, icon="upload",
                description=f"Upload {self.field.media}", tooltip="Up to about 10 MB here; use sd.upload in a cell for larger files",
            )  # fmt: skip
            self._files.observe(self._chosen, "value")
        return self._frame(self.field.media or "entry", "sdn-list")

    def register(self, row: Row) -> None:
        """Register an entry's URL as an asset, and replace it with the asset's. *network*."""
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
            except Exception as error:  # noqa: BLE001 - nobody would see it in a callback
                self._tell(f"Something unexpected happened: {error!r}", bad=True)
            else:
                self._tell("")

        future.add_done_callback(ended)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        kind = "sdn-error" if bad else "sdn-dim"
        self._state.value = Html('<span class="{}" role="status">{}</span>').format(kind, text) if text else ""

    def name_of(self, place: int) -> str:
        """The entry's name in the prompt, `place` counted from 0. *pure*."""
        if place < len(self.field.names):
            return self.field.names[place]
        return self.field.markers[0].replace("{n}", str(place + 1)) if self.field.markers else str(place + 1)

    def edited(self, row: Row) -> None:
        """Accept an entry's new text."""
        if row in self._rows and not self._quiet:  # the browser may still send events of a removed entry
            here = self._rows.index(row)
            several = urls_in(row.text.value)
            if len(several) > 1:  # many were pasted into one
                with self._silence():
                    row.text.value = several[0]
                self._rows[here + 1 : here + 1] = [Row(self, here, text) for text in several[1:]]
                self._arrange()
            row.value = row.text.value
            self._took(self._whole(), Change(path=(str(here),)))

    def paste(self, text: str) -> None:
        """Add an entry for each line of a text, as a person's change; empty entries at the end are replaced."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        while lines and self._rows and self._rows[-1].value == "":
            self._rows.pop()
        if lines:
            self._rows += [Row(self, len(self._rows), line) for line in lines]
            self._arrange()
            self._took(self._whole())

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

    def focus(self, path: tuple[str, ...]) -> None:
        here = int(path[0]) if path and path[0].isdecimal() else -1
        (self._rows[here].text if 0 <= here < len(self._rows) else self._add).focus()

    def parts(self) -> Mapping[str, Control]:
        return {}

    def say(self, problems: tuple[Problem, ...]) -> None:
        own, below = apart(problems)
        self._say(own)
        for place, row in enumerate(self._rows):
            row.say(self.name_of(place), self.field.media, below.get(str(place), ()))

    def _row(self, place: int, value: Any) -> Row:
        return Row(self, place, "" if value is ABSENT else value)

    def _whole(self) -> Any:
        # In a list of lists an entry cannot be absent.
        return [row.value for row in self._rows] or ([] if self.field.required and not self.field.path else ABSENT)

    def _foot(self) -> list[Any]:
        paste = [] if self._box is None else [self._box]
        if self._state is None and not self._rows:
            return [*paste, self._add]
        if self._many is None and self._rows:
            self._many = self._shared.button(self._open_paste, "sdn-add", icon="paste", description="Paste many")
        parts = [part for part in (self._add, self._many, self._files, self._state) if part is not None]
        if self._buttons is None:
            self._buttons = self._shared.box(W.HBox, parts, "sdn-adds")
        self._buttons.children = parts
        return [*paste, self._buttons]


def _label(name: str, problems: tuple[Problem, ...]) -> Html:
    return Html('<span class="sdn-marker">{}</span>{}').format(name, error_html(problems))


def thumb_html(url: str, media: str) -> Html:
    """A thumbnail of an image URL, or a tile with the kind of media. *pure*."""
    if media == "image" and url.startswith(("https://", "http://")):
        return Html('<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">').format(safe_url(url))
    kind = "asset" if url.startswith("asset://") else media or "text"
    return Html('<span class="sdn-tile">{}</span>').format(kind)


def urls_in(text: str) -> list[str]:
    """The URLs of a text that consists of several, else []: a text with spaces stays one entry. *pure*."""
    parts = text.split()
    return parts if len(parts) > 1 and all(map(_URL.match, parts)) else []
