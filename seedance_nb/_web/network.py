"""Connections: to checked IP addresses, through the environment's proxy, with its certificates. No text made here has a proxy's password."""

import functools
import os
import re
import ssl
from contextlib import suppress
from typing import Any
from urllib.request import getproxies

import httpcore
import httpx

from seedance_nb._web.addresses import BlockedURL, Resolver, checked_addresses, is_local, matches

MOST_PORT = 65_535
CA_HINT = "; if your network has a CA of its own, set SSL_CERT_FILE to a file with its certificate"


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """The environment's proxy for a URL, None for a direct one: for http, where a proxy could read a key, and this computer. *reads files*. Raises: BlockedURL."""
    proxies = getproxies() if url.scheme == "https" else {}
    kind = next((kind for kind in ("https", "all") if proxies.get(kind)), "")
    host, port = url.raw_host.decode().rstrip("."), url.port or 443
    # NO_PROXY lists a host, a domain above it, its IP address or network, with or without the port.
    listed = re.split(r"[,\s]+", proxies.get("no", "").lower())
    rules = [re.sub(rf"^([^:]+|\[.*\]):{port}$", r"\1", rule).strip("[]*.") for rule in listed]
    is_listed = "*" in listed or any(matches(rule, host) or matches(f"*.{rule}", host) for rule in rules)
    if not kind or is_local(host) or is_listed:
        return None
    names = filter(os.getenv, ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"))  # the order of `getproxies`
    source, proxy, text = next(names, "the system's proxy"), None, proxies.pop(kind).strip()
    with suppress(ValueError, httpx.InvalidURL):  # raised below, without the error that contains the password
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
    del text, proxies
    is_origin = proxy and proxy.url.host and proxy.url.raw_path in (b"", b"/") and not proxy.url.fragment
    if not proxy or not is_origin or proxy.url.scheme not in ("http", "https") or (proxy.url.port or 0) > MOST_PORT:
        form = "http://user:password@proxy.example.com:3128, with special characters percent-encoded"
        raise BlockedURL(f"{source} is not the URL of an http or https proxy, such as {form}")
    proxy.ssl_context = trusted_certificates() if proxy.url.scheme == "https" else None
    return proxy


def proxy_problem(error: httpx.ProxyError) -> str:
    status = str(error)[:3]
    hint = "; set its user and password in HTTPS_PROXY" if status == "407" else ""
    return f"the proxy answered HTTP {status}{hint}" if status.isdecimal() else "the proxy made no connection"


def trusted_certificates() -> ssl.SSLContext:
    """The certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` names, else certifi's; cached. *reads files*. Raises: BlockedURL if there are none."""
    file = os.getenv("SSL_CERT_FILE", "")
    with suppress(OSError):
        return _context(file, os.getenv("SSL_CERT_DIR", ""))
    raise BlockedURL(f"SSL_CERT_FILE is {file!r}, where there are no certificates (PEM)")


@functools.lru_cache(maxsize=4)
def _context(_file: str, _folder: str) -> ssl.SSLContext:
    return httpx.create_ssl_context()


class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over such connections; `allow_private` permits IP addresses that are not public."""

    def __init__(self, context: ssl.SSLContext, resolve: Resolver, *, allow_private: bool) -> None:
        # Never super().__init__(), whose pool connects unchecked: should httpx rename the attribute, nothing connects at all.
        backend = _Backend(resolve, allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend)


class Connection(httpx.AsyncHTTPTransport):
    """httpx's transport to any address at a URL's origin, one request at a time: a pool would look at all its connections at each."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._new = functools.partial(httpcore.AsyncHTTPConnection, httpcore.URL(url).origin, context)
        self._pool: Any = self._new()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, over a new connection if the last one was closed. *network*. Raises: httpx's errors."""
        if self._pool.is_closed():
            self._pool = self._new()
        return await super().handle_async_request(request)


class _Backend(httpcore.AnyIOBackend):
    def __init__(self, resolve: Resolver, *, allow_private: bool) -> None:
        self._resolve, self._allow_private = resolve, allow_private

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """A connection to the first of at most three IP addresses that accepts one. *network*. Raises: BlockedURL; httpcore's errors."""
        *others, last = (await checked_addresses(host, port, self._resolve, allow_private=self._allow_private))[:3]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, *args, **kwargs)
        return await super().connect_tcp(last, port, *args, **kwargs)
