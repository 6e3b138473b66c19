"""Reads or decodes a media file in a child process with limits, because its bytes are untrusted."""

import io
import math
import sys
import time
import warnings
from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from seedance_nb._media import isobmff
from seedance_nb._media.isobmff import boxes, heif_size, reader, track_size, within
from seedance_nb._media.sandbox import Exit, Limits, limit, refuse, run
from seedance_nb._media.sniff import Kind, MediaFacts, audio_start, read_facts, sniff, webp_size, write_facts

_LIMITS = Limits(memory=2 * 1024**3, cpu_s=20, wall_s=90)
_MOST_PX = 4096 * 2304
_DECODE_S = 10
_MOST_FRAMES = 40
_LONGEST_S = 24 * 3600
_MOST_FPS = 1000
_MOST_SHORT_S = 0.01
_LEAST_S = 0.001
_LEAST_SHOWN = 0.9
_LEAST_LENGTH = 0.75
_DISK = 3
_UNHEARD = "its sound could not be decoded here, so it was not checked"
_WHOLE_LIMITS = Limits(memory=1024**3, cpu_s=15, wall_s=20)
_MOST_PICTURE_PX = 6000 * 6000
_HEAD = 4096
_TAIL = 65_536
_PICTURES = ("jpeg", "png", "webp")
_VIDEOS = ("mp4", "mov", "3gp", "webm", "mkv")
_SOUNDS = ("mp3", "wav", "m4a", "aac", "flac", "ogg")
ENDINGS = {name: f".{name}" for name in (*_VIDEOS, *_PICTURES, *_SOUNDS)} | {"jpeg": ".jpg", "3gp": ".mp4"}
"""The file extensions of the formats that are saved; no other format is."""
PROBE_LIMITS = Limits(memory=1024**3, cpu_s=4, wall_s=5.0)
_LONG_HEAD = 131_072
_EXIF_ORIENTATION = 0x0112
_ROTATED = (5, 6, 7, 8)  # of Exif's eight orientations
_RELIABLE = ("mp4", "mov", "wav", "mp3")
_HEIFS = ("heic", "heif", "avif")
_SIZED = ("webp", *_HEIFS, "jpeg", "png", "gif", "bmp", "tiff")
READERS = {
    "mp4": "mov", "mov": "mov", "m4a": "mov", "3gp": "mov", "wav": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg",
    "ogv": "ogg", "aac": "aac", "amr": "amr", "aiff": "aiff", "webm": "matroska", "mkv": "matroska", "avi": "avi",
    "flv": "flv", "ts": "mpegts", "mpeg": "mpeg", "wmv": "asf",
}  # fmt: skip


def inspect(path: Path, poster: Path | None = None) -> tuple[MediaFacts | None, str]:
    """The facts of an MP4, MOV or WebM, or None and why it is not playable. *reads files*, *writes files*: `poster`, a JPEG. Raises: OSError."""
    kind, name = media_kind(path)
    if kind != "video":
        return None, f"it is {name}, not a video" if kind else name
    if name not in _VIDEOS:
        return None, f"it is {name}, which is not supported"
    if fault := isobmff.boxes_fault(path) if READERS[name] == "mov" else isobmff.elements_fault(path)[0]:
        return None, fault
    if poster:
        poster.unlink(missing_ok=True)
    child = run("seedance_nb._media.inspect", path, poster or "", name, limits=_LIMITS)
    if child.code == _DISK:
        number, _, text = child.answer.partition(" ")
        raise OSError(int(number), text, str(poster))
    facts = read_facts(child.answer) if child.fault or not child.code else None
    if facts is None:
        return None, decode_error(child) if child.code else "the process that reads it returned nothing"
    if min(facts.width, facts.height) > 0 and 0 <= facts.seconds < _LONGEST_S and 0 <= facts.fps < _MOST_FPS:
        return facts, ""
    claim = f"{facts.width} x {facts.height}, {facts.seconds} s, {facts.fps} fps"
    return None, f"its metadata is not plausible: {claim}"


def doubts(facts: MediaFacts, asked_s: float | None) -> list[str]:
    """Why a playable file may be incomplete, each as a clause; `asked_s` seconds were requested. *pure*."""
    found = []
    if asked_s and facts.seconds < _LEAST_LENGTH * asked_s:
        found.append(f"it is {facts.seconds:g} s long instead of the requested {asked_s:g} s")
    # Only what was decoded is there: what a header says of the rest proves nothing.
    if facts.is_open and not (asked_s and facts.seconds - facts.undecoded > asked_s - _MOST_SHORT_S):
        found.append("it does not mark its last fragment, so the end may be missing")
    if facts.damaged:
        found.append(f"{facts.damaged} of its frames were damaged and had to be repaired")
    return found


def unchecked(facts: MediaFacts) -> list[str]:
    """What could not be checked, as clauses. *pure*."""
    late = [f"its last {facts.undecoded:g} s were not checked: decoding took too long"] if facts.undecoded else []
    return [*late, facts.remark] if facts.remark else late


def _main(name: str, poster: str, file_format: str = "mp4") -> int:
    path = Path(name)
    limit(_LIMITS if file_format in _VIDEOS else _WHOLE_LIMITS)
    if file_format not in _VIDEOS:
        return _whole(path, file_format)
    with open_container(path, file_format) as container:
        facts = describe(container, file_format)
        if facts.width * facts.height > _MOST_PX:
            return refuse("its frames are larger than 4096 x 2304")
        number = min(_MOST_FRAMES, math.ceil(facts.fps) or _MOST_FRAMES)  # of the frame about one second into the video
        frames = islice(container.decode(main_stream(container)), number + 1) if facts.kind == "video" else ()
        frame: Any = next(iter(deque(frames, maxlen=1)), None)
        if frame is None:
            return refuse("it has no video frames")
        jpeg = _jpeg(frame)
        is_turned = round(getattr(frame, "rotation", 0) / 90) % 2 == 1
        is_odd = facts.codec == "h264" and frame.format.name not in ("yuv420p", "yuvj420p")
        remark = f"its pixel format {frame.format.name} is not played by every browser" if is_odd else ""
        facts = replace(facts, width=frame.width, height=frame.height, turned=is_turned, remark=remark)
    fault, seconds, count = _read_packets(path, file_format)
    if fault:
        return refuse(fault)
    try:
        if poster:
            with Path(poster).open("xb") as file:
                file.write(jpeg)
    except OSError as error:
        return refuse(f"{error.errno} {error.strerror}", _DISK)
    is_mov = READERS[file_format] == "mov"
    in_parts, is_open = isobmff.fragments(path) if is_mov else (True, isobmff.elements_fault(path)[1])
    facts = replace(facts, size=path.stat().st_size, is_open=is_open)
    if in_parts:
        fps = facts.fps or (round(count / seconds, 3) if seconds else 0.0)
        facts = replace(facts, seconds=round(seconds, 3), fps=fps)
    # The answer if this process is stopped while it decodes.
    sys.stdout.write(write_facts(replace(facts, undecoded=facts.seconds or _LEAST_S)) + "\n")
    sys.stdout.flush()
    fault, checks = _decode(path, file_format, seconds, count)
    if fault:
        return refuse(fault)
    checks["remark"] = "; ".join(one for one in (facts.remark, checks["remark"]) if one)
    sys.stdout.write(write_facts(replace(facts, **checks)))
    return 0


def _read_packets(path: Path, file_format: str) -> tuple[str, float, int]:
    """Why the file is incomplete by its packets, "" if it is not; the seconds and the number of its video packets. *reads files*."""
    # Edit lists would skip packets that are there.
    with open_container(path, file_format, ignore_editlist="1") as container:
        # Older versions of PyAV do not show the sample tables.
        tables = (entry for stream in container.streams for entry in getattr(stream, "index_entries", ()))
        end, size = max((entry.pos + entry.size for entry in tables), default=0), path.stat().st_size
        if end > size:
            return f"it is cut off: {size:,} of {end:,} bytes are there", 0.0, 0
        video, packets = main_stream(container), []
        for packet in container.demux():
            if packet.is_corrupt:
                return "it is cut off in the middle of a frame", 0.0, 0
            if packet.stream.index == video.index and packet.size and packet.pts is not None:
                packets.append((packet.pts, packet.duration or 0))
        fault = "" if packets else "it has no video frames"
        return fault, seconds_between(packets, video), len(packets)


def _decode(path: Path, file_format: str, seconds: float, count: int) -> tuple[str, dict[str, Any]]:
    """Why the `count` frames cannot be decoded, "" if they can; the facts that only decoding tells. *reads files*."""
    from av.error import FFmpegError

    frames, damaged, decoded, begin, left = 0, 0, 0.0, None, 0.0
    cpu, wall = time.process_time() + _DECODE_S, time.monotonic() + 40
    with open_container(path, file_format, ignore_editlist="1") as container:
        video, sounds = main_stream(container), container.streams.audio
        unheard = {stream.index for stream in sounds if stream.codec_context is None}
        for packet in container.demux(video, *(stream for stream in sounds if stream.index not in unheard)):
            if frames < count and (time.process_time() > cpu or time.monotonic() > wall):
                left = max(_LEAST_S, round(seconds - decoded, 3))
                break
            try:
                pictures = packet.decode()
            except FFmpegError:
                if packet.stream.index == video.index:
                    return f"a frame after {decoded:.1f} s is damaged", {}
                unheard.add(packet.stream.index)
                continue
            for frame in pictures if packet.stream.index == video.index else ():
                frames += 1
                damaged += bool(frame.is_corrupt)
                begin = frame.time if begin is None else begin
                decoded = max(decoded, (frame.time or 0.0) - (begin or 0.0))
    is_short = not left and frames < _LEAST_SHOWN * count
    fault = f"only {frames} of its {count} frames can be decoded" if is_short else ""
    return fault, {"damaged": damaged, "undecoded": left, "remark": _UNHEARD if unheard else ""}


def _jpeg(frame: Any) -> bytes:
    data = io.BytesIO()
    picture = upright(frame)
    picture.thumbnail((640, 640))
    picture.save(data, "JPEG", quality=60, optimize=True)
    return data.getvalue()


def media_kind(path: Path) -> tuple[Kind | None, str]:
    """The kind and format of a file by its first bytes; or None and what it is instead. *reads files*. Raises: OSError."""
    with path.open("rb") as file:
        return sniff(file.read(_HEAD))


def whole_fault(path: Path, file_format: str) -> str:
    """Why a file in a format of `ENDINGS` is damaged, "" if it is not. *reads files*. Raises: OSError."""
    if media_kind(path)[0] == "video":
        return inspect(path)[1]
    if _is_cut(path, file_format):
        return "it is cut off"
    child = run("seedance_nb._media.inspect", path, "", file_format, limits=_WHOLE_LIMITS)
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


def _whole(path: Path, file_format: str) -> int:
    if file_format in _PICTURES:
        from PIL import Image

        warnings.simplefilter("error")
        Image.MAX_IMAGE_PIXELS = _MOST_PICTURE_PX  # a larger image is a warning, here an error
        with Image.open(path, formats=(file_format.upper(),)) as picture:
            picture.load()
        return 0
    with open_container(path, file_format) as container:
        packets = [packet for packet in container.demux(container.streams.audio[0]) if packet.size]
    return 1 if not packets or any(packet.is_corrupt for packet in packets) else 0


def probe(path: Path, size: int | None, wall: float = PROBE_LIMITS.wall_s) -> tuple[MediaFacts | None, str]:
    """The facts of a media file of `size` bytes, sparse or whole, or None and why it could not be read. *reads files*: in a child without keys."""
    child = run("seedance_nb._media.inspect", path, limits=replace(PROBE_LIMITS, wall_s=wall))
    if child.code:
        reason = (child.code == 1 and child.reason) or "it cannot be read: the process that reads it crashed"
        return None, f"the process that reads it {child.fault}" if child.fault else reason
    facts = read_facts(child.answer)
    return (replace(facts, size=size), "") if facts else (None, "the process that reads it returned nothing")


def _probe(name: str) -> int:
    limit(PROBE_LIMITS)
    path = Path(name)
    try:
        with path.open("rb") as file:
            head = file.read(_LONG_HEAD)
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


def open_container(path: Path, file_format: str, **options: str) -> Any:
    """The container of a file in a format of `READERS`, a context manager; it opens no other file. *reads files*. Raises: PyAV's errors."""
    import av

    return av.open(str(path), format=READERS[file_format], options={"protocol_whitelist": "file", **options})


def main_stream(container: Any) -> Any:
    """The first video stream that is no cover image, else the first audio stream. *pure*. Raises: IndexError."""
    from av.stream import Disposition

    videos = (stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic)
    return next(videos, None) or container.streams.audio[0]


def upright(frame: Any) -> Any:
    """A decoded frame as an image, turned as the file says that it is displayed. *pure*."""
    image = frame.to_image()
    turn = round(getattr(frame, "rotation", 0) / 90) % 4 * 90
    return image.rotate(turn, expand=True) if turn else image


def describe(container: Any, file_format: str) -> MediaFacts:
    """The facts of a container's video and audio. *pure*: nothing is decoded. Raises: IndexError if it has neither."""
    stream = main_stream(container)
    audio_codec = _codec(container.streams.audio[0]) if container.streams.audio else ""
    seconds = (container.duration or 0) / 1_000_000
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    facts = MediaFacts(kind="audio", format=file_format, seconds=round(seconds, 3), audio=audio_codec)
    if stream.type != "video":
        return facts
    decoder, fps = stream.codec_context, round(float(stream.average_rate or 0), 3)
    width, height = (decoder.width, decoder.height) if decoder else (0, 0)
    return replace(facts, kind="video", width=width, height=height, fps=fps, codec=_codec(stream))


def _codec(stream: Any) -> str:
    # The other facts are readable without a decoder for the codec.
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"


def seconds_between(packets: list[tuple[int, int]], stream: Any) -> float:
    """The seconds from the begin of the first packet to the end of the last, by their times and durations in ticks. *pure*."""
    if not packets:
        return 0.0
    begin, (last, length) = min(packets)[0], max(packets)
    length = length or (last - begin) // max(1, len(packets) - 1)
    return float((last + length - begin) * stream.time_base)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:4]) if len(sys.argv) > 2 else _probe(sys.argv[1]))  # noqa: PLR2004
