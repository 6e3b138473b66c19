"""The panel: a click is one task, of what the screen shows; progress and errors are seen; the video is an output."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import Handle, short, until

import seedance_nb as sd
from seedance_nb._notebook import panel as _panel
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.status import failed_html

MODEL = "crun/seedance-2.0-fast-r2v"
GOOD = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4, "resolution": "480p"}


@pytest.fixture
def panel(provider: Provider, crun: sd.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Panel:
    monkeypatch.setattr(_panel, "SETTLE_S", 0.05)
    monkeypatch.setattr(_panel, "_TICK_S", 0.01)
    made = Panel(
        crun,
        sd.Session(
            api_key="a-key", base_url=provider.url, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", sleep=short
        ),
    )
    made._handle = Handle()  # type: ignore[assignment]
    return made


def shown(panel: Panel) -> list[Any]:
    assert isinstance(panel._handle, Handle)
    return panel._handle.shown


def done(panel: Panel) -> Callable[[], bool]:
    return lambda: not panel._busy


def test_generate_shows_the_video_of_what_the_form_says(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert [json.loads(body)["input"] for body in provider.charges] == [GOOD]
    assert [type(one) for one in shown(panel)] == [sd.Video]
    assert "Done in" in panel._status.value
    assert "crun:task_1" in panel._status.value
    assert "What was sent" in panel._sent.value
    assert not panel._go.disabled


def test_two_clicks_are_one_task(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    panel._go.click()
    panel._go.click()
    panel._go.click()
    until(done(panel))
    assert len(provider.charges) == 1
    assert len(provider.headers) == 1


def test_a_value_that_comes_after_the_click_is_still_what_is_sent(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    panel._go.click()
    panel.form._controls["/input/prompt"].widget.value = "what the screen shows"
    until(done(panel))
    assert json.loads(provider.charges[0])["input"]["prompt"] == "what the screen shows"


def test_a_problem_is_shown_at_its_field_and_nothing_is_sent(panel: Panel, provider: Provider) -> None:
    panel._go.click()
    until(done(panel))
    assert provider.headers == []
    assert "Prompt is required." in panel.form._controls["/input/prompt"].widget.description
    assert "Fix 2 problems to generate" in panel.form._summary.value
    assert panel.task is None
    assert not panel._go.disabled


def test_a_refusal_is_shown_in_the_panel_and_names_its_button(panel: Panel, provider: Provider) -> None:
    provider.on_create = [(200, {"code": 402, "message": "Insufficient <b>Credits</b>"})]
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert "Insufficient &lt;b&gt;Credits&lt;/b&gt;" in panel._status.value
    assert "Nothing was charged." in panel._status.value
    assert "top up the account, then press Generate again" in panel._status.value
    assert "cell" not in panel._status.value
    assert shown(panel) == []


def test_something_unexpected_is_shown_too(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel.form, "validate", lambda: 1 / 0)
    panel._go.click()
    until(done(panel))
    assert "ZeroDivisionError" in panel._status.value
    assert not panel._go.disabled


def test_to_stop_waiting_leaves_the_task(panel: Panel, provider: Provider) -> None:
    provider.on_status = ["running"]
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: "Generating" in panel._status.value)
    assert "sdn-hidden" not in panel._stop._dom_classes
    panel._stop.click()
    until(done(panel))
    assert "Stopped waiting; the task is still running" in panel._status.value
    assert panel.task is not None
    assert not panel.task.future().done()
    provider.on_status = ["success"]
    assert panel.task.wait(30).path.exists()


def test_the_same_request_again_is_shown_and_not_paid(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    for _ in range(2):
        panel._go.click()
        until(done(panel))
    assert len(provider.charges) == 1
    assert "You already generated this, so here is that video. No charge." in panel._status.value
    assert len(shown(panel)) == 2


def test_another_take_is_another_task(panel: Panel, provider: Provider) -> None:
    assert "sdn-hidden" in panel._again._dom_classes
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert "sdn-hidden" not in panel._again._dom_classes
    for _ in range(2):
        panel._again.click()
        until(done(panel))
    assert len(provider.charges) == 3
    panel.form.values = GOOD | {"duration": 5}
    assert "sdn-hidden" in panel._again._dom_classes


def test_the_button_says_what_it_costs(panel: Panel) -> None:
    assert panel._go.description == "Generate · price unknown"
    assert "SIMULATED" not in panel._top.value
    simulated = sd.panel(MODEL)
    assert simulated._go.description == "Generate · Simulated (free)"
    assert "SIMULATED" in simulated._top.value
    assert "No CRUN_API_KEY is set" in simulated._note.value


def test_showing_a_panel_sends_nothing(panel: Panel, provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    panel._ipython_display_()
    assert provider.headers == []
    assert "Panel for" in repr(panel)
    assert capsys.readouterr()


def test_a_locked_ledger_would_hold_up_no_other_task_while_a_panel_waits_for_it(
    panel: Panel, on_the_loop: list[tuple[str, bool]]
) -> None:
    panel.form.values = GOOD
    for button in (panel._go, panel._again):
        button.click()
        until(done(panel))
    assert panel.task
    assert any("claim" in what for what, _ in on_the_loop)
    assert not [what for what, is_held_up in on_the_loop if is_held_up]


def test_an_unknown_outcome_offers_no_button_that_pays_for_another(panel: Panel, provider: Provider) -> None:
    provider.on_create = ["close", "ok"]
    panel.form.values = GOOD
    for _ in range(2):
        panel._go.click()
        until(done(panel))
        assert "It is not known whether crun accepted this request" in panel._status.value
        assert ".resolve()" in panel._status.value
        assert "sdn-hidden" in panel._again._dom_classes
    assert len(provider.headers) == 1


def next_steps() -> list[str]:
    """Every next step that the package writes, with "1" in place of what is filled in."""
    steps: list[str] = []
    for path in sorted(Path(sd.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.keyword(arg="next_step", value=value):
                    steps += _texts(value)
                case ast.Assign(targets=[ast.Name(id="hint" | "next_step")], value=value):
                    steps += _texts(value)
                case ast.arg(arg="next_step"):
                    pass
                case ast.FunctionDef(name="__init__", args=arguments):
                    steps += [text for value in arguments.defaults + arguments.kw_defaults for text in _texts(value)]
    return steps


def _texts(value: ast.expr | None) -> list[str]:
    match value:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(map(_part, parts))]
    return []


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.FormattedValue):
        return "'1'" if part.conversion == ord("r") else "1"
    return str(getattr(part, "value", ""))


ONLY_A_CELL_CAN = ("run its cell again",)  # a panel stays with the simulator, or with its provider, for good
CELL = re.compile(r"\bcell again\b|\brun again\b|\btake=|\.wait\(\)")


def test_the_next_step_of_an_error_in_a_panel_names_its_buttons_and_no_cell() -> None:
    steps = [step for step in next_steps() if not step.startswith(ONLY_A_CELL_CAN)]
    assert any(CELL.search(step) for step in steps), "the control: in code the steps are of cells"
    shown_steps = [failed_html(sd.SeedanceError("x", next_step=step)) for step in steps]
    assert [step for step in shown_steps if CELL.search(str(step))] == []
    assert "Next: press Another take" in failed_html(
        sd.SeedanceError("x", next_step="send the same request again with take=2")
    )


def test_a_providers_words_are_shown_in_a_panel_as_they_are() -> None:
    assert "run the same cell again" in failed_html(sd.Refused("run the same cell again", code=422))
