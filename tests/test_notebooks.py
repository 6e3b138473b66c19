"""Each notebook runs from top to bottom, twice, without a key or a network; its exercises can be solved; it leaves only videos behind."""

import ast
import base64
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

ROOT = Path(__file__).parents[1]
BOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [book.stem for book in BOOKS]
STARTUP = """
def prepare():
    import inspect, secrets, socket, sys
    from pathlib import Path
    from seedance_nb import Session
    from seedance_nb._media import sandbox

    sys.path.insert(0, {tests!r})
    from support.children import forking
    from support.waiting import short

    sys.path.remove({tests!r})
    if sys.platform == "linux":
        sandbox.forking = forking()
        sandbox.subprocess = sandbox.forking.__enter__()
    inspect.unwrap(Session.__init__).__kwdefaults__.update(queue_s=0, run_s=0, sleep=short)
    real, hosts, keys = secrets.token_hex, Path({hosts!r}), Path({keys!r})

    def token_hex(size=None):
        token = real(size)
        if sys._getframe(1).f_globals.get("__name__") == "__main__":
            with keys.open("a") as file:
                file.write(f"{{token}} ")
        return token

    def only_loopback(event, arguments):
        if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
            with hosts.open("a") as file:
                file.write(f"{{arguments[0]}} ")
            raise socket.gaierror("there is no network")
        if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] != "127.0.0.1":
            raise OSError("there is no network")

    secrets.token_hex = token_hex
    sys.addaudithook(only_loopback)

prepare()
del prepare
"""
"""What runs in the kernel first: nothing waits, media is read in forked children, there is no network, and random keys are written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A notebook after Run All was pressed twice, the files beside it, and the texts of its exercises, as committed and solved."""

    book: Any
    folder: Path
    errors: list[Any]
    exercises: dict[str, tuple[str, str]]
    private: Path

    @property
    def outputs(self) -> list[Any]:
        return [output for cell in self.book.cells for output in cell.get("outputs", [])]

    @property
    def text(self) -> str:
        return "\n".join(map(text_of, self.outputs))


def text_of(output: Any) -> str:
    """Everything in an output that a person may read, or look up in the file."""
    data = output.get("data", {})
    return "\n".join([output.get("text", ""), *(str(value) for kind, value in data.items() if kind != "image/jpeg")])


def code_of(book: Any) -> dict[str, str]:
    """The code cells in Python, those without magics, by their names."""
    return {cell.id: cell.source for cell in book.cells if cell.cell_type == "code" and not cell.source.startswith("%")}


def prose_of(book: Any) -> str:
    """The text without its blocks of code."""
    text = "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def solutions(book: Any) -> dict[str, str]:
    """The solutions that stand in the notebook, by the cell that they belong to."""
    text = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    return dict(re.findall(r"```python\n# (exercise\d)\n(.*?)\n```", text, re.DOTALL))


def solved(source: str, solution: str) -> str:
    """An exercise's cell in which the part of the student, above the first empty line, is the solution."""
    return solution + "\n\n" + source.partition("\n\n")[2]


@pytest.fixture(scope="module", params=BOOKS, ids=NAMES)
def executed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Executed:
    folder = tmp_path_factory.mktemp("book")
    for name in ("beside", "private", "temporary", "home/ipython/profile_default/startup"):
        (folder / name).mkdir(parents=True)
    private, errors, exercises = folder / "private", list[Any](), dict[str, tuple[str, str]]()
    startup = STARTUP.format(tests=str(ROOT / "tests"), hosts=str(private / "hosts"), keys=str(private / "keys"))
    (folder / "home/ipython/profile_default/startup/quick.py").write_text(startup)
    (folder / "beside/book.ipynb").touch()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEDGER", "SIMULATOR"):
            patch.setenv(f"SEEDANCE_{name}", str(private / name.lower()))
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("TMPDIR", str(folder / "temporary"))
        patch.setenv("IPYTHONDIR", str(folder / "home/ipython"))
        for name in ("CRUN_API_KEY", "SEEDANCE_OUTPUTS"):
            patch.delenv(name, raising=False)
        patch.setenv("JPY_SESSION_NAME", str(folder / "beside/book.ipynb"))  # as a Jupyter server starts a kernel
        book = nbformat.read(request.param, as_version=4)
        place = {"metadata": {"path": str(folder / "beside")}}
        client = NotebookClient(book, timeout=120, kernel_name="python3", resources=place, allow_errors=True)
        with client.setup_kernel():
            for is_second in (False, True):
                for number, cell in enumerate(book.cells):
                    client.execute_cell(cell, number)
                    errors += [one for one in cell.get("outputs", []) if one.output_type == "error"]
                    if is_second and cell.id in solutions(book):
                        tried = nbformat.v4.new_code_cell(solved(cell.source, solutions(book)[cell.id]))
                        client.execute_cell(tried, number)
                        texts = ["\n".join(map(text_of, one.outputs)) for one in (cell, tried)]
                        exercises[cell.id], book.cells[number] = (texts[0], texts[1]), cell
    book.metadata.pop("widgets", None)
    return Executed(book=book, folder=folder / "beside", errors=errors, exercises=exercises, private=private)


@pytest.fixture(params=BOOKS, ids=NAMES)
def committed(request: pytest.FixtureRequest) -> Any:
    return nbformat.read(request.param, as_version=4)


def test_a_notebook_is_committed_without_outputs_or_widget_state(committed: Any) -> None:
    assert "widgets" not in committed.metadata
    assert [cell for cell in committed.cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_run_all_works_twice(executed: Executed) -> None:
    assert executed.errors == []
    assert all(cell.execution_count for cell in executed.book.cells if cell.cell_type == "code")


def test_an_exercise_says_what_is_missing_and_its_solution_solves_it(executed: Executed) -> None:
    assert set(executed.exercises) == {name for name in code_of(executed.book) if name.startswith("exercise")}
    for before, after in executed.exercises.values():
        assert re.search(r"(Not yet|to go).*\n- \S", before)
        assert "Done" in after
        assert "Done" not in before


def test_a_video_that_is_shown_is_a_file_beside_the_notebook(executed: Executed) -> None:
    shown = [output.data for output in executed.outputs if "<video" in output.get("data", {}).get("text/html", "")]
    for data in shown:
        source = re.findall(r' src="(seedance_outputs/[^"]+\.mp4)"', data["text/html"])[0]
        assert (executed.folder / source).read_bytes()[4:8] == b"ftyp"
    if shown:
        exported, _ = HTMLExporter().from_notebook_node(executed.book)
        assert 'src="seedance_outputs/' in exported
        assert "SIMULATED" in exported


def test_most_notebooks_show_a_video() -> None:
    shows = [name for name, path in zip(NAMES, BOOKS, strict=True) if re.search(r"(generate|wait)\(", path.read_text())]
    assert len(shows) >= len(NAMES) - 1


def test_an_executed_notebook_stays_small(executed: Executed) -> None:
    assert len(nbformat.writes(executed.book)) < 300_000


def test_nothing_but_videos_is_left_behind(executed: Executed) -> None:
    beside = {path.relative_to(executed.folder) for path in executed.folder.rglob("*")}
    videos = {
        path
        for path in beside
        if re.fullmatch(r"seedance_outputs/[\d]{8}-[\d]{6}-[0-9a-f]+(-\d)?\.(mp4|jpg|png)", path.as_posix())
    }
    assert beside - videos <= {Path("book.ipynb"), Path("seedance_outputs")}
    assert [path for path in (executed.folder.parent / "temporary").rglob("*") if path.is_file()] == []


def test_no_output_has_a_key_or_a_path_of_this_computer(executed: Executed) -> None:
    text, folder = executed.text, executed.folder
    # The line that says where the ledger is, and a video's own file where there is nothing but text.
    text = text.replace(f"Ledger: {executed.private / 'ledger'}", "")
    text = re.sub(rf"; {folder}/seedance_outputs/[\w-]+\.mp4", "", text)
    assert str(folder.parent) not in text
    assert not re.findall(rf"{ROOT}|{sys.prefix}|/home/\w+|/root\b", text)
    keys = (executed.private / "keys").read_text().split() if (executed.private / "keys").exists() else []
    assert [key for key in keys if key in text] == []
    assert bool(keys) == any("token_hex" in source for source in code_of(executed.book).values())


def test_only_the_examples_host_is_looked_up(executed: Executed) -> None:
    hosts = executed.private / "hosts"
    assert set(hosts.read_text().split() if hosts.exists() else []) <= {"example.com"}


def test_each_number_in_the_text_is_one_that_the_cells_show(executed: Executed) -> None:
    assert unknown_numbers(executed.book, executed.text) == []


def test_the_reading_of_numbers_finds_a_wrong_one(executed: Executed) -> None:
    executed.book.cells.append(nbformat.v4.new_markdown_cell("At most 987,651 images."))
    assert unknown_numbers(executed.book, executed.text) == ["987,651"]
    executed.book.cells.pop()


def unknown_numbers(book: Any, shown: str) -> list[str]:
    """The numbers of the text, but for file names and an instructor's minutes, that neither code nor outputs have."""
    prose = re.sub(r"`[^`]*`|https?://\S+|\*\*Exercise \d+\.\*\*|\d+ minutes", "", prose_of(book))
    known = set(re.findall(r"\d+(?:[.,]\d+)*", shown + "\n".join(code_of(book).values())))
    return [
        number
        for number in re.findall(r"\d+(?:[.,]\d+)*", prose)
        if number not in known and number.replace(",", "") not in known
    ]


def test_a_notebook_is_read_in_ten_minutes(committed: Any) -> None:
    words = len(re.sub(r"<details>.*?</details>", "", prose_of(committed), flags=re.DOTALL).split())
    lines = sum(len(source.splitlines()) for source in code_of(committed).values())
    assert words / 150 + lines / 60 < 10
    assert re.search(r"takes about (two|three|four|five|six|seven|eight|nine) minutes", prose_of(committed))


def test_cells_are_short(committed: Any) -> None:
    code = [re.sub(r'"""\nopenapi.*?"""', "", source, flags=re.DOTALL) for source in code_of(committed).values()]
    assert max(len(source.splitlines()) for source in code) <= 25


PAID = ("generate", "submit", "takes", "sweep", "storyboard", "compare")


def careless(source: str) -> list[str]:
    """The calls of a cell that would be paid if a person has set a key."""
    if source.startswith("%%seedance"):
        return [] if "--dry-run" in source else ["%%seedance"]
    python = "\n".join(source.splitlines()[source.startswith("%") :])
    calls = [node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call)]
    return [
        name
        for name, call in ((ast.unparse(call.func), call) for call in calls)
        if name.removeprefix("sd.") in PAID and not any(one.arg in ("simulate", None) for one in call.keywords)
    ]


def test_run_all_pays_nothing_even_with_a_key(committed: Any) -> None:
    sources = [cell.source for cell in committed.cells if cell.cell_type == "code"]
    assert [name for source in sources for name in careless(source)] == []
    if any("**same" in source for source in sources):
        assert any('same = {"simulate": True' in source for source in sources)
    for source in sources:
        assert "sd.Session(" not in source or re.search(r"simulate=True|\*\*account|127\.0\.0\.1", source)
    if any("**account" in source for source in sources):
        assert any('account = {"simulate": True' in source for source in sources)


def test_the_search_for_paid_calls_finds_them() -> None:
    assert careless('video = sd.generate("m", prompt="A fox")\nsd.submit("m", simulate=True)') == ["sd.generate"]
    assert careless("%%script python\nsd.submit('m')") == ["sd.submit"]
    assert careless("%%seedance m\nA fox") == ["%%seedance"]


def test_each_file_that_a_notebook_or_the_readme_names_exists() -> None:
    texts = [(ROOT / "README.md").read_text(encoding="utf-8"), *(path.read_text(encoding="utf-8") for path in BOOKS)]
    named = {name for text in texts for name in re.findall(r"\b\d\d_\w+\.ipynb", text)}
    assert named <= {path.name for path in BOOKS}
    assert f"notebooks/{NAMES[0]}.ipynb" in (ROOT / "binder/start.py").read_text(encoding="utf-8")


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
