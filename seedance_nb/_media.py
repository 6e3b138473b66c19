"""Facts from the bytes of a video, read in a child process with limits, because the bytes are not ours."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedance_nb._limits import limit, quiet

_WALL_S = 20
_CPU_S = 15
_MEMORY = 2 * 1024**3
_POSTER_AT_S = 1.0
_POSTER_WIDTH = 480
_MAX_FRAMES = 40
_LONGEST_S = 24 * 3600
_MOST_FPS = 1000
_MOST_BOXES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a video file holds: size in px, length in s, frames per second, codec names ("" for no sound)."""

    width: int
    height: int
    seconds: float
    fps: float
    codec: str
    audio: str


def inspect(path: Path, poster: Path) -> tuple[Facts | None, str]:
    """The facts of an MP4, or None and why it is not a playable one. *reads files*, *writes files*: `poster`, a JPEG.

    The work is done by a child process with bounds on memory, processor time and wall time.
    """
    fault = boxes_fault(path)
    if fault:
        return None, fault
    command = [sys.executable, "-P", "-m", "seedance_nb._media", str(path), str(poster)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_WALL_S, check=False, cwd=path.parent, env=quiet())  # noqa: S603
    except subprocess.TimeoutExpired:
        return None, f"looking into it took longer than {_WALL_S} s"
    except OSError as error:
        return None, f"the process that looks into it could not be started ({error.strerror})"
    if done.returncode != 0:
        return (
            None,
            f"it cannot be decoded ({done.stderr.decode(errors='replace').strip()[-200:] or 'the reader ended'})",
        )
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


def boxes_fault(path: Path) -> str:
    """Why the file is not a whole MP4 by the sizes of its outermost boxes, "" if it is. *reads files*.

    A decoder plays the beginning of a file that was cut off; only these sizes tell that the end is missing.
    """
    end, place = path.stat().st_size, 0
    found: list[bytes] = []
    with path.open("rb") as file:
        while place < end and len(found) < _MOST_BOXES:
            file.seek(place)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4]), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16])
            if not found and kind != b"ftyp":
                return "it does not begin like an MP4 file"
            if size != 0 and (size < len(b"sizekind") or place + size > end):
                return f"it is cut off: {place + size:,} bytes were meant, {end:,} are there"
            found.append(kind)
            place = place + size if size else end
    missing = {b"ftyp", b"moov", b"mdat"} - set(found)
    return f"it has no {', '.join(sorted(kind.decode() for kind in missing))}" if missing else ""


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
        _save_poster(frame, Path(poster))
        ends = [float(s.duration * s.time_base) for s in (stream,) if s.duration and s.time_base]
        seconds = ends[0] if ends else float(container.duration or 0) / 1_000_000
        sound = container.streams.audio[0].codec_context.name if container.streams.audio else ""
        facts = Facts(width=frame.width, height=frame.height, seconds=round(seconds, 3), fps=round(rate, 3),
                      codec=stream.codec_context.name, audio=sound)  # fmt: skip
    sys.stdout.write(write_facts(facts))
    return 0


def _save_poster(frame: Any, poster: Path) -> None:
    picture = frame.to_image()
    picture.thumbnail((_POSTER_WIDTH, _POSTER_WIDTH))
    picture.save(poster, "JPEG", quality=60, optimize=True)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:3]))
