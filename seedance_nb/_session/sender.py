"""Where the requests of one session go; their prices and files; sends them within its budget and returns their tasks."""

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.errors import SeedanceError, emit_warnings
from seedance_nb._base.secret import Secret
from seedance_nb._base.values import ABSENT, digest, set_at, to_path
from seedance_nb._check.check import Approved, values_by_role
from seedance_nb._check.price import Estimate, estimate, unchecked_budget
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row
from seedance_nb._media.preflight import Report, Request, preflight
from seedance_nb._provider.account import Account
from seedance_nb._provider.key_sources import find_key
from seedance_nb._provider.transport import Endpoint, access_policy
from seedance_nb._schema.formats import SIMULATED_HOST
from seedance_nb._simulator import store as _store
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.follow import begin, require_consent, require_sendable
from seedance_nb._task.send import TaskRun
from seedance_nb._task.task import Task
from seedance_nb._web.addresses import base_of, host_of, same_base
from seedance_nb._web.client import fetch_small


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Where a session's requests go; `for_one` is whether the key was passed together with one schema, `timing` the simulator's queue and run times, and `lesson` its faults and seed."""

    key: Secret | None = None
    for_one: bool = False
    base_url: str = ""
    simulate: bool | None = None
    timing: tuple[float, float] = (0.8, 3.0)
    lesson: tuple[Any, int] = ((), 0)
    ledger: Ledger | None = None
    answer_s: float = 120
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    def for_new(self, spec: Spec) -> Endpoint:
        """Where a new request goes: the simulator if requested, or without a key and a base URL. Reads the environment. Raises: SeedanceError; Unauthorized."""
        if self.simulate:
            return _simulated(spec, self)
        base, secret = self._base_url(spec), find_key(spec, self.key)
        if secret is None and self.simulate is None and not base:
            return _simulated(spec, self)
        return self._with_key(spec, base or same_base(spec.server), secret)

    def for_row(self, spec: Spec, row: Row) -> Endpoint:
        """Where a task of the ledger was sent. Reads the environment. Raises: SeedanceError if that is not possible with the present key and URL."""
        if urlsplit(row.base_url).hostname == f"{spec.provider}{SIMULATED_HOST}":
            return _simulated(spec, self)
        base = same_base(row.base_url)
        if base not in (same_base(spec.server), self._base_url(spec)):
            text = f"{row.name} was sent to {host_of(row.base_url)}, but keys for {spec.provider} are now sent to another server."
            step = f"set base_url= or {spec.base_env} to that server to check this task"
            raise SeedanceError(text, next_step=step, charged=row.charged)
        return self._with_key(spec, base, find_key(spec, self.key))

    def _base_url(self, spec: Spec) -> str:
        if self.base_url:
            return base_of(self.base_url, "base_url=")
        url = os.getenv(spec.base_env, "") if spec.vouched and spec.base_env else ""
        return base_of(url, spec.base_env) if url else ""

    def _with_key(self, spec: Spec, base: str, secret: Secret | None) -> Endpoint:
        if not spec.vouched and (secret is None or not (self.for_one or self.base_url)):
            text = f"{spec.file or spec.name} is not from a supported provider, so no key is sent to {host_of(base)}."
            step = "pass api_key= in the same call as the schema (or use a Session with api_key= and base_url=) if you trust that host, or simulate=True"
            raise SeedanceError(text, next_step=step)
        if secret is None:
            text = f"No key for {spec.provider} was found; requests would go to {host_of(base)}."
            step = f"enter one with sd.ask_key({spec.provider!r}), set {spec.key_env}, or leave out base_url and simulate to use the simulator"
            raise SeedanceError(text, next_step=step)
        rate, wait = spec.task.rate if spec.task else 0, self.answer_s
        gate = functools.partial(ENGINE.rate_limiter, base, secret.fingerprint(), self.ledger, rate)
        return Endpoint(base_url=base, secret=secret, total=wait, gate=gate, sleep=self.sleep, clock=self.clock)


class Sender:
    """Turns approved requests into tasks; known prices are saved with them. `outputs` and `budget` are those of `Session`."""

    def __init__(self, routing: Routing, ledger: Ledger, outputs: Path | None, budget: float | None) -> None:
        self.routing, self.ledger, self._outputs, self.budget = routing, ledger, outputs, budget
        self.specs, self._prices = dict[str, Spec](), dict[tuple[str, str], Estimate]()

    @property
    def outputs(self) -> Path:
        """The folder for videos: the session's, else `SEEDANCE_OUTPUTS`, else `seedance_outputs` in the working folder. Reads the environment."""
        return Path(self._outputs or os.getenv("SEEDANCE_OUTPUTS") or "seedance_outputs").expanduser().absolute()

    def account(self, spec: Spec) -> Account:
        """The free calls of the model's provider. Reads the environment."""
        return Account(spec, self.routing.for_new(spec))

    async def price(self, spec: Spec, body: dict[str, Any]) -> Estimate:
        """The price of a request, as far as it is known. *network*."""
        if spec.task is None:  # no provider can be asked
            return estimate(spec, body)
        account = self.account(spec)
        key = self.price_key(spec, account.endpoint.base_url, body)
        if spec.price.sizes and values_by_role(spec, body).get("reference_videos"):  # they count, so they are measured
            await self.preflight([(spec, body)], 8)
        else:
            self._prices[key] = await account.estimate(body)
        return self._prices.get(key) or estimate(spec, body)

    def price_key(self, spec: Spec, base_url: str, body: dict[str, Any]) -> tuple[str, str]:
        """What a price is known by: the server and the request without its prompt, which changes no price. *pure*."""
        return base_url, digest(set_at(body, to_path(spec.roles.get("prompt", "/?")), ABSENT))

    def known_price(self, spec: Spec, approved: Approved) -> Estimate:
        """The price from an earlier estimate or the schema. *pure*."""
        if approved.extra:
            return Estimate(unit=spec.price.unit, why="fields that are not in the schema may change the price")
        key = self.price_key(spec, self.routing.for_new(spec).base_url, approved.values)
        return self._prices.get(key) or estimate(spec, approved.values)

    async def preflight(self, requests: Sequence[tuple[Spec, Any]], total_s: float = 2) -> list[Report]:
        """The files of requests (models and bodies) checked against the limits, each file once, within `total_s` seconds in all. *network*, *reads files*."""
        found = list[Request]()
        for spec, body in requests:
            endpoint = self.routing.for_new(spec) if spec.task else None  # else no provider is known
            origin = access_policy(spec, endpoint).origin if endpoint and endpoint.app is None else ""
            found.append((spec, body, origin, self.account(spec).asset_state if "asset-info" in spec.calls else None))
        reports = await preflight(found, total_s)
        for (spec, body), report in zip(requests, reports, strict=True):
            videos = spec.roles.get("reference_videos") if spec.task and spec.price.sizes else None
            if videos and (seconds := report.seconds(videos)) is not None:  # tokens are counted for their frames too
                key = self.price_key(spec, self.routing.for_new(spec).base_url, body)
                self._prices[key] = estimate(spec, body, seconds)
        return reports

    def send(self, approved: Approved, *, take: int = 1, budget: float | None = None, simulated: bool | None = None,
             interactive: bool = False) -> Task:  # fmt: skip
        """The task of an approved request, sent only where the screen showed that it goes (`simulated`, if there was one); without a budget if a person pressed a button (`interactive`). *spends credits*, *network*, *writes ledger*. Raises as `submit` does."""
        spec, budget = approved.spec, self.budget if budget is None else budget
        require_sendable(spec, take, budget)
        endpoint = self.routing.for_new(spec)
        require_consent(spec, endpoint, budget, simulated=simulated, interactive=interactive)
        self.specs[spec.name] = spec
        note = unchecked_budget(spec, self.known_price(spec, approved), budget, simulated=endpoint.app is not None)
        if note and simulated is None:  # no screen has shown it
            emit_warnings((note,), UserWarning)
        return self.begin(self._flow(spec, endpoint), approved, take, budget)

    def flow_of(self, spec: Spec, row: Row) -> TaskRun:
        """What it takes to follow a task of the ledger. Raises: SeedanceError if its status cannot be checked from here."""
        return self._flow(spec, self.routing.for_row(spec, row))

    def begin(self, flow: TaskRun, approved: Approved, take: int, budget: float | None,
              replaces: int | None = None) -> Task:  # fmt: skip
        """The task of a request, which is priced if it has a budget, and sent if it is new. *writes ledger*, *network*, *spends credits*."""
        price = self.known_price(flow.spec, approved)
        if budget is not None and price.amount is None:
            price = ENGINE.run(self.price(flow.spec, approved.values))
        row, is_new = begin(flow, approved, take, price, budget=budget, replaces=replaces)
        return Task(self, flow.spec, row, flow, is_new=is_new)

    def spec_of(self, row: Row) -> Spec:
        """A task's model: one used in this session, or a built-in one. *reads files*. Raises: SeedanceError otherwise."""
        if (known := self.known_spec(row.spec)) is not None:
            return known
        if row.spec:
            problem = f"{row.name} was created with {row.spec}, which is not one of the built-in models."
            next_step = "pass its schema: sd.task(name, document=…) or sd.callback(payload, document=…)"
        else:
            problem = f"The model of {row.name} is not known: only a part of this task survived in a damaged ledger."
            about = f" for the task {row.task_id}" if row.task_id else ""
            next_step = f"check the provider accounts that you used{about}"
        raise SeedanceError(problem, next_step=next_step, charged=row.charged)

    def known_spec(self, name: str) -> Spec | None:
        """The model with this name, if it was used in this session or is built in. *reads files*."""
        return self.specs.get(name) or (_spec.spec(name) if name in _spec.model_names() else None)

    def _flow(self, spec: Spec, endpoint: Endpoint) -> TaskRun:
        balance = functools.partial(self.balance, spec) if endpoint.app is None and "balance" in spec.calls else None
        return TaskRun(spec=spec, endpoint=endpoint, ledger=self.ledger, folder=self.outputs, balance=balance)

    async def balance(self, spec: Spec, *, of_burst: bool = False) -> float | None:
        """The account balance, None if it is not known within 5 s; `of_burst`: asked for once by tasks that are submitted together. *network*."""
        try:
            async with asyncio.timeout(5):
                account = self.account(spec)
                shared = account.endpoint.gate if of_burst else None
                return await (shared().balance(account.balance, self.routing.clock()) if shared else account.balance())
        except (SeedanceError, TimeoutError):
            return None


def _simulated(spec: Spec, routing: Routing) -> Endpoint:
    app = _simulator(spec, _store.default_folder(), *routing.timing, *routing.lesson)
    base_url = f"http://{spec.provider}{SIMULATED_HOST}"
    secret = Secret("no-key-is-needed-here", "the simulator")
    return Endpoint(base_url=base_url, secret=secret, app=app, sleep=routing.sleep, clock=routing.clock)


@functools.lru_cache(maxsize=16)
def _simulator(spec: Spec, folder: Path, queue: float, run: float, faults: Any, seed: int) -> Any:
    from seedance_nb._simulator.app import Simulator

    return Simulator([spec], _store.Store(folder), fetch_small, queue=queue, run=run, faults=faults, seed=seed).app
