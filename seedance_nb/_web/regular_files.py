"""Opens regular files without following links, and creates files only where nothing exists."""

import errno
import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not block


def open_file(path: Path, mode: Literal["rb", "ab", "xb"]) -> BinaryIO:
    """A regular file, open for reading or, if it exists, for appending; or a new one. *reads files*, *writes files*. Raises: OSError, also for a link, a folder or a pipe, and for a new one if anything exists there."""
    return open(path, mode, opener=_opened)


def is_there(path: Path, size: int = 0) -> bool:
    """Whether a regular file of `size` bytes exists; with 0, one of any size but empty. *reads files*: only its metadata."""
    with suppress(OSError, ValueError):
        found = path.lstat()
        return stat.S_ISREG(found.st_mode) and (found.st_size == size if size else found.st_size > 0)
    return False


def write(path: Path, content: bytes) -> None:
    """Write a whole file, or nothing; a file there is replaced. *writes files*. Raises: OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sha256(path: Path, size: int | None = None) -> str:
    """The SHA-256 of a regular file, or of its first `size` bytes, as 64 hex digits; "" without one. *reads files*."""
    hashed = hashlib.sha256()
    with suppress(OSError, ValueError), open_file(path, "rb") as file:
        left = os.fstat(file.fileno()).st_size if size is None else size
        while chunk := file.read(min(left, 1024**2)):
            hashed.update(chunk)
            left -= len(chunk)
        return hashed.hexdigest()
    return ""


def on_disk(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the disk is full: {error.strerror}"
    return f"file system error: {error.strerror}{f', {error.filename}' if error.filename else ''}"


def _opened(path: str, flags: int) -> int:
    handle = os.open(path, (flags & ~os.O_CREAT if flags & os.O_APPEND else flags) | _PLAIN, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return handle
