"""Kernels with one ledger on a server have one rate limit, and hear from each other what became of a request."""

import asyncio
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.claims import backend, claim
from support.postgres import PostgresServer
from support.waiting import until

from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State
from seedance_nb._provider.rate_limit import RateLimiter
from seedance_nb._task.engine import ENGINE

postgres = pytest.importorskip("seedance_nb._ledger.postgres")
KERNELS, AT_ONCE, PATIENCE_S = 10, 10, 30


@pytest.fixture
def kernels(url: str) -> Iterator[list[Ledger]]:
    found = [Ledger(url) for _ in range(KERNELS)]
    yield found
    for ledger in found:
        ledger.close()


class At:
    """The shared state of a rate limit at a time that the test sets."""

    def __init__(self) -> None:
        self.now = 1e9

    def share(self, ledger: Ledger) -> Callable[..., Any]:
        def shared(work: Callable[..., Any], *, wait: bool) -> Any:
            assert ledger.share
            return ledger.share("https://a", lambda state, _: work(state, self.now), wait=wait)

        shared(lambda state, _: (None, state), wait=True)  # the row
        return shared


async def reserve(limiter: RateLimiter) -> float:
    pause = await limiter._together(limiter.reserve, 0.0)
    return 0.02 if pause is None else pause


async def turns(limiters: list[RateLimiter]) -> int:
    """How many requests they let out before each of them refuses the next one."""
    count, left = 0, [*limiters]
    while left:
        left = [one for one in left if not await reserve(one)]
        count += len(left)
    return count


async def settled(limiter: RateLimiter) -> None:
    await asyncio.gather(*limiter._recording)


def test_ten_kernels_ask_no_more_often_than_one(kernels: list[Ledger]) -> None:
    async def run() -> None:
        at = At()
        shared = [RateLimiter(share=at.share(ledger)) for ledger in kernels]
        assert await turns(shared) == await turns([RateLimiter()]) == AT_ONCE
        at.now += 1
        assert await turns(shared) == 2
        assert await turns([RateLimiter() for _ in kernels]) == KERNELS * AT_ONCE  # the control

    asyncio.run(run())


def test_what_one_kernel_is_refused_slows_all_of_them_and_what_it_is_given_again_frees_them(
    kernels: list[Ledger],
) -> None:
    async def run() -> None:
        at = At()
        shared = [RateLimiter(share=at.share(ledger), jitter=lambda: 1.0) for ledger in kernels]
        assert await turns(shared) == AT_ONCE
        shared[0].record(0.0, 0.0, good=False, retry_after=30)
        await settled(shared[0])
        at.now += 29
        assert await turns(shared) == 0
        assert 0 < shared[1].closed(0.0) <= 1
        at.now += 2
        assert await turns(shared) == 1  # one asks whether it is well again
        shared[5].record(0.0, 0.0, good=True)
        await settled(shared[5])
        assert (shared[0].rate, await turns(shared)) == (1, 0)  # halved, and no burst
        for _ in range(3):
            at.now += 1
            assert await turns(shared) == 1

    asyncio.run(run())


def test_a_kernel_does_not_wait_for_one_that_is_reserving_at_this_moment(kernels: list[Ledger]) -> None:
    first, second, *_ = kernels
    assert first.share
    assert second.share
    held, is_over, share = threading.Event(), threading.Event(), second.share
    assert share("https://a", lambda state, _: (1, state), wait=False) is None  # the first time, there is no row yet
    share("https://b", lambda state, _: (1, state), wait=False)

    def hold(state: dict[str, Any], _: float) -> tuple[None, dict[str, Any]]:
        held.set()
        is_over.wait(PATIENCE_S)
        return None, state

    thread = threading.Thread(target=functools.partial(first.share, "https://a", hold, wait=True))
    thread.start()
    assert held.wait(PATIENCE_S)
    assert share("https://a", lambda state, _: (1, state), wait=False) is None
    assert share("https://b", lambda state, _: (1, state), wait=False) == 1  # another origin's is free
    is_over.set()
    thread.join()
    assert share("https://a", lambda state, _: (1, state), wait=False) == 1


def test_a_limit_goes_on_in_each_kernel_while_the_server_is_down(
    server: PostgresServer, kernels: list[Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_PAUSES_S", (None,))

    async def run() -> None:
        assert kernels[0].share
        limiter = RateLimiter(share=functools.partial(kernels[0].share, "https://a"))
        await reserve(limiter)
        assert await turns([limiter]) >= AT_ONCE
        server.stop()
        try:
            assert 0 < await reserve(limiter) <= 0.5
        finally:
            server.start()
        limiter.record(0.0, 0.0, good=False, retry_after=30)
        await settled(limiter)
        assert await reserve(limiter) > 1

    asyncio.run(run())


def test_sessions_with_one_server_have_one_limit_and_those_with_files_one_of_their_own(
    kernels: list[Ledger], tmp_path: Any
) -> None:
    origin = f"https://{tmp_path.name}.example"
    first, second = (ENGINE.rate_limiter(origin, "k", ledger) for ledger in kernels[:2])
    assert first is second
    file, other = (ENGINE.rate_limiter(origin, "k", Ledger(tmp_path / name)) for name in ("a", "b"))
    assert file is other is ENGINE.rate_limiter(origin, "k")
    assert file is not first


async def forever(_: float) -> None:
    await asyncio.Event().wait()


def test_a_kernel_hears_at_once_what_another_one_s_request_became(kernels: list[Ledger]) -> None:
    mine, other, *_ = kernels
    row, _ = claim(other)
    other.update(row.seq, only_in=(State.WAITING,), state=State.SENDING)

    async def run() -> None:
        await asyncio.wait_for(mine.wait(forever), PATIENCE_S)  # its own word: it can hear
        assert backend(mine)._hears
        waiting = asyncio.create_task(mine.wait(forever))
        await asyncio.sleep(0)
        await asyncio.to_thread(other.update, row.seq, progress=1.0)
        await asyncio.to_thread(other.update, row.seq, state=State.QUEUED, task_id="t")
        await asyncio.wait_for(waiting, PATIENCE_S)

    asyncio.run(run())


def test_a_kernel_that_hears_nothing_looks_twice_a_second_and_one_that_hears_seldom(
    kernels: list[Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = list[float]()

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    deaf, hearing, *_ = kernels
    with monkeypatch.context() as patch:
        patch.setattr(backend(deaf), "_listen", lambda: None)
        asyncio.run(deaf.wait(pause))
    asyncio.run(hearing.wait(forever))
    asyncio.run(hearing.wait(pause))
    assert paused == [0.5, 5.0]


def test_a_listener_ends_with_its_server_and_begins_anew(server: PostgresServer, kernels: list[Ledger]) -> None:
    mine = kernels[0]
    asyncio.run(mine.wait(forever))
    server.stop()
    until(lambda: not backend(mine)._hears)
    server.start()
    asyncio.run(mine.wait(forever))
    assert backend(mine)._hears
