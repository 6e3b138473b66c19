"""A kernel that lacks something at a bad moment: what each public call then does, in a process of its own.

`python -m faults.exhaustion URL FOLDER FAULT` runs every call under one fault, each in a fork, and prints a line of JSON for each.
"""

import asyncio
import errno
import gc
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

from faults import child
from faults.shapes import CRUN

import seedance_nb as sd
from seedance_nb._task.engine import ENGINE

PATIENCE_S = 60
LIMITS = (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
LOOP = asyncio.new_event_loop()
PUBLIC = {name: getattr(sd, name) for name in sd.__all__}
"""Imported now: a call is tested, not the import of its module."""


def replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def always(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


def spare_descriptors(number: int) -> Callable[[], None]:
    def fault() -> None:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + number, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    return fault


def no_threads() -> None:
    replace(threading.Thread, "start", always(RuntimeError("can't start new thread")))


def no_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + 2_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def no_space() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def no_folder() -> None:
    gone = tempfile.mkdtemp()
    os.chdir(gone)
    Path(gone).rmdir()
    tempfile.tempdir = gone


def no_processes() -> None:
    replace(subprocess.Popen, "__init__", always(BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))))


def no_recursion() -> None:
    sys.setrecursionlimit(len(traceback.extract_stack()) + 30)


def shutting_down() -> None:
    """What CPython does between the end of a script and its own."""
    replace(
        ThreadPoolExecutor, "submit", always(RuntimeError("cannot schedule new futures after interpreter shutdown"))
    )
    replace(threading, "_register_atexit", always(RuntimeError("can't register atexit after shutdown")))
    no_threads()


def finalizing() -> None:
    replace(sys, "is_finalizing", lambda: True)


FAULTS: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "any descriptor": spare_descriptors(0),
    "a second descriptor": spare_descriptors(1),
    "a fifth descriptor": spare_descriptors(4),
    "threads": no_threads,
    "memory": no_memory,
    "space on the disk": no_space,
    "its working folder": no_folder,
    "processes": no_processes,
    "a deeper stack": no_recursion,
    "time before the interpreter ends": shutting_down,
    "a running interpreter": finalizing,
}


async def awaited(task: sd.Task) -> sd.Video:
    return await task


def naive(folder: Path) -> None:
    """What any program does without thinking of it."""
    files = [(folder / f"{number}.txt").open("w") for number in range(12)]
    for file in files:
        file.write("x" * 9000)
        file.close()
    ThreadPoolExecutor().submit(bytearray, 256_000_000).result()
    Path.cwd()
    subprocess.run([sys.executable, "-c", ""], check=True)
    str(json.loads("[" * 50 + "]" * 50))
    if sys.is_finalizing():
        raise RuntimeError("the interpreter is shutting down")


ACCOUNT: dict[str, Any] = {"api_key": child.KEY, "base_url": sys.argv[1] if len(sys.argv) > 1 else ""}
PNG = b"\x89PNG\r\n\x1a\n"
OTHER = "crun/seedance-1.0-pro-t2v"
CALLS: dict[str, tuple[str, Callable[[sd.Session, dict[str, Any], Any], Any]]] = {
    # name: the state of the task that it needs, "" for none; what is called with session, fields and task
    "naive": ("", lambda *_: naive(Path())),
    "models": ("", lambda *_: repr(sd.models())),
    "spec": ("", lambda *_: sd.spec("crun/seedance-1.5-pro-t2v")),
    "Session": ("", lambda *_: sd.Session(simulate=True).tasks()),
    "check": ("", lambda s, f, _: s.check(CRUN.model, **f)),
    "estimate": ("", lambda s, f, _: s.estimate(CRUN.model, **f)),
    "preflight": ("", lambda s, f, _: s.preflight(CRUN.model, **f)),
    "submit": ("", lambda s, f, _: s.submit(CRUN.model, **f)),
    "generate": ("", lambda s, f, _: s.generate(CRUN.model, timeout=0.5, **f)),
    "generate, simulated": ("", lambda _s, f, _t: sd.generate(CRUN.model, simulate=True, timeout=0.5, **f)),
    "tasks": ("unknown", lambda s, *_: (repr(s.tasks()), s.tasks()._repr_html_())),
    "task": ("running", lambda s, _f, task: s.task(task.row.seq)),
    "callback": ("running", lambda s, _f, task: s.callback({"data": {"task_id": task.row.task_id}})),
    "balance": ("", lambda *_: sd.balance(CRUN.model, **ACCOUNT)),
    "upload": ("", lambda *_: sd.upload(CRUN.model, PNG, name="a.png", **ACCOUNT)),
    "asset": ("", lambda *_: sd.asset(CRUN.model, "https://example.com/a.png", **ACCOUNT)),
    "form": ("", lambda *_: sd.form(CRUN.model).values),
    "panel": ("", lambda *_: sd.panel(CRUN.model, simulate=True)),
    "compare": ("", lambda *_: repr(sd.compare("A fox", [CRUN.model, OTHER], simulate=True))),
    "wait": ("running", lambda _s, _f, task: task.wait(0.3)),
    "wait, done": ("done", lambda _s, _f, task: task.wait(PATIENCE_S)),
    "await": ("done", lambda _s, _f, task: LOOP.run_until_complete(awaited(task))),
    "show": ("running", lambda _s, _f, task: (task.name, task.state, repr(task), task._repr_html_())),
    "resolve": ("unknown", lambda _s, _f, task: task.resolve()),
    "resubmit": ("unknown", lambda _s, _f, task: task.resubmit(confirm=True)),
    "repair_ledger": ("", lambda s, *_: sd.repair_ledger(s.ledger.path)),
}
COLD = (
    "Session",
    "check",
    "estimate",
    "submit",
    "generate, simulated",
    "upload",
    "compare",
    "wait",
    "resolve",
    "resubmit",
)
"""What is also called first in a kernel, where the engine has to be started."""


def prompt_of(call: str, fault: str) -> str:
    return f"{call} without {fault}"


def run(call: str, fault: str, folder: Path) -> dict[str, Any]:
    state, action = CALLS[call.removeprefix("cold ")]
    fields = CRUN.fields | {"prompt": prompt_of(call, fault)}
    session = child.session_at(ACCOUNT["base_url"], folder)
    task = None
    if not call.startswith("cold "):
        state = state or "running"
    if state:
        task = session.submit(CRUN.model, **fields | {"prompt": f"{state} {fields['prompt']}"})
        while task.state in ("waiting to be sent", "sending"):
            time.sleep(0.005)
        if state == "done":
            task.wait(PATIENCE_S)
    if call.startswith("cold "):
        for future in [*ENGINE._following.values()]:
            future.cancel()
        ENGINE.reset()
    limits = {kind: resource.getrlimit(kind) for kind in LIMITS}
    error: BaseException | None = None
    FAULTS[fault]()
    try:
        action(session, fields, task)
    except BaseException as raised:  # noqa: BLE001 - what it is, is the question
        error = raised
    sys.setrecursionlimit(10_000)
    for kind, limit in limits.items():
        resource.setrlimit(kind, limit)
    return {
        "kind": "" if error is None else type(error).__name__,
        "typed": error is None or isinstance(error, sd.SeedanceError),
        "said": str(error or ""),
        "charged": getattr(error, "charged", ""),
        "frames": "" if error is None else "".join(traceback.format_exception(error)[-6:]),
    }


def forked(call: str, fault: str, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        for name in ("LEDGER", "OUTPUTS", "SIMULATOR"):
            os.environ[f"SEEDANCE_{name}"] = str(folder / f"default-{name.lower()}")
        watchdog = threading.Timer(PATIENCE_S, os._exit, [3])
        watchdog.daemon = True
        watchdog.start()
        try:
            result = run(call, fault, folder)
        except BaseException:  # noqa: BLE001 - the fork must end here
            result = {
                "kind": "the test itself failed",
                "typed": False,
                "said": "",
                "charged": "",
                "frames": traceback.format_exc(),
            }
        os.write(writer, json.dumps(result).encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    nothing = {"kind": f"it ended with {status}", "typed": False, "said": "", "charged": "", "frames": ""}
    return {"call": call, "folder": str(folder)} | (json.loads(text) if text else nothing)


def main() -> None:
    folder, fault = Path(sys.argv[2]), sys.argv[3]
    lookup = socket.getaddrinfo
    no_host = always(socket.gaierror("a test tried to look up a host"))
    replace(
        socket,
        "getaddrinfo",
        lambda host, *more, **rest: (lookup if host == "127.0.0.1" else no_host)(host, *more, **rest),
    )
    for calls in ([f"cold {name}" for name in COLD], CALLS):
        gc.freeze()  # no child looks through, and so copies, what it shares with this process
        for call in calls:
            sys.stdout.write(json.dumps(forked(call, fault, folder / call)) + "\n")
        sd.spec(CRUN.model)  # read by every call that is not cold, and before the fault: once for all of them


if __name__ == "__main__":
    main()
