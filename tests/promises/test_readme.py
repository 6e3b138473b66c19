"""README and CONTRIBUTING tell the truth: their code runs and shows what they say, their tables list what is there."""

import ast
import re
from pathlib import Path

import pytest
from support.examples import failures, quickstart

import seedance_nb as sd

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
MOST_LINES = 150
ODD_WORDS = (
    "elsewhere", "in every respect", "speaks of", "taken up again", "kept yet", "carried", "is told", "are told", "is said",
    "was said", "stands there", "names no", "makes no sense", "put aside", "the very", "what there is",
    "on the web first", "was sent in its place", "paste many", "its id there", "makes no video",
    "the provider refused", "can get this request", "asked for", "got it", "no model here", "a look at",
)  # fmt: skip
"""Words that newcomers stumbled over, or that say in our own way what has a standard term."""


def rows(text: str, head: str) -> list[list[str]]:
    table = text.partition(f"| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.usefixtures("quick")
def test_the_code_of_the_readme_shows_what_it_says() -> None:
    test = quickstart()
    assert len(test.examples) > 5
    assert failures(test) == ""


def test_the_readme_lists_the_packaged_models_with_their_pages() -> None:
    table = rows(README, "model")
    assert sorted(row[0].strip("`") for row in table) == sorted(sd.models().names)
    for name, page, *_ in table:
        assert sd.spec(name.strip("`")).source.split("/")[0].split(",")[0] in page


def test_each_invariant_names_tests_that_exist() -> None:
    table = rows(CONTRIBUTING, "invariant")
    assert len(table) == 10
    for _, tests in table:
        files = re.findall(r"`([^`]+)`", tests)
        assert files
        for file in files:
            assert list(ROOT.glob(file if "/" in file else f"tests/**/{file}")), file


def test_each_module_that_is_named_for_contributors_exists() -> None:
    named = re.findall(r"`(_\w+/[\w/]+\.py)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(named) > 8
    assert [name for name in named if not (ROOT / "seedance_nb" / name).is_file()] == []


def test_the_map_names_every_folder() -> None:
    folders = {path.name for path in (ROOT / "seedance_nb").iterdir() if (path / "__init__.py").is_file()}
    assert folders <= set(re.findall(r"`(_\w+)/`", CONTRIBUTING))


def sentences(source: str) -> list[str]:
    """Every text of a file that may reach a person: string constants with a space that are no docstring."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation]
    return [node.value for node in constants if isinstance(node.value, str) and " " in node.value]


def odd(text: str) -> list[str]:
    return [word for word in ODD_WORDS if re.search(rf"(?<![\w-]){re.escape(word)}\b", text, re.IGNORECASE)]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "seedance_nb").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_sentence_for_people_uses_an_odd_word(path: Path) -> None:
    assert not [(text, odd(text)) for text in sentences(path.read_text(encoding="utf-8")) if odd(text)]


def test_the_reading_for_odd_words_finds_them() -> None:
    found = sentences('def f():\n    """Elsewhere is fine here."""\n    return f"Known from elsewhere: {f}"')
    assert [odd(text) for text in found] == [["elsewhere"]]


def test_no_odd_word_is_in_the_readme_the_changelog_the_notebooks_or_the_docs() -> None:
    texts = [
        README,
        CONTRIBUTING,
        CHANGELOG,
        *(book.read_text(encoding="utf-8") for book in ROOT.glob("notebooks/*.ipynb")),
        *(page.read_text(encoding="utf-8") for page in ROOT.glob("notebooks/docs/*.md")),
    ]
    assert [odd(text) for text in texts] == [[]] * len(texts)
