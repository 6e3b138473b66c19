"""Which folder may import which, by its floor, and the promises that follow from it."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seedance_nb"
FLOORS = {
    "_base": 1,
    "_schema": 2, "_web": 2,
    "_document": 3,
    "_check": 4, "_media": 4,
    "_ledger": 5, "_simulator": 5,
    "_provider": 6,
    "_task": 7,
    "_form": 8, "_session": 8,
    "_notebook": 9,
    "": 10,
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def folder_of(name: str) -> str:
    return name.split("/", maxsplit=1)[0] if "/" in name else ""


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))


@cache
def imports(name: str) -> frozenset[str]:
    """Every module that a file imports anywhere in it, its own package's as `folder/file`."""
    found: set[str] = set()
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    own = {module for module in found if module.startswith("seedance_nb.")}
    paths = {module.removeprefix("seedance_nb.").replace(".", "/") for module in own}
    return frozenset((found - own) | {path for path in paths if (PACKAGE / f"{path}.py").is_file()})


def own_imports(name: str) -> set[str]:
    return {module for module in imports(name) if (PACKAGE / f"{module}.py").is_file()}


def libraries(name: str) -> set[str]:
    return {module.split(".")[0] for module in imports(name) - own_imports(name)}


def reached(name: str) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        new = own_imports(ahead.pop()) - found
        found |= new
        ahead += new
    return found


NAMES = [named(path) for path in FILES]


def test_every_folder_has_a_floor() -> None:
    assert {folder_of(name) for name in NAMES} <= set(FLOORS)


@pytest.mark.parametrize("name", NAMES)
def test_no_file_is_reached_from_itself(name: str) -> None:
    assert name not in reached(name)


def pointing_up(name: str, others: set[str]) -> set[str]:
    own = folder_of(name)
    foreign = {other for other in others if other != "__init__" and folder_of(other) != own}
    return {other for other in foreign if FLOORS[folder_of(other)] >= FLOORS[own]}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_imports_only_from_its_own_folder_and_lower_floors(name: str) -> None:
    assert not pointing_up(name, own_imports(name))


def test_an_import_that_points_up_or_across_is_noticed() -> None:
    assert pointing_up("_ledger/row", {"_task/task", "_base/values"}) == {"_task/task"}
    assert pointing_up("_form/form", {"_session/session"}) == {"_session/session"}


def test_widgets_and_ipython_stay_where_a_person_touches_values() -> None:
    users = {name for name in NAMES if libraries(name) & {"ipywidgets", "IPython"}}
    assert users
    folders = {"_form", "_form/controls", "_notebook", "_notebook/compare"}
    assert {name.rsplit("/", 1)[0] for name in users - {"_magics"}} <= folders


def test_only_the_provider_folder_speaks_http_with_a_key() -> None:
    speaking = {name for name in NAMES if "httpx" in libraries(name)}
    assert {folder_of(name) for name in speaking} == {"_provider", "_web", "_media"}
    assert {name for name in speaking if "_base/secret" in reached(name)} == {"_provider/transport"}


def test_no_key_enters_the_web_folder() -> None:
    for name in NAMES:
        if folder_of(name) == "_web":
            assert "_base/secret" not in reached(name), name


def test_only_two_files_open_connections() -> None:
    opening = re.compile(r"(?<!class )\b(AsyncClient|\w*Transport|Connection)\(")
    makers = {named(path) for path in FILES if opening.search(path.read_text(encoding="utf-8"))}
    assert makers == {"_provider/transport", "_web/client"}
    assert [name for name in NAMES if "httpcore" in libraries(name)] == ["_web/network"]


def test_jsonschema_is_imported_in_one_file() -> None:
    assert [name for name in NAMES if "jsonschema" in libraries(name)] == ["_schema/library"]


def test_text_becomes_html_in_one_place() -> None:
    assert [name for name in NAMES if {"html", "markupsafe"} & libraries(name)] == ["_base/html"]


TAG = re.compile(r"(?<!\?P)<[/!]?[A-Za-z]")


def loose_tags(tree: ast.Module) -> set[str]:
    """The strings that hold a tag and are no template: nothing escapes what is put into them. Docstrings are none."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Html"]
    fine = [node.args[0] for node in calls if node.args]
    fine += [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {str(node.value) for node in strings if node not in fine and TAG.search(str(node.value))}


def test_a_tag_is_written_only_into_a_template_whose_texts_are_escaped_by_construction() -> None:
    found = {(name, text) for name in NAMES for text in loose_tags(parsed(name))}
    assert found == {("_base/errors", "<ipython"), ("_base/secret", "<key from ")}


LOOSE = (
    'f"<b>{x}</b>"',
    '"<b>" + x',
    '"<b>%s" % x',
    '"<b>{}".format(x)',
    '"".join(["<br>", x])',
    'Html(f"<b>{x}</b>")',
)


@pytest.mark.parametrize("code", LOOSE)
def test_a_tag_that_is_written_anywhere_else_is_noticed(code: str) -> None:
    assert loose_tags(ast.parse(code))
    assert not loose_tags(ast.parse('"""About <b>."""\nHtml("<b>{}</b>").format(x)'))


def test_only_the_check_makes_approved_requests() -> None:
    makers = {named(path) for path in FILES if "Approved(" in path.read_text(encoding="utf-8")}
    assert makers == {"_check/check"}


def test_importing_the_package_loads_no_library() -> None:
    script = "import sys; old = set(sys.modules); import seedance_nb; print(sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ast.literal_eval(done.stdout)}
    heavy = {"httpx", "jsonschema", "yaml", "ipywidgets", "IPython", "av", "PIL", "starlette", "sqlite3", "asyncio"}
    assert not loaded & heavy


def test_every_public_name_is_there_and_is_listed() -> None:
    import seedance_nb as sd

    assert sorted(sd.__all__) == sd.__all__
    assert all(getattr(sd, name) is not None for name in sd.__all__)
    assert dir(sd) == sorted([*(name for name in sd.__all__ if name[0].islower()), "errors"]), "verbs, and no classes"
    assert {name: getattr(sd, name) for name in vars(sd.errors)} == vars(sd.errors)
    assert all(issubclass(error, Exception) for error in vars(sd.errors).values())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vars(sd)["__getattr__"]("nothing")
