"""Waiting in tests without waiting long, and what stands where a cell's output is."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import ipywidgets

import seedance_nb as sd

TICK_S = 0.25
"""At a host in trouble the rate limiter sleeps hundreds of them in a row, each of which counts as passed."""


async def short(seconds: float) -> None:
    """Stands for a sleep: a hundredth of it, of a tick of the rate limiter nothing, and a status check is never waited for longer than 20 ms."""
    await asyncio.sleep(0 if seconds <= TICK_S else min(0.02, seconds / 100))


def plain_client(timeout: float) -> httpx.Client:
    """What a careful person sends requests with: a new connection for each, and one TLS context, which takes 30 ms to make."""
    return httpx.Client(trust_env=False, timeout=timeout, limits=httpx.Limits(max_keepalive_connections=0))


def short_sleeps() -> None:
    """For a process of a test: its sessions sleep so unless they are given something else."""
    defaults = inspect.unwrap(sd.Session.__init__).__kwdefaults__
    defaults["sleep"] = short


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 120  # only where it never comes; a busy machine takes its time
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def interrupt_when(true: Callable[[], Any]) -> None:
    """Press Stop once it is `true`."""

    def watch() -> None:
        until(true)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[str]:
    """The address of `python -m seedance_nb simulate`, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "seedance_nb",
        "simulate",
        "--port",
        "0",
        "--queue",
        "0",
        "--seconds",
        "0",
        *options,
    ]
    child = subprocess.Popen(command, env=dict(os.environ) | environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.readline()
    assert "Simulating" in said
    try:
        yield said.split(" at ")[1].split()[0]  # it listens, so nobody has to try until it does
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)


def shown(panel: Any) -> str:
    """Every text of a panel's own HTML widgets."""

    def texts(box: Any) -> Iterator[str]:
        for child in getattr(box, "children", ()):
            if isinstance(child, ipywidgets.HTML):
                yield child.value
            elif child is not panel.form.widget:
                yield from texts(child)

    return "\n".join(texts(panel.widget))
