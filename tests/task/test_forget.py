"""A person can have a request forgotten: no byte of its prompt stays, and no money is spent for it by itself."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from faults.canary import hits
from support.claims import claim
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._base.values import strip_queries
from seedance_nb._form.exchange import save_preset
from seedance_nb._ledger import database, journal
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import FORGOTTEN, State
from seedance_nb._ledger.store import Store
from seedance_nb._task import files
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import file_lock, forget
from seedance_nb._task.task import Task

MODEL = "crun/seedance-1.0-pro-t2v"
PROMPT = 'A zebra-finch_7Qx "sings" in the ﻿雪 & rain'
WORDS = "zebra-finch_7Qx"
SMALL: dict[str, Any] = {"resolution": "480p", "duration": 4}


@pytest.fixture(params=["WAL", "DELETE"])
def session(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sd.Session:
    """A session whose simulator, drafts and outputs are all below `tmp_path`, on a local disk and on a network's."""
    monkeypatch.setattr(database, "journal_mode", lambda _: request.param)
    return sd.Session(ledger=tmp_path / "home" / "ledger.sqlite3", queue_s=0, run_s=0)


def places(folder: Path) -> list[str]:
    """The files below a folder that contain any spelling of the prompt's words."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and _has(path))


def _has(path: Path) -> bool:
    return bool(hits(path.read_bytes(), WORDS)) or WORDS in path.name


def spread(session: sd.Session, folder: Path) -> Task:
    """A finished task whose prompt is wherever this package writes one."""
    claim(session.ledger, prompt="another")
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    video = task.wait()
    session.ledger.update(task.row.seq, error=f"the provider says {PROMPT!r}", word=PROMPT, outputs=(f"a?{PROMPT}",))
    session.ledger.set_mark(task.row, "keep")
    for _ in range(3):  # what was overwritten stays in free pages
        session.ledger.update(task.row.seq, error="short")
        session.ledger.update(task.row.seq, error=f"{PROMPT} " * 400)
    for name in (
        f"{video.path.stem}.gif",
        f".{video.path.stem}-2.part",
        f"{video.path.name}.request.json",
        f"{video.path.stem}-unsupported.ts",
    ):
        video.path.with_name(name).write_text(PROMPT, encoding="utf-8")
    drafts = folder / "home" / "ledger.sqlite3-drafts"
    drafts.mkdir()
    save_preset(drafts / "1.json", sd.spec(MODEL), {"input": {"prompt": PROMPT}})
    save_preset(drafts / "2.json", sd.spec(MODEL), {"input": {"prompt": "another"}})
    return task


def test_no_byte_of_a_forgotten_prompt_is_left_in_any_file(session: sd.Session, tmp_path: Path) -> None:
    session.generate(MODEL, prompt="a cat", **SMALL)
    task, other = spread(session, tmp_path), Ledger(session.ledger.path)
    other.rows()  # another kernel, with the files open
    before = places(tmp_path)
    for part in (
        "ledger.sqlite3",
        ".journal.jsonl",
        "drafts/1.json",
        ".mp4",
        ".part",
        ".request.json",
        ".ts",
        "simulator/tasks",
    ):
        assert any(part in place for place in before), "the prompt was there"
    kept = [row for row in other.rows() if row.seq != task.row.seq]
    task.forget(files=True)
    assert places(tmp_path) == []
    assert [row for row in other.rows() if row.seq != task.row.seq] == kept
    assert all(files.poster_of(Path(row.file)).is_file() for row in kept if files.is_saved(row))
    assert [path.name for path in (tmp_path / "home").glob("*drafts/*")] == ["2.json"]
    assert not list((tmp_path / "outputs").glob(f"*{files.stem_of(task.row)}*"))


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_a_naive_way_to_forget_leaves_the_prompt(
    session: sd.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def naive(store: Store, seq: int, *, files: bool) -> None:
        assert files
        store.transact(lambda transaction: transaction.change(seq, FORGOTTEN))

    monkeypatch.setattr(Store, "forget", naive)
    spread(session, tmp_path).forget(files=True)
    assert {Path(place).suffix for place in places(tmp_path)} >= {".jsonl"}
    assert any("sqlite3" in Path(place).name and "jsonl" not in place for place in places(tmp_path))


def test_all_that_is_not_the_request_stays_and_can_be_rebuilt(session: sd.Session, tmp_path: Path) -> None:
    task = spread(session, tmp_path)
    old = task.row
    task.forget(files=True)
    new = task.row
    removed = {"body", "outputs", "error", "word", "file", "sha256", "facts", "beside"}
    assert {name for name in old.__dataclass_fields__ if getattr(old, name) != getattr(new, name)} <= removed
    rows = session.ledger.rows()
    session.ledger.close()
    assert sd.repair_ledger(session.ledger.path).lost == ()
    assert Ledger(session.ledger.path).rows() == rows
    with pytest.warns(UserWarning, match=r"Old files of a repair may still have the request.*damaged-\*"):
        session.task(new.name).forget(files=True)


def test_events_keep_their_numbers_also_after_one_was_lost(session: sd.Session, tmp_path: Path) -> None:
    task = spread(session, tmp_path)
    session.ledger.close()
    with closing(sqlite3.connect(session.ledger.path)) as db, db:
        db.execute("DELETE FROM events WHERE rowid = 2")
        numbers = db.execute("SELECT rowid, task FROM events ORDER BY rowid").fetchall()
    task.forget()
    session.ledger.close()
    with closing(sqlite3.connect(session.ledger.path)) as db:
        assert db.execute("SELECT rowid, task FROM events ORDER BY rowid").fetchall()[: len(numbers)] == numbers
        latest = [number for (number,) in db.execute("SELECT max(rowid) FROM events GROUP BY task ORDER BY 1")]
    assert [entry.number for entry in journal.read(journal.journal_path(session.ledger.path))[0]] == latest


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
@pytest.mark.parametrize("state", sorted(set(State) - {State.DONE, State.FAILED, State.REFUSED, State.UNSENT}))
def test_an_unfinished_task_is_not_forgotten(session: sd.Session, tmp_path: Path, state: State) -> None:
    row, _ = claim(session.ledger, prompt=PROMPT)
    session.ledger.update(row.seq, state=state)
    before = session.ledger.rows(), places(tmp_path)
    task = session.task(row.seq)
    with pytest.raises(sd.SeedanceError, match=r"cannot be forgotten yet\. Nothing was removed\.\nNext: call sd\.task"):
        task.forget(files=True)
    assert (session.ledger.rows(), places(tmp_path)) == before


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_a_paid_video_that_nobody_has_yet_is_not_forgotten(session: sd.Session) -> None:
    row, _ = claim(session.ledger, prompt=PROMPT, simulated=False)
    task = session.task(session.ledger.update(row.seq, state=State.DONE, task_id="task_1").seq)
    with pytest.raises(sd.SeedanceError, match="is done and its video is not downloaded"):
        task.forget()
    session.ledger.update(row.seq, beside=files.write_extras([files.ExtraResult(place=0, fault="no video")]))
    task.forget()  # its download was tried and failed
    assert task.row.is_forgotten


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_a_task_that_is_being_downloaded_is_not_forgotten(session: sd.Session) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    video = task.wait()

    async def meanwhile() -> None:
        async with file_lock(files.lock_for(session.outputs, task.row)):
            await forget(session.ledger, session.outputs, sd.spec(MODEL), task.row, files=True)

    with pytest.raises(sd.SeedanceError, match="cannot be forgotten yet"):
        ENGINE.run(meanwhile())
    assert video.path.is_file()
    assert not task.row.is_forgotten


@pytest.fixture
def paid(provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Task]:
    session = sd.Session(api_key="sk-test-key-1234", base_url=provider.url, ledger=tmp_path / "l", budget=10_000)
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "127.0.0.1")

    def submit(**more: Any) -> Task:
        return session.submit(MODEL, prompt=PROMPT, **SMALL, **more)

    return submit


def test_a_forgotten_request_is_not_paid_again_by_itself(paid: Callable[..., Task], provider: Provider) -> None:
    task = paid()
    task.wait(30)
    cost = task.cost
    task.forget(files=True)
    again = paid()
    assert (again.name, again.is_new, len(provider.charges)) == (task.name, False, 1)
    assert (again.cost, again.state) == (cost, State.DONE)
    with pytest.raises(sd.SeedanceError, match=r"was forgotten, and its video was removed\.\nNext: pass take=2"):
        again.wait(30)
    assert len(provider.downloads) == 1
    assert paid(take=2).is_new


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_an_error_on_the_way_leaves_a_whole_ledger_and_can_be_repeated(
    session: sd.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, real = spread(session, tmp_path), journal.append

    def full(file: int, entries: Any) -> None:
        listed = list(entries)
        if len(listed) > 1:  # the journal, written anew with a line for each row
            raise OSError(28, "No space left on device")
        real(file, listed)

    monkeypatch.setattr(journal, "append", full)
    with pytest.raises(sd.LedgerError):
        task.forget(files=True)
    monkeypatch.setattr(journal, "append", real)
    assert len(session.ledger.rows()) == 2  # and the journal is whole again
    assert len({entry.task for entry in journal.read(journal.journal_path(session.ledger.path))[0]}) == 2
    task.forget(files=True)
    assert places(tmp_path) == []


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_a_video_can_stay_when_its_request_is_forgotten(session: sd.Session, tmp_path: Path) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    path = task.wait().path
    task.forget()
    assert places(tmp_path / "home") == []
    assert task.wait().path == path
    assert session.tasks()[0].file == str(path)
    assert "done, forgotten" in repr(session.tasks())
    assert "prompt" not in task.wait().asked


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_files_of_others_stay_whatever_the_ledger_names(session: sd.Session, tmp_path: Path) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    task.wait()
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("a.mp4", "a.jpg", "cat.mp4", "a.txt"):
        (mine / name).write_text("mine")
    session.ledger.update(task.row.seq, file=str(mine / "a.mp4"))
    task.forget(files=True)
    assert sorted(path.name for path in mine.iterdir()) == ["a.txt", "cat.mp4"]


def test_a_forgotten_task_says_so_wherever_it_is_listed(session: sd.Session) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    task.wait()
    task.forget(files=True)
    assert "done, forgotten" in repr(task)
    shown = repr(session.tasks())
    assert shown.splitlines()[1].split()[-1] == "forgotten"
    assert "forgotten" in session.tasks()._repr_html_()
    assert json.loads(task.row.body) == ""


NEAR = (
    "{0}", "{0}.txt", "{0}.png", "{0}.mov", "{0}.mp4.bak", "{0} copy.mp4", "{0}-mine.mp4", "{0}-h264-cut.mp4", "{0}-changed.mp4",
    "{0}-edit.gif", "{0}-1.txt", "{0}-2-changed-.png", "{0}-last-frame.psd", "{0}-unsupported.txt", "{0}.request.json", "{0}0.mp4",
    "x{0}.mp4", ".{0}.mp4", ".{0}-x.part", "{0}-1.part", ".{0}-1.parts", "{0}.MP4.jpg", "{0}.mp4\n",
)  # fmt: skip
OWN = (
    "{0}.webm", "{0}.mkv", "{0}.webm.request.json", ".{0}.mp4.request.json.x_1abcde.part", "{0}-changed-1.mp4", "{0}-changed-12.webm",
    "{0}-last-frame.png", "{0}-2.jpg", "{0}-3.wav", "{0}-last-frame-changed-1.png", "{0}.gif", "{0}-2.gif", "{0}-h264.gif", "{0}-h264.mp4",
    ".{0}-h264.mp4.part", ".{0}-1.part", ".{0}-1.part.json", ".{0}-2.jpgpart", ".{0}-1.trimpart", "{0}-unsupported.avi",
)  # fmt: skip


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_of_a_folder_of_alike_names_only_files_that_the_package_names_go(session: sd.Session, tmp_path: Path) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    folder, stem = task.wait().path.parent, files.stem_of(task.row)
    mine = {name.format(stem) for name in NEAR}
    ours = {name.format(stem) for name in OWN}
    for name in mine | ours:
        (folder / name).write_text("a person's")
    (folder / f"{stem}_frames").mkdir()
    (folder / f"{stem}_frames" / f"{stem}.mp4").write_text("a person's")
    (folder / f"{stem}-7.png").mkdir()  # our name, and no file
    (tmp_path / "elsewhere.jpg").write_text("a person's")
    (folder / f"{stem}-8.png").symlink_to(tmp_path / "elsewhere.jpg")
    kept = mine | {f"{stem}_frames", f"{stem}-7.png", f"{stem}-8.png"}
    naive = {path.name for path in folder.glob(f"*{stem}*")}
    assert {path.name for path in files.files_of(folder, task.row)} == ours | {f"{stem}.mp4", f"{stem}.jpg"}
    assert kept < naive, "the control: the stem alone takes them all"
    task.forget(files=True)
    assert {path.name for path in folder.iterdir()} == kept
    assert (folder / f"{stem}_frames" / f"{stem}.mp4").is_file()
    assert (tmp_path / "elsewhere.jpg").is_file()
    assert task.row.is_forgotten
    task.forget(files=True)


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_what_the_package_writes_beside_a_video_is_known_as_its_own(session: sd.Session) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    video = task.wait()
    video.to_gif(width=64, fps=1)
    video.to_gif(width=80, fps=1)
    copy = replace(video, facts=replace(video.facts, codec="mpeg4")).proxy() if video.facts else video
    copy.to_gif(width=64, fps=1)
    video.path.write_text("changed")
    task.wait()
    (folder := video.path.parent).joinpath("mine.mp4").write_text("mine")
    written = {path.name for path in folder.iterdir()}
    assert len(written) == 8
    assert {path.name for path in files.files_of(folder, task.row)} == written - {"mine.mp4"}


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
def test_results_in_the_folder_of_an_earlier_setting_go_as_well(session: sd.Session, tmp_path: Path) -> None:
    task = session.submit(MODEL, prompt=PROMPT, **SMALL)
    task.wait()
    (earlier := tmp_path / "earlier").mkdir()
    one = earlier / f"{files.stem_of(task.row)}-2.png"
    for file in (one, one.with_name("mine.png")):
        file.write_text(PROMPT)
    session.ledger.update(task.row.seq, beside=files.write_extras([files.ExtraResult(place=1, file=str(one))]))
    task.forget(files=True)
    assert [path.name for path in earlier.iterdir()] == ["mine.png"]


@pytest.mark.parametrize("session", ["WAL"], indirect=True)
@pytest.mark.parametrize(
    "prompt", ["a", "values", "480p", 'say "hi" \\ there\n雪', "see https://a.example/f.png?sig=abc now"]
)
def test_only_drafts_whose_prompt_is_the_same_go(session: sd.Session, tmp_path: Path, prompt: str) -> None:
    task = session.submit(MODEL, prompt=prompt, **SMALL)
    task.wait()
    (drafts := tmp_path / "home" / "ledger.sqlite3-drafts").mkdir()
    saved = prompt.replace("?sig=abc", "?…") if "sig" in prompt else prompt
    assert strip_queries(prompt) == saved
    for name, text in {"same": saved, "longer": f"{saved} cat", "other": "another", "upper": f"{saved}X"}.items():
        save_preset(drafts / f"{name}.json", sd.spec(MODEL), {"input": {"prompt": text, "resolution": "480p"}})
    save_preset(drafts / "model.json", sd.spec("vastnum/doubao-seedance-2.0"), {"prompt": saved})
    for name, text in {
        "list": "[]",
        "damaged": f'{{"prompt": "{prompt}"',
        "deep": "[" * 99_999,
        "number": '{"prompt": 5}',
    }.items():
        (drafts / f"{name}.json").write_text(text, encoding="utf-8")
    (drafts / "folder.json").mkdir()
    task.forget(files=True)
    left = {path.stem for path in drafts.iterdir()}
    assert left == {"longer", "other", "upper", "list", "damaged", "deep", "number", "folder"}
    assert task.row.is_forgotten
