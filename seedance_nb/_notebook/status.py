"""The status lines of a panel (progress, results, warnings, errors) as HTML, and a refusal at the fields that it names."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seedance_nb._base.errors import Refused, SeedanceError, Step, error_text
from seedance_nb._base.faults import log_unexpected
from seedance_nb._base.html import Html, piece
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, duration_text, find, to_pointer
from seedance_nb._check.check import only_value
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._form.labels import label_at, labels_of
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._media.preflight import Report
from seedance_nb._task.display.progress import progress_text, trouble_text
from seedance_nb._task.task import Task

CHECK = Html('<span class="sdn-done">✓</span>')
SIMULATED = Html('<span class="sdn-badge">SIMULATED</span>')
# Each character of a locator matches in one way only, without backtracking, because the text is untrusted.
_LOCATOR = r"(?P<quote>['\"`]?)(?P<where>/?[\w$](?:[\w$./>→›-]|\[[^\]]*+\]| (?:->|[→›>]) )*+)(?P=quote)"
_NOUN = r"(?:field|parameter|param|property|argument|key)"
_VERB = r"(?:is|are|was|must|should|shall|cannot|can't|can not|may|has|have|exceeds|does|needs|contains)\b"
_WRONG = r"(?:missing|invalid|unknown|unexpected|unsupported)\b"
_READINGS = [
    re.compile(text, re.IGNORECASE | re.DOTALL)
    for text in (
        rf"(?:{_NOUN}\s+)?{_LOCATOR}\s*:\s+(?P<words>.+)",
        rf"(?:the\s+)?(?:{_NOUN}\s+)?{_LOCATOR}\s+(?P<words>{_VERB}.+)",
        rf"(?P<words>{_WRONG}[^:'\"`]*?\b(?:{_NOUN}|value for))s?:?\s+{_LOCATOR}",
    )
]


def running_html(row: Row, waited: float, usual: str = "") -> Html:
    bar = "" if row.progress is None else f"width: {row.progress:.0f}%; animation: none"
    name = Html(" · ") + piece("task").format(row.name) if row.task_id else ""
    trouble = Html('<div class="sdn-dim">{}</div>').format(trouble_text(row)) if trouble_text(row) else ""
    return piece("running").format(bar, progress_text(row, waited, usual), name, trouble)


def done_html(task: Task, waited: float, *, was_done: bool = True) -> Html:
    """The status of a finished task: its time in seconds and its cost. *pure*. `was_done`: whether it had finished before Generate."""
    resumed = "Done. You had already sent this request, so its task was resumed. No further charge."
    old = "You already generated this, so here is that video. No charge." if was_done else resumed
    price = "free" if task.row.simulated else price_after(task.row)
    text = f"Done in {duration_text(waited)} · {price}" if task.is_new else old
    return Html('<div role="status">{} {} · {}</div>').format(CHECK, text, piece("task").format(task.name))


def unchecked_html(spec: Spec, report: Report) -> Html:
    lines = dict.fromkeys(f"{label_at(one.path, labels_of(spec))}: {one.message}" for one in report.unchecked)
    if not lines:
        return Html()
    count = len({finding.path for finding in report.unchecked})
    return piece("unchecked").format("1 file" if count == 1 else f"{count} files", Html("<li>{}</li>").each(lines))


def failed_html(error: Exception) -> Html:
    """An error, what was charged, and the next step in terms of the panel's buttons. *pure*."""
    step = getattr(error, "next_step", "")
    text = error_text(error).removesuffix(step) + (step.panel if isinstance(step, Step) else step)
    return Html('<div class="sdn-error" role="alert">{}</div>').format(Html("<br>").join(text.splitlines()))


@contextmanager
def reported(where: str, show: Callable[[Html], None]) -> Iterator[None]:
    """Show an error of the block or function, because Jupyter does not; an unexpected one is logged too."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is shown
        if not isinstance(error, SeedanceError):
            log_unexpected(where, error)
        show(failed_html(error))


def field_errors(spec: Spec, body: dict[str, Any], error: Exception) -> tuple[Problem, ...]:
    """What a refusal of the request says about single fields of `body`, in the provider's words, if clauses name just one. *pure*."""
    if type(error) is not Refused:
        return ()
    found: list[tuple[JsonPath | None, str]] = []
    # In pydantic's own text the words are below the locator.
    for line in re.sub(r"(?m)^(\S+)\n +", r"\1: ", error.provider_message).splitlines():
        found.append((None, ""))
        for clause in re.split(r";\s+", line.removeprefix("- ")):
            if matches := [*_matches(clause)]:
                fields = ((_path_of(spec, body, match["where"]), match["words"]) for match in matches)
                found.append(next((field for field in fields if field[0] is not None), (None, "")))
            else:  # it continues the clause before
                path, words = found.pop()
                found.append((path, f"{words}; {clause}"))
    facts = dict.fromkeys((to_pointer(path), words.strip().rstrip(".")) for path, words in found if path is not None)
    return tuple(Problem(path=at, message=words, rule="server", value=find(body, at)) for at, words in facts)


def _matches(text: str) -> Iterator[re.Match[str]]:
    """The possible readings of a clause; a heading such as "The request is not valid: " may precede the field's name."""
    for _ in range(3):
        yield from filter(None, (pattern.fullmatch(text.strip()) for pattern in _READINGS))
        text = text.partition(": ")[2]


def _path_of(spec: Spec, body: dict[str, Any], locator: str) -> JsonPath | None:
    """The path of the one field that a locator names, None for no field or several."""
    names = re.findall(r"[\w$]+(?:-[\w$]+)*", locator)
    is_rooted = locator.startswith("/")
    if len(names) > 1 and names[0] in ("body", "request", "json", "root", "$"):
        names, is_rooted = names[1:], True
    index = names.pop() if len(names) > 1 and names[-1].isdecimal() else ""
    # A field with only one value is never wrong, and one that only groups others has no control.
    paths = [path for path, schema in named_fields(spec) if only_value(schema) is ABSENT and "properties" not in schema]
    chosen = [path for path in paths if names == list(map(str, path if is_rooted else path[-len(names) :]))]
    if len(chosen) != 1:
        return None
    entry = (*chosen[0], int(index)) if index else chosen[0]
    return chosen[0] if find(body, to_pointer(entry)) is ABSENT else entry
