"""Checks in a child process with limits whether a downloaded image or audio file is complete: its bytes are untrusted."""

import sys
import warnings
from pathlib import Path

from seedance_nb._media.container import open_container
from seedance_nb._media.sandbox import Exit, Limits, limit, run
from seedance_nb._media.sniff import Kind, sniff

_LIMITS = Limits(memory=1024**3, cpu_s=15, wall_s=20)
_MOST_PX = 6000 * 6000
_HEAD = 4096
_TAIL = 65_536
_PICTURES = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
_SOUNDS = ("mp3", "wav", "m4a", "aac", "flac", "ogg")
_SAME = ("mp4", "mov", "webm", "mkv", "png", "webp", *_SOUNDS)
ENDINGS = {"jpeg": ".jpg", "3gp": ".mp4", **{name: f".{name}" for name in _SAME}}
"""The file extensions of the formats that are saved; no other format is."""


def media_kind(path: Path) -> tuple[Kind | None, str]:
    """The kind and format of a file by its first bytes; or None and what it is instead. *reads files*. Raises: OSError."""
    with path.open("rb") as file:
        return sniff(file.read(_HEAD))


def whole_fault(path: Path, file_format: str) -> str:
    """Why an image or audio file in a format of `ENDINGS` is damaged, "" if it is not. *reads files*. Raises: OSError."""
    if _is_cut(path, file_format):
        return "it is cut off"
    child = run("seedance_nb._media.integrity", path, file_format, limits=_LIMITS)
    return decode_error(child) if child.code else ""


def decode_error(child: Exit) -> str:
    """Why a child could not decode a file, as a clause. *pure*."""
    reason = f"it cannot be decoded ({child.reason or 'the decoder crashed'})"
    return f"the process that reads it {child.fault}" if child.fault else reason


def _is_cut(path: Path, file_format: str) -> bool:
    # Decoders accept a missing end, so the markers at the end are checked.
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    if file_format == "jpeg":
        return b"\xff\xd9" not in tail
    if file_format == "png":
        return b"IEND\xaeB`\x82" not in tail
    return file_format in ("webp", "wav") and head[:4] == b"RIFF" and size < 8 + int.from_bytes(head[4:8], "little")


def _main(name: str, file_format: str) -> int:
    limit(_LIMITS)
    if file_format in _PICTURES:
        from PIL import Image

        warnings.simplefilter("error")
        Image.MAX_IMAGE_PIXELS = _MOST_PX  # a larger image is a warning, here an error
        with Image.open(name, formats=(_PICTURES[file_format],)) as picture:
            picture.load()
        return 0
    with open_container(Path(name), file_format) as container:
        packets = [packet for packet in container.demux(container.streams.audio[0]) if packet.size]
    return 1 if not packets or any(packet.is_corrupt for packet in packets) else 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:3]))
