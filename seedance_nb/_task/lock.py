"""A file lock between processes, which ends with the process that holds it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOOK_S = 0.5


@asynccontextmanager
async def file_lock(path: Path, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[None]:
    """Hold the lock file `path`, waiting for other holders. *writes files*: `path`, removed at the end. Raises: OSError."""
    while (handle := _open_locked(path)) is None:
        await sleep(_LOOK_S)
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
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks; there, two kernels may download the same video
        return
