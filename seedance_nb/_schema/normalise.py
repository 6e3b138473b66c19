"""Conversion of OpenAPI 3.0 and 3.1 schemas to JSON Schema 2020-12, on a copy."""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._schema.dialect import (
    ANNOTATIONS,
    FROM,
    KNOWN,
    LISTS,
    MAPS,
    ONES,
    PLAIN,
    Role,
    after,
    before,
    known_names,
    or_null,
    parts,
    role_within,
    says,
)  # fmt: skip
from seedance_nb._schema.repairs import repair

_VALUES = ("enum", "const", "default", "example", "examples")
MAX_DEPTH = 64
MAX_NODES = 10_000
SHARED_FROM = 4_000
"""From this number of schemas on, a referenced schema is copied once and shared by reference."""
Refs = tuple[tuple[str, Role], ...]
"""The pointers of the `$ref`s on the way to a schema, each with its role."""
_OLD = re.compile(r"draft-0[3-7]")


class _References:
    """The ids and anchors of a document. `old` reads `id` for `$id`, as in draft 4."""

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self.document = document
        self._id = "id" if old else "$id"
        self._roots: dict[str, str] = {}
        self._bases: dict[str, str] = {}
        self._anchors: dict[tuple[str, str], str] = {}
        self._read(document, (), "", 0)

    def find(self, ref: str, pointer: str) -> tuple[str, Any]:
        """The target pointer of a `$ref` at `pointer` and its value, `ABSENT` if there is none. *pure*."""
        base = self._base(pointer)
        try:
            address, fragment = urldefrag(ref if ref.startswith("#") else urljoin(base, ref))
        except ValueError:
            return "", ABSENT
        address = base if ref.startswith("#") else address
        root = self._roots.get(address)
        if root is None and not ref.startswith("#"):
            return "", ABSENT
        root = root or ""
        if fragment and not fragment.startswith("/"):
            named = self._anchors.get((address, fragment))
            return (named, find(self.document, named)) if named is not None else ("", ABSENT)
        for target in (root + fragment, root + unquote(fragment)):
            value = find(self.document, target)
            if value is not ABSENT:
                return target, value
        return "", ABSENT

    def _base(self, pointer: str) -> str:
        while pointer and pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return self._bases.get(pointer, "")

    def _read(self, value: Any, path: tuple[str | int, ...], base: str, depth: int) -> None:
        if not path:
            self._roots[""] = self._bases[""] = ""
        if depth > 200:  # noqa: PLR2004 - reported where the schema is read
            return
        if isinstance(value, Mapping):
            named = value.get(self._id)
            if isinstance(named, str) and not (self._id == "id" and "$ref" in value):
                base = self._named(named, path, base)
            anchor = value.get("$anchor", value.get("$dynamicAnchor"))
            if isinstance(anchor, str):
                self._anchors[base, anchor] = to_pointer(path)
        for name, child in _inner(value):
            self._read(child, (*path, name), base, depth + 1)

    def _named(self, name: str, path: tuple[str | int, ...], base: str) -> str:
        try:
            address, fragment = urldefrag(urljoin(base, name))
        except ValueError:
            return base
        if fragment:  # an anchor in draft 4 to 7
            self._anchors[address, fragment] = to_pointer(path)
            return base
        self._roots[address] = to_pointer(path)
        self._bases[to_pointer(path)] = address
        return address


def _inner(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from ((name, child) for name, child in value.items() if name not in _VALUES)
    elif isinstance(value, list):
        yield from enumerate(value)


class Normaliser:
    """The conversion of one document; limits what it expands, so that a small document cannot grow without end.

    `oddities` has the schema problems, `places` the source pointer of every converted schema by the id of its dict. `old` is
    whether a `$ref` overrides its siblings, as in OpenAPI 3.0 and JSON Schema up to draft 7.
    """

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document = document
        self.file = file
        self.nodes = 0
        self.oddities: dict[Oddity, None] = {}
        self.places: dict[int, str] = {}
        dialect = str(document.get("jsonSchemaDialect", document.get("$schema", "")))
        self.old = str(document.get("openapi", "")).startswith("3.0") or bool(_OLD.search(dialect))
        self._shared: dict[tuple[str, Role], str] = {}
        self._defs: dict[str, Any] = {}

    @functools.cached_property
    def _names(self) -> _References:
        return _References(self.document, old=self.old and "openapi" not in self.document)

    def root(self, schema: Any, pointer: str) -> Any:
        """A converted copy of a whole schema, recursive parts under `$defs`. *pure*. Raises: SpecError as `schema` does."""
        made = self.schema(schema, pointer, ((pointer, "own"),))
        while left := [(key, name) for key, name in self._shared.items() if name not in self._defs]:
            (target, role), name = left[0]
            found = self._names.find(f"#{target}", "")[1] if target else self.document
            self._defs[name] = self.schema(found, target, ((target, role),), role)
        self._no_circle()
        if self._defs and isinstance(made, dict):
            made["$defs"] = self._defs
        return made

    def schema(self, schema: Any, pointer: str, refs: Refs = (), role: Role = "own") -> Any:
        """A copy of `schema` in JSON Schema 2020-12 with local `$ref`s resolved, except recursive ones. *pure*.

        Raises: SpecError for a `$ref` that leaves the document, leads nowhere or only to itself, for a schema that is
        neither an object nor a boolean, and for one that is too deep or too large.
        """
        self.nodes += 1
        if self.nodes > MAX_NODES or pointer.count("/") > 2 * MAX_DEPTH or len(refs) > MAX_DEPTH:
            raise self._error("the schema is too large or too deep", pointer)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise self._error("a schema must be an object", pointer)
        bad = [key for key in schema if not isinstance(key, str)]
        if bad:
            raise self._error(f"the key {bad[0]!r} is not text", pointer)
        made = (
            self._resolved(schema, pointer, refs, role)
            if "$ref" in schema
            else self._whole(schema, pointer, refs, role)
        )
        if isinstance(made, dict):
            nullable = made.pop("nullable", None)
            if nullable is True:
                self._report_nullable(made, pointer)
                made = or_null(made)
            if role == "own":
                made.pop(KNOWN, None)
                if names := known_names(made):
                    made[KNOWN] = names
            self.places.setdefault(id(made), pointer)
        return made

    def _whole(self, schema: Mapping[str, Any], pointer: str, refs: Refs, role: Role) -> Any:
        made = dict(schema)
        if "$dynamicRef" in made or "$recursiveRef" in made:
            raise self._error("a $dynamicRef is not followed; write a $ref", pointer)
        repair(made, lambda key, message: self._report(pointer + to_pointer((key,) if key else ()), message))
        before(made)
        single = made.get("allOf")
        if isinstance(single, list) and len(single) == 1 and says(made) <= {"allOf", "type"}:
            return self._merged_single(made, single[0], pointer, refs, role)
        for key in LISTS:
            if key in made:
                made[key] = self._list(key, made[key], pointer, refs, role)
        for key in MAPS:
            if key in made:
                made[key] = self._map(made[key], f"{pointer}/{key}", refs, role_within(key, role))
        for key in ONES:
            if key in made:
                made[key] = self.schema(made[key], f"{pointer}/{key}", refs, role_within(key, role))
        if role == "own":
            self._report_missing(made, pointer)
        after(made, role)
        return made

    def _merged_single(self, made: dict[str, Any], only: Any, pointer: str, refs: Refs, role: Role) -> Any:
        """The only schema of an `allOf`, which often just adds a description, merged with its siblings."""
        inner = self.schema(only, f"{pointer}/allOf/0", refs, role)
        beside = {key: value for key, value in made.items() if key != "allOf"}
        if isinstance(inner, dict) and ("type" not in beside or inner.get("type", beside["type"]) == beside["type"]):
            return {**inner, **beside}
        return {**beside, "allOf": [inner]}

    def _resolved(self, schema: Mapping[str, Any], pointer: str, refs: Refs, role: Role) -> Any:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if self.old:
            beside = {key: value for key, value in beside.items() if key in ANNOTATIONS or key.startswith("x-")}
            for key in says(dict(schema)) - {"$ref"}:
                self._report(f"{pointer}/{key}", f"beside a $ref this dialect does not read {key}; it is left out")
        extra = says(beside)
        made = self._target(schema["$ref"], pointer, refs, "part" if extra and role != "loose" else role)
        if not extra and isinstance(made, dict):
            before(beside)
            merged = {**made, **beside}
            if not {"default", "examples"} & beside.keys():
                self.places[id(merged)] = self.places.get(id(made), pointer)
            return merged
        if made is False or not extra:
            return made
        rest = self._whole(beside, pointer, refs, role)
        if made is True:
            return rest
        if extra <= PLAIN and not extra & made.keys():
            return {**made, **rest}
        annotations = {key: value for key, value in made.items() if key in ANNOTATIONS}
        return {**annotations, **rest, "allOf": [made, *rest.get("allOf", ())]}

    def _target(self, ref: Any, pointer: str, refs: Refs, role: Role) -> Any:
        if not isinstance(ref, str):
            raise self._error(f"a $ref must be text, not {ref!r}", pointer)
        place, target = self._names.find(ref, pointer)
        if target is ABSENT:
            within = ref.startswith("#")
            problem = (
                f"$ref {ref!r} leads nowhere" if within else f"only $ref within the document is followed, not {ref!r}"
            )
            raise self._error(problem, pointer)
        key = (place, role)
        name = place.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        if key in refs or self.nodes > SHARED_FROM:
            shared = self._shared.setdefault(key, f"again{len(self._shared) + 1}")
            return {"$ref": f"#/$defs/{shared}", **({FROM: name} if name else {})}
        made = self.schema(target, place, (*refs, key), role)
        is_named = re.search(r"/(schemas|\$defs|definitions)/[^/]+$", place)
        if isinstance(made, dict) and is_named:
            pointer_of = self.places.get(id(made), place)
            made = {**made, FROM: name}
            self.places[id(made)] = pointer_of
        return made

    def _no_circle(self) -> None:
        """Raises: SpecError for a schema that only refers back to itself."""
        inner = {name: set(_referred(made)) for name, made in self._defs.items()}
        while ends := [name for name, names in inner.items() if not names & inner.keys()]:
            inner = {name: names for name, names in inner.items() if name not in ends}
        for (target, _), name in self._shared.items():
            if name in inner:
                raise self._error(f"$ref '#{target}' leads only back to itself", target)

    def _list(self, key: str, items: Any, pointer: str, refs: Refs, role: Role) -> list[Any]:
        if not isinstance(items, list):
            raise self._error("must be a list of schemas", f"{pointer}/{key}")
        inner = role_within(key, role, len([item for item in items if item != {"type": "null"}]))
        return [self.schema(item, f"{pointer}/{key}/{position}", refs, inner) for position, item in enumerate(items)]

    def _map(self, items: Any, pointer: str, refs: Refs, role: Role) -> dict[str, Any]:
        if not isinstance(items, Mapping):
            raise self._error("must be an object of schemas", pointer)
        return {name: self.schema(item, pointer + to_pointer((name,)), refs, role) for name, item in items.items()}

    def _report(self, pointer: str, message: str) -> None:
        self.oddities[Oddity(pointer=pointer, message=message)] = None

    def _report_nullable(self, made: dict[str, Any], pointer: str) -> None:
        if "type" not in made and says(made) - {"enum"}:
            self._report(f"{pointer}/nullable", "nullable stands without a type; null is allowed all the same")

    def _report_missing(self, made: dict[str, Any], pointer: str) -> None:
        """Drops required names that no property defines: they would be refused as unknown."""
        names = set(known_names(made))
        required = made.get("required")
        if not names or not isinstance(required, list):
            return
        for name in required:
            if name not in names:
                self._report(
                    f"{pointer}/required",
                    f"{name} is required, but there is no field of this name; it is not asked for",
                )
        made["required"] = [name for name in required if name in names]

    def _error(self, problem: str, pointer: str) -> SpecError:
        return SpecError(problem, file=self.file, pointer=pointer)


def _referred(made: Any) -> list[str]:
    """The names of shared schemas that apply to the same value."""
    if not isinstance(made, dict):
        return []
    found = [made["$ref"].rpartition("/")[2]] if isinstance(made.get("$ref"), str) else []
    for part in (made.get("not"), *(part for part, _ in parts(made))):
        found += _referred(part)
    return found
