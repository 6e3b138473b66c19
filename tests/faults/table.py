"""Fault x operation x expected outcome x charges, as one table. Every row is done to a real socket."""

import gzip
import json
from dataclasses import dataclass

from faults.server import (
    Act,
    Exchange,
    accept,
    charge,
    drip,
    flood,
    hang,
    message,
    page,
    raw,
    refuse,
    reset,
    says,
    wait,
)

from seedance_nb._ledger.row import State

ANSWER_S = 0.8
"""How long an answer may take in these tests where it hangs or drips; on a busy machine even a connection takes a while."""
PATIENCE_S = 30.0
"""How long any other answer may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a server does to a create request, how often that charges, and the state that the client must come to."""

    name: str
    acts: tuple[Act, ...]
    charges: int
    state: State
    answer_s: float = PATIENCE_S


def taken(exchange: Exchange) -> bytes:
    return json.dumps(exchange.server.shape.taken("task_1")).encode()


def yes(before: bytes = b"", after: bytes = b"", cut: int | None = None, **headers: str) -> Act:
    """A yes with something around it, or with a part of it missing."""

    def act(exchange: Exchange) -> None:
        content = before + taken(exchange) + after
        exchange.write(message(200, content, **headers)[: -cut if cut else None])

    return act


def encoded(encoding: str) -> Act:
    def act(exchange: Exchange) -> None:
        content = gzip.compress(taken(exchange)) if encoding == "gzip" else taken(exchange)
        exchange.write(message(200, content, Content_Encoding=encoding))

    return act


def chunked(*, whole: bool) -> Act:
    def act(exchange: Exchange) -> None:
        content = taken(exchange)
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        exchange.write(f"{len(content):x}\r\n".encode() + content + (b"\r\n0\r\n\r\n" if whole else b""))

    return act


def unnamed(value: object) -> Act:
    """A yes in the provider's shape with something as an id that is none."""
    return lambda exchange: says(200, exchange.server.shape.taken(value))(exchange)


def redirect(status: int) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.write(message(status, b"", Location=f"{exchange.server.elsewhere}/somewhere?signature=secret"))

    return act


def _unclear(name: str, *acts: Act, charges: int = 1, slow: bool = False) -> Fault:
    return Fault(
        name=name,
        acts=(charge, *acts) if charges else acts,
        charges=charges,
        state=State.UNKNOWN,
        answer_s=ANSWER_S if slow else PATIENCE_S,
    )


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_BOMB = gzip.compress(b" " * 50_000_000)

AMBIGUOUS: tuple[Fault, ...] = (
    _unclear("the connection closes"),
    _unclear("the connection is reset", reset),
    _unclear("it closes before anything was charged", charges=0),
    _unclear("it is reset before anything was charged", reset, charges=0),
    _unclear("no answer ever", hang, slow=True),
    _unclear("a head and nothing more", raw(_HEAD + b"Content-Length: 90\r\n\r\n"), hang, slow=True),
    _unclear("a head that drips", drip(_HEAD * 9), slow=True),
    _unclear("a body that drips", raw(_HEAD + b"Content-Length: 900\r\n\r\n"), drip(b" " * 900), slow=True),
    _unclear("half a body", yes(cut=9)),
    _unclear("half a body and a reset", yes(cut=9), wait(0.02), reset),
    _unclear("half a chunked body", chunked(whole=False)),
    _unclear("half a body without a length", raw(_HEAD + b'\r\n{"code": 200, "data": {"task_i')),
    _unclear("an empty body", says(200, b"")),
    _unclear("204 and nothing", raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    _unclear("a page with 200", page(200)),
    _unclear("a page with 502", page(502)),
    _unclear("a page with 504", page(504)),
    _unclear("a page with 429", page(429)),
    _unclear("a page with 403", page(403)),
    _unclear("an empty 402", says(402, b"")),
    _unclear("a gateway's own 404", says(404, {"detail": "no route"})),
    _unclear("a gateway's own 413", says(413, {"detail": "too large"})),
    _unclear("500 with words", says(500, {"code": 500, "message": "Server Error"})),
    _unclear("503 with words", says(503, {"error": "overloaded"})),
    _unclear("a yes after text", yes(before=b")]}',\n")),
    _unclear("two answers in one", yes(after=b'{"code": 402}')),
    _unclear("a list", says(200, [1, 2])),
    _unclear("a text", says(200, "task_1")),
    _unclear("null", says(200, None)),
    _unclear("an object without anything", says(200, {})),
    _unclear("an id that is null", unnamed(None)),
    _unclear("an id that is true", unnamed(True)),
    _unclear("an id that is a list", unnamed(["task_1"])),
    _unclear("an id that leads elsewhere", unnamed("../../account/balance?")),
    _unclear("an id of 10,000 signs", unnamed("a" * 10_000)),
    _unclear("an empty id", unnamed("")),
    _unclear("a hundred thousand brackets", says(200, b"[" * 100_000)),
    _unclear("a number of 10,000 digits", says(200, b'{"code": ' + b"9" * 10_000 + b"}")),
    _unclear("an answer in UTF-16", says(200, json.dumps({"code": 200}).encode("utf-16"))),
    _unclear("three megabytes", yes(after=b" " * 3_000_000)),
    _unclear("a body without an end", raw(_HEAD + b"\r\n"), flood(b" " * 65536)),
    _unclear("a head without an end", raw(b"HTTP/1.1 200 OK\r\nX: "), flood(b"x" * 65536)),
    _unclear("10 GB announced", raw(_HEAD + b"Content-Length: 10000000000\r\n\r\n{"), hang, slow=True),
    _unclear("a bomb", says(200, _BOMB, Content_Encoding="gzip")),
    _unclear("another language", raw(b"220 mail.example.com ESMTP\r\n")),
    _unclear("bytes that are no text", raw(bytes(range(256)) * 8)),
    _unclear(
        "101 and silence",
        raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        slow=True,
    ),
    _unclear("102 without an end", flood(b"HTTP/1.1 102 Processing\r\n\r\n", 2_000_000), slow=True),
    _unclear("a redirect with 301", redirect(301)),
    _unclear("a redirect with 302", redirect(302)),
    _unclear("a redirect with 303", redirect(303)),
    _unclear("a redirect with 307", redirect(307)),
    _unclear("a redirect with 308", redirect(308)),
)

CLEAR: tuple[Fault, ...] = (
    Fault(name="a plain yes", acts=(accept,), charges=1, state=State.DONE),
    Fault(name="a yes in chunks", acts=(charge, chunked(whole=True)), charges=1, state=State.DONE),
    Fault(name="a yes that takes a while", acts=(charge, wait(0.1), yes()), charges=1, state=State.DONE),
    Fault(name="a yes that calls itself plain", acts=(charge, encoded("identity")), charges=1, state=State.DONE),
    Fault(name="a compressed yes that nobody asked for", acts=(charge, encoded("gzip")), charges=1, state=State.DONE),
    Fault(name="402 in the provider's shape", acts=(refuse(402),), charges=0, state=State.REFUSED),
    Fault(name="401 in the provider's shape", acts=(refuse(401),), charges=0, state=State.REFUSED),
    Fault(name="429 in the provider's shape", acts=(refuse(429),), charges=0, state=State.REFUSED),
)
