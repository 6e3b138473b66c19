"""Downloads, checks and saves the results of a finished task; new URLs are requested once if one does not work."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.errors import MediaError, Step
from seedance_nb._base.text import sanitize, shorten
from seedance_nb._base.values import read_json
from seedance_nb._check.body import seconds_of, values_by_role
from seedance_nb._check.request import status_request
from seedance_nb._ledger.row import Row, State
from seedance_nb._media.facts import write_facts
from seedance_nb._provider.outcome import Answer
from seedance_nb._provider.status import TaskStatus, other_task, read_status
from seedance_nb._provider.transport import access_policy, fetch_answer
from seedance_nb._task.files import (
    DoubtfulFile,
    ExtraResult,
    SavedVideo,
    UnusableFile,
    is_saved,
    is_video,
    lock_for,
    part_path,
    read_extras,
    save_extra,
    save_video,
    write_extras,
)
from seedance_nb._task.lock import file_lock
from seedance_nb._task.send import TaskRun
from seedance_nb._web.download import DownloadError, Kind, discard, download
from seedance_nb._web.regular_files import on_disk, sha256

_TRIES = 4
_MOST_UNFIT = 2
_PAUSE_S = 2
_LEAST_S = 0.05
_LATER = "not downloaded yet"


async def save_results(flow: TaskRun, row: Row) -> Row:
    """The row with its video saved, and the additional results that could be downloaded. *network*, *writes ledger*, *writes files*.

    Saved files are not downloaded again. Raises: MediaError without a video; id, URLs and partial downloads stay.
    """
    if await asyncio.to_thread(_is_complete, row):
        return row
    problem = ""
    try:
        async with file_lock(lock_for(flow.folder, row), flow.sleep):
            row = await flow.read(row)  # another process may have saved it meanwhile
            return await _Saving(flow, row, has_video=await asyncio.to_thread(is_saved, row)).run()
    except OSError as error:
        problem = f"Cannot save files in {flow.folder} ({on_disk(error)})."
    raise MediaError(problem, task=row.name, charged=row.charged, next_step=_disk_next_step(row))


async def poll(flow: TaskRun, task_id: str) -> tuple[TaskStatus | None, Answer | None, str]:
    """A task's status, None if the response has none; the response; and why there is none. *network*."""
    answer, why = await fetch_answer(
        flow.spec, status_request(flow.spec, flow.endpoint.base_url, task_id), flow.endpoint
    )
    if answer is None or flow.spec.task is None:
        return None, answer, why
    if other := other_task(flow.spec.task, answer.value, task_id):
        return None, answer, f"the response is about another task, {shorten(other)}"
    return read_status(flow.spec.task, answer.value, flow.spec.errors), answer, answer.problem


async def record_status(flow: TaskRun, row: Row, seen: TaskStatus) -> Row:
    """The row with this status. *writes ledger*."""
    hide = flow.endpoint.secret.mask if flow.endpoint.secret else str
    if row.state is State.RUNNING and seen.state is State.QUEUED and not seen.error:
        seen = replace(seen, error=f"{row.provider} reports {seen.word}, after it had reported {row.word}")
    found: dict[str, Any] = {
        "state": seen.state,
        "word": sanitize(hide(seen.word)),
        "outputs": seen.outputs,
        "error": sanitize(hide(seen.error)),
        "credits": seen.credits if seen.credits is not None else row.credits,
        "progress": seen.progress,
    }
    changes = {name: value for name, value in found.items() if value != getattr(row, name)}
    if seen.state in (State.DONE, State.FAILED):
        changes["finished"] = flow.now()
    return await flow.write(row, **changes) if changes else row


class _Saving:
    """One attempt to download all results of a task, while no other process does."""

    def __init__(self, flow: TaskRun, row: Row, *, has_video: bool) -> None:
        self.flow, self.row = flow, row
        self._urls_refreshed = False
        self._extras = {one.place: one for one in read_extras(row.beside)}
        self._has_video = has_video
        self._requested_s = seconds_of(values_by_role(flow.spec, read_json(row.body)).get("seconds"))
        self._doubtful: set[str] = set()
        self._unfit = Counter[int]()

    async def run(self) -> Row:
        """The row afterwards. Raises: MediaError without a video."""
        indexes = list(self._extras) if self._has_video else likely_videos_first(self.row.outputs)
        faults: list[DownloadError] = []
        for number, index in enumerate(indexes):
            known = self._extras.get(index)
            # Without a video, every result without a file may be the video, and is tried on each attempt.
            if known and (self._has_video or known.file) and known.is_settled:
                continue
            try:
                got = await self._fetch(index)
            except DownloadError as fault:
                faults.append(fault)
                self._extras[index] = ExtraResult(place=index, fault=str(fault), dead=fault.kind == "dead")
                continue
            if isinstance(got, SavedVideo):
                self._has_video = True
                self._extras.pop(index, None)
                later = {other: ExtraResult(place=other, fault=_LATER) for other in indexes[number + 1 :]}
                self._extras = later | self._extras
                await self._write(file=str(got.file), sha256=got.sha256, facts=write_facts(got.facts), dead=None)
            else:
                self._extras[index] = got
        if not self._has_video:
            first = faults[0] if faults else DownloadError("final", "the results contain no video")
            await self._write(dead=(self.row.dead or self.flow.now()) if first.kind == "dead" else None)
            raise self._error(first)
        await self._write()
        return self.row

    async def _fetch(self, index: int) -> SavedVideo | ExtraResult:
        flow, part = self.flow, part_path(self.flow.folder, self.row, index)
        until = flow.bounds.clock() + flow.bounds.total_s
        fault = DownloadError("dead", f"{self.row.provider} no longer lists it")
        for number in range(_TRIES):
            if number:
                await flow.sleep(_PAUSE_S * number)
            if index >= len(self.row.outputs):
                break
            bounds = replace(flow.bounds, total_s=max(_LEAST_S, until - flow.bounds.clock()))
            try:
                await download(self.row.outputs[index], part, access_policy(flow.spec, flow.endpoint), bounds)
            except DownloadError as error:
                fault = error
            else:
                got = await self._save(part, index)
                with suppress(OSError):  # what is known already says more
                    discard(part)
                if not isinstance(got, DownloadError):
                    return got
                fault = got
            if fault.kind == "dead" and not self._urls_refreshed:
                self._urls_refreshed = True
                await self._refresh_urls()
            elif fault.kind != "broken":
                break
        raise fault

    async def _save(self, part: Path, index: int) -> SavedVideo | ExtraResult | DownloadError:
        """The download under its final name, or why it cannot be used."""
        taken = {one.file for one in self._extras.values() if one.place != index}
        try:
            if await self._is_other_result(part, index):
                return DownloadError("broken", "the download is another of the results")
            if not self._has_video and await asyncio.to_thread(is_video, part):
                return await asyncio.to_thread(save_video, part, self.row, self._requested_s, self._doubtful)
            return await asyncio.to_thread(save_extra, part, self.row, index, taken)
        except DoubtfulFile as error:
            self._doubtful.add(error.sha256)  # the same once more is what the provider has
            return DownloadError("broken", f"the download may be incomplete: {error}")
        except UnusableFile as error:
            self._unfit[index] += 1
            kind: Kind = "broken" if self._unfit[index] < _MOST_UNFIT else "final"
            return DownloadError(kind, f"the download cannot be used: {error}")
        except OSError as error:
            return DownloadError("disk", on_disk(error))

    async def _is_other_result(self, part: Path, index: int) -> bool:
        """Whether a new URL leads to a result that is saved under another index; then the two are swapped. *writes ledger*."""
        if not self._urls_refreshed:
            return False
        saved = {one.sha256: number for number, one in self._extras.items() if one.file and number != index}
        outputs = list(self.row.outputs)
        unnamed = set(range(len(outputs))) - {*self._extras, index}
        if self._has_video and unnamed:
            saved[self.row.sha256] = min(unnamed)
        other = saved.get(await asyncio.to_thread(sha256, part))
        if other is None:
            return False
        outputs[index], outputs[other] = outputs[other], outputs[index]
        await self._write(outputs=tuple(outputs))
        return True

    async def _refresh_urls(self) -> None:
        """Ask the provider for new URLs."""
        seen, _, _ = await poll(self.flow, self.row.task_id)
        if seen and seen.state is State.DONE:
            seen = replace(seen, outputs=match_urls(self.row.outputs, seen.outputs))
            self.row = await record_status(self.flow, self.row, seen)

    async def _write(self, **changes: Any) -> None:
        changes["beside"] = write_extras(self._extras.values())
        new = {name: value for name, value in changes.items() if value != getattr(self.row, name)}
        if new:
            self.row = await self.flow.write(self.row, **new)

    def _error(self, fault: DownloadError) -> MediaError:
        row, wait = self.row, f"call sd.task({self.row.name!r}).wait()"
        message = f"The video of {row.name} could not be downloaded: {fault}."
        next_step = Step("{} to download it; its URL may expire soon", wait)
        if fault.kind == "dead":
            since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.dead))
            message = (
                f"The video of {row.name} is done, but its URL has not worked since {since} UTC ({fault}); "
                f"{row.provider} was asked once for a new one, which does not work either."
            )
            next_step = Step(f"{{}} to ask once more, or contact {row.provider} about the task {row.task_id}", wait)
        if fault.kind == "disk":
            message = f"The video of {row.name} could not be saved: {fault}."
            next_step = _disk_next_step(row)
        return MediaError(message, task=row.name, charged=row.charged, next_step=next_step)


def _disk_next_step(row: Row) -> Step:
    return Step(
        "free some space, move what is in the way or set SEEDANCE_OUTPUTS to another folder, then {} to download it; "
        "its id and URL are saved in the ledger",
        f"call sd.task({row.name!r}).wait()",
    )


def _is_complete(row: Row) -> bool:
    return all(one.is_settled for one in read_extras(row.beside)) and is_saved(row)


def likely_videos_first(outputs: Sequence[str]) -> list[int]:
    """The indexes of the results, likely videos first by their names. *pure*."""
    return sorted(range(len(outputs)), key=lambda index: _ending(outputs[index]) not in (".mp4", ".mov"))


def match_urls(known: Sequence[str], fresh: Sequence[str]) -> tuple[str, ...]:
    """New URLs in the order of the known ones, matched by their names; a known URL without a match stays. *pure*."""
    left, found = dict(enumerate(fresh)), dict[int, str]()
    for alike in (_path, _ending, lambda _: ""):
        numbers: dict[str, list[int]] = {}
        for number in reversed(left):
            numbers.setdefault(alike(left[number]), []).append(number)
        for index, old in enumerate(known):
            if index not in found and (same := numbers.get(alike(old))):
                found[index] = left.pop(same.pop())
    return (*(found.get(index, known[index]) for index in range(max(found, default=-1) + 1)), *left.values())


def _path(url: str) -> str:
    return url.partition("?")[0]


def _ending(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).suffix.lower()
