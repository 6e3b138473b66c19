"""Moves a ledger from its file to a PostgreSQL server: all rows or none, after which the file sends nothing more."""

import itertools
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import LedgerError
from seedance_nb._ledger import database as _database
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import EARLY_STATES, FREE_STATES

_LAST = """coalesce((SELECT json_extract(changes, '$.{0}') FROM events WHERE task = tasks.seq AND instr(changes, '"{0}"')
    ORDER BY events.rowid DESC LIMIT 1), '') AS {0}"""
_QUERY = f"""SELECT tasks.*, person, review, words, {_LAST.format("frame")}, {_LAST.format("film")}
    FROM tasks LEFT JOIN extras ON extras.seq = tasks.seq ORDER BY tasks.seq"""  # noqa: S608 - texts of our own


def move_ledger(url: str = "", path: str | Path | None = None) -> str:
    """What was moved. *reads files*, *network*, *writes ledger*, both. Run again, it continues. Raises: LedgerError; then nothing has changed."""
    if "://" not in url:
        raise LedgerError("No server is named.", next_step="seedance ledger move postgresql://user@host/database")
    source, target = Ledger(path or _database.default_path()), Ledger(url)

    def move(local: Any) -> int:
        local.settle()
        if local.db.execute("SELECT 1 FROM tasks WHERE state IN (?, ?)", EARLY_STATES).fetchone():
            text = f"A request of the ledger {source.place} is being sent at this moment. Nothing was moved."
            raise LedgerError(text, file=source.place, next_step="move it again when the request is sent")
        target._store.transact(lambda remote: _copy(local, remote))  # noqa: SLF001
        _database.write_home(local.db, target.place, 0)
        return int(local.db.execute("SELECT count(*) FROM tasks").fetchone()[0])

    rows = source._store.transact(move)  # noqa: SLF001 - two places of one ledger
    source.close()
    return f"{rows:,} tasks were moved to {target.place}. Set SEEDANCE_LEDGER to it: the old file can be read, but sends nothing more."


def _copy(local: Any, remote: Any) -> None:
    """Insert every row that the server does not have yet, and update those of an earlier try that were not finished then."""
    remote.db.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
    known = dict(remote.db.execute("SELECT coalesce(origin, seq::text), seq FROM tasks").fetchall())
    query = "SELECT intent FROM tasks WHERE successor IS NULL AND state NOT IN (?, ?) AND starts_with(origin, ?) IS NOT true"
    taken = {intent for (intent,) in remote.db.execute(query, (*FREE_STATES, f"{local.ledger}:")).fetchall()}
    used, numbers = {*known.values()}, dict[int | None, int]()
    (last,) = local.db.execute("SELECT coalesce(max(seq), 0) FROM tasks").fetchone()
    free = itertools.count(max(last, *used, 0) + 1)
    for (seq,) in local.db.execute("SELECT seq FROM tasks"):  # which it keeps where it is free
        numbers[seq] = known.get(f"{local.ledger}:{seq}") or (next(free) if seq in used else seq)
    cursor = local.db.execute(_QUERY)
    names = [*(name for name, *_ in cursor.description), "origin"]
    sets = ", ".join(f"{name} = excluded.{name}" for name in names if name not in ("seq", "origin"))
    statement = f"""INSERT INTO tasks ({", ".join(names)}) VALUES ({", ".join("?" * len(names))})
        ON CONFLICT (origin) DO UPDATE SET {sets} WHERE tasks.finished IS NULL"""  # noqa: S608 - names of our own
    while found := cursor.fetchmany(500):
        with remote.db.pipeline():
            for values in found:
                row = dict(zip(names, values, strict=False))
                row["origin"] = f"{local.ledger}:{row['seq']}"
                if row["intent"] in taken and row["state"] not in FREE_STATES and row["successor"] is None:
                    row["intent"] += f", {row['origin']}"  # one intent is one task: it was sent from both ledgers
                row |= {name: numbers.get(row[name], row[name]) for name in ("seq", "successor")}
                remote.db.execute(statement, [*row.values()])
    most = max(last, *used, *numbers.values(), 1)
    remote.db.execute("SELECT setval(pg_get_serial_sequence('tasks', 'seq'), ?)", (most,))
