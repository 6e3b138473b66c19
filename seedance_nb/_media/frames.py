"""Frames of a video, and videos joined or encoded again: in a child process with limits, because their bytes are untrusted."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedance_nb._base.errors import MediaError
from seedance_nb._media.inspect import main_stream, open_container, upright
from seedance_nb._media.sandbox import Exit, Limits, refuse, run

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 200  # frames of one call: each is a whole image in memory
_LIMITS = Limits(memory=4 * 1024**3, cpu_s=120, wall_s=180)
_JOIN_LIMITS = Limits(memory=4 * 1024**3, cpu_s=1200, wall_s=900)
_TICK = Fraction(1, 90_000)  # in seconds; whole for all usual frame rates


def frames_at(path: Path, times: Sequence[float]) -> "list[Image]":
    """The frame shown at each time (seconds, ascending), upright; the last one for later times. *reads files*. Raises: MediaError if the file cannot be decoded."""
    from PIL import Image

    with tempfile.TemporaryDirectory(prefix="seedance-frames-") as folder:
        child = run(f"{__name__}:write_frames", path, Path(folder), json.dumps(list(times)), limits=_LIMITS)
        paths = [Path(folder) / f"{number}.png" for number in json.loads(require_answer(child, path))]
        return [Image.open(one, formats=("PNG",)).convert("RGB") for one in paths]


def require_answer(child: Exit, path: Path) -> str:
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


def join(paths: Sequence[Path], film: Path, *, encode: bool = False) -> bool:
    """Write the videos one after another; whether they were encoded again, as H.264 and AAC in the size of the first. *reads files*, *writes files*. Raises: MediaError; OSError."""
    part = film.with_name(f".{film.name}.part")
    try:
        child = run(f"{__name__}:write_film", part, "encode" * encode, *paths, limits=_JOIN_LIMITS)
        is_encoded = require_answer(child, film if paths[1:] else paths[0]) == "_encode"
        part.replace(film)
        return is_encoded
    finally:
        part.unlink(missing_ok=True)


def write_film(film: str, encode: str, *names: str) -> str:
    """Write the film in one of the two ways; the way's name. *reads files*, *writes files*."""
    import av

    fault = ""
    for how in (_encode,) if encode else (_copy, _encode):  # a codec may not fit into an MP4
        try:
            with ExitStack() as files:
                paths = map(Path, names)
                clips = [files.enter_context(open_container(path, path.suffix[1:].casefold())) for path in paths]
                with av.open(film, "w", format="mp4", options={"movflags": "faststart"}) as output:
                    is_written = how([[main_stream(clip), *clip.streams.audio[:1]] for clip in clips], output)
            if is_written:
                return how.__name__
        except Exception as error:  # noqa: BLE001 - whatever a file that cannot be copied causes, it may be encoded
            fault = f"{type(error).__name__}: {error}"
    return refuse(fault)


def _shape(stream: Any) -> Any:
    """What must be equal for the packets of two streams to follow each other."""
    code = stream.codec_context
    more = (code.width, code.height, code.pix_fmt) if stream.type == "video" else (code.rate, code.layout.name)
    return code.name, code.extradata, stream.time_base, more


def _copy(clips: list[Any], output: Any) -> bool:
    """Write every packet unchanged, each clip where all streams of the one before have ended; whether their streams match."""
    if any(list(map(_shape, streams)) != list(map(_shape, clips[0])) for streams in clips):
        return False
    copies = [output.add_stream_from_template(stream, opaque=True) for stream in clips[0]]
    ends: dict[int, Any] = {}
    for streams in clips:
        numbers = {stream.index: number for number, stream in enumerate(streams)}
        packets = [packet for packet in streams[0].container.demux(*streams) if packet.size]
        starts = {numbers[one.stream.index]: one.dts * one.time_base for one in reversed(packets)}
        shift = max((ends[number] - starts[number] for number in starts if number in ends), default=0)
        for packet in packets:
            number, ticks = numbers[packet.stream.index], round(shift / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            ends[number] = (packet.dts + (packet.duration or 1)) * packet.time_base
            packet.stream = copies[number]
            output.mux(packet)
    return True


def _encode(clips: list[Any], output: Any) -> bool:
    """Write the clips as H.264 and AAC in the size of the first, with silence where only others have sound."""
    import av
    from PIL import ImageOps

    video: Any = output.add_stream("libx264", rate=clips[0][0].average_rate or 24)
    video.pix_fmt, video.options = "yuv420p", {"crf": "20", "preset": "veryfast"}
    sound = next((sounds[0] for _, *sounds in clips if sounds), None)
    audio: Any = output.add_stream("aac", rate=sound.rate or 48_000) if sound is not None else None
    frames: Any = av.VideoFrame
    end, heard, size = 0.0, 0, (0, 0)  # seconds of video, samples of sound
    for streams in clips:
        start, begin = end, None
        resampler: Any = av.AudioResampler("fltp", audio.layout, audio.rate) if audio else None
        for frame in streams[0].container.decode(*streams):
            begin = frame.time if begin is None else begin
            if isinstance(frame, av.AudioFrame):
                for piece in resampler.resample(frame):
                    heard, piece.pts = heard + piece.samples, None
                    output.mux(audio.encode(piece))
                continue
            image = upright(frame)
            image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
            if not any(size):
                size = video.width, video.height = image.size
                video.time_base = _TICK
            copy = frames.from_image(ImageOps.pad(image, size))
            copy.pts, copy.time_base = round((start + frame.time - begin) / _TICK), _TICK
            output.mux(video.encode(copy))
            end = start + frame.time - begin + 1 / float(streams[0].average_rate or 24)
        if audio and (missing := round(end * audio.rate) - heard) > 0:
            silence: Any = av.AudioFrame("fltp", audio.layout, missing)
            silence.sample_rate, heard = audio.rate, heard + missing
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            output.mux(audio.encode(silence))
        end = max(end, heard / audio.rate) if audio else end
    for stream in filter(None, (video, audio)):
        output.mux(stream.encode(None))
    return True
