"""A panel says how a key is given and has no box for one: what is typed into a box is saved with the notebook when no kernel empties it."""

import getpass
from typing import Any

import ipywidgets
import pytest
from faults.canary import KEY
from support.provider import Provider
from support.waiting import short, shown, until

import seedance_nb as sd
from seedance_nb._base.secret import mask_keys
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Panel

GOOD = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4, "resolution": "480p"}


def opened(spec: sd.Spec, **options: Any) -> Panel:
    return Panel(spec, sd.Session(queue_s=0, run_s=0, **options))


@pytest.fixture(autouse=True)
def typing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda _: KEY)


def boxes(panel: Panel) -> list[Any]:
    """Every widget of a panel that a person can type into, after every button but the paid ones was pressed."""
    for button in [one for one in every(panel.widget) if isinstance(one, ipywidgets.Button)]:
        if button.description in ("Use a key", "Advanced"):
            button.click()
    return [one for one in every(panel.widget) if isinstance(one, ipywidgets.Text)]


def every(widget: Any) -> list[Any]:
    return [widget, *(inner for child in getattr(widget, "children", ()) for inner in every(child))]


def test_a_panel_says_how_a_key_is_given_and_where_it_goes_and_has_no_box_for_it(crun: sd.Spec) -> None:
    panel = opened(crun)
    text = shown(panel)
    assert "Use a key" in text
    assert "sd.ask_key(&quot;crun&quot;)" in text
    assert "https://api.crun.ai" in text
    found = boxes(panel)
    assert found, "the control: the form's own boxes are found"
    assert not [box for box in found if isinstance(box, ipywidgets.Password) or "key" in box.placeholder.lower()]


def test_a_panel_stays_with_the_simulator_after_a_key_came(
    crun: sd.Spec, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.02)
    panel = opened(crun, sleep=short)
    sd.ask_key("crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: not panel._busy.locked())
    assert "run its cell again" in panel._status.value
    assert provider.headers == []
    again = opened(crun, sleep=short)
    assert "SIMULATED" not in again._top.value
    again.form.values = GOOD
    again._go.click()
    until(lambda: not again._busy.locked())
    assert [headers["x-api-key"] for headers in provider.headers] == [KEY], "the control: the new panel sends"


def test_it_is_said_only_where_a_key_is_all_that_is_lacking(crun: sd.Spec, provider: Provider) -> None:
    assert "Use a key" in shown(opened(crun))
    assert "Use a key" not in shown(opened(crun, simulate=True))
    assert "Use a key" not in shown(opened(crun, api_key="a-key-of-somebody", base_url=provider.url))


def test_a_known_key_is_masked_wherever_it_is() -> None:
    key = sd.ask_key("crun")
    assert mask_keys(f"<{KEY}>") == "<•••>"
    del key
