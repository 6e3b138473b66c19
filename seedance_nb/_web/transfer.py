"""Whole small files there and back: a picture that the simulator shows, an upload. No key comes near this file."""

import asyncio

import httpx

from seedance_nb._web.client import FAILURES, AccessPolicy, Fetch, error_text, must_be_plain, read_whole


async def fetch_small(url: str, limit: int = 10_000_000, total: float = 3) -> bytes:
    """The bytes at a public https address, b"" where it cannot be had in `total` seconds and `limit` bytes. *network*."""
    try:
        async with asyncio.timeout(total), Fetch(AccessPolicy(connect_s=total)).reach(url, {}) as (answer, _):
            must_be_plain(answer)
            return await read_whole(answer, limit) if answer.status_code == httpx.codes.OK else b""
    except FAILURES:
        return b""


async def put_bytes(url: str, content: bytes, kind: str, way: AccessPolicy, total: float = 1800) -> str:
    """Why `content` could not be put at an upload address, "" once it is there. *network*.

    `kind` is its media type, `total` bounds it in seconds. It is sent to that address only, wherever that sends on to.
    """
    trip = Fetch(way)
    put = trip.reach(url, {"Content-Type": kind}, method="PUT", content=content)
    try:
        async with asyncio.timeout(total), put as (answer, _):
            return "" if answer.is_success else f"HTTP {answer.status_code}"
    except TimeoutError:
        return f"it took longer than {total:g} s"
    except FAILURES as error:
        return error_text(error, trip.name)
