"""Boxes are read from whole files, from bytes and from partial files, and the walk always ends."""

import struct
from pathlib import Path

import pytest
from support import media

from seedance_nb._media.isobmff import MOST_BOXES, Box, boxes, boxes_fault, reader, within
from seedance_nb._media.partial import PartialFile

FILE = media.box(b"ftyp", b"isom" + bytes(4)) + media.box(b"moov", media.box(b"trak", media.box(b"tkhd", bytes(9))))
OUTER = [(b"ftyp", 0, 8, 16), (b"moov", 16, 24, 49)]
LONG = struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1)


def walked(data: bytes, end: int | None = None) -> list[tuple[bytes, int, int, int]]:
    found = boxes(lambda at, count: data[at : at + count], 0, len(data) if end is None else end)
    return [(box.kind, box.start, box.content, box.end) for box in found]


def test_a_file_its_bytes_and_its_known_part_have_the_same_boxes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(FILE)
    arrived = PartialFile()
    arrived.add(0, FILE[:30])
    with (tmp_path / "a").open("rb") as file:
        for read in (reader(file), arrived.read):
            assert [(box.kind, box.start, box.content, box.end) for box in boxes(read, 0, len(FILE))] == OUTER
    assert walked(FILE) == OUTER


def test_a_path_of_kinds_leads_to_inner_boxes_which_end_with_what_they_stand_in() -> None:
    data = FILE[:32] + struct.pack(">I", 1000) + FILE[36:]
    found = list(within(lambda at, count: data[at : at + count], (b"moov", b"trak", b"tkhd"), 0, len(data)))
    assert found == [Box(kind=b"tkhd", start=32, content=40, end=49)]


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (FILE + b"\0\0\0", [16, 49]),  # a head that is not all there
        (FILE + struct.pack(">I4s", 7, b"free") + bytes(9), [16, 49]),  # shorter than its own head
        (FILE + struct.pack(">I4sQ", 1, b"mdat", 15) + bytes(9), [16, 49]),
        (FILE + struct.pack(">I4s", 0, b"mdat") + bytes(9), [16, 49, 66]),  # as far as the file
        (FILE + struct.pack(">I4s", 99, b"mdat"), [16, 49, 148]),  # further than the file
        (FILE + LONG, [16, 49, 49 + 2**64 - 1]),
        (b"", []),
    ],
)  # fmt: skip
def test_the_walk_ends_at_what_makes_no_sense(data: bytes, ends: list[int]) -> None:
    assert [end for *_, end in walked(data)] == ends


def test_the_walk_takes_a_bounded_number_of_steps() -> None:
    def read(_at: int, _count: int) -> bytes:
        return struct.pack(">I4s", 8, b"free")

    assert sum(1 for _ in boxes(read, 0, 2**64)) == MOST_BOXES


@pytest.mark.parametrize("tail", [LONG, LONG + bytes(99), b"\0\0\0\x07free" + bytes(99)])
def test_a_length_that_no_file_can_have_is_a_fault_and_no_error(tail: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(media.video() + tail)
    assert boxes_fault(tmp_path / "a").startswith("it is cut off")
