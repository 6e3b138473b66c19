"""Odd answers to the paid request: whatever can be read in one is saved and shown, and none is ever paid for twice."""

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import child
from faults.server import CREATE, Act, Exchange, accept, charge, message, raw, reset, serving
from faults.shapes import CRUN, VASTNUM, Shape
from faults.table import ANSWER_S
from support.waiting import plain_client

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._provider.answers import read_content

ID = "task_Zq7"
YES = {"code": 200, "message": "success", "data": {"task_id": ID}}
TEXT = json.dumps(YES)
PLAIN = TEXT.encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """An answer, the id that a person could read in it ("" for none), and what it must come to."""

    name: str
    acts: tuple[Act, ...]
    task: str
    state: State
    shape: Shape = CRUN
    charged: bool = True


def body(
    name: str, content: bytes | str, task: str = ID, state: State = State.UNKNOWN, status: int = 200, **more: Any
) -> Odd:
    content = content.encode() if isinstance(content, str) else content
    shape = more.pop("shape", CRUN)
    acts = (raw(message(status, content, **more)),)
    return Odd(name=name, acts=acts, task=task, state=state, shape=shape)


def with_id(name: str, value: Any, task: str = "", state: State = State.DONE) -> Odd:
    return body(name, json.dumps({"code": 200, "data": {"task_id": value}}), task or str(value), state)


def wire(name: str, *parts: bytes, task: str = ID, end: Act | None = None, state: State = State.UNKNOWN) -> Odd:
    return Odd(name=name, acts=(*map(raw, parts), *([end] if end else [])), task=task, state=state)


def refusal(
    name: str, value: Any, status: int = 200, task: str = ID, state: State = State.UNKNOWN, shape: Shape = CRUN
) -> Odd:
    odd = body(name, json.dumps(value), task, state, status)
    return Odd(name=odd.name, acts=odd.acts, task=task, state=state, shape=shape, charged=bool(task))


def deflated(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(content) + stream.flush()


def redirected(exchange: Exchange) -> None:
    exchange.write(message(303, b"", Location=f"{exchange.server.url}/tasks/{ID}?signature=secret"))


_PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head></html>"
_NO = {"code": 402, "message": "Insufficient Credits"}
_SLOW = {"code": 429, "message": "Slow down"}
_UUID = "0c9b6a52-5d0e-4c1b-9f0e-6f1f7b1c2d3e"

ODD: tuple[Odd, ...] = (
    body("a plain yes", PLAIN, state=State.DONE),
    body("gzip without a header", gzip.compress(PLAIN), state=State.DONE),
    body("gzip with a header", gzip.compress(PLAIN), state=State.DONE, Content_Encoding="gzip"),
    body("gzip within gzip", gzip.compress(gzip.compress(PLAIN)), state=State.DONE, Content_Encoding="gzip, gzip"),
    body("deflate", zlib.compress(PLAIN), state=State.DONE, Content_Encoding="deflate"),
    body("raw deflate", deflated(PLAIN), state=State.DONE, Content_Encoding="deflate"),
    body("plain, called gzip", PLAIN, state=State.DONE, Content_Encoding="gzip"),
    body("plain, called br", PLAIN, state=State.DONE, Content_Encoding="br"),
    body("an unknown encoding", PLAIN, state=State.DONE, Content_Encoding="aws-chunked"),
    body("gzip that is cut", gzip.compress(PLAIN + b" " * 900)[:-9]),
    body("a byte order mark", b"\xef\xbb\xbf" + PLAIN, state=State.DONE),
    body("UTF-16", TEXT.encode("utf-16"), state=State.DONE),
    body("UTF-16 without a mark", TEXT.encode("utf-16-le"), state=State.DONE),
    body("UTF-32", TEXT.encode("utf-32"), state=State.DONE),
    body("a byte that is not UTF-8", PLAIN.replace(b"success", b"succ\xe8s"), state=State.DONE),
    body("a raw line break in a text", PLAIN.replace(b"success", b"suc\ncess"), state=State.DONE),
    body("half a surrogate pair", PLAIN.replace(b"success", b"\\ud800"), state=State.DONE),
    body("NaN in an unread field", PLAIN[:-1] + b', "eta": NaN}', state=State.DONE),
    body("Infinity in an unread field", PLAIN[:-1] + b', "eta": -Infinity}', state=State.DONE),
    body("a number of 5,000 digits", PLAIN[:-1] + b', "x": ' + b"9" * 5000 + b"}", state=State.DONE),
    body("a name twice with one value", PLAIN[:-1] + b', "code": 200}', state=State.DONE),
    body("a name twice with two values", PLAIN[:-1] + b', "message": "ok"}'),
    body("line breaks around it", b"\r\n\n" + PLAIN + b"\n\0\0", state=State.DONE),
    body("text before it", b")]}',\n" + PLAIN),
    body("a warning before it", b"Warning: {x} in line 3\n" + PLAIN),
    body("a warning in HTML before it", b"<br />\n<b>Warning</b>: x\n" + PLAIN),
    body("text after it", PLAIN + b"\nOK"),
    body("a second answer after it", PLAIN + json.dumps(_NO).encode()),
    body("a second answer with the id", json.dumps({"code": 200}).encode() + PLAIN),
    body("an event of a stream", b"data: " + PLAIN + b"\n\n"),
    body("a call of a function", b"done(" + PLAIN + b");"),
    body("cut after the id", PLAIN[:-2]),
    body("cut within the id", PLAIN[:-5], ""),
    body("3 MB of spaces after it", PLAIN + b" " * 3_000_000),
    body("3 MB of text in it", PLAIN[:-1] + b', "log": "' + b"x" * 3_000_000 + b'"}'),
    body("JSON in a JSON text", json.dumps(TEXT)),
    body("JSON text in a field", json.dumps({"code": 200, "data": json.dumps(YES["data"])})),
    body("Python instead of JSON", repr(YES)),
    body("in a page", f"<html><pre>{TEXT.replace(chr(34), '&quot;')}</pre></html>"),
    body("a list", f"[{TEXT}]"),
    body("taskId", json.dumps({"code": 200, "data": {"taskId": ID}})),
    body("TaskID at the root", json.dumps({"code": 200, "TaskID": ID})),
    body("id at the root", json.dumps({"id": ID, "status": "queued"})),
    body("id deep inside", json.dumps({"code": 200, "data": {"job": {"id": ID}}})),
    body("a flat yes of a newer relay", json.dumps({"id": ID, "object": "video", "status": "queued"}), state=State.DONE, shape=VASTNUM),
    with_id("an id with / + = ~", "models/op/task_1+a==~"),
    with_id("an id of 201 characters", "x" * 201),
    with_id("an id in another script", "任务-7"),
    with_id("an id with spaces around it", f" {ID} ", ID),
    with_id("an id with ? and #", "task?1#2"),
    with_id("an id that is a number", 9007199254740993),
    body("an id that is a float", b'{"code": 200, "data": {"task_id": 1.0e3}}', "1.0e3", State.DONE),
    body("an escaped slash", rb'{"code": 200, "data": {"task_id": "op\/7"', "op/7"),
    *(wire(f"a head with {name}", b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: %d\r\n\r\n" % len(PLAIN), PLAIN) for name, line in (
        ("a space in a name", b"X Bad: 1"), ("no colon", b"nonsense"), ("a space after a name", b"X-A : 1"), ("two lengths", b"Content-Length: 5"))),
    wire("another protocol", b"ICY 200 OK\r\n\r\n", PLAIN),
    wire("no head at all", PLAIN),
    wire("an encoding that is no encoding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", PLAIN),
    wire("a length that is too long", HEAD + b"Content-Length: 900\r\n\r\n", PLAIN),
    wire("a chunk without an end", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(PLAIN), PLAIN + b"\r\n"),
    wire("reset after the id", HEAD + b"Content-Length: 900\r\n\r\n", PLAIN[:-2], end=reset),
    wire("no length", HEAD + b"\r\n", PLAIN, state=State.DONE),
    wire("a header alone", HEAD + b"Content-Length: 90\r\n\r\n", task=""),
    wire("102 before the answer", b"HTTP/1.1 102 Processing\r\n\r\n", message(200, PLAIN), state=State.DONE),
    body("201", PLAIN, state=State.DONE, status=201),
    body("500 with the id", PLAIN, status=500),
    body("an empty 202 with a Location", b"", status=202, Location=f"/tasks/{ID}"),
    Odd(name="a redirect to the task", acts=(redirected,), task=ID, state=State.UNKNOWN),
    refusal("a no with an id where none is documented", _NO | {"request": {"task_id": ID}}),
    refusal("a no with an id and its own status", _NO | {"id": ID}, 402),
    refusal("a no with a list of ids", _NO | {"data": {"task_ids": [ID]}}),
    refusal("a no with a task", _NO | {"data": {"task": ID}}),
    refusal("a no with a relay's id", _NO | {"upstream_task_id": ID}),
    refusal("a no with an id that is an object", _NO | {"data": {"task_id": {"value": ID}}}),
    body("gzip in two members", gzip.compress(PLAIN[:25]) + gzip.compress(PLAIN[25:]), state=State.DONE, Content_Encoding="gzip"),
    body("a float beside an escape", b'{"code": 200, "message": "\\u6210\\ud800", "data": {"task_id": 12345678901234567.0}}', "12345678901234567.0", State.DONE),
    *(body(f"an id in {name}", json.dumps({"code": 200, place: value})) for name, place, value in (
        ("a list", "task_ids", [ID]), ("ids", "data", {"ids": [ID]}), ("tasks", "tasks", [ID]), ("data", "data", ID),
        ("a list of one", "data", {"task_id": [ID]}), ("an object", "data", {"task_id": {"$oid": ID}}), ("request_id", "request_id", ID),
    )),
    *(body(f"an id in {name}", text) for name, text in {
        "JavaScript": f'{{code: 200, data: {{task_id: "{ID}"}}}}', "XML": f"<r><task_id>{ID}</task_id></r>",
        "a form": f"code=200&task_id={ID}", "a longer name": f'x "video_generation_task_id":"{ID}" y',
        "JSON with a comment": f'{{"code": 200, /* c */ "data": {{"task_id": "{ID}",}}}}',
        "JSON with an unknown escape": rf'{{"code": 200, "message": "it\'s", "data": {{"task_id": "{ID}"}}}}',
    }.items()),
    body("an empty answer with the header of a task", b"", status=201, X_Task_Id=ID),
    body("HTTP 700", TEXT, status=700),
    refusal("429 with a list of tasks", _SLOW | {"data": {"tasks": [ID]}}, 429),
    refusal("429 with an id as its data", _SLOW | {"data": ID}, 429),
    refusal("429 with a number of a task", _SLOW | {"data": {"taskNo": ID}}, 429),
    refusal("429 with the id of a run", _SLOW | {"data": {"run_id": ID}}, 429),
    refusal("429 with a task under its own id", _SLOW | {"data": {ID: {"status": "queued"}}}, 429),
    refusal("429 with a result", _SLOW | {"data": {"result": {"media_urls": [f"https://a/{ID}.mp4"]}}}, 429),
    refusal("429 with a queue", _SLOW | {"queue": {"ticket": ID}}, 429),
    refusal("429 whose words name a task", {"code": 429, "message": f"Slow down: task_id={ID} was queued"}, 429),
    refusal("429 whose words hold JSON", {"code": 429, "message": f'slow; {{"task_id": "{ID}"}}'}, 429),
    refusal("429 whose words hold a UUID", {"code": 429, "message": f"queued as {_UUID}"}, 429, _UUID),
    refusal("429 with a success", _SLOW | {"success": True, "note": ID}, 429),
    body("429 with the header of a task", json.dumps(_SLOW), status=429, X_Task_Id=ID),
    body("429 with a location", json.dumps(_SLOW), status=429, Location=f"/tasks/{ID}"),
    body("429 with another location", json.dumps(_SLOW), status=429, Operation_Location=f"/tasks/{ID}"),
    *(body(f"{status} that claims {code}", json.dumps({"code": code, "message": "no"}), "", status=status)
      for status, code in ((504, 429), (500, 429), (502, 422), (503, 402), (202, 429), (422, 429))),
    refusal("429 that is documented", _SLOW, 429, task="", state=State.REFUSED),
    refusal("429 in a 200", _SLOW | {"data": None, "success": False}, task="", state=State.REFUSED),
    refusal("429 with a request's id", _SLOW | {"request_id": "r-7", "timestamp": 17}, 429, task="", state=State.REFUSED),
    refusal("429 with a relay's words", {"error": {"message": f"busy (request id: {_UUID})", "type": "x", "param": "", "code": None}},
            429, "", State.REFUSED, VASTNUM),
    *(with_id(f"the id {value!r}", value, state=State.UNKNOWN) for value in ("null", "None", 0, -1, "undefined")),
    body("an id beside a failure", json.dumps(YES | {"success": False})),
    body("an id beside an error", json.dumps(YES | {"error": {"message": "no credit"}})),
    refusal("a documented no", _NO, task="", state=State.REFUSED),
    refusal("a documented no with empty ids", _NO | {"request_id": "r1", "data": {"task_id": None}}, task="", state=State.REFUSED),
    Odd(name="a no that gives two codes", acts=(raw(message(402, b'{"code": 402, "code": 200}')),), task="", state=State.UNKNOWN, charged=False),
    refusal("a no of a framework", {"detail": [{"loc": ["body", "input"], "msg": "missing"}]}, 400, task=""),
    body("a page", _PAGE, "", status=502, Server="cloudflare"),
    body("nothing", b"", ""),
    body("null", b"null", ""),
    body("brotli", bytes(range(100)), "", Content_Encoding="br"),
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_no_readable_id_is_lost_and_nothing_is_paid_twice(
    odd: Odd, made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    with serving(odd.shape, made[1].path.read_bytes()) as server:
        acts = (charge, *odd.acts) if odd.charged else odd.acts
        server.plans[CREATE] = [acts, (accept,)] if odd.state is State.UNKNOWN else [acts]
        errors = []
        for _ in range(2):
            try:
                child.session_at(server.url, tmp_path).generate(odd.shape.model, timeout=60, **odd.shape.fields)
            except sd.SeedanceError as error:
                errors.append(error)
        session = child.session_at(server.url, tmp_path)
        row = session.tasks()[0]
        assert row.state is odd.state
        if odd.state is State.REFUSED:  # a clear no may be sent again
            assert [error.charged for error in errors] == ["not charged"] * 2
            return
        assert len(session.tasks()) == 1
        assert (server.count(CREATE), len(server.charges)) == (1, int(odd.charged))
        if odd.state is State.DONE:
            assert (row.task_id, errors) == (odd.task, [])
            return
        assert [error.charged for error in errors] == ["unknown"] * 2
        assert all(odd.task in str(error) for error in errors)
        assert odd.task in row.task_id + row.word + row.error
        if row.task_id:  # one call looks it up, and the video is there
            assert row.task_id == odd.task
            assert session.task(row.name).resolve().wait(60).path.exists()
            assert server.count(CREATE) == 1


def test_a_compression_that_cannot_be_read_is_named() -> None:
    assert read_content(b"\x0b\x02", "br").doubts == ("it is compressed with br, which cannot be read",)
    assert read_content(PLAIN, "br").value == YES


def test_the_table_holds_the_59_answers_of_the_trial_and_more() -> None:
    assert len(ODD) >= 59
    assert len({odd.name for odd in ODD}) == len(ODD)


def test_a_strict_client_that_tries_again_loses_ids_and_pays_twice() -> None:
    lost, doubled = 0, 0
    client = plain_client(ANSWER_S)
    for odd in ODD:
        with serving(odd.shape) as server:
            server.plans[CREATE] = [(charge, *odd.acts), (accept,)]
            read = ""
            for _ in range(2):
                try:
                    answer = client.post(server.url + odd.shape.create, json={})
                    read = read or str(json.loads(answer.text, parse_constant=_strict)["data"]["task_id"])
                    break
                except (httpx.HTTPError, ValueError, KeyError, TypeError, RecursionError):
                    continue
            lost += bool(odd.task) and read != odd.task
            doubled += len(server.charges) > 1
    client.close()
    assert lost > 20
    assert doubled > 20


def _strict(word: str) -> float:
    raise ValueError(word)
