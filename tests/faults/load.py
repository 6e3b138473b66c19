"""Runs the fault suite beside busy loops, which it must pass as on a quiet machine: `python tests/faults/load.py`."""

import argparse
import subprocess
import sys
from pathlib import Path

_LOOP = "import os, sys\nos.nice(int(sys.argv[1]))\nwhile True: pass"


def main() -> int:
    """The exit code of pytest; its figures and the seconds it took are printed by itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--loops", type=int, default=4, help="how many busy loops run beside it (default: 4; 0 for a quiet run)"
    )
    parser.add_argument(
        "--nice", type=int, default=0, help="how much less of the processors a loop claims, 0 to 19 (default: 0)"
    )
    options, more = parser.parse_known_args()
    command = [sys.executable, "-m", "pytest", "-q", *(more or [str(Path(__file__).parent)])]
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP, str(options.nice)]) for _ in range(options.loops)]
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main())
