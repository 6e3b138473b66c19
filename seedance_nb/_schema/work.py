"""Limit the work of one check, by count and not by time, so that no schema blocks the kernel and results are repeatable."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST = 10_000  # number of schemas that one check may evaluate before the rest is reported as unchecked
_FOR_EACH = 40


class Spent(Exception):
    """The limit is exceeded. Callers of `bounded` catch it."""


class _Limit(threading.local):
    left: int | None = None


_LIMIT = _Limit()


@contextmanager
def bounded(value: Any = None, most: int = MOST) -> Iterator[None]:
    """Limit the work within the block to `most` plus 40 for each part of a value; a nested block counts for the outer one."""
    if _LIMIT.left is not None:
        yield
        return
    _LIMIT.left = most + _FOR_EACH * _size(value, most)
    try:
        yield
    finally:
        _LIMIT.left = None


def spend(count: int = 1) -> None:
    """Count work against the limit, if there is one. Raises: Spent."""
    left = _LIMIT.left
    if left is not None:
        _LIMIT.left = left = left - count
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
