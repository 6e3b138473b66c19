"""What a panel says while a task runs and when it ends, as HTML."""

from collections.abc import Callable
from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import Html
from seedance_nb._base.log import log_unexpected
from seedance_nb._base.problem import Problem
from seedance_nb._document.spec import Spec
from seedance_nb._form.labels import labels_of, sentence
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


CHECK = Html('<span class="sdn-done">✓</span>')
SIMULATED = Html('<span class="sdn-badge">SIMULATED</span>')
ERROR = Html('<div class="sdn-error" role="alert">{}</div>')


def running_html(row: Row, waited: float) -> Html:
    """The bar, the state and the seconds so far. *pure*; the bar has the provider's own percentage where it tells one."""
    bar, percent = Html("<i></i>"), ""
    if row.progress is not None:
        bar = Html('<i style="width: {}%; animation: none"></i>').format(f"{row.progress:.0f}")
        percent = f" · {row.progress:.0f} %"
    word = f" ({row.word})" if row.word and row.state is State.OTHER else ""
    has_trouble = row.error and row.state in (*OPEN_STATES, State.WAITING)
    return Html('<div role="status"><div class="sdn-run">{}</div>{}{} · {} s{}{}{}</div>').format(
        bar,
        _WORDS.get(row.state, row.state),
        word,
        f"{waited:.0f}",
        percent,
        Html(" · <code>{}</code>").format(row.name) if row.task_id else "",
        Html('<div class="sdn-dim">{}</div>').format(row.error) if has_trouble else "",
    )


def left_html(row: Row) -> Html:
    """That the waiting has ended and the task has not. *pure*."""
    return Html(
        '<div role="status">The waiting was ended, the task was not: it goes on, and its video is kept when it comes.<br>'
        "Take it up again with <code>sd.task('{}').wait()</code> or Generate.</div>"
    ).format(row.name)


def done_html(task: Task, waited: float) -> Html:
    """That the video is there, how long it took in seconds and what it cost. *pure*."""
    old = "This very request was made before, so its video is shown and nothing new was charged"
    said = f"Done in {waited:.1f} s · {price_after(task.row)}" if task.is_new else old
    return Html('<div role="status">{} {} · <code>{}</code></div>').format(CHECK, said, task.name)


def looking_html(values: Any) -> Html:
    """That the files behind the addresses are being looked at. *pure*."""
    return Html('<div class="sdn-dim" role="status">Looking at the media…</div>') if "://" in str(values) else Html()


def unchecked_html(report: Report) -> Html:
    """What could not be checked about the files, folded. *pure*."""
    told = dict.fromkeys(f"{finding.path.rpartition('/input')[2]}: {finding.message}" for finding in report.unchecked)
    if not told:
        return Html()
    count = len({finding.path for finding in report.unchecked})
    return Html(
        '<details class="sdn-dim"><summary>{} could not be checked in every respect</summary><ul>{}</ul></details>'
    ).format("1 file" if count == 1 else f"{count} files", Html("<li>{}</li>").each(told))


def key_html(spec: Spec) -> Html:
    """How a person gives a key, which no widget may hold: what stands in a widget is saved with the notebook. *pure*."""
    return Html(
        '<details class="sdn-dim"><summary>Use a key</summary>Run <code>{}</code> in a cell: it asks below the cell, shows '
        "nothing of the key, and keeps it in no file. Then run this cell again. The key goes to {}, "
        "and from then on the button says what a video costs.</details>"
    ).format(f'sd.ask_key("{spec.provider}")', host_of(spec.server))


def unsure_html(spec: Spec, warned: tuple[Problem, ...]) -> Html:
    """What is doubtful about a request that a person is about to pay for. *pure*."""
    return Html(
        '<div class="sdn-warn" role="alert">Nothing has been sent. This goes beyond limits that are known from elsewhere:'
        "<ul>{}</ul>Press Generate again to send it as it is.</div>"
    ).format(Html("<li>{}</li>").each(sentence(problem, labels_of(spec)) for problem in warned))


def failed_html(error: SeedanceError) -> Html:
    """An error with what it cost and what to do next. *pure*."""
    return ERROR.format(Html("<br>").join(str(error).splitlines()))


def unexpected_html(error: Exception) -> Html:
    """An error that is none of ours. *pure*."""
    return ERROR.format(f"Something unexpected happened: {error!r}")


def guarded(where: str, act: Callable[[], None], say: Callable[[Html], None]) -> Callable[[Any], None]:
    """What a button calls to `act`: an error of it is logged and said, because nobody would see one in a callback."""

    def call(_: Any) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - it is said
            log_unexpected(where, error)
            say(unexpected_html(error))

    return call
