"""Import jsonschema without the grammar of two formats, which takes ten times as long as everything else in it.

Wherever JupyterLab is installed, jsonschema imports `rfc3987_syntax` for `iri` and `iri-reference`, which nothing here uses.
A stand-in replaces it during the import and loads it on first use, so that nothing changes for other users of jsonschema.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_GRAMMAR = "rfc3987_syntax"


@contextmanager
def _grammar_on_first_use() -> Iterator[None]:
    spec = None if {"jsonschema", _GRAMMAR} & sys.modules.keys() else importlib.util.find_spec(_GRAMMAR)
    if spec is None:
        yield
        return
    stand_in = sys.modules[_GRAMMAR] = importlib.util.module_from_spec(spec)

    def leave() -> None:
        if sys.modules.get(_GRAMMAR) is stand_in:
            del sys.modules[_GRAMMAR]

    def loaded() -> ModuleType:
        leave()
        return importlib.import_module(_GRAMMAR)

    vars(stand_in).update(
        is_valid_syntax=lambda term, value: loaded().is_valid_syntax(term, value),
        __getattr__=lambda name: getattr(
            loaded(), name
        ),  # another thread may use anything in the real module meanwhile
    )
    try:
        yield
    finally:
        leave()


with _grammar_on_first_use():
    from jsonschema import Draft202012Validator, FormatChecker, ValidationError
    from jsonschema.validators import extend

__all__ = ["Draft202012Validator", "FormatChecker", "ValidationError", "extend"]
