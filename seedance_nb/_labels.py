"""What stands around a control: name, mark, count, help and errors. Pure functions make HTML; everything is escaped."""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._fields import Field
from seedance_nb._values import ABSENT, Problem

_VERBS = ("is", "has", "must", "does", "speaks", "looks", "begins", "breaks")


@dataclass(frozen=True, slots=True)
class Said:
    """What a control's label says beside its name. `count` is the length so far, of characters or of entries."""

    problems: tuple[Problem, ...] = ()
    count: int | None = None


def label_html(field: Field, said: Said) -> str:
    """A field's name, mark, count, help and errors. *pure*; everything is escaped."""
    most = field.max_length if field.max_length is not None else field.most_items
    star = '<i class="sdn-star" title="required">*</i>' if field.required else ""
    unit = f' <span class="sdn-dim">({html.escape(field.unit)})</span>' if field.unit else ""
    either = '<span class="sdn-tag">one of these is needed</span>' if field.either else ""
    count = ""
    if said.count is not None and most is not None:
        over = " sdn-over" if said.count > most else ""
        count = f'<span class="sdn-count{over}">{said.count:,} / {most:,}</span>'
    default = f"Default: {plain(field.default)}. " if field.default is not ABSENT and field.kind != "toggle" else ""
    # Only a list's head may hold a fold: Jupyter takes it out of the labels of other controls.
    more = "".join(f"<li>{marked(line)}</li>" for line in field.more) if field.kind == "list" else ""
    fold = f'<details class="sdn-more"><summary>Limits</summary><ul>{more}</ul></details>' if more else ""
    left = "Left out until you switch it. " if field.kind == "toggle" and field.default is ABSENT else ""
    known = (
        f'<span class="sdn-elsewhere" title="{html.escape(field.source, quote=True)}">Elsewhere: {html.escape(field.elsewhere)}</span>'
        if field.elsewhere
        else ""
    )
    help_ = f'<span class="sdn-help">{html.escape(default + left)}{marked(field.help)}{fold}{known}</span>'
    return f'<span class="sdn-name">{html.escape(field.label)}{star}{unit}{either}</span>{count}{help_}{error_html(said.problems)}'


def error_html(problems: Sequence[Problem]) -> str:
    """The errors and warnings of one field, the document's sentence on hover. *pure*; everything is escaped."""
    made = ""
    for warns, kind in ((False, "sdn-error"), (True, "sdn-warn")):
        lines = "".join(
            f'<span title="{html.escape(problem.quote, quote=True)}">{html.escape(clause(problem))}</span>'
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


def marked(text: str) -> str:
    """Markdown's `code`, **bold** and [links](…) as safe HTML; addresses are dropped, their words stay. *pure*."""
    safe = html.escape(re.sub(r"\[([^\]]+)\]\((?:[^()\s]+)\)", r"\1", text))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe))


def plain(value: Any) -> str:
    """A value as a person would write it: text without quotes, the rest as JSON. *pure*."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
