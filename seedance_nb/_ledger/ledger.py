"""The ledger: one durable row per task, written before the first byte of its request is sent."""

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

from seedance_nb._base.errors import LedgerError
from seedance_nb._check.body import values_by_role
from seedance_nb._check.check import Approved
from seedance_nb._check.price import Estimate
from seedance_nb._ledger.budget import require_budget
from seedance_nb._ledger.database import real_path
from seedance_nb._ledger.home import require_home, require_one_name
from seedance_nb._ledger.process import is_gone, this_process
from seedance_nb._ledger.repair import in_memory
from seedance_nb._ledger.row import CHANGEABLE, EARLY_STATES, FREE_STATES, SELECT, Row, State, row_at, row_of, to_column
from seedance_nb._ledger.store import Store, Transaction

_T = TypeVar("_T")
_LONGEST_S = 86400
_UNRESOLVED = (State.UNKNOWN, State.SENDING)
_ORPHANED = {
    State.WAITING: (State.UNSENT, "the process that was going to send it ended before anything was sent"),
    State.SENDING: (State.UNKNOWN, "the process that sent it ended before it received the response"),
}


class Ledger:
    """A SQLite file and its journal, readable only by their owner. Every method is thread-safe; writes are on disk on return.

    Every method raises LedgerError; a ledger that cannot be written can still be read, and `trouble` says why, "" otherwise.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path = real_path(path)
        self.trouble = ""
        self._now = now
        self._store = Store(self.path, now)

    @property
    def description(self) -> str:
        """Its path, and what was wrong with it when it was last read."""
        return f"{self.path}; {self.trouble}" if self.trouble else str(self.path)

    def claim(
        self,
        approved: Approved,
        *,
        base_url: str,
        simulated: bool,
        take: int = 1,
        fingerprint: str = "",
        estimate: Estimate | None = None,
        budget: float | None = None,
        replaces: int | None = None,
    ) -> tuple[Row, bool]:
        """The row for this request, and whether it is new, so that the caller must send it. *writes ledger*.

        The same request to the same URL with the same `take` has one row, unless that one certainly never became a task. With
        `replaces`, the number of a row whose outcome is unknown, a new row replaces it, once. Raises: OverBudget.
        """
        spec, asked = approved.spec, values_by_role(approved.spec, approved.values)
        identity = json.dumps([base_url, spec.method, spec.path, approved.digest, take])
        intent = hashlib.sha256(identity.encode()).hexdigest()

        def claimed(transaction: Transaction) -> tuple[Row, bool]:
            settle_orphans(transaction)
            free = [str(state) for state in FREE_STATES]
            # A row with an unknown outcome blocks the request again if its successor never became a task.
            there = transaction.db.execute(
                """SELECT seq, state FROM tasks AS it WHERE intent = ? AND state NOT IN (?, ?) AND (successor IS NULL
                OR (SELECT state FROM tasks WHERE seq = it.successor) IN (?, ?)) ORDER BY successor IS NULL DESC, seq DESC""",
                (intent, *free, *free),
            ).fetchone()
            if there and there != (replaces, str(State.UNKNOWN)):
                return row_at(transaction.db, there[0]), False
            if not simulated:
                require_one_name(self.path)
                require_home(transaction.db, self.path)
            if budget is not None:
                price = estimate or Estimate(unit=spec.price.unit)
                require_budget(transaction.db, spec.provider, price, budget, simulated=simulated)
            if there:
                transaction.change(there[0], {"successor": 0})
            seq = transaction.insert({
                "intent": intent, "kind": json.dumps([spec.name, simulated, asked.get("resolution"), asked.get("seconds")]),
                "key_fingerprint": fingerprint, "spec": spec.name, "base_url": base_url, "simulated": int(simulated),
                "digest": approved.digest, "take": take, "body": approved.body, "state": str(State.WAITING),
                "created": self._now(), "owner": this_process(),
                "estimate": estimate.amount if estimate else None, "unit": spec.price.unit, "budget": budget,
            })  # fmt: skip
            if there:
                transaction.change(there[0], {"successor": seq})
            return row_at(transaction.db, seq), True

        return self._store.transact(claimed)

    def update(
        self, seq: int, *, only_in: Collection[State] | None = None, created: float | None = None, **changes: Any
    ) -> Row:
        """The row after `changes` to its columns. *writes ledger*; every change is also saved as an event.

        With `only_in`, a row in another state or with a successor is not changed. Raises: LedgerError, also if the row was not
        `created` then (Unix seconds), which means another ledger.
        """
        if unknown := set(changes) - CHANGEABLE:
            raise TypeError(f"not columns that change: {sorted(unknown)}")
        columns = {name: to_column(value) for name, value in changes.items()}

        def changed(transaction: Transaction) -> Row | None:
            there = transaction.db.execute("SELECT created FROM tasks WHERE seq = ?", (seq,)).fetchone()
            if there is None or not _is_same(there[0], created):
                return None
            now = row_at(transaction.db, seq)
            if only_in is not None and (now.state not in only_in or now.successor is not None):
                return now
            transaction.change(seq, columns)
            return row_at(transaction.db, seq)

        try:
            row = self._store.transact(changed)
        except LedgerError as error:
            where = ""
            if only_in is None and self._store.note_in_journal(seq, columns):
                where = f"change to #{seq} is saved in its journal"
            elif self._store.rescue(seq, created, columns):
                where = f"task id of #{seq} is saved in {self._store.rescue_file}"
            error.message += f" The {where} and is applied at the next start." if where else ""
            raise
        if row is None:
            text = f"The ledger {self.path} no longer has this #{seq}: the file was moved or replaced in the meantime."
            raise LedgerError(text, file=str(self.path))
        return row

    def refreshed(self, row: Row) -> Row:
        """The row as it is now, unchanged if this is another ledger by now. *reads files*."""
        there = self.row(row.seq)
        return there if there and _is_same(there.created, row.created) else row

    def contains(self, row: Row) -> bool:
        """Whether this row is in it, as far as it can be read. *reads files*."""
        try:
            there = self.row(row.seq)
        except LedgerError:
            return True
        return there is not None and _is_same(there.created, row.created)

    def row(self, name: str | int) -> Row | None:
        """The row with this number, `#number-mark`, provider's id, or `provider:id`; None if there is none."""
        text = str(name)
        numbered = re.fullmatch(r"#?([0-9]{1,18})(?:-([0-9a-f]{4}))?", text)
        if numbered:
            found = self._select(f"{SELECT} WHERE seq = ?", int(numbered[1]), each=row_of)
            return next((row for row in found if numbered[2] in (None, row.mark)), None)
        named = "? IN (task_id, substr(spec, 1, instr(spec || '/', '/') - 1) || ':' || task_id)"
        query = f"{SELECT} WHERE task_id != '' AND {named} ORDER BY seq DESC LIMIT 1"
        return next(iter(self._select(query, text, each=row_of)), None)

    def other_task(self, row: Row, task_id: str) -> Row | None:
        """Another row whose task certainly has this id at the same provider, None if there is none. *reads files*."""
        where = "task_id = ? AND base_url = ? AND seq != ? AND state != ? LIMIT 1"
        found = self._select(f"{SELECT} WHERE {where}", task_id, row.base_url, row.seq, str(State.UNKNOWN), each=row_of)
        return next(iter(found), None)

    def rows(self, limit: int = 100) -> list[Row]:
        """The latest rows, unresolved ones first, then newest first."""
        order = "state IN (?, ?) AND successor IS NULL DESC, seq DESC"
        return self._select(f"{SELECT} ORDER BY {order} LIMIT ?", *map(str, _UNRESOLVED), limit, each=row_of)

    def count(self) -> int:
        """How many rows there are."""
        return self._select("SELECT count(*) FROM tasks", each=lambda found: int(found[0]))[0]

    def history(self, row: Row) -> tuple[float, ...]:
        """Seconds from acceptance to the end of the last 30 finished tasks of the same kind, oldest first. *reads files*."""
        # Times over a day, or negative, are left out: the clock was changed.
        query = """SELECT finished - accepted FROM tasks WHERE kind = (SELECT kind FROM tasks WHERE seq = ?)
            AND state = ? AND finished > accepted AND finished - accepted < ? ORDER BY seq DESC LIMIT 30"""
        latest = self._select(query, row.seq, str(State.DONE), _LONGEST_S, each=lambda found: float(found[0]))
        return tuple(reversed(latest))

    def takes(self, approved: Approved) -> int:
        """The highest take of this request that may be a task, 0 if there is none."""
        query = "SELECT max(take) FROM tasks WHERE digest = ? AND state NOT IN (?, ?)"
        values = (approved.digest, *map(str, FREE_STATES))
        found = self._store.transact(lambda transaction: transaction.db.execute(query, values).fetchone())
        return int(found[0] or 0)

    def close(self) -> None:
        """Closes the files; the next call opens them again."""
        self._store.close()

    def _select(self, statement: str, *values: Any, each: Callable[[Sequence[Any]], _T]) -> list[_T]:
        """`each` of the rows that the statement finds, from a rescued copy if the ledger is damaged."""

        def select(db: sqlite3.Connection) -> list[_T]:
            return [each(found) for found in db.execute(statement, values)]

        def settled(transaction: Transaction) -> list[_T]:
            settle_orphans(transaction)
            return select(transaction.db)

        try:
            seen = self._store.transact(settled)
        except LedgerError as error:
            rescued = None
            with suppress(OSError, sqlite3.Error):  # as without file descriptors; the error from before says more
                rescued = None if self._store.is_foreign else in_memory(self.path)
            if rescued is None:
                raise
            self.trouble = error.message
        else:
            self.trouble = ""
            return seen
        with closing(rescued) as db:
            return select(db)


def _is_same(actual: float, expected: float | None) -> bool:
    return expected is None or actual in (expected, 0.0)  # 0 in a rebuilt ledger if it was lost


def settle_orphans(transaction: Transaction) -> None:
    """Set the state of each row whose process ended before it received a response."""
    # A process that died before the response may have sent the request: it must not be sent again.
    early = transaction.db.execute(
        """SELECT seq, owner, state, coalesce((SELECT max(at) FROM events WHERE task = seq), created) FROM tasks
        WHERE state IN (?, ?)""",
        [*map(str, EARLY_STATES)],
    )
    for seq, owner, state, last in early.fetchall():
        if is_gone(owner, transaction.now() - last):
            after, why = _ORPHANED[State(state)]
            transaction.change(seq, {"state": str(after), "error": why})
