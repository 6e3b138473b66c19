"""Schemas of OpenAPI 3.0 and 3.1 made into one dialect, JSON Schema 2020-12, on a private copy."""

from collections.abc import Mapping
from typing import Any

from seedance_nb._errors import SpecError
from seedance_nb._values import ABSENT, find, join

MAX_DEPTH = 64
MAX_NODES = 20_000

GIVEN = "x-any-given"
"""Our keyword for `anyOf: [{required: [a]}, {required: [b]}]`: at least one of the groups is given and not empty."""

_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_ONES = ("items", "not", "if", "then", "else", "additionalProperties", "contains", "propertyNames")
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))


class Normaliser:
    """One walk over one document; counts what it expands, so that a small document cannot grow without end."""

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document = document
        self.file = file
        self.nodes = 0
        self.recursive: dict[str, str] = {}
        self.defs: dict[str, Any] = {}

    def root(self, schema: Any, pointer: str) -> Any:
        """A copy of a whole schema, with what refers to itself under `$defs`. *pure*. Raises: SpecError as `schema` does."""
        made = self.schema(schema, pointer)
        if self.defs and isinstance(made, dict):
            made["$defs"] = {**made.get("$defs", {}), **self.defs}
        return made

    def schema(self, schema: Any, pointer: str, refs: tuple[str, ...] = ()) -> Any:
        """A copy of `schema` in JSON Schema 2020-12, local `$ref`s written out, those within themselves kept. *pure*.

        Raises: SpecError for a `$ref` that leaves the document, leads nowhere or only to itself, for a schema that is
        neither an object nor a boolean, and for one that is too deep or too large.
        """
        self.nodes += 1
        if self.nodes > MAX_NODES or pointer.count("/") > 2 * MAX_DEPTH:
            raise SpecError("the schema is too large or too deep", file=self.file, pointer=pointer)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise SpecError("a schema must be an object", file=self.file, pointer=pointer)
        bad = [key for key in schema if not isinstance(key, str)]
        if bad:
            raise SpecError(f"the key {bad[0]!r} is not text", file=self.file, pointer=pointer)
        if "$ref" in schema:
            return self._resolve(schema, pointer, refs)
        made = dict(schema)
        for key in _LISTS:
            if key in made:
                made[key] = self._list(made[key], f"{pointer}/{key}", refs)
        for key in _MAPS:
            if key in made:
                made[key] = self._map(made[key], f"{pointer}/{key}", refs)
        for key in _ONES:
            if key in made:
                made[key] = self.schema(made[key], f"{pointer}/{key}", refs)
        return _dialect(made)

    def _resolve(self, schema: Mapping[str, Any], pointer: str, refs: tuple[str, ...]) -> Any:
        ref = schema["$ref"]
        if not isinstance(ref, str) or not ref.startswith("#"):
            raise SpecError(f"only $ref within the document is followed, not {ref!r}", file=self.file, pointer=pointer)
        if ref in refs:
            name = self.recursive.setdefault(ref, f"again{len(self.recursive) + 1}")
            return {"$ref": f"#/$defs/{name}"}
        target = find(self.document, ref[1:])
        if target is ABSENT:
            raise SpecError(f"$ref {ref!r} leads nowhere", file=self.file, pointer=pointer)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        made = self.schema(target, ref[1:], (*refs, ref))
        if ref in self.recursive:
            if isinstance(made, dict) and "$ref" in made:
                raise SpecError(f"$ref {ref!r} leads only back to itself", file=self.file, pointer=pointer)
            self.defs[self.recursive[ref]] = made
        return {**made, **beside} if isinstance(made, dict) else made

    def _list(self, items: Any, pointer: str, refs: tuple[str, ...]) -> list[Any]:
        if not isinstance(items, list):
            raise SpecError("must be a list of schemas", file=self.file, pointer=pointer)
        return [self.schema(item, f"{pointer}/{position}", refs) for position, item in enumerate(items)]

    def _map(self, items: Any, pointer: str, refs: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(items, Mapping):
            raise SpecError("must be an object of schemas", file=self.file, pointer=pointer)
        return {name: self.schema(item, pointer + join((name,)), refs) for name, item in items.items()}


def _dialect(made: dict[str, Any]) -> dict[str, Any]:
    if "example" in made:
        made.setdefault("examples", [made.pop("example")])
    for exclusive, bound in _BOUNDS:
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
            made[exclusive] = made.pop(bound)
    if made.pop("nullable", None) is True:
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    branches = made.get("anyOf", ())
    groups = [_only_required(branch) for branch in branches] if isinstance(branches, list) else []
    if groups and all(groups):
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
    return made


def _only_required(branch: Any) -> list[str] | None:
    if isinstance(branch, dict) and set(branch) <= {"required", "title", "description"}:
        names = branch.get("required")
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
    return None
