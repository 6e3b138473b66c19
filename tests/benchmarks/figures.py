"""Prints the figures of this project: `python tests/benchmarks/figures.py [--browser]`. Ratios hold on any machine, times do not."""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
MODEL = "crun/seedance-2.0-fast-r2v"
ROOT = Path(__file__).parents[2]


def cold(statement: str, times: int = 15) -> float:
    """Median seconds of a fresh interpreter that runs one statement."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def imports() -> None:
    """Import times above a bare interpreter, in ms."""
    bare = cold("pass")
    for statement in (
        "import seedance_nb",
        "import ipywidgets",
        "import seedance_nb as sd; sd.models",
        "import jsonschema",
    ):
        print(f"{statement}: {(cold(statement) - bare) * 1000:.0f} ms above bare python ({bare * 1000:.0f} ms)")


def cpu(statement: str, loaded: str = "pass", times: int = 9) -> float:
    """Median CPU seconds that one statement takes in a fresh interpreter, with what is `loaded` there before."""
    script = f"import time; {loaded}; begun = time.process_time(); {statement}; print(time.process_time() - begun)"
    took = [subprocess.run([sys.executable, "-c", script], check=True, capture_output=True) for _ in range(times)]
    return statistics.median(float(done.stdout.split()[-1]) for done in took)


def first_check() -> None:
    """CPU of the first check, beside a plain import of jsonschema; a kernel has loaded some of what it needs."""
    check = f"import seedance_nb as sd; sd.check({MODEL!r}, prompt='A fox')"
    ours, kernel, plain = cpu(check), cpu(check, "import ipykernel.ipkernel"), cpu("import jsonschema")
    print(
        f"first sd.check: {ours:.2f} s CPU, {kernel:.2f} s in a kernel; `import jsonschema` alone: {plain:.2f} s; ratio {ours / plain:.2f}"
    )


def forms() -> None:
    """Build time and messages of the form, beside the same controls written by hand."""
    import comm
    import ipywidgets
    from comm.base_comm import BaseComm

    from seedance_nb._document.load import spec
    from seedance_nb._form.form import Form, css

    said: list[str] = []

    class Recorded(BaseComm):
        def publish_msg(self, msg_type: str, *_: Any, **__: Any) -> None:
            said.append(msg_type)

    comm.create_comm = Recorded
    document = spec(MODEL)
    css()

    def by_hand() -> Any:
        controls: list[Any] = [
            ipywidgets.Textarea(description="Prompt"),
            *(ipywidgets.Button(description=f"Add {kind}") for kind in ("image", "video", "audio")),
            ipywidgets.Checkbox(description="Audio"),
            ipywidgets.ToggleButtons(options=["480p", "720p"], description="Resolution"),
            ipywidgets.Dropdown(options=["auto", "16:9"], description="Aspect ratio"),
            ipywidgets.IntSlider(min=4, max=15, description="Duration"),
        ]
        return ipywidgets.VBox(controls)

    def measured(build: Any) -> tuple[float, int, int]:
        took, opens, updates = [], 0, 0
        for _ in range(31):
            said.clear()
            begun = time.perf_counter()
            build()
            took.append(time.perf_counter() - begun)
            opens, updates = said.count("comm_open"), said.count("comm_msg")
        return statistics.median(took) * 1000, opens, updates

    ours, theirs = measured(lambda: Form(document)), measured(by_hand)
    print(f"form: {ours[0]:.1f} ms, {ours[1]} comm models, {ours[2]} updates while it is built")
    print(
        f"hand-written, bare controls only: {theirs[0]:.1f} ms, {theirs[1]} comm models; ratio of times {ours[0] / theirs[0]:.2f}"
    )


def browser() -> None:
    """Seconds from the press of Generate to a video that can play, less the simulator's own 3.8 s."""
    import shutil

    from playwright.sync_api import sync_playwright
    from support.lab import ARGUMENTS, NOTEBOOKS, Book, Lab

    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
            shutil.copy(NOTEBOOKS / "01_first_video.ipynb", lab.root / "figures.ipynb")
            book = Book(chromium.new_page(), lab, "figures.ipynb")
            book.run(0)
            begun = time.perf_counter()
            book.run(1)
            panel = book.output(1)
            panel.get_by_role("button", name="Generate").wait_for()
            print(f"panel on the screen after {time.perf_counter() - begun:.2f} s")
            panel.get_by_role("button", name="Add image").click()
            panel.locator(".sdn-entry input").fill("https://example.com/a.png")
            panel.locator(".sdn-entry input").press("Tab")
            panel.get_by_role("button", name="480p").click()
            took = []
            for number in range(7):
                panel.get_by_label("Prompt").fill(f"A fox, number {number}")
                book.idle()
                name = panel.locator("video").get_attribute("src") if number else ""
                begun = time.perf_counter()
                panel.get_by_role("button", name="Generate").click()
                book.page.wait_for_function(
                    "name => { const v = document.querySelector('.jp-OutputArea video');"
                    " return v && v.getAttribute('src') !== name && v.readyState >= 2 }", arg=name, polling=20,
                )  # fmt: skip
                took.append(time.perf_counter() - begun)
            over = [seconds - 3.8 for seconds in took]
            print(
                f"Generate to playable, less 3.8 s: median {statistics.median(over):.2f} s of {[round(s, 2) for s in over]}"
            )
            chromium.close()
    finally:
        lab.stop()


def mechanisms() -> None:
    """How a file is shown by its size, where a server delivers it and in a viewer that gets no file."""
    from seedance_nb._task.display.player import EMBED_UP_TO, source_of

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for size in (EMBED_UP_TO, EMBED_UP_TO + 1):
            Path("v.mp4").touch()
            os.truncate("v.mp4", size)
            for viewer, mark in (("a page of a script", ""), ("Colab", "1")):
                os.environ["COLAB_GPU"] = mark
                print(f"{viewer}, {size:,} bytes: {source_of(Path('v.mp4'))[:22] or 'a still'}")
        del os.environ["COLAB_GPU"]


OPEN = """import seedance_nb as sd
from seedance_nb._notebook.panel import Panel
session = sd.Session(queue_s=0, run_s=1)"""
SHOWS = {  # by what a cell shows: its code, and how many videos
    "a panel": ("Panel(sd.spec('crun/seedance-1.0-pro-t2v'), session, prompt='A fox')", 1),
    "sd.generate": ("video = session.generate('crun/seedance-1.0-pro-t2v', prompt='A boat on a lake'); video", 1),
    "sd.grid": ("sd.grid([video] * 5)", 5),
}
WATCH = """() => { window.seen = {}; new MutationObserver(() => {
  for (const video of document.querySelectorAll('.jp-OutputArea video[poster]')) {
    if (video.watched || !video.checkVisibility()) continue;
    video.watched = true; const now = seen, still = new Image(); still.src = video.poster;
    still.decode().then(() => requestAnimationFrame(() => requestAnimationFrame(() => { now.picture ??= Date.now() })));
    video.addEventListener('canplay', () => { now.canplay ??= Date.now() }); }
}).observe(document.body, {childList: true, subtree: true}) }"""


def shown() -> None:
    """Milliseconds from a saved file to its picture and to `canplay`, and what a video adds to the notebook, in JupyterLab."""
    import shutil

    from playwright.sync_api import sync_playwright
    from support.lab import ARGUMENTS, Lab, opened

    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
            with opened(chromium, lab, "shown.ipynb", OPEN, *(code for code, _ in SHOWS.values())) as book:
                panel, size = book.panel(1), _size(book)
                book.page.evaluate(WATCH)
                delays: dict[str, list[float]] = {"picture": [], "canplay": []}
                for take in range(7):
                    panel.get_by_label("Prompt").fill(f"A fox, number {take}")
                    book.page.evaluate("seen = {}")
                    panel.get_by_role("button", name="Generate").click()
                    book.page.wait_for_function("() => seen.picture && seen.canplay", timeout=60_000)
                    files = (lab.root / "seedance_outputs").glob("*.mp4")
                    ready = max(file.stat().st_ctime for file in files) * 1000  # the rename to its final name
                    for event, moment in book.page.evaluate("seen").items():
                        delays[event].append(moment - ready)
                    if take in (0, 6):
                        panel.get_by_text("Done in").wait_for()
                        print(f"a panel with {take + 1} takes: {(_size(book) - size) / (take + 1):,.0f} bytes a video")
                for event, took in delays.items():
                    print(f"file to {event}: median {statistics.median(took):.0f} ms of {[round(one) for one in took]}")
                for cell, (name, (_, videos)) in enumerate(list(SHOWS.items())[1:], 2):
                    size = _size(book)
                    book.run(cell)
                    print(f"{name}: {(_size(book) - size) / videos:,.0f} bytes a video")
            chromium.close()
    finally:
        lab.stop()


def _size(book: Any) -> int:
    """Bytes of the saved notebook, with the widgets' state."""
    book.idle()
    book.save()
    return int((book.lab.root / book.name).stat().st_size)


def messages(tasks: int = 20, seconds: float = 15) -> None:
    """Comm messages a second while so many panels follow a task, between the first second and the last."""
    import comm
    from comm.base_comm import BaseComm

    import seedance_nb as sd
    from seedance_nb._notebook.panel import Panel

    said: list[float] = []

    class Recorded(BaseComm):
        def publish_msg(self, *_: Any, **__: Any) -> None:
            said.append(time.monotonic())

    comm.create_comm = Recorded
    with tempfile.TemporaryDirectory() as folder:
        session = sd.Session(ledger=f"{folder}/ledger.sqlite3", outputs=folder, queue_s=2, run_s=seconds)
        panels = [Panel(sd.spec("crun/seedance-1.0-pro-t2v"), session, prompt=f"Fox {n}") for n in range(tasks)]
        begun = time.monotonic()
        for panel in panels:
            panel._go.click()
        while not all(panel.task for panel in panels):
            time.sleep(0.1)
        first, last = time.monotonic(), begun + seconds
        while any(panel._busy.locked() for panel in panels):
            time.sleep(0.1)
    while_running = sum(first < moment < last for moment in said)
    print(f"{tasks} panels at once: {while_running / (last - first):.1f} comm messages a second, {len(said)} in all")


GALLERY = """
import resource, sys, time
import seedance_nb as sd
from seedance_nb._notebook import gallery as module
session = sd.Session(ledger=sys.argv[1])
session.ledger.count()
def used():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6
before, begun, took = used(), time.process_time(), {}
def lap(name):
    global begun
    took[name], begun = round(time.process_time() - begun, 2), time.process_time()
shown = module.Gallery(session); lap("shown")
shown._turn(module.PAGE); lap("next page")
shown._turn(-2 * module.PAGE); lap("last page")
shown._filters["words"].value = "fox 77"; lap("search")
shown._filters["mark"].value = "no mark"; lap("search and mark")
print(f"gallery of {session.ledger.count():,} rows, CPU seconds: {took}; kernel {used() - before:.0f} MB more, {before:.0f} MB before")
"""


def gallery(count: int = 10_000) -> None:
    """CPU seconds to show a gallery of many rows, to turn its page and to search, and the kernel's memory for it."""
    import json

    import seedance_nb as sd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        session = sd.Session(ledger=path, outputs=folder, queue_s=0, run_s=0)
        video = session.generate(MODEL, prompt="A fox", reference_images=["https://example.com/a.png"], duration=4)

        def fill(transaction: Any) -> None:
            columns = {"kind": "[]", "key_fingerprint": "", "spec": MODEL, "base_url": "https://api.crun.ai", "simulated": 0, "take": 1,
                       "state": "done", "owner": "", "file": str(video.path), "sha256": video.sha256, "facts": video.row.facts}  # fmt: skip
            for n in range(count):
                body = json.dumps({"input": {"prompt": f"A fox number {n} in the snow, slow camera, golden light"}})
                own = {"intent": f"{n}", "digest": f"{n}", "body": body, "created": 1.79e9 + n, "credits": float(n)}
                seq = transaction.insert(columns | own)
                for state in ("queued", "running", "done"):
                    transaction.change(seq, {"state": state})

        session.ledger._store.transact(fill)
        session.ledger.close()
        subprocess.run([sys.executable, "-c", GALLERY, str(path)], check=True)


def lines() -> None:
    """Lines of each module."""
    sizes = {
        path.relative_to(ROOT / "seedance_nb").as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted((ROOT / "seedance_nb").rglob("*.py"))
    }
    print(
        f"{len(sizes)} modules, {sum(sizes.values())} lines, largest {max(sizes.values())}, median {statistics.median(sizes.values()):.0f}"
    )
    print(" ".join(f"{re.sub('[.]py$', '', name)} {size}" for name, size in sizes.items()))


if __name__ == "__main__":
    lines()
    imports()
    first_check()
    forms()
    messages()
    mechanisms()
    gallery()
    if "--browser" in sys.argv:
        browser()
        shown()
