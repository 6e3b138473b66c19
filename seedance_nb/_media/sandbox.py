"""Calls functions in child processes with limits and without keys. Untrusted bytes are read only there."""

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
                "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL")  # fmt: skip
_MOST_OUTPUT, _MOST_CODE = 65_536, 99  # a signal or a crash has a code below 0 or far above
_OUT_OF_TIME = [getattr(signal, name) for name in ("SIGXCPU", "SIGALRM") if hasattr(signal, name)]  # not on Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a child: `memory` in bytes of address space, seconds of processor time, and seconds of wall time."""

    memory: int
    cpu_s: int
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The result of a child: its exit code, the last line of its output, and why it did not come to an end of its own, "" if it did."""

    code: int
    answer: str = ""
    fault: str = ""

    @property
    def problem(self) -> str:
        """Why it failed, as a clause about the file that it reads, "" if it did not. *pure*."""
        return f"the process that reads it {self.fault}" if self.fault else self.answer[-200:] if self.code else ""


def refuse(reason: str, code: int = 1) -> NoReturn:
    """Ends a child that failed; the reason is printed as its last line."""
    sys.stderr.write(f"\n{reason}")
    sys.exit(code)


def run(function: str, *arguments: str | Path, limits: Limits) -> Exit:
    """The text that a function, named `module:function`, returns for some texts in a child process, which gets no key."""
    child = _start(function, arguments, limits)
    return child if isinstance(child, Exit) else _wait(child, limits.wall_s)


async def run_async(function: str, *arguments: str | Path, limits: Limits) -> Exit:
    """As `run`, without blocking the event loop. Cancelling it ends the child."""
    child = _start(function, arguments, limits)
    if isinstance(child, Exit):
        return child
    outcome: Future[Exit] = Future()
    outcome.set_running_or_notify_cancel()
    try:  # a thread of its own: there may be as many children as tasks, and the loop has only a few worker threads
        threading.Thread(target=lambda: outcome.set_result(_wait(child, limits.wall_s)), daemon=True).start()
        return await asyncio.wrap_future(outcome)
    finally:
        child.kill()
        child.wait()


def _start(function: str, arguments: tuple[str | Path, ...], limits: Limits) -> "subprocess.Popen[bytes] | Exit":
    texts = [str(one.absolute()) if isinstance(one, Path) else one for one in arguments]
    environment = {name: value for name, value in os.environ.items() if name.upper() in _ENVIRONMENT}
    try:  # a process group of its own: interrupting the kernel must not end what the kernel waits for
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", __name__, json.dumps(asdict(limits)), function, *texts],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0, env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )  # fmt: skip
    except OSError as error:
        return Exit(code=-1, fault=f"could not be started ({error.strerror})")


def _wait(child: "subprocess.Popen[bytes]", wall_s: float) -> Exit:
    timer, output, fault, end = threading.Timer(wall_s, child.kill), b"", "", time.monotonic() + wall_s
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
    if child.returncode and (time.monotonic() >= end or -child.returncode in _OUT_OF_TIME):
        fault = f"took longer than {wall_s:.1f} s"
    elif not 0 <= child.returncode <= _MOST_CODE:
        return Exit(code=child.returncode, fault="crashed")
    return Exit(code=child.returncode, answer=lines[-1] if lines else "", fault=fault)


def _main(limits: str, function: str, *arguments: str) -> None:
    """Calls the function in this process, the child, within the limits: it writes no core file, and ends even without its parent."""
    own = Limits(**json.loads(limits))
    with suppress(ImportError):  # on Windows, where the parent still limits the wall time
        import resource

        signal.alarm(int(own.wall_s) + 1)
        most = {resource.RLIMIT_AS: own.memory, resource.RLIMIT_CPU: own.cpu_s, resource.RLIMIT_CORE: 0}
        for kind, value in most.items():
            with suppress(ValueError, OSError):  # macOS refuses the first; a lower limit may be set already
                resource.setrlimit(kind, (value, value))
    module, _, name = function.partition(":")
    try:
        sys.stdout.write(getattr(importlib.import_module(module), name)(*arguments))
    except Exception as error:  # noqa: BLE001 - whatever a hostile file causes
        refuse(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
