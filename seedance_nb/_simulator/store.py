"""Stores the simulator's tasks in SQLite and its videos as files, so that they outlive the kernel as a provider's would."""

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

_KEEP_S = 7 * 24 * 3600
_MOST_TASKS = 1000
_MOST_UPLOADS = 50
LAST_FRAME = "-last.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """One simulated task. `created` is in Unix seconds; `fault` is why it will fail, "" if it will not."""

    id: str
    spec: str
    body: dict[str, Any]
    created: float
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One uploaded asset: its name, its kind (Image, Video or Audio) and its source URL. `created` is in Unix seconds."""

    id: str
    name: str
    kind: str
    url: str
    created: float


def default_folder() -> Path:
    """The simulator's folder: `SEEDANCE_SIMULATOR`, else in the user's data folder. Reads the environment."""
    named = os.getenv("SEEDANCE_SIMULATOR")
    return Path(named).expanduser() if named else platformdirs.user_data_path("seedance_nb") / "simulator"


class Store:
    """A folder with the last 1,000 tasks, their `outputs/` and the last 50 `uploads/`, none older than a week; nothing in it was paid for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, task: Simulated) -> None:
        """Saves a task and deletes old ones. *writes files*."""
        expired = """DELETE FROM tasks WHERE created < ? OR id IN
            (SELECT id FROM tasks ORDER BY created DESC LIMIT -1 OFFSET ?) RETURNING id"""
        for (old,) in self._run(expired, (time.time() - _KEEP_S, _MOST_TASKS - 1)):
            self.output(old).unlink(missing_ok=True)
            self.output(old, LAST_FRAME).unlink(missing_ok=True)
        values = asdict(task) | {"body": json.dumps(task.body)}
        self._run("INSERT INTO tasks VALUES (:id, :spec, :body, :created, :fault)", values)

    def get(self, task_id: str) -> Simulated | None:
        """The task with this id, None if there is none. *reads files*."""
        found = self._run("SELECT * FROM tasks WHERE id = ?", (task_id,))
        return Simulated(**dict(found[0]) | {"body": json.loads(found[0]["body"])}) if found else None

    def fail(self, task_id: str, fault: str) -> None:
        """Saves why a task failed. *writes files*."""
        self._run("UPDATE tasks SET fault = ? WHERE id = ?", (fault, task_id))

    def remove(self, task_id: str) -> None:
        """Deletes a task, its files, and what SQLite keeps of it. *writes files*."""
        self.output(task_id).unlink(missing_ok=True)
        self.output(task_id, LAST_FRAME).unlink(missing_ok=True)
        self._run("DELETE FROM tasks WHERE id = ?", (task_id,))
        self._run("VACUUM", ())

    def add_asset(self, asset: Asset) -> None:
        """Saves an asset. *writes files*."""
        self._run("DELETE FROM assets WHERE created < ?", (time.time() - _KEEP_S,))
        self._run("INSERT INTO assets VALUES (:id, :name, :kind, :url, :created)", asdict(asset))

    def asset(self, asset_id: str) -> Asset | None:
        """The asset with this id, None if there is none. *reads files*."""
        found = self._run("SELECT * FROM assets WHERE id = ?", (asset_id,))
        return Asset(**found[0]) if found else None

    def save_upload(self, name: str, content: bytes) -> None:
        """Saves an uploaded file and deletes old ones. *writes files*."""
        folder = self.upload(name).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.upload(name).write_bytes(content)
        times = {path: path.stat().st_mtime for path in folder.iterdir()}
        for number, path in enumerate(sorted(times, key=times.__getitem__, reverse=True)):
            if number >= _MOST_UPLOADS or times[path] < time.time() - _KEEP_S:
                path.unlink(missing_ok=True)

    def upload(self, name: str) -> Path:
        """The path of an uploaded file. *pure*."""
        return self.folder / "uploads" / Path(name).name

    def output(self, task_id: str, ending: str = ".mp4") -> Path:
        """The path of a task's video once it is rendered, or with `LAST_FRAME` of its last frame, if that was requested. *pure*."""
        return self.folder / "outputs" / f"{task_id}{ending}"

    def _run(self, statement: str, values: Sequence[Any] | dict[str, Any]) -> list[sqlite3.Row]:
        (self.folder / "outputs").mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / "tasks.sqlite3", timeout=10)) as db, db:
            db.row_factory = sqlite3.Row
            db.execute("""CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, spec TEXT NOT NULL,
                body TEXT NOT NULL, created REAL NOT NULL, fault TEXT NOT NULL)""")
            db.execute("""CREATE TABLE IF NOT EXISTS assets (id TEXT PRIMARY KEY, name TEXT NOT NULL,
                kind TEXT NOT NULL, url TEXT NOT NULL, created REAL NOT NULL)""")
            return db.execute(statement, values).fetchall()
