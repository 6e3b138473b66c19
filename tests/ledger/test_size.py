"""A ledger of any size: what a call reads does not grow with it, nobody waits for a writer, and its journal is compacted."""

import errno
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.claims import approved, backend, claim

import seedance_nb as sd
from seedance_nb._check.price import Estimate
from seedance_nb._ledger import database
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger import store as store_module
from seedance_nb._ledger import transaction as transaction_module
from seedance_nb._ledger.journal import journal_path
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State

PRICE = Estimate(unit="credits", amount=12.0)


def fill(path: Path, rows: int) -> Ledger:
    """A ledger with so many finished tasks, each of which has two events."""
    ledger = Ledger(path)
    first, _ = claim(ledger, estimate=PRICE)
    ledger.update(first.seq, state=State.DONE, accepted=1.0, finished=100.0, task_id="task_1")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        row = dict(zip(database.known_columns(), db.execute("SELECT * FROM tasks").fetchone(), strict=True))
        for seq in range(2, rows + 1):
            own = {"seq": seq, "intent": str(seq), "digest": str(seq), "task_id": f"task_{seq}"}
            transaction_module.insert(db, row | own)
            for state in ("waiting to be sent", "done"):
                transaction_module.add_event(db, 1.0, seq, {"state": state, "task_id": own["task_id"]})
        db.execute("COMMIT")
    ledger.count()
    return ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    filled = fill(tmp_path / "ledger.sqlite3", 40)
    yield filled
    filled.close()


def steps(ledger: Ledger, work: Callable[[], object]) -> int:
    """How many instructions SQLite runs for a call, which is how much it reads."""
    taken, store = [0], backend(ledger)

    def count() -> None:
        taken[0] += 1

    connections = [db for db in (store._db, store._reader) if db]
    for db in connections:
        db.set_progress_handler(count, 1)
    work()
    for db in connections:
        db.set_progress_handler(None, 0)
    return taken[0]


def calls(ledger: Ledger) -> dict[str, Callable[[], object]]:
    row = ledger.row(1)
    assert row
    return {
        "claim": lambda: claim(ledger, "new", estimate=PRICE),
        "claim again": lambda: claim(ledger, "new"),
        "update": lambda: ledger.update(1, progress=5.0),
        "mark": lambda: ledger.set_mark(row, "keep"),
        "number": lambda: ledger.row(7),
        "name": lambda: ledger.row("crun:task_9"),
        "tasks": lambda: ledger.rows(20),
        "history": lambda: ledger.history(row),
        "takes": lambda: ledger.takes(approved()),
        "other task": lambda: ledger.other_task(row, "task_9"),
    }


def test_what_a_call_reads_does_not_grow_with_the_ledger(tmp_path: Path) -> None:
    small, large = fill(tmp_path / "small", 300), fill(tmp_path / "large", 3000)
    of_small = {name: steps(small, work) for name, work in calls(small).items()}
    of_large = {name: steps(large, work) for name, work in calls(large).items()}
    assert {name: of_large[name] for name in of_large if of_large[name] > 1.2 * of_small[name] + 20} == {}
    for index in ("by_state", "by_kind", "by_digest", "by_intent", "by_task_id"):
        assert backend(large)._db
        backend(large)._db.execute(f"DROP INDEX {index}")
    naive = {name: steps(large, work) for name, work in calls(large).items()}
    assert {name for name in naive if naive[name] > 3 * of_large[name]} >= {
        "claim",
        "name",
        "history",
        "takes",
        "number",
    }
    for each in (small, large):
        each.close()


def test_a_budget_and_a_search_read_an_index_and_no_whole_rows(ledger: Ledger) -> None:
    said: list[str] = []
    store = backend(ledger)
    for db in (store._db, store._reader):
        assert db
        db.set_trace_callback(said.append)
    claim(ledger, "new", estimate=PRICE, budget=1e9)
    ledger.search(lambda *_: "", 24, 0, cost="paid", mark="not rejected", sort="most expensive")
    wanted = [statement for statement in said if "sum(CASE" in statement or "FROM page" in statement]
    assert len(wanted) == 2
    with closing(sqlite3.connect(ledger.path)) as db:
        plans = [
            db.execute(f"EXPLAIN QUERY PLAN {statement.replace('Inf', '9e999')}").fetchall() for statement in wanted
        ]
    scans = [step[3] for plan in plans for step in plan if step[3].startswith("SCAN tasks") or "by_cost" in step[3]]
    assert len(scans) >= 2
    assert all("COVERING INDEX" in scan for scan in scans)


def test_reading_waits_for_no_writer_in_this_process_or_another(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "TURN_S", 0.05)
    writing, is_over = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        writing.set()
        is_over.wait(30)

    thread = threading.Thread(target=lambda: ledger._store.transact(hold))
    thread.start()
    assert writing.wait(30)
    other = Ledger(ledger.path)
    try:
        for each in (ledger, other):
            if each is ledger:  # one that was opened before; to open a file may be to write it
                assert [row.seq for row in each.rows(2)] == [40, 39]
                assert len(each.search(lambda *_: "", 24, 0)) == 24
                assert each.count() == 40
        with pytest.raises(sd.LedgerError):
            claim(other, "new")  # the control: who writes waits for its turn
    finally:
        is_over.set()
        thread.join()


def test_another_kernel_reads_while_one_writes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Ledger(ledger.path)
    assert other.count() == 40
    with journal_module.locked(journal_path(ledger.path)), closing(sqlite3.connect(ledger.path)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE tasks SET error = 'half way' WHERE seq = 40")
        assert [(row.seq, row.error) for row in other.rows(1)] == [(40, "")]
        monkeypatch.setattr(journal_module, "TURN_S", 0.05)
        with pytest.raises(sd.LedgerError):
            other.update(40, error="x")
    other.close()


def written(ledger: Ledger) -> tuple[int, int, int]:
    """The journal's size, and how many events and rows there are."""
    with closing(sqlite3.connect(ledger.path)) as db:
        events, rows = db.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM tasks)").fetchone()
    return journal_path(ledger.path).stat().st_size, events, rows


def test_a_look_writes_nothing_and_a_change_writes_one_event(ledger: Ledger) -> None:
    row = ledger.row(1)
    assert row
    before = written(ledger)
    assert backend(ledger)._db
    version = backend(ledger)._db.execute("PRAGMA data_version").fetchone()
    total = backend(ledger)._db.total_changes
    ledger.rows(), ledger.history(row), ledger.count(), ledger.takes(approved()), ledger.refreshed(row)
    assert (written(ledger), backend(ledger)._db.total_changes) == (before, total)
    assert backend(ledger)._db.execute("PRAGMA data_version").fetchone() == version
    ledger.update(1, progress=5.0)
    after = written(ledger)
    assert (after[0] > before[0], after[1:]) == (True, (before[1] + 1, before[2]))


@pytest.fixture
def compacting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_COMPACTED_FROM", 0)
    monkeypatch.setattr(store_module, "_SPARE_LINES", -100)


def lines(ledger: Ledger) -> list[journal_module.Entry]:
    entries, unreadable = journal_module.read(journal_path(ledger.path))
    assert not unreadable
    return entries


def as_read(ledger: Ledger) -> list[tuple[Row, str]]:
    found = ledger.search(lambda _, body: body, 1000, 0, sort="oldest")
    assert not ledger.trouble
    return [(one.row, one.mark) for one in found]


@pytest.mark.usefixtures("compacting")
def test_a_compacted_journal_has_a_line_a_row_and_rebuilds_the_ledger_alone(ledger: Ledger) -> None:
    row = ledger.row(5)
    assert row
    ledger.set_mark(row, "keep")
    for frames in (["https://a/1.png"], ["https://a/2.png", "https://a/1.png"]):
        ledger.set_mark(row, frames, "frame")
    ledger.update(6, error="why", progress=50.0)
    before = as_read(ledger)
    assert len(lines(ledger)) == 45  # one of each row that was in the database alone
    backend(ledger).maintain()
    assert [entry.task for entry in lines(ledger)] == [*(seq for seq in range(1, 41) if seq not in (5, 6)), 5, 6]
    assert as_read(ledger) == before
    ledger.update(7, error="later")  # lines go on being added
    after = as_read(ledger)
    ledger.close()
    for file in [ledger.path, *database.logs(ledger.path)]:
        file.unlink(missing_ok=True)
    done = sd.repair_ledger(ledger.path)
    assert (done.rows, done.from_journal, done.lost) == (40, 40, ())
    assert as_read(ledger) == after
    assert ledger.marks(row, "frame") == frames, "what was sent with these frames is found again, and not paid again"
    assert ledger.marks(row, "film") == []


@pytest.mark.usefixtures("compacting")
def test_an_older_copy_of_the_database_catches_up_from_a_compacted_journal(ledger: Ledger) -> None:
    ledger.close()
    old = ledger.path.read_bytes()
    row, _ = claim(ledger, "later", estimate=PRICE)
    ledger.update(row.seq, state=State.QUEUED, task_id="paid")
    ledger.set_mark(row, "keep")
    before = as_read(ledger)
    backend(ledger).maintain()
    ledger.close()
    ledger.path.write_bytes(old)
    assert as_read(ledger) == before
    assert not claim(ledger, "later")[1]


@pytest.mark.usefixtures("compacting")
def test_a_repair_trusts_a_compacted_journal_as_it_did_each_line(ledger: Ledger) -> None:
    waiting, _ = claim(ledger, "waiting", estimate=PRICE)
    backend(ledger).maintain()
    sd.repair_ledger(ledger.path)
    assert [row.state for row, _ in as_read(ledger) if row.seq == waiting.seq] == [State.WAITING]


@pytest.mark.usefixtures("compacting")
@pytest.mark.parametrize("step", ["append", "replace", "sync"])
def test_a_compaction_that_fails_leaves_the_journal_as_it_was(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before, rows = journal_path(ledger.path).read_bytes(), as_read(ledger)

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(*{
            "append": (journal_module, "append"), "replace": (Path, "replace"), "sync": (journal_module, "_flush"),
        }[step], fail)  # fmt: skip
        with pytest.raises((OSError, sd.LedgerError), match="no room"):
            backend(ledger).maintain()
    assert journal_path(ledger.path).read_bytes() == before
    assert as_read(ledger) == rows
    assert not list(ledger.path.parent.glob("*.new"))


@pytest.mark.usefixtures("compacting")
def test_what_is_written_during_a_compaction_is_in_the_new_journal_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = transaction_module.entries, Ledger(ledger.path)

    def slow(db: Any, name: str, after: int) -> Any:
        yield from real(db, name, after)
        if after:
            return
        row, _ = claim(other, "meanwhile", estimate=PRICE)
        other.update(row.seq, state=State.QUEUED, task_id="paid")
        other.update(3, error="meanwhile")

    monkeypatch.setattr(store_module, "entries", slow)
    backend(ledger).maintain()
    assert len(lines(ledger)) == 42
    before = as_read(other)
    other.close()
    ledger.close()
    ledger.path.unlink()
    sd.repair_ledger(ledger.path)
    assert as_read(ledger) == before
    assert not claim(ledger, "meanwhile")[1]


@pytest.mark.usefixtures("compacting")
def test_a_request_that_is_forgotten_is_in_no_file_of_a_compaction(ledger: Ledger) -> None:
    row, _ = claim(ledger, "a purple zebra", estimate=PRICE)
    draft = journal_path(ledger.path).with_name(f"{journal_path(ledger.path).name}.new")
    shutil.copyfile(journal_path(ledger.path), draft)  # as one that was cut off leaves it
    ledger.forget(row, files=True)
    assert not [path.name for path in ledger.path.parent.iterdir() if b"zebra" in path.read_bytes()]


def test_a_journal_that_is_short_is_not_compacted(ledger: Ledger) -> None:
    before = journal_path(ledger.path).stat().st_ino
    backend(ledger).maintain()
    assert journal_path(ledger.path).stat().st_ino == before


def test_damage_to_a_large_file_is_found_while_it_is_used(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CHECKED_AT_ONCE", 0)
    ledger.close()
    content = ledger.path.read_bytes()
    where = content.index(b"task_39")  # in an index or the table, but not in both
    ledger.path.write_bytes(content[:where] + b"task_93" + content[where + 7 :])
    opened = Ledger(ledger.path)
    assert opened.count() == 40
    backend(opened).maintain()
    with pytest.raises(sd.LedgerError, match="cannot be used"):
        claim(opened, "new")
    assert opened.count() == 40
    assert "cannot be used" in opened.trouble
    sd.repair_ledger(ledger.path)
    assert claim(opened, "new")[1]


def test_a_large_file_is_used_where_no_thread_can_be_started_to_check_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(database, "CHECKED_AT_ONCE", 0)
    ledger.close()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert claim(Ledger(ledger.path), "new")[1]


@pytest.mark.parametrize("index", ["one_task_per_intent", "by_intent"])
def test_damage_to_one_index_lets_nothing_be_paid_twice_before_it_is_found(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setattr(database, "CHECKED_AT_ONCE", 0)
    monkeypatch.setattr(store_module, "_maintain", lambda _: None)
    row, is_new = claim(ledger, "paid", estimate=PRICE)
    assert is_new
    ledger.close()
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as db:
        intent = db.execute("SELECT intent FROM tasks WHERE seq = ?", (row.seq,)).fetchone()[0].encode()
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (index,)).fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(ledger.path.read_bytes())
    where = content.index(intent, (page - 1) * size, page * size)
    content[where + 10] ^= 1
    ledger.path.write_bytes(content)
    is_new = False
    try:
        is_new = claim(Ledger(ledger.path), "paid", estimate=PRICE)[1]
    except sd.LedgerError:
        assert index == "by_intent"
    assert not is_new


def test_marks_and_words_that_an_older_version_writes_are_found(ledger: Ledger) -> None:
    def search(**wanted: Any) -> list[int]:
        return [
            one.row.seq for one in ledger.search(lambda _, body: json.loads(body)["input"]["prompt"], 9, 0, **wanted)
        ]

    row, _ = claim(ledger, "A purple Zebra", estimate=PRICE)
    assert search(words="zebra") == [row.seq]
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute('INSERT INTO events VALUES (1.0, 9, \'{"review": "keep"}\')')
        db.execute("UPDATE tasks SET body = replace(body, 'Zebra', 'Gnu') WHERE seq = ?", (row.seq,))
        db.commit()
    assert search(mark="kept") == [9]
    assert (search(words="zebra"), search(words="gnu purple")) == ([], [row.seq])


def test_words_that_are_forgotten_while_a_search_reads_them_do_not_come_back(ledger: Ledger) -> None:
    row, _ = claim(ledger, "A purple Zebra", estimate=PRICE)
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("UPDATE extras SET words = NULL")
        db.commit()

    def forgetting(_: str, body: str) -> str:
        if "Zebra" in body:
            ledger._store.transact(lambda transaction: transaction.change(row.seq, {"body": '""'}))
        return "purple zebra"

    assert [one.row.seq for one in ledger.search(forgetting, 9, 0, words="zebra", sort="oldest")] == [*range(1, 10)]
    with closing(sqlite3.connect(ledger.path)) as db:
        assert db.execute("SELECT seq FROM extras WHERE words IS NULL").fetchall() == [(row.seq,)]


def test_a_damaged_ledger_is_searched_too(ledger: Ledger) -> None:
    claim(ledger, "A purple Zebra", estimate=PRICE)
    ledger.close()
    for file in [ledger.path, *database.logs(ledger.path)]:
        file.unlink(missing_ok=True)
    found = ledger.search(lambda _, body: json.loads(body)["input"]["prompt"], 9, 0, words="zebra")
    assert [one.row.seq for one in found] == [41]
    assert "it is missing" in ledger.trouble


def test_an_older_file_gets_what_speeds_it_up_once(ledger: Ledger) -> None:
    row = ledger.row(3)
    assert row
    ledger.set_mark(row, "reject")
    before = as_read(ledger)
    ledger.close()
    with closing(sqlite3.connect(ledger.path)) as db:
        for name, kind in db.execute("SELECT name, type FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP {kind} {name}")
        db.execute("DROP TABLE extras")
        for index in ("by_state", "by_kind", "by_digest", "by_cost"):
            db.execute(f"DROP INDEX {index}")
        db.commit()
    assert as_read(ledger) == before
    assert json.dumps([asdict(row) for row, _ in before])
    assert as_read(Ledger(ledger.path)) == before


def test_a_kernel_that_waits_for_its_turn_asks_less_and_less_often(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    clock, asked = [0.0], [0]

    def flock(_: int, how: int) -> None:
        asked[0] += how & fcntl.LOCK_EX
        if how & fcntl.LOCK_EX:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("seedance_nb._ledger.journal.fcntl.flock", flock)
    monkeypatch.setattr("seedance_nb._ledger.journal.time.sleep", sleep)
    monkeypatch.setattr("seedance_nb._ledger.journal.time.monotonic", lambda: clock[0])
    with pytest.raises(BlockingIOError), journal_module.locked(journal_path(ledger.path)):
        pass
    assert clock[0] >= journal_module.TURN_S
    assert asked[0] / fcntl.LOCK_EX < 60 * journal_module.TURN_S  # 500 a second before
