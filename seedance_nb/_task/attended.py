"""Whether a person is there, or a program is running the cells."""

import os
import sys
from typing import Any


def nobody_there() -> str:
    """Why it seems that no person is watching, "" where one may be. Reads the environment.

    A front end with a person behind it lets a cell ask for input; papermill, nbclient and nbconvert do not.
    """
    if os.getenv("CI", "").casefold() not in ("", "0", "false", "no"):
        return "CI is set in the environment"
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and not getattr(kernel, "_allow_stdin", True):
        return "the notebook is being run by a program that cannot answer questions"
    return ""
