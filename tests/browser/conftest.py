"""A JupyterLab and a browser for the whole run; a page of a notebook for the tests of a file that leave it as they found it."""

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.lab import HOW, Lab, at_everyones_priority, end_browsers, found, launch


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
