"""Videos side by side in a cell and on a page of their own: without a script, a network or a path of this computer."""

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

import seedance_nb as sd
from seedance_nb._task.display import video as page


def test_a_page_has_every_video_in_it_and_reaches_for_nothing(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    video = made[1]
    file = sd.export([video, video.show(loop=True)], tmp_path / "page.html", title="Two & a <fox>")
    text = file.read_text(encoding="utf-8")
    assert text.count(f"data:video/mp4;base64,{base64.b64encode(video.path.read_bytes()).decode()}") == 2
    rest = re.sub(r'(src|poster)="data:[^"]+"', "", text)
    assert not re.findall(r"<script|<link|\bon\w+=|(?:src|href)=|url\(", rest)
    assert "http:" not in rest
    assert str(video.path.parent) not in rest
    for words in (
        "default-src 'none'",
        "prefers-color-scheme:dark",
        "<title>Two &amp; a &lt;fox&gt;</title>",
        "SIMULATED",
        "Result 854 × 480",
    ):
        assert words in rest
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["page.html"]


def test_a_page_replaces_nothing_unless_asked_to(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("mine")
    with pytest.raises(sd.MediaError, match="exists already"):
        sd.export(made[1], file)
    assert file.read_text() == "mine"
    assert sd.export(made[1], file, overwrite=True).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_page_that_would_be_too_large_or_incomplete_is_not_written(
    made: tuple[sd.Session, sd.Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = replace(made[1], path=tmp_path / "gone.mp4")
    with pytest.raises(sd.MediaError, match=r"gone.mp4 is missing"):
        sd.export([made[1], gone], tmp_path / "page.html")
    size = made[1].path.stat().st_size
    monkeypatch.setattr(page, "EXPORT_UP_TO", 2 * size)
    sd.export([made[1]] * 2, tmp_path / "two.html")
    with pytest.raises(sd.MediaError, match="a page takes at most"):
        sd.export([made[1]] * 3, tmp_path / "page.html")
    assert [path.name for path in tmp_path.glob("*.html")] == ["two.html"]


@pytest.mark.parametrize("videos", [[], None, "fox.mp4", [None], {}])
def test_what_is_no_video_is_refused(videos: object, tmp_path: Path) -> None:
    for use in (sd.grid, lambda given: sd.export(given, tmp_path / "page.html")):
        with pytest.raises(sd.InvalidInput, match="must be a video or several"):
            use(videos)  # type: ignore[arg-type]


def test_errors_among_the_videos_are_named(made: tuple[sd.Session, sd.Video]) -> None:
    with pytest.raises(sd.InvalidInput, match="several; entry 1 is TaskFailed; entry 2 is Refused"):
        sd.grid([made[1], sd.TaskFailed("no"), sd.Refused("no")])  # type: ignore[list-item]


def test_a_grid_shows_stills_and_one_button_that_plays_all(made: tuple[sd.Session, sd.Video]) -> None:
    shown = sd.grid([made[1]] * 3)
    text = shown._repr_mimebundle_()["text/html"]
    opened, _, closed = text.partition("</details>")
    assert (closed.count("<img "), closed.count("<video "), closed.count("Play all")) == (3, 0, 0)
    assert (opened.count("<img "), opened.count("<video "), opened.count(" loop muted autoplay ")) == (0, 3, 3)
    assert opened.count("<summary") == opened.count("Play all") == opened.count("Stop all") == 1
    assert len(repr(shown).splitlines()) == 3
    assert not re.search(r"<script|\bon\w+=", text)
