"""A file server on loopback sockets that fails in every way that one can, and counts what it was asked for and what it gave."""

import gzip
import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

FLOOD = 64 * 1024**2
BOMB = gzip.compress(bytes(FLOOD))


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request. `cut` is where a broken body ends; `data` the bytes of the file."""

    server: "MediaServer"
    line: socket.socket
    path: str
    headers: dict[str, str]
    data: bytes
    cut: int

    @property
    def begin(self) -> int:
        """Where the asked range begins, 0 if none was asked for."""
        said = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(said[1]) if said else 0

    def head(self, status: int, **headers: Any) -> None:
        lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
        self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.line.sendall(data)
        with self.server.lock:
            self.server.given += len(data)

    def wait(self) -> None:
        self.server.stopping.wait(20)


Step = Callable[[Exchange], None]


def whole(x: Exchange, etag: str = '"one"', **more: Any) -> None:
    """A good server: ranges where they are asked for and the version is the same."""
    if x.begin and x.headers.get("if-range") == etag:
        part = x.data[x.begin :]
        given = f"bytes {x.begin}-{len(x.data) - 1}/{len(x.data)}"
        x.head(206, ETag=etag, Content_Range=given, Content_Length=len(part), **more)
        x.send(part)
    else:
        x.head(200, ETag=etag, Content_Length=len(x.data), **more)
        x.send(x.data)


def status(code: int) -> Step:
    return lambda x: x.head(code, Content_Length=0)


def close(x: Exchange) -> None:
    x.line.close()


def reset(x: Exchange) -> None:
    x.head(200, Content_Length=len(x.data))
    x.send(x.data[: x.cut])
    x.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    x.line.close()


def hang(x: Exchange) -> None:
    x.head(200, ETag='"one"', Content_Length=len(x.data))
    x.send(x.data[: x.cut])
    x.wait()


def silence(x: Exchange) -> None:
    x.wait()


def half(x: Exchange) -> None:
    """Ends too early, and says which version it was."""
    x.head(200, ETag='"one"', Content_Length=len(x.data))
    x.send(x.data[: x.cut])


def half_unnamed(x: Exchange) -> None:
    x.head(200, Content_Length=len(x.data))
    x.send(x.data[: x.cut])


def half_weak(x: Exchange) -> None:
    x.head(200, ETag='W/"one"', Content_Length=len(x.data))
    x.send(x.data[: x.cut])


def half_other(x: Exchange) -> None:
    """The beginning of an older version."""
    x.head(200, ETag='"old"', Content_Length=len(x.data))
    x.send(bytes(reversed(x.data))[: x.cut])


def too_long(x: Exchange) -> None:
    x.head(200, Content_Length=len(x.data) + 1000)
    x.send(x.data)


def too_short(x: Exchange) -> None:
    """Says a length that cuts the file off; nothing but the file itself tells."""
    x.head(200, Content_Length=x.cut)
    x.send(x.data[: x.cut])


def chunked_cut(x: Exchange) -> None:
    x.head(200, Transfer_Encoding="chunked")
    x.send(f"{len(x.data):x}\r\n".encode() + x.data[: x.cut])


def endless_end(x: Exchange) -> None:
    """Cut off with no length: the end of the connection is the end of the file."""
    x.head(200)
    x.send(x.data[: x.cut])


def unsized(x: Exchange) -> None:
    x.head(200)
    x.send(x.data)


def html(x: Exchange) -> None:
    page = b"<html>We will be back soon</html>"
    x.head(200, Content_Type="text/html", Content_Length=len(page))
    x.send(page)


def zipped(x: Exchange) -> None:
    data = gzip.compress(x.data)
    x.head(200, Content_Encoding="gzip", Content_Length=len(data))
    x.send(data)


def bomb(x: Exchange) -> None:
    x.head(200, Content_Encoding="gzip", Content_Length=len(BOMB))
    x.send(BOMB)


def header_flood(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(FLOOD // 1024):
        x.send(f"X-{number}: ".encode() + b"a" * 1000 + b"\r\n")


def endless(x: Exchange) -> None:
    x.head(200, Transfer_Encoding="chunked")
    for _ in range(FLOOD // 16_384):
        x.send(b"4000\r\n" + bytes(16_384) + b"\r\n")


def vast(x: Exchange) -> None:
    x.head(200, Content_Length=10 * 1024**3)
    for _ in range(FLOOD // 16_384):
        x.send(bytes(16_384))


def drip(x: Exchange) -> None:
    x.head(200, Content_Length=len(x.data))
    for byte in x.data:
        x.send(bytes([byte]))
        if x.server.stopping.wait(0.02):
            return


def drip_head(x: Exchange) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
        x.send(bytes([byte]))
        if x.server.stopping.wait(0.02):
            return


def no_ranges(x: Exchange) -> None:
    x.head(200, ETag='"one"', Content_Length=len(x.data))
    x.send(x.data)


def renamed(x: Exchange) -> None:
    """Ignores If-Range and gives the rest of another version, naming it."""
    if not x.begin:
        whole(x, '"two"')
        return
    part = x.data[x.begin :]
    given = f"bytes {x.begin}-{len(x.data) - 1}/{len(x.data)}"
    x.head(206, ETag='"two"', Content_Range=given, Content_Length=len(part))
    x.send(part)


def shifted(x: Exchange) -> None:
    """Another part than was asked for."""
    if not x.begin:
        whole(x)
        return
    part = x.data[x.begin + 7 :]
    given = f"bytes {x.begin + 7}-{len(x.data) - 1}/{len(x.data)}"
    x.head(206, ETag='"one"', Content_Range=given, Content_Length=len(part))
    x.send(part)


def resized(x: Exchange) -> None:
    """The right part of a file of another size."""
    if not x.begin:
        whole(x)
        return
    part = x.data[x.begin :] + bytes(9)
    given = f"bytes {x.begin}-{len(x.data) + 8}/{len(x.data) + 9}"
    x.head(206, ETag='"one"', Content_Range=given, Content_Length=len(part))
    x.send(part)


def unasked(x: Exchange) -> None:
    x.head(206, Content_Range=f"bytes 0-{x.cut - 1}/{len(x.data)}", Content_Length=x.cut)
    x.send(x.data[: x.cut])


def to(address: str) -> Step:
    return lambda x: x.head(302, Location=address, Content_Length=0, Set_Cookie="seen=1")


@dataclass
class MediaServer:
    """`plans` are the steps of a path, used up one by one, the last one stays; `outputs` what a status answer names.

    `asked` are the requests for files, `looks` those for the task, `given` the bytes that were sent.
    """

    plans: dict[str, list[Step]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    cut: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    puts: list[bytes] = field(default_factory=list)
    looks: int = 0
    given: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._socket.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def put(self, path: str, data: bytes, *steps: Step) -> str:
        """The address of a file that is given by these steps."""
        self.files[path], self.plans[path] = data, list(steps or (whole,))
        return self.origin + path

    def ranges(self) -> list[str]:
        return [headers.get("range", "") for _, headers in self.asked]

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError, ValueError), line:
            head, _, body = _read_head(line)
            first, *rest = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
            path = target.partition("?")[0]
            while len(body) < int(headers.get("content-length", 0)):
                body += line.recv(65_536)
            steps = self.plans.get(path, [])
            x = Exchange(
                server=self, line=line, path=path, headers=headers, data=self.files.get(path, b""), cut=self.cut
            )
            if path.endswith("/TaskInfo"):
                self.looks += 1
                data = {"task_id": "task_1", "status": "success", "result": {"media_urls": self.outputs}}
                said = json.dumps({"code": 200, "message": "success", "data": data}).encode()
                x.head(200, Content_Type="application/json", Content_Length=len(said))
                x.send(said)
                return
            self.asked.append((target, headers))
            if method == "PUT":
                self.puts.append(body)
            with self.lock:
                step = status(404) if not steps else steps.pop(0) if len(steps) > 1 else steps[0]
            step(x)
            with suppress(OSError):
                line.shutdown(socket.SHUT_WR)


def _read_head(line: socket.socket) -> tuple[bytes, bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65_536)
        if not more:
            raise OSError("nothing was asked")
        data += more
    return data.partition(b"\r\n\r\n")
