"""Saves videos and additional results under final names, only after a check, never in part, and by one process at a time; their requests with them; removes them."""

import asyncio
import hashlib
import itertools
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError, Step
from seedance_nb._base.problem import Problem
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.values import ABSENT, json_text, map_leaves, read_json, strip_queries, to_path
from seedance_nb._check.check import masked, sound, to_json_value, values_by_role
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.database import sync_folder
from seedance_nb._ledger.journal import JournalLock, drafts_path
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import FREE_STATES, Row, State
from seedance_nb._media import inspect as _media
from seedance_nb._media.isobmff import MOST_BOXES, boxes, reader
from seedance_nb._media.sniff import MediaFacts, read_facts
from seedance_nb._simulator.store import Store, default_folder
from seedance_nb._web.regular_files import is_there, on_disk, open_file, sha256, write

_OWN_NAMES = (  # beginning with `stem_of`, as the functions here, `provenance`, `_web.download`, `to_gif` and `proxy` name files
    r"\.%s(-[0-9]+\.(part(\.json)?|jpgpart|trimpart)|-h264\.mp4\.part|\.(mp4|webm|mkv)\.request\.json\.\w+\.part)"
    r"|%s((-changed-[0-9]+)?\.(mp4|webm|mkv)|\.(mp4|webm|mkv)\.request\.json|\.jpg|(-h264)?(-[0-9]+)?\.gif|-h264\.mp4|-unsupported\.(ogv|avi|flv|ts|mpeg|wmv)"
    rf"|-([0-9]+|last-frame)(-changed-[0-9]+)?({'|'.join(map(re.escape, _media.ENDINGS.values()))}))"
)
LAST_FRAME = re.compile(r'"return_last_frame":\s*true')
SavedVideo = tuple[Path, str, MediaFacts]  # its final name, SHA-256 and facts
_KIND = b"uuid" + bytes.fromhex("9b7a2c80ca0a4df8a9a1ccdcd20a657d")  # of the box that holds a request
_MOST = 256 * 1024  # bytes of it
_TYPES = {"model": str, "request": dict, "take": int, "task": str, "simulated": bool, "created": str, "sha256": str}


class UnusableFile(Exception):
    """A download that cannot be used, or may be incomplete: the text says which, and why. `file` is set if it is saved nevertheless."""

    file: Path | None = None


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


def video_path(folder: Path, row: Row) -> Path:
    """The final name of a row's video, known from the moment the row is claimed, unless it turns out to be WebM. *pure*."""
    return Path(row.file) if row.file else folder / f"{stem_of(row)}.mp4"


def is_saved(row: Row) -> bool:
    """Whether the row's file exists with the bytes that were saved. *reads files*."""
    return bool(row.file) and has_bytes(Path(row.file), row.sha256)


def poster_of(file: Path) -> Path:
    return file.with_suffix(".jpg")


def save_video(part: Path, row: Row, spec: Spec, asked_s: float | None, known: Collection[str]) -> SavedVideo:
    """The video, saved with its request in it and a poster beside it. *reads files*, *writes files*. Raises: UnusableFile, also if it may be incomplete and its hash is not in `known`; OSError."""
    poster_part = part.with_suffix(".jpgpart")
    try:
        facts, why = _media.inspect(part, poster_part)
        if facts is None:
            (kind, name), unusable = _media.media_kind(part), UnusableFile(f"cannot be used: {why}")
            if kind == "video" and name not in _media.ENDINGS:
                unusable.file = part.replace(part.parent / f"{stem_of(row)}-unsupported.{name}")
            raise unusable
        hashed = sha256(part)
        doubts = _media.doubts(facts, asked_s)
        if doubts and hashed not in known:
            raise UnusableFile(f"may be incomplete: {'; '.join(doubts)}")
        # A QuickTime file plays in more browsers as MP4, and that name is in the notebook already.
        final = part.parent / f"{stem_of(row)}.{facts.format if facts.format in ('webm', 'mkv') else 'mp4'}"
        remarks = [*doubts, *_media.unchecked(facts), *_set_aside(final, hashed)]
        remarks += save_request(part, final, spec, row, hashed)
        facts = replace(facts, size=part.stat().st_size, remark="; ".join(remarks))
        poster_part.replace(poster_of(final))
        part.replace(final)
        sync_folder(final.parent)
        return final, hashed, facts
    finally:
        poster_part.unlink(missing_ok=True)


def save_extra(part: Path, row: Row, index: int, taken: Collection[str] = ()) -> ExtraResult:
    """Save an additional result under a final name that is not `taken`. *reads files*, *writes files*. Raises: UnusableFile; OSError."""
    kind, word = _media.media_kind(part)
    fault = "" if word in _media.ENDINGS else f"it is {word}, which is not supported" if kind else word
    if kind is None or (fault := fault or _media.whole_fault(part, word)):
        raise UnusableFile(f"cannot be used: {fault}")
    what = "last-frame" if kind == "image" and LAST_FRAME.search(row.body) else str(index + 1)
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
    names = (final.with_stem(f"{final.stem}-changed-{number}") for number in itertools.count(1))
    aside = final.rename(next(path for path in names if not os.path.lexists(path)))
    return [f"the previous file had been changed and was renamed to {aside.name}"]


def is_whole(part: Path, asked_s: float | None) -> bool:
    """Whether a file is certainly a whole video, every frame decoded. *reads files*. Raises: OSError."""
    facts = _media.inspect(part)[0]
    return facts is not None and not [*_media.doubts(facts, asked_s), *_media.unchecked(facts)]


def read_extras(text: str) -> tuple[ExtraResult, ...]:
    return tuple(ExtraResult(**one) for one in json.loads(text)) if text else ()


def write_extras(results: Collection[ExtraResult]) -> str:
    return json.dumps([asdict(one) for one in sorted(results, key=lambda one: one.place)]) if results else ""


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
    later = f"; {again} downloads it" if row.state is State.DONE else ""
    return "" if row.state in (*FREE_STATES, State.FAILED) else f"not downloaded yet{later}"


def stem_of(row: Row) -> str:
    """How the names of all files of a row begin. *pure*."""
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime(row.created))
    return f"{when}-{hashlib.sha256(f'{row.base_url}|{row.digest}|{row.take}|{row.created!r}|{row.seq}'.encode('utf-8', 'replace')).hexdigest()[:10]}"


@asynccontextmanager
async def file_lock(path: Path, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[None]:
    """Hold the lock file `path`, waiting for other holders. *writes files*: `path`, removed at the end. Raises: OSError."""
    lock = JournalLock(path)
    try:
        while True:  # without locks, on Windows and some network drives, two kernels may download the same video
            with suppress(BlockingIOError):
                lock.acquire(-1)
                break
            await sleep(0.5)
            await asyncio.sleep(0)  # the holder may be on this very loop
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()
    finally:
        lock.release()


def require_remembered(row: Row) -> None:
    """Check that a row's files were not removed with its request. *pure*. Raises: SeedanceError."""
    if row.is_forgotten and not row.file:
        step = Step("{} to send the request again", f"pass take={row.take + 1}", "press Another take")
        raise SeedanceError(f"{row.name} was forgotten, and its video was removed.", next_step=step, charged=None)


def files_of(folder: Path, row: Row) -> list[Path]:
    """The regular files that this package wrote for a row: those in the ledger, and those with a name that it gives. *reads files*."""
    found = {Path(name) for name in (row.file, *(one.file for one in read_extras(row.beside))) if name}
    stem = stem_of(row)
    own = re.compile(_OWN_NAMES.replace("%s", stem), re.ASCII)
    found |= {*map(poster_of, found)}
    for at in {folder, *(one.parent for one in found)}:
        found |= {one for one in at.glob(f"*{stem}*") if own.fullmatch(one.name)}
    return [one for one in found if one.is_file() and not one.is_symlink()]


async def forget(ledger: Ledger, folder: Path, spec: Spec, row: Row, *, files: bool) -> None:
    """Remove a row's request from the ledger, drafts with its prompt, and its files. *writes ledger*, *writes files*. Raises: SeedanceError."""

    async def refuse(_: float = 0) -> None:
        text = f"{row.name} is {row.state} and its video is not downloaded, so it cannot be forgotten yet. Nothing was removed."
        raise SeedanceError(text, next_step=Step("{} first", f"call sd.task({row.name!r}).wait()"), charged=None)

    was_tried = row.file or row.beside or row.is_forgotten
    if row.state not in (State.FAILED, *FREE_STATES) and not (row.state is State.DONE and was_tried):
        await refuse()
    prompt = mask_keys(strip_queries(str(values_by_role(spec, read_json(row.body)).get("prompt", "")))).strip()
    async with file_lock(lock_for(folder, row), refuse):
        if files:  # before the ledger, which has their names
            for one in files_of(folder, row):
                one.unlink(missing_ok=True)
            names = {"prompt", *to_path(spec.roles.get("prompt", ""))[-1:]}
            for draft in drafts_path(ledger.path).glob("*.json"):
                pairs: list[tuple[str, Any]] = []
                with suppress(OSError, ValueError, RecursionError), open_file(draft, "rb") as file:
                    json.load(file, object_pairs_hook=pairs.extend)  # what is no draft stays
                if prompt and any(name in names and mask_keys(str(text)).strip() == prompt for name, text in pairs):
                    draft.unlink(missing_ok=True)
            if row.simulated:
                Store(default_folder()).remove(row.task_id)
        await asyncio.to_thread(ledger.forget, row, files=files)


def save_request(part: Path, final: Path, spec: Spec, row: Row, digest: str) -> list[str]:
    """Append a row's request, without secrets, to its checked download, or save it beside `final`; remarks if neither works. *writes files*. Raises: OSError."""
    if os.getenv("SEEDANCE_EMBED_REQUEST") == "0":
        return []
    body = mask_keys(masked(spec.body, read_json(row.body), ABSENT))
    body = map_leaves(body, lambda value: strip_queries(value) if isinstance(value, str) else value)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.created))
    facts = (row.spec, body, row.take, row.name, row.simulated, created, digest)
    content = json.dumps({"version": 1} | dict(zip(_TYPES, facts, strict=True))).encode()
    box = (len(content) + 4 + len(_KIND)).to_bytes(4) + _KIND + content
    size = part.stat().st_size
    try:
        if len(box) > _MOST:
            return ["its request is too long to be saved with it"]
        with open_file(part, "rb") as file:  # a box may follow an MP4 or MOV whose last box states its end
            outer = list(boxes(reader(file), 0, size))
            file.seek(outer[-1].start if outer else 0)
            is_bounded = file.read(4) != bytes(4) and len(outer) < MOST_BOXES
        if not is_bounded or [box.kind for box in outer[:1]] != [b"ftyp"] or outer[-1].end != size:
            write(_beside(final), content)
            return []
        with open_file(part, "ab") as file:
            file.write(box)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        os.truncate(part, size)
        return [f"its request could not be saved with it ({on_disk(error)})"]
    return []


def has_bytes(path: Path, digest: str) -> bool:
    """Whether a file has the provider's bytes with this SHA-256, alone or with a request behind them. *reads files*."""
    return bool(digest) and any(sha256(path, size) == digest for size in dict.fromkeys((_box(path)[0], None)))


def saved_request(path: Path) -> tuple[dict[str, Any], str]:
    """What `save_request` saved with a file, its types checked; {} and why if there is nothing. *reads files*."""
    text = _box(path)[1]
    if not text and is_there(_beside(path)):
        with open_file(_beside(path), "rb") as file:
            text = file.read(_MOST)
    if not text:
        return {}, "no request was saved with it"
    with suppress(ValueError, TypeError, LookupError):
        values, problems = read_json(text), list[Problem]()
        sound(to_json_value(values), (), problems)
        json_text(values).encode()  # raises for half of a surrogate pair
        if not problems and [type(values[name]) for name in _TYPES] == [*_TYPES.values()]:
            return {name: values[name] for name in _TYPES}, ""
    return {}, "the request saved with it is damaged"


def _box(path: Path) -> tuple[int | None, bytes]:
    """The size of a file without its request box, None if it has none; and the JSON text in it."""
    tail, size = b"", 0
    with suppress(OSError, ValueError), open_file(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST))
        tail = file.read(_MOST)
    at = tail.rfind(_KIND) - 4
    is_last = at >= 0 and int.from_bytes(tail[at : at + 4]) == len(tail) - at
    return (size - len(tail) + at, tail[at + 4 + len(_KIND) :]) if is_last else (None, b"")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.request.json")
