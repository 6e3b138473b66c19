"""A task as a person holds it: begun or found in the ledger, and joined to what follows, settles or repeats it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from seedance_nb._base.values import read_json
from seedance_nb._check.check import Approved, approve_again, roles
from seedance_nb._document.load import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row
from seedance_nb._session.advice import Advice
from seedance_nb._task.begin import begin, must_be_meant
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.follow import run
from seedance_nb._task.resolve import resolve
from seedance_nb._task.send import Flow, raise_for
from seedance_nb._task.task import Task
from seedance_nb._task.video import Video, video_of


def started(
    flow: Flow, advice: Advice, approved: Approved, take: int, budget: float | None, instead_of: int | None = None
) -> Task:
    """The task of a request, sent where it is new. *writes ledger*, *network*, *spends credits*.

    Under a `budget` (in the price's unit) a price that is not known yet is asked for first. Raises: what `begin` raises.
    """
    price = advice.known(flow.spec, approved)
    if budget is not None and price.amount is None and not ENGINE.is_here:
        price = wait_for(ENGINE.submit(advice.price(flow.spec, approved.values)))
    row, is_new = begin(flow, approved, take, price, budget=budget, instead_of=instead_of)
    return held(lambda: flow, flow.ledger, flow.spec, advice, row, is_new=is_new)


def held(
    flow_of: Callable[[], Flow], ledger: Ledger, spec: Spec, advice: Advice, row: Row, *, is_new: bool = False
) -> Task:
    """The task of a row that is in the ledger; nothing is sent. Where it was sent is found out only when that is needed."""

    def read() -> Row:
        return ledger.again(row)

    def follow() -> Future[Any]:
        now = read()
        raise_for(spec, now)
        flow = flow_of()
        return ENGINE.follow(flow.key(row), lambda: run(flow, now, None))

    def show(done: Row) -> Video:
        return video_of(done, spec.title, roles(spec, read_json(done.body)))

    def settle(task_id: str, taken: bool | None) -> None:
        wait_for(ENGINE.submit(resolve(flow_of, ledger, read(), task_id, taken)))

    def again(budget: float | None) -> Task:
        flow, limit = flow_of().anew(), row.budget if budget is None else budget
        must_be_meant(spec, flow.place, limit)
        return started(flow, advice, approve_again(spec, row.body), row.take, limit, row.seq)

    return Task(read, follow, show, is_new=is_new, resolve=settle, again=again)
