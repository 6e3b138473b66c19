"""Several requests at once: checked when they are created, priced together, and sent in order with the ledger as their queue."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from seedance_nb._base.errors import InvalidInput, OverBudget, SeedanceError, argument_error
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.problem import Problem
from seedance_nb._check.check import Approved, approve, build_body, warnings
from seedance_nb._check.price import Estimate, Total, estimate, total_of
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import intent_of
from seedance_nb._ledger.row import Row, State
from seedance_nb._session.rehearsal import Clip, Rehearsal, outcomes_of, rehearse, size_of
from seedance_nb._session.session import Session
from seedance_nb._task.begin import require_sendable
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task

T = TypeVar("T")
Result = Video | Exception | None
"""The result of a request: its video, or the error in its place; None as long as there is neither."""
_TICK_S = 0.1
_PAUSE_S = 1.0  # seconds between two paid requests, as the rate limits of providers allow them


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One request of several; `approved` unless it has `problems`. `labels` are its columns in a table, `title` its name, if any.

    `unsupported` are settings with the reason, and `fault` is why no request can be sent to `base_url`, "" if one can.
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
    def intent(self) -> str:
        """What the ledger knows its task by, the same for equal items, "" if it cannot be sent. *pure*."""
        return intent_of(self.approved, self.base_url, self.take) if self.approved and not self.fault else ""


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

    def __init__(self, session: Session, items: Iterable[Item], *, budget: float | None = None,
                 concurrency: int | None = None) -> None:  # fmt: skip
        self.items = tuple(items)
        self.ready = tuple(item for item in self.items if item.error is None)
        for item in self.ready:
            require_sendable(item.spec, item.take, budget)
        if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
            message = f"must be a whole number, 1 or more, not {concurrency!r}"
            raise argument_error("concurrency", message, concurrency, 1)
        self._session, self._budget, self._concurrency = session, budget, concurrency
        self.reset()

    def reset(self) -> None:
        """Forget the tasks and results, before all is sent again."""
        self.is_stopped = False
        self.tasks: list[Task | Exception | None] = [item.error for item in self.items]
        self.results: list[Result] = [item.error for item in self.items]
        self._futures: dict[int, Future[Row]] = {}

    @functools.cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """The price of each item, in their order; requested at the same time, once for all that differ in their prompt only. *network*."""
        sender, asked, keys = self._session.sender, dict[Any, Future[Estimate]](), []
        for item in self.items:
            keys.append((item.name, item.error is None and sender.price_key(item.spec, item.base_url, item.body)))
            asked[keys[-1]] = asked.get(keys[-1]) or ENGINE.submit(self._estimate(item))
        return tuple(wait_for(asked[key]) for key in keys)

    async def _estimate(self, item: Item) -> Estimate:
        if item.simulated and not item.error:
            return estimate(item.spec, item.body)
        try:
            return Estimate(unit="") if item.error else await self._session.sender.price(item.spec, item.body)
        except SeedanceError as error:
            return Estimate(unit=item.spec.price.unit, why=error.message)

    @property
    def due(self) -> list[int]:
        """The items that have no task in the ledger yet, so that `perform` sends them; equal ones count once. *reads files*."""
        rows, new = self.rows(), dict[str, int]()
        for at, item in enumerate(self.items):
            if item.error is None and rows[at] is None:
                new.setdefault(item.intent, at)
        return [*new.values()]

    @property
    def total(self) -> Total:
        """The price of what would be sent. *reads files*, *network* the first time."""
        return total_of([(self.items[at].spec, self.estimates[at], self.items[at].simulated) for at in self.due])

    def rows(self) -> list[Row | None]:
        """The row of each item in the ledger, None if its request was never sent. *reads files*."""
        intents = [item.intent for item in self.items]
        return [*map(self._session.ledger.of_intents(intents).get, intents)]

    def load(self) -> None:
        """Take over the videos and errors that the ledger has of requests that were not sent from here. *reads files*."""
        for at, row in enumerate(self.rows()):
            if row is not None and self.tasks[at] is None:
                task = self.tasks[at] = Task(self._session.sender, self.items[at].spec, row)
                if row.state in (State.DONE, State.FAILED, State.UNKNOWN):
                    self.results[at] = attempt(functools.partial(task.wait, progress=False))

    def stop(self) -> None:
        """Send nothing further. What was sent is still followed."""
        self.is_stopped = True

    async def perform(self, *, interactive: bool = False) -> None:
        """Send what has no task yet, and wait for every result. *spends credits*, *network*, *writes ledger*, *writes files*."""
        sending = asyncio.ensure_future(self.send(interactive=interactive))
        while self._futures or not sending.done():
            await asyncio.sleep(_TICK_S)
            for at in [at for at, future in self._futures.items() if future.done()]:  # in a thread: posters are decoded
                self.results[at] = await asyncio.to_thread(_result, self.tasks[at], self._futures.pop(at))
        await sending

    async def send(self, *, interactive: bool = False) -> None:
        """Send each item in order, at most `concurrency` unfinished at once; what has a task keeps it. *spends credits*, *network*, *writes ledger*. An error takes the place of a task and stops no other."""
        # In threads, because a locked ledger must not hold up every other task on this loop.
        await asyncio.to_thread(self.require_same_places)
        budget, most = self._budget, self._concurrency or math.inf
        for at, item in enumerate(self.items):
            while sum(not future.done() for future in self._futures.values()) >= most and not self.is_stopped:
                await asyncio.sleep(_TICK_S)
            if item.error is None and not self.is_stopped:
                await self._start(at, item, budget, interactive=interactive)
            # Over budget, the others only get the tasks that they have already.
            budget = 0 if isinstance(self.tasks[at], OverBudget) else budget

    async def _start(self, at: int, item: Item, budget: float | None, *, interactive: bool) -> None:
        """Send one item, unless the ledger has it, and follow its task. *spends credits*, *network*, *writes ledger*."""
        world = "simulated" if item.simulated else "paid"
        options: Any = {"take": item.take, "budget": budget, "interactive": interactive, "shown_world": world}
        send: Any = functools.partial(self._session.sender.send, item.approved, **options)  # type: ignore[arg-type]
        self.tasks[at] = task = await asyncio.to_thread(attempt, send)
        future = task if isinstance(task, Exception) else await asyncio.to_thread(attempt, task.following)
        if isinstance(future, Exception):
            self.results[at] = future
        else:
            self._futures[at] = future

    def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `send` or `perform`. An interrupt stops the sending, not the tasks."""
        for _ in self.waiting(work):
            pass

    def waiting(self, work: Coroutine[Any, Any, None]) -> Iterator[bool]:
        """Wait for `send` or `perform`: False from time to time, and True at the end. Whoever leaves the loop stops the sending."""
        self.reset()
        future = ENGINE.submit(work)
        try:
            while not concurrent.futures.wait([future], timeout=_TICK_S).done:
                yield False
            future.result()
            yield True
        finally:
            self.stop()

    def require_same_places(self) -> None:
        """Check that requests still go where they went when they were priced. Raises: SeedanceError."""
        for item in {item.name: item for item in self.ready}.values():
            if destination(self._session, item.spec).get("base_url") != item.base_url:
                text = f"The keys have changed since this was created, so requests for {item.name} would now go somewhere else."
                step = "run its cell again to see where requests go and what they cost"
                raise SeedanceError(f"{text} Nothing was sent.", next_step=step)

    def rehearse(self) -> Rehearsal:
        """What would happen if it was sent now: price, time, refusals and balance. *reads files*, *network*: free calls only."""
        sender, clips, balances, basis = self._session.sender, list[Clip](), dict[str, float](), dict[str, None]()
        outcomes = functools.cache(functools.partial(outcomes_of, self._session.ledger, sum(sender.routing.timing)))
        for item, price in [(self.items[at], self.estimates[at]) for at in self.due]:
            earlier, source = outcomes(item.spec, size_of(item.spec, item.body), item.simulated)
            clips.append(Clip(item.spec.provider, 0 if item.simulated else price.amount or 0, earlier))
            basis[source] = None
            if not item.simulated and item.spec.provider not in balances and "balance" in item.spec.calls:
                left = ENGINE.run(sender.balance(item.spec))
                balances[item.spec.provider] = math.inf if left is None else left
        pause_s = 0.0 if all(item.simulated for item in self.items) else _PAUSE_S
        played = rehearse(clips, concurrency=self._concurrency, pause_s=pause_s, balances=balances)
        known = [f"{name}: the balance is {left:,.10g} now" for name, left in balances.items() if left < math.inf]
        pace = f"{f'at most {self._concurrency}' if self._concurrency else 'all'} at a time, {pause_s:g} s apart"
        return replace(played, cost=str(self.total), basis=(*basis, *known, pace))


def _result(task: Any, future: Future[Row]) -> Result:
    return attempt(lambda: task.show(future.result()))
