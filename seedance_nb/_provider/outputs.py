"""Find the result URLs in a status response. All functions are pure."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.values import ABSENT, pointer_parts
from seedance_nb._web.origins import clean_url

_MOST_DEPTH = 20
_MOST_URL = 4000
_MOST_RESULTS = 1000
_PATH = re.compile(r"//?[^\s/]\S*|[^\s:?#]+\.(mp4|mov|webm|m4v|mkv)(\?\S*)?", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s,;]{1,9}(?=https?://)", re.IGNORECASE)
_DATA = re.compile(r"data:(video|image|audio|application/octet-stream)[^,]{0,200},", re.IGNORECASE)


def result_urls(answer: Any, pointers: tuple[str, ...]) -> tuple[str, ...]:
    """The result URLs, data URLs and paths at the first pointer that has any, also in nested lists, objects and JSON text. *pure*."""
    for pointer in pointers:
        texts = map(clean_url, _texts(answer, pointer_parts(pointer), _MOST_DEPTH))
        urls = dict.fromkeys(text for text in texts if _is_url(text))
        if urls:
            return tuple(urls)[:_MOST_RESULTS]
    return ()


def _texts(value: Any, parts: tuple[str, ...], depth: int) -> Iterator[str]:
    if isinstance(value, str):
        inner = _json_in(value)
        if inner is ABSENT:
            yield from _BETWEEN.split(value)
        elif depth:
            yield from _texts(inner, parts, depth - 1)
    elif isinstance(value, list) and depth:
        is_index = bool(parts) and parts[0].isdecimal()
        rest = parts[1:] if is_index or parts[:1] == ("*",) else parts
        for item in value[int(parts[0]) :][:1] if is_index else value:
            yield from _texts(item, rest, depth - 1)
    elif isinstance(value, dict) and depth:
        if parts and (parts[0] in value or parts[0] == "*"):
            yield from _texts(value.get(parts[0], value), parts[1:], depth - 1)
        elif not parts:
            for name in sorted(value, key=lambda name: "video" not in name.lower()):
                yield from _texts(value[name], (), depth - 1)


def _json_in(text: str) -> Any:
    try:
        return json.loads(text) if text.lstrip()[:1] in ("[", "{", '"') else ABSENT
    except (ValueError, RecursionError):
        return ABSENT


def _is_url(text: str) -> bool:
    is_data = _DATA.match(text) is not None
    if is_data or len(text) > _MOST_URL:
        return is_data and text.isascii()
    try:
        text.encode()  # half of a surrogate pair could not be saved
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname)
    return not parts.scheme and _PATH.fullmatch(text) is not None
