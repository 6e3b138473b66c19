"""Below a panel's video a person looks at its frames one by one, with the keyboard too, and plays it in a loop."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from support.lab import Book, Lab, opened

OPEN = """from seedance_nb._notebook.panel import Panel
panel = Panel(sd.spec('crun/seedance-1.0-pro-t2v'), sd.Session(queue_s=0, run_s=0))
panel.form.values = {'prompt': 'A paper boat', 'resolution': '480p', 'duration': 4}
panel"""
PANEL = 1
AXE = """() => window.axe.run({include: ['.sdn-look']}, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(one => one.nodes.map(node => `${one.id}: ${node.html}`)))"""
SHOWN = "number => document.querySelector('.sdn-look img')?.alt.startsWith(`Frame ${number} of 96 ·`)"


@pytest.fixture
def book(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    with opened(browser, lab, f"{request.node.name}.ipynb", "import seedance_nb as sd", OPEN) as book:
        yield book


def shows(book: Book, number: int) -> None:
    book.page.wait_for_function(SHOWN, arg=number, timeout=30_000)


def test_frames_are_stepped_through_with_the_keyboard_alone_and_after_a_reload(book: Book) -> None:
    book.run(0)
    book.run(PANEL)
    panel = book.output(PANEL)
    panel.get_by_role("button", name="Generate").click()
    panel.locator("video:visible").first.wait_for(timeout=60_000)
    panel.get_by_role("button", name="Look closer").focus()
    keys = book.page.keyboard
    keys.press("Enter")
    shows(book, 1)
    panel.get_by_role("button", name="Next frame").focus()
    for number in (2, 3):
        keys.press("Enter")
        shows(book, number)
    number = panel.get_by_role("spinbutton", name="Frame")
    number.focus()
    keys.press("ArrowUp")
    shows(book, 4)
    number.fill("40")
    keys.press("Enter")
    shows(book, 40)
    book.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    assert book.page.evaluate(AXE) == []
    panel.get_by_label("Loop").check()
    book.page.wait_for_function("() => document.querySelector('.sdn-videos video').loop", timeout=30_000)
    book.save()
    book.page.reload()
    book.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    book.idle()
    book.output(PANEL).get_by_role("button", name="Previous frame").click(timeout=30_000)
    shows(book, 39)
