"""A task as columns of the ledger, and back. Everything here is pure but `row_at`."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from seedance_nb._base.errors import Charged
from seedance_nb._check.price import amount_text


class State(StrEnum):
    """Where a task stands. The first three are before a clear answer of the provider; `other` is a word the document has not.

    While it is `waiting`, nothing of the request has left; from `sending` on, it may have.
    """

    WAITING = "waiting to be sent"
    SENDING = "sending"
    UNKNOWN = "outcome unknown"
    QUEUED = "queued"
    RUNNING = "running"
    OTHER = "unrecognised"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    UNSENT = "not sent"


EARLY_STATES = (State.WAITING, State.SENDING)
"""States in which some process is about to send the request, or sending it."""
OPEN_STATES = (State.QUEUED, State.RUNNING, State.OTHER)
"""States in which a task is looked at again."""
FREE_STATES = (State.REFUSED, State.UNSENT)
"""States in which certainly no task exists, so that the same request may be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task as the ledger remembers it. Times are Unix seconds.

    `credits` is the provider's own number and `estimate` the one before it, both in `unit`, None where nobody says one;
    `progress` is the provider's own percentage, 0 to 100, None if it tells none.
    `name` is what `sd.task(name)` takes: provider and the provider's id, or `#`, the row's number and 4 hex digits until
    there is one. `budget` is the one that the request was sent under, None for none.
    `facts` is what was found in the kept file, `beside` what became of the results beside it, both as JSON. `dead` is since when
    the result's address has not worked, None while it was not tried or works.
    `successor` is the number of the row that was sent in place of this
    unclear one, None if none was; `balance` is what the account had before the request, in `unit`, None where nobody said.
    """

    seq: int
    spec: str
    base_url: str
    simulated: bool
    digest: str
    take: int
    body: str
    state: State
    word: str = ""
    task_id: str = ""
    outputs: tuple[str, ...] = field(default=(), repr=False)  # signed addresses
    error: str = ""
    credits: float | None = None
    estimate: float | None = None
    unit: str = "credits"
    progress: float | None = None
    file: str = ""
    sha256: str = ""
    facts: str = ""
    beside: str = ""
    dead: float | None = None
    created: float = 0.0
    accepted: float | None = None
    finished: float | None = None
    owner: str = ""
    successor: int | None = None
    balance: float | None = None
    budget: float | None = None

    @property
    def provider(self) -> str:
        """The part of the document's name before the slash."""
        return self.spec.split("/", 1)[0]

    @property
    def name(self) -> str:
        """What `sd.task(name)` takes."""
        return f"{self.provider}:{self.task_id}" if self.task_id else f"#{self.seq}-{self.mark}"

    @property
    def mark(self) -> str:
        """4 hex digits of the request, so that `#1-3f9c` is found in no other ledger."""
        return hashlib.sha256(f"{self.base_url}|{self.digest}|{self.take}|{self.created!r}".encode()).hexdigest()[:4]

    @property
    def is_unresolved(self) -> bool:
        """Whether a person should look at it: it may have been charged, and nothing more is known."""
        return self.state in (State.UNKNOWN, State.SENDING) and self.successor is None

    @property
    def charged(self) -> Charged:
        """Whether money may have moved for this row."""
        if (
            self.simulated
            or self.state in (*FREE_STATES, State.WAITING)
            or (self.state is State.FAILED and self.credits == 0)
        ):
            return "not charged"
        return "unknown" if self.state in (State.UNKNOWN, State.SENDING, State.FAILED) else "charged"


COLUMNS = tuple(column.name for column in fields(Row))
CHANGEABLE = frozenset(COLUMNS[7:]) - {"created", "estimate", "unit", "successor"} | {"simulated"}
SELECT = f"SELECT {', '.join(COLUMNS)} FROM tasks"  # noqa: S608 - names of our own


def to_column(value: Any) -> Any:
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
        message = f"row {values.get('seq')} cannot be read"
    raise sqlite3.DatabaseError(message)


def row_of(values: Sequence[Any]) -> Row:
    """The row that `SELECT` found. Raises: sqlite3.DatabaseError."""
    return as_row(dict(zip(COLUMNS, values, strict=True)))


def row_at(db: sqlite3.Connection, seq: int) -> Row:
    """The row with this number. *reads files*."""
    return row_of(db.execute(f"{SELECT} WHERE seq = ?", (seq,)).fetchone())


def price_after(row: Row) -> str:
    """What a task cost by the provider's own report, or may cost by the estimate. *pure*."""
    if row.simulated:
        return "Simulated (free)"
    if row.charged == "not charged":
        return "not charged"
    if row.credits is not None:
        differs = row.estimate is not None and row.estimate != row.credits
        before = f" (estimated {amount_text(row.estimate or 0, row.unit)})" if differs else ""
        return amount_text(row.credits, row.unit) + before
    if row.estimate is not None:
        return f"{amount_text(row.estimate, row.unit)} (estimated)"
    return "cost not reported" if row.charged == "charged" else "may have been charged"
