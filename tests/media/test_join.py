"""Videos joined into one: the very packets where all streams match, else encoded again in the size of the first."""

from array import array
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from support import media

import seedance_nb as sd
from seedance_nb._media.frames import frames_at, join
from seedance_nb._media.inspect import inspect

TONE = array("f", [0.3, 0.3, -0.3, -0.3] * 256).tobytes()


def clip(path: Path, colour: str, size: tuple[int, int] = (96, 64), frames: int = 24, sound: bool = False) -> Path:
    """One second of a colour, with B-frames, and with a tone as its sound."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        audio: Any = container.add_stream("aac", rate=48_000) if sound else None
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", size, colour))))  # type: ignore[no-untyped-call]
        container.mux(stream.encode(None))
        for _ in range(frames * 2000 // 1024 if sound else 0):
            tone: Any = media.filled(av.AudioFrame("fltp", "stereo", 1024), TONE)
            tone.sample_rate = 48_000
            container.mux(audio.encode(tone))
        if sound:
            container.mux(audio.encode(None))
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(one) for one in container.demux() if one.size and one.stream.type == kind]


def seconds(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        stream = next(one for one in container.streams if one.type == kind)
        return float((stream.duration or 0) * (stream.time_base or 0))


def colours(path: Path, *times: float) -> list[str]:
    """The strongest colour in the middle of the frame at each time."""
    pixels = [image.getpixel((image.width // 2, image.height // 2)) for image in frames_at(path, times)]
    return ["RGB"[max(range(3), key=lambda index: pixel[index])] for pixel in pixels]  # type: ignore[index]


@pytest.mark.parametrize("sound", [False, True])
def test_videos_whose_streams_match_are_joined_packet_by_packet(tmp_path: Path, sound: bool) -> None:
    clips = [clip(tmp_path / f"{colour}.mp4", colour, sound=sound) for colour in ("red", "lime", "blue")]
    assert join(clips, tmp_path / "film.mp4") is False
    for kind in ("video", "audio"):
        assert packets(tmp_path / "film.mp4", kind) == [one for path in clips for one in packets(path, kind)]
    facts, fault = inspect(tmp_path / "film.mp4")
    assert facts is not None, fault
    assert (facts.damaged, facts.undecoded, bool(facts.audio)) == (0, 0, sound)
    assert facts.seconds == pytest.approx(3, abs=0.1)
    assert colours(tmp_path / "film.mp4", 0.5, 1.5, 2.5) == ["R", "G", "B"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["blue.mp4", "film.mp4", "lime.mp4", "red.mp4"]


def test_files_that_are_only_put_behind_each_other_play_as_the_first(tmp_path: Path) -> None:
    """The naive control."""
    clips = [clip(tmp_path / f"{colour}.mp4", colour) for colour in ("red", "lime")]
    (tmp_path / "film.mp4").write_bytes(b"".join(path.read_bytes() for path in clips))
    assert seconds(tmp_path / "film.mp4", "video") == pytest.approx(1)


@pytest.mark.parametrize(
    "others",
    [{"size": (64, 96)}, {"sound": True}, {"size": (192, 128), "frames": 48}],
    ids=["another shape", "sound where the first has none", "another size and length"],
)
def test_videos_that_differ_are_encoded_again_in_the_size_of_the_first(tmp_path: Path, others: dict[str, Any]) -> None:
    clips = [
        clip(tmp_path / "a.mp4", "red"),
        clip(tmp_path / "b.mp4", "lime", **others),
        clip(tmp_path / "c.mp4", "blue"),
    ]
    length = 2 + others.get("frames", 24) / 24
    assert join(clips, tmp_path / "film.mp4") is True
    facts, fault = inspect(tmp_path / "film.mp4")
    assert facts is not None, fault
    assert (facts.width, facts.height, facts.codec, bool(facts.audio)) == (96, 64, "h264", "sound" in others)
    assert facts.seconds == pytest.approx(length, abs=0.1)
    assert colours(tmp_path / "film.mp4", 0.5, 1.5, length - 0.5) == ["R", "G", "B"]
    if "sound" in others:
        assert seconds(tmp_path / "film.mp4", "audio") == pytest.approx(3, abs=0.1), "silence around it"


def test_sound_stays_where_it_was(tmp_path: Path) -> None:
    clips = [clip(tmp_path / "a.mp4", "red"), clip(tmp_path / "b.mp4", "lime", sound=True)]
    join(clips, tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as container:
        loud = {
            round(one.time or 0, 1): max(array("f", bytes(one.planes[0])[:4096])) > 0.1
            for one in container.decode(audio=0)
        }
    assert (loud[0.5], loud[1.5]) == (False, True)


@pytest.mark.parametrize(("form", "codec"), [("webm", "libvpx"), ("mov", "prores_ks")])
def test_a_codec_that_no_mp4_may_have_is_encoded_again(tmp_path: Path, form: str, codec: str) -> None:
    file = tmp_path / f"a.{form}"
    file.write_bytes(media.film(form, codec))
    assert join([file, file], tmp_path / "film.mp4") is True
    facts, fault = inspect(tmp_path / "film.mp4")
    assert facts is not None, fault
    assert facts.seconds == pytest.approx(4, abs=0.1)


def test_a_file_that_is_no_video_joins_nothing_and_leaves_what_is_there(tmp_path: Path) -> None:
    good, bad = clip(tmp_path / "a.mp4", "red"), tmp_path / "b.mp4"
    bad.write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    (tmp_path / "film.mp4").write_bytes(b"earlier")
    with pytest.raises(sd.MediaError, match=r"film\.mp4 could not be decoded"):
        join([good, bad], tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"earlier"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mp4", "b.mp4", "film.mp4"]
