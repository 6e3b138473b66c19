"""Every key and every environment variable that the package reads has one sentence that says what it is for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._document.load import model_names
from seedance_nb._document.reader import packaged, providers

PACKAGE = Path(sd.__file__).parent
READ = re.compile(r"os\.(getenv|environ\.get)\(.")
CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
ENVIRONMENT, KEYS = (
    dict(re.findall(rf"^\| `({name})` \| (.+) \|$", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE))
    for name in ("[A-Z_]+", "x-[a-z-]+")
)


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if str(name).startswith("x-"):
                yield name
            yield from keys(item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


def test_each_key_that_is_read_has_its_sentence_and_no_other_has_one() -> None:
    assert set(KEYS) == {*packaged("_extensions")["root"], *packaged("_extensions")["field"]}


@pytest.mark.parametrize("name", [*model_names(), *(f"_providers/{name}" for name in providers())])
def test_each_key_of_a_packaged_schema_has_its_sentence(name: str) -> None:
    used = set(keys(packaged(name)))
    assert used
    assert used - set(KEYS) == set()


def by_variable(node: ast.AST) -> bool:
    """Whether this is a read of an environment variable whose name is in a variable."""
    if not isinstance(node, ast.Call) or not READ.match(ast.unparse(node)):
        return False
    return any(isinstance(one, ast.Name) for one in node.args[:1])


def variables(source: str) -> set[str]:
    """The names of environment variables in a module: literals that it reads, and those of tables if it reads by a variable."""
    tree = ast.parse(source)
    reads = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.expr) and re.search(r"os\.(getenv|environ)\b", ast.unparse(node))
    ]
    readers = [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef | ast.For) and any(map(by_variable, ast.walk(one)))
    ]
    used = {node.id for reader in readers for node in ast.walk(reader) if isinstance(node, ast.Name)}
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    tables = [node for node in assigned if used & {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}]
    texts = {part.value for node in (*reads, *tables) for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and re.fullmatch("[A-Z][A-Z0-9_]+", text)}


def test_each_environment_variable_that_is_read_has_its_sentence_and_no_other_has_one() -> None:
    assert variables("import os\ndef f():\n    return os.getenv('MY_NAME')") == {"MY_NAME"}, "the control"
    table = "import os\nNAMES = ('MY_NAME',)\nfor name in NAMES: os.getenv(name)"
    assert variables(table) == {"MY_NAME"}, "the control of a table"
    found = {name for file in PACKAGE.rglob("*.py") for name in variables(file.read_text(encoding="utf-8"))}
    assert found == set(ENVIRONMENT)


@pytest.mark.parametrize("text", [*KEYS.values(), *ENVIRONMENT.values()])
def test_each_of_them_is_a_sentence(text: str) -> None:
    assert re.match(r"[A-Z].*\.$", text)
