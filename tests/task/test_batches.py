"""A provider whose document declares a call for many tasks is asked about many at once, each task once at a time."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from document.test_new_model import own_provider, written
from support.loopback import Server
from support.waiting import until

import seedance_nb as sd
from seedance_nb._provider import rate_limit

BATCH = {"operation": "films", "parameter": "film", "value": "/films", "id": "/id", "item": "/film", "most": 8}
REPLY = {"description": "all", "content": {"application/json": {"schema": {"type": "object"}}}}


class Films:
    """A provider on loopback that knows each film's state; it counts what it was asked, and the looks under way at each film."""

    def __init__(self) -> None:
        self.made, self.state, self.hidden, self.refuses = 0, "shooting", "", False
        self.batches, self.singles = list[list[str]](), list[str]()
        self.under_way, self.most, lock, outer = Counter[str](), 0, threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    outer.made += 1
                    self.send({"film": {"id": f"f-{outer.made}"}})

            def do_GET(self) -> None:
                names = parse_qs(urlsplit(self.path).query).get("film", [])
                asked = names or [self.path.rpartition("/")[2]]
                with lock:
                    (outer.batches.append(names) if names else outer.singles.extend(asked))
                    outer.under_way.update(asked)
                    outer.most = max(outer.most, *outer.under_way.values())
                time.sleep(0.01)
                films = [{"id": name, "state": outer.state, "reason": f"reason of {name}"} for name in asked]
                with lock:
                    outer.under_way.subtract(asked)
                if names and outer.refuses:
                    self.send({"problem": {"code": "bad", "text": "no such call"}}, 404)
                elif names:
                    self.send({"films": [film for film in films if film["id"] != outer.hidden]})
                else:
                    self.send({"film": films[0]})

            def send(self, said: Any, status: int = 200) -> None:
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = Server(Handler)
        self.server.start()
        self.url = self.server.url


@pytest.fixture
def films(monkeypatch: pytest.MonkeyPatch) -> Iterator[Films]:
    monkeypatch.setattr(rate_limit, "_PER_SECOND", 500.0)
    films = Films()
    yield films
    films.server.stop()


def document(tmp_path: Path, **task: Any) -> sd.Spec:
    page = own_provider()
    page["paths"]["/v2/films"]["get"] = {"operationId": "films", "responses": {"200": REPLY}}
    page["x-task"] |= task
    return sd.spec(written(tmp_path, page))


def followed(films: Films, spec: sd.Spec, tmp_path: Path, count: int) -> list[sd.Task]:
    """Tasks that were looked at for a while, and then failed."""

    async def brief(_: float) -> None:
        await asyncio.sleep(0.01)

    session = sd.Session(
        base_url=films.url,
        api_key="films-0123456789",
        ledger=tmp_path / "l.sqlite3",
        outputs=tmp_path / "o",
        sleep=brief,
    )
    tasks = [session.submit(spec, text_prompt=f"A boat {number}", seconds=2) for number in range(count)]
    until(lambda: films.made == count and len(films.batches) + len(films.singles) > 4 * count)
    films.state = "lost"
    for task in tasks:
        assert isinstance(task.future.exception(60), sd.TaskFailed)
    return tasks


def test_one_call_answers_for_many_tasks_and_each_gets_its_own_answer(films: Films, tmp_path: Path) -> None:
    tasks = followed(films, document(tmp_path, batch=BATCH), tmp_path, 12)
    assert films.singles == []
    assert max(map(len, films.batches)) > 1
    assert {task.row.error for task in tasks} == {f"reason of {task.row.task_id}" for task in tasks}
    assert len({task.row.error for task in tasks}) == 12


def test_no_call_asks_about_more_than_the_document_permits_or_about_one_twice(films: Films, tmp_path: Path) -> None:
    followed(films, document(tmp_path, batch=BATCH | {"most": 3}), tmp_path, 12)
    assert max(map(len, films.batches)) == 3
    assert all(len(set(names)) == len(names) for names in films.batches)
    assert films.most == 1


def test_without_such_a_call_each_task_is_asked_about_alone(films: Films, tmp_path: Path) -> None:
    followed(films, document(tmp_path), tmp_path, 3)
    assert films.batches == []
    assert {"f-1", "f-2", "f-3"} == set(films.singles)


def test_a_task_that_is_not_in_the_answer_is_asked_about_alone(films: Films, tmp_path: Path) -> None:
    films.hidden = "f-2"
    followed(films, document(tmp_path, batch=BATCH), tmp_path, 4)
    assert set(films.singles) == {"f-2"}


def test_where_the_call_is_refused_the_tasks_are_followed_all_the_same(films: Films, tmp_path: Path) -> None:
    films.refuses = True
    followed(films, document(tmp_path, batch=BATCH), tmp_path, 3)
    assert films.batches
    assert set(films.singles) == {"f-1", "f-2", "f-3"}


def test_a_call_for_many_that_is_no_get_could_be_paid_and_is_an_error_of_the_document(tmp_path: Path) -> None:
    with pytest.raises(sd.SpecError, match="must be a GET"):
        document(tmp_path, batch=BATCH | {"operation": "makeFilm"})


def test_the_limit_of_requests_starts_at_the_documented_rate_and_stays_there(films: Films, tmp_path: Path) -> None:
    task, *_ = followed(films, document(tmp_path, poll={"rate": 80}), tmp_path, 12)
    gate = task._flow().endpoint.gate
    assert gate
    assert gate().rate == 80
