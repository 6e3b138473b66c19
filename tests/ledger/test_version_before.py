"""What 0.1 has written is read by every later version: `corpora/ledger_0_1` was made by that version and is not made anew.

Its ledger was put back from a copy, so that its journal is ahead by one task, as after a power cut. `rows.json` is what 0.1
itself read in it, without the sentence that was written while it was read.
"""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.claims import claim

import seedance_nb as sd
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

WRITTEN = Path(__file__).parents[1] / "corpora" / "ledger_0_1"
NAME = "ledger_0_1.db"
JOURNAL = f"{NAME}.journal.jsonl"
ROWS: list[dict[str, Any]] = json.loads((WRITTEN / "rows.json").read_text(encoding="utf-8"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    for name in (NAME, JOURNAL):
        shutil.copyfile(WRITTEN / name, tmp_path / name)
    opened = Ledger(tmp_path / NAME)
    yield opened
    opened.close()


def test_every_row_of_an_older_ledger_is_read_as_that_version_read_it(ledger: Ledger) -> None:
    rows = sorted(ledger.rows(), key=lambda row: row.seq)
    assert not ledger.trouble
    read = [json.loads(json.dumps(asdict(row))) for row in rows]
    assert [{name: row[name] for name in old} for row, old in zip(read, ROWS, strict=True)] == ROWS


def test_a_task_that_only_an_older_journal_has_is_taken_from_it(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (len(ROWS) - 1,)  # the control
    found = ledger.row("crun:task_7")
    assert found is not None
    assert found.state is State.QUEUED


def test_no_request_that_an_older_version_may_have_paid_for_is_sent_again(ledger: Ledger) -> None:
    assert [claim(ledger, prompt)[0].seq for prompt in ("p1", "p3", "p6", "p7")] == [1, 4, 6, 7]
    assert ledger.count() == len(ROWS)
    assert claim(ledger, 'p2 狐 🦊 "quoted"', take=2)[1]  # the control: that one was refused
    assert not claim(ledger, 'p2 狐 🦊 "quoted"', take=2)[1]


@pytest.mark.parametrize("missing", [NAME, JOURNAL])
def test_either_of_an_older_ledger_s_two_files_is_enough_for_a_repair(ledger: Ledger, missing: str) -> None:
    ledger.count()
    ledger.close()
    (ledger.path.parent / missing).unlink()
    sd.repair_ledger(ledger.path)
    assert {row.task_id: row.state for row in ledger.rows() if row.task_id} == {
        row["task_id"]: row["state"] for row in ROWS if row["task_id"]
    }


def test_the_lines_of_an_older_journal_are_written_as_they_were() -> None:
    lines = (WRITTEN / JOURNAL).read_bytes().splitlines(keepends=True)
    entries = [journal_module.parse(raw.rstrip(b"\n")) for raw in lines]
    assert [journal_module.line(entry) for entry in entries if entry] == lines


def test_an_older_preset_is_loaded_and_saved_as_it_was(tmp_path: Path) -> None:
    form = sd.form("crun/seedance-2.0-i2v")
    form.load(WRITTEN / "preset.json")
    assert form.values == json.loads((WRITTEN / "preset.json").read_text(encoding="utf-8"))["values"]
    assert form.is_valid
    assert form.save(tmp_path / "again.json").read_bytes() == (WRITTEN / "preset.json").read_bytes()
