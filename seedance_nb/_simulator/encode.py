"""Draws and renders a simulated video, in a child process: a still of the request, with the time and a progress bar."""

import functools
import hashlib
import itertools
import json
import math
import os
import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.ImageFont import Layout

from seedance_nb._base.values import packaged_table

FPS, _RATE = 24, 48_000
_LOOK = packaged_table(__file__, "look")
_PALETTES, _FONTS = _LOOK["palettes"], _LOOK["fonts"]
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_WORDS = re.compile(rf"[{_CJK}][,.!?:;)、。，．！？：；）」』】》]*| +|[^ {_CJK}]+")  # no line begins with a full stop
_LINE, _MOST_TILES, _MOST_PX = 1.22, 12, 40_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video to render to `path`: `width` and `height` in px (even); its last frame goes to `last_frame`, "" for none. Colours depend on the prompt and `seed`. A reference is its label and the file of its untrusted bytes, None if it could not be downloaded."""

    path: str
    width: int
    height: int
    seconds: int
    audio: bool
    prompt: str
    model: str
    settings: Sequence[Sequence[str]]
    references: Sequence[tuple[str, str | None]]
    last_frame: str = ""
    seed: int = 0


def render_job(name: str) -> str:
    render(Job(**json.loads(Path(name).read_text(encoding="utf-8"))))
    return ""


def render(job: Job) -> None:
    """Writes the MP4 to `job.path`, complete or not at all, after its last frame if requested. *writes files*."""
    part = Path(f"{job.path}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            out.metadata.update(comment="SIMULATED", description=job.prompt.encode("utf-8", "replace").decode())
            video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23"})
            video.thread_type = "AUTO"
            video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
            audio: Any = out.add_stream("aac", rate=_RATE, layout="mono") if job.audio else None
            for number, image in enumerate(frames(job)):
                frame: Any = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(video.encode(frame))
            if job.last_frame:
                image.save(job.last_frame, "PNG")
            out.mux(video.encode(None))
            if audio:
                samples = tune(job.prompt, job.seconds).tobytes()
                sound = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
                sound.planes[0].update(samples.ljust(sound.planes[0].buffer_size, b"\0"))
                sound.sample_rate, sound.pts, sound.time_base = _RATE, 0, Fraction(1, _RATE)
                out.mux([*audio.encode(sound), *audio.encode(None)])
        part.replace(job.path)
    finally:
        part.unlink(missing_ok=True)


def seed(prompt: str) -> bytes:
    return hashlib.shake_256(prompt.encode("utf-8", "surrogatepass")).digest(8)


def tune(prompt: str, seconds: int) -> "array[int]":
    """A tone that swells once a second, as 16-bit mono samples at 48 kHz. *pure*."""
    turn = math.pi / _RATE
    tone = 2 * round(130.8 * 2 ** (seed(prompt)[1] % 8 / 12)) * turn  # whole Hz, so that seconds join without a seam
    return array("h", (round(3000 * math.sin(turn * n) ** 2 * math.sin(tone * n)) for n in range(_RATE))) * seconds


def frames(job: Job) -> Iterator[Image.Image]:
    """The image of each frame, drawn over the one before. *reads files*."""
    dark, light, accent = _PALETTES[(seed(job.prompt)[0] + job.seed) % len(_PALETTES)]
    canvas = _Canvas(ImageOps.colorize(Image.linear_gradient("L").resize((job.width, job.height)), dark, light))
    image, pen, margin, small = canvas.image, canvas.pen, canvas.margin, canvas.small
    right, first = job.width - margin, margin + round(small * 2.2)
    badge = margin + round(width("SIMULATED", small) + small * 2)
    name = fit(clean(job.model, 90), small, right - badge - 2 * canvas.unit)
    canvas.text(right - width(name, small), margin + small * 1.46, name)
    # From the bottom up: the progress, the format, the settings, the references; the prompt has the rest.
    bottom, high = job.height - margin, round(small * 1.8)
    pen.rectangle((margin, bottom - small // 3, right - 1, bottom - 1), dark)
    count = f" · references: {len(job.references)}" if job.references else ""
    settings = " · ".join(f"{clean(name, 40)}\u00a0{clean(value, 40)}" for name, value in job.settings)
    facts = f"{job.width} x {job.height} · {job.seconds} s · {'with' if job.audio else 'no'} sound{count}"
    last = bottom - high - small
    for line in ("No provider was called, nothing was charged", facts, *wrap(settings, small, right - margin)[2::-1]):
        canvas.text(margin, last, fit(line, small, right - margin))
        last -= round(small * 1.5)
    last = canvas.references(job.references, first, last)
    canvas.prompt(clean(job.prompt, 1200), first + round(5 * canvas.unit), last - round(4 * canvas.unit))
    pen.rectangle((margin, margin, badge, first), accent)
    canvas.text(margin + small, margin + small * 1.46, "SIMULATED", fill=dark)
    ground = image.crop((margin, bottom - high, right, bottom))
    for number in range(job.seconds * FPS):
        image.paste(ground, (margin, bottom - high))
        canvas.text(margin, bottom - small * 0.8, f"{number / FPS:.2f} s")
        end = margin + (right - 1 - margin) * (number + 1) / (job.seconds * FPS)
        pen.rectangle((margin, bottom - small // 3, end, bottom - 1), accent)
        yield image


class _Canvas:
    """An image to draw on. In px: `unit`, a hundredth of its shorter side, its `margin`, and its `small` font size."""

    def __init__(self, image: Image.Image) -> None:
        self.image, self.pen, self.unit = image, ImageDraw.Draw(image), min(image.size) / 100
        self.margin, self.small = round(6 * self.unit), max(9, round(2.7 * self.unit))

    def text(self, x: float, y: float, text: str, size: int = 0, fill: str = "white") -> None:
        """Draws one line of text; `x` and `y` are the left end of its baseline."""
        for face, run in _runs(text, size or self.small):
            way = None if face.layout_engine == Layout.BASIC else "rtl" if _is_rtl(text) else "ltr"
            self.pen.text((x, y), run, fill, face, anchor="ls", direction=way)
            x += face.getlength(run)

    def references(self, references: Sequence[tuple[str, str | None]], first: int, last: int) -> int:
        """Draws a row of thumbnails above `last` if that leaves some height for the prompt; returns the y where it begins."""
        wide, high, step = (round(share * self.unit) for share in (14, 10, 16))
        top = last - high - round(self.small * 2.6)
        if not references or top - first < 15 * self.unit:
            return last
        fitting = min(_MOST_TILES, (self.image.width - 2 * self.margin + step - wide) // step)
        ends = range(self.margin, self.margin + fitting * step, step)
        for x, (label, file) in zip(ends, references, strict=False):
            shown = picture(file, (wide, high)) if file else None
            self.image.paste(shown or Image.new("RGB", (wide, high), "#55555f"), (x, top))
            self.text(x, top + high + self.small * 1.3, fit(clean(label, 40), self.small, wide))
        return top

    def prompt(self, prompt: str, first: int, last: int) -> None:
        """Draws the prompt between two heights, in the largest font that breaks no word."""
        lines, size, most, room = [""], 1, 1, self.image.width - 2 * self.margin
        for share in _LOOK["sizes"]:
            size = max(self.small, round(self.unit * share))
            lines, most = wrap(prompt, size, room), int((last - first) / (size * _LINE))
            if len(lines) <= most and all(width(word, size) <= room for word in _WORDS.findall(prompt)):
                break
        if len(lines) > (most := max(1, most)):
            lines = [*lines[: most - 1], fit(lines[most - 1] + "…", size, room)]
        for number, line in enumerate(lines):
            x = self.margin + (room - width(line, size) if _is_rtl(prompt) else 0)
            self.text(x, first + size * (0.95 + number * _LINE), line, size)


def picture(file: str, size: tuple[int, int]) -> Image.Image | None:
    """A reference image cropped to `size` px, None if it cannot or must not be read. *reads files*."""
    try:
        with Image.open(file, formats=("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")) as image:
            if image.width * image.height > _MOST_PX:
                return None
            image.thumbnail((8 * max(size), 8 * max(size)))  # before it is copied several times
            return ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), size)
    except Exception:  # noqa: BLE001 - whatever a hostile file raises, only its image is missing
        return None


@functools.cache
def _fonts() -> list[Any]:
    found: list[Any] = [ImageFont.load_default(20)]
    for name in _FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(name, 20))
    return found


@functools.cache
def _face(number: int, size: int, layout: Layout) -> Any:
    return _fonts()[number].font_variant(size=size, layout_engine=layout)


@functools.cache
def _has(number: int, char: str) -> bool:
    face = _fonts()[number]  # which draws its one "missing" glyph for a character that it lacks
    return char == " " or bytes(face.getmask(char)) != bytes(face.getmask("\U0010ffff"))


def _runs(text: str, size: int) -> Iterator[tuple[ImageFont.FreeTypeFont, str]]:
    """A line in runs of one font each, from left to right; what no font has is a box in the first one."""
    chosen: list[int] = []
    for char in text:
        # Marks and spaces stay with their word, so that scripts that join letters are shaped as a whole.
        is_same = bool(chosen) and not char.isalnum() and _has(chosen[-1], char)
        chosen.append(chosen[-1] if is_same else next((n for n in range(len(_fonts())) if _has(n, char)), 0))
    groups = itertools.groupby(zip(chosen, text, strict=True), key=lambda pair: pair[0])
    pieces = [(number, "".join(char for _, char in pairs)) for number, pairs in groups]
    for number, run in reversed(pieces) if _is_rtl(text) else pieces:
        layout = Layout.RAQM if number or _is_rtl(text) else Layout.BASIC  # which sets small Latin letters more evenly
        yield _face(number, size, layout), run


@functools.lru_cache(maxsize=10_000)
def width(text: str, size: int) -> float:
    return sum(face.getlength(run) for face, run in _runs(text, size))


def clean(text: str, most: int) -> str:
    """The text on one line of at most `most` characters, without invisible ones. *pure*."""
    # Variation selectors and skin colours have no shape of their own.
    plain = re.sub("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]", "", unicodedata.normalize("NFC", text[: most * 4]))
    flat = " ".join("".join(char for char in plain if char.isprintable() or char.isspace()).split())
    return flat if len(flat) <= most else flat[:most] + "…"


def fit(text: str, size: int, room: float) -> str:
    """The text, shortened with an ellipsis if it is wider than `room` px."""
    return text if width(text, size) <= room else wrap(text, size, room - width("…", size))[0] + "…"


def wrap(text: str, size: int, room: float) -> list[str]:
    """The text in lines at most `room` px wide: breaks between words, between ideographs, or inside a long word."""
    lines, used = [""], 0.0
    for word in _WORDS.findall(text):
        for part in [word] if width(word, size) <= room else word:
            end = lines[-1][-2:]  # spaces and marks take the font of the characters before them
            across = width(end + part, size) - width(end, size)
            if used and part.strip() and used + across > room:
                lines.append("")
                used, across = 0.0, width(part, size)
            if used or part.strip():
                lines[-1] += part
                used += across
    return [line.strip() for line in lines]


def _is_rtl(text: str) -> bool:
    """Whether the first letter belongs to a right-to-left script. *pure*."""
    return next((way for way in map(unicodedata.bidirectional, text) if way in ("L", "R", "AL")), "L") != "L"
