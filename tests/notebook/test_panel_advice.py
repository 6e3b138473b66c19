"""What a panel shows before money moves: the price, doubtful limits, files that do not fit, uploads."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.media import picture, video
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._form.controls.text_list import ListControl
from seedance_nb._ledger.row import Row, State
from seedance_nb._media import preflight as preflight_module
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.status import running_html
from seedance_nb._session import sender as sender_module

I2V, R2V, PRO = "crun/seedance-2.0-i2v", "crun/seedance-2.0-fast-r2v", "seedance2-pro/seedance-20-i2v"
IMAGES = "/input/reference_images"


@pytest.fixture
def panel_for(monkeypatch: pytest.MonkeyPatch, keyed_session: sd.Session) -> Callable[[str], Panel]:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(panel_module, "_TICK_S", 0.01)
    monkeypatch.setattr(panel_module, "REST_S", 0.05)

    def make(name: str) -> Panel:
        return Panel(sd.spec(name), keyed_session)

    return make


def pressed(panel: Panel) -> str:
    panel._go.click()
    until(lambda: not panel._busy.locked())
    return str(panel._status.value)


def test_the_button_carries_the_price_of_the_table_as_the_form_changes(panel_for: Callable[[str], Panel]) -> None:
    panel = panel_for(PRO)
    assert panel._go.description == "Generate · price unknown"
    panel.form.values = {"urls": ["https://example.com/a.png"], "duration": "8s"}
    assert panel._go.description == "Generate · 320 credits ($1.60)"
    panel.form.values = {"duration": "15s"}
    assert panel._go.description == "Generate · 600 credits ($3.00)"


def test_the_button_carries_the_price_of_the_estimate_call_once_the_form_rests(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    provider.on_estimate = [44]
    provider.files = {"/a.png": picture(640, 480)}
    panel = panel_for(R2V)
    for prompt in ("A", "A f", "A fo", "A fox"):
        panel.form.values = {"prompt": prompt, "reference_images": [f"{provider.url}/a.png"]}
    until(lambda: panel._go.description == "Generate · 44 credits")
    assert len(provider.estimates) == 1, "typing asks for nothing"
    assert provider.charges == []
    panel.form.values = {"prompt": ""}
    assert panel._go.description == "Generate · price unknown"


def test_a_doubtful_request_is_sent_only_after_a_second_press(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    panel = panel_for(I2V)
    panel.form.values = {"prompt": "x", "img_urls": ["https://example.com/a.png"], "duration": 20}
    said = pressed(panel)
    assert "Nothing has been sent" in said
    assert "third-party client" in said
    assert provider.charges == []
    pressed(panel)
    assert len(provider.charges) == 1


def test_another_doubt_asks_again(panel_for: Callable[[str], Panel], provider: Provider) -> None:
    panel = panel_for(I2V)
    panel.form.values = {"prompt": "x", "img_urls": ["https://example.com/a.png"], "duration": 20}
    pressed(panel)
    panel.form.values = {"prompt": "x", "img_urls": ["https://example.com/a.png"], "duration": 21}
    pressed(panel)
    assert provider.charges == []


def test_where_nothing_is_charged_a_doubt_is_shown_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    panel = Panel(sd.spec("crun/seedance-1.0-pro-t2v"), sd.Session(queue_s=0, run_s=0))
    panel.form.values = {"prompt": "x", "duration": 1, "resolution": "480p"}
    assert "Done" in pressed(panel)
    assert "sdn-warn" in panel.form._controls["/input/duration"]._box.description  # type: ignore[attr-defined]


def test_a_file_that_breaks_a_limit_is_reported_at_its_entry_and_nothing_is_sent(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    provider.files = {"/small.png": picture(200, 200), "/good.png": picture(640, 360)}
    panel = panel_for(R2V)
    panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/good.png", f"{provider.url}/small.png"]}
    pressed(panel)
    assert provider.charges == []
    broken = [problem for problem in panel.form.problems if problem.path == f"{IMAGES}/1"]
    assert {problem.quote for problem in broken} == {"Width and height: 300 to 6000 px"}
    rows = panel.form._controls[IMAGES]
    assert isinstance(rows, ListControl)
    assert "200 px" in rows._entries[1].text.description
    assert "sdn-error" not in rows._entries[0].text.description
    panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/good.png"]}
    assert panel.form.problems == (), "what was found about an entry goes with the entry"
    assert "Done" in pressed(panel)


def test_what_could_not_be_looked_at_is_said_and_stops_nothing(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    panel = panel_for(R2V)
    panel.form.values = {"prompt": "x", "reference_images": ["https://example.com/a.png", "asset://asset-1"]}
    pressed(panel)
    assert len(provider.charges) == 1
    assert "2 files could not be fully checked" in panel._unchecked_view.value
    assert "an uploaded asset" in panel._unchecked_view.value
    assert "<li>Reference images 1: " in panel._unchecked_view.value, "the label, not the JSON path"


def test_the_button_says_how_many_sentences_of_filled_fields_are_not_checked(
    panel_for: Callable[[str], Panel], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = panel_for(R2V)
    monkeypatch.setattr(panel_module, "REST_S", 3600)  # so that no file is checked
    panel.form.values = {"prompt": "x", "reference_images": ["https://example.com/a.png"]}
    assert "not checked" not in panel._go.description
    assert not panel._go.tooltip
    panel.form.values = {"prompt": "x", "reference_videos": ["https://example.com/a.mp4"]}
    assert panel._go.description.endswith(" · 1 not checked")
    assert panel._go.tooltip == "Not checked:\nResolution: 480p or 720p"


def test_before_the_click_the_button_says_what_was_found_about_files(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    provider.on_status = [(404, {})]
    provider.files = {"/good.png": picture(640, 480), "/thin.png": picture(200, 1000)}
    panel = panel_for(R2V)
    for name, words in {"good": "", "gone": " · 1 warning", "good.": ""}.items():
        panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/{name.strip('.')}.png"]}
        until(lambda words=words: panel._go.description == f"Generate · 12 credits{words}")  # type: ignore[misc]
    panel.form.values = {"prompt": "x", "reference_images": ["https://example.com/a.png"]}
    until(lambda: panel._go.description == "Generate · 12 credits · 1 not checked")
    assert panel._go.tooltip == "Not checked:\nReference images 1: the host example.com cannot be found"
    panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/thin.png"]}
    until(lambda: bool(panel.form.problems))
    assert "must be at least 300 px" in str(panel.form.problems)
    assert "Not checked" not in panel._go.tooltip
    assert provider.charges == []


def test_a_file_that_its_host_refuses_is_asked_about_before_it_is_paid_for(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    provider.on_status = [(404, {}), (404, {}), "success"]
    panel = panel_for(R2V)
    panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/gone.png"]}
    until(lambda: "1 warning" in panel._go.description)
    assert "may fail and still be charged: use a URL that opens in a private browser window" in pressed(panel)
    assert provider.charges == []


def test_a_slow_host_holds_up_the_button_for_no_longer_than_submit(
    panel_for: Callable[[str], Panel], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = list[float]()

    async def checked(requests: Any, total_s: float) -> Any:
        limits.append(total_s)
        return await preflight_module.preflight(requests, total_s)

    monkeypatch.setattr(sender_module, "preflight", checked)
    fields: dict[str, Any] = {"prompt": "x", "reference_images": ["https://example.com/a.png"]}
    panel_for(R2V)._session.submit(R2V, take=2, **fields)
    panel = panel_for(R2V)
    panel.form.values = fields
    pressed(panel)
    assert limits[0] == 2
    assert set(limits) == {2}
    assert len(provider.charges) == 2


def test_an_asset_that_is_not_active_stops_a_request_and_is_asked_about_for_free(
    keyed_session: sd.Session, provider: Provider
) -> None:
    provider.assets = {"asset-1": "Processing"}
    fields: dict[str, Any] = {"prompt": "x", "reference_images": ["asset://asset-1"]}
    with pytest.raises(sd.InvalidInput, match="is Processing; must be Active") as refused:
        keyed_session.submit(R2V, **fields)
    assert "whose status is Active" in refused.value.problems[0].quote
    assert (provider.charges, provider.asset_looks) == ([], ["asset-1"])
    provider.assets = {"asset-1": "Active"}
    assert keyed_session.preflight(R2V, **fields).problems == ()
    assert keyed_session.preflight(R2V, **fields | {"reference_images": ["asset://other"]}).problems == ()
    keyed_session.submit(R2V, **fields)
    until(lambda: len(provider.charges) == 1)


def test_a_script_asks_for_the_look_itself(provider: Provider, keyed_session: sd.Session) -> None:
    provider.files = {"/small.png": picture(200, 200)}
    fields: dict[str, Any] = {"prompt": "x", "reference_images": [f"{provider.url}/small.png"]}
    with pytest.raises(sd.InvalidInput, match="200 px"):
        keyed_session.submit(R2V, preflight=True, **fields)
    assert (provider.charges, list(keyed_session.tasks())) == ([], [])
    report = keyed_session.preflight(R2V, **fields)
    assert [problem.path for problem in report.problems] == [f"{IMAGES}/0"] * len(report.problems)
    assert "reference_images 1" in report._repr_html_()
    assert keyed_session.generate(R2V, timeout=60, preflight=False, **fields).path.exists()


def test_the_files_of_a_new_paid_request_are_checked_without_being_asked(
    provider: Provider, tmp_path: Path, keyed_session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "127.0.0.1")
    provider.files = {"/small.png": picture(200, 200)}
    fields: dict[str, Any] = {"prompt": "x", "reference_images": [f"{provider.url}/small.png"]}
    with pytest.raises(sd.InvalidInput, match="200 px"):
        keyed_session.submit(R2V, **fields)
    assert (provider.charges, list(keyed_session.tasks())) == ([], [])
    keyed_session.submit(R2V, preflight=False, **fields).wait()
    assert keyed_session.submit(R2V, **fields).row.task_id, "a request that was sent already is not checked again"
    assert len(provider.charges) == 1
    simulated = sd.Session(simulate=True, ledger=tmp_path / "s.sqlite3", outputs=tmp_path / "s", queue_s=0, run_s=0)
    assert simulated.generate(R2V, timeout=60, **fields).simulated, "what costs nothing is not checked"


def test_a_reference_video_is_measured_for_its_price(provider: Provider, tmp_path: Path) -> None:
    provider.files = {"/clip.mp4": video(width=640, height=640, frames=96)}
    session = sd.Session(api_key="a-key-of-tests", base_url=provider.url, ledger=tmp_path / "l.sqlite3")
    fields: dict[str, Any] = {"prompt": "x", "resolution": "480p", "ratio": "4:3", "duration": 5}
    alone = session.estimate("vastnum/doubao-seedance-2.0", **fields)
    price = session.estimate("vastnum/doubao-seedance-2.0", videos=[f"{provider.url}/clip.mp4"], **fields)
    assert price.amount and alone.amount and price.amount > alone.amount  # noqa: PT018
    assert not price.at_least


def test_a_local_file_is_looked_at_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "small.png"
    file.write_bytes(picture(200, 200))
    report = sd.preflight(R2V, prompt="x", reference_images=[file])
    assert {problem.path for problem in report.problems} == {f"{IMAGES}/0"}
    assert "provider cannot reach it" in str(report)


def test_a_chosen_file_is_uploaded_and_its_address_becomes_an_entry() -> None:
    panel = Panel(sd.spec(I2V), sd.Session(queue_s=0, run_s=0))
    rows = panel.form._controls["/input/img_urls"]
    assert isinstance(rows, ListControl)
    rows._files.value = (
        {
            "name": "fox.png",
            "type": "image/png",
            "size": 3,
            "content": memoryview(picture(400, 400)),
            "last_modified": datetime.now(UTC),
        },
    )
    until(lambda: "img_urls" in panel.form.values["input"])
    assert len(rows._entries) == 1
    url = panel.form.values["input"]["img_urls"][0]
    assert url.endswith(".png")
    assert rows._files.value == ()
    until(lambda: rows._state.value == "")
    assert "data:image/jpeg;base64," in rows._entries[0].thumbnail.value, "its picture is seen, not only a URL"
    assert "fox.png" in rows._entries[0].text.description
    rows.register(rows._entries[0])
    until(lambda: panel.form.values["input"]["img_urls"][0].startswith("asset://"))


def test_an_upload_that_fails_is_told_at_the_field() -> None:
    panel = Panel(sd.spec(I2V), sd.Session(queue_s=0, run_s=0))
    rows = panel.form._controls["/input/img_urls"]
    assert isinstance(rows, ListControl)
    rows._files.value = (
        {
            "name": "<b>",
            "type": "image/png",
            "size": 3,
            "content": memoryview(b"abc"),
            "last_modified": datetime.now(UTC),
        },
    )
    until(lambda: "no extension" in rows._state.value)
    assert "<b>" not in rows._state.value
    assert rows._entries == []


@pytest.mark.parametrize("name", [PRO, "vastnum/doubao-seedance-2.0"])
def test_a_provider_that_takes_no_files_offers_no_upload(name: str) -> None:
    panel = Panel(sd.spec(name), sd.Session())
    assert all(control._files is None for control in panel.form._controls.values() if isinstance(control, ListControl))
    assert all(
        control._files is None for control in sd.form(I2V)._controls.values() if isinstance(control, ListControl)
    )


def test_the_providers_own_percentage_moves_the_bar() -> None:
    row = Row(
        seq=1, spec=PRO, base_url="", simulated=False, digest="", take=1, body="", state=State.RUNNING, progress=42.0
    )
    assert "width: 42%" in running_html(row, 3)
    assert "42 %" in running_html(row, 3)


def test_a_form_that_changes_while_its_media_are_looked_at_sends_nothing(
    panel_for: Callable[[str], Panel], provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = panel_for(PRO)
    monkeypatch.setattr(panel_module, "REST_S", 3600)  # so that no file is checked before the click
    panel.form.values = {"urls": ["https://example.com/a.png"], "prompt": "x", "duration": "4s"}
    look = panel._session.sender.preflight

    async def changing(*given: Any) -> Any:
        panel.form.values = {"urls": ["https://example.com/b.png"], "prompt": "x", "duration": "15s"}
        return await look(*given)

    monkeypatch.setattr(panel._session.sender, "preflight", changing)
    assert "was changed while" in pressed(panel)
    assert provider.charges == []


def test_a_warning_that_is_an_error_costs_nothing(provider: Provider, keyed_session: sd.Session) -> None:
    with pytest.raises(sd.LimitWarning):  # pytest makes every warning an error
        keyed_session.submit(I2V, prompt="x", img_urls=["https://example.com/a.png"], duration=30)
    assert (provider.charges, list(keyed_session.tasks())) == ([], [])


def test_a_script_is_told_what_could_not_be_checked(provider: Provider, keyed_session: sd.Session) -> None:
    with pytest.warns(sd.MediaWarning, match="cannot be found"):
        keyed_session.generate(
            R2V, timeout=60, preflight=True, prompt="x", reference_images=["https://example.com/a.png"]
        )
    assert len(provider.charges) == 1


def test_a_page_instead_of_a_picture_is_told_before_money_moves(
    panel_for: Callable[[str], Panel], provider: Provider
) -> None:
    provider.files = {"/share.png": b"<!doctype html><html><body>Sign in</body></html>"}
    panel = panel_for(R2V)
    panel.form.values = {"prompt": "x", "reference_images": [f"{provider.url}/share.png"]}
    assert "HTML page" in pressed(panel)
    assert provider.charges == []
    pressed(panel)
    assert len(provider.charges) == 1, "the address may answer the provider otherwise, so a person may insist"


@pytest.mark.parametrize("fields", [{"imags": []}, {"reference_images": 5}, {"prompt": 5}])
def test_a_misspelt_field_is_no_all_clear(fields: dict[str, Any]) -> None:
    with pytest.raises(sd.InvalidInput):
        sd.preflight(R2V, **fields)
