"""One video to render, as a value that is passed to a child process. Everything here is pure."""

from collections.abc import Sequence
from dataclasses import dataclass


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
    settings: Sequence[Sequence[str]]
    references: tuple[Reference, ...]
    last_frame: str = ""
    seed: int = 0
