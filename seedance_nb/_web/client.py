"""How files are asked for at addresses that others chose: only out on the public internet, by the very address that was checked.

No key, cookie or proxy comes near this file. Every host is looked up once for each hop, refused unless each of its
addresses is public, and connected to by an address of that list, with its own name in the greeting and in the `Host`
header. No redirect is followed unchecked.
"""

import functools
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from seedance_nb._web.addresses import Resolver, is_public, lookup

_MOST_HOPS = 3
_MOST_TRIES = 3


class Blocked(Exception):
    """The address is not spoken to; the text says why, and holds no more of it than its host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What may be spoken to: public https addresses, and besides them only those of `origin`, which a person has named.

    `origin` is scheme, host and port, "" for none. `app` answers for it within this process; nothing else is reached then.
    `connect_s` and `read_s` bound the wait for a connection and for the next bytes, in seconds.
    """

    origin: str = ""
    app: Callable[..., Any] | None = None
    resolve: Resolver = lookup
    connect_s: float = 10
    read_s: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where to connect: `url` holds the address that was checked, `name` the host that was asked for, `asked` the whole address."""

    url: httpx.URL
    name: str
    host_header: str
    asked: str


class Trip:
    """One search for the bytes behind an address. `name` is the host spoken to last, `requests` how many requests were made."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.name = "the address"
        self.requests = 0

    @asynccontextmanager
    async def reach(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", content: bytes | None = None
    ) -> AsyncIterator[tuple[httpx.Response, "Ask"]]:
        """The answer whose body is still to be read, and the means to ask at the same place again. *network*.

        A GET is sent on at most three times, each hop checked like the first address; nothing else is sent on.
        Raises: Blocked; httpx's errors.
        """
        for _ in range(_MOST_HOPS + 1):
            doors = await self._doors(url)
            # A client of its own for each hop: a kept connection would be used for another name at the same address.
            async with self._client() as client:
                answer, ask = await self._knock(client, doors, headers, method, content)
                try:
                    if method != "GET" or not answer.has_redirect_location:
                        yield answer, ask
                        return
                finally:
                    await answer.aclose()
            url = str(_parsed(url).join(_parsed(answer.headers["location"])))
        raise Blocked(f"{self.name} sends on and on to other addresses")

    async def _doors(self, url: str) -> list[Door]:
        parts = _parsed(url)
        if not parts.host:
            raise Blocked("its address has no host")
        self.name = parts.host
        if parts.userinfo:
            raise Blocked("its address has a user name in front of the host")
        own = bool(self._way.origin) and _origin(parts) == _origin(httpx.URL(self._way.origin))
        if parts.scheme != "https" and not own:
            raise Blocked("its address is not https")
        header = parts.netloc.decode("ascii")
        if self._way.app is not None:
            if not own:
                raise Blocked("the simulator has files of its own only")
            return [Door(url=parts, name=parts.host, host_header=header, asked=url)]
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            addresses = await self._way.resolve(parts.host, port)
        except (OSError, UnicodeError):
            addresses = []
        if not addresses:
            raise Blocked(f"the host {self.name} is not known")
        if not own and not all(is_public(address) for address in addresses):
            raise Blocked(f"{self.name} is not on the public internet")
        return [
            Door(url=parts.copy_with(host=address, fragment=None), name=parts.host, host_header=header, asked=url)
            for address in addresses[:_MOST_TRIES]
        ]

    async def _knock(
        self,
        client: httpx.AsyncClient,
        doors: list[Door],
        headers: Mapping[str, str],
        method: str,
        content: bytes | None,
    ) -> tuple[httpx.Response, "Ask"]:
        for door in doors[:-1]:
            try:
                return await self._sent(client, door, headers, method, content), Ask(self, client, door)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._sent(client, doors[-1], headers, method, content), Ask(self, client, doors[-1])

    async def _sent(
        self, client: httpx.AsyncClient, door: Door, headers: Mapping[str, str], method: str, content: bytes | None
    ) -> httpx.Response:
        self.requests += 1
        named = {"Host": door.host_header, **headers}
        request = client.build_request(
            method, door.url, headers=named, content=content, extensions={"sni_hostname": door.name}
        )
        return await client.send(request, stream=True, follow_redirects=False)

    def _client(self) -> httpx.AsyncClient:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance_nb"}
        app = self._way.app
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(self._way.read_s, connect=self._way.connect_s),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            verify=trusted(),
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False) if app else None,
        )


class Ask:
    """Further requests at a place that has answered; `door` says which it is."""

    def __init__(self, trip: Trip, client: httpx.AsyncClient, door: Door) -> None:
        self._trip, self._client, self.door = trip, client, door

    def again(self, headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        """The answer to the same address asked for with other headers. *network*."""
        return self._again(headers)

    @asynccontextmanager
    async def _again(self, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        answer = await self._trip._sent(self._client, self.door, headers, "GET", None)  # noqa: SLF001 - a part of the trip
        try:
            yield answer
        finally:
            await answer.aclose()


def is_plain(answer: httpx.Response) -> bool:
    """Whether an answer's bytes are the file's own. *pure*. Nobody asked for compressed ones, which may grow without bound."""
    return answer.headers.get("content-encoding", "identity").strip().lower() in ("", "identity")


def said(error: Exception, name: str) -> str:
    """What went wrong with the host `name`, in words. *pure*."""
    # Never the error's own text: it may hold the address, and signed addresses are secrets.
    if isinstance(error, Blocked):
        return str(error)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        certificate = "CERTIFICATE" in str(error)
        return f"the certificate of {name} is not valid" if certificate else f"no connection to {name} could be made"
    return f"the answer of {name} broke off or made no sense ({type(error).__name__})"


@functools.cache
def trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read from the system once. *reads files*."""
    return httpx.create_ssl_context(trust_env=False)


def _parsed(url: str) -> httpx.URL:
    """An address as it is connected to: odd signs percent-encoded, because somebody may have paid for what lies there."""
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        pass
    raise Blocked("its address is malformed")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def span(content_range: str) -> tuple[int, int, int | None] | None:
    """First place, end and whole size of a `Content-Range` header; None if it is not one. *pure*."""
    match = _SPAN.fullmatch(content_range.strip())
    if match is None or int(match[2]) < int(match[1]):
        return None
    return int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])
