"""JupyterLab in Debian's headless Chromium: a real server, a real kernel, a real page; loopback is all it can reach."""

import ctypes
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import nbformat
from PIL import Image, ImageStat
from support.waiting import until

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ARTIFACTS = Path(__file__).parents[1] / "artifacts"
HOW = "no Chromium: apt-get install chromium (or name one in SEEDANCE_CHROMIUM)"
ARGUMENTS = (
    "--no-sandbox",  # root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
PLAYS = """async video => {
  video.muted = true; await video.play(); const from = video.currentTime;
  await new Promise(done => setTimeout(done, 700)); video.pause();
  return {ready: video.readyState, advanced: video.currentTime - from, width: video.videoWidth,
          sound: video.webkitAudioDecodedByteCount || 0, source: video.getAttribute('src')}; }"""


App = Literal["lab", "notebooks"]  # JupyterLab and Notebook 7, by the first word of their addresses
MARK = {"SEEDANCE_TEST_BROWSER": secrets.token_hex(8)}  # in the environment of each Chromium that this process starts


def found() -> str | None:
    """The path of Debian's Chromium, or of the one that a person named."""
    return os.environ.get("SEEDANCE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def at_everyones_priority() -> None:
    """Keep what this thread starts from raising its priority: as root, Chromium's threads would, and where they spin, nothing else runs."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(24, 23)  # PR_CAPBSET_DROP, CAP_SYS_NICE


def launch(browser_type: Any, arguments: tuple[str, ...] = ARGUMENTS) -> Any:
    """A Chromium that `end_browsers` finds."""
    return browser_type.launch(executable_path=found(), args=list(arguments), env={**os.environ, **MARK})


def end_browsers() -> None:
    """End each Chromium of this process by force, so that a test that waits for one fails instead of waiting."""
    mark = "=".join(*MARK.items()).encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def colours(video: Any) -> float:
    """How much the pixels of a player differ, away from its buttons; 0 for a black bar, and for one that another replaces."""
    from playwright.sync_api import TimeoutError as TookTooLong

    try:
        picture = video.screenshot(timeout=5_000)
    except TookTooLong:
        return 0.0
    with Image.open(BytesIO(picture)) as shot:
        return float(ImageStat.Stat(shot.convert("L").crop((0, 0, shot.width, shot.height // 2))).stddev[0])


def seen(video: Any, shape: float) -> None:
    """Wait until the picture of a player, or of a still, is on the screen, in its own shape, without having been played."""
    video.wait_for(timeout=60_000)
    until(lambda: colours(video) > 5)
    until(lambda: video.evaluate("video => video.offsetHeight"))
    played, ratio = video.evaluate("one => [one.currentTime || 0, one.offsetWidth / one.offsetHeight]")
    assert played == 0
    assert abs(ratio / shape - 1) < 0.02, ratio


class Lab:
    """A Jupyter server of our own, with its own home, settings and token: JupyterLab, Notebook 7 and Voila are pages of it."""

    def __init__(self, folder: Path, base_url: str = "/", *, save_state: bool = True) -> None:
        self.root = folder / "work"
        self.home = folder / "home"
        self.root.mkdir()
        self.home.mkdir()
        self.token = secrets.token_hex(16)
        self._settings(
            "@jupyterlab/apputils-extension/notification",
            checkForUpdates=False,
            fetchNews="false",
            doNotDisturbMode=True,
        )
        self._settings("@jupyter-widgets/jupyterlab-manager/plugin", saveState=save_state)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{base_url}".rstrip("/")
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH") if name in os.environ}
        home = {f"JUPYTER_{name}_DIR": str(self.home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        lab = {f"JUPYTERLAB_{name}_DIR": str(self.home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
        command = [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.port}",
            "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
            f"--ServerApp.base_url={base_url}",
        ]  # fmt: skip
        self._log = (folder / "lab.log").open("w")
        self._process = subprocess.Popen(
            command, env=kept | home | lab | {"HOME": str(self.home), "IPYTHONDIR": str(self.home / "ipython")},
            stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True, cwd=self.root,
        )  # fmt: skip
        for _ in range(600):
            if self._process.poll() is None and self._answers():
                return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError((folder / "lab.log").read_text()[-3000:])

    def api(self, path: str, method: str = "GET") -> Any:
        """The JSON that the server's API answers."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def stop(self) -> None:
        """Ends the server and its kernels: our own process group and nothing else."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
                self._process.wait(10)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                break
        self._log.close()

    def _answers(self) -> bool:
        try:
            self.api("status")
        except OSError:
            return False
        return True

    def _settings(self, plugin: str, **values: Any) -> None:
        file = self.home / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))


@contextmanager
def opened(browser: Any, lab: "Lab", name: str, *cells: str, app: App = "lab") -> Iterator["Book"]:
    """A notebook in a page of its own: the file of this name, or a new one with these code cells."""
    if cells:
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells)], metadata=kernel)
        nbformat.write(notebook, lab.root / name)
    page = browser.new_page()
    book = Book(page, lab, name, app)
    yield book
    book.picture(f"last_{Path(name).stem}")
    book.end_kernel()
    page.close()


class Book:
    """A notebook that is open in a page. Things are found by role or label inside a cell's output area."""

    def __init__(self, page: Any, lab: Lab, name: str, app: App = "lab") -> None:
        self.page, self.lab, self.name, self.app = page, lab, name, app
        ARTIFACTS.mkdir(exist_ok=True)
        self.outside: list[str] = []
        own = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
        page.on("request", lambda request: None if own.match(request.url) else self.outside.append(request.url))
        self.open()

    def open(self) -> None:
        where = f"lab/workspaces/w{secrets.token_hex(4)}/tree" if self.app == "lab" else self.app
        self.page.goto(f"{self.lab.url}/{where}/{self.name}?token={self.lab.token}&reset")
        self.loaded()

    def reload(self) -> None:
        """What a person does with F5, after saving."""
        self.save()
        self.page.reload()
        self.loaded()

    def loaded(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        self.idle()

    def idle(self) -> None:
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => null)", [name, arguments]
        )

    def run(self, cell: int, *, wait: bool = True) -> None:
        """Runs a code cell, counted from 0 among the code cells."""
        script = """([number, wait]) => { const book = window.jupyterapp.shell.currentWidget.content;
          const codes = book.widgets.map((cell, at) => [cell, at]).filter(([cell]) => cell.model.type === 'code');
          book.activeCellIndex = codes[number][1];
          const done = window.jupyterapp.commands.execute('notebook:run-cell'); return wait ? done.then(() => null) : null }"""
        self.page.evaluate(script, [cell, wait])

    def panel(self, cell: int) -> Any:
        """The output of a cell that shows a panel, once its button is there; the first cell imports the package."""
        self.run(0)
        self.run(cell)
        panel = self.output(cell)
        panel.get_by_role("button", name="Generate").wait_for()
        return panel

    def output(self, cell: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-Cell-outputArea").first

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=f"JupyterLab {name}")
        self.page.wait_for_selector(f"body[data-jp-theme-name='JupyterLab {name}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def save(self) -> dict[str, Any]:
        self.command("docmanager:save")
        saved: dict[str, Any] = json.loads((self.lab.root / self.name).read_text())
        return saved

    def end_kernel(self) -> None:
        for session in self._sessions():
            self.lab.api(f"sessions/{session['id']}", "DELETE")

    def restart_kernel(self) -> None:
        for session in self._sessions():
            self.lab.api(f"kernels/{session['kernel']['id']}/restart", "POST")
        self.idle()

    def _sessions(self) -> list[dict[str, Any]]:
        return [session for session in self.lab.api("sessions") if session["path"] == self.name]

    def picture(self, name: str) -> Path:
        self.page.screenshot(path=ARTIFACTS / f"{name}.png")
        return ARTIFACTS / f"{name}.png"
