"""Limits that a child process puts on itself before it reads bytes that are not ours, or paints for long."""

from contextlib import suppress


def limit(memory: int, cpu_s: int) -> None:
    """Bounds this process: `memory` in bytes of address space, `cpu_s` in seconds of processor time; it leaves no core file."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the wall clock of the parent still bounds the child there
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS refuses the first; a lower limit may be set already
            resource.setrlimit(kind, (most, most))
