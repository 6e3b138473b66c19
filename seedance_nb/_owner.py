"""Which process sends a request, so that a later one can tell whether it is still alive."""

import os
import platform
from pathlib import Path


def this_process() -> str:
    """Host, process id and start time of this process as one text. *reads files*."""
    return f"{platform.node()}|{os.getpid()}|{_started(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Whether the process that `owner` names has certainly ended. *reads files*.

    A process on another host cannot be seen from here and counts as alive; a process id that was given to another
    program since is told apart by its start time. A text that names no process, as damage leaves it, counts as gone.
    """
    host, pid, started = (["", "", *owner.rsplit("|", 2)])[-3:]
    if not pid.isdecimal():
        return True
    if host != platform.node():
        return False
    if int(pid) == os.getpid():
        return started != _started(os.getpid())
    return not _alive(int(pid)) or started != _started(int(pid))


def _alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill(pid, 0) would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    try:
        # The 22nd field of /proc/PID/stat; the second one is in parentheses and may hold spaces.
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
