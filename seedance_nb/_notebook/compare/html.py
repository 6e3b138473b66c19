"""A comparison as HTML: its table, its progress and what came of it."""

from collections.abc import Sequence

from seedance_nb._base.html import Html, escaped, sent_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import short
from seedance_nb._base.values import json_text
from seedance_nb._check.price import Estimate
from seedance_nb._form.labels import clause
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, left_text, price_text
from seedance_nb._notebook.compare.comparison import Comparison
from seedance_nb._notebook.status import CHECK, SIMULATED, running_html
from seedance_nb._task.task import Task
from seedance_nb._task.video import Video

Result = Video | Exception | None


def models_html(comparison: Comparison) -> Html:
    """What each model makes of the words, as a table whose rows become blocks where it is narrow. *network*, the first time."""
    pairs = zip(comparison.candidates, comparison.estimates, strict=True)
    return Html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        Html('<th scope="col">{}</th>').each(HEADS),
        Html("<tr>{}</tr>").each(_row_html(candidate, told) for candidate, told in pairs),
    )


def _row_html(candidate: Candidate, told: Estimate) -> Html:
    carried = candidate.carried
    title = Html('<b>{}</b> <span class="sdn-dim">{}</span><code>{}</code>')
    sent = "" if candidate.error else sent_html(json_text(carried.body), "What is sent")
    problems = Html("<div>{}</div>").format(candidate.fault) if candidate.fault else Html()
    problems += Html().join(_problem_html(problem) for problem in (*carried.problems, *carried.warnings))
    cells = (
        title.format(candidate.spec.title, candidate.spec.mode, candidate.name),
        SIMULATED if candidate.simulated and not candidate.fault else candidate.place,
        Html("{}{}").format(", ".join(carried.carried), sent),
        Html("<div>{}</div>").each(left_text(carried)) or "–",
        problems or "–",
        price_text(candidate, told),
    )
    cell = Html('<td data-head="{}"><div>{}</div></td>')
    return Html().join(cell.format(head, inside) for head, inside in zip(HEADS, cells, strict=True))


def _problem_html(problem: Problem) -> Html:
    field = f"{problem.field}: " if problem.field else ""
    kind = "sdn-warn" if problem.warns else "sdn-error"
    return Html('<div class="{}">{}</div>').format(kind, field + clause(problem))


def head_html(comparison: Comparison) -> Html:
    """The title row, with the shared words. *pure*."""
    count = len(comparison.candidates)
    others = " · ".join(
        f"{word} {short(value) if not isinstance(value, str) else value}"
        for word, value in comparison.words.items()
        if word != "prompt"
    )
    return Html(
        '<b>Comparison</b><span class="sdn-dim">{}</span>{}'
        '<div class="sdn-said">{}</div><div class="sdn-said sdn-dim">{}</div>'
    ).format(
        "1 model" if count == 1 else f"{count} models",
        SIMULATED if all(one.simulated for one in comparison.candidates) else "",
        comparison.prompt,
        others,
    )


def note_html(comparison: Comparison) -> Html:
    """The sentence beside the button. *network*, the first time."""
    out = len(comparison.candidates) - len(comparison.ready)
    left = f" {out} left out: see the problems." if out else ""
    total = comparison.total
    if not total.paid:
        free = f"Nothing is sent to a provider and nothing is charged.{left}"
        return escaped(free if comparison.ready else left.strip())
    return escaped(f"Total: {total}. You are asked once more before anything is sent.{left}")


def lanes_html(
    candidates: Sequence[Candidate], begun: Sequence[Task | Exception], results: Sequence[Result], waited: float
) -> Html:
    """How far each model is, `waited` seconds after the button. *reads files*."""
    made = Html()
    for candidate, task, result in zip(candidates, begun, results, strict=True):
        if isinstance(result, Exception):
            said = Html('<span class="sdn-over">No video; the reason stands in its place below.</span>')
        elif result is None and isinstance(task, Task):
            said = running_html(task.row, waited)
        else:
            said = CHECK + " The video is below."
        made += Html('<div class="sdn-lane"><code>{}</code><div>{}</div></div>').format(candidate.name, said)
    return made


def done_html(begun: Sequence[Task | Exception], results: Sequence[Result]) -> Html:
    """How many videos there are. *pure*."""
    made = sum(isinstance(one, Video) for one in results)
    missing = "; what kept the others from it stands in their places" if made < len(results) else ""
    old = sum(isinstance(one, Task) and not one.is_new for one in begun)
    again = f" {old} of these requests had been made before, and nothing new was charged for that." if old else ""
    said = f"{made} of {len(results)} videos are below{missing}.{again}"
    return Html('<div role="status">{}{}</div>').format(CHECK + " " if made else "", said)
