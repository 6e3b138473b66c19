"""Opens connections only to IP addresses that were resolved and checked here; certificate, server name and `Host` stay those of the URL."""

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
