"""What moves in the simulator's picture: a sun, hills, drifting lights. Its look comes from the prompt alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw

from seedance_nb._simulator.captions import measures, slate
from seedance_nb._simulator.job import FPS, RGB, Job, seed
from seedance_nb._simulator.text import faces

# Sky, horizon, sun, ground: dark enough above and below that white words keep their contrast.
_PALETTES = (
    ("1a1440", "b8506c", "ffd6a0", "110b24"),
    ("06263a", "3a848e", "fdeec0", "04141c"),
    ("280f20", "c25a3a", "ffd080", "180810"),
    ("0c1034", "5f54bd", "f1e6ff", "080a1f"),
    ("0a2a28", "5f8f5c", "f6f0b4", "051613"),
    ("27193c", "b76c90", "ffe6dc", "150c20"),
    ("081a3a", "3d70b2", "ffe4b4", "050e20"),
    ("341a2e", "ba7a46", "ffedcc", "1c0c16"),
)
# How high a range of hills stands and how much it swells, in parts of the height; how near it is, 0 to 1.
_RANGES = ((0.60, 0.075, 0.3), (0.70, 0.065, 0.56), (0.80, 0.055, 0.8), (0.885, 0.035, 0.96))
_LIGHTS = 24
_BAND = 24


@dataclass(frozen=True, slots=True)
class _Hills:
    """One range of hills: its colours, a mask twice as long as its period, and px per frame."""

    top: int
    fog: Image.Image
    mask: Image.Image
    speed: int


def frames(job: Job) -> Iterator[Image.Image]:
    """One RGB picture for each frame, in order; a picture is painted over when the next one is asked for."""
    dice = seed(job.prompt)
    sky, horizon, sun, ground = (_rgb(colour) for colour in _PALETTES[dice[0] % len(_PALETTES)])
    size, period = measures(job), max(job.width, job.height)
    air = _upright(job, [_mix(sky, horizon, min(1, y / (0.78 * job.height)) ** 1.5) for y in range(job.height)])
    hills = [_hills(job, dice, number, horizon, ground) for number in range(len(_RANGES))]
    glow, disc = _sun(dice, min(job.width, job.height))
    # Beside the words where the frame is wide, else low between the hills, under most of them.
    wide = job.width > 1.2 * job.height
    sun_x = job.width * (0.8 + dice[2] / 255 * 0.08 if wide else 0.64 + dice[2] / 255 * 0.2)
    sun_y = job.height * ((0.44 if wide else 0.58) + dice[3] / 255 * 0.08)
    motes = _motes(min(job.width, job.height))
    pieces = _pieces(slate(job, sun, ground))
    total = job.seconds * FPS
    base = air
    for number in range(total):
        if number % 3 == 0:
            base = air.copy()
            for light in (glow, disc):
                place = (round(sun_x - light.width / 2), round(sun_y - light.height / 2) - number // 3)
                base.paste(sun, place, light)
        frame = base.copy()
        for ridge in hills:
            at = ridge.speed * number % period
            frame.paste(ridge.fog, (0, ridge.top), ridge.mask.crop((at, 0, at + job.width, ridge.mask.height)))
        _drift(frame, dice, number, sun, motes)
        for place, ink, mask in pieces:
            frame.paste(ink, place, mask)
        _clock(frame, job, number, sun, size.bar, size.small)
        yield frame


def _hills(job: Job, dice: bytes, number: int, horizon: RGB, ground: RGB) -> _Hills:
    level, swell, near = _RANGES[number]
    period = max(job.width, job.height)
    length, top = 2 * (period + job.width), round(job.height * (level - swell))
    high = job.height - top if number == len(_RANGES) - 1 else round(job.height * min(1, level + 0.2)) - top
    waves = [
        (1 + dice[9 * number + 10 + wave] % 3 + wave * 2 + number % 2, dice[9 * number + 13 + wave] / 40)
        for wave in range(3)
    ]

    def height(x: int) -> float:
        sway = sum(math.sin(count * math.pi * x / period + shift) / (1.6 + n) for n, (count, shift) in enumerate(waves))
        return 2 * job.height * (level - swell * sway / 1.3) - 2 * top

    outline = [(x, height(x)) for x in range(0, length + 8, 8)]
    mask = Image.new("L", (length, 2 * high))
    ImageDraw.Draw(mask).polygon([*outline, (length + 8, 2 * high), (0, 2 * high)], fill=255)
    colour, haze = _mix(horizon, ground, near), _mix(horizon, ground, 0.25 + number * 0.2)
    fog = Image.new("RGB", (1, high))
    fog.putdata([_mix(colour, haze, 0.7 * (y / high)) for y in range(high)])
    turn = 1 if dice[4] % 2 else -1
    return _Hills(top, fog.resize((job.width, high)), mask.reduce(2), (number + 1) * turn)


def _sun(dice: bytes, short: int) -> tuple[Image.Image, Image.Image]:
    radius = round(short * (0.09 + dice[1] / 255 * 0.06))
    glow = Image.radial_gradient("L").point(lambda value: round(150 * max(0.0, 1 - value / 180) ** 2))
    disc = Image.new("L", (radius * 8, radius * 8))
    ImageDraw.Draw(disc).ellipse((0, 0, radius * 8 - 1, radius * 8 - 1), fill=235)
    return glow.resize((radius * 9, radius * 9)), disc.reduce(4)


def _motes(short: int) -> list[Image.Image]:
    # Soft dots of one size in rising brightness, so that a light can twinkle.
    across = max(5, round(short / 110))
    dot = ImageChops.invert(Image.radial_gradient("L")).point(lambda value: max(0, value - 74) * 255 // 181)
    return [dot.point(lambda value, part=part: round(value * part / 12)).resize((across, across)) for part in range(11)]


def _drift(frame: Image.Image, dice: bytes, number: int, sun: RGB, motes: list[Image.Image]) -> None:
    wide, high = frame.size
    for light in range(_LIGHTS):
        a, b, c, d = dice[100 + 4 * light : 104 + 4 * light]
        mote = motes[round((len(motes) - 1) * (0.5 + 0.5 * math.sin(number / 11 + d)))]
        x = round(a / 255 * wide + math.sin(number / 40 + d) * min(wide, high) * 0.02)
        y = round((b / 255 * high - number * (0.2 + c / 600)) % (high + mote.height)) - mote.height
        frame.paste(sun, (x, y), mote)


def _pieces(sheet: Image.Image) -> list[tuple[tuple[int, int], Image.Image, Image.Image]]:
    # Only the parts with ink are pasted on every frame; most of the sheet is clear.
    alpha, pieces = sheet.getchannel("A"), []
    for y in range(0, sheet.height, _BAND):
        inked = alpha.crop((0, y, sheet.width, min(sheet.height, y + _BAND))).getbbox()
        if inked:
            box = (inked[0], inked[1] + y, inked[2], inked[3] + y)
            pieces.append(((box[0], box[1]), sheet.crop(box).convert("RGB"), alpha.crop(box)))
    return pieces


def _clock(frame: Image.Image, job: Job, number: int, sun: RGB, bar: tuple[int, int, int, int], small: int) -> None:
    x, y, wide, high = bar
    pen = ImageDraw.Draw(frame)
    done = max(1, wide * (number + 1) // (job.seconds * FPS))
    pen.rectangle((x, y, x + done - 1, y + high - 1), fill=sun)
    now = number // FPS
    code = f"{now // 60:02}:{now % 60:02} / {job.seconds // 60:02}:{job.seconds % 60:02}"
    pen.text((job.width - x, job.height - x), code, (255, 255, 255), faces(small)[0], anchor="rs")


def _upright(job: Job, colours: list[RGB]) -> Image.Image:
    column = Image.new("RGB", (1, len(colours)))
    column.putdata(colours)
    return column.resize((job.width, job.height))


def _rgb(colour: str) -> RGB:
    red, green, blue = bytes.fromhex(colour)
    return red, green, blue


def _mix(one: RGB, other: RGB, part: float) -> RGB:
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue
