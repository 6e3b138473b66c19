"""The child process that renders a simulated video: `python -m seedance_nb._simulator.encode job.json`."""

import math
import os
import sys
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from seedance_nb._media.sandbox import limit
from seedance_nb._simulator.job import FPS, LIMITS, Job, load, seed
from seedance_nb._simulator.picture import Box, frames

_RATE = 48_000
_FADE = _RATE // 2
_CHORDS = ((1, 1.25, 1.5, 1.875), (1, 1.2, 1.5, 1.8), (1, 1.5, 2, 2.5), (1, 1.3333, 1.5, 2))


def render(job: Job) -> None:
    """Writes the MP4 to `job.path`, complete or not at all, after its last frame if requested. *writes files*."""
    part = Path(f"{job.path}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as out:
            out.metadata.update(comment="SIMULATED", description=job.prompt.encode("utf-8", "replace").decode())
            video: Any = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "23"})
            video.thread_type = "AUTO"
            video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
            audio: Any = out.add_stream("aac", rate=_RATE, layout="stereo") if job.audio else None
            frame: Any = None
            for number, (picture, box) in enumerate(frames(job)):
                piece: Any = av.VideoFrame.from_image(picture.crop(box)).reformat(format="yuv420p")  # type: ignore[no-untyped-call]
                frame = _patched(frame, piece, box) if number else piece
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(video.encode(frame))
            if job.last_frame:
                picture.save(job.last_frame, "PNG")
            out.mux(video.encode(None))
            if audio:
                out.mux(audio.encode(_sound(job)))
                out.mux(audio.encode(None))
        part.replace(job.path)
    finally:
        part.unlink(missing_ok=True)


def _patched(frame: Any, piece: Any, box: Box) -> Any:
    """The frame with a part of it replaced: converting all of it would take longer than encoding it."""
    frame.make_writable()
    for number, (whole, part) in enumerate(zip(frame.planes, piece.planes, strict=True)):
        # The colour planes have half as many rows and columns.
        left, top, right, bottom = (edge // (2 if number else 1) for edge in box)
        target, source = memoryview(whole), memoryview(part)
        for row in range(bottom - top):
            at, wide = (top + row) * whole.line_size + left, right - left
            target[at : at + wide] = source[row * part.line_size :][:wide]
    return frame


def tune(prompt: str, seconds: int) -> "array[int]":
    """A soft chord as interleaved stereo, 16-bit samples at 48 kHz, faded at both ends. *pure*."""
    dice = seed(prompt)
    root = 130.8 * 2 ** (dice[1] % 8 / 12)
    # Whole Hz only, so that one second is a loop without a seam.
    chord = [math.tau * round(root * step) / _RATE for step in _CHORDS[dice[2] % len(_CHORDS)]]
    second = array("h", (round(900 * sum(math.sin(step * index) for step in chord)) for index in range(_RATE)))
    whole = array("h", bytes(4 * _RATE * seconds))
    whole[::2] = whole[1::2] = second * seconds
    for index in range(_FADE):
        for at in (2 * index, 2 * index + 1, -1 - 2 * index, -2 - 2 * index):
            whole[at] = whole[at] * index // _FADE
    return whole


def _sound(job: Job) -> av.AudioFrame:
    samples = tune(job.prompt, job.seconds).tobytes()
    frame = av.AudioFrame(format="s16", layout="stereo", samples=len(samples) // 4)
    frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = _RATE, 0, Fraction(1, _RATE)
    return frame


def main(arguments: list[str]) -> int:
    """The exit code; the only argument is the file of a job. *reads files*, *writes files*."""
    limit(LIMITS)
    render(load(Path(arguments[0]).read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
