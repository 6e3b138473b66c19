"""Checks of texts: ECMA-262 patterns with a time limit, URLs, and `format`, where unknown names accept everything."""

import functools
import re
import string
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.values import is_number, packaged_table
from seedance_nb._schema.library import FormatChecker, spend

SIMULATED_HOST, SIMULATED_ASSET = ".simulator.invalid", "asset://simulated-"
LOCAL = "looks like a local file"
_LONGEST_NAME, _MAX_LENGTH, _SECONDS, _STRIKES = 253, 5_000, 0.05, 3
_AS_MANY = 4_000  # a timeout takes as long as checking so many schemas
_TABLES: dict[str, Any] = packaged_table(__file__)
_PATTERNS = {name: re.compile(pattern) for name, pattern in _TABLES["formats"].items()}
_PARTS = {name: re.compile(text.replace("{escape}", _TABLES["escape"])) for name, text in _TABLES["parts"].items()}
_SETS, _PLAIN = _TABLES["sets"], _TABLES["plain"]
_OUTSIDE = {char: f"[{signs}]" for char, signs in _SETS.items()} | _TABLES["anchors"]
_NO_ESCAPES = set(string.ascii_letters) - set("tnrfv")


@functools.cache
def checker() -> FormatChecker:
    formats = FormatChecker(formats=("date", "ipv4", "ipv6"))  # the library's own
    for name, fits in _FORMATS.items():
        formats.checks(name)(lambda value, fits=fits: not isinstance(value, str) or fits(value))
    for bits in (32, 64):
        limit = 2 ** (bits - 1)
        formats.checks(f"int{bits}")(lambda value, limit=limit: not is_number(value) or -limit <= value < limit)
    return formats


def _date_time(text: str) -> bool:
    match = _PARTS["date-time"].fullmatch(text)
    try:
        minute = datetime.fromisoformat((match[1] + match[3]).upper()) if match else None
        # A leap second exists only at the end of a day in UTC.
        return bool(match and minute and (match[2] < "60" or minute.utctimetuple()[3:5] == (23, 59)))
    except (ValueError, OverflowError):
        return False


def _email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    is_host = _hostname(domain)
    if domain.startswith("[") and domain.endswith("]"):
        kind, host = ("ipv6", domain[6:-1]) if domain.upper().startswith("[IPV6:") else ("ipv4", domain[1:-1])
        is_host = checker().conforms(host, kind)
    return is_host and bool(_PARTS["local"].fullmatch(local))


def _hostname(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(_PARTS["label"].fullmatch(label) for label in text.split("."))


_FORMATS: Mapping[str, Callable[[str], object]] = {
    **{name: pattern.fullmatch for name, pattern in _PATTERNS.items()},
    "uri": lambda text: not uri_error(text), "regex": lambda text: not pattern_error(text),
    "date-time": _date_time, "email": _email, "hostname": _hostname,
    # RFC 3339 requires an offset, which few schemas with a time of day intend.
    "time": lambda text: any(_date_time(f"2000-01-01T{text}{offset}") for offset in ("", "Z")),
}  # fmt: skip


def uri_error(text: str) -> str:
    """Why `text` is not an absolute URI by RFC 3986, "" if it is one. *pure*."""
    scheme, stray = _PARTS["scheme"].match(text), _PARTS["stray"].search(text)
    if not text:
        return "is empty"
    if text != text.strip():
        return "has a space before or after the URL"
    if not scheme:
        return "is not a URL: it has no scheme such as https://"
    if stray:
        return f"is not a URL: {stray.group()!r} must be percent-encoded"
    if scheme.end() == len(text):
        return "is not a URL"
    if not text.lower().startswith(("http:", "https:")):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL: the host or port is malformed"
    return "" if host and text.lower().startswith(f"{parts.scheme}://") else "is not a URL: it has no host"


def media_error(text: str, schemes: list[str]) -> str:
    """Why `text` is not a media URL with one of these schemes (none: they are unknown), "" if it is; what else it is is explained. *pure*."""
    if not text:
        return "is empty"
    if text.lower().startswith("data:") and schemes and "data" not in schemes:
        return "is Base64 data; use a public URL instead"
    if "asset" in schemes and re.match("asset[-_][A-Za-z0-9._-]+$", text):
        return f"is an AssetId without its scheme; write asset://{text}"
    if _PARTS["file"].match(text):
        return f"{LOCAL}, but this provider accepts only public URLs; upload it to a web host and pass its URL"
    scheme = _PARTS["scheme"].match(text)
    if not schemes or text.lower().startswith("data:"):
        return ""
    if scheme and scheme.group(1).lower() not in schemes:
        return f"starts with {scheme.group()}; allowed: {', '.join(f'{name}://' for name in schemes)}"
    if text.lower().startswith("asset:"):
        return "" if _PARTS["asset"].match(text) else "is not an asset URL; write asset:// and the AssetId"
    error = uri_error(text)
    if not error and urlsplit(text).username is not None:
        return "has a user name before the host, which the provider would see"
    return error


@functools.lru_cache(maxsize=512)
def search(pattern: str, text: str) -> bool | None:
    """Whether a pattern matches in a text; None if that takes more than 0.05 s or the pattern is invalid. *pure*."""
    compiled, error, slow = _compiled(pattern)
    if error or (len(slow) >= _STRIKES and len(text) >= min(slow)):
        return None
    try:
        return compiled.search(text, timeout=_SECONDS) is not None
    except TimeoutError:
        slow.append(len(text))
        spend(_AS_MANY)
        return None


def pattern_error(pattern: str) -> str:
    return _compiled(pattern)[1]


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> tuple[Any, str, list[int]]:
    """The compiled pattern, why it is invalid, and the lengths of texts that took too long: as long ones are not searched any more."""
    import regex  # has ECMA's \p{..} and a time limit, which re lacks

    if len(pattern) > _MAX_LENGTH:
        return None, f"it has more than {_MAX_LENGTH:,} characters", []
    try:
        return regex.compile(_PARTS["part"].sub(_outside, pattern)), "", []  # in its own syntax; what is unknown stays
    except (regex.error, ValueError, OverflowError, RecursionError, IndexError, KeyError) as error:
        return None, str(error)[:120] or type(error).__name__, []


def _outside(part: re.Match[str]) -> str:
    text = part.group()
    if text.startswith("["):
        members = f"[{part['not']}{_PARTS['member'].sub(_inside, part['set'])}{part['end']}"
        return {"[]": "(?!)", "[^]": "(?s:.)"}.get(members, members)
    if part["name"]:
        return f"(?P={part['name']})"
    return (_OUTSIDE.get(part["char"]) or _character(part)) if text.startswith("\\") else _PLAIN.get(text, text)


def _inside(part: re.Match[str]) -> str:
    text, char = part.group(), part["char"]
    if not text.startswith("\\"):
        return text if text.isalnum() or text == "-" else f"\\{text}"
    is_set = part["property"] or char in _SETS  # a range cannot begin with one
    inside = _SETS.get(char) or r"\x08" * (char == "b") or _character(part)
    return inside + ("\\" if is_set and part["dash"] else "") + part["dash"]


def _character(part: re.Match[str]) -> str:
    if part["property"]:
        return f"\\{part['property']}"
    if char := part["char"]:
        return r"\x00" if char == "0" else char if char in _NO_ESCAPES else f"\\{char}"
    if part["hex"]:
        return f"\\U{int(part['hex'].strip('ux{}'), 16):08x}"
    if part["high"]:
        return bytes.fromhex(part["high"] + part["low"]).decode("utf-16-be")
    return f"\\x{ord(part['control']) % 32:02x}" if part["control"] else "\\"
