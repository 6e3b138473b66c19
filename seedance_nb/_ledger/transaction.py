"""One transaction of a ledger's file: its rows, and the event of each change, which the journal repeats line by line."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.database import known_columns, require_original_file, require_single_link
from seedance_nb._ledger.process import QUIET_S, is_gone
from seedance_nb._ledger.row import EARLY_STATES, ORPHANED, SELECT, State, own_intent, row_of

_IDENTIFYING = ("intent", "spec", "base_url", "simulated", "digest", "take", "unit", "created")


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One transaction, durable as a whole or not at all; `mirrored` is the number of the last event in the journal, `last` that in either file."""

    path: Path
    db: sqlite3.Connection
    journal: int
    ledger: str
    mirrored: int
    last: int
    now: float
    has_new: bool = False
    leases: tuple[int, ...] = ()  # the rows that an earlier try of this call inserted, of which there are none here

    def row(self, seq: int) -> Any:
        found = self.db.execute(f"{SELECT} WHERE seq = ?", (seq,)).fetchone()
        return row_of(found) if found else None

    def insert(self, values: dict[str, Any], person: str, words: str) -> int:
        """Insert a row with these columns; return its number. Raises: Displaced if another copy of the ledger may be in use."""
        if not values["simulated"]:
            require_single_link(self.path)
            require_original_file(self.db, self.path)
        seq, self.has_new = insert(self.db, values), True
        more = {"person": person} if person else {}
        self.last = add_event(self.db, self.now, seq, {"state": values["state"], **more})
        self.db.execute("UPDATE extras SET words = ? WHERE seq = ?", (words, seq))
        return seq

    def settle(self, _account: str = "") -> None:
        """Set the state of each row whose process ended before it received a response."""
        # A process that died before the response may have sent the request: it must not be sent again.
        for seq, state in orphans(self.db, self.now):
            after, why = ORPHANED[state]
            self.change(seq, {"state": after, "error": why})

    def change(self, seq: int, changes: dict[str, Any]) -> None:
        """Change columns of a row, and save the change as an event."""
        if "task_id" in changes:  # marked as not sent, it is a task after all, perhaps after its request was sent again
            changes = own_intent(self.db, seq, changes)
        _set(self.db, seq, changes)
        self.last = add_event(self.db, self.now, seq, changes)

    def finish(self) -> None:
        """Write the journal, then commit. Raises: OSError if a new row is not in the journal; sqlite3.Error."""
        size = os.fstat(self.journal).st_size
        try:
            with nullcontext() if self.has_new else suppress(OSError):
                if self.mirrored < self.last:
                    _journal.append(self.journal, entries(self.db, self.ledger, self.mirrored))
                    self.mirrored = self.last
            self.db.execute("COMMIT")
        except BaseException:
            if self.has_new:  # nothing will be sent, so nothing may say that it was; what was seen, though, stays
                _journal.cut(self.journal, size)
            raise


def orphans(db: sqlite3.Connection, now: float) -> list[tuple[int, State]]:
    """The rows whose process ended before it received a response, with their states. *reads files*."""
    found = list[tuple[int, State]]()
    for (owner,) in db.execute("SELECT DISTINCT owner FROM tasks WHERE state IN (?, ?)", EARLY_STATES).fetchall():
        if is_gone(owner, 2 * QUIET_S):  # at least if its rows were quiet for long
            query = """SELECT seq, state, coalesce((SELECT max(at) FROM events WHERE task = seq), created) FROM tasks
                WHERE state IN (?, ?) AND owner = ?"""
            rows = db.execute(query, (*EARLY_STATES, owner)).fetchall()
            found += [(seq, State(state)) for seq, state, last in rows if is_gone(owner, now - last)]
    return found


def write_entry(db: sqlite3.Connection, entry: _journal.Entry) -> None:
    columns = {name: value for name, value in entry.columns.items() if name in known_columns()}
    there = db.execute("SELECT 1 FROM tasks WHERE seq = ?", (entry.task,)).fetchone()
    if not there and not entry.whole:
        raise sqlite3.DatabaseError(f"row {entry.task} is in its journal but not in the database")
    columns = own_intent(db, entry.task, columns)
    if there:
        _set(db, entry.task, columns)
    else:
        insert(db, columns | {"seq": entry.task})
    more = {name: value for name, value in entry.columns.items() if name not in known_columns()}
    changes = {"state": columns.get("state"), **more} if entry.whole else entry.columns | columns
    add_event(db, entry.at, entry.task, changes, entry.number)


def insert(db: sqlite3.Connection, columns: dict[str, Any]) -> int:
    """Insert a row with these columns, without an event; return its number."""
    marks = ", ".join("?" * len(columns))
    cursor = db.execute(f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608
    return int(cursor.lastrowid or 0)


def add_event(db: sqlite3.Connection, at: float, task: int, changes: dict[str, Any], number: int | None = None) -> int:
    """Insert an event with this number, or the next one; return the number."""
    values = (number, at, task, json.dumps(changes, ensure_ascii=False))
    return int(db.execute("INSERT INTO events (rowid, at, task, changes) VALUES (?, ?, ?, ?)", values).lastrowid or 0)


def _set(db: sqlite3.Connection, seq: int, changes: dict[str, Any]) -> None:
    columns = {name: value for name, value in changes.items() if name in known_columns()}  # a mark is in events only
    sets = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE tasks SET {sets} WHERE seq = ?", (*columns.values(), seq))  # noqa: S608


def entries(db: sqlite3.Connection, ledger: str, after: int) -> Iterator[_journal.Entry]:
    """The lines for a journal that ends with event `after`: each later event, or one with the whole row where all its events are later."""
    query = """SELECT * FROM (SELECT rowid AS number, at, task, changes, (SELECT min(rowid) FROM events WHERE task = it.task) > ?
        AS whole, (SELECT max(rowid) FROM events WHERE task = it.task) AS last FROM events AS it WHERE rowid > ?)
        WHERE NOT whole OR number = last ORDER BY number"""
    for number, at, task, changes, whole, _ in db.execute(query, (after, after)):
        columns = json.loads(changes)
        if whole or columns.get("task_id"):  # the line with the provider's id must be useful on its own
            row = db.execute("SELECT * FROM tasks WHERE seq = ?", (task,)).fetchone()
            known = dict(zip(known_columns(), row, strict=True))
            columns = {name: known[name] for name in _IDENTIFYING} | columns
        if whole:  # with the marks, which are in events only
            for (text,) in db.execute("SELECT changes FROM events WHERE task = ? ORDER BY rowid", (task,)):
                columns |= json.loads(text)
            columns |= known
        yield _journal.Entry(number=number, ledger=ledger, at=at, task=task, whole=bool(whole), columns=columns)
