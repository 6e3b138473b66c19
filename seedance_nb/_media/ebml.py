"""Reads the elements of WebM and Matroska files by their headers. Nothing is decoded."""

from pathlib import Path

from seedance_nb._media.isobmff import Read, reader

_SEGMENT = 0x18538067
_AFTER_LAST_FRAME = (0x1C53BB6B, 0x1254C367)  # Cues and Tags: writers put them behind the last cluster
_MOST_ELEMENTS = 200_000
_LONGEST_HEAD = 12


def elements_fault(path: Path) -> tuple[str, bool]:
    """Why the file is not a complete WebM by the sizes of its elements, "" if it is; and whether a cut would leave no trace. *reads files*."""
    size, at, last = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        read = reader(file)
        for _ in range(_MOST_ELEMENTS):
            if at >= size:
                return "", last not in _AFTER_LAST_FRAME
            last, content, length = _head(read, at)
            if not last:
                return f"it is cut off or damaged after {at:,} of {size:,} bytes", False
            # The elements of a live recording, of unknown length, follow one after the other.
            at = content + (length or 0)
            if at > size:
                return f"it is cut off: {size:,} of {at:,} bytes are there", False
            if last == _SEGMENT and length is not None:
                return "", False
    return "", True


def _head(read: Read, at: int) -> tuple[int, int, int | None]:
    """The id of the element at an offset (0 if there is none), where its content begins, and its length, None if unknown."""
    data = read(at, _LONGEST_HEAD)
    wide = 9 - data[0].bit_length()
    long = 9 - data[wide].bit_length() if len(data) > wide else 0
    length, most = int.from_bytes(data[wide : wide + long]) & ((1 << 7 * long) - 1), (1 << 7 * long) - 1
    is_valid = wide <= 4 and 0 < long <= 8 and len(data) >= wide + long  # noqa: PLR2004
    return int.from_bytes(data[:wide]) if is_valid else 0, at + wide + long, None if length == most else length
