"""Small media files for tests, made when asked for."""

import io
import random
import struct
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

SPECKLES = random.Random(1).randbytes(1024)


def picture(width: int = 640, height: int = 480, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), (width, height)).save(file, form, **options)
    return file.getvalue()


@contextmanager
def _written(form: str, options: dict[str, str]) -> Iterator[tuple[Any, list[bytes]]]:
    made: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"  # an index in front is written by reading the file again
        with av.open(str(path), "w", format=form, options=options) as container:
            yield container, made
        made.append(path.read_bytes())


def filled(frame: Any, content: bytes = b"") -> Any:
    """The frame with `content` at its beginning: as it comes, it holds whatever was in memory, and no two files are alike."""
    for plane in frame.planes:
        plane.update(content.ljust(plane.buffer_size, b"\0")[: plane.buffer_size])
    return frame


def video(
    width: int = 64, height: int = 48, fps: Any = 24, frames: int = 12, form: str = "mp4", sound: bool = False, **options: str
) -> bytes:  # fmt: skip
    with _written(form, options) as (container, made):
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        track = container.add_stream("aac", rate=8000) if sound else None
        if track:
            quiet = filled(av.AudioFrame("fltp", "stereo", 1024))
            quiet.sample_rate = 8000
            container.mux(track.encode(quiet))
        for _ in range(frames):
            container.mux(stream.encode(filled(av.VideoFrame(width, height, "yuv420p"), SPECKLES)))
        container.mux(stream.encode(None))
        if track:
            container.mux(track.encode(None))
    return made[0]


def film(form: str, codec: str, sound_codec: str = "", frames: int = 48, every_ms: int = 0, **options: str) -> bytes:
    """A video of noise at 24 frames per second with a key frame twice a second, or with frames at uneven times."""
    quick = {"libx264": {"g": "12"}, "libsvtav1": {"preset": "12", "g": "12"}, "prores_ks": dict[str, str]()}
    with _written(form, options) as (container, made):
        stream = container.add_stream(
            codec, rate=24, options=quick.get(codec, {"deadline": "realtime", "cpu-used": "8", "g": "12"})
        )
        stream.width, stream.height = 96, 64
        stream.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        track = container.add_stream(sound_codec, rate=48_000) if sound_codec else None
        size = (track.codec_context.frame_size or 2000) if track else 0
        if every_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = filled(av.VideoFrame(96, 64, "yuv420p"), random.Random(number).randbytes(6144))
            if every_ms:
                frame.pts, frame.time_base = number * every_ms + number % 3 * 7, Fraction(1, 1000)
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            if track and number * 2000 // size != (number - 1) * 2000 // size:
                quiet = filled(av.AudioFrame(track.format.name, "stereo", size))
                quiet.sample_rate = 48_000
                container.mux(track.encode(quiet))
        container.mux(stream.encode(None))
        if track:
            container.mux(track.encode(None))
    return made[0]


def wav(seconds: float = 3.0, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * int(seconds * rate)))
    return file.getvalue()


def sound(codec: str, form: str, seconds: float = 3.0, bit_rate: int = 64_000, **options: str) -> bytes:
    with _written(form, options) as (container, made):
        stream = container.add_stream(codec, rate=48_000)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        size = 1152 if codec == "libmp3lame" else stream.codec_context.frame_size or 960
        kind = stream.format.name if codec != "libmp3lame" else "s16p"
        for _ in range(int(seconds * 48_000 / size)):
            frame = filled(av.AudioFrame(kind, "stereo", size))
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made[0]


def outer(data: bytes) -> list[tuple[bytes, int, int]]:
    """The outermost boxes of an MP4: kind, begin, end."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8], at, at + size))
        at += size
    return found


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def longer(data: bytes, more: int) -> bytes:
    """An MP4 with its index at the end, and `more` bytes of nothing in its `mdat`."""
    boxes = outer(data)
    assert [kind for kind, _, _ in boxes][-2:] == [b"mdat", b"moov"]
    _, start, end = boxes[-2]
    return data[:start] + box(b"mdat", data[start + 8 : end] + bytes(more)) + data[end:]


def turned(data: bytes) -> bytes:
    """An MP4 that asks to be shown turned by a quarter."""
    one, minus = struct.pack(">i", 65536), struct.pack(">i", -65536)
    upright = one + bytes(12) + one + bytes(12) + struct.pack(">i", 1 << 30)
    assert data.count(upright) >= 2  # of the film, and of its track
    first = data.index(upright) + len(upright)
    place = data.index(upright, first)
    quarter = bytes(4) + one + bytes(4) + minus + bytes(16) + struct.pack(">i", 1 << 30)
    return data[:place] + quarter + data[place + len(upright) :]


def heic(width: int, height: int, brand: bytes = b"heic", turns: int = 0) -> bytes:
    """The boxes of an HEIC with one tile size and the whole picture's size; there are no pixels in it."""
    sizes = [box(b"ispe", bytes(4) + struct.pack(">II", *size)) for size in ((512, 512), (width, height))]
    properties = box(b"iprp", box(b"ipco", b"".join(sizes) + (box(b"irot", bytes([turns])) if turns else b"")))
    return (
        box(b"ftyp", brand + bytes(4) + b"mif1" + brand) + box(b"meta", bytes(4) + properties) + box(b"mdat", bytes(64))
    )
