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
from seedance_nb._media.sandbox import Exit, Limits, refuse, run
from seedance_nb._media.sniff import FORMATS, Kind, MediaFacts, audio_start, header_size, read_facts, sniff, write_facts

_LIMITS = Limits(memory=2 * 1024**3, cpu_s=20, wall_s=90)
_DECODE_S, _MOST_FPS, _LEAST_S, _DISK = 10, 1000, 0.001, 3
_WHOLE_LIMITS = Limits(memory=1024**3, cpu_s=15, wall_s=20)
ENDINGS = {name: one["ending"] for name, one in FORMATS.items() if "ending" in one}  # no other format is saved
PROBE_LIMITS = Limits(memory=1024**3, cpu_s=4, wall_s=5.0)
_NOTHING = "the process that reads it returned nothing"


def inspect(path: Path, poster: Path | None = None) -> tuple[MediaFacts | None, str]:
    """The facts of an MP4, MOV or WebM, or None and why it is not playable. *reads files*, *writes files*: `poster`, a JPEG. Raises: OSError."""
    kind, name = media_kind(path)
    if kind != "video":
        return None, f"it is {name}, not a video" if kind else name
    if name not in ENDINGS:
        return None, f"it is {name}, which is not supported"
    if fault := isobmff.boxes_fault(path) if FORMATS[name]["reader"] == "mov" else isobmff.segment_fault(path)[0]:
        return None, fault
    if poster:
        poster.unlink(missing_ok=True)
    child = run(f"{__name__}:decode", path, poster or "", name, limits=_LIMITS)
    if child.code == _DISK:
        number, _, text = child.answer.partition(" ")
        raise OSError(int(number), text, str(poster))
    facts = read_facts(child.answer) if child.fault or not child.code else None
    if facts is None:
        return None, decode_error(child) or _NOTHING
    if min(facts.width, facts.height) > 0 and 0 <= facts.seconds < 24 * 3600 and 0 <= facts.fps < _MOST_FPS:
        return facts, ""
    claim = f"{facts.width} x {facts.height}, {facts.seconds} s, {facts.fps} fps"
    return None, f"its metadata is not plausible: {claim}"


def doubts(facts: MediaFacts, asked_s: float | None) -> list[str]:
    """Why a playable file may be incomplete, each as a clause; `asked_s` seconds were requested. *pure*."""
    found = []
    if asked_s and facts.seconds < 0.75 * asked_s:
        found.append(f"it is {facts.seconds:g} s long instead of the requested {asked_s:g} s")
    # Only what was decoded is there: what a header says of the rest proves nothing.
    if facts.is_open and not (asked_s and facts.seconds - facts.undecoded > asked_s - 0.01):
        found.append("it does not mark its last fragment, so the end may be missing")
    if facts.damaged:
        found.append(f"{facts.damaged} of its frames were damaged and had to be repaired")
    return found


def unchecked(facts: MediaFacts) -> list[str]:
    late = [f"its last {facts.undecoded:g} s were not checked: decoding took too long"] if facts.undecoded else []
    return [*late, facts.remark] if facts.remark else late


def decode(name: str, poster: str, file_format: str) -> str:
    """The facts of a video as JSON, and its poster; refuses one that is not whole. *reads files*, *writes files*."""
    path = Path(name)
    with open_container(path, file_format) as container:
        facts = describe(container, file_format)
        if facts.width * facts.height > 4096 * 2304:
            refuse("its frames are larger than 4096 x 2304")
        number = min(40, math.ceil(facts.fps) or 40)  # of the frame about one second into the video
        frames = islice(container.decode(main_stream(container)), number + 1) if facts.kind == "video" else ()
        frame: Any = next(iter(deque(frames, maxlen=1)), None) or refuse("it has no video frames")
        jpeg, picture = io.BytesIO(), upright(frame)
        picture.thumbnail((640, 640))
        picture.save(jpeg, "JPEG", quality=60, optimize=True)
        is_turned = round(getattr(frame, "rotation", 0) / 90) % 2 == 1
        is_odd = facts.codec == "h264" and frame.format.name not in ("yuv420p", "yuvj420p")
        remark = f"its pixel format {frame.format.name} is not played by every browser" if is_odd else ""
        facts = replace(facts, width=frame.width, height=frame.height, turned=is_turned, remark=remark)
    seconds, count = _read_packets(path, file_format)
    try:
        if poster:
            with Path(poster).open("xb") as file:
                file.write(jpeg.getvalue())
    except OSError as error:
        refuse(f"{error.errno} {error.strerror}", _DISK)
    is_mov = FORMATS[file_format]["reader"] == "mov"
    in_parts, is_open = isobmff.fragments(path) if is_mov else (True, isobmff.segment_fault(path)[1])
    facts = replace(facts, size=path.stat().st_size, is_open=is_open)
    if in_parts:
        fps = facts.fps or (round(count / seconds, 3) if seconds else 0.0)
        facts = replace(facts, seconds=round(seconds, 3), fps=fps)
    # The answer if this process is stopped while it decodes.
    sys.stdout.write(write_facts(replace(facts, undecoded=facts.seconds or _LEAST_S)) + "\n")
    sys.stdout.flush()
    return write_facts(_decode(path, facts, seconds, count))


def _read_packets(path: Path, file_format: str) -> tuple[float, int]:
    """The seconds and the number of the video packets; refuses a file that is incomplete by its packets. *reads files*."""
    # Edit lists would skip packets that are there.
    with open_container(path, file_format, ignore_editlist="1") as container:
        # Older versions of PyAV do not show the sample tables.
        tables = (entry for stream in container.streams for entry in getattr(stream, "index_entries", ()))
        end, size = max((entry.pos + entry.size for entry in tables), default=0), path.stat().st_size
        if end > size:
            refuse(f"it is cut off: {size:,} of {end:,} bytes are there")
        video, packets = main_stream(container), []
        for packet in container.demux():
            if packet.is_corrupt:
                refuse("it is cut off in the middle of a frame")
            if packet.stream.index == video.index and packet.size and packet.pts is not None:
                packets.append((packet.pts, packet.duration or 0))
        return seconds_between(packets, video), len(packets) or refuse("it has no video frames")


def _decode(path: Path, facts: MediaFacts, seconds: float, count: int) -> MediaFacts:
    """The facts and what only decoding tells; refuses a file whose `count` frames cannot be decoded. *reads files*."""
    from av.error import FFmpegError

    frames, damaged, decoded, begin, left = 0, 0, 0.0, None, 0.0
    cpu, wall = time.process_time() + _DECODE_S, time.monotonic() + 40
    with open_container(path, facts.format, ignore_editlist="1") as container:
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
                    refuse(f"a frame after {decoded:.1f} s is damaged")
                unheard.add(packet.stream.index)
                continue
            for frame in pictures if packet.stream.index == video.index else ():
                frames += 1
                damaged += bool(frame.is_corrupt)
                begin = frame.time if begin is None else begin
                decoded = max(decoded, (frame.time or 0.0) - (begin or 0.0))
    if not left and frames < 0.9 * count:
        refuse(f"only {frames} of its {count} frames can be decoded")
    remarks = [facts.remark, "its sound could not be decoded here, so it was not checked" if unheard else ""]
    return replace(facts, damaged=damaged, undecoded=left, remark="; ".join(filter(None, remarks)))


def media_kind(path: Path) -> tuple[Kind | None, str]:
    """The kind and format of a file by its first bytes; or None and what it is instead. *reads files*. Raises: OSError."""
    with path.open("rb") as file:
        return sniff(file.read(4096))


def whole_fault(path: Path, file_format: str) -> str:
    """Why a file in a format of `ENDINGS` is damaged, "" if it is not. *reads files*. Raises: OSError."""
    if media_kind(path)[0] == "video":
        return inspect(path)[1]
    size = path.stat().st_size  # decoders accept a missing end, so the markers at the end are checked
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(max(0, size - 65_536))
        tail = file.read()
    is_cut = file_format in ("webp", "wav") and head[:4] == b"RIFF" and size < 8 + int.from_bytes(head[4:8], "little")
    if is_cut or {"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}.get(file_format, b"") not in tail:
        return "it is cut off"
    return decode_error(run(f"{__name__}:decode_whole", path, file_format, limits=_WHOLE_LIMITS))


def decode_error(child: Exit) -> str:
    return child.problem if child.fault or not child.code else f"it cannot be decoded ({child.problem})"


def decode_whole(name: str, file_format: str) -> str:
    """Refuses an image or audio file that cannot be decoded. *reads files*."""
    path = Path(name)
    if FORMATS[file_format]["kind"] == "image":
        from PIL import Image

        warnings.simplefilter("error")
        Image.MAX_IMAGE_PIXELS = 6000 * 6000  # a larger image is a warning, here an error
        with Image.open(path, formats=(file_format.upper(),)) as picture:
            picture.load()
        return ""
    with open_container(path, file_format) as container:
        packets = [packet for packet in container.demux(container.streams.audio[0]) if packet.size]
    return "" if packets and not any(packet.is_corrupt for packet in packets) else refuse("a part is damaged")


def probe(path: Path, size: int | None, wall: float = PROBE_LIMITS.wall_s) -> tuple[MediaFacts | None, str]:
    """The facts of a media file of `size` bytes, sparse or whole, or None and why it could not be read. *reads files*: in a child without keys."""
    child = run(f"{__name__}:read_header", path, limits=replace(PROBE_LIMITS, wall_s=wall))
    facts = None if child.code else read_facts(child.answer)
    return (replace(facts, size=size), "") if facts else (None, child.problem or _NOTHING)


def read_header(name: str) -> str:
    """The facts of a file as JSON, by its header alone; refuses what is no media file. *reads files*."""
    path = Path(name)
    try:
        with path.open("rb") as file:
            head = file.read(131_072)
    except OSError as error:
        refuse(f"it cannot be opened ({error.strerror})")
    kind, file_format = sniff(head)
    if kind is None:
        refuse(file_format)  # here, what it is instead
    try:
        facts = _picture(path, head, file_format) if kind == "image" else _stream(path, file_format)
    except Exception as error:  # noqa: BLE001  # whatever a hostile file causes, it is only not read
        if file_format in ("mp4", "mov", "wav", "mp3") or kind == "image":
            refuse(f"it looks like {file_format} but cannot be read ({type(error).__name__})")
        facts = MediaFacts(kind=kind, format=file_format)
    if "size" in FORMATS[file_format] and not (facts.width and facts.height):
        refuse(f"it looks like {file_format} but does not state its width and height")
    return write_facts(facts)


def _picture(path: Path, head: bytes, file_format: str) -> MediaFacts:
    width, height, turned, source = 0, 0, False, FORMATS[file_format].get("size")
    if source == "header":
        width, height = header_size(head)
    elif source == "boxes":
        with path.open("rb") as file:
            width, height, turned = heif_size(reader(file), path.stat().st_size)
    elif source:
        from PIL import ExifTags, Image

        Image.MAX_IMAGE_PIXELS = None  # only the header is read: a large image, never decoded, is no danger here
        with Image.open(path, formats=(file_format.upper(), "MPO")) as picture:
            width, height = picture.size
            # Other formats would have to be decoded for it. Of the eight orientations, the last four are on the side.
            is_known = file_format in ("jpeg", "tiff")
            turned = is_known and picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return MediaFacts(kind="image", format=file_format, width=width, height=height, turned=turned)


def _stream(path: Path, file_format: str) -> MediaFacts:
    with open_container(path, file_format) as container, path.open("rb") as file:
        facts, stream = describe(container, file_format), main_stream(container)
        if file_format == "mp3":
            file.seek(audio_start(file.read(10)))
            frame = file.read(1024)
            stores_length = any(tag in frame for tag in (b"Xing", b"Info", b"VBRI"))
            # At a constant bit rate all frames have one size, give or take one byte of padding.
            packets = () if stores_length else islice(container.demux(stream), 60)
            sizes = [packet.size for packet in packets if packet.size]
            return replace(facts, estimated=bool(sizes) and max(sizes) - min(sizes) > 1)
        if FORMATS[file_format]["reader"] != "mov":
            return facts
        read, end = reader(file), path.stat().st_size  # its boxes state some facts more exactly than the decoder
        if any(within(read, (b"moov", b"mvex"), 0, end)):
            *_, last = boxes(read, 0, end)  # its index lists no frames: they must be counted, which needs all of them
            packets = container.demux(stream) if last.end == end and last.kind != bytes(4) else ()
            times = [(packet.pts, packet.duration or 0) for packet in packets if packet.pts is not None]
            seconds = seconds_between(times, stream)
            facts = replace(facts, seconds=round(seconds, 3), fps=round(len(times) / seconds, 3) if seconds else 0.0)
        if facts.kind != "video":
            return replace(facts, fps=0.0)
        width, height, turned = track_size(read, end)
        # The codec knows better than the index, which is all there is if no frame could be read.
        return replace(facts, width=facts.width or width, height=facts.height or height, turned=turned)


def open_container(path: Path, file_format: str, **options: str) -> Any:
    """The container of a file with a `reader` in `FORMATS`, a context manager; it opens no other file. *reads files*. Raises: PyAV's errors."""
    import av

    return av.open(str(path), format=FORMATS[file_format]["reader"], options={"protocol_whitelist": "file", **options})


def main_stream(container: Any) -> Any:
    """The first video stream that is no cover image, else the first audio stream. *pure*. Raises: IndexError."""
    from av.stream import Disposition

    videos = (stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic)
    return next(videos, None) or container.streams.audio[0]


def upright(frame: Any) -> Any:
    """A decoded frame as an image, turned as the file says that it is displayed. *pure*."""
    image, turn = frame.to_image(), round(getattr(frame, "rotation", 0) / 90) % 4 * 90
    return image.rotate(turn, expand=True) if turn else image


def describe(container: Any, file_format: str) -> MediaFacts:
    """The facts of a container's video and audio. *pure*: nothing is decoded. Raises: IndexError if it has neither."""
    stream = main_stream(container)
    coders = {one.type: one.codec_context for one in (stream, *container.streams.audio[:1])}  # None without a decoder
    codecs = {kind: str(one.codec.canonical_name) if one else "unknown" for kind, one in coders.items()}
    seconds = (container.duration or 0) / 1_000_000
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    facts = MediaFacts(kind="audio", format=file_format, seconds=round(seconds, 3), audio=codecs.get("audio", ""))
    if stream.type != "video":
        return facts
    decoder, fps = stream.codec_context, round(float(stream.average_rate or 0), 3)
    width, height = (decoder.width, decoder.height) if decoder else (0, 0)
    return replace(facts, kind="video", width=width, height=height, fps=fps, codec=codecs["video"])


def seconds_between(packets: list[tuple[int, int]], stream: Any) -> float:
    """The seconds from the begin of the first packet to the end of the last, by their times and durations in ticks. *pure*."""
    if not packets:
        return 0.0
    begin, (last, length) = min(packets)[0], max(packets)
    length = length or (last - begin) // max(1, len(packets) - 1)
    return float((last + length - begin) * stream.time_base)
