"""Starts a task: claims its row and sends it if it is new. Follows it until its results are saved, and settles an unknown outcome."""

import asyncio
import math
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from seedance_nb._base import errors
from seedance_nb._base.errors import Charged, LedgerError, Refused, SeedanceError, Step, Unauthorized, UnknownOutcome
from seedance_nb._base.faults import FAULTS, LOG, lacks_files, local_error
from seedance_nb._base.html import shell_with_kernel
from seedance_nb._base.values import is_number, read_json
from seedance_nb._check.check import Approved, Request, create_request
from seedance_nb._check.price import Estimate, amount_text
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.process import this_process
from seedance_nb._ledger.row import EARLY_STATES, OPEN_STATES, Row, State
from seedance_nb._provider.answers import is_id
from seedance_nb._provider.outcome import Answer, refused
from seedance_nb._provider.transport import Endpoint
from seedance_nb._schema.formats import SIMULATED_ASSET, SIMULATED_HOST
from seedance_nb._simulator.store import Store, default_folder
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.results import poll, record_status, save_results
from seedance_nb._task.send import LOOPBACK, PollSchedule, TaskRun, next_poll, raise_for, send, unknown_outcome_text
from seedance_nb._web.addresses import host_of

_GONE_AFTER_S, _ODD_AFTER_S = 60, 600
_STUCK = f"it has been so for over {_ODD_AFTER_S // 60} minutes and may never end: check it in your account"


def require_sendable(spec: Spec, take: int, budget: float | None) -> None:
    """Check that the model can be sent to, and that take and budget are valid. *pure*. Raises: SpecError; InvalidInput."""
    if spec.unsendable:
        raise errors.SpecError(spec.unsendable, file=spec.file)
    errors.require_count("take", take)
    if budget is not None and not (is_number(budget) and 0 <= budget < math.inf):
        message = f"must be a number of {spec.price.unit}, 0 or more, not {budget!r}"
        raise errors.argument_error("budget", message, budget, 0)


def require_consent(spec: Spec, endpoint: Endpoint, budget: float | None, *, simulated: bool | None = None,
                    interactive: bool = False, why: str = "") -> None:  # fmt: skip
    """Check that a request is free, has a budget, or someone is here to confirm; and `simulated`, if a screen showed whether it is. Reads the environment. Raises: SeedanceError."""
    is_free = endpoint.app is not None
    if simulated is not None and simulated is not is_free:
        shown, actual = (spec.provider, "the simulator") if is_free else ("the simulator", spec.provider)
        text = f"This form was set up for {shown}, but with the current keys the request would go to {actual}. Nothing was sent."
        raise SeedanceError(text, next_step="run its cell again to see where requests go and what they cost")
    if not is_free and not interactive and budget is None and (why := why or unattended_reason()):
        text = f"This would spend money and no one is here to confirm: {why}. Nothing was sent."
        step = "pass budget=..., the most that all tasks of this provider may cost, or simulate=True to spend nothing"
        raise SeedanceError(text, next_step=step)


def begin(flow: TaskRun, approved: Approved, take: int, price: Estimate, *, budget: float | None = None,
          replaces: int | None = None) -> tuple[Row, bool]:  # fmt: skip
    """The row of this request, and whether it is new; only a new one is sent. *writes ledger*, *network*, *spends credits*. Raises, before that: MediaError, LedgerError, OverBudget."""
    endpoint, key = flow.endpoint, flow.endpoint.secret
    is_remote = endpoint.app is None and urlsplit(endpoint.base_url).hostname not in LOOPBACK
    if is_remote and (SIMULATED_HOST in approved.body or SIMULATED_ASSET in approved.body):
        message = "uses a file that exists only in the simulator, so the provider cannot reach it; upload it again with the key"
        raise errors.argument_error("", message, rule="simulated")
    try:
        flow.folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=flow.folder).close()
    except OSError as error:
        if lacks_files(error):
            raise
        problem = f"Cannot write to {flow.folder} ({error.strerror}). Nothing was sent."
        step = "set SEEDANCE_OUTPUTS to a writable folder"
        raise errors.MediaError(problem, next_step=step, charged="not charged") from None
    ENGINE.start()  # before there is a row that it could not send
    with ENGINE.claiming:  # until it is sent, no other flow may treat the row as abandoned
        row, is_new = flow.ledger.claim(
            approved, base_url=endpoint.base_url, simulated=endpoint.app is not None, take=take, estimate=price,
            fingerprint=key.fingerprint() if key else "", budget=budget, replaces=replaces,
        )  # fmt: skip
        if is_new:
            LOG.info("%s is submitted to %s for %s", row.name, host_of(row.base_url), row.spec)
            _send(flow, row, approved)
        elif row.state not in (State.UNKNOWN, State.FAILED):
            ENGINE.follow(flow.key(row), lambda: run(flow, row, None))
    return row, is_new


def _send(flow: TaskRun, row: Row, approved: Approved) -> None:
    try:
        request = create_request(approved, flow.endpoint.base_url)
        ENGINE.delay_exit(flow.delivery, flow.endpoint.total)
    except BaseException:  # the kernel was interrupted; nothing can have been sent yet
        flow.delivery.settled = True
        reason = "sending was stopped before it started"
        flow.ledger.update(row.seq, only_in=(State.WAITING,), state=State.UNSENT, error=reason)
        raise
    try:  # from here on it may have been sent, so an interrupt must not mark the row as not sent
        ENGINE.follow(flow.key(row), lambda: run(flow, row, request))
    except BaseException as error:
        flow.delivery.settled = True
        if isinstance(error, FAULTS):
            raise local_error(error, charged="not charged" if row.simulated else "unknown") from None
        raise


def unattended_reason() -> str:
    """The reason why no one seems to be here to confirm, "" if someone may be. Reads the environment."""
    if os.getenv("CI", "").casefold() not in ("", "0", "false", "no"):
        return "CI is set in the environment"
    # A person's front end lets a cell ask for input; papermill, nbclient and nbconvert do not.
    can_ask = getattr(getattr(shell_with_kernel(), "kernel", None), "_allow_stdin", True)
    return "" if can_ask else "the notebook is being run by a program that cannot answer questions"


async def run(flow: TaskRun, row: Row, request: Request | None) -> Row:
    """The row of a finished task; `request` is sent first, once: *spends credits*. *network*, *writes ledger*, *writes files*."""
    try:
        return await _run(flow, row, request)
    except FAULTS as error:
        charged: Charged = "not charged" if row.simulated else "unknown"
        with suppress(LedgerError, *FAULTS):
            charged = flow.ledger.refreshed(row).charged
        own = local_error(error, charged=charged, resume=f"resume the task with sd.task({row.name!r}).wait()")
    raise own


async def _run(flow: TaskRun, row: Row, request: Request | None) -> Row:
    if request is not None:
        row = await send(flow, row, request)
    elif row.state in EARLY_STATES and row.owner == this_process():
        # Whoever sent it from here has ended without an answer, or this flow would not have begun.
        ended, why = State.UNKNOWN, "sending ended before the response was recorded"
        if row.state is State.WAITING:
            ended, why = State.UNSENT, "sending ended before anything was sent"
        row = await flow.write(row, only_in=(row.state,), state=ended, error=why)
    while row.state in EARLY_STATES:  # another kernel is sending it; its answer comes through the ledger
        await flow.ledger.wait(flow.endpoint.sleep)
        row = await flow.read(row)
    if row.state in OPEN_STATES:
        row = await _follow(flow, row)
    raise_for(flow.spec, row)
    return await save_results(flow, row)


async def poll_once(flow: TaskRun, row: Row) -> Row:
    """The row after one status check, if its task may still change. *network*, *writes ledger*. Raises: Unauthorized."""
    if row.state not in OPEN_STATES:
        return row
    seen, answer, _ = await poll(flow, row.task_id)
    if seen is None and answer is not None:
        must_stop(flow, answer, row)
    return await record_status(flow, row, seen) if seen else row


async def _follow(flow: TaskRun, row: Row) -> Row:
    missing_since, odd_since, back, table = None, None, "", flow.spec.task
    polls = PollSchedule(early=(), every=0.25, floor=0.1)  # for the simulator in this process
    if table and flow.endpoint.app is None:
        polls = PollSchedule(early=table.early, every=table.every, late=table.deadline)
        with suppress(LedgerError):
            polls = replace(polls, history=await asyncio.to_thread(flow.ledger.history, row))
    begun = flow.endpoint.clock() - max(0.0, time.time() - (row.accepted or time.time()))
    while row.state in OPEN_STATES:
        passed = flow.endpoint.clock() - begun
        tick = 0.25 if polls.sparse_until else 0.5  # finer where it is known when tasks end
        await flow.endpoint.sleep(until_tick(wait := next_poll(polls, passed), begun + passed, tick))
        due = begun + max(passed + wait, polls.sparse_until)  # before it can be done, others go first
        seen, answer, why = await poll(flow, row.task_id, due)
        gone = seen is None and answer is not None and must_stop(flow, answer, row)
        missing_since = (missing_since or flow.endpoint.clock()) if gone else None
        if missing_since is not None and flow.endpoint.clock() - missing_since > _GONE_AFTER_S:
            text = f"the task {row.task_id} no longer exists."
            raise Refused(text, code=404, charged=row.charged, provider=row.provider)
        if seen is not None:
            odd_since = (odd_since or flow.endpoint.clock()) if seen.state is State.OTHER else None
            if row.state is State.RUNNING and seen.state is State.QUEUED:
                back = f"{row.provider} reports {seen.word}, after it had reported {row.word}"
            is_stuck = odd_since is not None and flow.endpoint.clock() - odd_since > _ODD_AFTER_S
            note = _STUCK if is_stuck else back if seen.state is State.QUEUED else ""
            seen = replace(seen, error="; ".join(filter(None, (seen.error, note)))) if note else seen
        problem = f"the last status check failed: {why}"
        try:
            if seen is not None:
                row = await record_status(flow, row, seen)
            elif problem != row.error:
                row = await flow.write(row, error=problem)
        except LedgerError as error:  # the task continues, and the next status check sees the same
            await flow.tolerate(row, error)
        del seen, answer  # so that they are freed while it sleeps
    return row


def until_tick(wait: float, now: float, tick: float) -> float:
    """The seconds until the first tick after a wait of a second or more: looks that wake together cost half the CPU. *pure*."""
    return wait if wait < 1 else math.ceil((now + wait) / tick) * tick - now


def must_stop(flow: TaskRun, answer: Answer, row: Row) -> bool:
    """Whether a response says that the task does not exist. Raises: Unauthorized if the key is not accepted."""
    error = refused(flow.spec, answer)
    if isinstance(error, Unauthorized) or answer.status in (401, 403):
        text = f"{row.provider} did not accept the key when the status of {row.name} was checked."
        advice = "set the right key, then {} to resume it; the task is still running"
        raise Unauthorized(text, next_step=Step(advice, f"call sd.task({row.name!r}).wait()"), charged=row.charged)
    gone = flow.spec.errors.gone if flow.spec.errors else ()
    return str(answer.status) in gone or (error is not None and str(error.code) in gone)


async def resolve(flow_of: Callable[[], TaskRun], ledger: Ledger, row: Row, task_id: str, taken: bool | None) -> Row:
    """The row of a request with an unknown outcome, settled if possible, as `Task.resolve` describes. *network*, *writes ledger*."""
    if row.state is not State.UNKNOWN:
        return row
    find = Store(default_folder()).find
    ids = await asyncio.to_thread(find, row.spec, read_json(row.body), row.created) if row.simulated else []
    mine = next((task for task in ids if ledger.other_task(row, task) is None), "")
    if taken is False and not row.task_id and not mine:
        return mark_not_sent(ledger, row)
    flow = flow_of()
    named = (str(task_id).strip() or row.task_id).removeprefix(f"{row.provider}:")
    if not named:
        if row.simulated:
            is_sure = mine or urlsplit(row.base_url).hostname not in LOOPBACK
            doubt = "" if is_sure else ", unless the server's SEEDANCE_SIMULATOR is another folder"
            known = f"Your account at the simulator has {f'the task {mine}' if mine else 'no task'} for this request{doubt}."
        elif flow.balance is None or row.balance is None or (now := await flow.balance()) is None:
            known = f"{row.provider} has no call that lists tasks, and the account balance before and after is unknown."
        else:
            before, after, less = (amount_text(each, row.unit) for each in (row.balance, now, row.balance - now))
            cost = f", and this request would cost {amount_text(row.estimate, row.unit)}" if row.estimate else ""
            known = f"The account balance was {before} before the request and is {after} now: {less} less{cost}. This is a hint, not proof: other requests may have been charged to the account."
        known = f"{unknown_outcome_text(row)}\n{known}"
        raise UnknownOutcome(known, task=row.name, charged=row.charged, next_step=next_steps(row))
    if not is_id(named):
        raise SeedanceError(f"{named[:60]!r} is not a task id of {row.provider}.", charged=row.charged)
    if (other := flow.ledger.other_task(row, named)) is not None:
        text = f"{other.name} already belongs to another request in this ledger (number {other.seq}, {other.state}), so it is not the task of {row.name}. Nothing was changed."
        raise SeedanceError(text, next_step="check the id in your account", charged=row.charged)
    seen, answer, why = await poll(flow, named)
    if seen is None and taken is False and answer is not None and must_stop(flow, answer, row):
        return mark_not_sent(ledger, row)
    if seen is None:
        text = f"{row.provider} did not report a state for {named} ({why}), so the outcome of {row.name} is still unknown. Nothing was changed."
        raise SeedanceError(text, next_step=next_steps(row), charged=row.charged)
    changes = {"task_id": named, "state": State.QUEUED, "accepted": row.created, "error": ""}
    row = await flow.write(row, only_in=(State.UNKNOWN,), **changes)
    return await record_status(flow, row, seen) if row.task_id == named else row


def mark_not_sent(ledger: Ledger, row: Row) -> Row:
    """Mark a request as never received. *writes ledger*. Raises: SeedanceError if it was sent again."""
    if row.successor is not None:
        raise SeedanceError(f"{row.name} was sent again as #{row.successor}. Nothing was changed.", charged=row.charged)
    return ledger.update(row.seq, only_in=(State.UNKNOWN,), state=State.UNSENT, error="it was marked as never received")


def next_steps(row: Row) -> str:
    """What to type to settle a row with an unknown outcome. *pure*."""
    task, place = f"sd.task({row.name!r})", "the simulator" if row.simulated else row.provider
    return (
        f"check your account at {place}, then call one of\n"
        f"  {task}.resolve('its task id')   if the task is there: resumes it and downloads the video\n"
        f"  {task}.resolve(taken=False)   if it is not there: you can then run the cell again\n"
        f"  {task}.resubmit(confirm=True)   sends it again{'' if row.simulated else '; you may be charged twice'}"
    )
