"""What a person sees survives: a reload, a kernel that ends, an export that is moved."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbconvert import HTMLExporter
from support.lab import PLAYS, Book, Lab, opened, seen

OPEN = """session = sd.Session(queue_s=0.5, run_s=6)
from seedance_nb._notebook.panel import Panel
panel = Panel(sd.spec('crun/seedance-1.0-pro-t2v'), session)
panel.form.values = {'prompt': 'PROMPT'}
panel"""
MAKE = "session.generate('crun/seedance-1.0-pro-t2v', prompt='A boat', resolution='480p', duration=4)"
CODE = ("import seedance_nb as sd", OPEN, MAKE)
PANEL, VIDEO = 1, 2


@pytest.fixture
def book(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    name = f"{request.node.name}.ipynb"
    with opened(browser, lab, name, *(code.replace("PROMPT", name) for code in CODE)) as book:
        yield book


def test_after_a_reload_the_panel_still_shows_its_video_before_it_is_played(book: Book) -> None:
    book.run(0)
    book.run(PANEL)
    book.reload()
    panel = book.output(PANEL)
    panel.get_by_role("button", name="Generate").click()
    seen(panel.locator("video:visible"), 16 / 9)


def test_a_run_that_a_reload_interrupts_leaves_a_page_that_plays_without_a_kernel(book: Book) -> None:
    book.run(0)
    book.run(PANEL)
    panel = book.output(PANEL)
    panel.get_by_role("button", name="Generate").click()
    panel.locator(".sdn-status code").filter(has_text="task_").first.wait_for()
    book.reload()
    panel.get_by_text("Done in").wait_for(timeout=60_000)
    book.save()
    book.end_kernel()
    book.open()
    video = book.output(PANEL).locator("video:visible")
    video.wait_for(timeout=60_000)
    book.page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate(PLAYS)["advanced"] > 0.3
    assert video.count() == 1, "once, though the widget was saved too"


def test_an_exported_page_that_is_moved_still_shows_the_still(book: Book, tmp_path: Path) -> None:
    book.run(0)
    book.run(PANEL)
    book.run(VIDEO)
    book.output(VIDEO).locator("video").wait_for()
    book.save()
    exported, _ = HTMLExporter().from_filename(str(book.lab.root / book.name))
    assert "VBox(" not in exported
    moved = tmp_path / "moved.html"
    moved.write_text(exported, encoding="utf-8")
    book.page.goto(moved.as_uri())
    seen(book.page.locator("video").last, 16 / 9)
