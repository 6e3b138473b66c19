"""Sends the requests of one session, within its budget, and returns their tasks."""

import functools
from pathlib import Path

from seedance_nb._base.errors import SeedanceError
from seedance_nb._check.check import Approved
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row
from seedance_nb._provider.transport import Endpoint
from seedance_nb._session.advice import Advice
from seedance_nb._session.routing import Routing
from seedance_nb._task.begin import World, begin, require_consent, require_sendable
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import outputs_folder
from seedance_nb._task.send import TaskRun
from seedance_nb._task.task import Task


class Sender:
    """Turns approved requests into tasks. `outputs` and `budget` are those of `Session`."""

    def __init__(self, routing: Routing, ledger: Ledger, outputs: Path | None, budget: float | None) -> None:
        self.ledger = ledger
        self.advice = Advice(routing.for_new, routing.sleep)
        self.specs: dict[str, Spec] = {}
        self._routing, self._outputs, self._budget = routing, outputs, budget

    @property
    def outputs(self) -> Path:
        """The folder for videos. Reads the environment."""
        return self._outputs.expanduser().absolute() if self._outputs else outputs_folder()

    def limit(self, budget: float | None) -> float | None:
        """The budget of one request: its own, else the session's."""
        return self._budget if budget is None else budget

    def send(
        self, approved: Approved, *, take: int = 1, budget: float | None = None, shown_world: World = "",
        interactive: bool = False,
    ) -> Task:  # fmt: skip
        """The task of an approved request whose warnings were shown, sent only to the `shown_world`. *spends credits*, *network*, *writes ledger*.

        `interactive` is whether a person pressed a button, so that no budget is required. Raises: what `Session.submit` raises.
        """
        budget = self.limit(budget)
        require_sendable(approved.spec, take, budget)
        flow = self.new_flow(approved.spec, budget, shown_world=shown_world, interactive=interactive)
        return self.begin(flow, approved, take, budget)

    def new_flow(self, spec: Spec, budget: float | None, *, shown_world: World = "",
                 interactive: bool = False) -> TaskRun:  # fmt: skip
        """What it takes to run a new request. Raises: SeedanceError if no one consented to spend money there."""
        self.specs[spec.name] = spec
        endpoint = self._routing.for_new(spec)
        require_consent(spec, endpoint, budget, shown_world=shown_world, interactive=interactive)
        return self._flow(spec, endpoint)

    def flow_of(self, spec: Spec, row: Row) -> TaskRun:
        """What it takes to follow a task of the ledger. Raises: SeedanceError if its status cannot be checked from here."""
        return self._flow(spec, self._routing.for_row(spec, row))

    def begin(self, flow: TaskRun, approved: Approved, take: int, budget: float | None,
              replaces: int | None = None) -> Task:  # fmt: skip
        """The task of a request, which is priced if it has a budget, and sent if it is new. *writes ledger*, *network*, *spends credits*."""
        price = self.advice.known_price(flow.spec, approved)
        if budget is not None and price.amount is None and not ENGINE.is_here:
            price = ENGINE.run(self.advice.price(flow.spec, approved.values))
        row, is_new = begin(flow, approved, take, price, budget=budget, replaces=replaces)
        return Task(self, flow.spec, row, flow, is_new=is_new)

    def spec_of(self, row: Row) -> Spec:
        """A task's model: one used in this session, or a built-in one. *reads files*. Raises: SeedanceError otherwise."""
        if row.spec in self.specs:
            return self.specs[row.spec]
        if row.spec in _spec.model_names():
            return _spec.spec(row.spec)
        if row.spec:
            problem = f"{row.name} was created with {row.spec}, which is not one of the built-in models."
            next_step = "pass its schema: sd.task(name, document=…) or sd.callback(payload, document=…)"
        else:
            problem = f"The model of {row.name} is not known: only a part of this task survived in a damaged ledger."
            about = f" for the task {row.task_id}" if row.task_id else ""
            next_step = f"check the provider accounts that you used{about}"
        raise SeedanceError(problem, next_step=next_step, charged=row.charged)

    def _flow(self, spec: Spec, endpoint: Endpoint) -> TaskRun:
        has_account = endpoint.app is None and "balance" in spec.calls
        balance = functools.partial(self.advice.balance, spec) if has_account else None
        return TaskRun(
            spec=spec, endpoint=endpoint, ledger=self.ledger, folder=self.outputs, sleep=self._routing.sleep,
            clock=self._routing.clock, balance=balance,
        )  # fmt: skip
