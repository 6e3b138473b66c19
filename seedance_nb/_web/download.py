"""Downloads a result to a `.part` file with limits on size, time and rate, without a key, and resumes an interrupted download."""

import asyncio
import codecs
import gzip
import hashlib
import json
import os
import shutil
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import httpx

from seedance_nb._web.addresses import BlockedURL
from seedance_nb._web.client import FAILURES, AccessPolicy, Fetch, content_length, content_range, error_text
from seedance_nb._web.regular_files import is_there, on_disk, open_file

Kind = Literal["dead", "broken", "final", "disk"]
_GZIP = b"\x1f\x8b\x08"


class DownloadError(Exception):
    """A failed download, as a clause without a URL: "dead" if it has expired, "broken" if a retry may help, "final" if not, "disk" for this computer."""

    def __init__(self, kind: Kind, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.kind, self.status = kind, status


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits of one download, and what tells how it stands."""

    total_s: float = 1800
    most: int = 2 * 1024**3  # bytes
    least_rate: int = 10_000  # bytes per second over each `over_s` seconds
    over_s: float = 30
    clock: Callable[[], float] = time.monotonic
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    # In a thread: whether a body that ended otherwise than announced is the whole file.
    is_whole: Callable[[Path], bool] = lambda _: False
    # Sends the request; None for `Fetch.reach`.
    reach: Callable[[str, Mapping[str, str]], AbstractAsyncContextManager[tuple[httpx.Response, Any]]] | None = None


class _Partial(NamedTuple):
    """An interrupted download: the first `have` bytes of a file, its strong ETag, its size in bytes, a hash of its URL."""

    have: int = 0
    etag: str = ""
    size: int = 0
    where: str = ""


async def download(url: str, part: Path, policy: AccessPolicy, bounds: Bounds) -> None:
    """Downloads the whole file to `part`, resuming an earlier try of the same version if possible. *network*, *writes files*. Raises: DownloadError.

    The bytes decide, not the headers; what is gzip data is decompressed within the limits. An interrupted download
    stays if the server sent a version to resume from, and a complete one until `discard`.
    """
    fault: DownloadError | None = None
    fetch, is_complete = Fetch(replace(policy, read_s=bounds.over_s, upgrade=True)), False
    try:
        async with asyncio.timeout(bounds.total_s):
            if not await _attempt(url, part, fetch, bounds, _partial(part)):
                discard(part)
                await _attempt(url, part, fetch, bounds, _Partial())
            await asyncio.to_thread(_unwrap, part, bounds.most)
            is_complete = True
    except DownloadError as error:
        fault = error
    except TimeoutError:
        within = f"did not send it within {round(bounds.total_s, 1):g} s"
        fault = DownloadError("final", f"{fetch.prefix}{fetch.name} {within}")
    except FAILURES as error:
        if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | ConnectionError):
            fault = DownloadError("disk", on_disk(error))  # those of the network are httpx's
        else:
            kind: Kind = "final" if isinstance(error, BlockedURL) else "broken"
            fault = DownloadError(kind, fetch.prefix + error_text(error, fetch.name))
    finally:
        # Also where the kernel stops this: what can be resumed stays.
        if not is_complete and ((fault is not None and fault.kind == "disk") or not _partial(part).have):
            with suppress(OSError):  # the first error says more
                discard(part)
    if fault is not None:
        raise fault


def discard(part: Path) -> None:
    """Deletes an interrupted download and its note. *writes files*."""
    for path in (_note_of(part), part):
        path.unlink(missing_ok=True)


async def _attempt(url: str, part: Path, fetch: Fetch, bounds: Bounds, earlier: _Partial) -> bool:
    """Whether the whole file is there now; False if `earlier` is not the beginning of it. Raises: DownloadError."""
    # Of a complete file the last byte is requested, to learn whether it is still the same file.
    start = min(earlier.have, earlier.size - 1)
    headers = {"Range": f"bytes={start}-", "If-Range": earlier.etag} if earlier.have else {}
    is_complete = 0 < earlier.have == earlier.size
    fault: httpx.TransportError | DownloadError | None = None
    async with (bounds.reach or fetch.reach)(url, headers) as (response, _):
        status, plain = response.status_code, response.url.copy_with(query=None, fragment=None)
        where = hashlib.sha256(str(plain).encode()).hexdigest()  # a new URL of the same file has another signature
        fetch.name = response.url.host if bounds.reach else fetch.name
        is_part, span = status == httpx.codes.PARTIAL_CONTENT, content_range(response)
        is_from_start = span is None or (span[0] == 0 and span[1] >= (span[2] or 0))  # as far as the headers tell
        is_whole = is_from_start if is_part else status in (httpx.codes.OK, httpx.codes.NON_AUTHORITATIVE_INFORMATION)
        resumes = bool(earlier.have) and is_part
        if resumes:
            same = response.headers.get("etag", "") == earlier.etag and where == earlier.where
            if not same or span is None or (span[0], span[2]) != (start, earlier.size):
                return False
            if is_complete:
                return True
        elif earlier.have and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        elif not is_whole:
            if is_complete and where == earlier.where:
                return True  # there is no other version to get
            is_dead = response.is_client_error and status not in (408, 425, 429)
            why = f"{fetch.prefix}{fetch.name} answered HTTP {status}"
            fault = DownloadError("dead" if is_dead else "broken", why, status=status)
            if earlier.have or not response.is_success or is_part:
                raise fault
        end, size = (earlier.have, earlier.size) if resumes else (0, content_length(response))
        if size is not None:
            if size > bounds.most:
                raise DownloadError("final", f"it is larger than {_megabytes(bounds.most)}")
            free = bounds.free(part.parent)
            if free < 2 * (size - end):
                only = f"only {_megabytes(free)} are free in {part.parent}"
                raise DownloadError("disk", f"it is {_megabytes(size)}, and {only}")
        etag = response.headers.get("etag", "")
        with open_file(part, "ab") if resumes else _begin(part, etag, size, where) as file:
            try:
                end += await _write(response, file, end, bounds)
            except (httpx.TransportError, DownloadError) as error:
                if isinstance(error, DownloadError) and error.kind != "broken":
                    raise
                fault = error
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    if fault is None and size is not None and end != size:
        fault = DownloadError("broken", f"{end:,} of {size:,} bytes arrived")
    if fault is not None:
        await asyncio.to_thread(_unwrap, part, bounds.most)
        if not await asyncio.to_thread(bounds.is_whole, part):
            raise fault
    return True


async def _write(response: httpx.Response, file: BinaryIO, begin: int, bounds: Bounds) -> int:
    """The number of bytes that arrived and were written to `file`. *writes files*."""
    since, received, arrived = bounds.clock(), 0, 0
    async for chunk in response.aiter_raw():
        arrived, received = arrived + len(chunk), received + len(chunk)
        file.write(chunk)
        if begin + arrived > bounds.most:
            raise DownloadError("final", f"it is larger than {_megabytes(bounds.most)}")
        if (now := bounds.clock()) - since >= bounds.over_s:
            if received < bounds.least_rate * (now - since):
                raise DownloadError("broken", f"it arrived at less than {bounds.least_rate:,} bytes per second")
            since, received = now, 0
    return arrived


def _unwrap(part: Path, most: int) -> None:
    """Replaces a download by its content if careless servers sent it as gzip data, or behind a byte order mark or line breaks. *writes files*. Raises: DownloadError if that is too large."""
    new = part.with_suffix(".trimpart")
    try:
        new.unlink(missing_ok=True)
        with suppress(gzip.BadGzipFile, EOFError, zlib.error), open_file(part, "rb") as old:  # what is damaged stays
            head = old.read(16)
            start = old.seek(len(head) - len(head.removeprefix(codecs.BOM_UTF8).lstrip()))
            source = gzip.GzipFile(fileobj=old) if head.startswith(_GZIP) else old
            if source is old and not start:
                return
            with open_file(new, "xb") as file:
                while piece := source.read(1024**2):
                    file.write(piece)
                    if file.tell() > most:
                        raise DownloadError("final", f"it is larger than {_megabytes(most)}")
            _note_of(part).unlink(missing_ok=True)  # the rest could not be joined to it later
            new.replace(part)
    finally:
        new.unlink(missing_ok=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _begin(part: Path, etag: str, size: int | None, where: str) -> BinaryIO:
    discard(part)
    # A weak ETag may stand for other bytes, and without a length nobody can tell when the file is complete.
    if size and etag.startswith('"'):
        with open_file(_note_of(part), "xb") as note:
            note.write(json.dumps({"etag": etag, "size": size, "where": where}).encode())
    return open_file(part, "xb")


def _partial(part: Path) -> _Partial:
    """An earlier try that can be resumed, else an empty one. *reads files*."""
    with suppress(OSError, ValueError, TypeError, AttributeError), open_file(_note_of(part), "rb") as note:
        found = _Partial(**json.loads(note.read(10_000)), have=part.lstat().st_size if is_there(part) else 0)
        usable = found.etag.startswith('"') and found.etag.isascii() and found.etag.isprintable()
        return found if usable and 0 < found.have <= found.size else _Partial()
    return _Partial()


def _note_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
