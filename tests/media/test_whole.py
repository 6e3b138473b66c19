"""Whether a video is whole is decided by its container and by decoding it, in every usual form of MP4, MOV and WebM."""

import io
import os
import random
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from support import media

import seedance_nb
from seedance_nb._media.inspect import doubts, inspect, unchecked
from seedance_nb._media.sniff import MediaFacts

SECONDS = 2.0
PIECES = "frag_keyframe+empty_moov+default_base_moof"


def wide(data: bytes) -> bytes:
    """The same MP4, whose `mdat` states its size in 64 bits: the room for them is in front of it."""
    (_, start, _), (_, begin, end) = [box for box in media.outer(data) if box[0] in (b"free", b"mdat")]
    assert begin - start == 8
    return data[:start] + struct.pack(">I4sQ", 1, b"mdat", end - start) + data[begin + 8 :]


def to_the_end(data: bytes) -> bytes:
    """The same MP4, whose last box states no size: it is as long as the file."""
    kind, start, _ = media.outer(data)[-1]
    assert kind == b"mdat"
    return data[:start] + bytes(4) + data[start + 4 :]


def without_brand(data: bytes) -> bytes:
    """The same movie as QuickTime wrote it before there were brands."""
    assert data[4:8] == b"ftyp"
    return data[:4] + b"free" + data[8:]


def without_sizes(data: bytes) -> bytes:
    """The same WebM, whose segment and clusters state no sizes, as in a live recording."""
    made = bytearray(data)
    for kind, width in ((b"\x18\x53\x80\x67", 8), (b"\x1f\x43\xb6\x75", 0)):
        at = made.find(kind)
        while at >= 0:
            length = width or 9 - made[at + 4].bit_length()
            made[at + 4 : at + 4 + length] = (
                (1 << 7 * length + 1) - 1 & (1 << 8 * length) - 1 | 1 << 7 * length
            ).to_bytes(length)
            at = made.find(kind, at + 1) if not width else -1
    return bytes(made)


def with_cover() -> bytes:
    """An MP4 whose second video stream is a cover image."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        cover, stream = container.add_stream("mjpeg", rate=1), container.add_stream("libx264", rate=24)
        cover.disposition = Disposition.attached_pic
        for one, form in ((cover, "yuvj420p"), (stream, "yuv420p")):
            one.width, one.height, one.pix_fmt = 96, 64, form
        container.mux(cover.encode(media.filled(av.VideoFrame(96, 64, "yuvj420p"))))
        for _ in range(48):
            container.mux(stream.encode(media.filled(av.VideoFrame(96, 64, "yuv420p"))))
        container.mux(stream.encode(None))
    return file.getvalue()


WHOLE: dict[str, Callable[[], bytes]] = {
    "an index at the end": lambda: media.film("mp4", "libx264", "aac"),
    "an index in front": lambda: media.film("mp4", "libx264", "aac", movflags="faststart"),
    "an index in front, mdat to the end": lambda: to_the_end(media.film("mp4", "libx264", "aac", movflags="faststart")),
    "sizes of 64 bits": lambda: wide(media.film("mp4", "libx264")),
    "pieces": lambda: media.film("mp4", "libx264", "aac", movflags=PIECES),
    "pieces without an end": lambda: media.film("mp4", "libx264", "aac", movflags=f"{PIECES}+skip_trailer"),
    "pieces behind an index": lambda: media.film("mp4", "libx264", "aac", movflags="frag_keyframe"),
    "pieces of one frame": lambda: media.film("mp4", "libx264", movflags="frag_every_frame+empty_moov"),
    "pieces with a list": lambda: media.film("mp4", "libx264", "aac", movflags=f"{PIECES}+global_sidx"),
    "pieces for DASH": lambda: media.film("mp4", "libx264", "aac", movflags="dash+frag_keyframe+empty_moov"),
    "AV1 in MP4": lambda: media.film("mp4", "libsvtav1"),
    "VP9 in MP4": lambda: media.film("mp4", "libvpx-vp9"),
    "a cover image": with_cover,
    "uneven frames": lambda: media.film("mp4", "libx264", every_ms=42),
    "QuickTime": lambda: media.film("mov", "libx264", "aac"),
    "QuickTime with PCM sound": lambda: media.film("mov", "libx264", "pcm_s16le"),
    "QuickTime with PCM sound of 24 bits": lambda: media.film("mov", "libx264", "pcm_s24be"),
    "QuickTime with PCM sound, index in front": lambda: media.film("mov", "libx264", "pcm_s16le", movflags="faststart"),
    "QuickTime with PCM sound in pieces": lambda: media.film("mov", "libx264", "pcm_s16le", movflags=PIECES),
    "QuickTime with time code": lambda: media.film("mov", "libx264", "pcm_s16le", write_tmcd="1"),
    "QuickTime without a brand": lambda: without_brand(media.film("mov", "libx264", "aac")),
    "ProRes": lambda: media.film("mov", "prores_ks", "pcm_s16le"),
    "VP8": lambda: media.film("webm", "libvpx", "libopus"),
    "VP9": lambda: media.film("webm", "libvpx-vp9", "libopus"),
    "AV1": lambda: media.film("webm", "libsvtav1"),
    "a live WebM": lambda: media.film("webm", "libvpx-vp9", "libopus", live="1"),
    "a WebM without sizes": lambda: without_sizes(media.film("webm", "libvpx", "libopus")),
    "Matroska": lambda: media.film("matroska", "libx264", "aac"),
}  # fmt: skip
whole = cache(lambda name: WHOLE[name]())


def seen(data: bytes, folder: Path) -> tuple[MediaFacts | None, str]:
    (folder / "v").write_bytes(data)
    return inspect(folder / "v", folder / "p.jpg")


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_video_is_taken_in_every_form(name: str, tmp_path: Path) -> None:
    facts, why = seen(whole(name), tmp_path)
    assert facts, why
    assert abs(facts.seconds - SECONDS) < 0.06
    assert (facts.damaged, doubts(facts, facts.seconds), unchecked(facts)) == (0, [], [])


def ends(data: bytes) -> list[int]:
    """Where the outer boxes of an MP4 end."""
    found, at = [0], 0
    while data[4:8] in (b"ftyp", b"free") and at < len(data):
        size = int.from_bytes(data[at : at + 4]) or len(data)
        at += size if size > 1 else int.from_bytes(data[at + 8 : at + 16])
        found.append(at)
    return found[1:]


def between_pieces(data: bytes) -> list[int]:
    """Where a fragment follows, and an earlier one is there."""
    pieces = [end for end in ends(data) if data[end + 4 : end + 8] == b"moof"]
    return pieces[1:]


def cuts(data: bytes, name: str) -> list[int]:
    """Where a cut is hardest to see, between boxes and fragments; and anywhere in front of the end of the frames."""
    dice, last = random.Random(name), len(data)
    if between_pieces(data):  # what follows the last fragment is not needed
        last = data.rindex(b"mfra") - 4 if b"mfra" in data else len(data)
    if name in (
        "a live WebM",
        "a WebM without sizes",
    ):  # a recording that states no size: its last moment may be missing
        last = len(data) * 9 // 10
    between = [end for end in ends(data) if end < last]
    return sorted({*dice.sample(between, min(3, len(between))), *dice.sample(range(1, last), 3), last - 1})


@pytest.mark.parametrize("name", WHOLE)
def test_a_video_that_was_cut_off_is_never_taken_for_whole(name: str, tmp_path: Path) -> None:
    data = whole(name)
    for cut in cuts(data, name):
        facts, why = seen(data[:cut], tmp_path)
        assert why or (facts and doubts(facts, SECONDS)), (cut, len(data))


def test_a_naive_reader_plays_half_of_most_of_them(tmp_path: Path) -> None:
    played = 0
    for name in WHOLE:
        (tmp_path / "v").write_bytes(whole(name)[: len(whole(name)) * 2 // 3])
        try:
            with av.open(str(tmp_path / "v")) as container:
                played += any(True for _ in container.decode(video=0))
        except (av.error.FFmpegError, IndexError):
            continue
    assert played >= 12


@pytest.mark.parametrize("tail", [b"\n", b"\r\n", bytes(7), bytes(300)])
def test_a_line_break_or_zeros_behind_a_whole_video_are_no_damage(tail: bytes, tmp_path: Path) -> None:
    assert seen(whole("an index at the end") + tail, tmp_path)[0]


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    named = {
        b"": "it is empty", b"<html>": "it is an HTML page, not an image, video or audio file", media.picture(): "it is png, not a video",
        media.film("avi", "libx264"): "it is avi, which is not supported", b"\x1aE\xdf\xa3": "it is cut off or damaged before its frames",
    }  # fmt: skip
    for data, why in named.items():
        assert seen(data, tmp_path) == (None, why)


# What a busy machine does to the child: its time is over after a few frames, or the system ends it while it decodes.
SLOW = "import itertools, time\nticks = itertools.count()\ntime.monotonic = lambda: next(ticks) * 16.0\n"
KILLED = (
    "import os, signal, time\ncalls = []\n"
    "def process_time():\n    calls.append(1)\n    len(calls) > 5 and os.kill(os.getpid(), signal.SIGXCPU)\n    return 0.0\n"
    "time.process_time = process_time\n"
)
LOAD = {"out of time": SLOW, "ended": KILLED}


@pytest.fixture(params=LOAD)
def load(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOAD[request.param])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(seedance_nb.__file__).parents[1])]))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("name", ["an index in front", "QuickTime with PCM sound", "VP9", "pieces", "a live WebM"])
def test_what_there_was_no_time_to_decode_is_unchecked_and_the_video_not_lost(name: str, tmp_path: Path) -> None:
    facts, why = seen(whole(name), tmp_path)
    assert facts, why
    assert facts.undecoded > SECONDS / 2
    assert "were not checked" in unchecked(facts)[0]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signal")
@pytest.mark.usefixtures("load")
@pytest.mark.parametrize("name", ["pieces", "pieces without an end", "pieces of one frame", "a live WebM"])
def test_a_cut_between_two_pieces_is_doubted_though_nothing_could_be_decoded(name: str, tmp_path: Path) -> None:
    data = whole(name)
    for cut in random.Random(name).sample(between_pieces(data), 2) if between_pieces(data) else [len(data)]:
        facts, why = seen(data[:cut], tmp_path)
        assert facts, why
        assert "the end may be missing" in doubts(facts, SECONDS)[-1]


@pytest.mark.parametrize("name", ["an index in front", "VP9"])
def test_sound_that_cannot_be_decoded_is_unchecked(name: str, tmp_path: Path) -> None:
    data = bytearray(whole(name))
    (tmp_path / "v").write_bytes(data)
    with av.open(str(tmp_path / "v")) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux(audio=0) if packet.size]
    for at, size in packets[2:30] if name != "VP9" else []:
        data[at : at + size] = b"\xff" * size
    if name == "VP9":
        data = data.replace(b"A_OPUS", b"A_ZZZZ")
    facts, why = seen(bytes(data), tmp_path)
    assert facts, why
    assert unchecked(facts) == ["its sound could not be decoded here, so it was not checked"]
