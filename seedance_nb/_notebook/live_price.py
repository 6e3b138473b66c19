"""The price of a form that is being filled in: at once from the table, or from the provider's estimate call once it rests."""

import asyncio
from collections.abc import Callable
from typing import Any

from seedance_nb._check.check import check
from seedance_nb._check.price import Estimate, estimate
from seedance_nb._document.load import Spec
from seedance_nb._session.session import Session
from seedance_nb._task.engine import ENGINE

REST_S = 0.8


class Quote:
    """`now` is the price as far as it is known; `tell` is called, from any thread, when it changes."""

    def __init__(self, session: Session, spec: Spec, tell: Callable[[], None], *, simulated: bool) -> None:
        self.now: Estimate = estimate(spec, {})
        self._session = session
        self._spec = spec
        self._tell = tell
        self._asks = "estimate" in spec.calls and not simulated
        self._latest: object = None

    def changed(self, values: dict[str, Any]) -> None:
        """Takes a form's new values. *network*, a while later, where the provider has an estimate call and they can be sent."""
        mine = self._latest = object()
        self._set(estimate(self._spec, values))
        if self._asks and not check(self._spec, values):
            ENGINE.submit(self._ask(values, mine))

    async def _ask(self, values: dict[str, Any], mine: object) -> None:
        await asyncio.sleep(REST_S)
        if mine is not self._latest:
            return
        told = await self._session.advice.price(self._spec, values)
        if mine is self._latest:
            self._set(told)

    def _set(self, told: Estimate) -> None:
        if told != self.now:
            self.now = told
            self._tell()
