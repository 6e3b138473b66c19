"""Import jsonschema without a grammar ten times as slow as the rest of it; and limit the work of one check, by a count that is repeatable."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

_GRAMMAR, _FOR_EACH = "rfc3987_syntax", 40
MOST = 10_000  # number of schemas that one check may evaluate before the rest is reported as unchecked
_LEFT: ContextVar[int | None] = ContextVar("left", default=None)


@contextmanager
def _grammar_on_first_use() -> Iterator[None]:
    """A stand-in for what jsonschema imports for `iri` where JupyterLab is installed; it loads the grammar for whoever uses it."""
    if {"jsonschema", _GRAMMAR} & sys.modules.keys() or importlib.util.find_spec(_GRAMMAR) is None:
        yield
        return
    stand_in: Any = ModuleType(_GRAMMAR)
    stand_in.is_valid_syntax = lambda *given: importlib.import_module(_GRAMMAR).is_valid_syntax(*given)
    sys.modules[_GRAMMAR] = stand_in
    try:
        yield
    finally:
        del sys.modules[_GRAMMAR]


with _grammar_on_first_use():
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError
    from jsonschema.validators import extend

__all__ = ["Draft202012Validator", "FormatChecker", "ValidationError", "extend"]


class Spent(Exception):
    """The limit is exceeded. Callers of `bounded` catch it."""


@contextmanager
def bounded(value: Any = None, most: int = MOST) -> Iterator[None]:
    """Limit the work within the block to `most` plus 40 for each part of a value; a nested block counts for the outer one."""
    if _LEFT.get() is not None:
        yield
        return
    count, here = 0, [value]
    while here and count < most:
        item = here.pop()
        if isinstance(item, dict | list):
            count += len(item)
            here += item.values() if isinstance(item, dict) else item
    _LEFT.set(most + _FOR_EACH * count)
    try:
        yield
    finally:
        _LEFT.set(None)


def spend(count: int = 1) -> None:
    """Count work against the limit, if there is one. Raises: Spent."""
    left = _LEFT.get()
    if left is not None:
        _LEFT.set(left - count)
        if left < count:
            raise Spent
