"""When to look at a task again, from how long earlier ones took. *pure*."""

from collections.abc import Sequence
from dataclasses import dataclass, field

_LATE_EVERY_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PollHistory:
    """What the schedule needs to know: the seconds that earlier tasks of the same kind took, and the document's words.

    After `late` seconds a task is looked at once a minute, for as long as anybody cares to wait.
    """

    early: tuple[float, ...] = (2, 8)
    every: float = 5
    floor: float = 1
    late: float = 7200
    history: Sequence[float] = field(default=())


def next_poll(looks: PollHistory, elapsed: float) -> float:
    """Seconds from `elapsed` (seconds since the task was accepted) until the next look. *pure*.

    Skip and fixed: the early looks catch quick refusals; then sparse looks until 0.85 of the fastest of the last 30
    tasks of this kind, then one look per 2 % of their median. With fewer than three known, the document's own distance.
    """
    early = next((at for at in looks.early if at > elapsed + 0.001), None)
    if len(looks.history) < 3:  # noqa: PLR2004
        regular = looks.every
    else:
        known = sorted(looks.history[-30:])
        due = 0.85 * known[0]
        regular = max(0.02 * known[len(known) // 2], looks.floor)
        if elapsed < due:
            regular = min(30.0, max(due - elapsed, looks.floor))
    if elapsed > looks.late:
        regular = max(regular, _LATE_EVERY_S)
    wait = min(regular, early - elapsed) if early is not None else regular
    return max(wait, looks.floor)
