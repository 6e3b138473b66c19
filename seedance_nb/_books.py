"""The ledger's two files as one: every transaction is in its journal, then in its database, before it is over.

A line is on the disk before the commit, and both before the caller goes on: what the caller was told lies in two files, and a power
cut finds the journal ahead by one transaction at most, which nobody was told of. A file that is behind, whether by a
power cut, a full disk, a lost `-wal` or an old copy put back, is brought up from the other one at the next transaction.
"""

import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedance_nb import _journal
from seedance_nb._database import ForeignFile, close_mine, connect, create, sync_folder
from seedance_nb._errors import LedgerError
from seedance_nb._journal import Entry
from seedance_nb._migrations import columns_of

_NOT_DAMAGE = {3, 5, 6, 7, 8, 9, 10, 13, 14, 15}  # SQLite's codes for places and moments: permission, busy, full, ...
_STANDS_ALONE = ("intent", "spec", "base_url", "simulated", "digest", "take", "unit", "created")


@dataclass(slots=True, kw_only=True)
class Page:
    """One transaction: the database inside it, and what goes into the journal when it ends."""

    db: sqlite3.Connection
    ledger: str
    now: Callable[[], float]
    entries: list[Entry] = field(default_factory=list)
    unmirrored: OSError | None = None

    def insert(self, values: dict[str, Any]) -> int:
        """The number of a new row with these columns."""
        marks = ", ".join("?" * len(values))
        cursor = self.db.execute(f"INSERT INTO tasks ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))  # noqa: S608
        seq = int(cursor.lastrowid or 0)
        self._event(seq, {"state": values["state"]}, values, whole=True)
        return seq

    def change(self, seq: int, changes: dict[str, Any]) -> None:
        """Changes columns of a row, and keeps that as an event."""
        sets = ", ".join(f"{name} = ?" for name in changes)
        self.db.execute(f"UPDATE tasks SET {sets} WHERE seq = ?", (*changes.values(), seq))  # noqa: S608
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

    def finish(self, journal: int) -> None:
        """Journal, then database. Raises: OSError where a new row is not in the journal; sqlite3.Error."""
        size = os.fstat(journal).st_size
        is_new = any(entry.whole for entry in self.entries)
        try:
            self._mirror(journal, must=is_new)
            self.db.execute("COMMIT")
        except BaseException:
            if is_new:  # nothing will be sent, so nothing may say that it was; what was seen, though, stays
                _journal.cut(journal, size)
            raise

    def _mirror(self, journal: int, *, must: bool) -> None:
        try:
            if self.entries and not self.unmirrored:
                _journal.append(journal, self.entries)
        except OSError as error:
            self.unmirrored = error
        if must and self.unmirrored:
            raise self.unmirrored


class Books:
    """Database and journal of one ledger, opened when needed, again after a fork and after a repair."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self._journal = _journal.place(path)
        self._now = now
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._file: os.stat_result | None = None
        self._last: tuple[int, str] = (0, "")
        self.is_foreign = False

    @contextmanager
    def transaction(self) -> Iterator[Page]:
        """The ledger, locked for everybody else, and on the disk at the end. Raises: LedgerError."""
        problem: LedgerError | None = None
        with self._lock:
            try:
                with self._locked() as journal:
                    db = self._open()
                    db.execute("BEGIN IMMEDIATE")
                    try:
                        page = self._in_step(db, journal)
                        yield page
                        page.finish(journal)
                        self._last = (max([self._last[0], *(entry.number for entry in page.entries)]), page.ledger)
                    except BaseException:
                        if db.in_transaction:
                            db.execute("ROLLBACK")
                        raise
            except (sqlite3.Error, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
                problem, self.is_foreign = _told(self.path, error), isinstance(error, ForeignFile)
        if problem:
            raise problem

    def note(self, seq: int, changes: dict[str, Any]) -> bool:
        """Whether a change that the database would not take is in the journal; the next transaction takes it from there."""
        number, ledger = self._last
        if not ledger:
            return False
        try:
            with self._locked() as journal:
                number = max(number, _journal.after(journal, number)[0]) + 1
                entry = Entry(number=number, ledger=ledger, at=self._now(), task=seq, whole=False, columns=changes)
                _journal.append(journal, [entry])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Closes the file; the next call opens it again."""
        with self._lock:
            if self._db is not None:
                close_mine(self._db, self._pid)
            self._db = None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        is_new = not self._journal.exists()
        if is_new and self.path.exists():
            self._open()  # first, so that no journal is laid beside a file of another program
        elif is_new:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _journal.locked(self._journal) as file:
            if is_new:
                sync_folder(self.path.parent)
            yield file

    def _open(self) -> sqlite3.Connection:
        there = self.path.stat() if self.path.exists() else None
        if self._db is not None and self._pid == os.getpid():
            if there and self._file and os.path.samestat(there, self._file):
                return self._db
            # A repair put another file here. SQLite sees that its own was moved and leaves the new one's logs alone.
            self.close()
        if there is None:
            _make(self.path)
        self._db, self._pid, self._file = connect(self.path), os.getpid(), self.path.stat()
        weakref.finalize(self, close_mine, self._db, self._pid).atexit = False
        return self._db

    def _in_step(self, db: sqlite3.Connection, journal: int) -> Page:
        (ledger,) = db.execute("SELECT id FROM identity").fetchone()
        (number,) = db.execute("SELECT coalesce(max(rowid), 0) FROM events").fetchone()
        last, ahead = _journal.after(journal, number)
        if any(entry.ledger != ledger for entry in ahead):
            msg = "the journal beside it belongs to another ledger"
            raise sqlite3.DatabaseError(msg)
        for entry in ahead:
            put(db, entry)
        page = Page(db=db, ledger=ledger, now=self._now)
        if last < number:
            try:
                _journal.append(journal, _events(db, ledger, last))
            except OSError as error:
                page.unmirrored = error
        self._last = (max(last, number), ledger)
        return page


def put(db: sqlite3.Connection, entry: Entry) -> None:
    """Writes what a line of the journal says into the database."""
    known = columns_of(db)
    columns = {name: value for name, value in entry.columns.items() if name in known}
    there = db.execute("SELECT 1 FROM tasks WHERE seq = ?", (entry.task,)).fetchone()
    if entry.whole and not there:
        columns["seq"] = entry.task
        marks = ", ".join("?" * len(columns))
        db.execute(f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608
    elif not there:
        msg = f"row {entry.task} is in its journal and not in it"
        raise sqlite3.DatabaseError(msg)
    else:
        sets = ", ".join(f"{name} = ?" for name in columns)
        db.execute(f"UPDATE tasks SET {sets} WHERE seq = ?", (*columns.values(), entry.task))  # noqa: S608
    said = {"state": columns.get("state")} if entry.whole else columns
    event = (entry.number, entry.at, entry.task, json.dumps(said, ensure_ascii=False))
    db.execute("INSERT INTO events (rowid, at, task, changes) VALUES (?, ?, ?, ?)", event)


def _events(db: sqlite3.Connection, ledger: str, after: int) -> list[Entry]:
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


def _make(path: Path) -> None:
    beside = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    if _journal.is_used(path) or any(file.exists() and file.stat().st_size for file in beside):
        msg = "it is gone, and what was written beside it is still there"
        raise sqlite3.DatabaseError(msg)
    create(path)


def _told(path: Path, error: Exception) -> LedgerError:
    head = f"The ledger {path} cannot be used: {error}."
    code = getattr(error, "sqlite_errorcode", 11) & 0xFF
    if isinstance(error, OSError | ForeignFile) or (code in _NOT_DAMAGE):
        return LedgerError(head, file=str(path))
    return LedgerError(
        f"{head} Nothing is sent without it. The file is left as it is, and so is its journal, which also has every task; "
        "sd.tasks() shows what can be read",
        file=str(path),
        next_step="sd.repair_ledger() puts the damaged file aside and makes a whole one of all that both files hold",
    )
