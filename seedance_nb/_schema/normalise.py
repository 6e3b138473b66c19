"""Convert OpenAPI 3.0 and 3.1 schemas to JSON Schema 2020-12, on a copy."""

import functools
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.values import ABSENT, find, find_all, to_pointer
from seedance_nb._schema import dialect
from seedance_nb._schema.dialect import Role, repair

VALUES = frozenset({"enum", "const", "default", "example", "examples"})
MAX_DEPTH, MAX_NODES = 64, 10_000
SHARED_FROM = 1_000  # from this number of schemas on, and from `_SHARED_BELOW` references on, a schema is shared
Refs = tuple[tuple[str, Role], ...]  # targets of the `$ref`s followed to reach a schema, each a pointer and a role
_SHARED_BELOW = 12
_DECIDED = {"enum", "const", "$ref", "allOf", "anyOf", "oneOf"}


class _References:
    """The ids and anchors of a document. `old` reads `id` for `$id`, as in draft 4."""

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self.document, self._id = document, "id" if old else "$id"
        self._bases = {"": ""}  # the URL of each pointer that has one
        self._places = {"": ""}  # and the pointer of each URL, with its anchor if it has one
        self._read(document, (), "")

    def find(self, ref: str, pointer: str) -> tuple[str, Any]:
        """The target pointer of a `$ref` at `pointer` and its value, `ABSENT` if there is none. *pure*."""
        base = self._base(pointer)
        try:
            url, fragment = urldefrag(base + ref if ref.startswith("#") else urljoin(base, ref))
        except ValueError:
            return "", ABSENT
        is_anchor = bool(fragment) and not fragment.startswith("/")
        place = self._places.get(f"{url}#{fragment}" if is_anchor else url)
        targets = [] if place is None else [place] if is_anchor else [place + fragment, place + unquote(fragment)]
        found = ((target, find(self.document, target)) for target in targets)
        return next((one for one in found if one[1] is not ABSENT), ("", ABSENT))

    def outermost(self, ref: str, scope: list[str]) -> str:
        """What a dynamic reference means: its anchor in the first of the documents on the way to it that has one. *pure*."""
        anchor = find(self.find(ref, scope[-1])[1], "/$dynamicAnchor")
        targets = [f"{self._base(pointer)}#{anchor}" for pointer in scope] if anchor == ref.rpartition("#")[2] else ()
        return next((one for one in targets if find(self.find(one, "")[1], "/$dynamicAnchor") == anchor), ref)

    def _base(self, pointer: str) -> str:
        while pointer and pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return self._bases[pointer]

    def _read(self, value: Any, path: tuple[str | int, ...], base: str) -> None:
        if isinstance(value, Mapping):
            identifier, pointer = value.get(self._id), to_pointer(path)
            with suppress(ValueError):  # a malformed URL
                if isinstance(identifier, str) and not (self._id == "id" and "$ref" in value):
                    url = urljoin(base, identifier)
                    self._places[url] = pointer
                    if not urldefrag(url).fragment:  # else an anchor in draft 4 to 7
                        base = self._bases[pointer] = urldefrag(url).url
                        self._places[base] = pointer
            for key in [key for key in ("$anchor", "$dynamicAnchor") if isinstance(value.get(key), str)]:
                self._places[f"{base}#{value[key]}"] = pointer
        inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for name, child in inner:
            if name not in VALUES:
                self._read(child, (*path, name), base)


class Normaliser:
    """The converter of one document in bounded work. `oddities` are its problems, `pointers` where each result is from (by `id()`), `old` whether a `$ref` overrides its siblings, as up to OpenAPI 3.0 and draft 7."""

    def __init__(self, document: Mapping[str, Any], file: str) -> None:
        self.document, self.file, self.nodes = document, file, 0
        self.oddities: dict[Oddity, None] = {}
        self.pointers: dict[int, str] = {}
        uri = str(document.get("jsonSchemaDialect", document.get("$schema", "")))
        self.old = str(document.get("openapi", "")).startswith("3.0") or bool(re.search("draft-0[3-7]", uri))
        self._shared: dict[tuple[str, Role], str] = {}
        self._defs: dict[str, Any] = {}

    @functools.cached_property
    def _references(self) -> _References:
        return _References(self.document, old=self.old and "openapi" not in self.document)

    def root(self, schema: Any, pointer: str) -> Any:
        """A converted copy of a whole schema, recursive parts under `$defs`. *pure*. Raises: SpecError as `schema` does."""
        copy = self.schema(schema, pointer, ((pointer, "own"),))
        while remaining := [(key, name) for key, name in self._shared.items() if name not in self._defs]:
            (target, role), name = remaining[0]
            self._defs[name] = self.schema(find(self.document, target), target, ((target, role),), role)
        inner = {name: set(_referenced_names(schema)) for name, schema in self._defs.items()}
        while ends := {name for name, names in inner.items() if not names & inner.keys()}:
            inner = {name: names for name, names in inner.items() if name not in ends}
        for target in [target for (target, _), name in self._shared.items() if name in inner]:
            raise self._error(f"$ref '#{target}' only refers to itself", target)
        if self._defs and isinstance(copy, dict):
            copy["$defs"] = self._defs
        return copy

    def schema(self, schema: Any, pointer: str, refs: Refs = (), role: Role = "own") -> Any:
        """A copy of `schema` in JSON Schema 2020-12 with local `$ref`s resolved, except recursive ones. *pure*. Raises: SpecError."""
        self.nodes += 1
        if self.nodes > MAX_NODES or pointer.count("/") > 2 * MAX_DEPTH or len(refs) > MAX_DEPTH:
            raise self._error("the schema is too large or too deep", pointer)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise self._error("a schema must be an object", pointer)
        if bad := [key for key in schema if not isinstance(key, str)]:
            raise self._error(f"the key {bad[0]!r} is not text", pointer)
        for key in [key for key in ("$dynamicRef", "$recursiveRef") if key in schema]:
            schema, ref = {name: value for name, value in schema.items() if name != key}, str(schema[key])
            if self._references.find(ref, pointer)[1] is not ABSENT:
                schema["$ref"] = self._references.outermost(ref, [*(target for target, _ in refs), pointer])
            else:
                self._report(f"{pointer}/{key}", f"{key} {ref!r} is not an anchor of this document; not checked")
        copy = (self._with_ref if "$ref" in schema else self._without_ref)(schema, pointer, refs, role)
        if copy.pop("nullable", None) is True:
            if "type" not in copy and dialect.constraints_of(copy) - {"enum"}:
                self._report(f"{pointer}/nullable", "nullable is set without a type; null is allowed anyway")
            copy = dialect.or_null(copy)
        if role == "own":
            dialect.hide_read_only(copy)
            copy.pop(dialect.DEFINED_NAMES, None)
            if names := dialect.defined_names(copy):
                copy[dialect.DEFINED_NAMES] = names
        self.pointers.setdefault(id(copy), pointer)
        return copy

    def _without_ref(self, schema: Mapping[str, Any], pointer: str, refs: Refs, role: Role) -> dict[str, Any]:
        copy = dict(schema)
        repair(copy, lambda key, message: self._report(pointer + to_pointer((key,) if key else ()), message))
        dialect.modernise(copy)
        single, kind = copy.get("allOf"), copy.get("type")
        if isinstance(single, list) and len(single) == 1 and dialect.constraints_of(copy) <= {"allOf", "type"}:
            inner = self.schema(single[0], f"{pointer}/allOf/0", refs, role)
            del copy["allOf"]  # merged with its siblings, which are often just a description
            is_same = isinstance(inner, dict) and kind in (None, inner.get("type", kind))
            return {**inner, **copy} if is_same else {**copy, "allOf": [inner]}
        for key in [key for key in (*dialect.LISTS, *dialect.MAPS, *dialect.ONES) if key in copy]:
            copy[key] = self._subschemas(key, copy[key], f"{pointer}/{key}", refs, role)
        self._add_tags(copy)
        names, required = set(dialect.defined_names(copy)) if role == "own" else set(), copy.get("required")
        if names and isinstance(required, list):  # a request that sets any other is rejected for an unknown field
            for name in (name for name in required if name not in names):
                self._report(f"{pointer}/required", f"{name!r} is required, but properties does not define it; ignored")
            copy["required"] = [name for name in required if name in names]
        dialect.convert_parent(copy, role)
        return copy

    def _add_tags(self, schema: dict[str, Any]) -> None:
        """Give each branch the values of its discriminator, in place: what chooses a branch is a rule like any other."""
        tag: Any = schema.get("discriminator")
        for key in ("anyOf", "oneOf") if tag else ():
            tags = [self._tags(branch, find(branch, f"/{dialect.SCHEMA_NAME}"), tag) for branch in schema.get(key, ())]
            usual = str(find(tag, "/defaultMapping")).rpartition("/")[2]  # in OpenAPI 3.2: for any other value too
            for index, (branch, values) in enumerate(zip(schema.get(key, ()), tags, strict=True)):
                if values:
                    notes = {one: branch[one] for one in ("title", "description", dialect.SCHEMA_NAME) if one in branch}
                    others = [value for some in tags if some is not values for value in some]
                    is_usual = notes[dialect.SCHEMA_NAME] == usual and others
                    limit = {"not": {"enum": others}} if is_usual else {"enum": values}
                    schema[key][index] = {**notes, "allOf": [branch, {"properties": {tag["propertyName"]: limit}}]}

    def _tags(self, schema: Any, own: Any, tag: Any) -> list[Any]:
        """The values of a discriminator for the component `own`: those of its mapping, and its name unless that is mapped; [] if the schema does not leave them open."""
        mapping, name = find(tag, "/mapping"), find(tag, "/propertyName")
        known = {str(value): str(target) for value, target in mapping.items()} if isinstance(mapping, dict) else {}
        values = [one for one, target in known.items() if target.rpartition("/")[2] == own] + [own] * (own not in known)
        fields = self._fields(schema, name) if isinstance(own, str) and isinstance(name, str) else []
        kinds = ["" if _DECIDED & one.keys() else one.get("type", "string") for one in fields]
        if kinds and all(kind in ("integer", "number", "boolean") for kind in kinds):
            return [value for value in map(dialect.alike, values) if not isinstance(value, str)]
        return values if kinds and all(kind == "string" for kind in kinds) else []

    def _fields(self, schema: Any, name: str) -> list[dict[str, Any]]:
        """The schemas of a field in a schema, in what it refers to and in the parts of its `allOf`."""
        shared = {f"#/$defs/{number}": f"#{target}" for (target, _), number in self._shared.items()}
        every = [schema]
        for part in every:
            ref = find(part, "/$ref")
            target = find(self.document, shared.get(ref, ref)[1:]) if isinstance(ref, str) else ABSENT
            every += [one for one in (target, *find_all(part, "/allOf/*")) if not any(one is other for other in every)]
        return [own for part in every if isinstance(own := find(part, f"/properties{to_pointer((name,))}"), dict)]

    @functools.cached_property
    def _heirs(self) -> dict[str, list[str]]:
        """The references of the component schemas whose `allOf` has a reference, by that reference."""
        heirs: dict[str, list[str]] = {}
        for place in ("/components/schemas", "/definitions"):
            schemas = find(self.document, place)
            for name, schema in schemas.items() if isinstance(schemas, Mapping) else ():
                for base in find_all(schema, "/allOf/*/$ref"):
                    heirs.setdefault(str(base), []).append(f"#{place}{to_pointer((name,))}")
        return heirs

    def _subtypes(self, base: str, pointer: str) -> list[str]:
        """The references of the schemas built from a base with a discriminator; none where one of them names its base."""
        target: Any = find(self.document, base[1:]) if base in self._heirs else ABSENT
        is_base = isinstance(find(target, "/discriminator"), dict) and not {"anyOf", "oneOf"} & target.keys()
        heirs = list(self._heirs.get(base, ())) if is_base else []
        for heir in heirs:  # and theirs
            heirs += [one for one in self._heirs.get(heir, ()) if one not in heirs]
        return [] if f"#{pointer.rpartition('/allOf/')[0]}" in heirs else heirs

    def _with_ref(self, schema: Mapping[str, Any], pointer: str, refs: Refs, role: Role) -> dict[str, Any]:
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        for key in dialect.constraints_of(siblings) if self.old else ():
            del siblings[key]
            message = f"{key} next to a $ref has no effect in this version of the standard; ignored"
            self._report(f"{pointer}/{key}", message)
        if dialect.SCHEMA_NAME not in schema and (heirs := self._subtypes(str(schema["$ref"]), pointer)):
            base, name = find(self.document, schema["$ref"][1:]), schema["$ref"].rpartition("/")[2]
            tag, alone = base["discriminator"], {"$ref": schema["$ref"], dialect.SCHEMA_NAME: name}
            is_own = "allOf" in base or len(base.get("properties", ())) > 1  # more than what its heirs share
            is_choice = is_own and bool(self._tags(alone, name, tag))
            choices = [*({"$ref": heir} for heir in heirs), *[alone] * is_choice]
            return self._without_ref({**siblings, "discriminator": tag, "oneOf": choices}, pointer, refs, role)
        extra = dialect.constraints_of(siblings)
        target = self._target(schema, pointer, refs, "part" if extra and role != "loose" else role)
        if isinstance(target, bool):
            target = {} if target else {"not": {}}
        if not extra:
            dialect.modernise(siblings)
            merged = {**target, **siblings}
            if not {"default", "examples"} & siblings.keys():
                self.pointers[id(merged)] = self.pointers.get(id(target), pointer)
            return merged
        rest = self._without_ref(siblings, pointer, refs, role)
        if extra <= dialect.PLAIN and not extra & target.keys():
            return {**target, **rest}
        annotations = {key: value for key, value in target.items() if key in dialect.ANNOTATIONS}
        return {**annotations, **rest, "allOf": [target, *rest.get("allOf", ())]}

    def _target(self, schema: Mapping[str, Any], pointer: str, refs: Refs, role: Role) -> Any:
        if not isinstance(ref := schema["$ref"], str):
            raise self._error(f"a $ref must be text, not {ref!r}", pointer)
        target_pointer, target = self._references.find(ref, pointer)
        if target is ABSENT and re.match("#(?!/x-files/)", ref):
            raise self._error(f"$ref {ref!r} does not exist", pointer)
        if target is ABSENT:
            why = "is a URL, which is never read" if ":" in ref else "is another document, read only if this is a file"
            why = "does not exist" if ref[:1] == "#" else schema.get("x-unread", why)
            self._report(pointer, f"$ref {ref!r} {why}; any value is allowed here")
            return {"unevaluatedProperties": True, "x-unread": why}
        key = (target_pointer, role)
        name = target_pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        if key in refs or self.nodes > SHARED_FROM or len(refs) > _SHARED_BELOW:
            shared = self._shared.setdefault(key, f"shared{len(self._shared) + 1}")
            return {"$ref": f"#/$defs/{shared}", **({dialect.SCHEMA_NAME: name} if name else {})}
        copy = self.schema(target, target_pointer, (*refs, key), role)
        is_named = re.search(r"/(schemas|\$defs|definitions)/[^/]+$", target_pointer)
        if not isinstance(copy, dict) or not is_named:
            return copy
        named = {**copy, dialect.SCHEMA_NAME: name}
        self.pointers[id(named)] = self.pointers.get(id(copy), target_pointer)
        return named

    def _subschemas(self, key: str, value: Any, pointer: str, refs: Refs, role: Role) -> Any:
        if key not in dialect.ONES and not isinstance(value, list if key in dialect.LISTS else Mapping):
            raise self._error(f"must be {'a list' if key in dialect.LISTS else 'an object'} of schemas", pointer)
        if key in dialect.LISTS:
            role = dialect.role_within(key, role, len([item for item in value if item != {"type": "null"}]))
            return [self.schema(item, f"{pointer}/{position}", refs, role) for position, item in enumerate(value)]
        role = dialect.role_within(key, role)
        if key in dialect.ONES:
            return self.schema(value, pointer, refs, role)
        return {name: self.schema(item, pointer + to_pointer((name,)), refs, role) for name, item in value.items()}

    def _report(self, pointer: str, message: str) -> None:
        self.oddities[Oddity(pointer=pointer, message=message)] = None

    def _error(self, problem: str, pointer: str) -> SpecError:
        return SpecError(problem, file=self.file, pointer=pointer)


def _referenced_names(schema: Any) -> list[str]:
    """The `$defs` names of the shared schemas that apply to the same value."""
    if not isinstance(schema, dict):
        return []
    found = [schema["$ref"].rpartition("/")[2]] if isinstance(schema.get("$ref"), str) else []
    inner = [schema.get("not"), *(part for part, _ in dialect.parts(schema))]
    return found + [name for part in inner for name in _referenced_names(part)]
