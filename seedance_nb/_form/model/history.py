"""The undo history of a form. A burst of typing is one change."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

MOST_CHANGES = 100
BURST_S = 1.0


class UndoHistory:
    """The values before each of the last 100 changes. `now` returns the time in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._values: deque[dict[str, Any]] = deque(maxlen=MOST_CHANGES)
        self._typed_at = ""
        self._when = 0.0

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


def typed_at(path: str, was: Any, now: Any) -> str:
    """The pointer of the text or number, also in an entry of a list, that was typed into, "" for a click. *pure*."""
    if isinstance(was, list) and isinstance(now, list):
        changed = [index for index, pair in enumerate(zip(was, now, strict=False)) if pair[0] != pair[1]]
        return f"{path}/{changed[0]}" if len(was) == len(now) and len(changed) == 1 else ""
    return "" if isinstance(was, list | bool) or isinstance(now, list | bool) else path
