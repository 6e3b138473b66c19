"""What a status answer says, and when to look again: pure functions."""

import itertools
import random
from typing import Any

import pytest

from seedance_nb import Spec
from seedance_nb._ledger.row import State
from seedance_nb._provider.status import read_id, read_status
from seedance_nb._task.follow import until_tick
from seedance_nb._task.send import PollSchedule, next_poll


def answer(status: Any, result: Any = None, **more: Any) -> dict[str, Any]:
    return {"code": 200, "data": {"task_id": "t", "status": status, "result": result, **more}}


DONE = {"media_urls": ["https://cdn.example.com/v.mp4"]}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (answer("pending"), State.QUEUED),
        (answer("RUNNING"), State.RUNNING),
        (answer("success", DONE), State.DONE),
        (answer("Success", DONE), State.DONE),
        (answer("failed"), State.FAILED),
        (answer("dancing"), State.OTHER),
        (answer("success"), State.OTHER),
        (answer("success", {"media_urls": ["javascript:alert(1)"]}), State.OTHER),
        (answer("success", {"media_urls": "https://cdn.example.com/v.mp4"}), State.DONE),
        (answer("success", {"media_urls": [None, 5]}), State.OTHER),
    ],
)
def test_a_providers_word_becomes_a_state(crun: Spec, said: Any, state: State) -> None:
    assert crun.task is not None
    seen = read_status(crun.task, said)
    assert seen is not None
    assert seen.state is state


@pytest.mark.parametrize(
    "said", [None, [], "text", {}, {"data": None}, {"data": []}, answer(None), answer(5), answer("")]
)
def test_an_answer_without_a_state_says_nothing(crun: Spec, said: Any) -> None:
    assert crun.task is not None
    assert read_status(crun.task, said) is None


def test_the_reason_and_the_cost_are_read(crun: Spec) -> None:
    assert crun.task is not None
    failed = read_status(crun.task, answer("failed", {"message": "no faces, please"}, credits=0))
    done = read_status(crun.task, answer("success", DONE | {"message": "fine"}, credits=37.5))
    assert failed is not None
    assert done is not None
    assert (failed.error, failed.credits) == ("no faces, please", 0.0)
    assert (done.error, done.credits, done.outputs) == ("", 37.5, ("https://cdn.example.com/v.mp4",))


@pytest.mark.parametrize(
    ("said", "task_id"),
    [
        ("task_12345678", "task_12345678"),
        ("../../balance", ""),
        ("", ""),
        (5, "5"),
        (True, ""),
        ("a" * 201, "a" * 201),
        ("a" * 1001, ""),
        ("op/1+a==~", "op/1+a==~"),
        (" t1 ", "t1"),
        ("•••", ""),
    ],
)
def test_an_id_is_only_taken_if_it_can_be_asked_for_again(crun: Spec, said: Any, task_id: str) -> None:
    assert crun.task is not None
    assert read_id(crun.task, {"data": {"task_id": said}}) == task_id


def schedule(looks: PollSchedule, until: float) -> list[float]:
    times = list(itertools.takewhile(lambda at: at <= until, itertools.accumulate(
        itertools.repeat(0.0), lambda at, _: at + next_poll(looks, at))))  # fmt: skip
    return [round(at, 2) for at in times[1:]]


def test_without_history_the_looks_are_early_and_then_regular() -> None:
    assert schedule(PollSchedule(early=(2, 8), every=5), 30) == [2, 7, 8, 13, 18, 23, 28]


def test_with_history_nothing_is_asked_while_nothing_can_be_done_yet() -> None:
    looks = PollSchedule(early=(2, 8), every=5, history=(100, 110, 120))
    assert schedule(looks, 95) == [2, 8, 38, 68, 85, 87.2, 89.4, 91.6, 93.8]


def test_looks_are_never_closer_than_the_floor() -> None:
    looks = PollSchedule(early=(2, 8), every=0.01, history=())
    assert min(b - a for a, b in itertools.pairwise([0.0, *schedule(looks, 20)])) >= 1


def test_a_learned_schedule_asks_less_than_a_fixed_one() -> None:
    learned = schedule(PollSchedule(history=tuple(range(270, 300))), 286)
    fixed = schedule(PollSchedule(), 286)
    assert len(learned) < 0.7 * len(fixed)


@pytest.mark.parametrize(
    ("wait", "tick", "at"),
    [
        (30.0, 0.5, 130.5),
        (5.0, 0.5, 105.5),
        (5.4, 0.5, 105.5),
        (4.9, 0.5, 105.0),
        (1.0, 0.25, 101.25),
        (0.4, 0.5, 100.5),
    ],
)
def test_looks_that_wait_long_wake_together(wait: float, tick: float, at: float) -> None:
    assert until_tick(wait, 100.1, tick) == pytest.approx(at - 100.1)


def test_no_look_is_earlier_than_its_schedule_and_none_more_than_a_tick_later() -> None:
    chance = random.Random(3)
    for wait, now in ((chance.uniform(0, 70), chance.uniform(0, 1e6)) for _ in range(10_000)):
        assert -1e-9 < until_tick(wait, now, 0.5) - wait <= (0.5 if wait >= 1 else 0) + 1e-9
