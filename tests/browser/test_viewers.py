"""The picture is seen before it is played: behind a hub's address, in two windows, without saved widgets, in Notebook 7, in Voila."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import nbformat
import pytest
from support.lab import ARTIFACTS, Book, Lab, opened, seen

CELLS = (
    "import seedance_nb as sd; from seedance_nb._notebook.panel import Panel; session = sd.Session(queue_s=0, run_s=0.5)",
    "Panel(sd.spec('crun/seedance-1.0-pro-t2v'), session, prompt='PROMPT', resolution='480p', duration=4, aspect_ratio='9:16')",
    "session.generate('crun/seedance-1.0-pro-t2v', prompt='A boat', resolution='480p', duration=4)",
)
MORE = (
    "sd.grid([session.generate('crun/seedance-1.0-pro-t2v', prompt='A boat', resolution='480p', duration=4)] * 2)",
    "sd.compare('A boat', ['crun/seedance-1.0-pro-t2v', 'vastnum/doubao-seedance-2.0'], seconds=4, resolution='480p')",
)
PANEL, VIDEO, GRID, COMPARE = 1, 2, 3, 4
AXE = """() => window.axe.run({include: ['.jp-Cell-outputArea']}, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact)).flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 200)}`)))"""
WIDE_ONES = """() => [...document.querySelectorAll('.jp-Cell-outputArea')].flatMap(area => { const edge = area.getBoundingClientRect().right + 1;
  return [...area.querySelectorAll('video, img, button, input, textarea, figcaption, summary')].filter(one =>
    one.checkVisibility() && one.getBoundingClientRect().right > edge).map(one => one.outerHTML.slice(0, 120)) })"""
TALL, WIDE = 9 / 16, 16 / 9


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server at the address that a JupyterHub gives it, which does not save the widgets' state."""
    server = Lab(tmp_path_factory.mktemp("hub"), "/user/x/", save_state=False)
    yield server
    server.stop()


def cells(prompt: str) -> tuple[str, ...]:
    return tuple(code.replace("PROMPT", prompt) for code in CELLS)


def generate(book: Book) -> None:
    book.output(PANEL).get_by_role("button", name="Generate").click()
    seen(book.output(PANEL).locator("video:visible"), TALL)


def test_behind_a_hub_two_windows_show_it_and_a_restart_takes_nothing_away(browser: Any, hub: Lab) -> None:
    with opened(browser, hub, "hub.ipynb", *cells("In two windows")) as book:
        book.panel(PANEL)
        book.reload()
        generate(book)
        book.run(VIDEO)
        seen(book.output(VIDEO).locator("video"), WIDE)
        assert book.output(VIDEO).locator("video").get_attribute("src").startswith(f"{hub.url}/files/seedance_outputs/")
        assert "widgets" not in book.save()["metadata"]

        second = Book(browser.new_page(), hub, "hub.ipynb")
        seen(second.output(PANEL).locator("video:visible"), TALL)
        seen(second.output(VIDEO).locator("video"), WIDE)
        second.picture("viewers_second_window")
        second.page.close()

        book.restart_kernel()
        seen(book.output(PANEL).locator("video:visible"), TALL)
        assert not book.output(PANEL).get_by_text("This page has no video").is_visible()
        book.reload()
        assert book.output(PANEL).get_by_text("sd.tasks()").is_visible(), "the page was saved before there was a video"
        assert not book.output(PANEL).get_by_text("widget").first.is_visible(), "nothing is said of widgets"
        seen(book.output(VIDEO).locator("video"), WIDE)
        assert book.outside == []


def test_what_cells_show_is_whole_and_accessible_at_either_width_in_either_theme(browser: Any, hub: Lab) -> None:
    with opened(browser, hub, "all.ipynb", *cells("Without a mouse"), *MORE) as book:
        page, panel = book.page, book.panel(PANEL)
        panel.get_by_role("button", name="Generate").focus()
        page.keyboard.press("Enter")
        seen(panel.locator("video:visible"), TALL)
        for cell in (VIDEO, GRID, COMPARE):
            book.run(cell)
        book.output(COMPARE).get_by_role("button", name="Generate 1 video").press("Enter")  # the other one is there
        book.output(COMPARE).get_by_text("2 of 2 done").wait_for(timeout=60_000)
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
        book.command("application:toggle-left-area")
        for width in (1400, 360):
            page.set_viewport_size({"width": width, "height": 1000})
            for theme in ("Dark", "Light"):
                book.theme(theme)
                assert (page.evaluate(AXE), page.evaluate(WIDE_ONES)) == ([], []), (width, theme)
                for cell in (PANEL, VIDEO, GRID, COMPARE):
                    book.output(cell).evaluate("output => output.scrollIntoView()")
                    book.picture(f"viewers_{cell}_{width}_{theme.lower()}")
        page.set_viewport_size({"width": 1180, "height": 1000})
        panel.get_by_role("button", name="Generate").focus()
        for _ in range(9):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "VIDEO":
                break
        page.keyboard.press("Space")
        page.wait_for_function("() => document.activeElement.currentTime > 0.2")
        assert book.outside == []


def test_notebook_7_shows_it_at_once_after_a_reload_and_without_a_kernel(browser: Any, hub: Lab) -> None:
    with opened(browser, hub, "seven.ipynb", *cells("In Notebook 7"), app="notebooks") as book:
        book.panel(PANEL)
        generate(book)
        book.run(VIDEO)
        seen(book.output(VIDEO).locator("video"), WIDE)
        book.picture("viewers_notebook_7")
        book.reload()
        seen(book.output(PANEL).locator("video:visible"), TALL)
        book.end_kernel()
        book.open()
        seen(book.output(PANEL).locator("video:visible"), TALL)
        seen(book.output(VIDEO).locator("video"), WIDE)
        assert book.outside == []


def test_voila_shows_it_on_the_first_run(browser: Any, hub: Lab) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells("In Voila")])
    nbformat.write(notebook, hub.root / "voila.ipynb")
    page = browser.new_page()
    page.goto(f"{hub.url}/voila/render/voila.ipynb?token={hub.token}", wait_until="commit", timeout=60_000)
    seen(page.locator("video:visible"), WIDE)
    page.get_by_role("button", name="Generate").click()
    page.wait_for_function("() => document.querySelectorAll('video').length >= 2")
    for video, shape in zip(page.locator("video:visible").all(), (TALL, WIDE), strict=True):
        seen(video, shape)
        assert video.get_attribute("src").startswith("data:video/mp4")
    page.screenshot(path=ARTIFACTS / "viewers_voila.png")
    page.close()
