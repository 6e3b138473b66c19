"""Opens the ledger's SQLite file: private, durable, migrated to the current format, and never another program's file."""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

import platformdirs

from seedance_nb._base.errors import LedgerError
from seedance_nb._ledger import home as _home
from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.home import adopt_home, write_home
from seedance_nb._ledger.row import FREE_STATES

_TURN_S = 30
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged file may raise; even SQLite's error messages can contain damaged text."""

# FULL; or EXTRA, which also waits for the folder, where removing the rollback journal is the commit.
SYNCHRONOUS = {"wal": 2, "delete": 3}
_FREE = ", ".join(f"'{state}'" for state in FREE_STATES)
MIGRATIONS = (
    f"""CREATE TABLE tasks (seq INTEGER PRIMARY KEY, intent TEXT NOT NULL, kind TEXT NOT NULL, key_fingerprint TEXT NOT NULL,
        spec TEXT NOT NULL, base_url TEXT NOT NULL, simulated INTEGER NOT NULL, digest TEXT NOT NULL,
        take INTEGER NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL, word TEXT NOT NULL DEFAULT '',
        task_id TEXT NOT NULL DEFAULT '', outputs TEXT NOT NULL DEFAULT '[]', error TEXT NOT NULL DEFAULT '',
        credits REAL, file TEXT NOT NULL DEFAULT '', sha256 TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL DEFAULT '',
        created REAL NOT NULL, accepted REAL, finished REAL, owner TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ({_FREE});
    CREATE INDEX by_task_id ON tasks (task_id);
    CREATE TABLE events (at REAL NOT NULL, task INTEGER NOT NULL REFERENCES tasks (seq), changes TEXT NOT NULL) STRICT""",
    """ALTER TABLE tasks ADD COLUMN estimate REAL; ALTER TABLE tasks ADD COLUMN unit TEXT NOT NULL DEFAULT 'credits';
    ALTER TABLE tasks ADD COLUMN progress REAL""",
    # The ledger's name in its journal. Programs that write no journal must refuse this format.
    "CREATE TABLE identity (id TEXT NOT NULL) STRICT; INSERT INTO identity VALUES (lower(hex(randomblob(4))))",
    f"""ALTER TABLE tasks ADD COLUMN successor INTEGER; ALTER TABLE tasks ADD COLUMN balance REAL;
    DROP INDEX one_task_per_intent;
    CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ({_FREE}) AND successor IS NULL""",
    "ALTER TABLE tasks ADD COLUMN beside TEXT NOT NULL DEFAULT ''; ALTER TABLE tasks ADD COLUMN dead REAL",
    "ALTER TABLE tasks ADD COLUMN budget REAL",
    # Where the ledger is, as JSON: path and inode. Programs that do not compare it must refuse this format.
    """ALTER TABLE identity ADD COLUMN home TEXT NOT NULL DEFAULT ''; CREATE INDEX by_intent ON tasks (intent);
    CREATE INDEX events_by_task ON events (task)""",
)
"""The statements that migrate each format to the next; a format's number is how many migrations were run."""


class ForeignFile(sqlite3.OperationalError):
    """A file of another program or a newer version of this library: it is neither used nor repaired."""


def default_path() -> Path:
    """The ledger's path: `SEEDANCE_LEDGER`, else in the user's data folder. Reads the environment. Raises: LedgerError for a URL."""
    named = os.getenv("SEEDANCE_LEDGER")
    if named and "://" in named:
        raise LedgerError("SEEDANCE_LEDGER is the URL of a database server; only a file path is supported.")
    return Path(named).expanduser() if named else platformdirs.user_data_path("seedance_nb") / "ledger.sqlite3"


def real_path(path: Path) -> Path:
    """The canonical path of a ledger, so that two spellings are one ledger. *reads files*."""
    return Path(os.path.realpath(path))


def logs(path: Path) -> list[Path]:
    """SQLite's companion files of `path`: write-ahead log, its index, rollback journal. *pure*."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]


def open_connection(path: Path) -> sqlite3.Connection:
    """A connection to the file at `path`, which is created if missing. *writes files*."""
    return sqlite3.connect(path, timeout=_TURN_S, isolation_level=None, check_same_thread=False)


def read_only(path: Path, more: str = "") -> sqlite3.Connection:
    """A read-only connection that replaces damaged text. *reads files*."""
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro{more}", uri=True, isolation_level=None)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return db


def journal_mode(path: Path) -> str:
    """SQLite's journal mode for a file at this path. *reads files*."""
    return "DELETE" if _home.is_remote(_home.filesystem(path.resolve(), _home.mounts())) else "WAL"


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the ledger at `path`, with every page checked. *writes files*: an older format is migrated. Raises: sqlite3.Error."""
    # Only SQLite opens the file: closing it elsewhere in this process would drop SQLite's locks.
    if not path.stat().st_size:
        raise sqlite3.DatabaseError("it is empty (0 bytes), which a ledger never is")
    db, end = open_connection(path), time.monotonic() + _TURN_S
    try:
        while True:
            try:
                _prepare(db, path)
                path.chmod(0o600)  # only now that it is known to be a ledger
                return db
            except sqlite3.OperationalError as error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                # SQLite does not wait by itself while another process turns a file to write-ahead logging.
                time.sleep(0.02)
    except BaseException:
        db.close()
        raise


def create(path: Path) -> None:
    """Create an empty ledger at `path`, atomically; its journal must be locked. *writes files*."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    build(new, path)
    new.rename(path)
    sync_folder(path.parent)


def build(new: Path, path: Path, fill: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Create a ledger file, to be renamed to `path`, with the rows that `fill` writes, durably. *writes files*."""
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        # Without write-ahead log: closing one on a full disk leaves half of it in the file, without a word.
        with closing(open_connection(new)) as db:
            db.execute("PRAGMA synchronous = 3")
            migrate(db)
            db.execute("BEGIN IMMEDIATE")
            fill(db)
            write_home(db, path, new.stat().st_ino)
            db.execute("COMMIT")
    except BaseException:
        for file in (new, *logs(new)):
            file.unlink(missing_ok=True)
        raise


def require_ledger(path: Path) -> None:
    """Raise ForeignFile for a file that is not a ledger of a known format, damaged or not. *reads files*."""
    names, columns = set[str](), list[str]()
    with suppress(*UNREADABLE), closing(read_only(path)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = columns_of(db)
    if (names and "tasks" not in names and not _journal.is_used(path)) or len(columns) > len(known_columns()):
        raise ForeignFile("it is a database of another program, or of a newer version of this library")


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries to disk, if the system supports it. *writes files*."""
    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def close_own(db: sqlite3.Connection, pid: int) -> None:
    """Close a connection that this process opened."""
    if pid == os.getpid():  # a forked child that closed it would drop its parent's locks
        db.close()


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # Writing through this name must not damage what is written through another.
    if _home.read_home(db)[0] != str(path) or _home.is_mount_point(path, _home.mounts()):
        _home.require_single_link(path)
    db.execute("BEGIN")  # one snapshot for both queries, because another process may be creating the tables
    version = db.execute("PRAGMA user_version").fetchone()[0]
    foreign = version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone()
    # It also compares indexes and rows, so a changed character in the column that prevents a second payment is found.
    found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    db.execute("COMMIT")
    if version == 0 and _journal.is_used(path):
        found = "its format number is missing"
    elif foreign:
        raise ForeignFile("it is a database of another program")
    if found != "ok":
        raise sqlite3.DatabaseError(found.replace("\n", " "))
    if version > len(MIGRATIONS):
        raise ForeignFile(f"it was written by a newer version of this library (format {version})")
    mode = db.execute(f"PRAGMA journal_mode = {journal_mode(path)}").fetchone()[0]
    level = SYNCHRONOUS.get(mode, 3)
    db.execute(f"PRAGMA synchronous = {level}")
    if db.execute("PRAGMA synchronous").fetchone()[0] != level:
        raise sqlite3.OperationalError("SQLite would not write durably here")
    migrate(db)
    adopt_home(db, path)


def migrate(db: sqlite3.Connection) -> None:
    """Migrate the tables to the current format from any older one, or create them."""
    try:
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            for statement in step.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def columns_of(db: sqlite3.Connection) -> list[str]:
    """The columns of the table `tasks`, in order. *reads files*."""
    return [name for _, name, *_ in db.execute("PRAGMA table_info(tasks)")]


@cache
def known_columns() -> tuple[str, ...]:
    """The columns of the table `tasks` in the current format. *pure*."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        return tuple(columns_of(db))
