"""What is logged says what happened to a task, and never a key, a signed address or a prompt."""

import asyncio
import logging
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.canary import KEY, SIGNATURE, hits
from faults.server import Act, Exchange, message, says, serving
from faults.shapes import CRUN, PROMPT
from support.waiting import short

import seedance_nb as sd
from seedance_nb._base import faults as log_module
from seedance_nb._form.form import Form
from seedance_nb._task.engine import ENGINE


def signed(exchange: Exchange) -> None:
    url = f"{exchange.server.url}/outputs/video.mp4?X-Signature={SIGNATURE}"
    says(
        200,
        CRUN.told("success", [url], "task_1"),
        X_Echo=f"{exchange.headers['x-api-key']}",
        Set_Cookie=f"s={SIGNATURE}",
    )(exchange)


def moved(exchange: Exchange) -> None:
    if "again" in exchange.path:
        exchange.write(message(200, exchange.server.video, "video/mp4"))
    else:
        says(302, b"", Location=f"/outputs/again.mp4?X-Signature={SIGNATURE}")(exchange)


@pytest.fixture
def made_video(made: tuple[sd.Session, sd.Video]) -> bytes:
    return made[1].path.read_bytes()


def test_a_run_is_told_in_names_states_and_hosts(made_video: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(CRUN, made_video) as server:
        server.plans["status"] = [(says(200, CRUN.told("running", [], "task_1")),), (signed,)]
        server.plans["video"] = [(moved,)]
        sd.Session(api_key=KEY, base_url=server.url, sleep=short).generate(CRUN.model, **CRUN.fields)
    own = [
        record.getMessage()
        for record in caplog.records
        if record.name == "seedance_nb" and record.levelno == logging.INFO
    ]
    first = own[0].split()[0]
    assert first.startswith("#1-")
    assert own == [
        f"{first} is submitted to {server.url} for {CRUN.model}",
        f"{first} is sending",
        f"{first} is crun:task_1 at {server.url}",
        "crun:task_1 is queued",
        "crun:task_1 is running",
        "crun:task_1 is done",
        "crun:task_1 is saved",
    ]
    names = {record.name for record in caplog.records}
    assert {"httpx", "httpcore.http11", "httpcore.connection"} <= names, "they did log at this level"
    assert "HTTP Request: GET" in caplog.text
    assert "/outputs/video.mp4?…" in caplog.text
    assert SIGNATURE not in caplog.text
    assert not hits(caplog.text.encode())
    assert PROMPT not in caplog.text


@pytest.mark.parametrize(
    ("create", "told"),
    [
        (says(200, {"code": 402, "message": f"no {PROMPT}"}), " is refused"),
        (says(200, b"<html>"), " is outcome unknown"),
    ],
)
def test_what_went_wrong_is_reported_without_the_words_at_info(
    create: Act, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with serving(CRUN, create=[(create,)]) as server, pytest.raises(sd.SeedanceError):
        sd.Session(api_key=KEY, base_url=server.url, sleep=short).generate(CRUN.model, **CRUN.fields)
    assert any(record.getMessage().endswith(told) for record in caplog.records)
    assert PROMPT not in caplog.text


def test_the_persons_own_requests_are_logged_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    """The control: without the filter httpx logs whole addresses."""
    ENGINE.submit(asyncio.sleep(0)).result()
    caplog.set_level(logging.INFO)
    with serving(CRUN) as server:
        httpx.get(f"{server.url}/outputs/x?X-Signature={SIGNATURE}", trust_env=False)
    assert f"?X-Signature={SIGNATURE}" in caplog.text


def test_an_unexpected_error_is_logged_by_its_place_and_not_its_words(caplog: pytest.LogCaptureFixture) -> None:
    try:
        int(PROMPT)
    except ValueError as error:
        log_module.log_unexpected("panel", error)
    assert "panel: ValueError" in caplog.text
    assert "test_log.py" in caplog.text
    assert PROMPT not in caplog.text


def test_an_observer_that_fails_is_logged_with_its_words_but_no_key(
    crun: sd.Spec, caplog: pytest.LogCaptureFixture
) -> None:
    secret = sd.Session(api_key=KEY).sender.routing.key
    ENGINE.submit(asyncio.sleep(0)).result()
    form = Form(crun)

    def observer(_: Any) -> None:
        raise ValueError(f"mine {KEY}")

    form.observe(observer)
    form.values = {"prompt": "x"}
    assert secret is not None
    assert "ValueError: mine •••" in caplog.text
    assert not hits(caplog.text.encode())


def test_an_error_that_leaves_the_engine_has_no_frames_of_it() -> None:
    async def fail() -> None:
        request = {"x-api-key": KEY}
        try:
            raise KeyError(str(request))  # noqa: TRY301
        except KeyError:
            raise sd.MediaError("Broken.") from None

    async def surprise() -> None:
        request = {"x-api-key": KEY}
        raise RuntimeError(f"{len(request)}")

    for work in (fail, surprise):
        with pytest.raises(sd.SeedanceError) as raised:
            ENGINE.submit(work()).result()
        told = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert not hits("".join(told.format()).encode())
        assert raised.value.__context__ is None
    assert "test_log.py" in raised.value.__notes__[0], "where it came from is still said"
    with pytest.raises(sd.MediaError) as plain:
        asyncio.run(fail())
    assert hits(
        "".join(traceback.TracebackException.from_exception(plain.value, capture_locals=True).format()).encode()
    )


def test_a_row_does_not_show_its_signed_addresses(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    row = made[1].row
    assert row.outputs
    assert row.outputs[0] not in repr(row)
    assert tmp_path
