"""The picture the simulator answers with: a moving title card that says what was asked for, as a real MP4.

It runs as a child process (`python -m seedance_nb._render job.json`), so that painting never blocks an event loop
and a hostile reference picture can end the child only.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import os
import re
import stat
import unicodedata
import warnings
from array import array
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image as Im
    from PIL.ImageFont import FreeTypeFont

FPS, _RATE, _MAX_PIXELS, _MAX_TILES = 24, 48_000, 40_000_000, 12
_RGB = tuple[int, int, int]
# sky, horizon, sun, ground: dark enough above and below that white words keep their contrast
_PALETTES = (
    ("1a1440", "b8506c", "ffd6a0", "110b24"), ("06263a", "3a848e", "fdeec0", "04141c"),
    ("280f20", "c25a3a", "ffd080", "180810"), ("0c1034", "5f54bd", "f1e6ff", "080a1f"),
    ("0a2a28", "5f8f5c", "f6f0b4", "051613"), ("27193c", "b76c90", "ffe6dc", "150c20"),
    ("081a3a", "3d70b2", "ffe4b4", "050e20"), ("341a2e", "ba7a46", "ffedcc", "1c0c16"),
)  # fmt: skip
_SYSTEM_FONTS = (  # the first three are close relatives of the embedded face
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf", "/System/Library/Fonts/Helvetica.ttc",
    "C:/Windows/Fonts/arial.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc", "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf", "/usr/share/fonts/truetype/noto/NotoEmoji-Regular.ttf",
    "C:/Windows/Fonts/msyh.ttc", "C:/Windows/Fonts/seguisym.ttf", "C:/Windows/Fonts/seguiemj.ttf",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One picture the prompt refers to; `file` holds bytes somebody else chose."""

    label: str
    url: str
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video to paint: `width` and `height` in pixels (even), `seconds` in seconds."""

    path: str
    width: int
    height: int
    seconds: int
    audio: bool
    prompt: str
    model: str
    settings: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]


def frame_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Width and height in pixels, both even, for names such as "720p" and "16:9"; ValueError otherwise. *pure*."""
    named, parts = re.fullmatch(r"([0-9]{2,4})p", resolution), re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", ratio)
    if not named or not parts or not all(numbers := [int(n) for n in (named[1], *parts.groups())]):
        raise ValueError(f"no frame size for resolution {resolution!r} and ratio {ratio!r}")
    short, across, down = numbers
    scale = Fraction(short, min(across, down))
    return round(across * scale / 2) * 2, round(down * scale / 2) * 2


def dump(job: Job) -> str:
    """The job as JSON, ASCII only, for `load`. *pure*."""
    return json.dumps(asdict(job))


def load(text: str) -> Job:
    """The job that `dump` wrote. *pure*."""
    raw: dict[str, Any] = json.loads(text)
    settings = tuple((name, value) for name, value in raw.pop("settings"))
    return Job(settings=settings, references=tuple(Reference(**one) for one in raw.pop("references")), **raw)


def _seed(prompt: str) -> bytes:
    return hashlib.shake_256(prompt.encode("utf-8", "surrogatepass")).digest(512)


def _mix(one: _RGB, other: _RGB, part: float) -> _RGB:
    return tuple(round(a + (b - a) * part) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


@functools.cache
def _fonts(size: int) -> list[FreeTypeFont]:
    from PIL import ImageFont

    fonts: list[Any] = [ImageFont.load_default(size)]
    for path in _SYSTEM_FONTS:
        with suppress(OSError):
            fonts.append(ImageFont.truetype(path, size))
    return fonts


@functools.cache
def _font_for(char: str) -> int | None:
    """Which of `_fonts` has this character, None if none: a font answers its one "missing" glyph otherwise."""
    looks = ((bytes(font.getmask(char)), bytes(font.getmask("\U0010ffff"))) for font in _fonts(20))  # type: ignore[call-overload]
    return next((i for i, (look, missing) in enumerate(looks) if look != missing or char == " "), None)


def _clean(text: str, most: int) -> str:
    """The text on one line of at most `most` characters, without what has no shape of its own. *pure*."""
    kept = (" " if c.isspace() else c for c in unicodedata.normalize("NFC", text[: most * 4]))
    shown = (c for c in kept if unicodedata.category(c) not in {"Cc", "Cf"} and not 0xFE00 <= ord(c) <= 0xFE0F
             and not 0x1F3FB <= ord(c) <= 0x1F3FF)  # fmt: skip
    flat = " ".join("".join("\ufffc" if unicodedata.category(c) == "Cs" else c for c in shown).split())
    return flat if len(flat) <= most else flat[:most] + "…"


def _runs(text: str) -> Iterator[tuple[int | None, str]]:
    fonts = list(itertools.accumulate(text, lambda f, c: f if unicodedata.combining(c) else _font_for(c), initial=0))
    for font, pairs in itertools.groupby(zip(fonts[1:], text, strict=True), key=lambda pair: pair[0]):
        yield font, "".join(char for _, char in pairs)


def _width(text: str, size: int) -> float:
    return sum(0.75 * size * len(run) if f is None else _fonts(size)[f].getlength(run) for f, run in _runs(text))


def _fit(text: str, size: int, room: float) -> str:
    """The text, cut and ended with an ellipsis if it is wider than `room` pixels. *pure*."""
    if _width(text, size) <= room:
        return text
    return next((cut for n in range(len(text), 0, -1) if _width(cut := text[:n].rstrip() + "…", size) <= room), "")


def _wrap(text: str, size: int, room: float) -> list[str]:
    """The text in lines at most `room` pixels wide: breaks between words, between ideographs, or inside a long word."""
    lines = [""]
    for word in re.findall(
        r"[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]| +|[^ \u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]+", text
    ):
        if _width((lines[-1] + word).rstrip(), size) <= room:
            lines[-1] += word
            continue
        lines.append(word.strip())
        while len(lines[-1]) > 1 and _width(lines[-1], size) > room:
            head = next(n for n in range(len(lines[-1]) - 1, 0, -1) if n == 1 or _width(lines[-1][:n], size) <= room)
            lines[-1:] = [lines[-1][:head], lines[-1][head:]]
    return [line.strip() for line in lines if line.strip()]


def _picture(file: str | None, size: tuple[int, int]) -> Im.Image | None:
    """The reference picture cropped to `size` pixels, None if it cannot be read or should not be. *reads files*."""
    from PIL import Image, ImageOps

    try:
        if file is None or not stat.S_ISREG(os.stat(file).st_mode):  # a pipe would never end
            return None
        with warnings.catch_warnings(), Path(file).open("rb") as data:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(data, formats=("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.draft("RGB", (size[0] * 2, size[1] * 2))
                upright = ImageOps.exif_transpose(image).convert("RGBA")
            small = ImageOps.fit(upright, size)
            return Image.alpha_composite(Image.new("RGBA", size, (40, 40, 46, 255)), small)
    except Exception:  # noqa: BLE001  whatever a hostile file raises, it is only a picture less
        return None


class _Sheet:
    """What stands still in front of the scene: `ink` over `shade`, which darkens the scene behind the words."""

    def __init__(self, size: tuple[int, int]) -> None:
        from PIL import Image, ImageDraw

        self.ink = Image.new("RGBA", size, (255, 255, 255, 0))
        self.shade, self.glow = Image.new("L", size), Image.new("L", size)
        self.pen, self.soft = ImageDraw.Draw(self.ink), ImageDraw.Draw(self.glow)

    def text(
        self, at: tuple[float, float], text: str, size: int, fill: tuple[int, ...] = (255, 255, 255, 255)
    ) -> float:
        """The x in pixels where the text ends; `at` is the left end of its baseline."""
        x, y = at
        for font, run in _runs(text):
            if font is None:
                for _ in run:
                    box = (x + 0.08 * size, y - 0.66 * size, x + 0.66 * size, y + 0.02 * size)
                    self.pen.rounded_rectangle(box, size * 0.08, outline=fill, width=max(1, size // 14))
                    x += 0.75 * size
                continue
            self.pen.text((x, y), run, fill, _fonts(size)[font], anchor="ls")
            self.soft.text((x, y), run, 255, _fonts(size)[font], anchor="ls")
            x += _fonts(size)[font].getlength(run)
        return x

    def tile(self, box: tuple[int, int, int, int], radius: float, fill: Im.Image | tuple[int, ...]) -> None:
        """Paint a rounded box (x, y, width, height in pixels), smooth at its corners, with a colour or a picture."""
        from PIL import Image, ImageDraw

        x, y, w, h = box
        mask = Image.new("L", (w * 4, h * 4))
        ImageDraw.Draw(mask).rounded_rectangle((0, 0, w * 4 - 1, h * 4 - 1), radius * 4, fill=255)
        mask = mask.reduce(4)
        if isinstance(fill, tuple) and not any(fill[:3]):
            self.shade.paste(fill[3], (x, y), mask)
            return
        full = Image.new("RGBA", (w, h), fill) if isinstance(fill, tuple) else fill
        clear = Image.new("RGBA", (w, h), (*full.getpixel((w // 2, h // 2))[:3], 0))
        self.ink.alpha_composite(Image.composite(full, clear, mask), (x, y))

    def flat(self) -> Im.Image:
        """Everything as one RGBA picture."""
        from PIL import Image, ImageChops, ImageFilter

        blurred = self.glow.filter(ImageFilter.GaussianBlur(self.glow.height / 90)).point(lambda v: min(150, v))
        under = Image.new("RGBA", self.ink.size, (0, 0, 0, 255))
        under.putalpha(ImageChops.lighter(self.shade, blurred))
        return Image.alpha_composite(under, self.ink)


def _sheet(job: Job, sun: _RGB, ground: _RGB) -> tuple[Im.Image, tuple[int, int, int, int]]:
    """All the words and thumbnails, and the box of the progress bar (x, y, width, height in pixels). *reads files*."""
    sheet, unit = _Sheet((job.width, job.height)), min(job.width, job.height) / 100
    margin, small, gap = round(5.5 * unit), max(11, round(2.5 * unit)), round(2 * unit)
    wide, pill = job.width - 2 * margin, small * 2
    # top: the badge, and the model's name at the other end
    spread = [_width(char, small) + small * 0.14 for char in "SIMULATED"]
    badge = round(sum(spread) + small * 2.5)
    sheet.tile((margin, margin, badge, pill), pill / 2, (*sun, 255))
    sheet.tile(
        (margin + round(small * 0.75), margin + round(small * 0.75), small // 2, small // 2), small, (*ground, 255)
    )
    x, base = margin + small * 1.65, margin + round(small * 1.36)
    for char, step in zip("SIMULATED", spread, strict=True):
        sheet.pen.text((x, base), char, (*ground, 255), _fonts(small)[0], anchor="ls", stroke_width=small / 50)
        x += step
    model = _fit(_clean(job.model, 90), small, wide - badge - 2 * gap)
    sheet.text((job.width - margin - _width(model, small), base), model, small, (255, 255, 255, 215))
    # bottom: the bar, the line below it, the references above it
    foot, bar = job.height - margin, job.height - margin - round(small * 1.9)
    note = _fit("no provider was called · nothing was charged", small, wide - _width("00:00 / 00:00", small) - gap)
    sheet.text((margin, foot), note, small, (255, 255, 255, 190))
    thick = max(2, round(unit / 2))
    sheet.tile((margin, bar, wide, thick), thick / 2, (255, 255, 255, 70))
    shown = job.references[:_MAX_TILES]
    tile_w = round((15 if len(shown) > 3 else 22) * unit)
    tile_h, label, low = round(tile_w * 0.7), max(11, round(small * 0.85)), bar - round(small * 1.2)
    columns = max(1, (wide + gap) // (tile_w + gap))
    rows = -(-len(shown) // columns)
    top = low - rows * (tile_h + round(label * 2.1)) if rows else bar - gap
    for n, one in enumerate(shown):
        x, y = margin + n % columns * (tile_w + gap), top + n // columns * (tile_h + round(label * 2.1))
        picture = _picture(one.file, (tile_w - 4, tile_h - 4))
        sheet.tile((x, y, tile_w, tile_h), unit * 1.2, (255, 255, 255, 235 if picture else 60))
        if picture:
            sheet.tile((x + 2, y + 2, tile_w - 4, tile_h - 4), unit, picture)
        else:
            sheet.tile((x, y, tile_w, tile_h), unit * 1.2, (0, 0, 0, 150))
            host = _fit(_clean(_host(one.url), 60), label, tile_w - label)
            sheet.text((x + (tile_w - _width(host, label)) / 2, y + tile_h / 2 + label * 0.35), host, label)
        sheet.text((x + 1, y + tile_h + round(label * 1.35)), _fit(_clean(one.label, 40), label, tile_w), label)
    # between them: the prompt as large as it fits, its settings under it
    chips: list[list[tuple[str, str, float]]] = [[]]
    for pair in job.settings:
        name, value = (_fit(_clean(part, 40), small, wide * 0.45) for part in pair)
        span = _width(name + value, small) + small * 2
        if chips[-1] and sum(chip[2] + gap / 2 for chip in chips[-1]) + span > wide:
            chips.append([])
        chips[-1].append((name, value, span))
    first, last = margin + pill + gap * 2, top - gap * 2
    room = last - first - (small * 2.5 * len(chips[:2]) + gap)
    across = min(wide, round(1.45 * job.height))
    prompt = _clean(job.prompt, 1200)
    for big in (round(unit * step) for step in (11, 9.6, 8.4, 7.4, 6.5, 5.7, 5, 4.4, 3.9)):
        lines, most = _wrap(prompt, big, across), max(1, int(room / (big * 1.24)))
        if len(lines) <= min(most, 6 if big > unit * 5 else 99):
            break
    if len(lines) > most:
        lines[most - 1 :] = [
            _fit(lines[most - 1] + "…" * 1, big, across)
            if _width(lines[most - 1] + "…", big) <= across
            else _fit(lines[most - 1] + " " + lines[most], big, across)
        ]
    y = first + max(0.0, (room - len(lines) * big * 1.24) * 0.45)
    for line in lines:
        sheet.text((margin, y + big * 0.95), line, big)
        y += big * 1.24
    y += gap
    for row in chips[:2]:
        x = margin
        for name, value, span in row:
            sheet.tile((x, round(y), round(span), pill), pill / 2, (0, 0, 0, 105))
            sheet.text(
                (
                    sheet.text((x + small * 0.8, round(y) + small * 1.36), name, small, (255, 255, 255, 170))
                    + small * 0.4,
                    round(y) + small * 1.36,
                ),
                value,
                small,
            )
            x += round(span + gap / 2)
        y += small * 2.5
    return sheet.flat(), (margin, bar, wide, thick)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return parts.hostname or f"{parts.scheme or 'no address'}"
    except ValueError:
        return "unreadable address"


def _frames(job: Job) -> Iterator[Im.Image]:
    """One RGB picture for each frame, in order; a picture is painted over when the next one is asked for."""
    from PIL import Image, ImageDraw

    dice, (w, h) = _seed(job.prompt), (job.width, job.height)
    sky, horizon, sun, ground = (tuple(bytes.fromhex(colour)) for colour in _PALETTES[dice[0] % len(_PALETTES)])
    column = Image.new("RGB", (1, h))
    column.putdata([_mix(sky, horizon, min(1, y / (0.78 * h)) ** 1.5) for y in range(h)])
    still, short = column.resize((w, h)), min(w, h)
    radius = round(short * (0.1 + dice[1] / 255 * 0.07))
    sun_x, sun_y = round(w * (0.6 + dice[2] / 255 * 0.24)), round(h * (0.46 + dice[3] / 255 * 0.1))
    glow = Image.radial_gradient("L").point(lambda v: round(150 * max(0.0, 1 - v / 180) ** 2)).resize((radius * 9,) * 2)
    disc = Image.new("L", (radius * 8,) * 2)
    ImageDraw.Draw(disc).ellipse((0, 0, radius * 8 - 1, radius * 8 - 1), fill=245)
    disc = disc.reduce(4)
    period, turn = max(w, h), 1 if dice[4] % 2 else -1
    hills = []
    for k, (level, swell) in enumerate(((0.60, 0.075), (0.70, 0.065), (0.80, 0.055), (0.885, 0.035))):
        peak, waves = (
            round(h * (level - swell)),
            [(1 + dice[9 * k + 10 + n] % 3 + n * 2 + k % 2, dice[9 * k + 13 + n] / 40) for n in range(3)],
        )
        line = [
            (
                x,
                2
                * h
                * (
                    level
                    - swell
                    * sum(math.sin(c * math.tau * x / (2 * period) + p) / (1.6 + n) for n, (c, p) in enumerate(waves))
                    / 1.3
                )
                - 2 * peak,
            )
            for x in range(0, 2 * (period + w) + 8, 8)
        ]
        tall = round(h * min(1, level + 0.2)) - peak if k < 3 else h - peak
        mask = Image.new("L", (2 * (period + w), 2 * tall))
        ImageDraw.Draw(mask).polygon([*line, (2 * (period + w) + 8, 2 * tall), (0, 2 * tall)], fill=255)
        colour = _mix(horizon, ground, (0.3, 0.56, 0.8, 0.96)[k])
        fog = Image.new("RGB", (1, tall))
        fog.putdata([_mix(colour, _mix(horizon, ground, 0.25 + k * 0.2), 0.7 * (y / tall)) for y in range(tall)])
        hills.append((peak, fog.resize((w, tall)), mask.reduce(2), (k + 1) * turn))
    sheet, (bar_x, bar_y, bar_w, bar_h) = _sheet(job, sun, ground)
    alpha = sheet.getchannel("A")
    pieces = []
    for y in range(0, h, 24):
        box = alpha.crop((0, y, w, min(h, y + 24))).getbbox()
        if box:
            box = (box[0], box[1] + y, box[2], box[3] + y)
            pieces.append((box[:2], sheet.crop(box).convert("RGB"), alpha.crop(box)))
    small = max(11, round(2.5 * short / 100))
    total = job.seconds * FPS
    for n in range(total):
        if n % 3 == 0:
            base = still.copy()
            y = sun_y - n // 3
            base.paste(sun, (sun_x - glow.width // 2, y - glow.height // 2), glow)
            base.paste(sun, (sun_x - radius, y - radius), disc)
        frame = base.copy()
        for top, fog_, mask, speed in hills:
            at = speed * n % period
            frame.paste(fog_, (0, top), mask.crop((at, 0, at + w, mask.height)))
        for k in range(24):
            a, b, c, d = dice[100 + 4 * k : 104 + 4 * k]
            size = 1 + c % 2 + (short > 600)
            x = a / 255 * w + math.sin(n / 40 + d) * short * 0.02
            y = (b / 255 * h - n * (0.2 + c / 600)) % h
            frame.paste(
                _mix(frame.getpixel((min(w - 1, max(0, int(x))), int(y))), sun, 0.25 + 0.25 * math.sin(n / 9 + d)),
                (int(x), int(y), int(x) + size, int(y) + size),
            )
        for at, ink, mask in pieces:
            frame.paste(ink, at, mask)
        draw = ImageDraw.Draw(frame)
        draw.rectangle((bar_x, bar_y, bar_x + max(1, bar_w * (n + 1) // total) - 1, bar_y + bar_h - 1), fill=sun)
        s = n // FPS
        code = f"{s // 60:02}:{s % 60:02} / {job.seconds // 60:02}:{job.seconds % 60:02}"
        draw.text((w - bar_x, h - bar_x), code, (255, 255, 255), _fonts(small)[0], anchor="rs")
        yield frame


def _tune(prompt: str, seconds: int) -> array[int]:
    """A soft chord with plucked notes over it: stereo 16-bit samples at 48 kHz, faded at both ends. *pure*."""
    dice = _seed(prompt)
    root = 130.8 * 2 ** (dice[5] % 8 / 12)
    chord = [
        round(root * r * 2) / 2
        for r in ((1, 1.25, 1.5, 1.875), (1, 1.2, 1.5, 1.8), (1, 1.5, 2, 2.5), (1, 1.3333, 1.5, 2))[dice[6] % 4]
    ]
    loop = _RATE * 2
    step = math.tau / loop
    sine = array("f", (math.sin(step * n) for n in range(loop)))
    sides = []
    for side in (0, 1):
        voices = [(sine * round(f * 2 + side * k % 2))[:: round(f * 2 + side * k % 2)] for k, f in enumerate(chord)]
        sides.append([sum(v) for v in zip(*voices, strict=True)])
    out = array("h", bytes(4 * loop))
    for side in (0, 1):
        out[side::2] = array("h", [round(v * 900) for v in sides[side]])
    return out * (seconds // 2) + out[: loop * (seconds % 2)]


def render(job: Job) -> None:
    """Nothing: the MP4 at `job.path`, in whole or not at all. *reads files* *writes files*."""
    import av

    part = f"{job.path}.{os.getpid()}.part"
    try:
        with av.open(part, "w", format="mp4", options={"movflags": "+faststart"}) as out:
            video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
            video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
            for n, picture in enumerate(_frames(job)):
                frame = av.VideoFrame.from_image(picture)
                frame.pts, frame.time_base = n, Fraction(1, FPS)
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        os.replace(part, job.path)
    finally:
        with suppress(OSError):
            os.unlink(part)
