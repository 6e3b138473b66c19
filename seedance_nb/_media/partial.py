"""Downloads only the parts of a public file that tell its format, size and duration. No key is ever used here."""

import asyncio
import os
import re
from pathlib import Path
from typing import Literal

import httpx

from seedance_nb._media.isobmff import boxes
from seedance_nb._media.sniff import FORMATS, audio_start, sniff
from seedance_nb._web.addresses import BlockedURL, Resolver, lookup
from seedance_nb._web.client import AccessPolicy, Fetch, content_length, content_range, error_text, require_raw

HEAD = 131_072  # bytes read from the start of every file
LARGEST = 512 * 1024**2  # of larger files only the start is read; none is made longer on disk
REFUSED = "; a task without it may fail and still be charged: use a URL that opens in a private browser window"
_BEFORE, _PIECE, _MOST_REQUESTS = 16_384, 20, 6
_FAR = 2**65  # more than any length that a box can state
_JPEG_SIZE = re.compile(rb"\xff[\xc0-\xc2]\0.\x08", re.DOTALL)


class PartialFile:
    """The downloaded parts of a file, each at its offset. `size` is its total size in bytes, None if unknown; it took some `requests`."""

    def __init__(self, size: int | None = None) -> None:
        self.size, self.requests = size, 0
        self._parts: list[tuple[int, bytearray]] = []

    def add(self, at: int, data: bytes) -> None:
        """Adds `data` at the offset `at`, joined to the part that ends there."""
        for start, part in self._parts:
            if start + len(part) == at:
                part.extend(data)
                return
        self._parts.append((at, bytearray(data)))

    def read(self, at: int, count: int) -> bytes:
        """At most `count` bytes from the offset `at` on, fewer where they are missing. *pure*."""
        inside = ((at - start, part) for start, part in self._parts if start <= at < start + len(part))
        return next((bytes(part[begin : begin + count]) for begin, part in inside), b"")

    def end(self, at: int) -> int:
        """The end of the bytes that are there from the offset `at` on; `at` itself if there are none. *pure*."""
        return next((start + len(part) for start, part in self._parts if start <= at < start + len(part)), at)

    def write(self, into: Path) -> None:
        """Writes every part at its offset, and makes the file `size` bytes long where that helps. *writes files*. Raises: OSError."""
        kind, _ = sniff(self.read(0, HEAD))
        with into.open("wb") as file:
            for start, part in self._parts:
                file.seek(start)
                file.write(part)
            # Audio without a stated duration is measured by its size, and boxes must fit; an image decoder would read the empty rest.
            if self.size and kind in ("video", "audio") and file.seek(0, os.SEEK_END) < self.size <= LARGEST:
                file.truncate(self.size)

    @property
    def count(self) -> int:
        return sum(len(part) for _, part in self._parts)


def next_range(file: PartialFile) -> tuple[int, int] | None:
    """Start and end of the bytes to download next; None if there are enough, or none that would help. *pure*."""
    name, end = sniff(file.read(0, HEAD))[1], _FAR if file.size is None else file.size
    need = None
    if name == "jpeg" and not _JPEG_SIZE.search(file.read(0, end)):
        need = (file.end(0), file.end(0) + 2 * HEAD)
    elif name == "tiff":
        head = file.read(0, 16)
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        table = int.from_bytes(head[8:16] if head[2:4] in (b"+\x00", b"\x00+") else head[4:8], order)
        need = None if file.read(table, _PIECE) else (max(file.end(0), table - _BEFORE), table + HEAD - _BEFORE)
    elif name == "mp3":
        start = audio_start(file.read(0, 10))
        need = (file.end(start), start + 65_536) if file.end(start) < start + _BEFORE else None
    elif name in ("heic", "heif", "avif"):
        need = _box(file, b"meta")
    elif FORMATS.get(name, {}).get("reader") == "mov":
        need = _box(file, b"moov")
    return (need[0], min(need[1], end)) if need and need[0] < end else None


def _box(file: PartialFile, target: bytes) -> tuple[int, int] | None:
    at, end = 0, _FAR if file.size is None else file.size
    for box in boxes(file.read, 0, end):
        if box.kind == target:
            return (file.end(box.start), box.end) if file.end(box.start) < box.end < _FAR else None
        at = box.end
    # The walk ended at a header that is incomplete or invalid.
    return (file.end(at), file.end(at) + HEAD) if at < end and len(file.read(at, _PIECE)) < _PIECE else None


async def fetch_parts(url: str, into: Path, *, kind: str, allowed_origin: str = "", total: float = 6.0,
                      resolve: Resolver = lookup) -> tuple[PartialFile | None, str]:  # fmt: skip
    """Downloads what tells a file's format, size and duration to the sparse file `into`, without a key: its parts, None without any, and why it is incomplete. *network*, *writes files*."""
    fetch = Fetch(AccessPolicy(origin=allowed_origin, resolve=resolve, connect_s=2.5))
    file, why = PartialFile(), ""
    try:
        async with asyncio.timeout(total):
            await _search(fetch, url, file, HEAD + 1024**2 if kind == "image" else 4 * 1024**2)
    except TimeoutError:
        why = f"{fetch.name} did not send it within {total:g} s"
    except Exception as error:  # noqa: BLE001  # whatever a foreign server causes, the file is only not checked
        why = error_text(error, fetch.name)
    try:
        file.write(into)
    except OSError as error:
        return None, f"it could not be saved for checking ({error.strerror})"
    return None if not file.count and file.size is None else file, why


async def _search(fetch: Fetch, url: str, file: PartialFile, most: int) -> None:
    """Downloads what is needed, `most` bytes at most. *network*. Raises: BlockedURL, also beyond a limit; httpx's errors."""
    async with fetch.reach(url, {"Range": f"bytes=0-{HEAD - 1}"}) as (response, repeat):
        file.requests = 1
        require_raw(response)
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise BlockedURL("it is empty, or its server cannot send parts of files")
        if response.status_code == httpx.codes.OK:
            await _read_front(fetch, response, file, most)
        else:
            await _read_part(fetch, response, file, 0, HEAD)
        await response.aclose()
        while file.count != file.size and (need := next_range(file)) is not None:
            start, end = need[0], min(need[1], need[0] + most - file.count)
            if start > LARGEST:
                raise BlockedURL(f"it is too large ({(file.size or start) / 1e6:,.0f} MB) to look for its header")
            if file.requests >= _MOST_REQUESTS or start >= end:
                raise BlockedURL(f"its header was not found in {file.count / 1e6:.1f} MB and {file.requests} requests")
            file.requests += 1
            async with repeat(headers={"Range": f"bytes={start}-{end - 1}"}) as part:
                require_raw(part)
                await _read_part(fetch, part, file, start, end)


async def _read_front(fetch: Fetch, response: httpx.Response, file: PartialFile, most: int) -> None:
    file.size = content_length(response)
    async for chunk in response.aiter_raw():
        file.add(file.count, chunk[: most - file.count])
        need = next_range(file) if file.count >= HEAD else (0, 0)
        if need is None:
            return
        if max(file.count, need[0]) >= most:
            where = f"in the first {most / 1e6:.1f} MB"
            raise BlockedURL(f"{fetch.name} cannot send parts of files, and its header is not {where}")
    if file.size is None:
        file.size = file.count


async def _read_part(fetch: Fetch, response: httpx.Response, file: PartialFile, start: int, end: int) -> None:
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        is_refused = response.is_client_error and response.status_code not in (408, 425, 429)
        what = " to a request for a part of it" if start else REFUSED if is_refused else ""
        raise BlockedURL(f"{fetch.name} answered HTTP {response.status_code}{what}")
    span = content_range(response)
    if span is None or span[0] != start:
        raise BlockedURL(f"{fetch.name} sent another part of it than the one requested")
    if start and span[2] != file.size:
        raise BlockedURL(f"{fetch.name} reported two different sizes for it")
    file.size, at, end = span[2], start, min(end, span[1])
    async for chunk in response.aiter_raw():
        file.add(at, chunk[: end - at])
        at += len(chunk)
        if at >= end:
            return
    raise BlockedURL(f"{fetch.name} sent fewer bytes of it than announced")
