"""Settles a request with an unknown outcome: resumed by its id, marked as never received, or left unchanged."""

from collections.abc import Callable

from seedance_nb._base.errors import SeedanceError, UnknownOutcome
from seedance_nb._check.price import amount_text
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State
from seedance_nb._provider.answers import is_id
from seedance_nb._task.follow import must_stop
from seedance_nb._task.results import poll, record_status
from seedance_nb._task.send import TaskRun, unknown_outcome_text


async def resolve(flow_of: Callable[[], TaskRun], ledger: Ledger, row: Row, task_id: str, taken: bool | None) -> Row:
    """The row of a request with an unknown outcome, settled if possible, as `Task.resolve` describes. *network*, *writes ledger*."""
    if row.state is not State.UNKNOWN:
        return row
    if taken is False and not row.task_id:
        return mark_not_sent(ledger, row)
    flow = flow_of()
    named = (str(task_id).strip() or row.task_id).removeprefix(f"{row.provider}:")
    if not named:
        known = await _known_facts(flow, row)
        raise UnknownOutcome(known, task=row.name, charged=row.charged, next_step=next_steps(row))
    if not is_id(named):
        raise SeedanceError(f"{named[:60]!r} is not a task id of {row.provider}.", charged=row.charged)
    if (other := flow.ledger.other_task(row, named)) is not None:
        where = f"another request in this ledger (number {other.seq}, {other.state})"
        text = f"{other.name} already belongs to {where}, so it is not the task of {row.name}. Nothing was changed."
        raise SeedanceError(text, next_step="check the id in your account", charged=row.charged)
    seen, answer, why = await poll(flow, named)
    if seen is None and taken is False and answer is not None and must_stop(flow, answer, row):
        return mark_not_sent(ledger, row)
    if seen is None:
        reason = why or f"HTTP {answer.status if answer else 0} without a state"
        problem = f"{row.provider} did not report a state for {named} ({reason})"
        text = f"{problem}, so the outcome of {row.name} is still unknown. Nothing was changed."
        raise SeedanceError(text, next_step=next_steps(row), charged=row.charged)
    changes = {"task_id": named, "state": State.QUEUED, "accepted": row.created, "error": ""}
    row = await flow.write(row, only_in=(State.UNKNOWN,), **changes)
    return await record_status(flow, row, seen) if row.task_id == named else row


def mark_not_sent(ledger: Ledger, row: Row) -> Row:
    """Mark a request as never received. *writes ledger*. Raises: SeedanceError if it was sent again."""
    if row.successor is not None:
        raise SeedanceError(f"{row.name} was sent again as #{row.successor}. Nothing was changed.", charged=row.charged)
    reason = "it was marked as never received"
    return ledger.update(row.seq, only_in=(State.UNKNOWN,), state=State.UNSENT, error=reason)


async def _known_facts(flow: TaskRun, row: Row) -> str:
    now = await flow.balance() if flow.balance is not None else None
    if now is None or row.balance is None:
        known = f"{row.provider} has no call that lists tasks, and the account balance before and after is unknown."
    else:
        before, after, less = (amount_text(each, row.unit) for each in (row.balance, now, row.balance - now))
        price = "" if row.estimate is None else amount_text(row.estimate, row.unit)
        cost = f", and this request would cost {price}" if price else ""
        known = f"The account balance was {before} before the request and is {after} now: {less} less{cost}. "
        known += "This is a hint, not proof: other requests may have been charged to the account."
    return f"{unknown_outcome_text(row)}\n{known}"


def next_steps(row: Row) -> str:
    """What to type to settle a row with an unknown outcome. *pure*."""
    task = f"sd.task({row.name!r})"
    return (
        f"check your account at {row.provider}, then call one of\n"
        f"  {task}.resolve('its task id')   if the task is there: resumes it and downloads the video\n"
        f"  {task}.resolve(taken=False)   if it is not there: you can then run the cell again\n"
        f"  {task}.resubmit(confirm=True)   sends it again; you may be charged twice"
    )
