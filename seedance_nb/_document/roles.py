"""The role of each field of a video request: marked in the document, given by a person, or guessed from names and types."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, JsonPath, set_at, to_pointer
from seedance_nb._document.reader import packaged
from seedance_nb._document.tables import ROLES


def fields_of(schema: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Path and schema of every property, nested ones included, in the schema's order. *pure*."""
    for name, child in schema.get("properties", {}).items() if isinstance(schema, dict) else ():
        if isinstance(child, dict):
            yield (*path, name), child
            yield from fields_of(child, (*path, name))


def with_roles(body: dict[str, Any], given: Mapping[str, str | None], file: str) -> dict[str, Any]:
    """The body with an `x-role` at each field whose role is given (None: no field has it) or, beside a prompt, guessed. *reads files*. Raises: SpecError for an unknown role or field."""
    fields = list(fields_of(body))
    if unknown := [role for role in given if role not in ROLES]:
        raise SpecError(f"{unknown[0]!r} is not a role; the roles are {', '.join(ROLES)}", file=file)
    chosen = dict[str, JsonPath]()
    for role, name in given.items():
        if named := [path for path, _ in fields if name in (path[-1], to_pointer(path))]:
            chosen[role] = min(named, key=len)  # the outermost of several
        elif name is not None:
            raise SpecError(f"no field is called {name!r}", file=file)
    marked = {schema["x-role"]: path for path, schema in fields if "x-role" in schema}
    taken = {path for role, path in marked.items() if role not in given} | set(chosen.values())
    free = [(path, schema) for path, schema in fields if path not in taken]
    guesses = {role: path for role in ROLES if role not in {*given, *marked} and (path := _guess(role, free))}
    if "prompt" not in {*guesses, *marked, *chosen}:
        guesses = {}
    for role in set(given) & set(marked):
        body = mark(body, marked[role], "x-role", ABSENT)
    for role, path in (guesses | chosen).items():
        body = mark(body, path, "x-role", role)
        if (kind := packaged("_roles").get(role, {}).get("kind")) and "x-media" not in dict(fields)[path]:
            body = mark(body, path, "x-media", {"kind": kind, "schemes": {"any": []}})  # a guess refuses nothing
    return body


def _guess(role: str, fields: Iterable[tuple[JsonPath, dict[str, Any]]]) -> JsonPath | None:
    """The outermost field with a name and a type that the role usually has; of several, the one with the most usual name."""
    table = packaged("_roles").get(role, {"names": [], "types": []})
    types = {path: schema.get("type", []) for path, schema in fields}
    paths = [path for path, own in types.items() if {*table["types"]} & ({own} if isinstance(own, str) else {*own})]
    names = {path: re.sub(r"[\W_]", "", str(path[-1])).lower() for path in paths}
    found = [path for path, name in names.items() if name in table["names"]]
    return min(found, key=lambda path: (len(path), table["names"].index(names[path])), default=None)


def mark(body: dict[str, Any], path: JsonPath, key: str, value: Any) -> dict[str, Any]:
    marked: dict[str, Any] = set_at(body, (*(step for name in path for step in ("properties", name)), key), value)
    return marked
