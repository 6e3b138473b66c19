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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import httpx

from seedance_nb._web.addresses import BlockedAddress
from seedance_nb._web.client import FAILURES, AccessPolicy, Fetch, content_range, error_text, length, must_be_plain
from seedance_nb._web.regular_files import append, create, on_disk, read

Kind = Literal["dead", "broken", "final", "disk"]
_STILL_ALIVE = (408, 425, 429)
_MOST_NOTE = 10_000


class DownloadError(Exception):
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
class _Left:
    """What an earlier try left: the first `have` bytes of a file, and its strong ETag, its size in bytes, a hash of where it lay."""

    have: int = 0
    etag: str = ""
    size: int = 0
    where: str = ""

    @property
    def is_all(self) -> bool:
        return 0 < self.have == self.size


async def download(url: str, part: Path, way: AccessPolicy, bounds: Bounds) -> None:
    """Writes the whole file to `part`, or goes on with what an earlier try left there. *network*, *writes files*.

    What broke off stays, beside a small file that says what it is, where the server named a version to go on with; once
    the whole is there that stays too, until `discard`. Bytes of two versions are never joined: another version, size or
    address begins anew. Raises: Fault.
    """
    fault: DownloadError | None = None
    trip, is_there = Fetch(replace(way, read_s=bounds.over_s)), False
    try:
        async with asyncio.timeout(bounds.total_s):
            is_there = await _attempt(url, part, trip, bounds, _left(part))
            if not is_there:
                discard(part)
                is_there = await _attempt(url, part, trip, bounds, _Left())
    except DownloadError as error:
        fault = error
    except TimeoutError:
        fault = DownloadError("final", f"{trip.name} did not send it within {round(bounds.total_s, 1):g} s")
    except BlockedAddress as error:
        fault = DownloadError("final", error_text(error, trip.name))
    except FAILURES as error:
        fault = DownloadError("broken", error_text(error, trip.name))
    finally:
        # Also where the kernel stops this: what can be gone on with stays.
        if not is_there and ((fault is not None and fault.kind == "disk") or not _left(part).have):
            with suppress(OSError):  # the fault that is known already says more
                discard(part)
    if fault is not None:
        raise fault


def discard(part: Path) -> None:
    """Removes what was fetched of a file, and what was noted about it. *writes files*."""
    for path in (_note_of(part), part):
        path.unlink(missing_ok=True)


async def _attempt(url: str, part: Path, trip: Fetch, bounds: Bounds, left: _Left) -> bool:
    """Whether the whole file is there now; False where it is not what `left` is the beginning of. Raises: Fault."""
    # Of a file that is all there the last byte is asked for, to learn whether it is still that file.
    known = min(left.have, left.size - 1)
    headers = {"Range": f"bytes={known}-", "If-Range": left.etag} if left.have else {}
    async with trip.reach(url, headers) as (answer, _):
        status, where = answer.status_code, _where(answer.url)
        goes_on = bool(left.have) and status == httpx.codes.PARTIAL_CONTENT
        if goes_on:
            same = answer.headers.get("etag", "") == left.etag and where == left.where
            given = content_range(answer)
            if not same or given is None or (given[0], given[2]) != (known, left.size):
                return False
            if left.is_all:
                return True
        elif left.have and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        elif status != httpx.codes.OK:
            if left.is_all and where == left.where:
                return True  # nobody can give another
            is_dead = answer.is_client_error and status not in _STILL_ALIVE
            raise DownloadError("dead" if is_dead else "broken", f"{trip.name} answered HTTP {status}")
        must_be_plain(answer)
        begin, size = (left.have, left.size) if goes_on else (0, length(answer))
        _must_fit(part, size, begin, bounds)
        with _disk():
            file = append(part) if goes_on else _begin(part, answer.headers.get("etag", ""), size, where)
        with file:
            end = await _write(answer, file, begin, bounds)
            with _disk():
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
    if size is not None and end != size:
        raise DownloadError("broken", f"{end:,} of {size:,} bytes arrived")
    return True


async def _write(answer: httpx.Response, file: BinaryIO, end: int, bounds: Bounds) -> int:
    since, came = bounds.clock(), 0
    async for chunk in answer.aiter_raw():
        with _disk():
            file.write(chunk)
        end += len(chunk)
        came += len(chunk)
        if end > bounds.most:
            raise DownloadError("final", f"it is larger than {_megabytes(bounds.most)}")
        if (now := bounds.clock()) - since >= bounds.over_s:
            if came < bounds.least_rate * (now - since):
                raise DownloadError("broken", f"it arrived at less than {bounds.least_rate:,} bytes per second")
            since, came = now, 0
    return end


def _must_fit(part: Path, size: int | None, begin: int, bounds: Bounds) -> None:
    if size is None:
        return
    if size > bounds.most:
        raise DownloadError("final", f"it is larger than {_megabytes(bounds.most)}")
    with _disk():
        free = bounds.free(part.parent)
    if free < 2 * (size - begin):
        raise DownloadError("disk", f"it is {_megabytes(size)}, and only {_megabytes(free)} are free in {part.parent}")


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
        raise DownloadError("disk", problem)


def _begin(part: Path, etag: str, size: int | None, where: str) -> BinaryIO:
    discard(part)
    # A weak ETag may stand for other bytes, and without a length nobody could tell when all is there.
    if size and etag.startswith('"'):
        with create(_note_of(part)) as note:
            note.write(json.dumps({"etag": etag, "size": size, "where": where}).encode())
    return create(part)


def _left(part: Path) -> _Left:
    """What an earlier try left that can be gone on with. *reads files*."""
    try:
        with read(_note_of(part)) as note, read(part) as file:
            left = _Left(**json.loads(note.read(_MOST_NOTE)), have=os.fstat(file.fileno()).st_size)
        usable = left.etag.startswith('"') and left.etag.isascii() and left.etag.isprintable()
        return left if usable and 0 < left.have <= left.size else _Left()
    except (OSError, ValueError, TypeError, AttributeError):
        return _Left()


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _where(url: httpx.URL) -> str:
    # Without the query: a fresh address of the same file is signed anew.
    return hashlib.sha256(str(url.copy_with(query=None, fragment=None)).encode()).hexdigest()
