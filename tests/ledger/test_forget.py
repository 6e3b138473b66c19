"""Removing a request from both files of a ledger: whatever stops it, the ledger stays whole and it can be done again."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.claims import claim

from seedance_nb import LedgerError
from seedance_nb._ledger import journal
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State

WORDS = "zebra finch sings"
STEPS = (
    "SELECT rowid, changes",
    "UPDATE events",
    "UPDATE tasks",
    "COMMIT",
    "VACUUM",
    "PRAGMA wal_checkpoint",
    "BEGIN IMMEDIATE",
)
FORGET = """
import os, sys
from pathlib import Path
from seedance_nb._ledger.ledger import Ledger

class Dying:
    def __init__(self, real, step):
        self.real, self.step = real, step
    def execute(self, statement, *values):
        done = self.real.execute(statement, *values)
        if statement.startswith(self.step) and self.is_scrubbing():
            os._exit(7)
        return done
    def is_scrubbing(self):
        frame = sys._getframe(2)
        while frame and frame.f_code.co_name != "scrub":
            frame = frame.f_back
        return frame is not None
    def __getattr__(self, name):
        return getattr(self.real, name)

ledger = Ledger(Path(sys.argv[1]))
row = next(row for row in ledger.rows() if "zebra" in row.body)
ledger._store._db = Dying(ledger._store._db, sys.argv[2])
ledger.forget(row, files=True)
"""
WRITE = """
import sys
from pathlib import Path
from seedance_nb._ledger.ledger import Ledger

ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(60):
    ledger.update(int(sys.argv[2]), progress=float(number))
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.sqlite3")
    yield made
    made.close()


def two(ledger: Ledger) -> tuple[Row, Row]:
    """A finished row with the words, and another one."""
    other, _ = claim(ledger, prompt="a cat")
    row, _ = claim(ledger, prompt=WORDS)
    return ledger.update(row.seq, state=State.DONE, task_id="task_1", error=f"about {WORDS}", file="/v/a.mp4"), other


def run(code: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())


def has_words(ledger: Ledger) -> list[str]:
    return [path.name for path in sorted(ledger.path.parent.iterdir()) if WORDS.encode() in path.read_bytes()]


def is_whole(ledger: Ledger) -> bool:
    """Whether the journal alone has every row of the database as it is there, up to its last event."""
    ledger.rows()
    with closing(sqlite3.connect(ledger.path)) as db:
        db.row_factory = sqlite3.Row
        rows = {row["seq"]: dict(row) for row in db.execute("SELECT * FROM tasks")}
        (last,) = db.execute("SELECT max(rowid) FROM events").fetchone()
    entries, unreadable = journal.read(journal.journal_path(ledger.path))
    alone = dict[int, dict[str, Any]]()
    for entry in entries:
        alone[entry.task] = alone.get(entry.task, {}) | entry.columns
    alone = {seq: {name: row[name] for name in rows[seq]} for seq, row in alone.items()}
    return not unreadable and entries[-1].number == last and alone == rows


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_dies_at_any_statement_leaves_a_whole_ledger(ledger: Ledger, step: str) -> None:
    row, other = two(ledger)
    assert has_words(ledger), "they were there"
    ledger.close()
    child = run(FORGET, ledger.path, step)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 7, said
    assert is_whole(ledger)
    assert ledger.refreshed(other) == other
    assert (ledger.refreshed(row).state, ledger.refreshed(row).task_id) == (State.DONE, "task_1")
    ledger.forget(row, files=True)
    assert has_words(ledger) == []
    assert is_whole(ledger)


def test_what_another_process_writes_meanwhile_is_lost_in_neither_file(ledger: Ledger) -> None:
    row, other = two(ledger)
    child = run(WRITE, ledger.path, other.seq)
    assert child.stdout
    assert child.stdout.readline() == "ready\n"
    for _ in range(5):
        ledger.forget(row, files=False)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 0, said
    assert ledger.refreshed(other).progress == 59
    assert has_words(ledger) == []
    assert is_whole(ledger)


def test_a_row_of_another_ledger_at_this_path_is_not_touched(ledger: Ledger) -> None:
    row, _ = two(ledger)
    ledger.close()
    for file in ledger.path.parent.glob("ledger.sqlite3*"):
        file.unlink()
    young, _ = two(ledger)
    with pytest.raises(LedgerError, match="no longer has task"):
        ledger.forget(row, files=True)
    assert ledger.refreshed(young) == young


def test_without_its_files_a_row_keeps_their_names(ledger: Ledger) -> None:
    row, _ = two(ledger)
    ledger.forget(row, files=False)
    after: Any = ledger.refreshed(row)
    assert (after.file, after.is_forgotten, after.error) == ("/v/a.mp4", True, "")
