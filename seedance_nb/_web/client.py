"""Requests URLs that others chose: only on the public internet, each checked before it is requested, redirects included, without a key or cookie."""

import asyncio
import base64
import functools
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from seedance_nb._web import addresses
from seedance_nb._web.addresses import BlockedURL, Resolver, check_addresses, clean_url, host_of, lookup
from seedance_nb._web.network import CA_HINT, MOST_PORT, proxy_for, proxy_problem, trusted_certificates

_MOST_HOST, _COMPRESSIONS = 253, ("gzip", "deflate", "compress", "br", "zstd", "dcb", "dcz")
Repeat = Callable[..., AbstractAsyncContextManager[httpx.Response]]  # takes the `headers`
FAILURES = (BlockedURL, httpx.HTTPError, httpx.InvalidURL, OSError, ValueError)  # see `error_text`


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """Which URLs may be requested: public https ones (with `upgrade`, http ones over https), and any at `origin`, which the user has set; with `app`, which serves it in this process, no others. Waits are in seconds."""

    origin: str = ""
    app: Callable[..., Any] | None = None
    resolve: Resolver = lookup
    connect_s: float = 10
    read_s: float = 60
    upgrade: bool = False

    def owns(self, url: httpx.URL) -> bool:
        return bool(self.origin) and origin_of(url) == origin_of(httpx.URL(self.origin))


class Fetch:
    """One download with its redirects; `name` is the host requested last, and `prefix` says for errors what was done to its URL."""

    def __init__(self, policy: AccessPolicy) -> None:
        self._policy, self.name, self.prefix = policy, "the URL", ""

    @asynccontextmanager
    async def reach(self, url: str, headers: Mapping[str, str], *, method: str = "GET",
                    content: bytes | None = None) -> AsyncIterator[tuple[httpx.Response, Repeat]]:  # fmt: skip
        """The response to a request, its body not yet read, after at most three redirects of a GET; and a function that repeats it. *network*. Raises: BlockedURL; httpx's errors."""
        target = parse_url(url)
        for _ in range(1 + 3):
            target = self._checked(target)
            async with self._client(target) as client:
                repeat = functools.partial(client.stream, method, target, content=content)
                async with repeat(headers=headers) as response:
                    if method != "GET" or not response.has_redirect_location:
                        yield response, repeat
                        return
            target = target.join(parse_url(response.headers["location"]))
        raise BlockedURL(f"{self.name} redirects too many times")

    def _checked(self, url: httpx.URL) -> httpx.URL:
        self.prefix, owns = "", self._policy.owns(url)
        rules = addresses.allowed_hosts(url.port or 80) if url.scheme == "http" and not owns else ()
        allowed = owns or any(addresses.matches(rule, url.raw_host.decode().lower().rstrip(".")) for rule in rules)
        if url.scheme == "http" and self._policy.upgrade and not allowed:
            self.prefix, url = "its URL does not use https, and over https ", url.copy_with(scheme="https")
        if not url.host:
            raise BlockedURL("its URL has no host")
        self.name = url.host
        if url.userinfo:
            raise BlockedURL("its URL contains a user name")
        if url.scheme != "https" and not allowed:
            raise BlockedURL("its URL does not use https")
        if self._policy.app is not None and not owns:
            raise BlockedURL("the simulator serves only its own files")
        return url

    def _client(self, url: httpx.URL) -> httpx.AsyncClient:
        from seedance_nb._web.network import Transport  # late, because it loads a library that `check` does not need

        policy = self._policy
        transport: httpx.AsyncBaseTransport
        if policy.app:
            transport = httpx.ASGITransport(app=policy.app, raise_app_exceptions=False)
        elif proxy := proxy_for(url):
            if not policy.owns(url):
                check_addresses(url.raw_host.decode(), port=url.port or (80 if url.scheme == "http" else 443))
            self.name += f" (through the proxy {host_of(str(proxy.url))})"
            transport = httpx.AsyncHTTPTransport(verify=trusted_certificates(), proxy=proxy)
        else:
            transport = Transport(trusted_certificates(), policy.resolve, allow_private=policy.owns(url))
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seedance_nb"}
        timeout = httpx.Timeout(policy.read_s, connect=policy.connect_s)
        jar = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        return httpx.AsyncClient(headers=headers, timeout=timeout, cookies=jar, trust_env=False, transport=transport)


def require_raw(response: httpx.Response) -> None:
    """Checks that the body is the file itself. *pure*. Raises: BlockedURL if it is compressed: it could grow without limit."""
    if is_compressed(response):
        raise BlockedURL(f"{response.url.host} sent it compressed, though that was not requested")


def is_compressed(response: httpx.Response) -> bool:
    """Whether the headers name a compression; other words in `Content-Encoding`, such as aws-chunked, mean none. *pure*."""
    words = response.headers.get("content-encoding", "").lower().split(",")
    return any(word.strip().removeprefix("x-") in _COMPRESSIONS for word in words)


def content_length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text) else None


def content_range(response: httpx.Response) -> tuple[int, int, int | None] | None:
    """Start, end and total size by the `Content-Range` header, None without one. *pure*."""
    text = response.headers.get("content-range", "").strip()
    match = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", text)
    if match is None or int(match[2]) < int(match[1]):
        return None
    return int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])


def error_text(error: Exception, name: str) -> str:
    """Why a request to the host `name` failed, as a clause, without an error's own text: a signed URL in it is a secret. *pure*."""
    if isinstance(error, BlockedURL):
        return str(error)
    if isinstance(error, httpx.ProxyError):
        return f"could not connect to {name}: {proxy_problem(error)}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        certificate = "CERTIFICATE" in str(error)
        return f"the certificate of {name} is not valid{CA_HINT}" if certificate else f"could not connect to {name}"
    return f"the response from {name} was incomplete or invalid ({type(error).__name__})"


def parse_url(url: str) -> httpx.URL:
    """The URL, unusual characters percent-encoded: the file behind it may have been paid for. *pure*. Raises: BlockedURL."""
    parsed = None
    with suppress(httpx.InvalidURL):  # raised below, without the error that contains the URL
        parsed = httpx.URL(clean_url(url))
    if parsed is None or (parsed.port or 0) > MOST_PORT or len(parsed.raw_host) > _MOST_HOST:
        raise BlockedURL("its URL is malformed")
    return parsed


def origin_of(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Scheme, host and port of a URL, equal for two spellings of one origin. *pure*."""
    return url.scheme, url.raw_host, url.port  # None for the default port


async def fetch_small(url: str, limit: int = 10_000_000, total: float = 3) -> bytes:
    """The bytes at a public https URL, b"" if they do not arrive within `total` seconds or exceed `limit` bytes. *network*."""
    data, is_complete = await fetch_start(url, {}, AccessPolicy(connect_s=total), limit + 1, total)
    return data if is_complete and len(data) <= limit else b""


async def fetch_start(url: str, headers: Mapping[str, str], policy: AccessPolicy, count: int = 4096,
                      total: float = 5) -> tuple[bytes, bool]:  # fmt: skip
    """The first bytes at a URL, as many as arrive within `total` seconds, about `count` at most; and whether all, or so many, arrived as they are. *network*."""
    data = bytearray()
    with suppress(*FAILURES):
        async with asyncio.timeout(total), Fetch(policy).reach(url, headers) as (response, _):
            if response.status_code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                async for chunk in response.aiter_raw():
                    data += chunk
                    if len(data) >= count:
                        break
            return bytes(data), response.status_code == httpx.codes.OK and not is_compressed(response)
    return bytes(data), False


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


async def put_bytes(url: str, content: bytes, kind: str, policy: AccessPolicy, total: float = 1800,
                    method: str = "PUT") -> str:  # fmt: skip
    """Why `content` could not be sent to `url` within `total` seconds, "" on success. *network*."""
    fetch = Fetch(policy)
    put = fetch.reach(url, {"Content-Type": kind}, method=method, content=content)
    try:
        async with asyncio.timeout(total), put as (response, _):
            return "" if response.is_success else f"HTTP {response.status_code}"
    except TimeoutError:
        return f"it took longer than {total:g} s"
    except FAILURES as error:
        return error_text(error, fetch.name)
