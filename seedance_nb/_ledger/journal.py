"""The ledger's journal: one line for every row and change, on disk before it is in the database.

    3f0a91c2 {"n": 7, "of": "5d1c9ab2", "at": 1790000000.0, "task": 3, "set": {"state": "queued", "task_id": "task_9"}}

A line begins with the CRC-32 of the rest; `n` is the number of the event in the database, `of` names the ledger. `row` holds
a whole row's columns, `set` changed ones. Lines are added and never changed, so that damage to one leaves the others.
"""

import json
import os
import random
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows; SQLite's own lock keeps two writers apart there
    fcntl = None  # type: ignore[assignment]

TURN_S = 30
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_PAUSE_S, _MAX_PAUSE_S, _BLOCK, _PIECE = 0.002, 0.05, 8192, 1024 * 1024
_flush = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `at` is in Unix seconds; `whole` is whether `columns` are a whole row."""

    number: int
    ledger: str
    at: float
    task: int
    whole: bool
    columns: dict[str, Any]


def journal_path(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.journal.jsonl")


def drafts_path(ledger: Path) -> Path:
    """The folder of the drafts of requests beside a ledger. *pure*."""
    return ledger.with_name(f"{ledger.name}-drafts")


def is_used(ledger: Path) -> bool:
    """Whether the journal of this ledger has any content. *reads files*."""
    path = journal_path(ledger)
    return path.exists() and path.stat().st_size > 0


def line(entry: Entry) -> bytes:
    fields = {"n": entry.number, "of": entry.ledger, "at": entry.at, "task": entry.task}
    text = json.dumps({**fields, "row" if entry.whole else "set": entry.columns}, ensure_ascii=False)
    raw = text.encode("utf-8", "replace")
    return b"%08x %s\n" % (zlib.crc32(raw), raw)


def parse(raw: bytes) -> Entry | None:
    """The entry in a line, None if the line is damaged or truncated. *pure*."""
    try:
        if int(raw[:8], 16) != zlib.crc32(raw[9:]):
            return None
        one = json.loads(raw[9:])
        whole, columns = "row" in one, one["row"] if "row" in one else one["set"]
        return Entry(number=one["n"], ledger=one["of"], at=one["at"], task=one["task"], whole=whole, columns=columns)
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def locked(path: Path, turn_s: float | None = None) -> Iterator[int]:
    """The open journal, locked. *writes files*. Raises: OSError if it cannot be opened, or stays locked for 30 s or `turn_s`."""
    turn = JournalLock(path)
    try:
        yield turn.acquire(turn_s)
    finally:
        turn.release()


class JournalLock:
    """A lock on a journal. If `acquire` or `release` is interrupted, call `release` (again)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def acquire(self, turn_s: float | None = None) -> int:
        """The open journal, locked until `release`. *writes files*. Raises: OSError as `locked` does."""
        end = time.monotonic() + (TURN_S if turn_s is None else turn_s)
        while True:
            self.release()  # also one that a repair has put aside while we waited for it
            file = self._file = os.open(self._path, _FLAGS | os.O_CREAT, 0o600)
            _lock(file, end)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), self._path.stat()):
                    if hasattr(os, "fchmod") and os.fstat(file).st_mode & 0o077:
                        os.fchmod(file, 0o600)
                    return file

    def release(self) -> None:
        file = self._file
        if file is None:
            return
        if fcntl:
            with suppress(OSError):
                # Said aloud, because a forked child may hold the same open file for as long as it lives.
                fcntl.flock(file, fcntl.LOCK_UN)
        self._file = None  # before it is closed: its number may be another file's right after
        os.close(file)


def append(file: int, entries: Iterable[Entry]) -> None:
    """Append these lines durably, all or none. *writes files*. Raises: OSError."""
    size = os.fstat(file).st_size
    data = bytearray()
    if size:
        os.lseek(file, size - 1, os.SEEK_SET)
        if os.read(file, 1) != b"\n":  # the end of a line that a power cut ate
            data += b"\n"
    try:
        for entry in entries:
            data += line(entry)
            if len(data) > _PIECE:
                _write(file, data)
                data.clear()
        _write(file, data)
        _flush(file)
    except BaseException:
        cut(file, size)
        raise


def cut(file: int, size: int) -> None:
    """Truncate to `size` bytes, if the disk allows it. *writes files*."""
    with suppress(OSError):
        if os.fstat(file).st_size > size:
            os.ftruncate(file, size)
            _flush(file)


def after(file: int, number: int) -> tuple[int, Iterator[Entry]]:
    """The number of the last readable line, 0 if there is none, and the lines after `number`, read one by one. *reads files*."""
    begin = end = os.fstat(file).st_size
    last, block, rest = 0, _BLOCK, b""
    while end:
        size = min(block, end)
        end -= size
        with open(file, "rb", closefd=False) as piece:
            piece.seek(end)
            rest, *lines = (piece.read(size) + rest).split(b"\n")
        if not end:  # this is the first line
            rest, lines = b"", [rest, *lines]
        for raw in reversed(lines):
            entry = parse(raw)
            last = last or (entry.number if entry else 0)
            if entry and entry.number <= number:
                return last, _entries(file, begin)
            begin -= len(raw) + 1
        block = min(2 * block, _PIECE)
    return last, _entries(file, 0)


def _entries(file: int, begin: int) -> Iterator[Entry]:
    with os.fdopen(os.dup(file), "rb") as lines:
        lines.seek(begin)
        yield from filter(None, (parse(raw.rstrip(b"\n")) for raw in lines))


def owner(path: Path) -> str:
    """The ledger named in a journal's first line, "" if that is unreadable. *reads files*. Raises: OSError."""
    with path.open("rb") as file:
        entry = parse(file.readline().rstrip(b"\n"))
    return entry.ledger if entry else ""


def read(path: Path) -> tuple[list[Entry], int]:
    """Every readable entry in order, and the number of unreadable lines; none for a missing journal. *reads files*."""
    lines = [raw for raw in (path.read_bytes() if path.exists() else b"").split(b"\n") if raw]
    entries = [entry for raw in lines if (entry := parse(raw)) is not None]
    return entries, len(lines) - len(entries)


def _write(file: int, data: bytearray) -> None:
    view = memoryview(bytes(data))
    while view:
        view = view[os.write(file, view) :]


def _lock(file: int, end: float) -> None:
    pause = _PAUSE_S
    while fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise
            # Longer and longer, so that many kernels that wait do not keep the one that writes from the processor.
            time.sleep(pause * random.random())  # noqa: S311 - so that they do not all ask at once
            pause = min(2 * pause, _MAX_PAUSE_S)
        except OSError:  # a file system without such locks; SQLite's own keeps two writers apart there
            return
        else:
            return
