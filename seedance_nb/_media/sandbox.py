"""What a child process is given that reads bytes which are not ours, and the limits that it puts on itself before it does."""

import os
from contextlib import suppress

_PASSED_ON = (
    "PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME",
    "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL",
)  # fmt: skip


def quiet() -> dict[str, str]:
    """The environment for such a child: what Python needs to start, and no keys. Reads the environment."""
    return {name: value for name, value in os.environ.items() if name.upper() in _PASSED_ON}


def limit(memory: int, cpu_s: int) -> None:
    """Bounds this process: `memory` in bytes of address space, `cpu_s` in seconds of processor time; it leaves no core file."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the wall clock of the parent still bounds the child there
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS refuses the first; a lower limit may be set already
            resource.setrlimit(kind, (most, most))
