"""Read a task's status from a status response, and its id from a create response. All functions are pure."""

import re
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.text import shorten
from seedance_nb._base.values import ABSENT, find, find_all, is_empty, is_number
from seedance_nb._document.tables import ErrorTable, TaskTable
from seedance_nb._ledger.row import State
from seedance_nb._provider.answers import id_text, objects_of, plain_name, words_of
from seedance_nb._provider.outputs import result_urls

_STATES = ("status", "state", "taskstatus", "taskstate")
_RESULTS = ("/video_url", "/videoUrl", "/media_urls", "/result_url", "/result", "/output", "/videos", "/video", "/url")
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


def read_status(table: TaskTable, answer: Any, errors: ErrorTable | None = None, task: str = "") -> TaskStatus | None:
    """The status in a response, None if it has none; `State.OTHER` for an unknown word, and for "done" without a result URL. *pure*.

    At a place that is not documented, a word counts only beside the id `task`, or if it means "done", beside a result URL:
    without them it may be about the call itself.
    """
    outputs, own = result_urls(answer, table.outputs), objects_of(answer, task)
    words = [find(answer, table.state), *(find(answer, place) for place in table.also_state if own or outputs)]
    words += [item[name] for item in own for name in item if plain_name(name) in _STATES]
    word = next((word for word in words if isinstance(word, str) and word.strip()), "").strip()
    messages = _texts(answer, table.error)
    if word:
        state = State(table.words.get(re.sub(r"[\s-]", "_", word.casefold()), State.OTHER))
        if not own and word != str(find(answer, table.state)).strip() and state is not State.DONE:
            return None
        outputs = outputs or next(filter(None, (result_urls(item, _RESULTS) for item in own)), ())
    else:
        codes = (str(code) for pointer in (errors.code if errors else ()) for code in find_all(answer, pointer))
        word = next(codes, "")
        if errors is None or word not in table.failed_codes:
            return None
        state = State.FAILED
        messages += _texts(answer, errors.message)
    outputs = outputs if state is State.DONE else ()
    if state is State.DONE and not outputs:
        state = State.OTHER
        more = f" ({messages[0][:500]})" if messages else ""
        messages = [f"the provider reports {word[:80]} but no video URL yet{more}"]
    cost = find(answer, table.credits) if table.credits else ABSENT
    return TaskStatus(
        state=state, word=word[:80], outputs=outputs,
        error=messages[0][:2000] if messages and state is not State.DONE else "",
        credits=float(cost) if is_number(cost) and 0 <= cost < _MOST_CREDITS else None,
        progress=_progress(table, answer),
    )  # fmt: skip


def _texts(answer: Any, pointers: tuple[str, ...]) -> list[str]:
    values = [value for pointer in pointers for value in find_all(answer, pointer) if not is_empty(value)]
    return [words_of(value) or shorten(value, 200) for value in values if isinstance(value, str | list | dict)]


def _progress(table: TaskTable, answer: Any) -> float | None:
    text = str(find(answer, table.progress)) if table.progress else ""
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%?", text.strip())
    return min(100.0, float(percent[1])) if percent else None


def read_id(table: TaskTable, answer: Any) -> str:
    """The id of the new task in a create response, at a documented place, "" if there is no valid one. *pure*."""
    return next(filter(None, (id_text(find(answer, pointer)) for pointer in (table.id_pointer, *table.also_id))), "")


def other_task(table: TaskTable, answer: Any, task_id: str) -> str:
    """The id of another task that a status response names instead of this one, "" if it names none. *pure*."""
    named = {id_text(find(answer, place + name)) for place in ("", "/data") for name in ("/task_id", "/taskId")}
    named |= {id_text(find(answer, table.id_pointer))}
    return "" if task_id in named else max(named)
