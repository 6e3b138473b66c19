"""What is released is complete and says the truth about itself: the wheel, its metadata, the changelog, the issue forms."""

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.metadata import Metadata

import seedance_nb as sd

ROOT = Path(__file__).parents[1]
GITHUB = "https://github.com/seedance-nb/seedance_nb"
RUN = """
import sys
sys.path[:0] = sys.argv[1:3]

def refuse(event, arguments):
    if event == "socket.getaddrinfo" and arguments[0] not in ("localhost", "127.0.0.1"):
        raise OSError("there is no network")

sys.addaudithook(refuse)
import seedance_nb
from support.examples import failures, quickstart
assert seedance_nb.__file__.startswith(sys.argv[1])
test = quickstart()
print(len(test.examples), failures(test))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    return path


def metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return archive.read(name).decode()


def test_the_version_has_one_place(wheel: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
    assert f"\nVersion: {sd.__version__}\n" in metadata(wheel)
    assert wheel.name.startswith(f"seedance_nb-{sd.__version__}-")


def test_the_metadata_is_valid_and_every_link_of_it_is_whole(wheel: Path) -> None:
    text = metadata(wheel)
    told = Metadata.from_email(text.encode(), validate=True)
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)} <= set(told.classifiers or ())
    assert all(url.startswith(GITHUB) for url in (told.project_urls or {}).values())
    links = re.findall(r"\]\(([^)\s]+)\)", str(email.message_from_string(text).get_payload()))
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []
    own = [link.partition("/main/")[2] for link in links if "/seedance_nb/" in link]
    assert own
    assert [path for path in own if not (ROOT / path).is_file()] == []


def test_the_wheel_alone_runs_the_quickstart_of_the_readme(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        assert {name.split("/")[0] for name in archive.namelist()} == {
            "seedance_nb",
            f"seedance_nb-{sd.__version__}.dist-info",
        }
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-c", RUN, str(tmp_path / "site"), str(ROOT / "tests")]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    count, _, report = done.stdout.partition(" ")
    assert (done.returncode, report.strip()) == (0, ""), done.stdout + done.stderr
    assert int(count) > 5


CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def odd_lines(text: str) -> list[str]:
    """The headings that are none of a changelog's, and the lines that belong to no entry."""
    heading = re.compile(
        rf"# Changelog|## \[(Unreleased|\d+\.\d+\.\d+)\]( - \d{{4}}-\d\d-\d\d)?|### ({'|'.join(KINDS)})"
    )
    lines = text.splitlines()
    odd = [line for line in lines if line.startswith("#") and not heading.fullmatch(line)]
    under = text.partition("\n### ")[2].splitlines()[1:]
    return odd + [line for line in under if not re.match(r"- |  \S|#|\*\*.+\*\*$|$", line)]


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    assert odd_lines(CHANGELOG) == []
    assert "## [Unreleased]" in CHANGELOG
    assert odd_lines("# Changelog\n## 1.0\n### New\n- one\nand more\n### Fixed\nnone") == [
        "## 1.0",
        "### New",
        "and more",
        "none",
    ]


def forms() -> dict[str, Any]:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    if not folder.is_dir():
        pytest.skip("the forms are no part of this copy")
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in folder.glob("*.yml")}


def test_a_report_asks_for_what_is_needed_and_never_for_a_key() -> None:
    found = forms()
    asked = {
        name: {part["id"] for part in form["body"] if part.get("validations", {}).get("required")}
        for name, form in found.items()
        if name != "config"
    }
    assert asked["bug"] >= {"happened", "version", "provider"}
    assert asked["limit"] >= {"model", "field", "sentence", "version"}
    for name in asked:
        assert "Never paste an API key" in str(found[name])
    [options] = [part["attributes"]["options"] for part in found["bug"]["body"] if part.get("id") == "provider"]
    assert {sd.spec(name).provider for name in sd.models().names} <= set(options)
