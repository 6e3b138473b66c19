"""What a person typed, as the value that it means; what means none stays text, and is told so by the check."""

import math
import re
from typing import Any

from seedance_nb._base.values import ABSENT, json_text, read_json

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})((?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?)")
_MOST_LEVELS = 50


def number_of(text: str) -> Any:
    """The number that a text is in JSON; `ABSENT` for "", the text itself for any other. *pure*."""
    match = _NUMBER.fullmatch(text)
    if not text:
        return ABSENT
    value = text if not match else float(text) if match.group(1) else int(text)
    return text if value in (math.inf, -math.inf) else value


def json_of(text: str) -> Any:
    """The value of a JSON text, the text itself where JSON could not carry it on, or it is nested deeper than any request. *pure*."""
    try:
        value = read_json(text)
        json_text(value).encode()
    except (ValueError, TypeError, RecursionError):
        return text
    return text if _levels(value) > _MOST_LEVELS else value


def _levels(value: Any) -> int:
    deep, here = 0, [value]
    while here and deep <= _MOST_LEVELS:
        inner = [item.values() if isinstance(item, dict) else item for item in here if isinstance(item, dict | list)]
        deep, here = deep + 1, [one for items in inner for one in items]
    return deep
