"""What a batch would take, played through with the outcomes of earlier tasks: time, refusals and balance. It spends nothing."""

import heapq
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from seedance_nb._base.html import Readable
from seedance_nb._base.values import read_json
from seedance_nb._check.check import values_by_role
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

_RUNS, _EARLIER, _FEWEST = 200, 200, 3
Outcomes = list[tuple[float, bool, bool]]
"""How tasks ended: after how many seconds, whether with a video, and whether they were charged."""
_ENDED = (State.DONE, State.FAILED, State.REFUSED)


class Clip(NamedTuple):
    """One request: its provider, its price there, and how tasks like it ended."""

    provider: str
    price: float
    outcomes: Outcomes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rehearsal(Readable):
    """What would happen if a batch was sent: `seconds` is the range of 8 in 10 runs, `refusals` how many clips would have no video, `runs_out` the number of the clip that the balance does not pay for, if any, `basis` what this rests on."""

    clips: int
    seconds: tuple[float, float]
    refusals: float
    runs_out: int | None = None
    cost: str = ""
    basis: tuple[str, ...] = ()

    def __repr__(self) -> str:
        span = " to ".join(dict.fromkeys(map(_span_text, self.seconds)))
        out = f"balance runs out at clip {self.runs_out}" if self.runs_out else ""
        parts = filter(None, (self.cost, span, f"about {self.refusals:.0f} refusals", out))
        return "\n".join([f"{self.clips:,} clip{'s' * (self.clips != 1)}: {', '.join(parts)}", *self.basis])


def _span_text(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
    return hours if minutes > 1 else f"{seconds:.0f} s"


def rehearse(clips: Sequence[Clip], *, concurrency: int | None = None, pause_s: float = 0.0,
             balances: Mapping[str, float] | None = None) -> Rehearsal:  # fmt: skip
    """The clips in order, at most `concurrency` at once and `pause_s` apart, 200 times over with outcomes drawn anew. *pure*."""
    draw, ends, outs, refusals = random.Random(0), list[float](), list[float](), 0  # noqa: S311 - no secret
    for _ in range(_RUNS):
        running, at, left, out = list[float](), -pause_s, dict(balances or {}), math.inf
        for number, clip in enumerate(clips, 1):
            at = max(at + pause_s, heapq.heappop(running) if len(running) == concurrency else 0.0)
            seconds, has_video, is_charged = draw.choice(clip.outcomes)
            heapq.heappush(running, at + seconds)
            refusals += not has_video
            left[clip.provider] = left.get(clip.provider, math.inf) - clip.price * is_charged
            out = min(out, number if left[clip.provider] < 0 else math.inf)
        ends.append(max(running, default=0.0))
        outs.append(out)
    low, high, out = sorted(ends)[_RUNS // 10], sorted(ends)[-_RUNS // 10], sorted(outs)[_RUNS // 2]
    runs_out = None if out == math.inf else int(out)
    return Rehearsal(clips=len(clips), seconds=(low, high), refusals=refusals / _RUNS, runs_out=runs_out)


def outcomes_of(ledger: Ledger, simulator_s: float, spec: Spec, size: Any, simulated: bool) -> tuple[Outcomes, str]:
    """How earlier tasks of this size ended, or of any, or one of the simulator; and which. *reads files*."""
    found = ledger.search(lambda *_: "", _EARLIER, 0, model=spec.name)
    every = [one.row for one in found if one.row.simulated is simulated and one.row.state in _ENDED]
    same = [row for row in every if size_of(spec, read_json(row.body)) == size]
    rows, kind = (same, "the same size and length") if len(same) >= _FEWEST else (every, "any size and length")
    if len(rows) >= _FEWEST:
        times = [(row.finished or 0) - (row.accepted or row.finished or 0) for row in rows]
        ends = [(row.state is State.DONE, row.charged != "not charged") for row in rows]
        outcomes = [(time, *end) for time, end in zip(times, ends, strict=True)]
        return outcomes, f"{spec.name}: {len(rows)} earlier tasks of {kind}"
    text = f"{spec.name}: no earlier tasks in the ledger, so times are the simulator's"
    return [(simulator_s, True, True)], text + ("" if simulated else "; real ones usually take minutes")


def size_of(spec: Spec, body: Any) -> tuple[str, str]:
    """What the time of a task depends on: the resolution and the length that a request sets. *pure*."""
    roles = values_by_role(spec, body)
    return str(roles.get("resolution")), str(roles.get("seconds"))
