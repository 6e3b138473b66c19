"""Downloads small files for the simulator, and sends uploads. No key is ever used here."""

import asyncio

import httpx

from seedance_nb._web.client import FAILURES, AccessPolicy, Fetch, error_text, read_whole, require_raw


async def fetch_small(url: str, limit: int = 10_000_000, total: float = 3) -> bytes:
    """The bytes at a public https URL, b"" if they do not arrive within `total` seconds or exceed `limit` bytes. *network*."""
    try:
        async with asyncio.timeout(total), Fetch(AccessPolicy(connect_s=total)).reach(url, {}) as (response, _):
            require_raw(response)
            return await read_whole(response, limit) if response.status_code == httpx.codes.OK else b""
    except FAILURES:
        return b""


async def put_bytes(url: str, content: bytes, kind: str, policy: AccessPolicy, total: float = 1800) -> str:
    """Why `content` could not be uploaded to `url` with PUT, "" on success. *network*.

    `kind` is its media type, `total` the time limit in seconds. Redirects are not followed.
    """
    fetch = Fetch(policy)
    put = fetch.reach(url, {"Content-Type": kind}, method="PUT", content=content)
    try:
        async with asyncio.timeout(total), put as (response, _):
            return "" if response.is_success else f"HTTP {response.status_code}"
    except TimeoutError:
        return f"it took longer than {total:g} s"
    except FAILURES as error:
        return error_text(error, fetch.name)
