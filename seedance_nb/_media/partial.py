"""The bytes of a public file that tell what it is. No key comes near this file."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import httpx

from seedance_nb._media.ranges import HEAD, LARGEST, MOST, MOST_PICTURE, Held, wanted
from seedance_nb._web.addresses import Resolver, lookup
from seedance_nb._web.client import Ask, Blocked, Trip, Way, is_plain, said, span

_MOST_REQUESTS = 6
_CONNECT_S = 2.5


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
    size = answer.headers.get("content-length", "")
    work.size = int(size) if size.isdecimal() and len(size) < 19 else None  # noqa: PLR2004
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
        async with ask.again(_range(start, min(end, start + left))) as answer:
            _plain(answer, work)
            if answer.status_code != 206:  # noqa: PLR2004
                raise Blocked(f"{work.name} answered HTTP {answer.status_code} to a request for a part of it")
            await _read(answer, work, _span(answer, work, start, min(end, start + left)))


def _plain(answer: httpx.Response, work: _Work) -> None:
    if not is_plain(answer):
        raise Blocked(f"{work.name} gives it compressed, though that was not asked for")


def _span(answer: httpx.Response, work: _Work, start: int, end: int) -> tuple[int, int]:
    given = span(answer.headers.get("content-range", ""))
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
