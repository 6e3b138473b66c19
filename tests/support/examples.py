"""Examples in texts, run as doctest runs them."""

import doctest

import seedance_nb as sd

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples(name: str, text: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(text, {"sd": sd}, name, None, 0)


def failures(test: doctest.DocTest) -> str:
    report: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    return "".join(report)
