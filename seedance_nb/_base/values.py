"""JSON values and JSON Pointers. Everything here is pure."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final, TypeGuard


class Absent(Enum):
    """The type of `ABSENT`, the value of a field that is not in the body: neither `null` nor empty."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
JsonPath = tuple[str | int, ...]


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """The unescaped parts of a JSON Pointer (RFC 6901); () for the root. *pure*."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def to_pointer(path: Iterable[str | int]) -> str:
    """The JSON Pointer of a path. *pure*."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def find_all(value: Any, pointer: str) -> Iterator[Any]:
    """Every value at `pointer`, where a part `*` matches each item of a list. *pure*."""
    found = [value]
    for part in pointer_parts(pointer):
        parents, found = found, []
        for parent in parents:
            if part == "*" and isinstance(parent, list):
                found += parent
            elif isinstance(parent, Mapping) and part in parent:
                found.append(parent[part])
            elif isinstance(parent, list) and part.isdecimal() and int(part) < len(parent):
                found.append(parent[int(part)])
    return iter(found)


def find(value: Any, pointer: str) -> Any:
    """The first value at `pointer`, or `ABSENT`. *pure*."""
    return next(find_all(value, pointer), ABSENT)


def set_at(value: Any, path: JsonPath, new: Any) -> Any:
    """A copy of `value` with `new` at `path`, creating objects on the way; `ABSENT` removes. *pure*."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(head, int):
        if new is ABSENT and not rest:
            return value[:head] + value[head + 1 :]
        return [*value[:head], set_at(value[head] if head < len(value) else {}, rest, new), *value[head + 1 :]]
    inner = dict(value) if isinstance(value, Mapping) else {}
    if new is ABSENT and not rest:
        inner.pop(head, None)
    elif new is not ABSENT or head in inner:
        inner[head] = set_at(inner.get(head, {}), rest, new)
    return inner


def is_empty(value: Any) -> bool:
    """Whether a value is absent, null, "", [] or {}. *pure*."""
    return value is ABSENT or value is None or (isinstance(value, str | list | tuple | dict) and not value)


def is_number(value: Any) -> TypeGuard[int | float]:
    """Whether a value is a JSON number; True and False are not. *pure*."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def json_text(value: Any) -> str:
    """The value as compact JSON, keys in their own order. *pure*. Raises: ValueError for NaN; TypeError for what is not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """SHA-256 of a JSON value as 64 hex digits, independent of the order of keys. *pure*."""
    # 4.0 and 4 are the same number in JSON, so they are the same request.
    same = map_leaves(value, lambda leaf: int(leaf) if isinstance(leaf, float) and leaf.is_integer() else leaf)
    text = json.dumps(same, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """A JSON value with every text, number, boolean and null changed; names stay. *pure*. Raises: RecursionError."""
    if isinstance(value, dict):
        return {name: map_leaves(item, change) for name, item in value.items()}
    return [map_leaves(item, change) for item in value] if isinstance(value, list) else change(value)


def read_json(text: str | bytes) -> Any:
    """The value of a strict JSON text. *pure*. Raises: ValueError, also for NaN, duplicate keys, excessive nesting or numbers."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise ValueError(f"the key {key[:80]!r} is given twice")
        value[key] = item
    return value
