"""A person without a mouse fills in a panel; what was filled in is offered again after a restart of the kernel."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.lab import Book, Lab, opened
from support.waiting import until

CELLS = (
    "import seedance_nb as sd",
    "sd.panel('crun/seedance-2.0-fast-r2v')",
    "sd.panel('crun/seedance-2.0-i2v', prompt='A crow')",
)
MARKER = "document.activeElement.closest('.widget-text')?.querySelector('.sdn-marker')?.textContent"
BUTTON = "document.activeElement.closest('button')?.textContent"


@pytest.fixture
def book(browser: Any, lab: Lab) -> Iterator[Book]:
    with opened(browser, lab, "keyboard.ipynb", *CELLS) as book:
        yield book


def focused(book: Book, what: str, expected: str) -> None:
    book.page.wait_for_function(f"expected => ({what} || '').trim() === expected", arg=expected)


def test_the_keyboard_alone_reaches_everything_and_a_draft_outlives_the_kernel(book: Book, lab: Lab) -> None:
    panel, keys = book.panel(1), book.page.keyboard
    panel.get_by_label("Prompt").focus()
    keys.type("A red fox")
    for _ in range(2):  # past the limits of the images
        keys.press("Tab")
    keys.press("Enter")
    for number in (1, 2, 3):
        focused(book, MARKER, f"[Image{number}]")
        keys.type(f"https://example.com/{number}.png")
        keys.press("Enter")
    focused(book, MARKER, "[Image4]")
    panel.get_by_role("button", name="Remove").last.press("Enter")
    focused(book, MARKER, "[Image3]")
    panel.get_by_role("button", name="Advanced").press("Enter")
    panel.get_by_label("Callback URL").wait_for()
    focused(book, BUTTON, "Advanced")
    panel.get_by_role("button", name="Advanced").press("Enter")
    panel.get_by_label("Callback URL").wait_for(state="hidden")
    until(lambda: any("3.png" in draft.read_text() for draft in lab.home.rglob("*-drafts/*.json")))

    book.end_kernel()
    book.open()
    panel = book.panel(1)
    assert panel.get_by_label("Prompt").input_value() == ""
    assert panel.get_by_text("A red fox").is_visible()
    panel.get_by_role("button", name="Restore draft").press("Enter")
    book.page.wait_for_function("() => document.activeElement.textContent.includes('Generate')")
    assert panel.get_by_label("Prompt").input_value() == "A red fox"
    assert panel.locator(".sdn-entry input").count() == 3
    assert book.panel(2).get_by_label("Prompt").input_value() == "A crow"
