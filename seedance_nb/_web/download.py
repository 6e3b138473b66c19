"""The bytes of a result on their way to a `.part` file: bounded in size, time and rate, and taken up again where they broke off.

No key comes near this file.
"""

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import httpx

from seedance_nb._web.client import FAILURES, Blocked, Trip, Way, is_plain, length, said, span
from seedance_nb._web.regular_files import append, create, on_disk, read

Kind = Literal["dead", "broken", "final", "disk"]
_STILL_ALIVE = (408, 425, 429)
_MOST_NOTE = 10_000


class Fault(Exception):
    """Why the bytes did not come: the address is `dead`, the transfer `broken` so that another try may help, or it never will.

    The text is a clause that holds no address. A `disk` fault is this computer's.
    """

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind: Kind = kind


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one file may cost: `total_s` seconds for everything, `most` bytes, and at least `least_rate` bytes a second over `over_s`.

    `clock` gives monotonic seconds, `free` the bytes that are free in a folder.
    """

    total_s: float = 1800
    most: int = 2 * 1024**3
    least_rate: int = 10_000
    over_s: float = 30
    clock: Callable[[], float] = time.monotonic
    free: Callable[[Path], int] = _free


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """What is known of the file that a `.part` is the beginning of: its strong ETag, its size in bytes, a hash of where it lay."""

    etag: str
    size: int
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What an earlier try left of a file: `have` bytes of it."""

    mark: _Mark
    have: int

    @property
    def is_all(self) -> bool:
        return self.have == self.mark.size


class _Again(Exception):
    """What is there cannot be gone on with."""


async def download(url: str, part: Path, way: Way, bounds: Bounds) -> None:
    """Writes the whole file to `part`, or goes on with what an earlier try left there. *network*, *writes files*.

    What broke off stays, beside a small file that says what it is, where the server named a version to go on with; once
    the whole is there that stays too, until `discard`. Bytes of two versions are never joined: another version, size or
    address begins anew. Raises: Fault.
    """
    fault: Fault | None = None
    trip, is_there = Trip(replace(way, read_s=bounds.over_s)), False
    try:
        async with asyncio.timeout(bounds.total_s):
            try:
                await _attempt(url, part, trip, bounds, _left(part))
            except _Again:
                discard(part)
                await _attempt(url, part, trip, bounds, None)
        is_there = True
    except Fault as error:
        fault = error
    except TimeoutError:
        fault = Fault("final", f"{trip.name} did not give it within {round(bounds.total_s, 1):g} s")
    except Blocked as error:
        fault = Fault("final", said(error, trip.name))
    except FAILURES as error:
        fault = Fault("broken", said(error, trip.name))
    finally:
        # Also where the kernel stops this: what can be gone on with stays.
        if not is_there and ((fault is not None and fault.kind == "disk") or _left(part) is None):
            with suppress(OSError):  # the fault that is known already says more
                discard(part)
    if fault is not None:
        raise fault


def discard(part: Path) -> None:
    """Removes what was fetched of a file, and what was noted about it. *writes files*."""
    for path in (_note_of(part), part):
        path.unlink(missing_ok=True)


async def _attempt(url: str, part: Path, trip: Trip, bounds: Bounds, left: _Left | None) -> None:
    # Of a file that is all there the last byte is asked for, to learn whether it is still that file.
    known = min(left.have, left.mark.size - 1) if left is not None else 0
    headers = {"Range": f"bytes={known}-", "If-Range": left.mark.etag} if left is not None else {}
    async with trip.reach(url, headers) as (answer, _):
        where = _where(answer.url)
        begin = 0
        if answer.status_code == 206 and left is not None:  # noqa: PLR2004
            begin = left.have
            if not _goes_on(answer, left, known, where):
                raise _Again
            if left.is_all:
                return
        elif answer.status_code == 416 and left is not None:  # noqa: PLR2004
            raise _Again
        elif answer.status_code != 200:  # noqa: PLR2004
            if left is not None and left.is_all and where == left.mark.where:
                return  # it is all there, and nobody can give another
            is_dead = 400 <= answer.status_code < 500 and answer.status_code not in _STILL_ALIVE  # noqa: PLR2004
            raise Fault("dead" if is_dead else "broken", f"{trip.name} answered HTTP {answer.status_code}")
        if not is_plain(answer):
            raise Fault("final", f"{trip.name} gives it compressed, though that was not asked for")
        size = left.mark.size if left is not None and begin else length(answer)
        _must_fit(part, size, begin, bounds)
        with _disk():
            if not begin:
                file = _begin(part, _Mark(etag=answer.headers.get("etag", ""), size=size or 0, where=where))
            else:
                file = append(part)
        with file:
            end = await _write(answer, file, begin, bounds)
            with _disk():
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
    if size is not None and end != size:
        raise Fault("broken", f"{end:,} of {size:,} bytes arrived")


async def _write(answer: httpx.Response, file: BinaryIO, end: int, bounds: Bounds) -> int:
    since, came = bounds.clock(), 0
    async for chunk in answer.aiter_raw():
        with _disk():
            file.write(chunk)
        end += len(chunk)
        came += len(chunk)
        if end > bounds.most:
            raise Fault("final", f"it is larger than {_megabytes(bounds.most)}")
        if (now := bounds.clock()) - since >= bounds.over_s:
            if came < bounds.least_rate * (now - since):
                raise Fault("broken", f"it came at less than {bounds.least_rate:,} bytes a second")
            since, came = now, 0
    return end


def _goes_on(answer: httpx.Response, left: _Left, begin: int, where: str) -> bool:
    """Whether a part of a file is the rest of what is there, by everything that the answer says. *pure*."""
    given = span(answer)
    same = answer.headers.get("etag", "") == left.mark.etag and where == left.mark.where
    return same and given is not None and given[0] == begin and given[2] == left.mark.size


def _must_fit(part: Path, size: int | None, begin: int, bounds: Bounds) -> None:
    if size is None:
        return
    if size > bounds.most:
        raise Fault("final", f"it is larger than {_megabytes(bounds.most)}")
    with _disk():
        free = bounds.free(part.parent)
    if free < 2 * (size - begin):
        raise Fault("disk", f"{_megabytes(size)} are to be kept, and {_megabytes(free)} are free in {part.parent}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def _disk() -> Iterator[None]:
    problem = ""
    try:
        yield
    except OSError as error:
        problem = on_disk(error)
    if problem:
        raise Fault("disk", problem)


def _begin(part: Path, mark: _Mark) -> BinaryIO:
    discard(part)
    # A weak ETag may stand for other bytes, and without a length nobody could tell when all is there.
    if mark.size and mark.etag.startswith('"'):
        with create(_note_of(part)) as note:
            note.write(json.dumps(asdict(mark)).encode())
    return create(part)


def _left(part: Path) -> _Left | None:
    """What an earlier try left, None if it cannot be gone on with. *reads files*."""
    try:
        with read(_note_of(part)) as note, read(part) as file:
            mark, have = _Mark(**json.loads(note.read(_MOST_NOTE))), os.fstat(file.fileno()).st_size
        usable = mark.etag.startswith('"') and mark.etag.isascii() and mark.etag.isprintable() and 0 < have <= mark.size
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return _Left(mark=mark, have=have) if usable else None


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _where(url: httpx.URL) -> str:
    # Without the query: a fresh address of the same file is signed anew.
    return hashlib.sha256(str(url.copy_with(query=None, fragment=None)).encode()).hexdigest()
