"""Regular expressions as in ECMA-262, with a time limit: no pattern of a schema can block the kernel."""

import functools
import re
import string
from typing import Any

from seedance_nb._schema.work import spend

_MAX_LENGTH = 5_000
_SECONDS = 0.05
_STRIKES = 3
_AS_MANY = 4_000  # a timeout takes as long as checking so many schemas
_WORD = "A-Za-z0-9_"
_SPACE = r"\t\n\v\f\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_SETS = {
    "d": "0-9", "w": _WORD, "s": _SPACE,
    # The complements, written out so that they can be used within brackets.
    "D": r"\x00-/:-\U0010ffff",
    "W": r"\x00-/:-@\[-\^`{-\U0010ffff",
    "S": r"\x00-\x08\x0e-\x1f!-\x9f\xa1-\u167f\u1681-\u1fff\u200b-\u2027\u202a-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\ufefe\uff00-\U0010ffff",
}  # fmt: skip
_EDGE = rf"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))"
_NO_EDGE = rf"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))"
_ANCHORS = {"b": _EDGE, "B": _NO_EDGE, "A": r"\A", "Z": r"\Z", "z": r"\Z"}
_COUNT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_CODE = re.compile(r"u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])")


class _Searcher:
    """One compiled pattern. After several timeouts, texts of that length or longer are not searched any more."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.slow: list[int] = []

    def search(self, text: str) -> bool | None:
        if len(self.slow) >= _STRIKES and len(text) >= min(self.slow):
            return None
        try:
            return self.compiled.search(text, timeout=_SECONDS) is not None
        except TimeoutError:
            self.slow.append(len(text))
            spend(_AS_MANY)
            return None


@functools.lru_cache(maxsize=512)
def search(pattern: str, text: str) -> bool | None:
    """Whether a pattern matches in a text; None if that takes more than 0.05 s or the pattern is invalid. *pure*."""
    searcher = _searcher(pattern)
    return None if isinstance(searcher, str) else searcher.search(text)


def pattern_error(pattern: str) -> str:
    """Why a pattern is invalid, "" if it is valid. *pure*."""
    searcher = _searcher(pattern)
    return searcher if isinstance(searcher, str) else ""


@functools.lru_cache(maxsize=256)
def _searcher(pattern: str) -> "_Searcher | str":
    import regex  # has ECMA's \p{..} and a time limit, which re lacks

    if len(pattern) > _MAX_LENGTH:
        return f"it has more than {_MAX_LENGTH:,} characters"
    try:
        return _Searcher(regex.compile(translated(pattern)))
    except (regex.error, ValueError, OverflowError, RecursionError, IndexError, KeyError) as error:
        return str(error)[:120] or type(error).__name__


def translated(pattern: str) -> str:
    """An ECMA-262 pattern in the syntax of the `regex` library. *pure*; unknown syntax is unchanged."""
    pieces: list[str] = []
    at, inside = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            of_many = pattern[at + 1 : at + 2] in tuple("dDwWsSpP")
            piece, at = _escaped(pattern, at + 1, inside=inside)
            pieces.append(piece)
            if inside and of_many and pattern[at : at + 1] == "-":
                pieces.append(r"\-")  # a range cannot begin with a set
                at += 1
            continue
        at += 1
        if inside:
            inside = char != "]"
            pieces.append(char if char.isalnum() or char in "-]" else f"\\{char}")
        elif char == "[":
            negated = pattern[at : at + 1] == "^"
            at += negated
            if pattern[at : at + 1] == "]":
                at += 1
                pieces.append("(?s:.)" if negated else "(?!)")
            else:
                inside = True
                pieces.append("[^" if negated else "[")
        elif char == "{" and not _COUNT.match(pattern, at - 1):
            pieces.append(r"\{")
        elif char == "(" and pattern.startswith("?<", at) and pattern[at + 2 : at + 3] not in ("=", "!"):
            pieces.append("(?P<")
            at += 2
        else:
            pieces.append({"$": r"\Z", ".": r"[^\n\r\u2028\u2029]"}.get(char, char))
    return "".join(pieces)


def _escaped(pattern: str, at: int, *, inside: bool) -> tuple[str, int]:
    char = pattern[at : at + 1]
    end = at + 1
    if char in _SETS:
        return (_SETS[char] if inside else f"[{_SETS[char]}]"), end
    if char and char in "pP" and pattern[end : end + 1] == "{" and "}" in pattern[end:]:
        end = pattern.index("}", end) + 1
        return f"\\{pattern[at:end]}", end
    if code := _CODE.match(pattern, at):
        return _code_point(code, pattern)
    if char == "k" and (name := re.compile(r"k<(\w+)>").match(pattern, at)):
        return f"(?P={name[1]})", name.end()
    if char == "b" and inside:
        return r"\x08", end
    if not inside and char in _ANCHORS:
        return _ANCHORS[char], end
    if char == "0":
        return r"\x00", end
    return (char if char and char in string.ascii_letters and char not in "tnrfv" else f"\\{char}"), end


def _code_point(code: re.Match[str], pattern: str) -> tuple[str, int]:
    number = ord(code[4]) % 32 if code[4] else int(code[1] or code[2] or code[3], 16)
    end = code.end()
    low = re.compile(r"\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})").match(pattern, end)
    if low and 0xD800 <= number < 0xDC00:  # noqa: PLR2004 - the first half of a pair
        number, end = 0x10000 + (number - 0xD800) * 0x400 + int(low[1], 16) - 0xDC00, low.end()
    return f"\\U{number:08x}", end
