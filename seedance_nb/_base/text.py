"""Texts from outside made safe to show: without signed URLs, control characters and keys."""

import json
import re
from typing import Any

HIDDEN = "•••"  # mask shown instead of a secret
NO_QUERY = "?…"
_KEY = re.compile(r"(?i)(bearer\s.*|(sk|ak|pk|key)[-_].{8,}|(?=\D*\d)(?=[^a-z]*[a-z])[a-z0-9_+=-]{20,})")
_URL = re.compile(r"((?i:https?)://[^\s?#'\"<>]*+)([?#][^\s'\"<>]*)?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


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
    """The value as one line of at most `width` characters. *pure*."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr) if not isinstance(value, str) else f'"{value}"'
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"
