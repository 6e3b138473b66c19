"""A journal or a database that is far behind catches up in bounded memory, line by line."""

import errno
import os
import random
import sqlite3
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.claims import claim

from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger import transaction as transaction_module
from seedance_nb._ledger.journal import Entry, after, append, journal_path, line, parse
from seedance_nb._ledger.ledger import Ledger

ROWS = 2000


def entry(number: int, length: int = 10) -> Entry:
    return Entry(number=number, ledger="l", at=1.0, task=number, whole=False, columns={"error": "x" * length})


@pytest.mark.parametrize("seed", range(20))
def test_the_lines_after_a_number_are_found_wherever_lines_and_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(journal_module, "_BLOCK", rng.choice([1, 7, 100, 8192]))
    monkeypatch.setattr(journal_module, "_PIECE", rng.choice([100, 500, 1 << 20]))
    whole = [entry(number, rng.choice([1, 50, 3000])) for number in range(1, 30)]
    lines = [line(one) for one in whole]
    for _ in range(rng.choice([0, 3])):
        lines.insert(
            rng.randrange(len(lines)), rng.choice([b"\n", b"\n\n", b"torn \xff line\n", line(entry(9))[:-5] + b"\n"])
        )
    (tmp_path / "j").write_bytes(b"".join(lines)[: rng.choice([None, -3])])
    file = os.open(tmp_path / "j", os.O_RDWR | os.O_APPEND)
    readable = [one for raw in (tmp_path / "j").read_bytes().split(b"\n") if (one := parse(raw))]
    for number in (0, 1, 15, 28, 29, 99):
        last, ahead = after(file, number)
        assert last == readable[-1].number
        assert list(ahead) == [one for one in readable if one.number > number]
    os.close(file)


def test_an_empty_journal_has_no_lines(tmp_path: Path) -> None:
    file = os.open(tmp_path / "j", os.O_RDWR | os.O_CREAT)
    last, ahead = after(file, 0)
    assert (last, list(ahead)) == (0, [])
    os.close(file)


def test_lines_that_cannot_all_be_written_leave_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = os.open(tmp_path / "j", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    append(file, [entry(1)])
    before = (tmp_path / "j").read_bytes()
    monkeypatch.setattr(journal_module, "_PIECE", 100)

    def many() -> Any:
        yield from map(entry, range(2, 20))
        assert (tmp_path / "j").stat().st_size > len(before)  # the control: some were on the disk by then
        raise OSError(errno.ENOSPC, "no room")

    with pytest.raises(OSError, match="no room"):
        append(file, many())
    assert (tmp_path / "j").read_bytes() == before
    os.close(file)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of 2000 rows whose journal has only the first one."""
    path = tmp_path_factory.mktemp("large") / "ledger.sqlite3"
    ledger = Ledger(path)
    claim(ledger)
    ledger.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        names = [name for _, name, *_ in db.execute("PRAGMA table_info(tasks)")]
        row = dict(zip(names, db.execute("SELECT * FROM tasks").fetchone(), strict=True))
        for seq in range(2, ROWS + 1):
            transaction_module.insert(db, row | {"seq": seq, "intent": str(seq), "body": "b" * 4000, "state": "done"})
            transaction_module.add_event(db, 1.0, seq, {"state": "done"})
        db.execute("COMMIT")
    return path


def peak(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_catching_up_takes_little_memory_in_both_directions(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_PIECE", 65536)
    assert peak(Ledger(large).count) < 1_500_000
    size = journal_path(large).stat().st_size
    with closing(sqlite3.connect(large)) as db:
        assert peak(lambda: list(transaction_module.entries(db, "l", 0))) > size  # the control: all at once
    assert size > ROWS * 4000
    with closing(sqlite3.connect(large, isolation_level=None)) as db:
        db.execute("DELETE FROM events WHERE rowid > 1")
        db.execute("DELETE FROM tasks WHERE seq > 1")
    ledger = Ledger(large)
    assert peak(ledger.count) < 1_500_000
    assert ledger.count() == ROWS
    assert not ledger.trouble
