"""A task as columns of the ledger, and back. Everything here is pure but `row_at`."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from seedance_nb._task.schedule import Row, State

COLUMNS = (
    "seq", "spec", "base_url", "simulated", "digest", "take", "body", "state", "word", "task_id", "outputs", "error",
    "credits", "estimate", "unit", "progress", "file", "sha256", "facts", "beside", "dead", "created", "accepted", "finished", "owner",
    "successor", "balance", "budget",
)  # fmt: skip
CHANGEABLE = frozenset(COLUMNS[7:]) - {"created", "estimate", "unit", "successor"} | {"simulated"}
SELECT = f"SELECT {', '.join(COLUMNS)} FROM tasks"  # noqa: S608 - names of our own


def stored(value: Any) -> Any:
    """The value as a column holds it."""
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if isinstance(value, str):  # half of a surrogate pair cannot be written; a provider's words may hold one
        return str(value).encode("utf-8", "replace").decode()
    return int(value) if isinstance(value, bool) else value


def as_row(values: Mapping[str, Any]) -> Row:
    """The row that these columns hold; columns that `Row` does not have are left out.

    Raises: sqlite3.DatabaseError for values that nobody wrote, which is what damage looks like.
    """
    try:
        named = {name: values[name] for name in COLUMNS}
        outputs = tuple(json.loads(named.pop("outputs")))
        return Row(
            **{**named, "outputs": outputs, "state": State(named["state"]), "simulated": bool(named["simulated"])}
        )
    except (KeyError, TypeError, ValueError):
        told = f"row {values.get('seq')} cannot be read"
    raise sqlite3.DatabaseError(told)


def row_of(values: Sequence[Any]) -> Row:
    """The row that `SELECT` found. Raises: sqlite3.DatabaseError."""
    return as_row(dict(zip(COLUMNS, values, strict=True)))


def row_at(db: sqlite3.Connection, seq: int) -> Row:
    """The row with this number. *reads files*."""
    return row_of(db.execute(f"{SELECT} WHERE seq = ?", (seq,)).fetchone())
