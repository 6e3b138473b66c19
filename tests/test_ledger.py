"""The ledger is durable, private, and lets one intent be one task, whoever asks and however often."""

import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from seedance_nb import LedgerError, spec
from seedance_nb._check import Approved, approve
from seedance_nb._database import default_path
from seedance_nb._ledger import Ledger
from seedance_nb._owner import is_gone, this_process
from seedance_nb._task import Row, State

MODEL = "crun/seedance-2.0-fast-r2v"
BASE = "https://api.crun.ai"


def approved(prompt: str = "x") -> Approved:
    return approve(spec(MODEL), {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "folder" / "ledger.sqlite3")


def claim(ledger: Ledger, prompt: str = "x", **options: Any) -> tuple[Row, bool]:
    chosen: dict[str, Any] = {"base_url": BASE, "simulated": False} | options
    return ledger.claim(approved(prompt), **chosen)


def test_the_same_request_is_the_same_task(ledger: Ledger) -> None:
    first, is_new = claim(ledger)
    again, is_new_again = claim(ledger)
    assert (is_new, is_new_again) == (True, False)
    assert first == again
    assert first.state is State.WAITING


@pytest.mark.parametrize("change", [{"prompt": "y"}, {"take": 2}, {"base_url": "https://api.crunai.com"}])
def test_another_prompt_take_or_place_is_another_task(ledger: Ledger, change: dict[str, Any]) -> None:
    first, _ = claim(ledger)
    other, is_new = claim(ledger, **change)
    assert is_new
    assert other.seq != first.seq


@pytest.mark.parametrize("state", [State.REFUSED, State.UNSENT])
def test_a_request_that_certainly_made_no_task_may_be_sent_again(ledger: Ledger, state: State) -> None:
    first, _ = claim(ledger)
    ledger.update(first.seq, state=state)
    assert claim(ledger)[1]


@pytest.mark.parametrize("state", [state for state in State if state not in (State.REFUSED, State.UNSENT)])
def test_a_request_that_may_have_made_a_task_is_never_new_again(ledger: Ledger, state: State) -> None:
    first, _ = claim(ledger)
    ledger.update(first.seq, state=state)
    row, is_new = claim(ledger)
    assert (row.seq, is_new) == (first.seq, False)


def test_a_task_is_found_by_its_number_its_id_and_its_full_name(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    assert row.name == "#1"
    row = ledger.update(row.seq, task_id="task_9", state=State.QUEUED, accepted=1.5, outputs=("https://a/b.mp4",))
    assert row.name == "crun:task_9"
    assert row.outputs == ("https://a/b.mp4",)
    assert ledger.row("crun:task_9") == ledger.row("task_9") == ledger.row("#1") == ledger.row(1) == row
    assert ledger.row("crun:nothing") is None
    assert ledger.row("vastnum:task_9") is None


def test_only_the_owner_can_read_it(ledger: Ledger) -> None:
    claim(ledger)
    files = list(ledger.path.parent.iterdir())
    assert {file.name for file in files} >= {"ledger.sqlite3", "ledger.sqlite3-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(ledger.path.parent.stat().st_mode) == 0o700


def test_every_connection_writes_ahead_and_waits_for_the_disk(ledger: Ledger) -> None:
    claim(ledger)
    db = ledger._open()
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_every_change_is_also_an_event(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    ledger.update(row.seq, state=State.UNKNOWN, error="why")
    with closing(sqlite3.connect(ledger.path)) as db:
        told = db.execute("SELECT task, changes FROM events ORDER BY rowid").fetchall()
    assert told == [(1, '{"state": "waiting to be sent"}'), (1, '{"state": "outcome unknown", "error": "why"}')]


def test_a_row_of_a_process_that_died_while_sending_becomes_unknown(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    gone = subprocess.run([sys.executable, "-c", "from seedance_nb._owner import this_process; print(this_process())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert is_gone(gone.stdout.strip())
    ledger.update(row.seq, owner=gone.stdout.strip(), state=State.SENDING)
    after, is_new = claim(ledger)
    assert (after.state, is_new) == (State.UNKNOWN, False)
    assert after.charged == "unknown"


def test_a_row_of_a_process_that_died_before_it_sent_anything_is_free(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    ledger.update(row.seq, owner=this_process().rsplit("|", 1)[0] + "|another-start")
    after, is_new = claim(ledger)
    assert (after.state, is_new, after.seq != row.seq) == (State.WAITING, True, True)
    before = ledger.row(row.seq)
    assert before is not None
    assert (before.state, before.charged) == (State.UNSENT, "not charged")


def test_a_living_process_is_not_gone_and_one_elsewhere_cannot_be_seen() -> None:
    assert not is_gone(this_process())
    assert not is_gone(f"another-host|{os.getpid()}|1")
    host = this_process().rsplit("|", 2)[0]
    assert is_gone(f"{host}|{os.getpid()}|another-start")


def _claim_in_child(path: str, gate: Any, queue: Any) -> None:
    gate.wait()
    queue.put(Ledger(Path(path)).claim(approved(), base_url=BASE, simulated=False)[1])


def test_four_kernels_at_once_make_one_task(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate, queue = context.Barrier(4), context.Queue()
    path = str(tmp_path / "race.sqlite3")
    children = [context.Process(target=_claim_in_child, args=(path, gate, queue)) for _ in range(4)]
    for child in children:
        child.start()
    answers = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join(30)
    assert sorted(answers) == [False, False, False, True]


def test_a_broken_file_is_an_error_and_never_an_empty_ledger(ledger: Ledger) -> None:
    claim(ledger)
    ledger.close()
    for file in ledger.path.parent.iterdir():
        file.write_bytes(b"not a database at all" * 500)
    with pytest.raises(LedgerError, match="cannot be used") as refused:
        claim(ledger)
    assert refused.value.file == str(ledger.path)
    assert ledger.path.read_bytes().startswith(b"not a database")


def test_a_ledger_of_a_newer_version_is_left_alone(ledger: Ledger) -> None:
    claim(ledger)
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer version"):
        ledger.rows()


def test_past_times_of_the_same_kind_are_remembered(ledger: Ledger) -> None:
    for number in range(3):
        row, _ = claim(ledger, f"p{number}")
        ledger.update(row.seq, state=State.DONE, accepted=100.0, finished=160.0 + number)
    other, _ = ledger.claim(approve(spec(MODEL), {"prompt": "z", "reference_images": ["https://e.com/a.png"], "duration": 9}),
                            base_url=BASE, simulated=False)  # fmt: skip
    assert ledger.history(row) == (60.0, 61.0, 62.0)
    assert ledger.history(other) == ()


def test_the_place_is_named_by_the_environment_or_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_LEDGER", str(tmp_path / "a.sqlite3"))
    assert default_path() == tmp_path / "a.sqlite3"
    monkeypatch.delenv("SEEDANCE_LEDGER")
    assert default_path().name == "ledger.sqlite3"
    monkeypatch.setenv("SEEDANCE_LEDGER", "postgres://me:hunter22@db/x")
    with pytest.raises(LedgerError) as refused:
        default_path()
    assert "hunter22" not in str(refused.value)


def test_a_file_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE mine (a)")
    file.chmod(0o644)
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="another program"):
        claim(Ledger(file))
    assert file.read_bytes() == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_a_ledger_that_others_could_read_is_made_private(ledger: Ledger) -> None:
    claim(ledger)
    ledger.close()
    ledger.path.chmod(0o644)
    claim(ledger)
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_unresolved_tasks_are_listed_however_many_came_after(ledger: Ledger) -> None:
    lost, _ = claim(ledger, "lost")
    ledger.update(lost.seq, state=State.UNKNOWN)
    for number in range(5):
        row, _ = claim(ledger, f"p{number}")
        ledger.update(row.seq, state=State.DONE)
    assert [row.seq for row in ledger.rows(3)] == [1, 6, 5]


@pytest.mark.parametrize("name", ["", "crun:", "%", "c:task_9", "cru%:task_9", "crun:task_", 10**30, "#", "#x"])
def test_half_a_name_finds_nothing(ledger: Ledger, name: Any) -> None:
    claim(ledger)
    row, _ = claim(ledger, "y")
    ledger.update(row.seq, task_id="task_9")
    assert ledger.row(name) is None


def test_words_with_half_a_character_are_kept_all_the_same(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    assert ledger.update(row.seq, error="bad \ud83d").error == "bad ?"


def test_a_column_that_is_none_cannot_be_changed(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    with pytest.raises(TypeError, match="digest"):
        ledger.update(row.seq, digest="other")
