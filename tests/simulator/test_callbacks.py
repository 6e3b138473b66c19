"""The simulator posts callbacks to this computer, and to no other."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from support.loopback import Server
from support.waiting import until

import seedance_nb as sd
from seedance_nb._simulator.app import Simulator
from seedance_nb._web.client import AccessPolicy, put_bytes

PRO, CRUN = "seedance2-pro/seedance-20-i2v", "crun/seedance-1.0-pro-t2v"
FIELDS: dict[str, dict[str, Any]] = {
    CRUN: {"prompt": "A fox", "resolution": "480p", "duration": 2},
    PRO: {"prompt": "A fox", "urls": ["https://example.com/a.png"], "duration": "4s"},
}
NAMES = {CRUN: "callback_url", PRO: "callBackUrl"}


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server and the bodies that arrived there."""
    arrived: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = Server(Receiver)
    server.start()
    yield f"{server.url}/done", arrived
    server.stop()


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    return sd.Session(queue_s=0, run_s=0, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o")


@pytest.mark.parametrize("model", FIELDS)
def test_a_task_that_ended_is_posted_once_in_the_shape_that_the_docs_name(
    model: str, session: sd.Session, listener: tuple[str, list[bytes]]
) -> None:
    url, arrived = listener
    task = session.submit(model, **FIELDS[model] | {NAMES[model]: url})
    until(lambda: arrived)
    assert session.callback(arrived[0]).name == task.name
    assert session.callback(arrived[0]).row.state == "done"
    body = json.loads(arrived[0])
    assert body[sd.spec(model).callback_id.removeprefix("/")] == task.row.task_id
    assert body["status"] == "success"
    task.wait(60)
    assert len(arrived) == 1


def test_a_task_that_failed_is_posted_too(session: sd.Session, listener: tuple[str, list[bytes]]) -> None:
    url, arrived = listener
    session.submit(CRUN, **FIELDS[CRUN] | {"prompt": "simulate:fail", "callback_url": url})
    until(lambda: arrived)
    assert json.loads(arrived[0])["status"] == "failed"


OTHERS = [
    "https://example.com/done", "http://10.0.0.1/", "http://0.0.0.0:9/", "http://127.0.0.1.example.com:9/", "http://localhost.example.com:9/", "http://evil.localhost:9/",
    "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/", "http://[", "127.0.0.1:9", "http://127.0.0.1:9@example.com/", "http://127.0.0.1\\@example.com/", "http:127.0.0.1", "",
]  # fmt: skip


@pytest.mark.parametrize("url", [*OTHERS, "http://127.0.0.1:9/done", "http://localhost:9/done"])
def test_a_callback_to_another_host_is_not_even_waited_for(
    url: str, session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    async def call_back(_: Simulator, __: str, to: str, ___: str) -> None:
        begun.append(to)

    monkeypatch.setattr(Simulator, "_call_back", call_back)
    monkeypatch.setattr(Simulator, "_paint", lambda *_: None)
    extra = {"/callback_url": url}
    with contextlib.suppress(sd.InvalidInput):  # some are no URL at all
        session.submit(CRUN, **FIELDS[CRUN], extra=extra)
        until(lambda: session.tasks()[0].task_id)
    assert begun == ([] if url in OTHERS else [url])


def test_a_callback_with_a_user_name_in_its_url_is_not_sent(listener: tuple[str, list[bytes]]) -> None:
    url, arrived = listener
    policy = AccessPolicy(origin=url)
    for address, count in ((url.replace("//", "//a:b@"), 0), (url, 1)):
        asyncio.run(put_bytes(address, b"{}", "application/json", policy, method="POST"))
        assert len(arrived) == count
