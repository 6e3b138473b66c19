"""Damaged, huge or mislabelled files are read without harm: the kernel survives and the file does not change."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.isolated import Isolated
from support.shelf import Shelf

import seedance_nb
from seedance_nb._document.load import spec
from seedance_nb._media import inspect
from seedance_nb._simulator import app

pytestmark = pytest.mark.usefixtures("real_children")

SEED = int(os.environ.get("SEEDANCE_SEED", "20261121"))
MUTANTS = 3_000
BATCH = 250
WHOLE_WAY = 24
MEGABYTES = 300
CHILD_S = 15


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated("support.hostile_media") as made:
        yield made


@pytest.mark.parametrize("first", range(0, MUTANTS, BATCH))
def test_no_mutant_of_a_video_ends_the_process_that_reads_it(first: int, isolated: Isolated) -> None:
    print(f"SEEDANCE_SEED={SEED}")  # noqa: T201 - shown where it fails, so that it can be had again
    end = isolated.run("support.hostile_media:look", SEED, first, BATCH)
    assert end.signal == 0, "a reader was ended by a mutant; in the library that is its child, not the kernel"
    assert sum(end.answer.values()) == BATCH
    assert end.answer["shown"] < BATCH
    assert end.grown < MEGABYTES


@pytest.mark.parametrize("number", range(WHOLE_WAY))
def test_a_mutant_is_looked_into_over_the_whole_way_and_stays_as_it_was(
    number: int, isolated: Isolated, tmp_path: Path
) -> None:
    found = really(isolated, tmp_path, "mutant", [SEED, number])
    assert found["facts"] or found["why"]


def really(isolated: Isolated, folder: Path, kind: str, argument: Any = None) -> dict[str, Any]:
    path = str(folder / "a.mp4")
    isolated.run("support.hostile_media:write", path, kind, argument)
    end = isolated.run("support.hostile_media:really", path)
    assert isinstance(end.answer, dict), end
    assert end.cpu < CHILD_S
    assert end.answer["kept"]
    assert end.answer["peak"] < MEGABYTES
    return end.answer


def test_an_honest_video_is_shown(isolated: Isolated, tmp_path: Path) -> None:
    found = really(isolated, tmp_path, "honest")
    assert (found["facts"], found["probed"]) == (True, [64, 48])


@pytest.mark.parametrize("kind", ["vast", "understated"])
def test_a_small_file_of_a_vast_picture_is_refused_before_it_is_decoded(
    kind: str, isolated: Isolated, tmp_path: Path
) -> None:
    found = really(isolated, tmp_path, kind)
    assert found["bytes"] < 1_000_000
    assert (found["facts"], found["why"]) == (False, "it cannot be decoded (its frames are larger than 4096 x 2304)")


@pytest.mark.parametrize("kind", ["playlist", "playlist behind a beginning", "concat"])
def test_a_playlist_under_the_name_of_a_video_leads_nowhere(kind: str, isolated: Isolated, tmp_path: Path) -> None:
    listener = Shelf()
    found = really(isolated, tmp_path, kind, listener.origin)
    assert (found["facts"], found["probed"], listener.connections) == (False, None, 0)
    listener.stop()


def test_a_picture_of_144_million_points_in_17_kb_is_measured_and_not_decoded(
    isolated: Isolated, tmp_path: Path
) -> None:
    found = really(isolated, tmp_path, "png")
    assert found["bytes"] < 20_000
    assert (found["probed"], found["drawn"]) == ([12_000, 12_000], False)


def test_the_largest_picture_that_the_simulator_draws_takes_little_memory(isolated: Isolated) -> None:
    end = isolated.run("support.hostile_media:drawn", 6_304, 6_304)
    assert end.answer is True
    assert end.grown < MEGABYTES


def test_a_reader_left_as_it_comes_decodes_the_bomb(isolated: Isolated) -> None:
    end = isolated.run("support.hostile_media:naive")
    assert end.grown > MEGABYTES or end.signal


SPY = """
import json, os, sys
from pathlib import Path
Path({folder!r}, f"{{sys.orig_argv[5]}}.json").write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, dict[str, str]]]:
    """The environments that child processes found, by the function that they called: each writes down its own as it starts."""
    (tmp_path / "sitecustomize.py").write_text(SPY.format(folder=str(tmp_path)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(seedance_nb.__file__).parents[1])]))
    for name in ("CRUN_API_KEY", "WS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "ak_canary")
    return lambda: {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("seedance_nb.*.json")}


def test_no_child_that_reads_foreign_bytes_gets_a_key(
    told: Callable[[], dict[str, dict[str, str]]], tmp_path: Path
) -> None:
    made, shown, sound = tmp_path / "v.mp4", tmp_path / "a.png", tmp_path / "a.wav"
    made.write_bytes(media.video(frames=2))
    shown.write_bytes(media.picture())
    sound.write_bytes(media.wav(1))
    assert inspect.inspect(made, tmp_path / "p.jpg")[0]
    children = told()
    assert [inspect.whole_fault(shown, "png"), inspect.whole_fault(sound, "wav")] == ["", ""]
    assert "ak_canary" not in children.pop("seedance_nb._media.inspect:decode").values()
    assert inspect.probe(made, made.stat().st_size)[0]
    body = {"input": {"prompt": "A fox", "duration": 4, "resolution": "480p"}}
    last = tmp_path / "last.png"
    assert asyncio.run(app.paint(spec("crun/seedance-2.0-fast-r2v"), body, tmp_path / "o.mp4", last, nothing)) == ""
    assert not children
    functions = ("_media.inspect:decode", "_media.inspect:decode_whole", "_media.inspect:read_header")
    assert set(told()) == {f"seedance_nb.{name}" for name in (*functions, "_simulator.encode:render_job")}
    for name, environment in told().items():
        assert "PATH" in environment
        assert "ak_canary" not in environment.values(), name


def test_a_child_with_the_default_environment_gets_every_key(
    told: Callable[[], dict[str, dict[str, str]]], tmp_path: Path
) -> None:
    (tmp_path / "v.mp4").write_bytes(media.video(frames=2))
    command = [
        sys.executable,
        "-P",
        "-m",
        "seedance_nb._media.sandbox",
        json.dumps(asdict(inspect.PROBE_LIMITS)),
        "seedance_nb._media.inspect:read_header",
        str(tmp_path / "v.mp4"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert told()["seedance_nb._media.inspect:read_header"]["CRUN_API_KEY"] == "ak_canary"


async def nothing(_: str) -> bytes:
    return b""
