"""Whether an MP4 is all there, by the boxes that it is made of: arithmetic on their heads, nothing is decoded."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_MOST_BOXES = 10_000
_MOST_SIDX = 1024**2


def boxes_fault(path: Path) -> str:
    """Why the file is not a whole MP4 by the sizes of its outermost boxes, "" if it is. *reads files*.

    A decoder plays the beginning of a file that was cut off; only these sizes tell that the end is missing.
    """
    end = path.stat().st_size
    found: list[bytes] = []
    with path.open("rb") as file:
        for kind, place, size in _outer(file, end):
            if not found and kind != b"ftyp":
                return "it does not begin like an MP4 file"
            if size < len(b"sizekind") or place + size > end:
                return f"it is cut off: {place + size:,} bytes were meant, {end:,} are there"
            if kind == b"sidx" and (meant := _meant(file, place, size)) > end:
                return f"it is cut off: {meant:,} bytes were meant, {end:,} are there"
            found.append(kind)
    if found[-1:] == [b"moof"]:
        return "it is cut off before the pictures of its last piece"
    missing = {b"ftyp", b"moov", b"mdat"} - set(found)
    return f"it has no {', '.join(sorted(kind.decode() for kind in missing))}" if missing else ""


def is_open(path: Path) -> bool:
    """Whether the file is in pieces and does not say which is the last, so that a cut between two of them leaves no trace. *reads files*."""
    with path.open("rb") as file:
        found = {kind for kind, _, _ in _outer(file, path.stat().st_size)}
    return b"moof" in found and b"mfra" not in found


def _outer(file: BinaryIO, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place and size in bytes of each outermost box, as far as they can be told."""
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4]), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16])
        size = size or end - place
        yield kind, place, size
        place += max(size, 1)
        if place >= end:
            return


def _meant(file: BinaryIO, place: int, size: int) -> int:
    """Where the pieces end that an index of them lists by their sizes."""
    file.seek(place)
    box = file.read(min(size, _MOST_SIDX))
    wide = 8 if box[8:9] != b"\0" else 4
    at = 20 + wide
    first, count = int.from_bytes(box[at : at + wide]), int.from_bytes(box[at + wide + 2 : at + wide + 4])
    at += wide + 4
    sizes = (int.from_bytes(box[one : one + 4]) & 0x7FFFFFFF for one in range(at, at + 12 * count, 12))
    return place + size + first + sum(sizes)
