"""A damaged ledger stops new requests, still shows what it holds, and is made whole again without losing an id."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb.__main__ import main
from seedance_nb._check.check import Approved, approve
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.repair import repair_ledger, salvage
from seedance_nb._ledger.row import Row, State

MODEL, BASE = "crun/seedance-2.0-fast-r2v", "https://api.crun.ai"
TRIALS, TASKS = 200, 40
LEDGER = "ledger.sqlite3"
JOURNAL = f"{LEDGER}.journal.jsonl"
FINAL = {**dict.fromkeys(range(1, TASKS + 1), State.DONE), TASKS: State.UNKNOWN, TASKS - 1: State.REFUSED}


def approved(prompt: str) -> Approved:
    return approve(sd.spec(MODEL), {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5})


def claim(ledger: Ledger, prompt: str) -> tuple[Row, bool]:
    return ledger.claim(approved(prompt), base_url=BASE, simulated=False)


def fill(ledger: Ledger, first: int, last: int) -> None:
    for number in range(first, last + 1):
        row, _ = claim(ledger, f"p{number}")
        if FINAL[number] is not State.DONE:
            ledger.update(row.seq, state=FINAL[number], error="why")
            continue
        ledger.update(row.seq, state=State.QUEUED, task_id=f"task_{number}", accepted=1.0)
        ledger.update(row.seq, state=State.DONE, outputs=(f"https://example.com/{number}.mp4",), finished=9.0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger of 40 tasks, some of them still in the write-ahead log, as a crash leaves it."""
    folder = tmp_path_factory.mktemp("kept")
    ledger = Ledger(folder / "live" / LEDGER)
    fill(ledger, 1, 30)
    ledger.close()
    fill(ledger, 31, TASKS)
    shutil.copytree(folder / "live", folder / "crashed")
    (folder / "crashed" / f"{LEDGER}-shm").unlink()
    ledger.close()
    assert (folder / "crashed" / f"{LEDGER}-wal").stat().st_size > 0
    return folder / "crashed"


@pytest.fixture(scope="module")
def closed(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, closed in peace: all rows in the one file."""
    folder = tmp_path_factory.mktemp("closed") / "closed"
    shutil.copytree(kept, folder)
    ledger = Ledger(folder / LEDGER)
    ledger.rows()
    ledger.close()
    assert not (folder / f"{LEDGER}-wal").exists()
    return folder


def ids(rows: list[Row]) -> set[str]:
    return {row.task_id for row in rows if row.task_id}


IDS = {f"task_{number}" for number in range(1, TASKS - 1)}


def flip(file: Path, rng: random.Random) -> None:
    raw = bytearray(file.read_bytes())
    at = rng.randrange(len(raw))
    for place in range(at, min(at + rng.choice([1, 1, 8, 600]), len(raw))):
        raw[place] ^= rng.randrange(1, 256)
    file.write_bytes(raw)


def cut(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(file.stat().st_size))


def zero(file: Path, rng: random.Random) -> None:
    raw = bytearray(file.read_bytes())
    at = rng.randrange(len(raw))
    end = min(at + rng.choice([512, 4096, len(raw)]), len(raw))
    raw[at:end] = bytes(end - at)
    file.write_bytes(raw)


DAMAGE: tuple[Callable[[Path, random.Random], None], ...] = (flip, flip, cut, zero)


def damaged(source: Path, folder: Path, names: tuple[str, ...], rng: random.Random) -> Ledger:
    shutil.copytree(source, folder)
    for name in names:
        rng.choice(DAMAGE)(folder / name, rng)
    return Ledger(folder / LEDGER)


def resendable(ledger: Ledger) -> list[int]:
    """The tasks that may have cost money and that a second press of the button would send again."""
    return [number for number, state in FINAL.items() if state is not State.REFUSED and claim(ledger, f"p{number}")[1]]


def tried(ledger: Ledger) -> tuple[bool, str]:
    """Whether a request that was paid for would go out once more, and what the ledger says against it."""
    try:
        return claim(ledger, "p1")[1], ""
    except sd.LedgerError as error:
        return False, str(error)


def mended(ledger: Ledger) -> list[Row]:
    repair_ledger(ledger.path)
    return ledger.rows(1000)


@pytest.mark.parametrize("state", ["kept", "closed"])
def test_no_damage_to_the_database_makes_an_empty_ledger_or_a_second_payment_or_loses_an_id(
    state: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(f"database {state}")
    source = request.getfixturevalue(state)
    empty, lost_ids, unread, sent_again, refused, wrong, helpless = 0, 0, 0, 0, 0, 0, 0
    for trial in range(TRIALS // 2):
        names = (LEDGER,) if state == "closed" or trial % 2 else (f"{LEDGER}-wal",)
        ledger = damaged(source, tmp_path / str(trial), names, rng)
        again, told = tried(ledger)
        sent_again += again
        refused += bool(told)
        helpless += told != "" and ("repair_ledger()" not in told or "Nothing is sent" not in told)
        seen = ledger.rows(1000)
        empty += not seen
        unread += ids(seen) != IDS
        after = mended(ledger)
        lost_ids += ids(after) != IDS
        wrong += {row.seq: row.state for row in after} != FINAL
        sent_again += len(resendable(ledger)) if trial % 10 == 0 else 0
        ledger.close()
        shutil.rmtree(tmp_path / str(trial))
    assert (empty, unread, lost_ids, wrong, sent_again, helpless) == (0, 0, 0, 0, 0, 0)
    assert refused >= TRIALS // 20  # the control: it was damage that a ledger notices


def test_no_damage_to_the_journal_alone_changes_what_the_ledger_knows(closed: Path, tmp_path: Path) -> None:
    rng = random.Random("journal")
    lost_ids, wrong, sent_again, hurt = 0, 0, 0, 0
    for trial in range(TRIALS // 2):
        ledger = damaged(closed, tmp_path / str(trial), (JOURNAL,), rng)
        hurt += journal_module.read(tmp_path / str(trial) / JOURNAL)[1] > 0
        before = ledger.rows(1000)
        after = mended(ledger)
        lost_ids += ids(before) != IDS or ids(after) != IDS
        wrong += {row.seq: row.state for row in after} != FINAL
        sent_again += len(resendable(ledger)) if trial % 10 == 0 else 0
        assert journal_module.read(tmp_path / str(trial) / JOURNAL)[1] == 0
        ledger.close()
        shutil.rmtree(tmp_path / str(trial))
    assert (lost_ids, wrong, sent_again) == (0, 0, 0)
    assert hurt > TRIALS // 4


def holds(source: Path, name: str, word: str) -> bool:
    return any(
        word.encode() in (source / part).read_bytes() for part in (name, f"{name}-wal") if (source / part).exists()
    )


def test_with_both_files_damaged_in_one_place_each_no_id_is_lost(closed: Path, tmp_path: Path) -> None:
    rng = random.Random("both")
    lost: list[str] = []
    for trial in range(TRIALS):
        folder = tmp_path / str(trial)
        shutil.copytree(closed, folder)
        for name in (LEDGER, JOURNAL):
            flip(folder / name, rng)
        left = {word for word in IDS if holds(folder, LEDGER, f"{word}[") or _in_a_line(folder / JOURNAL, word)}
        rows = mended(Ledger(folder / LEDGER))
        told = " ".join(f"{row.task_id} {row.error}" for row in rows).split()
        lost += [word for word in left if word not in told]
        assert all(row.state is State.UNKNOWN for row in rows if not row.spec)
        shutil.rmtree(folder)
    assert lost == []


def _in_a_line(file: Path, word: str) -> bool:
    return any(entry.columns.get("task_id") == word for entry in journal_module.read(file)[0])


def read_plainly(folder: Path) -> set[str]:
    """The ids that SQLite and the sound lines of the journal give to somebody who does not look any further."""
    found = {str(entry.columns.get("task_id") or "") for entry in journal_module.read(folder / JOURNAL)[0]}
    with suppress(sqlite3.Error), closing(sqlite3.connect(folder / LEDGER)) as db:
        found |= {task_id for (task_id,) in db.execute("SELECT task_id FROM tasks")}
    return found - {""}


def test_ids_in_a_file_that_sqlite_cannot_open_are_found_in_its_bytes_and_never_sent_again(
    closed: Path, tmp_path: Path
) -> None:
    shutil.copytree(closed, tmp_path / "l")
    (tmp_path / "l" / JOURNAL).unlink()
    with (tmp_path / "l" / LEDGER).open("r+b") as file:
        file.write(bytes(4096))
    assert read_plainly(tmp_path / "l") == set()  # the control
    ledger = Ledger(tmp_path / "l" / LEDGER)
    after = mended(ledger)
    assert ids(after) == IDS
    assert {row.state for row in after} == {State.UNKNOWN}
    assert resendable(ledger) == []
    ledger.close()
    ledger.path.unlink()  # by now the new journal has them, too
    assert ids(mended(ledger)) == IDS
    assert resendable(ledger) == []


def test_with_the_log_and_the_journal_damaged_no_id_that_was_only_in_them_is_lost(kept: Path, tmp_path: Path) -> None:
    rng = random.Random("log and journal")
    lost, lost_plainly = 0, 0
    for trial in range(TRIALS // 10):
        folder = tmp_path / str(trial)
        ledger = damaged(kept, folder, (), rng)
        flip(folder / f"{LEDGER}-wal", rng)
        cut(folder / JOURNAL, rng)
        shutil.copytree(folder, tmp_path / "copy", dirs_exist_ok=True)
        lost_plainly += read_plainly(tmp_path / "copy") != IDS
        lost += ids(mended(ledger)) != IDS
        shutil.rmtree(tmp_path / "copy")
    assert lost == 0
    assert lost_plainly > 0  # the control


@pytest.mark.parametrize("left", [b"", b"\0" * 8192, b"not a database at all" * 500, None])
def test_a_file_that_is_emptied_zeroed_overwritten_or_gone_is_never_a_new_ledger(
    left: bytes | None, kept: Path, tmp_path: Path
) -> None:
    ledger = damaged(kept, tmp_path / "l", (), random.Random(1))
    for name in (LEDGER, f"{LEDGER}-wal"):
        file = tmp_path / "l" / name
        file.unlink()
        if left is not None and name == LEDGER:
            file.write_bytes(left)
    for _ in range(2):
        with pytest.raises(sd.LedgerError, match="Nothing is sent without it"):
            claim(ledger, "another")
    assert ids(ledger.rows(1000)) == IDS
    assert ledger.trouble
    found = ledger.row("crun:task_7")
    assert found is not None
    assert found.state is State.DONE
    assert {row.seq: row.state for row in mended(ledger)} == FINAL
    assert not ledger.trouble
    assert resendable(ledger) == []


def test_a_naive_client_begins_anew_where_the_file_was_emptied(kept: Path, tmp_path: Path) -> None:
    damaged(kept, tmp_path / "l", (), random.Random(1))
    for name in (LEDGER, f"{LEDGER}-wal"):
        os.truncate(tmp_path / "l" / name, 0)
    with closing(sqlite3.connect(tmp_path / "l" / LEDGER)) as db:
        db.execute("CREATE TABLE IF NOT EXISTS tasks (seq INTEGER PRIMARY KEY)")
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (0,)  # the control: silently empty


def test_an_emptied_file_without_a_journal_is_not_taken_for_a_new_ledger_either(tmp_path: Path) -> None:
    (tmp_path / LEDGER).touch()
    ledger = Ledger(tmp_path / LEDGER)
    with pytest.raises(sd.LedgerError, match=r"empty \(0 bytes\)"):
        claim(ledger, "x")
    with pytest.raises(sd.LedgerError, match="neither file contains a ledger row"):
        repair_ledger(tmp_path / LEDGER)
    assert [file.name for file in tmp_path.iterdir()] == [LEDGER]


def test_a_lost_write_ahead_log_is_made_good_from_the_journal(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "l")
    (tmp_path / "l" / f"{LEDGER}-wal").unlink()
    with closing(sqlite3.connect(tmp_path / "l" / LEDGER)) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone()[0] < TASKS  # the control: it did lose rows
    ledger = Ledger(tmp_path / "l" / LEDGER)
    assert {row.seq: row.state for row in ledger.rows(1000)} == FINAL
    assert not ledger.trouble


def test_an_old_copy_put_back_is_brought_up_to_the_journal(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    fill(ledger, 1, 3)
    ledger.close()
    shutil.copy(tmp_path / LEDGER, tmp_path / "copy")
    fill(ledger, 4, 8)
    ledger.close()
    shutil.copy(tmp_path / "copy", tmp_path / LEDGER)
    assert ids(ledger.rows()) == {f"task_{number}" for number in range(1, 9)}


def test_the_journal_of_another_ledger_stops_everything(tmp_path: Path) -> None:
    one, other = Ledger(tmp_path / "a" / LEDGER), Ledger(tmp_path / "b" / LEDGER)
    fill(one, 1, 2)
    fill(other, 3, 6)
    for ledger in (one, other):
        ledger.close()
    shutil.copy(tmp_path / "b" / JOURNAL, tmp_path / "a" / JOURNAL)
    with pytest.raises(sd.LedgerError, match="belongs to another ledger"):
        claim(one, "x")
    assert ids(mended(one)) == {f"task_{number}" for number in range(1, 7)}
    assert not claim(one, "p1")[1]
    assert not claim(one, "p6")[1]


def test_a_repair_deletes_nothing_and_says_where_the_rows_came_from(kept: Path, tmp_path: Path) -> None:
    ledger = damaged(kept, tmp_path / "l", (LEDGER,), random.Random(3))
    before = {file.read_bytes() for file in (tmp_path / "l").iterdir()}
    done = repair_ledger(ledger.path)
    after = {file.read_bytes() for file in (tmp_path / "l").iterdir()}
    assert before <= after
    assert done.rows == TASKS
    assert done.from_journal == TASKS
    assert f"{TASKS} rows" in repr(done)
    assert str(done.aside) in repr(done)
    assert done.aside.exists()
    assert {stat.stat().st_mode & 0o777 for stat in (tmp_path / "l").iterdir()} <= {0o600, 0o644}
    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_a_repair_that_was_cut_off_is_gone_on_with(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(kept, tmp_path / "l")
    path, real = tmp_path / "l" / LEDGER, Path.rename
    for stop in range(1, 6):
        steps = iter(range(1, 100))

        def rename(self: Path, target: Path, steps: Any = steps, stop: int = stop) -> Path:
            if next(steps) == stop:
                raise KeyboardInterrupt
            return real(self, target)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            try:
                repair_ledger(path)
            except KeyboardInterrupt:
                assert path.exists() or path.with_name(JOURNAL).exists()  # never what looks like a new ledger
        after = mended(Ledger(path))
        assert {row.seq: row.state for row in after} == FINAL


def test_a_ledger_that_is_open_elsewhere_goes_on_with_the_repaired_file(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "l")
    here = Ledger(tmp_path / "l" / LEDGER)
    repair_ledger(here.path)  # as a copy, it sends nothing until a person says that it is the ledger
    fill_one, _ = claim(here, "before")
    child = subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(here.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "open"
    repair_ledger(here.path)
    new, _ = claim(here, "after")
    child.stdin.write("go\n")
    child.stdin.flush()
    assert child.stdout.readline().strip() == f"wrote {new.seq + 1}"
    child.communicate()  # closes its connections, the one to the old file among them
    here.close()
    rows = Ledger(here.path).rows(1000)
    assert {row.seq for row in rows} == set(range(1, TASKS + 4))
    assert fill_one.seq == TASKS + 1
    with closing(sqlite3.connect(here.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


_OTHER = """
import sys
from pathlib import Path
from seedance_nb import spec
from seedance_nb._check.check import approve
from seedance_nb._ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.rows()
print("open", flush=True)
input()
fields = {"prompt": "other", "reference_images": ["https://example.com/a.png"], "duration": 5}
row, _ = ledger.claim(approve(spec("crun/seedance-2.0-fast-r2v"), fields), base_url="https://api.crun.ai", simulated=False)
print("wrote", row.seq, flush=True)
"""


def test_writers_that_go_on_during_repairs_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / LEDGER
    fill(Ledger(path), 1, 5)
    children = [
        subprocess.Popen([sys.executable, "-c", _WRITER, str(path), str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    repairs = 0
    while any(child.poll() is None for child in children):
        repair_ledger(path)
        repairs += 1
    told = {word for child in children for word in child.communicate()[0].split()}
    assert len(told) == 60
    assert repairs > 1
    assert told <= ids(Ledger(path).rows(1000))


_WRITER = """
import sys
from pathlib import Path
from seedance_nb import spec
from seedance_nb._check.check import approve
from seedance_nb._ledger.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for number in range(30):
    fields = {"prompt": f"{sys.argv[2]}-{number}", "reference_images": ["https://example.com/a.png"], "duration": 5}
    row, _ = ledger.claim(approve(spec("crun/seedance-2.0-fast-r2v"), fields), base_url="https://api.crun.ai", simulated=False)
    ledger.update(row.seq, state="queued", task_id=f"w{sys.argv[2]}_{number}")
    print(f"w{sys.argv[2]}_{number}", flush=True)
"""


def test_the_table_of_tasks_says_that_the_ledger_is_damaged(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "l")
    os.truncate(tmp_path / "l" / LEDGER, 5000)
    session = sd.Session(api_key="test-key-0123456789", ledger=tmp_path / "l" / LEDGER)
    table = session.tasks()
    assert ids(list(table)) == IDS
    assert "sd.tasks() shows what can be read" in repr(table)
    assert session.task("crun:task_3").state is State.DONE


def test_the_journal_costs_little_more_than_the_request_itself(closed: Path) -> None:
    body = len(approved("p1").body)
    per_task = (closed / JOURNAL).stat().st_size / TASKS
    assert per_task < body + 1800


def test_a_row_of_which_only_its_id_is_left_is_looked_for_and_never_sent_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    fill(ledger, 1, 3)
    ledger.close()
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b'"task": 2, "row"' not in line]
    assert len(kept) == len(lines) - 1
    (tmp_path / JOURNAL).write_bytes(b"".join(kept))
    (tmp_path / LEDGER).unlink()
    mended(ledger)
    row = ledger.row("crun:task_2")
    assert row is not None
    assert row.base_url == BASE
    assert not claim(ledger, "p2")[1]


def test_nothing_of_a_file_of_another_program_is_moved(tmp_path: Path) -> None:
    for name, make in (("notes.txt", lambda file: file.write_text("mine")), ("other.db", _foreign)):
        file = tmp_path / name
        make(file)
        before: Any = file.read_bytes()
        with pytest.raises(sd.LedgerError, match="could not be repaired"):
            repair_ledger(file)
        assert file.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"notes.txt", "other.db"}


def _foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE mine (a)")


def test_a_salvage_reads_and_changes_nothing(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "l")
    flip(tmp_path / "l" / LEDGER, random.Random(5))
    before = {name: (tmp_path / "l" / name).read_bytes() for name in (LEDGER, JOURNAL)}
    assert len(salvage(tmp_path / "l" / LEDGER, tmp_path / "l" / JOURNAL).rows) == TASKS
    assert before == {name: (tmp_path / "l" / name).read_bytes() for name in (LEDGER, JOURNAL)}


def test_a_terminal_repairs_it_too(kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(kept, tmp_path / "l")
    os.truncate(tmp_path / "l" / LEDGER, 5000)
    assert main(["ledger", "repair", str(tmp_path / "l" / LEDGER)]) == 0
    assert f"was repaired and has {TASKS} rows" in capsys.readouterr().out
    assert main(["ledger", "repair", str(tmp_path / "nothing" / LEDGER)]) == 1
    assert "could not be repaired" in capsys.readouterr().err
