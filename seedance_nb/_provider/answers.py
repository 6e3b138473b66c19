"""Reads what a provider sent, leniently, and reports what is odd; what it means for the money is decided in `outcome`. Everything here is pure."""

import json
import re
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.values import ABSENT, HIDDEN, is_empty, map_leaves, packaged_table, shorten

MAX_ANSWER = 2 * 1024 * 1024  # bytes of an answer that are looked at, before and after decompression
TABLE = packaged_table(__file__)
PATTERNS: dict[str, re.Pattern[str]] = {name: re.compile(text) for name, text in TABLE["patterns"].items()}
_MOST_STARTS, _MOST_ITEMS, _LONG_ID, _LONG_NUMBER = 8, 20, 1000, 300
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a body holds: its JSON, `ABSENT` if none can be read; whether it is a web page; and why it does not count as a clear answer."""

    text: str = ""
    value: Any = ABSENT
    page: bool = False
    doubts: tuple[str, ...] = ()


class _Number(float):
    """A number with its digits as written, because an id may look like one."""

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def __repr__(self) -> str:
        return self.digits


def read_content(raw: bytes, encoding: str = "") -> Content:
    """What a body holds, however oddly it was sent; `encoding` is its `Content-Encoding` header. *pure*."""
    raw, encoding = raw[:MAX_ANSWER], encoding.lower()
    doubts: tuple[str, ...] = ()
    for number in range(3):
        forms = [31] if raw[:2] == _GZIP else [15, -15] if "deflate" in encoding and not number else []
        opened = next(filter(None, (_inflate(raw, form) for form in forms)), None)
        if opened is None:
            break
        raw, is_whole = opened
        doubts = doubts if is_whole else ("its compressed content is cut off, damaged or too large",)
    text = raw.decode(json.detect_encoding(raw), "replace").strip("\ufeff\0 \t\r\n")
    if text.startswith("<") and "html" in text[:2000].lower():
        return Content(text=text, page=True, value=_read(text)[0], doubts=("it is a web page",))
    value, odd = _read(text)
    coding = next((name for name in ("br", "zstd", "compress") if name in encoding.split(",")), "")
    if value is ABSENT and coding:
        odd = (f"it is compressed with {coding}, which cannot be read",)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value, odd = _read(value)[0], ("its JSON is inside a JSON text",)
    return Content(text=text, value=value, doubts=(*doubts, *odd))


def _inflate(raw: bytes, form: int) -> tuple[bytes, bool] | None:
    """The content and whether it is whole; None if it is not compressed in this form."""
    stream, content, start, step = zlib.decompressobj(form), bytearray(), 0, max(1, len(raw) // 4096)
    try:
        while start < len(raw) and len(content) <= MAX_ANSWER:
            if stream.eof:  # a second member may follow
                if raw[start : start + 2] != _GZIP:
                    break
                stream = zlib.decompressobj(form)
            content += stream.decompress(raw[start : start + step], MAX_ANSWER - len(content) + 1)
            start = min(start + step, len(raw)) - len(stream.unused_data)
    except zlib.error:
        pass  # what came before the damage counts
    if not content and not stream.eof:
        return None
    return bytes(content[:MAX_ANSWER]), stream.eof and len(content) <= MAX_ANSWER


def _read(text: str) -> tuple[Any, tuple[str, ...]]:
    """The first JSON value in a text, `ABSENT` if there is none, and doubts about it."""
    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for name, item in pairs:
            if (first := value.setdefault(name, item)) is not item and first != item:
                twice.append(name)
        return dict(pairs)

    def integer(digits: str) -> int | _Number:
        return int(digits) if len(digits) < _LONG_NUMBER else _Number(digits)

    decoder = json.JSONDecoder(object_pairs_hook=members, parse_float=_Number, parse_int=integer, strict=False)
    start, tries = 0, 0
    while 0 <= start < len(text) and tries <= _MOST_STARTS:
        twice.clear()
        try:
            value, end = decoder.raw_decode(text, start)
            value = _repaired(value) if "\\u" in text else value
        except (ValueError, RecursionError):
            if not start and text[:1] in ("{", "["):
                with suppress(ValueError, RecursionError):
                    return _repaired(decoder.decode(_mended(text))), ("its JSON is damaged or cut off",)
        else:
            before, after = text[:start].strip(), text[end:].strip()
            if isinstance(value, dict | list) or not after:
                doubts = (before and "text before its JSON", after and "text after its JSON", twice and "a name twice")
                return value, tuple(f"it has {doubt}" for doubt in doubts if doubt)
        start, tries = text.find("{", start + 1), tries + 1
    return ABSENT, ("it is not JSON" if text else "it is empty",)


def _repaired(value: Any) -> Any:
    """The value without halves of surrogate pairs, which could be neither shown nor saved; numbers stay as written."""
    return map_leaves(value, lambda it: it.encode(errors="replace").decode() if isinstance(it, str) else it, names=True)


def _mended(text: str) -> str:
    """A JSON text without comments, unknown escapes and commas before an end; one that is cut off ends after its last whole member."""
    text = PATTERNS["no_json"].sub(lambda match: PATTERNS["escape"].sub(r"\1", match[1]) if match[1] else "", text)
    text = PATTERNS["no_json"].sub(r"\1", text)  # a comma that stood before a comment
    ends, last = list[str](), (0, "")
    for token in PATTERNS["mark"].finditer(text):
        if token[0] in "{[":
            ends.append("}" if token[0] == "{" else "]")
        elif token[0] in "}]":
            del ends[-1:]
        elif token[0] == "," and len(ends) < _MOST_ITEMS and "]" not in ends:  # of a list, the rest may be missing
            last = token.start(), "".join(reversed(ends))
    return text[: last[0]] + last[1] if ends else text


def id_text(value: Any) -> str:
    """The value as a task's id, "" if it cannot be one; a number keeps its digits as written. *pure*."""
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return text if is_id(text) and not PATTERNS["no_id"].fullmatch(text) else ""


def is_id(text: str) -> bool:
    """Whether a text can be a task's id: short, without spaces or a key's mask, and no path that leads to another folder. *pure*."""
    is_quotable = HIDDEN not in text and " " not in text and text.isprintable()
    return 0 < len(text) <= _LONG_ID and is_quotable and not {".", ".."} & set(re.split(r"[/\\]", text))


def find_id(value: Any, text: str = "") -> str:
    """What looks like a task's id anywhere in an answer, or else in its `text`; "" if nothing does: a hint only. *pure*."""
    found = [(name, id_text(inner)) for name, inner in ids_in(value)]
    if not any(task_id for _, task_id in found):
        matches = PATTERNS["id_text"].finditer(text.replace("&quot;", '"'))
        found = [(plain_name(match[1]), id_text(re.sub(r"\\{1,3}/", "/", match[2] or match[3]))) for match in matches]
        end = "" if "{" in text else "&"  # of a form
        found += [(plain_name(match[1]), id_text(match[3])) for match in PATTERNS["id_word"].finditer(text + end)]
    names = {name: task_id for name, task_id in reversed(found) if task_id}  # the first of each name counts
    return next((names[name] for name in TABLE["id_names"] if name in names), "")


def objects_of(value: Any, task_id: str) -> list[dict[str, Any]]:
    """The objects in an answer that hold this id as a task's. *pure*."""
    return [item for item in objects_in(value) if task_id and task_id in map(id_text, dict(_ids_of(item)).values())]


def ids_in(value: Any) -> Iterator[tuple[str, Any]]:
    """What is named like a task's id anywhere in an answer, even if it cannot be one. *pure*."""
    return (named for item in objects_in(value) for named in _ids_of(item))


def _ids_of(item: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in item.items():
        if (plain := plain_name(name)) in TABLE["id_names"]:
            first = inner[0] if inner and isinstance(inner, list) else inner
            yield plain, first.get("$oid", first) if isinstance(first, dict) else first


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in an answer, outermost first, also in JSON texts. *pure*."""
    queue = deque([value])
    while queue:
        item = queue.popleft()
        if isinstance(item, str):
            item = _read(item)[0] if item.lstrip()[:1] in ("{", "[") else ABSENT
        if isinstance(item, dict):
            yield item
        queue.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())


def plain_name(name: str) -> str:
    """A member's name in lower case and the singular, without "_" and "-" and what comes before "taskid". *pure*."""
    plain = name[:40].lower().replace("_", "").replace("-", "")
    plain = plain[:-1] if plain.endswith("s") and plain[-2:] not in ("ss", "us") else plain
    return "taskid" if plain.endswith("taskid") else plain


def words_of(value: Any, depth: int = 4) -> str:
    """The words of an error that is a text, an object or a list, in one line or more, "" if it has none. *pure*."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)[:2000]
    if not depth or not isinstance(value, dict | list):
        return ""
    if isinstance(value, list):
        return "; ".join(dict.fromkeys(filter(None, (words_of(item, depth - 1) for item in value[:_MOST_ITEMS]))))
    named = {plain_name(name): item for name, item in value.items() if not is_empty(item)}
    if isinstance(named.get("loc"), list):  # the path of a field
        named["loc"] = ".".join(map(str, named["loc"][:_MOST_ITEMS]))
    parts = {name: words_of(named[name], depth - 1) for name in TABLE["error_names"] if name in named}
    return ": ".join(dict.fromkeys(filter(None, parts.values())))


def page_words(text: str, server: str) -> str:
    """What a web page calls itself, and what sent it, as a clause. *pure*."""
    title = PATTERNS["title"].search(text[:100_000])
    name = " ".join(title[1].split()) if title else ""
    parts = (name and f"titled {shorten(name, 120)}", server and f"from the server {shorten(server, 60)}")
    return " ".join(("a web page", *filter(None, parts)))
