"""A task as a ledger row. Everything here is pure but `own_intent`."""

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from seedance_nb._base.html import Readable
from seedance_nb._check.price import amount_text

if TYPE_CHECKING:  # with its Literal, Tab shows nothing for a row (jedi 0.20)
    from seedance_nb._base.errors import Charged


class State(StrEnum):
    """The state of a task. While it is `waiting`, nothing was sent; `other` is a state that the schema does not define."""

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


EARLY_STATES = (State.WAITING, State.SENDING)  # in which a process is about to send the request, or is sending it
ORPHANED = {  # what becomes of a row in an early state whose process has ended, and why
    State.WAITING: (State.UNSENT, "the process that was going to send it ended before anything was sent"),
    State.SENDING: (State.UNKNOWN, "the process that sent it ended before it received the response"),
}
OPEN_STATES = (State.QUEUED, State.RUNNING, State.OTHER)  # states in which a task is polled
FREE_STATES = (State.REFUSED, State.UNSENT)  # in which certainly no task exists: the same request can be sent again

FORGOTTEN = {"body": '""', "outputs": "[]", "error": "", "word": "", "frame": ""}
FORGOTTEN_FILES = {"file": "", "sha256": "", "facts": "", "beside": ""}
"""The columns of a row whose request, and whose files, were removed: the body is a text, which no request is."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Row(Readable):
    """One task in the ledger. Times are Unix seconds, amounts are in `unit`; unknown numbers are None."""

    seq: int
    spec: str
    base_url: str
    simulated: bool
    digest: str
    take: int
    body: str
    state: State
    word: str = ""  # the provider's own for the state
    task_id: str = ""
    outputs: tuple[str, ...] = ()
    error: str = ""
    credits: float | None = None  # the cost that the provider reported
    estimate: float | None = None  # the price before
    unit: str = "credits"
    progress: float | None = None  # the provider's percentage, 0 to 100
    file: str = ""
    sha256: str = ""
    facts: str = ""  # of the saved file, as JSON
    beside: str = ""  # the additional results, as JSON
    dead: float | None = None  # since when the result's URL has not worked
    created: float = 0.0
    accepted: float | None = None
    finished: float | None = None
    owner: str = ""
    successor: int | None = None  # the number of the row that was sent in place of this one
    balance: float | None = None  # the account's, before the request
    budget: float | None = None  # the request's

    def __repr__(self) -> str:
        simulated = "SIMULATED, " if self.simulated else ""
        return f"Row of sd.task({self.name!r}): {simulated}{self.state}; {self.spec}; {price_after(self)}"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            advice = "" if name[:1] == "_" else f"; sd.task({self.name!r}) is the task, with .cost and .wait()"
            raise AttributeError(f"a row of the ledger has no attribute {name!r}{advice}", name=name, obj=self)

    @property
    def provider(self) -> str:
        """The part of the model's name before the slash."""
        return self.spec.split("/", 1)[0]

    @property
    def name(self) -> str:
        """The name for `sd.task(name)`: the provider and its task id, or `#`, the row's number and `mark` until there is an id."""
        return f"{self.provider}:{self.task_id}" if self.task_id else f"#{self.seq}-{self.mark}"

    @property
    def mark(self) -> str:
        """4 hex digits of the request, so that `#1-3f9c` names a row of this ledger only."""
        return hashlib.sha256(f"{self.base_url}|{self.digest}|{self.take}|{self.created!r}".encode()).hexdigest()[:4]

    @property
    def is_forgotten(self) -> bool:
        """Whether its request was removed. The rest stays, so that the same request is not sent and paid again by itself."""
        return self.body == FORGOTTEN["body"]

    @property
    def is_unresolved(self) -> bool:
        """Whether it needs a person: it may have been charged, and nothing more is known."""
        return self.state in (State.UNKNOWN, State.SENDING) and self.successor is None

    @property
    def charged(self) -> "Charged":
        """Whether this row was charged, as far as it is known."""
        is_free = self.simulated or self.state in (*FREE_STATES, State.WAITING)
        if is_free or (self.state is State.FAILED and self.credits == 0):
            return "not charged"
        return "unknown" if self.state in (State.UNKNOWN, State.SENDING, State.FAILED) else "charged"


COLUMNS = tuple(column.name for column in fields(Row))
CHANGEABLE = frozenset(COLUMNS[7:]) - {"created", "estimate", "unit", "successor"} | {"simulated"}
SELECT = f"SELECT {', '.join(COLUMNS)} FROM tasks"  # noqa: S608 - names of our own


def row_of(values: Sequence[Any]) -> Row:
    """The row that `SELECT` found. Raises: sqlite3.DatabaseError for damaged values."""
    named = dict(zip(COLUMNS, values, strict=True))
    try:
        named |= {"outputs": tuple(json.loads(named["outputs"])), "state": State(named["state"])}
        return Row(**named | {"simulated": bool(named["simulated"])})
    except (TypeError, ValueError):
        raise sqlite3.DatabaseError(f"row {named['seq']} cannot be read") from None


def own_intent(db: Any, seq: int, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, with an intent of its own if another row has the same one: one intent is one task."""
    now = db.execute("SELECT intent, state, successor FROM tasks WHERE seq = ?", (seq,)).fetchone() or ("", "", None)
    after = dict(zip(("intent", "state", "successor"), now, strict=True)) | changes
    if after["state"] in FREE_STATES or after["successor"] is not None:
        return changes
    query = "SELECT 1 FROM tasks WHERE intent = ? AND seq != ? AND state NOT IN (?, ?) AND successor IS NULL"
    is_taken = db.execute(query, (after["intent"], seq, *FREE_STATES)).fetchone()
    return changes | {"intent": f"{after['intent']}, {seq}"} if is_taken else changes


def price_after(row: Row) -> str:
    """The cost that the provider reported, or the estimate. *pure*."""
    if row.simulated:
        return "simulated (free)"
    if row.charged == "not charged":
        return "not charged"
    if row.credits is not None:
        differs = row.estimate is not None and row.estimate != row.credits
        before = f" (estimated {amount_text(row.estimate or 0, row.unit)})" if differs else ""
        return amount_text(row.credits, row.unit) + before
    if row.estimate is not None:
        return f"{amount_text(row.estimate, row.unit)} (estimated)"
    return "cost not reported" if row.charged == "charged" else "may have been charged"
