"""Sends a paid request at most once and records its outcome, whatever happens; and when its status is checked."""

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.errors import LedgerError, RateLimited, Refused, Step, TaskFailed, UnknownOutcome, Unreachable
from seedance_nb._base.faults import FAULTS, LOG
from seedance_nb._base.values import quote_lines
from seedance_nb._check.check import Request
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import EARLY_STATES, Row, State
from seedance_nb._provider.outcome import SendOutcome, refusal
from seedance_nb._provider.rate_limit import JITTER
from seedance_nb._provider.transport import Endpoint, acquire_slot, send_once
from seedance_nb._task.engine import ENGINE, Delivery
from seedance_nb._task.files import require_remembered
from seedance_nb._web.addresses import host_of
from seedance_nb._web.download import Bounds

_RETRY_AFTER = "; retry after "  # between the code of a refusal and the seconds, in the ledger
_WRITE_ATTEMPTS, _SEND_ATTEMPTS, _MAX_PAUSE_S, _SAVE_RETRY_S = 4, 3, 60, 30
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_STATES = {"accepted": State.QUEUED, "refused": State.REFUSED, "unsent": State.UNSENT, "unknown": State.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSchedule:
    """When to poll, in seconds; `history` has the durations of earlier tasks; after `late`, polling slows to once a minute."""

    early: tuple[float, ...] = (2, 8)
    every: float = 5
    floor: float = 1
    late: float = 7200
    history: Sequence[float] = field(default=())

    @property
    def sparse_until(self) -> float:
        """0.85 of the fastest earlier task, 0 if too few are known. *pure*."""
        return 0.85 * min(self.history[-30:]) if len(self.history) >= 3 else 0  # noqa: PLR2004


def next_poll(polls: PollSchedule, elapsed: float) -> float:
    """Seconds from `elapsed` (seconds since the task was accepted) until the next status check. *pure*."""
    # Early checks catch quick refusals; then few until 0.85 of the fastest earlier task, then one per 2 % of their median.
    early = next((at - elapsed for at in polls.early if at > elapsed + 0.001), math.inf)
    regular = polls.every
    if due := polls.sparse_until:
        durations = sorted(polls.history[-30:])
        regular = min(30.0, due - elapsed) if elapsed < due else 0.02 * durations[len(durations) // 2]
    if elapsed > polls.late:
        regular = max(regular, 60)
    return max(min(regular, early), polls.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    spec: Spec
    endpoint: Endpoint
    ledger: Ledger
    folder: Path
    bounds: Bounds = field(default_factory=Bounds)
    balance: Callable[..., Awaitable[float | None]] | None = None
    delivery: Delivery = field(default_factory=Delivery)
    troubles: list[str] = field(default_factory=list)  # of its ledger, once reported

    def key(self, row: Row) -> tuple[str, int]:
        """The engine's key for a row; rows of another ledger at the same path have other keys. *pure*."""
        return f"{self.ledger.path}, created {row.created!r}", row.seq

    async def write(self, row: Row, *, only_in: Collection[State] | None = None, **changes: Any) -> Row:
        """The row after `changes`. *writes ledger*, off the event loop, so that a locked file blocks nothing else."""
        update = functools.partial(self.ledger.update, row.seq, only_in=only_in, created=row.created, **changes)
        try:
            updated = await asyncio.to_thread(update)
        except LedgerError as error:
            error.charged = row.charged
            raise
        except RuntimeError:  # no thread can be started while the interpreter shuts down
            updated = update()
        if updated.task_id != row.task_id:
            LOG.info("%s is %s at %s", row.name, updated.name, host_of(self.endpoint.base_url))
        if updated.state is not row.state:
            LOG.info("%s is %s", updated.name, updated.state)
        if updated.file != row.file:
            LOG.info("%s is saved", updated.name)
        if (updated.word, updated.error) != (row.word, row.error):
            LOG.debug("%s: %s %s", updated.name, updated.word, updated.error)
        return updated

    async def read(self, row: Row) -> Row:
        """The row as the ledger has it now, unchanged if the ledger cannot be read. *reads files*."""
        try:
            return await asyncio.to_thread(self.ledger.refreshed, row)
        except LedgerError as error:
            await self.tolerate(row, error)
            return row

    async def tolerate(self, row: Row, error: LedgerError) -> None:
        """Log a failing ledger once. Raises: the error if the row is no longer in the ledger."""
        if not await asyncio.to_thread(self.ledger.contains, row):
            raise error
        if not self.troubles:
            self.troubles.append(error.message)
            text = "%s: still checking its status, which will be saved once the ledger works again: %s"
            LOG.warning(text, row.name, error.message)


async def send(flow: TaskRun, row: Row, request: Request) -> Row:
    """The row of the accepted task; its request is tried again only if it provably did not leave or was refused temporarily. *network*, *spends credits*, *writes ledger*. Raises: Refused; Unreachable; UnknownOutcome; LedgerError with the id if it cannot be saved."""
    sent = SendOutcome(outcome="unsent", why="sending ended before anything was sent")
    try:
        changes = {"balance": await flow.balance(of_burst=True)} if flow.balance is not None else {}
        for attempt in range(_SEND_ATTEMPTS):
            if flow.endpoint.gate and (pause := flow.endpoint.gate().closed(flow.endpoint.clock())):
                message = f"{row.provider} is having problems, so the request will be sent in {pause:.0f} s"
                row = await flow.write(row, error=message)
            await acquire_slot(flow.endpoint)
            flow.delivery.sending = True
            if ENGINE.is_ending:
                break
            row = await flow.write(row, only_in=(State.WAITING,), state=State.SENDING, error="", **changes)
            if row.state is not State.SENDING:  # settled meanwhile, and perhaps sent again, by another process
                return row
            if not flow.ledger.may_send(row.seq):
                sent = SendOutcome(outcome="unsent", why="the ledger's server could not be reached for too long")
                break
            sent = SendOutcome(outcome="unknown", why="sending was interrupted")
            try:
                sent = await send_once(flow.spec, request, flow.endpoint)
            except Exception as error:  # noqa: BLE001 - whatever it was, the request may have left
                sent = replace(sent, why=f"an unexpected error while it was sent ({type(error).__name__})")
            retry_in_s = _retry_in_s(sent, attempt, JITTER.random())
            if retry_in_s is None:
                break
            message = f"{sent.why}; retrying in {retry_in_s:.0f} s"
            row = await flow.write(row, only_in=(State.SENDING,), state=State.WAITING, error=message)
            flow.delivery.sending = False
            await flow.endpoint.sleep(retry_in_s)
    finally:
        try:
            row = await _settle(flow, row, sent)
        finally:
            flow.delivery.settled = True
    if sent.error is not None:
        raise sent.error
    return row


def _retry_in_s(sent: SendOutcome, attempt: int, jitter: float) -> float | None:
    """The seconds until a request that certainly created no task is retried, None if it is not. *pure*."""
    if attempt + 1 >= _SEND_ATTEMPTS:
        return None
    if sent.is_transient:
        return 2.0**attempt * (0.5 + jitter / 2)
    if not isinstance(sent.error, RateLimited):
        return None
    after = sent.error.retry_after
    pause = 2.0 * 2.0**attempt * (0.5 + jitter / 2) if after is None else after + jitter
    return pause if pause <= _MAX_PAUSE_S else None


async def _settle(flow: TaskRun, row: Row, sent: SendOutcome) -> Row:
    changes: dict[str, Any] = {"state": _STATES[sent.outcome], "task_id": sent.task_id, "error": sent.why}
    if sent.outcome == "accepted":
        changes["accepted"] = time.time()
    if isinstance(sent.error, Refused):
        changes["word"] = str(sent.error.code)
    if isinstance(sent.error, RateLimited) and sent.error.retry_after is not None:
        changes["word"] += f"{_RETRY_AFTER}{sent.error.retry_after:g}"
    if sent.outcome == "unknown":
        changes["word"] = sent.text
    if sent.simulated and urlsplit(flow.endpoint.base_url).hostname in LOOPBACK:
        changes["simulated"] = True  # the response says so, which is trusted from this machine only
    only_in = None if sent.outcome == "accepted" else EARLY_STATES  # an id is always saved
    last_error: LedgerError | None = None
    for attempt in range(_WRITE_ATTEMPTS):
        if attempt:
            await flow.endpoint.sleep(2 * attempt)
        try:
            return await flow.write(row, only_in=only_in, **changes)
        except LedgerError as error:
            last_error = error
    if sent.task_id:
        with suppress(*FAULTS):
            ENGINE.submit(_save_later(flow, row, changes))
    message = f"accepted the request as task {sent.task_id}" if sent.task_id else f"answered ({sent.why})"
    text = f"{row.provider} {message}, but this could not be saved: {last_error.message if last_error else ''}"
    is_free = row.simulated or sent.outcome in ("refused", "unsent")
    raise LedgerError(text, file=flow.ledger.place, charged="not charged" if is_free else "unknown")


async def _save_later(flow: TaskRun, row: Row, changes: dict[str, Any]) -> None:
    """Save the id once the ledger can be written again, as long as this process lives."""
    while True:
        await asyncio.sleep(_SAVE_RETRY_S)
        with suppress(LedgerError):
            await flow.write(row, only_in=(*EARLY_STATES, State.UNKNOWN), **changes)
            return
        if not await asyncio.to_thread(flow.ledger.contains, row):
            return


def unknown_outcome_text(row: Row) -> str:
    """Why the outcome of a request is unknown, where the request is saved, and how the response began. *pure*."""
    start = f"\nThe response began with:\n  | {quote_lines(row.word)}" if row.word else ""
    return f"It is not known whether {row.provider} accepted this request: {row.error}. It is saved in the ledger as {row.name} and will not be sent again automatically.{start}"


def raise_for(spec: Spec, row: Row) -> None:
    """Raise the error that a row's state means, if any. *pure*."""
    require_remembered(row)
    if row.state is State.UNKNOWN:
        advice = "look up the task that the response names" if row.task_id else "see what is known and what you can do"
        step = f"{advice} with sd.task({row.name!r}).resolve()"
        if row.successor:
            step = Step("{} to wait for the request sent in its place", f"call sd.task('#{row.successor}').wait()")
        raise UnknownOutcome(unknown_outcome_text(row), task=row.name, charged=row.charged, next_step=step)
    if row.state is State.FAILED:
        author = "the simulator" if row.simulated else row.provider
        words = f". Reason given by {author}: {quote_lines(row.error)}"
        text = row.name + " failed" + (words if row.error else f"; {author} gave no reason, its state is {row.word!r}.")
        again = "pass take=2 to send the same request again", "press Another take"
        step = Step("change the prompt or the references, or {}", *again)
        raise TaskFailed(text, task=row.name, charged=row.charged, next_step=step)
    if row.state is State.REFUSED:
        code, _, after = row.word.partition(_RETRY_AFTER)
        raise refusal(spec, code, row.error, simulated=row.simulated, retry_after=float(after) if after else None)
    if row.state is State.UNSENT:
        if "connection" not in row.error:  # resolved as not received, or stopped before sending: the network is fine
            raise Unreachable(f"The request was not sent: {row.error}.", Step("{} to send it"))
        raise Unreachable(row.error)
