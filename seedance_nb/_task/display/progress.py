"""A task's progress, as one line that is updated in place while a person waits."""

import os
import secrets
import sys
import time
from collections.abc import Sequence
from typing import Any

from seedance_nb._base.html import DIM, Html, cell_publisher, piece
from seedance_nb._base.values import duration_text
from seedance_nb._ledger.row import FREE_STATES, OPEN_STATES, Row, State, price_after
from seedance_nb._task.follow import unattended_reason

UPDATE_S = 1.0  # seconds between two updates of a line at least, so that many tasks do not flood a page
_FEWEST = 3
_STATES = {
    State.WAITING: "Waiting to be sent", State.SENDING: "Sending", State.QUEUED: "Queued", State.RUNNING: "Generating…",
    State.OTHER: "Unknown state", State.DONE: "Downloading the video",
}  # fmt: skip


def usual_text(durations: Sequence[float]) -> str:
    """How long tasks like this one usually take, from the durations of earlier ones in seconds; "" for fewer than three. *pure*."""
    if len(durations) < _FEWEST:
        return ""
    ordered, tenth = sorted(durations), len(durations) // 10
    return f"usually {' to '.join(dict.fromkeys(map(duration_text, (ordered[tenth], ordered[-1 - tenth]))))}"


def progress_text(row: Row, waited: float, usual: str = "") -> str:
    """The state of an unfinished task, the provider's percentage and the time, in one line. *pure*. `waited` is in seconds."""
    word = f" ({row.word})" if row.word and row.state is State.OTHER else ""
    percent = f"{row.progress:.0f} %" if row.progress is not None else ""
    parts = (f"{_STATES.get(row.state, row.state)}{word}", percent, duration_text(waited), usual)
    return " · ".join(filter(None, parts))


def trouble_text(row: Row) -> str:
    """What went wrong while the task continues, "" if nothing. *pure*."""
    return row.error if row.state in (*OPEN_STATES, State.WAITING) else ""


class Line:
    """A line of progress, which the next one replaces: an output of a cell through its `publisher`, else the last line of the terminal."""

    def __init__(self, publisher: Any = None) -> None:
        self.publisher, self._stream = publisher, sys.stderr
        self._id, self._text = secrets.token_hex(8), ""

    def show(self, text: str, html: Html) -> None:
        if self.publisher is None:
            print("\r" + text.ljust(len(self._text)), end="", file=self._stream, flush=True)
        else:
            data, place = {"text/plain": text, "text/html": str(html)}, {"display_id": self._id}
            self.publisher.publish(data=data, metadata={}, transient=place, update=bool(self._text))
        self._text = text

    def end(self) -> None:
        if self.publisher is None:
            print(file=self._stream, flush=True)


def open_line(*, wanted: bool | None) -> Line | None:
    """The line for progress, None where nobody reads it; if `wanted`, also where a program does. Reads the environment."""
    if wanted is not False and (publisher := cell_publisher()):
        return Line(publisher) if wanted or not unattended_reason() else None
    is_terminal = sys.stderr is not None and sys.stderr.isatty() and os.getenv("TERM") != "dumb"
    return Line() if is_terminal and wanted is not False else None


class Progress:
    """The progress of one task in a line, at most once a second and once at the end."""

    def __init__(self, line: Line | None, usual: str = "", clock: Any = time.monotonic) -> None:
        self._line, self._usual, self._clock = line, usual, clock
        self._begun = self._next = clock()

    @property
    def is_due(self) -> bool:
        return self._line is not None and self._clock() >= self._next

    def update(self, row: Row) -> None:
        self._next = self._clock() + UPDATE_S
        self._show(progress_text(row, self._clock() - self._begun, self._usual), row, trouble_text(row))

    def end(self, row: Row, text: str = "") -> None:
        price = price_after(row)
        if row.state is State.DONE:
            text = text or f"Done in {duration_text(self._clock() - self._begun)} · {price}"
        paid = "Nothing was charged" if row.state in FREE_STATES else price
        self._show(text or f"No video: {row.state} · {paid}", row)
        if self._line is not None:
            self._line.end()

    def _show(self, text: str, row: Row, trouble: str = "") -> None:
        try:
            if self._line is not None:
                has_bar = row.progress is not None and row.state in OPEN_STATES
                bar = piece("bar").format(row.progress) + " " if has_bar else Html()
                below = Html('<div style="{}">{}</div>').format(DIM, trouble) if trouble else Html()
                self._line.show(f"{text} · {row.name}", piece("line").format(bar, text, row.name, below))
        except Exception:  # noqa: BLE001 - whatever happens to the line, the wait for a paid task goes on
            self._line = None
