"""A JupyterLab and a browser for the whole run, and a page of a notebook for each test."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nbformat
import pytest
from support.lab import HOW, NOTEBOOKS, Book, Lab, at_everyones_priority, end_browsers, found, launch, opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Callable[[], Any]]:
    """Returns the one Chromium of the run, and starts another if that one was ended."""
    if not found():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(HOW)
    from playwright.sync_api import sync_playwright

    at_everyones_priority()
    with sync_playwright() as playwright:
        contexts: list[Any] = []

        def running() -> Any:
            if not contexts or not contexts[-1].browser.is_connected():
                contexts.append(launch(playwright.chromium).new_context(viewport={"width": 1180, "height": 1000}))
                contexts[-1].set_default_timeout(30_000)
            return contexts[-1]

        yield running
        for context in contexts[-1:]:
            context.browser.close()


@pytest.fixture
def browser(chromium: Callable[[], Any]) -> Iterator[Any]:
    """A browser's context; a test that takes longer than any should loses it, and so comes to an end."""
    limit = threading.Timer(180, end_browsers)
    limit.daemon = True
    limit.start()
    yield chromium()
    limit.cancel()


@pytest.fixture
def first_video(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    """Notebook 01 in a page of its own, with its own copy of the file."""
    with _opened("01_first_video.ipynb", browser, lab, request.node.name) as book:
        yield book


SYSTEMS = (
    "import seedance_nb as sd",
    """panel = sd.panel("seedance2-pro/seedance-20-i2v")
panel.form.values = {"urls": ["https://example.com/first-frame.png"], "prompt": "The fox looks up", "duration": "5s"}
panel""",
    """url = sd.upload("crun/seedance-2.0-i2v", b"...", name="frame.png")
models = ["crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v", "vastnum/doubao-seedance-2.0"]
sd.compare("A paper boat", models, seconds=4, resolution="480p", ratio="16:9", first_frame=url)""",
    next(cell.source for cell in nbformat.read(NOTEBOOKS / "07_any_document.ipynb", 4).cells if cell.id == "sixth"),
)


@pytest.fixture
def five_systems(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    """Cells for several providers in a page of their own; the last is one of notebook 07."""
    name = f"{re.sub(r'[^a-z0-9]+', '_', request.node.name.lower())}.ipynb"
    with opened(browser, lab, name, *SYSTEMS) as book:
        yield book


@contextmanager
def _opened(notebook: str, browser: Any, lab: Lab, test: str) -> Iterator[Book]:
    name = f"{re.sub(r'[^a-z0-9]+', '_', test.lower())}.ipynb"
    shutil.copy(NOTEBOOKS / notebook, lab.root / name)
    with opened(browser, lab, name) as book:
        yield book
