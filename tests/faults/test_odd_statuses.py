"""Odd answers to a status call: a finished video is never waited for in vain, and never another task's."""

import gzip
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import child
from faults.server import CREATE, STATUS, Act, Exchange, FaultServer, accept, message, raw, says, serving, tell
from faults.shapes import CRUN, PRO, VASTNUM, Shape
from faults.test_following import Clock
from support.clips import provider_bytes
from support.waiting import until

import seedance_nb as sd
from seedance_nb._ledger import ledger
from seedance_nb._ledger.row import State


def done(exchange: Exchange) -> bytes:
    urls = [f"{exchange.server.url}/outputs/video.mp4"]
    return json.dumps(exchange.server.shape.told("success", urls, exchange.task)).encode()


def changed(before: bytes = b"", after: bytes = b"", cut: int | None = None, **headers: str) -> Act:
    def act(exchange: Exchange) -> None:
        content = before + done(exchange)[:-1] + b', "eta": NaN, "eta": 2, "x": "\xff"}' + after
        exchange.write(
            message(200, gzip.compress(content) if "Content_Encoding" in headers else content, **headers)[:cut]
        )

    return act


def flat(exchange: Exchange) -> None:
    url = f"{exchange.server.url}/outputs/video.mp4"
    found = {"id": exchange.task, "object": "video", "status": "completed", "progress": 100, "metadata": {"url": url}}
    says(200, found)(exchange)


ODD: dict[str, Act] = {
    "fields that nobody reads": changed(),
    "compressed": changed(Content_Encoding="gzip"),
    "text around it": changed(b"Warning: x\n", b"\nOK"),
    "a warning in HTML": changed(b"<br />\n<b>Warning</b>: x\n"),
    "a byte order mark": changed(b"\xef\xbb\xbf"),
    "a length that is too long": changed(Content_Length="9000"),
    "a space in the name of a header": changed(X_Cache_="HIT"),
    "padding of 3 MB": changed(after=b" " * 3_000_000),
}


def finished(change: Callable[[dict[str, Any], str], Any]) -> Act:
    """A status answer whose object of the task and URL are changed so, as JSON or as text."""

    def act(exchange: Exchange) -> None:
        url = f"{exchange.server.url}/outputs/video.mp4"
        task = {"task_id": exchange.task, "status": "success", "result": {"media_urls": [url]}}
        value = change(task, url)
        says(200, value.encode() if isinstance(value, str) else {"code": 200, "message": "success", "data": value})(
            exchange
        )

    return act


def renamed(name: str, word: str = "success") -> Act:
    return finished(lambda task, _: {"task_id": task["task_id"], name: word, "result": task["result"]})


def text(after: str) -> Act:
    return finished(lambda task, _: json.dumps({"code": 200, "data": task})[:-2] + after)


CRUN_ODD: dict[str, Act] = {
    "in a list": finished(lambda task, _: [task]),
    "as JSON text": finished(lambda task, _: json.dumps(task)),
    "as a flat answer": finished(lambda task, _: json.dumps(task)),
    "in another object": finished(lambda task, _: {"job": task}),
    "task_status": renamed("task_status"),
    "taskStatus": renamed("taskStatus", "SUCCESS"),
    "state": renamed("state"),
    "done": renamed("status", "done"),
    "finished": renamed("status", "Finished"),
    "video_url": finished(lambda task, url: task | {"result": {"video_url": url}}),
    "video_url beside it": finished(lambda task, url: task | {"result": None, "video_url": url}),
    "an unknown escape": text(r""", "param": {"prompt": "it\'s"}}}"""),
    "a comma before the end": text(', "param": {"list": [1, 2,],},}}'),
    "a comment": text(', /* "not", this */ "cost": 1 // one\n}}'),
    "cut in a text": text(', "param": {"prompt": "a, b: {'),
    "cut in an object": text(', "param": {"duration": 4, "seed"'),
    "a quoted URL": finished(lambda task, url: task | {"result": {"media_urls": [f"'{url}'"]}}),
    "a URL in brackets": finished(lambda task, url: task | {"result": {"media_urls": [f"<{url}>"]}}),
    "a URL from HTML": finished(lambda task, url: task | {"result": {"media_urls": [f"{url}?a=1&amp;b=2"]}}),
    "two URLs in one": finished(lambda task, url: task | {"result": {"media_urls": f"{url},{url}?2"}}),
    "two URLs in two lines": finished(lambda task, url: task | {"result": {"media_urls": f"{url}\n{url}?2"}}),
}


@pytest.mark.parametrize("odd", CRUN_ODD)
def test_a_finished_video_is_saved_wherever_its_state_and_url_stand(
    odd: str, crun: FaultServer, tmp_path: Path
) -> None:
    crun.plans[STATUS] = [(CRUN_ODD[odd],)]
    session = child.session_at(crun.url, tmp_path)
    assert provider_bytes(session.generate(CRUN.model, timeout=20, **CRUN.fields).path) == crun.video
    assert not any("amp;" in path for _, path, _ in crun.requests)


@pytest.mark.parametrize(
    "value", [{"task_id": "task_1", "steps": [{"status": "failed"}]}, {"steps": [{"state": "success"}]}]
)
def test_a_state_of_something_else_is_not_the_tasks(value: Any, crun: FaultServer, tmp_path: Path) -> None:
    crun.plans[STATUS] = [(says(200, {"code": 200, "data": value}),), (tell("done"),)]
    session = child.session_at(crun.url, tmp_path)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()


@pytest.mark.parametrize("odd", ODD)
def test_a_finished_video_is_saved_however_oddly_it_is_reported(
    odd: str, server: FaultServer, shape: Shape, tmp_path: Path
) -> None:
    server.plans[STATUS] = [(ODD[odd],)]
    session = child.session_at(server.url, tmp_path)
    assert provider_bytes(session.generate(shape.model, timeout=60, **shape.fields).path) == server.video


@pytest.fixture
def relay(made: tuple[sd.Session, sd.Video]) -> Any:
    with serving(VASTNUM, made[1].path.read_bytes()) as found:
        yield found


@pytest.fixture
def crun(made: tuple[sd.Session, sd.Video]) -> Any:
    with serving(CRUN, made[1].path.read_bytes()) as found:
        yield found


def test_the_flat_answer_of_a_newer_relay_is_read(relay: FaultServer, tmp_path: Path) -> None:
    relay.plans[STATUS] = [(flat,)]
    session = child.session_at(relay.url, tmp_path)
    assert session.generate(VASTNUM.model, timeout=60, **VASTNUM.fields).path.exists()


def test_a_failed_call_is_not_a_failed_task(crun: FaultServer, tmp_path: Path) -> None:
    crun.plans[STATUS] = [(says(200, {"status": "failed", "message": "database is down"}),), (tell("done"),)]
    session = child.session_at(crun.url, tmp_path)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()


FAILED_CALLS: list[tuple[int, Any]] = [
    (429, {"status": "failed", "id": "req_1", "message": "Too many requests"}),
    (503, {"status": "failed", "error": {"id": "e1", "message": "upstream timeout"}}),
    (500, {"code": 200, "data": {"task_id": "task_1", "status": "failed"}}),
    (501, {"code": 501, "message": "Not Implemented"}),
    (200, {"status": "fail", "error": {"id": "e1", "message": "x"}}),
    (200, {"state": "failed", "request": {"id": "e1"}}),
    (200, {"status": "failed", "task_id": None}),
    (502, b'<html><script>{"data": {"status": "failed", "id": "task_1"}}</script></html>'),
    (200, b'<html><script>{"data": {"status": "failed", "id": "task_1"}}</script></html>'),
]


@pytest.mark.parametrize(("status", "content"), FAILED_CALLS)
def test_no_failed_call_ends_a_paid_task(status: int, content: Any, crun: FaultServer, tmp_path: Path) -> None:
    crun.plans[STATUS] = [(says(status, content),), (tell("done"),)]
    session = child.session_at(crun.url, tmp_path)
    assert provider_bytes(session.generate(CRUN.model, timeout=60, **CRUN.fields).path) == crun.video
    assert len(crun.charges) == 1


def test_a_client_that_believes_any_word_gives_each_of_these_tasks_up() -> None:
    texts = [content.decode() if isinstance(content, bytes) else json.dumps(content) for _, content in FAILED_CALLS]
    assert all(re.search(r'"(status|state)": "fail|501', text) for text in texts)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_accepted_is_said_whatever_the_answer_calls_its_state(
    status: int, crun: FaultServer, tmp_path: Path
) -> None:
    crun.plans[STATUS] = [(says(status, {"status": "error", "id": "task_1", "message": "bad key"}),)]
    with pytest.raises(sd.Unauthorized, match="did not accept the key"):
        child.session_at(crun.url, tmp_path).generate(CRUN.model, timeout=60, **CRUN.fields)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_status_call_that_moved_within_the_provider_is_followed_with_the_key(
    status: int, crun: FaultServer, tmp_path: Path
) -> None:
    def moved(exchange: Exchange) -> None:
        if "moved" in exchange.path:
            tell("done")(exchange)
        else:
            exchange.write(message(status, b"", Location=f"{CRUN.status}?moved=1&task_id={exchange.task}"))

    crun.plans[STATUS] = [(moved,)]
    session = child.session_at(crun.url, tmp_path)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
    assert {headers[CRUN.header] for operation, _, headers in crun.requests if operation == STATUS} == {child.KEY}


def test_a_status_call_that_moved_elsewhere_is_not_followed_and_says_where_to(
    crun: FaultServer, tmp_path: Path
) -> None:
    with serving(CRUN) as other:
        crun.plans[STATUS] = [(raw(message(301, b"", Location=f"{other.url}/x?key=secret")),)]
        task = child.session_at(crun.url, tmp_path).submit(CRUN.model, **CRUN.fields)
        until(lambda: task.row.error)
        with pytest.raises(sd.WaitTimeout) as waited:
            task.wait(0)
        assert f"HTTP 301 without a state: it redirected to {other.url}" in str(waited.value)
        assert "secret" not in str(waited.value)
        assert other.requests == []


def test_a_status_call_that_moves_in_a_circle_is_given_up_for_this_time(crun: FaultServer, tmp_path: Path) -> None:
    circle = raw(message(302, b"", Location=f"{CRUN.status}?task_id=task_1"))
    crun.plans[STATUS] = [(circle,), (circle,), (circle,), (circle,), (tell("done"),)]
    session = child.session_at(crun.url, tmp_path)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()


def test_a_status_of_another_task_is_not_taken_for_this_ones(server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    def other(exchange: Exchange) -> None:
        urls = [f"{exchange.server.url}/outputs/other.mp4"]
        says(200, shape.told(shape.done, urls, "task_of_somebody"))(exchange)

    server.plans[STATUS] = [(other,)]
    session = child.session_at(server.url, tmp_path)
    task = session.submit(shape.model, **shape.fields)
    until(lambda: "another task" in task.row.error)
    with pytest.raises(sd.WaitTimeout, match='the response is about another task, "task_of_somebody"'):
        task.wait(0)
    assert (task.row.outputs, task.state) == ((), State.QUEUED)
    server.plans[STATUS] = [(tell("done"),)]
    assert provider_bytes(task.wait(60).path) == server.video


def test_an_id_that_was_given_before_is_not_followed_for_a_second_request(
    server: FaultServer, shape: Shape, tmp_path: Path
) -> None:
    session = child.session_at(server.url, tmp_path)
    first = session.generate(shape.model, timeout=60, **shape.fields)
    server.plans[CREATE] = [(says(200, shape.taken("task_1")),), (accept,)]
    for _ in range(2):
        with pytest.raises(sd.UnknownOutcome, match=r"the id task_1, which belongs to another request \(number 1\)"):
            session.generate(shape.model, take=2, timeout=60, **shape.fields)
    assert session.task(first.task).row.seq == 1
    assert server.count(CREATE) == 2


@pytest.mark.parametrize("is_checked", [True, False], ids=["", "a ledger that writes every id"])
def test_of_two_answers_that_arrive_at_once_with_one_id_only_one_is_believed(
    is_checked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)

    def taken(exchange: Exchange) -> None:
        both.wait(30)
        says(200, CRUN.taken("task_1"))(exchange)

    if not is_checked:
        monkeypatch.setattr(ledger, "_OTHER_TASK", "SELECT seq FROM tasks WHERE 0 IN (?, ?, ?, ?)")
    with serving(CRUN, create=[(taken,)]) as server:
        session = child.session_at(server.url, tmp_path)
        tasks = [session.submit(CRUN.model, take=take, **CRUN.fields) for take in (1, 2)]
        until(lambda: all(task.state not in (State.WAITING, State.SENDING) for task in tasks))
        unknown = [task.row for task in tasks if task.row.state is State.UNKNOWN]
        assert server.count(CREATE) == 2
    assert len(unknown) == is_checked, "which of the two the task is of, nobody knows; the other blocks and says so"
    assert all("task_1, which belongs to another request" in row.error and not row.task_id for row in unknown)


def test_a_state_that_runs_backwards_is_reported(crun: FaultServer, tmp_path: Path) -> None:
    crun.plans[STATUS] = [(tell("running"),), (tell("pending"),)]
    task = child.session_at(crun.url, tmp_path).submit(CRUN.model, **CRUN.fields)
    until(lambda: "had reported" in task.row.error)
    with pytest.raises(sd.WaitTimeout, match="crun reports pending, after it had reported running"):
        task.wait(0)
    crun.plans[STATUS] = [(tell("done"),)]
    assert task.wait(60).path.exists()


REASONS: list[tuple[Any, str]] = [
    ("no faces", "no faces"),
    ({"code": "E12", "message": "no faces"}, "E12: no faces"),
    ([{"message": "no faces"}, "and no logos"], "no faces; and no logos"),
    ({"kind": "nsfw"}, '{"kind": "nsfw"}'),
    ({"title": "Rejected", "detail": "no faces"}, "Rejected: no faces"),
]


@pytest.mark.parametrize(("reason", "words"), REASONS)
def test_a_failure_quotes_its_reason_in_whatever_form(reason: Any, words: str, tmp_path: Path) -> None:
    with serving(PRO, status=[(says(200, {"taskId": "task_1", "status": "fail", "error": reason}),)]) as server:
        with pytest.raises(sd.TaskFailed) as failed:
            child.session_at(server.url, tmp_path).generate(PRO.model, timeout=60, **PRO.fields)
        assert words in str(failed.value)


def test_an_unseen_word_is_shown_with_its_reason_and_after_a_while_with_a_warning(tmp_path: Path) -> None:
    clock = Clock()
    aborted = {"taskId": "task_1", "status": "aborted", "error": {"message": "the worker died"}}
    with serving(PRO, status=[(says(200, aborted),)]) as server:
        session = child.session_at(server.url, tmp_path, sleep=clock.sleep, clock=clock)
        task = session.submit(PRO.model, **PRO.fields)
        until(lambda: "the worker died" in task.row.error)
        with pytest.raises(sd.WaitTimeout, match=r"is still unrecognised \(aborted\).* the worker died"):
            task.wait(0)
        assert "unrecognised (aborted: the worker died" in repr(task)
        assert "aborted: the worker died" in repr(session.tasks())
        until(lambda: "may never end" in session.tasks()[0].error)
        with pytest.raises(sd.WaitTimeout, match="may never end"):
            task.wait(0)
        server.plans[STATUS] = [(tell("failed"),)]
        with pytest.raises(sd.TaskFailed):
            task.wait(60)


PAGE = b"<!doctype html><html><head><title>502 Bad\n Gateway</title></head></html>"


@pytest.mark.parametrize(
    ("status", "content", "headers", "words"),
    [
        (400, {"error": {"message": "bad ratio", "type": "invalid"}}, {}, "'bad ratio'"),
        (422, {"detail": [{"loc": ["body", "prompt"], "msg": "field required"}]}, {}, "'body.prompt: field required'"),
        (400, {"type": "https://x", "title": "Bad", "detail": "no credit"}, {}, "'Bad: no credit'"),
        (400, {"errors": ["one", {"message": "two"}]}, {}, "'one; two'"),
        (
            502,
            PAGE,
            {"Server": "cloudflare"},
            '(HTTP 502) is a web page titled "502 Bad Gateway" from the server "cloudflare"',
        ),
        (
            404,
            {"detail": "no route"},
            {},
            "HTTP 404 without a task id most likely means that it was refused and not charged",
        ),
    ],
)
def test_what_an_unclear_answer_says_is_quoted(
    status: int, content: Any, headers: dict[str, str], words: str, tmp_path: Path
) -> None:
    with serving(CRUN, create=[(says(status, content, **headers),)]) as server:
        with pytest.raises(sd.UnknownOutcome) as unclear:
            child.session_at(server.url, tmp_path).generate(CRUN.model, timeout=60, **CRUN.fields)
        assert words in str(unclear.value)
        assert "The response began with:" in str(unclear.value)
        with pytest.raises(sd.UnknownOutcome):
            child.session_at(server.url, tmp_path).generate(CRUN.model, timeout=60, **CRUN.fields)
        assert server.count(CREATE) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 413, 415])
def test_an_empty_refusal_is_most_likely_one_and_never_certainly(status: int, tmp_path: Path) -> None:
    with serving(CRUN, create=[(says(status, b""),)]) as server:
        for _ in range(2):
            with pytest.raises(sd.UnknownOutcome, match=f"HTTP {status}.*it is empty; .* most likely .* not charged"):
                child.session_at(server.url, tmp_path).generate(CRUN.model, timeout=60, **CRUN.fields)
        assert server.count(CREATE) == 1


@pytest.mark.parametrize(
    ("status", "content", "headers"),
    [(400, b"", {}), (500, b"", {}), (401, b"Denied", {}), (401, b"", {"Location": "/tasks/task_1"})],
)
def test_other_answers_without_words_promise_nothing(
    status: int, content: bytes, headers: dict[str, str], tmp_path: Path
) -> None:
    with serving(CRUN, create=[(says(status, content, **headers),)]) as server:
        with pytest.raises(sd.UnknownOutcome) as unclear:
            child.session_at(server.url, tmp_path).generate(CRUN.model, timeout=60, **CRUN.fields)
        assert "most likely" not in str(unclear.value)


def test_the_saved_start_of_an_answer_shows_no_key(tmp_path: Path) -> None:
    echo = b"x" * 970 + child.KEY.encode() + b" and more"
    with serving(CRUN, create=[(says(500, echo),)]) as server:
        session = child.session_at(server.url, tmp_path)
        with pytest.raises(sd.UnknownOutcome) as unclear:
            session.generate(CRUN.model, timeout=60, **CRUN.fields)
        shown = str(unclear.value) + session.tasks()[0].word
        assert "x" * 900 in shown
        assert child.KEY[:8] not in shown
