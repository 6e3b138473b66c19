"""Promises about money, keys and waiting, each tried where it would break."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from IPython.core.ultratb import VerboseTB
from support.clips import provider_bytes
from support.provider import Provider
from support.waiting import short, until

import seedance_nb as sd
from seedance_nb._base.secret import Secret
from seedance_nb._check.check import Request
from seedance_nb._ledger.row import State
from seedance_nb._provider.transport import Endpoint, _Attempt, _respond
from seedance_nb._task.engine import ENGINE

MODEL = "crun/seedance-2.0-fast-r2v"
FIELDS: dict[str, Any] = {
    "prompt": "A fox",
    "reference_images": ["https://example.com/a.png"],
    "duration": 4,
    "resolution": "480p",
}
CANARY = "ak_canary_0123456789abcdefghijklmnop"


@pytest.fixture
def session(provider: Provider, tmp_path: Path) -> sd.Session:
    return sd.Session(
        api_key=CANARY, base_url=provider.url, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "out", sleep=short
    )


def test_a_script_that_ends_with_submit_has_sent_its_request(provider: Provider) -> None:
    script = f"import seedance_nb as sd; sd.submit({MODEL!r}, base_url={provider.url!r}, api_key='a-key-for-the-test', **{FIELDS!r})"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert len(provider.charges) == 1
    later = sd.Session(base_url=provider.url, api_key="a-key-for-the-test", sleep=short)
    assert [row.state for row in later.tasks()] == [State.QUEUED]
    assert later.task("crun:task_1").wait(60).path.exists()
    assert len(provider.charges) == 1


def test_stop_ends_the_waiting_at_once_and_not_the_task(provider: Provider) -> None:
    provider.on_status = ["running"]
    script = (
        "import seedance_nb as sd, sys, traceback\n"
        f"task = sd.submit({MODEL!r}, base_url={provider.url!r}, api_key='a-key-for-the-test', **{FIELDS!r})\n"
        "print('waiting', flush=True)\n"
        "try:\n    task.wait()\n"
        "except KeyboardInterrupt as stop:\n    print(stop, task.following().done(), flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    while not provider.looks:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert (
        child.stdout.readline()
        == "Stopped waiting; the task is still running. Wait for it again with sd.task('crun:task_1').wait() False\n"
    )
    child.communicate(timeout=60)


def test_a_cancelled_cell_leaves_the_task(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["running"]
    task = session.submit(MODEL, **FIELDS)

    async def cell() -> None:
        waiting = asyncio.ensure_future(task)
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()

    asyncio.run(cell())
    assert not task.following().done()
    provider.on_status = ["success"]
    assert task.wait(60).path.exists()


def test_an_interrupt_before_the_sending_frees_the_request(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    for place, charges in (("create_request", 0), ("ENGINE.follow", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(f"seedance_nb._task.follow.{place}", stop)
            with pytest.raises(KeyboardInterrupt):
                session.submit(MODEL, **(FIELDS | {"prompt": place}))
        assert len(provider.charges) == charges
    assert session.generate(MODEL, timeout=60, **(FIELDS | {"prompt": "create_request"})).path.exists()
    with pytest.raises(sd.Unreachable, match="before anything was sent"):
        session.generate(MODEL, timeout=60, **(FIELDS | {"prompt": "ENGINE.follow"}))
    assert len(provider.charges) == 1


def test_a_request_that_was_given_up_while_it_waited_is_not_sent_any_more(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def given_up(place: Any) -> float:
        session.ledger.update(1, state=State.UNSENT, error="somebody else said so")
        return float(place.clock())

    monkeypatch.setattr("seedance_nb._task.send.acquire_slot", given_up)
    with pytest.raises(sd.Unreachable, match="somebody else said so"):
        session.generate(MODEL, timeout=60, **FIELDS)
    assert provider.headers == []


@pytest.mark.parametrize("take", [0, -3, 1.0, True, "1", None, 1.5])
def test_a_take_is_a_whole_number_and_nothing_else_is_paid_for(
    session: sd.Session, provider: Provider, take: Any
) -> None:
    with pytest.raises(sd.InvalidInput, match="must be a whole number, 1 or more"):
        session.submit(MODEL, take=take, **FIELDS)
    assert provider.headers == []


def test_a_number_written_in_two_ways_is_one_request(session: sd.Session, provider: Provider) -> None:
    for duration in (4, 4.0):
        session.generate(MODEL, timeout=60, **(FIELDS | {"duration": duration}))
    assert len(provider.charges) == 1


def test_a_session_takes_its_paths_as_text(tmp_path: Path) -> None:
    session = sd.Session(ledger=str(tmp_path / "own.sqlite3"), outputs=str(tmp_path / "out"), queue_s=0, run_s=0)
    assert session.generate(MODEL, timeout=60, **FIELDS).path.parent == tmp_path / "out"
    assert (tmp_path / "own.sqlite3").exists()


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_paid(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    session = sd.Session(
        api_key=CANARY, base_url=provider.url, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "file" / "out"
    )
    with pytest.raises(sd.MediaError, match="Nothing was sent") as refused:
        session.submit(MODEL, **FIELDS)
    assert refused.value.charged == "not charged"
    assert provider.headers == []
    assert len(session.tasks()) == 0


ODD: dict[str, tuple[str, Any]] = {
    "half a character in a refusal": ("on_create", (422, {"code": 422, "message": "bad \ud83d", "errors": ["\ud83d"]})),
    "half a character in a reason": (
        "on_status", (200, {"code": 200, "data": {"status": "failed", "result": {"message": "\ud83d"}}})),
    "a cost beyond all numbers": (
        "on_status", (200, {"code": 200, "data": {"status": "failed", "credits": 10**400, "result": None}})),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_words_of_a_provider_end_in_an_error_of_ours(session: sd.Session, provider: Provider, case: str) -> None:
    plan, answer = ODD[case]
    setattr(provider, plan, [answer])
    task = session.submit(MODEL, **FIELDS)
    for _ in range(2):
        with pytest.raises(sd.SeedanceError):
            task.wait(30)
    assert task.state in (State.REFUSED, State.FAILED)


def test_an_accepted_task_never_counts_as_not_charged(session: sd.Session, provider: Provider) -> None:
    provider.on_status = [(401, {"code": 401, "message": "no"})]
    with pytest.raises(sd.Unauthorized) as refused:
        session.generate(MODEL, timeout=60, **FIELDS)
    assert refused.value.charged == "charged"


def test_a_provider_that_gives_no_answer_is_named_while_a_person_waits(session: sd.Session, provider: Provider) -> None:
    provider.on_status = ["html"]
    task = session.submit(MODEL, **FIELDS)
    until(lambda: task.row.error)
    with pytest.raises(sd.WaitTimeout, match="the last status check failed: HTTP 200 without a state"):
        task.wait(0)
    provider.on_status = ["running"]
    until(lambda: task.state is State.RUNNING and not task.row.error)
    with pytest.raises(sd.WaitTimeout) as waited:
        task.wait(0)
    assert "last status check" not in str(waited.value)


def test_what_a_provider_says_in_place_of_a_state_is_reported(session: sd.Session, provider: Provider) -> None:
    provider.on_status = [(200, {"code": 404, "message": "Task not found"})]
    task = session.submit(MODEL, **FIELDS)
    until(lambda: task.row.error)
    with pytest.raises(sd.WaitTimeout, match="HTTP 200 without a state: Task not found"):
        task.wait(0)


def test_a_file_that_was_changed_is_fetched_again(session: sd.Session, provider: Provider) -> None:
    video = session.generate(MODEL, timeout=60, **FIELDS)
    for spoil in (lambda: video.path.write_bytes(b""), video.path.unlink):
        spoil()
        assert provider_bytes(session.generate(MODEL, timeout=60, **FIELDS).path) == provider.video
    assert len(provider.charges) == 1


def test_a_result_over_plain_http_elsewhere_is_not_fetched(session: sd.Session, provider: Provider) -> None:
    other = Provider(provider.video)
    data = {"status": "success", "result": {"media_urls": [f"{other.url}/outputs/v.mp4"]}}
    provider.on_status = [(200, {"code": 200, "data": data})]
    with pytest.raises(sd.MediaError, match="does not use https"):
        session.generate(MODEL, timeout=60, **FIELDS)
    other.stop()
    assert other.downloads == []


def test_a_proxy_of_the_environment_sees_nothing(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free.getsockname()[1]}")
    assert session.generate(MODEL, timeout=60, **FIELDS).path.exists()


@pytest.mark.parametrize(("url", "sent"), [("https://api.crun.ai/a", True), ("https://cdn.crun.ai/a", False),
                                           ("http://api.crun.ai/a", False), ("https://api.crun.ai:8443/a", False)])  # fmt: skip
def test_the_key_goes_to_the_providers_own_origin_only(crun: sd.Spec, url: str, sent: bool) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json="x-api-key" in request.headers))
    there, ours = Endpoint(base_url="https://api.crun.ai", secret=Secret(CANARY, "x")), Request(method="GET", url=url)
    response = asyncio.run(_respond(crun, ours, httpx.URL(url), there, _Attempt(has_left=True), transport, {}))
    assert response.json() is sent


def test_a_redirect_of_the_paid_request_is_not_followed(
    session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Provider()

    def redirect(handler: Any, *_: Any) -> None:
        handler.send_response(307)
        handler.send_header("Location", f"{other.url}/api/v1/client/job/CreateTask")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    monkeypatch.setattr(provider, "_json", redirect)
    with pytest.raises(sd.UnknownOutcome, match="redirect"):
        session.generate(MODEL, timeout=60, **FIELDS)
    other.stop()
    assert other.headers == []


def everything_kept(session: sd.Session) -> bytes:
    return b"".join(file.read_bytes() for file in session.ledger.path.parent.glob("l.sqlite3*"))


@pytest.mark.parametrize(
    ("plan", "answer"),
    [
        ("on_create", (401, {"code": 401, "message": f"your key {CANARY} is wrong"})),
        ("on_create", (422, {"code": 422, "message": "no", "errors": [f"x-api-key: {CANARY}"]})),
        ("on_create", (200, {"code": 200, "message": "ok", "data": {"task_id": CANARY}})),
        ("on_create", (200, {"code": 777, "message": CANARY})),
        ("on_status", (200, {"code": 200, "data": {"status": "failed", "result": {"message": CANARY}}})),
        ("on_status", (200, {"code": 200, "data": {"status": f"failed {CANARY}"}})),
    ],
)
def test_an_echoed_key_reaches_neither_screen_nor_disk(
    session: sd.Session, provider: Provider, plan: str, answer: Any
) -> None:
    setattr(provider, plan, [answer])
    with pytest.raises(sd.SeedanceError) as refused:
        session.generate(MODEL, timeout=1, **FIELDS)
    shown = [
        str(refused.value),
        repr(refused.value),
        repr(session.tasks()),
        session.tasks()._repr_html_(),
        repr(session.task("#1")),
    ]
    assert not [text for text in shown if CANARY in text]
    assert CANARY.encode() not in everything_kept(session)
    assert FIELDS["prompt"].encode() in everything_kept(session), "the search would find what is there"


def verbose(act: Any) -> str:
    """What IPython shows of an error in its mode with the values of all variables."""
    try:
        act()
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        return "\n".join(VerboseTB(theme_name="nocolor").structured_traceback(*sys.exc_info()))
    raise AssertionError("it did not fail")


def key() -> str:
    return CANARY


def in_this_frame() -> None:
    here = key()
    raise ValueError(len(here))


def test_a_verbose_traceback_shows_no_key(provider: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert CANARY in verbose(in_this_frame), "the search would find a key in a variable"
    provider.on_create = [(401, {"code": 401, "message": "no"})]
    acts = [
        lambda: sd.submit(MODEL, api_key=key(), prompt=""),
        lambda: sd.generate(MODEL, api_key=key(), prompt=""),
        lambda: sd.generate(MODEL, api_key=key(), base_url=provider.url, timeout=30, **FIELDS),
        lambda: sd.submit(MODEL, api_key=key() + " \u2026", **FIELDS),
        lambda: sd.panel(MODEL, api_key=key() + " \u2026"),
        lambda: sd.task("nothing", api_key=key()),
    ]
    monkeypatch.setenv("CRUN_API_KEY", CANARY)
    (tmp_path / "file").write_text("in the way")
    acts.append(lambda: sd.Session(ledger=tmp_path / "file" / "l.sqlite3").submit(MODEL, **FIELDS))
    acts.append(lambda: sd.Session(outputs=tmp_path / "file" / "o").submit(MODEL, **FIELDS))
    for act in acts:
        told = verbose(act)
        assert "seedance_nb" in told
        assert CANARY not in told


def test_a_session_holds_no_key_in_the_open() -> None:
    session = sd.Session(api_key=CANARY)
    assert CANARY not in repr(vars(session))
    assert CANARY not in json.dumps(vars(session), default=repr)


def test_a_panel_that_says_free_never_sends_a_paid_request(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = sd.panel(MODEL)
    panel.form.values = FIELDS
    monkeypatch.setenv("CRUN_API_KEY", CANARY)
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    panel._go.click()
    while panel._busy.locked():
        time.sleep(0.01)
    assert "This form was set up for the simulator" in panel._status.value
    assert provider.headers == []


def test_a_notebook_that_calls_asyncio_run_in_a_cell_can_be_taught_to() -> None:
    script = (
        "import asyncio, seedance_nb as sd\n"
        "async def inner(): return 'inner'\n"
        "async def cell():\n"
        "    try: asyncio.run(inner())\n"
        "    except RuntimeError: pass\n"
        "    else: raise SystemExit('it worked before')\n"
        "    name = sd.nest_asyncio()\n"
        "    print(name, asyncio.run(inner()))\n"
        "asyncio.run(cell())\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout in ("nest_asyncio2 inner\n", "nest_asyncio inner\n")


def test_a_task_that_has_ended_keeps_nothing_open(session: sd.Session, provider: Provider) -> None:
    for take in (1, 2, 3):
        session.submit(MODEL, take=take, **FIELDS).wait(60)
    until(lambda: not [key for key in list(ENGINE._following) if key[0].startswith(str(session.ledger.path))])
    assert len(provider.charges) == 3
