"""The control of a list of texts, mostly media URLs: add, remove, move, upload, paste; errors at each entry."""

import re
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, cast

import ipywidgets as W  # noqa: N812

from seedance_nb._base.errors import error_text
from seedance_nb._base.html import Html, safe_url
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._document.reader import packaged
from seedance_nb._form.controls.base import Change, mark, silence, toggle
from seedance_nb._form.controls.entries import Entries
from seedance_nb._form.labels import error_html, plain
from seedance_nb._task.display.player import data_url, still_of
from seedance_nb._task.engine import ENGINE


class TextEntry:
    def __init__(self, owner: "ListControl", index: int, value: Any) -> None:
        self.value, self.name, self._owner = "" if value is ABSENT else value, owner.name_of(index), owner
        factory, media = owner._factory, owner.field.media  # noqa: SLF001 - a part of the same control
        text = plain(self.value)
        self._rendered: Any = (self.name, (), text)
        file, picture = owner.uploaded.get(text, ("", ""))
        self.thumbnail = factory.html(thumb_html(picture or text, media), "sdn-thumb")
        self.text = factory.make(W.Text, "sdn-entry", value=text, placeholder=packaged("_form")["media"].get(media, ""),
                                 continuous_update=False, description=_label(self.name, (), file),
                                 on=lambda _: owner.on_edit(self, Change()))  # fmt: skip
        self.text.on_msg(lambda _, content, __: owner.enter(self) if content.get("event") == "submit" else None)
        more = []
        if owner.account and "asset" in factory.spec.calls:
            tip = f"Register as an asset at {factory.spec.provider} (recommended for images of real faces)"
            more = [factory.button(lambda: owner.register(self), "sdn-icon", icon="id-badge", tooltip=tip)]
        self.widget = factory.box(W.HBox, [self.thumbnail, self.text, *more, *owner.buttons(self)], "sdn-list-item")

    def show(self, value: Any) -> None:
        self.value, self.text.value = value, plain(value)

    def focus(self, _: tuple[str, ...] = ()) -> None:
        self.text.focus()

    def show_problems(self, problems: tuple[Problem, ...]) -> None:
        state = (self.name, problems, self.text.value)
        if self._rendered != state:
            self._rendered = state
            file, picture = self._owner.uploaded.get(self.text.value, ("", ""))
            self.text.description = _label(self.name, problems, file)
            self.thumbnail.value = thumb_html("" if problems else picture or self.text.value, self._owner.field.media)
            self.text.continuous_update = bool(problems)
            mark(self.widget, "sdn-bad", on=any(not problem.warns for problem in problems))


class ListControl(Entries):
    """A list of texts. No entry is dropped or changed; an empty text is an empty entry, and reported."""

    entry_class = TextEntry
    _files, _state, _box, _many, _buttons = cast("Any", [None] * 5)

    def _build(self) -> Any:
        self.uploaded: dict[str, tuple[str, str]] = {}  # name and small picture of a file by its URL
        self.account: Any = self._factory.account if self.field.media else None
        if self.account:
            self._state = self._factory.html("", "sdn-state")
        if self.account and "upload" in self._factory.spec.calls:
            tip = "Up to about 10 MB here; use sd.upload in a cell for larger files"
            self._files = self._factory.make(W.FileUpload, "sdn-add", "sdn-upload", accept=f"{self.field.media}/*",
                                             multiple=True, tooltip=tip, icon="upload", on=self._on_files,
                                             description=f"Upload {self.field.media}")  # fmt: skip
        return self._frame(self.field.media or "entry", "sdn-list")

    def register(self, entry: TextEntry) -> None:
        """Register an entry's URL as an asset, and replace it with the asset's. *network*."""
        url = entry.text.value
        if url.startswith("asset://"):
            return

        def put(asset: str) -> None:
            if entry in self._entries and entry.text.value == url:
                entry.text.value = asset

        self._show_state(f"Registering {self.name_of(self._entries.index(entry))}…")
        self._when(self.account().asset(url, self.field.media), put)

    def _on_files(self, files: Sequence[dict[str, Any]]) -> None:
        if files:
            self._files.value = ()
        for file in files:
            still = still_of(bytes(file["content"]), 4_000, 120) if self.field.media == "image" else b""
            shown = str(file["name"]), data_url(still, "image/jpeg") if still else ""
            self._show_state(f"Uploading {shown[0]}…")
            self._when(self.account().upload(bytes(file["content"]), shown[0]), partial(self._add_uploaded, shown))

    def _add_uploaded(self, shown: tuple[str, str], url: str) -> None:
        self.uploaded[url] = shown
        self.add(url)

    def _when(self, call: Coroutine[Any, Any, str], then: Callable[[str], None]) -> None:
        def finish(future: Future[str]) -> None:
            try:
                then(future.result())
            except Exception as error:  # noqa: BLE001 - a callback would hide it
                self._show_state(error_text(error), bad=True)
            else:
                self._show_state("")

        ENGINE.submit(call).add_done_callback(finish)

    def _show_state(self, text: str, *, bad: bool = False) -> None:
        kind = "sdn-error" if bad else "sdn-dim"
        self._state.value = Html('<span class="{}" role="status">{}</span>').format(kind, text) if text else ""

    def name_of(self, index: int) -> str:
        frames = ("first", "last") if self.field.shape.view.get("x-role") == "frames" else ()
        if index < len(frames):
            return frames[index]
        return self.field.markers[0].replace("{n}", str(index + 1)) if self.field.markers else str(index + 1)

    def on_edit(self, entry: TextEntry, change: Change) -> None:
        if entry in self._entries:
            here, several = self._entries.index(entry), entry.text.value.split()
            if several[1:] and all(re.match(r"(?:https?|asset)://\S", one) for one in several):  # pasted into one
                with silence():
                    entry.text.value = several[0]
                self._entries[here + 1 : here + 1] = [TextEntry(self, here, text) for text in several[1:]]
                self._arrange()
            entry.value = entry.text.value
            self._accept(self._collect(), change.below(str(here)))

    def enter(self, entry: TextEntry) -> None:
        """Focus the next entry after Enter. After the last one it is a new one, which counts once something is typed."""
        here = self._entries.index(entry) + 1
        if here == len(self._entries) and not self._add.disabled:
            self._entries.append(TextEntry(self, here, ""))
            self._entries[here].value = ABSENT
            self._arrange()
        if here < len(self._entries):
            self._entries[here].focus()

    def paste(self, text: str) -> None:
        """Add an entry for each line of a text, as a user's change; empty entries at the end are replaced, and the box is closed."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        while lines and self._entries and not self._entries[-1].text.value:
            self._entries.pop()
        if lines:
            self._entries += [TextEntry(self, len(self._entries), line) for line in lines]
            self._arrange()
            self._accept(self._collect())
            if self._box is not None:
                self._box.value = ""
                toggle(self._box, shown=False)

    def _open_paste(self) -> None:
        if self._box is None:
            head = Html('<span class="sdn-name">{}, one per line</span>').format(self.field.label)
            self._box = self._factory.make(W.Textarea, "sdn-field", "sdn-paste", continuous_update=False, description=head,
                                           placeholder="one per line", on=self.paste)  # fmt: skip
        toggle(self._box, shown=True)
        self._arrange()
        self._box.focus()

    def _name(self, entry: TextEntry, index: int) -> None:
        entry.name = self.name_of(index)

    def _collect(self) -> Any:
        values = [entry.value for entry in self._entries]
        while values and values[-1] is ABSENT:
            values.pop()
        # In a list of lists an entry cannot be absent.
        empty: Any = [] if self.field.required and not self.field.path else ABSENT
        return ["" if value is ABSENT else value for value in values] or empty

    def _foot(self) -> list[Any]:
        paste = [] if self._box is None else [self._box]
        if self._state is None and not self._entries:
            return [*paste, self._add]
        if self._many is None and self._entries:
            self._many = self._factory.button(self._open_paste, "sdn-add", icon="paste", description="Paste URLs")
        parts = [part for part in (self._add, self._many, self._files, self._state) if part is not None]
        self._buttons = self._buttons or self._factory.box(W.HBox, parts, "sdn-adds")
        self._buttons.children = parts
        for button in filter(None, (self._many, self._files)):
            button.disabled = self._add.disabled
        return [*paste, self._buttons]


def _label(name: str, problems: tuple[Problem, ...], file: str = "") -> Html:
    wide = " sdn-wide" if name[:1] == "[" else ""
    note = Html('<span class="sdn-help">{}</span>').format(file) if file else ""
    return Html('<span class="sdn-marker{}">{}</span>{}{}').format(wide, name, note, error_html(problems))


def thumb_html(url: str, media: str) -> Html:
    if media == "image" and url.startswith(("https://", "http://", "data:image/jpeg;")):
        return Html('<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">').format(safe_url(url))
    return Html('<span class="sdn-tile">{}</span>').format("asset" if url.startswith("asset://") else media or "text")
