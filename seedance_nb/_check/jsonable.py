"""What JSON can carry, and Python's own values brought into that shape."""

import math
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from seedance_nb._base.values import Path, Problem, join

_MOST_LEVELS = 60
_LARGEST = 10**300


def not_json(value: Any, path: Path) -> Iterator[Problem]:
    """Everything in a value that JSON text cannot carry. *pure*."""
    fault = ""
    if isinstance(value, float) and not math.isfinite(value):
        fault = f"{value} is not a number that JSON can carry"
    elif isinstance(value, TooDeep):
        fault = "is nested too deeply, or holds itself"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        fault = "is a larger number than JSON readers take"
    elif isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        fault = "has half of a surrogate pair, which cannot be sent as text"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from not_json(item, (*path, str(key)))
            if not isinstance(key, str):
                yield Problem(path=join((*path, str(key))), message="a key must be text", rule="json", value=key)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from not_json(item, (*path, position))
    elif value is not None and not isinstance(value, str | int | float):
        fault = f"a {type(value).__name__} is not something that JSON can carry"
    if fault:
        yield Problem(path=join(path), message=fault, rule="json", value=value)


def finite(value: Any) -> Any:
    """A value with null for every number that is none, so that it can be checked further. *pure*."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    strange = isinstance(value, float) and not math.isfinite(value)
    huge = isinstance(value, int) and abs(value) > _LARGEST
    return None if strange or huge else value


class TooDeep:
    """Stands for what is nested deeper than any request, or within itself."""


def listed(value: Any, depth: int = 0) -> Any:
    """A value of Python's mappings, tuples and paths as JSON's objects, lists and texts. *pure*."""
    if depth > _MOST_LEVELS:
        return TooDeep()
    if isinstance(value, tuple | list):
        return [listed(item, depth + 1) for item in value]
    if isinstance(value, PurePath):  # told as a local file, not as something that JSON cannot carry
        return str(value) if value.is_absolute() else f"./{value}"
    return {key: listed(item, depth + 1) for key, item in value.items()} if isinstance(value, Mapping) else value
