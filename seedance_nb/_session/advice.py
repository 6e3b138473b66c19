"""What can be known of a request before it is paid for: its price, and what its files are like."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.values import digest, to_pointer
from seedance_nb._check.check import Approved
from seedance_nb._check.price import Estimate, estimate
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._media.preflight import Report, preflight
from seedance_nb._provider.account import Account
from seedance_nb._provider.transport import Endpoint, access_policy

_FUNDS_S = 5


class Advice:
    """Prices and reports for one session; a price that was learned here goes into the ledger with its task.

    `place` says where the requests of a document go, `sleep` waits between two looks, in seconds.
    """

    def __init__(
        self, place: Callable[[Spec], Endpoint], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._endpoint_of = place
        self._sleep = sleep
        self._prices: dict[tuple[str, str], Estimate] = {}

    def account(self, spec: Spec) -> Account:
        """The free calls of the document's provider. Reads the environment."""
        return Account(spec, self._endpoint_of(spec), self._sleep)

    async def price(self, spec: Spec, body: dict[str, Any]) -> Estimate:
        """What a request would cost, as far as anybody says so. *network*."""
        desk = self.account(spec)
        told = self._prices[desk.place.base_url, digest(body)] = await desk.estimate(body)
        return told

    async def balance(self, spec: Spec) -> float | None:
        """What is on the account, None where nobody says it within 5 s. *network*."""
        desk = self.account(spec)
        if not desk.has("balance") or desk.place.app is not None:
            return None
        try:
            async with asyncio.timeout(_FUNDS_S):
                return await desk.balance()
        except (SeedanceError, TimeoutError):
            return None

    async def preflight(self, spec: Spec, body: dict[str, Any]) -> Report:
        """What the files of a request are like, held against the document's limits. *network*, *reads files*."""
        where = self._endpoint_of(spec)
        named_so = access_policy(spec, where).origin if where.app is None else ""
        report = await preflight(spec, body, allowed_origin=named_so)
        videos = next(
            (to_pointer(path) for path, schema in named_fields(spec) if schema.get("x-role") == "reference_videos"), ""
        )
        if spec.price.sizes and videos:  # tokens are counted for the frames of reference videos too
            self._prices[where.base_url, digest(body)] = estimate(spec, body, report.seconds(videos))
        return report

    def known_price(self, spec: Spec, approved: Approved) -> Estimate:
        """The price as far as it was learned or stands in the document. *pure*."""
        if approved.extra:
            return Estimate(unit=spec.price.unit, why="fields that are not in the schema may change the price")
        return self._prices.get((self._endpoint_of(spec).base_url, approved.digest)) or estimate(spec, approved.values)
