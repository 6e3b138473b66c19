"""How often one host is asked: a shared allowance for all tasks, and pauses for all of them while it is in trouble."""

import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 300.0
"""No word of a server makes us wait longer than this, in seconds."""
CHANCE = random.Random()  # noqa: S311 - it spreads requests, and does not disturb a person's own `random.seed`
"""Where numbers from 0 to 1 come from."""

_PER_SECOND = 2.0
_AT_ONCE = 10.0
_LONGEST_BACKOFF_S = 60.0


def pause_of(told: str, date: str, now: float) -> float | None:
    """The seconds of a `Retry-After` header, 0 to 300, None where it says nothing sensible. *pure*.

    `told` is a number of seconds or an HTTP date; a date is held against the answer's own `Date` header, so that a clock
    that is wrong here does no harm, and against `now` (Unix seconds) where there is none.
    """
    told = told.strip()
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", told):
        return min(float(told), LONGEST_S)
    until = _moment(told)
    if until is None:
        return None
    sent = _moment(date)
    return min(max(until - (now if sent is None else sent), 0.0), LONGEST_S)


def _moment(text: str) -> float | None:
    try:
        when: datetime = parsedate_to_datetime(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RateLimiter:
    """Turns for the requests of this process to one host; used from one thread.

    In good times 10 at once and 2 per second over time. After a 429, a 5xx or no answer, one request per pause goes out
    for all tasks together (1, 2, 4 up to 60 s, shortened by chance, or what `Retry-After` asks for), and the first good
    answer ends that. `chance` gives numbers from 0 to 1.
    """

    def __init__(self, chance: Callable[[], float] = CHANCE.random) -> None:
        self._chance = chance
        self._left = _AT_ONCE
        self._at = 0.0
        self._failed = 0
        self._failed_at = 0.0
        self._closed_until = 0.0

    def closed(self, now: float) -> float:
        """The seconds for which nothing goes out because the host is in trouble, 0 in good times."""
        return max(0.0, self._closed_until - now) if self._failed else 0.0

    def reserve(self, now: float) -> float:
        """Takes the next turn; the seconds until it comes, 0 for at once."""
        if self._failed:
            self._closed_until = now + self._pause()
            return 0.0
        self._left = min(_AT_ONCE, self._left + max(0.0, now - self._at) * _PER_SECOND) - 1
        self._at = max(self._at, now)
        return max(0.0, -self._left / _PER_SECOND)

    async def acquire(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> float:
        """Waits until a request may go out; when that is, by `clock`. What `sleep` was asked to sleep counts as slept."""
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
            self._left += was_open  # the host fell into trouble meanwhile, so this turn was not used

    def record(self, sent: float, now: float, *, good: bool, retry_after: float | None = None) -> None:
        """Takes note of an answer to a request that went out at `sent`; both times are of the clock of `turn`."""
        if good:
            if sent >= self._failed_at:
                self._failed = 0
            return
        if not self._failed or sent >= self._failed_at:  # those that were under way together count once
            self._failed += 1
            self._failed_at = now
        self._closed_until = max(self._closed_until, now + max(self._pause(), retry_after or 0.0))

    def _pause(self) -> float:
        longest = min(_LONGEST_BACKOFF_S, 2.0 ** min(self._failed - 1, 10))
        return max(1.0, longest * (0.5 + self._chance() / 2))
