"""The videos of a cell are in its notebook twice, in few kilobytes, and a page without any of them says where they are."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from ipywidgets import Widget
from PIL import Image

import seedance_nb as sd
from seedance_nb._form.controls.base import WidgetFactory
from seedance_nb._notebook import output as output_module
from seedance_nb._notebook.output import VideoOutput
from seedance_nb._task.display.player import still_of
from seedance_nb._task.display.video import video_view

MOST = 25_000


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What is displayed in the cell, each in its last state."""
    shown: list[dict[str, str]] = []

    class Handle:
        def update(self, bundle: dict[str, str], **_: Any) -> None:
            shown[-1] = bundle

    def display(bundle: dict[str, str], **_: Any) -> Handle:
        shown.append(bundle)
        return Handle()

    monkeypatch.setattr(output_module, "display", display)
    yield shown
    Widget.close_all()


def test_a_video_and_every_copy_of_its_picture_take_at_most_25_kb(
    made: tuple[sd.Session, sd.Video], cell: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made[1].path.parent.parent)
    noise, jpeg = random.Random(1), BytesIO()
    Image.frombytes("RGB", (1280, 720), noise.randbytes(1280 * 720 * 3)).save(jpeg, "JPEG", quality=95)

    def saved() -> int:
        return len(json.dumps([cell, Widget.get_manager_state()]))

    Widget.close_all()
    output = VideoOutput(WidgetFactory())
    output.display()
    before = saved()
    for poster in (made[1].poster, still_of(jpeg.getvalue())):
        output.update(video_view(replace(made[1], poster=poster)))
        assert saved() - before < MOST
    assert output._videos.outputs[0]["data"]["text/html"].count("poster=") == cell[0]["text/html"].count("poster=") == 1
    output.update(video_view(replace(made[1], poster=still_of(jpeg.getvalue(), most=9_000))))
    assert saved() - before > MOST, "a larger picture would be too much"


def test_a_page_that_was_saved_before_any_video_says_where_they_are(cell: list[dict[str, str]]) -> None:
    VideoOutput(WidgetFactory()).display()
    assert "<code>sd.tasks()</code> lists all videos" in cell[0]["text/html"]
