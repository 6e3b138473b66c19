"""Saves videos and additional results under final names, only after a check, never in part, and by one process at a time; removes them."""

import asyncio
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from seedance_nb._base.errors import MediaError, SeedanceError, Step
from seedance_nb._base.faults import lacks_files
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.database import sync_folder
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import FREE_STATES, Row, State
from seedance_nb._media import inspect as _media
from seedance_nb._media.facts import MediaFacts, read_facts
from seedance_nb._media.isobmff import span
from seedance_nb._simulator.store import Store, default_folder
from seedance_nb._task.provenance import has_bytes, save_request
from seedance_nb._web.regular_files import create, is_there, sha256

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LAST_FRAME = re.compile(r'"return_last_frame":\s*true')


class UnusableFile(Exception):
    """A download that cannot be used; the text is a clause that says why. `file` is set if it is saved nevertheless."""

    file: Path | None = None


class DoubtfulFile(Exception):
    """A playable download that may be incomplete; the text says why. `sha256` shows whether the next one is the same."""

    def __init__(self, why: str, sha256: str) -> None:
        super().__init__(why)
        self.sha256 = sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraResult:
    """An additional result; `place` is its index. `file` is "" if there is none, and `fault` says why; `dead`: its URL no longer works."""

    place: int
    kind: str = ""
    file: str = ""
    sha256: str = ""
    fault: str = ""
    dead: bool = False
    remark: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to download: the file is unchanged, or its URL no longer works. *reads files*."""
        return self.dead or (bool(self.file) and sha256(Path(self.file)) == self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVideo:
    """A video that passed the check and has its final name. `sha256` has 64 hex digits; `poster` is a JPEG beside it."""

    file: Path
    sha256: str
    facts: MediaFacts


def part_path(folder: Path, row: Row, index: int) -> Path:
    """The name under which a result is fetched, the same in every process, so that one goes on with what another left. *pure*."""
    return folder / f".{stem_of(row)}-{index + 1}.part"


def lock_for(folder: Path, row: Row) -> Path:
    """What the process that fetches a task's results holds meanwhile. *writes files*: the folder. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f".{stem_of(row)}.lock"
    if lock.is_symlink():  # not created by us
        lock.unlink()
    return lock


def prepare_folder(folder: Path) -> None:
    """Create `folder` if needed. *writes files*. Raises: MediaError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        if lacks_files(error):
            raise
        problem = f"Cannot write to {folder} ({error.strerror}). Nothing was sent."
    raise MediaError(problem, next_step="set SEEDANCE_OUTPUTS to a writable folder", charged="not charged")


def video_path(folder: Path, row: Row) -> Path:
    """The final name of a row's video, known from the moment the row is claimed, unless it turns out to be WebM. *pure*."""
    return Path(row.file) if row.file else folder / f"{stem_of(row)}.mp4"


def is_saved(row: Row) -> bool:
    """Whether the row's file exists with the bytes that were saved. *reads files*."""
    return bool(row.file) and has_bytes(Path(row.file), row.sha256)


def poster_of(file: Path) -> Path:
    """The path of a video's poster. *pure*."""
    return file.with_suffix(".jpg")


def save_video(part: Path, row: Row, spec: Spec, asked_s: float | None, known: Collection[str] = ()) -> SavedVideo:
    """Save the video under its final name, with its request in it and a poster beside it. *reads files*, *writes files*. Raises: UnusableFile; DoubtfulFile if its hash is not in `known`; OSError."""
    poster_part = part.with_suffix(".jpgpart")
    try:
        facts, why = _media.inspect(part, poster_part)
        trims = facts is None and _trim(part, asked_s)
        if trims:
            facts, why = _media.inspect(part, poster_part)
        if facts is None:
            (kind, name), unusable = _media.media_kind(part), UnusableFile(why)
            if kind == "video" and name not in _media.ENDINGS:
                unusable.file = part.replace(part.parent / f"{stem_of(row)}-unsupported.{name}")
            raise unusable
        hashed = sha256(part)
        doubts = _media.doubts(facts, asked_s)
        if doubts and hashed not in known:
            raise DoubtfulFile("; ".join(doubts), hashed)
        # A QuickTime file plays in more browsers as MP4, and that name is in the notebook already.
        suffix = f".{facts.format}" if facts.format in ("webm", "mkv") else ".mp4"
        final = part.parent / f"{stem_of(row)}{suffix}"
        remarks = [*doubts, *_media.unchecked(facts), *_set_aside(final, hashed)]
        remarks += ["text before or after the video was removed"] * trims
        remarks += save_request(part, final, spec, row, hashed)
        facts = replace(facts, size=part.stat().st_size, remark="; ".join(remarks))
        poster_part.replace(poster_of(final))
        part.replace(final)
        sync_folder(final.parent)
        return SavedVideo(file=final, sha256=hashed, facts=facts)
    finally:
        poster_part.unlink(missing_ok=True)


def save_extra(part: Path, row: Row, index: int, taken: Collection[str] = ()) -> ExtraResult:
    """Save an additional result under a final name that is not `taken`. *reads files*, *writes files*. Raises: UnusableFile; OSError."""
    kind, word = _media.media_kind(part)
    if kind is None:
        raise UnusableFile(word)
    if word not in _media.ENDINGS:
        raise UnusableFile(f"it is {word}, which is not supported")
    if fault := _media.whole_fault(part, word):
        raise UnusableFile(fault)
    what = "last-frame" if kind == "image" and _LAST_FRAME.search(row.body) else str(index + 1)
    final = part.parent / f"{stem_of(row)}-{what}{_media.ENDINGS[word]}"
    if str(final) in taken:  # a second image
        final = part.parent / f"{stem_of(row)}-{index + 1}{_media.ENDINGS[word]}"
    hashed = sha256(part)
    remark = "; ".join(_set_aside(final, hashed))
    part.replace(final)
    sync_folder(final.parent)
    return ExtraResult(place=index, kind=kind, file=str(final), sha256=hashed, remark=remark)


def _set_aside(final: Path, new: str) -> list[str]:
    """Rename a different file that has the final name; return a remark with its new name, or []."""
    if not os.path.lexists(final) or has_bytes(final, new) or (final.is_file() and not final.stat().st_size):
        return []
    numbers = itertools.count(1)
    aside = next(path for n in numbers if not os.path.lexists(path := final.with_stem(f"{final.stem}-changed-{n}")))
    final.rename(aside)
    return [f"the previous file had been changed and was renamed to {aside.name}"]


def _trim(part: Path, asked_s: float | None) -> bool:
    """Whether text around an MP4 was removed, which leaves a whole video. *reads files*, *writes files*."""
    start, end = span(part)
    if (start, end) == (0, part.stat().st_size):
        return False
    new = part.with_suffix(".trimpart")
    new.unlink(missing_ok=True)
    try:
        with part.open("rb") as old, create(new) as file:
            old.seek(start)
            shutil.copyfileobj(old, file)
            file.truncate(end - start)
            os.fsync(file.fileno())
        return is_whole(new, asked_s) and bool(new.replace(part))
    finally:
        new.unlink(missing_ok=True)


def is_whole(part: Path, asked_s: float | None) -> bool:
    """Whether a file is certainly a whole video, every frame decoded. *reads files*. Raises: OSError."""
    facts = _media.inspect(part)[0]
    return facts is not None and not [*_media.doubts(facts, asked_s), *_media.unchecked(facts)]


def read_extras(text: str) -> tuple[ExtraResult, ...]:
    """The results in a row's `beside` column. *pure*."""
    return tuple(ExtraResult(**one) for one in json.loads(text)) if text else ()


def write_extras(results: Iterable[ExtraResult]) -> str:
    """Results as JSON for the `beside` column, by index. *pure*."""
    listed = [asdict(one) for one in sorted(results, key=lambda one: one.place)]
    return json.dumps(listed) if listed else ""


def file_text(row: Row) -> str:
    """The name of the row's file, or why there is none, for the table of tasks. *reads files*: its size, and all of it if that differs."""
    again = f"sd.task({row.name!r}).wait()"
    facts = read_facts(row.facts)  # a list is shown whatever became of the ledger
    if row.file and (is_there(Path(row.file), (facts and facts.size) or 0) or is_saved(row)):
        return Path(row.file).name
    if row.is_forgotten:
        return "forgotten"
    if row.dead is not None:
        since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.dead))
        return f"not downloaded: its URL has not worked since {since} UTC; {again} asks for a new one"
    if row.file and is_there(Path(row.file)):
        return f"{Path(row.file).name} was changed; {again} renames it and downloads the video again"
    if row.file:
        return f"file is missing or empty; {again} downloads it again"
    if row.state in (*FREE_STATES, State.FAILED):
        return ""
    return f"not downloaded yet; {again} downloads it" if row.state is State.DONE else "not downloaded yet"


def stem_of(row: Row) -> str:
    """How the names of all files of a row begin. *pure*."""
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(row.created))
    return f"{when}-{hashlib.sha256(f'{row.base_url}|{row.digest}|{row.take}|{row.created!r}|{row.seq}'.encode('utf-8', 'replace')).hexdigest()[:10]}"


@asynccontextmanager
async def file_lock(path: Path, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[None]:
    """Hold the lock file `path`, waiting for other holders. *writes files*: `path`, removed at the end. Raises: OSError."""
    while (handle := _open_locked(path)) is None:
        await sleep(0.5)
        await asyncio.sleep(0)  # the holder may be on this very loop
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)
        if os.name == "nt":  # an open file cannot be removed there
            with suppress(OSError):
                path.unlink()


def _open_locked(path: Path) -> int | None:
    handle = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        _lock(handle)
        # Whoever held it before has removed the file, perhaps only after it was opened here.
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    os.close(handle)
    return None


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(
            error, BlockingIOError
        ):  # else a file system without locks: two kernels may download the same video
            raise


def require_remembered(row: Row) -> None:
    """Check that a row's files were not removed with its request. *pure*. Raises: SeedanceError."""
    if row.is_forgotten and not row.file:
        step = Step("{} to send the request again", f"pass take={row.take + 1}", "press Another take")
        raise SeedanceError(f"{row.name} was forgotten, and its video was removed.", next_step=step, charged=None)


async def forget(ledger: Ledger, folder: Path, row: Row, prompt: str, *, files: bool) -> None:
    """Remove a row's request from the ledger, drafts with its prompt, and its files. *writes ledger*, *writes files*. Raises: SeedanceError."""

    async def refuse(_: float = 0) -> None:
        text = f"{row.name} is {row.state} and its video is not downloaded, so it cannot be forgotten yet. Nothing was removed."
        raise SeedanceError(text, next_step=Step("{} first", f"call sd.task({row.name!r}).wait()"), charged=None)

    was_tried = row.file or row.beside or row.is_forgotten
    if row.state not in (State.FAILED, *FREE_STATES) and not (row.state is State.DONE and was_tried):
        await refuse()
    text = json.dumps(mask_keys(strip_queries(prompt)), ensure_ascii=False)[1:-1].strip()  # as a draft has it
    async with file_lock(lock_for(folder, row), refuse):
        if files:  # before the ledger, which has their names
            drafts = ledger.path.with_name(f"{ledger.path.name}-drafts").glob("*.json")
            found = [one for one in drafts if text and text in one.read_text(encoding="utf-8", errors="replace")]
            found += [Path(row.file), poster_of(Path(row.file))] if row.file else []
            for place in {folder, *Path(row.file).parents[:1]}:
                found += place.glob(f"*{stem_of(row)}*")
            for file in found:
                file.unlink(missing_ok=True)
            if row.simulated:
                Store(default_folder()).remove(row.task_id)
        await asyncio.to_thread(ledger.forget, row, files=files)
