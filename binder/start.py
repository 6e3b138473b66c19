"""`start.py lab [options]` opens the first notebook in JupyterLab, `start.py test [options]` runs pytest: in `.venv`."""

import hashlib
import html
import os
import re
import signal
import ssl
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path
from urllib import parse, request

RUNNING = "{}.{}".format(*sys.version_info)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCKS = {"lab": "binder/requirements.txt", "dev": "binder/dev.txt"}
STAMP = VENV / ".start"  # line one says what was installed from, each further line names a group that is in
WHEEL = r'<a\s[^>]*?href="([^"]*?(pip-(\d[\d.]*)-py3-none-any\.whl)#sha256=([0-9a-f]{64}))"((?:[^">]|"[^"]*")*)>'


def fetch_pip() -> str:
    """Return the path of the index's newest fit pip, SHA-256 checked. It reads HTML: not every index speaks JSON."""
    get = partial(request.urlopen, timeout=60, context=ssl.create_default_context(cafile=os.environ.get("PIP_CERT")))
    index = (os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple").rstrip("/") + "/pip/"
    found = []
    for href, name, version, sha256, rest in re.findall(WHEEL, html.unescape(get(index).read().decode())):
        needs = re.search(r'requires-python="[^"]*>=\s*3\.(\d+)', rest)
        if "data-yanked" not in rest and (not needs or int(needs[1]) <= sys.version_info[1]):
            found.append(([int(part) for part in version.split(".")], name, sha256, href))
    if not found:
        raise ValueError("it lists no pip wheel with a SHA-256")
    _, name, sha256, href = max(found)
    content = get(parse.urljoin(index, href)).read()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{name} has another SHA-256 than the one listed")
    Path(VENV, name).write_bytes(content)
    return str(Path(VENV, name))


def ask(*args: str) -> str:
    """Return what `.venv`'s Python prints when run like this, which is nothing when it fails."""
    return subprocess.run([PYTHON, *args], capture_output=True, text=True, check=False).stdout.strip()


def pip(step: str, *args: str, program: str = "-mpip") -> bool:
    """Name the step, let pip install in `.venv`, its errors in sight, and say whether it did."""
    print(step, flush=True)
    return subprocess.run([PYTHON, program, "install", "-q", *args], check=False).returncode == 0


def bring_pip() -> bool:
    """Put pip into `.venv`: Python's own, or where Debian left it out, PyPI's."""
    if ask("-m", "pip", "--version") or (ask("-m", "ensurepip") and ask("-m", "pip", "--version")):
        return True
    try:
        wheel = fetch_pip()
    except (OSError, ValueError) as error:
        sys.exit(f"No pip came with Python, nor from the index ({error}). Debian: sudo apt-get install python3-venv")
    return pip("Installing pip from the package index", "--no-index", wheel, program=f"{wheel}/pip")


def install(group: str) -> None:
    """Install what one lock names, by its hashes, and the project, editable, into `.venv`, unless that is done already."""
    files = [Path("pyproject.toml"), *(Path(lock) for lock in LOCKS.values())]
    source = f"{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()} {RUNNING} {ROOT}"
    stamp = STAMP.read_text().splitlines() if STAMP.is_file() else []
    groups = stamp[1:] if stamp[:1] == [source] else []
    if group in groups and PYTHON.exists():
        return
    probe = "import sys; sys.prefix != sys.base_prefix and print('%d.%d' % sys.version_info[:2])"
    found = PYTHON.exists() and ask("-c", probe)
    if found != RUNNING or stamp == ["unfinished"]:
        if found and not stamp:
            sys.exit(f".venv is here already, made by other means, with Python {found}: move it away first.")
        print(f"Making .venv with Python {RUNNING}", flush=True)
        venv.create(VENV, clear=True, symlinks=os.name != "nt")
        groups = []
    STAMP.write_text("unfinished")  # stays if this is killed; a pip that fails has put things back as they were
    lock = LOCKS[group]
    done = (
        bring_pip()
        and pip(f"Installing what {lock} names, each file by its hash (minutes)", "--require-hashes", "-r", lock)
        and pip("Installing the project", "--no-deps", "--no-build-isolation", "-e", ".")
    )
    STAMP.write_text("\n".join([source, *groups, *([group] if done else [])]))
    if not done:
        sys.exit("The reason is above. Mend that, or wait for the network, then run the same command again.")


def main(verb: str = "", *args: str) -> None:
    """Install what the verb needs, then become its program, so that signals and the exit code are that program's."""
    if sys.version_info < (3, 11):  # noqa: UP036 - older ones, from 3.6 on, can read this file and get this far
        sys.exit(f"seedance_nb needs Python 3.11 or newer, and this is {RUNNING}: try `python3.12 binder/start.py`.")
    if verb not in ("lab", "test"):
        sys.exit(__doc__)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends this without a traceback
    os.chdir(ROOT)
    path = f"{PYTHON.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ.update(PATH=path, VIRTUAL_ENV=str(VENV), PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0")
    install("lab" if verb == "lab" else "dev")
    if verb == "lab":
        args = (f"--ServerApp.root_dir={ROOT}", "--LabApp.default_url=/lab/tree/notebooks/01_first_video.ipynb", *args)
        args = ("--allow-root", *args) if getattr(os, "geteuid", lambda: 1)() == 0 else args
    else:  # a file's tests share what is slow to make, so they stay together; those of the browser come last in a process
        args = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", *args)
    command = [str(PYTHON), "-m", {"lab": "jupyterlab", "test": "pytest"}[verb], *args]
    if os.name == "nt":  # there, exec would hand the console back to the shell at once
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(subprocess.call(command))
    os.execv(PYTHON, command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
