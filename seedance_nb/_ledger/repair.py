"""A damaged ledger put aside, and a whole one in its place, made of all that its two files hold."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import LedgerError
from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.carving import carve
from seedance_nb._ledger.database import (
    UNREADABLE,
    ForeignFile,
    build,
    columns_of,
    default_path,
    known_columns,
    migrate,
    must_be_ours,
    read_only,
    real_path,
    sync_folder,
)
from seedance_nb._ledger.journal import Entry
from seedance_nb._ledger.row import State, as_row
from seedance_nb._ledger.store import Books

_LOGS = ("-wal", "-shm", "-journal")
Columns = dict[str, Any]
_BLANK: Columns = {
    "kind": "[]", "key_fingerprint": "", "spec": "", "base_url": "", "simulated": 0, "digest": "", "take": 1, "body": "{}",
    "state": str(State.UNKNOWN), "word": "", "task_id": "", "outputs": "[]", "error": "", "created": 0.0, "owner": "",
    "unit": "credits", "file": "", "sha256": "", "facts": "", "beside": "",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Found:
    """The rows of one ledger by number, and where they came from.

    `events` are number -> (at, task, changes). `unreadable` counts lines of the journal; `lost` are the numbers of rows of
    which neither file has anything.
    """

    ledger: str = ""
    rows: dict[int, Columns] = field(default_factory=dict)
    events: dict[int, tuple[float, int, Columns]] = field(default_factory=dict)
    from_database: int = 0
    from_journal: int = 0
    unreadable: int = 0
    lost: tuple[int, ...] = ()


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


def salvage(database: Path, journal: Path) -> Found:
    """All that both files hold, the later state of each row first. *reads files*; neither is changed.

    Lines of the journal carry a checksum and are believed before the database, unless lines are missing. No id that either
    file holds is left out. A row of which nothing but the number is left is `outcome unknown`.
    """
    entries, unreadable = _journal.read(journal)
    found = _database(database)
    entries = _as_of(found, entries)
    last = max(found.events, default=0)
    told = {entry.number: (entry.at, entry.task, entry.columns) for entry in entries}
    every = found.events | told
    trust = not unreadable and found.events.keys() <= told.keys()
    wholes = {entry.number for entry in entries if entry.whole}
    lines: dict[int, list[Entry]] = {task: [] for _, task, _ in every.values()}
    for number, (at, task, columns) in sorted(every.items()):
        line = Entry(number=number, ledger="", at=at, task=task, whole=number in wholes, columns=columns)
        lines[task].append(line)
    rows = {seq: _united(found.rows.get(seq), lines.get(seq, []), last, trust=trust) for seq in {*found.rows, *lines}}
    for seq, row in rows.items():
        if row["state"] == State.WAITING and not (trust and found.rows.get(seq, {}).get("state") == State.WAITING):
            row["state"] = str(State.UNKNOWN)  # that it was sent since may be what was lost
            row["error"] = "whether it was sent before the ledger was damaged is not known"
    lost = tuple(seq for seq in _numbers(rows) if seq not in rows)
    for seq in lost:
        rows[seq] = _BLANK | {"error": "this row could not be read in the damaged ledger, nor in its journal"}
    for seq, row in rows.items():
        row.update(seq=seq, intent=row.get("intent") or f"not known, {seq}")
    return Found(
        ledger=(entries[-1].ledger if entries else "") or found.ledger,
        rows=dict(sorted(rows.items())),
        events=dict(sorted(every.items())),
        from_database=len(found.rows),
        from_journal=len({entry.task for entry in entries}),
        unreadable=unreadable,
        lost=lost,
    )


def pour(db: sqlite3.Connection, found: Found) -> None:
    """Writes what was found into an empty ledger."""
    known = columns_of(db)
    if found.ledger:
        db.execute("UPDATE identity SET id = ?", (found.ledger,))
    for seq, row in found.rows.items():
        columns = _BLANK | {name: value for name, value in row.items() if name in known and value is not None}
        alone = columns | {"intent": f"{columns['intent']}, {seq}"}
        told = {name: str(alone[name]) for name in ("intent", "spec", "base_url", "body", "task_id", "outputs")}
        why = "the damaged ledger had impossible values in this row"
        # As it is; beside another row of the same request, which damage can look like; at last what a person needs of it.
        for attempt in (columns, alone, _BLANK | told | {"seq": seq, "error": why}):
            marks = ", ".join("?" * len(attempt))
            statement = f"INSERT INTO tasks ({', '.join(attempt)}) VALUES ({marks})"  # noqa: S608
            with suppress(sqlite3.IntegrityError):
                db.execute(statement, tuple(attempt.values()))
                break
    for number, (at, task, changes) in found.events.items():
        values = (number, at, task, json.dumps(changes, ensure_ascii=False))
        db.execute("INSERT INTO events (rowid, at, task, changes) VALUES (?, ?, ?, ?)", values)


def in_memory(path: Path) -> sqlite3.Connection | None:
    """A ledger in memory with all that can be read of the one at `path`, None if that is nothing. *reads files*."""
    found = salvage(path, _journal.place(path))
    if not found.rows:
        return None
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    pour(db, found)
    return db


def _united(row: Columns | None, entries: list[Entry], last: int, *, trust: bool) -> Columns:
    whole = any(entry.whole for entry in entries)
    folded: Columns = {}
    for entry in entries:
        folded |= entry.columns
    if row is None or (whole and trust):
        made = _BLANK | folded
        if not whole and not (made["task_id"] and made["spec"]):
            made["state"] = str(State.UNKNOWN)
        return made
    later: Columns = {}
    for entry in entries:
        later |= entry.columns if entry.number > last else {}
    both = _BLANK | row | later
    known = folded.get("task_id", "")
    if known and known != both["task_id"]:
        also = f"; the damaged ledger had the id {both['task_id']}" if both["task_id"] else ""
        both |= {"task_id": known, "error": f"{both['error']}{also}"}
        both["state"] = folded.get("state", both["state"])
    return both


def _as_of(found: Found, entries: list[Entry]) -> list[Entry]:
    """The entries, numbered on after the database's where they are those of another ledger."""
    if not found.rows or not entries or found.ledger in ("", entries[-1].ledger):
        return entries
    intents = {row.get("intent") for row in found.rows.values()}
    if any(entry.columns.get("intent") in intents for entry in entries):
        return entries
    seq, number = max(found.rows), max(found.events, default=0)
    return [
        Entry(
            number=e.number + number, ledger=found.ledger, at=e.at, task=e.task + seq, whole=e.whole, columns=e.columns
        )
        for e in entries
    ]


def _database(path: Path) -> Found:
    found, is_broken = Found(), True
    for more in ("", "&immutable=1"):  # the second one where no file may be made beside it
        with suppress(*UNREADABLE), closing(read_only(path, more)) as db:
            for identity in _table(db, "identity")[0].values():
                found.ledger = str(identity["id"])
            events, _ = _table(db, "events")
            rows, is_broken = _table(db, "tasks")
            found.rows = {seq: whole for seq, row in rows.items() if (whole := _sound(row))}
            for number, event in events.items():
                with suppress(ValueError, TypeError):
                    found.events[number] = (float(event["at"]), int(event["task"]), dict(json.loads(event["changes"])))
        if found.rows:
            break
    if is_broken:
        carved = dict[int, Columns]()
        for seq, row in carve(path, known_columns()):
            sound = _sound(row)
            if sound and (sound["task_id"] or seq not in carved):  # a copy of an earlier moment may lie about, too
                carved[seq] = sound
        found.rows = carved | found.rows
    return found


def _numbers(rows: dict[int, Columns]) -> range:
    """The numbers that rows should have, as far as they can be believed: damage can look like a row of any number."""
    most = max(rows, default=0)
    return range(1, most + 1 if most < 10 * len(rows) + 1000 else 1)


def _table(db: sqlite3.Connection, name: str) -> tuple[dict[int, Columns], bool]:
    """The rows of a table by number, and whether some are out of reach.

    They are read from the front, then from the back, then one by one where pages between are gone.
    """
    found: dict[int, Columns] = {}
    statement = f"SELECT rowid AS number, * FROM {name}"  # noqa: S608
    is_broken = False
    for order in ("ASC", "DESC"):
        if order == "ASC" or is_broken:
            try:
                found.update(_numbered(db.execute(f"{statement} ORDER BY rowid {order}")))
            except UNREADABLE:
                is_broken = True
    for number in _numbers(found) if is_broken else ():
        if number not in found:
            with suppress(*UNREADABLE):
                found.update(_numbered(db.execute(f"{statement} WHERE rowid = ?", (number,))))
    return found, is_broken


def _numbered(cursor: sqlite3.Cursor) -> Iterator[tuple[int, Columns]]:
    names = [name for name, *_ in cursor.description]
    for values in cursor:
        row = dict(zip(names, values, strict=True))
        yield row.pop("number"), row


def _sound(row: Columns) -> Columns | None:
    """The row as it can be used: where only what it says about its state is damaged, the rest is kept; None for no row."""
    for attempt in (row, row | {"state": str(State.UNKNOWN), "outputs": "[]", "simulated": 0}):
        if isinstance(row.get("task_id"), str) and isinstance(row.get("intent"), str):
            with suppress(sqlite3.Error):
                as_row(_BLANK | dict.fromkeys(known_columns()) | attempt)
                return attempt
    return None
