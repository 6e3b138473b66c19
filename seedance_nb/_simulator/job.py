"""One video to render, as a value that is passed to a child process. Everything here is pure."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

FPS = 24


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


def dump(job: Job) -> str:
    return json.dumps(asdict(job))


def load(text: str) -> Job:
    raw: dict[str, Any] = json.loads(text)
    settings = tuple((name, value) for name, value in raw.pop("settings"))
    return Job(settings=settings, references=tuple(Reference(**one) for one in raw.pop("references")), **raw)


def seed(prompt: str) -> bytes:
    return hashlib.shake_256(prompt.encode("utf-8", "surrogatepass")).digest(8)
