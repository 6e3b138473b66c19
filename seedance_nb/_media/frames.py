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
        images = []
        for number in json.loads(_run("frames", path, Path(folder), json.dumps(list(times)), limits=_LIMITS)):
            with Image.open(Path(folder) / f"{number}.png", formats=("PNG",)) as image:
                images.append(image.convert("RGB"))
        return images


def copy_as_h264(path: Path, copy: Path) -> None:
    """Write a copy that every browser plays: H.264 and AAC in an MP4. *reads files*, *writes files*. Raises: MediaError; OSError."""
    part = copy.with_name(f".{copy.name}.part")
    try:
        _run("copy", path, part, limits=_COPY_LIMITS)
        part.replace(copy)
    finally:
        part.unlink(missing_ok=True)


def _run(command: str, path: Path, *arguments: str | Path, limits: Limits) -> str:
    child = run("seedance_nb._media.frames", command, path, *arguments, limits=limits)
    if child.code:
        problem = f"{path.name} could not be decoded: {child.fault or child.reason or 'the decoder crashed'}."
        raise MediaError(problem, next_step="check the file with another player", charged="not charged")
    return child.answer


def _main(command: str, name: str, target: str, times: str = "[]") -> None:
    from av.error import FFmpegError

    limit(_LIMITS if command == "frames" else _COPY_LIMITS)
    path = Path(name)
    try:
        with open_container(path, path.suffix[1:].casefold()) as container:
            if command == "copy":
                _copy(container, target)
            else:
                _write_frames(container, Path(target), json.loads(times))
    except (FFmpegError, OSError, ValueError, KeyError, IndexError) as error:
        refuse(f"{type(error).__name__}: {error}")


def _write_frames(container: Any, folder: Path, times: list[float]) -> None:
    """Write each frame that is shown at one of the times once, and print its number for each time."""
    shown: list[int] = []
    frames = container.decode(main_stream(container))
    number, latest = 0, next(frames, None) or refuse("it has no video frames")
    while len(shown) < len(times):
        following = next(frames, None)
        # A frame is shown until the next one begins.
        now = [at for at in times[len(shown) :] if following is None or (following.time or 0.0) > at + 1e-6]
        if now:
            upright(latest).save(folder / f"{number}.png", "PNG", compress_level=1)
        shown += [number] * len(now)
        number, latest = number + 1, following
    sys.stdout.write(json.dumps(shown))


def _copy(container: Any, target: str) -> None:
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
            refuse("it has no video frames")
        for stream in filter(None, (video, audio)):
            output.mux(stream.encode(None))


if __name__ == "__main__":
    _main(*sys.argv[1:5])
