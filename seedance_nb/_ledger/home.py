"""The path, inode and file system of a ledger. The first two are written in it, so that a copy or a second name is noticed before it sends.

SQLite's log and the journal are found by the file's name: through another name their rows are not seen, and the same request
would be charged again.
"""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from seedance_nb._base.faults import LOG
from seedance_nb._ledger import journal as _journal

_SHARED = re.compile(
    "9p|afs|beegfs|ceph|cifs|coda|davfs|drive|drivefs|drvfs|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs[34]?|ocfs2|orangefs"
    r"|prl_fs|pvfs2|smb3|smbfs|vboxsf|virtiofs|vmhgfs|fuse|fuse\.(?!fuse-overlayfs$).*"
)


class Displaced(sqlite3.OperationalError):
    """A ledger under a second name, a copy of one, or one that was moved while in use; created from why, and what to do."""


def read_home(db: sqlite3.Connection) -> tuple[str, int]:
    """The path and inode that are written in the ledger; "" and 0 if none are readable. *reads files*."""
    with suppress(sqlite3.Error, ValueError, TypeError):  # a format before homes, or a damaged file
        path, inode = json.loads(db.execute("SELECT home FROM identity").fetchone()[0])
        return str(path), int(inode)
    return "", 0


def write_home(db: sqlite3.Connection, path: Path, inode: int) -> None:
    """Write the ledger's path and inode. *writes ledger*."""
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


def filesystem(path: Path, mounts: str) -> str:
    """The type of the file system of `path` (absolute, without links), "" if `mounts` (/proc/mounts) does not list it. *pure*."""
    above = [(mount, kind) for mount, kind in _mount_points(mounts) if path.is_relative_to(mount)]
    # Of two mounts at one path, the later one covers the earlier.
    return max(reversed(above), key=lambda mount: len(mount[0].parts), default=("", ""))[1]


def is_mount_point(path: Path, mounts: str) -> bool:
    """Whether `path` itself is mounted or in `mounts`, as a single file that a container mounts. *reads files*."""
    return os.path.ismount(path) or any(path == mount for mount, _ in _mount_points(mounts))


def _mount_points(mounts: str) -> Iterator[tuple[Path, str]]:
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) >= 3:  # noqa: PLR2004 - device, mount point, type
            escaped = os.fsencode(fields[1])
            mount = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), escaped)
            yield Path(os.fsdecode(mount)), fields[2]


def is_remote(kind: str) -> bool:
    """Whether write-ahead logging, which needs shared memory, is unsafe on this type, as on most FUSE file systems. *pure*."""
    return _SHARED.fullmatch(kind) is not None


def mounts() -> str:
    """The text of /proc/mounts, "" if there is none. *reads files*."""
    with suppress(OSError):
        return os.fsdecode(Path("/proc/mounts").read_bytes())
    return ""
