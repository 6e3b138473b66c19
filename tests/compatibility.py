"""`python tests/compatibility.py`: the quickstart with other versions, each in an environment of its own; the table is its output.

It is no part of the usual run: it takes about ten minutes and needs uv, the package index, Chromium for the rows that name a page, and Python
3.11 to 3.13, on the PATH or from uv's downloads. `--write` puts the table into the documentation; words choose rows, as in
`python tests/compatibility.py ipykernel 3.13`.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "notebooks" / "docs" / "compatibility.md"
HEAD = "| tried | Python | versions | result |\n| --- | --- | --- | --- |\n"
SHOWN = ("ipykernel", "ipython", "ipywidgets")
MODEL, REQUEST = "crun/seedance-1.0-pro-t2v", "prompt='A fox runs', resolution='480p', duration=4"
FIRST = "import seedance_nb as sd; session = sd.Session(queue_s=0, run_s=0.5)"
PANEL = f"sd.panel({MODEL!r}, {REQUEST}, simulate=True)"
VIDEO = f"session.generate({MODEL!r}, {REQUEST}, take=2)"
HEADLESS = (
    FIRST,
    f"[problem] = sd.check({MODEL!r}, prompt='A fox', duration=99); assert problem.warns, problem",
    PANEL,
    f"task = session.submit({MODEL!r}, {REQUEST}); assert (await task).simulated; task.wait()",
    f"assert session.submit({MODEL!r}, {REQUEST}).name == task.name",
    VIDEO,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One environment and what runs the notebook in it."""

    name: str
    runner: Callable[[Path, Path], None]
    python: str = "3.12"
    pins: tuple[str, ...] = ()
    lowest: bool = False


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a program prints; RuntimeError with its last words if it fails. The package comes from the environment alone."""
    unset = ("PYTHONPATH", "VIRTUAL_ENV", "CI", "JPY_SESSION_NAME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {f"SEEDANCE_{name}": str((cwd or Path()) / name.lower()) for name in ("LEDGER", "SIMULATOR")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip())
    return done.stdout


def notebook(*cells: str) -> Any:
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)], metadata=kernel)


def headless(*command: str) -> Callable[[Path, Path], None]:
    """Runs the notebook by a program of the environment, then looks for errors, videos and the panel in what it wrote."""

    def runner(environment: Path, folder: Path) -> None:
        nbformat.write(notebook(*HEADLESS), folder / "in.ipynb")
        run(environment / "bin" / command[0], *command[1:], cwd=folder)
        cells = nbformat.read(folder / "out.ipynb", as_version=4).cells
        shown = [output.get("data", {}) for cell in cells for output in cell.outputs]
        errors = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
        if errors:
            raise RuntimeError(f"{errors[0].ename}: {errors[0].evalue}")
        if sum("<video" in data.get("text/html", "") for data in shown) < 2:
            raise RuntimeError("a video is not shown")
        if not any("application/vnd.jupyter.widget-view+json" in data for data in shown):
            raise RuntimeError("the panel is not shown")
        if len([*(folder / "seedance_outputs").glob("*.mp4")]) != 2:
            raise RuntimeError("not every video is saved")

    return runner


def in_browser(app: str) -> Callable[[Path, Path], None]:
    """Presses Generate in the panel, runs a cell with a video, and looks at both, in Chromium."""

    def runner(environment: Path, folder: Path) -> None:
        from playwright.sync_api import sync_playwright
        from support.lab import Lab, launch, opened, seen

        os.environ.pop("PYTHONPATH", None)
        with patch.object(sys, "executable", str(environment / "bin" / "python")):
            lab = Lab(folder)
        try:
            with sync_playwright() as playwright:
                browser = launch(playwright.chromium)
                browser.new_context().set_default_timeout(60_000)
                if app == "voila":
                    nbformat.write(notebook(FIRST, PANEL, VIDEO), lab.root / "quick.ipynb")
                    page = browser.new_page()
                    page.goto(f"{lab.url}/voila/render/quick.ipynb?token={lab.token}")
                    page.get_by_role("button", name="Generate").click(timeout=90_000)
                    page.wait_for_function(
                        "() => [...document.querySelectorAll('video')].filter(one => one.checkVisibility()).length >= 2"
                    )
                else:
                    with opened(browser, lab, "quick.ipynb", FIRST, PANEL, VIDEO, app=app) as book:  # type: ignore[arg-type]
                        book.panel(1).get_by_role("button", name="Generate").click()
                        seen(book.output(1).locator("video:visible"), 16 / 9)
                        book.run(2)
                        seen(book.output(2).locator("video"), 16 / 9)
                browser.close()
        finally:
            lab.stop()

    return runner


def readme(environment: Path, folder: Path) -> None:
    """Runs the examples of README without Jupyter."""
    code = "import sys; sys.path.append(sys.argv[1]); from support.examples import failures, quickstart; sys.exit(failures(quickstart()) or 0)"
    run(environment / "bin" / "python", "-c", code, ROOT / "tests", cwd=folder)


NBCLIENT = headless("jupyter-execute", "in.ipynb", "--output=out.ipynb")
NBCONVERT = headless("jupyter-nbconvert", "--to=notebook", "--execute", "in.ipynb", "--output=out.ipynb")
PAPERMILL = headless("papermill", "-k", "python3", "in.ipynb", "out.ipynb")
LAB, NOTEBOOK, VOILA = (in_browser(app) for app in ("lab", "notebooks", "voila"))
ROWS = (
    *(Row(name=f"Python {version}", runner=NBCLIENT, python=version, pins=("nbclient",)) for version in ("3.11", "3.12", "3.13")),
    Row(name="README's quickstart, nothing else installed", runner=readme),
    Row(name="lowest declared versions", runner=NBCLIENT, python="3.11", pins=("nbclient>=0.10", "ipykernel>=6.29"), lowest=True),
    *(Row(name=f"ipykernel {version}", runner=NBCLIENT, pins=("nbclient", f"ipykernel=={version}")) for version in ("6.29.5", "7.0.1", "7.4.0")),
    Row(name="nbconvert --execute", runner=NBCONVERT, pins=("nbconvert",)),
    Row(name="papermill", runner=PAPERMILL, pins=("papermill",)),
    Row(name="JupyterLab 4.4, ipykernel 7.0", runner=LAB, pins=("jupyterlab==4.4.*", "ipykernel==7.0.1")),
    Row(name="JupyterLab, ipykernel 6.29", runner=LAB, pins=("jupyterlab", "ipykernel==6.29.5")),
    Row(name="JupyterLab, newest", runner=LAB, python="3.13", pins=("jupyterlab",)),
    Row(name="Notebook 7", runner=NOTEBOOK, pins=("notebook>=7", "jupyterlab")),
    Row(name="Voila", runner=VOILA, pins=("voila", "jupyterlab")),
)  # fmt: skip


def install(row: Row, wheel: Path, folder: Path) -> dict[str, str]:
    """Makes the environment and returns the versions in it."""
    environment = folder / "environment"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs_kernel = row.pins and not any(pin.startswith("ipykernel") for pin in row.pins)
    pins = (*row.pins, "ipykernel") if needs_kernel else row.pins
    lowest = ("--resolution", "lowest-direct", *project["dependencies"]) if row.lowest else ()
    run("uv", "venv", "-q", "--python", row.python, environment)
    python = ("--python", environment / "bin" / "python")
    run("uv", "pip", "install", "-q", *python, wheel, *pins, *lowest)
    listed = json.loads(run("uv", "pip", "list", "-q", "--format=json", *python))
    version = run(environment / "bin" / "python", "-c", "import platform; print(platform.python_version())").strip()
    return {"python": version} | {one["name"].lower(): one["version"] for one in listed}


def line(row: Row, wheel: Path) -> str:
    """The row's line of the table."""
    with tempfile.TemporaryDirectory(prefix="compatibility-") as name:
        folder, versions = Path(name), dict[str, str]()
        (folder / "work").mkdir()
        try:
            versions = install(row, wheel, folder)
            row.runner(folder / "environment", folder / "work")
            result = "works"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the row's result
            print(error, file=sys.stderr)
            result = "fails: " + (str(error).strip() or repr(error)).splitlines()[-1].replace("|", "/")[:120]
    names = dict.fromkeys((*(re.split(r"[<>=]", pin)[0] for pin in row.pins), *SHOWN))
    named = ", ".join(f"{name} {versions[name]}" for name in names if name in versions)
    return f"| {row.name} | {versions.get('python', row.python)} | {named} | {result} |"


def main(*words: str) -> None:
    chosen = [word for word in words if not word.startswith("--")]
    with tempfile.TemporaryDirectory(prefix="compatibility-") as name:
        run("uv", "build", "-q", "--wheel", "-o", name, ROOT)
        [wheel] = Path(name).glob("*.whl")
        lines = []
        for row in ROWS:
            if not chosen or any(word in row.name for word in chosen):
                lines.append(line(row, wheel))
                print(lines[-1], flush=True)
    if "--write" in words:
        text = PAGE.read_text(encoding="utf-8")
        old = dict(re.findall(r"^(\| ([^|]+) \| 3\..+)$", text, re.MULTILINE))
        old = {name: whole for whole, name in old.items()} | {one.split(" | ")[0].strip("| "): one for one in lines}
        table = "\n".join(old[row.name] for row in ROWS if row.name in old)
        before, _, after = text.partition(HEAD)
        rest = re.sub(r"\A(\|.*\n)*", "", after)
        PAGE.write_text(f"{before}{HEAD}{table}\n{rest}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
