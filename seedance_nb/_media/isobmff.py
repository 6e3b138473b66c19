"""Reads the boxes of MP4, MOV, HEIC and AVIF files, and the segment of WebM, by their headers. Nothing is decoded."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

Read = Callable[[int, int], bytes]  # the bytes from an offset on, as many as requested or fewer where they are missing
MOST_BOXES, _LONGEST_HEAD, _MOST_TEXT = 10_000, 16, 4096
_TEXT = re.compile(rb"[\t\n\r -~\x80-\xff]+")
_PROPERTIES, _SEGMENT = (b"meta", b"iprp", b"ipco"), b"\x18\x53\x80\x67"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box by its header: its four-letter `kind`, the offsets of its header and its content, and the end that it states."""

    kind: bytes
    start: int
    content: int
    end: int


def reader(file: BinaryIO) -> Read:
    """A `Read` of an open file; it *reads files* with each call."""

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    return read


def boxes(read: Read, start: int, end: int) -> Iterator[Box]:
    """The boxes in sequence from `start`, up to the first missing or invalid header; the last may end after `end`. *pure*, except `read`."""
    for _ in range(MOST_BOXES):
        head = read(start, min(_LONGEST_HEAD, end - start)) if start < end else b""
        size, length = int.from_bytes(head[:4]), 8
        if size == 1:
            size, length = int.from_bytes(head[8:16]), 16
        elif size == 0:  # up to the end of the file
            size = end - start
        if min(len(head), size) < length:
            return
        yield Box(kind=head[4:8], start=start, content=start + length, end=start + size)
        start += size


def within(read: Read, kinds: tuple[bytes, ...], start: int, end: int) -> Iterator[Box]:
    """The boxes at the path `kinds`, such as `moov`, `trak`, between two offsets, none beyond its parent. *pure*, except `read`."""
    for box in boxes(read, start, end):
        if box.kind != kinds[0]:
            continue
        inner = replace(box, end=min(box.end, end))
        if len(kinds) == 1:
            yield inner
        else:
            yield from within(read, kinds[1:], inner.content + (4 if box.kind == b"meta" else 0), inner.end)


def boxes_fault(path: Path) -> str:
    """Why the file is not a complete MP4 or MOV by the sizes of its outer boxes, which decoders do not check; "" if it is. *reads files*."""
    size = path.stat().st_size
    with path.open("rb") as file:
        read = reader(file)
        outer = list(boxes(read, 0, size))
        if outer and outer[-1].end > size and _TEXT.fullmatch(read(outer[-1].start, _MOST_TEXT)):
            size = outer.pop().start  # a comment behind the video, as some proxies add it, disturbs no player
    kinds = [box.kind for box in outer]
    if not outer:
        return "it is not an MP4 file"
    if outer[-1].end > size:
        return f"it is cut off: {size:,} of {outer[-1].end:,} bytes are there"
    least = 0 if b"moof" in kinds else 7  # fewer bytes than a box has, such as a line break, are no fault
    if outer[-1].end + least < size and len(outer) < MOST_BOXES:
        return f"it is cut off or damaged after {outer[-1].end:,} of {size:,} bytes"
    if kinds[-1] == b"moof":
        return "it is cut off before the frames of its last fragment"
    missing = {b"moov", b"mdat"} - set(kinds)
    return f"it has no {', '.join(sorted(kind.decode() for kind in missing))} box" if missing else ""


def fragments(path: Path) -> tuple[bool, bool]:
    """Whether the frames are listed in fragments; and whether the last is not marked, so that a cut between two leaves no trace. *reads files*."""
    with path.open("rb") as file:
        read, end = reader(file), path.stat().st_size
        is_fragmented = any(within(read, (b"moof",), 0, end)) or any(within(read, (b"moov", b"mvex"), 0, end))
        return is_fragmented, is_fragmented and not any(within(read, (b"mfra",), 0, end))


def heif_size(read: Read, end: int) -> tuple[int, int, bool]:
    """Width and height in px of an HEIC, HEIF or AVIF, 0 if it is damaged, and whether it is displayed rotated. *pure*, except `read`."""
    extents = [_content(read, box, 12) for box in within(read, (*_PROPERTIES, b"ispe"), 0, end)]
    # Tiles, previews and depth maps are smaller than the image itself.
    sizes = [(int.from_bytes(data[4:8]), int.from_bytes(data[8:])) for data in extents if len(data) == 12]  # noqa: PLR2004
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    rotations = [_content(read, box, 1) for box in within(read, (*_PROPERTIES, b"irot"), 0, end)]
    return width, height, any(int.from_bytes(data) % 2 for data in rotations)


def track_size(read: Read, end: int) -> tuple[int, int, bool]:
    """Width and height in px of an MP4's or MOV's first video track, 0 without one, and whether it is displayed rotated. *pure*, except `read`."""
    for trak in within(read, (b"moov", b"trak"), 0, end):
        if not any(within(read, (b"mdia", b"minf", b"vmhd"), trak.content, trak.end)):
            continue
        for stsd in within(read, (b"mdia", b"minf", b"stbl", b"stsd"), trak.content, trak.end):
            entry = _content(read, stsd, 44)
            if len(entry) == 44:  # noqa: PLR2004
                headers = [_content(read, box, 60) for box in within(read, (b"tkhd",), trak.content, trak.end)]
                matrices = [tkhd[52 if tkhd[:1] == b"\x01" else 40 :][:8] for tkhd in headers]
                is_rotated = any(len(one) == 8 and one[:4] == bytes(4) != one[4:] for one in matrices)  # noqa: PLR2004
                return int.from_bytes(entry[40:42]), int.from_bytes(entry[42:44]), is_rotated
    return 0, 0, False


def _content(read: Read, box: Box, most: int) -> bytes:
    return read(box.content, min(most, box.end - box.content))


def segment_fault(path: Path) -> tuple[str, bool]:
    """Why the file is not a complete WebM by the size of its segment, "" if it is; and whether it states none, as in a live recording, so that a cut leaves no trace. *reads files*."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    data = head.partition(_SEGMENT)[2]
    wide = 9 - data[0].bit_length() if data else 9  # bytes of its length: the zeros before the first bit, and one
    if len(data) < wide:
        return "it is cut off or damaged before its frames", False
    unknown = (1 << 7 * wide) - 1
    length = int.from_bytes(data[:wide]) & unknown
    end = len(head) - len(data) + wide + length
    is_cut = length != unknown and end > size
    return f"it is cut off: {size:,} of {end:,} bytes are there" if is_cut else "", length == unknown
