"""The gallery finds, plays, marks and reuses what the ledger has, reads one page at a time, and sends nothing that is paid."""

import itertools
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import media
from support.claims import BASE, approved
from support.waiting import until

import seedance_nb as sd
from seedance_nb._ledger import journal
from seedance_nb._ledger import ledger as ledger_module
from seedance_nb._ledger.database import MIGRATIONS, known_columns
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State
from seedance_nb._notebook import gallery as gallery_module
from seedance_nb._notebook import storyboard as storyboard_module
from seedance_nb._notebook.gallery import PAGE, Gallery
from seedance_nb._task import task as task_module

MODELS = ("crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v", "a-model/of-a-file")
NOON = time.mktime((2026, 11, 1, 12, 0, 0, 0, 0, -1))
EVIL = "<script>\"'><img src=x onerror=y>"
WANTED: dict[str, tuple[Any, ...]] = {
    "words": ("", "fox", "FOX red", "GRÜN", '"quoted"', "no such words"),
    "model": ("", *MODELS),
    "state": ("", "done", "failed", "outcome unknown"),
    "day": (None, date(2026, 11, 3), date(1999, 1, 1)),
    "cost": ("", "free", "paid", "100 or more", "500 or more"),
    "mark": ("", "kept", "rejected", "not rejected", "no mark"),
}


def fill(session: sd.Session, count: int, file: str = "") -> None:
    """Rows of every kind: as if other sessions had written them."""
    prompts = ("A red fox", "grün und \"quoted\" 'x' % _", "", EVIL, "the Fox is RED and Grün")
    states = (State.DONE, State.DONE, State.FAILED, State.UNKNOWN, State.REFUSED, State.QUEUED, State.WAITING)

    def insert(transaction: Any) -> None:
        for n in range(count):
            body = json.dumps({"input": {"prompt": prompts[n % 5]}}, ensure_ascii=False)
            transaction.insert({
                "intent": str(n), "kind": "[]", "key_fingerprint": "", "spec": MODELS[n % 3], "base_url": BASE, "simulated": n % 4 == 0,
                "digest": str(n), "take": 1, "body": body if n % 11 else "{damaged", "state": str(states[n % 7]), "owner": "",
                "created": NOON + (n % 5) * 86400 + (n % 24 - 12) * 3600, "credits": (None, 0.0, 90.0, 500.0)[n % 4],
                "estimate": (None, 120.0)[n % 2], "file": file if states[n % 7] is State.DONE else "", "sha256": "x",
            }, "", None)  # fmt: skip

    session.ledger._store.transact(insert)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sd.Session]:
    made = sd.Session(ledger=tmp_path / "l.sqlite3", queue_s=0, run_s=0)
    yield made
    made.ledger.close()


def naive(session: sd.Session, marks: dict[int, str], wanted: dict[str, Any]) -> list[int]:
    """The same filters over all rows, in Python."""

    def fits(row: Row) -> bool:
        prompt, mark, is_free = (
            session.prompt_of(row.spec, row.body),
            marks.get(row.seq, ""),
            row.charged == "not charged",
        )
        amount = row.credits if row.credits is not None else row.estimate or 0
        return (
            all(word in prompt.casefold() for word in wanted["words"].casefold().split())
            and wanted["model"] in ("", row.spec)
            and wanted["state"] in ("", row.state)
            and wanted["day"] in (None, date(*time.localtime(row.created)[:3]))
            and {"": True, "free": is_free, "paid": not is_free}.get(
                wanted["cost"], not is_free and amount >= int(wanted["cost"].split()[0] if wanted["cost"][:1].isdigit() else 0)
            )
            and {"": True, "kept": mark == "keep", "rejected": mark == "reject", "not rejected": mark != "reject",
                 "no mark": not mark}[wanted["mark"]]
        )  # fmt: skip

    return [row.seq for row in sorted(session.ledger.rows(1000), key=lambda row: -row.seq) if fits(row)]


def test_a_search_finds_the_rows_that_a_look_at_every_row_finds(session: sd.Session) -> None:
    fill(session, 210)
    rows = {row.seq: row for row in session.ledger.rows(1000)}
    marks = {seq: ("keep", "reject")[seq % 2] for seq in rows if seq % 3}
    for seq, mark in marks.items():
        session.ledger.set_mark(rows[seq], mark)
    sizes = {name: set[int]() for name in WANTED}
    pairs = itertools.combinations(WANTED, 2)
    for one, other in pairs:
        for values in itertools.product(WANTED[one], WANTED[other]):
            wanted = {name: options[0] for name, options in WANTED.items()} | dict(
                zip((one, other), values, strict=True)
            )
            found = session.ledger.search(session.prompt_of, 1000, 0, **wanted)
            expected = naive(session, marks, wanted)
            assert [one.row.seq for one in found] == expected, wanted
            assert {one.total for one in found} <= {len(expected)}
            sizes[one].add(len(expected))
    assert all(len(each) > 2 for name, each in sizes.items() if name != "mark"), "every filter makes a difference"


def test_rows_are_sorted_by_time_and_by_cost(session: sd.Session) -> None:
    fill(session, 60)
    found = {
        sort: session.ledger.search(session.prompt_of, 100, 0, sort=sort)
        for sort in ("newest", "oldest", "most expensive")
    }
    assert (
        [one.row.seq for one in found["newest"]]
        == [one.row.seq for one in found["oldest"]][::-1]
        == [*range(60, 0, -1)]
    )
    costs = [0 if one.row.charged == "not charged" else one.row.credits or 0 for one in found["most expensive"]]
    known = [cost for cost, one in zip(costs, found["most expensive"], strict=True) if one.row.credits]
    assert known == sorted(known, reverse=True)
    assert costs[0] == 500


def test_pages_together_are_all_rows_once(session: sd.Session) -> None:
    fill(session, 100)
    pages = [session.ledger.search(session.prompt_of, 24, offset) for offset in range(0, 120, 24)]
    assert [one.row.seq for page in pages for one in page] == [*range(100, 0, -1)]


def mark_two(path: Path) -> None:
    session = sd.Session(ledger=path)
    fill(session, 5)
    rows = {row.seq: row for row in session.ledger.rows()}
    for seq, mark in ((1, "keep"), (2, "reject"), (3, "keep"), (3, "")):
        session.ledger.set_mark(rows[seq], mark)
    session.ledger.close()


def marks_in(path: Path) -> dict[int, str]:
    session = sd.Session(ledger=path)
    found = session.ledger.search(session.prompt_of, 100, 0)
    session.ledger.close()
    return {one.row.seq: one.mark for one in found if one.mark}


def behind(path: Path) -> None:
    """The database as it was put back from an older copy: only the journal has the marks."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM events WHERE instr(changes, 'review')")
        db.commit()


def lost(file: Path, ledger: Path) -> None:
    file.unlink()
    sd.repair_ledger(ledger)


AFTER: dict[str, Callable[[Path], object]] = {
    "a new session": lambda path: path,
    "a repair": sd.repair_ledger,
    "the loss of the database": lambda path: lost(path, path),
    "the loss of the journal": lambda path: lost(journal.journal_path(path), path),
    "a database that is behind": behind,
}


@pytest.mark.parametrize("after", AFTER)
def test_marks_are_there_after(after: str, tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    mark_two(path)
    AFTER[after](path)
    assert marks_in(path) == {1: "keep", 2: "reject"}


def test_marks_need_no_newer_format_than_the_version_before_reads(tmp_path: Path) -> None:
    path = tmp_path / "l.sqlite3"
    mark_two(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (7,) == (len(MIGRATIONS),)
        assert {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} == {
            "tasks",
            "events",
            "identity",
            "extras",  # which that version leaves alone
        }
    entries, unreadable = journal.read(journal.journal_path(path))
    marked = [entry for entry in entries if "review" in entry.columns]
    assert (len(marked), unreadable) == (4, 0)
    for entry in marked:  # that version sets the columns that it knows, and cannot set none
        assert set(entry.columns) & set(known_columns()) == {"created"}


class Reads:
    """How many rows and posters were read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.rows, self.posters = 0, 0
        row_of, still_of = vars(ledger_module)["row_of"], vars(gallery_module)["still_of"]

        def row(values: Any) -> Any:
            self.rows += 1
            return row_of(values)

        def still(*values: Any) -> Any:
            self.posters += 1
            return still_of(*values)

        patch.setattr(ledger_module, "row_of", row)
        patch.setattr(gallery_module, "still_of", still)


def test_a_page_reads_its_own_rows_and_posters_only(
    session: sd.Session, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session, 400, str(made[1].path))
    gallery, reads = Gallery(session), Reads(monkeypatch)
    press(gallery, "Next")
    assert repr(gallery) == "Tasks 25 to 48 of 400"
    assert (reads.rows, reads.posters <= PAGE) == (PAGE, True)
    set_filter(gallery, "words", "fox")
    assert reads.rows == 2 * PAGE
    session.tasks(400)
    assert reads.rows == 2 * PAGE + 400, "the control"


def widgets_of(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from widgets_of(child)


def press(gallery: Gallery, name: str) -> None:
    """Presses the first button whose name begins so."""
    named = [one for one in widgets_of(gallery.widget) if hasattr(one, "click") and one.description.startswith(name)]
    named[0].click()


def set_filter(gallery: Gallery, name: str, value: Any) -> None:
    gallery._filters[name].value = value


def shown(gallery: Gallery) -> str:
    return " ".join(str(one.value) for one in widgets_of(gallery.widget) if type(one).__name__ == "HTML")


def test_filters_lead_back_to_the_first_page_and_pages_turn_around(session: sd.Session) -> None:
    fill(session, 50)
    gallery = Gallery(session)
    for name, text in (("Next", "25 to 48"), ("Next", "49 to 50"), ("Next", "1 to 24"), ("Previous", "49 to 50")):
        press(gallery, name)
        assert repr(gallery) == f"Tasks {text} of 50"
    set_filter(gallery, "state", "done")
    assert repr(gallery) == "Tasks 1 to 15 of 15"
    set_filter(gallery, "words", "nothing like this")
    assert repr(gallery) == "No tasks found"
    assert len(gallery._grid.children) == 0


def test_no_text_of_a_task_becomes_a_tag(session: sd.Session) -> None:
    fill(session, 10)
    gallery = Gallery(session, "<script>")
    assert repr(gallery) == "Tasks 1 to 1 of 1"
    assert "&lt;script&gt;" in shown(gallery)
    assert "<script" not in shown(gallery)


def test_a_gallery_reaches_no_network(session: sd.Session, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(session, 30, str(made[1].path))
    monkeypatch.setattr(httpx.AsyncClient, "send", lambda *_: pytest.fail("a request"))
    gallery = Gallery(session)
    press(gallery, "Next")
    set_filter(gallery, "cost", "paid")


@pytest.fixture
def videos(session: sd.Session) -> list[sd.Video]:
    return [session.generate(MODELS[0], prompt=f"A fox {n}", resolution="480p", duration=4) for n in (1, 2)]


def player(gallery: Gallery) -> str:
    return "".join(output["data"]["text/html"] for output in gallery._player.outputs)


def test_each_model_is_offered_once(session: sd.Session, videos: list[sd.Video]) -> None:
    labels = [label for label, _ in Gallery(session)._filters["model"].options]
    assert videos[0].row.spec in labels
    assert len(labels) == len(set(labels))


def test_a_click_plays_the_video_in_its_place_and_another_closes_it(
    session: sd.Session, videos: list[sd.Video]
) -> None:
    gallery = Gallery(session)
    assert player(gallery) == ""
    press(gallery, 'Play "A fox 2')
    assert "<video controls" in player(gallery)
    assert "autoplay" in player(gallery)
    assert videos[1].path.name in player(gallery)
    press(gallery, 'Play "A fox 1')
    assert videos[0].path.name in player(gallery)
    assert [card.widget._dom_classes.count("sdn-open") for card in gallery._cards] == [0, 1]
    press(gallery, "Close")
    assert player(gallery) == ""


def test_a_mark_is_set_changed_and_removed_and_another_gallery_knows_it(
    session: sd.Session, videos: list[sd.Video]
) -> None:
    for value in ("keep", "reject", ""):
        gallery = Gallery(session)
        press(gallery, f'Play "{videos[0].prompt}')
        gallery._mark.value = value
        again = Gallery(session)
        assert [card.found.mark for card in again._cards] == ["", value]
        assert [word in shown(again) for word in (">Keep<", ">Reject<")] == [value == "keep", value == "reject"]
        set_filter(again, "mark", "no mark")
        assert repr(again) == ("Tasks 1 to 1 of 1" if value else "Tasks 1 to 2 of 2")


def test_opening_a_video_writes_no_mark(session: sd.Session, videos: list[sd.Video]) -> None:
    session.ledger.set_mark(videos[0].row, "keep")
    before = len(journal.read(journal.journal_path(session.ledger.path))[0])
    gallery = Gallery(session)
    for prompt in ("A fox 1", "A fox 2", "A fox 1"):
        press(gallery, f'Play "{prompt}')
    assert len(journal.read(journal.journal_path(session.ledger.path))[0]) == before


def test_use_these_settings_opens_a_panel_and_sends_nothing(session: sd.Session, videos: list[sd.Video]) -> None:
    gallery = Gallery(session)
    press(gallery, 'Play "A fox 1')
    press(gallery, "Use these settings")
    assert gallery.panel is not None
    assert gallery.panel.form.values == videos[0].request
    assert gallery.panel.task is None
    assert session.ledger.count() == len(videos)


def test_a_task_without_a_video_has_its_reason_and_its_settings(session: sd.Session) -> None:
    with pytest.raises(sd.TaskFailed):
        session.generate(MODELS[0], prompt="A storm simulate:fail", duration=4)
    gallery = Gallery(session)
    press(gallery, "Details of")
    assert "was asked to fail" in player(gallery)
    assert "<video" not in player(gallery)
    press(gallery, "Use these settings")
    assert gallery.panel is not None
    assert gallery.panel.form.values["input"]["duration"] == 4


def test_settings_of_an_unknown_model_are_refused_in_words(session: sd.Session) -> None:
    fill(session, 3)
    gallery = Gallery(session)
    press(gallery, "Details of")
    assert "not one of the built-in models" in gallery._status.value
    assert gallery.panel is None


def test_a_forgotten_task_keeps_its_mark_and_has_no_settings(session: sd.Session, videos: list[sd.Video]) -> None:
    session.ledger.set_mark(videos[0].row, "keep")
    session.task(videos[0].task).forget(files=True)
    gallery = Gallery(session)
    assert "A fox 1" not in shown(gallery)
    assert sorted(card.found.mark for card in gallery._cards) == ["", "keep"]
    press(gallery, "Details of")
    assert "done, forgotten" in player(gallery)
    press(gallery, "Use these settings")
    assert "was forgotten" in gallery._status.value
    assert gallery.panel is None


def continued(gallery: Gallery, prompt: str) -> dict[str, Any] | str:
    """The form's values after Continue from last frame, or the reason why there is no form."""
    press(gallery, f'Play "{prompt}')
    press(gallery, "Continue from last frame")
    until(lambda: gallery.panel or "alert" in gallery._status.value)
    return gallery.panel.form.values if gallery.panel else str(gallery._status.value)


def test_it_continues_from_the_providers_own_last_frame_while_its_url_works(
    session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = session.generate(MODELS[0], prompt="A fox", resolution="480p", duration=4, return_last_frame=True)
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return media.picture() if len(asked) == 1 else b"<html>expired"

    monkeypatch.setattr(storyboard_module, "fetch_small", fetch)
    values = continued(Gallery(session), "A fox")
    assert isinstance(values, dict)
    assert asked == [video.row.outputs[video.beside[0].place]]
    assert values["input"]["img_urls"] == asked
    assert (values["input"]["prompt"], values["input"]["resolution"], values["input"]["duration"]) == (
        "A fox",
        "480p",
        4,
    )
    expired = continued(Gallery(session), "A fox")
    assert isinstance(expired, dict)
    assert re.fullmatch(r"http://crun\.simulator\.invalid/uploads/upload_\w+\.png", expired["input"]["img_urls"][0])
    assert session.ledger.count() == 1, "nothing was sent"


def test_a_signed_url_of_the_provider_stays_out_of_the_form(
    session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = session.generate(MODELS[0], prompt="A fox", resolution="480p", duration=4, return_last_frame=True)
    signed = tuple(f"{url}?signature=31337" for url in video.row.outputs)
    session.ledger.update(video.row.seq, outputs=signed)
    monkeypatch.setattr(storyboard_module, "fetch_small", lambda _: pytest.fail("it is not even asked"))
    values = continued(Gallery(session), "A fox")
    assert isinstance(values, dict)
    assert "31337" not in str(values)
    assert "/uploads/" in values["input"]["img_urls"][0]


def test_it_continues_the_video_that_was_open_when_it_was_pressed(
    session: sd.Session, videos: list[sd.Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery, asked = Gallery(session), list[str]()

    def frame(_: sd.Session, __: Any, row: Row) -> str:
        press(gallery, f'Play "{videos[1].prompt}')  # meanwhile
        asked.append(row.name)
        return "https://example.com/a.png"

    monkeypatch.setattr(gallery_module, "last_frame_url", frame)
    values = continued(gallery, videos[0].prompt)
    assert isinstance(values, dict)
    assert (asked, values["input"]["prompt"]) == ([videos[0].task], videos[0].prompt)


@pytest.mark.parametrize(
    ("model", "fields", "reason"),
    [
        ("seedance2-pro/seedance-20-i2v", {"urls": ["https://example.com/a.png"], "duration": "5s"}, "seedance2-pro accepts no uploads"),
        ("vastnum/doubao-seedance-2.0", {}, "vastnum has no packaged model that starts from an image."),
    ],
)  # fmt: skip
def test_where_it_cannot_continue_it_says_why(
    session: sd.Session, model: str, fields: dict[str, Any], reason: str
) -> None:
    session.generate(model, prompt="A fox", **fields)
    text = continued(Gallery(session), "A fox")
    assert isinstance(text, str)
    assert reason in text


def test_where_there_are_no_widgets_the_page_is_a_table(session: sd.Session, videos: list[sd.Video]) -> None:
    gallery, views = Gallery(session), list[Any]()
    gallery._static.update = lambda view, **_: views.append(view)  # type: ignore[method-assign]
    gallery.refresh()
    html = str(views[0].html)
    assert html.count("<tr>") == 3
    assert html.count("data:image/jpeg;base64,") == 2
    for text in ("A fox 1", MODELS[0], "simulated (free)", "done", videos[0].path.name):
        assert text in html
    assert len(html) < 25_000


def test_the_stills_of_a_table_are_seen_anywhere_and_bounded_together(
    session: sd.Session, videos: list[sd.Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.tasks()._repr_html_().count("data:image/jpeg;base64,") == 2
    monkeypatch.setattr(task_module, "_STILLS_BYTES", 1)
    html = session.tasks()._repr_html_()
    assert html.count("data:image/jpeg;base64,") == 1
    assert all(video.path.name in html for video in videos)


def test_a_ledger_that_cannot_be_written_says_so_at_the_mark(
    session: sd.Session, videos: list[sd.Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = Gallery(session)
    press(gallery, f'Play "{videos[0].prompt}')

    def refuse(*_: Any) -> None:
        raise sd.LedgerError("The ledger is read-only.")

    monkeypatch.setattr(Ledger, "set_mark", refuse)
    gallery._mark.value = "keep"
    assert "The ledger is read-only." in gallery._status.value
    assert gallery._cards[1].found.mark == ""


def test_a_request_of_another_kind_keeps_its_claim(session: sd.Session) -> None:
    """A mark changes nothing of what makes a request the same one."""
    row, is_new = session.ledger.claim(approved(), base_url=BASE, simulated=True)
    session.ledger.set_mark(row, "keep")
    again, is_new_again = session.ledger.claim(approved(), base_url=BASE, simulated=True)
    assert (is_new, is_new_again, again) == (True, False, row)


def test_who_sent_a_task_is_shown_only_where_there_is_more_than_one(
    session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ("ann", EVIL)
    for number, person in enumerate(people):
        monkeypatch.setenv("SEEDANCE_PERSON", person)
        session.ledger.claim(approved(f"A fox {number}"), base_url=BASE, simulated=True)
    monkeypatch.setenv("SEEDANCE_PERSON", "ann")
    assert repr(Gallery(session)) == "Tasks 1 to 1 of 1"
    assert "ann" not in shown(Gallery(session))
    everyone = Gallery(session, everyone=True)
    assert repr(everyone) == "Tasks 1 to 2 of 2"
    assert ("ann · " in shown(everyone), "&lt;script&gt;" in shown(everyone), "<script" in shown(everyone)) == (
        True,
        True,
        False,
    )
    set_filter(everyone, "words", "fox 0")
    assert (repr(everyone), "ann · " in shown(everyone)) == ("Tasks 1 to 1 of 1", False)
    monkeypatch.delenv("SEEDANCE_PERSON")
    assert repr(Gallery(session)) == "Tasks 1 to 2 of 2", "a file has the tasks of one person, whatever the names"
