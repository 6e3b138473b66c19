"""What stands around a control: name, mark, count, help and errors, as HTML."""

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT
from seedance_nb._form.model.fields import Field

_HEADS = ("list", "rows", "object", "map", "branches", "constant")
_BRIEF = 90
_VERBS = ("is", "has", "must", "does", "speaks", "looks", "begins", "breaks")


@dataclass(frozen=True, slots=True)
class FieldStatus:
    """What a control's label says beside its name. `count` is the length so far, of characters or of entries.

    `brief` is what a folded field holds, in one line.
    """

    problems: tuple[Problem, ...] = ()
    count: int | None = None
    brief: str = ""


def label_html(field: Field, said: FieldStatus) -> Html:
    """A field's name, mark, count, help and errors. *pure*."""
    return Html('<span class="sdn-name">{}{}{}{}{}</span>{}{}{}{}').format(
        field.label,
        _STAR if field.required and field.path else _NONE,
        Html(' <span class="sdn-dim">({})</span>').format(field.unit) if field.unit else _NONE,
        _EITHER if field.either else _NONE,
        _OLD if field.advanced.startswith("deprecated") else _NONE,
        _count_html(field, said.count),
        Html('<span class="sdn-brief">{}</span>').format(said.brief) if said.brief else _NONE,
        _help_html(field),
        error_html(said.problems),
    )


_NONE = Html()
_STAR = Html('<i class="sdn-star" title="required">*</i>')
_EITHER = Html('<span class="sdn-tag">one of these is needed</span>')
_OLD = Html('<span class="sdn-tag">deprecated</span>')


def _count_html(field: Field, count: int | None) -> Html:
    most = field.max_length if field.max_length is not None else field.most_items
    if count is None or (most is None and field.kind not in ("rows", "map")):
        return _NONE
    over = " sdn-over" if most is not None and count > most else ""
    of = f" / {most:,}" if most is not None else ""
    return Html('<span class="sdn-count{}">{}{}</span>').format(over, f"{count:,}", of)


def _help_html(field: Field) -> Html:
    has_default = field.default is not ABSENT and field.kind not in ("toggle", "password")
    default = f"Default: {plain(field.default)}. " if has_default else ""
    left = "Left out until you switch it. " if field.kind == "toggle" and field.default is ABSENT else ""
    known = Html('<span class="sdn-elsewhere" title="{}">Elsewhere: {}</span>')
    return Html('<span class="sdn-help">{}{}{}{}</span>').format(
        default + left + _entries_in_words(field),
        marked(field.help),
        # Jupyter takes a fold out of the labels of controls that are not heads.
        _fold_html("Limits" if field.kind == "list" else "More", field.more) if field.kind in _HEADS else _NONE,
        known.format(field.source, field.elsewhere) if field.elsewhere else _NONE,
    )


@functools.lru_cache(maxsize=512)
def _fold_html(head: str, lines: tuple[str, ...]) -> Html:
    fold = Html('<details class="sdn-more"><summary>{}</summary><ul>{}</ul></details>')
    return fold.format(head, Html("<li>{}</li>").each(map(marked, lines))) if lines else _NONE


def _entries_in_words(field: Field) -> str:
    if field.kind not in ("rows", "list"):
        return ""
    noun = "entry" if field.least_items == 1 else "entries"
    least = f"At least {field.least_items} {noun}. " if field.least_items else ""
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


def error_html(problems: Sequence[Problem]) -> Html:
    """The errors and warnings of one field, the document's sentence on hover. *pure*."""
    made = _NONE
    for warns, kind in ((False, "sdn-error"), (True, "sdn-warn")):
        of_kind = [problem for problem in problems if problem.warns is warns]
        lines = (Html('<span title="{}">{}</span>').format(problem.quote, clause(problem)) for problem in of_kind)
        if of_kind:
            made += Html('<span class="{}" role="alert">{}</span>').format(kind, Html().join(lines))
    return made


def clause(problem: Problem) -> str:
    """A problem's message as a sentence of its own. *pure*."""
    subject = "This " if problem.message.split(" ", 1)[0] in _VERBS else ""
    text = subject + problem.message
    known = f" (by {problem.source})" if problem.warns else ""
    return text[:1].upper() + text[1:] + known + "."


@functools.lru_cache(maxsize=2048)  # a document's sentences are asked for at every look at its fields
def marked(text: str) -> Html:
    """Markdown's `code`, **bold** and [links](…) as safe HTML; addresses are dropped, their words stay. *pure*."""
    return _marked(re.sub(r"^#{1,6}\s+", "", re.sub(r"!?\[([^\[\]]+)\]\((?:[^()\s]+)\)", r"\1", text)))


_MARKS = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|(?<![*\w])\*(?P<italic>[^*\s][^*]*)\*(?![*\w])")
_MARKED = {"code": Html("<code>{}</code>"), "bold": Html("<b>{}</b>"), "italic": Html("<i>{}</i>")}


def _marked(text: str) -> Html:
    made, end = _NONE, 0
    for mark in _MARKS.finditer(text):
        kind = str(mark.lastgroup)
        inner = mark[kind] if kind == "code" else _marked(mark[kind])
        made += text[end : mark.start()]
        made += _MARKED[kind].format(inner)
        end = mark.end()
    return made + text[end:]


def plain(value: Any) -> str:
    """A value as a person would write it: text without quotes, the rest as JSON. *pure*."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
