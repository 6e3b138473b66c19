"""Which of a task's results is which, as far as their addresses tell. Everything here is pure."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit


def by_likeness(outputs: Sequence[str]) -> list[int]:
    """The places of the results, those first that are named like videos. *pure*."""
    return sorted(range(len(outputs)), key=lambda place: _ending(outputs[place]) not in (".mp4", ".mov"))


def in_place(known: Sequence[str], fresh: Sequence[str]) -> tuple[str, ...]:
    """Fresh addresses at the places of the known ones, as far as their names tell which is which. *pure*.

    A known address stays where the fresh ones have none for it.
    """
    left, found = list(fresh), dict[int, str]()
    for alike in (_path, _ending, lambda _: ""):
        for place, old in enumerate(known):
            same = next((new for new in left if alike(new) == alike(old)), None)
            if place not in found and same is not None:
                found[place] = same
                left.remove(same)
    return (*(found.get(place, known[place]) for place in range(max(found, default=-1) + 1)), *left)


def _path(url: str) -> str:
    return url.partition("?")[0]


def _ending(url: str) -> str:
    return PurePosixPath(urlsplit(_path(url)).path).suffix.lower()
