"""`python binder/lock.py` writes the locks anew: every package that is installed, for every system, by version and hashes."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "requirements.txt": ("lab", "build"),
    "dev.txt": ("dev",),
    "release.txt": ("release",),
    "follow.txt": ("follow",),
}


def main() -> None:
    """Asks uv for each lock; a version that is in it already stays while it fits. With `--upgrade`, see uv."""
    for name, groups in LOCKS.items():
        options = [word for group in groups for word in ("--group", group)]
        command = [
            "uv",
            "pip",
            "compile",
            "pyproject.toml",
            "--universal",
            "--python-version",
            "3.11",
            "--generate-hashes",
            "--no-annotate",
        ]
        told = [
            "--custom-compile-command",
            "python binder/lock.py",
            "--no-emit-index-url",
            "-q",
            "-o",
            f"binder/{name}",
        ]
        subprocess.run([*command, *told, *options], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
