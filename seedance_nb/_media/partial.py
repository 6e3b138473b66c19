"""The bytes of a public file that tell what it is. No key comes near this file."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from seedance_nb._media.isobmff import boxes
from seedance_nb._media.sniff import after_tag, sign
from seedance_nb._web.addresses import Resolver, lookup
from seedance_nb._web.client import Ask, Blocked, Trip, Way, is_plain, length, said, span

HEAD = 131_072
"""How many bytes are read of the front of every file."""
MOST = 4 * 1024**2
MOST_PICTURE = HEAD + 1024**2
LARGEST = 512 * 1024**2
"""Files said to be larger than this (bytes) are looked at from the front only; none is made this long on disk."""
_MORE = 262_144
_SLICE = 65_536
_BEFORE = 16_384
_PIECE = 20
_FAR = 2**65  # beyond every length that a box can name
_MOST_STEPS = 4_096
_MOST_REQUESTS = 6
_CONNECT_S = 2.5


class Held:
    """The parts of a file that have arrived, each with its place."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytearray]] = []

    def add(self, at: int, data: bytes) -> None:
        """Takes `data` in as the bytes from `at` on; joined to the part that ends there."""
        for start, held in self.parts:
            if start + len(held) == at:
                held.extend(data)
                return
        self.parts.append((at, bytearray(data)))

    def read(self, at: int, count: int) -> bytes:
        """The bytes from `at` on, fewer than `count` where they are not there. *pure*."""
        for start, held in self.parts:
            if start <= at < start + len(held):
                return bytes(held[at - start : at - start + count])
        return b""

    def end(self, at: int) -> int:
        """The place up to which the bytes from `at` on are there; `at` itself if none are. *pure*."""
        return next((start + len(held) for start, held in self.parts if start <= at < start + len(held)), at)

    def write(self, into: Path, size: int | None) -> None:
        """Every part at its place in the file `into`, which is made `size` bytes long where that helps. *writes files*.

        Raises: OSError.
        """
        kind, _ = sign(self.read(0, HEAD))
        with into.open("wb") as file:
            for start, data in self.parts:
                file.seek(start)
                file.write(data)
            # A lengthless sound is judged by its size, and boxes must fit; a picture's decoder would read the empty rest.
            if size and kind in ("video", "audio") and file.seek(0, os.SEEK_END) < size <= LARGEST:
                file.truncate(size)

    @property
    def count(self) -> int:
        """How many bytes are there. *pure*."""
        return sum(len(held) for _, held in self.parts)


def wanted(held: Held, size: int | None) -> tuple[int, int] | None:
    """First place and end of the bytes to fetch next; None if there is enough, or nothing that would help. *pure*.

    `size` is the whole file's, None if it is not known.
    """
    head = held.read(0, HEAD)
    if not head:
        return None
    kind, name = sign(head)
    need = None
    if name in ("jpeg", "png"):
        need = _walk(held, 2, _jpeg) if name == "jpeg" else _walk(held, 8, _png)
    elif name == "tiff":
        need = _tiff(held)
    elif name in ("heic", "heif", "avif"):
        need = _box(held, b"meta", size)
    elif name in ("mp4", "mov", "m4a", "3gp"):
        need = _box(held, b"moov", size)
    elif name == "wav":
        need = _wav(held)
    elif name == "mp3" and kind == "audio":
        need = _sound(held)
    if need is None or (size is not None and need[0] >= size):
        return None
    return need[0], need[1] if size is None else min(need[1], size)


def _walk(held: Held, at: int, step: Callable[[bytes], int | None]) -> tuple[int, int] | None:
    # A decoder reads these parts one after the other, so they are fetched without gaps.
    for _ in range(_MOST_STEPS):
        piece = held.read(at, _PIECE)
        if len(piece) < _PIECE:
            return held.end(0), max(at + _PIECE, held.end(0) + _MORE)
        ahead = step(piece)
        if ahead is None:
            return None
        at += ahead
    return None


def _jpeg(piece: bytes) -> int | None:
    mark = piece[1:2]
    if piece[:1] != b"\xff" or mark in (b"\xd9", b"\xda"):  # damaged, or the pixels begin
        return None
    if mark == b"\xff":  # filling
        return 1
    return 2 if mark == b"\x01" or b"\xd0" <= mark <= b"\xd8" else 2 + int.from_bytes(piece[2:4])


def _png(piece: bytes) -> int | None:
    return None if piece[4:8] == b"IDAT" else 12 + int.from_bytes(piece[:4])


def _tiff(held: Held) -> tuple[int, int] | None:
    head = held.read(0, 16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    large = head[2:4] in (b"+\x00", b"\x00+")
    table = int.from_bytes(head[8:16] if large else head[4:8], order)
    if held.read(table, _PIECE):
        return None
    return max(held.end(0), table - _BEFORE), table + HEAD - _BEFORE


def _box(held: Held, target: bytes, size: int | None) -> tuple[int, int] | None:
    at, end = 0, _FAR if size is None else size
    for box in boxes(held.read, 0, end):
        if box.kind == target:
            return (held.end(box.start), box.end) if held.end(box.start) < box.end < _FAR else None
        at = box.end
    # A head that is not all there yet ended the walk, or one that makes no sense.
    is_short = at < end and len(held.read(at, _PIECE)) < _PIECE
    return (held.end(at), held.end(at) + HEAD) if is_short else None


def _wav(held: Held) -> tuple[int, int] | None:
    at = 12
    for _ in range(_MOST_STEPS):
        head = held.read(at, 8)
        if len(head) < len(b"datasize"):
            return held.end(at), held.end(at) + _SLICE
        if head[:4] == b"data":
            return None
        length = int.from_bytes(head[4:8], "little")
        at += 8 + length + length % 2
    return None


def _sound(held: Held) -> tuple[int, int] | None:
    start = after_tag(held.read(0, 10))
    end = held.end(start)
    return (end, start + _SLICE) if end < start + _BEFORE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was learned of a file.

    `size` is the whole in bytes by the server's word, None if it gave none; `read` is how many bytes came, in `requests`.
    """

    size: int | None
    read: int
    requests: int


class _Work:
    """What has come so far."""

    def __init__(self, kind: str, trip: Trip) -> None:
        self.held = Held()
        self.size: int | None = None
        self.most = MOST_PICTURE if kind == "image" else MOST
        self.trip = trip

    @property
    def name(self) -> str:
        return self.trip.name


async def fetch_parts(
    url: str, into: Path, *, kind: str, allowed_origin: str = "", total: float = 6.0, resolve: Resolver = lookup
) -> tuple[Fetched | None, str]:
    """What is needed of the file at `url` to tell its format, size and length, written to `into`. *network*, *writes files*.

    The second value says what is missing and why, "" if nothing is; the first is None if nothing was learned at all. No
    text holds more of the address than its host. `into` becomes a sparse file: what was read stands at its place. `kind`
    ("image", "video", "audio" or "") decides how much is read at most: about 1.1 MB of an image, 4 MB of anything else,
    in six requests and `total` seconds. Only https and public hosts are spoken to, unless the origin is `allowed_origin`.
    No key, cookie or proxy is used.
    """
    # The whole is bounded by its deadline.
    work = _Work(kind, Trip(Way(origin=allowed_origin, resolve=resolve, connect_s=_CONNECT_S)))
    why = ""
    try:
        async with asyncio.timeout(total), work.trip.reach(url, _range(0, HEAD)) as (answer, ask):
            await _first(answer, work)
            await answer.aclose()
            await _rest(ask, work)
    except TimeoutError:
        why = f"{work.name} did not give it within {total:g} s"
    except Exception as error:  # noqa: BLE001  # whatever a stranger's server brings about, it is only not looked at
        why = said(error, work.name)
    try:
        work.held.write(into, work.size)
    except OSError as error:
        return None, f"it could not be kept for looking at ({error.strerror})"
    if not work.held.count and work.size is None:
        return None, why
    return Fetched(size=work.size, read=work.held.count, requests=work.trip.requests), why


def _range(start: int, end: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-{end - 1}"}


async def _first(answer: httpx.Response, work: _Work) -> None:
    """Reads the first bytes. The rest of an answer without ranges is read as needed."""
    _plain(answer, work)
    if answer.status_code == 206:  # noqa: PLR2004
        await _read(answer, work, _span(answer, work, 0, HEAD))
        return
    if answer.status_code == 416:  # noqa: PLR2004
        raise Blocked("it is empty, or its server cannot give parts of it")
    if answer.status_code != 200:  # noqa: PLR2004
        raise Blocked(f"{work.name} answered HTTP {answer.status_code}")
    work.size = length(answer)
    await _read_on(answer, work)


async def _read_on(answer: httpx.Response, work: _Work) -> None:
    goal = HEAD
    async for chunk in answer.aiter_raw():
        work.held.add(work.held.count, chunk[: work.most - work.held.count])
        while work.held.count >= goal:
            need = wanted(work.held, work.size)
            if need is None:
                return
            if work.held.count >= work.most or need[0] >= work.most:
                raise Blocked(
                    f"{work.name} gives no parts of files, and its header is not in the first {work.most / 1e6:.1f} MB"
                )
            goal = max(need[1], goal + 1) if need[1] <= work.most else work.most
    if work.size is None:
        work.size = work.held.count


async def _rest(ask: Ask, work: _Work) -> None:
    while (need := wanted(work.held, work.size)) is not None:
        start, end = need
        left = work.most - work.held.count
        if work.size == work.held.count:
            return
        if start > LARGEST:
            raise Blocked(f"it is so large ({(work.size or start) / 1e6:,.0f} MB) that its header was not looked for")
        if work.trip.requests >= _MOST_REQUESTS or left <= 0:
            raise Blocked(
                f"its header was not found in {work.held.count / 1e6:.1f} MB and {work.trip.requests} requests"
            )
        async with ask(_range(start, min(end, start + left))) as answer:
            _plain(answer, work)
            if answer.status_code != 206:  # noqa: PLR2004
                raise Blocked(f"{work.name} answered HTTP {answer.status_code} to a request for a part of it")
            await _read(answer, work, _span(answer, work, start, min(end, start + left)))


def _plain(answer: httpx.Response, work: _Work) -> None:
    if not is_plain(answer):
        raise Blocked(f"{work.name} gives it compressed, though that was not asked for")


def _span(answer: httpx.Response, work: _Work, start: int, end: int) -> tuple[int, int]:
    given = span(answer)
    if given is None or given[0] != start:
        raise Blocked(f"{work.name} gave another part of it than the one that was asked for")
    if start and given[2] != work.size:
        raise Blocked(f"{work.name} gave two different sizes for it")
    work.size = given[2]
    return start, min(end, given[1])


async def _read(answer: httpx.Response, work: _Work, span: tuple[int, int]) -> None:
    at, end = span
    async for chunk in answer.aiter_raw():
        work.held.add(at, chunk[: end - at])
        at += len(chunk)
        if at >= end:
            return
    raise Blocked(f"{work.name} gave fewer bytes of it than it said")
