"""The work of the children that make and read media, done once for the same bytes: most tests want one of a few videos.

Tests of these children and of what they make, in media and simulator or with the fixture `real_children`, start each.
"""

import asyncio
import hashlib
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from seedance_nb._media import frames, inspect, sandbox
from seedance_nb._media.sandbox import Exit, Limits
from seedance_nb._simulator import app
from seedance_nb._task import files

READ, SHOWN, WRITTEN = "reads", "shows", "writes"
FILES = {  # which arguments of a function are files: read, of which only what is shown matters, and written, maybe into an empty folder
    "seedance_nb._media.inspect:decode": {0: READ, 1: WRITTEN},
    "seedance_nb._media.inspect:decode_whole": {0: READ},
    "seedance_nb._media.inspect:read_header": {0: READ},
    "seedance_nb._media.frames:write_frames": {0: SHOWN, 1: WRITTEN},
    "seedance_nb._media.frames:write_film": {0: WRITTEN, **dict.fromkeys(range(2, 99), SHOWN)},
}
RENDER = "seedance_nb._simulator.encode:render_job"
MOST = 32 * 1024**2

Files = tuple[tuple[Path, ...], Any]  # what is written, and all that it depends on


def _sha256(path: Path, kind: str = READ) -> str:
    if path.stat().st_size > MOST:
        raise OSError("too large to be remembered")
    content = path.read_bytes()
    if kind == SHOWN:  # the request that a download carries at its end is no part of the video
        content = content.partition(files._KIND)[0][:-4]
    return path.suffix + hashlib.sha256(content).hexdigest()


def _read(function: str, arguments: tuple[str | Path, ...]) -> Files:
    if function == RENDER:
        job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
        written = [Path(job.pop(name)) for name in ("path", "last_frame") if job[name]]
        job["references"] = [(label, file and _sha256(Path(file))) for label, file in job["references"]]
        return tuple(written), json.dumps(job, sort_keys=True)
    kinds = FILES[function]
    given = [(kinds.get(number), one) for number, one in enumerate(arguments)]
    needs = tuple(bool(one) if kind == WRITTEN else _sha256(Path(one), kind) if kind else one for kind, one in given)
    return tuple(Path(one) for kind, one in given if kind == WRITTEN and one), needs


def _contents(path: Path) -> dict[str, bytes] | bytes | None:
    """What is at a path: a file's bytes, or those of each file of a folder."""
    if path.is_dir():
        return {one.name: one.read_bytes() for one in path.iterdir()}
    return path.read_bytes() if path.exists() else None


def _write(path: Path, contents: dict[str, bytes] | bytes | None) -> None:
    """Put it there as a child does: where nothing is, or into a folder."""
    if isinstance(contents, dict):
        for name, content in contents.items():
            (path / name).write_bytes(content)
    elif contents is not None:
        with path.open("xb") as file:
            file.write(contents)


class Remembered:
    """Stands for `sandbox.run` and `run_async`: the first call with some bytes starts a child, each later one writes and answers the same."""

    def __init__(self) -> None:
        self.started = self.remembered = 0
        self._known: dict[Any, tuple[str, list[Any]]] = {}
        self._lock = threading.Lock()

    def run(self, function: str, *arguments: str | Path, limits: Limits) -> Exit:
        work = self._work(function, arguments)
        return self._again(work) or self._keep(work, sandbox.run(function, *arguments, limits=limits))

    async def run_async(self, function: str, *arguments: str | Path, limits: Limits) -> Exit:
        await asyncio.sleep(0)
        work = self._work(function, arguments)
        return self._again(work) or self._keep(work, await sandbox.run_async(function, *arguments, limits=limits))

    def put_in_place(self, patch: pytest.MonkeyPatch) -> None:
        for module in (inspect, frames):
            patch.setattr(module, "run", self.run)
        patch.setattr(app, "run_async", self.run_async)

    def _work(self, function: str, arguments: tuple[str | Path, ...]) -> Any:
        """What is written and all that the work depends on; None where it is done anew, as whatever is there may not be replaced."""
        with suppress(OSError, KeyError):
            written, needs = _read(function, arguments)
            if not any(map(_contents, written)):
                return written, (function, needs)
        return None

    def _again(self, work: Any) -> Exit | None:
        with self._lock:
            answer, contents = self._known.get(work[1], ("", [])) if work else ("", [])
        if not contents:
            return None
        with suppress(OSError):  # the child is to say of a full disk what it says
            for path, content in zip(work[0], contents[1:], strict=True):
                _write(path, content)
            self.remembered += 1
            return Exit(code=0, answer=answer)
        return None

    def _keep(self, work: Any, ended: Exit) -> Exit:
        self.started += 1
        if work and not ended.code and not ended.fault:  # a failure may name its file
            with suppress(OSError), self._lock:
                self._known[work[1]] = ended.answer, [b"", *map(_contents, work[0])]
        return ended
