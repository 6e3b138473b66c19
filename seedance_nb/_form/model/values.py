"""The values of a form: the start value, assigned bodies, numbers and JSON typed as text, and the undo history."""

import copy
import math
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seedance_nb._base.errors import InvalidInput
from seedance_nb._base.values import ABSENT, find, json_text, read_json
from seedance_nb._check.check import build_body, check, to_json_value
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.fields import tree
from seedance_nb._form.model.shape import properties_of

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,39})((?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,3})?)")
_ABOVE = 11  # how many levels a request may have around a value that is typed as JSON
MOST_CHANGES, BURST_S = 100, 1.0


def body_of(spec: Spec, body: Any) -> Any:
    """A copy of a whole body in its own order, or a body from fields by their names. *pure*."""
    if not isinstance(body, dict):
        return copy.deepcopy(body)
    built = build_body(spec, body)
    if built == (whole := to_json_value(body)):
        return whole
    is_misplaced = any(name in properties_of(tree(spec).shape.view) and name not in built for name in body)
    is_whole = is_misplaced or set(body) == set(built) or all(one.warns for one in check(spec, body))
    is_partial = spec.task is None and set(body) < set(built) and not all(one.warns for one in check(spec, built))
    return copy.deepcopy(body) if is_whole or is_partial else built


def prefilled(spec: Spec, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a form with some fields filled in. *pure*. Raises: InvalidInput for an unknown name or a wrong value."""
    body, rules = build_body(spec, fields), ("unknown", "type", "json")
    given = (str, int, float, list, type(None))  # what is still missing, or mentioned, is no problem of these fields
    problems = [problem for problem in check(spec, body) if problem.rule != "x-placeholders" and not problem.warns]
    if wrong := tuple(p for p in problems if p.rule in rules or isinstance(find(body, p.path), given)):
        raise InvalidInput(wrong)
    return body


def moved_paths(touched: set[str], path: str, order: tuple[int, ...]) -> set[str]:
    inside = f"{path}/"
    paths = {other for other in touched if not other.startswith(inside)}
    for new, old in enumerate(order):
        was = f"{inside}{old}"
        paths |= {f"{inside}{new}{other[len(was) :]}" for other in touched if f"{other}/".startswith(f"{was}/")}
    return paths


def number_of(text: str) -> Any:
    """The number that a text is in JSON; `ABSENT` for "", any other text unchanged. *pure*."""
    match = _NUMBER.fullmatch(text)
    value = (float(text) if match[1] else int(text)) if match else text or ABSENT
    return text if value in (math.inf, -math.inf) else value


def json_of(text: str) -> Any:
    """The value of a JSON text; the text itself if it is invalid, cannot be sent as JSON, or is nested too deeply. *pure*."""
    try:
        value = read_json(text)
        json_text(to_json_value(value, _ABOVE)).encode()
    except (ValueError, TypeError, RecursionError):
        return text
    return value


def from_text(text: str, types: Sequence[str]) -> Any:
    """The value of a text that has no type of its own, in one of these types of JSON; unchanged if it is in none. *pure*."""
    if "string" in types:
        return text
    if "boolean" in types:
        return {"true": True, "false": False}.get(text.casefold(), text)
    value = json_of(text) if {"array", "object"} & {*types} else number_of(text)
    return [value] if value == text and "array" in types else value


class UndoHistory:
    """The values before each of the last 100 changes. `now` returns the time in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._typed_at, self._when = now, "", 0.0
        self._values: deque[dict[str, Any]] = deque(maxlen=MOST_CHANGES)

    def add(self, values: dict[str, Any], typed_at: str = "") -> None:
        """Add the values before a change; typing at the same `typed_at` within a second continues the last change, "" never does."""
        now = self._now()
        if not (typed_at and typed_at == self._typed_at and now - self._when <= BURST_S and self._values):
            self._values.append(values)
        self._typed_at, self._when = typed_at, now

    def back(self) -> dict[str, Any] | None:
        """Remove the last change and return the values before it; None if there is none."""
        self._typed_at = ""
        return self._values.pop() if self._values else None

    def __len__(self) -> int:
        return len(self._values)
