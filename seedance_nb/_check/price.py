"""What a request will cost and what a task did cost, as far as the provider says so; never a guess."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.values import find, join
from seedance_nb._check.body import roles, seconds_of
from seedance_nb._document.load import Spec


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
    price, asked = spec.price, roles(spec, body)
    seconds = seconds_of(asked.get("seconds"))
    if not price.per_second and not price.sizes:
        return Estimate(unit=price.unit, why=price.note)
    if seconds is None:
        return Estimate(unit=price.unit, why="the price goes by the seconds, and the request names no number of them")
    if price.per_second:
        return priced(spec, seconds * price.per_second)
    size = find(price.sizes, join((str(asked.get("resolution")), str(asked.get("ratio")))))
    if not isinstance(size, list):
        return Estimate(
            unit=price.unit, why="the price goes by the picture's size, and the request names none that is known"
        )
    shown = [round(length * price.fps) for length in (seconds, *(reference_seconds or ()))]
    unmeasured = bool(asked.get("reference_videos")) and reference_seconds is None
    return priced(spec, tokens(size[0], size[1], sum(shown)), at_least=unmeasured)


def priced(spec: Spec, amount: float, *, at_least: bool = False, source: str = "") -> Estimate:
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


def price_before(told: Estimate, *, simulated: bool) -> str:
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
