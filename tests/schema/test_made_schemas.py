"""Schemas and instances that nobody wrote: what a schema was made from fits it, what was changed does not, nothing crashes."""

import json
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.schemas import api

import seedance_nb as sd
from seedance_nb._check.check import check, warnings
from seedance_nb._form.exchange import to_curl
from seedance_nb._form.model.fields import branches_of, children_of, tree

quick = settings(
    derandomize=True, database=None, deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)  # fmt: skip
NAMES = ["a", "b", "prompt", "a/b", "é", "x y"]
VERSIONS = st.sampled_from(["", "3.0.3", "3.1.0"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, 1.0, 2.5])
    | st.sampled_from(["", "a", "ab", "é🎬", "1"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
Pair = tuple[dict[str, Any], Any]
"""A schema and an instance that fits it."""


@st.composite
def scalars(draw: st.DrawFn) -> Pair:
    value: Any
    kind = draw(st.sampled_from(["integer", "number", "string", "boolean", "enum", "const"]))
    if kind == "integer":
        low, value = sorted((draw(st.integers(-100, 100)), draw(st.integers(-100, 100))))
        return {"type": kind, "minimum": low, "maximum": value + draw(st.integers(0, 5))}, value
    if kind == "number":
        steps, step = draw(st.integers(-50, 50)), draw(st.sampled_from(["0.1", "0.25", "5", "0.01"]))
        number = json.loads(f"{steps * int(float(step) * 100)}e-2")
        return {"type": kind, "multipleOf": json.loads(step)}, number
    if kind == "string":
        text = draw(st.text("abé🎬 ", max_size=6))
        return {
            "type": kind,
            "minLength": draw(st.integers(0, len(text))),
            "maxLength": len(text),
            "pattern": "^[^0-9]*$",
        }, text
    if kind == "boolean":
        return {"type": kind}, draw(st.booleans())
    some = draw(JSON)
    return ({"const": some} if kind == "const" else {"enum": [draw(SCALARS), some]}), some


def objects(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    @st.composite
    def make(draw: st.DrawFn) -> Pair:
        fields = draw(st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=4))
        given_names = sorted(draw(st.sets(st.sampled_from(sorted(fields)))))
        required = [name for name in given_names if draw(st.booleans())]
        schema: dict[str, Any] = {"type": "object", "properties": {name: pair[0] for name, pair in fields.items()}}
        if required:
            schema["required"] = required
        if draw(st.booleans()):
            schema["additionalProperties"] = False
        return schema, {name: fields[name][1] for name in given_names}

    return make()


def lists(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return st.tuples(inner, st.integers(0, 3)).map(
        lambda made: ({"type": "array", "items": made[0][0], "maxItems": made[1]}, [made[0][1]] * made[1])
    )


def wrapped(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """The same value behind a keyword that combines schemas."""
    ways = [
        lambda schema: {"allOf": [schema]}, lambda schema: {"allOf": [schema, {"title": "x"}]}, lambda schema: {"anyOf": [{"const": "never"}, schema]},
        lambda schema: {"oneOf": [{"const": "never"}, schema]}, lambda schema: {"not": {"not": schema}},
        lambda schema: {"if": {"const": "never"}, "then": False, "else": schema}, lambda schema: {"title": "T", "description": "d", **schema},
    ]  # fmt: skip
    return st.tuples(inner, st.sampled_from(ways)).map(lambda made: (made[1](made[0][0]), made[0][1]))


PAIRS = st.recursive(scalars(), lambda inner: objects(inner) | lists(inner) | wrapped(inner), max_leaves=8)


def document(version: str, schema: dict[str, Any]) -> dict[str, Any]:
    return api(version, {"$ref": "#/components/schemas/Made"}, Made=schema) if version else schema


@quick
@given(PAIRS, VERSIONS)
def test_what_a_schema_was_made_from_fits_it(pair: Pair, version: str) -> None:
    schema, instance = pair
    assert check(sd.spec(document(version, schema)), instance) == ()


@quick
@given(PAIRS, VERSIONS, JSON)
def test_what_the_reference_refuses_is_refused_here(pair: Pair, version: str, other: Any) -> None:
    schema, instance = pair
    made = sd.spec(document(version, schema))
    for value in (other, [instance], {"a": instance}):
        allowed = jsonschema.Draft202012Validator(schema).is_valid(value)
        assert allowed or check(made, value)


@quick
@given(PAIRS, VERSIONS, st.data())
def test_one_wrong_value_is_refused_at_its_place_or_above(pair: Pair, version: str, data: st.DataObject) -> None:
    schema, instance = pair
    made = sd.spec(document(version, {"type": "object", "required": ["v"], "properties": {"v": schema}}))
    wrong = data.draw(JSON)
    allowed = jsonschema.Draft202012Validator(schema).is_valid(wrong)
    found = check(made, {"v": wrong})
    assert allowed or [problem for problem in found if problem.path.split("/")[1] == "v"]
    assert check(made, {"v": instance}) == ()
    assert [problem.path for problem in check(made, {})] == ["/v"]


KINDS = st.sampled_from(["string", "object", "array", "integer", "number", "boolean", "null", "file"])
SOME = st.integers(0, 3) | st.sampled_from([0.1, "2", None])
FLAG = st.booleans() | st.just("true")
PATTERNS = st.sampled_from(["^a", "(a+)+$", "[", r"\p{L}", "b$"])
REFS = st.sampled_from(["#", "#/properties/a", "#/$defs/b", "#/nowhere", "#x", "https://example.com/x", 5])
TITLES = st.sampled_from(["x", 5, "", "**x**"])


def chaos() -> st.SearchStrategy[Any]:
    """Schemas with any keywords together, most of them of the right type, some not."""
    few = st.lists(INNER, max_size=3)
    named = st.dictionaries(st.sampled_from([*NAMES, "a "]), INNER, max_size=3)
    names = st.lists(st.sampled_from(NAMES), max_size=3)
    table: dict[str, st.SearchStrategy[Any]] = {
        "type": KINDS | st.lists(KINDS, max_size=3), "type ": KINDS, "enum": st.lists(JSON, max_size=3), "const": JSON, "default": JSON,
        "example": JSON, "title": TITLES, "nullable": FLAG, "readOnly": FLAG, "minimum": SOME, "exclusiveMinimum": SOME | FLAG, "maxLength": SOME,
        "multipleOf": st.sampled_from([0.1, 1, 2.5]), "pattern": PATTERNS, "format": st.sampled_from(["uri", "byte", "date", "x"]),
        "uniqueItems": FLAG, "minItems": SOME, "maxProperties": SOME, "properties": named, "required": names | st.just(value=True),
        "additionalProperties": INNER, "patternProperties": st.dictionaries(PATTERNS, INNER, max_size=2), "propertyNames": INNER,
        "dependentRequired": st.dictionaries(st.sampled_from(NAMES), names, max_size=2), "dependencies": named, "items": INNER | few,
        "prefixItems": few, "additionalItems": INNER, "contains": INNER, "allOf": few, "anyOf": few, "oneOf": few, "not": INNER | names.map(lambda names: {"required": names}), "if": INNER,
        "then": INNER, "else": INNER, "unevaluatedProperties": INNER, "unevaluatedItems": INNER, "$ref": REFS, "$defs": named,
        "$anchor": st.just("x"), "$dynamicRef": REFS, "$recursiveRef": REFS, "x-media": st.just({"kind": "image"}), "discriminator": st.just({"propertyName": "a", "mapping": {"x": "#/$defs/b"}}) | st.just("a"),
    }  # fmt: skip
    return st.lists(st.sampled_from(sorted(table)), max_size=4, unique=True).flatmap(
        lambda words: st.fixed_dictionaries({word: table[word] for word in words})
    )


INNER: st.SearchStrategy[Any] = st.deferred(lambda: st.booleans() | st.just({}) | chaos())


@settings(quick, max_examples=250)
@given(chaos(), JSON)
def test_any_document_is_refused_or_works(schema: dict[str, Any], instance: Any) -> None:
    schema = {"$schema": "", **schema}
    before = json.dumps(schema)
    try:
        made = sd.spec(schema)
    except sd.SpecError:
        return
    for value in (instance, {"a": instance}, [instance]):
        check(made, value)
        warnings(made, value)
    assert json.dumps(schema) == before
    json.dumps(made.body)


@settings(quick, max_examples=150)
@given(chaos(), chaos(), JSON, st.sampled_from(["2.0", "3.0.3", "3.1.0", "3.2.0", "none"]))
def test_any_document_with_components_is_refused_or_works(
    schema: dict[str, Any], other: dict[str, Any], instance: Any, version: str
) -> None:
    b = {"allOf": [{"$ref": "#/components/schemas/a"}, other]}
    document = api(version, {"$ref": "#/components/schemas/a"}, a=schema, b=b)
    parameters = [
        {"in": "body", "name": "a", "schema": {"$ref": "#/components/schemas/a"}},
        {"in": "formData", "name": "f", "type": "file"},
        other,
    ]
    document |= {"swagger": "2.0", "paths": {"/a": {"post": {"parameters": parameters}}}} if version == "2.0" else {}
    document |= {"paths": {}} if version == "none" else {}
    document["openapi"] = "3.1.0" if version == "none" else version
    try:
        made = sd.spec(document, operation="a" if version == "none" else None)
    except sd.SpecError:
        return
    for value in (instance, {"a": instance}, [instance]):
        check(made, value)
        warnings(made, value)
    root = tree(made)
    for field in (root, *(children_of(root.shape, (), [0]) if root.kind in ("object", "group") else ())):
        for branch in branches_of(field) if field.kind == "branches" else ():
            assert branch.label
    to_curl(made, {"a": 1})
