"""A web server on loopback that hands out files as a test tells it, and counts every connection and request."""

import gzip
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from support import loopback


class Shelf:
    """Files by their path. `how` says how one is given, "ranges" if nothing is said:

    `whole` (no ranges), `unsized` (whole, chunked), `endless` (chunks without end), `gzip`, `drip` (a byte now and then),
    `cut` (ends in the middle), `shifted` (another range than asked for), `growing` (another size each time), `short` (gives
    a part of the range), `huge` (says that it is 10 TB), a number (that status) or an address (a redirect).
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.how: dict[str, Any] = {}
        self.kinds: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.stopped = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                outer.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                with suppress(OSError):
                    outer._give(self)

        class Server(loopback.Server):
            def get_request(self) -> Any:
                outer.connections += 1
                return super().get_request()

            def handle_error(self, *_: Any) -> None:
                pass  # a client that does not trust the certificate

        self.server = Server(Handler)
        if context:
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self.server.server_port
        self.origin = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.server.start()

    def put(self, path: str, data: bytes, how: Any = "ranges", kind: str = "application/octet-stream") -> str:
        """The address of a file."""
        self.files[path], self.how[path], self.kinds[path] = data, how, kind
        return self.origin + path

    def ranges(self, path: str) -> list[str]:
        return [headers.get("range", "") for asked, headers in self.asked if asked.partition("?")[0] == path]

    def stop(self) -> None:
        self.stopped.set()
        self.server.stop()

    def _give(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        how, data = self.how.get(path, 404), self.files.get(path, b"")
        said = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        assert said
        start, end = int(said[1]), min(int(said[2]) + 1, len(data))
        if isinstance(how, int):
            self._head(handler, how, {"Content-Length": "0"})
        elif "//" in how or how.startswith("/"):
            self._head(handler, 302, {"Location": how, "Content-Length": "0", "Set-Cookie": "seen=1"})
        elif how in ("ranges", "shifted", "growing", "short", "huge"):
            if start >= len(data) and how != "huge":
                self._head(handler, 416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
                return
            end = min(end, start + 100_000) if how == "short" else end
            whole = {"growing": len(data) + start, "huge": 10 * 10**12}.get(how, len(data))
            first = start + 7 if how == "shifted" else start
            part = data[start:end] or bytes(16)
            spans = {
                "Content-Range": f"bytes {first}-{first + len(part) - 1}/{whole}",
                "Content-Length": str(len(part)),
            }
            self._head(handler, 206, {**spans, "Content-Type": self.kinds[path], "Set-Cookie": "seen=1"})
            self._send(handler, part)
        else:
            self._whole(handler, how, data)

    def _whole(self, handler: BaseHTTPRequestHandler, how: str, data: bytes) -> None:
        handler.close_connection = True
        if how == "gzip":
            data = gzip.compress(data)
            self._head(handler, 200, {"Content-Encoding": "gzip", "Content-Length": str(len(data))})
            self._send(handler, data)
        elif how in ("unsized", "endless"):
            self._head(handler, 200, {"Transfer-Encoding": "chunked"})
            while True:
                self._send(handler, f"{len(data):x}\r\n".encode() + data + b"\r\n")
                if how == "unsized":
                    break
            self._send(handler, b"0\r\n\r\n")
        else:
            self._head(handler, 200, {"Content-Length": str(len(data))})
            if how == "drip":
                for byte in data:
                    self._send(handler, bytes([byte]))
                    if self.stopped.wait(0.02):
                        return
            self._send(handler, data[: len(data) // 2] if how == "cut" else data)

    def _head(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    def _send(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        for at in range(0, len(data), 16_384):
            handler.wfile.write(data[at : at + 16_384])


@contextmanager
def shelf(context: ssl.SSLContext | None = None) -> Iterator[Shelf]:
    """A running `Shelf`, stopped at the end."""
    made = Shelf(context)
    try:
        yield made
    finally:
        made.stop()
