"""Downloads, checks and saves the results of a finished task; new URLs are requested once if one does not work."""

import asyncio
import functools
import itertools
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from seedance_nb._base.errors import MediaError, Step
from seedance_nb._base.values import read_json, sanitize, shorten
from seedance_nb._check.check import seconds_of, values_by_role
from seedance_nb._ledger.row import Row, State
from seedance_nb._media.inspect import media_kind
from seedance_nb._media.sniff import MediaFacts, read_facts, sniff, write_facts
from seedance_nb._provider.outcome import Answer, said
from seedance_nb._provider.status import TaskStatus, other_task, read_status
from seedance_nb._provider.transport import access_policy, fetch_status, reach_with_key
from seedance_nb._task import files as _files
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import ExtraResult, SavedVideo, UnusableFile, file_lock
from seedance_nb._task.send import TaskRun
from seedance_nb._web.addresses import clean_url, host_of
from seedance_nb._web.client import data_bytes, fetch_start
from seedance_nb._web.download import Bounds, DownloadError, discard, download
from seedance_nb._web.regular_files import on_disk, open_file, sha256

_AFTER_DISK = "free some space, move what is in the way or set SEEDANCE_OUTPUTS to another folder, then {} to download it; its id and URL are saved in the ledger"
_TRIES, _FEW, _PAUSE_S, _FRESH_S, _SEARCH_S = 4, 4, 2, 3600, 60
_PATIENCE_S = 60.0  # after "done", a file may appear at its URL a little later
_NOT_YET, _NO_ACCESS = (202, 204, 404, 425), (401, 403)
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}(:\d+)?/", re.IGNORECASE)
KEY_FOR_RESULTS = "SEEDANCE_KEY_FOR_RESULTS"  # requests results at the provider's own origin with the key


async def save_results(flow: TaskRun, row: Row) -> Row:
    """The row with its video and the additional results saved, as far as possible. *network*, *writes ledger*, *writes files*. Raises: MediaError without a video."""
    extras = _files.read_extras(row.beside)
    if await asyncio.to_thread(lambda: all(one.is_settled for one in extras) and _files.is_saved(row)):
        return row
    try:
        async with ENGINE.results, file_lock(_files.lock_for(flow.folder, row), flow.endpoint.sleep):
            row = await flow.read(row)  # another process may have saved it meanwhile
            return await _Saving(flow, row, has_video=await asyncio.to_thread(_files.is_saved, row)).run()
    except OSError as error:
        problem = f"Cannot save files in {flow.folder} ({on_disk(error)})."
    step = Step(_AFTER_DISK, f"call sd.task({row.name!r}).wait()")
    raise MediaError(problem, task=row.name, charged=row.charged, next_step=step)


async def poll(flow: TaskRun, task_id: str, due: float = -math.inf) -> tuple[TaskStatus | None, Answer | None, str]:
    """A task's status, None if the response has none; the response; and why there is none. *network*."""
    looks = flow.endpoint.gate().looks if flow.endpoint.gate else {}
    async with looks.setdefault(task_id, asyncio.Lock()):  # never two at once, also where a callback asks for one
        answer, why = await fetch_status(flow.spec, task_id, flow.endpoint, due)
    if answer is None or flow.spec.task is None:
        return None, answer, why
    if other := other_task(flow.spec.task, answer.value, task_id):
        return None, answer, f"the response is about another task, {shorten(other)}"
    is_about_task = answer.is_success and not answer.page  # else about the call, whatever it says of a state
    if is_about_task and (seen := read_status(flow.spec.task, answer.value, flow.spec.errors, task_id)):
        return seen, answer, ""
    words = answer.problem or said(flow.spec, answer)
    return None, answer, ": ".join(filter(None, (f"HTTP {answer.status} without a state", words)))


async def record_status(flow: TaskRun, row: Row, seen: TaskStatus) -> Row:
    """The row with this status. *writes ledger*."""
    found: dict[str, Any] = {
        "state": seen.state, "word": sanitize(seen.word), "outputs": seen.outputs, "error": sanitize(seen.error),
        "credits": seen.credits if seen.credits is not None else row.credits, "progress": seen.progress,
    }  # fmt: skip
    changes = {name: value for name, value in found.items() if value != getattr(row, name)}
    if seen.reported and seen.state is State.DONE and not row.facts:
        changes["facts"] = write_facts(MediaFacts(reported=sanitize(seen.reported)))
    if seen.state in (State.DONE, State.FAILED):
        changes["finished"] = time.time()
    return await flow.write(row, **changes) if changes else row


class _Saving:
    """One attempt to download all results of a task, while no other process does."""

    def __init__(self, flow: TaskRun, row: Row, *, has_video: bool) -> None:
        self.flow, self.row = flow, row
        self._urls_refreshed = self._uses_key = self._may_want_key = False
        self._extras = {one.place: one for one in _files.read_extras(row.beside)}
        self._has_video = has_video
        self._requested_s = seconds_of(values_by_role(flow.spec, read_json(row.body)).get("seconds"))
        self._rejected, self._likely = set[str](), set[int]()  # by SHA-256, and by index
        self._unsupported: Path | None = None
        self._clock, self._policy = flow.bounds.clock, access_policy(flow.spec, flow.endpoint)
        was_dead = row.dead or (row.finished and time.time() - row.finished > _FRESH_S)
        self._patience = 0.0 if has_video or was_dead else _PATIENCE_S

    async def run(self) -> Row:
        """The row afterwards. Raises: MediaError without a video."""
        indexes = list(self._extras) if self._has_video else await self._likely_order()
        faults: list[DownloadError] = []
        limit = _SEARCH_S if len(self.row.outputs) > _FEW else math.inf
        until = self._clock() + limit
        for number, index in enumerate(indexes):
            if number and self._clock() > until:
                break
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
            if isinstance(got, tuple):
                self._has_video, self._patience = True, 0.0
                self._extras.pop(index, None)
                later = {other: ExtraResult(place=other, fault="not downloaded yet") for other in indexes[number + 1 :]}
                self._extras = later | self._extras
                until = self._clock() + limit
                file, digest, facts = got
                text = write_facts(replace(facts, reported=getattr(read_facts(self.row.facts), "reported", "")))
                await self._write(file=str(file), sha256=digest, facts=text, dead=None)
            else:
                self._extras[index] = got
        if not self._has_video:
            first = faults[0] if faults else DownloadError("final", "the results contain no video")
            await self._write(dead=(self.row.dead or time.time()) if first.kind == "dead" else None)
            raise self._error(first)
        await self._write()
        return self.row

    async def _likely_order(self) -> list[int]:
        """The indexes of the results; of many, those first whose first bytes are a video's, and other known kinds last."""
        order = list(range(len(self.row.outputs)))
        if len(order) <= _FEW:
            return order
        starts, turns = dict[int, bytes](), asyncio.Semaphore(16)

        async def start(index: int) -> None:
            async with turns:
                policy = replace(self._policy, upgrade=True)
                starts[index], _ = await fetch_start(self._url(index), {"Range": "bytes=0-4095"}, policy)

        with suppress(TimeoutError):
            async with asyncio.timeout(20):
                await asyncio.gather(*(start(index) for index in order))
        kinds = {index: sniff(data)[0] for index, data in starts.items() if data}
        self._likely = {index for index, kind in kinds.items() if kind == "video"}
        return sorted(order, key=lambda index: 0 if index in self._likely else 2 if index in kinds else 1)

    def _url(self, index: int) -> str:
        return absolute_url(self.row.outputs[index], self.flow.endpoint.base_url)

    async def _fetch(self, index: int) -> SavedVideo | ExtraResult:
        flow, part = self.flow, _files.part_path(self.flow.folder, self.row, index)
        until = self._clock() + flow.bounds.total_s
        fault = DownloadError("dead", f"{self.row.provider} no longer lists it")
        tries = _TRIES if len(self.row.outputs) <= _FEW or index in self._likely else 1
        for number in itertools.count(1):
            if index >= len(self.row.outputs):
                break
            bounds = replace(flow.bounds, total_s=max(0.05, until - self._clock()))
            try:
                await self._download(index, part, bounds)
                tries = tries if self._has_video else _TRIES  # bytes arrived, so another try may help
                return await self._save(part, index)
            except DownloadError as error:
                fault = error
            if fault.status in _NO_ACCESS and not self._uses_key and self._is_own(index):
                self._uses_key = bool(os.getenv(KEY_FOR_RESULTS))
                self._may_want_key = not self._uses_key
                if self._uses_key:
                    continue
            is_new = fault.kind == "dead" and not self._urls_refreshed
            if is_new:
                self._urls_refreshed = True
                seen, _, _ = await poll(self.flow, self.row.task_id)
                if seen and seen.state is State.DONE and seen.outputs:
                    self.row = await record_status(self.flow, self.row, seen)
            pause = float(_PAUSE_S * number)
            if fault.status in _NOT_YET and self._patience:
                pause = min(_PAUSE_S * 2.0 ** (number - 1), self._patience)
                self._patience -= pause
            elif not is_new and (fault.kind != "broken" or number >= tries):
                break
            await flow.endpoint.sleep(pause)
        raise fault

    async def _download(self, index: int, part: Path, bounds: Bounds) -> None:
        url = self._url(index)
        if url[:5].lower() == "data:":
            discard(part)
            with open_file(part, "xb") as file:
                file.write(data_bytes(url))
            return
        whole = functools.partial(_files.is_whole, asked_s=self._requested_s)
        reach = functools.partial(reach_with_key, self.flow.spec, self.flow.endpoint, self._policy)
        bounds = replace(bounds, is_whole=whole, reach=reach if self._uses_key and self._is_own(index) else None)
        await download(url, part, self._policy, bounds)

    def _is_own(self, index: int) -> bool:
        """Whether a result is at the provider's own origin, to which the key may be sent."""
        is_own = host_of(self._url(index)) == host_of(self.flow.endpoint.base_url)
        return is_own and self.flow.endpoint.secret is not None

    async def _save(self, part: Path, index: int) -> SavedVideo | ExtraResult:
        """The download under its final name. *writes files*. Raises: DownloadError."""
        taken = {one.file for one in self._extras.values() if one.place != index}
        try:
            if not self._has_video and (await asyncio.to_thread(media_kind, part))[0] not in ("image", "audio"):
                facts = self.flow.spec, self._requested_s, self._rejected
                return await asyncio.to_thread(_files.save_video, part, self.row, *facts)
            return await asyncio.to_thread(_files.save_extra, part, self.row, index, taken)
        except UnusableFile as error:
            hashed = await asyncio.to_thread(sha256, part)
            is_final = bool(error.file) or hashed in self._rejected  # the same once more is what the provider has
            self._rejected.add(hashed)
            self._unsupported = error.file
            saved = f"; it is saved as {error.file.name}" if error.file else ""
            raise DownloadError("final" if is_final else "broken", f"the download {error}{saved}") from error
        except OSError as error:
            raise DownloadError("disk", on_disk(error)) from error
        finally:
            with suppress(OSError):  # what is known already says more
                discard(part)

    async def _write(self, **changes: Any) -> None:
        changes["beside"] = _files.write_extras(self._extras.values())
        new = {name: value for name, value in changes.items() if value != getattr(self.row, name)}
        if new:
            self.row = await self.flow.write(self.row, **new)

    def _error(self, fault: DownloadError) -> MediaError:
        row, advice = self.row, "{} to download it; its URL may expire soon"
        message = f"The video of {row.name} could not be downloaded: {fault}."
        if fault.kind == "dead":
            since = time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.dead))
            message = f"The video of {row.name} is done, but its URL has not worked since {since} UTC ({fault}); "
            message += f"{row.provider} was asked once for a new one, which does not work either."
            advice = f"{{}} to ask once more, or contact {row.provider} and quote the task id {row.task_id}"
        if self._may_want_key:
            message += f" {row.provider} may require the key for it."
            advice = f"set {KEY_FOR_RESULTS}=1 to send the key for results at {row.provider}'s own URL, then {{}}"
        if self._unsupported:
            advice = f"play or convert {self._unsupported} with another program"
        if fault.kind == "disk":
            message, advice = f"The video of {row.name} could not be saved: {fault}.", _AFTER_DISK
        next_step = Step(advice, f"call sd.task({row.name!r}).wait()")
        return MediaError(message, task=row.name, charged=row.charged, next_step=next_step)


def absolute_url(url: str, base_url: str) -> str:
    """A result's URL; a path is one at the provider's origin, and a host needs no scheme. *pure*."""
    url = clean_url(url)
    is_whole = ":" in url.partition("/")[0]
    return f"https://{url}" if _HOST.match(url) else url if is_whole else urljoin(f"{base_url}/", url)
