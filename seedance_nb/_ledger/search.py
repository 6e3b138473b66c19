"""The SQL that finds rows by what a person remembers of them. A person's mark of a row is in an event of its task."""

import math
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from seedance_nb._ledger.row import COLUMNS, FREE_STATES, Row, State

_NEVER_SENT = ", ".join(f"'{state}'" for state in (*FREE_STATES, State.WAITING))
_FREE = f"(simulated OR state IN ({_NEVER_SENT}) OR (state = '{State.FAILED}' AND credits IS 0))"
_COST = f"iif({_FREE}, 0, coalesce(credits, estimate, 0))"
_MARK = """coalesce((SELECT json_extract(changes, '$.review') FROM events
    WHERE task = seq AND instr(changes, '"review"') ORDER BY events.rowid DESC LIMIT 1), '')"""
COSTS = {"free": _FREE, "paid": f"NOT {_FREE}", "100 or more": f"{_COST} >= 100", "500 or more": f"{_COST} >= 500"}
_MARKS = {"kept": "= 'keep'", "rejected": "= 'reject'", "not rejected": "!= 'reject'", "no mark": "= ''"}
MARKS = {name: f"{_MARK} {condition}" for name, condition in _MARKS.items()}
SORTS = {"newest": "seq DESC", "oldest": "seq", "most expensive": f"{_COST} DESC, seq DESC"}


class Found(NamedTuple):
    """A row that was found, with its prompt and mark; `total` is how many rows the search has."""

    row: Row
    prompt: str
    mark: str
    total: int


def search_statement(
    *, words: str = "", model: str = "", state: str = "", day: date | None = None, cost: str = "", mark: str = "",
    sort: str = "newest",
) -> tuple[str, list[Any]]:  # fmt: skip
    """The statement that finds rows, their marks and the number of all, and its values but limit and offset. *pure*.

    `words` are parts of what the SQL function `prompt` returns; `day` is a local one; "" and None are any.
    """
    start = datetime.combine(day, time.min) if day else None
    parts = [("spec = ?", model)] * bool(model) + [("state = ?", state)] * bool(state)
    parts += [("instr(prompt(spec, body), ?)", word) for word in words.casefold().split()]
    days = [start.timestamp(), (start + timedelta(days=1)).timestamp()] if start else [0, math.inf]
    conditions = [COSTS.get(cost, "1"), MARKS.get(mark, "1"), *(condition for condition, _ in parts)]
    statement = f"""WITH hits AS MATERIALIZED (SELECT seq FROM tasks WHERE created >= ? AND created < ?
        AND {" AND ".join(conditions)})
        SELECT {", ".join(COLUMNS)}, {_MARK}, (SELECT count(*) FROM hits) FROM tasks
        WHERE seq IN hits ORDER BY {SORTS[sort]} LIMIT ? OFFSET ?"""  # noqa: S608 - texts of our own
    return statement, [*days, *(value for _, value in parts)]
