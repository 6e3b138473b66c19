"""A damaged ledger put aside, and a whole one in its place, made of all that its two files hold."""

import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seedance_nb._base.errors import LedgerError
from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.database import ForeignFile, build, default_path, must_be_ours, real_path, sync_folder
from seedance_nb._ledger.salvage import Found, pour, salvage
from seedance_nb._ledger.store import Books

_LOGS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What `repair_ledger` did. `aside` is where the old file lies now; its journal and logs lie beside it.

    `rows` counts the rows of the new ledger; `from_database` and `from_journal` those that each file knew, most of them in both.
    `unreadable` counts damaged lines of the journal, `lost` are the numbers of rows of which nothing but the number is left.
    """

    ledger: Path
    aside: Path
    rows: int
    from_database: int
    from_journal: int
    unreadable: int
    lost: tuple[int, ...]

    def __repr__(self) -> str:
        lost = ", ".join(f"#{seq}" for seq in self.lost)
        lines = (
            f"The ledger {self.ledger} is whole again, with {self.rows} rows.",
            f"Found in the database: {self.from_database}; in its journal: {self.from_journal}; unreadable lines of it: {self.unreadable}.",
            f"The old files are kept as {self.aside}*.",
            f"Nothing but the number is left of {lost}: look at the account before a request is sent again."
            if lost
            else "",
        )
        return "\n".join(filter(None, lines))


def repair_ledger(path: Path | None = None) -> Repair:
    """Rebuilds a damaged ledger from its database and its journal together. *reads files*, *writes files*, *writes ledger*.

    Every task id that either file holds is in the new one, each row in its latest known state; one whose state is not known
    is `outcome unknown`, which is never sent again by itself. The old files are put aside and nothing is deleted. Kernels
    that have the ledger open wait meanwhile, and go on with the new file. `path` is the ledger's own place if None.

    Raises: LedgerError where there is nothing to rebuild from, or the files cannot be moved; all is left as it was then.
    """
    path = real_path(path or default_path())
    problem = ""
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(path.parent)
        done = _repaired(path)
    except (OSError, sqlite3.Error) as error:
        problem = f"The ledger {path} was not rebuilt: {error}."
    if problem:
        raise LedgerError(problem, file=str(path))
    Books(path, time.time).transact(lambda _: None)  # which writes the new journal
    return done


def _repaired(path: Path) -> Repair:
    journal = _journal.place(path)
    had_journal = journal.exists()
    with _journal.locked(journal):
        try:
            old = _source(path)
            must_be_ours(old)
            found = _something(salvage(old, journal))
            new = path.with_name(f"{path.name}.rebuilt-{time.time_ns()}")
            build(new, lambda db: pour(db, found))
        except BaseException:
            if not had_journal and not journal.stat().st_size:
                journal.unlink()
            raise
        aside = _swap(path, old, new)
    return _report(path, aside, found)


def _something(found: Found) -> Found:
    if not found.rows:
        msg = "neither file has a row of a ledger; to begin a new one, move it away yourself"
        raise ForeignFile(msg)
    return found


def _source(path: Path) -> Path:
    """The damaged file: the ledger, or what a repair that was cut off has already put aside."""
    if path.exists():
        return path
    whole = [one for one in path.parent.glob(f"{path.name}.damaged-*") if not one.name.endswith((*_LOGS, ".jsonl"))]
    newest = max(whole, key=lambda one: one.name, default=path)
    if newest != path:
        _move_logs(path, newest)
    return newest


def _swap(path: Path, old: Path, new: Path) -> Path:
    # The journal goes last: while the database is missing, it is what keeps everybody from beginning a new ledger.
    aside = old
    if old == path:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{time.time_ns() % 10**9:09}")
        if path.exists():
            path.rename(aside)
        _move_logs(path, aside)
    new.rename(path)
    sync_folder(path.parent)
    _journal.place(path).rename(_journal.place(aside))
    sync_folder(path.parent)
    return aside


def _move_logs(path: Path, aside: Path) -> None:
    for end in _LOGS:
        target = aside.with_name(aside.name + end)
        if not target.exists():
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(target)


def _report(path: Path, aside: Path, found: Found) -> Repair:
    return Repair(
        ledger=path,
        aside=aside,
        rows=len(found.rows),
        from_database=found.from_database,
        from_journal=found.from_journal,
        unreadable=found.unreadable,
        lost=found.lost,
    )
