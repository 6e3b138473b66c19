"""Examples in texts, run as doctest runs them."""

import doctest
import re
from pathlib import Path

import seedance_nb as sd

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(name: str, text: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(text, {"sd": sd}, name, None, 0)


def quickstart() -> doctest.DocTest:
    """The examples of README."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    return examples("README", "\n".join(re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)))


def failures(test: doctest.DocTest) -> str:
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)
