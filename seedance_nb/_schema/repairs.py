"""Repair small mistakes in real schemas; each is reported as a schema problem."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")
_NUMBERS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems",
    "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
_FLAGS = ("readOnly", "writeOnly", "deprecated", "uniqueItems", "nullable")
_TEXTS = ("title", "description")
_LISTS = ("anyOf", "oneOf", "allOf", "enum")
KEYWORDS = frozenset({
    *_NUMBERS, *_FLAGS, *_TEXTS, *_LISTS, "type", "required", "properties", "items", "prefixItems", "additionalItems", "contains",
    "uniqueItems", "additionalProperties", "patternProperties", "propertyNames", "dependentRequired", "dependentSchemas",
    "dependencies", "unevaluatedProperties", "unevaluatedItems", "not", "if", "then", "else", "const", "pattern", "format",
    "default", "example", "examples", "discriminator", "$ref",
})  # fmt: skip
"""The supported schema keywords, annotations included."""
_NOT_NULL = KEYWORDS - {"default", "const", "example", "type"}
Report = Callable[[str, str], None]
"""A callback with the name of a keyword, "" for the schema itself, and a message about it."""


def repair(schema: dict[str, Any], report: Report) -> None:
    """Repair one schema in place, without its subschemas: fix what has a clear intent, drop what has no meaning."""
    for key in [key for key in schema if key != key.strip() and key.strip() in KEYWORDS - schema.keys()]:
        report(key, f"the key {key!r} has leading or trailing spaces; treated as {key.strip()!r}")
        schema[key.strip()] = schema.pop(key)
    for key in [key for key in schema if key in _NOT_NULL and schema[key] is None]:
        report(key, f"{key} is null; ignored")
        del schema[key]
    for key in [key for key in _LISTS if schema.get(key) == []]:
        report(key, f"{key} is empty, so no value could match; ignored")
        del schema[key]
    for key in _NUMBERS:
        if isinstance(schema.get(key), str) and (number := _number(schema[key])) is not None:
            report(key, f'{key} is the string "{schema[key]}"; treated as the number {number}')
            schema[key] = number
    for key in _FLAGS:
        if schema.get(key) in ("true", "false"):
            report(key, f'{key} is the string "{schema[key]}"; treated as {schema[key]}')
            schema[key] = schema[key] == "true"
    schema |= {key: str(schema[key]) for key in _TEXTS if isinstance(schema.get(key), int | float)}
    if isinstance(items := schema.get("examples"), dict):
        schema["examples"] = [item.get("value") if isinstance(item, dict) else item for item in items.values()]
    _repair_type(schema, report)
    _repair_names(schema, report)


def _number(text: str) -> float | None:
    for read in (int, float) if len(text) < 20 and text.isascii() else ():  # noqa: PLR2004 - as long as any limit
        with suppress(ValueError):
            return read(text)
    return None


def _repair_type(schema: dict[str, Any], report: Report) -> None:
    if schema.get("type", "") is None:
        report("type", 'type is null; treated as the string "null"')
        schema["type"] = "null"
    types = schema.get("type")
    names = types if isinstance(types, list) else [types]
    if unknown := [name for name in names if isinstance(name, str) and name not in TYPES]:
        report("type", f"{unknown[0]!r} is not a JSON Schema type; types are not checked here")
        del schema["type"]
    elif isinstance(types, list) and (types == [] or len({str(name) for name in types}) < len(types)):
        report("type", "the list of types is empty or has duplicates")
        schema["type"] = list(dict.fromkeys(str(name) for name in types)) or list(TYPES)


def _repair_names(schema: dict[str, Any], report: Report) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    names = properties if isinstance(properties, dict) else {}
    stripped = {name: name.strip() for name in names if isinstance(name, str)}
    renamed = {name: new for name, new in stripped.items() if new and new not in stripped}
    for name, new in renamed.items():
        report("properties", f"the property {name!r} has leading or trailing spaces; treated as {new!r}")
    if renamed:
        schema["properties"] = {renamed.get(name, name): child for name, child in names.items()}
    if isinstance(required, bool):
        report("required", "required is a boolean, but must be an object's list of property names; ignored")
        del schema["required"]
    elif isinstance(required, list) and all(isinstance(name, str) for name in required):
        schema["required"] = list(dict.fromkeys(renamed.get(name, name) for name in required))
