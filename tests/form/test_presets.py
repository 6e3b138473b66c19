"""What a form was is not lost: changes are taken back, and presets come back from files just as they were."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._form import exchange as presets_module
from seedance_nb._form.controls.text_list import ListControl
from seedance_nb._form.form import Form
from seedance_nb._form.model.values import MOST_CHANGES, UndoHistory

MODEL, OTHER = "crun/seedance-2.0-fast-r2v", "crun/seedance-2.0-i2v"
IMAGES = [f"https://example.com/{number}.png" for number in range(4)]


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def form(crun: sd.Spec, clock: Clock) -> Form:
    made = Form(crun)
    made.history = UndoHistory(clock)
    return made


def control(form: Form, name: str) -> Any:
    return form._controls[f"/input/{name}"]


def inputs(form: Form) -> Any:
    return form.values["input"]


def types(form: Form, clock: Clock, text: str, pause: float = 0.1) -> None:
    for end in range(1, len(text) + 1):
        clock.time += pause
        control(form, "prompt").widget.value = text[:end]


def test_with_no_change_there_is_nothing_to_take_back(form: Form) -> None:
    before = form.values
    assert form.undo() is False
    assert form.values == before


def test_a_burst_of_typing_is_one_change(form: Form, clock: Clock) -> None:
    types(form, clock, "A fox")
    clock.time += 1.5
    control(form, "prompt").widget.value = "A fox runs"
    assert form.undo()
    assert inputs(form) == {"prompt": "A fox"}
    assert control(form, "prompt").widget.value == "A fox"
    assert form.undo()
    assert inputs(form) == {}
    assert control(form, "prompt").widget.value == ""
    assert not form.undo()


def test_another_field_ends_the_burst(form: Form, clock: Clock) -> None:
    types(form, clock, "A")
    control(form, "duration")._box.value = "7"
    types(form, clock, "A fox")
    form.undo()
    assert inputs(form) == {"prompt": "A", "duration": 7}
    form.undo()
    assert inputs(form) == {"prompt": "A"}


def test_typing_after_an_undo_is_a_change_of_its_own(form: Form, clock: Clock) -> None:
    types(form, clock, "A")
    clock.time += 2
    types(form, clock, "AB")
    form.undo()
    types(form, clock, "AC")
    form.undo()
    assert inputs(form) == {"prompt": "A"}


def test_a_slider_that_is_drawn_along_is_one_change_and_each_press_is_one(form: Form) -> None:
    for seconds in (6, 7, 8):
        control(form, "duration")._slider.value = seconds
    for resolution in ("480p", "720p"):
        control(form, "resolution").widget.label = resolution
    control(form, "audio").widget.value = True
    assert inputs(form) == {"duration": 8, "resolution": "720p", "audio": True}
    form.undo()
    assert inputs(form) == {"duration": 8, "resolution": "720p"}
    form.undo()
    assert inputs(form) == {"duration": 8, "resolution": "480p"}
    form.undo()
    form.undo()
    assert inputs(form) == {}
    assert control(form, "duration")._slider.value == 5


def test_entries_that_were_added_moved_and_removed_come_back_one_by_one(form: Form, clock: Clock) -> None:
    rows = control(form, "reference_images")
    assert isinstance(rows, ListControl)
    rows.add(IMAGES[0])
    rows.add(IMAGES[1])
    rows._entries[1].up.click()
    rows.remove(rows._entries[0])
    rows._entries[0].text.value = "x"
    clock.time += 0.1
    rows._entries[0].text.value = "xy"
    seen = []
    while form.undo():
        seen.append(inputs(form).get("reference_images"))
        assert [row.text.value for row in rows._entries] == (seen[-1] or [])
    assert seen == [[IMAGES[0]], [IMAGES[1], IMAGES[0]], [IMAGES[0], IMAGES[1]], [IMAGES[0]], None]


def test_setting_values_and_a_reset_are_one_change_each(form: Form) -> None:
    form.values = {"prompt": "x", "duration": 6, "reference_images": IMAGES}
    form.reset()
    form.undo()
    assert inputs(form) == {"prompt": "x", "reference_images": IMAGES, "duration": 6}
    form.undo()
    assert inputs(form) == {}
    form.reset()
    assert not form.history, "nothing changed, so there is nothing to take back"


def test_an_undo_is_heard_of_and_sends_only_what_changed(crun: sd.Spec, comms: list[dict[str, Any]]) -> None:
    form = Form(crun)
    heard: list[Any] = []
    form.values = {"prompt": "A fox", "duration": 6}
    form.values = {"prompt": "A fox", "duration": 9}
    form.observe(heard.append)
    comms.clear()
    form.undo()
    assert heard == [form.values]
    told = {name for said in comms for name in said["data"].get("state", {})}
    assert told <= {"value"}
    assert len(comms) == 2, "the box and the slider of one field"


def test_an_undo_keeps_errors_of_other_fields_in_sight(form: Form) -> None:
    control(form, "duration")._box.value = "99"
    control(form, "audio").widget.value = True
    form.undo()
    assert "sdn-error" in control(form, "duration")._box.description


def test_the_memory_of_changes_has_an_end(form: Form, clock: Clock) -> None:
    for number in range(MOST_CHANGES + 50):
        clock.time += 5
        control(form, "prompt").widget.value = f"{number}"
    undone = 0
    while form.undo():
        undone += 1
    assert undone == MOST_CHANGES


VALUES: list[dict[str, Any]] = [
    {},
    {"input": {"prompt": "it's \"x\" \\ 🦊\r\n\u2028\x00</script>", "reference_images": ["", " "], "duration": 99, "audio": False}},
    {"callback_url": "https://e.com", "input": {"duration": 4.0, "resolution": "nonsense", "unknown": {"a": [None, 1e300]}}},
]  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
def test_a_preset_comes_back_as_it_was(form: Form, crun: sd.Spec, tmp_path: Path, values: dict[str, Any]) -> None:
    form.values = values
    file = form.save(tmp_path / "preset.json")
    again = Form(crun)
    again.load(str(file))
    assert repr(again.values) == repr(form.values)
    assert json.loads(file.read_bytes().decode("utf-8")) == {"document": MODEL, "values": form.values}


def test_a_preset_has_no_key(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "sk-very-secret-1")
    panel = sd.panel(MODEL, api_key="sk-very-secret-2")
    form.values = panel.form.values = {"prompt": "x"}
    saved = form.save(tmp_path / "a.json").read_text() + panel.form.save(tmp_path / "b.json").read_text()
    assert "sk-very" not in saved


def test_a_preset_is_written_whole_or_not_at_all(form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = form.save(tmp_path / "preset.json")
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    form.values = {"prompt": "x"}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(sd.SeedanceError, match="No space left on device"):
            form.save(file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*preset*")] == ["preset.json"]
    form.save(file)
    assert b'"x"' in file.read_bytes()


def test_a_file_that_is_no_preset_is_not_replaced(form: Form, tmp_path: Path) -> None:
    notebook = tmp_path / "work.ipynb"
    notebook.write_text('{"cells": []}')
    with pytest.raises(sd.SeedanceError, match="is not a preset, so it was not replaced"):
        form.save(notebook)
    assert notebook.read_text() == '{"cells": []}'
    with pytest.raises(sd.SeedanceError, match="could not be written"):
        form.save(tmp_path / "no" / "folder.json")


NO_PRESETS = {
    b"": "is not JSON", b"{": "is not JSON", b"\xff\xfe": "is not JSON in UTF-8", b"[]": "is not {", b"{}": "is not {",
    b'{"document": "x"}': "is not {", b'{"document": 1, "values": {}}': "is not {", b'{"document": "x", "values": []}': "is not {",
    b'{"document": "x", "values": {}, "api_key": "k"}': "is not {", b'{"document": "x", "values": {"a": NaN}}': "NaN",
    b'{"document": "x", "values": {"a": 1, "a": 2}}': "given twice",
}  # fmt: skip


@pytest.mark.parametrize("content", NO_PRESETS)
def test_what_is_no_preset_is_refused_and_changes_nothing(form: Form, tmp_path: Path, content: bytes) -> None:
    form.values = {"prompt": "kept"}
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(sd.SeedanceError, match="is not a preset") as caught:
        form.load(tmp_path / "x.json")
    assert NO_PRESETS[content] in str(caught.value)
    assert inputs(form) == {"prompt": "kept"}


def test_a_file_that_is_not_there_or_too_large_is_refused(
    form: Form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(sd.SeedanceError, match="No such file"):
        form.load(tmp_path / "none.json")
    monkeypatch.setattr(presets_module, "MOST_BYTES", 10)
    with pytest.raises(sd.SeedanceError, match="more than 10 bytes"):
        form.load(form.save(tmp_path / "preset.json"))


def test_a_preset_of_another_document_is_refused_with_the_way_to_use_it(form: Form, tmp_path: Path) -> None:
    other = sd.form(OTHER)
    other.values = {"prompt": "x"}
    file = other.save(tmp_path / "other.json")
    with pytest.raises(sd.SeedanceError, match=f"is for {OTHER}, but this form is for {MODEL}") as caught:
        form.load(file)
    assert f"sd.form('{OTHER}')" in str(caught.value)


def test_a_preset_with_a_mark_at_its_beginning_is_read(form: Form, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"document": MODEL, "values": {"prompt": "x"}}).encode()
    )
    form.load(tmp_path / "x.json")
    assert inputs(form) == {"prompt": "x"}
    assert form.undo()
    assert inputs(form) == {}
