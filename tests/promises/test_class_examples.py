"""The examples of the classes that people work with are what really comes back."""

import doctest
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._session.catalogue import Models
from seedance_nb._task.task import Task, Tasks

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize(
    "owner",
    [Task, Task.wait, Task.resolve, Task.resubmit, Tasks, sd.Video, sd.Session, Models],
    ids=lambda it: it.__qualname__,
)
def test_the_example_of_a_class_shows_what_really_comes_back(owner: Any) -> None:
    test = doctest.DocTestParser().get_doctest(owner.__doc__, {"sd": sd}, owner.__qualname__, None, 0)
    report: list[str] = []
    ran = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert ran.attempted
    assert "".join(report) == ""
