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

from seedance_nb._media.container import describe, main_stream, open_container
from seedance_nb._media.facts import MediaFacts, read_facts, write_facts
from seedance_nb._media.isobmff import boxes_fault, is_open
from seedance_nb._media.sandbox import Exit, Limits, limit, refuse, run

_LIMITS = Limits(memory=2 * 1024**3, cpu_s=20, wall_s=40)
_FORMAT = "mp4"
_MOST_PX = 4096 * 2304
_DECODE_S = 10
_DECODE_WALL_S = 20
_POSTER_AT_S = 1.0
_POSTER_WIDTH = 640
_MOST_FRAMES = 40
_LONGEST_S = 24 * 3600
_MOST_FPS = 1000
_MOST_SHORT_S = 0.25
_MOST_SHORT = 0.05
_LEAST_SHOWN = 0.9
_LEAST_LENGTH = 0.75
_DISK = 3


def inspect(path: Path, poster: Path) -> tuple[MediaFacts | None, str]:
    """The facts of an MP4, or None and why it is not playable. *reads files*, *writes files*: `poster`, a JPEG.

    Every frame is decoded, for at most 10 s of processor time (15 s of 1080p take 1 to 3); audio is read, not decoded. A
    child process does it, with limits on memory, processor time and wall time. Raises: OSError if the poster cannot be
    written.
    """
    fault = boxes_fault(path)
    if fault:
        return None, fault
    poster.unlink(missing_ok=True)
    child = run("seedance_nb._media.inspect", path, poster, limits=_LIMITS)
    if child.code == _DISK:
        number, _, text = child.answer.partition(" ")
        raise OSError(int(number), text, str(poster))
    if child.code:
        return None, decode_error(child)
    facts = read_facts(child.answer)
    if facts is None:
        return None, "the process that reads it returned nothing"
    if min(facts.width, facts.height) > 0 and 0 <= facts.seconds < _LONGEST_S and 0 <= facts.fps < _MOST_FPS:
        return facts, ""
    claim = f"{facts.width} x {facts.height}, {facts.seconds} s, {facts.fps} fps"
    return None, f"its metadata is not plausible: {claim}"


def decode_error(child: Exit) -> str:
    """Why a child could not decode a file, as a clause. *pure*."""
    reason = f"it cannot be decoded ({child.reason or 'the decoder crashed'})"
    return f"the process that reads it {child.fault}" if child.fault else reason


def doubts(facts: MediaFacts, asked_s: float | None) -> list[str]:
    """Why a playable file may be incomplete, each as a clause; `asked_s` seconds were requested. *pure*."""
    found = []
    if asked_s and facts.seconds < _LEAST_LENGTH * asked_s:
        found.append(f"it is {facts.seconds:g} s long instead of the requested {asked_s:g} s")
    if facts.is_open and not (asked_s and facts.seconds > asked_s - _MOST_SHORT_S):
        found.append("it does not mark its last fragment, so the end may be missing")
    if facts.damaged:
        found.append(f"{facts.damaged} of its frames were damaged and had to be repaired")
    return found


def unchecked(facts: MediaFacts) -> list[str]:
    """What could not be checked, as a clause. *pure*."""
    return [f"its last {facts.undecoded:g} s were not checked: decoding took too long"] if facts.undecoded else []


def _main(name: str, poster: str) -> int:
    limit(_LIMITS)
    path = Path(name)
    with open_container(path, _FORMAT) as container:
        facts = describe(container, _FORMAT)
        if facts.width * facts.height > _MOST_PX:
            return refuse("its frames are larger than 4096 x 2304")
        frame = _poster_frame(container, facts) if facts.kind == "video" else None
        if frame is None:
            return refuse("it has no video frames")
        jpeg = _jpeg(frame)
        facts = replace(facts, width=frame.width, height=frame.height)
    decoding = _Decoding()
    if fault := decoding.fault(path):
        return refuse(fault)
    try:
        with Path(poster).open("xb") as file:
            file.write(jpeg)
    except OSError as error:
        return refuse(f"{error.errno} {error.strerror}", _DISK)
    left = 0.0 if decoding.has_time else max(0.0, round(facts.seconds - decoding.seconds, 3))
    facts = replace(facts, size=path.stat().st_size, is_open=is_open(path), damaged=decoding.damaged, undecoded=left)
    sys.stdout.write(write_facts(facts))
    return 0


def _poster_frame(container: Any, facts: MediaFacts) -> Any:
    """The frame about one second into a video, or its last before that; None without frames."""
    number = min(_MOST_FRAMES, math.ceil(facts.fps * _POSTER_AT_S) or _MOST_FRAMES)
    frames = islice(container.decode(main_stream(container)), number + 1)
    return next(iter(deque(frames, maxlen=1)), None)


class _Decoding:
    """One pass over every packet of a file; frames are decoded as long as there is time."""

    def __init__(self) -> None:
        self.has_time, self.seconds, self.damaged, self._frames = True, 0.0, 0, 0
        self._until = time.process_time() + _DECODE_S, time.monotonic() + _DECODE_WALL_S

    def fault(self, path: Path) -> str:
        """Why the file is incomplete or cannot be decoded, "" if it is whole. *reads files*."""
        from av.error import FFmpegError

        # Edit lists would skip packets that are there.
        with open_container(path, _FORMAT, ignore_editlist="1") as container:
            video = main_stream(container).index
            expected = {stream.index: stream.frames for stream in container.streams}
            found = dict.fromkeys(expected, 0)
            end = 0.0
            for packet in container.demux():
                if packet.is_corrupt:
                    return "it is cut off in the middle of a frame"
                found[packet.stream.index] += 1 if packet.size else 0
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                try:
                    self._decode(packet if packet.stream.index == video else None)
                except FFmpegError:
                    return f"a frame after {self.seconds:.1f} s is damaged"
            length = (container.duration or 0) / 1_000_000
        missing = {index: count for index, count in expected.items() if found[index] < count}
        if missing:
            return f"it is cut off: {sum(found[index] for index in missing)} of {sum(missing.values())} video and audio frames are there"
        if self.has_time and self._frames < _LEAST_SHOWN * found[video]:
            return f"only {self._frames} of its {found[video]} frames can be decoded"
        # A fragmented file states no counts; if it states a duration, the last fragment must reach it.
        is_short = not any(expected.values()) and length - end > max(_MOST_SHORT_S, length * _MOST_SHORT)
        return f"it is cut off after {end:.1f} of {length:.1f} s" if is_short else ""

    def _decode(self, packet: Any) -> None:
        cpu, wall = self._until
        if time.process_time() > cpu or time.monotonic() > wall:
            self.has_time = False
        for frame in packet.decode() if packet is not None and self.has_time else ():
            self._frames += 1
            self.damaged += bool(frame.is_corrupt)
            self.seconds = max(self.seconds, frame.time or 0.0)


def _jpeg(frame: Any) -> bytes:
    data = io.BytesIO()
    picture = frame.to_image()
    picture.thumbnail((_POSTER_WIDTH, _POSTER_WIDTH))
    picture.save(data, "JPEG", quality=60, optimize=True)
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:3]))
