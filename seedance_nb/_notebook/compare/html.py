"""A comparison as HTML: its table, its progress and what came of it. Every text is escaped."""

from collections.abc import Sequence

from seedance_nb._base.html import escaped, sent_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import short
from seedance_nb._base.values import json_text
from seedance_nb._check.price import Estimate
from seedance_nb._form.labels import clause
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, left_text, price_text
from seedance_nb._notebook.compare.comparison import Comparison
from seedance_nb._notebook.status import running_html
from seedance_nb._task.task import Task
from seedance_nb._task.video import Video

Result = Video | Exception | None


def models_html(comparison: Comparison) -> str:
    """What each model makes of the words, as a table whose rows become blocks where it is narrow. *network*, the first time."""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADS)
    pairs = zip(comparison.candidates, comparison.estimates, strict=True)
    rows = "".join(f"<tr>{_row_html(one, told)}</tr>" for one, told in pairs)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _row_html(candidate: Candidate, told: Estimate) -> str:
    carried = candidate.carried
    mark = '<span class="sdn-badge">SIMULATED</span>' if candidate.simulated and not candidate.fault else ""
    sent = "" if candidate.error else sent_html(json_text(carried.body), "What is sent")
    problems = [f"<div>{escaped(candidate.fault)}</div>"] if candidate.fault else []
    problems += [_problem_html(problem) for problem in (*carried.problems, *carried.warnings)]
    title, mode = escaped(candidate.spec.title), escaped(candidate.spec.mode)
    cells = (
        f'<b>{title}</b> <span class="sdn-dim">{mode}</span><code>{escaped(candidate.name)}</code>',
        mark or escaped(candidate.place),
        escaped(", ".join(carried.carried)) + sent,
        "".join(f"<div>{escaped(line)}</div>" for line in left_text(carried)) or "–",
        "".join(problems) or "–",
        escaped(price_text(candidate, told)),
    )
    return "".join(f'<td data-head="{name}"><div>{cell}</div></td>' for name, cell in zip(HEADS, cells, strict=True))


def _problem_html(problem: Problem) -> str:
    field = f"{problem.field}: " if problem.field else ""
    return f'<div class="{"sdn-warn" if problem.warns else "sdn-error"}">{escaped(field + clause(problem))}</div>'


def head_html(comparison: Comparison) -> str:
    """The title row, with the shared words. *pure*."""
    count = len(comparison.candidates)
    free = '<span class="sdn-badge">SIMULATED</span>' if all(one.simulated for one in comparison.candidates) else ""
    others = " · ".join(
        f"{word} {short(value) if not isinstance(value, str) else value}"
        for word, value in comparison.words.items()
        if word != "prompt"
    )
    return (
        f'<b>Comparison</b><span class="sdn-dim">{count} model{"" if count == 1 else "s"}</span>{free}'
        f'<div class="sdn-said">{escaped(comparison.prompt)}</div><div class="sdn-said sdn-dim">{escaped(others)}</div>'
    )


def note_text(comparison: Comparison) -> str:
    """The sentence beside the button, escaped. *network*, the first time."""
    out = len(comparison.candidates) - len(comparison.ready)
    left = f" {out} left out: see the problems." if out else ""
    total = comparison.total
    if not total.paid:
        return f"Nothing is sent to a provider and nothing is charged.{left}" if comparison.ready else left.strip()
    return f"Total: {escaped(str(total))}. You are asked once more before anything is sent.{left}"


def lanes_html(
    candidates: Sequence[Candidate], begun: Sequence[Task | Exception], results: Sequence[Result], waited: float
) -> str:
    """How far each model is, `waited` seconds after the button. *reads files*."""
    lines = []
    for candidate, task, result in zip(candidates, begun, results, strict=True):
        if isinstance(result, Exception):
            said = '<span class="sdn-over">No video; the reason stands in its place below.</span>'
        elif result is None and isinstance(task, Task):
            said = running_html(task.row, waited)
        else:
            said = '<span class="sdn-done">✓</span> The video is below.'
        lines.append(f'<div class="sdn-lane"><code>{escaped(candidate.name)}</code><div>{said}</div></div>')
    return "".join(lines)


def done_html(begun: Sequence[Task | Exception], results: Sequence[Result]) -> str:
    """How many videos there are. *pure*."""
    made = sum(isinstance(one, Video) for one in results)
    mark = '<span class="sdn-done">✓</span> ' if made else ""
    missing = "; what kept the others from it stands in their places" if made < len(results) else ""
    old = sum(isinstance(one, Task) and not one.is_new for one in begun)
    again = f" {old} of these requests had been made before, and nothing new was charged for that." if old else ""
    return f'<div role="status">{mark}{made} of {len(results)} videos are below{missing}.{again}</div>'


def unexpected_html(error: Exception) -> str:
    """An error that is none of ours. *pure*."""
    return f'<div class="sdn-error" role="alert">Something unexpected happened: {escaped(repr(error))}</div>'
