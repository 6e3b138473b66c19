"""Requests for files at addresses that others chose, which may lie only out on the public internet.

No key, cookie or proxy comes near this file. The text of an address is checked before every hop, and no redirect is
followed unchecked; what its host resolves to is checked where the connection is made.
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

from seedance_nb._web.addresses import BlockedAddress, Resolver, lookup

_MOST_HOPS = 3
_MOST_DIGITS = 18

Ask = Callable[[Mapping[str, str]], AbstractAsyncContextManager[httpx.Response]]
"""Asks at the place that has answered once more, with other headers. *network*."""


FAILURES = (BlockedAddress, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)
"""What a request may end in, TimeoutError among them; `said` puts it into words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """What may be spoken to: public https addresses, and besides them only those of `origin`, which a person has named.

    `origin` is scheme, host and port, "" for none. `app` answers for it within this process; nothing else is reached then.
    `connect_s` and `read_s` bound the wait for a connection and for the next bytes, in seconds.
    """

    origin: str = ""
    app: Callable[..., Any] | None = None
    resolve: Resolver = lookup
    connect_s: float = 10
    read_s: float = 60

    def owns(self, url: httpx.URL) -> bool:
        """Whether an address is at `origin`. *pure*."""
        return bool(self.origin) and origin_of(url) == origin_of(httpx.URL(self.origin))


class Fetch:
    """One search for the bytes behind an address. `name` is the host spoken to last, `requests` how many requests were made."""

    def __init__(self, way: AccessPolicy) -> None:
        self._way = way
        self.name = "the address"
        self.requests = 0

    @asynccontextmanager
    async def reach(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", content: bytes | None = None
    ) -> AsyncIterator[tuple[httpx.Response, Ask]]:
        """The answer whose body is still to be read, and the means to ask at the same place again. *network*.

        A GET is sent on at most three times, each hop checked like the first address; nothing else is sent on.
        Raises: Blocked; httpx's errors.
        """
        target = _parsed(url)
        for _ in range(_MOST_HOPS + 1):
            self._check(target)
            async with self._client(target) as client:
                ask = functools.partial(self._ask, client, target)
                async with ask(headers, method, content) as answer:
                    if method != "GET" or not answer.has_redirect_location:
                        yield answer, ask
                        return
            target = target.join(_parsed(answer.headers["location"]))
        raise BlockedAddress(f"{self.name} redirects too many times")

    def _check(self, url: httpx.URL) -> None:
        if not url.host:
            raise BlockedAddress("its URL has no host")
        self.name = url.host
        if url.userinfo:
            raise BlockedAddress("its URL contains a user name")
        if url.scheme != "https" and not self._way.owns(url):
            raise BlockedAddress("its URL does not use https")
        if self._way.app is not None and not self._way.owns(url):
            raise BlockedAddress("the simulator serves only its own files")

    def _client(self, url: httpx.URL) -> httpx.AsyncClient:
        from seedance_nb._web.connection import Transport  # late, because it loads a library that no check needs

        way = self._way
        return httpx.AsyncClient(
            headers={"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance_nb"},
            timeout=httpx.Timeout(way.read_s, connect=way.connect_s),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
            transport=httpx.ASGITransport(app=way.app, raise_app_exceptions=False)
            if way.app
            else Transport(trusted_certificates(), way.resolve, may_be_inside=way.owns(url)),
        )

    def _ask(
        self,
        client: httpx.AsyncClient,
        url: httpx.URL,
        headers: Mapping[str, str],
        method: str = "GET",
        content: bytes | None = None,
    ) -> AbstractAsyncContextManager[httpx.Response]:
        self.requests += 1
        return client.stream(method, url, headers=headers, content=content)


def must_be_plain(answer: httpx.Response) -> None:
    """Nothing where an answer's bytes are the file's own. *pure*. Raises: Blocked for compressed ones, which may grow without bound."""
    if answer.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise BlockedAddress(f"{answer.url.host} sent it compressed, though that was not requested")


async def read_whole(answer: httpx.Response, most: int) -> bytes:
    """The bytes of an answer as they came. *network*. Raises: ValueError where they are more than `most`; httpx's errors."""
    data = bytearray()
    async for chunk in answer.aiter_raw():
        data += chunk
        if len(data) > most:
            msg = f"the response is larger than {most:,} bytes"
            raise ValueError(msg)
    return bytes(data)


def length(answer: httpx.Response) -> int | None:
    """How many bytes an answer says that its body has, None if it does not say. *pure*."""
    text = answer.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


_SPAN = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def content_range(answer: httpx.Response) -> tuple[int, int, int | None] | None:
    """First place, end and whole size by an answer's `Content-Range` header; None if it has no such. *pure*."""
    match = _SPAN.fullmatch(answer.headers.get("content-range", "").strip())
    if match is None or int(match[2]) < int(match[1]):
        return None
    return int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])


def error_text(error: Exception, name: str) -> str:
    """What went wrong with the host `name`, in words. *pure*."""
    # Never the error's own text: it may hold the address, and signed addresses are secrets.
    if isinstance(error, BlockedAddress):
        return str(error)
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        certificate = "CERTIFICATE" in str(error)
        return f"the certificate of {name} is not valid" if certificate else f"could not connect to {name}"
    return f"the response from {name} was incomplete or invalid ({type(error).__name__})"


@functools.cache
def trusted_certificates() -> ssl.SSLContext:
    """The certificates that are trusted, read from the system once. *reads files*."""
    return httpx.create_ssl_context(trust_env=False)


def _parsed(url: str) -> httpx.URL:
    """An address as it is connected to: odd signs percent-encoded, because somebody may have paid for what lies there."""
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        pass
    raise BlockedAddress("its URL is malformed")


def origin_of(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port of an address, the same for two spellings of one origin. *pure*."""
    return url.scheme, url.raw_host, url.port  # httpx names no usual port
