"""The table of who may import whom, and the promises that follow from it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seedance_nb"
LAYERS = (
    ("_values", "_effort", "_markup"),
    ("_errors", "_carried"),
    ("_origins",),
    (
        "_documents",
        "_typed",
        "_dialect",
        "_mend",
        "_refs",
        "_ours",
        "_tables",
        "_uris",
        "_wording",
        "_patterns",
        "_limits",
        "_boxes",
        "_regular",
        "_placing",
        "_attended",
    ),
    ("_schema", "_branches", "_bodies", "_formats"),
    ("_operation", "_providers", "_applicators"),
    ("_leftovers",),
    ("_keywords",),
    ("_meta",),
    ("_oddities", "_facts"),
    (
        "_spec",
        "_media",
        "_owner",
        "_store",
        "_lettering",
        "_signs",
        "_addresses",
        "_shell",
        "_history",
        "_turns",
        "_mounts",
        "_journal",
        "_carving",
    ),
    ("_replies", "_ranges", "_probe", "_curl", "_secrets", "_whole", "_pinned"),
    ("_presets",),
    ("_check", "_upstream", "_rules"),
    ("_shape", "_fits", "_request", "_keys", "_task", "_job", "_carry", "_snippets", "_download", "_parcels"),
    ("_sources", "_log", "_fields", "_price", "_outcome", "_painting", "_sheet", "_annex", "_naming", "_pace"),
    ("_migrations", "_columns"),
    ("_budget", "_database", "_page"),
    ("_labels", "_parts", "_faults", "_files", "_transport", "_fetch", "_simulator", "_slate", "_total"),
    ("_books", "_salvage", "_companions", "_orphans"),
    ("_ledger", "_repair"),
    ("_display", "_engine", "_flow", "_scene"),
    ("_keeping",),
    ("_handle", "_render", "_follow", "_places", "_desk", "_preflight", "_tiles"),
    ("_begin", "_advice", "_unclear"),
    ("_held",),
    ("_session",),
    ("_default",),
    ("_models", "_helper", "_progress", "_quote", "_candidate"),
    ("_comparison",),
    ("_comparison_html",),
    ("_controls", "_portable"),
    ("_compound", "_entry", "_summary", "_plain"),
    ("_lists", "_groups", "_rows", "_maps"),
    ("_choices",),
    ("_kinds", "_board", "_given"),
    ("_form",),
    ("_tools",),
    ("_panel", "_comparison_view"),
    ("_api", "_api_free"),
    ("__main__", "__init__"),
)
MAY_USE_WIDGETS = {
    "_controls", "_summary", "_plain", "_entry", "_lists", "_groups", "_rows", "_maps", "_choices", "_form", "_tools", "_panel",
    "_comparison_view",
}  # fmt: skip
MOST_LINES = 250

RANK = {name: number for number, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module == "seedance_nb"
            }
    return found


def own_imports(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("seedance_nb.")} & set(RANK)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_from_below(path: Path) -> None:
    assert path.stem in RANK, "a new module needs its place in the table"
    upwards = {name for name in own_imports(path) if RANK[name] >= RANK[path.stem]}
    assert not upwards


def test_the_table_has_no_module_that_is_gone() -> None:
    assert set(RANK) == {path.stem for path in PACKAGE.glob("*.py")}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_widgets_and_ipython_stay_where_a_person_touches_values(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)} & {"ipywidgets", "IPython"}
    assert not used or path.stem in MAY_USE_WIDGETS


def test_five_files_speak_http_and_only_the_transport_of_them_has_a_key() -> None:
    speaking = {path.stem for path in PACKAGE.glob("*.py") if "httpx" in {name.split(".")[0] for name in imports(path)}}
    keyless = {"_pinned", "_fetch", "_download", "_parcels"}
    assert speaking == keyless | {"_transport"}
    assert "_keys" in reached("_transport")  # the control
    for name in keyless:
        assert not reached(name) & {"_keys", "_transport", "_request"}, name


def test_only_two_files_open_connections() -> None:
    makers = {path.stem for path in PACKAGE.glob("*.py") if "AsyncClient(" in path.read_text(encoding="utf-8")}
    assert makers == {"_transport", "_pinned"}


def reached(name: str) -> set[str]:
    direct = own_imports(PACKAGE / f"{name}.py")
    return direct | {further for other in direct for further in reached(other)}


def test_text_becomes_html_in_one_place() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py") if "html" in imports(path)} == {"_markup"}


def test_only_the_check_makes_approved_requests() -> None:
    makers = {path.stem for path in PACKAGE.glob("*.py") if "Approved(" in path.read_text(encoding="utf-8")}
    assert makers == {"_check"}


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_importing_the_package_loads_no_library() -> None:
    script = "import sys; old = set(sys.modules); import seedance_nb; print(sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ast.literal_eval(done.stdout)}
    assert not loaded & {
        "httpx",
        "jsonschema",
        "yaml",
        "ipywidgets",
        "IPython",
        "av",
        "PIL",
        "starlette",
        "sqlite3",
        "asyncio",
    }


def test_every_public_name_is_there_and_is_listed() -> None:
    import seedance_nb as sd

    assert sorted(sd.__all__) == sd.__all__
    assert all(getattr(sd, name) is not None for name in sd.__all__)
    assert dir(sd) == sd.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sd.nothing  # noqa: B018
