"""The form and the panel as assistive technology and a keyboard meet them, in JupyterLab's light and dark theme."""

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import nbformat
import pytest
from support.lab import Book, Lab

MODEL = "crun/seedance-2.0-fast-r2v"
FORM, PANEL = 1, 2
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
CONTROLS = "input, textarea, select, button, summary, [role=slider], [tabindex='0']"
AXE = """() => window.axe.run({include: ['.sdn-form', '.sdn-panel']}, {resultTypes: ['violations']}).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)} ${node.any.map(any => any.message).join(' ')}`)))"""
FOCUSED = """() => { const one = document.activeElement, style = getComputedStyle(one);
  return {at: [...document.querySelectorAll('[data-stop]')].indexOf(one), what: one.outerHTML.slice(0, 120),
          seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1} }"""


pytestmark = pytest.mark.usefixtures("browser")  # which ends a test that hangs


@pytest.fixture(scope="module")
def book(chromium: Callable[[], Any], lab: Lab) -> Iterator[Book]:
    """One page for all tests of this file: each makes its form anew."""
    codes = ("import seedance_nb as sd", f"sd.form({MODEL!r})", f"sd.panel({MODEL!r})")
    cells = [nbformat.v4.new_code_cell(code) for code in codes]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=KERNEL), lab.root / "accessibility.ipynb")
    page = chromium().new_page()
    made = Book(page, lab, "accessibility.ipynb")
    made.run(0)
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    yield made
    made.picture("last_accessibility")
    made.theme("Light")
    made.end_kernel()
    page.close()


def shown(book: Book, cell: int) -> Any:
    """The cell's output, made anew, alone on the page."""
    book.command("notebook:clear-all-cell-outputs")
    book.run(cell)
    output = book.output(cell)
    output.get_by_label("Prompt").wait_for()
    output.get_by_role("button", name="Advanced").wait_for()
    return output


def untouched(_: Any) -> None:
    pass


def with_errors(output: Any) -> None:
    output.get_by_role("button", name="Add image").click()
    entry = output.locator(".sdn-entry input")
    entry.wait_for()
    entry.fill("asset-20260224185115-jtzz8")
    duration = output.locator(".sdn-slid input[type=text]")
    duration.fill("99")
    duration.press("Enter")
    output.locator(".sdn-slid .sdn-error").wait_for()
    output.locator(".sdn-entry .sdn-error").wait_for()


def with_advanced(output: Any) -> None:
    output.get_by_role("button", name="Advanced").click()
    output.locator(".sdn-fold-note").wait_for()
    for fold in output.locator("summary").all():
        fold.click()


def refused(output: Any) -> None:
    output.get_by_role("button", name="Generate").click()
    output.get_by_text("Fix 2 problems to generate").wait_for()


@pytest.mark.parametrize(
    ("cell", "state"), [(FORM, untouched), (FORM, with_errors), (FORM, with_advanced), (PANEL, refused)]
)
def test_axe_finds_nothing_serious(book: Book, cell: int, state: Callable[[Any], None]) -> None:
    state(shown(book, cell))
    for theme in ("Dark", "Light"):
        book.theme(theme)
        assert book.page.evaluate(AXE) == [], theme
    assert book.outside == []


def test_the_check_sees_what_is_wrong(book: Book) -> None:
    output = shown(book, FORM)
    output.get_by_label("Prompt").evaluate(
        "box => { box.labels[0].remove(); box.removeAttribute('title'); box.placeholder = '' }"
    )
    assert any(line.startswith("label:") for line in book.page.evaluate(AXE))


@pytest.mark.parametrize("state", [untouched, with_errors, with_advanced])
def test_tab_reaches_every_control_in_order_and_shows_where_it_is(book: Book, state: Callable[[Any], None]) -> None:
    output = shown(book, FORM)
    state(output)
    stops = output.locator(".sdn-form").evaluate(
        """(form, which) => { const all = [...form.querySelectorAll(which)].filter(one =>
            one.checkVisibility({visibilityProperty: true}) && !one.disabled);
          all.forEach(one => one.setAttribute('data-stop', '')); all[0].focus(); return all.length }""",
        CONTROLS,
    )
    order, unseen = [0], []
    for _ in range(stops - 1):
        book.page.keyboard.press("Tab")
        focused = book.page.evaluate(FOCUSED)
        order.append(focused["at"])
        unseen += [] if focused["seen"] else [focused["what"]]
    assert order == list(range(stops))
    assert unseen == []


def test_the_slider_is_for_pointers_and_its_box_for_everybody(book: Book) -> None:
    output = shown(book, FORM)
    assert output.get_by_role("slider").count() == 0, "the browser's part has no name that could be said"
    thumb, track = output.locator(".noUi-touch-area").bounding_box(), output.locator(".noUi-base").bounding_box()
    book.page.mouse.move(thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2)
    book.page.mouse.down()
    book.page.mouse.move(track["x"] + track["width"] * 4 / 11, track["y"] + 2, steps=4)
    book.page.mouse.up()
    box = output.get_by_role("textbox", name="Duration")
    book.page.wait_for_function("box => box.value === '8'", arg=box.element_handle())


@pytest.mark.parametrize("state", [untouched, with_errors, with_advanced])
def test_every_control_has_a_name(book: Book, state: Callable[[Any], None]) -> None:
    output = shown(book, FORM)
    state(output)
    tree = output.locator(".sdn-form").aria_snapshot()
    controls = re.findall(r"- (?:textbox|checkbox|button|slider|combobox|radio)\b.*", tree)
    assert len(controls) >= 8
    assert [line for line in controls if not re.match(r'- \w+ "[A-Za-z0-9\[]', line)] == [], "a glyph is no name"


def test_an_error_is_part_of_its_controls_name(book: Book) -> None:
    output = shown(book, FORM)
    with_errors(output)
    for error in ("write asset://asset-20260224185115-jtzz8", "at most 15"):
        assert output.get_by_role("textbox", name=error).count() == 1
