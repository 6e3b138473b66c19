"""Runs child processes with limits and without keys. Untrusted bytes are read only there."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
                "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL")  # fmt: skip
_MOST_OUTPUT = 65_536
_OUT_OF_TIME = [getattr(signal, name) for name in ("SIGXCPU", "SIGALRM") if hasattr(signal, name)]  # not on Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a child: `memory` in bytes of address space, seconds of processor time, and seconds of wall time."""

    memory: int
    cpu_s: int
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The result of a child: its exit code, the last line of its output, and why it was not started or exceeded a time limit, "" otherwise."""

    code: int
    answer: str = ""
    fault: str = ""

    @property
    def reason(self) -> str:
        """The end of its last line, for people. *pure*."""
        return self.answer[-200:]


def limit(limits: Limits) -> None:
    """Applies limits to this process, which is the child: it also writes no core file, and ends even without its parent."""
    try:
        import resource
    except ImportError:  # not on Windows, where the parent still limits the wall time
        return
    signal.alarm(int(limits.wall_s) + 1)
    most = {resource.RLIMIT_AS: limits.memory, resource.RLIMIT_CPU: limits.cpu_s, resource.RLIMIT_CORE: 0}
    for kind, value in most.items():
        with suppress(ValueError, OSError):  # macOS refuses the first; a lower limit may be set already
            resource.setrlimit(kind, (value, value))


def refuse(reason: str, code: int = 1) -> NoReturn:
    """Ends a child that failed; the reason is printed as its last line."""
    sys.stderr.write(f"\n{reason}")
    sys.exit(code)


def run(module: str, *arguments: str | Path, limits: Limits) -> Exit:
    """The result of `python -m module arguments`, once it has ended. The child calls `limit` itself and gets no key."""
    child = _start(module, arguments)
    return child if isinstance(child, Exit) else _wait(child, limits.wall_s)


async def run_async(module: str, *arguments: str | Path, limits: Limits) -> Exit:
    """As `run`, without blocking the event loop. Cancelling it ends the child."""
    child = _start(module, arguments)
    if isinstance(child, Exit):
        return child
    outcome: Future[Exit] = Future()
    outcome.set_running_or_notify_cancel()
    try:
        # A thread of its own: there may be as many children as tasks, and the loop has only a few worker threads.
        threading.Thread(target=lambda: outcome.set_result(_wait(child, limits.wall_s)), daemon=True).start()
        return await asyncio.wrap_future(outcome)
    finally:
        child.kill()
        child.wait()


def _start(module: str, arguments: tuple[str | Path, ...]) -> "subprocess.Popen[bytes] | Exit":
    texts = [str(one.absolute()) if isinstance(one, Path) else one for one in arguments]
    environment = {name: value for name, value in os.environ.items() if name.upper() in _ENVIRONMENT}
    try:  # a process group of its own: interrupting the kernel must not end what the kernel waits for
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", module, *texts], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0,
            stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )  # fmt: skip
    except OSError as error:
        return Exit(code=-1, fault=f"could not be started ({error.strerror})")


def _wait(child: "subprocess.Popen[bytes]", wall_s: float) -> Exit:
    timer, output, end = threading.Timer(wall_s, child.kill), b"", time.monotonic() + wall_s
    assert child.stdout  # noqa: S101
    with child.stdout as pipe:
        try:
            timer.start()
            while piece := pipe.read(_MOST_OUTPUT):
                output = (output + piece)[-_MOST_OUTPUT:]
            child.wait()
        finally:
            timer.cancel()
            child.kill()
            child.wait()
    lines = output.decode(errors="replace").strip().splitlines()
    is_stopped = time.monotonic() >= end or -child.returncode in _OUT_OF_TIME
    fault = f"took longer than {wall_s:.1f} s" if child.returncode and is_stopped else ""
    return Exit(code=child.returncode, answer=lines[-1] if lines else "", fault=fault)
