"""The polling schedule, from the duration of earlier tasks. *pure*."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When to poll, in seconds; `history` has the durations of earlier tasks; after `late`, polling slows to once a minute."""

    early: tuple[float, ...] = (2, 8)
    every: float = 5
    floor: float = 1
    late: float = 7200
    history: Sequence[float] = field(default=())


def next_poll(polls: PollSchedule, elapsed: float) -> float:
    """Seconds from `elapsed` (seconds since the task was accepted) until the next status check. *pure*."""
    # Early checks catch quick refusals; then few until 0.85 of the fastest earlier task, then one per 2 % of their median.
    early = next((at for at in polls.early if at > elapsed + 0.001), None)
    if len(polls.history) < 3:  # noqa: PLR2004
        regular = polls.every
    else:
        durations = sorted(polls.history[-30:])
        due = 0.85 * durations[0]
        regular = max(0.02 * durations[len(durations) // 2], polls.floor)
        if elapsed < due:
            regular = min(30.0, max(due - elapsed, polls.floor))
    if elapsed > polls.late:
        regular = max(regular, 60)
    wait = min(regular, early - elapsed) if early is not None else regular
    return max(wait, polls.floor)
