"""Read a task's status and result URLs from a status response, and its id from a create response. All functions are pure."""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from seedance_nb._base.values import ABSENT, find, find_all, is_empty, is_number, shorten, to_path
from seedance_nb._document.tables import ErrorTable, TaskTable, plain_word
from seedance_nb._ledger.row import State
from seedance_nb._provider.answers import PATTERNS, TABLE, id_text, objects_of, plain_name, words_of
from seedance_nb._web.addresses import clean_url

_MOST_CREDITS, _MOST_URL = 10**12, 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """The status of a task in one response. `word` is the provider's own word; `outputs` are result URLs."""

    state: State
    word: str = ""
    outputs: tuple[str, ...] = ()
    error: str = ""
    credits: float | None = None
    progress: float | None = None
    reported: str = ""


def read_status(table: TaskTable, answer: Any, errors: ErrorTable | None = None, task: str = "") -> TaskStatus | None:
    """The status in a response, None if it has none; `State.OTHER` for an unknown word, and for "done" without a result URL. At an undocumented place a word counts only beside the id `task`, or "done" beside a result URL: it may be about the call itself. *pure*."""
    stated, outputs, own = find(answer, table.state), tuple[str, ...](), list[dict[str, Any]]()
    stated = str(stated) if plain_word(stated) in table.words else stated  # a number or a boolean, too
    if not isinstance(stated, str) or not stated.strip() or state_of(table, stated) is State.DONE:
        outputs, own = result_urls(answer, table.outputs), objects_of(answer, task)
    words = [stated, *(find(answer, place) for place in table.also_state if own or outputs)]
    words += [item[name] for item in own for name in item if plain_name(name) in TABLE["states"]]
    word = next((word for word in words if isinstance(word, str) and word.strip()), "").strip()
    messages = _texts(answer, table.error)
    if word:
        state = state_of(table, word)
        if not own and word != str(stated).strip() and state is not State.DONE:
            return None
        outputs = outputs or next(filter(None, (result_urls(item, TABLE["results"]) for item in own)), ())
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
    progress = str(find(answer, table.progress)).strip() if table.progress else ""
    percent = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)\s*%?", progress)
    return TaskStatus(
        state=state, word=word[:80], outputs=outputs,
        error=messages[0][:2000] if messages and state is not State.DONE else "",
        credits=float(cost) if is_number(cost) and 0 <= cost < _MOST_CREDITS else None,
        progress=min(100.0, float(percent[1])) if percent else None, reported=_reported(table, answer),
    )  # fmt: skip


def _reported(table: TaskTable, answer: Any) -> str:
    """What an answer says of the result, in the texts of `facts`: a value, or the seconds between two times."""
    texts = list[str]()
    for text, places in table.facts.items():
        value, *later = (find(answer, place) for place in ([places] if isinstance(places, str) else places))
        if later:
            value = later[0] - value if is_number(value) and is_number(later[0]) and 0 < value <= later[0] else ABSENT
        if is_number(value) or (isinstance(value, str) and value.strip()):
            texts.append(text.replace("{}", str(value)[:40].strip()))
    return " · ".join(texts)


def state_of(table: TaskTable, word: Any) -> State:
    return State(table.words.get(plain_word(word), State.OTHER))


def _texts(answer: Any, pointers: tuple[str, ...]) -> list[str]:
    values = [value for pointer in pointers for value in find_all(answer, pointer) if not is_empty(value)]
    return [words_of(value) or shorten(value, 200) for value in values if isinstance(value, str | list | dict)]


def read_id(table: TaskTable, answer: Any) -> str:
    """The id of the new task in a create response, at a documented place, "" if there is no valid one. *pure*."""
    return next(filter(None, (id_text(find(answer, pointer)) for pointer in (table.id_pointer, *table.also_id))), "")


def other_task(table: TaskTable, answer: Any, task_id: str) -> str:
    """The id of another task that a status response names instead of this one, "" if it names none. *pure*."""
    places = (table.id_pointer, "/task_id", "/taskId", "/data/task_id", "/data/taskId")
    named = {id_text(value) for place in places if (value := find(answer, place)) is not ABSENT}
    return "" if task_id in named else max(named, default="")


def result_urls(answer: Any, pointers: Iterable[str]) -> tuple[str, ...]:
    """The result URLs, data URLs and paths at the first pointer that has any, also in nested lists, objects and JSON text. *pure*."""
    for pointer in pointers:
        urls = dict.fromkeys(text for text in map(clean_url, _strings(answer, to_path(pointer), 20)) if _is_url(text))
        if urls:
            return tuple(urls)[:1000]
    return ()


def _strings(value: Any, parts: tuple[str, ...], depth: int) -> Iterator[str]:
    if isinstance(value, str):
        inner: Any = ABSENT
        if value.lstrip()[:1] in ("[", "{", '"'):
            with suppress(ValueError, RecursionError):
                inner = json.loads(value)
        if inner is ABSENT:
            yield from PATTERNS["between"].split(value)
        elif depth:
            yield from _strings(inner, parts, depth - 1)
    elif isinstance(value, list) and depth:
        is_index = bool(parts) and parts[0].isdecimal()
        rest = parts[1:] if is_index or parts[:1] == ("*",) else parts
        for item in value[int(parts[0]) :][:1] if is_index else value:
            yield from _strings(item, rest, depth - 1)
    elif isinstance(value, dict) and depth:
        if parts and (parts[0] in value or parts[0] == "*"):
            yield from _strings(value.get(parts[0], value), parts[1:], depth - 1)
        elif not parts:
            for name in sorted(value, key=lambda name: "video" not in name.lower()):
                yield from _strings(value[name], (), depth - 1)


def _is_url(text: str) -> bool:
    is_data = PATTERNS["data"].match(text) is not None
    if is_data or len(text) > _MOST_URL:
        return is_data and text.isascii()
    try:
        text.encode()  # half of a surrogate pair could not be saved
        parts = urlsplit(text)
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        return bool(parts.hostname)
    return not parts.scheme and PATTERNS["path"].fullmatch(text) is not None
