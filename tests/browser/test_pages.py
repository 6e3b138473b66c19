"""What is written for browsers without a kernel plays there: a grid with one button, and an exported page that was moved."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from support.lab import ARGUMENTS, colours, launch, seen

import seedance_nb as sd
from seedance_nb._task.display.player import source_of
from seedance_nb._task.display.video import video_html, video_player

STATES = "[...document.querySelectorAll('video')].map(v => [v.paused, v.currentTime, v.error])"
PLAYING = "() => [...document.querySelectorAll('video')].every(v => v.currentTime > 0.5)"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a browser with the rules of any person's: what is hidden does not play by itself."""
    own = tuple(argument for argument in ARGUMENTS if not argument.startswith("--autoplay-policy"))
    launched = launch(browser.browser.browser_type, own)
    yield launched.new_page()
    launched.close()


def test_play_all_starts_every_video_of_a_grid_at_once(
    page: Any, made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    html = str(sd.grid([made[1].show(embed=True)] * 3).html)
    (tmp_path / "grid.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{html}", encoding="utf-8")
    page.goto(f"file://{tmp_path}/grid.html")
    assert [still.is_visible() for still in page.locator("img").all()] == [True] * 3
    assert {paused for paused, _, _ in page.evaluate(STATES)} == {True}
    page.get_by_text("Play all").click()
    page.wait_for_function(PLAYING)
    times = [at for _, at, _ in page.evaluate(STATES)]
    assert max(times) - min(times) < 0.2
    assert not any(still.is_visible() for still in page.locator("img").all())
    page.get_by_text("Stop all").click()
    page.wait_for_function("() => [...document.querySelectorAll('video')].every(v => v.paused)")


def test_each_mechanism_shows_a_picture_in_the_videos_own_shape(
    page: Any, made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    video = made[1]
    (tmp_path / "clip.mp4").write_bytes(video.path.read_bytes())
    with av.open(str(video.path)) as source, av.open(str(tmp_path / "new.mp4"), "w") as file:
        stream = file.add_stream("libx265", rate=24, options={"preset": "ultrafast", "x265-params": "log-level=none"})
        stream.width, stream.height = 854, 480
        for frame in itertools.islice(source.decode(video=0), 6):
            file.mux(stream.encode(frame.reformat(format="yuv420p")))
        file.mux(stream.encode(None))
    assert video.facts
    hevc = replace(video, path=tmp_path / "new.mp4", facts=replace(video.facts, codec="hevc"))
    embedded = {"embed": video, "proxy": hevc.proxy(), "not played": hevc}
    players = [video_player(video, "clip.mp4"), video_player(video, "")]
    players += [video_player(one, source_of(one.path, embed=True)) for one in embedded.values()]
    body = "".join(map(str, [*players, video_player(replace(video, poster=b""), "gone.mp4")]))
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{body}", encoding="utf-8")
    page.goto(f"file://{tmp_path}/page.html")
    *shown, black = page.locator("video, img").all()
    assert len(shown) == len(players)
    for player in shown:
        seen(player, 854 / 480)
    assert colours(black) < 5, "the control"
    page.wait_for_function("() => [...document.querySelectorAll('video')].slice(0, 3).every(v => v.videoWidth === 854)")
    assert "H.265, which many browsers cannot play" in video_html(hevc, "")


def test_an_exported_page_plays_in_another_folder_without_a_network(
    page: Any, made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = sd.export([made[1]] * 2, tmp_path / "page.html").rename(tmp_path / "elsewhere" / "moved.html")
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url[:5]))
    page.on("console", lambda message: errors.append(message.text))
    page.goto(f"file://{file}")
    page.evaluate("document.querySelectorAll('video').forEach(v => { v.muted = true; v.play() })")
    page.wait_for_function(PLAYING)
    assert {error for _, _, error in page.evaluate(STATES)} == {None}
    assert (set(asked) - {"file:", "data:"}, errors) == (set(), [])
    for scheme, dark in (("light", False), ("dark", True)):
        page.emulate_media(color_scheme=scheme)
        text = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert (sum(map(int, text[4:-1].split(","))) > 380) is dark
