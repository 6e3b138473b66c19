"""Checks a budget inside the transaction that claims a request."""

import sqlite3
from typing import Any

from seedance_nb._base.errors import OverBudget
from seedance_nb._check.price import Estimate
from seedance_nb._ledger.row import FREE_STATES


def require_budget(db: sqlite3.Connection, provider: str, price: Estimate, budget: float, *, simulated: bool) -> None:
    """Check that the provider's tasks in this ledger and one more at this price stay within `budget`. *reads files*.

    A finished task counts at its reported cost, else at its estimate; any other, also one with an unknown outcome, at the larger.
    Simulated and paid tasks are counted separately, in the price's unit. Raises: OverBudget, also if a price is not known.
    """
    unit, free = price.unit, [str(state) for state in FREE_STATES]
    if price.amount is None or price.at_least:
        why = price.why.rstrip(".") or ("only a minimum is known" if price.at_least else "no price is published")
        text = f"The price of this request is not known ({why}), so it cannot be checked against the budget of {budget:g} {unit}. Nothing was sent."
        step = "see what is known with sd.estimate(...), or leave out budget= to send it at any price"
        raise OverBudget(text, budget=budget, next_step=step)
    spent, unpriced = db.execute(
        f"""SELECT coalesce(sum(CASE WHEN finished IS NULL THEN coalesce(max(credits, estimate), estimate, credits)
        ELSE coalesce(credits, estimate) END), 0), sum((credits IS NULL AND estimate IS NULL) OR unit != ?) FROM tasks
        WHERE substr(spec, 1, instr(spec || '/', '/') - 1) = ? AND simulated = ? AND state NOT IN ({", ".join("?" * len(free))})""",  # noqa: S608
        (unit, provider, int(simulated), *free),
    ).fetchone()
    figures: dict[str, Any] = {"budget": budget, "spent": spent, "price": price.amount}
    if unpriced:
        tasks = "1 earlier task" if unpriced == 1 else f"{unpriced} earlier tasks"
        text = f"The price of {tasks} of {provider} in this ledger is not known in {unit}, so what is left of the budget of "
        text += f"{budget:g} {unit} is not known either. Nothing was sent."
        step = "start a new ledger with sd.Session(ledger='project.sqlite3', budget=...) or SEEDANCE_LEDGER"
        raise OverBudget(text, next_step=step, **figures)
    if spent + price.amount > budget:
        text = f"This request costs {price.amount:g} {unit}, but only {max(budget - spent, 0):g} of the budget of {budget:g} {unit} "
        text += f"are left: the tasks of {provider} in this ledger add up to {spent:g} {unit}. Nothing was sent."
        raise OverBudget(text, **figures)
