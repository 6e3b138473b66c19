"""What it would take to send several requests: price, time, refusals and balance, from how earlier tasks ended."""

import functools
import heapq
import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.html import Readable
from seedance_nb._base.values import read_json
from seedance_nb._check.check import values_by_role
from seedance_nb._check.price import Total
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State
from seedance_nb._session.sender import Sender
from seedance_nb._task.engine import ENGINE

_RUNS, _EARLIER, _FEWEST = 200, 200, 3
Outcomes = list[tuple[float, bool, bool]]  # after how many seconds, whether with a video, and whether charged
Clip = tuple[str, float, Outcomes]  # a request's provider and price, and how tasks like it ended


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rehearsal(Readable):
    """What would happen if a batch was sent: `seconds` is the range of 8 in 10 runs, `charged` that of what is charged, `refusals` how many clips would have no video, `runs_out` the number of the first clip, in the order of sending, that the balance does not pay for, if any, `basis` what this rests on."""

    clips: int
    seconds: tuple[float, float]
    refusals: float
    runs_out: int | None = None
    charged: tuple[float, float] = (0, 0)
    cost: str = ""
    basis: tuple[str, ...] = ()

    def __repr__(self) -> str:
        span = " to ".join(dict.fromkeys(map(_span_text, self.seconds)))
        out = [f"balance runs out at clip {self.runs_out}"] if self.runs_out else []
        parts = [self.cost, span, f"about {self.refusals:.0f} refusals", *out] if self.clips else [self.cost]
        basis = self.basis if self.clips else ()
        return "\n".join([f"{self.clips:,} clip{'s' * (self.clips != 1)}: {', '.join(parts)}", *basis])


def _span_text(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
    return hours if minutes > 1 else f"{seconds:.0f} s"


def forecast(sender: Sender, requests: Sequence[tuple[Spec, Any, float, bool]], total: Total, after: Mapping[int, int],
             concurrency: int | None) -> Rehearsal:  # fmt: skip
    """What would happen if requests (model, body, price, whether simulated) of this total were sent, in the order that `rehearse` says. *reads files*, *network*: free calls only."""
    clips, turns, balances = list[Clip](), dict[str, list[float]](), dict[str, float]()
    basis, pace = dict[str, None](), f"at most {concurrency} at a time" if concurrency else "all at a time"
    pace += f" but {len(after)} that continue another one" if after else ""
    outcomes = functools.cache(functools.partial(outcomes_of, sender.ledger, sum(sender.routing.timing)))
    for spec, body, price, simulated in requests:
        earlier, source = outcomes(spec, size_of(spec, body), simulated)
        provider, basis[source] = spec.provider, None
        clips.append((provider, price * (not simulated), earlier))
        if provider not in turns and (gate := sender.account(spec).endpoint.gate):
            turns[provider] = gate().forecast(len(requests), sender.routing.clock())
            pace += f", {provider} at first with {gate().rate:g} requests a second"
            left = ENGINE.run(sender.balance(spec)) if "balance" in spec.calls else None
            balances |= {} if left is None else {provider: left}
    played, cost = rehearse(clips, turns, after, concurrency=concurrency, balances=balances), str(total)
    known = [f"{name}: the balance is {left:,.10g} now" for name, left in balances.items()]
    if len(total.sums) == 1 and played.charged[0] < (total.sums[0].amount or 0):  # else in several units
        cost += f", {' to '.join(dict.fromkeys(f'{one:,.10g}' for one in played.charged))} of it charged"
    return replace(played, cost=cost, basis=(*basis, *known, pace))


def rehearse(clips: Sequence[Clip], turns: Mapping[str, Sequence[float]] | None = None, after: Mapping[int, int] | None = None, *,
             concurrency: int | None = None, balances: Mapping[str, float] | None = None) -> Rehearsal:  # fmt: skip
    """The clips in order, each once the one that it comes `after` has its video, at most `concurrency` at once and not before the next of its provider's `turns`: 200 times over with outcomes drawn anew, or less often where there are many clips. *pure*."""
    draw, runs, refusals = random.Random(0), list[tuple[float, float, float]](), 0  # noqa: S311 - no secret
    spreads = {key: _spread(outcomes) for key, outcomes in {id(one): one for _, _, one in clips}.items()}
    first = [(0.0, number) for number in range(len(clips)) if number not in (after or {})]
    count = min(_RUNS, max(20, 200_000 // max(1, len(clips))))  # a few seconds at most
    for _ in range(count):
        ready, running, left, sent = [*first], list[float](), dict(balances or {}), 0
        end, out, spent, refusals = 0.0, math.inf, 0.0, refusals + len(clips)
        free = {provider: iter(times) for provider, times in (turns or {}).items()}
        while ready:
            at, number = heapq.heappop(ready)
            (provider, price, outcomes), sent = clips[number], sent + 1
            slot = heapq.heappop(running) if len(running) == concurrency else 0.0
            at = max(at, slot, next(free.get(provider, iter(())), 0.0))
            seconds, has_video, is_charged = draw.choice(outcomes)
            if price > left.get(provider, math.inf):  # the provider refuses it
                seconds, has_video, is_charged, out = 0.0, False, False, min(out, sent)
            at += seconds * draw.lognormvariate(0, spreads[id(outcomes)])
            heapq.heappush(running, at)
            end, spent, refusals = max(end, at), spent + price * is_charged, refusals - has_video
            left[provider] = left.get(provider, math.inf) - price * is_charged
            for one, before in after.items() if after and has_video else ():
                if before == number:
                    heapq.heappush(ready, (at, one))
        runs.append((end, spent, out))
    ends, costs, outs = map(sorted, zip(*runs, strict=True))
    low, high, out = count // 10, -count // 10, outs[count // 2]
    return Rehearsal(
        clips=len(clips), seconds=(ends[low], ends[high]), charged=(costs[low], costs[high]), refusals=refusals / count,
        runs_out=None if out == math.inf else int(out),
    )  # fmt: skip


def _spread(outcomes: Outcomes) -> float:
    """How much drawn times vary around earlier ones, as the next may be slower than all of them (Silverman's rule). *pure*."""
    logs = [math.log(seconds) for seconds, has_video, _ in outcomes if has_video and seconds > 0]
    return 1.06 * statistics.pstdev(logs) * len(logs) ** -0.2 if logs else 0.0


def outcomes_of(ledger: Ledger, simulator_s: float, spec: Spec, size: Any, simulated: bool) -> tuple[Outcomes, str]:
    """How earlier tasks of this size ended, or of any, or one of the simulator; and which. *reads files*."""
    found = ledger.search(lambda *_: "", _EARLIER, 0, model=spec.name)
    ended = State.DONE, State.FAILED, State.REFUSED
    every = [one.row for one in found if one.row.simulated is simulated and one.row.state in ended]
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
