"""What the tests remember of a child's work is what a child would do again."""

import asyncio
import json
from pathlib import Path

import pytest
from support.remembered import RENDER, Remembered

import seedance_nb as sd
from seedance_nb._media.frames import frames_at
from seedance_nb._media.inspect import inspect, probe
from seedance_nb._media.sandbox import Limits

LIMITS = Limits(memory=2 * 1024**3, cpu_s=60, wall_s=90)
Made = tuple[sd.Session, sd.Video]


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> Remembered:
    one = Remembered()
    one.put_in_place(monkeypatch)
    return one


def test_equal_bytes_are_read_once_and_the_answer_is_the_same(
    remembered: Remembered, made: Made, tmp_path: Path
) -> None:
    found = []
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(made[1].path.read_bytes())
        facts = inspect(tmp_path / f"{name}.mp4", tmp_path / f"{name}.jpg")
        images = frames_at(tmp_path / f"{name}.mp4", [0.5, 1.5])
        found.append((facts, (tmp_path / f"{name}.jpg").read_bytes(), [one.tobytes() for one in images]))
    assert found[0] == found[1]
    assert (remembered.started, remembered.remembered) == (2, 2)


def test_other_bytes_other_words_and_what_is_refused_start_a_child_each(
    remembered: Remembered, made: Made, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(made[1].path.read_bytes())
    assert frames_at(tmp_path / "a.mp4", [0.5])[0].tobytes() != frames_at(tmp_path / "a.mp4", [3.5])[0].tobytes()
    assert inspect(tmp_path / "a.mp4") == inspect(tmp_path / "a.mp4")
    assert (remembered.started, remembered.remembered) == (3, 1)
    (tmp_path / "a.mp4").write_bytes(made[1].path.read_bytes() + (9).to_bytes(4) + b"free!")
    assert inspect(tmp_path / "a.mp4")[0] != inspect(made[1].path)[0], "it is larger"
    (tmp_path / "a.mp4").write_bytes(b"no video")
    assert probe(tmp_path / "a.mp4", 8) == probe(tmp_path / "a.mp4", 8)
    assert (remembered.started, remembered.remembered) == (6, 2)


def test_a_job_is_rendered_once_wherever_its_video_is_to_be(remembered: Remembered, tmp_path: Path) -> None:
    for prompt in ("A fox", "A fox", "A hen"):
        video, last = (
            tmp_path / f"{len([*tmp_path.glob('*.mp4')])}.mp4",
            tmp_path / f"{len([*tmp_path.glob('*.mp4')])}.png",
        )
        job = {"path": str(video), "last_frame": str(last), "width": 64, "height": 64, "seconds": 1, "audio": False,
               "prompt": prompt, "model": "m", "settings": [], "references": [], "seed": 0}  # fmt: skip
        (tmp_path / "job.json").write_text(json.dumps(job))
        assert asyncio.run(remembered.run_async(RENDER, tmp_path / "job.json", limits=LIMITS)).problem == ""
    videos, frames = ([(tmp_path / f"{number}{end}").read_bytes() for number in range(3)] for end in (".mp4", ".png"))
    assert [videos.index(one) for one in videos] == [frames.index(one) for one in frames] == [0, 0, 2]
    assert (remembered.started, remembered.remembered) == (2, 1)


def test_what_is_there_already_is_left_to_the_child(remembered: Remembered, made: Made, tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "film").write_text("mine")
        remembered.run("seedance_nb._media.inspect:decode", made[1].path, tmp_path / "film", "mp4", limits=LIMITS)
        assert (tmp_path / "film").read_text() == "mine"
    assert (remembered.started, remembered.remembered) == (2, 0)
