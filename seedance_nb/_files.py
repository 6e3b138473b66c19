"""Where videos live: a name of our own, checked before it is given, never half a file under it."""

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from seedance_nb import _media
from seedance_nb._errors import MediaError
from seedance_nb._task import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A video that passed the check and has its final name. `sha256` has 64 hex digits; `poster` is a JPEG beside it."""

    file: Path
    sha256: str
    facts: _media.Facts

    @property
    def facts_text(self) -> str:
        """The facts as the ledger keeps them. *pure*."""
        return _media.write_facts(self.facts)


def outputs_folder() -> Path:
    """Where videos are kept: `SEEDANCE_OUTPUTS`, else `seedance_outputs` in the working folder. Reads the environment."""
    return Path(os.getenv("SEEDANCE_OUTPUTS") or "seedance_outputs").expanduser().absolute()


def part_for(folder: Path, row: Row) -> Path:
    """The name under which a task's video is fetched. *writes files*: the folder. Raises: MediaError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The folder {folder} cannot be made ({error.strerror})."
    else:
        return folder / f".{_stem(row)}.{os.getpid()}.part"
    raise MediaError(
        problem, task=row.name, next_step="set SEEDANCE_OUTPUTS to a folder that can be written", charged="charged"
    )


def ready(folder: Path) -> None:
    """Nothing, where videos can be kept in `folder`. *writes files*: the folder. Raises: MediaError where they cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        problem = f"Nothing can be written into {folder} ({error.strerror}), so nothing was sent."
    raise MediaError(problem, next_step="set SEEDANCE_OUTPUTS to a folder that can be written", charged="not charged")


def is_kept(row: Row) -> bool:
    """Whether the row's file is there with the very bytes that were kept. *reads files*."""
    try:
        with Path(row.file).open("rb") as file:
            return bool(row.file) and hashlib.file_digest(file, "sha256").hexdigest() == row.sha256
    except OSError:
        return False


def poster_of(file: Path) -> Path:
    """Where the poster of a kept video lies. *pure*."""
    return file.with_suffix(".jpg")


def keep(part: Path, row: Row) -> Kept:
    """The video under its final name, with a poster beside it. *reads files*, *writes files*.

    Raises: MediaError where the bytes are not a playable MP4; the caller removes `part`, and the task stays resumable.
    """
    final = part.parent / f"{_stem(row)}.mp4"
    poster_part = part.with_suffix(".jpgpart")
    try:
        facts, why = _media.inspect(part, poster_part)
        if facts is not None:
            with part.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            poster_part.replace(poster_of(final))
            part.replace(final)
            _sync_folder(final.parent)
            return Kept(file=final, sha256=sha256, facts=facts)
    except OSError as error:
        why = f"the file system said: {error.strerror}"
    finally:
        poster_part.unlink(missing_ok=True)
    raise MediaError(
        f"What came back for {row.name} is not kept as a video: {why}.",
        task=row.name,
        next_step=f"sd.task({row.name!r}).wait() fetches it again",
        charged=row.charged,
    )


def _stem(row: Row) -> str:
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(row.created))
    return f"{when}-{hashlib.sha256(f'{row.base_url}|{row.task_id}|{row.seq}'.encode()).hexdigest()[:10]}"


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
