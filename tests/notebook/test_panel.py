"""The panel: a click is one task, of what the screen shows; progress and errors are seen; the video is an output."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._base.errors import Step
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.status import failed_html

MODEL = "crun/seedance-2.0-fast-r2v"
GOOD = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4, "resolution": "480p"}


@pytest.fixture
def panel(crun: sd.Spec, keyed_session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> Panel:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(panel_module, "_TICK_S", 0.01)
    return Panel(crun, keyed_session)


def shown(panel: Panel) -> list[Any]:
    """The videos of the panel, and as many players in its output."""
    outputs = panel._output._videos.outputs
    assert len(panel._videos) == (outputs[0]["data"]["text/html"].count("<video ") if outputs else 0)
    return panel._videos


def done(panel: Panel) -> Callable[[], bool]:
    return lambda: not panel._busy.locked()


def test_generate_shows_the_video_of_what_the_form_says(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert [json.loads(body)["input"] for body in provider.charges] == [GOOD]
    assert [type(one) for one in shown(panel)] == [sd.Video]
    assert "Done in" in panel._status.value
    assert "crun:task_1" in panel._status.value
    assert "Request body" in panel._sent.value
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
    assert not panel.task.following().done()
    provider.on_status = ["success"]
    assert panel.task.wait(30).path.exists()


def test_the_same_request_again_is_shown_and_not_paid(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    for _ in range(2):
        panel._go.click()
        until(done(panel))
    assert len(provider.charges) == 1
    assert "You already generated this, so here is that video. No charge." in panel._status.value
    assert len(shown(panel)) == 1, "the same video is shown once"


def test_a_forgotten_request_is_paid_again_only_by_another_take(panel: Panel, provider: Provider) -> None:
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert panel.task
    panel.task.forget(files=True)
    panel._go.click()
    until(done(panel))
    assert len(provider.charges) == 1
    assert "was forgotten, and its video was removed" in panel._status.value
    assert "press Another take to send the request again" in panel._status.value
    assert "sdn-hidden" not in panel._again._dom_classes
    panel._again.click()
    until(done(panel))
    assert len(provider.charges) == 2
    assert "Done in" in panel._status.value


def test_a_running_task_of_ones_own_is_resumed_and_not_called_an_old_video(panel: Panel, provider: Provider) -> None:
    provider.on_status = ["running"]
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: "Generating" in panel._status.value)
    panel._stop.click()
    until(done(panel))
    panel._go.click()
    until(lambda: "Generating" in panel._status.value)
    provider.on_status = ["success"]
    until(done(panel))
    assert len(provider.charges) == 1
    assert "its task was resumed. No further charge." in panel._status.value
    assert "You already generated this" not in panel._status.value


def test_the_simulator_says_nothing_of_files_that_it_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    free = sd.Session(ledger=tmp_path / "free.sqlite3", outputs=tmp_path / "free", queue_s=0, run_s=0)
    panel = Panel(sd.spec(MODEL), free, None, **GOOD)
    panel._go.click()
    until(done(panel))
    assert panel.task
    assert panel._unchecked_view.value == ""


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
    assert simulated._go.description == "Generate · free"
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


CELL = re.compile(r"\bcell again\b|\brun (it )?again\b|\btake=|\.wait\(\)|\bopen the panel\b")
ONLY_IN_CODE = {"resubmit", "wait", "next_steps"}  # a panel has no button for these
ONLY_A_CELL_CAN = "run its cell again"  # a panel stays with the simulator, or with its provider, for good


def next_steps() -> tuple[list[str], list[str]]:
    """Every plain text of the package outside `ONLY_IN_CODE`, and every `Step` in a panel's words."""
    texts, steps = [], []
    for path in sorted(Path(sd.__file__).parent.rglob("*.py")):
        todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
        while todo:
            match todo.pop():
                case ast.FunctionDef(name=name) if name in ONLY_IN_CODE:
                    pass
                case ast.Call(func=ast.Name(id="Step"), args=[text, *words]):
                    steps.append(Step(_text(text), *map(_text, words)).panel)
                case (
                    ast.keyword(arg="next_step", value=value)
                    | ast.Assign(targets=[ast.Name(id="hint" | "next_step")], value=value)
                ) if not isinstance(value, ast.Call):
                    texts.append(_text(value))
                    todo += ast.iter_child_nodes(value)
                case node:
                    todo += ast.iter_child_nodes(node)
    return texts, steps


def _text(value: ast.AST) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    is_step = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Step"
    return "" if is_step else " ".join(map(_text, ast.iter_child_nodes(value)))


def test_the_next_step_of_an_error_in_a_panel_names_its_buttons_and_no_cell() -> None:
    texts, steps = next_steps()
    assert len(texts) > 20
    assert len(steps) > 5
    assert [text for text in texts if CELL.search(text) and ONLY_A_CELL_CAN not in text] == []
    assert [step for step in steps if CELL.search(step) and "open the panel again" not in step] == []
    assert CELL.search(Step("fix it, then {}")), "the control: in code the steps are of cells"


@pytest.mark.parametrize(
    ("error", "in_code", "in_panel"),
    [
        (
            sd.NoCredits("no", code=402),
            "Next: top up the account, then run the cell again",
            "then press Generate again",
        ),
        (sd.InvalidInput(()), "Next: fix the problems above, then run the cell again", "then press Generate again"),
        (sd.OverBudget("no"), "run it again with a larger budget=", "open the panel again with a larger budget="),
        (sd.SeedanceError("no", next_step="wait"), "Next: wait", "Next: wait"),
    ],
)
def test_an_error_says_its_next_step_in_the_words_of_the_place_where_it_is_read(
    error: sd.SeedanceError, in_code: str, in_panel: str
) -> None:
    assert str(error).endswith(in_code)
    assert in_panel in failed_html(error)
    assert ("cell again" in failed_html(error)) is False


def test_a_failed_task_names_the_button_that_tries_again(panel: Panel, provider: Provider) -> None:
    provider.on_status = ["failed"]
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert "or press Another take" in panel._status.value
    assert "take=2" not in panel._status.value
    assert "sdn-hidden" not in panel._again._dom_classes


def test_a_providers_words_are_shown_in_a_panel_as_they_are() -> None:
    assert "run the cell again" in failed_html(sd.Refused("run the cell again", code=422))


@pytest.fixture
def again(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Panel]:
    """The cell run again: a new panel of the same model and session, displayed in the cell with this id."""
    cells: list[str] = []
    monkeypatch.setattr(panel_module, "_LATEST", {})
    header = {"parent_header": property(lambda _: {"metadata": {"cellId": cells[-1]}})}
    monkeypatch.setattr(panel_module, "shell_with_kernel", type("Shell", (), header))

    def run(new: Panel | None = None, cell: str = "a") -> Panel:
        cells.append(cell)
        new = new or Panel(panel.spec, panel._session)
        new._ipython_display_()
        return new

    run(panel)
    return run


def test_running_the_cell_again_shows_the_videos_of_the_panel_before(
    panel: Panel, again: Callable[..., Panel], provider: Provider
) -> None:
    panel.form.values = GOOD
    for button in (panel._go, panel._again):
        button.click()
        until(done(panel))
    new = again()
    assert (new.task, len(shown(new)), new._status.value) == (panel.task, 2, panel._status.value)
    assert new._output.static == panel._output.static
    assert shown(again()) == shown(panel)
    elsewhere = again(cell="b")
    assert (elsewhere.task, shown(elsewhere), elsewhere._status.value) == (None, [], "")
    assert len(provider.charges) == 2


def test_running_the_cell_again_follows_the_running_task(
    panel: Panel, again: Callable[..., Panel], provider: Provider
) -> None:
    provider.on_status = ["running"]
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: panel.task is not None and bool(panel._status.value))
    new, newest = again(), again()
    until(lambda: newest.task is not None and newest._output.static["text/plain"].startswith("Task "))
    assert newest._go.disabled
    assert "sdn-hidden" not in newest._stop._dom_classes
    newest._go.click()
    provider.on_status = ["success"]
    for one in (panel, new, newest):
        until(done(one))
    assert [len(shown(one)) for one in (panel, new, newest)] == [1, 1, 1]
    assert "Done in" in newest._status.value
    assert not newest._go.disabled
    assert len(provider.charges) == 1


def test_stop_waiting_works_in_the_panel_of_the_cell_run_again(
    panel: Panel, again: Callable[..., Panel], provider: Provider
) -> None:
    provider.on_status = ["running"]
    panel.form.values = GOOD
    panel._go.click()
    until(lambda: panel.task is not None)
    new = again()
    new._stop.click()
    until(done(new))
    until(done(panel))
    assert "sdn-hidden" in new._stop._dom_classes
    assert new._status.value == panel._status.value
    provider.on_status = ["success"]


def test_running_the_cell_again_keeps_the_form_and_its_arguments_win(
    panel: Panel, again: Callable[..., Panel], provider: Provider
) -> None:
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    panel.form.values = GOOD | {"duration": 9}
    new = again(Panel(panel.spec, panel._session, 7.0, prompt="A crow"))
    assert new.form.values["input"] == GOOD | {"prompt": "A crow", "duration": 9}
    assert (new.task, new._budget, len(shown(new))) == (panel.task, 7.0, 1)
    elsewhere = again(Panel(panel.spec, sd.Session(simulate=True)))
    assert (elsewhere.task, shown(elsewhere)) == (None, []), "another session, whose requests go elsewhere"
    assert len(provider.charges) == 1


def test_a_budget_counts_the_price_of_the_estimate_call(
    crun: sd.Spec, keyed_session: sd.Session, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(panel_module, "REST_S", 60)
    provider.on_estimate = [44]
    panel = Panel(crun, keyed_session, 43.0)
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert "costs 44 credits" in panel._status.value
    assert (len(provider.estimates), provider.charges) == (1, [])
    panel = Panel(crun, keyed_session, 44.0)
    panel.form.values = GOOD
    panel._go.click()
    until(done(panel))
    assert len(provider.charges) == 1
