"""A rehearsal says what a batch would take before it is sent, held here against a truth that was simulated apart from it."""

import asyncio
import math
import random
import time
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import short

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._notebook.storyboard import Storyboard
from seedance_nb._provider.rate_limit import RateLimiter
from seedance_nb._session import batch as batch_module
from seedance_nb._session.batch import Batch, destination, item_of
from seedance_nb._session.rehearsal import Rehearsal, rehearse

MODEL, I2V = "crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v"
PRICE = 40.0


def outcome(chance: random.Random, seconds: float) -> tuple[float, bool, bool]:
    """How a task of the made-up provider ends: 5 % are refused, within seconds and free; the others take about `seconds`."""
    refused = chance.random() < 0.05
    return (2.0, False, False) if refused else (seconds * chance.lognormvariate(0, 0.35), True, True)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer in place of waiting."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        timers: Any = vars(self)
        if not timers["_ready"] and timers["_scheduled"]:
            self.now = max(self.now, timers["_scheduled"][0].when())
        super()._run_once()  # type: ignore[misc]


class Day:
    """One day at a provider: the batch's own loop and a real rate limiter on a virtual clock, with an account that runs out. Tasks of the ledger have been running for `waited` seconds."""

    def __init__(self, made: Batch, chance: random.Random, seconds: float, balance: float, waited: float = 0) -> None:
        bodies = [item.approved and item.approved.body for item in made.items]
        self.rows, self.waited = dict(zip(bodies, made.rows(), strict=True)), waited
        self.chance, self.usual, self.balance, self.videos, self.spent = chance, seconds, balance, 0, 0.0
        self.runs_out, self.sent, self.limiter, self.loop = math.inf, 0, RateLimiter(), VirtualLoop()
        self.made = made
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "to_thread", self.at_once)
            patch.setattr(batch_module, "_TICK_S", seconds / 200)  # a batch looks at its tasks as often in a long day
            patch.setattr(made._session.sender, "send", self.send)
            patch.setattr(made, "_estimate", self.priced)
            if isinstance(made, Storyboard):
                patch.setattr(made, "_after", self.after)
            self.loop.run_until_complete(made.perform(made.reset()))
        self.seconds, self.refusals = self.loop.now, len(made.items) - self.videos
        self.loop.close()

    async def at_once(self, act: Any, *values: Any) -> Any:
        return act(*values)

    async def priced(self, _: Any) -> None:
        """Nobody asks for a price on the virtual clock."""

    def after(self, at: int, before: Any) -> Any:
        if isinstance(before, Exception):
            raise sd.SeedanceError("the shot that it continues has no video")
        return self.made.items[at]

    def send(self, approved: Any, **_: Any) -> Any:
        future, row = Future[str](), self.rows.get(approved.body)
        if row and row.state is State.DONE:
            self.videos += 1
            future.set_result("a video")
        else:
            self.loop.create_task(self.resume(future) if row else self.live(future))
        return SimpleNamespace(future=future, is_new=True)

    async def live(self, future: Future[str]) -> None:
        sent = await self.limiter.acquire(self.loop.time, asyncio.sleep)
        await asyncio.sleep(0.2)
        self.limiter.record(sent, self.loop.time(), good=True)
        self.sent += 1
        seconds, has_video, is_charged = outcome(self.chance, self.usual)
        if self.balance < PRICE:
            seconds, has_video, is_charged, self.runs_out = 0.0, False, False, min(self.runs_out, self.sent)
        self.balance, self.spent = self.balance - PRICE * is_charged, self.spent + PRICE * is_charged
        await self.end(future, seconds, has_video=has_video)

    async def resume(self, future: Future[str]) -> None:
        """A task that runs already, so that it has not ended in the time that it has run; it was paid for when it was sent."""
        seconds, has_video = 0.0, False
        while seconds <= self.waited:
            seconds, has_video, _ = outcome(self.chance, self.usual)
        await self.end(future, seconds - self.waited, has_video=has_video)

    async def end(self, future: Future[str], seconds: float, *, has_video: bool) -> None:
        self.videos += has_video
        await asyncio.sleep(seconds)
        if has_video:
            future.set_result("a video")
        else:
            future.set_exception(sd.SeedanceError("refused"))


@pytest.mark.parametrize(
    ("concurrency", "usual", "balance"), [(None, 20.0, 9_999.0), (None, 286.0, 9_999.0), (8, 286.0, 1_800.0)]
)
def test_what_a_rehearsal_says_is_what_then_happens(
    session: sd.Session, paid: Provider, concurrency: int | None, usual: float, balance: float
) -> None:
    paid.balance, chance = balance, random.Random(1)
    ends = [outcome(chance, usual) for _ in range(200)]
    add(session, MODEL, [(State.DONE if has_video else State.REFUSED, seconds) for seconds, has_video, _ in ends])
    made = batch(session, 60, concurrency=concurrency)
    said = made.rehearse()
    days = [Day(made, random.Random(f"day {number}"), usual, balance) for number in range(8)]
    within = [said.seconds[0] <= day.seconds <= said.seconds[1] for day in days]
    paid_for = [said.charged[0] <= day.spent <= said.charged[1] for day in days]
    # 8 in 10 where the history is the whole truth; this one is a sample, whose own luck is in all of these days.
    assert (sum(within) >= 4, sum(paid_for) >= 4) == (True, True), (
        sorted(day.seconds for day in days),
        said.seconds,
        max(one for one, _, _ in ends),
    )
    assert said.seconds[1] < 1.8 * said.seconds[0], "a range that is wide enough for everything says nothing"
    assert said.refusals == pytest.approx(sum(day.refusals for day in days) / len(days), abs=3)
    out = sorted(day.runs_out for day in days)[len(days) // 2]
    assert (said.runs_out or math.inf) == pytest.approx(out, abs=3)
    assert (out < math.inf) is (balance < 60 * PRICE), "the naive control"
    assert "all at a time" in said.basis[-1] or "at most 8 at a time" in said.basis[-1]
    assert "crun at first with 2 requests a second" in said.basis[-1]
    assert paid.charges == []


def test_a_forecast_with_a_second_between_requests_does_not_hold(session: sd.Session, paid: Provider) -> None:
    """The naive control: the rate limiter lets ten through at once, and grows."""
    chance = random.Random(1)
    clips = [("crun", PRICE, [outcome(chance, 20) for _ in range(150)])] * 100
    days = [Day(batch(session, 100), random.Random(f"day {number}"), 20, 9_999) for number in range(5)]
    assert all(day.seconds < rehearse(clips, {"crun": range(100)}).seconds[0] for day in days)
    assert paid.charges == []


@pytest.mark.filterwarnings("ignore::seedance_nb.MediaWarning")  # its first frame is nowhere
@pytest.mark.parametrize(("usual", "balance"), [(286.0, 9_999.0), (20.0, 9_999.0), (286.0, 640.0)])
def test_a_rehearsal_of_a_storyboard_is_what_then_happens_and_without_its_chains_it_is_not(
    session: sd.Session, paid: Provider, usual: float, balance: float
) -> None:
    """Shots that continue each other follow one another; a chain of six is as long as six shots, however many stand beside it."""
    paid.balance, chance, first = balance, random.Random(1), {"first_frame": "https://example.com/fox.png"}
    ends = [outcome(chance, usual) for _ in range(200)]
    add(session, I2V, [(State.DONE if has_video else State.REFUSED, seconds) for seconds, has_video, _ in ends])
    lengths = (6, 3, *[1] * 12)
    shots = [first if number == 0 else {} for length in lengths for number in range(length)]
    shared: dict[str, Any] = {"model": I2V, "seconds": 4, "resolution": "480p"}
    made = Storyboard(session, [shared | shot | {"prompt": f"Shot {at}"} for at, shot in enumerate(shots)])
    said = made.rehearse()
    days = [Day(made, random.Random(f"day {number}"), usual, balance) for number in range(8)]
    within = [said.seconds[0] <= day.seconds <= said.seconds[1] for day in days]
    assert sum(within) >= 5, (sorted(day.seconds for day in days), said.seconds)
    assert sum(said.charged[0] <= day.spent <= said.charged[1] for day in days) >= 5
    assert said.refusals == pytest.approx(sum(day.refusals for day in days) / len(days), abs=1.5)
    out = sorted(day.runs_out for day in days)[len(days) // 2]
    assert (said.runs_out or math.inf) == pytest.approx(out, abs=2)
    assert (out < math.inf) is (balance < len(shots) * PRICE), "the naive control"
    assert said.basis[-1] == "all at a time but 7 that continue another one, crun at first with 2 requests a second"
    clips = [("crun", PRICE, ends)] * len(shots)
    for naive in (rehearse(clips), rehearse(clips, concurrency=len(lengths))):
        # Where the balance runs out, the chains are cut short.
        right = sum(naive.seconds[0] <= day.seconds <= naive.seconds[1] for day in days)
        assert right <= 1 or out < math.inf, "the naive control"
    assert paid.charges == []


@pytest.mark.parametrize(
    ("concurrency", "running", "waited", "due", "balance", "naive"),
    [
        (None, 60, 20.0, 1, 9_999.0, "without them"),
        (8, 24, 250.0, 4, 9_999.0, "sent again"),
        (4, 4, 20.0, 4, 9_999.0, "without them"),
        (8, 24, 250.0, 20, 420.0, "sent again"),
    ],
)
def test_what_runs_already_has_its_place_and_its_remaining_time_but_costs_nothing_more(
    session: sd.Session,
    paid: Provider,
    concurrency: int | None,
    running: int,
    waited: float,
    due: int,
    balance: float,
    naive: str,
) -> None:
    """Of a sweep that was left half-run, held against the truth; forecasts that forget those tasks, or send them again, do not hold."""
    paid.balance, chance, done, usual = balance, random.Random(2), 5, 286.0
    ends = [outcome(chance, usual) for _ in range(200)]
    add(session, MODEL, [(State.DONE if has_video else State.REFUSED, seconds) for seconds, has_video, _ in ends])
    made = batch(session, done + running + due, concurrency=concurrency)
    refused = done + running  # the provider refused it, so it is sent again, and counts once
    for number, item in enumerate(made.items[: refused + 1]):
        assert item.approved
        row, _ = session.ledger.claim(item.approved, base_url=item.base_url, simulated=False)
        state = State.DONE if number < done else State.REFUSED if number == refused else State.RUNNING
        session.ledger.update(row.seq, state=state, accepted=time.time() - waited, finished=time.time())
    said = made.rehearse()
    assert (said.clips, said.running, said.cost.split(",")[0]) == (due, running, f"{due * PRICE:g} credits")
    assert f"{due} clip{'s' * (due > 1)} and {running} that run already: {due * 40} credits" in repr(said)
    days = [Day(made, random.Random(f"day {number}"), usual, balance, waited) for number in range(8)]

    def right(one: Rehearsal) -> int:
        return sum(one.seconds[0] <= day.seconds <= one.seconds[1] for day in days)

    clips = [("crun", PRICE, [outcome(random.Random(number), usual) for number in range(300)])]
    clips *= due + running * (naive == "sent again")
    control = rehearse(clips, concurrency=concurrency, balances={"crun": balance + PRICE * (len(clips) - due)})
    assert right(said) >= 4, (sorted(day.seconds for day in days), said.seconds)
    assert right(control) <= 1, "the naive control"
    assert said.seconds[1] < 2.2 * said.seconds[0], "a range that is wide enough for everything says nothing"
    assert sum(said.charged[0] <= day.spent <= said.charged[1] for day in days) >= 4
    assert said.refusals == pytest.approx(sum(day.refusals for day in days) / len(days), abs=3)
    out = sorted(day.runs_out for day in days)[len(days) // 2]
    assert (said.runs_out or math.inf) == pytest.approx(out, abs=2)
    assert paid.charges == []


def test_what_runs_already_is_waited_for_by_what_continues_it_and_takes_a_place() -> None:
    good, left = ("a", 10, [(10.0, True, True)]), ("", 0, [(4.0, True, True)])
    for clips, after, options, truth in (
        ([left], {}, {}, (0, 1, 4, 0, None)),
        ([left, good], {1: 0}, {}, (1, 1, 14, 10, None)),
        ([left, good, good], {}, {"concurrency": 2}, (2, 1, 14, 20, None)),
        ([left, left, left, good], {}, {"concurrency": 2}, (1, 3, 14, 10, None)),
        ([left, good, good], {}, {"balances": {"a": 15}}, (2, 1, 10, 10, 2)),
        ([left, left, good], {}, {"turns": {"a": [0, 7]}}, (1, 2, 10, 10, None)),
        ([left, good], {}, {"balances": {"a": -3}}, (1, 1, 4, 0, 1)),
        ([("", 0, [(4.0, False, True)]), good], {1: 0}, {}, (1, 1, 4, 0, None)),
    ):
        said = rehearse(clips, after=after, **options)
        assert (said.clips, said.running, said.seconds[0], said.charged[1], said.runs_out) == truth
    said = Rehearsal(clips=0, running=1, seconds=(4, 4), refusals=0.9, cost="nothing to send", basis=("x",))
    assert repr(said) == "0 clips and 1 that runs already: nothing to send, 4 s, about 1 refusal\nx"


def test_what_continues_a_clip_waits_for_it_and_is_not_sent_without_its_video() -> None:
    good, bad = ("a", 10, [(10.0, True, True)]), ("a", 10, [(10.0, False, True)])
    for clips, after, balances, truth in (
        ([good] * 4, {1: 0, 2: 1}, {}, (30, 0, 40, None)),  # and the last of them beside the others
        ([good, bad, good, good], {1: 0, 2: 1}, {}, (20, 2, 30, None)),
        ([good] * 4, {1: 0, 3: 2}, {"a": 30}, (20, 1, 30, 4)),
        ([good] * 3, {1: 0, 2: 1}, {"a": 10}, (10, 2, 10, 2)),
        ([good] * 5, {2: 1, 3: 2, 4: 1}, {}, (30, 0, 50, None)),
    ):
        said = rehearse(clips, after=after, balances=balances)
        assert (said.seconds[0], said.refusals, said.charged[1], said.runs_out) == truth
    assert rehearse([good] * 4, {"a": [0, 1, 2, 3]}, {1: 0}).seconds[0] == 20, "its turn came while it waited"
    assert rehearse([good] * 4, after={1: 0, 3: 2}, concurrency=1).seconds[0] == 40


def test_the_forecast_of_a_rate_limiter_is_what_it_does() -> None:
    loop, limiter = VirtualLoop(), RateLimiter()
    said = limiter.forecast(200, 1000.0)

    async def request() -> float:
        at = await limiter.acquire(loop.time, asyncio.sleep)
        limiter.record(at, loop.time(), good=True)
        return at - 1000

    async def burst() -> list[float]:
        return await asyncio.gather(*(request() for _ in range(200)))

    loop.now = 1000.0
    done = loop.run_until_complete(burst())
    loop.close()
    assert max(abs(one - other) for one, other in zip(said, done, strict=True)) < 1
    assert (said[:10], said[-1] > 10) == ([0.0] * 10, True)


def test_over_the_budget_nothing_would_be_sent_and_nothing_is(session: sd.Session, paid: Provider) -> None:
    paid.balance, made = 999, batch(session, 6, budget=200)
    assert repr(made.rehearse()).startswith(
        "6 clips: 240 credits, over the budget, 0 s, about 6 refusals\nThese 6 requests"
    )
    with pytest.raises(sd.OverBudget, match="only 200 of the budget"):
        made.require_budget()
    assert batch(session, 5, budget=200).rehearse().refusals == 0
    assert paid.charges == []


def test_the_same_rehearsal_says_the_same_and_nothing_to_do_takes_no_time() -> None:
    clips = [("crun", 1, [(1.0, True, True), (9.0, False, True)])] * 9
    assert rehearse(clips, concurrency=2) == rehearse(clips, concurrency=2)
    assert rehearse([]) == Rehearsal(clips=0, seconds=(0.0, 0.0), refusals=0.0)
    assert repr(Rehearsal(clips=0, seconds=(0, 0), refusals=0, cost="nothing to send", basis=("x",))) == (
        "0 clips: nothing to send"
    )
    many = rehearse(clips * 800)
    assert (many.clips, many.charged) == (7_200, (7_200, 7_200))
    assert many.refusals == pytest.approx(3_600, rel=0.02)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, 10),
        ({"concurrency": 1}, 60),
        ({"concurrency": 2}, 30),
        ({"turns": {"crun": range(6)}}, 15),
        ({"concurrency": 3, "turns": {"crun": range(0, 120, 20)}}, 110),
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


def test_what_the_balance_does_not_pay_for_is_refused_at_once_and_charged_to_nobody() -> None:
    said = rehearse([("a", 10, [(60.0, True, True)])] * 5, concurrency=1, balances={"a": 30})
    assert (said.seconds, said.refusals, said.runs_out, said.charged) == ((180, 180), 2, 4, (30, 30))
    assert rehearse([("a", 10, [(60.0, True, True)])] * 5).charged == (50, 50), "all of the price"


@pytest.fixture
def paid(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Requests go to the provider on loopback, at 40 credits each."""
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    provider.on_estimate = [PRICE]
    return provider


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    return sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", queue_s=1, run_s=2, sleep=short)


def batch(
    session: sd.Session,
    count: int,
    budget: float | None = None,
    concurrency: int | None = None,
    model: str = MODEL,
    **fields: Any,
) -> Batch:
    spec = sd.spec(model)
    several = ({"prompt": f"A fox {number}", "resolution": "480p", "duration": 4, **fields} for number in range(count))
    items = [item_of(spec, each, **destination(session, spec)) for each in several]
    return Batch(session, items, budget=budget, concurrency=concurrency)


def add(session: sd.Session, model: str, outcomes: list[tuple[State, float]], **fields: Any) -> None:
    """Rows of tasks that ended so, as if they had been followed."""
    for number, (state, seconds) in enumerate(outcomes):
        image: dict[str, Any] = {"img_urls": ["https://example.com/fox.png"]} if model == I2V else {}
        made = batch(session, 1, model=model, prompt=f"{model} {state} {number}", **image, **fields).items[0]
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


def test_a_paid_one_has_the_providers_price_and_balance_and_sends_nothing(session: sd.Session, paid: Provider) -> None:
    paid.balance = 130
    said = batch(session, 6).rehearse()
    assert (said.cost, said.runs_out, said.refusals) == ("240 credits, 120 of it charged", 4, 3)
    assert said.basis == (
        f"{MODEL}: no earlier tasks in the ledger, so times are the simulator's; real ones usually take minutes",
        "crun: the balance is 130 now",
        "all at a time, crun at first with 2 requests a second",
    )
    assert (paid.charges, session.ledger.rows(), len(paid.estimates)) == ([], [], 1)


def test_what_exists_is_not_rehearsed(session: sd.Session) -> None:
    made = batch(session, 2)
    assert [*made.waiting()][-1]
    assert batch(session, 5).rehearse().clips == 3
