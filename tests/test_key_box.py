"""A key that is typed into a panel is taken, and stands in no widget, no message and no saved notebook."""

import json
from typing import Any

import ipywidgets
import pytest
from faults.canary import KEY, hits
from provider import Provider
from waiting import Handle, short, until

import seedance_nb as sd
from seedance_nb import _panel, _sources
from seedance_nb._keys import without_keys
from seedance_nb._panel import Panel

GOOD = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4, "resolution": "480p"}


def opened(spec: sd.Spec, **options: Any) -> Panel:
    panel = Panel(spec, sd.Session(queue_s=0, run_s=0, **options))
    panel._handle = Handle()  # type: ignore[assignment]
    return panel


def typed(panel: Panel, key: str) -> None:
    """What the browser sends when Enter is pressed in the box."""
    assert panel._key is not None
    if panel._key._box is None:
        panel._key._open.click()
    panel._key._box._handle_msg(
        {"content": {"data": {"method": "update", "state": {"value": key}, "buffer_paths": []}}, "buffers": []}
    )


def test_a_typed_key_is_found_and_the_box_is_empty(crun: sd.Spec) -> None:
    panel = opened(crun)
    typed(panel, KEY)
    assert panel._key is not None
    assert panel._key._box.value == ""
    found = _sources.find_key(crun, None)
    assert found is not None
    assert (found.reveal(), found.source) == (KEY, "the panel&#x27;s box".replace("&#x27;", "'"))
    assert "run its cell again" in panel._key._said.value


def test_a_typed_key_stands_in_no_message_and_no_saved_state(crun: sd.Spec, comms: list[dict[str, Any]]) -> None:
    panel = opened(crun)
    typed(panel, KEY)
    said = json.dumps(comms, default=repr).encode()
    assert b'"Use a key"' in said
    assert not hits(said)
    for drop in (True, False):
        state = json.dumps(ipywidgets.Widget.get_manager_state(drop_defaults=drop), default=repr)
        assert "Use a key" in state
        assert not hits(state.encode())
    assert not hits(repr(vars(panel)).encode())


def test_a_plain_password_box_says_the_key_back_and_keeps_it(comms: list[dict[str, Any]]) -> None:
    """The control."""
    box = ipywidgets.Password()
    box._handle_msg(
        {"content": {"data": {"method": "update", "state": {"value": KEY}, "buffer_paths": []}}, "buffers": []}
    )
    assert hits(json.dumps(comms, default=repr).encode())
    assert hits(json.dumps(ipywidgets.Widget.get_manager_state()).encode())


def test_a_panel_stays_with_the_simulator_after_a_key_came(
    crun: sd.Spec, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_panel, "SETTLE_S", 0.02)
    panel = opened(crun, sleep=short)
    typed(panel, KEY)
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: not panel._busy)
    assert "run its cell again" in panel._status.value.replace("&#x27;", "'")
    assert provider.headers == []
    again = opened(crun, sleep=short)
    assert again._key is None
    assert "SIMULATED" not in again._top.value
    again.form.values = GOOD
    again._go.click()
    until(lambda: not again._busy)
    assert [headers["x-api-key"] for headers in provider.headers] == [KEY], "the control: the new panel sends"


@pytest.mark.parametrize("key", ["two words here", "ключ_и_ещё", "ak_…_masked_by_a_page"])
def test_a_key_that_cannot_be_sent_is_told_and_can_be_typed_again(
    crun: sd.Spec, key: str, comms: list[dict[str, Any]]
) -> None:
    panel = opened(crun)
    typed(panel, key)
    assert panel._key is not None
    assert "cannot be sent" in panel._key._said.value
    assert key not in json.dumps(comms, default=repr, ensure_ascii=False)
    assert _sources.find_key(crun, None) is None
    typed(panel, KEY)
    assert _sources.find_key(crun, None) is not None


def test_no_key_is_taken_while_something_is_being_sent(crun: sd.Spec) -> None:
    panel = opened(crun)
    panel._busy = True
    typed(panel, KEY)
    assert panel._key is not None
    assert "Type it again" in panel._key._said.value
    assert panel._key._box.value == ""
    assert _sources.find_key(crun, None) is None


def test_an_error_inside_shows_no_key(
    crun: sd.Spec, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    panel = opened(crun)

    def fail(*_: Any) -> None:
        raise RuntimeError(KEY)

    assert panel._key is not None
    monkeypatch.setattr(panel._key, "_taken", fail)
    typed(panel, KEY)
    assert "key: RuntimeError" in caplog.text
    assert not hits((caplog.text + "".join(capfd.readouterr())).encode())


def test_the_button_is_there_only_where_a_key_is_all_that_is_lacking(crun: sd.Spec, provider: Provider) -> None:
    assert opened(crun)._key is not None
    assert opened(crun, simulate=True)._key is None
    assert opened(crun, api_key="a-key-of-somebody", base_url=provider.url)._key is None


def test_a_known_key_is_masked_wherever_it_stands(crun: sd.Spec) -> None:
    typed(opened(crun), KEY)
    assert without_keys(f"<{KEY}>") == "<•••>"
