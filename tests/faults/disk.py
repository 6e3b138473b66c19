"""A disk that remembers in which order it was written and synced to, so that its power can be cut at any moment afterwards.

What was not synced when the power went may be there, half there, zeros, or not there, each piece for itself; a removed file
may be back unless its folder was synced. SQLite writes to it through apsw, whose VFS tells every step.
"""

import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import apsw

SECTOR = 512


@dataclass(slots=True)
class File:
    """`safe` is what a power cut cannot take; `loose` are pieces written since, as (offset, bytes or None for a cut)."""

    safe: bytes | None = None
    loose: list[tuple[int, bytes | None]] = field(default_factory=list)
    removed: bool = False

    def whole(self) -> bytes:
        return bytes(_written(bytearray(self.safe or b""), self.loose))


def _written(raw: bytearray, pieces: Sequence[tuple[int, bytes | None]]) -> bytearray:
    for at, data in pieces:
        if data is None:
            del raw[at:]
            continue
        raw.extend(bytes(max(0, at - len(raw))))
        raw[at : at + len(data)] = data
    return raw


class Disk:
    """Every step in order: (what, name, offset, bytes). A step `told` is something that the writer was promised."""

    def __init__(self) -> None:
        self.start: dict[str, bytes] = {}
        self.steps: list[tuple[str, str, int, Any]] = []

    def begin(self, folder: Path) -> None:
        """Takes what lies in `folder` now as safe."""
        self.start = {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.endswith("-shm")}
        self.steps.clear()

    def add(self, what: str, name: str | None, at: int = 0, data: Any = None) -> None:
        if name is not None and not name.endswith("-shm"):
            self.steps.append((what, Path(name).name, at, data))

    def told(self, promise: Any) -> None:
        self.steps.append(("told", "", 0, promise))

    def cut_at(self, moment: int, folder: Path, rng: random.Random) -> list[Any]:
        """Lays into `folder` what is left when the power goes after that many steps; gives what was promised by then."""
        files = {name: File(safe=raw) for name, raw in self.start.items()}
        promises = []
        for what, name, at, data in self.steps[:moment]:
            if what == "told":
                promises.append(data)
                continue
            file = files.setdefault(name, File())
            if what in ("write", "cut"):
                if file.removed:
                    file = files[name] = File()
                file.loose.append((at, data))
            elif what == "sync":
                file.safe, file.loose = file.whole(), []
            elif what == "remove" and data:
                files[name] = File()
            elif what == "remove":
                file.removed = True
        folder.mkdir()
        for name, file in files.items():
            left = self._left(file, rng)
            if left is not None:
                (folder / name).write_bytes(left)
        return promises

    def _left(self, file: File, rng: random.Random) -> bytes | None:
        if file.removed and rng.random() < 0.5:
            return None
        if file.safe is None and (not file.loose or rng.random() < 0.3):
            return None
        kept: list[tuple[int, bytes | None]] = []
        for at, data in file.loose:
            fate = rng.random()
            if data is None or fate < 0.4:
                kept += [(at, data)] if fate < 0.4 else []
            elif fate < 0.6:
                kept.append((at, data[: rng.randrange(0, len(data) + 1, min(SECTOR, len(data)))]))
            elif fate < 0.7:
                kept.append((at, bytes(len(data))))
        return bytes(_written(bytearray(file.safe or b""), kept))


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        super().__init__(name, "")
        self.disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - apsw's name
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - apsw's name
        self.disk.add("remove", filename, 0, syncdir)
        super().xDelete(filename, syncdir)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.disk = disk
        self.name = (name.filename() if isinstance(name, apsw.URIFilename) else name) or None

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - apsw's name
        self.disk.add("write", self.name, offset, bytes(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - apsw's name
        self.disk.add("cut", self.name, newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - apsw's name
        self.disk.add("sync", self.name)
        super().xSync(flags)


class _Cursor:
    def __init__(self, rows: list[Any], description: Any, lastrowid: int) -> None:
        self.rows, self.description, self.lastrowid = rows, description, lastrowid

    def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Any]:
        return self.rows

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


class Dialled:
    """Looks like a connection of `sqlite3`, and writes to a disk; checkpoints every 20 pages, so that there are some."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._db = apsw.Connection(str(path), vfs=vfs)
        self._db.set_busy_timeout(1000)
        self._db.execute("PRAGMA wal_autocheckpoint = 20")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        try:
            cursor = self._db.execute(statement, tuple(values))
            try:
                description = cursor.get_description()
            except apsw.ExecutionCompleteError:
                description = ()
            rows = cursor.fetchall()
        except apsw.Error as error:
            raise sqlite3.OperationalError(str(error)) from error
        return _Cursor(rows, description, self._db.last_insert_rowid())

    @property
    def in_transaction(self) -> bool:
        return bool(self._db.in_transaction)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._db.in_transaction:
            self.execute("ROLLBACK" if kind else "COMMIT")

    def close(self) -> None:
        self._db.close()


def vfs(disk: Disk, name: str) -> _Vfs:
    """The VFS by this name, which tells `disk` every step; it is there as long as somebody holds it."""
    return _Vfs(name, disk)


class RecordedOs:
    """Stands where the journal has `os`: tells `disk` what is written and synced, and does it."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self._names = disk, dict[int, str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, *rest: Any) -> int:
        file = os.open(path, *rest)
        self._names[file] = str(path)
        return file

    def write(self, file: int, data: Any) -> int:
        size = os.fstat(file).st_size
        done = os.write(file, data)
        self._disk.add("write", self._names[file], size, bytes(data[:done]))
        return done

    def ftruncate(self, file: int, size: int) -> None:
        self._disk.add("cut", self._names[file], size)
        os.ftruncate(file, size)

    def flush(self, file: int) -> None:
        self._disk.add("sync", self._names[file])
