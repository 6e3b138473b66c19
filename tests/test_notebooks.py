"""Every notebook runs from top to bottom without a key or a network, and is committed without what running leaves."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

BOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module", params=BOOKS, ids=lambda book: book.stem)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEDGER", "SIMULATOR"):
            patch.setenv(f"SEEDANCE_{name}", str(folder / name.lower()))
        patch.setenv("HOME", str(folder))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        for name in ("CRUN_API_KEY", "SEEDANCE_OUTPUTS"):
            patch.delenv(name, raising=False)
        (folder / "book.ipynb").touch()
        patch.setenv("JPY_SESSION_NAME", str(folder / "book.ipynb"))  # as a Jupyter server starts a kernel
        book = nbformat.read(request.param, as_version=4)
        NotebookClient(
            book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        ).execute()
    return book, folder


@pytest.mark.parametrize("path", BOOKS, ids=lambda book: book.stem)
def test_a_notebook_is_committed_without_outputs_or_widget_state(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert "widgets" not in book["metadata"]
    assert [cell for cell in book["cells"] if cell.get("outputs") or cell.get("execution_count")] == []


def test_a_notebook_runs_and_shows_its_video(executed: tuple[Any, Path]) -> None:
    book, folder = executed
    shown = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert [output for output in shown if output.output_type == "error"] == []
    videos = [output.data for output in shown if "<video" in output.get("data", {}).get("text/html", "")]
    if not _makes_video(book):
        assert videos == []
        return
    source = re.findall(r' src="([^"]+)"', videos[0]["text/html"])[0]
    assert (folder / source).read_bytes()[4:8] == b"ftyp"
    assert "image/jpeg" in videos[0]


def _makes_video(book: Any) -> bool:
    return any("generate(" in cell.source for cell in book.cells if cell.cell_type == "code")


def test_an_executed_notebook_stays_small(executed: tuple[Any, Path]) -> None:
    book, _ = executed
    book.metadata.pop("widgets", None)
    assert len(nbformat.writes(book)) < 100_000


def test_the_html_export_still_shows_the_video(executed: tuple[Any, Path]) -> None:
    book, _ = executed
    if not _makes_video(book):
        return
    exported, _ = HTMLExporter().from_notebook_node(book)
    assert 'src="seedance_outputs/' in exported
    assert "SIMULATED" in exported
    assert "simulator.invalid" not in exported


def test_a_notebook_that_is_run_without_a_server_carries_its_video_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("SEEDANCE_OUTPUTS", str(tmp_path / "seedance_outputs"))
    code = (
        "import seedance_nb as sd\nsd.Session(queue_s=0, run_s=0).generate('crun/seedance-1.0-pro-t2v', prompt='A fox')"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    exported, _ = HTMLExporter().from_notebook_node(book)
    (embedded,) = re.findall(r'"data:video/mp4;base64,([^"]+)"', exported)
    (file,) = (tmp_path / "seedance_outputs").glob("*.mp4")
    assert base64.b64decode(embedded) == file.read_bytes()
