"""Read a task's status from a status response, and its id from a create response. All functions are pure."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.values import ABSENT, find, find_all, is_number
from seedance_nb._document.tables import ErrorTable, TaskTable
from seedance_nb._ledger.row import State

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,200}")
_MOST_CREDITS = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """The status of a task in one response. `word` is the provider's own word; `outputs` are result URLs."""

    state: State
    word: str = ""
    outputs: tuple[str, ...] = ()
    error: str = ""
    credits: float | None = None
    progress: float | None = None


def read_status(table: TaskTable, answer: Any, errors: ErrorTable | None = None) -> TaskStatus | None:
    """The status in a response, None if it has none. *pure*.

    A word that is not documented is the state `State.OTHER`, and so is "done" without a result URL. `errors` has the pointer
    to a code, which may mean that the task failed.
    """
    word = find(answer, table.state)
    messages = _texts(answer, table.error)
    if isinstance(word, str) and word:
        state = State(table.words.get(word.casefold(), State.OTHER))
    else:
        codes = (str(code) for pointer in (errors.code if errors else ()) for code in find_all(answer, pointer))
        word = next(codes, "")
        if errors is None or word not in table.failed_codes:
            return None
        state = State.FAILED
        messages += _texts(answer, errors.message)
    lists = (tuple(dict.fromkeys(filter(_is_url, find_all(answer, pointer)))) for pointer in table.outputs)
    outputs = next(filter(None, lists), ()) if state is State.DONE else ()
    if state is State.DONE and not outputs:
        state = State.OTHER
        more = f" ({messages[0][:500]})" if messages else ""
        messages = [f"the provider reports {word[:80]} but no video URL yet{more}"]
    has_message = state is State.FAILED or (state is not State.DONE and word.casefold() in table.words)
    cost = find(answer, table.credits) if table.credits else ABSENT
    return TaskStatus(
        state=state,
        word=word[:80],
        outputs=outputs,
        error=messages[0][:2000] if messages and has_message else "",
        credits=float(cost) if is_number(cost) and 0 <= cost < _MOST_CREDITS else None,
        progress=_progress(table, answer),
    )


def _texts(answer: Any, pointers: tuple[str, ...]) -> list[str]:
    return [text for pointer in pointers for text in find_all(answer, pointer) if isinstance(text, str) and text]


def _progress(table: TaskTable, answer: Any) -> float | None:
    text = str(find(answer, table.progress)) if table.progress else ""
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%?", text.strip())
    return min(100.0, float(percent[1])) if percent else None


def read_id(table: TaskTable, answer: Any) -> str:
    """The id of the new task in a create response, "" if there is no valid one. *pure*."""
    values = (find(answer, pointer) for pointer in (table.id_pointer, *table.also_id))
    texts = (str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool))
    return next(filter(is_id, texts), "")


def is_id(text: str) -> bool:
    """Whether a text can be a task id: 1 to 200 plain characters, no slash or other URL syntax. *pure*."""
    return _ID.fullmatch(text) is not None


def _is_url(url: Any) -> bool:
    if not isinstance(url, str) or len(url) > 4000:  # noqa: PLR2004
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
