"""One probe for each keyword and dialect: what fits is accepted, what does not is refused at its own place."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.schemas import api, one

from seedance_nb import spec
from seedance_nb._base.values import json_text
from seedance_nb._check.check import check, warnings


def a(*values: Any) -> list[Any]:
    return [{"a": value} for value in values]


def at(path: str, *values: Any) -> list[tuple[Any, str]]:
    return [({"a": value}, path) for value in values]


TREE = {"type": "object", "properties": {"name": {"type": "string"}, "inner": {"$ref": "#/components/schemas/Tree"}}}
CAT = {
    "type": "object",
    "required": ["kind", "lives"],
    "properties": {"kind": {"enum": ["cat"]}, "lives": {"type": "integer"}},
}
DOG = {
    "type": "object",
    "required": ["kind", "name"],
    "properties": {"kind": {"enum": ["dog"]}, "name": {"type": "string"}},
}
NAMED = {
    "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
    "discriminator": {"propertyName": "kind", "mapping": {"dog": "#/components/schemas/Dog"}},
}
PET = {name: {"type": "object", "properties": {"petType": {"type": "string"}, own: {}}, "additionalProperties": False}
       for name, own in (("Cat", "meow"), ("Dog", "bark"))}  # fmt: skip
PETS = {"oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}], "discriminator": {
    "propertyName": "petType", "mapping": {"kitty": "#/components/schemas/Cat", "doggo": "#/components/schemas/Dog"}}}  # fmt: skip
HEIRS = {"Base": {"type": "object", "properties": {"petType": {"type": "string"}, "friend": {"$ref": "#/components/schemas/Base"}},
                  "discriminator": {"propertyName": "petType"}, "required": ["petType"]},
         "Cat": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"type": "object", "properties": {"meow": {"type": "string"}}}]},
         "Kitten": {"allOf": [{"$ref": "#/components/schemas/Cat"}]},
         "Dog": {"allOf": [{"$ref": "#/components/schemas/Base"}], "type": "object", "properties": {"bark": {"type": "string"}}}}  # fmt: skip
SIZE = {"type": "object", "properties": {"unit": {"enum": ["px", "part"]}, "value": {"type": "number"}},
        "if": {"properties": {"unit": {"const": "part"}}, "required": ["unit"]},
        "then": {"properties": {"value": {"maximum": 1}}}, "else": {"properties": {"value": {"multipleOf": 1}}}}  # fmt: skip

# name: schema, instances that fit, instances that do not with the place that must be named
PROBES: dict[str, tuple[Any, list[Any], list[tuple[Any, str]]]] = {
    "text": (one({"type": "string"}), a("", "é"), at("/a", 1, None, True)),
    "whole number": (one({"type": "integer"}), a(0, -3, 2.0, 2**53), at("/a", 1.5, "1", False)),
    "number": (one({"type": "number"}), a(1, 1.5, -0.0), at("/a", "1.5", None)),
    "flag": (one({"type": "boolean"}), a(True, False), at("/a", 0, 1, "true")),
    "null": (one({"type": "null"}), a(None), at("/a", 0, "", False)),
    "list": (one({"type": "array"}), a([], [1, "x"]), at("/a", {}, "x")),
    "object": (one({"type": "object"}), a({}, {"x": 1}), at("/a", [], "x")),
    "list of types": (one({"type": ["string", "integer"]}), a("x", 3), at("/a", 1.5, None)),
    "type or null of 3.1": (api("3.1.0", one({"type": ["string", "null"]})), a("x", None), at("/a", 1)),
    "nullable": (api("3.0.3", one({"type": "string", "nullable": True})), a("x", None), at("/a", 1)),
    "nullable false": (api("3.0.3", one({"type": "string", "nullable": False})), a("x"), at("/a", None)),
    "nullable enum": (api("3.0.3", one({"type": "string", "enum": ["p", "q"], "nullable": True})), a("p", None), at("/a", "r")),
    "nullable beside a reference": (
        api("3.0.3", one({"$ref": "#/components/schemas/S", "nullable": True}), S={"type": "string", "enum": ["p"]}), a("p", None), at("/a", "q")),
    "nullable around allOf": (
        api("3.0.3", one({"nullable": True, "allOf": [{"$ref": "#/components/schemas/S"}]}), S={"type": "integer", "minimum": 2}),
        a(2, None), at("/a", 1)),
    "nullable with anyOf": (
        api("3.0.3", one({"nullable": True, "anyOf": [{"type": "string"}, {"type": "integer"}]})), a("x", 1, None), at("/a", 1.5)),
    "nullable in 3.1": (api("3.1.0", one({"type": "integer", "nullable": True})), a(1, None), at("/a", "1")),
    "enum": (one({"enum": ["a", 1, None, [1], {"k": True}]}), a("a", 1, 1.0, None, [1], {"k": True}), at("/a", "1", True, [True], {"k": 1})),
    "enum of false and nought": (one({"enum": [False]}), a(False), at("/a", 0, 0.0, None)),
    "const": (one({"const": 1}), a(1, 1.0), at("/a", True, "1")),
    "const true": (one({"const": True}), a(True), at("/a", 1)),
    "const object": (one({"const": {"p": [0]}}), a({"p": [0]}, {"p": [0.0]}), at("/a", {"p": [False]}, {})),
    "minimum": (one({"minimum": 1.5}), a(1.5, 2, "x"), at("/a", 1, 1.4)),
    "maximum": (one({"type": "integer", "maximum": 12}), a(12), at("/a", 13)),
    "exclusive bounds as numbers": (one({"exclusiveMinimum": 0, "exclusiveMaximum": 1}), a(0.5), at("/a", 0, 1)),
    "exclusive bounds as flags": (
        api("3.0.1", one({"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1, "exclusiveMaximum": False})),
        a(0.1, 1), at("/a", 0, 1.1)),
    "exclusive bounds as numbers in 3.0": (api("3.0.1", one({"exclusiveMinimum": 0})), a(1), at("/a", 0)),
    "multipleOf": (one({"multipleOf": 5}), a(0, 10, -5, 5.0), at("/a", 4, 5.5)),
    "multipleOf a tenth": (one({"multipleOf": 0.1}), a(0.3, 0.7, 1.1, 3, 1e20), at("/a", 0.35, 0.01)),
    "multipleOf a hundredth": (one({"multipleOf": 0.01}), a(0.07, 19.99, 4.35), at("/a", 0.005)),
    "minLength": (one({"minLength": 2}), a("ab", "日本", "🎬🎬"), at("/a", "a", "🎬")),
    "maxLength": (one({"maxLength": 2}), a("", "ab", "🎬🎬"), at("/a", "abc")),
    "pattern": (one({"pattern": "^[a-z]+$"}), a("abc", 5), at("/a", "Abc", "abc\n", "")),
    "pattern anywhere": (one({"pattern": "b+"}), a("abc"), at("/a", "ac")),
    "pattern with ECMA digits": (one({"pattern": r"^\d+$"}), a("12"), at("/a", "١٢")),
    "pattern with classes of signs": (one({"pattern": r"^\p{Lu}\p{L}*$"}), a("Éa"), at("/a", "éa", "E1")),
    "uri": (one({"format": "uri"}), a("https://example.com/a?b=1", "asset://asset-1", 3), at("/a", "example.com", "a b", "")),
    "email": (one({"format": "email"}), a("a+b@x.co.uk", "o'neil@x.org"), at("/a", "a@", "@x.org", "a b@x.org", "a..b@x.org")),
    "date": (one({"format": "date"}), a("2028-02-29"), at("/a", "2026-02-29", "2026-1-1", "20260101", "2026-01-01T00:00:00Z")),
    "date-time": (one({"format": "date-time"}), a("2026-11-21T09:00:00Z", "2026-11-21t09:00:00.5+01:00"),
                  at("/a", "2026-11-21 09:00:00Z", "2026-11-21T09:00:00", "2026-11-21T25:00:00Z")),
    "uuid": (one({"format": "uuid"}), a("2EB8AA08-aa98-11ea-b4aa-73b441d16380"), at("/a", "2eb8aa08aa9811eab4aa73b441d16380", "x")),
    "binary and password": (one({"type": "string", "format": "binary"}) | {"properties": {
        "a": {"type": "string", "format": "binary"}, "b": {"type": "string", "format": "password"}}},
        [{"a": "\u0000ÿ", "b": ""}, {"b": "p w"}], [({"b": 1}, "/b")]),
    "byte": (api("3.0.0", one({"type": "string", "format": "byte"})), a("aGk=", ""), at("/a", "aGk", "?!")),
    "int32 and int64": (one({"format": "int32"}) | {"properties": {"a": {"type": "integer", "format": "int32"}, "b": {"format": "int64"}}},
                        [{"a": 2**31 - 1, "b": -(2**63)}], [({"a": 2**31}, "/a"), ({"a": -(2**31) - 1}, "/a"), ({"b": 2**63}, "/b")]),
    "a format nobody knows": (one({"type": "string", "format": "colour"}), a("x"), at("/a", 1)),
    "items": (one({"items": {"type": "integer"}}), a([], [1, 2], "x"), at("/a/1", [1, "2"])),
    "items as a list": (one({"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": False}), a(["x"], ["x", 1]),
                        [*at("/a/1", ["x", "y"]), *at("/a", ["x", 1, 2])]),
    "items as a list with more": (one({"items": [{"type": "string"}], "additionalItems": {"type": "integer"}}), a(["x", 1]), at("/a/2", ["x", 1, "y"])),
    "prefixItems": (one({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}), a(["x", 1], []),
                    [*at("/a/0", [1]), *at("/a/1", ["x", "y"])]),
    "minItems and maxItems": (one({"minItems": 1, "maxItems": 2}), a([1], [1, 2]), at("/a", [], [1, 2, 3])),
    "uniqueItems": (one({"uniqueItems": True}), a([1, True, "1"], [{"k": 1}, {"k": True}]), at("/a", [1, 1.0], [{"k": [1]}, {"k": [1]}])),
    "contains": (one({"contains": {"const": 5}, "maxContains": 2}), a([5], [1, 5, 5]), at("/a", [], [1], [5, 5, 5])),
    "contains at least none": (one({"contains": {"const": 5}, "minContains": 0}), a([], [1]), at("/b", 1) and [({"b": 1}, "/b")]),
    "required": (one({"type": "string"}, required=["a"]), a(""), [({}, "/a")]),
    "additionalProperties false": ({"properties": {"a": {}}, "additionalProperties": False}, [{}, {"a": 1}], [({"b": 1}, "/b")]),
    "additionalProperties as a schema": (one({"type": "object", "additionalProperties": {"type": "integer"}}), a({"x": 1}), at("/a/x", {"x": "1"})),
    "patternProperties": ({"patternProperties": {"^n_": {"type": "number"}}, "additionalProperties": False}, [{"n_a": 1}],
                          [({"n_a": "x"}, "/n_a"), ({"m": 1}, "/m")]),
    "propertyNames": (one({"propertyNames": {"pattern": "^[a-z]+$"}}), a({"ok": 1}), at("/a/Not", {"Not": 1})),
    "minProperties and maxProperties": (one({"minProperties": 1, "maxProperties": 2}), a({"x": 1}), at("/a", {}, {"x": 1, "y": 2, "z": 3})),
    "dependentRequired": ({"dependentRequired": {"card": ["address"]}}, [{}, {"address": 1}, {"card": 1, "address": 1}], [({"card": 1}, "/address")]),
    "dependencies as names": ({"properties": {"card": {}}, "dependencies": {"card": ["address"]}}, [{"address": 1}], [({"card": 1}, "/address")]),
    "dependencies as a schema": ({"properties": {"a": {}}, "dependencies": {"a": {"properties": {"b": {"type": "integer"}}}}},
                                 [{"b": "x"}, {"a": 1, "b": 1}], [({"a": 1, "b": "x"}, "/b")]),
    "allOf": (one({"allOf": [{"minimum": 2}, {"maximum": 4}]}), a(3), at("/a", 1, 5)),
    "allOf of objects": ({"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                                    {"type": "object", "properties": {"b": {"type": "integer"}}}]},
                         [{"a": "x", "b": 1}, {"a": "x"}], [({"b": 1}, "/a"), ({"a": "x", "b": "1"}, "/b"), ({"a": "x", "c": 1}, "/c")]),
    "anyOf": (one({"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}]}), a("xy", 3), at("/a", "xyz", None)),
    "anyOf of names": ({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
                       [{"a": 1}, {"b": 1}], [({}, "/a")]),
    "oneOf": (one({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}), a(2, 3), at("/a", 6, 7)),
    "oneOf of objects": (one({"oneOf": [CAT, DOG]}), a({"kind": "cat", "lives": 9}, {"kind": "dog", "name": "x"}),
                         [*at("/a/lives", {"kind": "cat"}, {"kind": "cat", "lives": "9"}), *at("/a/name", {"kind": "dog", "name": 5}), *at("/a/kind", {"kind": "cow"})]),
    "oneOf with a discriminator": (api("3.1.0", one(NAMED), Cat=CAT, Dog=DOG), a({"kind": "cat", "lives": 9}), at("/a/name", {"kind": "dog"})),
    "oneOf of names": ({"properties": {"a": {}, "b": {}}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": 1}],
                       [({}, "/a"), ({"a": 1, "b": 1}, "")]),
    "not": (one({"not": {"type": "string"}}), a(1, None), at("/a", "x")),
    "not both": ({"properties": {"a": {}, "b": {}}, "not": {"required": ["a", "b"]}}, [{"a": 1}, {"b": 1}], [({"a": 1, "b": 1}, "/b")]),
    "if then else": (SIZE, [{"unit": "part", "value": 0.5}, {"unit": "px", "value": 20}],
                     [({"unit": "part", "value": 2}, "/value"), ({"unit": "px", "value": 2.5}, "/value")]),
    "unevaluatedProperties": ({"allOf": [{"properties": {"a": {}}}], "properties": {"b": {}}, "unevaluatedProperties": False},
                              [{"a": 1, "b": 1}], [({"c": 1}, "/c")]),
    "unevaluatedItems": (one({"prefixItems": [{"type": "string"}], "unevaluatedItems": False}), a(["x"]), at("/a/1", ["x", 1])),
    "a schema that is false": (one(True) | {"properties": {"a": True, "b": False}}, a(1), [({"b": 1}, "/b")]),
    "a reference to definitions": (one({"$ref": "#/definitions/N"}, definitions={"N": {"type": "integer"}}), a(1), at("/a", "1")),
    "a reference to $defs": (one({"$ref": "#/$defs/a~1b%20c"}, **{"$defs": {"a/b c": {"type": "integer"}}}), a(1), at("/a", "1")),
    "a reference to components": (api("3.0.0", one({"$ref": "#/components/schemas/N"}), N={"type": "integer"}), a(1), at("/a", "1")),
    "a reference with a limit beside it in 3.1": (
        api("3.1.0", one({"$ref": "#/components/schemas/N", "maximum": 5}), N={"type": "integer", "maximum": 9}), a(5), at("/a", 6, "x")),
    "a reference that refers to itself": (
        api("3.0.0", one({"$ref": "#/components/schemas/Tree"}), Tree=TREE), a({"name": "x", "inner": {"inner": {"name": "y"}}}),
        at("/a/inner/inner/name", {"inner": {"inner": {"name": 5}}})),
    "a reference by anchor": (one({"$ref": "#n"}, **{"$defs": {"N": {"$anchor": "n", "type": "integer"}}}), a(1), at("/a", "1")),
    "a reference by id": (
        {"$id": "https://example.com/root.json", **one({"$ref": "n.json"}), "$defs": {"N": {"$id": "n.json", "type": "integer"}}}, a(1), at("/a", "1")),
    "readOnly and required": (one({"type": "string"}, required=["a", "id"]) | {"properties": {
        "a": {"type": "string"}, "id": {"type": "string", "readOnly": True}}}, a("x"), [({"a": "x", "id": "1"}, "/id")]),
    "a tag from a mapping": (api("3.1.0", one(PETS), **{name: {**pet, "additionalProperties": True} for name, pet in PET.items()}),
                             a({"petType": "kitty", "meow": "x"}, {"petType": "Cat", "meow": "x"}), at("/a/petType", {"petType": "Kitten"})),
    "schemas built from a base": (
        api("3.0.0", one({"$ref": "#/components/schemas/Base"}), **HEIRS),
        a({"petType": "Cat", "meow": "x", "friend": {"petType": "Dog", "bark": "x"}}, {"petType": "Kitten", "meow": "x"}),
        [*at("/a/petType", {"petType": "Cow"}), *at("/a/petType", {"meow": "x"}), *at("/a/friend/bark", {"petType": "Cat", "friend": {"petType": "Dog", "bark": 5}})]),
    "readOnly in parts and branches": (
        one({"allOf": [{"type": "object", "properties": {"id": {"readOnly": True}}, "required": ["id"]}, {"required": ["id"]},
                       {"anyOf": [{"properties": {"at": {"readOnly": True}, "x": {}}}, {"properties": {"y": {}}}]}]}),
        a({}, {"x": 1}), [*at("/a/id", {"id": 1}), *at("/a/at", {"at": 1})]),
    "one of two lists, present and empty": (
        {"properties": {"a": {"type": "array"}, "b": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, [{"a": []}, {"b": ""}], [({}, "/a")]),
    "a recursive reference of 2019-09": (
        {"$recursiveAnchor": True, **one({"type": "array", "items": {"$recursiveRef": "#"}})}, a([], [{"a": [{}]}]), at("/a/0/a", [{"a": 5}])),
    "a dynamic reference": (
        {"$dynamicAnchor": "node", **one({"type": "array", "items": {"$dynamicRef": "#node"}})}, a([], [{"a": [{}]}]), at("/a/0/a", [{"a": 5}])),
    "a dynamic reference from a base to what uses it": (
        {"$id": "https://example.com/strict", "$dynamicAnchor": "node", "$ref": "tree", "unevaluatedProperties": False, "$defs": {
            "tree": {"$id": "tree", "$dynamicAnchor": "node", "properties": {"a": {"type": "array", "items": {"$dynamicRef": "#node"}}}}}},
        a([], [{"a": []}]), [({"b": 1}, "/b"), *at("/a/0/b", [{"b": 1}])]),
    "draft 4": ({"$schema": "http://json-schema.org/draft-04/schema#", **one({"minimum": 1, "exclusiveMinimum": True})}, a(2), at("/a", 1)),
    "a name that is not written down": (one({"type": "string"}), [{}], [({"aa": 1}, "/aa"), ({"a": "x", "b": 1}, "/b")]),
}  # fmt: skip


def cases(position: int) -> list[Any]:
    return [pytest.param(probe[0], case, id=f"{name}-{number}") for name, probe in PROBES.items() for number, case in enumerate(probe[position])]  # fmt: skip


@pytest.mark.parametrize(("schema", "instance"), cases(1))
def test_what_fits_is_accepted(schema: Any, instance: Any) -> None:
    assert check(spec(schema), instance) == ()
    assert warnings(spec(schema), instance) == ()


@pytest.mark.parametrize(("schema", "case"), cases(2))
def test_what_does_not_fit_is_refused_at_its_place(schema: Any, case: tuple[Any, str]) -> None:
    instance, path = case
    found = check(spec(schema), instance)
    assert path in [problem.path for problem in found]
    assert all(problem.message and "schema" not in problem.message for problem in found)


def test_there_are_enough_probes() -> None:
    assert len(PROBES) >= 80
    assert sum(len(probe[1]) for probe in PROBES.values()) >= 140
    assert sum(len(probe[2]) for probe in PROBES.values()) >= 140


MESSAGES: dict[str, tuple[Any, Any, str]] = {
    "the kind that fits none": (one({"anyOf": [{"type": "string"}, {"type": "array"}]}), {"a": 5}, "must be text or a list, not the number 5"),
    "a value of no branch": (one({"oneOf": [{"const": "low"}, {"const": "high"}]}), {"a": "mid"}, 'must be one of low, high; got "mid"'),
    "two branches at once": (one({"oneOf": [{"title": "Even", "multipleOf": 2}, {"title": "Third", "multipleOf": 3}]}), {"a": 6},
                             "must match exactly one of these, and matches several: Even, Third"),
    "two groups of names at once": (one({"oneOf": [{"required": ["x", "y"]}, {"required": ["x", "z"]}]}), {"a": {"x": 1, "y": 1, "z": 1}},
                                    "must match exactly one of these, and matches several: x with y, x with z"),
    "a branch by its fixed value": (one({"oneOf": [CAT, DOG]}), {"a": {"kind": "dog"}}, "is required"),
    "one of two names": ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "exactly one of a, b is required"),
    "options that differ by type only": (one({"enum": ["1", 1, True]}), {"a": 2}, 'must be one of "1", 1, true; got 2'),
    "a number given for its own text": (one({"enum": ["5", "8"]}), {"a": 5}, 'must be one of "5", "8"; got 5'),
    "a series in two spellings": (one({"enum": ["4s", "5s", "6s", "7s", "4", "5", "6", "7"]}), {"a": "9"}, 'must be 4s to 7s or 4 to 7; got "9"'),
    "a series with another value": (one({"enum": [-1, 4, 5, 6]}), {"a": 9}, "must be -1 or 4 to 6; got 9"),
    "a series given as text": (one({"enum": ["4", "5", "6"]}), {"a": 5}, 'must be "4" to "6"; got 5'),
    "values with gaps or two numbers": (one({"enum": ["1:1", "1:2", "1:3", "5", "7", "9"]}), {"a": "x"}, 'must be one of 1:1, 1:2, 1:3, 5, 7, 9; got "x"'),
    "an object that is too empty": (one({"minProperties": 1}), {"a": {}}, "has 0 fields; at least 1 is needed"),
    "a name that needs another": ({"dependentRequired": {"card": ["address"]}}, {"card": 1}, "is required with card"),
    "a typo where nothing else may be": ({"properties": {"prompt": {}}, "additionalProperties": False}, {"promt": 1},
                                         "unknown field; did you mean 'prompt'?"),
    "two that exclude each other": ({"not": {"required": ["a", "b"]}}, {"a": 1, "b": 1}, "cannot be used together with a"),
    "another type beside rules about names": (one({"type": "object", "not": {"required": ["u", "v"]}, "oneOf": [CAT, DOG]}), {"a": "x"},
                                              'must be an object, not text "x"'),
    "a name that every branch needs": (one({"oneOf": [{"required": ["t", "p"]}, {"required": ["q", "t"]}]}), {"a": {"p": 1}}, "is required"),
    "a value that only the server sets": (one({"type": "string", "readOnly": True}), {"a": "x"}, "is set only by the server"),
    "a name of the branch of another tag": (api("3.1.0", one(PETS), **PET), {"a": {"petType": "doggo", "meow": 1}}, "unknown field; the fields are petType, bark"),
    "a tag that is none": (api("3.1.0", one({"$ref": "#/components/schemas/Base"}), **HEIRS), {"a": {"petType": "Cow"}}, 'must be one of Cat, Dog, Kitten, Base; got "Cow"'),
    "one of two names, of any kind": ({"properties": {"a": True, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {},
                                      "at least one of a, b is required"),
    "a tuple that is too long": (one({"prefixItems": [{}], "items": False}), {"a": [1, 2]}, "has 2 entries; at most 1 is allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_a_broken_rule_is_reported_in_words(case: str) -> None:
    schema, instance, message = MESSAGES[case]
    assert [problem.message for problem in check(spec(schema), instance)] == [message]


def test_a_message_stays_short_however_many_values_are_allowed() -> None:
    words = [f"word{n * n}" for n in range(300)]
    (problem,) = check(spec(one({"enum": words})), {"a": "other"})
    assert len(problem.message) < 250
    assert problem.message.startswith("must be ")
    assert "288 more" in problem.message


def test_a_typo_in_one_part_of_a_whole_is_seen_and_parts_do_not_refuse_each_others_names() -> None:
    parts = [{"type": "object", "properties": {"prompt": {}}}, {"type": "object", "properties": {"seed": {}}}]
    assert check(spec({"allOf": parts}), {"prompt": 1, "seed": 2}) == ()
    assert [problem.path for problem in check(spec({"allOf": parts}), {"promt": 1})] == ["/promt"]


def test_what_is_negated_is_judged_strictly_by_the_standard() -> None:
    neither = {
        "type": "object",
        "properties": {"a": {}, "b": {}},
        "not": {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    }
    assert check(spec(neither), {"a": []})


def test_a_value_that_is_nested_deeper_than_python_can_follow_is_a_problem_and_no_crash() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"inner": deep}
    document = api(
        "3.0.0", one({"$ref": "#/components/schemas/Tree"}), Tree={"allOf": [{"anyOf": [{"oneOf": [TREE]}]}]}
    )
    assert check(spec(document), {"a": deep})


def test_a_document_that_grows_without_end_when_written_out_stays_small() -> None:
    schemas: dict[str, Any] = {f"S{n}": {"type": "object", "properties": {
        "left": {"$ref": f"#/components/schemas/S{n + 1}"}, "right": {"$ref": f"#/components/schemas/S{n + 1}"}}}
        for n in range(30)}  # fmt: skip
    schemas["S30"] = {"type": "integer"}
    made = spec(api("3.1.0", one({"$ref": "#/components/schemas/S0"}), **schemas))
    inner: Any = "x"
    for _ in range(30):
        inner = {"left": inner}
    assert [problem.path for problem in check(made, {"a": inner})] == ["/a" + "/left" * 30]


def test_a_long_chain_of_references_through_choices_opens_and_stays_small() -> None:
    schemas = {f"C{n}": {"type": "object", "properties": {"kind": {"enum": [n]}, "inner": {"type": "array", "items": {
        "oneOf": [{"$ref": f"#/components/schemas/C{(7 * n + step) % 60}"} for step in range(6)]}}}} for n in range(60)}  # fmt: skip
    made = spec(api("3.1.0", one({"$ref": "#/components/schemas/C0"}), **schemas))
    assert len(json_text(made.body)) < 200_000
    assert check(made, {"a": {"kind": 0, "inner": [{"kind": 3, "inner": [{"kind": 22}]}]}}) == ()
    assert check(made, {"a": {"kind": 0, "inner": [{"kind": 3, "inner": [{"kind": 5}]}]}})


TAGS: list[tuple[Any, Any]] = [
    ({"type": "integer", "enum": [0]}, 0),
    ({"type": "integer"}, 0),
    ({"$ref": "#/components/schemas/Kind"}, "k"),
    ({"const": "k"}, "k"),
]


@pytest.mark.parametrize(("tag", "value"), [*TAGS, (None, None)], ids=str)
def test_a_tag_with_rules_of_its_own_gets_no_other_also_where_schemas_are_shared(tag: Any, value: Any) -> None:
    fields = {"inner": {"$ref": "#/components/schemas/Any"}} | ({"kind": tag} if tag else {})
    part = {"type": "object", "properties": fields, "additionalProperties": False}
    choice = {
        "anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}],
        "discriminator": {"propertyName": "kind"},
    }
    kind = {"type": "string", "enum": ["k"]}
    made = spec(api("3.1.0", one({"$ref": "#/components/schemas/Any"}), Any=choice, A=part, B=part, Kind=kind))
    own = {"kind": value} if tag else {}
    assert check(made, {"a": {**own, "inner": {**own, "inner": own}}}) == ()
    assert check(made, {"a": {**own, "inner": {"kind": "other", "inner": own}}})


def test_the_entries_of_a_long_list_are_not_compared_each_with_each() -> None:
    schema = one({"uniqueItems": True})
    many = {"a": [{"n": n} for n in range(600)]}
    made, plain = spec(schema), Draft202012Validator(schema)

    def seconds(act: Callable[[], object]) -> float:
        begun = time.process_time()
        act()
        return time.process_time() - begun

    assert check(made, many) == ()
    # The best of three: a collection of garbage takes as long as the check.
    assert min(seconds(lambda: check(made, many)) for _ in range(3)) < seconds(lambda: plain.is_valid(many)) / 5
