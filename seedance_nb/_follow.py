"""One task from its first byte to its kept file, as one flow: send once, look until it ends, fetch at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from seedance_nb._errors import MediaError, Refused, TaskFailed, Unauthorized, UnknownOutcome, Unreachable, WaitTimeout
from seedance_nb._files import Kept, keep, part_for
from seedance_nb._ledger import Ledger
from seedance_nb._outcome import Answer, classify, refusal
from seedance_nb._owner import this_process
from seedance_nb._request import Request, status_request
from seedance_nb._spec import Spec
from seedance_nb._task import OPEN_STATES, Looks, Row, Seen, State, next_look, read_status
from seedance_nb._transport import Place, download, look, send_once

_GONE_AFTER_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What following a task needs; `sleep` takes seconds, `clock` gives monotonic and `now` Unix seconds."""

    spec: Spec
    place: Place
    ledger: Ledger
    folder: Path
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    @property
    def looks(self) -> Looks:
        """The schedule for this place: the document's, or quick looks at the simulator in this process."""
        table = self.spec.task
        if table is None or self.place.app is not None:
            return Looks(early=(), every=0.25, floor=0.1)
        return Looks(early=table.early, every=table.every)


async def run(flow: Flow, row: Row, request: Request | None) -> Row:
    """The row of a finished task whose file is kept. *network*, *writes ledger*, *writes files*.

    With `request` it is sent first, once: *spends credits*.

    Raises: Refused, Unreachable, UnknownOutcome, TaskFailed, WaitTimeout, MediaError; the ledger knows as much as they do.
    """
    if request is not None:
        row = await _send(flow, row, request)
    elif row.state is State.SENDING and row.owner == this_process():
        # Whoever sent it from here has ended without an answer, or this flow would not have begun.
        row = flow.ledger.update(row.seq, state=State.UNKNOWN, error="the sending ended before its answer was recorded")
    while row.state is State.SENDING:  # another kernel is sending it; its answer comes through the ledger
        await flow.sleep(0.5)
        row = flow.ledger.row(row.seq) or row
    if row.state in OPEN_STATES:
        row = await _follow(flow, row)
    raise_for(flow.spec, row)
    if row.file and Path(row.file).exists():
        return row
    return await _keep(flow, row)


def raise_for(spec: Spec, row: Row) -> None:
    """Nothing for a task that is going well. Raises: the error that its state means. *pure*."""
    if row.state is State.UNKNOWN:
        raise UnknownOutcome(
            f"It is not known whether {row.provider} took this request: {row.error}.",
            task=row.name,
            charged=row.charged,
            next_step=f"look at the account at {row.provider}; the same request is not sent again. "
            "If it did not arrive there, send it as take=2",
        )
    if row.state is State.FAILED:
        said = row.error or f"the state {row.word!r} without a reason"
        raise TaskFailed(
            f"{row.provider} could not make the video of {row.name}. It said: {said}",
            task=row.name,
            charged=row.charged,
            next_step="change the prompt or the references, or send the same again as take=2",
        )
    if row.state is State.REFUSED:
        raise refusal(spec, row.word, row.error)
    if row.state is State.UNSENT:
        raise Unreachable(row.error)


async def _send(flow: Flow, row: Row, request: Request) -> Row:
    sent = await send_once(flow.spec, request, flow.place)
    states = {"accepted": State.QUEUED, "refused": State.REFUSED, "unsent": State.UNSENT, "unknown": State.UNKNOWN}
    changes: dict[str, object] = {"state": states[sent.outcome], "task_id": sent.task_id, "error": sent.why}
    if sent.outcome == "accepted":
        changes["accepted"] = flow.now()
    if isinstance(sent.error, Refused):
        changes["word"] = str(sent.error.code)
    if sent.simulated:
        changes["simulated"] = True
    row = flow.ledger.update(row.seq, **changes)
    if sent.error is not None:
        raise sent.error
    return row


async def _follow(flow: Flow, row: Row) -> Row:
    looks, missing_since = flow.looks, None
    if flow.place.app is None:
        looks = Looks(early=looks.early, every=looks.every, history=flow.ledger.history(row))
    begun = flow.clock() - max(0.0, flow.now() - (row.accepted or flow.now()))
    deadline = flow.clock() + (flow.spec.task.deadline if flow.spec.task else 0)
    while flow.clock() < deadline:
        await flow.sleep(next_look(looks, flow.clock() - begun))
        answer, _ = await look(flow.spec, status_request(flow.spec, flow.place.base_url, row.task_id), flow.place)
        if answer is None:
            continue
        seen = read_status(flow.spec.task, answer.value) if flow.spec.task else None
        if seen is None:
            gone = _must_stop(flow, answer, row)
            missing_since = (missing_since or flow.clock()) if gone else None
            if missing_since is not None and flow.clock() - missing_since > _GONE_AFTER_S:
                raise Refused(f"{row.provider} no longer knows the task {row.task_id}.", code=404)
            continue
        missing_since = None
        row = _noted(flow, row, seen)
        if row.state not in OPEN_STATES:
            return row
    raise WaitTimeout(
        f"{row.name} was still {row.state} when the looking ended.",
        task=row.name,
        charged=row.charged,
        next_step=f"sd.task({row.name!r}).wait() looks again",
    )


def _must_stop(flow: Flow, answer: Answer, row: Row) -> bool:
    """Whether an answer says that the task is not there. Raises: Unauthorized where the key may not look."""
    sent = classify(flow.spec, answer, flow.place.secret)
    if isinstance(sent.error, Unauthorized) or answer.status in (401, 403):
        raise Unauthorized(
            f"{row.provider} does not accept the key for looking at {row.name}.",
            next_step=f"the task goes on there; with the right key, sd.task({row.name!r}).wait()",
        )
    return answer.status == 404 or (sent.error is not None and getattr(sent.error, "code", None) == 404)  # noqa: PLR2004


def _noted(flow: Flow, row: Row, seen: Seen) -> Row:
    changes: dict[str, object] = {}
    if seen.state is not row.state or seen.word != row.word:
        changes |= {"state": seen.state, "word": seen.word}
    if seen.outputs != row.outputs:
        changes["outputs"] = seen.outputs
    if seen.error and seen.error != row.error:
        changes["error"] = flow.place.secret.hide(seen.error) if flow.place.secret else seen.error
    if seen.credits is not None and seen.credits != row.credits:
        changes["credits"] = seen.credits
    if seen.state in (State.DONE, State.FAILED):
        changes["finished"] = flow.now()
    return flow.ledger.update(row.seq, **changes) if changes else row


async def _keep(flow: Flow, row: Row) -> Row:
    """The row with its file. A result address that no longer works is asked for once more."""
    problem: MediaError | None = None
    kept: Kept | None = None
    for attempt in range(2):
        if attempt:
            row = await _fresh(flow, row)
        part = part_for(flow.folder, row)
        try:
            await download(_video_of(row.outputs), part, flow.place)
            kept = await asyncio.to_thread(keep, part, row)
        except MediaError as error:
            problem = error
        except OSError as error:
            problem = MediaError(f"The video could not be written: {error.strerror}.")
        finally:
            part.unlink(missing_ok=True)
        if kept is not None:
            return flow.ledger.update(row.seq, file=str(kept.file), sha256=kept.sha256, facts=kept.facts_text)
    raise MediaError(
        problem.message if problem else "",
        task=row.name,
        charged=row.charged,
        next_step=f"sd.task({row.name!r}).wait() fetches it again; the result's address may not live long",
    )


async def _fresh(flow: Flow, row: Row) -> Row:
    answer, _ = await look(flow.spec, status_request(flow.spec, flow.place.base_url, row.task_id), flow.place)
    seen = read_status(flow.spec.task, answer.value) if answer and flow.spec.task else None
    return _noted(flow, row, seen) if seen and seen.state is State.DONE else row


def _video_of(outputs: tuple[str, ...]) -> str:
    named = [url for url in outputs if url.split("?")[0].lower().endswith((".mp4", ".mov"))]
    return (named or list(outputs))[0]
