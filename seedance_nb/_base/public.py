"""How public classes present themselves in `help()`."""

import inspect
from typing import Any


def created_by_package(cls: Any) -> Any:
    """The class, as one of `seedance_nb` and without constructor parameters in `help()`, because only the package calls it."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    cls.__module__ = "seedance_nb"
    cls.__signature__ = inspect.Signature()
    cls.__init__.__signature__ = inspect.Signature([own])
    return cls
