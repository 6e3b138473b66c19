"""What stands around a control: name, mark, count, help and errors. Pure functions make HTML; everything is escaped."""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import escaped
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.model.fields import Field

_HEADS = ("list", "rows", "object", "map", "branches", "constant")
_BRIEF = 90
_VERBS = ("is", "has", "must", "does", "speaks", "looks", "begins", "breaks")


@dataclass(frozen=True, slots=True)
class Said:
    """What a control's label says beside its name. `count` is the length so far, of characters or of entries.

    `brief` is what a folded field holds, in one line.
    """

    problems: tuple[Problem, ...] = ()
    count: int | None = None
    brief: str = ""


def label_html(field: Field, said: Said) -> str:
    """A field's name, mark, count, help and errors. *pure*; everything is escaped."""
    most = field.max_length if field.max_length is not None else field.most_items
    star = '<i class="sdn-star" title="required">*</i>' if field.required and field.path else ""
    unit = f' <span class="sdn-dim">({escaped(field.unit)})</span>' if field.unit else ""
    either = '<span class="sdn-tag">one of these is needed</span>' if field.either else ""
    count = ""
    if said.count is not None and (most is not None or field.kind in ("rows", "map")):
        over = " sdn-over" if most is not None and said.count > most else ""
        count = f'<span class="sdn-count{over}">{said.count:,}{f" / {most:,}" if most is not None else ""}</span>'
    old = '<span class="sdn-tag">deprecated</span>' if field.advanced.startswith("deprecated") else ""
    short = f'<span class="sdn-brief">{escaped(said.brief)}</span>' if said.brief else ""
    rule = _entries_in_words(field)
    default = (
        f"Default: {plain(field.default)}. "
        if field.default is not ABSENT and field.kind not in ("toggle", "password")
        else ""
    )
    # Only a head of its own may hold a fold: Jupyter takes it out of the labels of other controls.
    more = "".join(f"<li>{marked(line)}</li>" for line in field.more) if field.kind in _HEADS else ""
    head = "Limits" if field.kind == "list" else "More"
    fold = f'<details class="sdn-more"><summary>{head}</summary><ul>{more}</ul></details>' if more else ""
    left = "Left out until you switch it. " if field.kind == "toggle" and field.default is ABSENT else ""
    known = (
        f'<span class="sdn-elsewhere" title="{escaped(field.source)}">Elsewhere: {escaped(field.elsewhere)}</span>'
        if field.elsewhere
        else ""
    )
    help_ = f'<span class="sdn-help">{escaped(default + left + rule)}{marked(field.help)}{fold}{known}</span>'
    return f'<span class="sdn-name">{escaped(field.label)}{star}{unit}{either}{old}</span>{count}{short}{help_}{error_html(said.problems)}'


def _entries_in_words(field: Field) -> str:
    if field.kind not in ("rows", "list"):
        return ""
    least = (
        f"At least {field.least_items} {'entry' if field.least_items == 1 else 'entries'}. "
        if field.least_items
        else ""
    )
    return least + ("No entry twice. " if field.unique else "")


def brief(value: Any) -> str:
    """A value in one short line: an object's names with what they hold, a list's entries. *pure*."""
    if isinstance(value, dict):
        text = ", ".join(f"{name}: {plain(item)}" for name, item in value.items()) or "no fields set"
    elif isinstance(value, list):
        text = ", ".join(map(plain, value)) or "no entries"
    else:
        text = plain(value)
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"


def error_html(problems: Sequence[Problem]) -> str:
    """The errors and warnings of one field, the document's sentence on hover. *pure*; everything is escaped."""
    made = ""
    for warns, kind in ((False, "sdn-error"), (True, "sdn-warn")):
        lines = "".join(
            f'<span title="{escaped(problem.quote)}">{escaped(clause(problem))}</span>'
            for problem in problems
            if problem.warns is warns
        )
        made += f'<span class="{kind}" role="alert">{lines}</span>' if lines else ""
    return made


def clause(problem: Problem) -> str:
    """A problem's message as a sentence of its own. *pure*."""
    subject = "This " if problem.message.split(" ", 1)[0] in _VERBS else ""
    text = subject + problem.message
    known = f" (by {problem.source})" if problem.warns else ""
    return text[:1].upper() + text[1:] + known + "."


@functools.lru_cache(maxsize=2048)  # a document's sentences are asked for at every look at its fields
def marked(text: str) -> str:
    """Markdown's `code`, **bold** and [links](…) as safe HTML; addresses are dropped, their words stay. *pure*."""
    words = re.sub(r"^#{1,6}\s+", "", re.sub(r"!?\[([^\[\]]+)\]\((?:[^()\s]+)\)", r"\1", text))
    safe = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped(words))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?![*\w])", r"<i>\1</i>", safe))


def plain(value: Any) -> str:
    """A value as a person would write it: text without quotes, the rest as JSON. *pure*."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
