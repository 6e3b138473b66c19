"""One daemon thread with its own event loop, which follows every task while the kernel is free or busy."""

import asyncio
import atexit
import concurrent.futures
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from seedance_nb._base.faults import ENDING, FAULTS, THREAD, local_error, without_frames
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._provider.rate_limit import RateLimiter

T = TypeVar("T")
_TICK_S, _SAVE_S = 0.05, 90  # seconds in which an answer is saved in a ledger that others use; usually milliseconds


@dataclass(slots=True, eq=False)
class Delivery:
    """How far a paid request is: `sending` while it may be charged, `settled` once its outcome is saved."""

    sending: bool = False
    settled: bool = False


class Engine:
    """Runs work from any thread on its own loop. A forked child gets its own thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Drop all work and locks: in a forked child, nothing of its parent's continues."""
        self._lock = threading.RLock()  # `follow` has it when a future that has ended by then is dropped
        self.claiming = threading.Lock()  # held by whoever claims a row until its flow has started
        self._loop: asyncio.AbstractEventLoop | None = None
        self._following: dict[tuple[str, int], Future[Any]] = {}
        self._unsettled: dict[Delivery, float] = {}
        self._is_closed = self.is_ending = False
        self._gates: dict[tuple[str, str, str], RateLimiter] = {}
        self.results = asyncio.Semaphore(8)  # those that are saved: each a connection, a file and a child process

    def rate_limiter(self, origin: str, key: str, ledger: Ledger | None = None, rate: float = 0) -> RateLimiter:
        """The rate limiter of an origin and a key (its fingerprint), shared by all sessions, and by all kernels with this ledger on a server; it starts at `rate`."""
        name = origin, key, ledger.place if ledger and ledger.share else ""
        with self._lock:
            if name not in self._gates:
                share = partial(ledger.share, f"{origin} {key}") if ledger and ledger.share else None
                self._gates[name] = RateLimiter(rate, share=share)
            return self._gates[name]

    def delay_exit(self, delivery: Delivery, answer_s: float) -> None:
        """Delay the exit until a request is settled, or for `answer_s`, so that a script's last `submit` is sent and its id saved. Raises: RuntimeError once the exit has waited."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError(ENDING)
            self._unsettled = {one: limit for one, limit in self._unsettled.items() if not one.settled}
            self._unsettled[delivery] = answer_s

    def _settle(self) -> None:
        begun, is_reported = time.monotonic(), False
        try:
            while waiting := self._waiting(time.monotonic() - begun):
                if not is_reported and time.monotonic() - begun > 1:
                    is_reported = True
                    requests = "a request" if len(waiting) == 1 else f"{len(waiting)} requests"
                    longest = max(self._unsettled[one] for one in waiting)
                    _report(f"waiting up to {longest:g} s for the response to {requests} (Ctrl-C to stop waiting)")
                time.sleep(_TICK_S)
        except KeyboardInterrupt:
            self.is_ending = self._is_closed = True
            text = "Stopped waiting. What was sent has an unknown outcome: you may have been charged. See sd.tasks(), or `seedance tasks` in a terminal."
            _report(text)

    def _waiting(self, passed: float) -> list[Delivery]:
        """The requests to wait for; if there are none, no further one is accepted."""
        with self._lock:
            unsettled = {one: limit for one, limit in self._unsettled.items() if not one.settled}
            if any(passed > limit for limit in unsettled.values()):
                self.is_ending = True  # from now on nothing more is sent, so only what is being sent is waited for
            longest = {one: 2 * limit + _SAVE_S if one.sending else limit for one, limit in unsettled.items()}
            waiting = [one for one, limit in longest.items() if passed <= limit]
            self._is_closed = not waiting
            return waiting

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` on the engine's loop and return its future. Cancelling the future cancels the work."""
        try:
            loop = self.start()
        except BaseException:
            work.close()
            raise
        return _begun(work, loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the engine's loop, wait for it, and return its result."""
        future = self.submit(work)
        del self, work  # an error's frames must not lead to the loop
        return wait_for(future)

    def follow(self, key: tuple[str, int], start: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """The future of the flow with this `key` (ledger and row), which is started if none is running."""
        loop = self.start()
        with self._lock:
            there = self._following.get(key)
            if there is None or there.done():
                there = self._following[key] = _begun(start(), loop)
                there.add_done_callback(partial(self._drop, key))
            return there

    def _drop(self, key: tuple[str, int], ended: Future[Any]) -> None:
        with self._lock:
            if self._following.get(key) is ended:
                del self._following[key]  # it would keep its ledger open

    def start(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs from now on. Raises: OSError or RuntimeError if the computer lacks what it needs."""
        with self._lock:
            # Nobody waits for a response any more, or its thread has stopped for good.
            if self._is_closed or sys.is_finalizing():
                raise RuntimeError(ENDING)
            if self._loop is None:
                # Before the executors are shut down, which the loop still needs to look up a host.
                getattr(threading, "_register_atexit", atexit.register)(self._settle)
                loop = asyncio.new_event_loop()
                # A first worker now: while the interpreter ends, Python 3.12 starts no new ones, and a request that
                # is still being sent needs one to look up a host and to write down its answer.
                workers = ThreadPoolExecutor(thread_name_prefix=THREAD)
                try:
                    workers.submit(int).result()
                    loop.set_default_executor(workers)
                    threading.Thread(target=loop.run_forever, name=THREAD, daemon=True).start()
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop
            return self._loop


def _report(message: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed, or none, as under pythonw
        sys.stderr.write(f"seedance_nb: {message}\n")
        sys.stderr.flush()


def _begun(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> Future[T]:
    future = asyncio.run_coroutine_threadsafe(_without_frames(work), loop)
    # Else an error would lead to the loop, and to requests that are under way.
    future.add_done_callback(lambda done: vars(done).update(_done_callbacks=[]))
    return future


async def _without_frames(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - raised again below, outside, so that nothing hangs on it
        trouble = without_frames(local_error(error) if isinstance(error, FAULTS) else error)
    raise trouble


ENGINE = Engine()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENGINE.reset)


def wait_for(future: Future[T], tick_s: float = 0.1) -> T:
    """The result of `future`, awaited in short steps: an interrupt does not wake a longer wait on every platform."""
    while not concurrent.futures.wait([future], timeout=tick_s).done:
        pass
    return future.result()


def call_in(executor: Executor, key: str, function: Callable[..., T], *arguments: Any) -> Future[T]:
    """The result of a call that `executor` makes; Dask makes it once for all that use this key, and again only after a worker died."""
    options: Any = {"key": key, "retries": 0} if type(executor).__module__.startswith("distributed.") else {}  # Dask's
    return executor.submit(function, *arguments, **options)


def nest_asyncio() -> str:
    """Make `asyncio.run(...)` work inside a cell, for notebooks that call it.

    It changes asyncio for the whole kernel, so nothing else here calls it. On ipykernel 7.4 and later a nested wait can
    lose clicks on widgets.

    Returns: the library used: `nest_asyncio2`, the maintained continuation, if it is installed, otherwise `nest_asyncio`.

    >>> sd.nest_asyncio()
    'nest_asyncio...'
    """
    try:
        import nest_asyncio2 as library
    except ImportError:
        import nest_asyncio as library
    library.apply()
    return str(library.__name__)
