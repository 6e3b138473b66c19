"""Which bytes of a file are still needed to know what it holds, told from the ones that are there."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from seedance_nb._media.sniff import after_tag, sign

HEAD = 131_072
"""How many bytes are read of the front of every file."""
MOST = 4 * 1024**2
MOST_PICTURE = HEAD + 1024**2
LARGEST = 512 * 1024**2
"""Files said to be larger than this (bytes) are looked at from the front only; none is made this long on disk."""
_MORE = 262_144
_SLICE = 65_536
_BEFORE = 16_384
_PIECE = 20
_LONG = b"\0\0\0\1"  # the length follows the name, in eight bytes
_MOST_STEPS = 4_096


class Held:
    """The parts of a file that have arrived, each with its place."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytearray]] = []

    def add(self, at: int, data: bytes) -> None:
        """Takes `data` in as the bytes from `at` on; joined to the part that ends there."""
        for start, held in self.parts:
            if start + len(held) == at:
                held.extend(data)
                return
        self.parts.append((at, bytearray(data)))

    def read(self, at: int, count: int) -> bytes:
        """The bytes from `at` on, fewer than `count` where they are not there. *pure*."""
        for start, held in self.parts:
            if start <= at < start + len(held):
                return bytes(held[at - start : at - start + count])
        return b""

    def end(self, at: int) -> int:
        """The place up to which the bytes from `at` on are there; `at` itself if none are. *pure*."""
        return next((start + len(held) for start, held in self.parts if start <= at < start + len(held)), at)

    def write(self, into: Path, size: int | None) -> None:
        """Every part at its place in the file `into`, which is made `size` bytes long where that helps. *writes files*.

        Raises: OSError.
        """
        kind, _ = sign(self.read(0, HEAD))
        with into.open("wb") as file:
            for start, data in self.parts:
                file.seek(start)
                file.write(data)
            # A lengthless sound is judged by its size, and boxes must fit; a picture's decoder would read the empty rest.
            if size and kind in ("video", "audio") and file.seek(0, os.SEEK_END) < size <= LARGEST:
                file.truncate(size)

    @property
    def count(self) -> int:
        """How many bytes are there. *pure*."""
        return sum(len(held) for _, held in self.parts)


def wanted(held: Held, size: int | None) -> tuple[int, int] | None:
    """First place and end of the bytes to fetch next; None if there is enough, or nothing that would help. *pure*.

    `size` is the whole file's, None if it is not known.
    """
    head = held.read(0, HEAD)
    if not head:
        return None
    kind, name = sign(head)
    need = None
    if name in ("jpeg", "png"):
        need = _walk(held, 2, _jpeg) if name == "jpeg" else _walk(held, 8, _png)
    elif name == "tiff":
        need = _tiff(held)
    elif name in ("heic", "heif", "avif"):
        need = _box(held, b"meta", size)
    elif name in ("mp4", "mov", "m4a", "3gp"):
        need = _box(held, b"moov", size)
    elif name == "wav":
        need = _wav(held)
    elif name == "mp3" and kind == "audio":
        need = _sound(held)
    if need is None or (size is not None and need[0] >= size):
        return None
    return need[0], need[1] if size is None else min(need[1], size)


def _walk(held: Held, at: int, step: Callable[[bytes], int | None]) -> tuple[int, int] | None:
    # A decoder reads these parts one after the other, so they are fetched without gaps.
    for _ in range(_MOST_STEPS):
        piece = held.read(at, _PIECE)
        if len(piece) < _PIECE:
            return held.end(0), max(at + _PIECE, held.end(0) + _MORE)
        ahead = step(piece)
        if ahead is None:
            return None
        at += ahead
    return None


def _jpeg(piece: bytes) -> int | None:
    mark = piece[1:2]
    if piece[:1] != b"\xff" or mark in (b"\xd9", b"\xda"):  # damaged, or the pixels begin
        return None
    if mark == b"\xff":  # filling
        return 1
    return 2 if mark == b"\x01" or b"\xd0" <= mark <= b"\xd8" else 2 + int.from_bytes(piece[2:4])


def _png(piece: bytes) -> int | None:
    return None if piece[4:8] == b"IDAT" else 12 + int.from_bytes(piece[:4])


def _tiff(held: Held) -> tuple[int, int] | None:
    head = held.read(0, 16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    large = head[2:4] in (b"+\x00", b"\x00+")
    table = int.from_bytes(head[8:16] if large else head[4:8], order)
    if held.read(table, _PIECE):
        return None
    return max(held.end(0), table - _BEFORE), table + HEAD - _BEFORE


def _box(held: Held, target: bytes, size: int | None) -> tuple[int, int] | None:
    at = 0
    for _ in range(_MOST_STEPS):
        head = held.read(at, 16)
        if len(head) < (16 if head[:4] == _LONG else 8):
            return held.end(at), held.end(at) + HEAD
        length, kind = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16])
        if kind == target:
            end = at + length if length else size or held.end(at)
            return (held.end(at), end) if held.end(at) < end else None
        if length < len(b"sizekind"):  # to the end of the file, or damaged
            return None
        at += length
    return None


def _wav(held: Held) -> tuple[int, int] | None:
    at = 12
    for _ in range(_MOST_STEPS):
        head = held.read(at, 8)
        if len(head) < len(b"datasize"):
            return held.end(at), held.end(at) + _SLICE
        if head[:4] == b"data":
            return None
        length = int.from_bytes(head[4:8], "little")
        at += 8 + length + length % 2
    return None


def _sound(held: Held) -> tuple[int, int] | None:
    start = after_tag(held.read(0, 10))
    end = held.end(start)
    return (end, start + _SLICE) if end < start + _BEFORE else None
