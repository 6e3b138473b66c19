"""Connections to a host by an address that was looked up and checked here, and by no other.

The certificate, the server's name in the greeting and the `Host` header stay those of the URL.
"""

import ssl
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from seedance_nb._web.addresses import Resolver, addresses_of

_MOST_TRIES = 3


class Transport(httpx.AsyncHTTPTransport):
    """httpx's transport over such connections; `may_be_inside` permits addresses that are not public."""

    def __init__(self, context: ssl.SSLContext, resolve: Resolver, *, may_be_inside: bool) -> None:
        # Never super().__init__(), whose pool connects unchecked: should httpx rename the attribute, nothing connects at all.
        backend = _Backend(resolve, may_be_inside=may_be_inside)
        self._pool = httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend)


class _Backend(httpcore.AnyIOBackend):
    def __init__(self, resolve: Resolver, *, may_be_inside: bool) -> None:
        self._resolve, self._may_be_inside = resolve, may_be_inside

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """A connection to the first of three addresses that gives one. *network*. Raises: Blocked; httpcore's errors."""
        addresses = await addresses_of(host, port, self._resolve, may_be_inside=self._may_be_inside)
        *others, last = addresses[:_MOST_TRIES]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await super().connect_tcp(address, port, *args, **kwargs)
        return await super().connect_tcp(last, port, *args, **kwargs)
