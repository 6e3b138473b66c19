"""Calls in any `concurrent.futures.Executor`: of processes, Dask, Ray or IPython."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


def call_in(executor: Executor, key: str, function: Callable[..., T], *arguments: Any) -> Future[T]:
    """The result of a call that `executor` makes; Dask makes it once for all that use this key, and again only after a worker died."""
    is_dask = type(executor).__module__.startswith("distributed.")
    options: dict[str, Any] = {"key": key, "retries": 0} if is_dask else {}
    return executor.submit(function, *arguments, **options)
