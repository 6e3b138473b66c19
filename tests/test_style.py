"""Format, lint, types and two readings for holes, for the package, its tests and its workflows."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("bandit", "-q", "-ll", "-c", "pyproject.toml", "-r", "seedance_nb", "binder"),
)
BAD_WORKFLOW = """
on: pull_request_target
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.pull_request.title }}
"""


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_a_check_finds_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    cache = ("--cache-dir", str(tmp_path)) if command[0] == "mypy" else ()
    done = subprocess.run(
        [sys.executable, "-m", *command, *cache], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("zizmor")
    command = [str(program), "--offline", "--no-progress", "--persona", "pedantic", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_workflows_give_an_attacker_nothing() -> None:
    if not (ROOT / ".github").is_dir():
        pytest.skip("the workflows are no part of this copy")
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reading_of_workflows_finds_what_is_bad(tmp_path: Path) -> None:
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "bad.yml").write_text(BAD_WORKFLOW)
    done = zizmor(tmp_path)
    assert done.returncode > 0
    assert all(word in done.stdout for word in ("template-injection", "unpinned-uses", "dangerous-triggers"))
