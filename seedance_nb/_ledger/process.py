"""Identifies the process that sends a request, so that others can tell whether it is still alive."""

import errno
import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

QUIET_S = 900  # seconds without a change after which a process that is not visible here counts as gone
_FIELDS = 6


def this_process() -> str:
    """Host, machine, its start, process namespace, id and start time of this process as one text. *reads files*. Raises: OSError."""
    return "|".join((*_machine(), str(os.getpid()), _start_time("self")))


def is_gone(owner: str, quiet_s: float = 0) -> bool:
    """Whether the process `owner` has ended, or is not visible here and was quiet for 15 min (if it lives, the ledger tells it so before it sends); a damaged text has. *reads files*."""
    if not owner.rpartition("|")[0].rpartition("|")[2].isdecimal():
        return True
    parts = owner.rsplit("|", _FIELDS - 1)
    if len(parts) < _FIELDS:
        return quiet_s > QUIET_S
    host, machine, boot, namespace, pid, started = parts
    here = _machine()
    if (host, machine, boot, namespace) != here:
        return quiet_s > QUIET_S or (bool(machine and boot) and (host, machine, namespace) == (*here[:2], here[3]))
    if int(pid) == os.getpid():
        return started != _start_time("self")
    if os.name == "nt":  # os.kill(pid, 0) would end the process there
        return quiet_s > QUIET_S
    with suppress(PermissionError, OverflowError):
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return started != _start_time(pid)


def _machine() -> tuple[str, str, str, str]:
    """Host, machine id, boot id and process namespace; "" for each that the system does not provide."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    machine = _text("/etc/machine-id")  # hashed, because systemd asks programs not to hand the id itself on
    machine_hash = hashlib.sha256(machine.encode()).hexdigest()[:12] if machine else ""
    return platform.node(), machine_hash, _text("/proc/sys/kernel/random/boot_id"), namespace


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip().replace("|", "")
    except OSError as error:
        # A process without a start would look like another.
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise
        return ""


def _start_time(pid: str) -> str:
    # The 22nd field of /proc/PID/stat; the second one is in parentheses and may hold spaces.
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""  # noqa: PLR2004
