"""Frames and copies of a saved video, made in a child process."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from IPython.core.formatters import DisplayFormatter
from PIL import Image, ImageStat
from support import media

import seedance_nb as sd
from seedance_nb._media import inspect as inspection
from seedance_nb._media.frames import frames_at, join


def brightness(image: Image.Image) -> float:
    return float(ImageStat.Stat(image.convert("L")).mean[0])


def test_frames_are_upright_in_the_videos_own_size_and_in_order(made: tuple[sd.Session, sd.Video]) -> None:
    video = made[1]
    images = video.frames(5)
    assert [image.size for image in images] == [(854, 480)] * 5
    assert len({image.tobytes() for image in images}) == 5
    assert images[0].tobytes() == video.first_frame.tobytes()
    assert images[-1].tobytes() == video.last_frame.tobytes()
    assert len(video.frames(every=1.0)) == 4


def test_a_frame_is_the_one_that_is_shown_at_that_time(made: tuple[sd.Session, sd.Video]) -> None:
    path = made[1].path
    at_24_fps = frames_at(path, [0, 1 / 48, 1 / 24, 3 / 48, math.inf])
    shown = [image.tobytes() for image in at_24_fps]
    assert shown[0] == shown[1]
    assert shown[2] == shown[3]
    assert len(set(shown)) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give either n or every"),
        ({"n": 2, "every": 1}, "give either n or every"),
        ({"n": 0}, "must be a whole number from 1 to 200"),
        ({"n": 201}, "must be a whole number from 1 to 200"),
        ({"every": 0}, "must be a number of seconds above 0"),
        ({"every": math.nan}, "must be a number of seconds above 0"),
        ({"every": "1s"}, "must be a number of seconds above 0, not '1s'"),
        ({"every": True}, "must be a number of seconds above 0"),
        ({"every": 0.001}, "gives 4,0"),
    ],
)
def test_a_wrong_number_of_frames_is_refused(
    made: tuple[sd.Session, sd.Video], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(sd.InvalidInput, match=message):
        made[1].frames(**fields)


def test_a_contact_sheet_holds_every_frame(made: tuple[sd.Session, sd.Video]) -> None:
    sheet = made[1].contact_sheet(4, width=408)
    assert sheet.size == (408, 2 * 112 + 8)
    corners = [sheet.crop((x, y, x + 200, y + 112)) for y in (0, 120) for x in (0, 208)]
    assert len({corner.tobytes() for corner in corners}) == 4


def test_a_gif_plays_as_long_as_the_video(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    file = made[1].to_gif(tmp_path / "fox.gif", width=160, fps=4)
    with Image.open(file) as gif:
        assert gif.size == (160, 90)
        assert getattr(gif, "n_frames", 1) == 16
        assert gif.info["duration"] == 250


def test_save_copies_the_bytes_and_overwrites_nothing(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    video = made[1]
    copy = video.save(tmp_path)
    assert copy.read_bytes() == video.path.read_bytes()
    assert copy.stem == "image1-a-fox-runs-through-snow-b-wind-b-雪"
    with pytest.raises(sd.MediaError, match="exists already, so nothing was written"):
        video.save(copy)


def test_a_codec_that_browsers_do_not_play_is_named_and_gets_a_copy_that_they_play(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    file = tmp_path / "old.mp4"
    file.write_bytes(media.video())
    facts, fault = inspection.inspect(file, tmp_path / "p.jpg")
    assert facts is not None, fault
    video = replace(made[1], path=file, facts=facts)
    assert "MPEG-4 Part 2, which browsers cannot play" in repr(video)
    copied = video.proxy()
    assert copied.path == tmp_path / "old-h264.mp4"
    playable, fault = inspection.inspect(copied.path, tmp_path / "c.jpg")
    assert playable is not None, fault
    assert (playable.codec, playable.width, playable.height) == ("h264", facts.width, facts.height)
    assert playable.seconds == pytest.approx(facts.seconds, abs=0.1)
    stamp = copied.path.stat().st_mtime_ns
    assert video.proxy().path.stat().st_mtime_ns == stamp, "a copy is made once"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["c.jpg", "old-h264.mp4", "old.mp4", "p.jpg"]


def test_a_copy_keeps_the_sound(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    join([made[1].path], tmp_path / "copy.mp4", encode=True)
    facts, fault = inspection.inspect(tmp_path / "copy.mp4", tmp_path / "p.jpg")
    assert facts is not None, fault
    assert facts.audio == "aac"
    assert facts.seconds == pytest.approx(4, abs=0.1)


def test_a_video_that_is_stored_on_its_side_gives_upright_frames(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    file = tmp_path / "turned.mp4"
    file.write_bytes(media.turned(made[1].path.read_bytes()))
    (frame,) = frames_at(file, [1.0])
    assert frame.size == (480, 854)
    upright = made[1].frames(every=1.0)[1]
    clockwise = upright.transpose(Image.Transpose.ROTATE_270)
    difference = abs(brightness(frame.crop((0, 0, 240, 300))) - brightness(clockwise.crop((0, 0, 240, 300))))
    assert difference < 1, "turned to the right, as the matrix says"
    other = upright.transpose(Image.Transpose.ROTATE_90)
    assert abs(brightness(frame.crop((0, 0, 240, 300))) - brightness(other.crop((0, 0, 240, 300)))) > 1, "the control"


def test_a_video_on_its_side_is_described_and_shown_as_it_is_displayed(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    file = tmp_path / "turned.mp4"
    file.write_bytes(media.turned(made[1].path.read_bytes()))
    facts, fault = inspection.inspect(file, tmp_path / "p.jpg")
    assert facts is not None, fault
    assert facts.shown_size == (480, 854)
    with Image.open(tmp_path / "p.jpg") as poster:
        assert poster.height > poster.width
    video = replace(made[1], path=file, facts=facts, asked={"ratio": "9:16", "resolution": "480p"})
    assert "480 × 854" in repr(video)
    assert "differs" not in repr(video)
    assert "aspect-ratio:480 / 854" in video._repr_mimebundle_()["text/html"]
    assert "differs" in repr(replace(video, asked={"ratio": "16:9"})), "the control"


@pytest.mark.parametrize(("pixels", "is_usual"), [("yuv420p", True), ("yuv444p", False), ("yuv422p", False)])
def test_a_pixel_format_that_not_every_browser_plays_is_a_remark(tmp_path: Path, pixels: str, is_usual: bool) -> None:
    file = tmp_path / "v.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for number in range(12):
            image = Image.effect_noise((64, 48), 50 + number).convert("RGB")
            container.mux(stream.encode(av.VideoFrame.from_image(image)))  # type: ignore[no-untyped-call]
        container.mux(stream.encode(None))
    facts, fault = inspection.inspect(file, tmp_path / "p.jpg")
    assert facts is not None, fault
    assert (facts.remark == "") is is_usual
    assert is_usual or f"its pixel format {pixels} is not played by every browser" in facts.remark


def test_a_file_that_is_no_video_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "broken.mp4"
    file.write_bytes(b"\0\0\0\x18ftypmp42 and nothing else")
    with pytest.raises(sd.MediaError, match=r"broken\.mp4 could not be decoded"):
        frames_at(file, [0])
    with pytest.raises(sd.MediaError, match=r"broken\.mp4 could not be decoded"):
        join([file], tmp_path / "copy.mp4", encode=True)
    assert [one.name for one in tmp_path.iterdir()] == ["broken.mp4"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda video: video.to_gif(width=0), "width: must be a whole number of px from 1 to 10,000, not 0"),
        (lambda video: video.to_gif(width="wide"), "width: must be a whole number of px"),
        (lambda video: video.to_gif(fps="8"), "fps: must be a number above 0, not '8'"),
        (lambda video: video.to_gif(fps=0), "fps: must be a number above 0, not 0"),
        (lambda video: video.contact_sheet(4, width=-1), "width: must be a whole number of px"),
        (lambda video: video.show(width=-5), "width: must be a whole number of px"),
        (lambda video: video.show(width=0), "width: must be a whole number of px"),
        (lambda video: video.show(width="100%"), "width: must be a whole number of px"),
        (lambda video: video.show(embed="yes"), "embed: must be True or False, not 'yes'"),
        (lambda video: video.show(embed=0), "embed: must be True or False, not 0"),
        (lambda video: video.show(loop=1), "loop: must be True or False, not 1"),
        (lambda video: video.show(muted="no"), "muted: must be True or False, not 'no'"),
    ],
    ids=range(12),
)
def test_a_wrong_argument_is_named_and_speaks_of_no_request(
    made: tuple[sd.Session, sd.Video], call: Callable[[sd.Video], object], message: str
) -> None:
    with pytest.raises(sd.InvalidInput, match=re.escape(message)) as refused:
        call(made[1])
    assert "sent" not in str(refused.value)
    assert "charged" not in str(refused.value)


def formatted(value: object) -> dict[str, Any]:
    """What a notebook saves for the last line of a cell."""
    bundle: dict[str, Any] = DisplayFormatter().format(value)[0]
    return bundle


def test_frames_are_a_list_that_a_cell_shows_as_few_kilobytes_of_pictures(made: tuple[sd.Session, sd.Video]) -> None:
    frames = made[1].frames(30)
    assert isinstance(frames, list)
    html = formatted(frames)["text/html"]
    assert html.count('src="data:image/jpeg;base64,') == 24
    assert html.endswith("and 6 more</div>")
    assert len(html) < 24 * 6_000
    assert "more" not in formatted(made[1].frames(2))["text/html"]


@pytest.mark.parametrize(
    "image_of",
    [
        lambda video: video.contact_sheet(6),
        lambda video: video.first_frame,
        lambda video: video.last_frame,
        lambda video: video.frames(1)[0],
    ],
    ids=["sheet", "first", "last", "one"],
)
def test_an_image_is_saved_in_a_cell_as_a_small_jpeg(
    made: tuple[sd.Session, sd.Video], image_of: Callable[[sd.Video], Image.Image]
) -> None:
    image = image_of(made[1])
    assert isinstance(image, Image.Image)
    shown = formatted(image)
    assert set(shown) == {"text/plain", "image/jpeg"}
    assert len(shown["image/jpeg"]) <= 60_000
    assert "image/png" in formatted(image.copy())
