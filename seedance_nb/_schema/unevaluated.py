"""`unevaluatedProperties` and `unevaluatedItems`: what no other part of a schema has spoken of."""

from collections.abc import Iterator
from typing import Any

from jsonschema import ValidationError

from seedance_nb._schema.applicators import Errors, judged, strange
from seedance_nb._schema.patterns import search

_IN_PLACE = ("allOf", "anyOf", "oneOf")


def unevaluated_properties(validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
    """What is wrong with the values whose names no part of the schema speaks of."""
    if not isinstance(value, dict):
        return
    spoken = _spoken(validator, value, {key: part for key, part in schema.items() if key != "unevaluatedProperties"})
    for name, item in value.items():
        if name in spoken:
            continue
        if rest is False:
            yield strange(name, item, schema.get("properties", {}), "unevaluatedProperties", schema)
        else:
            yield from validator.descend(item, rest, path=name, schema_path="unevaluatedProperties")


def unevaluated_items(validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
    """What is wrong with the entries that no part of the schema speaks of."""
    if not isinstance(value, list):
        return
    spoken = _spoken(validator, value, {key: part for key, part in schema.items() if key != "unevaluatedItems"})
    for position, item in enumerate(value):
        if position in spoken:
            continue
        if rest is False:
            yield ValidationError("is one entry too many", validator="unevaluatedItems", path=[position], instance=item)
        else:
            yield from validator.descend(item, rest, path=position, schema_path="unevaluatedItems")


def _spoken(validator: Any, value: Any, schema: Any) -> set[Any]:
    """The names or positions of a value that a schema and its fitting parts have an opinion of."""
    if not isinstance(schema, dict):
        return set()
    found = set(_named(value, schema) if isinstance(value, dict) else _placed(validator, value, schema))
    for part in _fitting(validator, value, schema):
        found |= _spoken(validator, value, part)
    return found


def _named(value: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    if "unevaluatedProperties" in schema or "additionalProperties" in schema:  # what these refuse they tell themselves
        yield from value
    yield from (name for name in schema.get("properties", ()) if name in value)
    for pattern in schema.get("patternProperties", ()):
        yield from (name for name in value if search(pattern, str(name)) is not False)


def _placed(validator: Any, value: list[Any], schema: dict[str, Any]) -> Iterator[int]:
    if "items" in schema or "unevaluatedItems" in schema:
        yield from range(len(value))
    yield from range(min(len(value), len(schema.get("prefixItems", ()))))
    if "contains" in schema:
        yield from (
            place for place, item in enumerate(value) if not judged(validator, item, schema["contains"], place)[0]
        )


def _fitting(validator: Any, value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """The parts that speak of the same value and that it fits."""
    for key in _IN_PLACE:
        yield from (part for part in schema.get(key, ()) if not judged(validator, value, part, key)[0])
    if isinstance(value, dict):
        for name, part in schema.get("dependentSchemas", {}).items():
            if name in value:
                yield part
    if "if" in schema:
        fits = not judged(validator, value, schema["if"], "if")[0]
        yield from ([schema["if"]] if fits else [])
        yield schema.get("then" if fits else "else", True)
    if "$ref" in schema:
        yield validator._resolver.lookup(schema["$ref"]).contents  # noqa: SLF001 - the library has no other way to one's own reference
