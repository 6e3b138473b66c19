"""Reads the facts of a media file in a child process with limits, because its bytes are untrusted."""

import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from seedance_nb._media.container import READERS, describe, main_stream, open_container, seconds_between
from seedance_nb._media.facts import MediaFacts, read_facts, write_facts
from seedance_nb._media.isobmff import boxes, heif_size, reader, track_size, within
from seedance_nb._media.sandbox import Limits, limit, refuse, run
from seedance_nb._media.sniff import audio_start, sniff, webp_size

LIMITS = Limits(memory=1024**3, cpu_s=4, wall_s=5.0)
_HEAD = 131_072
_EXIF_ORIENTATION = 0x0112
_ROTATED = (5, 6, 7, 8)  # of Exif's eight orientations
_RELIABLE = ("mp4", "mov", "wav", "mp3")
_HEIFS = ("heic", "heif", "avif")
_SIZED = ("webp", *_HEIFS, "jpeg", "png", "gif", "bmp", "tiff")


def probe(path: Path, size: int | None, wall: float = LIMITS.wall_s) -> tuple[MediaFacts | None, str]:
    """The facts of a media file of `size` bytes, sparse or whole, or None and why it could not be read. *reads files*: in a child without keys."""
    child = run("seedance_nb._media.probe", path, limits=replace(LIMITS, wall_s=wall))
    if child.code:
        reason = (child.code == 1 and child.reason) or "it cannot be read: the process that reads it crashed"
        return None, f"the process that reads it {child.fault}" if child.fault else reason
    facts = read_facts(child.answer)
    return (replace(facts, size=size), "") if facts else (None, "the process that reads it returned nothing")


def _main(name: str) -> int:
    limit(LIMITS)
    path = Path(name)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return refuse(f"it cannot be opened ({error.strerror})")
    kind, file_format = sniff(head)
    if kind is None:
        return refuse(file_format)  # here, what it is instead
    try:
        facts = _picture(path, head, file_format) if kind == "image" else _stream(path, file_format)
    except Exception as error:  # noqa: BLE001  # whatever a hostile file causes, it is only not read
        if file_format in _RELIABLE or kind == "image":
            return refuse(f"it looks like {file_format} but cannot be read ({type(error).__name__})")
        facts = MediaFacts(kind=kind, format=file_format)
    if file_format in _SIZED and not (facts.width and facts.height):
        return refuse(f"it looks like {file_format} but does not state its width and height")
    sys.stdout.write(write_facts(facts))
    return 0


def _picture(path: Path, head: bytes, file_format: str) -> MediaFacts:
    width, height, turned = 0, 0, False
    if file_format == "webp":
        width, height = webp_size(head)
    elif file_format in _HEIFS:
        with path.open("rb") as file:
            width, height, turned = heif_size(reader(file), path.stat().st_size)
    elif file_format in _SIZED:
        from PIL import Image

        # Opening reads only the header; a large image is no danger here, because it is never decoded.
        Image.MAX_IMAGE_PIXELS = None
        with Image.open(path, formats=(file_format.upper(), "MPO")) as picture:
            width, height = picture.size
            # Other formats would have to be decoded for it.
            turned = file_format in ("jpeg", "tiff") and picture.getexif().get(_EXIF_ORIENTATION) in _ROTATED
    return MediaFacts(kind="image", format=file_format, width=width, height=height, turned=turned)


def _stream(path: Path, file_format: str) -> MediaFacts:
    with open_container(path, file_format) as container:
        facts, stream = describe(container, file_format), main_stream(container)
        if READERS[file_format] == "mov":
            facts = _add_index(path, facts, container)
        if file_format == "mp3":
            with path.open("rb") as file:
                file.seek(audio_start(file.read(10)))
                frame = file.read(1024)
            stores_length = any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))
            # At a constant bit rate all frames have one size, give or take one byte of padding.
            packets = () if stores_length else islice(container.demux(stream), 60)
            sizes = [packet.size for packet in packets if packet.size]
            facts = replace(facts, estimated=bool(sizes) and max(sizes) - min(sizes) > 1)
    return facts


def _add_index(path: Path, facts: MediaFacts, container: Any) -> MediaFacts:
    """The facts, corrected by what the boxes of an MP4 or MOV state more exactly than the decoder."""
    with path.open("rb") as file:
        read, end = reader(file), path.stat().st_size
        width, height, turned = track_size(read, end)
        is_fragmented = any(within(read, (b"moov", b"mvex"), 0, end))
        outer = list(boxes(read, 0, end)) if is_fragmented else []
    if is_fragmented:
        # Its index lists no frames: they must be counted, which needs all of them.
        stream, is_whole = main_stream(container), outer[-1].end == end and outer[-1].kind != bytes(4)
        packets = container.demux(stream) if is_whole else ()
        times = [(packet.pts, packet.duration or 0) for packet in packets if packet.pts is not None]
        seconds = seconds_between(times, stream)
        facts = replace(facts, seconds=round(seconds, 3), fps=round(len(times) / seconds, 3) if seconds else 0.0)
    if facts.kind != "video":
        return replace(facts, fps=0.0)
    # The codec knows better than the index, which is all there is if no frame could be read.
    return replace(facts, width=facts.width or width, height=facts.height or height, turned=turned)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
