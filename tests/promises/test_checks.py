"""A body is checked once per change and handed on: a press of Generate, and `sd.submit`, check it no more often."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import short, until

import seedance_nb as sd
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.compare import Comparison
from seedance_nb._notebook.panel import Panel
from seedance_nb._schema.validator import errors_of

MODEL = "crun/seedance-2.0-fast-r2v"
GOOD: dict[str, Any] = {
    "prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4, "resolution": "480p",
}  # fmt: skip


class Count:
    """How often a body was checked against the document (`checks`) and against limits from other sources (`warnings`)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checks = 0
        self.warnings = 0

        def counted(*given: Any, **known: Any) -> Any:
            if sys._getframe(1).f_code.co_name == "check":
                self.checks += 1
            else:
                self.warnings += 1
            return errors_of(*given, **known)

        monkeypatch.setattr("seedance_nb._check.check.errors_of", counted)

    def of(self, act: Callable[[], Any]) -> tuple[int, int]:
        self.checks = self.warnings = 0
        act()
        return self.checks, self.warnings


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    return Count(monkeypatch)


@pytest.fixture
def session(provider: Provider, tmp_path: Path) -> sd.Session:
    return sd.Session(
        api_key="a-key-of-tests",
        base_url=provider.url,
        ledger=tmp_path / "l.sqlite3",
        outputs=tmp_path / "o",
        sleep=short,
    )


@pytest.fixture
def panel(session: sd.Session, crun: sd.Spec, monkeypatch: pytest.MonkeyPatch) -> Panel:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(panel_module, "_TICK_S", 0.01)
    monkeypatch.setattr(panel_module, "REST_S", 0)
    made = Panel(crun, session)
    made.form.values = GOOD
    return made


def pressed(panel: Panel, button: Any) -> Callable[[], None]:
    def press() -> None:
        button.click()
        until(lambda: not panel._busy.locked())
        assert "Done in" in panel._status.value

    return press


def test_the_count_sees_each_check(crun: sd.Spec, count: Count) -> None:
    assert count.of(lambda: sd.check(crun, **GOOD)) == (1, 1)
    assert count.of(lambda: [sd.check(crun, **GOOD) for _ in range(7)]) == (7, 7)


def test_a_change_of_a_form_is_checked_once(panel: Panel, count: Count) -> None:
    def type_more() -> None:
        panel.form._controls["/input/prompt"].widget.value = "A fox and a hare"

    assert count.of(type_more) == (1, 1)
    assert count.of(panel.form.undo) == (1, 1)
    assert count.of(lambda: setattr(panel.form, "values", panel.form.values)) == (1, 1)


def test_a_form_that_does_not_change_is_not_checked_again(panel: Panel, count: Count) -> None:
    def look() -> None:
        dull = sd.Problem(path="/input/prompt", message="is dull", rule="server")
        assert (panel.form.problems, panel.form.validate()) == ((), ())
        panel.form.show_problems([dull])
        assert panel.form.problems[-1] == dull
        assert panel.form.is_valid

    assert count.of(look) == (0, 0)


def test_a_press_of_generate_checks_at_most_twice_with_the_change_before_it(panel: Panel, count: Count) -> None:
    def change_and_press() -> None:
        panel.form._controls["/input/prompt"].widget.value = "A fox and a hare"
        pressed(panel, panel._go)()

    assert count.of(change_and_press) == (2, 1)
    assert count.of(pressed(panel, panel._again)) == (1, 0)


def test_a_request_that_is_submitted_is_checked_once(session: sd.Session, provider: Provider, count: Count) -> None:
    assert count.of(lambda: session.submit(MODEL, **GOOD)) == (1, 1)
    assert count.of(lambda: sd.submit(MODEL, api_key="a-key-of-tests", base_url=provider.url, **GOOD)) == (1, 1)
    until(lambda: len(provider.charges) == 2)


def test_a_request_that_is_sent_once_more_is_checked_once(
    session: sd.Session, provider: Provider, count: Count
) -> None:
    provider.on_create = ["close", "ok"]
    task = session.submit(MODEL, **GOOD)
    with pytest.raises(sd.UnknownOutcome):
        task.wait(30)
    assert count.of(lambda: task.resubmit(confirm=True)) == (1, 0)


@pytest.mark.filterwarnings("ignore::seedance_nb.MediaWarning")
def test_a_comparison_checks_each_model_once_when_it_is_made_and_not_when_it_is_sent(
    session: sd.Session, count: Count
) -> None:
    words = {"prompt": "A fox", "seconds": 4, "reference_images": GOOD["reference_images"]}
    made: list[Comparison] = []
    assert count.of(lambda: made.append(Comparison(session, [MODEL], words))) == (1, 1)
    assert count.of(lambda: made[0].generate(confirm=True)) == (0, 0)
