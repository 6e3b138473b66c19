"""What Tab shows of a value, in the completion that JupyterLab uses: what a person can use, and never nothing."""

from typing import Any, Literal

import jedi  # type: ignore[import-untyped]
import pytest

import seedance_nb as sd

MODEL = "crun/seedance-1.0-pro-t2v"
PERSONS = {
    "cost",
    "details",
    "forget",
    "future",
    "is_new",
    "name",
    "resolve",
    "resubmit",
    "state",
    "wait",
}


def tab(value: Any) -> set[str]:
    """The names that Tab offers after `value.`."""
    return {one.name for one in jedi.Interpreter("value.", [{"value": value}]).complete() if one.name[0] != "_"}


@pytest.fixture
def values(made: tuple[sd.Session, sd.Video]) -> dict[str, Any]:
    session, video = made
    problems = sd.check(MODEL, duration=99)
    return {
        "task": session.task(video.task), "video": video, "row": video.row, "facts": video.facts, "tasks": session.tasks(),
        "session": session, "models": sd.models(), "spec": sd.spec(MODEL), "form": sd.form(MODEL), "panel": sd.panel(MODEL),
        "problems": problems, "problem": problems[0], "estimate": sd.estimate(MODEL, prompt="A fox"), "clip": sd.open(video.path),
        "comparison": sd.compare("A fox", [MODEL]), "report": sd.preflight(MODEL, prompt="A fox"), "error": sd.SeedanceError("x"),
    }  # fmt: skip


def test_tab_shows_something_of_every_value(values: dict[str, Any]) -> None:
    assert {name: bool(tab(value)) for name, value in values.items()} == dict.fromkeys(values, True)


def test_tab_of_a_task_shows_what_a_person_uses(values: dict[str, Any]) -> None:
    assert tab(values["task"]) == PERSONS
    assert all(hasattr(values["task"], name) for name in PERSONS)


def test_tab_of_several_requests_shows_no_helpers(values: dict[str, Any]) -> None:
    assert not {"perform", "reset", "load", "send", "waiting"} & tab(values["comparison"])
    assert {"generate", "total", "ready"} <= tab(values["comparison"])


def test_a_task_says_what_it_cost(values: dict[str, Any]) -> None:
    task = values["task"]
    assert task.cost == "simulated (free)"
    assert task.show().path == values["video"].path, "also what Tab does not show works as a person expects"


def test_a_property_that_breaks_the_completion_is_found() -> None:
    class Naive:
        @property
        def charged(self) -> Literal["charged", "not charged"]:
            return "charged"

    with pytest.raises(AttributeError):
        tab(Naive())
