"""The memory of money spent: one durable row per task, written before the first byte leaves."""

import hashlib
import json
import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedance_nb._budget import must_fit
from seedance_nb._check import Approved, roles
from seedance_nb._database import close_mine, connect
from seedance_nb._errors import LedgerError
from seedance_nb._owner import is_gone, this_process
from seedance_nb._price import Estimate
from seedance_nb._task import EARLY_STATES, FREE_STATES, Row, State

_COLUMNS = (
    "seq", "spec", "base_url", "simulated", "digest", "take", "body", "state", "word", "task_id", "outputs", "error",
    "credits", "estimate", "unit", "progress", "file", "sha256", "facts", "created", "accepted", "finished", "owner",
    "successor", "balance",
)  # fmt: skip
_CHANGEABLE = frozenset(_COLUMNS[7:]) - {"created", "estimate", "unit", "successor"} | {"simulated"}

_ORPHANED = {
    State.WAITING: (State.UNSENT, "the process that was going to send it ended before anything had left"),
    State.SENDING: (State.UNKNOWN, "the process that sent it ended before it saw the answer"),
}


class Ledger:
    """A SQLite file that only its owner may read. Every method is safe from any thread; every write is on disk on return.

    Raises: LedgerError from every method where the file cannot be read or written.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path = path.absolute()
        self._now = now
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0

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
        instead_of: int | None = None,
    ) -> tuple[Row, bool]:
        """The row for this request, and whether it is new and therefore ours to send. *writes ledger*.

        The same request to the same place with the same `take` is the row that is already there, whatever kernel
        made it, unless that one certainly never became a task. `budget` is the most that the provider's tasks may come to.
        With `instead_of`, the number of a row whose outcome is unknown, a new row takes its place, once.

        Raises: OverBudget.
        """
        spec, asked = approved.spec, roles(approved.spec, approved.values)
        told = json.dumps([base_url, spec.method, spec.path, approved.digest, take])
        intent = hashlib.sha256(told.encode()).hexdigest()
        with self._transaction() as db:
            self._settle_orphans(db)
            free = [str(state) for state in FREE_STATES]
            there = db.execute(
                "SELECT seq, state FROM tasks WHERE intent = ? AND state NOT IN (?, ?) AND successor IS NULL",
                (intent, *free),
            ).fetchone()
            if there and there != (instead_of, str(State.UNKNOWN)):
                return self._row(db, there[0]), False
            if budget is not None:
                price = estimate or Estimate(unit=spec.price.unit)
                must_fit(db, spec.provider, price, budget, simulated=simulated)
            values = {
                "intent": intent, "kind": json.dumps([spec.name, simulated, asked.get("resolution"), asked.get("seconds")]),
                "key_fingerprint": fingerprint, "spec": spec.name, "base_url": base_url, "simulated": int(simulated),
                "digest": approved.digest, "take": take, "body": approved.body, "state": str(State.WAITING),
                "created": self._now(), "owner": this_process(),
                "estimate": estimate.amount if estimate else None, "unit": spec.price.unit,
            }  # fmt: skip
            if there:
                db.execute("UPDATE tasks SET successor = 0 WHERE seq = ?", (instead_of,))
            marks = ", ".join("?" * len(values))
            cursor = db.execute(f"INSERT INTO tasks ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
            seq = int(cursor.lastrowid or 0)
            if there:
                db.execute("UPDATE tasks SET successor = ? WHERE seq = ?", (seq, instead_of))
                self._event(db, there[0], {"successor": seq})
            self._event(db, seq, {"state": str(State.WAITING)})
            return self._row(db, seq), True

    def update(self, seq: int, *, only_in: Collection[State] | None = None, **changes: Any) -> Row:
        """The row after `changes` to its columns. *writes ledger*; every change is also kept as an event.

        With `only_in` a row that is in another state by now, or has a successor, stays as it is.
        """
        unknown = set(changes) - _CHANGEABLE
        if unknown:
            msg = f"not columns that change: {sorted(unknown)}"
            raise TypeError(msg)
        stored = {name: _stored(value) for name, value in changes.items()}
        with self._transaction() as db:
            if (
                only_in is not None
                and (now := self._row(db, seq))
                and (now.state not in only_in or now.successor is not None)
            ):
                return now
            sets = ", ".join(f"{name} = ?" for name in stored)
            db.execute(f"UPDATE tasks SET {sets} WHERE seq = ?", (*stored.values(), seq))  # noqa: S608
            self._event(db, seq, stored)
            return self._row(db, seq)

    def row(self, name: str | int) -> Row | None:
        """The row with this number, `#number`, provider's id, or `provider:id`; None if there is none."""
        with self._transaction() as db:
            self._settle_orphans(db)
            text = str(name)
            if re.fullmatch(r"#?[0-9]{1,18}", text):
                found = db.execute("SELECT seq FROM tasks WHERE seq = ?", (int(text.removeprefix("#")),)).fetchone()
            else:
                found = db.execute(
                    """SELECT seq FROM tasks WHERE task_id != '' AND
                    ? IN (task_id, substr(spec, 1, instr(spec || '/', '/') - 1) || ':' || task_id) ORDER BY seq DESC""",
                    (text,),
                ).fetchone()
            return self._row(db, found[0]) if found else None

    def rows(self, limit: int = 100) -> list[Row]:
        """The latest rows, unresolved ones first, then newest first."""
        with self._transaction() as db:
            self._settle_orphans(db)
            columns, unresolved = ", ".join(_COLUMNS), (str(State.UNKNOWN), str(State.SENDING), limit)
            order = "state IN (?, ?) AND successor IS NULL DESC, seq DESC"
            found = db.execute(f"SELECT {columns} FROM tasks ORDER BY {order} LIMIT ?", unresolved)  # noqa: S608
            return [_as_row(values) for values in found]

    def history(self, row: Row) -> tuple[float, ...]:
        """Seconds from acceptance to the end for the last 30 finished tasks of the same kind, oldest first."""
        with self._transaction() as db:
            found = db.execute(
                """SELECT finished - accepted FROM tasks WHERE kind = (SELECT kind FROM tasks WHERE seq = ?)
                AND state = ? AND finished > accepted ORDER BY seq DESC LIMIT 30""",
                (row.seq, str(State.DONE)),
            )
            return tuple(seconds for (seconds,) in found)[::-1]

    def takes(self, approved: Approved) -> int:
        """The highest take of this request that may have become a task, 0 if there is none."""
        with self._transaction() as db:
            found = db.execute(
                "SELECT max(take) FROM tasks WHERE digest = ? AND state NOT IN (?, ?)",
                (approved.digest, *(str(state) for state in FREE_STATES)),
            ).fetchone()
            return int(found[0] or 0)

    def close(self) -> None:
        """Closes the file; the next call opens it again."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
            self._db = None

    def _settle_orphans(self, db: sqlite3.Connection) -> None:
        # A process that died between the ledger and the answer may have sent the request: never ours to send again.
        early = db.execute("SELECT seq, owner, state FROM tasks WHERE state IN (?, ?)", [str(s) for s in EARLY_STATES])
        for seq, owner, state in early.fetchall():
            if is_gone(owner):
                after, why = _ORPHANED[State(state)]
                db.execute("UPDATE tasks SET state = ?, error = ? WHERE seq = ?", (str(after), why, seq))
                self._event(db, seq, {"state": str(after), "error": why})

    def _event(self, db: sqlite3.Connection, seq: int, changes: dict[str, Any]) -> None:
        text = json.dumps(changes, ensure_ascii=False)
        db.execute("INSERT INTO events (at, task, changes) VALUES (?, ?, ?)", (self._now(), seq, text))

    def _row(self, db: sqlite3.Connection, seq: int) -> Row:
        return _as_row(db.execute(f"SELECT {', '.join(_COLUMNS)} FROM tasks WHERE seq = ?", (seq,)).fetchone())  # noqa: S608

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        problem = ""
        with self._lock:
            try:
                db = self._open()
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
            except (sqlite3.Error, OSError) as error:
                problem = f"The ledger {self.path} cannot be used: {error}."
        if problem:
            raise LedgerError(problem, file=str(self.path))

    def _open(self) -> sqlite3.Connection:
        if self._db is None or self._pid != os.getpid():
            self._db, self._pid = connect(self.path), os.getpid()
            weakref.finalize(self, close_mine, self._db, self._pid).atexit = False
        return self._db


def _stored(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if isinstance(value, str):  # half of a surrogate pair cannot be written; a provider's words may hold one
        return str(value).encode("utf-8", "replace").decode()
    return int(value) if isinstance(value, bool) else value


def _as_row(values: tuple[Any, ...]) -> Row:
    named = dict(zip(_COLUMNS, values, strict=True))
    outputs = tuple(json.loads(named.pop("outputs")))
    return Row(**{**named, "outputs": outputs, "state": State(named["state"]), "simulated": bool(named["simulated"])})
