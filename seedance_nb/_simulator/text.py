"""Words in a picture: fonts that are always there, characters that they lack, and lines that fit."""

import bisect
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import ImageFont

# Tried where the embedded face has no glyph; the first three look much like it.
_SYSTEM_FONTS = (
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/System/Library/Fonts/Helvetica.ttc",
    "C:/Windows/Fonts/arial.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "/usr/share/fonts/truetype/noto/NotoEmoji-Regular.ttf",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/seguisym.ttf",
)
_WORDS = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]| +|[^ \u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]+")
_SHAPELESS = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")
_BOX = 0.75
"""The width of the box that stands for a character no font has, in sizes of the letters."""


@functools.cache
def faces(size: int) -> list[Any]:
    """The fonts there are, in `size` px, the embedded one first. *reads files*."""
    found: list[Any] = [ImageFont.load_default(size)]
    for path in _SYSTEM_FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(path, size))
    return found


@functools.cache
def _face_for(char: str) -> int | None:
    # A font draws its one "missing" glyph for a character that it lacks.
    for place, face in enumerate(faces(20)):
        if char == " " or bytes(face.getmask(char)) != bytes(face.getmask("\U0010ffff")):
            return place
    return None


def clean(text: str, most: int) -> str:
    """The text on one line of at most `most` characters, without what has no shape of its own. *pure*."""
    kept = (" " if char.isspace() else char for char in unicodedata.normalize("NFC", text[: most * 4]))
    shown = (char for char in kept if unicodedata.category(char) not in ("Cc", "Cf") and not _SHAPELESS.match(char))
    flat = " ".join("".join("\ufffc" if unicodedata.category(char) == "Cs" else char for char in shown).split())
    return flat if len(flat) <= most else flat[:most] + "…"


def runs(text: str) -> Iterator[tuple[int | None, str]]:
    """The text in pieces of one face each; the face is None for characters that no font has."""
    chosen: list[int | None] = []
    for char in text:
        chosen.append(chosen[-1] if unicodedata.combining(char) and chosen else _face_for(char))
    for face, pairs in itertools.groupby(zip(chosen, text, strict=True), key=lambda pair: pair[0]):
        yield face, "".join(char for _, char in pairs)


def width(text: str, size: int) -> float:
    """The width of a line in px."""
    return sum(_BOX * size * len(run) if face is None else faces(size)[face].getlength(run) for face, run in runs(text))


def fit(text: str, size: int, room: float) -> str:
    """The text, cut and ended with an ellipsis if it is wider than `room` px."""
    if width(text, size) <= room:
        return text
    length = _fitting(text, size, room - width("…", size))
    return text[:length].rstrip() + "…" if length else ""


def _fitting(text: str, size: int, room: float) -> int:
    # By halving, because measuring every length of a very long word takes minutes.
    return bisect.bisect_right(range(1, len(text) + 1), room, key=lambda length: width(text[:length], size))


def wrap(text: str, size: int, room: float) -> list[str]:
    """The text in lines at most `room` px wide: breaks between words, between ideographs, or inside a long word."""
    lines = [""]
    for word in _WORDS.findall(text):
        if width((lines[-1] + word).rstrip(), size) <= room:
            lines[-1] += word
            continue
        lines.append(word.strip())
        while len(lines[-1]) > 1 and width(lines[-1], size) > room:
            head = max(1, _fitting(lines[-1], size, room))
            lines[-1:] = [lines[-1][:head], lines[-1][head:]]
    return [line.strip() for line in lines if line.strip()]
