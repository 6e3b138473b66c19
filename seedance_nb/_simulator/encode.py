"""The child process that draws and renders a simulated video: `python -m seedance_nb._simulator.encode job.json`.

A frame is a still of the request, with a running clock. Its colours depend on the prompt.
"""

import functools
import itertools
import math
import os
import re
import stat
import sys
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import yaml
from PIL import Image, ImageColor, ImageDraw, ImageFont, ImageOps
from PIL.ImageFont import Layout

from seedance_nb._media.sandbox import limit
from seedance_nb._simulator.job import FPS, LIMITS, Job, Reference, load, seed

_RATE = 48_000
_LOOK = yaml.safe_load(Path(__file__).with_name("look.yaml").read_text("utf-8"))
_PALETTES, _FONTS = _LOOK["palettes"], _LOOK["fonts"]
RGB = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right and bottom in px
_WHITE = (255, 255, 255)
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_WORDS = re.compile(rf"[{_CJK}][,.!?:;)、。，．！？：；）」』】》]*| +|[^ {_CJK}]+")  # no line begins with a full stop
_LINE = 1.22
_MISSING = 0.75  # the width of the box for a character that no font has, relative to the font size
_SMOOTH = 3
_MOST_PX = 40_000_000


def render(job: Job) -> None:
    """Writes the MP4 to `job.path`, complete or not at all, after its last frame if requested. *writes files*."""
    part = Path(f"{job.path}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            out.metadata.update(comment="SIMULATED", description=job.prompt.encode("utf-8", "replace").decode())
            video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23"})
            video.thread_type = "AUTO"
            video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
            audio: Any = out.add_stream("aac", rate=_RATE, layout="stereo") if job.audio else None
            frame: Any = None
            for number, (image, box) in enumerate(frames(job)):
                piece: Any = av.VideoFrame.from_image(image.crop(box)).reformat(format="yuv420p")  # type: ignore[no-untyped-call]
                frame = _patched(frame, piece, box) if number else piece
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(video.encode(frame))
            if job.last_frame:
                image.save(job.last_frame, "PNG")
            out.mux(video.encode(None))
            if audio:
                samples = tune(job.prompt, job.seconds).tobytes()
                sound = av.AudioFrame(format="s16", layout="stereo", samples=len(samples) // 4)
                sound.planes[0].update(samples.ljust(sound.planes[0].buffer_size, b"\0"))
                sound.sample_rate, sound.pts, sound.time_base = _RATE, 0, Fraction(1, _RATE)
                out.mux([*audio.encode(sound), *audio.encode(None)])
        part.replace(job.path)
    finally:
        part.unlink(missing_ok=True)


def _patched(frame: Any, piece: Any, box: Box) -> Any:
    """The frame with a part of it replaced: converting all of it would take longer than encoding it."""
    frame.make_writable()
    for number, (whole, part) in enumerate(zip(frame.planes, piece.planes, strict=True)):
        # The colour planes have half as many rows and columns.
        left, top, right, bottom = (edge // (2 if number else 1) for edge in box)
        target, source = memoryview(whole), memoryview(part)
        for row in range(bottom - top):
            at, wide = (top + row) * whole.line_size + left, right - left
            target[at : at + wide] = source[row * part.line_size :][:wide]
    return frame


def tune(prompt: str, seconds: int) -> "array[int]":
    """A soft chord as interleaved stereo, 16-bit samples at 48 kHz, faded at both ends. *pure*."""
    dice = seed(prompt)
    root = 130.8 * 2 ** (dice[1] % 8 / 12)
    # Whole Hz only, so that one second is a loop without a seam.
    chord = [math.tau * round(root * step) / _RATE for step in _LOOK["chords"][dice[2] % len(_LOOK["chords"])]]
    second = array("h", (round(900 * sum(math.sin(step * index) for step in chord)) for index in range(_RATE)))
    whole = array("h", bytes(4 * _RATE * seconds))
    whole[::2] = whole[1::2] = second * seconds
    for index in range(fade := _RATE // 2):
        for at in (2 * index, 2 * index + 1, -1 - 2 * index, -2 - 2 * index):
            whole[at] = whole[at] * index // fade
    return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class _Canvas:
    """An image to draw on, its measures in px (`unit` is a hundredth of the shorter side), and its colours."""

    image: Image.Image
    unit: float
    margin: int
    small: int
    soft: RGB
    accent: RGB

    def text(self, x: float, y: float, text: str, size: int, fill: RGB = _WHITE, bold: float = 0) -> None:
        """Draws one line of text; `x` and `y` are the left end of its baseline."""
        pen = ImageDraw.Draw(self.image)
        for face, run in _runs(text, size):
            if face:
                way = None if face.layout_engine == Layout.BASIC else "rtl" if _is_rtl(text) else "ltr"
                pen.text((x, y), run, fill, face, anchor="ls", direction=way, stroke_width=bold)
                x += face.getlength(run)
                continue
            for _ in run:
                box = (x + 0.06 * size, y - 0.68 * size, x + (_MISSING - 0.06) * size, y)
                pen.rounded_rectangle(box, size * 0.1, outline=self.soft, width=max(1, size // 18))
                x += _MISSING * size

    def box(self, box: Box, radius: float, fill: RGB | Image.Image, alpha: int = 255) -> None:
        mask, edge = _mask(box)
        ImageDraw.Draw(mask).rounded_rectangle(edge, radius * _SMOOTH, fill=alpha)
        self.image.paste(fill, box, mask.reduce(_SMOOTH))


def frames(job: Job) -> Iterator[tuple[Image.Image, Box]]:
    """The image of each frame, drawn over the one before, and the box in which they differ, with even edges. *reads files*."""
    palette = _PALETTES[(seed(job.prompt)[0] + job.seed) % len(_PALETTES)]
    dark, light, accent = (ImageColor.getrgb(colour)[:3] for colour in palette)
    unit = min(job.width, job.height) / 100
    margin, small = round(6 * unit), max(9, round(2.7 * unit))
    corners = Image.new("RGB", (2, 2))
    corners.putdata([dark, _mix(dark, light, 0.45), _mix(dark, light, 0.4), light])
    image = corners.resize((job.width, job.height), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    soft = _mix(light, _WHITE, 0.74)
    canvas = _Canvas(image=image, unit=unit, margin=margin, small=small, soft=soft, accent=accent)
    # Beside the text where the frame is wide, else in the corner below it.
    is_wide = job.width > 1.2 * job.height
    across = round((17 if is_wide else 11) * unit) * 2
    left = (job.width - margin - across) // 2 * 2
    top = ((job.height - across) // 2 if is_wide else job.height - margin - across) // 2 * 2
    clock = (left, top, left + across, top + across)
    canvas.box(clock, across / 2, _WHITE, 34)
    beside = left - margin - (6 if is_wide else 4) * unit
    room = beside if is_wide else job.width - 2 * margin
    # The badge stands on the left, the model's name on the right.
    badge = (margin, margin, margin + round(width("SIMULATED", small) + small * 2), margin + round(small * 2.2))
    canvas.box(badge, small * 1.1, accent)
    canvas.text(margin + small, margin + small * 1.46, "SIMULATED", small, dark, small / 50)
    name = fit(clean(job.model, 90), small, job.width - margin - badge[2] - 2 * unit)
    canvas.text(job.width - margin - width(name, small), margin + small * 1.46, name, small, soft)
    first, last = badge[3] + round(5 * unit), _foot(canvas, job, beside)
    last = _references(canvas, job.references, room, first, last if is_wide else min(last, top))
    _prompt(canvas, clean(job.prompt, 1200), room, first, last - round(4 * unit))
    ground = image.crop(clock)
    for number in range(job.seconds * FPS):
        image.paste(ground, clock)
        _clock(canvas, clock, number, job.seconds)
        yield image, clock if number else (0, 0, job.width, job.height)


def _clock(canvas: _Canvas, box: Box, number: int, seconds: int) -> None:
    """Draws a hand that turns once a second, a rim that fills over the whole duration, and the current second."""
    mask, edge = _mask(box)
    pen, rim = ImageDraw.Draw(mask), max(1, mask.width // 33)
    pen.arc(edge, 0, 360, fill=70, width=rim)
    pen.pieslice(edge, -90, -90 + 360 * (number % FPS + 1) / FPS, fill=46)
    pen.arc(edge, -90, -90 + 360 * (number + 1) / (seconds * FPS), fill=255, width=rim)
    canvas.image.paste(canvas.accent, box, mask.reduce(_SMOOTH))
    left, top, right, _ = box
    for text, share, base in ((str(number // FPS), 0.42, 0.56), (f"of {seconds} s", 0.11, 0.74)):
        size = max(1, round((right - left) * share))
        canvas.text((left + right - width(text, size)) / 2, top + (right - left) * base, text, size)


def _foot(canvas: _Canvas, job: Job, room: float) -> int:
    """Draws the settings and the video's format; returns the y where they begin."""
    settings = " · ".join(f"{clean(name, 40)}\u00a0{clean(value, 40)}" for name, value in job.settings)
    facts = f"{job.width} x {job.height} · {job.seconds} s · {'with' if job.audio else 'no'} sound"
    lines = [*wrap(settings, canvas.small, room)[:3], facts, "No provider was called, nothing was charged"]
    base = canvas.image.height - canvas.margin
    for line in reversed(lines):
        canvas.text(canvas.margin, base, fit(line, canvas.small, room), canvas.small, canvas.soft)
        base -= round(canvas.small * 1.5)
    return base


def _references(canvas: _Canvas, references: tuple[Reference, ...], room: float, first: int, last: int) -> int:
    """Draws tiles above `last`, as many as leave some height for the prompt; returns the y where they begin."""
    small, gap, wide = canvas.small, round(2 * canvas.unit), round(14 * canvas.unit)
    high = round(wide * 0.75)
    step, columns = high + small * 2, max(1, int(room + gap) // (wide + gap))
    rows = min(2, int(last - first - 14 * canvas.unit) // step, -(-len(references) // columns))
    shown = references[: min(columns * max(0, rows), 12)]
    top = last - gap - rows * step if shown else last
    for number, one in enumerate(shown):
        x, y = canvas.margin + number % columns * (wide + gap), top + number // columns * step
        is_rest = number == len(shown) - 1 and len(shown) < len(references)
        thumbnail = None if is_rest else picture(one.file, (wide, high))
        canvas.box((x, y, x + wide, y + high), 1.2 * canvas.unit, thumbnail or _WHITE, 255 if thumbnail else 28)
        host = re.sub(r"^[a-z]+://(?:[^/?#]*@)?|[/?#].*", "", one.url, flags=re.DOTALL)
        name = f"+{len(references) - number}" if is_rest else "" if thumbnail else host
        name = fit(clean(name, 60), small, wide - small)
        canvas.text(x + (wide - width(name, small)) / 2, y + high / 2 + small * 0.35, name, small, canvas.soft)
        label = "" if is_rest else fit(clean(one.label, 40), small, wide)
        canvas.text(x, y + high + small * 1.3, label, small, canvas.soft)
    return top


def _prompt(canvas: _Canvas, prompt: str, room: float, first: int, last: int) -> None:
    """Draws the prompt between two heights, in the largest font that breaks no word."""
    lines, size, most = [""], 1, 1
    for share, calm in _LOOK["sizes"].items():
        size = max(canvas.small, round(canvas.unit * share))
        lines, most = wrap(prompt, size, room), int((last - first) / (size * _LINE))
        if len(lines) <= min(most, calm) and all(width(word, size) <= room for word in _WORDS.findall(prompt)):
            break
    if len(lines) > (most := max(1, most)):
        lines = [*lines[: most - 1], fit(lines[most - 1] + "…", size, room)]
    y = first + size * 0.95 + max(0.0, (last - first - len(lines) * size * _LINE) * 0.42)
    for line in lines:
        canvas.text(canvas.margin + (room - width(line, size) if _is_rtl(prompt) else 0), y, line, size)
        y += size * _LINE


def _mask(box: Box) -> tuple[Image.Image, Box]:
    """A mask for a box, and its edge: larger than the box, so that shapes are smooth once it is reduced."""
    wide, high = (max(1, end - start) * _SMOOTH for start, end in zip(box[:2], box[2:], strict=True))
    return Image.new("L", (wide, high)), (0, 0, wide - 1, high - 1)


def _mix(one: RGB, other: RGB, part: float) -> RGB:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def picture(file: str | None, size: tuple[int, int]) -> Image.Image | None:
    """A reference image cropped to `size` px, None if it cannot or must not be read. *reads files*."""
    try:
        if file is None or not stat.S_ISREG(Path(file).stat().st_mode):  # a pipe would never end
            return None
        formats = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
        with Path(file).open("rb") as data, Image.open(data, formats=formats) as image:
            if image.width * image.height > _MOST_PX:
                return None
            image.thumbnail((8 * max(size), 8 * max(size)))  # before it is copied several times
            upright = ImageOps.exif_transpose(image).convert("RGBA")
        small = ImageOps.fit(upright, size)
        return Image.alpha_composite(Image.new("RGBA", size, (40, 40, 46, 255)), small).convert("RGB")
    except Exception:  # noqa: BLE001 - whatever a hostile file raises, only its image is missing
        return None


@functools.cache
def _fonts() -> list[Any]:
    """The available fonts, the embedded one first. *reads files*."""
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
    # A font draws its one "missing" glyph for a character that it lacks.
    face = _fonts()[number]
    return char == " " or bytes(face.getmask(char)) != bytes(face.getmask("\U0010ffff"))


def _runs(text: str, size: int) -> Iterator[tuple[Any, str]]:
    """A line in runs of one font each, from left to right; the font is None for characters that no font has."""
    chosen: list[int | None] = []
    for char in text:
        last = chosen[-1] if chosen else None
        # Marks and spaces stay with their word, so that scripts that join letters are shaped as a whole.
        is_same = last is not None and not char.isalnum() and _has(last, char)
        chosen.append(last if is_same else next((n for n in range(len(_fonts())) if _has(n, char)), None))
    groups = itertools.groupby(zip(chosen, text, strict=True), key=lambda pair: pair[0])
    pieces = [(number, "".join(char for _, char in pairs)) for number, pairs in groups]
    for number, run in reversed(pieces) if _is_rtl(text) else pieces:
        # The plain layout sets small Latin letters more evenly.
        layout = Layout.RAQM if number or _is_rtl(text) else Layout.BASIC
        yield None if number is None else _face(number, size, layout), run


@functools.lru_cache(maxsize=10_000)
def width(text: str, size: int) -> float:
    return sum(face.getlength(run) if face else _MISSING * size * len(run) for face, run in _runs(text, size))


def clean(text: str, most: int) -> str:
    """The text on one line of at most `most` characters, without invisible ones. *pure*."""
    # Variation selectors and skin colours have no shape of their own.
    plain = re.sub("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]", "", unicodedata.normalize("NFC", text[: most * 4]))
    spaced = (" " if char.isspace() else char for char in plain)
    shown = (char for char in spaced if unicodedata.category(char) not in ("Cc", "Cf"))
    flat = " ".join("".join("\ufffc" if unicodedata.category(char) == "Cs" else char for char in shown).split())
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


if __name__ == "__main__":
    limit(LIMITS)
    render(load(Path(sys.argv[1]).read_text(encoding="utf-8")))
