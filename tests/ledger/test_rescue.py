"""The id of a paid task survives a ledger that another program keeps locked: in a file beside it, until it can be written."""

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.claims import backend, claim
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger import store as store_module
from seedance_nb._ledger.journal import journal_path
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State
from seedance_nb._ledger.store import Store
from seedance_nb._task import send as send_module

fcntl = pytest.importorskip("fcntl")
MODEL = "crun/seedance-2.0-fast-r2v"
KEY = "test-key-0123456789"
FIELDS: dict[str, Any] = {"prompt": "a secret", "reference_images": ["https://example.com/a.png"], "duration": 5}


def rescue_path(ledger: Path) -> Path:
    return Path(f"{ledger}.rescue.jsonl")


class Lock:
    """Another program that locks a ledger's journal from the charge on."""

    def __init__(self, ledger: Path) -> None:
        self.path = journal_path(ledger)
        self.file = -1

    def take(self) -> None:
        if self.file < 0:
            self.file = os.open(self.path, os.O_RDWR)
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def release(self) -> None:
        if self.file >= 0:
            os.close(self.file)
        self.file = -1


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


@pytest.fixture
def lock(ledger: Path) -> Iterator[Lock]:
    other = Lock(ledger)
    yield other
    other.release()


@pytest.fixture
def provider(lock: Lock) -> Iterator[Provider]:
    server = Provider()
    server.on_status = ["running"]
    server.when_charged = lock.take
    yield server
    server.stop()


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


def fail(provider: Provider, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said about a paid request whose id the ledger cannot take."""
    session = sd.Session(api_key=KEY, base_url=provider.url, ledger=ledger, outputs=ledger.parent, sleep=at_once)
    session.ledger.rows()
    monkeypatch.setattr(journal_module, "TURN_S", 0.2)
    monkeypatch.setattr(store_module, "_SHORT_TURN_S", 0.2)
    with pytest.raises(sd.LedgerError) as refused:
        session.generate(MODEL, timeout=60, **FIELDS)
    return str(refused.value)


def test_an_id_that_a_locked_ledger_cannot_take_is_in_a_file_and_in_the_ledger_at_the_next_opening(
    provider: Provider, ledger: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = fail(provider, ledger, monkeypatch)
    file = rescue_path(ledger)
    assert "task_1" in told
    assert str(file) in told
    assert "may have been charged" in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="utf-8")
    assert "task_1" in text
    assert "secret" not in text
    assert KEY not in text
    lock.release()
    rows = Ledger(ledger).rows()
    assert [(row.state, row.task_id) for row in rows] == [(State.QUEUED, "task_1")]
    assert not file.exists()
    assert "task_1" in journal_path(ledger).read_text(encoding="utf-8")
    assert len(provider.charges) == 1


def test_without_that_file_a_naive_ledger_has_no_id(
    provider: Provider, ledger: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "save_elsewhere", lambda *_, **__: "")
    told = fail(provider, ledger, monkeypatch)
    assert "task_1" in told
    lock.release()
    assert [row.task_id for row in Ledger(ledger).rows()] == [""]


def test_the_process_goes_on_trying_as_long_as_it_lives(
    provider: Provider, ledger: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "save_elsewhere", lambda *_, **__: "")
    monkeypatch.setattr(send_module, "_SAVE_RETRY_S", 0.01)
    fail(provider, ledger, monkeypatch)
    lock.release()

    def is_there() -> bool:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
            return bool(db.execute("SELECT task_id FROM tasks").fetchone()[0] == "task_1")

    until(is_there)


def rescued(ledger: Ledger, **changes: Any) -> None:
    row = ledger.rows()[0]
    columns = {"state": "queued", "task_id": "task_9", "accepted": 1.0} | changes
    assert backend(ledger).save_elsewhere(row.seq, row.created, columns, is_certain=False)


def test_an_id_that_the_ledger_has_already_changes_nothing(ledger: Path) -> None:
    book = Ledger(ledger)
    row, _ = claim(book)
    book.update(row.seq, state=State.DONE, task_id="task_8")
    rescued(book)
    assert [(row.state, row.task_id) for row in Ledger(ledger).rows()] == [(State.DONE, "task_8")]
    assert not rescue_path(ledger).exists()


def test_a_rescue_that_is_cut_off_is_taken_up_again_and_two_programs_write_it(ledger: Path) -> None:
    book = Ledger(ledger)
    claim(book)
    rescued(book)
    rescued(book)
    with rescue_path(ledger).open("ab") as file:
        file.write(b"torn line")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "cut", lambda *_: None)
        patch.setattr(Path, "unlink", lambda *_: None)
        assert Ledger(ledger).count() == 1
    assert rescue_path(ledger).exists()
    assert [(row.state, row.task_id) for row in Ledger(ledger).rows()] == [(State.QUEUED, "task_9")]
    assert not rescue_path(ledger).exists()


def test_ids_of_another_ledger_stay_in_their_file(ledger: Path) -> None:
    book = Ledger(ledger)
    claim(book)
    rescued(book)
    book.close()
    for file in ledger.parent.iterdir():
        if file != rescue_path(ledger):
            file.unlink()
    other = Ledger(ledger)
    claim(other)
    assert [row.task_id for row in other.rows()] == [""]
    assert "task_9" in rescue_path(ledger).read_text(encoding="utf-8")


def test_a_repaired_ledger_has_the_id_too(ledger: Path) -> None:
    book = Ledger(ledger)
    claim(book)
    rescued(book)
    sd.repair_ledger(ledger)
    assert [row.task_id for row in Ledger(ledger).rows()] == ["task_9"]
