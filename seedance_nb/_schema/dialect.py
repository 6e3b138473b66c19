"""One schema of any dialect put into the words of JSON Schema 2020-12."""

from collections.abc import Iterator
from typing import Any, Literal

GIVEN = "x-any-given"
"""Our keyword for `anyOf: [{required: [a]}, {required: [b]}]`: at least one of the groups is given and not empty."""

KNOWN = "x-known-names"
"""Our keyword for an object whose names are all written down: any other name is a problem. Its value lists the names."""

FROM = "x-from"
"""Our mark on a schema that stood under a name in the document: `Cat` for `#/components/schemas/Cat`."""

Role = Literal["own", "branch", "part", "loose"]
"""What a schema says about a value: all of it, one of several branches, a part, or something that may be negated."""

ANNOTATIONS = {
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$comment",
    "externalDocs", "xml", "summary", "id", "$id", "$schema", "$anchor", "$defs", "definitions", "components", "discriminator",
}  # fmt: skip
PLAIN = {
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
    "pattern", "format", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
}  # fmt: skip
"""Keywords that can stand beside any others without changing what those mean."""

LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas")
ONES = (
    "items", "not", "if", "then", "else", "additionalProperties", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
)  # fmt: skip
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_CLOSING = ("allOf", "anyOf", "oneOf", "not", "const", "$ref", "if")


def is_secret(schema: Any) -> bool:
    """Whether a schema says that its value is not to be shown: `format: password`, or `writeOnly`. *pure*."""
    return isinstance(schema, dict) and (schema.get("format") == "password" or schema.get("writeOnly") is True)


def says(made: dict[str, Any]) -> set[str]:
    """The keywords of a schema that a value can break. *pure*."""
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
    """Renames what older dialects call otherwise, in place."""
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
    """What can be said only when everything inside is in its final words, in place."""
    branches = made.get("anyOf", ())
    groups = [_only_required(branch) for branch in branches] if isinstance(branches, list) else []
    if groups and all(groups) and role != "loose":
        made.pop("anyOf")
        made[GIVEN] = groups
    if isinstance(made.get("properties"), dict):
        # What only the server sets is no part of a request.
        hidden = {
            name for name, child in made["properties"].items() if isinstance(child, dict) and child.get("readOnly")
        }
        made["properties"] = {name: child for name, child in made["properties"].items() if name not in hidden}
        if hidden and isinstance(made.get("required"), list):
            made["required"] = [name for name in made["required"] if name not in hidden]


def or_null(made: dict[str, Any]) -> dict[str, Any]:
    """A schema that takes null as well; the same one where it does already. *pure*."""
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
    told = {key: value for key, value in made.items() if key not in says(made)}
    rest = {key: value for key, value in made.items() if key in says(made)}
    return {**told, "anyOf": [rest, {"type": "null"}]}


def known_names(made: dict[str, Any]) -> list[str]:
    """The names of an object that says `type: object` and writes all its names down, [] for any other. *pure*."""
    names = _names(made)
    return list(names) if names and _is_object(made) else []


def _names(made: Any) -> dict[str, None] | None:
    """The names that a schema and its parts write down; None where others may stand beside them."""
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
    """The schemas within one that speak of the same value, each with whether it is one of several branches. *pure*."""
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
