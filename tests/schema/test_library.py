"""The grammar of one format of jsonschema is not loaded for our checks, and is there for the checks of others."""

import ast
import subprocess
import sys

import pytest

OURS, THEIRS = "import seedance_nb._schema.library", "import jsonschema"
LOADED = "print(sorted({'rfc3987_syntax', 'rfc3987_syntax.syntax_helpers', 'lark'} & set(sys.modules)))"
ASKS = (
    "from jsonschema import FormatChecker; checker = FormatChecker();"
    "print([checker.conforms(text, 'iri') for text in ('https://例え.jp/パス', 'no iri', 'https://a b')])"
)
ALL, NONE = ["lark", "rfc3987_syntax", "rfc3987_syntax.syntax_helpers"], list[str]()


def printed(*statements: str) -> list[object]:
    """What a fresh interpreter prints that runs these statements, one value a line."""
    script = ";".join(("import sys", *statements))
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", script], capture_output=True, text=True, check=True)
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("first", "then", "loaded"), [(THEIRS, OURS, ALL), (OURS, THEIRS, NONE)])
def test_a_plain_checker_tells_good_iris_from_bad_ones_whoever_imports_jsonschema_first(
    first: str, then: str, loaded: list[str]
) -> None:
    assert printed(first, then, LOADED, ASKS, LOADED) == [loaded, [True, False, False], ALL]


@pytest.mark.parametrize(("find", "stands_in"), [("find", True), ("lambda name: None", False)])
def test_nothing_stands_in_for_a_grammar_that_is_not_installed(find: str, stands_in: bool) -> None:
    again = (
        "import importlib.util as util; find = util.find_spec",
        "from seedance_nb._schema import library; del sys.modules['jsonschema']",
        f"util.find_spec = {find}; near = library._grammar_on_first_use()",
        "near.__enter__(); print('rfc3987_syntax' in sys.modules)",
        "near.__exit__(None, None, None); print('rfc3987_syntax' in sys.modules)",
    )
    assert printed(*again) == [stands_in, False]
