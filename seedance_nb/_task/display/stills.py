"""Frames, contact sheets and animations of a saved video."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_nb._base.errors import InvalidInput
from seedance_nb._base.problem import Problem
from seedance_nb._media.facts import MediaFacts
from seedance_nb._media.frames import MOST, frames_at

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 8


def frame_times(facts: MediaFacts, n: int | None, every: float | None) -> list[float]:
    """The times of `n` frames from the first to the last, or of one `every` so many seconds. *pure*. Raises: InvalidInput."""
    if (n is None) is (every is None):
        raise _invalid("n", "give either n or every", n)
    if every is not None:
        if not 0 < every < math.inf:
            raise _invalid("every", f"must be a number of seconds above 0, not {every!r}", every)
        count = math.floor(facts.seconds / every) + 1
        if count > MOST:
            raise _invalid("every", f"gives {count:,} frames; at most {MOST} at once", every)
        return [index * every for index in range(count) if not index or index * every < facts.seconds]
    if type(n) is not int or not 1 <= n <= MOST:
        raise _invalid("n", f"must be a whole number from 1 to {MOST}, not {n!r}", n)
    last = max(0.0, facts.seconds - (1 / facts.fps if facts.fps else 0))
    return [last * index / (n - 1) for index in range(n)] if n > 1 else [0.0]


def _invalid(name: str, message: str, value: object) -> InvalidInput:
    return InvalidInput((Problem(path=name, message=message, rule=name, value=value),))


def contact_sheet(images: "Sequence[Image]", width: int) -> "Image":
    """The images in a grid of `width` px, row by row. *pure*."""
    from PIL import Image

    columns = math.ceil(math.sqrt(len(images)))
    wide = max(1, (width - _GAP * (columns - 1)) // columns)
    high = max(1, round(wide * images[0].height / images[0].width))
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (wide + _GAP) - _GAP, rows * (high + _GAP) - _GAP), "white")
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        sheet.paste(image.resize((wide, high)), (column * (wide + _GAP), row * (high + _GAP)))
    return sheet


def save_gif(path: Path, target: Path, facts: MediaFacts, width: int, fps: float) -> None:
    """Write the video as an animated GIF of `width` px. *reads files*, *writes files*. Raises: InvalidInput; MediaError; OSError."""
    images = frames_at(path, frame_times(facts, None, 1 / fps if fps > 0 else 0))
    for image in images:
        image.thumbnail((width, width * 4))
    first, *others = (image.quantize(128) for image in images)
    first.save(target, "GIF", save_all=True, append_images=others, duration=round(1000 / fps), loop=0, optimize=True)
