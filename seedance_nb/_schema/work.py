"""A bound on the work of one check, counted and not timed, so that no document can hold up the kernel and none is luck."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST = 10_000
"""How many schemas one check may hold against values, before what is left is told as unchecked."""

_FOR_EACH = 40


class Spent(Exception):
    """The work that a check may do is done. Whoever calls `bounded` takes it."""


class _Here(threading.local):
    left: int | None = None


_HERE = _Here()


@contextmanager
def bounded(value: Any = None, most: int = MOST) -> Iterator[None]:
    """Within it `spend` raises once `most` is spent, and more for a large value: 40 for each part. Inner ones share the outer."""
    if _HERE.left is not None:
        yield
        return
    _HERE.left = most + _FOR_EACH * _size(value, most)
    try:
        yield
    finally:
        _HERE.left = None


def spend(count: int = 1) -> None:
    """Takes from what is left, if there is a bound. Raises: Spent."""
    left = _HERE.left
    if left is not None:
        _HERE.left = left = left - count
        if left < 0:
            raise Spent


def _size(value: Any, most: int) -> int:
    count, here = 0, [value]
    while here and count < most:
        item = here.pop()
        if isinstance(item, dict | list):
            count += len(item)
            here += item.values() if isinstance(item, dict) else item
    return count
