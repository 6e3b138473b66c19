"""One host is not overrun, however many tasks there are and however long it is in trouble."""

import asyncio
import heapq
import math
from collections.abc import Iterator

import pytest

from seedance_nb._provider.rate_limit import RateLimiter, pause_of

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0), (" 7 ", 7.0), ("0", 0.0), ("2.5", 2.5), ("301", 300.0), ("999999999999", 300.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 300.0),
        ("Sat, 21 Nov 2026 12:00:30 -0000", 30.0), ("Sat, 21 Nov 2026 13:00:30 +0100", 30.0),
        ("", None), ("nan", None), ("inf", None), ("-5", None), ("1e9", None), ("soon", None), ("7 seconds", None),
        ("²", None), ("7" * 400, None), ("Sat, 99 Nov 2026 12:00:30 GMT", None), ("\x00", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_both_ways_and_never_for_more_than_five_minutes(told: str, seconds: float | None) -> None:
    assert pause_of(told, DATE, now=0.0) == seconds


def test_a_date_is_compared_with_the_servers_own_clock_and_else_against_ours() -> None:
    noon = 1_795_262_400.0
    assert pause_of("Sat, 21 Nov 2026 12:00:30 GMT", DATE, now=0.0) == 30
    assert pause_of("Sat, 21 Nov 2026 12:00:30 GMT", "", now=noon) == 30
    assert pause_of("Sat, 21 Nov 2026 12:00:30 GMT", "yesterday", now=noon + 20) == 10


class World:
    """Virtual time: sleepers wake in order, and nothing else makes it pass."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeping: list[tuple[float, int, asyncio.Event]] = []
        self.count = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.count += 1
        event = asyncio.Event()
        heapq.heappush(self.sleeping, (self.now + seconds, self.count, event))
        await event.wait()

    async def run(self, tasks: list[asyncio.Task[None]]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(5):
                await asyncio.sleep(0)
            if self.sleeping:
                self.now, _, event = heapq.heappop(self.sleeping)
                event.set()


def fifty_tasks(outage_s: float, retry_after: Iterator[float | None], *, gated: bool) -> tuple[list[float], float]:
    """When requests went out while 50 tasks are looked at every 5 s and the host fails at first; and when all had ended."""
    world, gate, sent = World(), RateLimiter(jitter=lambda: 0.5), []

    async def one() -> None:
        while True:
            at = await gate.acquire(world.clock, world.sleep) if gated else world.now
            sent.append(at)
            await world.sleep(0.2)
            good = world.now > outage_s
            gate.record(at, world.now, good=good, retry_after=None if good else next(retry_after))
            if good:
                return
            await world.sleep(5)

    async def all_of_them() -> None:
        await world.run([asyncio.create_task(one()) for _ in range(50)])

    asyncio.run(all_of_them())
    return sent, world.now


@pytest.mark.parametrize("hostile", [[None], [0.0], [300.0, None, 0.0], [0.001]], ids=str)
def test_an_outage_of_ten_minutes_costs_few_requests_and_every_task_ends(hostile: list[float | None]) -> None:
    def told() -> Iterator[float | None]:
        while True:
            yield from hostile

    sent, end = fifty_tasks(600, told(), gated=True)
    during = [at for at in sent if at <= 600]
    # Ten at once, then one for each pause of 1, 2, 4 ... 60 s, each shortened by a quarter at most.
    assert len(during) <= 10 + 6 + math.ceil(600 / 45)
    assert end <= 600 + 300 + 50 / 2 + 5
    assert len(sent) == len(during) + 50 - sum(1 for at in during if at > 599.8)


def test_without_a_gate_the_same_outage_is_a_storm() -> None:
    sent, _ = fifty_tasks(600, iter(lambda: None, 0), gated=False)
    assert len([at for at in sent if at <= 600]) > 5_000


def test_two_requests_a_second_go_out_at_first_after_ten_at_once() -> None:
    gate = RateLimiter()
    assert [gate.reserve(1_000.0) for _ in range(10)] == [0.0] * 10
    assert [gate.reserve(1_000.0), gate.reserve(1_000.25), gate.reserve(1_000.5)] == [0.5, 0.25, 0.0]
    assert gate.reserve(1_060.0) == 0.0


def test_after_a_refusal_a_burst_is_a_tick_of_the_rate() -> None:
    """With bursts of ten, a host that allows 20 a second refused every round of looks after a pause, and the rate sank."""
    gate = RateLimiter(20)
    gate.record(0.0, 0.1, good=False)
    gate.record(5.0, 5.1, good=True)
    assert gate.rate == 10
    after = [gate.reserve(100.0) for _ in range(10)]
    assert after.index(next(filter(None, after))) == 3
    assert gate.forecast(4, 200.0)[2] == 0.0 < gate.forecast(4, 200.0)[3]


def throughput(
    allowed: float, seconds: float, *, documented: float = 0, adapts: bool = True
) -> tuple[list[float], int]:
    """When a host that allows so many requests a second took one, while a hundred tasks always want to ask; and how often it refused."""
    world, gate, taken, refused = World(), RateLimiter(documented, jitter=lambda: 0.5), list[float](), 0

    async def one() -> None:
        nonlocal refused
        while world.now < seconds:
            at = await gate.acquire(world.clock, world.sleep)
            good = len([one for one in taken[-200:] if one > at - 1]) < allowed
            taken.extend([at] * good)
            refused += not good
            await world.sleep(0.1)
            if adapts:
                gate.record(at, world.now, good=good, retry_after=None if good else 1.0)

    async def all_of_them() -> None:
        await world.run([asyncio.create_task(one()) for _ in range(100)])

    asyncio.run(all_of_them())
    return [at for at in taken if at <= seconds], refused


def test_the_rate_finds_what_the_host_allows_and_stays_near_it() -> None:
    taken, refused = throughput(20, 300)
    late = [at for at in taken if at > 60]
    assert len(late) / 240 > 20 * 0.8
    assert refused < len(taken) / 50


def test_a_rate_that_does_not_adapt_uses_a_tenth_of_what_the_host_allows() -> None:
    taken, _ = throughput(20, 300, adapts=False)
    assert len(taken) / 300 < 2.1


def test_a_burst_of_a_hundred_is_sent_within_fifteen_seconds() -> None:
    taken, _ = throughput(50, 20)
    assert taken[99] < 15


def test_a_documented_rate_is_where_it_starts_and_where_it_ends() -> None:
    taken, refused = throughput(1000, 60, documented=8)
    assert len([at for at in taken if at <= 10]) > 80
    assert len([at for at in taken if 20 < at <= 60]) <= 8 * 40 + 1
    assert refused == 0


@pytest.mark.parametrize(("failures", "rate"), [(0, 20.0), (1, 10.0), (9, 10.0)])
def test_a_series_of_failures_halves_the_rate_once(failures: int, rate: float) -> None:
    gate = RateLimiter(20, jitter=lambda: 1.0)
    for number in range(failures):
        gate.record(100.0 + number, 100.5 + number, good=False)
    assert gate.rate == rate


def test_an_idle_host_is_not_asked_more_often_later_only_because_it_answered() -> None:
    gate = RateLimiter()
    for number in range(1000):
        gate.record(100.0 + number, 100.1 + number, good=True)
    assert gate.rate == 2.0


def turns(dues: list[float], *, cancel: int = -1) -> list[float]:
    """In which order requests go out that want to at once, by what they were due."""
    world, gate, order = World(), RateLimiter(), list[float]()

    async def one(due: float) -> None:
        await gate.acquire(world.clock, world.sleep, due)
        order.append(due)

    async def all_of_them() -> None:
        gate._left = 0
        tasks = [asyncio.create_task(one(due)) for due in dues]
        await asyncio.sleep(0)
        if cancel >= 0:
            tasks[cancel].cancel()
        await world.run(tasks)

    asyncio.run(all_of_them())
    return order


def test_of_those_that_wait_the_one_due_first_is_next_and_a_submit_before_all_looks() -> None:
    assert turns([5.0, 3.0, -math.inf, 4.0]) == [-math.inf, 3.0, 4.0, 5.0]


def delays(*, is_paid: bool) -> list[float]:
    """How long each of twenty requests waits that want to go out at odd times, while a hundred tasks always want to be looked at."""
    world, gate, waited = World(), RateLimiter(20), list[float]()

    async def looks() -> None:
        while world.now < 30:
            await gate.acquire(world.clock, world.sleep, world.now)
            await world.sleep(0.01)

    async def one(at: float) -> None:
        await world.sleep(at)
        waited.append(await gate.acquire(world.clock, world.sleep, -math.inf if is_paid else at) - at)

    async def all_of_them() -> None:
        await world.run([*(asyncio.create_task(looks()) for _ in range(100)),
                         *(asyncio.create_task(one(5.003 + 1.037 * number)) for number in range(20))])  # fmt: skip

    asyncio.run(all_of_them())
    return waited


def test_a_paid_request_waits_for_the_rate_and_neither_for_looks_nor_for_their_tick() -> None:
    assert max(delays(is_paid=True)) <= 1 / 20 + 1e-6
    assert min(delays(is_paid=False)) > 1, "the control: a look waits for the looks before it"


@pytest.mark.parametrize("after", [0.1, 1.0, 2.37, 61.003])
def test_nothing_goes_out_before_retry_after_has_passed(after: float) -> None:
    world, gate, sent = World(), RateLimiter(20, jitter=lambda: 0.0), list[float]()

    async def one(at: float, due: float) -> None:
        await world.sleep(at)
        sent.append(await gate.acquire(world.clock, world.sleep, due))

    async def all_of_them() -> None:
        world.now = 7.77
        gate.record(7.7, world.now, good=False, retry_after=after)
        times = [0.0, 0.01, 0.3, 0.9 * after, 0.999 * after]
        await world.run([asyncio.create_task(one(at, due)) for at in times for due in (-math.inf, at)])

    asyncio.run(all_of_them())
    assert min(sent) >= 7.77 + max(1.0, after)
    assert min(sent) <= 7.77 + max(1.0, after) + 0.25


def test_one_that_no_longer_waits_holds_up_nobody() -> None:
    assert turns([1.0, 2.0, 3.0], cancel=1) == [1.0, 3.0]


def test_failures_that_were_under_way_together_count_once() -> None:
    gate = RateLimiter(jitter=lambda: 1.0)
    for _ in range(10):
        gate.record(100.0, 101.0, good=False)
    assert gate.closed(101.0) == 1.0
    gate.record(102.0, 102.5, good=True)
    assert gate.closed(102.5) == 0.0


def test_an_old_good_answer_does_not_open_a_gate_that_closed_since() -> None:
    gate = RateLimiter(jitter=lambda: 1.0)
    gate.record(100.0, 101.0, good=False, retry_after=30.0)
    gate.record(99.0, 101.5, good=True)
    assert gate.closed(101.5) == 29.5
