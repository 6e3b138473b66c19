"""Serves the simulator on loopback to its own host name only, with limits on connections, time and memory."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from seedance_nb._simulator.app import MOST_BYTES

_MOST_CONNECTIONS = 192
_MOST_HEAD = 16_384
_BODIES = 4
_REQUEST_S = 10.0
_RESPONSE_S = 60.0


def serve(app: ASGIApp, listener: socket.socket, on_start: Callable[[], None]) -> None:
    """Serves `app` on a bound socket of 127.0.0.1 until interrupted; `on_start` is called once it listens. *network*."""
    hosts = [f"{name}:{listener.getsockname()[1]}" for name in ("127.0.0.1", "localhost")]
    config = uvicorn.Config(
        _guarded(app, hosts), http=_Protocol, ws="none", lifespan="off", log_level="error", limit_concurrency=128,
        h11_max_incomplete_event_size=_MOST_HEAD, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    listener.listen()  # from now on, connections wait for the server
    on_start()
    server.run(sockets=[listener])


def _guarded(app: ASGIApp, hosts: list[str]) -> ASGIApp:
    """`app` for requests to one of `hosts` that no page of another origin sends, and a few bodies in memory at once."""
    bodies = asyncio.Semaphore(_BODIES)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        size, headers = 0, Headers(scope=scope)
        begun: deque[Message] = deque()

        async def next_piece() -> Message:
            nonlocal size
            if begun:
                return begun.popleft()
            message = await receive()
            size += len(message.get("body", b""))
            if size > MOST_BYTES:
                raise HTTPException(413, f"a body may have at most {MOST_BYTES // 1024**2} MB")
            return message

        # A web page elsewhere may name this address: by a host name of its own (DNS rebinding), or in a form or script.
        if headers.get("host", "").lower() not in hosts:
            await PlainTextResponse(f"this server is {hosts[0]}", 421)(scope, receive, send)
        elif "origin" in headers and headers["origin"].removeprefix("http://") not in hosts:
            await PlainTextResponse("requests of other web pages are refused", 403)(scope, receive, send)
        elif headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")) > MOST_BYTES:
            await PlainTextResponse("too large", 413)(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            await app(scope, next_piece, send)
        else:
            # A turn only for who has sent a body, or so much of it that it must be counted: others may never go on.
            while size <= _MOST_HEAD and (not begun or begun[-1].get("more_body")):
                begun.append(await receive())
                size += len(begun[-1].get("body", b""))
            async with bodies:
                with suppress(ClientDisconnect):
                    await app(scope, next_piece, send)

    return answer


class _Protocol(H11Protocol):
    """Closes a connection beyond the limit, and one whose next request or response is not complete in time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_REQUEST_S, self._close_late)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._deadline.cancel()
        self._deadline = self.loop.call_later(_REQUEST_S, self._close_late)
        super().on_response_complete()

    def _close_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            self.transport.abort()
        else:
            self._deadline = self.loop.call_later(_RESPONSE_S, self.transport.abort)
