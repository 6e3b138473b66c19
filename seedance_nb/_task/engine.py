"""One daemon thread with one event loop of its own, which follows every task whatever the kernel is busy with."""

import asyncio
import atexit
import concurrent.futures
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from seedance_nb._base.log import THREAD, redact_logs, without_frames
from seedance_nb._provider.rate_limit import RateLimiter

T = TypeVar("T")
_EXIT_S = 60


class Engine:
    """Work handed in from any thread runs on the engine's loop. A forked child gets a thread of its own.

    `claiming` is held by whoever claims a row until its flow has begun.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets a parent's work: nothing of it goes on in a forked child, and its locks may be held by nobody."""
        self._lock = threading.Lock()
        self.claiming = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._following: dict[tuple[str, int], Future[Any]] = {}
        self._unsettled: set[threading.Event] = set()
        self._gates: dict[str, RateLimiter] = {}

    def rate_limiter(self, origin: str) -> RateLimiter:
        """The one gate for a host, whichever session asks; it is used on the engine's loop."""
        with self._lock:
            return self._gates.setdefault(origin, RateLimiter())

    def delay_exit(self, settled: threading.Event) -> None:
        """Holds up the end of the interpreter, for a minute at most, until `settled` is set.

        A script that ends with `submit` would otherwise end before, or while, its request is sent.
        """
        with self._lock:
            if not self._unsettled:
                # Before the executors are shut down, which the engine's loop still needs to look up a host.
                getattr(threading, "_register_atexit", atexit.register)(self._settle)
            self._unsettled.add(settled)

    def _settle(self) -> None:
        end = time.monotonic() + _EXIT_S
        for settled in list(self._unsettled):
            settled.wait(max(0.0, end - time.monotonic()))

    @property
    def is_here(self) -> bool:
        """Whether the caller runs on the engine's own loop, where waiting for its work would never end."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The future of `work`, which has begun on the engine's loop. Cancelling the future cancels the work."""
        return asyncio.run_coroutine_threadsafe(_without_frames(work), self._running())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives, done on the engine's loop while the caller waits."""
        return wait_for(self.submit(work))

    def follow(self, key: tuple[str, int], start: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """The future of the one flow under `key` (ledger and row), begun if none is going on."""
        loop = self._running()
        with self._lock:
            there = self._following.get(key)
            if there is None or there.done():
                # What has ended is not kept: it would keep its ledger open.
                self._following = {other: future for other, future in self._following.items() if not future.done()}
                there = self._following[key] = asyncio.run_coroutine_threadsafe(_without_frames(start()), loop)
            return there

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                redact_logs()
                # A first worker now: while the interpreter ends, Python 3.12 starts no new ones, and a request that
                # is still being sent needs one to look up a host and to write down its answer.
                workers = ThreadPoolExecutor(thread_name_prefix=THREAD)
                workers.submit(int).result()
                self._loop.set_default_executor(workers)
                threading.Thread(target=self._loop.run_forever, name=THREAD, daemon=True).start()
            return self._loop


async def _without_frames(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - raised again below, outside, so that nothing hangs on it
        trouble = without_frames(error)
    raise trouble


ENGINE = Engine()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENGINE.reset)


def wait_for(future: Future[T], tick_s: float = 0.1) -> T:
    """What `future` gives, waited for in short steps, because an interrupt does not wake a longer wait on every platform."""
    while not concurrent.futures.wait([future], timeout=tick_s).done:
        pass
    return future.result()


def nest_asyncio() -> str:
    """Lets `asyncio.run(...)` work inside a cell, for notebooks that call it; the name of the library that did it.

    It changes asyncio for the whole kernel, so nothing here calls it by itself. `nest_asyncio2` is taken where it is
    installed: it is the maintained continuation. On ipykernel 7.4 and later a nested wait can lose clicks on widgets.
    """
    try:
        import nest_asyncio2 as library
    except ImportError:
        import nest_asyncio as library
    library.apply()
    return str(library.__name__)
