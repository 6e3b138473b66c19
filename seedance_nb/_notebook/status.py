"""What a panel says while a task runs and when it ends. Pure functions make HTML; everything is escaped."""

from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import escaped
from seedance_nb._base.problem import Problem
from seedance_nb._document.load import Spec
from seedance_nb._form.labels import clause
from seedance_nb._ledger.row import OPEN_STATES, Row, State, price_after
from seedance_nb._media.preflight import Report
from seedance_nb._task.task import Task
from seedance_nb._web.origins import host_of

_WORDS = {
    State.WAITING: "Waiting to be sent",
    State.SENDING: "Sending",
    State.QUEUED: "Queued",
    State.RUNNING: "Generating",
    State.OTHER: "In a state that the document does not name",
    State.DONE: "Fetching the video",
}


def running_html(row: Row, waited: float) -> str:
    """The bar, the state and the seconds so far. *pure*; the bar has the provider's own percentage where it tells one."""
    bar = "<i></i>" if row.progress is None else f'<i style="width: {row.progress:.0f}%; animation: none"></i>'
    told = f" · {row.progress:.0f} %" if row.progress is not None else ""
    word = f" ({escaped(row.word)})" if row.word and row.state is State.OTHER else ""
    where = f" · <code>{escaped(row.name)}</code>" if row.task_id else ""
    return (
        f'<div role="status"><div class="sdn-run">{bar}</div>{_WORDS.get(row.state, row.state)}{word} · {waited:.0f} s{told}{where}'
        f"{_trouble(row)}</div>"
    )


def _trouble(row: Row) -> str:
    return (
        f'<div class="sdn-dim">{escaped(row.error)}</div>'
        if row.error and row.state in (*OPEN_STATES, State.WAITING)
        else ""
    )


def left_html(row: Row) -> str:
    """That the waiting has ended and the task has not. *pure*."""
    name = escaped(row.name)
    return (
        f'<div role="status">The waiting was ended, the task was not: it goes on, and its video is kept when it comes.<br>'
        f"Take it up again with <code>sd.task('{name}').wait()</code> or Generate.</div>"
    )


def done_html(task: Task, waited: float) -> str:
    """That the video is there, how long it took in seconds and what it cost. *pure*."""
    name = escaped(task.name)
    if task.is_new:
        said = f"Done in {waited:.1f} s · {escaped(price_after(task.row))} · <code>{name}</code>"
    else:
        said = f"This very request was made before, so its video is shown and nothing new was charged · <code>{name}</code>"
    return f'<div role="status"><span class="sdn-done">✓</span> {said}</div>'


def looking_html(values: Any) -> str:
    """That the files behind the addresses are being looked at. *pure*."""
    return '<div class="sdn-dim" role="status">Looking at the media…</div>' if "://" in str(values) else ""


def unchecked_html(report: Report) -> str:
    """What could not be checked about the files, folded. *pure*."""
    told = dict.fromkeys(f"{finding.path.rpartition('/input')[2]}: {finding.message}" for finding in report.unchecked)
    if not told:
        return ""
    lines = "".join(f"<li>{escaped(line)}</li>" for line in told)
    count = len({finding.path for finding in report.unchecked})
    noun = "file" if count == 1 else "files"
    return f'<details class="sdn-dim"><summary>{count} {noun} could not be checked in every respect</summary><ul>{lines}</ul></details>'


def key_html(spec: Spec) -> str:
    """How a person gives a key, which no widget may hold: what stands in a widget is saved with the notebook. *pure*."""
    ask = escaped(f'sd.ask_key("{spec.provider}")')
    return (
        f'<details class="sdn-dim"><summary>Use a key</summary>Run <code>{ask}</code> in a cell: it asks below the cell, shows '
        f"nothing of the key, and keeps it in no file. Then run this cell again. The key goes to {escaped(host_of(spec.server))}, "
        "and from then on the button says what a video costs.</details>"
    )


def unsure_html(warned: tuple[Problem, ...]) -> str:
    """What is doubtful about a request that a person is about to pay for. *pure*."""
    lines = "".join(f"<li>{escaped(problem.field)}: {escaped(clause(problem))}</li>" for problem in warned)
    return (
        f'<div class="sdn-warn" role="alert">Nothing has been sent. This goes beyond limits that are known from elsewhere:'
        f"<ul>{lines}</ul>Press Generate again to send it as it is.</div>"
    )


def failed_html(error: SeedanceError) -> str:
    """An error with what it cost and what to do next. *pure*."""
    lines = "<br>".join(escaped(line) for line in str(error).splitlines())
    return f'<div class="sdn-error" role="alert">{lines}</div>'
