"""The simulated video shows the request legibly in every format, for any prompt and references."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from seedance_nb._simulator import encode as picture_module
from seedance_nb._simulator.encode import Job, clean, fit, frames, render, tune, width, wrap


def job(path: Path, prompt: str = "A fox", **changes: Any) -> Job:
    chosen: dict[str, Any] = {"width": 320, "height": 180, "seconds": 2, "audio": True} | changes
    return Job(
        path=str(path), prompt=prompt, model="m", settings=(("duration", "2 s"),), **({"references": ()} | chosen)
    )


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("render") / "v.mp4"
    render(job(path))
    return path


def first(work: Job) -> Image.Image:
    return next(frames(work)).copy()


def changed(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int]:
    """The box around all that two pictures do not share."""
    box = ImageChops.difference(one, other).getbbox()
    assert box is not None, "they are the same"
    return box


def contrast(one: Any, other: Any) -> float:
    """The contrast of two colours as WCAG 2 measures it; small text needs 4.5."""

    def luminance(colour: Any) -> float:
        parts: list[float] = [level / 255 for level in colour]
        linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4) for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture
def one_palette(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of different prompts in the same colours, so that they differ in their words alone."""
    monkeypatch.setattr(picture_module, "seed", lambda _: bytes(8))


def test_a_video_has_exactly_the_requested_size_duration_and_frame_rate(painted: Path) -> None:
    with av.open(str(painted)) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (320, 180, Fraction(24))
        assert len(list(video.decode(stream))) == 48
    with av.open(str(painted)) as video:
        sound = video.streams.audio[0]
        assert (sound.codec_context.name, sound.rate) == ("aac", 48_000)
        assert abs(float((sound.duration or 0) * (sound.time_base or 0)) - 2) < 0.05


def test_a_video_says_in_its_metadata_that_it_is_simulated_and_from_which_prompt(painted: Path, tmp_path: Path) -> None:
    with av.open(str(painted)) as video:
        assert (video.metadata["comment"], video.metadata["description"]) == ("SIMULATED", "A fox")
    render(job(tmp_path / "v.mp4", "🦊 雪 \ud83e " + "word " * 3000, audio=False, seconds=1))
    with av.open(str(tmp_path / "v.mp4")) as video:
        assert video.metadata["description"] == "🦊 雪 ? " + "word " * 3000


def test_no_audio_is_added_unless_requested(tmp_path: Path) -> None:
    render(job(tmp_path / "v.mp4", audio=False, seconds=1))
    with av.open(str(tmp_path / "v.mp4")) as video:
        assert not video.streams.audio


def test_nothing_half_done_is_left(painted: Path) -> None:
    assert list(painted.parent.iterdir()) == [painted]


def test_every_frame_differs_from_the_one_before_and_only_in_its_clock_and_progress(tmp_path: Path) -> None:
    moving = frames(job(tmp_path / "v"))
    before = next(moving).copy()
    for picture in moving:
        left, top, right, bottom = changed(before, picture)
        assert 10 <= left < right <= 310
        assert 150 <= top < bottom <= 170
        before = picture.copy()


def test_the_video_shows_what_was_drawn(tmp_path: Path, painted: Path) -> None:
    drawn_at = [picture.copy() for picture in frames(job(tmp_path / "v"))]
    moving = changed(drawn_at[0], drawn_at[20])
    with av.open(str(painted)) as video:
        for drawn, frame in zip(drawn_at, video.decode(video=0), strict=True):
            shown = frame.to_image()  # type: ignore[no-untyped-call]
            assert max(ImageStat.Stat(ImageChops.difference(drawn, shown)).mean) < 4
            bars = [image.crop(moving) for image in (drawn, shown)]
            assert max(ImageStat.Stat(ImageChops.difference(*bars)).mean) < 8
    control = ImageChops.difference(drawn_at[0].crop(moving), drawn_at[20].crop(moving))
    assert max(ImageStat.Stat(control).mean) > 8, "a bar that stands still would be seen"


def test_the_same_request_looks_the_same_and_another_prompt_does_not(tmp_path: Path) -> None:
    one = first(job(tmp_path / "v"))
    assert ImageChops.difference(one, first(job(tmp_path / "v"))).getbbox() is None
    assert ImageChops.difference(one, first(job(tmp_path / "v", "A boat"))).getbbox() is not None


@pytest.mark.parametrize("size", [(854, 480), (480, 854), (480, 480), (1120, 480), (320, 180)])
@pytest.mark.parametrize(
    "prompt",
    [
        "x",
        "A fox 🦊 雪\n<b>\u200b\ud83e " * 300,
        "longword" * 600,
        "一只狐狸在雪地里奔跑。" * 60,
        "ثعلب يركض في الثلج " * 60,
    ],
    ids=["short", "odd", "long", "chinese", "arabic"],
)
@pytest.mark.usefixtures("one_palette")
def test_any_prompt_fits_into_any_shape(tmp_path: Path, size: tuple[int, int], prompt: str) -> None:
    few = tuple((f"[Image{n}]", None) for n in range(1, 3))
    many = tuple((f"[Image{n}]", None) for n in range(1, 16))
    margin = min(size) // 20
    blank = first(job(tmp_path / "v", "", width=size[0], height=size[1]))
    for references in ((), few, many):
        work = job(tmp_path / "v", prompt, width=size[0], height=size[1], references=references)
        pictures = frames(work)
        shown = next(pictures).copy()
        moving = changed(shown, next(pictures))
        assert shown.size == size
        without = first(job(tmp_path / "v", "", width=size[0], height=size[1], references=references))
        words = changed(without, shown)
        assert margin <= words[0] < words[2] <= size[0] - margin
        assert words[1] >= 2 * margin, "the badge stands above"
        assert words[3] <= moving[1]
        if references:
            tiles = changed(blank, without)
            assert tiles[3] <= moving[1] <= moving[3] <= size[1] - margin
            assert margin <= tiles[0] < tiles[2] <= size[0] - margin
            assert words[3] <= tiles[1]


def test_no_more_than_twelve_pictures_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str | None] = []
    monkeypatch.setattr(picture_module, "picture", lambda file, _: opened.append(file))
    many = tuple((f"[Image{n}]", str(n)) for n in range(500))
    for size in ((854, 480), (480, 854), (2560, 480)):
        opened.clear()
        first(job(tmp_path / "v", width=size[0], height=size[1], references=many))
        assert 0 < len(opened) <= 12


@pytest.mark.usefixtures("one_palette")
def test_a_script_that_runs_from_right_to_left_begins_at_the_right(tmp_path: Path) -> None:
    blank = first(job(tmp_path / "v", "", width=480, height=854))
    arabic = changed(blank, first(job(tmp_path / "v", "ثعلب", width=480, height=854)))
    latin = changed(blank, first(job(tmp_path / "v", "fox", width=480, height=854)))
    assert arabic[2] > 480 * 0.9
    assert arabic[0] > 240
    assert latin[0] < 480 * 0.1
    assert latin[2] < 240


@pytest.fixture
def no_system_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    memories = (picture_module._fonts, picture_module._face, picture_module._has, picture_module.width)
    for memory in memories:
        memory.cache_clear()
    monkeypatch.setattr(picture_module, "_FONTS", ("no-such-font.ttf",))
    yield
    for memory in memories:
        memory.cache_clear()


@pytest.mark.usefixtures("one_palette", "no_system_fonts")
def test_characters_that_no_font_has_are_boxes_of_their_own_width(tmp_path: Path) -> None:
    blank = first(job(tmp_path / "v", ""))
    one, two = (changed(blank, first(job(tmp_path / "v", text))) for text in ("雪", "雪雪"))
    assert one[2] - one[0] > 7
    assert one[2] < two[2]
    assert width("雪雪", 20) == 2 * width("雪", 20) > 10


@pytest.mark.parametrize("number", range(6))
def test_white_words_stand_out_from_the_brightest_corner_and_the_badge_from_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(picture_module, "seed", lambda _: bytes([number]) * 8)
    assert len(picture_module._PALETTES) == 6
    shown = first(job(tmp_path / "v", "", width=854, height=480))
    corners = [shown.getpixel((x, y)) for x in (0, 853) for y in (0, 479)]
    assert min(contrast(corner, (255, 255, 255)) for corner in corners) > 4.5
    badge = shown.crop((30, 30, 130, 56)).getcolors(2600) or []
    ranked = [colour for _, colour in sorted(badge, reverse=True)[:2]]
    assert contrast(*ranked) > 7


def reference(path: Path) -> tuple[tuple[str, str], ...]:
    return (("[Image1]", str(path)),)


def test_a_reference_picture_is_shown(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), (255, 0, 0)).save(tmp_path / "red.png")
    shown = first(job(tmp_path / "v", references=reference(tmp_path / "red.png")))
    colours = shown.getcolors(shown.width * shown.height) or []
    assert sum(count for count, colour in colours if colour == (255, 0, 0)) > 100


@pytest.mark.parametrize(
    "content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"GIF89a\xff\xff\xff\xff\0\0\0"]
)
def test_a_reference_that_is_no_picture_is_only_a_tile(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    bad = first(job(tmp_path / "v", references=reference(tmp_path / "bad")))
    missing = first(job(tmp_path / "v", references=reference(tmp_path / "missing")))
    assert ImageChops.difference(bad, missing).getbbox() is None


def test_a_picture_that_would_fill_the_memory_is_only_a_tile(tmp_path: Path) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    bomb = first(job(tmp_path / "v", references=reference(tmp_path / "bomb.png")))
    missing = first(job(tmp_path / "v", references=reference(tmp_path / "missing")))
    assert ImageChops.difference(bomb, missing).getbbox() is None


def test_a_job_travels_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = job(tmp_path / "v", "🦊\ud83e", references=reference(tmp_path / "a"))
    (tmp_path / "job.json").write_text(json.dumps(asdict(work)), encoding="ascii")
    read: list[Job] = []
    monkeypatch.setattr(picture_module, "render", read.append)
    picture_module.render_job(str(tmp_path / "job.json"))
    assert asdict(read[0]) | {"settings": work.settings, "references": work.references} == asdict(work)
    assert [tuple(one) for one in read[0].settings] == [*work.settings]
    assert [tuple(one) for one in read[0].references] == [*work.references]


def test_a_tune_is_as_long_as_the_video_and_begins_and_ends_softly() -> None:
    samples = tune("A fox", 3)
    assert len(samples) == 48_000 * 3
    assert max(map(abs, samples[:200])) < 20
    assert max(map(abs, samples[-200:])) < 20
    assert max(map(abs, samples)) > 500


def test_words_are_cut_to_the_room_they_have() -> None:
    assert clean("a\n\tb\u200b🏽  c", 90) == "a b c"
    assert clean("x" * 100, 10) == "x" * 10 + "…"
    assert width(fit("a long line of words", 20, 80), 20) <= 80
    assert fit("a long line of words", 20, 80).endswith("…")
    assert all(width(line, 20) <= 100 for line in wrap("some words and averyverylongwordindeed 雪雪雪雪雪雪", 20, 100))
