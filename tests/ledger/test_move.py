"""A ledger moves from its file to a server with everything in it, and afterwards the file sends nothing more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.claims import claim

import seedance_nb as sd
from seedance_nb.__main__ import main
from seedance_nb._check.price import Estimate
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State
from seedance_nb._notebook.gallery import Gallery

move = pytest.importorskip("seedance_nb._ledger.move")
PRICE = Estimate(unit="credits", amount=10.0)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    for number in range(6):
        monkeypatch.setenv("SEEDANCE_PERSON", ("ann", "bob")[number % 2])
        row, _ = claim(ledger, f"Fox {number}", estimate=PRICE)
        ledger.update(row.seq, state=[State.DONE, State.UNKNOWN, State.REFUSED][number % 3], task_id=f"t{number}" * (number % 3 == 0),
                      error="a 'quote'", outputs=("https://a/b",), finished=5.0)  # fmt: skip
    ledger.set_mark(ledger.rows()[0], "keep")
    lost = next(row for row in ledger.rows() if row.state is State.UNKNOWN)
    claim(ledger, f"Fox {lost.seq - 1}", replaces=lost.seq, estimate=PRICE)
    ledger.update(7, state=State.QUEUED, task_id="t7")
    monkeypatch.delenv("SEEDANCE_PERSON")
    return ledger


def rows(ledger: Ledger) -> list[tuple[Row, str, str]]:
    found = ledger.search(lambda _, body: body, 1000, 0, sort="oldest")
    return [(one.row, one.prompt, one.mark) for one in found]


def test_everything_is_there_under_its_number_and_nothing_is_sent_again(source: Ledger, url: str) -> None:
    first = source.row(1)
    assert first
    source.set_mark(first, ["https://a/frame.png"], "frame")
    before, spending = rows(source), source.spending()
    assert move.move_ledger(url, source.path).startswith("7 tasks were moved to postgresql://")
    target = Ledger(url)
    assert rows(target) == before
    assert target.spending() == spending
    assert (target.marks(first, "frame"), target.marks(first, "film")) == (["https://a/frame.png"], [])
    target.set_mark(first, ["1", "2"], "film")
    assert target.marks(first, "film") == ["1", "2"]
    assert {one["person"] for one in spending} == {"ann", "bob"}
    assert target.search(lambda _, body: body, 9, 0, words="fox 3")[0].total == 1
    assert [claim(target, f"Fox {number}")[1] for number in range(6)] == [False, False, True, False, False, True]
    assert target.rows(1, "ann") == [row for row in target.rows(9, "ann") if row.seq == target.rows(1, "ann")[0].seq]
    target.close()


def test_the_file_can_be_read_and_sends_nothing_more(source: Ledger, url: str) -> None:
    other = Ledger(source.path)  # a kernel that had it open
    assert other.count() == 7
    move.move_ledger(url, source.path)
    for ledger in (other, Ledger(source.path)):
        assert ledger.count() == 7
        with pytest.raises(
            sd.LedgerError, match=r"it was moved to postgresql://[\s\S]*set SEEDANCE_LEDGER to that server"
        ):
            claim(ledger, "new")


def test_a_move_that_was_cut_off_continues_and_one_that_is_done_changes_nothing(
    source: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr(move._database, "write_home", fail)
        with pytest.raises(sd.LedgerError, match="power failed"):
            move.move_ledger(url, source.path)
    source.update(7, state=State.RUNNING)
    claim(source, "after it", estimate=PRICE)
    with pytest.raises(sd.LedgerError, match=r"being sent at this moment. Nothing was moved"):
        move.move_ledger(url, source.path)
    source.update(8, state=State.QUEUED, task_id="t8")
    move.move_ledger(url, source.path)
    target = Ledger(url)
    assert rows(target) == rows(source)
    target.update(7, state=State.DONE, finished=9.0)
    move.move_ledger(url, source.path)
    row = target.row(7)
    assert row
    assert (row.state, target.count()) == (State.DONE, 8)
    target.close()


def test_two_ledgers_become_one_in_which_no_intent_is_lost_or_sent_again(
    source: Ledger, url: str, tmp_path: Path
) -> None:
    second = Ledger(tmp_path / "second.sqlite3")
    for prompt in ("Fox 0", "of the second"):
        row, _ = claim(second, prompt, estimate=PRICE)
        second.update(row.seq, state=State.QUEUED, task_id=f"second {prompt}")
    first = claim(second, "lost", estimate=PRICE)[0]
    second.update(first.seq, state=State.UNKNOWN)
    again = claim(second, "lost", estimate=PRICE, replaces=first.seq)[0]
    second.update(again.seq, state=State.QUEUED, task_id="again")
    move.move_ledger(url, source.path)
    move.move_ledger(url, second.path)
    target = Ledger(url)
    assert target.count() == 11
    found = {row.task_id: row for row, *_ in rows(target)}
    assert {"t0", "second Fox 0", "second of the second", "again"} <= set(found)
    assert not claim(target, "Fox 0")[1]
    lost = [row for row, *_ in rows(target) if row.successor == found["again"].seq]
    assert [replace(row, seq=first.seq, successor=None, state=first.state) for row in lost] == [first]
    assert claim(target, "one more", estimate=PRICE)[0].seq > 11
    target.close()


def test_the_command_line_moves_it(source: Ledger, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "move", url, str(source.path)]) == 0
    assert "7 tasks were moved" in capsys.readouterr().out
    assert main(["ledger", "move"]) == 1
    assert "Next: seedance ledger move postgresql://" in capsys.readouterr().err


def test_a_person_s_tasks_are_their_own_on_a_server_and_everyone_s_on_request(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session = sd.Session(ledger=url, outputs=tmp_path)
    for person, count in (("ann", 1), ("bob", 2)):
        monkeypatch.setenv("SEEDANCE_PERSON", person)
        for number in range(count):
            row, _ = claim(session.ledger, f"{person} {number}", estimate=PRICE)
            session.ledger.update(row.seq, state=State.QUEUED, task_id=f"{person} {number}")
        assert [row.task_id.split()[0] for row in session.tasks()] == [person] * count
        assert repr(Gallery(session)).endswith(f" of {count}"), "the gallery is theirs as well"
    assert len(session.tasks(everyone=True)) == 3
    gallery = Gallery(session, everyone=True)
    assert [card._caption.value.split("<br>")[1].split(" · ")[0] for card in gallery._cards] == ["bob", "bob", "ann"]
    assert [(one["person"], one["tasks"], one["cost"]) for one in session.spending()] == [
        ("ann", 1, 10.0),
        ("bob", 2, 20.0),
    ]
    monkeypatch.delenv("SEEDANCE_PERSON")
    monkeypatch.setattr("getpass.getuser", lambda: "carl")
    assert len(session.tasks()) == 0
    session.ledger.close()
