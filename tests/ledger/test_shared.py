"""What several sessions, kernels and spellings of one ledger may do to a request that is in the air."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import child
from faults.server import CREATE, STATUS, Exchange, FaultServer, accept, charge, refuse, says, serving, tell
from faults.shapes import CRUN
from support.waiting import short, until

import seedance_nb as sd
from seedance_nb._ledger.row import Row, State


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes()) as found:
        yield found


def session_at(server: FaultServer, ledger: Path, **more: Any) -> sd.Session:
    folder = ledger.absolute().parent
    return sd.Session(
        api_key=child.KEY, base_url=server.url, ledger=ledger, outputs=folder / "o", **{"sleep": short, **more}
    )


@pytest.mark.parametrize("spelling", ["../work/ledger.sqlite3", "link/ledger.sqlite3"])
def test_a_request_in_the_air_is_left_alone_by_a_session_that_spells_its_ledger_differently(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    home, answered = tmp_path / "work", threading.Event()
    home.mkdir()
    (home / "link").symlink_to(home)
    monkeypatch.chdir(home)

    def hold(_: Exchange) -> None:
        answered.wait(30)

    server.plans[CREATE] = [(hold, accept)]
    one, other = session_at(server, Path("ledger.sqlite3")), session_at(server, Path(spelling))
    task = one.submit(CRUN.model, **CRUN.fields)
    until(lambda: task.state is State.SENDING)
    again = other.submit(CRUN.model, **CRUN.fields)
    assert not again.is_new
    with pytest.raises(sd.WaitTimeout):
        again.wait(0.3)
    assert task.state is State.SENDING
    answered.set()
    assert again.wait(60).path == task.wait(60).path
    assert len(server.charges) == 1


def test_a_refused_request_whose_row_was_freed_meanwhile_is_not_tried_again(
    server: FaultServer, tmp_path: Path
) -> None:
    session = session_at(server, tmp_path / "ledger.sqlite3")

    def free(_: Exchange) -> None:
        session.ledger.update(1, state=State.UNSENT, error="somebody else took it for lost")
        assert session.submit(CRUN.model, **CRUN.fields).is_new

    server.plans[CREATE] = [(free, refuse(429)), (accept,), (accept,)]
    session.submit(CRUN.model, **CRUN.fields)
    until(lambda: len(session.tasks()) > 1)
    assert session.task("#2").wait(60).path.exists()
    with pytest.raises(sd.SeedanceError):
        session.task("#1").wait(60)
    assert [row.state for row in session.tasks()] == [State.DONE, State.UNSENT]
    assert len(server.charges) == 1


def test_a_request_that_is_taken_after_its_row_was_freed_and_sent_anew_is_followed_beside_the_new_one(
    server: FaultServer, tmp_path: Path
) -> None:
    session = session_at(server, tmp_path / "ledger.sqlite3")

    def free(_: Exchange) -> None:
        session.ledger.update(1, state=State.UNSENT, error="somebody else took it for lost")
        assert session.submit(CRUN.model, **CRUN.fields).is_new
        until(lambda: len(server.charges) == 2)

    server.plans[CREATE] = [(charge, free, says(200, CRUN.taken("late"))), (accept,)]
    first = session.submit(CRUN.model, **CRUN.fields)
    until(lambda: len(session.tasks()) > 1)
    assert session.task("#2").wait(60).path.exists()
    until(lambda: first.state is State.DONE)
    assert {row.task_id for row in session.tasks()} == {"late", "task_2"}
    assert session.submit(CRUN.model, **CRUN.fields | {"prompt": "unrelated"}).is_new


def test_a_ledger_that_fails_for_a_while_does_not_end_the_following(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_at(server, tmp_path / "ledger.sqlite3")
    server.plans[STATUS] = [(tell("running"),)]
    task = session.submit(CRUN.model, **CRUN.fields)
    until(lambda: task.state is State.RUNNING)
    failing: list[int] = []

    def locked(seq: int, **_: Any) -> Row:
        failing.append(seq)
        raise sd.LedgerError("The ledger is locked.")

    with monkeypatch.context() as patch:
        patch.setattr(session.ledger, "update", locked)
        server.plans[STATUS] = [(tell("done"),)]
        until(lambda: len(failing) > 3)
        assert not task.following().done()
    assert task.wait(60).path.exists()
    assert [one.message for one in caplog.records if "locked" in one.message] == [
        "crun:task_1: still checking its status, which will be saved once the ledger works again: The ledger is locked."
    ]
    assert len(server.charges) == 1


def test_a_ledger_that_cannot_take_what_was_made_says_that_it_may_be_billed(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_at(server, tmp_path / "ledger.sqlite3")
    update = session.ledger.update

    def full(seq: int, **changes: Any) -> Row:
        if "file" in changes:
            raise sd.LedgerError("The disk is full.")
        return update(seq, **changes)

    monkeypatch.setattr(session.ledger, "update", full)
    with pytest.raises(sd.LedgerError, match="may charge for this task"):
        session.generate(CRUN.model, timeout=60, **CRUN.fields)


def test_a_ledger_that_is_begun_anew_sends_its_first_request_and_leaves_the_earlier_task_alone(
    server: FaultServer, tmp_path: Path
) -> None:
    session = session_at(server, tmp_path / "ledger.sqlite3")
    server.plans[STATUS] = [(tell("running"),)]
    earlier = session.submit(CRUN.model, **CRUN.fields)
    until(lambda: earlier.state is State.RUNNING)
    for file in tmp_path.glob("ledger*"):
        file.unlink()
    anew = session.submit(CRUN.model, **CRUN.fields | {"prompt": "another"})
    assert (anew.is_new, anew.row.seq) == (True, earlier.row.seq)
    until(lambda: anew.state is State.RUNNING)
    server.plans[STATUS] = [(tell("dancing"),)]
    with pytest.raises(sd.LedgerError, match=r"moved or replaced in the meantime[\s\S]*may charge for this task"):
        earlier.wait(60)
    server.plans[STATUS] = [(tell("done"),)]
    assert anew.wait(60).path.exists()
    assert earlier.name.startswith("#1-")
    assert anew.name == "crun:task_2"
    assert len(server.charges) == 2
