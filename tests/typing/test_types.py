"""The stub says what the package has, and two type checkers read the public functions as they are meant."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._notebook.completion import fields_by_name

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "seedance_nb" / "__init__.pyi").read_text(encoding="utf-8")


def test_the_stub_is_what_its_generator_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from stub import stub  # type: ignore[import-not-found]

    assert stub() == TEXT, "run `python tests/typing/stub.py`"


def test_the_stub_has_every_public_name() -> None:
    tree = ast.parse(TEXT)
    imported = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {*sd.__all__} <= {*imported, *defined}


@pytest.mark.parametrize("name", [*sd.models()])
def test_an_editor_can_offer_the_fields_and_values_of_a_model(name: str) -> None:
    classes = {node.name: node for node in ast.parse(TEXT).body if isinstance(node, ast.ClassDef)}
    (used,) = set(re.findall(rf'def submit\(document: Literal\["{name}"\].*Unpack\[(\w+)\]', TEXT))
    members = {
        ast.unparse(node.target): ast.unparse(node.annotation)
        for node in classes[used].body
        if isinstance(node, ast.AnnAssign)
    }
    fields = fields_by_name(sd.spec(name))
    assert [*members] == [*fields]
    for key, field in fields.items():
        values: Any = field.choices or field.likely
        assert all(repr(value) in members[key] for value in values)
        assert ("Literal" in members[key]) is bool(values)


@pytest.mark.parametrize("verb", ["check", "estimate", "generate", "panel", "preflight", "submit"])
def test_every_overload_has_the_options_of_the_function(verb: str) -> None:
    shown = [one for one in ast.parse(TEXT).body if isinstance(one, ast.FunctionDef) and one.name == verb]
    assert len(shown) == len(sd.models()) + 1
    options = [name for name in inspect.signature(getattr(sd, verb)).parameters if name not in ("document", "fields")]
    assert all([one.arg for one in overload.args.kwonlyargs] == options for overload in shown)


def test_pyright_reads_the_public_functions_as_mypy_does(tmp_path: Path) -> None:
    api = (Path(__file__).with_name("api.py")).read_text(encoding="utf-8")
    mistakes = api.count("# type: ignore")
    (tmp_path / "naive.py").write_text(re.sub("  # type: ignore.*", "", api))
    for file, errors in ((Path(__file__).with_name("api.py"), 0), (tmp_path / "naive.py", mistakes)):
        program = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(file)]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
        lines = {line for _, line in re.findall(r"(\.py:(\d+):\d+) - error", done.stdout)}
        assert len(lines) == errors, done.stdout
