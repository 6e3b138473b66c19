"""Errors carry facts, are equal by them, and read like help."""

import json
import pickle
import pydoc
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._base import errors
from seedance_nb._base.problem import Problem

PROBLEM = Problem(path="/input/duration", message="16 s is too large; at most 15 s is allowed", rule="maximum", value=16, limit=15,
                  quote="Supports any integer from 4 to 15", origin="crun's docs")  # fmt: skip
EXAMPLES = [
    sd.SpecError("must be text", file="a.yaml", pointer="/x-task"),
    sd.InvalidInput((PROBLEM,)),
    sd.Refused("no", code=404),
    sd.Unauthorized("no", code=401),
    sd.NoCredits("no", code=402),
    sd.RateLimited("no", code=429),
    sd.Unavailable("no", code=455),
    sd.Unreachable("No connection."),
    sd.UnknownOutcome("Not known.", task="#1"),
    sd.TaskFailed("No.", task="crun:task_1"),
    sd.WaitTimeout("Still running.", task="crun:task_1", charged="charged"),
    sd.MediaError("Broken.", task="crun:task_1", charged="charged"),
    sd.LedgerError("Full.", file="l.sqlite3"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_says_what_happened_whether_money_moved_and_what_is_next(error: sd.SeedanceError) -> None:
    assert isinstance(error, sd.SeedanceError)
    lines = str(error).splitlines()
    money = [line for line in lines if line in type(error)._money.values()]
    assert money == ([] if isinstance(error, sd.SpecError) else [type(error)._money[error.charged]])
    assert "".join(lines).startswith("".join(error.message.splitlines()))


def test_an_error_without_a_request_says_nothing_about_money(tmp_path: Path) -> None:
    session = sd.Session(ledger=tmp_path / "l.sqlite3")
    calls: list[Callable[[], Any]] = [
        lambda: sd.spec("crun/seedance-2.0"),
        lambda: session.task("crun:nothing"),
        lambda: session.tasks(0),
        lambda: session.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", budget=-1),
        lambda: session.callback("[]"),
    ]
    for call in calls:
        with pytest.raises(sd.SeedanceError) as raised:
            call()
        assert raised.value.charged == "not charged"
        assert "charged" not in str(raised.value)
    with pytest.raises(sd.InvalidInput, match="Nothing was charged") as control:
        session.submit("crun/seedance-1.0-pro-t2v", promt="A fox")
    assert "in the request" in str(control.value)


def test_a_task_that_is_still_waiting_has_not_been_charged_yet() -> None:
    waiting = sd.WaitTimeout("Still waiting to be sent.", charged="not charged")
    assert "Nothing has been charged yet." in str(waiting)
    assert "Nothing was charged." in str(sd.TaskFailed("No.", charged="not charged"))


def test_the_simulator_is_named_where_it_answers_and_nothing_is_charged_there() -> None:
    session = sd.Session(queue_s=60, run_s=0)
    with pytest.raises(sd.NoCredits, match=r"^The simulator, acting as crun, rejected the request \(402\)") as first:
        session.submit("crun/seedance-1.0-pro-t2v", prompt="simulate:402").wait()
    assert "Nothing was charged." in str(first.value)
    with pytest.raises(sd.WaitTimeout, match="Nothing is charged in the simulator") as waiting:
        session.submit("crun/seedance-1.0-pro-t2v", prompt="still queued").wait(timeout=0)
    assert waiting.value.charged == "not charged"
    assert "yet" not in str(waiting.value), "nothing will be charged later either"


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_a_pickle_with_its_facts(error: sd.SeedanceError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (type(again), vars(again)) == (type(error), vars(error))
    assert str(again) == str(error)


CLASSES = [value for name in sd.__all__ if isinstance(value := getattr(sd, name), type)]


@pytest.mark.parametrize("public", CLASSES, ids=lambda public: public.__name__)
def test_a_public_class_says_where_it_is_imported_from(public: type) -> None:
    assert (public.__module__, getattr(sd, public.__name__)) == ("seedance_nb", public)
    assert pickle.loads(pickle.dumps(public)) is public  # noqa: S301 - our own bytes
    assert pydoc.render_doc(public).splitlines()[0].endswith(f"class {public.__name__} in module seedance_nb")


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = {
        word
        for line in (errors.__doc__ or "").splitlines()
        if "──" in line
        for word in [line.split("── ")[1].split()[0]]
    }
    made = {
        cls.__name__ for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, sd.SeedanceError)
    }
    assert drawn == made - {"SeedanceError", "TaskError"}


def test_an_invalid_input_lists_every_problem_with_its_sentence() -> None:
    assert str(sd.InvalidInput((PROBLEM, PROBLEM))) == (
        "2 problems in the request; nothing was sent:\n"
        "  1. /input/duration: 16 s is too large; at most 15 s is allowed\n"
        '      From crun\'s docs: "Supports any integer from 4 to 15"\n'
        "  2. /input/duration: 16 s is too large; at most 15 s is allowed\n"
        '      From crun\'s docs: "Supports any integer from 4 to 15"\n'
        "Nothing was charged.\n"
        "Next: fix the problems above, then run the cell again"
    )


class Front:
    """Stands for the output of a cell."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def publish(self, data: dict[str, str]) -> None:
        self.shown.append(data)


def said_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> Front:
    front = Front()
    monkeypatch.setattr(errors, "cell_publisher", lambda: front)
    return front


def outside_pytest(act: Callable[[], object], filters: str = "always") -> None:
    """Act with Python's own way of showing warnings, which pytest replaces."""
    with warnings.catch_warnings():
        warnings.simplefilter(filters)  # type: ignore[arg-type]
        act()


def emit(*messages: str) -> None:
    errors.emit_warnings(messages, sd.LimitWarning)


NOTEBOOK = """
import json, sys
import seedance_nb as sd
from seedance_nb._base import errors

class Front:
    def publish(self, data):
        print(json.dumps(data))

errors.cell_publisher = {front}
errors.emit_warnings(["1 s is <b>short</b>", "another"], sd.LimitWarning)
"""


@pytest.mark.parametrize("is_notebook", [True, False])
def test_a_warning_is_a_calm_line_in_a_notebook(*, is_notebook: bool) -> None:
    code = NOTEBOOK.format(front="Front" if is_notebook else "lambda: None")
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    shown = [json.loads(line) for line in child.stdout.splitlines()]
    if is_notebook:
        assert child.stderr == ""
        assert [data["text/plain"] for data in shown] == ["LimitWarning: 1 s is <b>short</b>", "LimitWarning: another"]
        assert "1 s is &lt;b&gt;short&lt;/b&gt;" in shown[0]["text/html"]
    else:
        assert "<string>:11: LimitWarning: 1 s is <b>short</b>" in child.stderr
        assert shown == []


def test_a_notebook_can_ignore_record_and_raise_warnings_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    front = said_in_a_notebook(monkeypatch)
    outside_pytest(lambda: emit("ignored"), "ignore")
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        emit("recorded")
    assert [str(one.message) for one in recorded] == ["recorded"]
    with pytest.raises(sd.LimitWarning, match="raised"):
        outside_pytest(lambda: emit("raised"), "error")
    shown: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_, **__: shown.append(str(message)))
    outside_pytest(lambda: emit("shown by another"))
    assert shown == ["shown by another"]
    assert front.shown == []
