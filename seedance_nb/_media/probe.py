"""Facts from the bytes of a picture, a video or a sound, read in a child process with limits: the bytes are not ours."""

import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from seedance_nb._media.container import READERS, describe, main_stream, open_container
from seedance_nb._media.facts import MediaFacts, read_facts, write_facts
from seedance_nb._media.isobmff import boxes, heif_size, reader, track_size, within
from seedance_nb._media.sandbox import Limits, limit, refuse, run
from seedance_nb._media.sniff import after_tag, sniff, webp_size

LIMITS = Limits(memory=1024**3, cpu_s=4, wall_s=5.0)
_HEAD = 131_072
_SIDEWAYS = (5, 6, 7, 8)  # of Exif's eight orientations
_EXIF_ORIENTATION = 0x0112
_FRAMES_TO_COMPARE = 60
_SURE = ("mp4", "mov", "wav", "mp3")
_HEIFS = ("heic", "heif", "avif")
_MEASURED = ("webp", *_HEIFS, "jpeg", "png", "gif", "bmp", "tiff")


def probe(path: Path, size: int | None, wall: float = LIMITS.wall_s) -> tuple[MediaFacts | None, str]:
    """The facts of a media file, or None and why it could not be read. *reads files*.

    `size` is the whole size in bytes, None if it is not known: of a larger file only the parts that are needed may be at
    their places, zeros elsewhere. The work is done by a child process with bounds on memory, processor time and wall
    time (`wall`, in seconds); it is not told the environment, where keys may be.
    """
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
    kind, word = sniff(head)
    if kind is None:
        return refuse(word)
    try:
        facts = _picture(path, head, word) if kind == "image" else _stream(path, word)
    except Exception as error:  # noqa: BLE001  # whatever a hostile file brings about, it is only not read
        if word in _SURE or kind == "image":
            return refuse(f"it looks like {word} but cannot be read ({type(error).__name__})")
        facts = MediaFacts(kind=kind, format=word)
    if word in _MEASURED and not (facts.width and facts.height):
        return refuse(f"it looks like {word} but does not state its width and height")
    sys.stdout.write(write_facts(facts))
    return 0


def _picture(path: Path, head: bytes, word: str) -> MediaFacts:
    width, height, turned = 0, 0, False
    if word == "webp":
        width, height = webp_size(head)
    elif word in _HEIFS:
        with path.open("rb") as file:
            width, height, turned = heif_size(reader(file), path.stat().st_size)
    elif word in _MEASURED:
        width, height, turned = _header(path, word)
    return MediaFacts(kind="image", format=word, width=width, height=height, turned=turned)


def _header(path: Path, word: str) -> tuple[int, int, bool]:
    from PIL import Image

    # Opening reads the header only; a large picture is a fact here and no danger, for it is never decoded.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=(word.upper(), "MPO") if word == "jpeg" else (word.upper(),)) as picture:
        # Other formats would be decoded to look for it.
        turns = picture.getexif().get(_EXIF_ORIENTATION) if word in ("jpeg", "tiff") else None
        return picture.width, picture.height, turns in _SIDEWAYS


def _stream(path: Path, word: str) -> MediaFacts:
    with open_container(path, word) as container:
        facts, stream = describe(container, word), main_stream(container)
        if READERS[word] == "mov":
            facts = _add_index(path, facts, container)
        if word == "mp3" and not _says_length(path):
            facts = replace(facts, estimated=not _is_even(container, stream))
    return facts


def _add_index(path: Path, facts: MediaFacts, container: Any) -> MediaFacts:
    """The facts with what the boxes of an MP4 or MOV say better than its reader."""
    with path.open("rb") as file:
        read, end = reader(file), path.stat().st_size
        width, height, turned = track_size(read, end)
        is_streamed = any(within(read, (b"moov", b"mvex"), 0, end))
        outer = list(boxes(read, 0, end)) if is_streamed else []
    if is_streamed:
        # Its index names no frames: only a walk over all of them tells, and only if they are all there.
        is_whole = outer[-1].end == end and outer[-1].kind != bytes(4)
        seconds, fps = _measure(container) if is_whole else (0.0, 0.0)
        facts = replace(facts, seconds=round(seconds, 3), fps=round(fps, 3))
    if facts.kind != "video":
        return replace(facts, fps=0.0)
    # What the codec says goes before what the index says, which is all there is where no frame could be read.
    return replace(facts, width=facts.width or width, height=facts.height or height, turned=turned)


def _measure(container: Any) -> tuple[float, float]:
    """The length in seconds and the frames per second of a video by its packets."""
    stream = main_stream(container)
    times = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None]
    if not times:
        return 0.0, 0.0
    ticks = max(at + length for at, length in times) - min(at for at, _ in times)
    seconds = float(ticks * stream.time_base)
    return seconds, len(times) / seconds if seconds else 0.0


def _says_length(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(after_tag(file.read(10)))
        frame = file.read(1024)
    return any(word in frame for word in (b"Xing", b"Info", b"VBRI"))


def _is_even(container: Any, stream: Any) -> bool:
    # At a constant bit rate the frames are equally long but for one byte of padding.
    packets = islice(container.demux(stream), _FRAMES_TO_COMPARE)
    sizes = [packet.size for packet in packets if packet.size]
    return not sizes or max(sizes) - min(sizes) <= 1


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
