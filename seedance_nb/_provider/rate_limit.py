"""The rate limit of one origin and key, shared by all tasks: it adapts to what the host accepts, and backs off while it fails."""

import asyncio
import heapq
import itertools
import math
import random
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from seedance_nb._base.errors import LedgerError

LONGEST_S = 300.0  # the longest wait that a server's `Retry-After` can cause
JITTER = random.Random()  # noqa: S311 - it spreads requests; a generator of its own, so that `random.seed` is not disturbed

_PER_SECOND, _LEAST, _MOST, _AT_ONCE = 2.0, 0.5, 40.0, 10.0
_NEAR = 0.05  # of a refused rate
_SHARED = ("rate", "_refused_at", "_left", "_at", "_failed", "_failed_at", "_closed_until")
_T = TypeVar("_T")
Share = Callable[..., Any] | None
"""Calls its first argument with the state that all kernels share and the time there, and saves the state that it returns; None while another kernel has it."""
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
_TICK_S, _ROUNDING, _AT_A_TIME = 0.25, 1e-9, 64  # several requests at a time cost half the CPU of one at a time


def pause_of(header: str, date: str, now: float) -> float | None:
    """The wait in seconds (0 to 300) that a `Retry-After` header asks for, None if it is not valid; `now` is in Unix seconds. *pure*."""
    header = header.strip()
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", header):
        return min(float(header), LONGEST_S)
    # By the server's own clock, so that a wrong local one does no harm.
    until, sent = _timestamp(header), _timestamp(date)
    return None if until is None else min(max(until - (now if sent is None else sent), 0.0), LONGEST_S)


def _timestamp(text: str) -> float | None:
    try:
        when: datetime = parsedate_to_datetime(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RateLimiter:
    """The rate limit of one origin and key, for one event loop. Of the requests that wait, the one with the smallest `due` is next.

    It allows bursts of 10 until a refusal, and 2 requests a second at first: while requests wait and responses are good, 1 more each second, near a rate
    that failed a twentieth of that. A 429, a 5xx or no response halves it; then all tasks together send one request per pause (1, 2, 4 … 60 s with jitter,
    or what `Retry-After` asks for) until one is good. With `share`, the kernels of a shared ledger have one limit, each its own while the ledger is away.
    """

    def __init__(self, rate: float = 0, jitter: Callable[[], float] = JITTER.random, share: Share = None) -> None:
        self._share, self._ahead, self._recording = share, 0.0, set[asyncio.Task[None]]()
        self.rate, self._most, self._refused_at, self._jitter = rate or _PER_SECOND, rate or _MOST, 0.0, jitter
        self._left, self._at = _AT_ONCE, 0.0
        self._failed, self._failed_at, self._closed_until = 0, 0.0, 0.0
        self._waiting, self._count = list[tuple[float, int, asyncio.Future[float]]](), itertools.count()
        self._serving: asyncio.Task[None] | None = None
        self.looks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # held while one is under way
        self.idle = list[Any]()  # open connections of free requests
        self.closing: asyncio.TimerHandle | None = None  # of these
        # Of calls about many tasks: when each id is due, and what was found.
        self.asked, self.found, self.asking = dict[str, float](), dict[str, tuple[Any, str]](), asyncio.Lock()
        self._balance: tuple[float, asyncio.Task[float]] | None = None

    async def balance(self, ask: Callable[[], Coroutine[Any, Any, float]], now: float) -> float:
        """The account balance, for which a burst of submits asks once. *network*. Raises: what `ask` does."""
        at, asked = self._balance or (-math.inf, None)
        if asked is None or now - at > 1 or (asked.done() and asked.exception()):
            self._balance = now, (asked := asyncio.create_task(ask()))
        return await asyncio.shield(asked)

    def closed(self, now: float) -> float:
        """The seconds until the next request may go out while the host is failing, else 0."""
        return max(0.0, self._closed_until - now - self._ahead) if self._failed else 0.0

    async def _together(self, work: Callable[[float], _T], now: float, *, wait: bool = False) -> _T | None:
        """The result of `work` at this time, which the clock that all kernels share is ahead of; None while another kernel is at it, unless it should `wait`."""

        def shared(state: dict[str, Any], at: float) -> tuple[_T, dict[str, Any]]:
            vars(self).update(state)
            self._ahead = at - now
            return work(at), {name: vars(self)[name] for name in _SHARED}

        if self._share:
            with suppress(LedgerError, RuntimeError):
                found: _T | None = await asyncio.to_thread(self._share, shared, wait=wait)
                return found
        return work(now + self._ahead)

    @property
    def _at_once(self) -> float:
        """The longest burst; after a refusal a tick's and one more, for the burst may be what was refused."""
        return 1 + self.rate * _TICK_S if self._refused_at else _AT_ONCE

    def reserve(self, now: float) -> float:
        """Reserve a slot and return 0, or return the seconds until one may be free."""
        if self._failed:
            pause = max(0.0, self._closed_until - now)
            self._closed_until = self._closed_until if pause else now + self._pause()
            return pause
        self._left = min(self._at_once, self._left + max(0.0, now - self._at) * self.rate)
        self._at = max(self._at, now)
        if self._left < 1 - _ROUNDING:
            return (1 - self._left) / self.rate
        self._left -= 1
        return 0.0

    def forecast(self, count: int, now: float) -> list[float]:
        """The seconds until each of `count` requests may go out if they wait together and responses are good. *pure*."""
        at, rate, times = self.closed(now), self.rate, list[float]()
        left = min(self._at_once, self._left + max(0.0, now - self._at) * rate)
        for _ in range(count):
            left -= 1
            if left < 0:
                at, left, rate = at - left / rate, 0.0, min(self._most, rate + 1 / rate)
            times.append(at)
        return times

    async def acquire(self, clock: Clock, sleep: Sleep, due: float = -math.inf) -> float:
        """Wait until a request may go out; that time by `clock`. One without `due`, as a paid one, does not wait for the tick that looks share. The seconds given to `sleep` count as passed."""
        now, is_first = clock(), not self._waiting or due < self._waiting[0][0]
        if is_first and not self._share and not self.reserve(now):
            return now
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, next(self._count), turn))
        if self._serving is None or self._serving.done() or (is_first and due == -math.inf):
            self._serving = asyncio.create_task(self._serve(clock, sleep))
        return await turn

    async def _serve(self, clock: Clock, sleep: Sleep) -> None:
        now, own = clock(), asyncio.current_task()
        try:
            while self._waiting and self._serving is own:
                count, pause = await self._together(self._reserve, now) or (0, _TICK_S)
                while self._waiting and (count or self._waiting[0][2].done()):
                    turn = heapq.heappop(self._waiting)[2]
                    if not turn.done():  # somebody still waits for it
                        turn.set_result(now)
                        count -= 1
                if pause and self._waiting:  # looks share a tick; the host may be well again earlier
                    await sleep(step := min(pause, _TICK_S) if self._waiting[0][0] == -math.inf else _TICK_S)
                    now = max(clock(), now + step)
        finally:
            while self._waiting and self._serving is own:
                self._waiting.pop()[2].cancel()

    def _reserve(self, now: float) -> tuple[int, float]:
        """How many of the requests that wait may go out, of a few at a time, and the seconds until the next one may."""
        waiting = (one for one in self._waiting if not one[2].done())
        count, pause, most = 0, 0.0, len(list(itertools.islice(waiting, _AT_A_TIME)))
        while count < most and not (pause := self.reserve(now)):
            count += 1
        return count, pause

    def record(self, sent: float, now: float, *, good: bool, retry_after: float | None = None) -> None:
        """Record the result of a request that went out at `sent`; both times are by the clock of `acquire`."""
        work = partial(self._record, now - sent, good, retry_after)
        if not self._share:
            work(now)
        elif not good or self._failed or self._waiting:
            self._recording.add(task := asyncio.create_task(self._together(work, now, wait=True)))
            task.add_done_callback(self._recording.discard)

    def _record(self, took: float, good: bool, retry_after: float | None, now: float) -> None:
        sent = now - took
        if good:
            if self._failed and sent >= self._failed_at:
                self._failed, self._left, self._at = 0, 0.0, now  # not with a burst
            if self._waiting:
                step = _NEAR if abs(self.rate - self._refused_at) <= _NEAR * self._refused_at else 1
                self.rate = min(self._most, self.rate + step / self.rate)
            return
        if not self._failed or sent >= self._failed_at:  # requests in flight together count once
            if not self._failed:
                self._refused_at, self.rate = self.rate, max(_LEAST, self.rate / 2)
            self._failed += 1
            self._failed_at = now
        self._closed_until = max(self._closed_until, now + max(self._pause(), retry_after or 0.0))

    def _pause(self) -> float:
        return max(1.0, min(60.0, 2.0 ** min(self._failed - 1, 10)) * (0.5 + self._jitter() / 2))
