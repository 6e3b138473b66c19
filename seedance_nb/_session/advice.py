"""What is known about a request before it is paid: its price, and its files."""

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


class Advice:
    """Prices and file reports of one session; known prices are saved in the ledger with their tasks."""

    def __init__(self, endpoint_of: Callable[[Spec], Endpoint],
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:  # fmt: skip
        self._endpoint_of, self._sleep = endpoint_of, sleep
        self._prices: dict[tuple[str, str], Estimate] = {}

    def account(self, spec: Spec) -> Account:
        """The free calls of the model's provider. Reads the environment."""
        return Account(spec, self._endpoint_of(spec), self._sleep)

    async def price(self, spec: Spec, body: dict[str, Any]) -> Estimate:
        """The price of a request, as far as it is known. *network*."""
        account = self.account(spec)
        price = self._prices[account.endpoint.base_url, digest(body)] = await account.estimate(body)
        return price

    async def balance(self, spec: Spec) -> float | None:
        """The account balance, None if it is not known within 5 s. *network*."""
        account = self.account(spec)
        if not account.has("balance") or account.endpoint.app is not None:
            return None
        try:
            async with asyncio.timeout(5):
                return await account.balance()
        except (SeedanceError, TimeoutError):
            return None

    async def preflight(self, spec: Spec, body: dict[str, Any]) -> Report:
        """The files of a request checked against the model's limits. *network*, *reads files*."""
        endpoint = self._endpoint_of(spec)
        allowed_origin = access_policy(spec, endpoint).origin if endpoint.app is None else ""
        report = await preflight(spec, body, allowed_origin=allowed_origin)
        by_role = {schema.get("x-role"): to_pointer(path) for path, schema in named_fields(spec)}
        videos = by_role.get("reference_videos", "")
        if spec.price.sizes and videos:  # tokens are counted for the frames of reference videos too
            self._prices[endpoint.base_url, digest(body)] = estimate(spec, body, report.seconds(videos))
        return report

    def known_price(self, spec: Spec, approved: Approved) -> Estimate:
        """The price from an earlier estimate or the schema. *pure*."""
        if approved.extra:
            return Estimate(unit=spec.price.unit, why="fields that are not in the schema may change the price")
        return self._prices.get((self._endpoint_of(spec).base_url, approved.digest)) or estimate(spec, approved.values)
