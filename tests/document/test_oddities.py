"""Real documents are wrong in small ways: they open, the fault is reported once with its place, and what is meant is done."""

import json
from typing import Any

import pytest
from support.schemas import api, one

import seedance_nb as sd
from seedance_nb._check.check import check

AUTH = {"security": [{"Key": []}], "servers": [{"url": "https://example.com/"}]}
BEARER = (
    api("3.0.0", one({"type": "string"}))
    | AUTH
    | {"components": {"securitySchemes": {"Key": {"type": "bearer", "scheme": "bearer"}}}}
)

# name: document, pointer of the oddity, words in it, an instance that fits, one that does not (None for no such)
ODD: dict[str, tuple[dict[str, Any], str, str, Any, Any]] = {
    "a default of the wrong type": (one({"type": "integer", "enum": [5, 10], "default": "5"}), "/properties/a/default", 'the default "5"',
                                    {"a": 5}, {"a": "5"}),
    "a default that is too large": (one({"type": "integer", "maximum": 4, "default": 5}), "/properties/a/default", "; ignored", {"a": 4}, {"a": 5}),
    "a number as the default of text": (one({"enum": ["5", "8"], "default": 5}), "/properties/a/default", 'one of "5", "8"; got 5', {"a": "5"}, {"a": 5}),
    "an example that does not fit": (one({"type": "string", "maxLength": 2, "example": "abc"}), "/properties/a", 'the example "abc"', {"a": "ab"}, {"a": "abc"}),
    "a name with a space": (one({"type": "string"}, required=["b "]) | {"properties": {"b ": {"type": "string"}}}, "/properties",
                            "the property 'b ' has leading or trailing spaces; treated as 'b'", {"b": "x"}, {}),
    "a keyword with a space": (one({"type ": "string"}), "/properties/a/type ", "treated as 'type'", {"a": "x"}, {"a": 5}),
    "an empty anyOf": (one({"type": "string", "anyOf": []}), "/properties/a/anyOf", "anyOf is empty", {"a": "x"}, {"a": 5}),
    "an empty oneOf": (one({"type": "string", "oneOf": []}), "/properties/a/oneOf", "oneOf is empty", {"a": "x"}, {"a": 5}),
    "an empty enum": (one({"type": "string", "enum": []}), "/properties/a/enum", "enum is empty", {"a": "x"}, {"a": 5}),
    "a required name that is missing": (one({"type": "string"}, required=["a", "gone"]), "/required", "'gone' is required", {"a": "x"}, {}),
    "required as a flag": (one({"type": "string", "required": True}), "/properties/a/required", "required is true, but", {}, {"a": 5}),
    "required as text": (one({"type": "string", "required": "true"}), "/properties/a/required", 'required is "true", but', {}, {"a": 5}),
    "nullable without a type": (api("3.0.0", one({"nullable": True, "allOf": [{"minimum": 1}, {"maximum": 3}]})), "/nullable",
                                "nullable is set without a type", {"a": None}, {"a": 0}),
    "a type that is none": (one({"type": "file"}), "/properties/a/type", "'file' is not a JSON Schema type", {"a": 5}, None),
    "null without quotes": (one({"type": None}), "/properties/a/type", 'type is null; treated as "null"', {"a": None}, {"a": 1}),
    "null without quotes in a list": (one({"type": ["string", None]}), "/properties/a/type", 'treated as ["string", "null"]', {"a": None}, {"a": 1}),
    "a type twice": (one({"type": ["string", "string"]}), "/properties/a/type", 'treated as ["string"]', {"a": "x"}, {"a": 1}),
    "a type of Python": (one({"type": "int"}), "/properties/a/type", 'type is "int"; treated as "integer"', {"a": 1}, {"a": "1"}),
    "a type in capitals": (one({"type": "String"}), "/properties/a/type", 'treated as "string"', {"a": "1"}, {"a": 1}),
    "a flag as text": (one({"additionalProperties": "false"}), "/properties/a/additionalProperties", "treated as false", {"a": {}}, {"a": {"x": 1}}),
    "a number as text": (one({"type": "integer", "minimum": "2"}), "/properties/a/minimum", "treated as the number 2", {"a": 2}, {"a": 1}),
    "a limit without a value": (one({"type": "string", "maxLength": None}), "/properties/a/maxLength", "maxLength is null", {"a": "x"}, {"a": 5}),
    "a limit beside a reference in 3.0": (
        api("3.0.0", one({"$ref": "#/components/schemas/S", "maxLength": 1}), S={"type": "string"}), "/maxLength", "maxLength next to a $ref has no effect",
        {"a": "xyz"}, {"a": 5}),
    "a key that is called bearer": (BEARER, "/components/securitySchemes/Key/type", "treated as type http with scheme bearer", {"a": "x"}, {"a": 5}),
    "a dynamic reference to nothing": (one({"$dynamicRef": "#gone"}), "/properties/a/$dynamicRef", "is not an anchor", {"a": 5}, None),
    "a pattern that nobody can read": (one({"pattern": "((("}), "/properties/a", "is invalid", {"a": "x"}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_odd_document_opens_and_says_once_what_is_odd(case: str) -> None:
    document, pointer, words, good, bad = ODD[case]
    before = json.dumps(document)
    made = sd.spec(document)
    (odd,) = made.oddities
    assert odd.pointer.endswith(pointer)
    assert words in odd.message
    assert str(odd) == f"{odd.pointer}: {odd.message}"
    unchecked = ["unchecked"] * (case == "a pattern that nobody can read")
    assert [problem.rule for problem in check(made, good)] == unchecked
    assert bad is None or check(made, bad)
    assert json.dumps(document) == before


def test_a_default_and_an_example_that_do_not_fit_are_not_in_the_body() -> None:
    made = sd.spec(one({"type": "integer", "default": "five", "examples": ["6", 7]}))
    assert made.body["properties"]["a"] == {"type": "integer", "examples": [7]}


def test_a_default_of_another_type_is_used_as_what_it_means_and_reported() -> None:
    for schema, default in (
        ({"type": "integer", "enum": [5, 10], "default": "5"}, 5), ({"enum": ["5", "8"], "default": 5}, "5"),
        ({"type": "boolean", "default": "true"}, True), ({"type": "number", "default": "0.5"}, 0.5),
    ):  # fmt: skip
        made = sd.spec(one(schema))
        assert made.body["properties"]["a"]["default"] is default or made.body["properties"]["a"]["default"] == default
        assert made.oddities[0].message.endswith("is used")
    assert "default" not in sd.spec(one({"type": "integer", "enum": [5], "default": "6"})).body["properties"]["a"]


OF_ANOTHER_TYPE: list[
    tuple[str, list[Any], list[Any]]
] = [  # a field in YAML, values that it takes, and values that it does not
    ("{type: string, enum: [1.0, 2.0]}", ["1.0", "2.0"], [1.0, "1", "3.0"]),
    ("{type: integer, enum: ['5', '10']}", [5, 10], ["5", 6]),
    ("{type: string, enum: [480, 720, auto]}", ["480", "720", "auto"], [480, "x"]),
    ("{type: string, const: 3}", ["3"], [3, "4"]),
    ("{type: string, enum: [true, false]}", ["true", "false"], [True, "x"]),
    ("{type: boolean, enum: ['true']}", [True], ["true", False]),
    ("{type: [string, 'null'], enum: [1, null]}", ["1", None], [1, "2"]),
    ("{type: integer, enum: [low, high]}", ["low", "high"], [5, "x"]),
    ("{type: integer, enum: [1, 2, auto]}", [1, 2, "auto"], [3, "1"]),
    ("{type: array, items: {type: string}, enum: [a, b]}", [["a"], ["a", "b"], []], ["a", ["c"]]),
    ("{type: string, oneOf: [{const: 1, title: One}, {const: 2, title: Two}]}", ["1", "2"], [1, "3"]),
    ("{type: string, anyOf: [{enum: [1, 2]}, {pattern: '^x'}]}", ["1", "xy"], [1, "3"]),
]


@pytest.mark.parametrize(("field", "good", "bad"), OF_ANOTHER_TYPE)
def test_values_of_another_type_than_the_field_can_be_set_and_are_reported(
    field: str, good: list[Any], bad: list[Any]
) -> None:
    made = sd.spec(f"type: object\nproperties:\n  a: {field}\n")
    assert [odd for odd in made.oddities if "but type is" in odd.message]
    for value in good:
        form = sd.form(made)
        form.values = {"a": value}
        assert (value, form.problems) == (value, ())
    assert [value for value in bad if not check(made, {"a": value})] == []


def test_values_of_the_type_of_their_field_are_as_they_are() -> None:
    for field in ("{type: string, enum: ['1.0', auto, null]}", "{type: number, enum: [1, 2.5]}", "{type: integer, const: 3.0}",
                  "{type: array, enum: [[a], [b]]}", "{enum: [1, '1', null]}", "{type: string, const: null}"):  # fmt: skip
        assert sd.spec(f"type: object\nproperties:\n  a: {field}\n").oddities == ()


def test_a_key_that_is_called_bearer_travels_as_one() -> None:
    auth = sd.spec(BEARER).auth
    assert auth is not None
    assert (auth.header, auth.prefix) == ("Authorization", "Bearer ")


def test_a_title_and_a_description_that_are_no_texts_are_shown_as_json() -> None:
    made = sd.spec(one({"title": 5, "description": {"en": "A fox"}}))
    assert made.body["properties"]["a"] == {"title": "5", "description": '{"en":"A fox"}'}
    assert made.oddities == ()


def test_what_one_component_has_is_reported_once_however_often_it_is_used() -> None:
    used = {name: {"$ref": "#/components/schemas/S"} for name in "pqrs"}
    made = sd.spec(api("3.0.0", {"type": "object", "properties": used}, S={"type": "integer", "default": "1"}))
    assert [odd.pointer for odd in made.oddities] == ["/components/schemas/S/default"]


def test_a_plain_document_has_nothing_odd() -> None:
    assert sd.spec(one({"type": "string", "default": "x", "example": "y", "nullable": True})).oddities == ()
    assert [sd.spec(model).oddities for model in ("crun/seedance-2.0-fast-r2v", "vastnum/doubao-seedance-2.0")] == [
        (),
        (),
    ]


@pytest.mark.parametrize(("schema", "pointer"), [
    (one({"type": "string", "minLength": "many"}), "/properties/a/minLength"), (one({"enum": "x"}), "/properties/a/enum"),
    (one({"properties": []}), "/properties/a/properties"), (one({"anyOf": {}}), "/properties/a/anyOf"), (one("string"), "/properties/a"),
    (one({"$ref": "#/$defs/gone"}), "/properties/a"),
    (api("3.0.0", one({"$ref": "#/components/schemas/S"}), S={"minimum": []}), "/components/schemas/S/minimum"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused_at_its_place_in_the_document(schema: dict[str, Any], pointer: str) -> None:
    with pytest.raises(sd.SpecError) as refused:
        sd.spec(schema)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("again", [{"$ref": "#/$defs/A"}, {"allOf": [{"$ref": "#/$defs/A"}, {"type": "object"}]},
                                   {"anyOf": [{"type": "null"}, {"not": {"$ref": "#/$defs/A"}}]}])  # fmt: skip
def test_a_schema_that_says_only_what_it_says_itself_is_refused(again: dict[str, Any]) -> None:
    with pytest.raises(sd.SpecError, match="only refers to itself"):
        sd.spec(one({"$ref": "#/$defs/A"}) | {"$defs": {"A": again}})
