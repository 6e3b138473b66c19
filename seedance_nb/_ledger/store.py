"""The ledger's two files as one store: every transaction is written to the journal, then to the database.

Both are on disk before the caller continues: after a power cut the journal is ahead by one unreported transaction at most. A file
that is behind, after a full disk, a lost `-wal` or a restored old copy too, catches up from the other at the next transaction.
"""

import atexit
import json
import os
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from seedance_nb._base.errors import LedgerError, Step
from seedance_nb._base.faults import ADVICE, TOO_MANY, lacks_files
from seedance_nb._ledger import database as _database
from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.journal import Entry
from seedance_nb._ledger.row import FORGOTTEN, FORGOTTEN_FILES
from seedance_nb._ledger.transaction import Transaction, entries, orphans, write_entry

_SHORT_TURN_S, _POLL_S, _FORK_S, _SPARE_LINES = 1, 0.5, 2, 10_000
_RESCUED = ("state", "task_id", "accepted", "simulated")
T = TypeVar("T")
_FAULTS = (sqlite3.Error, OSError, UnicodeDecodeError, json.JSONDecodeError)
_NOT_DAMAGE = {3, 5, 6, 7, 8, 9, 10, 13, 14, 15}  # SQLite's codes for places and moments: permission, busy, full, ...
_COMPACTED_FROM = 16_000_000  # bytes of a journal
_ALL: weakref.WeakSet["Store"] = weakref.WeakSet()
_FORKING: list[tuple["Store", bool]] = []


class Store:
    """Database and journal of one ledger, opened on demand, and again after a fork or a repair; `postgres.Server` has the same methods."""

    share = None

    def __init__(self, path: Path, now: Callable[[], float],
                 salvage: Callable[[Path], sqlite3.Connection | None] = lambda _: None) -> None:  # fmt: skip
        self.place, self.path, self.trouble, self._now, self._pid, self._damage = str(path), path, "", now, 0, ""
        self._error: Exception | None = None  # the latest one
        self._salvage = salvage
        self._journal = _journal.journal_path(path)
        self.rescue_file = path.with_name(f"{path.name}.rescue.jsonl")  # for ids that neither file could take
        self._draft = self._journal.with_name(f"{self._journal.name}.new")
        self.lock, self._journal_lock = threading.RLock(), _journal.JournalLock(self._journal)
        self.reading = threading.Lock()  # taken after `lock` where both are
        self._db: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._file: os.stat_result | None = None
        self._transaction: Transaction | None = None
        _ALL.add(self)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, one query that waits for no writer; of a damaged ledger what is left is read, and `trouble` says why. *reads files*. Raises: LedgerError."""
        try:
            self._refresh()
            with self.reading:
                if self._reader is None or self._damage:
                    raise sqlite3.DatabaseError(self._damage or "it was closed meanwhile")
                seen, self.trouble = work(self._reader), ""
                return seen
        except LedgerError as error:
            problem = error
        except _FAULTS as error:
            problem = self._problem(error)
        rescued = None
        with suppress(OSError, sqlite3.Error):  # as without file descriptors; the error from before says more
            rescued = None if isinstance(self._error, _database.ForeignFile) else self._salvage(self.path)
        if rescued is None:
            raise problem
        self.trouble = problem.message
        with closing(rescued):
            return work(rescued)

    def _refresh(self) -> None:
        """Open the ledger where necessary; settle and catch up if this process may write right now."""
        with self.reading:
            db, file, is_open = self._reader, self._file, False
            if db and file and self._pid == os.getpid() and self._journal.exists() and self.path.exists():
                is_open = os.path.samestat(self.path.stat(), file) and not self._damage
            if db and is_open:
                (number,) = db.execute("SELECT coalesce(max(rowid), 0) FROM events").fetchone()
                with self._journal.open("rb") as journal:
                    has_all = _journal.after(journal.fileno(), number)[0] == number
                if has_all and not orphans(db, self._now()) and not self.rescue_file.exists():
                    return
        if not is_open:
            self.transact(Transaction.settle)
        elif self.lock.acquire(blocking=False):  # else another thread writes, and catches up itself
            try:
                self.transact(Transaction.settle, turn_s=0)
            except LedgerError:
                if not isinstance(self._error, BlockingIOError):  # another process writes, and catches up itself
                    raise
            finally:
                self.lock.release()

    def _problem(self, error: Exception) -> LedgerError:
        self._error, text, step = error, f"The ledger {self.path} cannot be used: {error}.", ""
        code = getattr(error, "sqlite_errorcode", 11) & 0xFF
        if isinstance(error, _database.Displaced):
            why, step = error.args
            text = f"The ledger {self.path} sends nothing: {why}."
        elif lacks_files(error):
            text, step = f"The ledger {self.path} cannot be used: {TOO_MANY}.", Step(ADVICE, "run it again")
        elif not isinstance(error, OSError | _database.ForeignFile) and code not in _NOT_DAMAGE:
            text += " Nothing is sent without it. The file and its journal, which also has every task, are unchanged; sd.tasks() shows what can be read."
            step = "run sd.repair_ledger(): it moves the damaged file aside and rebuilds the ledger from both files"
        return LedgerError(text, file=str(self.path), next_step=step)

    def transact(self, work: Callable[[Transaction], T], turn_s: float | None = None) -> T:
        """Run `work` with the ledger locked, durably, and return its result. *writes ledger*. Raises: LedgerError."""
        # One frame without a `with` of our own, so that an interrupt never leaves anything locked or half done.
        problem: LedgerError | None = None
        with self.lock:
            try:
                transaction = self._begin(turn_s)
                done = work(transaction)
                transaction.finish()
                return done
            except _FAULTS as error:
                problem = self._problem(error)
            finally:
                stop: KeyboardInterrupt | None = None
                while True:
                    try:
                        self._end()
                        break
                    except KeyboardInterrupt as pressed:
                        stop = pressed
                if stop:
                    raise stop
        raise problem

    def _begin(self, turn_s: float | None) -> Transaction:
        if self._db is not None and self._file is not None and self._pid == os.getpid() and not self.path.exists():
            _database.require_in_place(self._file)
        is_new = not self._journal.exists()
        if is_new and self.path.exists():
            self._open()  # first, so that no journal is created for another program's file
        elif is_new:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = self._journal_lock.acquire(turn_s)
        if is_new:
            _database.sync_folder(self.path.parent)
        db = self._open()
        if self._damage:
            raise sqlite3.DatabaseError(self._damage)
        if db.in_transaction:  # interrupts prevented the last rollback
            db.execute("ROLLBACK")
        transaction = self._synced(db, journal)
        if self.rescue_file.exists() and self._apply_rescued(transaction):
            transaction = self._synced(db, journal)
        return transaction

    def _end(self) -> None:
        try:
            if self._db is not None and self._pid == os.getpid() and self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()  # which undoes it as well
        self._journal_lock.release()

    def forget(self, seq: int, *, files: bool) -> None:
        """Remove a row's request, and the names of its `files`, from both files. *writes ledger*. Raises: LedgerError."""
        blank = FORGOTTEN | (FORGOTTEN_FILES if files else {})

        def scrub(transaction: Transaction) -> None:
            db, journal = transaction.db, transaction.journal
            for number, changes in db.execute("SELECT rowid, changes FROM events WHERE task = ?", (seq,)).fetchall():
                known = json.loads(changes)
                columns = json.dumps(known | {name: blank[name] for name in known.keys() & blank}, ensure_ascii=False)
                db.execute("UPDATE events SET changes = ? WHERE rowid = ?", (columns, number))
            transaction.change(seq, blank)
            transaction.finish()
            db.execute("VACUUM")  # SQLite keeps what was overwritten, in free pages and in its log
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise sqlite3.OperationalError("another program is reading it")
            db.execute("BEGIN IMMEDIATE")
            _journal.cut(journal, 0)  # from here to the next line the database alone has the rows
            _journal.append(journal, entries(db, transaction.ledger, 0))

        with self._drafting():  # a journal that is compacted meanwhile would bring the request back
            self.transact(scrub)

    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        await sleep(_POLL_S)

    def may_send(self, _: int) -> bool:
        return True  # other kernels see that this process lives

    def save_elsewhere(self, seq: int, created: float | None, changes: dict[str, Any], *, is_certain: bool) -> str:
        """Save a change that the database rejected in the journal if `is_certain`, else its task id beside it, for the next transaction of any process; return where."""
        if is_certain and self._append(self._journal, seq, changes):
            return f"change to #{seq} is saved in its journal"
        columns = {name: changes[name] for name in _RESCUED if name in changes} | {"created": created}
        if changes.get("task_id") and self._append(self.rescue_file, seq, columns):
            return f"task id of #{seq} is saved in {self.rescue_file}"
        return ""

    def _append(self, path: Path, seq: int, columns: dict[str, Any]) -> bool:
        """Append a line to the journal, with the next number, or to the rescue file; return whether it worked."""
        if (known := self._transaction) is None:
            return False
        with suppress(OSError), _journal.locked(path, _SHORT_TURN_S) as file:
            number = max(known.last, _journal.after(file, known.last)[0]) + 1 if path == self._journal else 0
            at, ledger = self._now(), known.ledger
            _journal.append(file, [Entry(number=number, ledger=ledger, at=at, task=seq, whole=False, columns=columns)])
            return True
        return False

    def _apply_rescued(self, transaction: Transaction) -> bool:
        """Commit the ids in the rescue file and remove it; return whether there were any."""
        with _journal.locked(self.rescue_file) as file:
            found = [entry for entry in _journal.after(file, -1)[1] if entry.ledger == transaction.ledger]
            for entry in found:
                query = "SELECT task_id, created FROM tasks WHERE seq = ?"
                if transaction.db.execute(query, (entry.task,)).fetchone() == ("", entry.columns.get("created")):
                    changes = {name: entry.columns[name] for name in _RESCUED if name in entry.columns}
                    transaction.change(entry.task, changes)
            if not found and os.fstat(file).st_size:  # another ledger's
                return False
            transaction.finish()
            _journal.cut(file, 0)
            with suppress(OSError):  # open files cannot be removed on Windows
                self.rescue_file.unlink()
        return True

    def close(self) -> None:
        with self.lock, self.reading:
            for db in filter(None, (self._db, self._reader)):
                _database.close_own(db, self._pid)
            self._db = self._reader = None

    def _open(self) -> sqlite3.Connection:
        there = self.path.stat() if self.path.exists() else None
        if self._db is not None and self._pid == os.getpid():
            if there and self._file and os.path.samestat(there, self._file):
                return self._db
            # A repair replaced the file. SQLite sees that its own was moved and leaves the new one's logs alone.
            self.close()
        if there is None:
            files = [self.path.with_name(self.path.name + end) for end in ("-wal", "-journal")]
            if _journal.is_used(self.path) or any(file.exists() and file.stat().st_size for file in files):
                raise sqlite3.DatabaseError("it is missing, but its companion files are still there")
            new = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.new")
            _database.build(new, self.path)
            new.rename(self.path)
            _database.sync_folder(self.path.parent)
        self._db, self._pid, self._file, self._damage = _database.connect(self.path), os.getpid(), self.path.stat(), ""
        self._reader = _database.open_connection(self.path)
        self._reader.execute("PRAGMA query_only = 1")
        for db in (self._db, self._reader):
            weakref.finalize(self, _database.close_own, db, self._pid).atexit = False
        if self._file.st_size > _database.CHECKED_AT_ONCE:
            with suppress(RuntimeError):  # no thread can be started, as while the interpreter ends
                threading.Thread(target=_maintain, args=(weakref.ref(self),), daemon=True).start()
        return self._db

    def _synced(self, db: sqlite3.Connection, journal: int) -> Transaction:
        db.execute("BEGIN IMMEDIATE")
        ledger, number = db.execute("SELECT id, (SELECT coalesce(max(rowid), 0) FROM events) FROM identity").fetchone()
        last, ahead = _journal.after(journal, number)
        for entry in ahead:
            if entry.ledger != ledger:
                raise sqlite3.DatabaseError("its journal belongs to another ledger")
            write_entry(db, entry)
        known: dict[str, Any] = {"journal": journal, "ledger": ledger, "mirrored": last, "last": max(last, number)}
        self._transaction = Transaction(path=self.path, db=db, now=self._now(), **known)
        return self._transaction

    def maintain(self) -> None:
        """Check every page of a large file, after which a damaged one sends nothing; then compact its journal. *writes files*. Raises: sqlite3.Error; OSError; LedgerError."""
        file = self._file
        with closing(_database.read_only(self.path)) as db:
            db.execute("BEGIN")
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok" and file is self._file:
                self._damage = found.replace("\n", " ")
            (rows,) = db.execute("SELECT count(*) FROM tasks").fetchone()
            lines = 0
            if self._journal.stat().st_size > _COMPACTED_FROM:
                with self._journal.open("rb") as file_of_lines:
                    lines = sum(1 for _ in file_of_lines)
            if found == "ok" and lines > 2 * rows + _SPARE_LINES:
                self._compact(db)

    def _compact(self, db: sqlite3.Connection) -> None:
        """Rewrite the journal with one line for each row in `db`, and with those that were added meanwhile, atomically."""
        ledger, number = db.execute("SELECT id, (SELECT max(rowid) FROM events) FROM identity").fetchone()
        with self._drafting() as draft:
            _journal.append(draft, entries(db, ledger, 0))

            def replace(transaction: Transaction) -> None:
                _journal.append(draft, entries(transaction.db, ledger, number))
                if transaction.ledger == ledger and transaction.last >= number:
                    self._draft.replace(self._journal)
                    _database.sync_folder(self.path.parent)

            self.transact(replace)

    @contextmanager
    def _drafting(self) -> Iterator[int]:
        """The file that becomes the compacted journal, locked and empty; it is removed unless it was renamed. *writes files*."""
        with _journal.locked(self._draft) as file:
            try:
                _journal.cut(file, 0)
                yield file
            finally:
                self._draft.unlink(missing_ok=True)


def _maintain(store: "weakref.ref[Store]") -> None:
    with suppress(LedgerError, *_FAULTS):
        if (found := store()) is not None:
            found.maintain()


def _before_fork() -> None:
    # A child forked during a transaction would inherit locks, SQLite's too, that nothing in it releases.
    _FORKING.extend((store, store.lock.acquire(timeout=_FORK_S)) for store in list(_ALL))


def _after_fork(*, is_child: bool = False) -> None:
    while _FORKING:
        store, had = _FORKING.pop()
        if is_child:  # the thread that holds the old one may not exist there
            store.lock, store.reading = threading.RLock(), threading.Lock()
        elif had:
            store.lock.release()


@atexit.register
def _close_all() -> None:
    # The last connection moves the rows in the log into the file itself, where any other name sees them.
    for store in list(_ALL):
        if store.lock.acquire(timeout=_FORK_S):
            store.close()


if hasattr(os, "register_at_fork"):
    in_child = partial(_after_fork, is_child=True)
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=in_child)
