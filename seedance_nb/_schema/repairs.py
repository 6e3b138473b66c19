"""Repairs of small mistakes in real schemas, on a copy; each is reported as a schema problem."""

from collections.abc import Callable, Iterator
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
"""The schema keywords that are supported, with annotations."""

Report = Callable[[str, str], None]
"""A callback with the name of a keyword, "" for the schema itself, and a message about it."""


def repair(made: dict[str, Any], report: Report) -> None:
    """Repairs one schema in place, without its subschemas, where the intent is clear or a keyword has no meaning."""
    for key in [key for key in made if key != key.strip() and key.strip() in KEYWORDS - made.keys()]:
        report(key, f"the key has a space around it; it is read as {key.strip()}")
        made[key.strip()] = made.pop(key)
    for key in [key for key in made if made[key] is None and key in KEYWORDS - {"default", "const", "example", "type"}]:
        report(key, f"{key} has no value; it is left out")
        del made[key]
    for key in _LISTS:
        if made.get(key) == []:
            report(key, f"{key} lists nothing, which nothing could fit; it is left out")
            del made[key]
    for key in _NUMBERS:
        if isinstance(made.get(key), str) and (number := _number(made[key])) is not None:
            report(key, f'{key} is the text "{made[key]}"; it is read as the number {number}')
            made[key] = number
    for key in _FLAGS:
        if made.get(key) in ("true", "false"):
            report(key, f'{key} is the text "{made[key]}"; it is read as {made[key]}')
            made[key] = made[key] == "true"
    for key in _TEXTS:
        if isinstance(made.get(key), int | float):
            made[key] = str(made[key])
    if isinstance(made.get("examples"), dict):
        made["examples"] = [item.get("value") if isinstance(item, dict) else item for item in made["examples"].values()]
    _repair_type(made, report)
    _repair_required(made, report)
    _repair_names(made, report)


def _number(text: str) -> float | None:
    for read in (int, float):
        try:
            return read(text) if len(text) < 20 and text.isascii() else None  # noqa: PLR2004 - as long as any limit
        except ValueError:
            continue
    return None


def _repair_type(made: dict[str, Any], report: Report) -> None:
    if "type" in made and made["type"] is None:
        report("type", "the type has no value; it is read as null, written without quotes")
        made["type"] = "null"
    named = made.get("type")
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    unknown = [name for name in names if isinstance(name, str) and name not in TYPES]
    if unknown:
        report("type", f"the type {unknown[0]!r} is none of JSON Schema's; it is not checked")
        del made["type"]
    elif isinstance(named, list) and (named == [] or len({str(name) for name in named}) < len(named)):
        report("type", "the types are listed twice or not at all")
        made["type"] = list(dict.fromkeys(str(name) for name in named)) or list(TYPES)


def _repair_required(made: dict[str, Any], report: Report) -> None:
    required = made.get("required")
    if isinstance(required, bool):
        report(
            "required", "required is true or false here, which only an object's list of names can say; it is left out"
        )
        del made["required"]
    elif isinstance(required, list) and all(isinstance(name, str) for name in required):
        made["required"] = list(dict.fromkeys(required))


def _repair_names(made: dict[str, Any], report: Report) -> None:
    properties = made.get("properties")
    if not isinstance(properties, dict):
        return
    renamed = dict(_spaced(properties))
    if not renamed:
        return
    for name, stripped in renamed.items():
        report("properties", f'the name "{name}" has a space around it; it is read as {stripped}')
    made["properties"] = {renamed.get(name, name): child for name, child in properties.items()}
    if isinstance(made.get("required"), list):
        made["required"] = list(dict.fromkeys(renamed.get(str(name), name) for name in made["required"]))


def _spaced(properties: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name in properties:
        if isinstance(name, str) and name != name.strip() and name.strip() and name.strip() not in properties:
            yield name, name.strip()
