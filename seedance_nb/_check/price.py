"""What a request will cost, and several together, as far as the provider says so; never a guess."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.values import find, to_pointer
from seedance_nb._check.body import seconds_of, values_by_role
from seedance_nb._document.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A price before it is paid. `amount` is in `unit` (credits, tokens), None where nobody says it; `money` in `currency`.

    `at_least` is True where more will come on top that is not known yet. `source` and `date` say where the numbers are
    from, `why` what is missing.
    """

    unit: str = "credits"
    amount: float | None = None
    money: float | None = None
    currency: str = "USD"
    at_least: bool = False
    source: str = ""
    date: str = ""
    why: str = ""

    def __str__(self) -> str:
        if self.amount is None:
            return "price not known"
        money = f" ({money_text(self.money, self.currency)})" if self.money is not None else ""
        return f"{'at least ' if self.at_least else ''}{amount_text(self.amount, self.unit)}{money}"


def tokens(width: int, height: int, frames: int) -> int:
    """Tokens of a video of `width` x `height` px and `frames` frames, those of reference videos among them. *pure*.

    floor(width x height x frames / 1024), the formula of third-party price tables. vastnum's page has one figure to hold it
    against, 99,111 for 752 x 560 px: that is 241 frames, 120 made and, by inference, 121 of the reference video.
    """
    return width * height * frames // 1024


def estimate(spec: Spec, body: Any, reference_seconds: Sequence[float] | None = None) -> Estimate:
    """What a request will cost by the document's own table (`x-price`). *pure*.

    `reference_seconds` are the lengths of its reference videos in seconds, None where nobody has measured them.
    """
    price, asked = spec.price, values_by_role(spec, body)
    seconds = seconds_of(asked.get("seconds"))
    if not price.per_second and not price.sizes:
        return Estimate(unit=price.unit, why=price.note)
    if seconds is None:
        return Estimate(unit=price.unit, why="the price goes by the seconds, and the request names no number of them")
    if price.per_second:
        return with_money(spec, seconds * price.per_second)
    size = find(price.sizes, to_pointer((str(asked.get("resolution")), str(asked.get("ratio")))))
    if not isinstance(size, list):
        return Estimate(
            unit=price.unit, why="the price goes by the picture's size, and the request names none that is known"
        )
    shown = [round(length * price.fps) for length in (seconds, *(reference_seconds or ()))]
    unmeasured = bool(asked.get("reference_videos")) and reference_seconds is None
    return with_money(spec, tokens(size[0], size[1], sum(shown)), at_least=unmeasured)


def with_money(spec: Spec, amount: float, *, at_least: bool = False, source: str = "") -> Estimate:
    """An amount with the unit and the money that the document has for it. *pure*."""
    price = spec.price
    return Estimate(
        unit=price.unit,
        amount=amount,
        money=amount * price.each if price.each else None,
        currency=price.currency,
        at_least=at_least,
        source=source or price.source,
        date="" if source else price.date,
        why="frames of the reference videos come on top" if at_least else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One request of several: its document, its estimate, and whether the simulator makes it, which is free."""

    spec: Spec
    estimate: Estimate
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What several requests cost together.

    `sums` has one estimate per unit of a provider, because a credit here is no credit there. `unknown` are the documents
    whose price nobody says, `simulated` is how many are free, `paid` how many are not.
    """

    sums: tuple[Estimate, ...] = ()
    unknown: tuple[str, ...] = ()
    simulated: int = 0
    paid: int = 0

    @property
    def money(self) -> tuple[tuple[str, float], ...]:
        """One pair of currency and sum per currency, of the sums that are known in money. *pure*."""
        found: dict[str, list[float]] = {}
        for one in self.sums:
            if one.money is not None:
                found.setdefault(one.currency, []).append(one.money)
        return tuple((currency, math.fsum(amounts)) for currency, amounts in found.items())

    def __str__(self) -> str:
        return self._text(f"price not known for {', '.join(self.unknown)}")

    @property
    def brief(self) -> str:
        """The same for a button: documents are counted and not named. *pure*."""
        count = len(self.unknown)
        prices = "price" if count == 1 else "prices"
        return self._text(f"{prices} not known" if count == 1 and not self.sums else f"{count} {prices} not known")

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
    groups: dict[tuple[str, str, str], list[Estimate]] = {}
    for one in paid:
        if one.estimate.amount is not None:
            currency = one.estimate.currency if one.estimate.money is not None else ""
            groups.setdefault((one.spec.provider, one.estimate.unit, currency), []).append(one.estimate)
    several = len({one.spec.provider for one in paid}) > 1
    return Total(
        sums=tuple(_sum(group, provider if several else "") for (provider, _, _), group in groups.items()),
        unknown=tuple(one.spec.name for one in paid if one.estimate.amount is None),
        simulated=len(requests) - len(paid),
        paid=len(paid),
    )


def _sum(estimates: Sequence[Estimate], provider: str) -> Estimate:
    first = estimates[0]
    return replace(
        first,
        unit=f"{provider} {first.unit}" if provider else first.unit,
        amount=math.fsum(one.amount or 0 for one in estimates),
        money=math.fsum(one.money or 0 for one in estimates) if first.money is not None else None,
        at_least=any(one.at_least for one in estimates),
    )


def price_label(told: Estimate, *, simulated: bool) -> str:
    """What the button says before anything is sent. *pure*."""
    return "simulated, free" if simulated else str(told)


def price_note(spec: Spec, told: Estimate, *, simulated: bool) -> str:
    """The sentence beside the button. *pure*."""
    known = f"{spec.price.note}{f' ({told.why})' if told.why and told.why != spec.price.note else ''}"
    if simulated:
        real = f" The real one: {told}." if told.amount is not None else ""
        return f"No {spec.key_env or 'key'} is set, so nothing is sent to {spec.provider} and nothing is charged.{real}"
    return f"{known[:1].upper()}{known[1:]}; the ledger keeps what {spec.provider} reports after the task."


def amount_text(amount: float, unit: str) -> str:
    """An amount of credits or tokens in words. *pure*."""
    return f"{amount:,.10g} {unit}"


def money_text(money: float, currency: str) -> str:
    """Money with the sign of its currency. *pure*."""
    sign = {"USD": "$", "EUR": "€", "CNY": "¥"}.get(currency, f"{currency} ")
    return f"{sign}{money:,.2f}"
