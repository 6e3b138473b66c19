"""A task that was taken is followed through any fault, and stays resumable whatever ends the looking."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults import child
from faults.server import (
    CREATE,
    STATUS,
    Act,
    FaultServer,
    charge,
    drip,
    flood,
    hang,
    message,
    page,
    raw,
    reset,
    says,
    serving,
    tell,
)
from faults.shapes import CRUN, SHAPES, Shape
from faults.table import ANSWER_S, PATIENCE_S, redirect
from support.clips import provider_bytes
from support.waiting import short, until

import seedance_nb as sd
from seedance_nb._ledger.row import State

FLAWS: dict[str, tuple[Act, ...]] = {
    "500": (page(500),),
    "502": (page(502),),
    "503 with words": (says(503, {"error": "overloaded"}),),
    "429": (says(429, {"error": "slow down"}, Retry_After="1"),),
    "404 once": (says(404, {"message": "not found"}),),
    "a reset": (reset,),
    "no answer": (),
    "a stall": (hang,),
    "a drip": (drip(b"HTTP/1.1 200 OK\r\n" * 9),),
    "a page with 200": (page(200),),
    "half an answer": (raw(message(200, b'{"code": 200, "data": {}}')[:-9]),),
    "an endless body": (raw(b"HTTP/1.1 200 OK\r\n\r\n"), flood(b" " * 65536)),
    "brackets": (says(200, b"[" * 100_000),),
    "a redirect": (redirect(302),),
    "a word that nobody knows": (tell("dancing"),),
}


SLOW = ("a stall", "a drip")  # what did not come is the same of all three
PAIRS = [(flaw, shape) for flaw in FLAWS for shape in ([CRUN] if flaw in SLOW else SHAPES)]


@pytest.mark.parametrize(("flaw", "shape"), PAIRS, ids=lambda one: one if isinstance(one, str) else one.model)
def test_two_bad_looks_lose_nothing(server: FaultServer, shape: Shape, tmp_path: Path, flaw: str) -> None:
    server.plans[STATUS] = [(tell("running"),), FLAWS[flaw], FLAWS[flaw], (tell("done"),)]
    session = child.session_at(server.url, tmp_path, answer_s=ANSWER_S if flaw in SLOW else PATIENCE_S)
    video = session.generate(shape.model, timeout=60, **shape.fields)
    assert provider_bytes(video.path) == server.video
    assert (server.count(CREATE), len(server.charges)) == (1, 1)


def test_a_naive_loop_dies_of_most_of_them(server: FaultServer, shape: Shape) -> None:
    died = 0
    for flaw in ("500", "502", "429", "404 once", "a reset", "no answer", "a page with 200", "brackets"):
        server.plans[STATUS] = [FLAWS[flaw]]
        try:
            answer = httpx.get(server.url + shape.status, trust_env=False, timeout=ANSWER_S)
            answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError, RecursionError):
            died += 1
    assert died == 8


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_may_not_look_ends_the_looking_and_the_task_is_taken_up_later(
    server: FaultServer, shape: Shape, tmp_path: Path, status: int
) -> None:
    server.plans[STATUS] = [(tell("running"),), (says(status, {"message": "no"}),), (tell("done"),)]
    session = child.session_at(server.url, tmp_path)
    with pytest.raises(sd.Unauthorized) as refused:
        session.generate(shape.model, timeout=60, **shape.fields)
    assert refused.value.charged == "charged"
    assert session.tasks()[0].state is State.RUNNING
    assert session.generate(shape.model, timeout=60, **shape.fields).path.exists()
    assert server.count(CREATE) == 1


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await short(seconds)


def test_a_task_that_is_gone_for_a_minute_is_given_up_and_can_be_taken_up_again(
    server: FaultServer, shape: Shape, tmp_path: Path
) -> None:
    clock = Clock()
    server.plans[STATUS] = [(says(404, {"message": "not found"}),)]
    session = child.session_at(server.url, tmp_path, sleep=clock.sleep, clock=clock)
    with pytest.raises(sd.Refused, match="the task task_1 no longer exists") as gone:
        session.generate(shape.model, timeout=60, **shape.fields)
    assert gone.value.charged == "charged"
    assert clock.now - 1_000 > 60
    assert session.tasks()[0].task_id == "task_1"
    server.plans[STATUS] = [(tell("done"),)]
    assert session.generate(shape.model, timeout=60, **shape.fields).path.exists()
    assert server.count(CREATE) == 1


def test_a_task_that_never_ends_stays_resumable_after_the_persons_own_deadline(
    server: FaultServer, shape: Shape, tmp_path: Path
) -> None:
    server.plans[STATUS] = [(tell("running"),)]
    session = child.session_at(server.url, tmp_path)
    task = session.submit(shape.model, **shape.fields)
    with pytest.raises(sd.WaitTimeout, match="is still"):
        task.wait(0.2)
    server.plans[STATUS] = [(tell("done"),)]
    assert task.wait(60).path.exists()
    assert server.count(CREATE) == 1


def test_no_word_but_the_documents_ends_a_task(server: FaultServer, shape: Shape, tmp_path: Path) -> None:
    chance = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz _-"
    words = ["".join(chance.choices(letters, k=chance.randint(1, 14))) for _ in range(50)]
    server.plans[STATUS] = [*((tell(word),) for word in words), (tell("done"),)]
    session = child.session_at(server.url, tmp_path)
    assert session.generate(shape.model, timeout=60, **shape.fields).path.exists()
    assert server.count(STATUS) == 51


@pytest.mark.parametrize("phase", ["while it is sent", "while it is looked at", "while it is fetched"])
@pytest.mark.parametrize("trial", range(5))
def test_a_machine_that_slept_goes_on_and_pays_nothing_more(
    made: tuple[sd.Session, sd.Video], tmp_path: Path, phase: str, trial: int
) -> None:
    operation = {"while it is sent": CREATE, "while it is looked at": STATUS, "while it is fetched": "video"}[phase]
    with serving(CRUN, made[1].path.read_bytes()) as server:
        honest = server.plans[operation][0]

        def lid(exchange: Any) -> None:
            if operation == CREATE:
                charge(exchange)
            os.kill(server.victim, signal.SIGSTOP)

        server.plans[operation] = [(lid, reset), honest]  # what it was speaking to is gone when it wakes
        process = child.start(child.kernels(), child.generate, server.url, tmp_path, CRUN.model, CRUN.fields)
        server.victim = process.pid or 0
        until(lambda: _stopped(process.pid or 0))
        time.sleep(0.05 * trial / 5)
        os.kill(process.pid or 0, signal.SIGCONT)
        process.join(60)
        assert process.exitcode == 0
        session = child.session_at(server.url, tmp_path)
        with contextlib.suppress(sd.UnknownOutcome):
            assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
        expected = State.UNKNOWN if operation == CREATE else State.DONE
        assert session.tasks()[0].state is expected
        assert (server.count(CREATE), len(server.charges)) == (1, 1)


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
