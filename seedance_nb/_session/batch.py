"""Several requests at once: checked when they are created, priced together, and sent in order with the ledger as their queue."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from seedance_nb._base.errors import InvalidInput, MediaWarning, OverBudget, SeedanceError, emit_warnings, require_count
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.problem import Problem
from seedance_nb._check.check import Approved, approve, approve_again, build_body, values_by_role, warnings
from seedance_nb._check.price import Estimate, Total, estimate, total_of, unchecked_budget
from seedance_nb._document.load import model_names, spec
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import intent_of
from seedance_nb._ledger.row import EARLY_STATES, OPEN_STATES, Row, State
from seedance_nb._media.preflight import Report
from seedance_nb._session.rehearsal import Rehearsal, forecast
from seedance_nb._session.session import Document, Session
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE, call_in, wait_for
from seedance_nb._task.follow import require_sendable
from seedance_nb._task.task import Task

T = TypeVar("T")
Result = Video | Exception | None  # a request's video, or the error in its place; None while there is neither
_TICK_S = 0.1
_INNER = ("current", "reset", "load", "perform", "send", "wait", "waiting", "require_same_places")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One request of several; `approved` unless it has `problems`. `labels` are its columns in a table, `title` its name, if any; `unsupported` are settings with the reason, and `fault` is why no request can be sent to `base_url`, "" if one can."""

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
    doubts = (approved.unchecked if approved else ()) + warnings(spec, body)
    more |= {"approved": approved, "problems": problems, "warnings": doubts}
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


class Run:
    """One sending of a batch, with tasks and results of its own, so that one that was stopped does not go on in the next."""

    def __init__(self, items: Iterable[Item]) -> None:
        self.is_stopped = False
        self.tasks: list[Task | Exception | None] = [item.error for item in items]
        self.results: list[Result] = [*self.tasks]  # type: ignore[list-item]
        self.futures: dict[int, Future[Video]] = {}


def _source(model: Spec) -> Document:
    """What a worker reads the model from: its name, or the operation of a document that is not packaged."""
    return model.name if model.name in model_names() else model.operations[0]


def examine(source: Document, body: dict[str, Any]) -> Report:
    """What preflight finds, in a worker of an executor. *network*, *reads files*."""
    return ENGINE.run(Session(simulate=True).sender.preflight([(spec(source), body)], 8))[0]


def finish(source: Document, body: str, options: dict[str, Any], where: tuple[str, str, tuple[float, float]]) -> None:
    """Send a request from a worker of an executor, with the key and the ledger of its own environment, and wait for its video. *spends credits*, *network*, *writes ledger*, *writes files*. Raises: SeedanceError."""
    ledger, outputs, (queue_s, run_s) = where
    own = None if "://" in ledger else ledger  # the URL of a server has a password, so it does not travel
    session = Session(simulate=options["simulated"], ledger=own, outputs=outputs, queue_s=queue_s, run_s=run_s)
    if session.ledger.place != ledger:
        raise SeedanceError(f"The worker has another ledger than {ledger}.", next_step="set SEEDANCE_LEDGER for it")
    session.sender.send(approve_again(spec(source), body), interactive=True, **options).wait(progress=False)


@created_by_package
class Batch:
    """Several requests, sent in order. `tasks` and `results` have one entry per item: None is not sent, or not ended, yet."""

    _chained: Sequence[int] = ()  # the items that wait for the video of the one before

    def __init__(self, session: Session, items: Iterable[Item], *, budget: float | None = None,
                 concurrency: int | None = None, executor: Executor | None = None) -> None:  # fmt: skip
        self.items = tuple(items)
        self.ready = tuple(item for item in self.items if item.error is None)
        for item in self.ready:
            require_sendable(item.spec, item.take, budget)
        if concurrency is not None:
            require_count("concurrency", concurrency)
        self._session, self._concurrency, self._executor = session, concurrency, executor
        self._budget = session.sender.budget if budget is None else budget
        self.current = Run(())  # `Any` in signatures, so that `help()` shows no private type
        self.reset()

    def __dir__(self) -> list[str]:  # what Tab proposes
        return [name for name in super().__dir__() if name not in _INNER]

    def reset(self) -> Any:
        """Stop the run before, forget its tasks and results, and return a new one."""
        self.stop()
        self.current = Run(self.items)
        self.tasks, self.results = self.current.tasks, self.current.results
        return self.current

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
        """The items that have no task in the ledger yet, so that `perform` sends them, unless one that they continue has failed; equal ones count once. *reads files*."""
        due, is_over = dict[str, int](), False
        for at, (item, row) in enumerate(zip(self.items, self.rows(), strict=True)):
            is_end = row is not None and (row.state in (State.FAILED, State.UNKNOWN) or row.is_forgotten)
            is_over = is_end or (at in self._chained and is_over)
            if row is None and item.error is None and not is_over:
                due.setdefault(item.intent, at)
        return [*due.values()]

    @property
    def _offer(self) -> list[tuple[Item, Estimate]]:
        return [(self.items[at], self.estimates[at]) for at in self.due]

    @property
    def total(self) -> Total:
        """The price of what would be sent. *reads files*, *network* the first time."""
        return total_of([(item.spec, price, item.simulated) for item, price in self._offer])

    @property
    def blank_prompts(self) -> int:
        """How many of the requests that would be sent have no prompt, which is asked about. *reads files*."""
        due = [self.items[at] for at in self.due if "prompt" in self.items[at].spec.roles]
        return sum(not str(values_by_role(item.spec, item.body).get("prompt") or "").strip() for item in due)

    def unchecked_budgets(self) -> list[str]:
        """What is said of simulated requests whose budget cannot be checked. *reads files*, *network* the first time."""
        notes = (unchecked_budget(one.spec, price, self._budget, simulated=one.simulated) for one, price in self._offer)
        return [*filter(None, dict.fromkeys(notes))]

    def require_budget(self) -> None:
        """Check that everything that would be sent stays within the budget, as far as prices are known. *reads files*, *network* the first time. Raises: OverBudget."""
        budget, check = self._budget, self._session.ledger.require_budget
        groups = dict[tuple[str, bool, str, str], list[float]]()
        for item, price in self._offer if budget is not None else ():
            if price.amount is not None and not price.at_least:
                key = item.spec.provider, item.simulated, item.base_url, price.unit
                groups.setdefault(key, []).append(price.amount)
        for (provider, simulated, base_url, unit), prices in groups.items():
            price = Estimate(unit=unit, amount=math.fsum(prices))
            check(provider, price, budget or 0, simulated=simulated, base_url=base_url, count=len(prices))

    def rows(self) -> list[Row | None]:
        """The row of each item in the ledger, None if its request was never sent. *reads files*."""
        intents = [item.intent for item in self.items]
        return [*map(self._session.ledger.of_intents(intents).get, intents)]

    def preflight(self) -> list[Report]:
        """What is found about the files of each request that can be sent, where the executor is, if there is one. *network*, *reads files*."""
        if self._executor is None:
            requests = [(item.spec, item.body) for item in self.ready]
            return ENGINE.run(self._session.sender.preflight(requests, 8 * len(requests)))
        return [future.result() for future in [
            call_in(self._executor, f"preflight-{item.intent}", examine, _source(item.spec), item.body) for item in self.ready
        ]]  # fmt: skip

    def load(self) -> None:
        """Take over the videos and errors that the ledger has of requests that were not sent from here. *reads files*."""
        for at, row in enumerate(self.rows()):
            if row is not None and self.tasks[at] is None:
                task = self.tasks[at] = Task(self._session.sender, self.items[at].spec, row)
                if row.state in (State.DONE, State.FAILED, State.UNKNOWN):
                    self.results[at] = attempt(functools.partial(task.wait, progress=False))

    def stop(self) -> None:
        """Send nothing further. What was sent is still followed."""
        self.current.is_stopped = True

    async def perform(self, run: Any, *, interactive: bool = False) -> None:
        """Send what has no task yet, and wait for every result. *spends credits*, *network*, *writes ledger*, *writes files*."""
        # In threads, because a locked ledger must not hold up every other task on this loop.
        await asyncio.to_thread(self.require_same_places)
        pairs = enumerate(zip(self.items, await asyncio.to_thread(self.rows), strict=True))
        new = [at for at, (item, row) in pairs if not (row or item.error or item.simulated)]
        reports = await self._session.sender.preflight([(self.items[at].spec, self.items[at].body) for at in new])
        doubts = (one for report in reports for one in report.findings if one.word in ("warning", "not checked"))
        emit_warnings(dict.fromkeys(map(str, doubts)), MediaWarning)
        for at, report in zip(new, reports, strict=True):
            if broken := tuple(problem for problem in report.problems if not problem.warns):
                run.tasks[at] = run.results[at] = InvalidInput(broken)
        sending = asyncio.ensure_future(self.send(run, interactive=interactive))
        while run.futures or not sending.done():
            await asyncio.sleep(_TICK_S)
            for at in [at for at, future in run.futures.items() if future.done()]:
                run.results[at] = attempt(run.futures.pop(at).result)
        await sending

    async def send(self, run: Any, *, interactive: bool = False) -> None:
        """Send each item in order, at most `concurrency` unfinished at once; what has a task keeps it. *spends credits*, *network*, *writes ledger*. An error takes the place of a task and stops no other."""
        most, rows, over = self._concurrency or math.inf, list[Row | None](), dict[str, OverBudget]()
        for at, item in enumerate(self.items):
            while sum(not future.done() for future in run.futures.values()) >= most and not run.is_stopped:
                await asyncio.sleep(_TICK_S)
            if item.spec.provider in over and rows[at] is None and item.error is None:
                run.tasks[at] = run.results[at] = over[item.spec.provider]
            elif not (isinstance(run.tasks[at], Exception) or run.is_stopped):
                await self._start(run, at, item, interactive=interactive)
            if isinstance(task := run.tasks[at], OverBudget):
                over[item.spec.provider], rows = task, rows or await asyncio.to_thread(self.rows)

    async def _start(self, run: Run, at: int, item: Item, *, interactive: bool) -> None:
        """Send one item, unless the ledger has it, and follow its task. *spends credits*, *network*, *writes ledger*."""
        options: Any = {"take": item.take, "budget": self._budget, "simulated": item.simulated}
        send: Any = functools.partial(self._session.sender.send, item.approved, interactive=interactive, **options)  # type: ignore[arg-type]
        if self._executor is not None:
            run.futures[at] = ENGINE.submit(self._elsewhere(self._executor, run, at, send, options))
            return
        run.tasks[at] = task = await asyncio.to_thread(attempt, send)
        if isinstance(task, Exception):
            run.results[at] = task
        else:
            run.futures[at] = task.future

    async def _elsewhere(self, executor: Executor, run: Run, at: int, send: Callable[[], Task], options: Any) -> Video:
        """The video of an item that `executor` sends and follows; what is left when a worker ends is followed here. Raises: what `send` does."""
        item, session = self.items[at], self._session
        where = session.ledger.place, str(session.outputs.absolute()), session.sender.routing.timing
        future = call_in(executor, item.intent, finish, _source(item.spec), item.approved.body, options, where)  # type: ignore[union-attr]
        while not future.done():
            await asyncio.sleep(_TICK_S)
            if run.is_stopped:
                future.cancel()
        if run.is_stopped and future.cancelled():
            raise SeedanceError("Stopped before it was sent.", charged="not charged")
        run.tasks[at] = task = await asyncio.to_thread(send)
        return await asyncio.wrap_future(task.future)

    def waiting(self) -> Iterator[bool]:
        """Wait for `perform`: False from time to time, and True at the end. Whoever leaves the loop stops the sending."""
        run = self.reset()
        future = ENGINE.submit(self.perform(run))
        try:
            while not concurrent.futures.wait([future], timeout=_TICK_S).done:
                yield False
            future.result()
            yield True
        finally:
            run.is_stopped = True

    def require_same_places(self) -> None:
        """Check that requests still go where they went when they were priced. Raises: SeedanceError."""
        for item in {item.name: item for item in self.ready}.values():
            if destination(self._session, item.spec).get("base_url") != item.base_url:
                text = f"The keys have changed since this was created, so requests for {item.name} would now go somewhere else."
                step = "run its cell again to see where requests go and what they cost"
                raise SeedanceError(f"{text} Nothing was sent.", next_step=step)

    def rehearse(self) -> Rehearsal:
        """What would happen if it was sent now: price, time, refusals and balance. *reads files*, *network*: free calls only."""
        due, total = self.due, self.total
        if isinstance(refusal := attempt(self.require_budget), OverBudget):
            options: Any = {"cost": f"{total}, over the budget", "basis": (refusal.message,)}
            return Rehearsal(clips=len(due), seconds=(0, 0), refusals=len(due), **options)
        rows, states = self.rows(), (*EARLY_STATES, *OPEN_STATES)
        order = sorted([*due, *{row.seq: at for at, row in enumerate(rows) if row and row.state in states}.values()])
        numbers = {self.items[at].intent: number for number, at in enumerate(order)}
        earlier = {number: self.items[at - 1].intent for number, at in enumerate(order) if at in self._chained}
        after = {number: numbers[one] for number, one in earlier.items() if one in numbers and not rows[order[number]]}
        chosen = [(self.items[at], self.estimates[at].amount or 0, rows[at]) for at in order]
        requests = [(item.spec, item.body, price, item.simulated, row) for item, price, row in chosen]
        return forecast(self._session.sender, requests, total, after, self._concurrency)
