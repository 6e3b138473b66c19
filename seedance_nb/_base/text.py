"""Texts of others as they may stand in ours: without signed addresses, control signs and keys."""

import json
import re
from typing import Any

HIDDEN = "•••"
"""What stands where a secret is."""

_QUERY = re.compile(r"(https?://[^\s?#'\"<>]+)[?#][^\s'\"<>]*")
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def safe_name(text: object) -> str:
    """A name as it may stand in a message: masked where it looks like a key that was given in its place. *pure*."""
    said = str(text)
    is_key = re.fullmatch(
        r"(?i)(bearer\s.*|(sk|ak|pk|key)[-_].{8,}|(?=\D*\d)(?=[^a-z]*[a-z])[a-z0-9_+=-]{20,})", said.strip()
    )
    return f"{said.strip()[:2]}{HIDDEN}" if is_key else said


def strip_queries(text: str) -> str:
    """A provider's words with the query of every address in them left out, because a signed one is a secret. *pure*."""
    return _QUERY.sub(r"\1?…", text)


def sanitize(text: str) -> str:
    """A provider's words without queries of addresses, and without signs that move a cursor or turn text round. *pure*."""
    return strip_queries(_UNSEEN.sub("\ufffd", text.replace("\r\n", "\n")))


def quote_lines(text: str) -> str:
    """Words of somebody else within a message of ours: lines after the first cannot be taken for our own. *pure*."""
    return "\n  | ".join(text.splitlines())


def shorten(value: Any, width: int = 60) -> str:
    """A value as one short line for a message, at most `width` characters. *pure*."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr) if not isinstance(value, str) else f'"{value}"'
    except (ValueError, TypeError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= width else text[: width - 1] + "…"
