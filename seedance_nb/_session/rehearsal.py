"""What it would take to send several requests: price, time, refusals and balance, from how earlier tasks ended."""

import functools
import heapq
import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.html import Readable
from seedance_nb._base.values import read_json
from seedance_nb._check.check import values_by_role
from seedance_nb._check.price import Total
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State
from seedance_nb._session.sender import Sender
from seedance_nb._task.engine import ENGINE

_RUNS, _EARLIER, _FEWEST, _DRAWN = 200, 200, 3, 2_000
Outcomes = list[tuple[float, bool, bool]]  # after how many seconds, whether with a video, and whether charged
Clip = tuple[str, float, Outcomes]  # a request's provider ("" if it runs already), price, and how it may end


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rehearsal(Readable):
    """What would happen if a batch was sent: `clips` would be sent, and are waited for with those that are `running` already. `seconds` is the range of 8 in 10 runs, `charged` that of what is charged, `refusals` how many of both would have no video, `runs_out` the number of the first clip, in the order of sending, that the balance does not pay for, if any, `basis` what this rests on."""

    clips: int
    seconds: tuple[float, float]
    refusals: float
    runs_out: int | None = None
    charged: tuple[float, float] = (0, 0)
    cost: str = ""
    basis: tuple[str, ...] = ()
    running: int = 0

    def __repr__(self) -> str:
        span = " to ".join(dict.fromkeys(map(_span_text, self.seconds)))
        out = [f"balance runs out at clip {self.runs_out}"] if self.runs_out else []
        refusals = f"about {self.refusals:.0f} refusal{'s' * (round(self.refusals) != 1)}"
        details, basis = ([span, refusals, *out], self.basis) if self.clips or self.running else ([], ())
        clips = f"{self.clips:,} clip{'s' * (self.clips != 1)}"
        clips += f" and {self.running:,} that run{'s' * (self.running == 1)} already" if self.running else ""
        return "\n".join([f"{clips}: {', '.join([self.cost, *details])}", *basis])


def _span_text(seconds: float) -> str:
    minutes = round(seconds / 60)
    hours = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004
    return hours if minutes > 1 else f"{seconds:.0f} s"


def forecast(sender: Sender, requests: Sequence[tuple[Spec, Any, float, bool, Row | None]], total: Total, after: Mapping[int, int],
             concurrency: int | None) -> Rehearsal:  # fmt: skip
    """What would happen if requests (model, body, price, whether simulated, row if it runs already) of this total were sent, in the order that `rehearse` says. *reads files*, *network*: free calls only."""
    clips, turns, balances = list[Clip](), dict[str, list[float]](), dict[str, float]()
    basis, pace = dict[str, None](), f"at most {concurrency} at a time" if concurrency else "all at a time"
    pace += f" but {len(after)} that continue another one" if after else ""
    outcomes = functools.cache(functools.partial(outcomes_of, sender.ledger, sum(sender.routing.timing)))
    for spec, body, price, simulated, row in requests:
        earlier, source = outcomes(spec, size_of(spec, body), simulated)
        provider, basis[source] = spec.provider, None
        if row:  # one that is slower than all before it may go on for as long again
            waited = time.time() - (row.accepted or row.created)
            earlier = [(one[0] - waited, *one[1:]) for one in earlier if one[0] >= waited] or [(waited, True, True)]
        clips.append(("", 0.0, earlier) if row else (provider, price * (not simulated), earlier))
        if not row and provider not in turns and (gate := sender.account(spec).endpoint.gate):
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
    first = [(0.0, number) for number in range(len(clips)) if number not in (after or {})]
    count = min(_RUNS, max(20, 200_000 // max(1, len(clips))))  # a few seconds at most
    for _ in range(count):
        ready, busy, left, sent = [*first], list[float](), dict(balances or {}), 0
        end, out, spent, refusals = 0.0, math.inf, 0.0, refusals + len(clips)
        free = {provider: iter(times) for provider, times in (turns or {}).items()}
        while ready:
            at, number = heapq.heappop(ready)
            provider, price, outcomes = clips[number]
            slot, sent = heapq.heappop(busy) if len(busy) == concurrency else 0.0, sent + bool(provider)
            at = max(at, slot, next(free.get(provider, iter(())), 0.0))
            seconds, has_video, is_charged = draw.choice(outcomes)
            if price > left.get(provider, math.inf):  # the provider refuses it
                seconds, has_video, is_charged, out = 0.0, False, False, min(out, sent)
            at = at + seconds if provider else max(at, seconds)
            heapq.heappush(busy, at)
            end, spent, refusals = max(end, at), spent + price * is_charged, refusals - has_video
            left[provider] = left.get(provider, math.inf) - price * is_charged
            for one, before in after.items() if after and has_video else ():
                if before == number:
                    heapq.heappush(ready, (at, one))
        runs.append((end, spent, out))
    ends, costs, outs = map(sorted, zip(*runs, strict=True))
    low, high, out = count // 10, -count // 10, outs[count // 2]
    running = sum(not provider for provider, _, _ in clips)
    return Rehearsal(
        clips=len(clips) - running, running=running, seconds=(ends[low], ends[high]), charged=(costs[low], costs[high]),
        refusals=refusals / count, runs_out=None if out == math.inf else int(out),
    )  # fmt: skip


def outcomes_of(ledger: Ledger, simulator_s: float, spec: Spec, size: Any, simulated: bool) -> tuple[Outcomes, str]:
    """How earlier tasks of this size ended, or of any, or one of the simulator; and which. *reads files*."""
    found = ledger.search(lambda *_: "", _EARLIER, 0, model=spec.name)
    ended = State.DONE, State.FAILED, State.REFUSED
    every = [one.row for one in found if one.row.simulated is simulated and one.row.state in ended]
    same = [row for row in every if size_of(spec, read_json(row.body)) == size]
    rows, kind = (same, "the same size and length") if len(same) >= _FEWEST else (every, "any size and length")
    if len(rows) >= _FEWEST:
        times = [(row.finished or 0) - (row.accepted or row.finished or 0) for row in rows]
        pairs = [*zip(times, [(row.state is State.DONE, row.charged != "not charged") for row in rows], strict=True)]
        # The next may be slower than all of them, so times are drawn that vary around theirs (Silverman's rule).
        logs = [math.log(seconds) for seconds, (has_video, _) in pairs if has_video and seconds > 0]
        spread, draw = 1.06 * statistics.pstdev(logs) * len(logs) ** -0.2 if logs else 0.0, random.Random(0)  # noqa: S311
        outcomes = [(seconds * draw.lognormvariate(0, spread), *end) for seconds, end in draw.choices(pairs, k=_DRAWN)]
        return outcomes, f"{spec.name}: {len(rows)} earlier tasks of {kind}"
    text = f"{spec.name}: no earlier tasks in the ledger, so times are the simulator's"
    return [(simulator_s, True, True)], text + ("" if simulated else "; real ones usually take minutes")


def size_of(spec: Spec, body: Any) -> tuple[str, str]:
    """What the time of a task depends on: the resolution and the length that a request sets. *pure*."""
    roles = values_by_role(spec, body)
    return str(roles.get("resolution")), str(roles.get("seconds"))
