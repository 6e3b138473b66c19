"""The table of tasks, and values that a person reads as the last line of a cell."""

import copy
import json
import pickle
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._base.html import escape
from seedance_nb._base.problem import Problems
from seedance_nb._document.reader import packaged

MODEL = "crun/seedance-1.0-pro-t2v"


@pytest.fixture
def served(made: tuple[sd.Session, sd.Video], monkeypatch: pytest.MonkeyPatch) -> sd.Session:
    """The session of a video that lies below the working folder."""
    monkeypatch.chdir(made[1].path.parents[1])
    return made[0]


def test_the_table_shows_a_still_that_leads_to_the_video(served: sd.Session) -> None:
    shown = served.tasks()._repr_html_()
    row = served.tasks()[0]
    assert f'<a href="outputs/{Path(row.file).name}"><img src="data:image/jpeg;base64,' in shown
    assert shown.index(">video</th>") < shown.index(">prompt</th>")
    assert len(shown) < 15_000, "the video is referenced, and only a small still of it embedded"


def test_times_are_a_persons_own(served: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    row = served.tasks()[0]
    texts = set()
    for zone in ("UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        texts.add(repr(served.tasks()).splitlines()[1].split(row.spec)[1].split("  ")[1])
    monkeypatch.undo()
    time.tzset()
    assert len(texts) == 2


def test_where_no_server_delivers_the_file_its_path_is_shown(
    made: tuple[sd.Session, sd.Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = made[0].tasks()._repr_html_()
    assert "<a href" not in shown
    assert '<img src="data:image/jpeg;base64,' in shown
    assert str(made[1].path) in shown


def test_a_row_reads_as_one_line(made: tuple[sd.Session, sd.Video]) -> None:
    line = f"Row of sd.task('{made[1].task}'): SIMULATED, done; {made[1].row.spec}; simulated (free)"
    assert repr(made[1].row) == line


def test_a_row_leads_to_its_task(made: tuple[sd.Session, sd.Video]) -> None:
    session, video = made
    row: Any = session.tasks()[0]
    for name in ("wait", "path", "show", "resolve", "frames", "cost"):
        with pytest.raises(AttributeError) as error:
            getattr(row, name)
        assert str(error.value) == (
            f"a row of the ledger has no attribute '{name}'; sd.task('{video.task}') is the task, with .cost and .wait()"
        )
    assert session.task(row).wait() == session.task(session.task(row)).wait() == video
    assert not hasattr(row, "_repr_png_")
    assert copy.copy(row) == pickle.loads(pickle.dumps(row)) == row  # noqa: S301
    with sd.simulate():
        assert [one.take for one in sd.takes(sd.submit(MODEL, prompt="A hen").row, 2).items] == [1, 2]


def test_takes_of_a_task_whose_model_is_a_file_need_the_file_only_once(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps(packaged(MODEL)), encoding="utf-8")
    name = sd.submit(file, simulate=True, prompt="A fox", duration=2).wait().task
    with pytest.raises(sd.SeedanceError, match=r"sd\.task\(name, document=…\)"):
        sd.takes(sd.tasks()[0], 2)
    task = sd.task(name, document=file)
    assert [one.take for one in sd.takes(task, 2).items] == [1, 2]


def test_no_problems_are_said_in_words_and_problems_one_by_one() -> None:
    none = sd.check(MODEL, prompt="A fox")
    assert none == ()
    assert repr(none) == "No problems."
    found = sd.check(MODEL, duration=99)
    assert isinstance(found, Problems)
    assert repr(found) == "\n".join(map(str, found))
    assert all(problem.path in found._repr_html_() for problem in found)


def test_an_estimate_reads_as_a_price_with_its_source() -> None:
    price = sd.estimate("seedance2-pro/seedance-20-i2v", urls=["https://example.com/fox.png"], duration="5s")
    assert repr(price).startswith("200 credits ($1.00); from ")
    assert repr(sd.estimate(MODEL, prompt="A fox")).startswith("price unknown; ")


def test_rows_prices_and_models_show_their_text_in_a_cell(made: tuple[sd.Session, sd.Video]) -> None:
    price = sd.estimate("seedance2-pro/seedance-20-i2v", urls=["https://example.com/fox.png"], duration="5s")
    for value in (made[1].row, price, sd.spec(MODEL)):
        assert escape(repr(value)) in value._repr_html_()


def test_models_are_a_mapping_of_names() -> None:
    models = sd.models()
    assert len(models) == len(list(models)) == len(models.names) == 5
    assert models[MODEL].name == MODEL
    assert "another" not in models
    assert all(f'href="https://{spec.source.split(",")[0]}"' in models._repr_html_() for spec in models.values())


def test_a_data_frame_has_a_persons_columns(served: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[list[dict[str, Any]]] = []
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: tables.append(list(rows))))
    served.tasks().to_pandas()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(sd.SeedanceError, match="pandas is not installed") as refused:
        served.tasks().to_pandas()
    assert refused.value.next_step == "run %pip install pandas, then run it again"
    (row,) = tables[0]
    assert list(row) == ["task", "state", "model", "prompt", "created", "cost", "unit", "simulated", "file"]
    assert (row["cost"], row["state"], row["created"].year) == (0.0, "done", time.localtime().tm_year)
