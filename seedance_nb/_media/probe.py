"""Facts from the bytes of a picture, a video or a sound, read in a child process with limits: the bytes are not ours."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from seedance_nb._media.isobmff import boxes, heif_size, reading, track_size, within
from seedance_nb._media.sandbox import limit, quiet
from seedance_nb._media.sniff import Kind, after_tag, sign, webp_size

_WALL_S = 5.0
_CPU_S = 4
_MEMORY = 1024**3
_HEAD = 131_072
_SIDEWAYS = (5, 6, 7, 8)  # of Exif's eight orientations
_EXIF_ORIENTATION = 0x0112
_FRAMES_TO_COMPARE = 60
_READERS = {
    "mp4": "mov", "mov": "mov", "m4a": "mov", "3gp": "mov", "wav": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg",
    "ogv": "ogg", "aac": "aac", "amr": "amr", "aiff": "aiff", "webm": "matroska", "mkv": "matroska", "avi": "avi",
    "flv": "flv", "ts": "mpegts", "mpeg": "mpeg", "wmv": "asf",
}  # fmt: skip
_SURE = ("mp4", "mov", "wav", "mp3")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFacts:
    """What a media file holds: `size` in bytes, `width` and `height` in px as stored, `seconds`, frames per second.

    0 and None stand for what it does not have or what could not be read. `format` is written as documents do (jpeg, mp4,
    wav); `audio` is the codec of its sound. `turned` says that it is shown turned by a quarter, `estimated` that `seconds`
    is only reckoned from size and bit rate.
    """

    kind: Kind
    format: str
    size: int | None
    width: int = 0
    height: int = 0
    seconds: float | None = None
    fps: float | None = None
    audio: str = ""
    turned: bool = False
    estimated: bool = False


def probe(path: Path, size: int | None, wall: float = _WALL_S) -> tuple[MediaFacts | None, str]:
    """The facts of a media file, or None and why it could not be read. *reads files*.

    `size` is the whole size in bytes, None if it is not known: of a larger file only the parts that are needed may be at
    their places, zeros elsewhere. The work is done by a child process with bounds on memory, processor time and wall
    time (`wall`, in seconds); it is not told the environment, where keys may be.
    """
    path = path.absolute()
    command = [sys.executable, "-P", "-m", "seedance_nb._media.probe", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=wall, check=False, env=quiet())  # noqa: S603
    except subprocess.TimeoutExpired:
        return None, f"looking into it took longer than {wall:.1f} s"
    except OSError as error:
        return None, f"the process that looks into it could not be started ({error.strerror})"
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return None, lines[-1][:200] if lines and done.returncode == 1 else "it cannot be read: its reader ended"
    try:
        return MediaFacts(**json.loads(done.stdout), size=size), ""
    except (ValueError, TypeError):
        return None, "the process that looks into it gave no facts"


def _main(name: str) -> int:
    limit(_MEMORY, _CPU_S)
    path = Path(name)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        sys.stderr.write(f"it cannot be opened ({error.strerror})")
        return 1
    kind, word = sign(head)
    if kind is None:
        sys.stderr.write(word)
        return 1
    try:
        facts = _picture(path, head, word) if kind == "image" else _stream(path, word)
    except Exception as error:  # noqa: BLE001  # whatever a hostile file brings about, it is only not read
        if word in _SURE or kind == "image":
            sys.stderr.write(f"it begins like {word} and cannot be read further ({type(error).__name__})")
            return 1
        facts = MediaFacts(kind=kind, format=word, size=None)
    made = asdict(facts)
    del made["size"]
    sys.stdout.write(json.dumps(made))
    return 0


def _picture(path: Path, head: bytes, word: str) -> MediaFacts:
    if word == "webp":
        width, height = webp_size(head)
        turned = False
    elif word in ("heic", "heif", "avif"):
        with path.open("rb") as file:
            width, height, turned = heif_size(reading(file), path.stat().st_size)
    elif word in ("jpeg", "png", "gif", "bmp", "tiff"):
        width, height, turned = _opened(path, word)
    else:
        return MediaFacts(kind="image", format=word, size=None)
    if not (width and height):
        sys.stderr.write(f"it begins like {word} and does not say how large it is")
        sys.exit(1)
    return MediaFacts(kind="image", format=word, size=None, width=width, height=height, turned=turned)


def _opened(path: Path, word: str) -> tuple[int, int, bool]:
    from PIL import Image

    # Opening reads the header only; a large picture is a fact here and no danger, for it is never decoded.
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path, formats=(word.upper(), "MPO") if word == "jpeg" else (word.upper(),)) as picture:
        # Other formats would be decoded to look for it.
        turns = picture.getexif().get(_EXIF_ORIENTATION) if word in ("jpeg", "tiff") else None
        return picture.width, picture.height, turns in _SIDEWAYS


def _stream(path: Path, word: str) -> MediaFacts:
    import av
    import av.stream

    is_streamed = is_whole = turned = False
    width = height = 0
    if _READERS[word] == "mov":
        with path.open("rb") as file:
            read, end = reading(file), path.stat().st_size
            is_streamed = any(within(read, (b"moov", b"mvex"), 0, end))
            outer = list(boxes(read, 0, end)) if is_streamed else []
            is_whole = bool(outer) and outer[-1].end == end and outer[-1].kind != bytes(4)
            width, height, turned = track_size(read, end)
    with av.open(str(path), format=_READERS[word], options={"protocol_whitelist": "file"}) as container:
        sound = container.streams.audio[0].codec_context.codec.canonical_name if container.streams.audio else ""
        pictures = [
            stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic
        ]
        stream: Any = pictures[0] if pictures else container.streams.audio[0]
        seconds: float | None = (container.duration or 0) / 1_000_000
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        rate = float(stream.average_rate or 0) if pictures else 0.0
        if is_streamed:
            # Its index names no frames: only a walk over all of them tells, and only if they are all there.
            seconds, rate = _counted(container, stream) if is_whole else (None, 0.0)
        estimated = word == "mp3" and not _says_length(path) and not _is_even(container, stream)
        if pictures and stream.codec_context.width:
            # What the codec says goes before what the index says, which is all there is where no frame could be read.
            width, height = stream.codec_context.width, stream.codec_context.height
        made = MediaFacts(kind="audio", format=word, size=None, audio=sound, estimated=estimated,
                          seconds=round(seconds, 3) if seconds else None)  # fmt: skip
    if not pictures:
        return made
    return replace(made, kind="video", width=width, height=height, fps=round(rate, 3) or None, turned=turned)


def _counted(container: Any, stream: Any) -> tuple[float | None, float]:
    times = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None]
    if not times:
        return None, 0.0
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
