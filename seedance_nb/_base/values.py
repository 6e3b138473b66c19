"""JSON values, JSON Pointers, the tables beside modules, and texts from outside made safe to show: without signed URLs, control characters and keys."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeGuard

import yaml

HIDDEN = "•••"  # mask shown instead of a secret
NO_QUERY = "?…"
_KEY = re.compile(r"(?i)(bearer\s.*|(sk|ak|pk|key)[-_].{8,}|(?=\D*\d)(?=[^a-z]*[a-z])[a-z0-9_+=-]{20,})")
_URL = re.compile(r"((?i:https?)://[^\s?#'\"<>]*+)([?#][^\s'\"<>]*)?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Absent(Enum):
    """The type of `ABSENT`, the value of a field that is not in the body: neither `null` nor empty."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT
JsonPath = tuple[str | int, ...]
LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # the first is eight times as fast


@functools.lru_cache(1024)
def to_path(pointer: str) -> tuple[str, ...]:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def to_pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def find_all(value: Any, pointer: str) -> Iterator[Any]:
    """Every value at `pointer`, where a part `*` matches each item of a list. *pure*."""
    found = [value]
    for part in to_path(pointer):
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


def map_leaves(value: Any, change: Callable[[Any], Any], *, names: bool = False) -> Any:
    """A JSON value with every text, number, boolean and null changed, with `names` every name too. *pure*. Raises: RecursionError."""
    if isinstance(value, dict):
        items = ((name, map_leaves(item, change, names=names)) for name, item in value.items())
        return {change(name) if names else name: item for name, item in items}
    return [map_leaves(item, change, names=names) for item in value] if isinstance(value, list) else change(value)


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


def safe_name(text: object) -> str:
    """The name for a message, masked if it looks like a key passed by mistake. *pure*."""
    name = str(text)
    return f"{name.strip()[:2]}{HIDDEN}" if _KEY.fullmatch(name.strip()) else name


def strip_queries(text: str) -> str:
    """The text without the query of any URL, because a signed URL is a secret. *pure*."""
    return _URL.sub(lambda url: f"{url[1]}{NO_QUERY}" if url[2] else url[1], text)


def sanitize(text: str) -> str:
    """The text without URL queries and without characters that move the cursor or reverse the text. *pure*."""
    return strip_queries(_CONTROL.sub("\ufffd", text.replace("\r\n", "\n")))


def duration_text(seconds: float) -> str:
    """A duration as people write it: "35 s", "3:30", "1:02:03". *pure*."""
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"  # noqa: PLR2004


def slug(text: object, most: int = 48) -> str:
    """The words of a text as the stem of a file name, in lower case and at most `most` characters. *pure*."""
    return "-".join(re.findall(r"\w+", str(text)[: 4 * most]))[:most].strip("-").casefold()


def quote_lines(text: str) -> str:
    """Foreign text for use in our messages: later lines are marked, so they cannot pass for ours. *pure*."""
    return "\n  | ".join(text.splitlines())


def shorten(value: Any, width: int = 60) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr) if not isinstance(value, str) else f'"{value}"'
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"


def packaged_table(module: str, name: str = "") -> Any:
    """The values of `name`.yaml beside a module's `__file__`, else of the table with the module's own name. *reads files*."""
    path = Path(module).with_name(f"{name}.yaml") if name else Path(module).with_suffix(".yaml")
    return LOADER(path.read_text(encoding="utf-8")).get_single_data()
