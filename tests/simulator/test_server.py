"""The served simulator answers its own host name only, and bounds bodies and child processes."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from support.waiting import until

import seedance_nb as sd
from seedance_nb._simulator import app as application
from seedance_nb._simulator import server
from seedance_nb._simulator import store as storage
from seedance_nb._simulator.app import Simulator
from seedance_nb._simulator.store import Simulated, Store

CREATE, STATUS = "/api/v1/client/job/CreateTask", "/api/v1/client/job/TaskInfo"
KEY = {"x-api-key": "any"}


class Counting:
    """An app that reads the whole body of each request; it notes their sizes, and how many it read at once."""

    def __init__(self) -> None:
        self.bodies: list[int] = []
        self.inside = self.most = 0
        self.app = Starlette(routes=[Route("/", self.answer, methods=["GET", "POST", "PUT"])])

    async def answer(self, request: Request) -> Response:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            self.bodies.append(len(await request.body()))
            await asyncio.sleep(0)
        finally:
            self.inside -= 1
        return PlainTextResponse("ok")


@contextmanager
def listening(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a server in a thread, which is usable from the moment it says that it listens."""
    ready, servers = threading.Event(), []
    made = uvicorn.Server.__init__

    def remember(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        servers.append(self)

    monkeypatch.setattr(uvicorn.Server, "__init__", remember)
    monkeypatch.setattr(uvicorn.Server, "capture_signals", lambda _: _nothing())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.serve, args=(app, listener, ready.set), daemon=True)
        thread.start()
        assert ready.wait(30)
        yield listener.getsockname()[1]
        servers[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive(), "it does not end"


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def send(port: int, *pieces: bytes) -> bytes:
    """Everything that is answered until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(ConnectionError):  # an answer may come before all is sent
            for piece in pieces:
                connection.sendall(piece)
        return rest(connection)


def rest(connection: socket.socket) -> bytes:
    got = b""
    try:
        while piece := connection.recv(65_536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def head(port: int, *lines: str, host: str = "", method: str = "POST") -> bytes:
    first = (f"{method} / HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", "Connection: close")
    return "\r\n".join((*first, *lines, "", "")).encode()


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}"])
def test_its_own_name_is_answered(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        assert b"200 OK" in send(port, head(port, host=host.format(port=port), method="GET"))
    assert counting.bodies == [0]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
        "localhost.evil.example:{port}", "user@127.0.0.1:{port}", "127.0.0.1:{port}.", "[::1]:{port}", "0.0.0.0:{port}", "2130706433:{port}",
    ],
)  # fmt: skip
def test_another_host_name_is_refused_before_anything_is_read(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        answer = send(port, head(port, "Content-Length: 2", host=host.format(port=port)), b"{}")
        assert answer.startswith((b"HTTP/1.1 421", b"HTTP/1.1 400"))
        assert send(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 421")
    assert counting.bodies == []


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "*"]
)
def test_a_page_of_another_origin_is_refused(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        for method in ("POST", "PUT", "GET", "OPTIONS"):
            answer = send(port, head(port, f"Origin: {origin.format(port=port)}", "Content-Length: 0", method=method))
            assert answer.startswith(b"HTTP/1.1 403")
        assert b"200 OK" in send(port, head(port, f"Origin: http://localhost:{port}", "Content-Length: 0"))
    assert counting.bodies == [0]


@pytest.mark.parametrize("way", ["announced", "chunked", "announced with a sign", "announced twice"])
def test_a_body_beyond_the_limit_is_refused_while_it_is_read(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 300_000)
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        if way == "chunked":
            # The last byte is the one too many: what a server has not read when it closes may cost its answer.
            chunks = [b"%x\r\n" % size + b"x" * size + b"\r\n" for size in (100_000, 100_000, 100_001)]
            answer = send(port, head(port, "Transfer-Encoding: chunked"), *chunks)  # its end is never sent
            assert answer.startswith(b"HTTP/1.1 413")
        elif way == "announced":
            assert send(port, head(port, "Content-Length: 600000000")).startswith(b"HTTP/1.1 413")
        else:
            lines = (
                ["Content-Length: +600000000"] if way.endswith("sign") else ["Content-Length: 5", "Content-Length: 6"]
            )
            assert send(port, head(port, *lines)).startswith(b"HTTP/1.1 400")
        assert counting.bodies == []
        assert b"200 OK" in send(port, head(port, "Content-Length: 300000"), b"x" * 300_000)
    assert counting.bodies == [300_000]


def test_a_head_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        endless = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 100) for n in range(1000))
        answer = send(port, endless)
        assert not answer or answer.startswith(b"HTTP/1.1 400")
        assert b"200 OK" in send(port, head(port, method="GET"))
    assert counting.bodies == [0]


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 50"], b"half"),
        (["Content-Length: 90000"], b"x" * 80_000),
        (["Transfer-Encoding: chunked"], b"10000\r\n" + b"x" * 65_536),
        (["Transfer-Encoding: chunked"], (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 8),
        (["Content-Length: 600000000"], b"x" * 300_000),
    ],
)
def test_a_body_that_is_cut_off_or_refused_prints_nothing(
    lines: list[str], body: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 300_000)
    counting = Counting()
    simulator = Starlette(routes=[Route("/", counting.answer, methods=["GET", "POST"])])
    with listening(simulator, monkeypatch) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(head(port, *lines) + body)
        assert b"200 OK" in send(port, head(port, "Content-Length: 5"), b"12345")
        until(lambda: not counting.inside)
    assert capfd.readouterr().err == ""


def test_pipelined_requests_are_answered_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    with listening(counting.app, monkeypatch) as port:
        one = head(port, method="GET").replace(b"close", b"keep-alive")
        assert send(port, one * 50 + head(port, method="GET")).count(b"HTTP/1.1 200") == 51
    assert counting.most == 1


@pytest.fixture
def painters(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts the videos that are rendered at once, without rendering them."""
    seen = {"now": 0, "most": 0, "all": 0}

    async def paint(_spec: Any, _body: Any, output: Path, *_more: Any) -> str:
        seen["now"] += 1
        seen["all"] += 1
        seen["most"] = max(seen["most"], seen["now"])
        for _ in range(5):
            await asyncio.sleep(0)
        output.write_bytes(b"video")
        seen["now"] -= 1
        return ""

    monkeypatch.setattr(application, "paint", paint)
    return seen


async def none(_: str) -> bytes:
    return b""


@pytest.mark.parametrize("bounded", [True, False])
def test_a_hundred_creates_are_rendered_a_few_at_a_time(
    bounded: bool, painters: dict[str, int], crun: sd.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = application._MOST_PAINTERS
    if not bounded:  # the naive control
        monkeypatch.setattr(application, "_MOST_PAINTERS", 1000)
    store = Store(tmp_path)
    simulator = Simulator([crun], store, none, queue=0, run=0)
    queued: list[int] = []

    async def everything() -> None:
        transport = httpx.ASGITransport(app=simulator.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://s.invalid", headers=KEY) as client:
            answers = await asyncio.gather(*(client.post(CREATE, json=crun.example) for _ in range(100)))
            names = [answer.json()["data"]["task_id"] for answer in answers]
            queued.append(len(simulator._painting))
            while not all(store.output(name).exists() for name in names):
                for name in names:
                    await client.get(STATUS, params={"task_id": name})
                    queued.append(len(simulator._painting))

    asyncio.run(everything())
    assert painters["all"] == 100, "each is rendered once, those beyond the queue after a status call"
    assert max(queued) <= application._MOST_QUEUED
    assert (painters["most"] <= most) is bounded


def test_old_tasks_and_uploads_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_MOST_TASKS", 3)
    monkeypatch.setattr(storage, "_MOST_UPLOADS", 3)
    store, now = Store(tmp_path), 4_000_000_000.0
    for number in range(6):
        store.add(Simulated(id=f"task_{number}", spec="x", body={}, created=now + number, fault=""))
        store.output(f"task_{number}").write_bytes(b"video")
        store.save_upload(f"upload_{number}.png", b"image")
    assert [number for number in range(6) if store.get(f"task_{number}")] == [3, 4, 5]
    assert sorted(path.name for path in (tmp_path / "outputs").iterdir()) == ["task_3.mp4", "task_4.mp4", "task_5.mp4"]
    assert len(list((tmp_path / "uploads").iterdir())) == 3
    assert store.upload("upload_5.png").exists()
