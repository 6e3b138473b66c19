"""One text of a list on the screen: a picture, a box, and buttons that move and remove it."""

import json
import re
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle
from ipywidgets.widgets.widget_string import TextStyle

from seedance_nb._base.html import escaped, linked
from seedance_nb._base.values import Problem
from seedance_nb._form.controls.base import mark
from seedance_nb._form.labels import error_html

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


def _label(name: str, problems: tuple[Problem, ...]) -> str:
    return f'<span class="sdn-marker">{escaped(name)}</span>{error_html(problems)}'


def thumb_html(url: str, media: str) -> str:
    """A small picture of an image's address, or a plain tile that names the kind. *pure*; the address is escaped."""
    if media == "image" and url.startswith(("https://", "http://")):
        return f'<img src="{linked(url)}" alt="" loading="lazy" referrerpolicy="no-referrer">'
    return f'<span class="sdn-tile">{escaped("asset" if url.startswith("asset://") else media or "text")}</span>'


def addresses(text: str) -> list[str]:
    """The addresses in a text of several, [] for anything else: what is one text with spaces in it stays one. *pure*."""
    parts = text.split()
    several = len(parts) > 1 and all(_ADDRESS.match(part) for part in parts)
    return parts if several else []
