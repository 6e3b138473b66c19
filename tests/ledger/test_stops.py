"""Stop pressed in the middle of the ledger's work leaves it usable, for this kernel and for every other one."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedance_nb import spec
from seedance_nb._check.check import approve
from seedance_nb._ledger import database
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row

STEPS = ("BEGIN IMMEDIATE", "INSERT INTO tasks", "INSERT INTO events", "COMMIT", "ROLLBACK")


class Interrupting:
    """A connection at one of whose statements Stop is pressed: right after it, as an interpreter does it."""

    def __init__(self, real: sqlite3.Connection, *steps: str) -> None:
        self.real, self.steps = real, list(steps)

    def execute(self, statement: str, *values: Any) -> Any:
        done = self.real.execute(statement, *values)
        if self.steps and statement.startswith(self.steps[0]):
            self.steps.pop(0)
            raise KeyboardInterrupt
        return done

    def __enter__(self) -> None:
        self.real.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.real.rollback() if kind else self.real.commit()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def claim(ledger: Ledger, prompt: str = "x") -> tuple[Row, bool]:
    fields = {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5}
    asked = approve(spec("crun/seedance-2.0-fast-r2v"), fields)
    return ledger.claim(asked, base_url="https://api.crun.ai", simulated=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite3")
    claim(made, "first")
    yield made
    made.close()


def must_be_free(ledger: Ledger) -> None:
    """No transaction is open, whoever asks, and nobody has the journal."""
    with closing(sqlite3.connect(ledger.path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "TURN_S", -1)
        with journal_module.locked(journal_module.journal_path(ledger.path)):
            pass


@pytest.mark.parametrize("step", STEPS[:4])
@pytest.mark.parametrize("act", [lambda ledger: ledger.rows(), claim], ids=["reading", "claiming"])
def test_stop_at_any_statement_leaves_the_ledger_to_everybody(
    ledger: Ledger, step: str, act: Callable[[Ledger], Any]
) -> None:
    books: Any = ledger._store
    real = books._db
    books._db = Interrupting(real, step)
    try:
        act(ledger)
    except KeyboardInterrupt as stop:
        kept = stop  # as a notebook keeps it, with all its frames
        assert kept.__traceback__
        books._db = real
        must_be_free(ledger)
    books._db = real
    must_be_free(ledger)
    assert len(Ledger(ledger.path).rows()) in (1, 2)
    assert claim(ledger, "another")[1]


def test_stop_pressed_twice_also_while_the_first_is_undone_costs_one_transaction(ledger: Ledger) -> None:
    books: Any = ledger._store
    real = books._db
    books._db = Interrupting(real, "BEGIN IMMEDIATE", "ROLLBACK")
    with pytest.raises(KeyboardInterrupt):
        claim(ledger)
    books._db = real
    must_be_free(ledger)
    assert claim(ledger)[1]


def test_a_transaction_that_was_left_open_is_undone_by_the_next_one(ledger: Ledger) -> None:
    books: Any = ledger._store
    books._db.execute("BEGIN IMMEDIATE")
    assert claim(ledger)[1]
    must_be_free(ledger)


def test_stop_while_an_older_ledger_is_brought_up_leaves_no_transaction_open() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for step in ("BEGIN IMMEDIATE", "CREATE TABLE tasks", "PRAGMA user_version = 2"):
            with pytest.raises(KeyboardInterrupt):
                database.migrate(Interrupting(db, step))  # type: ignore[arg-type]
            assert not db.in_transaction
        database.migrate(db)
        assert database.columns_of(db) == list(database.known_columns())
