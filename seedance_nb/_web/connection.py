"""Opens connections only to IP addresses that were resolved and checked here; certificate, server name and `Host` stay those of the URL."""

import functools
import ssl
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from seedance_nb._web.addresses import Resolver, checked_addresses


class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over such connections; `allow_private` permits IP addresses that are not public."""

    def __init__(self, context: ssl.SSLContext, resolve: Resolver, *, allow_private: bool) -> None:
        # Never super().__init__(), whose pool connects unchecked: should httpx rename the attribute, nothing connects at all.
        backend = _Backend(resolve, allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend)


class Connection(httpx.AsyncHTTPTransport):
    """httpx's transport to any address at a URL's origin, one request at a time: a pool would look at all its connections at each."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        origin = httpcore.URL(url).origin
        self._new = functools.partial(httpcore.AsyncHTTPConnection, origin, context, keepalive_expiry=10.0)
        self._pool: Any = self._new()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, over a new connection if the last one has ended. *network*. Raises: httpx's errors."""
        if self._pool.is_closed() or self._pool.has_expired():
            await self._pool.aclose()
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
