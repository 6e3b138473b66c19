"""Opens video and audio files with FFmpeg and reads the facts in their containers. Used in child processes only."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from seedance_nb._media.facts import MediaFacts

READERS = {
    "mp4": "mov", "mov": "mov", "m4a": "mov", "3gp": "mov", "wav": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg",
    "ogv": "ogg", "aac": "aac", "amr": "amr", "aiff": "aiff", "webm": "matroska", "mkv": "matroska", "avi": "avi",
    "flv": "flv", "ts": "mpegts", "mpeg": "mpeg", "wmv": "asf",
}  # fmt: skip


def open_container(path: Path, file_format: str, **options: str) -> Any:
    """The container of a file in a format of `READERS`, a context manager; it opens no other file. *reads files*. Raises: PyAV's errors."""
    import av

    return av.open(str(path), format=READERS[file_format], options={"protocol_whitelist": "file", **options})


def main_stream(container: Any) -> Any:
    """The first video stream that is no cover image, else the first audio stream. *pure*. Raises: IndexError."""
    from av.stream import Disposition

    videos = (stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic)
    return next(videos, None) or container.streams.audio[0]


def upright(frame: Any) -> Any:
    """A decoded frame as an image, turned as the file says that it is displayed. *pure*."""
    image = frame.to_image()
    turn = round(getattr(frame, "rotation", 0) / 90) % 4 * 90
    return image.rotate(turn, expand=True) if turn else image


def describe(container: Any, file_format: str) -> MediaFacts:
    """The facts of a container's video and audio. *pure*: nothing is decoded. Raises: IndexError if it has neither."""
    stream = main_stream(container)
    audio_codec = _codec(container.streams.audio[0]) if container.streams.audio else ""
    seconds = (container.duration or 0) / 1_000_000
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    facts = MediaFacts(kind="audio", format=file_format, seconds=round(seconds, 3), audio=audio_codec)
    if stream.type != "video":
        return facts
    decoder, fps = stream.codec_context, round(float(stream.average_rate or 0), 3)
    width, height = (decoder.width, decoder.height) if decoder else (0, 0)
    return replace(facts, kind="video", width=width, height=height, fps=fps, codec=_codec(stream))


def _codec(stream: Any) -> str:
    # The other facts are readable without a decoder for the codec.
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context else "unknown"


def seconds_between(packets: list[tuple[int, int]], stream: Any) -> float:
    """The seconds from the begin of the first packet to the end of the last, by their times and durations in ticks. *pure*."""
    if not packets:
        return 0.0
    begin, (last, length) = min(packets)[0], max(packets)
    length = length or (last - begin) // max(1, len(packets) - 1)
    return float((last + length - begin) * stream.time_base)
