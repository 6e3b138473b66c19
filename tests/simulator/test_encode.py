"""The simulator's picture: what was asked for, legible in every shape, whatever the words and references are."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageChops

from seedance_nb._simulator.background import frames
from seedance_nb._simulator.encode import render, tune
from seedance_nb._simulator.job import Job, Reference, dump, frame_size, load
from seedance_nb._simulator.text import clean, fit, width, wrap


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


def test_a_video_has_exactly_the_asked_size_seconds_and_rate(painted: Path) -> None:
    with av.open(str(painted)) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (320, 180, Fraction(24))
        assert len(list(video.decode(stream))) == 48
    with av.open(str(painted)) as video:
        sound = video.streams.audio[0]
        assert (sound.codec_context.name, sound.rate) == ("aac", 48_000)
        assert abs(float((sound.duration or 0) * (sound.time_base or 0)) - 2) < 0.05


def test_no_sound_is_made_where_none_is_asked(tmp_path: Path) -> None:
    render(job(tmp_path / "v.mp4", audio=False, seconds=1))
    with av.open(str(tmp_path / "v.mp4")) as video:
        assert not video.streams.audio


def test_nothing_half_done_is_left(painted: Path) -> None:
    assert list(painted.parent.iterdir()) == [painted]


def test_the_picture_moves(tmp_path: Path) -> None:
    moving: Iterator[Image.Image] = frames(job(tmp_path / "v"))
    start = next(moving).copy()
    for _ in range(20):
        later = next(moving)
    assert ImageChops.difference(start, later).getbbox() is not None


def test_the_same_request_looks_the_same_and_another_prompt_does_not(tmp_path: Path) -> None:
    one = first(job(tmp_path / "v"))
    assert ImageChops.difference(one, first(job(tmp_path / "v"))).getbbox() is None
    assert ImageChops.difference(one, first(job(tmp_path / "v", "A boat"))).getbbox() is not None


@pytest.mark.parametrize("size", [(854, 480), (480, 854), (480, 480), (1120, 480)])
@pytest.mark.parametrize(
    "prompt", ["x", "A fox 🦊 雪\n<b>\u200b\ud83e " * 300, "longword" * 600], ids=["short", "odd", "long"]
)
def test_any_prompt_fits_into_any_shape(tmp_path: Path, size: tuple[int, int], prompt: str) -> None:
    many = tuple(Reference(label=f"[Image{n}]", url="asset://a-1", file=None) for n in range(1, 16))
    for references in ((), many):
        shown = first(job(tmp_path / "v", prompt, width=size[0], height=size[1], references=references))
        assert shown.size == size


def reference(path: Path) -> tuple[Reference, ...]:
    return (Reference(label="[Image1]", url="https://example.com/a.png", file=str(path)),)


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


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [("720p", "16:9", (1280, 720)), ("480p", "9:16", (480, 854)), ("480p", "1:1", (480, 480)), ("720p", "21:9", (1680, 720)),
     ("480p", "4:3", (640, 480)), ("480p", "3:4", (480, 640))],
)  # fmt: skip
def test_resolution_and_ratio_are_a_size(resolution: str, ratio: str, size: tuple[int, int]) -> None:
    assert frame_size(resolution, ratio) == size


@pytest.mark.parametrize(("resolution", "ratio"), [("720", "16:9"), ("720p", "auto"), ("720p", "0:9"), ("", "")])
def test_other_names_are_no_size(resolution: str, ratio: str) -> None:
    with pytest.raises(ValueError, match="no frame size"):
        frame_size(resolution, ratio)


def test_a_job_travels_as_text(tmp_path: Path) -> None:
    work = job(tmp_path / "v", "🦊\ud83e", references=reference(tmp_path / "a"))
    assert load(dump(work)) == work
    assert dump(work).isascii()


def test_a_tune_is_as_long_as_the_video_and_begins_and_ends_softly() -> None:
    samples = tune("A fox", 3)
    assert len(samples) == 2 * 48_000 * 3
    assert max(map(abs, samples[:200])) < 20
    assert max(map(abs, samples[-200:])) < 20
    assert max(map(abs, samples)) > 500


def test_words_are_cut_to_the_room_they_have() -> None:
    assert clean("a\n\tb\u200b🏽  c", 90) == "a b c"
    assert clean("x" * 100, 10) == "x" * 10 + "…"
    assert width(fit("a long line of words", 20, 80), 20) <= 80
    assert fit("a long line of words", 20, 80).endswith("…")
    assert all(width(line, 20) <= 100 for line in wrap("some words and averyverylongwordindeed 雪雪雪雪雪雪", 20, 100))
