"""One transaction of the ledger: what it changes in the database, and the same as lines of the journal, there and back."""

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.journal import Entry
from seedance_nb._ledger.migrations import columns_of
from seedance_nb._ledger.row import FREE_STATES

_STANDS_ALONE = ("intent", "spec", "base_url", "simulated", "digest", "take", "unit", "created")


@dataclass(slots=True, kw_only=True)
class Page:
    """One transaction: the database inside it, and what goes into the journal when it ends."""

    db: sqlite3.Connection
    journal: int
    ledger: str
    now: Callable[[], float]
    entries: list[Entry] = field(default_factory=list)
    unmirrored: OSError | None = None

    def insert(self, values: dict[str, Any]) -> int:
        """The number of a new row with these columns."""
        seq = insert(self.db, values)
        self._event(seq, {"state": values["state"]}, values, whole=True)
        return seq

    def change(self, seq: int, changes: dict[str, Any]) -> None:
        """Changes columns of a row, and keeps that as an event.

        A row that was free and is a task after all, while the same request was sent anew, keeps its id beside the new one.
        """
        if "task_id" in changes:
            changes = _beside_its_like(self.db, seq, changes)
        _set(self.db, seq, changes)
        told = changes
        if changes.get("task_id"):  # the line with the provider's id must be of use where it is the last one left
            found = self.db.execute(f"SELECT {', '.join(_STANDS_ALONE)} FROM tasks WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
            told = dict(zip(_STANDS_ALONE, found, strict=True)) | changes
        self._event(seq, changes, told)

    def _event(self, seq: int, changes: dict[str, Any], told: dict[str, Any], *, whole: bool = False) -> None:
        at, text = self.now(), json.dumps(changes, ensure_ascii=False)
        cursor = self.db.execute("INSERT INTO events (at, task, changes) VALUES (?, ?, ?)", (at, seq, text))
        number = int(cursor.lastrowid or 0)
        self.entries.append(Entry(number=number, ledger=self.ledger, at=at, task=seq, whole=whole, columns=told))

    def finish(self) -> None:
        """Journal, then database. Raises: OSError where a new row is not in the journal; sqlite3.Error."""
        size = os.fstat(self.journal).st_size
        is_new = any(entry.whole for entry in self.entries)
        try:
            self._mirror(must=is_new)
            self.db.execute("COMMIT")
        except BaseException:
            if is_new:  # nothing will be sent, so nothing may say that it was; what was seen, though, stays
                _journal.cut(self.journal, size)
            raise

    def _mirror(self, *, must: bool) -> None:
        try:
            if self.entries and not self.unmirrored:
                _journal.append(self.journal, self.entries)
        except OSError as error:
            self.unmirrored = error
        if must and self.unmirrored:
            raise self.unmirrored


def put(db: sqlite3.Connection, entry: Entry) -> None:
    """Writes what a line of the journal says into the database."""
    known = columns_of(db)
    columns = {name: value for name, value in entry.columns.items() if name in known}
    there = db.execute("SELECT 1 FROM tasks WHERE seq = ?", (entry.task,)).fetchone()
    if not there and not entry.whole:
        msg = f"row {entry.task} is in its journal and not in it"
        raise sqlite3.DatabaseError(msg)
    columns = _beside_its_like(db, entry.task, columns)
    if there:
        _set(db, entry.task, columns)
    else:
        insert(db, columns | {"seq": entry.task})
    said = {"state": columns.get("state")} if entry.whole else columns
    event = (entry.number, entry.at, entry.task, json.dumps(said, ensure_ascii=False))
    db.execute("INSERT INTO events (rowid, at, task, changes) VALUES (?, ?, ?, ?)", event)


def insert(db: sqlite3.Connection, columns: dict[str, Any]) -> int:
    """The number of a new row with these columns, of which nothing is told."""
    marks = ", ".join("?" * len(columns))
    cursor = db.execute(f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608
    return int(cursor.lastrowid or 0)


def _set(db: sqlite3.Connection, seq: int, columns: dict[str, Any]) -> None:
    sets = ", ".join(f"{name} = ?" for name in columns)
    db.execute(f"UPDATE tasks SET {sets} WHERE seq = ?", (*columns.values(), seq))  # noqa: S608


def _beside_its_like(db: sqlite3.Connection, seq: int, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, with an intent of its own where another row has this one's by now: one intent is one task."""
    now = db.execute("SELECT intent, state, successor FROM tasks WHERE seq = ?", (seq,)).fetchone() or ("", "", None)
    after = dict(zip(("intent", "state", "successor"), now, strict=True)) | changes
    free = [str(state) for state in FREE_STATES]
    if after["state"] in free or after["successor"] is not None:
        return changes
    other = db.execute(
        "SELECT 1 FROM tasks WHERE intent = ? AND seq != ? AND state NOT IN (?, ?) AND successor IS NULL",
        (after["intent"], seq, *free),
    ).fetchone()
    return changes | {"intent": f"{after['intent']}, {seq}"} if other else changes


def missing(db: sqlite3.Connection, ledger: str, after: int) -> list[Entry]:
    """Lines for the events that the journal does not have; the first of a task stands for its whole row as it is now."""
    first = dict(db.execute("SELECT task, min(rowid) FROM events GROUP BY task").fetchall())
    found = db.execute(
        "SELECT rowid, at, task, changes FROM events WHERE rowid > ? ORDER BY rowid", (after,)
    ).fetchall()
    entries = []
    for number, at, task, changes in found:
        whole, columns = number == first[task], json.loads(changes)
        if whole:
            cursor = db.execute("SELECT * FROM tasks WHERE seq = ?", (task,))
            columns = dict(zip((name for name, *_ in cursor.description), cursor.fetchone(), strict=True))
        entries.append(Entry(number=number, ledger=ledger, at=at, task=task, whole=whole, columns=columns))
    return entries
