"""The ledger is durable, private, and lets one intent be one task, whoever asks and however often."""

import errno
import json
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
from support.claims import BASE, MODEL, approved, backend, claim

from seedance_nb import LedgerError, repair_ledger, spec
from seedance_nb._check.check import approve
from seedance_nb._ledger import database as database_module
from seedance_nb._ledger.database import default_path
from seedance_nb._ledger.ledger import Ledger, person
from seedance_nb._ledger.process import is_gone, this_process
from seedance_nb._ledger.row import Row, State


@pytest.fixture(params=["WAL", "DELETE"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a local disk and how a network's file system are written to; what a ledger promises holds in both."""
    monkeypatch.setattr(database_module, "journal_mode", lambda _: request.param)
    return str(request.param)


@pytest.fixture
def file_ledger(tmp_path: Path, mode: str) -> Ledger:
    assert mode in ("WAL", "DELETE")
    return Ledger(tmp_path / "folder" / "ledger.sqlite3")


@pytest.fixture(params=["WAL", "DELETE", "server"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """One in a file or on a server: what follows holds for both, except where a test asks for `file_ledger`."""
    if request.param == "server":
        found: Ledger = request.getfixturevalue("server_ledger")
        return found
    monkeypatch.setattr(database_module, "journal_mode", lambda _: request.param)
    return Ledger(tmp_path / "folder" / "ledger.sqlite3")


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
    assert row.name == f"#1-{row.mark}"
    assert ledger.row(row.name) == row
    assert ledger.row("#1-0000" if row.mark != "0000" else "#1-0001") is None
    row = ledger.update(row.seq, task_id="task_9", state=State.QUEUED, accepted=1.5, outputs=("https://a/b.mp4",))
    assert row.name == "crun:task_9"
    assert row.outputs == ("https://a/b.mp4",)
    assert ledger.row("crun:task_9") == ledger.row("task_9") == ledger.row("#1") == ledger.row(1) == row
    assert ledger.row("crun:nothing") is None
    assert ledger.row("vastnum:task_9") is None


def test_only_the_owner_can_read_it(file_ledger: Ledger, mode: str) -> None:
    claim(file_ledger)
    files = list(file_ledger.path.parent.iterdir())
    wal = {"ledger.sqlite3-wal"} if mode == "WAL" else set()
    assert {file.name for file in files} >= {"ledger.sqlite3", "ledger.sqlite3.journal.jsonl"} | wal
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(file_ledger.path.parent.stat().st_mode) == 0o700


def test_every_connection_waits_for_the_disk_also_after_a_reopening(file_ledger: Ledger, mode: str) -> None:
    # In DELETE mode the commit is a removed file, so the folder must be on the disk too: 3 is EXTRA.
    for _ in range(2):
        claim(file_ledger)
        db = backend(file_ledger)._open()
        assert db.execute("PRAGMA journal_mode").fetchone() == (mode.lower(),)
        assert db.execute("PRAGMA synchronous").fetchone() == (2 if mode == "WAL" else 3,)
        file_ledger.close()


def _level_in_child(ledger: Ledger, queue: Any) -> None:
    claim(ledger, "from the child")
    queue.put(backend(ledger)._open().execute("PRAGMA synchronous").fetchone()[0])


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_a_connection_of_its_own_that_waits_too(file_ledger: Ledger, mode: str) -> None:
    claim(file_ledger)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_level_in_child, args=(file_ledger, queue))
    child.start()
    assert queue.get(timeout=30) == (2 if mode == "WAL" else 3)
    child.join(30)
    assert len(file_ledger.rows()) == 2


def test_every_change_is_also_an_event(file_ledger: Ledger) -> None:
    row, _ = claim(file_ledger)
    file_ledger.update(row.seq, state=State.UNKNOWN, error="why")
    with closing(sqlite3.connect(file_ledger.path)) as db:
        told = db.execute("SELECT task, changes FROM events ORDER BY rowid").fetchall()
    begun = json.dumps({"state": "waiting to be sent", "person": person()})
    assert told == [(1, begun), (1, '{"state": "outcome unknown", "error": "why"}')]


def test_a_row_of_a_process_that_died_while_sending_becomes_unknown(file_ledger: Ledger) -> None:
    row, _ = claim(file_ledger)
    gone = subprocess.run([sys.executable, "-c", "from seedance_nb._ledger.process import this_process; print(this_process())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert is_gone(gone.stdout.strip())
    file_ledger.update(row.seq, owner=gone.stdout.strip(), state=State.SENDING)
    after, is_new = claim(file_ledger)
    assert (after.state, is_new) == (State.UNKNOWN, False)
    assert after.charged == "unknown"


def test_a_row_of_a_process_that_died_before_it_sent_anything_is_free(file_ledger: Ledger) -> None:
    row, _ = claim(file_ledger)
    file_ledger.update(row.seq, owner=this_process().rsplit("|", 1)[0] + "|another-start")
    after, is_new = claim(file_ledger)
    assert (after.state, is_new, after.seq != row.seq) == (State.WAITING, True, True)
    before = file_ledger.row(row.seq)
    assert before is not None
    assert (before.state, before.charged) == (State.UNSENT, "not charged")


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


def test_a_broken_file_is_an_error_and_never_an_empty_ledger(file_ledger: Ledger) -> None:
    claim(file_ledger)
    file_ledger.close()
    for file in file_ledger.path.parent.iterdir():
        file.write_bytes(b"not a database at all" * 500)
    with pytest.raises(LedgerError, match="cannot be used") as refused:
        claim(file_ledger)
    assert refused.value.file == str(file_ledger.path)
    assert file_ledger.path.read_bytes().startswith(b"not a database")


def test_a_ledger_of_a_newer_version_is_left_alone(file_ledger: Ledger) -> None:
    claim(file_ledger)
    file_ledger.close()
    with closing(sqlite3.connect(file_ledger.path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer version"):
        file_ledger.rows()


def test_past_times_of_the_same_kind_are_remembered(ledger: Ledger) -> None:
    for number in range(3):
        row, _ = claim(ledger, f"p{number}")
        ledger.update(row.seq, state=State.DONE, accepted=100.0, finished=160.0 + number)
    other, _ = ledger.claim(approve(spec(MODEL), {"prompt": "z", "reference_images": ["https://e.com/a.png"], "duration": 9}),
                            base_url=BASE, simulated=False)  # fmt: skip
    assert ledger.history(row) == (60.0, 61.0, 62.0)
    assert ledger.history(other) == ()


def test_a_clock_set_back_or_a_year_forward_teaches_nothing_about_how_long_tasks_take(ledger: Ledger) -> None:
    year = 365 * 86400.0
    for number, took in enumerate([60.0, -year, year, -3600.0, 0.0, 61.0]):
        row, _ = claim(ledger, f"p{number}")
        ledger.update(row.seq, state=State.DONE, accepted=2 * year, finished=2 * year + took)
    assert ledger.history(row) == (60.0, 61.0)


@pytest.mark.parametrize("jump", [-365 * 86400.0, 365 * 86400.0, -3600.0])
def test_rows_stand_in_the_order_in_which_they_were_made_whatever_the_clock_says(tmp_path: Path, jump: float) -> None:
    hands = iter([1e9, 1e9 + 1, *(1e9 + jump + more for more in range(20))])
    ledger = Ledger(tmp_path / "l.sqlite3", now=lambda: next(hands))
    for number in range(3):
        row, _ = claim(ledger, f"p{number}")
        ledger.update(row.seq, state=State.QUEUED, task_id=f"t{number}")
    assert [row.task_id for row in ledger.rows()] == ["t2", "t1", "t0"]
    assert not claim(ledger, "p0")[1]  # a year later the same request is still the same task


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


def test_a_ledger_that_others_could_read_is_made_private(file_ledger: Ledger) -> None:
    claim(file_ledger)
    file_ledger.close()
    file_ledger.path.chmod(0o644)
    claim(file_ledger)
    assert stat.S_IMODE(file_ledger.path.stat().st_mode) == 0o600


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


def test_words_with_half_a_character_are_saved_all_the_same(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    assert ledger.update(row.seq, error="bad \ud83d").error == "bad ?"


def test_a_column_that_is_none_cannot_be_changed(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    with pytest.raises(TypeError, match="digest"):
        ledger.update(row.seq, digest="other")


def freed_and_sent_anew(ledger: Ledger) -> tuple[Row, Row]:
    """A row that counts as not sent, though its request is still in the air, and the row of the same request sent anew."""
    late, _ = claim(ledger)
    ledger.update(late.seq, state=State.UNSENT)
    anew, is_new = claim(ledger)
    assert is_new
    return late, ledger.update(anew.seq, state=State.SENDING)


def must_have_both(ledger: Ledger) -> None:
    assert {row.task_id: row.state for row in ledger.rows()} == {"late": State.QUEUED, "anew": State.QUEUED}
    assert not ledger.trouble
    assert claim(ledger)[0].task_id == "anew"
    assert claim(ledger, "an unrelated one")[1]
    assert not claim(ledger)[1]


def test_a_request_that_was_taken_after_it_was_sent_anew_keeps_its_id_beside_the_new_one(ledger: Ledger) -> None:
    late, anew = freed_and_sent_anew(ledger)
    ledger.update(late.seq, state=State.QUEUED, task_id="late", accepted=1.0)
    ledger.update(anew.seq, state=State.QUEUED, task_id="anew", accepted=2.0)
    must_have_both(ledger)


def test_a_late_id_that_only_the_journal_has_comes_into_the_database_too(file_ledger: Ledger) -> None:
    late, anew = freed_and_sent_anew(file_ledger)
    file_ledger.update(anew.seq, state=State.QUEUED, task_id="anew", accepted=2.0)
    changes = {"state": "queued", "task_id": "late", "accepted": 1.0}
    assert "its journal" in backend(file_ledger).save_elsewhere(late.seq, None, changes, is_certain=True)
    must_have_both(Ledger(file_ledger.path))


def test_a_late_id_is_kept_also_where_the_ledger_is_rebuilt(file_ledger: Ledger) -> None:
    late, anew = freed_and_sent_anew(file_ledger)
    file_ledger.update(late.seq, state=State.QUEUED, task_id="late", accepted=1.0)
    file_ledger.update(anew.seq, state=State.QUEUED, task_id="anew", accepted=2.0)
    repair_ledger(file_ledger.path)
    must_have_both(file_ledger)


@pytest.mark.parametrize("spelling", ["../folder/ledger.sqlite3", "linked/ledger.sqlite3", "linked.sqlite3"])
def test_two_spellings_of_a_place_are_one_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    home = tmp_path / "folder"
    home.mkdir()
    (home / "linked").symlink_to(home)
    (home / "linked.sqlite3").symlink_to(home / "ledger.sqlite3")
    monkeypatch.chdir(home)
    plain, other = Ledger(Path("ledger.sqlite3")), Ledger(Path(spelling))
    assert plain.path == other.path == home / "ledger.sqlite3"
    assert claim(plain)[1]
    assert not claim(other)[1]
    assert len(list(home.glob("*.jsonl"))) == 1


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_ledger_without_file_descriptors_raises_its_own_error_and_works_afterwards(
    file_ledger: Ledger, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    row, _ = claim(file_ledger)
    file_ledger.close()
    steps, opened = iter(range(100)), os.open

    def exhausted(*arguments: Any, **options: Any) -> Any:
        if next(steps) >= left:
            raise OSError(errno.EMFILE, "Too many open files")
        return opened(*arguments, **options)

    def exhausted_reading(_: Path) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", exhausted)
        patch.setattr("seedance_nb._ledger.database.connect", exhausted_reading)
        patch.setattr("seedance_nb._ledger.journal.read", exhausted_reading)
        for call in (
            file_ledger.rows,
            file_ledger.count,
            lambda: file_ledger.row(row.seq),
            lambda: file_ledger.update(row.seq, error="x"),
        ):
            with pytest.raises(LedgerError, match="Too many open files"):
                call()
    assert file_ledger.rows() == [row]
