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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seedance_nb import _journal
from seedance_nb._database import ForeignFile, close_mine, connect, create, sync_folder
from seedance_nb._errors import LedgerError
from seedance_nb._journal import Entry
from seedance_nb._page import Page, missing, put

TROUBLE = (sqlite3.Error, OSError, UnicodeDecodeError, json.JSONDecodeError)
"""What using the two files may raise."""
_NOT_DAMAGE = {3, 5, 6, 7, 8, 9, 10, 13, 14, 15}  # SQLite's codes for places and moments: permission, busy, full, ...


class Books:
    """Database and journal of one ledger, opened when needed, again after a fork and after a repair."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self._journal = _journal.place(path)
        self._now = now
        self._lock = threading.RLock()
        self._turn: int | None = None
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._file: os.stat_result | None = None
        self._last: tuple[int, str] = (0, "")
        self.is_foreign = False

    def transaction(self) -> "Transaction":
        """The ledger, locked for everybody else, and on the disk at the end of the `with`. Raises: LedgerError."""
        return Transaction(self)

    def begin(self) -> Page:
        """What `Transaction` begins with; `end` must follow."""
        self._lock.acquire()
        try:
            self._turn = self._take()
            db = self._open()
            if db.in_transaction:  # an interrupt came between the steps of undoing the one before
                db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            return self._in_step(db, self._turn)
        except BaseException:
            self.end()
            raise

    def finish(self, page: Page) -> None:
        """Writes what a transaction changed. Raises: OSError, sqlite3.Error."""
        page.finish()
        self._last = (max([self._last[0], *(entry.number for entry in page.entries)]), page.ledger)

    def end(self) -> None:
        """Undoes what was not written, and lets everybody else go on."""
        try:
            if self._db is not None and self._pid == os.getpid() and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        finally:
            turn, self._turn = self._turn, None
            try:
                if turn is not None:
                    _journal.leave(turn)
            finally:
                self._lock.release()

    def trouble(self, error: Exception) -> LedgerError:
        """An error of the files as the one that a person gets."""
        self.is_foreign = isinstance(error, ForeignFile)
        return _told(self.path, error)

    def note(self, seq: int, changes: dict[str, Any]) -> bool:
        """Whether a change that the database would not take is in the journal; the next transaction takes it from there."""
        number, ledger = self._last
        if not ledger:
            return False
        try:
            with _journal.locked(self._journal) as journal:
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

    def _take(self) -> int:
        is_new = not self._journal.exists()
        if is_new and self.path.exists():
            self._open()  # first, so that no journal is laid beside a file of another program
        elif is_new:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = _journal.take(self._journal)
        if is_new:
            sync_folder(self.path.parent)
        return file

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
        page = Page(db=db, journal=journal, ledger=ledger, now=self._now)
        if last < number:
            try:
                _journal.append(journal, missing(db, ledger, last))
            except OSError as error:
                page.unmirrored = error
        self._last = (max(last, number), ledger)
        return page


class Transaction:
    """One transaction as a `with` block.

    No generator, because one that an interrupt cuts off would hold the ledger for as long as the interrupt's traceback is kept.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._page: Page | None = None

    def __enter__(self) -> Page:
        problem: LedgerError | None = None
        try:
            page = self._page = self._books.begin()
        except TROUBLE as error:
            problem = self._books.trouble(error)
        if problem:
            raise problem
        return page

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, frames: object) -> None:
        problem: LedgerError | None = None
        try:
            if error is None and self._page is not None:
                self._books.finish(self._page)
            elif isinstance(error, TROUBLE):
                problem = self._books.trouble(error)
        except TROUBLE as failed:
            problem = self._books.trouble(failed)
        finally:
            self._books.end()
        if problem:
            raise problem


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
