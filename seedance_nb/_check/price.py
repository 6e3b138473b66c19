"""Price estimates of one request and of several, from documented prices only; never a guess."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.html import Readable
from seedance_nb._base.values import find, to_pointer
from seedance_nb._check.check import seconds_of, values_by_role
from seedance_nb._document.spec import Spec

SIMULATED = "simulated (free)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Estimate(Readable):
    """A price before it is paid. `amount` is in `unit` (credits, tokens), None if unknown; `money` is in `currency`. `at_least` is True for a minimum. `source` and `date` say where the numbers come from, `why` what is missing."""

    unit: str = "credits"
    amount: float | None = None
    money: float | None = None
    currency: str = "USD"
    at_least: bool = False
    source: str = ""
    date: str = ""
    why: str = ""

    def __repr__(self) -> str:
        source = f"from {self.source}{f' (read {self.date})' if self.date else ''}" if self.source else ""
        return "; ".join(part for part in (str(self), self.why, source) if part)

    def __str__(self) -> str:
        if self.amount is None:
            return "price unknown"
        money = f" ({money_text(self.money, self.currency)})" if self.money is not None else ""
        return f"{'at least ' if self.at_least else ''}{amount_text(self.amount, self.unit)}{money}"


def estimate(spec: Spec, body: Any, reference_seconds: Sequence[float] | None = None) -> Estimate:
    """The price by the table `x-price`; `reference_seconds` are the lengths of reference videos, None if not measured. *pure*."""
    price, roles = spec.price, values_by_role(spec, body)
    seconds = seconds_of(roles.get("seconds"))
    if not price.per_second and not price.sizes:
        return Estimate(unit=price.unit, why=price.note)
    if seconds is None:
        return Estimate(unit=price.unit, why="the price depends on the duration, which the request does not set")
    if price.per_second:
        return with_money(spec, seconds * price.per_second)
    size = find(price.sizes, to_pointer((str(roles.get("resolution")), str(roles.get("ratio")))))
    if not isinstance(size, list):
        why = "the price depends on resolution and ratio, which the request does not set"
        return Estimate(unit=price.unit, why=why)
    frames = sum(round(length * price.fps) for length in (seconds, *(reference_seconds or ())))
    unmeasured = bool(roles.get("reference_videos")) and reference_seconds is None
    # The one figure of vastnum's docs, 99,111 for 752 x 560 px, is 241 frames: 120 generated and, by inference, 121 of the reference.
    return with_money(spec, size[0] * size[1] * frames // 1024, at_least=unmeasured)


def with_money(spec: Spec, amount: float, *, at_least: bool = False, source: str = "") -> Estimate:
    price = spec.price
    return Estimate(
        unit=price.unit, amount=amount, money=amount * price.each if price.each else None, currency=price.currency,
        at_least=at_least, why="reference videos add to the price" if at_least else "",
        source=source or price.source, date="" if source else price.date,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The price of several requests: one estimate per provider and unit (`sums`), the models without a known price (`unknown`), and how many are `simulated` or `paid`."""

    sums: tuple[Estimate, ...] = ()
    unknown: tuple[str, ...] = ()
    simulated: int = 0
    paid: int = 0

    def __str__(self) -> str:
        return self.text(f"price unknown for {', '.join(self.unknown)}")

    def text(self, unknown: str = "") -> str:
        """The price; on a button, models without a known one are not named. *pure*."""
        if not self.paid:
            return SIMULATED if self.simulated else "nothing to send"
        parts = [" + ".join(map(str, self.sums))] if self.sums else []
        money = [(one.currency, one.money) for one in self.sums if one.money is not None]
        if money[1:]:
            each = {name: math.fsum(some for one, some in money if one == name) for name, _ in money}
            parts += [f"in total {' + '.join(money_text(some, name) for name, some in each.items())}"]
        parts += [unknown or ("some prices unknown" if self.sums else "price unknown")] if self.unknown else []
        parts += [f"{self.simulated} simulated (free)"] if self.simulated else []
        return ", ".join(parts)


def total_of(requests: Sequence[tuple[Spec, Estimate, bool]]) -> Total:
    """The price of requests, each a model, an estimate, and whether it is simulated, so free. *pure*."""
    paid = [(spec, one) for spec, one, simulated in requests if not simulated]
    groups: dict[tuple[str, str, str], list[Estimate]] = {}
    for spec, one in paid:
        if one.amount is not None:
            currency = one.currency if one.money is not None else ""
            groups.setdefault((spec.provider, one.unit, currency), []).append(one)
    several, sums = len({spec.provider for spec, _ in paid}) > 1, list[Estimate]()
    for (provider, unit, currency), group in groups.items():
        amount, money = (math.fsum(getattr(one, name) or 0 for one in group) for name in ("amount", "money"))
        named, at_least = f"{provider} {unit}" if several else unit, any(one.at_least for one in group)
        sums.append(replace(group[0], unit=named, amount=amount, money=money if currency else None, at_least=at_least))
    unknown = tuple(spec.name for spec, one in paid if one.amount is None)
    return Total(sums=tuple(sums), unknown=unknown, simulated=len(requests) - len(paid), paid=len(paid))


def price_note(spec: Spec, price: Estimate, *, simulated: bool, budget: float | None = None) -> str:
    if note := unchecked_budget(spec, price, budget, simulated=simulated):
        return note
    if simulated:
        paid = f" With a key: {price}." if price.amount is not None else ""
        return f"No {spec.key_env or 'key'} is set, so nothing is sent to {spec.provider} and nothing is charged.{paid}"
    note = spec.price.note + (f" ({price.why})" if price.why and price.why != spec.price.note else "")
    return f"{note[:1].upper()}{note[1:]}. The actual cost is recorded afterwards."


def unchecked_budget(spec: Spec, price: Estimate, budget: float | None, *, simulated: bool) -> str:
    """That a budget is not checked, because only the estimate call knows the price and the simulator has none; "" otherwise. *pure*."""
    if budget is None or not simulated or price.amount is not None or "estimate" not in spec.calls:
        return ""
    return f"SIMULATED: the budget of {amount_text(budget, price.unit)} is not checked, because the price comes from {spec.provider} and needs a key. Nothing is charged."


def amount_text(amount: float, unit: str) -> str:
    return f"{amount:,.10g} {unit}"


def money_text(money: float, currency: str) -> str:
    symbol = {"USD": "$", "EUR": "€", "CNY": "¥"}.get(currency, f"{currency} ")
    return f"{symbol}{money:,.2f}"
