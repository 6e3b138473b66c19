"""Rows taken out of the pages of a SQLite file that SQLite itself can no longer walk through. Everything but `carve` is pure."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_LEAF = 0x0D
_PAGE = 4096
_DIGEST = 64
_BEGINS = b"\x00\x81\x0d"  # the types of nothing and of a text of 64, with which a row of `tasks` begins
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


def carve(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and columns of what looks like a row of `tasks`: from the file, then, later ones, from its write-ahead log.

    *reads files*. A row may come twice; nothing says that it is sound.
    """
    size, pages = _PAGE, dict[int, bytes]()
    with suppress(OSError):
        raw = path.read_bytes()
        (told,) = struct.unpack(">H", raw[16:18].ljust(2, b"\0"))
        size = told if told in (512, 1024, 2048, 8192, 16384, 32768) else _PAGE
        pages = {1 + at // size: raw[at : at + size] for at in range(0, len(raw), size)}
        yield from _rows(pages, columns)
    with suppress(OSError):
        logged = dict(frames(path.with_name(f"{path.name}-wal").read_bytes(), size))
        yield from _rows(pages | logged, columns, set(logged))


def frames(log: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """Number and content of the pages in a write-ahead log, oldest first, without those of an earlier round."""
    for at in range(32, len(log) - 24 - size + 1, 24 + size):
        if log[at + 8 : at + 16] == log[16:24]:
            yield struct.unpack(">I", log[at : at + 4])[0], log[at + 24 : at + 24 + size]


def _rows(
    pages: Mapping[int, bytes], columns: Sequence[str], only: set[int] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, page in pages.items():
        if only is None or number in only:
            for begin in (*_scattered(page), *_cells(page, 100 if number == 1 else 0)):  # the later one is believed
                with suppress(IndexError, struct.error, ValueError, KeyError):
                    seq, values = _record(pages, page, begin)
                    # A row of `tasks` begins with its number, which is stored as nothing, and the digest of its intent.
                    if values[0] is None and isinstance(values[1], str) and len(values[1]) == _DIGEST:
                        yield seq, dict(zip(columns, [seq, *values[1:]], strict=False))


def _cells(page: bytes, head: int) -> Iterator[int]:
    """Where the rows of a page begin, as the page itself says."""
    if len(page) >= head + 8 and page[head] == _LEAF:
        (cells,) = struct.unpack_from(">H", page, head + 3)
        for cell in range(min(cells, (len(page) - head - 8) // 2)):
            yield struct.unpack_from(">H", page, head + 8 + 2 * cell)[0]


def _scattered(page: bytes) -> Iterator[int]:
    """Where something like a row of `tasks` begins, whatever the page says; it may be a copy of an earlier moment."""
    at = page.find(_BEGINS)
    while at > 0:
        for begin in range(max(0, at - 9), at - 2):
            with suppress(IndexError):
                _, after = _varint(page, begin)
                _, after = _varint(page, after)
                if after == at - 1:
                    yield begin
        at = page.find(_BEGINS, at + 1)


def _record(pages: Mapping[int, bytes], page: bytes, at: int) -> tuple[int, list[Any]]:
    length, at = _varint(page, at)
    seq, at = _varint(page, at)
    usable = len(page)
    local = usable - 35
    if length > local:
        least = (usable - 12) * 32 // 255 - 23
        fitting = least + (length - least) % (usable - 4)
        local = fitting if fitting <= local else least
    payload = page[at : at + min(local, length)]
    if length > local:
        (following,) = struct.unpack_from(">I", page, at + local)
        for _ in range(length // (usable - 4) + 2):
            if not following or len(payload) >= length:
                break
            more = pages[following]
            payload += more[4:]
            (following,) = struct.unpack_from(">I", more)
    return seq, list(_values(payload[:length]))


def _values(payload: bytes) -> Iterator[Any]:
    body, at = _varint(payload, 0)
    end = body
    while at < end:
        kind, at = _varint(payload, at)
        size = _SIZES[kind] if kind < len(_SIZES) else (kind - 12) // 2
        raw = payload[body : body + size]
        body += size
        if len(raw) < size or kind in (10, 11):
            raise ValueError
        if kind in (0, 8, 9):
            yield None if kind == 0 else kind - 8
        elif kind == 7:  # noqa: PLR2004 - a float
            yield struct.unpack(">d", raw)[0]
        elif kind < 7:  # noqa: PLR2004 - an integer
            yield int.from_bytes(raw, "big", signed=True)
        else:
            yield raw.decode("utf-8", "replace") if kind % 2 else raw
    if body != len(payload):
        raise ValueError


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(8):
        byte = raw[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004
            return value, at + place + 1
    return value << 8 | raw[at + 8], at + 9
