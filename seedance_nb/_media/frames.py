"""Frames and copies of a video, decoded in a child process with limits, because its bytes are untrusted."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedance_nb._base.errors import MediaError
from seedance_nb._media.inspect import main_stream, open_container, upright
from seedance_nb._media.sandbox import Exit, Limits, limit, refuse, run

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 200  # frames of one call: each is a whole image in memory
_LIMITS = Limits(memory=4 * 1024**3, cpu_s=120, wall_s=180)


def frames_at(path: Path, times: Sequence[float]) -> "list[Image]":
    """The frame shown at each time (seconds, ascending), upright; the last one for later times. *reads files*. Raises: MediaError if the file cannot be decoded."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="seedance-frames-") as folder:
        child = run("seedance_nb._media.frames", path, Path(folder), json.dumps(list(times)), limits=_LIMITS)
        paths = [Path(folder) / f"{number}.png" for number in json.loads(require_answer(child, path))]
        return [Image.open(one, formats=("PNG",)).convert("RGB") for one in paths]


def require_answer(child: Exit, path: Path) -> str:
    """The answer of a child that decodes. *pure*. Raises: MediaError."""
    if child.code:
        problem = f"{path.name} could not be decoded: {child.fault or child.reason or 'the decoder crashed'}."
        raise MediaError(problem, next_step="check the file with another player", charged="not charged")
    return child.answer


def _main(name: str, folder: str, times: str) -> None:
    from av.error import FFmpegError

    limit(_LIMITS)
    path = Path(name)
    try:
        with open_container(path, path.suffix[1:].casefold()) as container:
            _write_frames(container, Path(folder), json.loads(times))
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


if __name__ == "__main__":
    _main(*sys.argv[1:4])
