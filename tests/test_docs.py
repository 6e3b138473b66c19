"""The documentation site builds without a network and a warning, and what a person may look for is in it."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from bs4 import BeautifulSoup
from compatibility import ROWS

import seedance_nb as sd
from seedance_nb import _magics
from seedance_nb.__main__ import main
from seedance_nb._document.load import model_names
from seedance_nb._document.reader import packaged

ROOT = Path(__file__).parents[1]
KEY = "ak_canary_0123456789abcdefghijklmnop"
OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(f"the network was used: {arguments}")

sys.addaudithook(refuse)
"""
BUILD = OFFLINE + "from sphinx.cmd.build import main\nsys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    options = ["-W", "-q", "-d", str(folder / "cache"), "-c", "notebooks/docs", "notebooks", str(folder / "site")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CRUN_API_KEY": KEY, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", BUILD, *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, BeautifulSoup]:
    return {path: BeautifulSoup(path.read_bytes(), "html.parser") for path in sorted(site.rglob("*.html"))}


def addresses(soup: BeautifulSoup) -> Iterator[str]:
    for name in ("href", "src"):
        yield from (str(tag[name]) for tag in soup.select(f"[{name}]"))


def dead(pages: dict[Path, BeautifulSoup]) -> list[tuple[str, str]]:
    """The links within the site that lead to no file or no place in it."""
    places = {path: {str(tag["id"]) for tag in soup.find_all(id=True)} for path, soup in pages.items()}
    found = []
    for path, soup in pages.items():
        for address in addresses(soup):
            file, place = urldefrag(unquote(address))
            if re.match(r"[a-z]+:", file):
                continue
            target = Path(os.path.normpath(path.parent / file.partition("?")[0])) if file else path
            if not target.is_file() or (place and target in places and place not in places[target]):
                found.append((path.name, address))
    return found


def text(pages: dict[Path, BeautifulSoup], name: str) -> str:
    return next(soup.get_text() for path, soup in pages.items() if path.name == f"{name}.html")


def test_the_network_of_a_build_is_closed() -> None:
    code = OFFLINE + "import socket\nsocket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "the network was used" in done.stderr


def test_every_link_within_the_site_leads_somewhere(pages: dict[Path, BeautifulSoup]) -> None:
    assert len(pages) > 10
    assert dead(pages) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = BeautifulSoup('<a href="#here" id="here"></a><a href="#there"></a><img src="none.png">', "html.parser")
    (tmp_path / "a.html").touch()
    assert dead({tmp_path / "a.html": page}) == [("a.html", "#there"), ("a.html", "none.png")]


def test_every_page_is_reached_from_the_first(site: Path, pages: dict[Path, BeautifulSoup]) -> None:
    start = site / "index.html"
    reached, ahead = {start}, [start]
    while ahead:
        path = ahead.pop()
        links = {Path(os.path.normpath(path.parent / urldefrag(one)[0])) for one in addresses(pages[path])}
        ahead += [page for page in links & pages.keys() if page not in reached]
        reached |= links & pages.keys()
    assert pages.keys() - reached == set()


def test_every_public_name_has_its_entry_with_its_example(pages: dict[Path, BeautifulSoup]) -> None:
    [page] = [soup for path, soup in pages.items() if path.name == "functions.html"]
    missing = []
    for name in sd.__all__:
        entry = page.find(id=f"seedance_nb.{name}")
        example = next(line for line in (inspect.getdoc(getattr(sd, name)) or "").splitlines() if ">>>" in line)
        if entry is None or entry.parent is None or example not in entry.parent.get_text():
            missing.append(name)
    assert missing == []


def test_every_key_variable_and_model_is_named(pages: dict[Path, BeautifulSoup]) -> None:
    keys = {*packaged("_extensions")["root"], *packaged("_extensions")["field"]}
    assert {key for key in keys if key not in text(pages, "schema_keys")} == set()
    specs = [sd.spec(name) for name in model_names()]
    own = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    variables = {*own, *(one.key_env for one in specs), *(one.base_env for one in specs)}
    assert len(variables) > 20
    assert {name for name in variables if name not in text(pages, "environment")} == set()


def test_the_magic_and_every_command_have_their_help(
    pages: dict[Path, BeautifulSoup], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "88")
    for command in ([], *([name] for name in packaged("_commands")["commands"])):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert capsys.readouterr().out.strip() in text(pages, "command_line")
    example = [line for line in (inspect.getdoc(_magics.seedance) or "").splitlines() if line.startswith("    ")]
    assert example
    assert "\n".join(line[4:] for line in example) in text(pages, "command_line")


def test_the_table_of_versions_is_what_its_script_prints(pages: dict[Path, BeautifulSoup]) -> None:
    soup = next(soup for path, soup in pages.items() if path.name == "compatibility.html")
    rows = [[cell.get_text() for cell in row.select("td")] for row in soup.select("tbody tr")]
    assert [row[0] for row in rows] == [row.name for row in ROWS]
    assert {result for *_, result in rows} == {"works"}, "a row that fails is explained below the table, and here"


DOCS = ROOT / "notebooks" / "docs"
SOURCES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}


def first_sentence(name: str) -> str:
    line = (inspect.getdoc(getattr(sd, name)) or "").splitlines()[0]
    return f"{line.split('. ')[0].rstrip('.')}."


def test_the_list_of_functions_is_there_for_who_reads_the_file() -> None:
    blocks = re.findall(r"```\{names\}\n(.*?)```", SOURCES["functions"], re.DOTALL)
    lines = [line.partition(": ") for block in blocks for line in block.splitlines()]
    listed = {head.split()[0]: text for head, _, text in lines}
    assert (len(lines), listed) == (len(sd.__all__), {name: first_sentence(name) for name in sd.__all__})


def test_the_other_lists_are_there_for_who_reads_the_files() -> None:
    lines = [f"seedance {name}: {one['help']}" for name, one in packaged("_commands")["commands"].items()]
    assert "```{commands}\n" + "\n".join(lines) + "\n```" in SOURCES["command_line"]
    assert "```{magic}\n%%seedance MODEL " in SOURCES["command_line"]
    own = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in own if f"`{name}`" not in SOURCES["environment"]] == []
    keys = {*packaged("_extensions")["root"], *packaged("_extensions")["field"]}
    assert [name for name in keys if f"`{name}`" not in SOURCES["schema_keys"]] == []
    books = [path.name for path in sorted(ROOT.glob("notebooks/[0-9]*.ipynb"))]
    assert re.findall(r"\]\(\.\./(\S+\.ipynb)\)", SOURCES["guides"]) == books


@pytest.mark.parametrize("name", [name for name, text in SOURCES.items() if "```{" in text])
def test_a_page_that_sphinx_completes_says_how_and_where_else_to_read(
    name: str, pages: dict[Path, BeautifulSoup]
) -> None:
    note = " ".join(line.removeprefix("> ") for line in SOURCES[name].splitlines() if line.startswith("> "))
    assert "`.venv/bin/python -m sphinx -c notebooks/docs notebooks build/docs` builds" in note
    assert re.search("listed below|read|start with|has|see", note, re.IGNORECASE)
    for link, _, place in (target.partition("#") for target in re.findall(r"\]\((\S+?)\)", note)):
        target = (DOCS / link).read_text(encoding="utf-8")
        heads = [
            re.sub(r"[^\w -]", "", head).lower().replace(" ", "-")
            for head in re.findall(r"^#+ (.+)", target, re.MULTILINE)
        ]
        assert not place or place in heads
    assert "You see the source" not in text(pages, name)


def test_no_page_has_a_key_or_a_path_of_this_computer(site: Path) -> None:
    content = b"".join(path.read_bytes() for path in site.rglob("*") if path.suffix in (".html", ".js", ".inv"))
    secrets = (KEY, str(ROOT), str(Path.home()), str(site.parent))
    assert [word for word in secrets if word.encode() in content] == []


def test_the_build_leaves_no_file_beside_its_pages(site: Path) -> None:
    assert site.is_dir()
    assert {path.suffix for path in (ROOT / "notebooks" / "docs").iterdir()} <= {".md", ".py", ".css"}
