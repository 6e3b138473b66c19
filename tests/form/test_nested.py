"""Fields inside fields: what each keyword becomes, that every value survives, and that each problem is shown where it belongs."""

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import ipywidgets
import pytest
from support.growth import growth
from support.schemas import api

import seedance_nb as sd
from seedance_nb._base.values import ABSENT
from seedance_nb._form.controls.base import Control
from seedance_nb._form.controls.entries import ItemsControl, MapControl
from seedance_nb._form.controls.objects import ObjectControl
from seedance_nb._form.controls.scalars import BranchControl, NullControl
from seedance_nb._form.form import Form, owner_path
from seedance_nb._form.model.fields import Field, branches_of, tree

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
SHOT = {
    "type": "object", "title": "Shot", "required": ["text"],
    "properties": {"text": TEXT, "seconds": {"type": "integer", "minimum": 1, "maximum": 9}},
}  # fmt: skip
CAT = {
    "type": "object",
    "required": ["kind", "lives"],
    "properties": {"kind": {"const": "cat"}, "lives": WHOLE, "name": TEXT},
}
DOG = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"const": "dog"}, "name": TEXT, "tricks": {"type": "array", "items": TEXT}},
}
NODE: dict[str, Any] = {
    "type": "object", "required": ["name"],
    "properties": {"name": TEXT, "next": {"$ref": "#/$defs/node"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
}  # fmt: skip


USER = {"type": "object", "properties": {"kind": TEXT, "name": TEXT}}
DEFS = {"node": NODE, "CreateUser": USER, "CreateBot": USER}
TAGGED = {"oneOf": [{"$ref": "#/$defs/CreateUser"}, {"$ref": "#/$defs/CreateBot"}], "discriminator": {
    "propertyName": "kind", "mapping": {"user": "#/$defs/CreateUser", "robot": "#/$defs/CreateBot"}}}  # fmt: skip


def one(schema: Any, **more: Any) -> dict[str, Any]:
    """A document with one field, `x`."""
    return {"type": "object", "properties": {"x": schema}, **more}


# Name, schema of x, its kind, values that are right, values that are wrong with the place of the fault.
PROBES: list[tuple[str, Any, str, list[Any], list[tuple[Any, str]]]] = [
    ("nested object", SHOT, "object", [{"text": "a"}, {"seconds": 3, "text": ""}], [({}, "/x/text"), ({"text": "a", "seconds": 10}, "/x/seconds")]),
    ("plain object", {"type": "object", "properties": {"a": TEXT, "b": WHOLE}}, "group", [{}, {"b": 1}, {"b": 1, "a": "x"}], [({"b": "1"}, "/x/b")]),
    ("deep object", one(one(one(SHOT))), "object", [{"x": {"x": {"x": {"text": "a"}}}}], [({"x": {"x": {"x": {}}}}, "/x/x/x/x/text")]),
    ("numbers", {"type": "array", "items": {"type": "number"}, "maxItems": 3}, "items", [[], [1, 2.5], [1.0]], [([1, "2"], "/x/1"), ([1, 2, 3, 4], "/x")]),
    ("choices", {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}, "items", [["b", "a"]], [(["a", "a"], "/x"), (["c"], "/x/0")]),
    ("switches", {"type": "array", "items": {"type": "boolean"}}, "items", [[True, False, True]], [([1], "/x/0")]),
    ("texts", {"type": "array", "items": TEXT, "minItems": 1}, "list", [["a", ""]], [([1], "/x/0")]),
    ("objects", {"type": "array", "items": SHOT}, "items", [[{"text": "a"}, {"seconds": 1, "text": "b"}]], [([{"text": "a"}, {"seconds": 0}], "/x/1/text")]),
    ("lists of lists", {"type": "array", "items": {"type": "array", "items": WHOLE}}, "items", [[[1], [], [2, 3]]], [([[1], ["a"]], "/x/1/0")]),
    ("lists of text lists", {"type": "array", "items": {"type": "array", "items": TEXT}}, "items", [[["a"], []]], [([[1]], "/x/0/0")]),
    ("tuple", {"type": "array", "prefixItems": [TEXT, WHOLE], "items": False}, "items", [["a", 1], ["a"]], [(["a", "b"], "/x/1")]),
    ("map of numbers", {"type": "object", "additionalProperties": WHOLE}, "map", [{}, {"b": 1, "a": 2}, {"": 3}], [({"a": "1"}, "/x/a")]),
    ("map of objects", {"type": "object", "additionalProperties": SHOT}, "map", [{"a/b": {"text": "x"}}], [({"a": {}}, "/x/a/text")]),
    ("patterns", {"type": "object", "patternProperties": {"^n_": WHOLE, "^t_": TEXT}}, "map", [{"n_1": 1, "t_1": "a"}], [({"n_1": "a"}, "/x/n_1")]),
    ("beside properties", {"type": "object", "properties": {"a": TEXT}, "additionalProperties": WHOLE}, "object", [{"z": 1, "a": "t", "y": 2}], [({"a": "t", "z": "1"}, "/x/z")]),
    ("free object", {"type": "object"}, "json", [{}, {"a": [1, {"b": None}]}], [([], "/x")]),
    ("anything", {}, "json", [1, "1", "a", None, True, [1], {"a": 1}], []),
    ("any items", {"type": "array"}, "json", [[1, "a"]], [({}, "/x")]),
    ("oneOf of objects", {"oneOf": [CAT, DOG]}, "branches", [{"kind": "cat", "lives": 9}, {"tricks": ["sit"], "kind": "dog"}], [({"kind": "cat", "lives": "9"}, "/x/lives")]),
    ("discriminator", {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}}, "branches", [{"name": "Rex", "kind": "dog"}], [({"kind": "dog", "name": 1}, "/x/name")]),
    ("anyOf of objects", {"anyOf": [one(TEXT), {"type": "object", "properties": {"y": WHOLE}, "required": ["y"]}]}, "branches", [{"x": "a"}, {"y": 1}], [({"x": 5}, "/x/x")]),
    ("oneOf of scalars", {"oneOf": [TEXT, WHOLE]}, "branches", ["5", 5, ""], [(True, "/x")]),
    ("anyOf scalar or list", {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}, "branches", ["a", ["a", "b"], []], [([1], "/x/0")]),
    ("oneOf of consts", {"oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}]}, "choice", [1, 2], [(3, "/x")]),
    ("anyOf of texts", {"anyOf": [{"enum": ["a", "b"], "type": "string"}, TEXT]}, "text", ["a", "other"], [(1, "/x")]),
    ("a rule is no choice", {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, "group", [{"b": "x"}], [({}, "/x/a")]),
    ("anyOf with null", {"anyOf": [TEXT, {"type": "null"}]}, "text", ["a", "", None], [(1, "/x")]),
    ("type list with null", {"type": ["integer", "null"]}, "integer", [1, None], [("1", "/x")]),
    ("type list", {"type": ["string", "integer"]}, "branches", ["1", 1], [(None, "/x")]),
    ("type list of three", {"type": ["string", "integer", "null"]}, "branches", ["1", 1, None], [(True, "/x")]),
    ("nullable choice", {"type": ["string", "null"], "enum": ["a", "b", None]}, "choice", ["a", None], [("c", "/x")]),
    ("nullable switch", {"type": ["boolean", "null"]}, "choice", [True, False, None], [("a", "/x")]),
    ("nullable object", {"anyOf": [SHOT, {"type": "null"}]}, "object", [None, {"text": "a"}], [({"text": 1}, "/x/text")]),
    ("nullable list", {"type": ["array", "null"], "items": TEXT}, "list", [None, [], ["a"]], [([1], "/x/0")]),
    ("null", {"type": "null"}, "constant", [None], [(1, "/x")]),
    ("allOf", {"allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": WHOLE}, "required": ["b"]}]}, "object", [{"b": 1, "a": "x"}], [({"a": "x"}, "/x/b")]),
    ("allOf of bounds", {"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]}, "integer", [3, 5], [(2, "/x"), (6, "/x")]),
    ("if then else", {"type": "object", "properties": {"mode": {"enum": ["a", "b"]}}, "if": {"properties": {"mode": {"const": "a"}}, "required": ["mode"]},
                      "then": {"properties": {"size": WHOLE}, "required": ["size"]}, "else": {"properties": {"name": TEXT}}}, "object",
     [{"mode": "a", "size": 1}, {"mode": "b", "name": "n"}, {}], [({"mode": "a"}, "/x/size"), ({"mode": "b", "name": 1}, "/x/name")]),
    ("dependentRequired", {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}}, "group", [{"b": "1"}, {"b": "1", "a": "2"}], [({"a": "1"}, "/x/b")]),
    ("dependentSchemas", {"type": "object", "properties": {"a": TEXT}, "dependentSchemas": {"a": {"properties": {"b": WHOLE}}}}, "object", [{"a": "1", "b": 2}], [({"a": "1", "b": "2"}, "/x/b")]),
    ("const", {"const": {"a": 1}}, "json", [{"a": 1}], [(2, "/x")]),
    ("const of text", {"const": "a"}, "choice", ["a"], [("b", "/x")]),
    ("mixed choices", {"enum": [1, True, "1", None, 1.5]}, "choice", [1, True, "1", None, 1.5], [(0, "/x")]),
    ("choices of objects", {"enum": [{"a": 1}, [1]]}, "choice", [{"a": 1}, [1]], [({}, "/x")]),
    ("password", {"type": "string", "format": "password"}, "password", ["s3cret", ""], [(1, "/x")]),
    ("writeOnly", {"type": "string", "writeOnly": True}, "password", ["s3cret"], [(1, "/x")]),
    ("recursion", {"$ref": "#/$defs/node"}, "object", [{"name": "a", "next": {"name": "b", "parts": [{"name": "c"}]}}], [({"name": "a", "next": {"name": "b", "next": {}}}, "/x/next/next/name")]),
    ("date", {"type": "string", "format": "date"}, "text", ["2026-11-21"], [("21.11.2026", "/x")]),
    ("uuid", {"type": "string", "format": "uuid"}, "text", ["7b0d3bb0-6a0c-4a53-9d0c-4f1c7c7a8b11"], [("no", "/x")]),
    ("exclusive bounds", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number", [0.5], [(0, "/x"), (1, "/x")]),
    ("alternatives of a wide base", {"type": ["string", "null"], "anyOf": [{"type": ["integer", "null"]}, {"enum": ["a"]}]}, "branches", [], [(1.5, "/x")]),
    ("large numbers", {"type": "integer"}, "integer", [2**63, -(2**53) - 1], [(1.5, "/x")]),
    ("wide range", {"type": "integer", "minimum": 0, "maximum": 4294967295}, "integer", [4294967295], [(-1, "/x")]),
]  # fmt: skip


def form_of(schema: Any) -> Form:
    return sd.form(one(schema, **{"$defs": DEFS}) if "$defs" in json.dumps(schema) else one(schema))


def at(form: Form, path: str) -> Any:
    """The control that shows a place."""
    home = owner_path(path, form._controls) or ""
    found: Any = form._controls[home]
    for part in path[len(home) :].split("/")[1:]:
        while isinstance(found, BranchControl | NullControl):
            found = found.part if isinstance(found, BranchControl) else found._inner
        found = found.parts()[part]
    return found


def everything(form: Form) -> list[Control]:
    """Opens all that is folded, some levels deep, and gives every control that is made."""
    form.open_advanced()
    seen: list[Control] = []
    stack = list(form._controls.values())
    while stack and len(seen) < 300:
        found = stack.pop(0)
        seen.append(found)
        if isinstance(found, ObjectControl) and not found._open and len(seen) < 40:
            found._flip()
        if isinstance(found, ObjectControl | ItemsControl | MapControl):
            stack += found.parts().values()
        if isinstance(found, BranchControl):
            stack += found._controls.values()
        if isinstance(found, NullControl):
            stack.append(found._inner)
    return seen


@pytest.mark.parametrize(
    ("schema", "kind"), [(probe[1], probe[2]) for probe in PROBES], ids=[probe[0] for probe in PROBES]
)
def test_every_keyword_has_its_kind(schema: Any, kind: str) -> None:
    document = one(schema, **{"$defs": {"node": NODE}}) if "$ref" in json.dumps(schema) else one(schema)
    root = tree(sd.spec(document))
    assert [child.kind for child in root.children] == [kind]


@pytest.mark.parametrize(
    ("schema", "value"),
    [(p[1], v) for p in PROBES for v in p[3]],
    ids=[f"{p[0]}-{n}" for p in PROBES for n, _ in enumerate(p[3])],
)
def test_what_is_set_is_what_is_got_in_the_same_order(schema: Any, value: Any) -> None:
    form = form_of(schema)
    form.values = {"x": value}
    assert json.dumps(form.values) == json.dumps({"x": value})
    everything(form)
    assert json.dumps(form.values) == json.dumps({"x": value})
    form.validate()
    form.reset()
    assert form.values == {}


@pytest.mark.parametrize(("schema", "value", "path"), [(p[1], v, at) for p in PROBES for v, at in p[4]],
                         ids=[f"{p[0]}-{n}" for p in PROBES for n, _ in enumerate(p[4])])  # fmt: skip
def test_what_is_wrong_is_reported_at_its_place(schema: Any, value: Any, path: str) -> None:
    form = form_of(schema)
    form.values = {"x": value}
    assert path in [problem.path for problem in form.validate()]
    assert json.dumps(form.values) == json.dumps({"x": value})


def test_an_untouched_form_of_everything_says_nothing() -> None:
    form = sd.form({"type": "object", "properties": {probe[0]: probe[1] for probe in PROBES}, "$defs": {"node": NODE}})
    assert form.values == {}
    assert form.problems == ()
    form.validate()
    everything(form)
    assert form.values == {}


def test_only_what_a_person_touched_changes_and_nothing_moves() -> None:
    form = form_of(SHOT)
    form.values = {"z": 1, "x": {"seconds": 3, "text": "a"}}
    at(form, "/x/text").widget.value = "b"
    assert json.dumps(form.values) == json.dumps({"z": 1, "x": {"seconds": 3, "text": "b"}})


def test_an_optional_object_is_absent_until_it_is_added_and_can_be_left_out_again() -> None:
    form = form_of(SHOT)
    shot = at(form, "/x")
    assert not shot.parts(), "nothing is made before it is opened"
    shot._button("add").click()
    assert form.values == {"x": {}}
    at(form, "/x/seconds")._box.value = "3"
    at(form, "/x/text").widget.value = "a"
    assert json.dumps(form.values) == json.dumps({"x": {"text": "a", "seconds": 3}})
    shot._button("fold").click()
    assert "{&quot;text&quot;: &quot;a&quot;, &quot;seconds&quot;: 3}" in shot.label_widget.value
    shot._button("remove").click()
    assert form.values == {}


def test_a_problem_is_at_the_innermost_field_and_opens_what_is_folded() -> None:
    form = form_of(one(one(SHOT)))
    form.values = {"x": {"x": {"x": {"text": "a", "seconds": 99}}}}
    at(form, "/x")._flip()
    form.validate()
    assert "at most 9" in at(form, "/x/x/x/seconds")._box.description
    assert "sdn-error" not in at(form, "/x").label_widget.value
    assert list(form._jumps) == ["/x/x/x/seconds"]
    assert [button.description for button in form._jump_box.children] == ["X › X › X › Seconds"]


def test_rows_are_added_moved_and_removed_and_their_errors_go_with_them() -> None:
    form = form_of({"type": "array", "items": SHOT, "maxItems": 3})
    rows = at(form, "/x")
    for text in ("a", "b", "c"):
        rows._add.click()
        rows._entries[-1].control.parts()["text"].widget.value = text
    assert rows._add.disabled
    rows._entries[0].control.parts()["seconds"]._box.value = "99"
    rows._entries[0].down.click()
    assert form.values == {"x": [{"text": "b"}, {"text": "a", "seconds": 99}, {"text": "c"}]}
    assert "at most 9" in at(form, "/x/1/seconds")._box.description
    assert "at most 9" not in at(form, "/x/0/seconds")._box.description
    assert [row.control.field.label for row in rows._entries] == ["Shot 1", "Shot 2", "Shot 3"]
    rows.remove(rows._entries[0])
    assert "at most 9" in at(form, "/x/0/seconds")._box.description
    for row in list(rows._entries):
        rows.remove(row)
    assert form.values == {}


def test_an_unfilled_number_in_a_list_is_null_and_is_reported() -> None:
    form = form_of({"type": "array", "items": {"type": "number"}})
    at(form, "/x").add()
    assert form.values == {"x": [None]}
    at(form, "/x/0")._box.value = "7"
    assert json.dumps(form.values) == '{"x": [7]}'


def test_a_map_takes_names_and_keeps_their_order() -> None:
    form = form_of({"type": "object", "additionalProperties": WHOLE})
    found = at(form, "/x")
    form.values = {"x": {"b": 1, "a": 2}}
    found.add()
    assert form.values == {"x": {"b": 1, "a": 2}}
    found._entries[2].control._box.value = "3"
    found._entries[2].key.value = "c"
    found._entries[0].key.value = "z"
    assert json.dumps(form.values) == json.dumps({"x": {"z": 1, "a": 2, "c": 3}})
    found._entries[2].key.value = "a"
    assert "already used" in found._entries[2].key.description
    assert form.values == {"x": {"z": 1, "a": 2}}
    found._entries[0].buttons[-1].click()
    assert form.values == {"x": {"a": 2}}


@pytest.mark.parametrize(("schema", "labels"), [
    ({"oneOf": [{**CAT, "title": "A cat"}, DOG]}, ["A cat", "Dog"]),
    ({"oneOf": [{"type": "object", "properties": {"a": TEXT, "c": TEXT}}, {"type": "object", "properties": {"b_c": TEXT, "c": TEXT}}]}, ["With a", "With b c"]),
    ({"oneOf": [TEXT, {"type": "array", "items": WHOLE}, {"type": "boolean"}]}, ["Text", "List of whole number", "Yes or no"]),
    ({"oneOf": [{"type": "object"}, {"type": "object", "additionalProperties": WHOLE}]}, ["Fields", "Fields of whole number"]),
    ({"oneOf": [{"type": "array", "items": {"$ref": f"#/$defs/Create{name}"}} for name in ("User", "Bot")]}, ["List of create user", "List of create bot"]),
    ({"oneOf": [{"type": "object", "additionalProperties": {"$ref": f"#/$defs/Create{name}"}} for name in ("User", "Bot")]}, ["Fields of create user", "Fields of create bot"]),
    ({"anyOf": [TEXT, {"type": "array", "items": TEXT}, {}]}, ["Text", "List of text", "Anything (JSON)"]),
    ({"oneOf": [{"$ref": "#/$defs/CreateUser"}, {"$ref": "#/$defs/CreateBot"}]}, ["Create user", "Create bot"]),
    (TAGGED, ["User", "Robot"]),
])  # fmt: skip
def test_branches_have_names_that_can_be_read(schema: Any, labels: list[str]) -> None:
    assert [branch.label for branch in at(form_of(schema), "/x")._branches] == labels


def test_a_body_that_is_set_is_read_back_as_it_is_valid_or_not() -> None:
    schema = {
        "type": "object",
        "required": ["kind", "n"],
        "properties": {"kind": {"const": "k"}, "n": WHOLE, "t": TEXT},
    }
    form = sd.form(schema)
    for values in ({"t": "x", "n": "5", "kind": "k"}, {"t": "x"}, {"n": "5"}, {"zz": 1, "t": "x", "n": 5, "kind": "k"}):
        form.values = dict(values)
        assert json.dumps(form.values) == json.dumps(values)
    form.values = {"n": 5}
    assert form.values == {"kind": "k", "n": 5}


def test_choices_that_read_the_same_look_different() -> None:
    choices = at(form_of({"enum": ["1", 1, "", "a"]}), "/x").widget.options
    assert [label for label, _ in choices if label != "–"] == ['"1"', "1", '""', "a"]


def test_a_whole_number_may_be_typed_with_an_exponent() -> None:
    form = sd.form(one(WHOLE))
    at(form, "/x")._box.value = "1e3"
    assert json.dumps(form.values) == '{"x": 1000}'


def test_a_chosen_branch_has_its_tag() -> None:
    form = form_of(TAGGED)
    at(form, "/x").label_widget.value = 1
    assert form.values == {"x": {"kind": "robot"}}
    assert form.is_valid
    form.values = {"x": {"kind": "user", "name": "b"}}
    assert at(form, "/x").part is at(form, "/x")._controls[0]


def test_another_branch_keeps_what_fits_both() -> None:
    form = form_of({"oneOf": [CAT, DOG]})
    pet = at(form, "/x")
    pet.label_widget.value = 0
    assert form.values == {"x": {"kind": "cat"}}
    at(form, "/x/name").widget.value = "Tom"
    at(form, "/x/lives")._box.value = "9"
    pet.label_widget.value = 1
    assert form.values == {"x": {"kind": "dog", "name": "Tom"}}
    pet.label_widget.value = -1
    assert form.values == {}
    form.values = {"x": {"kind": "dog", "tricks": []}}
    assert pet.label_widget.value == 1


@pytest.mark.parametrize(
    ("entry", "value"), [({"const": {"a": 1}}, {"a": 1}), ({"enum": [5]}, 5), ({"type": "null"}, None)]
)
def test_an_entry_with_one_possible_value_has_it_and_shows_it(entry: dict[str, Any], value: Any) -> None:
    form = form_of({"type": "array", "items": entry})
    listed = at(form, "/x")
    listed.add()
    assert form.values == {"x": [value]}
    assert not form.problems
    (only,) = listed._entries
    assert [text for text, _ in only.control.widget.options] == [json.dumps(value)]
    assert only.control.widget.value == 0


def test_null_empty_and_absent_are_three_things() -> None:
    form = form_of({"type": ["string", "null"]})
    box = at(form, "/x")
    form.values = {"x": None}
    assert box._switch.value
    assert "sdn-is-null" in box.widget._dom_classes
    box._switch.value = False
    assert form.values == {}
    assert "sdn-is-null" not in box.widget._dom_classes
    box._switch.value = True
    assert form.values == {"x": None}
    box._inner.widget.value = "a"
    assert form.values == {"x": "a"}
    assert not box._switch.value
    assert "sdn-is-null" not in box.widget._dom_classes


def test_fields_of_a_condition_come_and_go_and_keep_what_was_given() -> None:
    schema = next(probe[1] for probe in PROBES if probe[0] == "if then else")
    form = sd.form({**schema, "properties": {**schema["properties"], "last": TEXT}})
    assert list(form._controls) == ["/mode", "/last", "/name"]
    form._controls["/mode"].widget.label = "a"
    assert [control.field.label for control in form._tree._shown.values()] == ["Size"]
    form._controls["/size"]._box.value = "5"  # type: ignore[attr-defined]
    form._controls["/mode"].widget.label = "b"
    assert form.values == {"mode": "b", "size": 5}
    assert [control.field.label for control in form._tree._shown.values()] == ["Size", "Name"]


def test_what_refers_to_itself_is_made_when_it_is_opened() -> None:
    form = form_of({"$ref": "#/$defs/node"})
    for depth in range(1, 8):
        at(form, "/x" + "/next" * (depth - 1))._button("add").click()
    assert json.dumps(form.values).count("next") == 6


def test_objects_that_need_themselves_have_an_end() -> None:
    document = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}},
    }
    assert sd.form(document).values == {}


def test_a_secret_is_neither_in_a_widget_nor_in_the_notebook() -> None:
    form = form_of(
        {"type": "object", "required": ["key"], "properties": {"key": {"type": "string", "format": "password"}}}
    )
    at(form, "/x")._button("add").click()
    at(form, "/x/key")._box.value = "s3cret"
    assert form.values == {"x": {"key": "s3cret"}}
    assert at(form, "/x/key")._box.value == ""
    assert "s3cret" not in repr(form) + form._repr_mimebundle_()["text/html"]
    at(form, "/x/key")._forget_button.click()
    assert form.values == {"x": {}}


@pytest.mark.parametrize("hint", [{"x-fal-order-properties": ["c", "a"]}, {"x-apidog-orders": ["c", "a", "b"]}])
def test_the_documents_own_order_is_followed(hint: dict[str, Any]) -> None:
    root = tree(sd.spec({"type": "object", "properties": {"a": TEXT, "b": TEXT, "c": TEXT}, **hint}))
    assert [child.path[-1] for child in root.children] == ["c", "a", "b"]
    root = tree(sd.spec({"type": "object", "properties": {"a": TEXT, "b": {**TEXT, "x-order": 0}}}))
    assert [child.path[-1] for child in root.children] == ["b", "a"]


def test_many_addresses_are_pasted_at_once() -> None:
    form = form_of({"type": "array", "items": TEXT})
    listed = at(form, "/x")
    listed.add()
    listed._many.click()
    listed._box.value = "https://e.com/1.png\n\n https://e.com/2.png \nhttps://e.com/3.png\n"
    assert form.values == {"x": [f"https://e.com/{n}.png" for n in (1, 2, 3)]}
    assert listed._box.value == ""
    listed._entries[1].text.value = "https://e.com/a.png asset://b"
    assert form.values["x"][1:3] == ["https://e.com/a.png", "asset://b"]
    listed._entries[0].text.value = "two words"
    assert form.values["x"][0] == "two words"


def opened(comms: list[dict[str, Any]]) -> int:
    return len([said for said in comms if said["type"] == "comm_open"])


@pytest.mark.parametrize("many", [10, 100])
def test_a_field_is_one_model_and_a_change_is_few_messages(many: int, comms: list[dict[str, Any]]) -> None:
    form = sd.form({"type": "object", "properties": {f"f{n}": TEXT for n in range(many)}, "required": ["f1"]})
    assert opened(comms) == many + 5, "layout, two styles, style sheet, box; those of a problem come with the first"
    assert {said["type"] for said in comms} == {"comm_open"}
    comms.clear()
    form._controls["/f0"].widget.value = "a"
    form.validate()
    before = len(comms)
    form.validate()
    assert before <= 10
    assert len(comms) == before, "nothing is said twice"


def test_what_is_folded_costs_three_models(comms: list[dict[str, Any]]) -> None:
    sd.form(one(TEXT))
    plain = opened(comms)
    comms.clear()
    form_of(SHOT)
    assert opened(comms) <= plain + 4


def test_a_long_list_builds_forty_rows_until_the_rest_is_wanted(comms: list[dict[str, Any]]) -> None:
    built, rows = [], [{"text": str(number)} for number in range(2_000)]
    for count in (40, 2_000, 200):
        form = form_of({"type": "array", "items": SHOT})
        comms.clear()
        form.values = {"x": rows[:count]}
        built.append(opened(comms))
    assert built[0] > 40, "each row has widgets"
    assert built[1:] == [built[0] + 3] * 2, "a button for forty more and one for all, in a row"
    shots, rows = at(form, "/x"), rows[:200]
    assert form.values == {"x": rows}
    assert ">200<" in shots.label_widget.value
    shots.press(shots.remove, shots._entries[0])
    shots._entries[0].control.parts()["text"].widget.value = "new"
    rows = [{"text": "new"}, *rows[2:]]
    assert form.values == {"x": rows}, "the rest stays as it is"
    assert len(shots._entries) == 39
    page, more = shots.widget.children[-1].children
    assert (page.description, more.description) == ("Show 40 more", "Show 160 more")
    comms.clear()
    page.click()
    assert len(shots._entries) == 79
    assert opened(comms) <= built[0] + 10, "a press builds as many as at first, however long the list is"
    assert form.values == {"x": rows}
    more = shots.widget.children[-1].children[1]
    assert more.description == "Show 120 more"
    more.click()
    assert [entry.value for entry in shots._entries] == rows
    assert shots.widget.children[-1] is shots._add
    assert form.values == {"x": rows}


def test_a_problem_in_the_rest_of_a_long_list_is_at_the_list_and_leads_to_its_row() -> None:
    form = form_of({"type": "array", "items": SHOT})
    form.values = {"x": [*[{"text": "a"}] * 60, {"text": 5}]}
    form.validate()
    shots = at(form, "/x")
    assert "60" in shots.label_widget.value
    form._focus("/x/60/text")
    assert len(shots._entries) == 61
    form.validate()
    assert "sdn-error" in shots._entries[60].control.parts()["text"].label_widget.description


def test_setting_the_same_rows_again_says_nothing(comms: list[dict[str, Any]]) -> None:
    form = form_of({"type": "array", "items": SHOT})
    form.values = {"x": [{"text": "a"}, {"text": "b"}]}
    comms.clear()
    form.values = {"x": [{"text": "a"}, {"text": "c"}]}
    assert len(comms) == 1


def test_setting_another_list_of_texts_draws_no_row_again(comms: list[dict[str, Any]]) -> None:
    form = form_of({"type": "array", "items": TEXT})
    form.values = {"x": ["a", "b", "c"]}
    comms.clear()
    form.values = {"x": ["a", "z"]}
    assert [said["type"] for said in comms if said["type"] != "comm_msg"] == []
    assert [row.text.value for row in at(form, "/x")._entries] == ["a", "z"]


def test_a_body_that_is_wrong_stays_whole_too() -> None:
    form = sd.form({"type": "object", "properties": {"b": True, "c": {"type": "object", "properties": {"b": TEXT}}}})
    form.values = {"b": None, "c": 5}
    assert form.values == {"b": None, "c": 5}


def choices_of(document: dict[str, Any]) -> dict[str, Any]:
    """The values of a form with the field `x` after each of its branches is chosen, by the branch's label."""
    form, found = sd.form(document), dict[str, Any]()
    control = at(form, "/x")
    for index, branch in enumerate(control._branches):
        control.label_widget.value = index
        found[branch.label] = form.values.get("x", ABSENT)
    return found


def test_each_key_of_a_mapping_is_a_branch_that_fills_in_the_tag() -> None:
    fields = {"kind": {"type": "string"}, "sound": {"type": "string"}}
    pets = {name: {"type": "object", "required": ["kind"], "properties": fields} for name in ("Cat", "Dog", "Owl")}
    mapping = {"kitty": "#/components/schemas/Cat", "kitten": "#/components/schemas/Cat", "doggo": "Dog"}
    pet = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in pets], "discriminator": {"propertyName": "kind", "mapping": mapping}}  # fmt: skip
    document = {"type": "object", "properties": {"x": pet}, "components": {"schemas": pets}}
    tags = {"Kitty": "kitty", "Kitten": "kitten", "Doggo": "doggo", "Owl": "Owl"}
    assert choices_of(document) == {label: {"kind": tag} for label, tag in tags.items()}
    form = sd.form(document)
    for tag in tags.values():
        form.values = {"x": {"kind": tag, "sound": "!"}}
        assert (form.values, form.problems) == ({"x": {"kind": tag, "sound": "!"}}, ())
        assert at(form, "/x").label_widget.label == next(label for label, one in tags.items() if one == tag)


def test_branches_of_one_title_are_told_apart_by_what_differs() -> None:
    def titled(**fields: Any) -> dict[str, Any]:
        return {"type": "object", "title": "Image", "properties": fields}

    text = {"type": "string"}
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {
        ("Image (with url)", "Image (with data)"): [titled(url=text), titled(data=text)],
        ("Image (file)", "Image (link)"): [titled(kind={"const": "file"}, a=text), titled(kind={"const": "link"}, a=text)],
        ("Text (uri)", "Text (binary)", "Fields"): [text | {"format": "uri", "title": ""}, text | {"format": "binary"}, {"type": "object"}],
        ("Image 1", "Image 2"): [titled(a=text), titled(a={"type": "integer"})],
    }  # fmt: skip
    for labels, branches in alike.items():
        assert tuple(choices_of({"type": "object", "properties": {"x": {"oneOf": branches}}})) == labels


def test_an_entry_that_becomes_a_text_is_an_empty_text_and_no_null() -> None:
    entry = {"anyOf": [{"type": "object", "properties": {"u": {"type": "string"}}}, {"type": "string"}]}
    form = sd.form({"type": "object", "properties": {"x": {"type": "array", "items": entry}}})
    form.values = {"x": [{"u": "a"}]}
    at(form, "/x")._entries[0].control.label_widget.value = 1
    assert form.values == {"x": [""]}


def test_a_value_that_fits_no_alternative_is_told_about_all_of_them() -> None:
    size = {"anyOf": [{"enum": ["s", "m"]}, {"type": "string", "pattern": "^[0-9]+$"}]}
    (problem,) = sd.check({"type": "object", "properties": {"x": size}}, x="zz")
    assert (
        problem.message == 'fits no alternative: must be one of s, m; got "zz"; or does not match the pattern ^[0-9]+$'
    )


def walk(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


FILES: list[
    tuple[str, dict[str, Any], Any]
] = [  # what a chosen file becomes: its name for curl, Base64, or nothing in a text of JSON
    ("multipart/form-data", {"format": "binary"}, "a.png"),
    ("multipart/form-data", {"contentMediaType": "application/octet-stream"}, "a.png"),
    ("multipart/form-data", {"contentMediaType": "image/png"}, "a.png"),
    ("multipart/form-data", {"contentMediaType": "video/*"}, "a.png"),
    ("multipart/form-data", {"type": "file"}, "a.png"),
    ("multipart/form-data", {"contentMediaType": "text/csv"}, None),
    ("multipart/form-data", {"anyOf": [{"type": "string", "format": "binary"}, {"type": "null"}]}, "a.png"),
    ("multipart/form-data", {"contentEncoding": "base64", "contentMediaType": "image/png"}, "AAH/"),
    ("application/json", {"format": "byte"}, "AAH/"),
    ("application/json", {"contentEncoding": "base64"}, "AAH/"),
    ("application/json", {"format": "binary", "description": "The picture, Base64 encoded."}, "AAH/"),
    ("application/json", {"format": "binary"}, None),
    ("application/json", {"contentMediaType": "application/json"}, None),
    ("application/json", {"contentMediaType": "image/png"}, None),
]


PICTURE = {"name": "a.png", "type": "image/png", "size": 3, "content": memoryview(b"\0\1\xff"), "last_modified": datetime.now(UTC)}  # fmt: skip


@pytest.mark.parametrize(("kind", "keys", "value"), FILES)
def test_a_field_of_a_file_has_a_button_that_chooses_one(kind: str, keys: dict[str, Any], value: Any) -> None:
    field = keys if "anyOf" in keys else TEXT | keys
    document = api("3.1.0", {"type": "object", "properties": {"file": field}})
    content = document["paths"]["/make"]["post"]["requestBody"]["content"]
    content[kind] = content.pop("application/json")
    form = sd.form(document)
    choosers = [one for one in walk(form.widget) if isinstance(one, ipywidgets.FileUpload)]
    assert len(choosers) == (value is not None)
    for chooser in choosers:
        chooser.value = (PICTURE,)
        assert (form.values, form.problems, chooser.value) == ({"file": value}, (), ())
        assert ("=@a.png'" in form.to_curl()) == (value == "a.png")
        form.values = {}
        assert form.values == {}


def test_each_file_of_a_list_or_of_an_alternative_has_a_button_that_chooses_one() -> None:
    binary = TEXT | {"format": "binary"}
    several = {"type": "array", "items": binary}
    document = api("3.1.0", {"type": "object", "properties": {"one": {"anyOf": [binary, several]}, "many": several}})
    content = document["paths"]["/make"]["post"]["requestBody"]["content"]
    content["multipart/form-data"] = content.pop("application/json")
    form = sd.form(document)
    for values, count in (({"one": "x", "many": ["y"]}, 2), ({"one": ["x", "y"]}, 2), ({"many": ["x", "y", "z"]}, 3)):
        form.values = values
        choosers = [one for one in walk(form.widget) if isinstance(one, ipywidgets.FileUpload)]
        assert len(choosers) == count
        for chooser in choosers:
            chooser.value = (PICTURE,)
        assert form.to_curl().count("=@a.png'") == count


@functools.cache
def choice_of(number: int, alike: int) -> Field:
    options = [{"type": "object", "properties": {f"f{n // alike}": TEXT}} for n in range(number)]
    return tree(sd.spec({"type": "object", "properties": {"one": {"oneOf": options}}})).children[0]


@pytest.mark.parametrize("alike", [1, 4000])
def test_alternatives_are_named_in_time_that_grows_with_their_number(alike: int) -> None:
    labels = [branch.label for branch in branches_of(choice_of(3, alike))]
    assert labels == (["With f0", "With f1", "With f2"] if alike == 1 else ["With f0 1", "With f0 2", "With f0 3"])
    many = growth(lambda text: branches_of(choice_of(len(text), alike)), "x".__mul__, up_to=6000, from_s=0.25)
    assert not many
