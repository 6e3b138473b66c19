"""Downloads small files and beginnings of files, reads data URLs, and sends uploads. No key is ever used here."""

import asyncio
import base64
from contextlib import suppress
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import httpx

from seedance_nb._web.client import FAILURES, AccessPolicy, Fetch, error_text, read_start, require_raw


async def fetch_small(url: str, limit: int = 10_000_000, total: float = 3) -> bytes:
    """The bytes at a public https URL, b"" if they do not arrive within `total` seconds or exceed `limit` bytes. *network*."""
    data, reach = bytearray(), Fetch(AccessPolicy(connect_s=total)).reach(url, {})
    with suppress(*FAILURES):
        async with asyncio.timeout(total), reach as (response, _):
            require_raw(response)
            if response.status_code == httpx.codes.OK:
                await read_start(response, limit + 1, data)
            return bytes(data) if len(data) <= limit else b""
    return b""


async def fetch_start(url: str, policy: AccessPolicy, count: int = 4096, total: float = 5) -> bytes:
    """The first bytes at a URL, about `count`, or as many as arrive within `total` seconds. *network*."""
    data, headers = bytearray(), {"Range": f"bytes=0-{count - 1}"}
    with suppress(*FAILURES):
        async with asyncio.timeout(total), Fetch(replace(policy, upgrade=True)).reach(url, headers) as (response, _):
            if response.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                await read_start(response, count, data)
    return bytes(data)


def data_bytes(url: str) -> bytes:
    """The bytes in a `data:` URL, b"" if it is malformed. *pure*."""
    head, _, text = url.partition(",")
    data = unquote_to_bytes(text)
    if head.rstrip().lower().endswith(";base64"):
        data = data.translate(bytes.maketrans(b"-_", b"+/"), b" =")
        with suppress(ValueError):
            return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
        return b""
    return data


async def put_bytes(url: str, content: bytes, kind: str, policy: AccessPolicy, total: float = 1800) -> str:
    """Why `content` could not be uploaded to `url` with PUT within `total` seconds, "" on success. *network*."""
    fetch = Fetch(policy)
    put = fetch.reach(url, {"Content-Type": kind}, method="PUT", content=content)
    try:
        async with asyncio.timeout(total), put as (response, _):
            return "" if response.is_success else f"HTTP {response.status_code}"
    except TimeoutError:
        return f"it took longer than {total:g} s"
    except FAILURES as error:
        return error_text(error, fetch.name)
