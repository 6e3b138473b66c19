"""Renders the video that a request describes, in a child process."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._check.body import seconds_of, values_by_role
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._media.sandbox import run_async
from seedance_nb._simulator.job import LIMITS, Job, Reference, dump, frame_size

_USUAL_S = 5
_LONGEST_S = 30
_MOST_PX = 2560 * 1440
_MOST_PAINTERS = min(4, os.cpu_count() or 1)
_UNPAINTED = ("model", "callback_url", "callBackUrl")
Fetch = Callable[[str], Awaitable[bytes]]  # the bytes at a URL, b"" if it cannot download them
_PAINTERS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def painter() -> asyncio.Semaphore:
    """What a loop's jobs enter before they render, so that only a few child processes run at once."""
    return _PAINTERS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_MOST_PAINTERS))


async def paint(spec: Spec, body: dict[str, Any], output: Path, last_frame: Path, fetch: Fetch) -> str:
    """Why the video (and its last frame, if requested) could not be rendered, "" on success. *network* for reference images, *writes files*."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="seedance-") as folder:
        references = await _references(spec, body, Path(folder), fetch)
        job = _job(spec, body, output, last_frame, references)
        order = Path(folder) / "job.json"
        order.write_text(dump(job), encoding="utf-8")
        ended = await run_async("seedance_nb._simulator.encode", order, limits=LIMITS)
    if ended.code or not output.exists():
        return f"The simulator could not render this video: {f'it {ended.fault}' if ended.fault else ended.reason}"
    return ""


def size_of(values: dict[str, Any]) -> tuple[int, int]:
    """Width and height in px of the video for a request's values by role; 720p and 16:9 by default. *pure*."""
    ratio = str(values.get("ratio", ""))
    try:
        width, height = frame_size(str(values.get("resolution", "720p")), ratio if ":" in ratio else "16:9")
    except ValueError:
        return frame_size("720p", "16:9")
    return (width, height) if width * height <= _MOST_PX else frame_size("1080p", "16:9")


def _job(spec: Spec, body: dict[str, Any], output: Path, last_frame: Path, references: tuple[Reference, ...]) -> Job:
    values = values_by_role(spec, body)
    width, height = size_of(values)
    fields = [(path[-1], schema, find(body, to_pointer(path))) for path, schema in named_fields(spec)]
    settings = tuple(
        (str(name), "on" if value is True else "off" if value is False else str(value))
        for name, schema, value in fields
        if isinstance(value, bool | int | float | str) and schema.get("x-role") != "prompt" and name not in _UNPAINTED
    )
    has_last_frame = any(name == "return_last_frame" and value is True for name, _, value in fields)
    seconds = min(seconds_of(values.get("seconds")) or _USUAL_S, _LONGEST_S)
    return Job(
        path=str(output), width=width, height=height, seconds=max(1, round(seconds)), audio=bool(values.get("audio")),
        prompt=str(values.get("prompt", "")), model=str(body.get("model", spec.name)), settings=settings, references=references,
        last_frame=str(last_frame) if has_last_frame else "",
    )  # fmt: skip


async def _references(spec: Spec, body: dict[str, Any], folder: Path, fetch: Fetch) -> tuple[Reference, ...]:
    pending: list[Awaitable[Reference]] = []
    for path, schema in named_fields(spec):
        kind = schema.get("x-media", {}).get("kind")
        urls = find(body, to_pointer(path)) if kind else ABSENT
        if urls is not ABSENT:
            for number, url in enumerate([urls] if isinstance(urls, str) else urls, 1):
                pending.append(_reference(f"[{kind.title()}{number}]", kind, url, folder / str(len(pending)), fetch))
    return tuple(await asyncio.gather(*pending))


async def _reference(label: str, kind: str, url: str, path: Path, fetch: Fetch) -> Reference:
    content = await fetch(url) if kind == "image" and url.startswith(("http://", "https://", "asset://")) else b""
    if content:
        path.write_bytes(content)
    return Reference(label=label, url=url, file=str(path) if content else None)
