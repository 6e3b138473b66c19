"""The ledger's SQLite file: made private, opened durably, brought to the present format; never somebody else's file."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs

from seedance_nb._errors import LedgerError
from seedance_nb._task import FREE_STATES

_TURN_S = 30


def default_path() -> Path:
    """Where the ledger lies: `SEEDANCE_LEDGER`, else the user's data folder for this system. Reads the environment.

    Raises: LedgerError for an address of a database server, which is not supported yet and may hold a password.
    """
    named = os.getenv("SEEDANCE_LEDGER")
    if named and "://" in named:
        raise LedgerError("SEEDANCE_LEDGER names a database server; only the path of a file is supported.")
    return Path(named).expanduser() if named else platformdirs.user_data_path("seedance_nb") / "ledger.sqlite3"


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the ledger at `path`, which waits for the disk at every commit. *writes files*.

    Raises: sqlite3.Error or OSError for a file that cannot be used, or is another program's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made by us with its final mode: SQLite gives the -wal and -shm files the mode of the file they belong to.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        _prepare_in_turn(db)
        path.chmod(0o600)  # only now that it is known to be a ledger
    except BaseException:
        db.close()
        raise
    return db


def close_mine(db: sqlite3.Connection, pid: int) -> None:
    """Closes a connection that this very process opened."""
    if pid == os.getpid():  # a forked child that closed it would drop its parent's locks
        db.close()


def _prepare_in_turn(db: sqlite3.Connection) -> None:
    # SQLite does not wait by itself while another process turns a new file to write-ahead logging.
    end = time.monotonic() + _TURN_S
    while True:
        try:
            _prepare(db)
        except sqlite3.OperationalError as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("BEGIN")  # both looks at one moment, while another process may be making the tables
    version = db.execute("PRAGMA user_version").fetchone()[0]
    foreign = version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone()
    db.execute("COMMIT")
    if foreign:
        msg = "it is a database of another program"
        raise sqlite3.OperationalError(msg)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if db.execute("PRAGMA synchronous").fetchone()[0] != 2:  # noqa: PLR2004
        msg = "SQLite would not write durably here"
        raise sqlite3.OperationalError(msg)
    db.execute("BEGIN IMMEDIATE")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(_MIGRATIONS):
        msg = f"it was written by a newer version of this library (format {version})"
        raise sqlite3.OperationalError(msg)
    for number, migrate in enumerate(_MIGRATIONS[version:], version + 1):
        migrate(db)
        db.execute(f"PRAGMA user_version = {number}")
    db.execute("COMMIT")


def _m001(db: sqlite3.Connection) -> None:
    free = ", ".join(f"'{state}'" for state in FREE_STATES)
    db.execute("""CREATE TABLE tasks (
        seq INTEGER PRIMARY KEY, intent TEXT NOT NULL, kind TEXT NOT NULL, key_fingerprint TEXT NOT NULL,
        spec TEXT NOT NULL, base_url TEXT NOT NULL, simulated INTEGER NOT NULL, digest TEXT NOT NULL,
        take INTEGER NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, word TEXT NOT NULL DEFAULT '',
        task_id TEXT NOT NULL DEFAULT '', outputs TEXT NOT NULL DEFAULT '[]', error TEXT NOT NULL DEFAULT '',
        credits REAL, file TEXT NOT NULL DEFAULT '', sha256 TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL, accepted REAL, finished REAL, owner TEXT NOT NULL) STRICT""")
    db.execute(f"CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ({free})")
    db.execute("CREATE INDEX by_task_id ON tasks (task_id)")
    db.execute("""CREATE TABLE events (at REAL NOT NULL, task INTEGER NOT NULL REFERENCES tasks (seq),
        changes TEXT NOT NULL) STRICT""")


def _m002(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE tasks ADD COLUMN estimate REAL")
    db.execute("ALTER TABLE tasks ADD COLUMN unit TEXT NOT NULL DEFAULT 'credits'")
    db.execute("ALTER TABLE tasks ADD COLUMN progress REAL")


def _m004(db: sqlite3.Connection) -> None:
    free = ", ".join(f"'{state}'" for state in FREE_STATES)
    db.execute("ALTER TABLE tasks ADD COLUMN successor INTEGER")
    db.execute("ALTER TABLE tasks ADD COLUMN balance REAL")
    db.execute("DROP INDEX one_task_per_intent")
    db.execute(
        f"CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ({free}) AND successor IS NULL"
    )


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_m001, _m002, _m004)
