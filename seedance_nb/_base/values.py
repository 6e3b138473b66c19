"""JSON values, JSON Pointers and problems: the small words that every other module speaks."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal


class Absent(Enum):
    """The one value of a field that is not in the body: neither `null` nor empty."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a request, at its place, with the limit and the sentence that says so.

    `path` is a JSON Pointer into the request body; `value` is what was found there (`ABSENT` if nothing);
    `limit` is what the document allows, in the field's own unit; `quote` is the document's sentence, "" if it has none.
    `others` are pointers of further fields that could mend it. `warns` is True where the limit is known from elsewhere
    (`source` says where) and not from the provider's own page: such a problem is said and does not stop a request.
    """

    path: str
    message: str
    rule: str
    value: Any = ABSENT
    limit: Any = None
    quote: str = ""
    others: tuple[str, ...] = ()
    warns: bool = False
    source: str = ""

    @property
    def field(self) -> str:
        """The last name in the path that is not a position in a list. *pure*."""
        return next((part for part in reversed(split(self.path)) if not part.isdigit()), "")

    def __str__(self) -> str:
        quote = f'\n      the document: "{self.quote}"' if self.quote else ""
        known = f"\n      not in the provider's own page, but in {self.source}" if self.source else ""
        return f"{'warning: ' if self.warns else ''}{self.path or '/'}: {self.message}{quote}{known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One thing that is odd about a document, and how it is read all the same. `pointer` is a JSON Pointer to the place."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"


def nameable(text: object) -> str:
    """A name as it may stand in a message: masked where it looks like a key that was given in its place. *pure*."""
    said = str(text)
    is_key = re.fullmatch(
        r"(?i)(bearer\s.*|(sk|ak|pk|key)[-_].{8,}|(?=\D*\d)(?=[^a-z]*[a-z])[a-z0-9_+=-]{20,})", said.strip()
    )
    return f"{said.strip()[:2]}•••" if is_key else said


def split(pointer: str) -> tuple[str, ...]:
    """The unescaped parts of a JSON Pointer (RFC 6901); () for the whole document. *pure*."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def join(path: Path | list[str | int]) -> str:
    """The JSON Pointer of a path. *pure*."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def find_all(value: Any, pointer: str) -> Iterator[Any]:
    """Every value that `pointer` leads to; a part `*` stands for each item of a list. *pure*."""
    yield from _walk(value, split(pointer))


def find(value: Any, pointer: str) -> Any:
    """The first value that `pointer` leads to, or `ABSENT`. *pure*."""
    return next(find_all(value, pointer), ABSENT)


def _walk(value: Any, parts: tuple[str, ...]) -> Iterator[Any]:
    if not parts:
        yield value
    elif parts[0] == "*" and isinstance(value, list):
        for item in value:
            yield from _walk(item, parts[1:])
    elif isinstance(value, Mapping) and parts[0] in value:
        yield from _walk(value[parts[0]], parts[1:])
    elif isinstance(value, list) and parts[0].isdecimal() and int(parts[0]) < len(value):
        yield from _walk(value[int(parts[0])], parts[1:])


def put(value: Any, path: Path, new: Any) -> Any:
    """`value` with `new` at `path`, objects made on the way; `ABSENT` removes. *pure*: nothing is changed in place."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(head, int):
        if new is ABSENT and not rest:
            return value[:head] + value[head + 1 :]
        return [*value[:head], put(value[head] if head < len(value) else {}, rest, new), *value[head + 1 :]]
    inner = dict(value) if isinstance(value, Mapping) else {}
    if new is ABSENT and not rest:
        inner.pop(head, None)
    elif new is not ABSENT or head in inner:
        inner[head] = put(inner.get(head, {}), rest, new)
    return inner


def is_empty(value: Any) -> bool:
    """Whether a value counts as not given in "at least one of": absent, null, "", [] or {}. *pure*."""
    return value is ABSENT or value is None or (isinstance(value, str | list | tuple | dict) and not value)


def json_text(value: Any) -> str:
    """One compact JSON text, keys in the given order. *pure*.

    Raises: ValueError for NaN and the infinities, TypeError for what JSON cannot carry.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def digest(value: Any) -> str:
    """64 hex digits that are equal for equal JSON values, whatever the order of their keys. *pure*."""
    text = json.dumps(_whole(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(value: Any) -> Any:
    # 4.0 and 4 are one number in JSON, and so one request.
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_json(text: str | bytes) -> Any:
    """The value of a JSON text, read strictly. *pure*.

    Raises: ValueError for anything that is not JSON, for NaN, for a key given twice, and for absurd nesting or numbers.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError:
        problem = "nested too deeply"
    raise ValueError(problem)


def read_answer(raw: bytes) -> Any:
    """The value of an answer from outside, `ABSENT` where it is not strict JSON. *pure*.

    Half of a surrogate pair becomes "?", for no file and no ledger could hold it.
    """
    try:
        value = read_json(raw)
        return read_json(json_text(value).encode(errors="replace")) if b"\\u" in raw else value
    except (ValueError, RecursionError):
        return ABSENT


def _no_constant(word: str) -> float:
    msg = f"{word} is not JSON"
    raise ValueError(msg)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        msg = f"the key {twice!r} is given twice"
        raise ValueError(msg)
    return made


_QUERY = re.compile(r"(https?://[^\s?#'\"<>]+)[?#][^\s'\"<>]*")


def without_queries(text: str) -> str:
    """A provider's words with the query of every address in them left out, because a signed one is a secret. *pure*."""
    return _QUERY.sub(r"\1?…", text)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def tamed(text: str) -> str:
    """A provider's words without queries of addresses, and without signs that move a cursor or turn text round. *pure*."""
    return without_queries(_UNSEEN.sub("\ufffd", text.replace("\r\n", "\n")))


def quoted(text: str) -> str:
    """Words of somebody else within a message of ours: lines after the first cannot be taken for our own. *pure*."""
    return "\n  | ".join(text.splitlines())


def short(value: Any, width: int = 60) -> str:
    """A value as one short line for a message, at most `width` characters. *pure*."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr) if not isinstance(value, str) else f'"{value}"'
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"


Charged = Literal["not charged", "charged", "unknown"]
