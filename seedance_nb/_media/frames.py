"""Frames and copies of a video, decoded in a child process with limits, because its bytes are untrusted."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedance_nb._base.errors import MediaError
from seedance_nb._media.inspect import main_stream, open_container, upright
from seedance_nb._media.sandbox import Limits, limit, refuse, run

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 200  # frames of one call: each is a whole image in memory
_LIMITS = Limits(memory=4 * 1024**3, cpu_s=120, wall_s=180)
_COPY_LIMITS = Limits(memory=4 * 1024**3, cpu_s=1200, wall_s=900)


def frames_at(path: Path, times: Sequence[float]) -> "list[Image]":
    """The frame shown at each time (seconds, ascending), upright; the last one for later times. *reads files*. Raises: MediaError if the file cannot be decoded."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="seedance-frames-") as folder:
        child = run("seedance_nb._media.frames", "frames", path, Path(folder), json.dumps(list(times)), limits=_LIMITS)
        if child.code:
            raise _error(path, child.fault or child.reason)
        images = []
        for number in json.loads(child.answer):
            with Image.open(Path(folder) / f"{number}.png", formats=("PNG",)) as image:
                images.append(image.convert("RGB"))
        return images


def copy_as_h264(path: Path, copy: Path) -> None:
    """Write a copy that every browser plays: H.264 and AAC in an MP4. *reads files*, *writes files*. Raises: MediaError; OSError."""
    part = copy.with_name(f".{copy.name}.part")
    try:
        child = run("seedance_nb._media.frames", "copy", path, part, limits=_COPY_LIMITS)
        if child.code:
            raise _error(path, child.fault or child.reason)
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _error(path: Path, reason: str) -> MediaError:
    problem = f"{path.name} could not be decoded: {reason or 'the decoder crashed'}."
    return MediaError(problem, next_step="check the file with another player", charged="not charged")


def _main(command: str, name: str, target: str, times: str = "[]") -> int:
    from av.error import FFmpegError

    limit(_LIMITS if command == "frames" else _COPY_LIMITS)
    path = Path(name)
    try:
        with open_container(path, path.suffix[1:].casefold()) as container:
            if command == "copy":
                return _copy(container, target)
            return _write_frames(container, Path(target), json.loads(times))
    except (FFmpegError, OSError, ValueError, KeyError, IndexError) as error:
        return refuse(f"{type(error).__name__}: {error}")


def _write_frames(container: Any, folder: Path, times: list[float]) -> int:
    """Write each frame that is shown at one of the times once, and print its number for each time."""
    shown: list[int] = []
    number, latest = 0, None
    for frame in container.decode(main_stream(container)):
        # A frame is shown until the next one begins.
        while latest is not None and len(shown) < len(times) and (frame.time or 0.0) > times[len(shown)] + 1e-6:
            shown.append(_write(latest, folder, number))
        if len(shown) == len(times):
            break
        number, latest = number + 1, frame
    if latest is None:
        return refuse("it has no video frames")
    while len(shown) < len(times):
        shown.append(_write(latest, folder, number))
    sys.stdout.write(json.dumps(shown))
    return 0


def _write(frame: Any, folder: Path, number: int) -> int:
    file = folder / f"{number}.png"
    if not file.exists():
        upright(frame).save(file, "PNG", compress_level=1)
    return number


def _copy(container: Any, target: str) -> int:
    import av

    source = main_stream(container)
    with av.open(target, "w", format="mp4", options={"movflags": "faststart"}) as output:
        video: Any = output.add_stream("libx264", rate=source.average_rate or 24)
        video.pix_fmt, video.options = "yuv420p", {"crf": "20", "preset": "veryfast"}
        sound = container.streams.audio[0] if container.streams.audio else None
        audio: Any = output.add_stream("aac", rate=sound.rate or 48_000) if sound is not None else None
        frames: Any = av.VideoFrame
        is_first = True
        for frame in container.decode(*(one for one in (source, sound) if one is not None)):
            if isinstance(frame, av.AudioFrame):
                frame.pts = None
                output.mux(audio.encode(frame))
                continue
            image = upright(frame)
            if is_first:
                video.width, video.height = image.width // 2 * 2, image.height // 2 * 2
                video.time_base, is_first = source.time_base, False
            copied = frames.from_image(image.crop((0, 0, video.width, video.height)))
            copied.pts, copied.time_base = frame.pts, frame.time_base
            output.mux(video.encode(copied))
        if is_first:
            return refuse("it has no video frames")
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:5]))
