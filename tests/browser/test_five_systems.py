"""Several providers as a person meets them: another provider's form, a file that is uploaded, three videos side by side."""

from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest
from support.lab import NOTEBOOKS, Book, Lab, opened

# The cells of the notebook, counted from 0; the last is one of notebook 07.
MODELS, PANEL, COMPARE, UPLOAD, SIXTH = 0, 1, 2, 3, 4
CELLS = (
    "import seedance_nb as sd",
    """panel = sd.panel("seedance2-pro/seedance-20-i2v")
panel.form.values = {"urls": ["https://example.com/first-frame.png"], "prompt": "The fox looks up", "duration": "5s"}
panel""",
    """url = sd.upload("crun/seedance-2.0-i2v", b"...", name="frame.png")
models = ["crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v", "vastnum/doubao-seedance-2.0"]
sd.compare("A paper boat", models, seconds=4, resolution="480p", ratio="16:9", first_frame=url)""",
    "sd.panel('crun/seedance-2.0-i2v')",
    next(cell.source for cell in nbformat.read(NOTEBOOKS / "07_any_document.ipynb", 4).cells if cell.id == "sixth"),
)


@pytest.fixture(scope="module")
def page(chromium: Callable[[], Any], lab: Lab) -> Iterator[Book]:
    with opened(chromium(), lab, "five_systems.ipynb", *CELLS) as book:
        yield book


@pytest.fixture
def five_systems(browser: Any, page: Book) -> Book:
    """Cells for several providers, of which none has been run."""
    del browser  # which ends a test that hangs
    page.command("notebook:clear-all-cell-outputs")
    page.outside.clear()
    page.run(MODELS)
    return page


def test_another_providers_form_makes_a_video_and_says_what_the_real_one_costs(five_systems: Book) -> None:
    book = five_systems
    book.run(PANEL)
    panel = book.output(PANEL)
    panel.get_by_text("With a key: 200 credits ($1.00)").wait_for()
    panel.get_by_role("button", name="Other…").press("Enter")
    book.page.wait_for_function("() => document.activeElement.matches('.sdn-likely input')")
    book.page.keyboard.type("640x360")
    book.page.keyboard.press("Tab")
    duration = panel.get_by_role("combobox", name="Duration")
    duration.select_option("Other…")
    other = panel.get_by_role("textbox", name="Other duration")
    other.fill("20s")
    other.press("Tab")
    panel.locator(".sdn-warn").filter(has_text="kinovi.ai").wait_for()
    duration.select_option("4s")
    other.wait_for(state="hidden")
    panel.get_by_text("With a key: 160 credits ($0.80)").wait_for()
    assert panel.locator(".sdn-warn").count() == 0
    panel.get_by_role("button", name="Generate").click()
    video = panel.locator("video:visible")
    video.wait_for(timeout=60_000)
    book.page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [640, 360]
    assert set(book.outside) <= {"https://example.com/first-frame.png"}, (
        "the picture that the person named, for its thumbnail"
    )


def test_a_chosen_file_becomes_an_address_in_the_list(five_systems: Book, tmp_path: Any) -> None:
    book = five_systems
    book.run(UPLOAD)
    panel = book.output(UPLOAD)
    (tmp_path / "frame.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with book.page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Upload image").click()
    chooser.value.set_files(tmp_path / "frame.png")
    entry = panel.locator(".sdn-entry input")
    entry.wait_for()
    assert entry.input_value().endswith(".png")
    assert panel.locator(".sdn-marker").inner_text() == "first"
    panel.locator("button[title^='Register as an asset at crun']").click()
    book.page.wait_for_function("input => input.value.startsWith('asset://')", arg=entry.element_handle())
    assert panel.locator(".sdn-error").count() == 0


def test_one_press_makes_three_videos_side_by_side(five_systems: Book) -> None:
    book = five_systems
    book.run(COMPARE)
    book.page.set_viewport_size({"width": 1900, "height": 1000})
    shown = book.output(COMPARE)
    shown.get_by_role("button", name="Generate 3 videos").click()
    shown.get_by_text("3 of 3 done").wait_for(timeout=90_000)
    boxes = [video.bounding_box() for video in shown.locator("video:visible").all()]
    assert len(boxes) == 3
    assert len({round(box["y"] / 40) for box in boxes}) == 1, "they stand side by side"
    book.page.set_viewport_size({"width": 1180, "height": 1000})
    assert book.outside == []


def test_a_document_of_ones_own_has_a_panel(five_systems: Book) -> None:
    book = five_systems
    book.run(SIXTH)
    panel = book.output(SIXTH)
    panel.get_by_role("button", name="Generate").wait_for()
    assert panel.get_by_text("Seedance of tomorrow").is_visible()
