"""What a status answer says about a task, and the id in a create answer. Everything here is pure."""

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
    """What one status answer says. `word` is the provider's own; `outputs` are result addresses."""

    state: State
    word: str = ""
    outputs: tuple[str, ...] = ()
    error: str = ""
    credits: float | None = None
    progress: float | None = None


def read_status(table: TaskTable, answer: Any, errors: ErrorTable | None = None) -> TaskStatus | None:
    """What a status answer says, or None where it says nothing about a task. *pure*.

    A word that the document does not have is the state `unrecognised`; "done" counts only with an address. `errors` says
    where a code stands, which may say that the task has failed.
    """
    word = find(answer, table.state)
    said = _texts(answer, table.error)
    if isinstance(word, str) and word:
        state = State(table.words.get(word.casefold(), State.OTHER))
    else:
        word = next(
            (str(found) for pointer in (errors.code if errors else ()) for found in find_all(answer, pointer)), ""
        )
        if errors is None or word not in table.failed_codes:
            return None
        state = State.FAILED
        said += _texts(answer, errors.message)
    lists = (tuple(dict.fromkeys(filter(_is_address, find_all(answer, pointer)))) for pointer in table.outputs)
    outputs = next(filter(None, lists), ()) if state is State.DONE else ()
    if state is State.DONE and not outputs:
        state = State.OTHER
        more = f" ({said[0][:500]})" if said else ""
        said = [f"the provider reports {word[:80]} and gives no video URL yet{more}"]
    is_told = state is State.FAILED or (state is not State.DONE and word.casefold() in table.words)
    cost = find(answer, table.credits) if table.credits else ABSENT
    return TaskStatus(
        state=state,
        word=word[:80],
        outputs=outputs,
        error=said[0][:2000] if said and is_told else "",
        credits=float(cost) if is_number(cost) and 0 <= cost < _MOST_CREDITS else None,
        progress=_progress(table, answer),
    )


def _texts(answer: Any, pointers: tuple[str, ...]) -> list[str]:
    return [text for pointer in pointers for text in find_all(answer, pointer) if isinstance(text, str) and text]


def _progress(table: TaskTable, answer: Any) -> float | None:
    told = str(find(answer, table.progress)) if table.progress else ""
    found = re.fullmatch(r"([0-9]{1,3})(\.[0-9]{1,9})?\s*%?", told.strip())
    return min(100.0, float(found.group().rstrip("% "))) if found else None


def read_id(table: TaskTable, answer: Any) -> str:
    """The new task's id in the answer to a create request, "" where there is none that could be asked for again. *pure*."""
    told = (find(answer, pointer) for pointer in (table.id_pointer, *table.also_id))
    texts = (str(value) for value in told if isinstance(value, str | int) and not isinstance(value, bool))
    return next(filter(is_id, texts), "")


def is_id(text: str) -> bool:
    """Whether a text can be a task's id: 1 to 200 plain signs, none of which leads to another path. *pure*."""
    return _ID.fullmatch(text) is not None


def _is_address(url: Any) -> bool:
    if not isinstance(url, str) or len(url) > 4000:  # noqa: PLR2004
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
