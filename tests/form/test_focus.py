"""The cursor goes to what was added, moved or uncovered; Enter opens the next entry."""

from typing import Any

import ipywidgets as widgets
import pytest

import seedance_nb as sd
from seedance_nb._form.form import Form

TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "urls": {"type": "array", "maxItems": 3, "items": TEXT},
        "shots": {
            "type": "array",
            "items": {"type": "object", "properties": {"text": TEXT, "length": {"type": "integer"}}},
        },
        "camera": {"type": "object", "required": ["lens"], "properties": {"lens": TEXT}},
        "labels": {"type": "object", "additionalProperties": TEXT},
    },
}


@pytest.fixture
def focused(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The widgets that were given the focus, in order."""
    given: list[Any] = []

    def focus(widget: Any) -> None:
        given.append(widget)

    monkeypatch.setattr(widgets.DOMWidget, "focus", focus)
    return given


@pytest.fixture
def form() -> Form:
    return sd.form(SCHEMA)


def entered(entry: Any, text: str) -> None:
    """What the browser sends when Enter is pressed: that it was pressed, then the text, if it is a new one."""
    entry.text._handle_custom_msg({"event": "submit"}, [])
    entry.text.value = text


def test_a_new_entry_has_the_cursor(form: Form, focused: list[Any]) -> None:
    urls: Any = form._controls["/urls"]
    urls._add.click()
    urls._add.click()
    assert focused == [entry.text for entry in urls._entries]
    shots: Any = form._controls["/shots"]
    shots._add.click()
    assert focused[-1] is shots._entries[0].control.parts()["text"].label_widget
    labels: Any = form._controls["/labels"]
    labels._add.click()
    assert focused[-1] is labels._entries[0].key


def test_an_entry_that_a_program_adds_takes_the_cursor_from_no_one(form: Form, focused: list[Any]) -> None:
    urls: Any = form._controls["/urls"]
    urls.add("https://e.com/a.png")
    urls.paste("https://e.com/b.png")
    assert focused == []


def test_after_an_entry_is_removed_the_cursor_is_in_the_one_that_takes_its_place(
    form: Form, focused: list[Any]
) -> None:
    urls: Any = form._controls["/urls"]
    form.values = {"urls": ["a", "b", "c"]}
    a, b, c = urls._entries
    for entry, next_one in ((b, c), (c, a)):
        entry.widget.children[-1].click()
        assert focused[-1] is next_one.text
    a.widget.children[-1].click()
    assert focused[-1] is urls._add


def test_a_moved_entry_keeps_the_cursor(form: Form, focused: list[Any]) -> None:
    urls: Any = form._controls["/urls"]
    form.values = {"urls": ["a", "b", "c"]}
    last = urls._entries[2]
    last.up.click()
    assert (focused, urls._entries[1]) == ([last.text], last)


def test_an_object_has_the_cursor_when_it_is_added_and_its_button_when_it_is_removed(
    form: Form, focused: list[Any]
) -> None:
    camera: Any = form._controls["/camera"]
    camera._button("add").click()
    assert focused[-1] is camera.parts()["lens"].label_widget
    camera._button("remove").click()
    assert focused[-1] is camera._button("add")


def test_enter_opens_the_next_entry(form: Form, focused: list[Any]) -> None:
    urls: Any = form._controls["/urls"]
    urls._add.click()
    entered(urls._entries[0], "https://e.com/a.png")
    assert (len(urls._entries), focused[-1]) == (2, urls._entries[1].text)
    entered(urls._entries[0], "https://e.com/b.png")
    assert (len(urls._entries), focused[-1]) == (2, urls._entries[1].text)
    entered(urls._entries[1], "https://e.com/c.png")
    entered(urls._entries[2], "https://e.com/d.png")
    assert form.values == {"urls": [f"https://e.com/{name}.png" for name in "bcd"]}, "and none beyond the limit"


def test_an_entry_that_enter_opened_counts_once_something_is_typed_or_it_is_moved(form: Form) -> None:
    urls: Any = form._controls["/urls"]
    urls._add.click()
    entered(urls._entries[0], "https://e.com/a.png")
    assert (form.values, form.problems) == ({"urls": ["https://e.com/a.png"]}, ())
    urls._entries[0].down.click()
    assert form.values == {"urls": ["", "https://e.com/a.png"]}
    urls._entries[0].down.click()
    assert form.values == {"urls": ["https://e.com/a.png"]}
    urls.paste("https://e.com/b.png")
    assert form.values == {"urls": ["https://e.com/a.png", "https://e.com/b.png"]}
    form.undo()
    assert [entry.text.value for entry in urls._entries] == ["https://e.com/a.png"]


def test_an_entry_that_is_left_in_another_way_opens_no_other_one(form: Form) -> None:
    urls: Any = form._controls["/urls"]
    urls._add.click()
    urls._entries[0].text.value = "https://e.com/a.png"
    assert len(urls._entries) == 1


def test_no_entries_can_be_pasted_or_uploaded_beyond_the_limit(form: Form) -> None:
    urls: Any = form._controls["/urls"]
    form.values = {"urls": ["a", "b"]}
    assert not urls._many.disabled
    urls._add.click()
    assert (urls._add.disabled, urls._many.disabled) == (True, True)
    urls.remove(urls._entries[0])
    assert not urls._many.disabled
