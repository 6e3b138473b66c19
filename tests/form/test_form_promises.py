"""What a document calls secret is in no notebook, message or preset; and other promises of a form."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._form.controls.entries import MapControl

SECRET = {"type": "string", "writeOnly": True}
DEEP = {
    "type": "object",
    "properties": {"b": {"type": "object", "properties": {"k": SECRET, "n": {"type": "integer"}}}},
}
NESTED: dict[str, Any] = {"type": "object", "properties": {"a": DEEP, "old": {**SECRET, "deprecated": True}}}
VALUES = {"a": {"b": {"k": "sEcReT", "n": 1}}, "old": "sEcReT"}
TREE = {"type": "object", "properties": {"k": SECRET, "next": {"$ref": "#"}}}


@pytest.mark.parametrize(("schema", "values"), [
    (NESTED, VALUES), (TREE, {"next": {"next": {"next": {"k": "sEcReT"}}}}),
    ({"type": "object", "properties": {"l": {"type": "array", "items": SECRET}}}, {"l": ["sEcReT"] * 60}),
    ({"type": "object", "additionalProperties": SECRET}, {"any": "sEcReT"}),
    ({"type": "object", "unevaluatedProperties": SECRET}, {"any": "sEcReT"}),
    ({"type": "object", "properties": {"l": {"type": "array", "unevaluatedItems": SECRET}}}, {"l": ["sEcReT"]}),
    ({"type": "object", "properties": {"n": {"type": "integer"}}, "dependentSchemas": {"n": {"properties": {"k": SECRET}}}},
     {"n": 1, "k": "sEcReT"}),
    ({"type": "object", "properties": {"k": {"writeOnly": True}}}, {"k": "sEcReT"}),
    ({"type": "object", "properties": {"k": {"oneOf": [SECRET, {"type": "integer"}]}}}, {"k": "sEcReT"}),
    ({"type": "object", "properties": {"k": {**SECRET, "enum": ["a"]}}}, {"k": "sEcReT"}),
    ({"type": "object", "properties": {"k": {"type": "integer", "writeOnly": True}}}, {"k": "sEcReT"})])  # fmt: skip
def test_a_secret_is_in_no_output_of_a_form_and_in_no_preset(schema: Any, values: Any, tmp_path: Path) -> None:
    form = sd.form(schema)
    form.values = values
    form.validate()
    bundle = form.widget._repr_mimebundle_()
    assert "sEcReT" not in repr(form) + bundle["text/plain"] + bundle["text/html"]
    assert "sEcReT" not in repr(form.problems) + "".join(map(str, form.problems))
    assert "sEcReT" not in form.save(tmp_path / "p.json").read_text()
    assert form.values == values, "only what is shown is covered"


def test_what_is_no_secret_is_saved_in_a_preset(tmp_path: Path) -> None:
    form = sd.form(NESTED)
    form.values = VALUES
    assert json.loads(form.save(tmp_path / "p.json").read_text())["values"] == {"a": {"b": {"n": 1}}}


def test_a_default_that_is_secret_is_not_shown() -> None:
    form = sd.form({"type": "object", "properties": {"k": {**SECRET, "default": "sEcReT"}}})
    assert not [control for control in form._controls.values() if "sEcReT" in str(control.label_widget.get_state())]


def test_editing_a_further_field_keeps_what_was_typed_beside_it() -> None:
    form = sd.form(
        {"type": "object", "properties": {"c": {"type": "string"}}, "additionalProperties": {"type": "string"}}
    )
    form.values = {"c": "x", "k": "1"}
    form._controls["/c"].widget.value = "NEW"
    rest = next(control for control in form._controls.values() if isinstance(control, MapControl))
    rest._entries[0].control.widget.value = "2"
    assert form.values == {"c": "NEW", "k": "2"}


def test_a_name_that_blows_up_a_pattern_does_not_stop_the_kernel() -> None:
    form = sd.form({"type": "object", "patternProperties": {"^(a+)+$": {"type": "integer"}}})
    begun = time.monotonic()
    form.values = {"a" * 40 + "!": "x"}
    assert time.monotonic() - begun < 20, "without a bound it would not end in a lifetime"


def test_a_thousand_fields_have_a_control_each_and_more_are_one_text() -> None:
    fields = {f"f{number}": {"type": "string"} for number in range(1_001)}
    form = sd.form({"type": "object", "properties": dict([*fields.items()][:1_000])})
    form._controls["/f999"].widget.value = "last"
    assert form.values == {"f999": "last"}
    assert {f"/{name}" for name in fields} - {*form._controls} == {"/f1000"}
    assert not any(path in sd.form({"type": "object", "properties": fields})._controls for path in ("/f0", "/f1000"))


def test_many_different_entries_are_told_apart_at_once() -> None:
    schema = {
        "type": "object",
        "properties": {"l": {"type": "array", "uniqueItems": True, "items": {"type": "object"}}},
    }
    many = [{"i": number} for number in range(3000)]
    assert sd.check(schema, l=many) == ()
    assert [problem.rule for problem in sd.check(schema, l=[*many, {"i": 5.0}])] == ["uniqueItems"]
    assert sd.check(schema, l=[{"i": 1}, {"i": True}]) == ()


def test_a_field_of_any_kind_goes_into_python() -> None:
    form = sd.form({"type": "object", "properties": {"t": True}})
    form.values = {"t": {}}
    assert "sd.check" in form.to_python()


@pytest.mark.parametrize(("text", "value"), [
    ("1e3", 1000.0), ("0.12345678901234567", 0.12345678901234567), ("2e-07", 2e-07), ("7", 7), ("1e400", "1e400"), ("1e", "1e")])  # fmt: skip
def test_a_number_may_be_written_in_any_way_that_json_knows(text: str, value: Any) -> None:
    form = sd.form({"type": "object", "properties": {"n": {"type": "number"}}})
    form._controls["/n"].label_widget.value = text
    assert form.values == {"n": value}
    assert type(form.values["n"]) is type(value)


@pytest.mark.parametrize("text", ["[" * 900 + "]" * 900, "[" * 70 + "]" * 70, "1e400", '{"a": NaN}', "9" * 5000])
def test_what_no_request_can_carry_stays_text_in_a_json_box(text: str) -> None:
    form = sd.form({"type": "object", "properties": {"j": {}}})
    form._controls["/j"].label_widget.value = text
    assert form.values == {"j": text}


@pytest.mark.parametrize(
    ("schema", "start"), [({"type": "array", "items": {"type": "integer"}}, []), ({"type": "string"}, "")]
)
def test_a_form_of_something_else_than_an_object_starts_with_it(schema: Any, start: Any) -> None:
    form = sd.form(schema)
    assert form.values == start
    assert form.problems == ()
    form.reset()
    assert form.values == start
    with pytest.raises(ValueError, match="an object"):
        form.to_python()


@pytest.mark.parametrize("source", [None, 3, [], b"{}"])
def test_what_is_no_document_at_all_is_reported(source: Any) -> None:
    with pytest.raises(sd.SpecError, match="a model's name, a file, YAML or JSON text, or a dict"):
        sd.spec(source)


def test_one_line_of_yaml_is_a_document() -> None:
    assert [problem.path for problem in sd.check("properties: {n: {type: integer}}", n="x")] == ["/n"]


def test_an_edit_while_another_thread_sets_the_values_is_added_to_them() -> None:
    form = sd.form("crun/seedance-1.0-pro-t2v")
    prompt, switch = form._controls["/input/prompt"], form._controls["/input/camera_fixed"]
    is_showing, may_end, show = threading.Event(), threading.Event(), switch.show

    def wait(value: Any) -> None:
        is_showing.set()
        assert may_end.wait(10)
        show(value)

    switch.show = wait  # type: ignore[method-assign]
    setter = threading.Thread(target=setattr, args=(form, "values", {"prompt": "A fox", "camera_fixed": True}))
    typist = threading.Thread(target=setattr, args=(prompt.widget, "value", "A fox and a hare"))
    setter.start()
    assert is_showing.wait(10)
    typist.start()
    typist.join(0.05)  # without a lock it is done by now, and lost
    may_end.set()
    setter.join(10)
    typist.join(10)
    assert form.values["input"] == {"prompt": "A fox and a hare", "camera_fixed": True}
    assert (prompt.value, switch.value) == ("A fox and a hare", True)


def test_a_field_under_advanced_shows_the_value_that_it_had_before_it_was_opened() -> None:
    old = {"type": "string", "deprecated": True}
    inner = {"type": "object", "properties": {"a": {"type": "string"}, "old": old}}
    form = sd.form({"type": "object", "required": ["inner"], "properties": {"inner": inner, "old": old}})
    form.values = {"inner": {"a": "x", "old": "y"}, "old": "z"}
    form.open_advanced()
    assert [form._controls[path].widget.value for path in ("/inner/a", "/inner/old", "/old")] == ["x", "y", "z"]
    form._controls["/inner/old"].widget.value = "w"
    assert form.values == {"inner": {"a": "x", "old": "w"}, "old": "z"}


def test_reset_clears_an_entry_that_has_no_name_yet() -> None:
    form = sd.form(
        {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}
    )
    rest: Any = form._controls[""]
    rest.add()
    assert len(rest._entries) == 1
    form.reset()
    assert rest._entries == []
