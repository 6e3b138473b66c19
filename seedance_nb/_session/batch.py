"""Several requests at once: checked when they are created, priced together, and sent in order with the ledger as their queue."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from seedance_nb._base.errors import InvalidInput, OverBudget, SeedanceError, argument_error
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.problem import Problem
from seedance_nb._check.check import Approved, approve, build_body, warnings
from seedance_nb._check.price import Estimate, Total, estimate, total_of
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import Row
from seedance_nb._session.session import Session
from seedance_nb._task.begin import require_sendable
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task

T = TypeVar("T")
Result = Video | Exception | None
"""The result of a request: its video, or the error in its place; None as long as there is neither."""
_TICK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One request of several, with its `fields` and `body`; `approved` unless it has `problems`, and `labels` for its columns in a table.

    `unsupported` are settings with the reason. With `problems` nothing is sent, with `warnings` it is. It goes to `base_url`,
    which is `simulated` or not; `fault` is why no request can be sent, "" if one can. `title` is its name, if it has one.
    """

    spec: Spec
    fields: dict[str, Any]
    body: dict[str, Any]
    approved: Approved | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    unsupported: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    take: int = 1
    base_url: str = ""
    simulated: bool = False
    fault: str = ""

    @property
    def name(self) -> str:
        """The model's name that `sd.models()` lists."""
        return self.spec.name

    @property
    def error(self) -> SeedanceError | None:
        """Why its request cannot be sent, None if it can. *pure*."""
        if self.problems:
            return InvalidInput(self.problems)
        return SeedanceError(self.fault) if self.fault else None

    @property
    def runs_on(self) -> str:
        """The provider, "simulator", or "nowhere" if nothing can be sent. *pure*."""
        return "nowhere" if self.fault else "simulator" if self.simulated else self.spec.provider

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What the ledger knows its task by: items with the same key have the same task. *pure*."""
        return self.name, self.base_url, self.approved.digest if self.approved else "", self.take


def item_of(spec: Spec, fields: dict[str, Any], **more: Any) -> Item:
    """The checked request for field values; `more` are further attributes of the item. *pure*."""
    approved, problems = None, tuple[Problem, ...]()
    try:
        approved = approve(spec, fields)
    except InvalidInput as error:
        problems = error.problems
    body = approved.values if approved else build_body(spec, fields)
    more |= {"approved": approved, "problems": problems, "warnings": warnings(spec, body)}
    return Item(spec=spec, fields=fields, body=body, **more)


def destination(session: Session, spec: Spec) -> dict[str, Any]:
    """Where requests of a model go now, or why they cannot be sent, as attributes of an item. Reads the environment."""
    try:
        endpoint = session.sender.account(spec).endpoint
    except SeedanceError as error:
        return {"fault": spec.unsendable or error.message}
    return {"base_url": endpoint.base_url, "simulated": endpoint.app is not None, "fault": spec.unsendable}


def attempt(act: Callable[[], T]) -> T | Exception:
    """The result of `act`, or its error, which takes the place of one video while the others go on."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - it is shown there
        return error


@created_by_package
class Batch:
    """Several requests, sent in order. `tasks` and `results` have one entry per item: None is not sent, or not ended, yet."""

    def __init__(
        self, session: Session, items: Iterable[Item], *, budget: float | None = None, concurrency: int | None = None
    ) -> None:
        self.items = tuple(items)
        self.ready = tuple(item for item in self.items if item.error is None)
        for item in self.ready:
            require_sendable(item.spec, item.take, budget)
        if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
            message = f"must be a whole number of tasks, 1 or more, not {concurrency!r}"
            raise argument_error("concurrency", message, concurrency, 1)
        self.is_sending = self.is_stopped = False
        self.tasks: list[Task | Exception | None] = [item.error for item in self.items]
        self.results: list[Result] = [item.error for item in self.items]
        self._futures: dict[int, Future[Row]] = {}
        self._session, self._budget, self._concurrency = session, budget, concurrency

    @functools.cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """The price of each item, in their order; requested at the same time, once for all that differ in their prompt only. *network*."""
        sender, asked, keys = self._session.sender, dict[Any, Future[Estimate]](), []
        for item in self.items:
            key = item.name, item.error is None and sender.price_key(item.spec, item.base_url, item.body)
            asked[key] = asked.get(key) or ENGINE.submit(self._estimate(item))
            keys.append(key)
        return tuple(wait_for(asked[key]) for key in keys)

    @property
    def due(self) -> list[int]:
        """The items that have no task in the ledger yet, so that `perform` sends them; equal ones count once. *reads files*."""
        rows, first = self.rows(), dict[Any, int]()
        for index, item in enumerate(self.items):
            if item.error is None and rows[index] is None:
                first.setdefault(item.key, index)
        return list(first.values())

    @property
    def total(self) -> Total:
        """The price of what would be sent. *reads files*, *network* the first time."""
        return total_of([(self.items[at].spec, self.estimates[at], self.items[at].simulated) for at in self.due])

    def rows(self) -> list[Row | None]:
        """The row of each item in the ledger, None if its request was never sent. *reads files*."""
        digests = {item.approved.digest for item in self.items if item.approved}
        rows = self._session.ledger.of_requests(digests)
        found = {(row.spec, row.base_url, row.digest, row.take): row for row in rows}
        return [found.get(item.key) for item in self.items]

    def stop(self) -> None:
        """Send nothing further. What was sent is still followed."""
        self.is_stopped = True

    async def perform(self, *, interactive: bool = False) -> None:
        """Send what has no task yet, and wait for every result. *spends credits*, *network*, *writes ledger*, *writes files*."""
        sending = asyncio.ensure_future(self.send(interactive=interactive))
        while self._futures or not sending.done():
            await asyncio.sleep(_TICK_S)
            for index, future in [*self._futures.items()]:
                if future.done():  # once each and in a thread, because its poster is decoded
                    self.results[index] = await asyncio.to_thread(_result, self.tasks[index], future)
                    del self._futures[index]
        await sending

    async def send(self, *, interactive: bool = False) -> None:
        """Send each item in order, at most `concurrency` unfinished at once; what is in the ledger keeps its task. *spends credits*, *network*, *writes ledger*.

        An error takes the place of its item's task and stops no other. Over budget, nothing further is sent.
        """
        self.tasks, self._futures, self.is_sending = [item.error for item in self.items], {}, True
        self.results, budget = [item.error for item in self.items], self._budget
        try:
            # In threads, because a locked ledger must not hold up every other task on this loop.
            await asyncio.to_thread(self.require_same_places)
            for index, item in enumerate(self.items):
                while self._concurrency and self._unfinished >= self._concurrency and not self.is_stopped:
                    await asyncio.sleep(_TICK_S)
                if self.is_stopped:
                    return
                if item.error is None:
                    await self._start(index, item, budget, interactive=interactive)
                # Over budget, the others only get the tasks that they have already.
                budget = 0 if isinstance(self.tasks[index], OverBudget) else budget
        finally:
            self.is_sending = False

    async def _start(self, index: int, item: Item, budget: float | None, *, interactive: bool) -> None:
        """Send one item, unless the ledger has it, and follow its task. *spends credits*, *network*, *writes ledger*."""
        assert item.approved  # noqa: S101
        send: Any = functools.partial(self._session.sender.send, item.approved, take=item.take, budget=budget)
        world = "simulated" if item.simulated else "paid"
        task = await asyncio.to_thread(attempt, functools.partial(send, interactive=interactive, shown_world=world))
        future = task if isinstance(task, Exception) else await asyncio.to_thread(attempt, task.following)
        self.tasks[index] = task
        if isinstance(future, Exception):
            self.results[index] = future
        else:
            self._futures[index] = future

    def wait(self, work: Coroutine[Any, Any, None], show: Callable[[], None] = lambda: None) -> None:
        """Wait for `send` or `perform`, calling `show` from time to time. An interrupt stops the sending, not the tasks."""
        self.is_stopped, future = False, ENGINE.submit(work)
        try:
            while not concurrent.futures.wait([future], timeout=_TICK_S).done:
                show()
        except BaseException:
            self.stop()
            raise
        future.result()

    def require_same_places(self) -> None:
        """Check that requests still go where they went when they were priced. Raises: SeedanceError."""
        for item in {item.name: item for item in self.ready}.values():
            if destination(self._session, item.spec).get("base_url") != item.base_url:
                text = f"The keys have changed since this was created, so requests for {item.name} would now go somewhere else."
                step = "run its cell again to see where requests go and what they cost"
                raise SeedanceError(f"{text} Nothing was sent.", next_step=step)

    @property
    def _unfinished(self) -> int:
        return sum(not future.done() for future in self._futures.values())

    async def _estimate(self, item: Item) -> Estimate:
        if item.error:
            return Estimate(unit=item.spec.price.unit, why="it cannot be sent")
        if item.simulated:
            return estimate(item.spec, item.body)
        try:
            return await self._session.sender.price(item.spec, item.body)
        except SeedanceError as error:
            return Estimate(unit=item.spec.price.unit, why=error.message)


def _result(task: Any, future: Future[Row]) -> Result:
    return attempt(lambda: task.show(future.result()))
