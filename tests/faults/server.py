"""A provider on a real socket that does to each operation what a test tells it, and keeps the only true count of charges.

It writes bytes, not HTTP: what it says may be half, slow, wrong, endless, or nothing at all.
"""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from faults.shapes import Shape

CREATE, STATUS, VIDEO, OTHER = "create", "status", "video", "other"


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and the connection it came over."""

    server: "FaultServer"
    connection: socket.socket
    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    number: int = 0
    """Of its charge; several requests come at once, and each has a number of its own."""

    def write(self, content: bytes) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(content)

    @property
    def task(self) -> str:
        """The id of the task that a status request names."""
        return unquote(re.split(r"[=/]", self.path)[-1])

    @property
    def gone(self) -> bool:
        """Whether the client has hung up."""
        self.connection.settimeout(0.01)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


Act = Callable[[Exchange], None]


def charge(exchange: Exchange) -> None:
    with exchange.server.lock:
        exchange.server.charges.append(exchange.body)
        exchange.number = len(exchange.server.charges)


def hang(exchange: Exchange) -> None:
    """Says nothing more, until the client or the test has enough."""
    while not exchange.gone and not exchange.server.stopping.wait(0.01):
        pass


def reset(exchange: Exchange) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def raw(content: bytes) -> Act:
    return lambda exchange: exchange.write(content)


def drip(content: bytes, every: float = 0.02) -> Act:
    """One byte after the other, without an end of its own."""

    def act(exchange: Exchange) -> None:
        for place in range(len(content)):
            if exchange.gone or exchange.server.stopping.wait(every):
                return
            exchange.write(content[place : place + 1])

    return act


def flood(piece: bytes, most: int = 64 * 1024 * 1024) -> Act:
    """The same bytes again and again, up to `most` bytes in all."""

    def act(exchange: Exchange) -> None:
        exchange.connection.settimeout(5)
        with contextlib.suppress(OSError):
            for _ in range(most // len(piece)):
                exchange.connection.sendall(piece)

    return act


def message(status: int, content: bytes, kind: str = "application/json", **headers: str) -> bytes:
    lines = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status} said\r\n{head}\r\n".encode() + content


def says(status: int, value: Any, **headers: str) -> Act:
    """A whole JSON answer, or bytes as they are."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return raw(message(status, content, **headers))


def page(status: int) -> Act:
    return raw(message(status, b"<html><h1>Bad gateway</h1></html>", "text/html"))


def accept(exchange: Exchange) -> None:
    """The honest yes: charged, and named."""
    charge(exchange)
    says(200, exchange.server.shape.taken(f"task_{exchange.number}"))(exchange)


def refuse(code: int, retry_after: str = "") -> Act:
    """The documented no, with a Retry-After header where one is given."""

    def act(exchange: Exchange) -> None:
        status, value = exchange.server.shape.no[code]
        says(status, value, Retry_After=retry_after)(exchange)

    return act


def tell(word: str) -> Act:
    """A status answer about the task that was asked for: "running", "done" or "failed" in the provider's own word, or any
    other word as it is."""

    def act(exchange: Exchange) -> None:
        shape = exchange.server.shape
        said = getattr(shape, word, word)
        urls = [f"{exchange.server.url}/outputs/video.mp4"] if word == "done" else []
        says(200, shape.told(said, urls, exchange.task))(exchange)

    return act


def video(exchange: Exchange) -> None:
    exchange.write(message(200, exchange.server.video, "video/mp4"))


def kill(number: int) -> Act:
    """Sends a signal to the process that the test named, at this very moment, and waits until it has come there."""

    def act(exchange: Exchange) -> None:
        while not exchange.server.victim:  # the test knows its child a moment later than the child is there
            time.sleep(0.001)
        os.kill(exchange.server.victim, number)
        if number == signal.SIGKILL:
            hang(exchange)

    return act


def wait(seconds: float) -> Act:
    return lambda _: time.sleep(seconds)


def meet(number: int) -> Act:
    """Waits until so many create requests have arrived."""

    def act(exchange: Exchange) -> None:
        while exchange.server.count(CREATE) < number and not exchange.server.stopping.wait(0.005):
            pass

    return act


@dataclass(slots=True)
class FaultServer:
    """`plans` says for each operation what is done to its requests, one plan after the other; the last one stays.

    A plan is a tuple of acts; the connection is closed at its end. `charges` are the bodies that were charged, `requests`
    all that came, as (operation, path, headers).
    """

    shape: Shape
    video: bytes = b""
    plans: dict[str, list[tuple[Act, ...]]] = field(default_factory=dict)
    charges: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    victim: int = 0
    elsewhere: str = "http://127.0.0.1:9"
    url: str = ""
    _socket: socket.socket = field(default_factory=socket.socket)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        honest: dict[str, Act] = {CREATE: accept, STATUS: tell("done"), VIDEO: video, OTHER: page(404)}
        for name, act in honest.items():
            self.plans.setdefault(name, [(act,)])
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def count(self, operation: str) -> int:
        return sum(1 for name, _, _ in self.requests if name == operation)

    def stop(self) -> None:
        self.stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            exchange = self._read(connection)
            if exchange is None:
                return
            with self.lock:
                self.requests.append((exchange.operation, exchange.path, exchange.headers))
                plans = self.plans[exchange.operation]
                plan = plans.pop(0) if len(plans) > 1 else plans[0]
            for act in plan:
                act(exchange)
            # An orderly end: what was written arrives before the connection is gone.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(1)
                while connection.recv(65536):
                    pass

    def _read(self, connection: socket.socket) -> Exchange | None:
        connection.settimeout(5)
        content = b""
        while b"\r\n\r\n" not in content:
            more = connection.recv(65536)
            if not more or more[:1] == b"\x16":  # gone, or a handshake of TLS, which is not spoken here
                return None
            content += more
        head, _, body = content.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += connection.recv(65536)
        return Exchange(
            server=self,
            connection=connection,
            operation=self._operation(method, path),
            method=method,
            path=path,
            headers=headers,
            body=body.decode(),
        )

    def _operation(self, method: str, path: str) -> str:
        if method == "POST" and path == self.shape.create:
            return CREATE
        if path.startswith("/outputs/"):
            return VIDEO
        return STATUS if method == "GET" and path.startswith(self.shape.status) else OTHER


@contextlib.contextmanager
def serving(shape: Shape, video: bytes = b"", **plans: list[tuple[Act, ...]]) -> Iterator[FaultServer]:
    server = FaultServer(shape, video, plans=dict(plans))
    try:
        yield server
    finally:
        server.stop()
