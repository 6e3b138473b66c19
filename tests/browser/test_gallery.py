"""The gallery in JupyterLab: found, played and marked by keyboard alone, narrow and wide, light and dark, and still there without a kernel."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest
from support.lab import PLAYS, Book, Lab, opened

MAKE = """import os
os.environ["SEEDANCE_LEDGER"] = "gallery.sqlite3"
import seedance_nb as sd
session = sd.Session(queue_s=0, run_s=0)
for prompt, ratio in (("A red fox runs through fresh snow at dawn", "16:9"), ("A paper boat & <b>rain</b>", "9:16"), ("Ein Fuchs im grünen Gras", "1:1")):
    session.generate("crun/seedance-1.0-pro-t2v", prompt=prompt, aspect_ratio=ratio, resolution="480p", duration=4, progress=False)
try:
    session.generate("crun/seedance-1.0-pro-t2v", prompt="A storm simulate:fail", duration=4, progress=False)
except sd.TaskFailed:
    pass"""
AXE = """() => window.axe.run({include: ['.sdn-gallery']}, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)} ${node.any.map(any => any.message).join(' ')}`)))"""
WIDER = """() => { const all = document.querySelector('.sdn-gallery'), edge = all.getBoundingClientRect().right;
  return [...all.querySelectorAll('*')].filter(one => one.checkVisibility() && one.getBoundingClientRect().right > edge + 1)
    .map(one => one.outerHTML.slice(0, 120)) }"""
NAME = "() => document.activeElement.textContent || document.activeElement.labels?.[0]?.textContent || document.activeElement.tagName"


pytestmark = pytest.mark.usefixtures("browser")  # which ends a test that hangs


@pytest.fixture(scope="module")
def book(chromium: Callable[[], Any], lab: Lab) -> Iterator[Book]:
    """One page and four tasks for all tests of this file: each makes its gallery anew, and the last ends the kernel."""
    with opened(chromium(), lab, "gallery.ipynb", MAKE, "sd.gallery()", "sd.gallery()") as made:
        made.command("application:toggle-left-area")
        made.run(0)
        made.page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        yield made


def shown(book: Book, width: int = 1400) -> Any:
    """The gallery, made anew, alone on the page."""
    book.page.set_viewport_size({"width": width, "height": 1000})
    book.command("notebook:clear-all-cell-outputs")
    book.run(1)
    output = book.output(1)
    output.get_by_role("button", name='Play "A red fox').wait_for()
    return output


def tab_to(book: Book, name: str) -> None:
    """Presses Tab until the control with this name has the focus, at most 40 times."""
    for _ in range(40):
        if name in book.page.evaluate(NAME):
            return
        book.page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {name}")


def test_a_video_is_found_played_and_marked_by_keyboard_alone(book: Book) -> None:
    output = shown(book)
    output.get_by_label("Search prompts").focus()
    book.page.keyboard.type("FUCHS grün")
    book.page.keyboard.press("Enter")
    output.locator(".sdn-note").get_by_text("Tasks 1 to 1 of 1").wait_for()
    tab_to(book, "Play")
    book.page.keyboard.press("Enter")
    video = output.locator("video")
    video.wait_for()
    played = video.evaluate(PLAYS)
    assert (played["advanced"] > 0.2, played["width"]) == (True, 480)
    assert "Close" in book.page.evaluate(NAME), "the focus stays where it was"
    tab_to(book, "Keep")
    book.page.keyboard.press("Enter")
    output.get_by_role("button", name="Keep", pressed=True).or_(
        output.locator("button.mod-active", has_text="Keep")
    ).first.wait_for()
    book.picture("gallery_kept")
    tab_to(book, "Use these settings")
    book.page.keyboard.press("Enter")
    output.get_by_role("button", name="Generate").wait_for()
    assert output.get_by_label("Prompt", exact=False).last.input_value() == "Ein Fuchs im grünen Gras"
    book.run(2)  # another gallery knows the mark
    book.output(2).locator(".sdn-still").get_by_text("Keep").wait_for()
    book.command("notebook:clear-all-cell-outputs")


@pytest.mark.parametrize("width", [1400, 360])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_gallery(book: Book, width: int) -> None:
    output = shown(book, width)
    for state in ("closed", "open"):
        for theme in ("Dark", "Light"):
            book.theme(theme)
            assert book.page.evaluate(AXE) == [], (theme, state)
            book.picture(f"gallery_{width}_{state}_{theme}")
        assert book.page.evaluate(WIDER) == []
        if state == "closed":
            output.get_by_role("button", name='Play "A paper boat').click()
            output.locator("video").wait_for()
    assert book.outside == []


def test_without_a_kernel_it_is_a_table_with_pictures(book: Book) -> None:
    shown(book)
    book.save()
    book.end_kernel()
    book.open()
    table = book.output(1).locator("table")
    table.wait_for()
    book.picture("gallery_without_kernel")
    assert table.locator("tbody tr").count() == 4
    assert table.locator("img").evaluate_all("all => all.map(one => one.naturalWidth > 40)") == [True] * 3
    assert not book.output(1).locator(".sdn-cards").is_visible()
