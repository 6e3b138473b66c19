"""A request body made of a person's values, and what it asks for. Everything here is pure."""

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, is_number, pointer_parts, set_at, to_pointer
from seedance_nb._document.spec import Spec, named_fields

_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?s?", re.ASCII)
_LONGEST = 10_000
_MOST_LEVELS = 60
_LARGEST = 10**300


def build_body(spec: Spec, given: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The request body for fields given by their own names, in the document's order. *pure*.

    A name that the body has itself (`model`, `input`, `callback_url`) goes there, a name that only one object inside has
    (vastnum's `metadata`) goes there, and every other name goes where the document keeps the person's fields. Fields with
    one possible value are filled in. Keys of `extra` are names, or JSON Pointers into the body where they begin with "/".
    """
    known = spec.body.get("properties", {})
    body: dict[str, Any] = {}
    for name in sorted(given, key=lambda name: name not in known):  # a whole `input` first, single fields into it
        body = _set(body, _path_of(spec, name), to_json_value(given[name]))
    for name, value in (extra or {}).items():
        body = _set(body, _extra_path(spec, name), to_json_value(value))
    made: dict[str, Any] = _ordered(spec.body, body)
    return made


def _path_of(spec: Spec, name: str) -> JsonPath:
    homes = [path for path, _ in named_fields(spec) if path[-1] == name]
    own = [path for path in homes if len(path) == 1 or path[:-1] == spec.inputs]
    return own[0] if own else homes[0] if len(homes) == 1 else (*spec.inputs, name)


def _set(body: dict[str, Any], path: JsonPath, value: Any) -> dict[str, Any]:
    # Never over something that is no object: it stays, and is told as a problem.
    above = find(body, to_pointer(path[:-1]))
    made: dict[str, Any] = set_at(body, path, value) if above is ABSENT or isinstance(above, dict) else body
    return made


def _extra_path(spec: Spec, name: str) -> JsonPath:
    return pointer_parts(name) if name.startswith("/") else (*spec.inputs, name)


def extra_paths(spec: Spec, extra: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Where extra fields go: a JSON Pointer as it stands, a plain name among the person's fields. *pure*."""
    return tuple(to_pointer(_extra_path(spec, name)) for name in extra or {})


def extra_problem(extra: Any) -> Problem | None:
    """What is wrong with `extra` itself, None if it is an object with text as keys. *pure*."""
    if extra is None or (isinstance(extra, Mapping) and all(isinstance(name, str) for name in extra)):
        return None
    return Problem(
        path="extra", message="must be a dict of field names (or JSON Pointers) and their values", rule="type"
    )


def values_by_role(spec: Spec, body: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for by the document's `x-role` words (prompt, seconds, resolution, ratio, audio, ...). *pure*.

    A field that is not in the body counts with its documented default; without one it is left out.
    """
    asked = {}
    for path, schema in named_fields(spec):
        value = find(body, to_pointer(path)) if "x-role" in schema else ABSENT
        if value is ABSENT and "x-role" in schema:
            value = schema.get("default", ABSENT)
        if value is not ABSENT:
            asked[schema["x-role"]] = value
    return asked


def seconds_of(value: Any) -> float | None:
    """The seconds that 5, 5.0, "5" and "5s" mean; None for any other value, and for what leaves it to the model. *pure*."""
    if isinstance(value, str):
        value = float(value.removesuffix("s")) if _SECONDS.fullmatch(value) else None
    return float(value) if is_number(value) and 0 < value < _LONGEST else None


def _ordered(schema: Any, value: Any) -> Any:
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    if not isinstance(value, dict):
        return value
    made = {}
    required = set(schema.get("required", ())) if isinstance(schema, dict) else set()
    for name, child in properties.items():
        if name in value:
            made[name] = _ordered(child, value[name])
        elif name in required and (only := only_value(child)) is not ABSENT:
            made[name] = only
        elif name in required and isinstance(child, dict) and "x-inputs" in child:
            made[name] = {}
    return made | {name: item for name, item in value.items() if name not in made}


def only_value(schema: Any) -> Any:
    """The one value that a schema allows (`const`, or an `enum` of one), or `ABSENT`. *pure*."""
    if isinstance(schema, dict) and "const" in schema:
        return schema["const"]
    if isinstance(schema, dict) and len(schema.get("enum", ())) == 1:
        return schema["enum"][0]
    return ABSENT


def sound(value: Any, path: JsonPath, problems: list[Problem]) -> Any:
    """A value with null for numbers that are none, so that it can be checked; `problems` gets all that JSON text cannot carry."""
    if isinstance(value, list):
        return [sound(item, (*path, position), problems) for position, item in enumerate(value)]
    if isinstance(value, dict):
        made = {}
        for key, item in value.items():
            made[key] = sound(item, (*path, str(key)), problems)
            if not isinstance(key, str):
                pointer = to_pointer((*path, str(key)))
                problems.append(Problem(path=pointer, message="a key must be text", rule="json", value=key))
        return made
    if not (fault := _fault(value)):
        return value
    problems.append(Problem(path=to_pointer(path), message=fault, rule="json", value=value))
    return None if isinstance(value, int | float) else value


def _fault(value: Any) -> str:
    """Why JSON text cannot carry a value that holds no others, "" if it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a JSON number"
    if isinstance(value, TooDeep):
        return "is nested too deeply, or contains itself"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "is too large a number for JSON"
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        return "contains half of a surrogate pair, which cannot be sent as text"
    if value is None or isinstance(value, str | int | float):
        return ""
    return f"a {type(value).__name__} cannot be written as JSON"


class TooDeep:
    """Stands for what is nested deeper than any request, or within itself."""


def to_json_value(value: Any, depth: int = 0) -> Any:
    """A value of Python's mappings, tuples and paths as JSON's objects, lists and texts. *pure*."""
    if depth > _MOST_LEVELS:
        return TooDeep()
    if isinstance(value, tuple | list):
        return [to_json_value(item, depth + 1) for item in value]
    if isinstance(value, PurePath):  # told as a local file, not as something that JSON cannot carry
        return str(value) if value.is_absolute() else f"./{value}"
    return {key: to_json_value(item, depth + 1) for key, item in value.items()} if isinstance(value, Mapping) else value
