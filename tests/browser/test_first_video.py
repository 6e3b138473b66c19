"""Notebook 01 as a person meets it: JupyterLab, a form, an error that comes and goes, and a video that plays."""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageDraw
from support.lab import ARTIFACTS, NOTEBOOKS, PLAYS, Book, Lab, opened

PROMPT = "A paper boat from [Image1] sails down a rainy street at dusk, camera low above the water"
PANEL, CHECK, GENERATE, TASKS = 1, 2, 3, 4


@pytest.fixture(scope="session")
def picture() -> Iterator[str]:
    """The address of a picture on loopback."""
    drawn, boat = BytesIO(), Image.new("RGB", (640, 360), (38, 70, 83))
    pen = ImageDraw.Draw(boat)
    pen.rectangle((0, 250, 640, 360), fill=(20, 40, 52))
    pen.polygon([(200, 230), (440, 230), (390, 285), (250, 285)], fill=(244, 241, 222))
    pen.polygon([(320, 90), (320, 222), (215, 222)], fill=(233, 196, 106))
    boat.save(drawn, "PNG")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(drawn.getvalue())))
            self.end_headers()
            self.wfile.write(drawn.getvalue())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/boat.png"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def first_video(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Book]:
    """Notebook 01 in a page of its own, with its own copy of the file."""
    name = f"{re.sub(r'[^a-z0-9]+', '_', request.node.name.lower())}.ipynb"
    shutil.copy(NOTEBOOKS / "01_first_video.ipynb", lab.root / name)
    with opened(browser, lab, name) as book:
        yield book


def fill_in(book: Book, panel: Any, picture: str) -> None:
    prompt = panel.get_by_label("Prompt")
    prompt.click()
    prompt.press_sequentially(PROMPT)
    panel.get_by_role("button", name="Add image").click()
    panel.locator(".sdn-entry input").wait_for()
    panel.locator(".sdn-entry input").fill(picture)
    panel.locator(".sdn-entry input").press("Tab")
    panel.get_by_role("button", name="480p").click()
    duration = panel.locator(".sdn-slid input[type=text]")
    duration.fill("4")
    duration.press("Enter")
    panel.locator("[role=slider][aria-valuenow^='4']").wait_for(state="attached")
    book.idle()


def playing(panel: Any, book: Book) -> dict[str, Any]:
    video = panel.locator("video:visible")
    video.wait_for(timeout=60_000)
    book.page.wait_for_function("video => video.readyState >= 2", arg=video.element_handle())
    played: dict[str, Any] = video.evaluate(PLAYS)
    return played


def test_a_person_fills_in_the_form_and_watches_the_video(first_video: Book, picture: str) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    fill_in(book, panel, picture)
    panel.get_by_role("button", name="Generate").click()
    played = playing(panel, book)
    assert played["ready"] >= 2
    assert played["advanced"] > 0.3
    assert played["width"] == 854
    assert "seedance_outputs/" in played["source"]
    assert "✓" in panel.get_by_role("status").last.inner_text()
    book.page.set_viewport_size({"width": 1180, "height": 1800})  # room for the whole cell in one picture
    for theme in ("Dark", "Light"):
        book.theme(theme)
        panel.evaluate("panel => panel.scrollIntoView()")
        cell, video = panel.locator(".sdn-panel").bounding_box(), panel.locator("figure:visible").bounding_box()
        whole = {
            "x": cell["x"] - 8,
            "y": cell["y"] - 8,
            "width": cell["width"] + 16,
            "height": video["y"] + video["height"] - cell["y"] + 20,
        }
        book.page.screenshot(path=ARTIFACTS / f"first_video_{theme.lower()}.jpg", type="jpeg", quality=82, clip=whole)
    book.page.set_viewport_size({"width": 1180, "height": 1000})

    saved = book.save()
    outputs = json.dumps([cell["outputs"] for cell in saved["cells"] if cell["cell_type"] == "code"])
    assert "<video" in outputs
    assert "simulator.invalid" not in outputs
    book.end_kernel()
    book.open()
    assert playing(book.output(PANEL), book)["advanced"] > 0.3, "the video is there without the kernel that made it"
    assert book.outside == []


def test_an_error_comes_when_a_field_is_left_and_goes_when_it_is_mended(first_video: Book) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    panel.get_by_role("button", name="Add image").click()
    entry = panel.locator(".sdn-entry input")
    entry.wait_for()
    entry.press_sequentially("asset-20260224185115-jtzz8")
    assert panel.locator(".sdn-error").count() == 0, "nothing is wrong while a person still types"
    entry.press("Tab")
    alert = panel.locator(".sdn-error").filter(has_text="write asset://asset-20260224185115-jtzz8")
    alert.wait_for()
    entry.fill("")
    entry.press_sequentially("asset://asset-20260224185115-jtzz8")
    alert.wait_for(state="detached")
    assert book.outside == []


def test_generate_with_an_empty_form_says_what_is_missing_and_sends_nothing(first_video: Book) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    book.run(TASKS)
    before = book.output(TASKS).inner_text().splitlines()[1:]
    panel.get_by_role("button", name="Generate").click()
    panel.get_by_text("Fix 2 problems to generate").wait_for()
    assert panel.get_by_text("Prompt is required.").is_visible()
    assert panel.get_by_text("Add at least one reference image or video").is_visible()
    assert panel.locator("video").count() == 0
    book.run(TASKS)
    assert book.output(TASKS).inner_text().splitlines()[1:] == before


def test_a_click_right_after_typing_sends_what_the_screen_shows(first_video: Book, picture: str) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    fill_in(book, panel, picture)
    prompt = panel.get_by_label("Prompt")
    prompt.fill("")
    prompt.press_sequentially("the last words count", delay=5)
    thumb, track = panel.locator(".noUi-touch-area").bounding_box(), panel.locator(".noUi-base").bounding_box()
    book.page.mouse.move(thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2)
    book.page.mouse.down()
    book.page.mouse.move(track["x"] + track["width"] * 2 / 11, track["y"] + 2, steps=4)
    book.page.mouse.up()
    panel.get_by_role("button", name="Generate").click()
    playing(panel, book)
    panel.get_by_text("Request body").click()
    sent = json.loads(panel.locator("pre").last.inner_text())
    assert (sent["input"]["prompt"], sent["input"]["duration"]) == ("the last words count", 6)


def test_a_double_click_is_one_task(first_video: Book, picture: str) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    fill_in(book, panel, picture)
    prompt = panel.get_by_label("Prompt")
    prompt.fill("pressed twice")
    book.idle()
    panel.get_by_role("button", name="Generate").dblclick()
    playing(panel, book)
    book.run(TASKS)
    assert book.output(TASKS).inner_text().count("pressed twice") == 1


def test_the_panel_fits_a_narrow_window(first_video: Book) -> None:
    book, panel = first_video, first_video.panel(PANEL)
    book.command("application:toggle-left-area")
    book.page.set_viewport_size({"width": 420, "height": 900})
    panel.get_by_role("button", name="Add image").click()
    panel.locator(".sdn-entry input").wait_for()
    edge = panel.evaluate("panel => panel.getBoundingClientRect().right")
    beyond = panel.locator("input, textarea, select, button").evaluate_all(
        "(all, edge) => all.filter(one => one.offsetParent && one.getBoundingClientRect().right > edge + 1).length",
        edge,
    )
    assert beyond == 0
    book.picture("first_video_narrow")
    book.page.set_viewport_size({"width": 1180, "height": 1000})
