"""One video to render, as a value that is passed to a child process. Everything here is pure."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

FPS = 24
_LEAST_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One reference file of a request; `file` contains untrusted bytes, None if it could not be downloaded."""

    label: str
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One video to render to `path`: `width` and `height` in px (even); its last frame goes to `last_frame`, "" for none. Colours depend on the prompt and `seed`."""

    path: str
    width: int
    height: int
    seconds: int
    audio: bool
    prompt: str
    model: str
    settings: tuple[tuple[str, str], ...]
    references: tuple[Reference, ...]
    last_frame: str = ""
    seed: int = 0


def frame_size(resolution: str, ratio: str) -> tuple[int, int]:
    """Width and height in px, both even, for names such as "720p" and "16:9", or "1280x720". *pure*. Raises: ValueError."""
    whole = re.fullmatch(r"([0-9]{2,4})x([0-9]{2,4})", resolution)
    if whole and int(whole[1]) >= _LEAST_PX and int(whole[2]) >= _LEAST_PX:
        return int(whole[1]) // 2 * 2, int(whole[2]) // 2 * 2
    named, parts = re.fullmatch(r"([0-9]{2,4})p", resolution), re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", ratio)
    numbers = [int(number) for number in (named[1], *parts.groups())] if named and parts else [0]
    if not all(numbers):
        raise ValueError(f"no frame size for resolution {resolution!r} and ratio {ratio!r}")
    short, across, down = numbers
    scale = Fraction(short, min(across, down))
    return round(across * scale / 2) * 2, round(down * scale / 2) * 2


def dump(job: Job) -> str:
    return json.dumps(asdict(job))


def load(text: str) -> Job:
    raw: dict[str, Any] = json.loads(text)
    settings = tuple((name, value) for name, value in raw.pop("settings"))
    return Job(settings=settings, references=tuple(Reference(**one) for one in raw.pop("references")), **raw)


def seed(prompt: str) -> bytes:
    return hashlib.shake_256(prompt.encode("utf-8", "surrogatepass")).digest(8)
