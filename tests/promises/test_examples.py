"""Every public name has an example that runs against the simulator, and `help` shows no private module."""

import inspect
import pydoc
import re
from typing import Any

import pytest
from support.examples import examples, failures

import seedance_nb as sd
from seedance_nb._session.catalogue import Models
from seedance_nb._task.task import Tasks

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


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_of_a_function_shows_its_parameters_and_no_private_module(name: str) -> None:
    function: Any = getattr(sd, name)
    assert "seedance_nb._" not in pydoc.plain(pydoc.render_doc(function)).partition("\n\n")[2]
    described = re.findall(
        r"\w+", " ".join(re.findall(r"^  ([\w, ]+): ", inspect.getdoc(function) or "", re.MULTILINE))
    )
    assert described == list(inspect.signature(function).parameters)
