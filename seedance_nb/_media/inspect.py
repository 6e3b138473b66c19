"""Facts from the bytes of a video, read in a child process with limits, because the bytes are not ours."""

import io
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seedance_nb._media.isobmff import boxes_fault, is_open
from seedance_nb._media.sandbox import limit, quiet

_WALL_S = 40
_CPU_S = 20
_DECODE_S = 10
_DECODE_WALL_S = 20
_MEMORY = 2 * 1024**3
_POSTER_AT_S = 1.0
_POSTER_WIDTH = 480
_MAX_FRAMES = 40
_LONGEST_S = 24 * 3600
_MOST_FPS = 1000
_MOST_SHORT_S = 0.25
_MOST_SHORT = 0.05
_LEAST_SHOWN = 0.9
_LEAST_LENGTH = 0.75
_DISK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a video file holds: size in px, length in s, frames per second, codec names ("" for no sound).

    `size` is in bytes, 0 where it was not noted. `is_open` says that a cut between two of its pieces would leave no trace; `damaged` counts
    pictures that the decoder had to patch, `undecoded` are the seconds at the end that were not decoded because it took too long.
    `remark` is what a person should know beyond that, "" if nothing.
    """

    width: int
    height: int
    seconds: float
    fps: float
    codec: str
    audio: str
    size: int = 0
    is_open: bool = False
    damaged: int = 0
    undecoded: float = 0.0
    remark: str = ""


def inspect(path: Path, poster: Path) -> tuple[Facts | None, str]:
    """The facts of an MP4, or None and why it is not a playable one. *reads files*, *writes files*: `poster`, a JPEG.

    Every picture is decoded, as far as that takes no longer than 10 s of processor time (15 s of 1080p take 1 to 3). The
    sound is read and not decoded. A child process does it, with bounds on memory, processor time and wall time.
    Raises: OSError where the poster cannot be written.
    """
    fault = boxes_fault(path)
    if fault:
        return None, fault
    poster.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "seedance_nb._media.inspect", str(path), str(poster)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_WALL_S, check=False, cwd=path.parent, env=quiet())  # noqa: S603
    except subprocess.TimeoutExpired:
        return None, f"looking into it took longer than {_WALL_S} s"
    except OSError as error:
        return None, f"the process that looks into it could not be started ({error.strerror})"
    if done.returncode == _DISK:
        number, _, said = done.stderr.decode(errors="replace").partition(" ")
        raise OSError(int(number), said, str(poster))
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return None, f"it cannot be decoded ({lines[-1][-200:] if lines else 'the reader ended'})"
    try:
        facts = Facts(**json.loads(done.stdout))
        if min(facts.width, facts.height) > 0 and 0 <= facts.seconds < _LONGEST_S and 0 <= facts.fps < _MOST_FPS:
            return facts, ""
        return (
            None,
            f"what it says of itself cannot be: {facts.width} x {facts.height}, {facts.seconds} s, {facts.fps} fps",
        )
    except (ValueError, TypeError):
        return None, "the process that looks into it gave no facts"


def doubts(facts: Facts, asked_s: float | None) -> list[str]:
    """Why a file that can be shown may not be all that was made, each as a clause; `asked_s` seconds were asked for. *pure*."""
    found = []
    if asked_s and facts.seconds < _LEAST_LENGTH * asked_s:
        found.append(f"{facts.seconds:g} s came where {asked_s:g} s were asked for")
    if facts.is_open and not (asked_s and facts.seconds > asked_s - _MOST_SHORT_S):
        found.append("it does not say which of its pieces is the last, so the end may be missing")
    if facts.damaged:
        found.append(f"{facts.damaged} of its pictures had to be patched")
    return found


def unchecked(facts: Facts) -> list[str]:
    """What of a file was not looked at, as a clause. *pure*."""
    return [f"its last {facts.undecoded:g} s were not decoded, which took too long"] if facts.undecoded else []


def read_facts(text: str) -> Facts | None:
    """The facts that `write_facts` made, None for "". *pure*."""
    return Facts(**json.loads(text)) if text else None


def write_facts(facts: Facts) -> str:
    """Facts as one JSON text. *pure*."""
    return json.dumps(asdict(facts))


def _main(path: str, poster: str) -> int:
    import av

    limit(_MEMORY, _CPU_S)
    with av.open(path, format="mp4", options={"protocol_whitelist": "file"}) as container:
        stream = container.streams.video[0]
        if stream.codec_context.width * stream.codec_context.height > 4096 * 2304:
            sys.stderr.write("the picture is larger than 4096 x 2304")
            return 1
        rate = float(stream.average_rate or 0)
        frame = None
        for count, decoded in enumerate(container.decode(stream)):
            frame = decoded
            if count >= _MAX_FRAMES or (rate and count >= rate * _POSTER_AT_S):
                break
        if frame is None:
            sys.stderr.write("it has no picture")
            return 1
        shown = _jpeg(frame)
        ends = [float(s.duration * s.time_base) for s in (stream,) if s.duration and s.time_base]
        seconds = ends[0] if ends else float(container.duration or 0) / 1_000_000
        sound = container.streams.audio[0].codec_context.name if container.streams.audio else ""
        facts = Facts(width=frame.width, height=frame.height, seconds=round(seconds, 3), fps=round(rate, 3),
                      codec=stream.codec_context.name, audio=sound, size=Path(path).stat().st_size, is_open=is_open(Path(path)))  # fmt: skip
    read = _Reading()
    if fault := read.fault(path):
        sys.stderr.write(fault)
        return 1
    try:
        with Path(poster).open("xb") as file:
            file.write(shown)
    except OSError as error:
        sys.stderr.write(f"{error.errno} {error.strerror}")
        return _DISK
    undecoded = 0.0 if read.is_decoding else max(0.0, round(seconds - read.decoded_s, 3))
    sys.stdout.write(write_facts(replace(facts, damaged=read.damaged, undecoded=undecoded)))
    return 0


class _Reading:
    """One walk through every packet of a file, in which the pictures are decoded for as long as there is time."""

    def __init__(self) -> None:
        self.is_decoding, self.decoded_s, self.damaged, self._shown = True, 0.0, 0, 0
        self._until = time.process_time() + _DECODE_S, time.monotonic() + _DECODE_WALL_S

    def fault(self, path: str) -> str:
        """Why not everything that the index speaks of is there and can be shown, "" if it is. *reads files*.

        An index in front may leave open how long the rest is; then only this tells.
        """
        import av

        # Without the edit lists, which leave out packets that are there.
        options = {"protocol_whitelist": "file", "ignore_editlist": "1"}
        with av.open(path, format="mp4", options=options) as container:
            video = container.streams.video[0].index
            meant = {stream.index: stream.frames for stream in container.streams}
            found = dict.fromkeys(meant, 0)
            end = 0.0
            for packet in container.demux():
                if packet.is_corrupt:
                    return "it is cut off in the middle of a picture or a sound"
                found[packet.stream.index] += 1 if packet.size else 0
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                try:
                    self._show(packet if packet.stream.index == video else None)
                except av.error.FFmpegError:
                    return f"a picture after {self.decoded_s:.1f} s is damaged"
            length = (container.duration or 0) / 1_000_000
        missing = {place: count for place, count in meant.items() if found[place] < count}
        if missing:
            return f"it is cut off: {sum(missing.values())} pictures and sounds were meant, {sum(found[place] for place in missing)} are there"
        if self.is_decoding and self._shown < _LEAST_SHOWN * found[video]:
            return f"{self._shown} of its {found[video]} pictures can be decoded"
        # A file in pieces names no count; where it names its length, the last piece must reach it.
        is_short = not any(meant.values()) and length - end > max(_MOST_SHORT_S, length * _MOST_SHORT)
        return f"it is cut off after {end:.1f} of {length:.1f} s" if is_short else ""

    def _show(self, packet: Any) -> None:
        cpu, wall = self._until
        if time.process_time() > cpu or time.monotonic() > wall:
            self.is_decoding = False
        for frame in packet.decode() if packet is not None and self.is_decoding else ():
            self._shown += 1
            self.damaged += bool(frame.is_corrupt)
            self.decoded_s = max(self.decoded_s, frame.time or 0.0)


def _jpeg(frame: Any) -> bytes:
    made = io.BytesIO()
    picture = frame.to_image()
    picture.thumbnail((_POSTER_WIDTH, _POSTER_WIDTH))
    picture.save(made, "JPEG", quality=60, optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:3]))
