"""Rebuilds a damaged ledger from its database and its journal."""

import itertools
import json
import re
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import LedgerError
from seedance_nb._base.faults import typed
from seedance_nb._ledger import database as _database
from seedance_nb._ledger import journal as _journal
from seedance_nb._ledger.journal import Entry
from seedance_nb._ledger.row import COLUMNS, State, row_of
from seedance_nb._ledger.store import Store
from seedance_nb._ledger.transaction import add_event, insert

_TRACES = {  # as a change stands in an event, and where a row begins: with its intent and its kind
    "task_id": re.compile(rb'"task_id": "((?:[^"\\\x00-\x1f]|\\.)+)"'),
    "intent": re.compile(rb'\["(?<=([0-9a-f]{64})\[")'),
}
Columns = dict[str, Any]
Rows = dict[int, Columns]
Events = dict[int, Entry]
_BLANK: Columns = {
    "kind": "[]", "key_fingerprint": "", "spec": "", "base_url": "", "simulated": 0, "digest": "", "take": 1, "body": "{}",
    "state": str(State.UNKNOWN), "word": "", "task_id": "", "outputs": "[]", "error": "", "created": 0.0, "owner": "",
    "unit": "credits", "file": "", "sha256": "", "facts": "", "beside": "",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """The rows and events of a ledger by number, and the figures of a `Repair` about them."""

    ledger: str
    rows: Rows
    events: Events
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """The result of `repair_ledger`. `aside` is the old file's new path; its journal and logs are beside it.

    `rows` counts the rows of the new ledger; `from_database` and `from_journal` those in each file, most of them in both.
    `unreadable` counts damaged lines of the journal; `lost` are the numbers of rows of which only the number is left.
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
            f"The ledger {self.ledger} was repaired and has {self.rows} row{'s' * (self.rows != 1)}.",
            f"Rows in the database: {self.from_database}; in the journal: {self.from_journal}; unreadable journal lines: {self.unreadable}.",
            f"The old files are saved as {self.aside}*.",
            f"Only the number is left of {lost}: check your account before you send a request again." if lost else "",
        )
        return "\n".join(filter(None, lines))


@typed
def repair_ledger(path: str | Path | None = None) -> "Repair":
    """Rebuild a damaged or copied ledger from its database and its journal. *reads files*, *writes files*, *writes ledger*.

    Every task id in either file is in the new ledger, each row in its latest known state; a row whose state is lost is
    `outcome unknown` and is never sent again automatically. The old files are renamed, and nothing is deleted. Kernels that
    use the ledger wait meanwhile and continue with the new file. It also confirms that a copied or restored file is the ledger
    from now on: until then, a copy sends no paid request.

    The parameters:
      path: the ledger file; None for the default ledger.
    Returns: what was found in each file, and where the old files are.
    Raises: LedgerError if there is nothing to rebuild from, or the files cannot be renamed; then nothing has changed.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
    >>> sd.repair_ledger()
    The ledger ...ledger.sqlite3 was repaired and has 1 row.
    Rows in the database: 1; in the journal: 1; unreadable journal lines: 0.
    The old files are saved as ...
    """
    path = _database.real_path(Path(path or _database.default_path()))
    try:
        done = _repair(path)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"The ledger {path} could not be repaired: {error}.", file=str(path)) from None
    Store(path, time.time).transact(lambda _: None)  # which writes the new journal
    return done


def _repair(path: Path) -> "Repair":
    journal = _journal.journal_path(path)
    had_journal = journal.exists()
    with _journal.locked(journal):
        try:
            old = _source(path)
            _database.require_ledger(old)
            found = salvage(old, journal)
            new = path.with_name(f"{path.name}.rebuilt-{time.time_ns()}")
            _database.build(new, path, lambda db: write_rows(db, found))
        except BaseException:
            if not had_journal and not journal.stat().st_size:
                journal.unlink()
            raise
        aside = _swap(path, old, new)
    return Repair(ledger=path, aside=aside, rows=len(found.rows), **found.figures)


def _source(path: Path) -> Path:
    """The damaged file: the ledger, or the file that an interrupted repair has already renamed."""
    if path.exists():
        return path
    newest = max(path.parent.glob(f"{path.name}.damaged-*[0-9]"), default=path)  # its logs' names do not end in a digit
    if newest != path:
        _move_logs(path, newest)
    return newest


def _swap(path: Path, old: Path, new: Path) -> Path:
    # The journal goes last: while the database is missing, it prevents other processes from starting a new ledger.
    aside = old
    if old == path:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{time.time_ns() % 10**9:09}")
        if path.exists():
            path.rename(aside)
        _move_logs(path, aside)
    new.rename(path)
    _database.sync_folder(path.parent)
    _journal.journal_path(path).rename(_journal.journal_path(aside))
    _database.sync_folder(path.parent)
    return aside


def _move_logs(path: Path, aside: Path) -> None:
    for log, target in zip(_database.logs(path), _database.logs(aside), strict=True):
        if not target.exists():
            with suppress(FileNotFoundError):
                log.rename(target)


def salvage(database: Path, journal: Path) -> Salvage:
    """All rows and events in both files, unchanged; journal lines win, unless some are missing. *reads files*."""
    ledger, known, events, is_broken = _read_database(database)
    entries, unreadable = _journal.read(journal)
    entries = _renumbered(ledger, known, events, entries)
    lines = {entry.number: entry for entry in entries}
    newest = {entry.task: entry.number for entry in entries if entry.whole}  # a compacted line stands for all before it
    trust = not unreadable and all(n in lines or n < newest.get(events[n].task, 0) for n in events)
    every = dict(sorted((events | lines).items()))
    by_task: dict[int, list[Entry]] = {}
    for entry in every.values():
        by_task.setdefault(entry.task, []).append(entry)
    last = max(events, default=0)
    rows = {seq: _merged(known.get(seq), by_task.get(seq, []), last, trust=trust) for seq in {*known, *by_task}}
    rescued = list(_search(database, rows.values(), is_broken=is_broken))
    free = (seq for seq in itertools.count(1) if seq not in rows)
    rows |= {next(free): _BLANK | row for row in rescued}
    most = max(rows, default=0)
    expected = most if most < 10 * len(rows) + 1000 else 0  # damage can look like a row of any number
    lost = tuple(seq for seq in range(1, expected + 1) if seq not in rows)
    for seq in lost:
        rows[seq] = _BLANK | {"error": "this row could not be read from the damaged ledger or its journal"}
    for seq, row in rows.items():
        row.update(seq=seq, intent=row.get("intent") or f"not known, {seq}")
    figures: dict[str, Any] = {"unreadable": unreadable, "lost": lost}
    figures |= {"from_database": len(known) + len(rescued), "from_journal": len({entry.task for entry in entries})}
    ledger = entries[-1].ledger if entries else ledger
    return Salvage(ledger=ledger, rows=dict(sorted(rows.items())), events=every, figures=figures)


def write_rows(db: sqlite3.Connection, found: Salvage) -> None:
    """Write the salvaged rows and events to an empty ledger. Raises: ForeignFile if there are none."""
    if not found.rows:
        raise _database.ForeignFile("neither file contains a ledger row; to start a new ledger, move it away yourself")
    if found.ledger:
        db.execute("UPDATE identity SET id = ?", (found.ledger,))
    for seq, row in found.rows.items():
        columns = _BLANK | {name: row[name] for name in _database.known_columns() if row.get(name) is not None}
        alone = columns | {"intent": f"{columns['intent']}, {seq}"}
        essentials = {name: str(alone[name]) for name in ("intent", "spec", "base_url", "body", "task_id", "outputs")}
        why = "the damaged ledger had invalid values in this row"
        # As it is; with an intent of its own, if damage duplicated a request; or only what a person needs of it.
        for attempt in (columns, alone, _BLANK | essentials | {"seq": seq, "error": why}):
            with suppress(sqlite3.IntegrityError):
                insert(db, attempt)
                break
    for entry in found.events.values():
        add_event(db, entry.at, entry.task, entry.columns, entry.number)
    # A row without an event would never reach the journal, and its id would be in one file only.
    bare = "SELECT created, seq, state, task_id FROM tasks WHERE seq NOT IN (SELECT task FROM events)"
    for at, seq, state, task_id in db.execute(bare).fetchall():
        add_event(db, at, seq, {"state": state, "task_id": task_id})


def in_memory(path: Path) -> sqlite3.Connection | None:
    """A ledger in memory with everything readable at `path`, None if that is nothing. *reads files*. Raises: OSError; sqlite3.Error."""
    found = salvage(path, _journal.journal_path(path))
    if not found.rows:
        return None
    db = sqlite3.connect(":memory:", isolation_level=None)
    _database.migrate(db)
    write_rows(db, found)
    return db


def _merged(row: Columns | None, entries: list[Entry], last: int, *, trust: bool) -> Columns:
    """The row after these entries; `row` is the database's, at event `last`."""
    whole = any(entry.whole for entry in entries)
    folded, later = Columns(), Columns()
    for entry in entries:
        folded |= entry.columns
        later |= entry.columns if entry.number > last else {}
    if row is None or (whole and trust):
        both = _BLANK | folded
        if not whole and not (both["task_id"] and both["spec"]):
            both["state"] = str(State.UNKNOWN)
    else:
        both = _BLANK | row | later
        known = folded.get("task_id", "")
        if known and known != both["task_id"]:
            also = f"; the damaged ledger had the id {both['task_id']}" if both["task_id"] else ""
            both |= {"task_id": known, "error": f"{both['error']}{also}", "state": folded.get("state", both["state"])}
    if both["state"] == State.WAITING and not (trust and row and row["state"] == State.WAITING):
        both["state"] = str(State.UNKNOWN)  # that it was sent may be the lost change
        both["error"] = "it may have been sent before the ledger was damaged"
    return both


def _renumbered(ledger: str, known: Rows, events: Events, entries: list[Entry]) -> list[Entry]:
    """The entries, renumbered to follow the database's if they belong to another ledger."""
    intents = {row["intent"] for row in known.values()}
    if not known or not entries or ledger in ("", entries[-1].ledger):
        return entries
    if any(entry.columns.get("intent") in intents for entry in entries):
        return entries
    seq, number = max(known), max(events, default=0)
    return [replace(e, number=e.number + number, ledger=ledger, task=e.task + seq) for e in entries]


def _read_database(path: Path) -> tuple[str, Rows, Events, bool]:
    """The ledger's name, the rows and events that SQLite can read, and whether some rows are unreadable."""
    ledger, rows, events, is_broken = "", Rows(), Events(), True
    for more in ("", "&immutable=1"):  # the second one if no file can be created beside it
        with suppress(*_database.UNREADABLE), closing(_database.read_only(path, more)) as db:
            for identity in _table(db, "identity")[0].values():
                ledger = str(identity["id"])
            for number, event in _table(db, "events")[0].items():
                with suppress(ValueError, TypeError):
                    at, task, columns = float(event["at"]), int(event["task"]), dict(json.loads(event["changes"]))
                    events[number] = Entry(number=number, ledger="", at=at, task=task, whole=False, columns=columns)
            table, is_broken = _table(db, "tasks")
            rows = {seq: sound for seq, row in table.items() if (sound := _usable(row))}
            is_broken |= len(rows) < len(table)
        if rows:
            break
    return ledger, rows, events, is_broken


def _search(path: Path, rows: Collection[Columns], *, is_broken: bool) -> Iterator[Columns]:
    """One column each for ids and intents in the database's raw bytes that are in none of the rows. *reads files*."""
    # Closing a file drops SQLite's locks on it in this process, so a file that SQLite can still use is not opened.
    raw = b""
    for file in (*_database.logs(path)[:1], *[path] * is_broken):
        with suppress(OSError):
            raw += file.read_bytes()
    for name, pattern in _TRACES.items():
        known = {row.get(name) for row in rows}
        for text in dict.fromkeys(pattern.findall(raw)):
            with suppress(ValueError):
                if (value := json.loads(b'"%s"' % text)) not in known:
                    yield {name: value, "error": f"only its {name} could be read from the damaged ledger"}


def _table(db: sqlite3.Connection, name: str) -> tuple[Rows, bool]:
    """The readable rows of a table by number, from both ends if some are unreadable; and whether some are."""
    found, is_broken = Rows(), False
    for order in ("ASC", "DESC"):
        if order == "ASC" or is_broken:
            try:
                cursor = db.execute(f"SELECT rowid AS number, * FROM {name} ORDER BY rowid {order}")  # noqa: S608
                names = [column for column, *_ in cursor.description[1:]]
                for number, *values in cursor:
                    found[number] = dict(zip(names, values, strict=True))
            except _database.UNREADABLE:
                is_broken = True
    return found, is_broken


def _usable(row: Columns) -> Columns | None:
    """The row with a damaged state replaced by `outcome unknown`; None if more of it is damaged."""
    if not (isinstance(row.get("task_id"), str) and isinstance(row.get("intent"), str)):
        return None
    try:
        row_of([row.get(name) for name in COLUMNS])
    except sqlite3.Error:
        return row | {"state": str(State.UNKNOWN), "outputs": "[]", "simulated": 0}
    return row
