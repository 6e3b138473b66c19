"""The ledger's tables, and the steps that brought them to the present format."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache

from seedance_nb._ledger.row import FREE_STATES


def migrate(db: sqlite3.Connection) -> None:
    """Brings the tables to the present format, from any older one or from nothing."""
    try:
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            step(db)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def columns_of(db: sqlite3.Connection) -> list[str]:
    """The columns of the table of tasks, in their order. *reads files*."""
    return [name for _, name, *_ in db.execute("PRAGMA table_info(tasks)")]


@cache
def known_columns() -> tuple[str, ...]:
    """The columns that the table of tasks has in the present format. *pure*."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db)
        return tuple(columns_of(db))


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


def _m003(db: sqlite3.Connection) -> None:
    # The ledger's name in its journal. Programs that write no journal must refuse this format.
    db.execute("CREATE TABLE identity (id TEXT NOT NULL) STRICT")
    db.execute("INSERT INTO identity VALUES (lower(hex(randomblob(4))))")


def _m004(db: sqlite3.Connection) -> None:
    free = ", ".join(f"'{state}'" for state in FREE_STATES)
    db.execute("ALTER TABLE tasks ADD COLUMN successor INTEGER")
    db.execute("ALTER TABLE tasks ADD COLUMN balance REAL")
    db.execute("DROP INDEX one_task_per_intent")
    db.execute(
        f"CREATE UNIQUE INDEX one_task_per_intent ON tasks (intent) WHERE state NOT IN ({free}) AND successor IS NULL"
    )


def _m005(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE tasks ADD COLUMN beside TEXT NOT NULL DEFAULT ''")
    db.execute("ALTER TABLE tasks ADD COLUMN dead REAL")


def _m006(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE tasks ADD COLUMN budget REAL")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_m001, _m002, _m003, _m004, _m005, _m006)
