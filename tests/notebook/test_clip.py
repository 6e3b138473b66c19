"""`sd.open`: a clip gives its request back, and no file can make it more than a request."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import media
from support.clips import provider_bytes

import seedance_nb as sd
from seedance_nb._task.files import _KIND

MODEL = "crun/seedance-1.0-pro-t2v"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> sd.Video:
    folder = tmp_path_factory.mktemp("clip")
    session = sd.Session(ledger=folder / "l.sqlite3", outputs=folder, queue_s=0, run_s=0)
    return session.generate(MODEL, prompt="A fox\nat dawn", resolution="480p", duration=4)


@pytest.fixture
def clip(video: sd.Video, tmp_path: Path) -> Path:
    return Path(shutil.copy(video.path, tmp_path / "clip.mp4"))


def rewrite(clip: Path, **changes: Any) -> None:
    own = provider_bytes(clip)
    values = json.loads(clip.read_bytes()[len(own) + 24 :])
    clip.write_bytes(own + media.box(b"uuid", _KIND[4:] + json.dumps(values | changes).encode()))


def test_a_clip_gives_back_its_request_as_a_panel_and_as_code(video: sd.Video, clip: Path) -> None:
    found = sd.open(clip)
    assert (found.request, found.prompt, found.task) == (video.request, "A fox\nat dawn", video.task)
    assert (found.sha256, found.is_original, found.problems) == (video.sha256, True, ())
    panel = found.panel()
    assert panel.form.values == video.request
    assert panel.task is None
    assert found.code() == panel.form.to_python()
    assert found.estimate() == sd.estimate(MODEL, prompt="A fox", resolution="480p", duration=4)


def test_a_clip_shows_what_it_is(clip: Path) -> None:
    found = sd.open(str(clip))
    assert repr(found).splitlines()[0].startswith(f"Clip clip.mp4: {MODEL} · take 1 · 20")
    assert repr(found).endswith('at dawn"\nChecked today: No problems.')
    for text in ("clip.mp4", "SIMULATED", "at dawn", MODEL, "No problems."):
        assert text in found._repr_html_()


def test_a_clip_says_what_the_schema_changed_since(video: sd.Video, clip: Path) -> None:
    body = {**video.request, "input": {**video.request["input"], "camera": "close", "duration": "five"}}
    rewrite(clip, request=body)
    found = sd.open(clip)
    assert [problem.path for problem in found.problems] == ["/input/duration", "/input/camera"]
    assert "unknown field" in repr(found)
    assert "unknown field" in found._repr_html_()
    assert found.panel().form.values == body
    with pytest.raises(sd.InvalidInput, match="duration"):
        found.estimate()
    rewrite(clip, request={**video.request, "extra": {"camera": 1}})
    assert [problem.path for problem in sd.open(clip).problems] == ["/extra"]


def test_a_price_is_known_though_the_queries_of_urls_are_not_saved(tmp_path: Path) -> None:
    model = "seedance2-pro/seedance-20-i2v"
    fields: dict[str, Any] = {"urls": ["https://example.com/a.png?sig=31337"], "duration": "5s", "prompt": "A fox"}
    video = sd.Session(queue_s=0, run_s=0, outputs=tmp_path).generate(model, **fields)
    found = sd.open(video.path)
    assert found.request["inputs"]["urls"] == ["https://example.com/a.png?…"]
    assert "31337" not in repr(found) + found.code() + found._repr_html_()
    assert [problem.rule for problem in found.problems if not problem.warns] == ["x-media"]
    assert found.estimate() == sd.estimate(model, **fields)


def test_a_clip_that_was_edited_is_opened_and_says_so(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    clip.write_bytes(data)
    assert not sd.open(clip).is_original
    assert "changed after it was saved" in repr(sd.open(clip))


def test_a_clip_never_chooses_the_schema_that_says_where_requests_go(clip: Path, tmp_path: Path) -> None:
    schema = tmp_path / "evil.yaml"
    shutil.copy(Path(sd.__file__).parent / "specs" / f"{MODEL}.yaml", schema)
    rewrite(clip, model=str(schema))
    with pytest.raises(sd.SeedanceError, match="which this version does not have") as told:
        sd.open(clip)
    assert "document=" in str(told.value)
    assert sd.open(clip, document=MODEL).code().endswith(sd.open(clip, document=sd.spec(MODEL)).code())


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "an image": (media.picture, "no request was saved with it"),
    "a web page": (lambda: b"<html>", "no request was saved with it"),
    "a video of another program": (media.video, "no request was saved with it"),
    "a damaged request": (lambda: media.video() + media.box(b"uuid", _KIND[4:] + b"{"), "the request saved with it is damaged"),
    "an empty file": (lambda: b"", "there is no such file, or it is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_file_without_a_request_is_reported_with_what_it_is(name: str, tmp_path: Path) -> None:
    content, why = WRONG[name]
    file = tmp_path / "x.mp4"
    file.write_bytes(content())
    with pytest.raises(sd.MediaError) as told:
        sd.open(file)
    assert told.value.message == f"{file} cannot be opened: {why}."


def test_a_file_that_is_not_there_is_reported(tmp_path: Path) -> None:
    for path in (tmp_path / "none.mp4", tmp_path):
        with pytest.raises(sd.MediaError, match="cannot be opened: there is no such file"):
            sd.open(path)


@pytest.mark.parametrize("name", [".", "/"])
def test_a_folder_is_not_opened_as_a_clip(name: str) -> None:
    with pytest.raises(sd.MediaError, match="cannot be opened: there is no such file"):
        sd.open(name)
