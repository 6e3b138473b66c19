"""A saved video without the request that this package appends to it."""

from pathlib import Path

from seedance_nb._task.files import _KIND


def provider_bytes(path: Path) -> bytes:
    """What the provider sent: the file without the last box, if that is ours."""
    data = path.read_bytes()
    start = data.rfind(_KIND) - 4
    ours = start >= 0 and int.from_bytes(data[start : start + 4]) == len(data) - start
    return data[:start] if ours else data
