"""The same checks as in the README: format, lint and types, for the package and its tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",))


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_a_check_finds_nothing(command: tuple[str, ...], tmp_path: Path) -> None:
    cache = ("--cache-dir", str(tmp_path)) if command[0] == "mypy" else ()
    done = subprocess.run(
        [sys.executable, "-m", *command, *cache], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
