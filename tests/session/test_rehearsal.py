"""A rehearsal says what a batch would take before it is sent, held here against a truth that was simulated apart from it."""

import random
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import short

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._session.batch import Batch, Rehearsal, destination, item_of, rehearse

MODEL = "crun/seedance-1.0-pro-t2v"
COUNT, AT_ONCE, PAUSE_S, PRICE, BALANCE = 120, 8, 1.0, 40.0, 3_800.0


def outcome(chance: random.Random) -> tuple[float, bool, bool]:
    """How a task of the made-up provider ends: 5 % are refused, within seconds and free; the others take about 286 s."""
    refused = chance.random() < 0.05
    return (2.0, False, False) if refused else (286 * chance.lognormvariate(0, 0.35), True, True)


def truth(chance: random.Random) -> tuple[float, int, int | None]:
    """One day at the provider, second by second: when the last clip ends, refusals, and the clip that the balance does not pay."""
    waiting, busy, now, spent, refusals, runs_out = COUNT, list[float](), 0, 0.0, 0, None
    while waiting or busy:
        busy = [left - 1 for left in busy if left > 1]
        if waiting and len(busy) < AT_ONCE:
            waiting -= 1
            seconds, has_video, is_charged = outcome(chance)
            busy.append(seconds)
            refusals += not has_video
            spent += PRICE * is_charged
            runs_out = runs_out or (COUNT - waiting if spent > BALANCE else None)
        now += 1
    return now, refusals, runs_out


def test_what_a_rehearsal_says_holds_against_the_simulated_truth() -> None:
    history = [outcome(random.Random(number)) for number in range(200)]
    said = rehearse(
        [("crun", PRICE, history)] * COUNT, concurrency=AT_ONCE, pause_s=PAUSE_S, balances={"crun": BALANCE}
    )
    days = [truth(random.Random(f"day {number}")) for number in range(60)]
    within = [said.seconds[0] <= seconds <= said.seconds[1] for seconds, _, _ in days]
    assert sum(within) >= 0.6 * len(days), "8 in 10 where the history is the whole truth, and this one is a sample"
    assert said.seconds[1] < 1.25 * said.seconds[0], "a range that is wide enough for everything says nothing"
    assert said.refusals == pytest.approx(sum(refusals for _, refusals, _ in days) / len(days), abs=3)
    ends = [clip for _, _, clip in days if clip]
    assert said.runs_out == pytest.approx(sum(ends) / len(ends), abs=4)


def test_a_naive_forecast_does_not_hold() -> None:
    one_after_the_other = COUNT * 286
    all_at_once = 286
    days = [truth(random.Random(f"day {number}"))[0] for number in range(20)]
    assert all(all_at_once * 2 < seconds < one_after_the_other / 2 for seconds in days)


def test_the_same_rehearsal_says_the_same_and_nothing_to_do_takes_no_time() -> None:
    clips = [("crun", 1, [(1.0, True, True), (9.0, False, True)])] * 9
    assert rehearse(clips, concurrency=2) == rehearse(clips, concurrency=2)
    assert rehearse([]) == Rehearsal(clips=0, seconds=(0.0, 0.0), refusals=0.0)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 10),
        ({"concurrency": 1}, 60),
        ({"concurrency": 2}, 30),
        ({"pause_s": 1.0}, 15),
        ({"concurrency": 3, "pause_s": 20.0}, 110),
    ],
)
def test_concurrency_and_rate_count(options: Any, seconds: float) -> None:
    assert rehearse([("crun", 0, [(10.0, True, True)])] * 6, **options).seconds == (seconds, seconds)


def test_each_provider_has_its_own_balance_and_what_is_not_charged_costs_none() -> None:
    paid, free = [(1.0, True, True)], [(1.0, False, False)]
    clips = [("a", 10, free), ("a", 10, paid), ("b", 99, paid), ("a", 10, paid), ("a", 10, paid)]
    assert rehearse(clips, balances={"a": 20}).runs_out == 5
    assert rehearse(clips, balances={"a": 30}).runs_out is None
    assert rehearse(clips).runs_out is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ((7800.0, 13200.0), "2 h 10 min to 3 h 40 min"),
        ((40.0, 40.4), "40 s"),
        ((100.0, 150.0), "2 min"),
        ((70.0, 300.0), "70 s to 5 min"),
    ],
)
def test_it_is_said_in_one_sentence(seconds: tuple[float, float], text: str) -> None:
    said = Rehearsal(
        clips=120, cost="4,800 credits", seconds=seconds, refusals=6.2, runs_out=96, basis=("crun/x: 42 earlier tasks",)
    )
    assert (
        repr(said)
        == f"120 clips: 4,800 credits, {text}, about 6 refusals, balance runs out at clip 96\ncrun/x: 42 earlier tasks"
    )
    assert "1 clip: free, 4 s, about 0 refusals" in repr(Rehearsal(clips=1, cost="free", seconds=(4, 4), refusals=0))


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    return sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", queue_s=1, run_s=2, sleep=short)


def batch(session: sd.Session, count: int, **fields: Any) -> Batch:
    spec = sd.spec(MODEL)
    several = ({"prompt": f"A fox {number}", "resolution": "480p", "duration": 4, **fields} for number in range(count))
    return Batch(session, [item_of(spec, each, **destination(session, spec)) for each in several])


def add(session: sd.Session, model: str, outcomes: list[tuple[State, float]], **fields: Any) -> None:
    """Rows of tasks that ended so, as if they had been followed."""
    for number, (state, seconds) in enumerate(outcomes):
        made = batch(session, 1, prompt=f"{model} {state} {number}", **fields).items[0]
        assert made.approved
        row, _ = session.ledger.claim(made.approved, base_url=made.base_url, simulated=made.simulated)
        times: dict[str, Any] = {"accepted": 100.0, "finished": 100.0 + seconds} if state is not State.REFUSED else {}
        session.ledger.update(row.seq, state=state, **times)


def test_it_rests_on_tasks_of_the_same_size_and_length_else_of_any_else_on_the_simulator(session: sd.Session) -> None:
    said = batch(session, 3).rehearse()
    assert (said.clips, said.seconds, said.cost) == (3, (3.0, 3.0), "simulated (free)")
    assert said.basis[0] == f"{MODEL}: no earlier tasks in the ledger, so times are the simulator's"
    add(session, MODEL, [(State.DONE, 50.0)] * 3, duration=8)
    said = batch(session, 3).rehearse()
    assert (said.seconds, said.basis[0]) == ((50.0, 50.0), f"{MODEL}: 3 earlier tasks of any size and length")
    add(session, MODEL, [(State.DONE, 20.0)] * 3 + [(State.REFUSED, 0.0)] * 1)
    said = batch(session, 40).rehearse()
    assert (said.seconds, said.basis[0]) == ((20.0, 20.0), f"{MODEL}: 4 earlier tasks of the same size and length")
    assert said.refusals == pytest.approx(10, abs=1)


def test_a_paid_one_has_the_providers_price_and_balance_and_sends_nothing(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    provider.on_estimate, provider.balance = [40], 130
    said = batch(session, 6).rehearse()
    assert (said.cost, said.runs_out) == ("240 credits", 4)
    assert said.basis == (
        f"{MODEL}: no earlier tasks in the ledger, so times are the simulator's; real ones usually take minutes",
        "crun: the balance is 130 now",
        "all at a time, 1 s apart",
    )
    assert (provider.charges, session.ledger.rows(), len(provider.estimates)) == ([], [], 1)


def test_what_exists_is_not_rehearsed(session: sd.Session) -> None:
    made = batch(session, 2)
    made.wait(made.perform)
    assert batch(session, 5).rehearse().clips == 3
