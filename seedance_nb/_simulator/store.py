"""Stores the simulator's tasks, uploads and videos as files, so that they outlive the kernel as a provider's would."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from seedance_nb._web.regular_files import write

_KEEP_S, _MOST_TASKS, _MOST_UPLOADS = 7 * 24 * 3600, 1000, 50
LAST_FRAME = "-last.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One simulated task, or with `spec` "" one asset. `created` is in Unix seconds; `fault` is why it will fail, "" if it will not; `look` chooses its colours."""

    id: str
    spec: str
    body: dict[str, Any]
    created: float
    fault: str
    look: int = 0


def default_folder() -> Path:
    """The simulator's folder: `SEEDANCE_SIMULATOR`, else in the user's data folder. Reads the environment."""
    named = os.getenv("SEEDANCE_SIMULATOR")
    return Path(named).expanduser() if named else platformdirs.user_data_path("seedance_nb") / "simulator"


class Store:
    """A folder with the last 1,000 tasks, their `outputs/` and the last 50 `uploads/`, none older than a week; nothing in it was paid for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, task: Simulated) -> None:
        (self.folder / "outputs").mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in self._save(self._record(task.id), json.dumps(asdict(task)).encode(), task.created, _MOST_TASKS):
            self.remove(old.stem)

    def get(self, task_id: str) -> Simulated | None:
        with suppress(OSError, ValueError):
            return Simulated(**json.loads(self._record(task_id).read_bytes()))
        return None

    def find(self, spec: str, body: Any, since: float) -> list[str]:
        """The ids of a request's tasks since a time, oldest first, as an account page would list them. *reads files*."""
        tasks = [task for path in (self.folder / "tasks").glob("[!.]*") if (task := self.get(path.stem))]
        same = [task for task in tasks if (task.spec, task.body) == (spec, body) and task.created >= since]
        return [task.id for task in sorted(same, key=lambda task: task.created)]

    def remove(self, task_id: str) -> None:
        for path in (self._record(task_id), self.output(task_id), self.output(task_id, LAST_FRAME)):
            path.unlink(missing_ok=True)

    def save_upload(self, name: str, content: bytes) -> None:
        self._save(self.upload(name), content, time.time(), _MOST_UPLOADS)

    def upload(self, name: str) -> Path:
        return self.folder / "uploads" / Path(name).name

    def output(self, task_id: str, ending: str = ".mp4") -> Path:
        """The path of a task's video once it is rendered, or with `LAST_FRAME` of its last frame, if that was requested. *pure*."""
        return self.folder / "outputs" / f"{task_id}{ending}"

    def _record(self, task_id: str) -> Path:
        return self.folder / "tasks" / f"{Path(task_id).name}.json"

    def _save(self, path: Path, content: bytes, created: float, most: int) -> list[Path]:
        """Saves a file, and returns the older ones beside it that were deleted."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        times = {}
        for other in set(path.parent.glob("[!.]*")) - {path}:
            with suppress(FileNotFoundError):  # another process deletes old ones too
                times[other] = other.stat().st_mtime
        recent = [other for other in sorted(times, key=times.__getitem__) if times[other] >= time.time() - _KEEP_S]
        deleted = [other for other in times if other not in recent[1 - most :]]
        for other in deleted:
            other.unlink(missing_ok=True)
        write(path, content)
        os.utime(path, (created, created))
        return deleted
