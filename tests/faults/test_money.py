"""One intent is charged at most once, whatever the answer: counted by a server on a real socket."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.server import CREATE, Exchange, FaultServer, accept, refuse
from faults.shapes import CRUN, SHAPES, Shape
from faults.table import AMBIGUOUS, ANSWER_S, CLEAR, PATIENCE_S, Fault
from support.waiting import plain_client, short

import seedance_nb as sd
from seedance_nb._ledger.row import State

KEY = "ak_canary_0123456789abcdefghijklmnop"


def session_at(server: FaultServer, folder: Path, answer_s: float = PATIENCE_S, **more: Any) -> sd.Session:
    return sd.Session(
        api_key=KEY,
        base_url=server.url,
        ledger=folder / "ledger.sqlite3",
        outputs=folder / "outputs",
        answer_s=answer_s,
        **{"sleep": short, **more},
    )


def end_of(session: sd.Session, shape: Shape) -> tuple[State, str]:
    """What one run of the cell comes to: the state of its row, and what the error says of the money."""
    try:
        session.generate(shape.model, timeout=60, **shape.fields)
    except sd.SeedanceError as error:
        return session.tasks()[0].state, error.charged
    return session.tasks()[0].state, "charged"


# How long is waited for an answer is the same for all three, and nobody reads what did not come.
UNCLEAR = [(fault, shape) for fault in AMBIGUOUS for shape in (SHAPES if fault.answer_s == PATIENCE_S else [CRUN])]


@pytest.mark.parametrize(("fault", "shape"), UNCLEAR, ids=lambda one: getattr(one, "name", None) or one.model)
def test_an_unclear_answer_is_charged_once_however_often_the_cell_is_run(
    fault: Fault, server: FaultServer, shape: Shape, tmp_path: Path
) -> None:
    server.plans[CREATE] = [fault.acts, (accept,)]
    told = {end_of(session_at(server, tmp_path, fault.answer_s), shape) for _ in range(3)}
    assert told == {(State.UNKNOWN, "unknown")}
    assert (server.count(CREATE), len(server.charges)) == (1, fault.charges)
    [row] = session_at(server, tmp_path).tasks()
    assert row.body
    assert row.error


@pytest.mark.parametrize("fault", CLEAR, ids=lambda fault: fault.name)
def test_a_clear_answer_is_what_it_says(fault: Fault, server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    server.plans[CREATE] = [fault.acts]
    state, money = end_of(session_at(server, tmp_path), shape)
    assert state is fault.state
    assert money == ("charged" if fault.charges else "not charged")
    assert len(server.charges) == fault.charges


def test_a_naive_client_that_tries_again_is_charged_twice(server: FaultServer, shape: Shape) -> None:
    doubled = 0
    with plain_client(ANSWER_S) as client:
        for fault in AMBIGUOUS[:2] + AMBIGUOUS[9:36]:  # those that are over at once
            server.charges.clear()
            server.plans[CREATE] = [fault.acts, (accept,)]
            for _ in range(2):
                try:
                    answer = client.post(server.url + shape.create, json=shape.fields)
                    if answer.json() == shape.taken("task_1"):
                        break
                except (httpx.HTTPError, ValueError, RecursionError):
                    continue
            doubled += len(server.charges) > 1
    assert doubled >= 25


def test_every_documented_refusal_frees_the_request(server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    for code in shape.no:
        session = session_at(server, tmp_path / str(code))
        server.plans[CREATE] = [(refuse(code),)]
        assert end_of(session, shape) == (State.REFUSED, "not charged")
        server.charges.clear()
        server.plans[CREATE] = [(accept,)]
        assert end_of(session, shape) == (State.DONE, "charged")
        assert len(server.charges) == 1


def test_a_provider_that_is_busy_for_a_moment_is_asked_again(server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await short(seconds)

    server.plans[CREATE] = [(refuse(429, "7"),), (refuse(429, "Wed, 21 Oct 2015 07:28:00 GMT"),), (accept,)]
    assert end_of(session_at(server, tmp_path, sleep=sleep), shape) == (State.DONE, "charged")
    assert (server.count(CREATE), len(server.charges)) == (3, 1)
    assert any(7 <= seconds <= 8 for seconds in waited)


def test_a_provider_that_asks_for_minutes_is_not_waited_for(server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    is_followed = threading.Event()

    def late(exchange: Exchange) -> None:
        assert is_followed.wait(30)
        refuse(429, "3600")(exchange)

    server.plans[CREATE] = [(late,)]
    task = session_at(server, tmp_path).submit(shape.model, **shape.fields)
    following = task.following()
    is_followed.set()
    with pytest.raises(sd.RateLimited) as limited:
        following.result(60)
    assert limited.value.retry_after == 300
    for late_comer in (task, session_at(server, tmp_path).task(task.name)):
        with pytest.raises(sd.RateLimited) as later:
            late_comer.wait()
        first, then = limited.value, later.value
        assert (then.retry_after, then.code, str(then)) == (300, first.code, str(first)), "the ledger has it"
    assert server.count(CREATE) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_never_left_is_tried_three_times_and_may_be_sent_again(
    server: FaultServer, shape: Shape, tmp_path: Path, scheme: str
) -> None:
    tries = 0

    async def sleep(seconds: float) -> None:
        nonlocal tries
        tries += 1
        await short(seconds)

    dead = "http://127.0.0.1:1" if scheme == "http" else server.url.replace("http:", "https:")  # a handshake that fails
    session = sd.Session(
        api_key=KEY, base_url=dead, ledger=tmp_path / "ledger.sqlite3", outputs=tmp_path / "o", sleep=sleep
    )
    with pytest.raises(sd.Unreachable, match="Could not connect") as unreachable:
        session.generate(shape.model, timeout=60, **shape.fields)
    assert unreachable.value.charged == "not charged"
    assert session.tasks()[0].state is State.UNSENT
    assert tries >= 2
    assert server.charges == []
    assert end_of(session_at(server, tmp_path), shape) == (State.DONE, "charged")


def test_a_listener_that_never_accepts_is_given_up_and_nothing_was_sent(tmp_path: Path) -> None:
    import socket

    with socket.socket() as full, socket.socket() as filler, socket.socket() as another:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (filler, another):  # the queue of those who wait is full from here on
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        session = sd.Session(
            api_key=KEY,
            base_url=f"http://127.0.0.1:{full.getsockname()[1]}",
            ledger=tmp_path / "ledger.sqlite3",
            outputs=tmp_path / "outputs",
            answer_s=ANSWER_S,
            sleep=short,
        )
        assert end_of(session, CRUN) == (State.UNSENT, "not charged")
