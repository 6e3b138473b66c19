"""Conversion of one schema of any dialect to JSON Schema 2020-12, with repairs of small mistakes, which are reported."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal

from seedance_nb._base.values import is_number, json_text, packaged_table, read_json, shorten
from seedance_nb._schema.library import Draft202012Validator

# Internal keywords:
AT_LEAST_ONE = "x-any-given"  # for an anyOf of required names: at least one of these groups is present and not empty
DEFINED_NAMES = "x-known-names"  # the names of an object that defines all of them: any other is a problem
READ_ONLY = "x-read-only"  # the names of an object's `readOnly` fields, which only the server sets
SCHEMA_NAME = "x-from"  # the name of a schema in the source: `Cat` for `#/components/schemas/Cat`
# What a schema describes: a whole value, one of several branches, a part of it, or something that may be negated.
Role = Literal["own", "branch", "part", "loose"]
_KEYS: dict[str, Any] = packaged_table(__file__)
ANNOTATIONS = set(_KEYS.pop("annotations"))
_TYPES: dict[str, str] = _KEYS.pop("types")
KEYWORDS = frozenset(name for names in _KEYS.values() for name in names)  # all that are supported
LISTS, MAPS, ONES = _KEYS["lists"], _KEYS["maps"], _KEYS["ones"]
PLAIN = {"uniqueItems", *_KEYS["values"], *_KEYS["numbers"]}  # they do not change what the keywords beside them mean
FILE = re.compile("(image|video|audio|font)/|application/(octet-stream|pdf|zip)")  # a media type that is no text
_REQUIRED_ALONE = {"required", "title", "description"}
_LONGEST, _MOST = 20, 10_000  # digits of a limit, and values of an enum that are repaired
_NOT_NULL = KEYWORDS - {"default", "const", "example", "type"}
Report = Callable[[str, str], None]  # of the name of a keyword, "" for the schema itself, and a message about it


def is_secret(schema: Any) -> bool:
    return isinstance(schema, dict) and (schema.get("format") == "password" or schema.get("writeOnly") is True)


def constraints_of(schema: dict[str, Any]) -> set[str]:
    """The keywords of a schema that a value can violate. *pure*."""
    return {key for key in schema if key not in ANNOTATIONS and not key.startswith("x-")}


def role_within(key: str, role: Role, branches: int = 0) -> Role:
    """The role of a schema under `key` in one whose role is `role`. *pure*; `branches` counts those of anyOf or oneOf."""
    if role == "loose" or key in ("not", "if", "contains", "unevaluatedItems", "unevaluatedProperties"):
        return "loose"
    if key in ("anyOf", "oneOf") and branches == 1:  # a value or null
        return role if role != "part" else "branch"
    if key in ("anyOf", "oneOf"):
        return "branch" if key == "anyOf" else "loose"
    return "part" if key in ("allOf", "then", "else", "dependentSchemas") or role == "part" else "own"


def modernise(schema: dict[str, Any]) -> None:
    rest = {"items": schema.pop("additionalItems")} if "additionalItems" in schema else {}
    if isinstance(schema.get("items"), list):
        schema |= {"prefixItems": schema.pop("items"), **rest}
    if schema.get("prefixItems") == []:
        del schema["prefixItems"]
    dependencies = schema.pop("dependencies", None)
    if isinstance(dependencies, dict):
        for key, of_lists in (("dependentRequired", True), ("dependentSchemas", False)):
            if some := {name: value for name, value in dependencies.items() if isinstance(value, list) is of_lists}:
                schema[key] = {**some, **schema.get(key, {})}
    if "example" in schema:
        schema.setdefault("examples", [schema.pop("example")])
    if FILE.match(str(schema.get("contentMediaType"))) and "contentEncoding" not in schema:
        schema.setdefault("format", "binary")  # as OpenAPI 3.0 called it
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)
    for key in ("$defs", "definitions", "$id", "$anchor", "$dynamicAnchor", "$schema", "components"):
        schema.pop(key, None)


def convert_parent(schema: dict[str, Any], role: Role) -> None:
    """Convert, in place, what needs its subschemas converted first: groups of required names, and `readOnly` fields."""
    branches = schema.get("anyOf", ())
    alone = [branch for branch in branches if isinstance(branch, dict) and branch.keys() <= _REQUIRED_ALONE]
    groups = [group for one in alone if isinstance(group := one.get("required"), list) and {*map(type, group)} == {str}]
    if groups and len(groups) == len(branches) and role != "loose":
        schema[AT_LEAST_ONE] = groups
        del schema["anyOf"]
    if isinstance(schema.get("properties"), dict):  # what only the server sets is no part of a request
        items = schema["properties"].items()
        hidden = {name for name, child in items if isinstance(child, dict) and child.get("readOnly")}
        schema["properties"] = {name: child for name, child in items if name not in hidden}
        schema |= {READ_ONLY: sorted(hidden)} if hidden else {}


def hide_read_only(schema: dict[str, Any]) -> None:
    """Note, in place, the `readOnly` names of all parts of a whole schema, and require none of them anywhere."""
    every = [schema]
    for whole in every:  # and its parts
        every += [part for part, _ in parts(whole) if isinstance(part, dict)]
    names = {name for part in every for name in part.get(READ_ONLY, ())}
    if names := names - {name for part in every for name in part.get("properties", ())}:
        schema[READ_ONLY] = sorted(names)
        for part in [part for part in every if isinstance(part.get("required"), list)]:
            part["required"] = [name for name in part["required"] if name not in names]


def or_null(schema: dict[str, Any]) -> dict[str, Any]:
    limits, null = constraints_of(schema), {"type": "null"}
    if not {"allOf", "anyOf", "oneOf", "not", "const", "$ref", "if"} & schema.keys():
        types, values = schema.get("type"), schema.get("enum")
        types = [types] if isinstance(types, str) else types
        more = {"type": [*types, "null"]} if isinstance(types, list) and "null" not in types else {}
        choices = {"enum": [*values, None]} if isinstance(values, list) and None not in values else {}
        return {**schema, **more, **choices}
    if limits == {"anyOf"}:
        return schema if null in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], null]}
    rest = {key: value for key, value in schema.items() if key in limits}
    return {**{key: value for key, value in schema.items() if key not in limits}, "anyOf": [rest, null]}


def defined_names(schema: dict[str, Any]) -> list[str]:
    """The names of a schema of `type: object` that defines all its names, [] for any other. *pure*."""
    names = _names(schema)
    return list(names) if names and is_object(schema) else []


def _names(schema: Any) -> dict[str, None] | None:
    """The names that a schema and its parts define; None if others are possible."""
    if not isinstance(schema, dict):
        return {}
    if {"patternProperties", "unevaluatedProperties", "propertyNames", "$ref", "additionalProperties"} & schema.keys():
        return None
    found: dict[str, None] = dict.fromkeys(schema.get("properties", ()))
    for part, is_branch in parts(schema):
        inner = _names(part)
        if inner is None or (is_branch and not inner and is_object(part)):
            return None
        found |= inner
    return found


def parts(schema: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """The subschemas that apply to the same value, each with whether it is one of several branches. *pure*."""
    for key in ("allOf", "anyOf", "oneOf"):
        yield from ((part, key != "allOf") for part in schema.get(key, ()))
    yield from ((schema[key], False) for key in ("if", "then", "else") if key in schema)
    yield from ((part, False) for part in schema.get("dependentSchemas", {}).values())


def is_object(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    if "object" in (kinds if isinstance(kinds, list) else [kinds]) or any(map(is_object, schema.get("allOf", ()))):
        return True
    branches = [part for key in ("anyOf", "oneOf") for part in schema.get(key, ()) if part != {"type": "null"}]
    return bool(branches) and all(map(is_object, branches))


def allowed_values(branch: Any) -> dict[str, list[Any]]:
    """The allowed values of each field of a branch that has `const` or `enum`. *pure*."""
    found: dict[str, list[Any]] = {}
    for part in branch.get("allOf", ()) if isinstance(branch, dict) else ():
        found |= allowed_values(part)
    for name, child in branch.get("properties", {}).items() if isinstance(branch, dict) else ():
        if isinstance(child, dict) and (values := child.get("enum", [child["const"]] if "const" in child else [])):
            found[name] = values
    return found


def repair(schema: dict[str, Any], report: Report) -> None:
    """Repair one schema in place, without its subschemas: fix what has a clear intent, drop what has no meaning."""
    for key in [key for key in schema if key != key.strip() and key.strip() in KEYWORDS - schema.keys()]:
        report(key, f"the key {key!r} has leading or trailing spaces; treated as {key.strip()!r}")
        schema[key.strip()] = schema.pop(key)
    useless = {key: "is null" for key in schema if key in _NOT_NULL and schema[key] is None}
    empty = [key for key in ("anyOf", "oneOf", "allOf", "enum") if schema.get(key) == []]
    for key, why in (useless | dict.fromkeys(empty, "is empty, so no value could match")).items():
        report(key, f"{key} {why}; ignored")
        del schema[key]
    strings = {key: value for key, value in schema.items() if isinstance(value, str) and len(value) < _LONGEST}
    for key in [key for kind in ("numbers", "counts", "flags") for key in _KEYS[kind] if key in strings]:
        value, kind = alike(strings[key]), "" if key in _KEYS["flags"] else "the number "
        if is_number(value) if kind else isinstance(value, bool):
            report(key, f'{key} is the string "{strings[key]}"; treated as {kind}{json_text(value)}')
            schema[key] = value
    schema |= {key: json_text(schema[key]) for key in _KEYS["texts"] if not isinstance(schema.get(key, ""), str)}
    if isinstance(items := schema.get("examples"), dict):
        schema["examples"] = [item.get("value") if isinstance(item, dict) else item for item in items.values()]
    _repair_values(schema, _repair_type(schema, report), report)
    _repair_names(schema, report)


def _repair_type(schema: dict[str, Any], report: Report) -> list[str]:
    given = schema.get("type", [])
    texts = [str(name).lower() for name in (given if isinstance(given, list) else [given])]
    names = [*dict.fromkeys(_TYPES.get(text, text) for text in texts)]
    if unknown := [name for name in names or texts if name not in _TYPES.values()]:
        report("type", f"{unknown[0]!r} is not a JSON Schema type; types are not checked here")
        schema |= {"format": "binary"} if schema.pop("type") == "file" else {}  # as Swagger 2.0 called it
        return []
    meant = names if isinstance(given, list) else names[0]
    if meant != given:
        report("type", f"type is {shorten(given)}; treated as {shorten(meant)}")
        schema["type"] = meant
    return names


def _repair_values(schema: dict[str, Any], types: list[Any], report: Report) -> None:
    """Give the values of an enum or a const the type beside them, in branches too; those of a list are of its items."""

    def fits(value: Any) -> bool:
        return any(Draft202012Validator.TYPE_CHECKER.is_type(value, kind) for kind in types)

    for key in [key for key in ("anyOf", "oneOf") if types and isinstance(schema.get(key), list)]:
        schema[key] = [{"type": schema["type"], **one} if isinstance(one, dict) and {"const", "enum"} & one.keys() else one
                       for one in schema[key]]  # fmt: skip
    for key, own in [(key, schema[key]) for key in ("const", "enum") if types and key in schema]:
        given = [own] if key == "const" else own if isinstance(own, list) and len(own) <= _MOST else []
        values = [alike(one) if not fits(one) and fits(alike(one)) else one for one in given]
        items, text = schema.get("items", {}), f"{key} is {shorten(own, 40)}, but type is {' or '.join(types)}"
        if all(value is None or fits(value) for value in values):
            if values != given:
                schema[key] = values if key == "enum" else values[0]
                report(key, f"{text}; treated as {shorten(schema[key], 40)}")
        elif types == ["array"] and isinstance(items, dict):
            report(key, f"{text}; treated as that of the items")
            schema["items"] = {key: schema.pop(key), **items}
        else:
            report(key, f"{text}; types are not checked here")
            schema.pop("type", None)


def alike(value: Any) -> Any:
    """What a value of the wrong type most likely means: 5 for "5", and "1.0" for 1.0, as YAML reads it without quotes. *pure*."""
    with suppress(ValueError, TypeError):  # null and lists mean nothing else
        return json_text(value) if isinstance(value, int | float) else read_json(value)
    return value


def _repair_names(schema: dict[str, Any], report: Report) -> None:
    properties, required = schema.get("properties"), schema.get("required")
    names = properties if isinstance(properties, dict) else {}
    stripped = {name: name.strip() for name in names if isinstance(name, str)}
    renamed = {name: new for name, new in stripped.items() if new and new not in stripped}
    for name, new in renamed.items():
        report("properties", f"the property {name!r} has leading or trailing spaces; treated as {new!r}")
    if renamed:
        schema["properties"] = {renamed.get(name, name): child for name, child in names.items()}
    if isinstance(required, bool | str):
        report("required", f"required is {shorten(required)}, but must be an object's list of property names; ignored")
        del schema["required"]
    elif isinstance(required, list) and all(isinstance(name, str) for name in required):
        schema["required"] = list(dict.fromkeys(renamed.get(name, name) for name in required))
