"""One child process for each job, forked from a process that has everything imported: what it answered, how it ended, what it took."""

import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MEMORY = 2 * 1024**3
CPU_S = 20
_WALL_S = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one child ended. `answer` is what its function returned, None if it returned nothing; `signal` what killed it.

    `cpu` is its processor time in seconds and `grown` its peak memory in MB above that of the process it was forked from,
    both as the kernel counted them.
    """

    answer: Any
    signal: int
    cpu: float
    grown: float


class Isolated:
    """Runs functions of `modules` by name, each in a child of its own. Used as a context."""

    def __init__(self, *modules: str) -> None:
        path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        command = [sys.executable, "-P", "-X", "faulthandler", __file__, *modules]
        self._server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
        )

    def __enter__(self) -> Self:
        self._base = self._ask("isolated:nothing", []).grown
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(10)

    def run(self, function: str, *args: Any) -> Ended:
        """How a child ended that called `module:function` with these arguments, which JSON can carry."""
        found = self._ask(function, list(args))
        return Ended(answer=found.answer, signal=found.signal, cpu=found.cpu, grown=found.grown - self._base)

    def _ask(self, function: str, args: list[Any]) -> Ended:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps([function, args]).encode() + b"\n")
        self._server.stdin.flush()
        return Ended(**json.loads(self._server.stdout.readline()))


def nothing() -> None:
    """What a child takes that does nothing."""


def _serve(modules: list[str]) -> None:
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a child prints is no answer
    for name in modules:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        out.write(json.dumps(_forked(*json.loads(line))).encode() + b"\n")
        out.flush()


def _forked(function: str, args: list[Any]) -> dict[str, Any]:
    into, outof = os.pipe()
    child = os.fork()
    if not child:
        os.close(into)
        _child(function, args, outof)
    os.close(outof)
    said = b""
    while select.select([into], [], [], _WALL_S)[0] and (piece := os.read(into, 65536)):
        said += piece
    os.close(into)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # it has answered or hung; its own children hold no pipe
    _, status, used = os.wait4(child, 0)
    answer = json.loads(said) if said.endswith(b"\n") else None
    # A child that has answered was ended here; what ended any other says the kernel.
    ended = 0 if answer is not None else os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return {"answer": answer, "signal": ended, "cpu": used.ru_utime + used.ru_stime, "grown": used.ru_maxrss / 1024}


def _child(function: str, args: list[Any], outof: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, _, name = function.partition(":")
    try:
        made = getattr(importlib.import_module(module), name)(*args)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent is to know it
        made = [type(error).__name__, repr(error)[:500]]
    os.write(outof, json.dumps(made).encode() + b"\n")
    os._exit(0)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    _serve(sys.argv[1:])
