"""The children that read media files, forked from a process that has everything imported: the same work without a start of Python.

Each is given the words, the environment and the limits that the package would start it with. Tests of that start itself,
and of what such a child may see, use the fixture `real_children`.
"""

import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from seedance_nb._media import sandbox

IMPORTED = ("seedance_nb._media.inspect", "seedance_nb._media.frames", "seedance_nb._simulator.encode", "PIL.ExifTags", "PIL.ImageOps")  # fmt: skip
_PACKET = 150_000


class Child:
    """What the package uses of a `subprocess.Popen`."""

    def __init__(self, answers: socket.socket, output: int) -> None:
        self.stdout = os.fdopen(output, "rb", 0)
        self.returncode: int | None = None
        self._answers, self._waiting = answers, threading.Lock()
        said, (self._process,), _, _ = socket.recv_fds(answers, _PACKET, 1)
        assert said

    def wait(self) -> int:
        with self._waiting:
            if self.returncode is None:
                self.returncode = os.waitstatus_to_exitcode(int(self._answers.recv(_PACKET)))
        return self.returncode

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)  # never another process of the same number

    def __del__(self) -> None:
        self._answers.close()
        os.close(self._process)


@contextmanager
def forking() -> Iterator[SimpleNamespace]:
    """The replacement of the module `subprocess` where the package starts such a child."""
    own = os.environ.get("PYTHONPATH")
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here:
        with there:
            path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
            command = [sys.executable, "-P", "-m", "support.children", str(there.fileno())]
            server = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, pass_fds=[there.fileno()])

        def start(command: list[str], *, env: dict[str, str], **more: Any) -> "Child | subprocess.Popen[bytes]":
            if env.get("PYTHONPATH") != own:  # a test has put something in the child's way
                return subprocess.Popen(command, env=env, **more)
            output, into = os.pipe()
            answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                job = {
                    "folder": str(Path.cwd()),
                    "environment": env,
                    "words": command[command.index(sandbox.__name__) + 1 :],
                }
                socket.send_fds(here, [json.dumps(job).encode()], [into, theirs.fileno()])
            os.close(into)
            return Child(answers, output)

        yield SimpleNamespace(**vars(subprocess) | {"Popen": start})
    server.wait(20)


def _serve(line: socket.socket) -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    with selectors.DefaultSelector() as waiting:
        waiting.register(line, selectors.EVENT_READ)
        while waiting.get_map():
            for key, _ in waiting.select():
                if key.fileobj is not line:
                    waiting.unregister(key.fileobj)
                    _end(*key.data)
                elif not (job := socket.recv_fds(line, _PACKET, 2))[0]:
                    waiting.unregister(line)
                    for left in waiting.get_map().values():  # who waits for one in a thread still has to know its end
                        signal.pidfd_send_signal(left.data[0], signal.SIGKILL)
                else:
                    child = _fork(json.loads(job[0]), *job[1])
                    waiting.register(child[0], selectors.EVENT_READ, child)


def _fork(job: dict[str, Any], output: int, answers: int) -> tuple[int, int, int]:
    child = os.fork()
    if not child:
        _be(job, output)
    os.close(output)
    process = os.pidfd_open(child)
    with socket.socket(fileno=os.dup(answers)) as line:
        socket.send_fds(line, [b"started"], [process])
    return process, child, answers


def _end(process: int, child: int, answers: int) -> None:
    _, status = os.waitpid(child, 0)
    os.close(process)
    with suppress(OSError), socket.socket(fileno=answers) as line:
        line.send(str(status).encode())


def _be(job: dict[str, Any], output: int) -> NoReturn:
    code: Any = 1
    try:
        os.setsid()
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.chdir(job["folder"])
        os.environ.clear()
        os.environ.update(job["environment"])
        sandbox._main(*job["words"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as at the end of any Python
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
