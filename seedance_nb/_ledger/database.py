"""Opens the ledger's SQLite file: private, durable, migrated to the current format, and neither another program's file nor a copy.

Its path and inode are written in it. SQLite's log and the journal are found by the file's name: through another name their rows are
not seen, and the same request would be charged again.
"""

import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs

from seedance_nb._base.errors import LedgerError
from seedance_nb._base.faults import LOG
from seedance_nb._ledger import journal as _journal

_TURN_S = 30
_SHARED = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drive|drivefs|drvfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs"
    r"|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|fuse|fuse\.(?!fuse-overlayfs$).*"
)
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)  # by a damaged file: even SQLite's messages can hold damaged text
SYNCHRONOUS = {"wal": 2, "delete": 3}  # FULL; EXTRA also syncs the folder: there, removing the journal is the commit
_PARTS = re.split(r"(?:^--.*\n)+", Path(__file__).with_name("sqlite.sql").read_text("utf-8"), flags=re.MULTILINE)[1:]
*MIGRATIONS, _ADDITIONS = (part.strip().split("\n\n") for part in _PARTS)  # a format's number is how many were run
CHECKED_AT_ONCE = 16_000_000  # bytes; a larger file is checked while it is used already


class ForeignFile(sqlite3.OperationalError):
    """A file of another program or a newer version of this library: it is neither used nor repaired."""


class Displaced(sqlite3.OperationalError):
    """A ledger under a second name, a copy of one, or one that was moved while in use; created from why, and what to do."""


def default_path() -> Path:
    """The ledger's path: `SEEDANCE_LEDGER`, else in the user's data folder. Reads the environment. Raises: LedgerError for a URL."""
    named = os.getenv("SEEDANCE_LEDGER")
    if named and "://" in named:
        raise LedgerError("SEEDANCE_LEDGER is the URL of a database server; this needs the path of a ledger's file.")
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
    return "DELETE" if is_remote(path.resolve(), mounts()) else "WAL"


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the ledger at `path`, with every page checked unless it is large. *writes files*: an older format is migrated. Raises: sqlite3.Error."""
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
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                # SQLite does not wait by itself while another process turns a file to write-ahead logging.
                time.sleep(0.02)
    except BaseException:
        db.close()
        raise


def build(new: Path, path: Path, fill: Callable[[sqlite3.Connection], None] = lambda _: None) -> None:
    """Create a ledger file, to be renamed to `path`, with the rows that `fill` writes, durably. *writes files*."""
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:  # without write-ahead log: closing one on a full disk leaves half of it in the file, without a word
        with closing(open_connection(new)) as db, db:
            db.execute("PRAGMA synchronous = 3")
            migrate(db)
            db.execute("BEGIN IMMEDIATE")
            fill(db)
            write_home(db, path, new.stat().st_ino)
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


def close_own(db: Any, pid: int) -> None:
    """Close a connection that this process opened."""
    if pid == os.getpid():  # a forked child that closed it would drop its parent's locks
        db.close()


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # Writing through this name must not damage what is written through another.
    if read_home(db)[0] != str(path) or is_mount_point(path, mounts()):
        require_single_link(path)
    with db:
        db.execute("BEGIN")  # one snapshot for both queries, because another process may be creating the tables
        version = db.execute("PRAGMA user_version").fetchone()[0]
        foreign = version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone()
        # This also compares indexes and rows, so a changed character in the column that prevents a second payment is found.
        found = "ok" if path.stat().st_size > CHECKED_AT_ONCE else db.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if version == 0 and _journal.is_used(path):
        found = "its format number is missing"
    elif foreign:
        raise ForeignFile("it is a database of another program")
    if found != "ok":
        raise sqlite3.DatabaseError(found.replace("\n", " "))
    if version > len(MIGRATIONS):
        raise ForeignFile(f"it was written by a newer version of this library (format {version})")
    level = SYNCHRONOUS.get(db.execute(f"PRAGMA journal_mode = {journal_mode(path)}").fetchone()[0], 3)
    db.execute(f"PRAGMA synchronous = {level}")
    if db.execute("PRAGMA synchronous").fetchone()[0] != level:
        raise sqlite3.OperationalError("SQLite would not write durably here")
    migrate(db)
    adopt_home(db, path)


def migrate(db: sqlite3.Connection) -> None:
    """Migrate the tables to the current format from any older one, or create them."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            for statement in step:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'extras'").fetchone():
            for statement in _ADDITIONS:
                db.execute(statement)


def columns_of(db: sqlite3.Connection) -> list[str]:
    return [name for _, name, *_ in db.execute("PRAGMA table_info(tasks)")]


@cache
def known_columns() -> tuple[str, ...]:
    """The columns of the table `tasks` in the current format. *pure*."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        return tuple(columns_of(db))


def read_home(db: sqlite3.Connection) -> tuple[str, int]:
    """The path and inode that are written in the ledger; "" and 0 if none are readable. *reads files*."""
    with suppress(sqlite3.Error, ValueError, TypeError):  # a format before homes, or a damaged file
        path, inode = json.loads(db.execute("SELECT home FROM identity").fetchone()[0])
        return str(path), int(inode)
    return "", 0


def write_home(db: sqlite3.Connection, path: str | Path, inode: int) -> None:
    """Write the ledger's path and inode, or the server that it was moved to. *writes ledger*."""
    db.execute("UPDATE identity SET home = ?", (json.dumps([str(path), inode]),))


def adopt_home(db: sqlite3.Connection, path: Path) -> None:
    """Write where the ledger is now, unless it is a copy or has other names. *writes ledger*."""
    home, inode = read_home(db)
    if (home, inode) == (str(path), path.stat().st_ino):
        return
    if home == str(path):  # no error: a new disk or computer looks the same as an old copy that was put back
        text = "the ledger %s was replaced since it was last used: if an older copy of it was put back, requests that were sent since then are not in it and could be sent and charged again; check your account before you run old cells"
        LOG.warning(text, path)
    with suppress(Displaced):
        require_single_link(path)
        require_original_file(db, path)
        write_home(db, path, path.stat().st_ino)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # into the file itself, where any other name sees it


def require_single_link(path: Path) -> None:
    """Check that the file has one name only. *reads files*. Raises: Displaced."""
    if is_mount_point(path, mounts()):
        why = "it is mounted as a single file, without the files beside it, so another kernel would not see a request that is sent here and could send it again"
        step = "mount its folder instead of the file, or set SEEDANCE_LEDGER to a file in a mounted folder"
        raise Displaced(why, step)
    if (names := path.stat().st_nlink) > 1:
        why = f"the file has {names} names (hard links), and a kernel that uses another one would not see a request that is sent here and could send it again"
        step = f"delete the other name, or run sd.repair_ledger({str(path)!r}) to make this one a file of its own"
        raise Displaced(why, step)


def require_original_file(db: sqlite3.Connection, path: Path) -> None:
    """Check that this is not a copy of a ledger that may be in use elsewhere. *reads files*. Raises: Displaced."""
    # One whose folder was moved, or is mounted at another path, is still the same file, and nothing is left at its old path.
    home, inode = read_home(db)
    if home in ("", str(path)):
        return
    if "://" in home:
        raise Displaced(f"it was moved to {home}", "set SEEDANCE_LEDGER to that server")
    here, there = _journal.journal_path(path), _journal.journal_path(Path(home))
    is_left = False
    with suppress(OSError):
        if here.samefile(there):  # its folder has two paths, or upper and lower case are the same here
            return
    with suppress(OSError):
        (ledger,) = db.execute("SELECT id FROM identity").fetchone()
        is_left = _journal.owner(there) in ("", ledger)
    if is_left or path.stat().st_ino != inode:
        why = f"it was copied, restored or renamed from {home}, and requests that were sent since then with the other file are not in this one, so they could be sent and charged again"
        step = "use the other file (SEEDANCE_LEDGER), or, if only this one is used from now on, run "
        raise Displaced(why, f"{step}sd.repair_ledger({str(path)!r})")


def require_in_place(opened: os.stat_result) -> None:
    """Check that an open ledger was not moved away from its path. *reads files*. Raises: Displaced."""
    # Through its own open descriptors, because closing another one would drop SQLite's locks.
    with suppress(FileNotFoundError):
        for number in Path("/dev/fd").iterdir():
            with suppress(OSError, ValueError):
                now = os.fstat(int(number.name))
                if os.path.samestat(now, opened) and now.st_nlink:
                    break
        else:
            return
        why = "it was moved or renamed while this kernel used it, and a new one would not know what was sent before"
        raise Displaced(why, "move it back; or restart the kernel and set SEEDANCE_LEDGER to its new path")


def is_remote(path: Path, mounts: str) -> bool:
    """Whether `path` (absolute, without links) is where write-ahead logging, which needs shared memory, is unsafe, as on most FUSE file systems, by `mounts` (/proc/mounts). *pure*."""
    above = [(mount, kind) for mount, kind in _mount_points(mounts) if path.is_relative_to(mount)]
    # Of two mounts at one path, the later one covers the earlier.
    _, kind = max(reversed(above), key=lambda mount: len(mount[0].parts), default=("", ""))
    return _SHARED.fullmatch(kind) is not None


def is_mount_point(path: Path, mounts: str) -> bool:
    """Whether `path` itself is mounted or in `mounts`, as a single file that a container mounts. *reads files*."""
    return os.path.ismount(path) or any(path == mount for mount, _ in _mount_points(mounts))


def _mount_points(mounts: str) -> Iterator[tuple[Path, str]]:
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:  # noqa: PLR2004 - device, mount point, type
            mount = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), os.fsencode(fields[1]))
            yield Path(os.fsdecode(mount)), fields[2]


def mounts() -> str:
    """The text of /proc/mounts, "" if there is none. *reads files*."""
    with suppress(OSError):
        return os.fsdecode(Path("/proc/mounts").read_bytes())
    return ""
