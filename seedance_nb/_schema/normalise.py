"""Schemas of OpenAPI 3.0 and 3.1 made into one dialect, JSON Schema 2020-12, on a private copy."""

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
KEPT_FROM = 4_000
"""From so many schemas on, what is written once in the document stands once in the copy, and is referred to."""
Refs = tuple[tuple[str, Role], ...]
"""The places of the `$ref`s that were followed on the way to a schema, each with its role there."""
_OLD = re.compile(r"draft-0[3-7]")


class Places:
    """The names that a document gives to its own schemas. `old` takes `id` for `$id`, as draft 4 does."""

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self.document = document
        self._id = "id" if old else "$id"
        self._roots: dict[str, str] = {}
        self._bases: dict[str, str] = {}
        self._anchors: dict[tuple[str, str], str] = {}
        self._read(document, (), "", 0)

    def find(self, ref: str, pointer: str) -> tuple[str, Any]:
        """The pointer that a `$ref` at `pointer` means and what is there, `ABSENT` if nothing is. *pure*."""
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
        for place in (root + fragment, root + unquote(fragment)):
            target = find(self.document, place)
            if target is not ABSENT:
                return place, target
        return "", ABSENT

    def _base(self, pointer: str) -> str:
        while pointer and pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return self._bases.get(pointer, "")

    def _read(self, value: Any, path: tuple[str | int, ...], base: str, depth: int) -> None:
        if not path:
            self._roots[""] = self._bases[""] = ""
        if depth > 200:  # noqa: PLR2004 - told where the schema is read
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
        if fragment:  # draft 4 to 7 name a place so
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
    """One walk over one document; counts what it expands, so that a small document cannot grow without end.

    `oddities` holds what it found, `places` the pointer into the document of every schema that it made, by the id of the
    dict. `old` is whether a `$ref` silences what stands beside it, as in OpenAPI 3.0 and JSON Schema up to draft 7.
    """

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document = document
        self.file = file
        self.nodes = 0
        self.oddities: dict[Oddity, None] = {}
        self.places: dict[int, str] = {}
        dialect = str(document.get("jsonSchemaDialect", document.get("$schema", "")))
        self.old = str(document.get("openapi", "")).startswith("3.0") or bool(_OLD.search(dialect))
        self._kept: dict[tuple[str, Role], str] = {}
        self._defs: dict[str, Any] = {}

    @functools.cached_property
    def _names(self) -> Places:
        return Places(self.document, old=self.old and "openapi" not in self.document)

    def root(self, schema: Any, pointer: str) -> Any:
        """A copy of a whole schema, with what refers to itself under `$defs`. *pure*. Raises: SpecError as `schema` does."""
        made = self.schema(schema, pointer, ((pointer, "own"),))
        while left := [(key, name) for key, name in self._kept.items() if name not in self._defs]:
            (target, role), name = left[0]
            found = self._names.find(f"#{target}", "")[1] if target else self.document
            self._defs[name] = self.schema(found, target, ((target, role),), role)
        self._no_circle()
        if self._defs and isinstance(made, dict):
            made["$defs"] = self._defs
        return made

    def schema(self, schema: Any, pointer: str, refs: Refs = (), role: Role = "own") -> Any:
        """A copy of `schema` in JSON Schema 2020-12, local `$ref`s written out, those within themselves kept. *pure*.

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
                self._tell_nullable(made, pointer)
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
        repair(made, lambda key, said: self._tell(pointer + to_pointer((key,) if key else ()), said))
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
            self._tell_missing(made, pointer)
        after(made, role)
        return made

    def _merged_single(self, made: dict[str, Any], only: Any, pointer: str, refs: Refs, role: Role) -> Any:
        """One schema in `allOf` is often only there to carry a description: it is that schema then."""
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
                self._tell(f"{pointer}/{key}", f"beside a $ref this dialect does not read {key}; it is left out")
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
        told = {key: value for key, value in made.items() if key in ANNOTATIONS}
        return {**told, **rest, "allOf": [made, *rest.get("allOf", ())]}

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
        if key in refs or self.nodes > KEPT_FROM:
            kept = self._kept.setdefault(key, f"again{len(self._kept) + 1}")
            return {"$ref": f"#/$defs/{kept}", **({FROM: name} if name else {})}
        made = self.schema(target, place, (*refs, key), role)
        is_named = re.search(r"/(schemas|\$defs|definitions)/[^/]+$", place)
        if isinstance(made, dict) and is_named:
            pointer_of = self.places.get(id(made), place)
            made = {**made, FROM: name}
            self.places[id(made)] = pointer_of
        return made

    def _no_circle(self) -> None:
        """Raises: SpecError for a schema that says nothing about a value but what it says itself."""
        inner = {name: set(_referred(made)) for name, made in self._defs.items()}
        while ends := [name for name, names in inner.items() if not names & inner.keys()]:
            inner = {name: names for name, names in inner.items() if name not in ends}
        for (target, _), name in self._kept.items():
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

    def _tell(self, pointer: str, message: str) -> None:
        self.oddities[Oddity(pointer=pointer, message=message)] = None

    def _tell_nullable(self, made: dict[str, Any], pointer: str) -> None:
        if "type" not in made and says(made) - {"enum"}:
            self._tell(f"{pointer}/nullable", "nullable stands without a type; null is allowed all the same")

    def _tell_missing(self, made: dict[str, Any], pointer: str) -> None:
        """A name that is required and written down nowhere could never be given: any other name is refused."""
        names = set(known_names(made))
        required = made.get("required")
        if not names or not isinstance(required, list):
            return
        for name in required:
            if name not in names:
                self._tell(
                    f"{pointer}/required",
                    f"{name} is required, but there is no field of this name; it is not asked for",
                )
        made["required"] = [name for name in required if name in names]

    def _error(self, problem: str, pointer: str) -> SpecError:
        return SpecError(problem, file=self.file, pointer=pointer)


def _referred(made: Any) -> list[str]:
    """The names of the kept schemas that say more about the very same value."""
    if not isinstance(made, dict):
        return []
    found = [made["$ref"].rpartition("/")[2]] if isinstance(made.get("$ref"), str) else []
    for part in (made.get("not"), *(part for part, _ in parts(made))):
        found += _referred(part)
    return found
