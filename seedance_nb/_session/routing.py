"""Where requests go: a provider with its key, or the simulator in this process."""

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.secret import Secret
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import Row
from seedance_nb._provider.key_sources import find_key
from seedance_nb._provider.transport import Endpoint
from seedance_nb._schema.formats import SIMULATED_HOST
from seedance_nb._simulator import store as _store
from seedance_nb._task.engine import ENGINE
from seedance_nb._web.origins import base_of, host_of, same_base
from seedance_nb._web.transfer import fetch_small


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Where a session's requests go; `for_one` is whether the key was passed together with one schema, and `timing` the simulator's queue and run times."""

    key: Secret | None = None
    for_one: bool = False
    base_url: str = ""
    simulate: bool | None = None
    timing: tuple[float, float] = (0.8, 3.0)
    answer_s: float = 120
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    def for_new(self, spec: Spec) -> Endpoint:
        """Where a new request goes: the simulator if requested, or without a key and a base URL. Reads the environment. Raises: SeedanceError; Unauthorized."""
        if self.simulate:
            return _simulated(spec, self.timing)
        base, secret = self._base_url(spec), find_key(spec, self.key)
        if secret is None and self.simulate is None and not base:
            return _simulated(spec, self.timing)
        return self._with_key(spec, base or same_base(spec.server), secret)

    def for_row(self, spec: Spec, row: Row) -> Endpoint:
        """Where a task of the ledger was sent. Reads the environment. Raises: SeedanceError if that is not possible with the present key and URL."""
        if urlsplit(row.base_url).hostname == _host(spec):
            return _simulated(spec, self.timing)
        base = same_base(row.base_url)
        if base not in (same_base(spec.server), self._base_url(spec)):
            text = f"{row.name} was sent to {host_of(row.base_url)}, but keys for {spec.provider} are now sent to another server."
            step = f"set base_url= or {spec.base_env} to that server to check this task"
            raise SeedanceError(text, next_step=step, charged=row.charged)
        return self._with_key(spec, base, find_key(spec, self.key))

    def _base_url(self, spec: Spec) -> str:
        """The base URL set for this model's provider, "" if none."""
        if self.base_url:
            return base_of(self.base_url, "base_url=")
        url = os.getenv(spec.base_env, "") if spec.vouched and spec.base_env else ""
        return base_of(url, spec.base_env) if url else ""

    def _with_key(self, spec: Spec, base: str, secret: Secret | None) -> Endpoint:
        if not spec.vouched and (secret is None or not (self.for_one or self.base_url)):
            raise SeedanceError(
                f"{spec.file or spec.name} is not from a supported provider, so no key is sent to {host_of(base)}.",
                next_step="pass api_key= in the same call as the schema (or use a Session with api_key= and base_url=) if you "
                "trust that host, or simulate=True",
            )
        if secret is None:
            raise SeedanceError(
                f"No key for {spec.provider} was found; requests would go to {host_of(base)}.",
                next_step=f"enter one with sd.ask_key({spec.provider!r}), set {spec.key_env}, or leave out base_url and simulate to use the simulator",
            )
        gate, sleep, clock = ENGINE.rate_limiter(base), self.sleep, self.clock
        return Endpoint(base_url=base, secret=secret, total=self.answer_s, gate=gate, sleep=sleep, clock=clock)


def _host(spec: Spec) -> str:
    return f"{spec.provider}{SIMULATED_HOST}"


def _simulated(spec: Spec, timing: tuple[float, float]) -> Endpoint:
    app = _simulator(spec, _store.default_folder(), timing)
    return Endpoint(base_url=f"http://{_host(spec)}", secret=Secret("no-key-is-needed-here", "the simulator"), app=app)


@functools.lru_cache(maxsize=16)
def _simulator(spec: Spec, folder: Path, timing: tuple[float, float]) -> Any:
    from seedance_nb._simulator.app import Simulator, Timing

    return Simulator([spec], _store.Store(folder), fetch_small, Timing(queue=timing[0], run=timing[1])).app
