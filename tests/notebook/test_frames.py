"""Below a panel's video a person can play it in a loop, and look at each of its frames."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat
from support.waiting import until

import seedance_nb as sd
from seedance_nb._form.controls.base import WidgetFactory
from seedance_nb._media.frames import frames_at
from seedance_nb._notebook import output
from seedance_nb._notebook.output import FrameViewer


@pytest.fixture
def video(made: tuple[sd.Session, sd.Video]) -> sd.Video:
    return made[1]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each decoding was asked for."""
    counts: list[int] = []

    def counting(path: Path, times: Any) -> Any:
        counts.append(len(times))
        return frames_at(path, times)

    monkeypatch.setattr(output, "frames_at", counting)
    return counts


def opened(video: sd.Video) -> FrameViewer:
    frames = FrameViewer(WidgetFactory(), lambda: None)
    frames.show(video)
    frames._fold.button.click()
    return frames


def shows(frames: FrameViewer, number: int) -> str:
    """The HTML of a frame, once it is shown."""
    until(lambda: f'alt="Frame {number} of ' in frames._picture.value)
    return str(frames._picture.value)


def difference(html: str, other: Image.Image) -> float:
    found = re.search(r"base64,([^\"]+)", html)
    assert found
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        return float(max(ImageStat.Stat(ImageChops.difference(picture.convert("RGB"), other)).mean))


def test_the_slider_shows_exactly_its_frame_and_the_time_of_it(video: sd.Video) -> None:
    frames, fps = opened(video), 24
    assert video.facts
    assert video.facts.fps == fps
    html = {1: shows(frames, 1)}
    frames._slider.value = 60
    html[60] = shows(frames, 60)
    assert "Frame 1 of 96 · 0.000 s" in html[1]
    assert "Frame 60 of 96 · 2.458 s" in html[60]
    first, other, own = frames_at(video.path, [0.0, 40 / fps, 59 / fps])
    assert difference(html[1], first) < 2
    assert difference(html[60], own) < 2
    assert difference(html[60], other) > difference(html[60], own), "another frame looks different"


def test_the_buttons_step_and_stay_within_the_video(video: sd.Video) -> None:
    frames = opened(video)
    back, on = frames._parts[0].children[:2]
    back.click()
    assert frames._slider.value == 1
    on.click()
    on.click()
    shows(frames, 3)
    frames._slider.value = 96
    on.click()
    assert frames._slider.value == 96
    shows(frames, 96)


def test_a_burst_of_steps_is_few_decodings_of_few_frames(video: sd.Video, decoded: list[int]) -> None:
    frames = opened(video)
    for number in range(2, 41):
        frames._slider.value = number
    shows(frames, 40)
    assert len(decoded) <= 3
    assert max(decoded) <= 30
    before = len(decoded)
    frames._slider.value = 39
    shows(frames, 39)
    assert len(decoded) == before, "its neighbours are there already"


def test_nothing_is_decoded_before_it_is_opened_or_for_a_file_without_frames(
    video: sd.Video, decoded: list[int]
) -> None:
    frames = FrameViewer(WidgetFactory(), lambda: None)
    assert "sdn-hidden" in frames.widget._dom_classes
    frames.show(replace(video, facts=None))
    assert "sdn-hidden" in frames.widget._dom_classes
    frames.show(replace(video, path=video.path.with_name("b.mp4")))
    assert "sdn-hidden" not in frames.widget._dom_classes
    assert decoded == []


def test_a_missing_file_is_an_error_in_place_of_the_frame(video: sd.Video) -> None:
    frames = opened(replace(video, path=video.path.with_name("gone.mp4")))
    until(lambda: "could not be decoded" in frames._picture.value)
    frames.show(video)
    shows(frames, 1)


def test_loop_plays_the_newest_video_again_and_again(tmp_path: Path) -> None:
    made = sd.panel("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=4, resolution="480p")
    made._session = sd.Session(ledger=tmp_path / "l", queue_s=0, run_s=0)
    made._start()
    until(lambda: made._videos)
    shown = made._output._videos

    def html() -> str:
        return str(shown.outputs[0]["data"]["text/html"])

    until(lambda: shown.outputs)
    assert " loop" not in html()
    made._frames._loop.value = True
    assert html().count(" loop") == 1
    made._frames._loop.value = False
    assert " loop" not in html()
