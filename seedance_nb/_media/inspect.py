"""Decodes a downloaded video in a child process with limits, because its bytes are untrusted."""

import io
import math
import sys
import time
from collections import deque
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from seedance_nb._media import ebml, isobmff
from seedance_nb._media.container import READERS, describe, main_stream, open_container, seconds_between, upright
from seedance_nb._media.facts import MediaFacts, read_facts, write_facts
from seedance_nb._media.integrity import decode_error, media_kind
from seedance_nb._media.sandbox import Limits, limit, refuse, run

_LIMITS = Limits(memory=2 * 1024**3, cpu_s=20, wall_s=90)
_MOST_PX = 4096 * 2304
_DECODE_S = 10
_DECODE_WALL_S = 40
_POSTER_AT_S = 1.0
_POSTER_WIDTH = 640
_MOST_FRAMES = 40
_LONGEST_S = 24 * 3600
_MOST_FPS = 1000
_MOST_SHORT_S = 0.01
_LEAST_S = 0.001
_LEAST_SHOWN = 0.9
_LEAST_LENGTH = 0.75
_DISK = 3
_UNHEARD = "its sound could not be decoded here, so it was not checked"


def inspect(path: Path, poster: Path) -> tuple[MediaFacts | None, str]:
    """The facts of an MP4, MOV or WebM, or None and why it is not playable. *reads files*, *writes files*: `poster`, a JPEG. Raises: OSError."""
    kind, name = media_kind(path)
    if kind != "video":
        return None, f"it is {name}, not a video" if kind else name
    if READERS[name] not in ("mov", "matroska"):
        return None, f"it is {name}, which is not supported"
    if fault := isobmff.boxes_fault(path) if READERS[name] == "mov" else ebml.elements_fault(path)[0]:
        return None, fault
    poster.unlink(missing_ok=True)
    child = run("seedance_nb._media.inspect", path, poster, name, limits=_LIMITS)
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
    limit(_LIMITS)
    path = Path(name)
    with open_container(path, file_format) as container:
        facts = describe(container, file_format)
        if facts.width * facts.height > _MOST_PX:
            return refuse("its frames are larger than 4096 x 2304")
        frame = _poster_frame(container, facts) if facts.kind == "video" else None
        if frame is None:
            return refuse("it has no video frames")
        jpeg = _jpeg(frame)
        is_turned = round(getattr(frame, "rotation", 0) / 90) % 2 == 1
        remark = _format_remark(frame, facts.codec)
        facts = replace(facts, width=frame.width, height=frame.height, turned=is_turned, remark=remark)
    fault, seconds, count = _read_packets(path, file_format)
    if fault:
        return refuse(fault)
    try:
        with Path(poster).open("xb") as file:
            file.write(jpeg)
    except OSError as error:
        return refuse(f"{error.errno} {error.strerror}", _DISK)
    is_webm = READERS[file_format] == "matroska"
    is_open = ebml.elements_fault(path)[1] if is_webm else isobmff.is_open(path)
    facts = replace(facts, size=path.stat().st_size, is_open=is_open)
    if is_webm or isobmff.is_fragmented(path):
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


def _format_remark(frame: Any, codec: str) -> str:
    """A clause about a pixel format of H.264 that some browsers do not play, "" for the usual one."""
    name = str(frame.format.name)
    is_usual = codec != "h264" or name in ("yuv420p", "yuvj420p")
    return "" if is_usual else f"its pixel format {name} is not played by every browser"


def _poster_frame(container: Any, facts: MediaFacts) -> Any:
    """The frame about one second into a video, or its last before that; None without frames."""
    number = min(_MOST_FRAMES, math.ceil(facts.fps * _POSTER_AT_S) or _MOST_FRAMES)
    frames = islice(container.decode(main_stream(container)), number + 1)
    return next(iter(deque(frames, maxlen=1)), None)


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
    cpu, wall = time.process_time() + _DECODE_S, time.monotonic() + _DECODE_WALL_S
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
    picture.thumbnail((_POSTER_WIDTH, _POSTER_WIDTH))
    picture.save(data, "JPEG", quality=60, optimize=True)
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:4]))
