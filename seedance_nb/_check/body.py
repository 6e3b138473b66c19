"""Request bodies built from field values, and what they request. Everything here is pure."""

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


def build_body(spec: Spec, values: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The request body for field values by name, in the schema's order. *pure*.

    A top-level name (`model`, `input`, `callback_url`) goes to the top level, a name of exactly one inner object (vastnum's
    `metadata`) goes there, and any other name goes to the object of the input fields. Fields with one possible value are
    filled in. Keys of `extra` are names, or JSON Pointers into the body if they start with "/".
    """
    top = spec.body.get("properties", {})
    body: dict[str, Any] = {}
    paths: dict[str | int, list[JsonPath]] = {}
    for path, _ in named_fields(spec):
        paths.setdefault(path[-1], []).append(path)
    for name in sorted(values, key=lambda name: name not in top):  # a whole `input` first, single fields into it
        every = paths.get(name, [])
        own = [path for path in every if len(path) == 1 or path[:-1] == spec.inputs]
        path = own[0] if own else every[0] if len(every) == 1 else (*spec.inputs, name)
        path = path if find(body, to_pointer(path)) is ABSENT else (name,)  # given twice: both stay, to be reported
        body = _set(body, path, to_json_value(values[name]))
    for name, value in (extra or {}).items():
        body = _set(body, _extra_path(spec, name), to_json_value(value))
    return dict(_ordered(spec.body, body))


def _set(body: dict[str, Any], path: JsonPath, value: Any) -> dict[str, Any]:
    # A value that is not an object is never replaced: it is reported as a problem.
    parent = find(body, to_pointer(path[:-1]))
    if isinstance(parent, dict) and value is not ABSENT:
        parent[path[-1]] = value  # in place, because a copy for each of many fields would take quadratic time
        return body
    result: dict[str, Any] = set_at(body, path, value) if parent is ABSENT or isinstance(parent, dict) else body
    return result


def _extra_path(spec: Spec, name: str) -> JsonPath:
    return pointer_parts(name) if name.startswith("/") else (*spec.inputs, name)


def extra_paths(spec: Spec, extra: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The JSON Pointers of extra fields; a plain name is one of the input fields. *pure*."""
    return tuple(to_pointer(_extra_path(spec, name)) for name in extra or {})


def extra_problem(extra: Any) -> Problem | None:
    """The problem of `extra` itself, None if it is a dict with string keys. *pure*."""
    if extra is None or (isinstance(extra, Mapping) and all(isinstance(name, str) for name in extra)):
        return None
    message = "must be a dict of field names (or JSON Pointers) and their values"
    return Problem(path="extra", message=message, rule="type")


def values_by_role(spec: Spec, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a body by their `x-role` (prompt, seconds, ...); an absent field has its documented default, if any. *pure*."""
    roles = {}
    for path, schema in named_fields(spec):
        if "x-role" in schema:
            value = find(body, to_pointer(path))
            roles[schema["x-role"]] = schema.get("default", ABSENT) if value is ABSENT else value
    return {role: value for role, value in roles.items() if value is not ABSENT}


def seconds_of(value: Any) -> float | None:
    """The number of seconds in 5, 5.0, "5" or "5s"; None for any other value. *pure*."""
    if isinstance(value, str):
        value = float(value.removesuffix("s")) if _SECONDS.fullmatch(value) else None
    return float(value) if is_number(value) and 0 < value < _LONGEST else None


def _ordered(schema: Any, value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    ordered: dict[str, Any] = {}
    required = set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        if name in value:
            ordered[name] = _ordered(child, value[name])
        elif name in required and (only := only_value(child)) is not ABSENT:
            ordered[name] = only
        elif name in required and isinstance(child, dict) and "x-inputs" in child:
            ordered[name] = {}
    return ordered | {name: item for name, item in value.items() if name not in ordered}


def only_value(schema: Any) -> Any:
    """The only value that a schema allows (`const`, or an `enum` of one), or `ABSENT`. *pure*."""
    if not isinstance(schema, dict):
        return ABSENT
    only = schema["enum"][0] if len(schema.get("enum", ())) == 1 else ABSENT
    return schema.get("const", only)


def sound(value: Any, path: JsonPath, problems: list[Problem]) -> Any:
    """The value with null for NaN and infinities, so that it can be checked; adds what is not JSON to `problems`."""
    if isinstance(value, list):
        return [sound(item, (*path, position), problems) for position, item in enumerate(value)]
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            result[key] = sound(item, (*path, str(key)), problems)
            if not isinstance(key, str):
                pointer = to_pointer((*path, str(key)))
                problems.append(Problem(path=pointer, message="a key must be text", rule="json", value=key))
        return result
    if error := _scalar_error(value):
        problems.append(Problem(path=to_pointer(path), message=error, rule="json", value=value))
    return None if error and isinstance(value, int | float) else value


def _scalar_error(value: Any) -> str:
    """Why a scalar value cannot be written as JSON, "" if it can."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a JSON number"
    if isinstance(value, TooDeep):
        return "is nested too deeply, or contains itself"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "is too large a number for JSON"
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return "contains half of a surrogate pair, which cannot be sent as text"
    is_json = value is None or isinstance(value, str | int | float)
    return "" if is_json else f"a {type(value).__name__} cannot be written as JSON"


class TooDeep:
    """A placeholder for values that are nested too deeply or contain themselves."""


def to_json_value(value: Any, depth: int = 0) -> Any:
    """The value with mappings, tuples and paths converted to dicts, lists and strings. *pure*."""
    if depth > _MOST_LEVELS:
        return TooDeep()
    if isinstance(value, tuple | list):
        return [to_json_value(item, depth + 1) for item in value]
    if isinstance(value, PurePath):  # reported as a local file, not as invalid JSON
        return str(value) if value.is_absolute() else f"./{value}"
    return {key: to_json_value(item, depth + 1) for key, item in value.items()} if isinstance(value, Mapping) else value
