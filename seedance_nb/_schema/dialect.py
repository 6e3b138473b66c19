"""Conversion of one schema of any dialect to the keywords of JSON Schema 2020-12."""

from collections.abc import Iterator
from typing import Any, Literal

GIVEN = "x-any-given"
"""Our keyword for `anyOf: [{required: [a]}, {required: [b]}]`: at least one of the groups is present and not empty."""

KNOWN = "x-known-names"
"""Our keyword for an object whose names are all defined: any other name is a problem. Its value lists the names."""

FROM = "x-from"
"""Our keyword for the name of a schema in the source: `Cat` for `#/components/schemas/Cat`."""

Role = Literal["own", "branch", "part", "loose"]
"""What a schema describes: a whole value, one of several branches, a part of it, or something that may be negated."""

ANNOTATIONS = {
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$comment",
    "externalDocs", "xml", "summary", "id", "$id", "$schema", "$anchor", "$defs", "definitions", "components", "discriminator",
}  # fmt: skip
PLAIN = {
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
}  # fmt: skip
"""Keywords that do not change the meaning of others beside them."""

LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas")
ONES = (
    "items", "not", "if", "then", "else", "additionalProperties", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_CLOSING = ("allOf", "anyOf", "oneOf", "not", "const", "$ref", "if")


def is_secret(schema: Any) -> bool:
    """Whether the value of a schema is secret: `format: password`, or `writeOnly`. *pure*."""
    return isinstance(schema, dict) and (schema.get("format") == "password" or schema.get("writeOnly") is True)


def says(made: dict[str, Any]) -> set[str]:
    """The keywords of a schema that a value can violate. *pure*."""
    return {key for key in made if key not in ANNOTATIONS and not key.startswith("x-")}


def role_within(key: str, role: Role, branches: int = 0) -> Role:
    """The role of a schema under `key` in one whose role is `role`. *pure*; `branches` counts those of anyOf or oneOf."""
    if role == "loose" or key in ("not", "if", "contains", "unevaluatedItems", "unevaluatedProperties"):
        return "loose"
    if key in ("anyOf", "oneOf") and branches == 1:  # a value or null
        return role if role != "part" else "branch"
    if key == "oneOf":
        return "loose"
    if key == "anyOf":
        return "branch"
    if key in ("allOf", "then", "else", "dependentSchemas") or role == "part":
        return "part"
    return "own"


def before(made: dict[str, Any]) -> None:
    """Renames keywords of older dialects, in place."""
    if isinstance(made.get("items"), list):
        made["prefixItems"] = made.pop("items")
        if "additionalItems" in made:
            made["items"] = made["additionalItems"]
    made.pop("additionalItems", None)
    if made.get("prefixItems") == []:
        del made["prefixItems"]
    dependencies = made.pop("dependencies", None)
    if isinstance(dependencies, dict):
        names = {name: needs for name, needs in dependencies.items() if isinstance(needs, list)}
        schemas = {name: needs for name, needs in dependencies.items() if not isinstance(needs, list)}
        if names:
            made["dependentRequired"] = {**names, **made.get("dependentRequired", {})}
        if schemas:
            made["dependentSchemas"] = {**schemas, **made.get("dependentSchemas", {})}
    if "example" in made:
        made.setdefault("examples", [made.pop("example")])
    for exclusive, bound in _BOUNDS:
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
            made[exclusive] = made.pop(bound)
    for key in ("$defs", "definitions", "$id", "$anchor", "$dynamicAnchor", "$schema", "components"):
        made.pop(key, None)


def after(made: dict[str, Any], role: Role) -> None:
    """Converts what needs its subschemas converted first, in place."""
    branches = made.get("anyOf", ())
    groups = [_only_required(branch) for branch in branches] if isinstance(branches, list) else []
    if groups and all(groups) and role != "loose":
        made.pop("anyOf")
        made[GIVEN] = groups
    if isinstance(made.get("properties"), dict):
        # Fields that only the server sets are not part of a request.
        hidden = {
            name for name, child in made["properties"].items() if isinstance(child, dict) and child.get("readOnly")
        }
        made["properties"] = {name: child for name, child in made["properties"].items() if name not in hidden}
        if hidden and isinstance(made.get("required"), list):
            made["required"] = [name for name in made["required"] if name not in hidden]


def or_null(made: dict[str, Any]) -> dict[str, Any]:
    """The schema, also allowing null. *pure*."""
    closing = [key for key in _CLOSING if key in made]
    kinds = made.get("type")
    listed = [kinds] if isinstance(kinds, str) else kinds
    if not closing:
        changed = dict(made)
        if isinstance(listed, list) and "null" not in listed:
            changed["type"] = [*listed, "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            changed["enum"] = [*made["enum"], None]
        return changed
    if closing == ["anyOf"] and says(made) == {"anyOf"}:
        return made if {"type": "null"} in made["anyOf"] else {**made, "anyOf": [*made["anyOf"], {"type": "null"}]}
    annotations = {key: value for key, value in made.items() if key not in says(made)}
    rest = {key: value for key, value in made.items() if key in says(made)}
    return {**annotations, "anyOf": [rest, {"type": "null"}]}


def known_names(made: dict[str, Any]) -> list[str]:
    """The names of a schema of `type: object` that defines all its names, [] for any other. *pure*."""
    names = _names(made)
    return list(names) if names and _is_object(made) else []


def _names(made: Any) -> dict[str, None] | None:
    """The names that a schema and its parts define; None if others are possible."""
    if not isinstance(made, dict):
        return {}
    if {"patternProperties", "unevaluatedProperties", "propertyNames", "$ref", "additionalProperties"} & made.keys():
        return None
    found: dict[str, None] = dict.fromkeys(made.get("properties", ()))
    for part, is_branch in parts(made):
        inner = _names(part)
        if inner is None or (is_branch and not inner and _is_object(part)):
            return None
        found |= inner
    return found


def parts(made: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """The subschemas that apply to the same value, each with whether it is one of several branches. *pure*."""
    for key in ("allOf", "anyOf", "oneOf"):
        yield from ((part, key != "allOf") for part in made.get(key, ()))
    yield from ((made[key], False) for key in ("if", "then", "else") if key in made)
    yield from ((part, False) for part in made.get("dependentSchemas", {}).values())


def _is_object(made: Any) -> bool:
    if not isinstance(made, dict):
        return False
    kinds = made.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        return True
    if any(_is_object(part) for part in made.get("allOf", ())):
        return True
    branches = [part for key in ("anyOf", "oneOf") for part in made.get(key, ()) if part != {"type": "null"}]
    return bool(branches) and all(_is_object(part) for part in branches)


def _only_required(branch: Any) -> list[str] | None:
    if isinstance(branch, dict) and set(branch) <= {"required", "title", "description"}:
        names = branch.get("required")
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return None
