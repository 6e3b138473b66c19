"""The rate limit of one host, shared by all tasks, with backoff while the host is failing."""

import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 300.0  # the longest wait that a server's `Retry-After` can cause
JITTER = random.Random()  # noqa: S311 - it spreads requests; a generator of its own, so that `random.seed` is not disturbed

_PER_SECOND = 2.0
_AT_ONCE = 10.0


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
    """The rate limit for this process's requests to one host. Not thread-safe.

    Normally bursts of 10 and 2 requests per second on average. After a 429, a 5xx or no response, all tasks together send
    one request per pause (1, 2, 4 … 60 s with jitter, or what `Retry-After` asks for) until a response is good.
    """

    def __init__(self, jitter: Callable[[], float] = JITTER.random) -> None:
        self._jitter = jitter
        self._left, self._at = _AT_ONCE, 0.0
        self._failed, self._failed_at, self._closed_until = 0, 0.0, 0.0

    def closed(self, now: float) -> float:
        """The seconds until the next request may go out while the host is failing, else 0."""
        return max(0.0, self._closed_until - now) if self._failed else 0.0

    def reserve(self, now: float) -> float:
        """Reserve the next slot; the seconds until it, 0 for now."""
        if self._failed:
            self._closed_until = now + self._pause()
            return 0.0
        self._left = min(_AT_ONCE, self._left + max(0.0, now - self._at) * _PER_SECOND) - 1
        self._at = max(self._at, now)
        return max(0.0, -self._left / _PER_SECOND)

    async def acquire(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> float:
        """Wait until a request may go out; that time by `clock`. The seconds given to `sleep` count as passed."""
        now = clock()
        while True:
            pause = self.closed(now) or self.reserve(now)
            if not pause:
                return now
            was_open = not self.closed(now)
            await sleep(pause)
            now = max(clock(), now + pause)
            if was_open and not self.closed(now):
                return now
            self._left += was_open  # the host began to fail meanwhile, so this slot was not used

    def record(self, sent: float, now: float, *, good: bool, retry_after: float | None = None) -> None:
        """Record the result of a request that went out at `sent`; both times are by the clock of `acquire`."""
        if good:
            if sent >= self._failed_at:
                self._failed = 0
            return
        if not self._failed or sent >= self._failed_at:  # requests in flight together count once
            self._failed += 1
            self._failed_at = now
        self._closed_until = max(self._closed_until, now + max(self._pause(), retry_after or 0.0))

    def _pause(self) -> float:
        longest = min(60.0, 2.0 ** min(self._failed - 1, 10))
        return max(1.0, longest * (0.5 + self._jitter() / 2))
