"""The free calls beside the paid one: what a task costs, what is left, uploads, assets, callbacks."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import serving

import seedance_nb as sd
from seedance_nb._document.load import spec
from seedance_nb._document.reader import SPECS
from seedance_nb._provider import account as account_module
from seedance_nb._provider.account import Account
from seedance_nb._provider.outcome import Answer
from seedance_nb._task.engine import ENGINE, wait_for

CRUN, PRO, VASTNUM = "crun/seedance-2.0-i2v", "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0"
FIELDS: dict[str, Any] = {"prompt": "x", "img_urls": ["https://example.com/a.png"], "resolution": "480p", "duration": 4}
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
def session(tmp_path: Path) -> sd.Session:
    return sd.Session(queue_s=0, run_s=0, ledger=tmp_path / "l.sqlite3", sleep=at_once)


@pytest.fixture
def paying(provider: Provider, tmp_path: Path) -> sd.Session:
    return sd.Session(
        api_key="a-key-for-tests",
        base_url=provider.url,
        ledger=tmp_path / "l.sqlite3",
        outputs=tmp_path / "o",
        sleep=at_once,
    )


def test_an_uploaded_file_gets_an_address_that_a_request_can_use(session: sd.Session, tmp_path: Path) -> None:
    file = tmp_path / "fox.png"
    file.write_bytes(PICTURE)
    desk = session.sender.account(spec(CRUN))
    url = wait_for(ENGINE.submit(desk.upload(file)))
    assert url.endswith(".png")
    assert sd.check(CRUN, **FIELDS | {"img_urls": [url]}) == ()
    video = session.generate(CRUN, timeout=60, **FIELDS | {"img_urls": [url]})
    assert video.path.exists()


def test_an_asset_is_waited_for_until_it_is_active(tmp_path: Path) -> None:
    waits: list[float] = []

    async def count(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.1)

    slow = sd.Session(queue_s=0.25, run_s=0, ledger=tmp_path / "l.sqlite3", sleep=count)
    address = wait_for(ENGINE.submit(slow.sender.account(spec(CRUN)).asset("https://example.com/a.png")))
    assert address.startswith("asset://simulated-")
    assert set(waits) == {3}
    assert sd.check(CRUN, **FIELDS | {"img_urls": [address]}) == ()


@pytest.mark.parametrize("name", [PRO, VASTNUM])
def test_a_provider_without_uploads_says_what_to_do_instead(name: str, tmp_path: Path) -> None:
    file = tmp_path / "fox.png"
    file.write_bytes(PICTURE)
    with pytest.raises(sd.SeedanceError, match="upload the file to a web host"):
        sd.upload(name, file)
    with pytest.raises(sd.SeedanceError, match="pass the file's public URL"):
        sd.asset(name, "https://example.com/a.png")
    with pytest.raises(sd.SeedanceError, match="has no balance call"):
        sd.balance(name)


@pytest.mark.parametrize(("name", "words"), [(CRUN, "cat.png') uploads it and returns its URL"), (PRO, "upload it to a web host"),
                                             (VASTNUM, "upload it to a web host")])  # fmt: skip
@pytest.mark.parametrize("file", ["cat.png", "./cat.png", Path("cat.png"), Path("/tmp/cat.png")])  # noqa: S108 - no file is made
def test_a_local_file_in_a_request_is_told_what_this_provider_takes(name: str, words: str, file: Any) -> None:
    field = {CRUN: "img_urls", PRO: "urls", VASTNUM: "images"}[name]
    fields: dict[str, Any] = {"prompt": "x", field: [file]}
    found = [problem for problem in sd.check(name, **fields) if not problem.warns]
    assert [problem.field for problem in found] == [field]
    assert words in found[0].message


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_a_regular_file_is_uploaded_and_nothing_else_is_opened(
    session: sd.Session, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.png"
    {"pipe": os.mkfifo, "device": lambda at: at.symlink_to("/dev/zero"), "folder": Path.mkdir}[kind](path)
    with pytest.raises(sd.SeedanceError, match="not a regular file"):
        ENGINE.submit(session.sender.account(spec(CRUN)).upload(path)).result(5)


def test_a_file_is_read_to_the_limit_and_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_module, "MOST_BYTES", 100)
    file = tmp_path / "a.png"
    file.write_bytes(bytes(100))
    assert account_module._content(file, "") == (bytes(100), "a.png")
    file.write_bytes(bytes(101))
    with pytest.raises(sd.SeedanceError, match="larger than 100 bytes"):
        account_module._content(file, "")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [(b"", "a.png", "is empty"), (b"x", "a", "no extension"), (b"x", "a.p/ng", "no extension")],
)
def test_a_file_that_cannot_be_sent_is_reported(content: bytes, name: str, words: str) -> None:
    with pytest.raises(sd.SeedanceError, match=words):
        sd.upload(CRUN, content, name=name)
    with pytest.raises(sd.SeedanceError, match="cannot be read"):
        sd.upload(CRUN, "/no/such/file.png")


def test_without_a_key_there_is_no_account_to_ask() -> None:
    with pytest.raises(sd.SeedanceError, match="no account balance"):
        sd.balance(CRUN)


def test_the_served_simulator_has_a_balance_and_prices_that_a_budget_counts(tmp_path: Path) -> None:
    pro = {"prompt": "A fox", "urls": FIELDS["img_urls"], "duration": "5s"}
    places: dict[str, Any] = {"ledger": tmp_path / "l", "outputs": tmp_path / "o"}
    with serving(SEEDANCE_SIMULATOR=str(tmp_path / "s")) as url:
        assert sd.balance(CRUN, api_key="any-key-1", base_url=url) == 1000
        session = sd.Session(api_key="any-key-1", base_url=url, **places)
        for model, fields, amount in ((CRUN, FIELDS, 40), (PRO, pro, 200)):
            price = session.estimate(model, **fields)
            assert (price.amount, price.source == "the simulator, acting as crun") == (amount, model == CRUN)
            task = session.submit(model, budget=1.5 * amount, preflight=False, **fields)
            assert task.wait(60).simulated
            assert (task.row.credits, task.cost) == (amount, "simulated (free)")
            words = f"only {amount / 2:g} of the budget of {1.5 * amount:g} credits .*simulated ones are free, but"
            with pytest.raises(sd.OverBudget, match=words):
                session.submit(model, budget=1.5 * amount, preflight=False, take=2, **fields)
        other = sd.Session(api_key="any-key-1", base_url=url.replace("127.0.0.1", "localhost"), **places)
        assert other.submit(PRO, budget=200, preflight=False, **pro).is_new, "what another server simulated is no cost"


def test_what_only_the_simulator_has_is_never_sent_to_a_provider(session: sd.Session, tmp_path: Path) -> None:
    desk = session.sender.account(spec(CRUN))
    url = wait_for(ENGINE.submit(desk.upload(PICTURE, "a.png")))
    asset = wait_for(ENGINE.submit(desk.asset(url)))
    real = sd.Session(api_key="a-key-for-tests", ledger=tmp_path / "real.sqlite3")
    for address in (url, asset):
        with pytest.raises(sd.InvalidInput, match="exists only in the simulator"):
            real.submit(CRUN, **FIELDS | {"img_urls": [address]})
    assert list(real.tasks()) == []


def test_one_failed_look_loses_no_asset(paying: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter(["asset-777", sd.SeedanceError("HTTP 502"), "Active"])

    async def ask(*_: Any, **__: Any) -> tuple[None, Any]:
        step = next(told)
        if isinstance(step, Exception):
            raise step
        return None, step

    monkeypatch.setattr(Account, "_ask", ask)
    desk = paying.sender.account(spec(CRUN))
    assert wait_for(ENGINE.submit(desk.asset("https://example.com/a.png"))) == "asset://asset-777"


def test_a_kind_of_asset_that_is_none_is_reported() -> None:
    with pytest.raises(sd.SeedanceError, match="must be 'image', 'video' or 'audio'"):
        sd.asset(CRUN, "https://example.com/a.png", kind="picture")  # type: ignore[arg-type]


def test_a_task_of_a_document_of_ones_own_can_be_called_back_with_the_document(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(read_text(CRUN))
    first = sd.Session(queue_s=0, run_s=0).generate(file, timeout=60, **FIELDS)
    later = sd.Session(queue_s=0, run_s=0)
    with pytest.raises(sd.SeedanceError, match="is not one of the built-in models"):
        later.callback({"task_id": first.row.task_id})
    assert later.callback({"task_id": first.row.task_id}, document=file).row.state == "done"


def read_text(name: str) -> str:
    return (SPECS / f"{name}.yaml").read_text(encoding="utf-8")


def test_the_estimate_call_is_asked_with_the_very_body_and_charges_nothing(
    paying: sd.Session, provider: Provider
) -> None:
    provider.on_estimate = [37.5]
    price = paying.estimate(CRUN, **FIELDS)
    assert (price.amount, price.unit, str(price)) == (37.5, "credits", "37.5 credits")
    assert json.loads(provider.estimates[0])["input"] == FIELDS
    assert provider.charges == []
    row = paying.submit(CRUN, **FIELDS).row
    assert row.estimate == 37.5, "the ledger has the estimate from before the sending"


@pytest.mark.parametrize("answer", [(200, {"code": 429, "message": "slow"}), (500, {}), (200, {"code": 200, "data": {}}), (200, {"code": 200, "data": {"credits": "many"}}),
                                    (200, {"code": 200, "data": {"credits": -1}}), (200, {"code": 200, "data": {"credits": 10**15}})])  # fmt: skip
def test_an_estimate_call_that_does_not_answer_leaves_the_price_unknown(
    paying: sd.Session, provider: Provider, answer: Any
) -> None:
    provider.on_estimate = [answer]
    price = paying.estimate(CRUN, **FIELDS)
    assert price.amount is None
    assert "estimate call" in price.why


def test_an_estimate_call_without_an_answer_is_named_once_in_one_sentence(tmp_path: Path) -> None:
    places: dict[str, Any] = {"ledger": tmp_path / "l", "outputs": tmp_path / "o"}
    session = sd.Session(api_key="any-key-1", base_url="http://127.0.0.1:9", **places)
    assert session.estimate(CRUN, **FIELDS).why == (
        "the estimate call failed: crun did not answer (All connection attempts failed)"
    )
    with pytest.raises(sd.OverBudget, match=r"is not known \(the estimate call .* failed\)\), so it cannot be checked"):
        session.submit(CRUN, budget=5, preflight=False, **FIELDS)


def test_the_key_does_not_go_to_an_upload_address(paying: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = paying.sender.account(spec(CRUN))
    put = Provider()
    try:

        async def ask(*_: Any, **__: Any) -> tuple[Answer, str]:
            told = {"presigned_url": f"{put.url}/x?signature=s", "file_url": "https://files.example.com/x.png"}
            return Answer(status=200, value={"data": told}), told["file_url"]

        monkeypatch.setattr(Account, "_ask", ask)
        with pytest.raises(sd.SeedanceError, match="does not use https"):
            wait_for(ENGINE.submit(desk.upload(PICTURE, "a.png")))
        assert put.headers == []
    finally:
        put.stop()


def test_a_callback_is_a_hint_and_the_task_is_read_again_with_the_key(paying: sd.Session, provider: Provider) -> None:
    provider.on_status = ["pending"]
    task = paying.submit(CRUN, **FIELDS)
    for _ in range(500):
        if task.row.task_id:
            break
        wait_for(ENGINE.submit(asyncio.sleep(0.01)))
    looks = len(provider.looks)
    lie = {
        "task_id": task.row.task_id,
        "status": "success",
        "result": {"media_urls": ["https://evil.example.com/v.mp4"]},
        "credits": 0,
    }
    told = paying.callback(lie)
    assert told.name == task.name
    assert len(provider.looks) > looks
    assert (told.row.state, told.row.outputs) == ("queued", ())
    provider.on_status = ["success"]
    assert paying.callback(json.dumps(lie)).row.outputs == (f"{provider.url}/outputs/video.mp4",)


@pytest.mark.parametrize(
    "payload",
    [{}, {"task_id": "task_unknown"}, {"task_id": 5}, {"taskId": "x"}, "[1]", "nonsense", b"\xff", {"task_id": "#1"}],
)
def test_a_callback_about_no_task_of_ours_is_not_believed(payload: Any) -> None:
    with pytest.raises(sd.SeedanceError, match="callback"):
        sd.callback(payload)


def test_a_callback_of_seedance2_pro_has_its_own_name_for_the_id() -> None:
    session = sd.Session(queue_s=0, run_s=0)
    video = session.generate(
        PRO, timeout=60, urls=["https://example.com/a.png"], prompt="x", resolution="256x144", duration="4s"
    )
    assert session.callback({"taskId": video.row.task_id, "status": "fail"}).row.state == "done"
