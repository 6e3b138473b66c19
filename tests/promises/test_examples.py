"""Every public name has an example that runs against the simulator, and `help` shows no private name."""

import inspect
import pydoc
import re
from pathlib import Path
from typing import Any

import pytest
from support.examples import examples, failures

import seedance_nb as sd
from seedance_nb._session.session import Models
from seedance_nb._task.task import Context, Tasks

FUNCTIONS = sorted(name for name in sd.__all__ if inspect.isfunction(getattr(sd, name)))


@pytest.mark.usefixtures("quick")
@pytest.mark.filterwarnings("ignore::seedance_nb.LimitWarning")
@pytest.mark.parametrize("name", sd.__all__)
def test_the_example_of_a_public_name_shows_what_really_comes_back(name: str) -> None:
    test = examples(name, inspect.getdoc(getattr(sd, name)) or "")
    assert test.examples, "a public name has an example"
    assert failures(test) == ""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("owner", [sd.Task.wait, sd.Task.resolve, sd.Task.resubmit, Tasks, Models])
def test_the_example_of_a_method_or_table_shows_what_really_comes_back(owner: Any) -> None:
    test = examples(owner.__qualname__, inspect.getdoc(owner) or "")
    assert test.examples
    assert failures(test) == ""


def test_an_example_that_is_wrong_is_found() -> None:
    assert "Expected:" in failures(examples("control", ">>> sd.__version__\n'never'\n"))


RETURNED = {
    "Clip",
    "Estimate",
    "Form",
    "Gallery",
    "Models",
    "Operation",
    "Panel",
    "Report",
    "Repair",
    "Rehearsal",
    "Row",
    "Secret",
    "Sweep",
    "Tasks",
    "Videos",
    "View",
}
"""Types that are not public themselves, whose values a public function returns; each is described there."""
OWN = {
    name
    for path in Path(sd.__file__).parent.rglob("*.py")
    for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
PRIVATE = OWN - RETURNED - {*sd.__all__} - {"TaskError", "Batch", "ShownBatch"}  # they are bases of public classes


def private_types(text: str) -> set[str]:
    """The private types in the signatures of a help text."""
    signatures = [line for line in text.splitlines() if re.match(r"[ |]*\w+\(", line)]
    return {word for line in signatures for word in re.findall(r"\w+", line) if word in PRIVATE}


@pytest.mark.parametrize("name", sd.__all__)
def test_help_shows_no_private_type_and_says_where_a_name_is_imported_from(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(getattr(sd, name)))
    assert text.splitlines()[0].endswith(" in module seedance_nb")
    assert "seedance_nb._" not in text
    assert private_types(text) == set()


def test_a_private_type_in_a_help_text_is_found() -> None:
    text = pydoc.plain(pydoc.render_doc(Context))
    assert private_types(text) == {"Approved", "Context", "TaskRun"}
    assert "seedance_nb._" in text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_of_a_function_describes_its_parameters(name: str) -> None:
    function: Any = getattr(sd, name)
    described = re.findall(
        r"\w+", " ".join(re.findall(r"^  ([\w, ]+): ", inspect.getdoc(function) or "", re.MULTILINE))
    )
    assert described == list(inspect.signature(function).parameters)
