"""The HTML of a field's label: name, required mark, count, help and errors; and problems as sentences for the screen."""

import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, to_path, to_pointer
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.fields import Field, label_of, tree
from seedance_nb._schema.dialect import AT_LEAST_ONE

_HEADS = ("list", "items", "object", "group", "map", "branches")
_VERBS = re.compile("(is|are|has|must|does|needs|mentions|looks|begins|starts|breaks|could|cannot)( |$)")
_MARKS = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|(?<![*\w])\*(?P<italic>[^*\s][^*]*)\*(?![*\w])")
_MARKED = {"code": Html("<code>{}</code>"), "bold": Html("<b>{}</b>"), "italic": Html("<i>{}</i>")}
_NONE = Html()
_FOLD = Html('<details class="sdn-more"><summary>More</summary><ul>{}</ul></details>')
_EITHER = Html('<span class="sdn-tag">{} required</span>')
_USUAL = Html('<span class="sdn-elsewhere" title="{}">Usually {} ({})</span>')


@dataclass(frozen=True, slots=True)
class FieldStatus:
    """The part of a label that changes: problems, the count of characters or entries, and a folded field's value in one line."""

    problems: tuple[Problem, ...] = ()
    count: int | None = None
    brief: str = ""


def label_html(field: Field, status: FieldStatus) -> Html:
    most, count = field.max_length if field.max_length is not None else field.most_items, _NONE
    if status.count is not None and (most is not None or field.kind in ("items", "map")):
        over, of = (" sdn-over" if status.count > most else "", f" / {most:,}") if most is not None else ("", "")
        count = Html('<span class="sdn-count{}">{}{}</span>').format(over, f"{status.count:,}", of)
    return Html('<span class="sdn-name">{}{}{}{}{}</span>{}{}{}{}').format(
        field.label,
        Html('<i class="sdn-star" title="required">*</i>') if field.required and field.path else _NONE,
        Html(' <span class="sdn-dim">({})</span>').format(field.unit) if field.unit else _NONE,
        _EITHER.format(_any_of(map(label_of, field.one_of_required))[1]) if field.one_of_required else _NONE,
        Html('<span class="sdn-tag">deprecated</span>') if field.advanced.startswith("deprecated") else _NONE,
        count,
        Html('<span class="sdn-brief">{}</span>').format(status.brief) if status.brief else _NONE,
        help_html(field),
        error_html(status.problems),
    )


def help_html(field: Field) -> Html:
    has_default = field.default is not ABSENT and field.kind not in ("toggle", "password")
    default = f"Default: {plain(field.default)}. " if has_default else ""
    unsent = "Not sent unless you change it. " if field.kind == "toggle" and field.default is ABSENT else ""
    usual, source = field.third_party_limits, re.split("[,;]", field.source, maxsplit=1)[0]
    usual = "one of these" if field.likely and field.kind == "choice" and field.source else usual
    is_list, noun = field.kind in ("items", "list"), "entry" if field.least_items == 1 else "entries"
    least = f"At least {field.least_items} {noun}. " if is_list and field.least_items else ""
    unique = "No duplicates. " if is_list and field.unique else ""
    more = field.more if field.kind in _HEADS else ()  # Jupyter removes <details> from the labels of other controls
    return Html('<span class="sdn-help">{}{}{}{}</span>').format(
        default + unsent + least + unique,
        markdown_html(field.help),
        _FOLD.format(Html("<li>{}</li>").each(map(markdown_html, more))) if more else _NONE,
        _USUAL.format(field.source, usual, source) if usual else _NONE,
    )


def _any_of(labels: Iterable[str]) -> tuple[str, str]:
    """The first words, if all labels share them, and the remaining words of each label, joined by "or"."""
    words = [[word if word[1:2].isupper() else word.lower() for word in label.split()] for label in labels]
    shared = 0
    while all(len(label) > shared + 1 and label[shared] == words[0][shared] for label in words):
        shared += 1
    rests = [" ".join(label[shared:]) for label in words]
    return " ".join(words[0][:shared]), " or ".join([", ".join(rests[:-1]), rests[-1]] if rests[1:] else rests)


def error_html(problems: Sequence[Problem]) -> Html:
    """The errors and warnings of one field, each with the documented sentence and its source on hover. *pure*."""
    html = _NONE
    for warns, kind in ((False, "sdn-error"), (True, "sdn-warn")) if problems else ():
        of_kind = [(problem.citation, problem.message) for problem in problems if problem.warns is warns]
        lines = _NONE.join(Html('<span title="{}">{}</span>').format(*texts) for texts in of_kind)
        html += Html('<span class="{}" role="alert">{}</span>').format(kind, lines) if of_kind else _NONE
    return html


def sentence(problem: Problem, labels: Mapping[str, str]) -> str:
    """A problem as a sentence for forms and panels, its names replaced by `labels`; a provider's own words stay unchanged. *pure*."""
    if problem.rule == AT_LEAST_ONE and all(len(group) == 1 for group in problem.limit):
        fields = [label_at(path, labels) for path in problem.others]
        singular = all(label.endswith("s") for label in fields)
        words = " ".join(_any_of(label[:-1] if singular else label for label in fields)).strip()
        text = f"Add at least one {words}" if singular else f"Fill in {words}"
    else:
        text = problem.message
        if problem.rule != "server":
            names = {to_path(path)[-1]: label for path, label in labels.items() if label}
            if problem.rule != "unknown":  # a name that is also a word, such as `duration`, stays
                names = {name: label for name, label in names.items() if label.lower() != name}
            pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
            text = re.sub(rf'(?<![\w"/.])(?:{pattern})(?![\w"/])', lambda name: names.get(name[0], ""), text)
        subject = problem.field if problem.rule == "unknown" else label_at(problem.path, labels)
        if subject and _VERBS.match(text):
            text = f"{subject} {text}"
        elif subject and problem.rule != "server" and not text.startswith("the "):
            text = f"{subject}: {text}"
        else:
            text = text[:1].upper() + text[1:]
    if problem.warns and problem.source:
        text += f" (according to {re.split('[,;]', problem.source, maxsplit=1)[0]})"
    return text if text.endswith((".", "?")) else f"{text}."


@functools.lru_cache(maxsize=64)
def labels_of(spec: Spec) -> Mapping[str, str]:
    """The label of each field by the JSON Pointer of its value, "" for a group without a heading. *pure*."""
    labels: dict[str, str] = {}
    fields = [tree(spec)]
    for field in fields:
        fields += field.children
        if field.path:
            labels[to_pointer(field.path)] = "" if "x-inputs" in field.shape.view else field.label
    return labels


def label_at(path: str, labels: Mapping[str, str]) -> str:
    """The label of the value at a path, entries with their numbers: `/input/images/1` is "Images 2". *pure*."""
    name = next(reversed(to_path(path)), "")
    if name.isdecimal():
        return f"{label_at(path.rpartition('/')[0], labels)} {int(name) + 1}".strip()
    return labels.get(path, label_of(name) or name)


def in_words(path: str, labels: Mapping[str, str]) -> str:
    """A path in a body as text for people: `/input/shots/1/text` is "Input › Shots 2 › Text". *pure*."""
    parts = to_path(path)
    ends = [end for end in range(1, len(parts) + 1) if not "".join(parts[end : end + 1]).isdecimal()]
    return " › ".join(filter(None, (label_at(to_pointer(parts[:end]), labels) for end in ends)))


@functools.lru_cache(maxsize=2048)  # the same sentences are needed at every update of a label
def markdown_html(text: str) -> Html:
    """Markdown's `code`, **bold** and [links](…) as safe HTML; of a link only its text. *pure*."""
    text = re.sub(r"^#{1,6}\s+", "", re.sub(r"!?\[([^\[\]]+)\]\((?:[^()\s]+)\)", r"\1", text))
    parts, end = list[str](), 0
    for mark in _MARKS.finditer(text):
        kind = str(mark.lastgroup)
        inner = mark[kind] if kind == "code" else markdown_html(mark[kind])
        parts += [text[end : mark.start()], _MARKED[kind].format(inner)]
        end = mark.end()
    return _NONE.join([*parts, text[end:]])


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
