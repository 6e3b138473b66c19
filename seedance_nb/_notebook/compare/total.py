"""The price of several requests together: summed where units are the same, and plain about what nobody knows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seedance_nb._check.price import Estimate, money_text
from seedance_nb._document.load import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One request of several: its document, its estimate, and whether the simulator makes it, which is free."""

    spec: Spec
    estimate: Estimate
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What several requests cost together.

    `sums` has one estimate per unit of a provider, because a credit here is no credit there; `money` one pair of currency
    and sum per currency, of the sums that are known in money. `unknown` are the documents whose price nobody says,
    `simulated` is how many are free, `paid` how many are not.
    """

    sums: tuple[Estimate, ...] = ()
    money: tuple[tuple[str, float], ...] = ()
    unknown: tuple[str, ...] = ()
    simulated: int = 0
    paid: int = 0

    def __str__(self) -> str:
        return self._text(f"price not known for {', '.join(self.unknown)}")

    @property
    def brief(self) -> str:
        """The same for a button: documents are counted and not named. *pure*."""
        count = len(self.unknown)
        all_of_them = "price not known" if count == 1 else f"{count} prices not known"
        return self._text(f"{count} {'price' if count == 1 else 'prices'} not known" if self.sums else all_of_them)

    def _text(self, unknown: str) -> str:
        if not self.paid:
            return "simulated, free" if self.simulated else "nothing to send"
        parts = [" + ".join(map(str, self.sums))] if self.sums else []
        if len([one for one in self.sums if one.money is not None]) > 1:
            parts += [f"in money {' + '.join(money_text(sum_, currency) for currency, sum_ in self.money)}"]
        parts += [unknown] if self.unknown else []
        parts += [f"{self.simulated} simulated, free"] if self.simulated else []
        return ", ".join(parts)


def total_of(requests: Sequence[Priced]) -> Total:
    """The price of these requests together. *pure*."""
    paid = [one for one in requests if not one.simulated]
    groups: dict[tuple[str, str, str], list[Priced]] = {}
    for one in paid:
        if one.estimate.amount is not None:
            currency = one.estimate.currency if one.estimate.money is not None else ""
            groups.setdefault((one.spec.provider, one.estimate.unit, currency), []).append(one)
    providers = {one.spec.provider for one in paid}
    sums = tuple(
        _sum([one.estimate for one in group], key[0] if len(providers) > 1 else "") for key, group in groups.items()
    )
    in_money = [one for one in sums if one.money is not None]
    return Total(
        sums=sums,
        money=tuple(
            (currency, math.fsum(one.money or 0 for one in in_money if one.currency == currency))
            for currency in dict.fromkeys(one.currency for one in in_money)
        ),
        unknown=tuple(one.spec.name for one in paid if one.estimate.amount is None),
        simulated=len(requests) - len(paid),
        paid=len(paid),
    )  # fmt: skip


def _sum(estimates: Sequence[Estimate], provider: str) -> Estimate:
    first = estimates[0]
    return replace(
        first,
        unit=f"{provider} {first.unit}" if provider else first.unit,
        amount=math.fsum(one.amount or 0 for one in estimates),
        money=math.fsum(one.money or 0 for one in estimates) if first.money is not None else None,
        at_least=any(one.at_least for one in estimates),
    )
