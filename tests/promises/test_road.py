"""Check, record, send once, follow, keep: against a provider on loopback that counts what it took."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.clips import provider_bytes
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._ledger.row import State

MODEL = "crun/seedance-2.0-fast-r2v"
FIELDS: dict[str, Any] = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4,
                          "resolution": "480p", "aspect_ratio": "16:9", "audio": True}  # fmt: skip
KEY = "ak_canary_0123456789abcdefghijklmnop"


async def at_once(_: float) -> None:
    """Waits for nothing, so that a day of looking takes no time."""


@pytest.fixture
def session(provider: Provider, tmp_path: Path) -> sd.Session:
    return sd.Session(
        api_key=KEY, base_url=provider.url, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "out", sleep=at_once
    )


def rows(session: sd.Session) -> list[tuple[str, str]]:
    return [(row.name, str(row.state)) for row in session.tasks()]


def test_one_request_is_one_charge_and_one_saved_video(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["pending", "running", "success"]
    video = session.generate(MODEL, timeout=60, **FIELDS)
    assert [json.loads(body)["input"] for body in provider.charges] == [FIELDS]
    assert provider.looks == ["/api/v1/client/job/TaskInfo?task_id=task_1"] * 3
    assert provider_bytes(video.path) == provider.video
    assert (video.task, video.simulated, video.row.credits) == ("crun:task_1", False, 12.5)
    assert video.facts is not None
    assert (video.facts.width, video.facts.height, video.facts.seconds, video.facts.audio) == (854, 480, 4.0, "aac")
    assert list(video.path.parent.glob("*.part")) == list(video.path.parent.glob(".*part")) == []
    assert rows(session) == [("crun:task_1", "done")]


def test_running_the_cell_again_costs_nothing(session: sd.Session, provider: Provider) -> None:
    first = session.generate(MODEL, timeout=60, **FIELDS)
    again = session.generate(MODEL, timeout=60, **FIELDS)
    assert again.path == first.path
    assert len(provider.charges) == 1
    session.submit(MODEL, take=2, **FIELDS).wait(60)
    assert len(provider.charges) == 2


def test_the_row_is_on_disk_before_the_request_arrives(session: sd.Session, provider: Provider) -> None:
    seen: list[Any] = []

    def look() -> None:
        with closing(sqlite3.connect(f"file:{session.ledger.path}?mode=ro", uri=True)) as db:
            seen.extend(db.execute("SELECT state, body FROM tasks").fetchall())

    provider.when_charged = look
    session.generate(MODEL, timeout=60, **FIELDS)
    assert seen == [("sending", provider.charges[0])]


def test_a_problem_sends_and_records_nothing(session: sd.Session, provider: Provider) -> None:
    with pytest.raises(sd.InvalidInput) as refused:
        session.submit(MODEL, prompt="", reference_images=[], duration=16)
    assert {problem.path for problem in refused.value.problems} == {
        "/input/prompt",
        "/input/duration",
        "/input/reference_images",
    }
    assert "nothing was sent" in str(refused.value)
    assert provider.charges == []
    assert rows(session) == []


AMBIGUOUS: dict[str, Any] = {
    "the connection closes": "close",
    "the connection is reset": "reset",
    "a maintenance page": "html",
    "half an answer": "half",
    "a yes without an id": (200, {"code": 200, "message": "success", "data": {}}),
    "an id that is none": (200, {"code": 200, "data": {"task_id": "../../account"}}),
    "a server error": (500, {"code": 500, "message": "Server Error"}),
    "a failed generation": (200, {"code": 501, "message": "Generation Failed"}),
    "a code that is not documented": (200, {"code": 777, "message": "?"}),
    "a gateway's own error": (404, {"detail": "not here"}),
    "a list": (200, [1, 2]),
}


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_an_unclear_answer_is_never_sent_again(session: sd.Session, provider: Provider, fault: str) -> None:
    provider.on_create = [AMBIGUOUS[fault], "ok"]
    posts = 0
    for _ in range(3):
        with pytest.raises(sd.UnknownOutcome, match="not known whether crun accepted") as unclear:
            session.generate(MODEL, timeout=60, **FIELDS)
        assert unclear.value.charged == "unknown"
        assert unclear.value.task.startswith("#1-")
        posts = len(provider.headers)
    assert posts == 1
    assert [state for _, state in rows(session)] == ["outcome unknown"]


def test_a_naive_client_fails_the_same_count(provider: Provider) -> None:
    provider.on_create = ["close", "ok"]
    for _ in range(2):
        try:
            httpx.post(f"{provider.url}/api/v1/client/job/CreateTask", json=FIELDS, trust_env=False)
        except httpx.HTTPError:
            continue
    assert len(provider.charges) == 2


REFUSED: dict[int, tuple[type[sd.Refused], int]] = {
    401: (sd.Unauthorized, 401), 402: (sd.NoCredits, 200), 404: (sd.Refused, 404), 422: (sd.Refused, 422),
    429: (sd.RateLimited, 429), 455: (sd.Unavailable, 200), 505: (sd.Refused, 200),
}  # fmt: skip


@pytest.mark.parametrize("code", REFUSED)
def test_a_documented_no_is_an_error_with_the_providers_words(
    session: sd.Session, provider: Provider, code: int
) -> None:
    kind, status = REFUSED[code]
    answer = {"code": code, "message": f"no, says {code}", "errors": ["prompt: too <b>bold</b>"]}
    provider.on_create = [(status, answer)] * (3 if code == 429 else 1) + ["ok"]  # what passes is tried three times
    task = session.submit(MODEL, **FIELDS)
    for _ in range(2):
        with pytest.raises(kind, match=f"no, says {code}") as refused:
            task.wait(60)
        assert type(refused.value) is kind
        assert (refused.value.code, refused.value.charged) == (code, "not charged")
        assert "prompt: too <b>bold</b>" in str(refused.value)
    assert session.generate(MODEL, timeout=60, **FIELDS).task == "crun:task_1"
    assert len(provider.charges) == 1


def test_a_dead_provider_is_unreachable_and_no_money_moved(session: sd.Session, provider: Provider) -> None:
    provider.stop()
    with pytest.raises(sd.Unreachable) as unreachable:
        session.generate(MODEL, timeout=60, **FIELDS)
    assert unreachable.value.sent is False
    assert "Nothing was charged." in str(unreachable.value)
    assert [state for _, state in rows(session)] == ["not sent"]


def test_a_failed_task_speaks_with_the_providers_words(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["running", "failed"]
    for _ in range(2):
        with pytest.raises(sd.TaskFailed, match="the picture shows <b>nobody</b>") as failed:
            session.generate(MODEL, timeout=60, **FIELDS)
    assert failed.value.task == "crun:task_1"
    assert len(provider.charges) == 1


FLAWS: list[Any] = ["close", "reset", "html", "half", (500, {"code": 500}), (502, {}), (429, {"code": 429, "message": "slow"}),
                    (404, {"code": 404, "message": "not yet"}), (200, {"code": 200, "data": None})]  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS, ids=str)
def test_one_bad_status_answer_loses_nothing(session: sd.Session, provider: Provider, flaw: Any) -> None:
    provider.on_status = ["running", flaw, flaw, "success"]
    assert session.generate(MODEL, timeout=60, **FIELDS).path.exists()
    assert len(provider.charges) == 1


def test_a_word_that_is_not_documented_is_shown_and_followed(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["dancing", "dancing", "success"]
    assert session.generate(MODEL, timeout=60, **FIELDS).path.exists()
    with closing(sqlite3.connect(session.ledger.path)) as db:
        events = db.execute("SELECT changes FROM events").fetchall()
    assert any('"unrecognised"' in changes and '"dancing"' in changes for (changes,) in events)


def test_a_key_that_is_refused_later_leaves_the_task_resumable(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["running", (401, {"code": 401, "message": "no"}), "success"]
    task = session.submit(MODEL, **FIELDS)
    with pytest.raises(sd.Unauthorized, match="the status of crun:task_1"):
        task.wait(60)
    assert task.state is State.RUNNING
    assert task.wait(60).path.exists()


@pytest.mark.parametrize("flaw", ["short", "cut", "html", "close"])
def test_a_broken_download_never_gets_the_final_name(session: sd.Session, provider: Provider, flaw: str) -> None:
    provider.on_video = [flaw]
    with pytest.raises(sd.MediaError) as broken:
        session.generate(MODEL, timeout=60, **FIELDS)
    assert broken.value.task == "crun:task_1"
    assert list(session.outputs.iterdir()) == []
    provider.on_video = ["ok"]
    assert provider_bytes(session.task("crun:task_1").wait(60).path) == provider.video
    assert len(provider.charges) == 1


def test_a_download_that_broke_is_tried_again(session: sd.Session, provider: Provider) -> None:
    provider.on_video = ["close", "short", "ok"]
    assert session.generate(MODEL, timeout=60, **FIELDS).path.exists()
    assert len(provider.downloads) == 3
    assert len(provider.looks) == 1


def test_the_key_goes_to_the_provider_and_not_to_the_file_server(session: sd.Session, provider: Provider) -> None:
    session.generate(MODEL, timeout=60, **FIELDS)
    assert provider.headers[0]["x-api-key"] == KEY
    assert all("x-api-key" not in headers for headers in provider.downloads)


def test_a_task_is_taken_up_again_by_another_process(session: sd.Session, provider: Provider, tmp_path: Path) -> None:
    provider.on_status = ["failing on purpose"]
    task = session.submit(MODEL, **FIELDS)
    until(lambda: task.row.task_id)
    with pytest.raises(sd.WaitTimeout):
        task.wait(0)
    later = sd.Session(
        api_key=KEY, base_url=provider.url, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "out", sleep=at_once
    )
    provider.on_status = ["success"]
    assert later.task("crun:task_1").wait(60).path.exists()
    assert len(provider.charges) == 1


def test_waiting_that_ends_says_so_and_leaves_the_task(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["running"]
    task = session.submit(MODEL, **FIELDS)
    with pytest.raises(sd.WaitTimeout, match="is still") as timeout:
        task.wait(0.2)
    assert isinstance(timeout.value, TimeoutError)
    assert not task.following().done()
    provider.on_status = ["success"]
    assert task.wait(60).path.exists()


def test_awaiting_gives_the_same_video(session: sd.Session) -> None:
    import asyncio

    async def main() -> sd.Video:
        return await session.submit(MODEL, **FIELDS)

    assert asyncio.run(main()).path.exists()


def test_a_key_is_not_sent_where_an_old_row_points(session: sd.Session, provider: Provider, tmp_path: Path) -> None:
    session.generate(MODEL, timeout=60, **FIELDS)
    elsewhere = sd.Session(api_key="another-key", ledger=tmp_path / "l.sqlite3")
    before = len(provider.looks)
    Path(session.tasks()[0].file).unlink()
    with pytest.raises(sd.SeedanceError, match="keys for crun are now sent to another server"):
        elsewhere.task("crun:task_1").wait(60)
    assert len(provider.looks) == before


def test_a_ledger_that_cannot_be_written_sends_nothing(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    session = sd.Session(api_key=KEY, base_url=provider.url, ledger=tmp_path / "file" / "l.sqlite3", sleep=at_once)
    with pytest.raises(sd.LedgerError, match="cannot be used"):
        session.submit(MODEL, **FIELDS)
    assert provider.charges == []


def test_an_answer_that_could_not_be_recorded_is_unclear_and_not_sent_again(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = session.ledger.update

    def full(seq: int, **changes: Any) -> Any:
        if provider.charges:
            raise sd.LedgerError("The disk is full.")
        return write(seq, **changes)

    with monkeypatch.context() as patch:
        patch.setattr(session.ledger, "update", full)
        with pytest.raises(sd.LedgerError, match=r"accepted the request as task task_1, but .* The disk is full"):
            session.generate(MODEL, timeout=60, **FIELDS)
    for _ in range(2):
        with pytest.raises(sd.UnknownOutcome, match="before the response was recorded"):
            session.generate(MODEL, timeout=60, **FIELDS)
    assert len(provider.charges) == 1


def test_a_ledger_that_cannot_say_that_a_request_is_leaving_lets_none_leave(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise sd.LedgerError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(session.ledger, "update", full)
        with pytest.raises(sd.LedgerError, match="The disk is full") as unwritten:
            session.generate(MODEL, timeout=60, **FIELDS)
    assert unwritten.value.charged == "not charged"
    assert provider.headers == []
    with pytest.raises(sd.Unreachable, match="before anything was sent"):
        session.generate(MODEL, timeout=60, **FIELDS)
    assert session.generate(MODEL, timeout=60, **FIELDS).path.exists()
    assert len(provider.charges) == 1


def test_a_name_that_the_ledger_does_not_have_is_said_so(session: sd.Session) -> None:
    with pytest.raises(sd.SeedanceError, match="No task 'crun:task_99' in the ledger"):
        session.task("crun:task_99")


def test_without_a_key_the_simulator_is_taken_and_with_one_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sd.Session().is_simulated(MODEL)
    monkeypatch.setenv("CRUN_API_KEY", KEY)
    assert not sd.Session().is_simulated(MODEL)
    assert sd.Session(simulate=True).is_simulated(MODEL)
    monkeypatch.delenv("CRUN_API_KEY")
    with pytest.raises(sd.SeedanceError, match="No key for crun"):
        sd.Session(simulate=False).is_simulated(MODEL)


def test_the_key_comes_from_the_argument_then_the_environment(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "from-the-environment")
    for number, (named, expected) in enumerate([(None, "from-the-environment"), (KEY, KEY)]):
        session = sd.Session(api_key=named, base_url=provider.url, ledger=tmp_path / f"{number}.sqlite3", sleep=at_once)
        session.generate(MODEL, timeout=60, **FIELDS)
        assert provider.headers[number]["x-api-key"] == expected


def test_a_folder_for_videos_may_be_named_from_the_working_folder(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session = sd.Session(api_key=KEY, base_url=provider.url, outputs=Path("videos"), sleep=at_once)
    assert session.generate(MODEL, timeout=60, **FIELDS).path.parent == tmp_path / "videos"
