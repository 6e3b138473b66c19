"""A JupyterLab and a browser for the whole run, and a page of a notebook for each test."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.lab import ARGUMENTS, HOW, NOTEBOOKS, Book, Lab, opened


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = os.environ.get("SEEDANCE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(HOW)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        context = launched.new_context(viewport={"width": 1180, "height": 1000})
        context.set_default_timeout(30_000)
        yield context
        launched.close()


@pytest.fixture
def first_video(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    """Notebook 01 in a page of its own, with its own copy of the file."""
    with _opened("01_first_video.ipynb", browser, lab, request.node.name) as book:
        yield book


@pytest.fixture
def five_systems(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    """Notebook 02 in a page of its own, with its own copy of the file."""
    with _opened("02_five_systems.ipynb", browser, lab, request.node.name) as book:
        yield book


@contextmanager
def _opened(notebook: str, browser: Any, lab: Lab, test: str) -> Iterator[Book]:
    name = f"{re.sub(r'[^a-z0-9]+', '_', test.lower())}.ipynb"
    shutil.copy(NOTEBOOKS / notebook, lab.root / name)
    with opened(browser, lab, name) as book:
        yield book
