"""Fields inside fields: what each keyword becomes, that every value survives, and that each problem stands where it belongs."""

import json
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._branches import BranchControl, NullControl
from seedance_nb._controls import Control
from seedance_nb._fields import leaves, tree
from seedance_nb._form import Form
from seedance_nb._groups import ObjectControl
from seedance_nb._maps import MapControl
from seedance_nb._plain import ChoiceControl, NumberControl, PasswordControl, TextControl
from seedance_nb._rows import RowsControl

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
SHOT = {
    "type": "object", "title": "Shot", "required": ["text"],
    "properties": {"text": TEXT, "seconds": {"type": "integer", "minimum": 1, "maximum": 9}},
}  # fmt: skip
CAT = {"type": "object", "required": ["kind", "lives"], "properties": {"kind": {"const": "cat"}, "lives": WHOLE, "name": TEXT}}
DOG = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "dog"}, "name": TEXT, "tricks": {"type": "array", "items": TEXT}}}
NODE: dict[str, Any] = {
    "type": "object", "required": ["name"],
    "properties": {"name": TEXT, "next": {"$ref": "#/$defs/node"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
}  # fmt: skip


def one(schema: Any, **more: Any) -> dict[str, Any]:
    """A document with one field, `x`."""
    return {"type": "object", "properties": {"x": schema}, **more}


# Name, schema of x, its kind, values that are right, values that are wrong with the place of the fault.
PROBES: list[tuple[str, Any, str, list[Any], list[tuple[Any, str]]]] = [
    ("nested object", SHOT, "object", [{"text": "a"}, {"seconds": 3, "text": ""}], [({}, "/x/text"), ({"text": "a", "seconds": 10}, "/x/seconds")]),
    ("plain object", {"type": "object", "properties": {"a": TEXT, "b": WHOLE}}, "group", [{}, {"b": 1}, {"b": 1, "a": "x"}], [({"b": "1"}, "/x/b")]),
    ("deep object", one(one(one(SHOT))), "object", [{"x": {"x": {"x": {"text": "a"}}}}], [({"x": {"x": {"x": {}}}}, "/x/x/x/x/text")]),
    ("numbers", {"type": "array", "items": {"type": "number"}, "maxItems": 3}, "rows", [[], [1, 2.5], [1.0]], [([1, "2"], "/x/1"), ([1, 2, 3, 4], "/x")]),
    ("choices", {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}, "rows", [["b", "a"]], [(["a", "a"], "/x"), (["c"], "/x/0")]),
    ("switches", {"type": "array", "items": {"type": "boolean"}}, "rows", [[True, False, True]], [([1], "/x/0")]),
    ("texts", {"type": "array", "items": TEXT, "minItems": 1}, "list", [["a", ""]], [([1], "/x/0")]),
    ("objects", {"type": "array", "items": SHOT}, "rows", [[{"text": "a"}, {"seconds": 1, "text": "b"}]], [([{"text": "a"}, {"seconds": 0}], "/x/1/text")]),
    ("lists of lists", {"type": "array", "items": {"type": "array", "items": WHOLE}}, "rows", [[[1], [], [2, 3]]], [([[1], ["a"]], "/x/1/0")]),
    ("lists of text lists", {"type": "array", "items": {"type": "array", "items": TEXT}}, "rows", [[["a"], []]], [([[1]], "/x/0/0")]),
    ("tuple", {"type": "array", "prefixItems": [TEXT, WHOLE], "items": False}, "rows", [["a", 1], ["a"]], [(["a", "b"], "/x/1")]),
    ("map of numbers", {"type": "object", "additionalProperties": WHOLE}, "map", [{}, {"b": 1, "a": 2}, {"": 3}], [({"a": "1"}, "/x/a")]),
    ("map of objects", {"type": "object", "additionalProperties": SHOT}, "map", [{"a/b": {"text": "x"}}], [({"a": {}}, "/x/a/text")]),
    ("patterns", {"type": "object", "patternProperties": {"^n_": WHOLE, "^t_": TEXT}}, "map", [{"n_1": 1, "t_1": "a"}], [({"n_1": "a"}, "/x/n_1")]),
    ("beside properties", {"type": "object", "properties": {"a": TEXT}, "additionalProperties": WHOLE}, "object", [{"z": 1, "a": "t", "y": 2}], [({"a": "t", "z": "1"}, "/x/z")]),
    ("free object", {"type": "object"}, "json", [{}, {"a": [1, {"b": None}]}], [([], "/x")]),
    ("anything", {}, "json", [1, "1", "a", None, True, [1], {"a": 1}], []),
    ("any items", {"type": "array"}, "json", [[1, "a"]], [({}, "/x")]),
    ("oneOf of objects", {"oneOf": [CAT, DOG]}, "branches", [{"kind": "cat", "lives": 9}, {"tricks": ["sit"], "kind": "dog"}], [({"kind": "cat", "lives": "9"}, "/x/lives")]),
    ("discriminator", {"oneOf": [CAT, DOG], "discriminator": {"propertyName": "kind"}}, "branches", [{"name": "Rex", "kind": "dog"}], [({"kind": "dog", "name": 1}, "/x/name")]),
    ("anyOf of objects", {"anyOf": [one(TEXT), {"type": "object", "properties": {"y": WHOLE}, "required": ["y"]}]}, "branches", [{"x": "a"}, {"y": 1}], [({"y": "a"}, "/x/y")]),
    ("oneOf of scalars", {"oneOf": [TEXT, WHOLE]}, "branches", ["5", 5, ""], [(True, "/x")]),
    ("anyOf scalar or list", {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}, "branches", ["a", ["a", "b"], []], [([1], "/x/0")]),
    ("oneOf of consts", {"oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": "Two"}]}, "choice", [1, 2], [(3, "/x")]),
    ("anyOf of texts", {"anyOf": [{"enum": ["a", "b"], "type": "string"}, TEXT]}, "text", ["a", "other"], [(1, "/x")]),
    ("a rule is no choice", {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, "group", [{"b": "x"}], [({}, "/x")]),
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
    ("dependentRequired", {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "dependentRequired": {"a": ["b"]}}, "group", [{"b": "1"}, {"b": "1", "a": "2"}], [({"a": "1"}, "/x")]),
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
    ("large numbers", {"type": "integer"}, "integer", [2**63, -(2**53) - 1], [(1.5, "/x")]),
    ("wide range", {"type": "integer", "minimum": 0, "maximum": 4294967295}, "integer", [4294967295], [(-1, "/x")]),
]  # fmt: skip


def form_of(schema: Any) -> Form:
    return sd.form(one(schema, **{"$defs": {"node": NODE}}) if "node" in json.dumps(schema) else one(schema))


def at(form: Form, path: str) -> Any:
    """The control that shows a place."""
    home = form._board.home(path) or ""
    found: Any = form._controls[home]
    for part in path[len(home) :].split("/")[1:]:
        while isinstance(found, BranchControl | NullControl):
            found = found._made[found._at] if isinstance(found, BranchControl) else found._inner
        found = found.parts()[part]
    return found


def everything(form: Form) -> list[Control]:
    """Opens all that is folded, some levels deep, and gives every control that is made."""
    form.open_advanced()
    seen, stack = [], list(form._controls.values())
    while stack and len(seen) < 300:
        found = stack.pop(0)
        seen.append(found)
        if isinstance(found, ObjectControl) and len(seen) < 40:
            found.open()
        if isinstance(found, ObjectControl | RowsControl | MapControl):
            stack += found.parts().values()
        if isinstance(found, BranchControl):
            stack += found._made.values()
        if isinstance(found, NullControl):
            stack.append(found._inner)
    return seen


@pytest.mark.parametrize(("schema", "kind"), [(probe[1], probe[2]) for probe in PROBES], ids=[probe[0] for probe in PROBES])
def test_every_keyword_has_its_kind(schema: Any, kind: str) -> None:
    document = one(schema, **{"$defs": {"node": NODE}}) if "$ref" in json.dumps(schema) else one(schema)
    root = tree(sd.spec(document))
    assert [child.kind for child in root.children] == [kind]


@pytest.mark.parametrize(("schema", "value"), [(p[1], v) for p in PROBES for v in p[3]], ids=[f"{p[0]}-{n}" for p in PROBES for n, _ in enumerate(p[3])])
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
def test_what_is_wrong_is_told_at_its_place(schema: Any, value: Any, path: str) -> None:
    form = form_of(schema)
    form.values = {"x": value}
    assert path in [problem.path for problem in form.validate()]
    assert json.dumps(form.values) == json.dumps({"x": value})
