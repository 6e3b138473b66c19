"""The bytes of a public file that tell what it is.

No key comes near this file; `_transport` is the other one that opens sockets. The address is the person's, what it leads
to is not: every host is looked up once, refused unless each of its addresses is public, and connected to by the very
address that was looked at.
"""

import asyncio
import functools
import ssl
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx

from seedance_nb._addresses import Resolver, is_public, lookup
from seedance_nb._ranges import HEAD, LARGEST, MOST, MOST_PICTURE, Held, span, wanted
from seedance_nb._uris import uri_fault

_MOST_REQUESTS = 6
_MOST_HOPS = 3
_MOST_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was learned of a file.

    `size` is the whole in bytes by the server's word, None if it gave none; `read` is how many bytes came, in `requests`.
    """

    size: int | None
    read: int
    requests: int


class _Stop(Exception):
    """The fetching ends here; the text says why, without any address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where to connect: `url` holds the address that was checked, `name` the host that was asked for."""

    url: httpx.URL
    name: str
    host_header: str


class _Work:
    """What has come so far."""

    def __init__(self, kind: str) -> None:
        self.held = Held()
        self.size: int | None = None
        self.requests = 0
        self.most = MOST_PICTURE if kind == "image" else MOST
        self.name = "the address"


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
    work = _Work(kind)
    why = ""
    try:
        async with asyncio.timeout(total):
            await _follow(url, work, allowed_origin, resolve)
    except _Stop as stop:
        why = str(stop)
    except TimeoutError:
        why = f"{work.name} did not give it within {total:g} s"
    except Exception as error:  # noqa: BLE001  # whatever a stranger's server brings about, it is only not looked at
        why = _said(error, work.name)
    try:
        work.held.write(into, work.size)
    except OSError as error:
        return None, f"it could not be kept for looking at ({error.strerror})"
    if not work.held.count and work.size is None:
        return None, why
    return Fetched(size=work.size, read=work.held.count, requests=work.requests), why


async def _follow(url: str, work: _Work, allowed_origin: str, resolve: Resolver) -> None:
    for _ in range(_MOST_HOPS + 1):
        places = await _places(url, work, allowed_origin, resolve)
        # A client of its own for each hop: a kept connection would be used for another name at the same address.
        async with _client() as client:
            place, onward = await _reach(client, places, work)
            if not onward:
                await _rest(client, place, work)
                return
        url = str(httpx.URL(url).join(onward))
    raise _Stop(f"{work.name} sends on and on to other addresses")


async def _reach(client: httpx.AsyncClient, places: list[_Place], work: _Work) -> tuple[_Place, str]:
    for place in places[:-1]:
        try:
            return place, await _first(client, place, work)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return places[-1], await _first(client, places[-1], work)


def _client() -> httpx.AsyncClient:
    headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance_nb"}
    timeout = httpx.Timeout(60, connect=2.5)  # the whole is bounded by its deadline
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(headers=headers, timeout=timeout, cookies=cookies, trust_env=False, verify=_trusted())


@functools.cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


async def _places(url: str, work: _Work, allowed_origin: str, resolve: Resolver) -> list[_Place]:
    if fault := uri_fault(url):
        raise _Stop(f"its address {fault}")
    parts = httpx.URL(url)
    work.name = parts.host
    if parts.userinfo:
        raise _Stop("its address has a user name in front of the host")
    own = bool(allowed_origin) and _origin(parts) == _origin(httpx.URL(allowed_origin))
    if parts.scheme != "https" and not own:
        raise _Stop("only https addresses are looked at")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        addresses = await resolve(parts.host, port)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        raise _Stop(f"the host {work.name} is not known")
    if not own and not all(is_public(address) for address in addresses):
        raise _Stop(f"{work.name} is not on the public internet")
    header = parts.netloc.decode("ascii")
    return [
        _Place(url=parts.copy_with(host=address, fragment=None), name=parts.host, host_header=header)
        for address in addresses[:_MOST_TRIES]
    ]


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _request(client: httpx.AsyncClient, place: _Place, work: _Work, start: int, end: int) -> Any:
    work.requests += 1
    headers = {"Host": place.host_header, "Range": f"bytes={start}-{end - 1}"}
    return client.stream("GET", place.url, headers=headers, extensions={"sni_hostname": place.name})


async def _first(client: httpx.AsyncClient, place: _Place, work: _Work) -> str:
    """Where to go on, "" if the first bytes were read. The rest of an answer without ranges is read as needed."""
    async with _request(client, place, work, 0, HEAD) as answer:
        if answer.is_redirect:
            return str(answer.headers["location"])
        _plain(answer, work)
        if answer.status_code == 206:  # noqa: PLR2004
            await _read(answer, work, _span(answer, work, 0, HEAD))
            return ""
        if answer.status_code == 416:  # noqa: PLR2004
            raise _Stop("it is empty, or its server cannot give parts of it")
        if answer.status_code != 200:  # noqa: PLR2004
            raise _Stop(f"{work.name} answered HTTP {answer.status_code}")
        said = answer.headers.get("content-length", "")
        work.size = int(said) if said.isdecimal() and len(said) < 19 else None  # noqa: PLR2004
        await _read_on(answer, work)
    return ""


async def _read_on(answer: httpx.Response, work: _Work) -> None:
    goal = HEAD
    async for chunk in answer.aiter_raw():
        work.held.add(work.held.count, chunk[: work.most - work.held.count])
        while work.held.count >= goal:
            need = wanted(work.held, work.size)
            if need is None:
                return
            if work.held.count >= work.most or need[0] >= work.most:
                raise _Stop(
                    f"{work.name} gives no parts of files, and its header is not in the first {work.most / 1e6:.1f} MB"
                )
            goal = max(need[1], goal + 1) if need[1] <= work.most else work.most
    if work.size is None:
        work.size = work.held.count


async def _rest(client: httpx.AsyncClient, place: _Place, work: _Work) -> None:
    while (need := wanted(work.held, work.size)) is not None:
        start, end = need
        left = work.most - work.held.count
        if work.size == work.held.count:
            return
        if start > LARGEST:
            raise _Stop(f"it is so large ({(work.size or start) / 1e6:,.0f} MB) that its header was not looked for")
        if work.requests >= _MOST_REQUESTS or left <= 0:
            raise _Stop(f"its header was not found in {work.held.count / 1e6:.1f} MB and {work.requests} requests")
        async with _request(client, place, work, start, min(end, start + left)) as answer:
            _plain(answer, work)
            if answer.status_code != 206:  # noqa: PLR2004
                raise _Stop(f"{work.name} answered HTTP {answer.status_code} to a request for a part of it")
            await _read(answer, work, _span(answer, work, start, min(end, start + left)))


def _plain(answer: httpx.Response, work: _Work) -> None:
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise _Stop(f"{work.name} gives it compressed, though that was not asked for")


def _span(answer: httpx.Response, work: _Work, start: int, end: int) -> tuple[int, int]:
    given = span(answer.headers.get("content-range", ""))
    if given is None or given[0] != start:
        raise _Stop(f"{work.name} gave another part of it than the one that was asked for")
    if start and given[2] != work.size:
        raise _Stop(f"{work.name} gave two different sizes for it")
    work.size = given[2]
    return start, min(end, given[1])


async def _read(answer: httpx.Response, work: _Work, span: tuple[int, int]) -> None:
    at, end = span
    async for chunk in answer.aiter_raw():
        work.held.add(at, chunk[: end - at])
        at += len(chunk)
        if at >= end:
            return
    raise _Stop(f"{work.name} gave fewer bytes of it than it said")


def _said(error: Exception, name: str) -> str:
    # Never the error's own text: it may hold the address, and signed addresses are secrets.
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        certificate = "CERTIFICATE" in str(error)
        return f"the certificate of {name} is not valid" if certificate else f"no connection to {name} could be made"
    return f"the answer of {name} broke off or made no sense ({type(error).__name__})"
