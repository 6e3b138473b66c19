"""What stands still in the simulator's picture: the badge, the prompt, the settings, the references, the bar."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from PIL import Image

from seedance_nb._simulator.job import RGB, Job, Reference
from seedance_nb._simulator.overlay import WHITE, Sheet, picture
from seedance_nb._simulator.text import clean, faces, fit, width, wrap

_MOST_TILES = 12
_LINE = 1.24
_SIZES = (11, 9.6, 8.4, 7.4, 6.5, 5.7, 5, 4.4, 3.9)
"""Sizes of the prompt's letters that are tried, in hundredths of the shorter side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """The distances of one slate in px, all taken from the shorter side; `unit` is a hundredth of it."""

    width: int
    height: int
    unit: float

    @property
    def margin(self) -> int:
        """The free border."""
        return round(5.5 * self.unit)

    @property
    def small(self) -> int:
        """The size of small letters."""
        return max(11, round(2.5 * self.unit))

    @property
    def gap(self) -> int:
        """The distance between neighbours."""
        return round(2 * self.unit)

    @property
    def wide(self) -> int:
        """The width between the margins."""
        return self.width - 2 * self.margin

    @property
    def bar(self) -> tuple[int, int, int, int]:
        """The progress bar: x, y, width, height."""
        top = self.height - self.margin - round(self.small * 1.9)
        return self.margin, top, self.wide, max(2, round(self.unit / 2))


def measures(job: Job) -> Measures:
    """The distances for a job's frame. *pure*."""
    return Measures(width=job.width, height=job.height, unit=min(job.width, job.height) / 100)


def slate(job: Job, sun: RGB, ground: RGB) -> Image.Image:
    """All words and small pictures as one RGBA picture. *reads files*."""
    size = measures(job)
    sheet = Sheet((job.width, job.height))
    _head(sheet, size, job.model, sun, ground)
    _foot(sheet, size)
    top = _references(sheet, size, job.references[:_MOST_TILES])
    _words(sheet, size, job, size.margin + size.small * 2 + size.gap * 2, top - size.gap * 2)
    return sheet.flat()


def _head(sheet: Sheet, size: Measures, model: str, sun: RGB, ground: RGB) -> None:
    small, margin = size.small, size.margin
    letters = sum(faces(small)[0].getlength(char) + small * 0.14 for char in "SIMULATED")
    badge, base = round(letters + small * 2.5), margin + round(small * 1.36)
    sheet.box((margin, margin, badge, small * 2), small, (*sun, 255))
    dot = round(small * 0.75)
    sheet.box((margin + dot, margin + dot, small // 2, small // 2), small, (*ground, 255))
    sheet.spaced(margin + small * 1.65, base, "SIMULATED", small, (*ground, 255))
    name = fit(clean(model, 90), small, size.wide - badge - 2 * size.gap)
    sheet.text(size.width - margin - width(name, small), base, name, small, (255, 255, 255, 215))


def _foot(sheet: Sheet, size: Measures) -> None:
    room = size.wide - width("00:00 / 00:00", size.small) - size.gap
    note = fit("no provider was called · nothing was charged", size.small, room)
    sheet.text(size.margin, size.height - size.margin, note, size.small, (255, 255, 255, 190))
    sheet.box(size.bar, size.bar[3] / 2, (255, 255, 255, 70))


def _references(sheet: Sheet, size: Measures, references: tuple[Reference, ...]) -> int:
    """The y where the row of references begins."""
    if not references:
        return size.bar[1] - size.gap
    few = 3
    wide = round((15 if len(references) > few else 22) * size.unit)
    high, label = round(wide * 0.7), max(11, round(size.small * 0.85))
    step = high + round(label * 2.1)
    columns = max(1, (size.wide + size.gap) // (wide + size.gap))
    top = size.bar[1] - round(size.small * 1.2) - -(-len(references) // columns) * step
    for number, one in enumerate(references):
        x = size.margin + number % columns * (wide + size.gap)
        _tile(sheet, one, (x, top + number // columns * step, wide, high), label, size.unit)
    return top


def _tile(sheet: Sheet, reference: Reference, place: tuple[int, int, int, int], label: int, unit: float) -> None:
    x, y, wide, high = place
    shown = picture(reference.file, (wide - 4, high - 4))
    sheet.box(place, unit * 1.2, (255, 255, 255, 235 if shown else 36))
    if shown:
        sheet.box((x + 2, y + 2, wide - 4, high - 4), unit, shown)
    else:
        sheet.box(place, unit * 1.2, (0, 0, 0, 150))
        host = fit(clean(_host(reference.url), 60), label, wide - label)
        sheet.text(x + (wide - width(host, label)) / 2, y + high / 2 + label * 0.35, host, label)
    sheet.text(x + 1, y + high + round(label * 1.35), fit(clean(reference.label, 40), label, wide), label)


def _words(sheet: Sheet, size: Measures, job: Job, first: float, last: float) -> None:
    """The prompt as large as it fits between two heights, its settings under it."""
    rows = _chips(size, job)[:2]
    room = last - first - (size.small * 2.5 * len(rows) + size.gap * 1.5)
    lines, letters = _prompt(size, clean(job.prompt, 1200), room)
    y = first + max(0.0, (room - len(lines) * letters * _LINE) * 0.45)
    for line in lines:
        sheet.text(size.margin, y + letters * 0.95, line, letters)
        y += letters * _LINE
    y += size.gap * 1.5
    for row in rows:
        x = float(size.margin)
        for name, value, span in row:
            base = round(y) + size.small * 1.36
            sheet.box((round(x), round(y), round(span), size.small * 2), size.small, (0, 0, 0, 130))
            end = sheet.text(x + size.small * 0.8, base, name, size.small, (255, 255, 255, 190))
            sheet.text(end + size.small * 0.4, base, value, size.small, WHITE)
            x += span + size.gap / 2
        y += size.small * 2.5


def _prompt(size: Measures, prompt: str, room: float) -> tuple[list[str], int]:
    across = round(size.wide * (0.66 if size.width > 1.2 * size.height else 1))  # the sun stands beside wide text
    calm, few = 5, 6
    lines, letters, most = [""], 1, 1
    for step in _SIZES:
        letters = round(size.unit * step)
        lines, most = wrap(prompt, letters, across), max(1, int(room / (letters * _LINE)))
        if len(lines) <= min(most, few if step > calm else most):
            return lines, letters
    cut = lines[:most]
    if len(lines) > most:
        cut[-1] = fit(f"{cut[-1]}…", letters, across)
    return cut, letters


def _chips(size: Measures, job: Job) -> list[list[tuple[str, str, float]]]:
    rows: list[list[tuple[str, str, float]]] = [[]]
    for pair in job.settings:
        name, value = (fit(clean(part, 40), size.small, size.wide * 0.45) for part in pair)
        span = width(name + value, size.small) + size.small * 2
        if rows[-1] and sum(chip[2] + size.gap / 2 for chip in rows[-1]) + span > size.wide:
            rows.append([])
        rows[-1].append((name, value, span))
    return rows


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "unreadable address"
    return (parts.netloc if parts.scheme == "asset" else parts.hostname) or parts.scheme or "no address"
