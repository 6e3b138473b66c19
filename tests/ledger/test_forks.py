"""A child that was forked in the middle of its parent's work uses the ledger and the engine, and ends when it is done."""

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.claims import backend, claim

from seedance_nb._ledger.ledger import Ledger
from seedance_nb._task.engine import ENGINE, Delivery

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="no fork there"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
PATIENCE_S = 20


def in_child(work: Callable[[], Any]) -> str:
    """What `work` says in a forked child; "it hangs" where it does not end."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(write, str(work()).encode())
        except BaseException as error:  # noqa: BLE001 - reported to the test
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    told_something = select.poll()  # takes any number of open files, unlike select itself
    told_something.register(read, select.POLLIN)
    ready = told_something.poll(PATIENCE_S * 1000)
    told = os.read(read, 1000).decode() if ready else "it hangs"
    os.close(read)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return told


def test_a_child_that_is_forked_while_the_ledger_is_in_use_uses_it_too(tmp_path: Path) -> None:
    ledger, is_over = Ledger(tmp_path / "l.sqlite3"), threading.Event()
    claim(ledger)

    def busy() -> None:
        while not is_over.is_set():
            ledger.update(1, error="busy")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for number in range(12):
            assert in_child(partial(claim, ledger, f"p{number}")).endswith("True)")
    finally:
        is_over.set()
        thread.join()
    assert ledger.count() == 13


def test_a_child_that_is_forked_where_the_lock_cannot_be_had_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seedance_nb._ledger.store._FORK_S", 0.01)
    ledger, held, is_over = Ledger(tmp_path / "l.sqlite3"), threading.Event(), threading.Event()
    claim(ledger)

    def hold() -> None:
        with backend(ledger).lock:
            held.set()
            is_over.wait(PATIENCE_S)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(PATIENCE_S)
    try:
        assert in_child(ledger.count) == "1"
    finally:
        is_over.set()
        thread.join()
    assert ledger.count() == 1


def test_a_child_waits_at_its_end_for_nothing_that_its_parent_sends() -> None:
    sending = Delivery()
    ENGINE.delay_exit(sending, 10 * PATIENCE_S)

    def work() -> str:
        assert ENGINE.submit(asyncio.sleep(0, "used")).result(PATIENCE_S) == "used"
        ENGINE._settle()
        return "ended"

    try:
        with ENGINE._lock:
            assert in_child(work) == "ended"
        assert sending in ENGINE._unsettled
    finally:
        sending.settled = True
