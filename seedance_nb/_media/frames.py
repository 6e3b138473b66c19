"""Frames and copies of a video, decoded in a child process with limits, because its bytes are untrusted."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seedance_nb._base.errors import MediaError
from seedance_nb._media.inspect import main_stream, open_container, upright
from seedance_nb._media.sandbox import Exit, Limits, refuse, run

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 200  # frames of one call: each is a whole image in memory
_LIMITS = Limits(memory=4 * 1024**3, cpu_s=120, wall_s=180)


def frames_at(path: Path, times: Sequence[float]) -> "list[Image]":
    """The frame shown at each time (seconds, ascending), upright; the last one for later times. *reads files*. Raises: MediaError if the file cannot be decoded."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="seedance-frames-") as folder:
        child = run(f"{__name__}:write_frames", path, Path(folder), json.dumps(list(times)), limits=_LIMITS)
        paths = [Path(folder) / f"{number}.png" for number in json.loads(require_answer(child, path))]
        return [Image.open(one, formats=("PNG",)).convert("RGB") for one in paths]


def require_answer(child: Exit, path: Path) -> str:
    """The answer of a child that decodes. *pure*. Raises: MediaError."""
    if child.code:
        problem = f"{path.name} could not be decoded: {child.problem}."
        raise MediaError(problem, next_step="check the file with another player", charged="not charged")
    return child.answer


def write_frames(name: str, folder: str, times: str) -> str:
    """The number of the frame shown at each time, as JSON; each is written once, as `folder`/number.png. *reads files*, *writes files*."""
    path, shown, wanted = Path(name), list[int](), json.loads(times)
    with open_container(path, path.suffix[1:].casefold()) as container:
        frames = container.decode(main_stream(container))
        number, latest = 0, next(frames, None) or refuse("it has no video frames")
        while len(shown) < len(wanted):
            following = next(frames, None)
            # A frame is shown until the next one begins.
            now = [at for at in wanted[len(shown) :] if following is None or (following.time or 0.0) > at + 1e-6]
            if now:
                upright(latest).save(Path(folder) / f"{number}.png", "PNG", compress_level=1)
            shown += [number] * len(now)
            number, latest = number + 1, following
    return json.dumps(shown)
