"""Serves the simulator on loopback, to its own host name only."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 64 * 1024**2


def serve(app: ASGIApp, listener: socket.socket, on_start: Callable[[], None]) -> None:
    """Serves `app` on a bound socket of 127.0.0.1 until interrupted; `on_start` is called once it listens. *network*."""
    hosts = [f"{name}:{listener.getsockname()[1]}" for name in ("127.0.0.1", "localhost")]
    config = uvicorn.Config(
        _guarded(app, hosts), http="h11", ws="none", lifespan="off", log_level="error", limit_concurrency=128,
        h11_max_incomplete_event_size=16_384, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    listener.listen()  # from now on, connections wait for the server
    on_start()
    server.run(sockets=[listener])


def _guarded(app: ASGIApp, hosts: list[str]) -> ASGIApp:
    """`app` for requests to one of `hosts` that no page of another origin sends, with bodies of limited size."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        size, headers = 0, Headers(scope=scope)

        async def next_piece() -> Message:
            nonlocal size
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
        else:
            with suppress(ClientDisconnect):
                await app(scope, next_piece, send)

    return answer
