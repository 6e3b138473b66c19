"""The status lines of a panel: progress, results, warnings and errors, as HTML."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seedance_nb._base.errors import SeedanceError, Step, error_text
from seedance_nb._base.faults import log_unexpected
from seedance_nb._base.html import Html
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import duration_text
from seedance_nb._document.spec import Spec
from seedance_nb._form.labels import label_at, labels_of, sentence
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._media.preflight import Report
from seedance_nb._task.display.progress import progress_text, trouble_text
from seedance_nb._task.task import Task
from seedance_nb._web.origins import host_of

CHECK = Html('<span class="sdn-done">✓</span>')
SIMULATED = Html('<span class="sdn-badge">SIMULATED</span>')


def running_html(row: Row, waited: float, usual: str = "") -> Html:
    """The progress bar, the state, the provider's own percentage and the time so far. *pure*."""
    bar = Html("<i></i>")
    if row.progress is not None:
        bar = Html('<i style="width: {}%; animation: none"></i>').format(f"{row.progress:.0f}")
    name = Html(" · <code>{}</code>").format(row.name) if row.task_id else ""
    trouble = Html('<div class="sdn-dim">{}</div>').format(trouble_text(row)) if trouble_text(row) else ""
    line = Html('<div role="status"><div class="sdn-run">{}</div>{}{}{}</div>')
    return line.format(bar, progress_text(row, waited, usual), name, trouble)


def stopped_html(row: Row) -> Html:
    """The status after Stop waiting. *pure*."""
    return Html(
        '<div role="status">Stopped waiting; the task is still running, and its video will be saved.<br>'
        "Press Generate again to wait for it again, or use <code>sd.task('{}').wait()</code>.</div>"
    ).format(row.name)


def done_html(task: Task, waited: float, *, was_done: bool = True) -> Html:
    """The status of a finished task: its time in seconds and its cost. *pure*. `was_done`: whether it had finished before Generate."""
    resumed = "Done. You had already sent this request, so its task was resumed. No further charge."
    old = "You already generated this, so here is that video. No charge." if was_done else resumed
    price = "free" if task.row.simulated else price_after(task.row)
    text = f"Done in {duration_text(waited)} · {price}" if task.is_new else old
    return Html('<div role="status">{} {} · <code>{}</code></div>').format(CHECK, text, task.name)


def checking_html(values: Any) -> Html:
    """The status while the files behind the URLs are checked. *pure*."""
    return Html('<div class="sdn-dim" role="status">Checking the files…</div>') if "://" in str(values) else Html()


def unchecked_html(spec: Spec, report: Report) -> Html:
    """The files that could not be fully checked, folded. *pure*."""
    lines = dict.fromkeys(f"{label_at(one.path, labels_of(spec))}: {one.message}" for one in report.unchecked)
    if not lines:
        return Html()
    count = len({finding.path for finding in report.unchecked})
    fold = Html('<details class="sdn-dim"><summary>{} could not be fully checked</summary><ul>{}</ul></details>')
    return fold.format("1 file" if count == 1 else f"{count} files", Html("<li>{}</li>").each(lines))


def key_html(spec: Spec) -> Html:
    """How to set a key. No widget asks for it, because widgets are saved with the notebook. *pure*."""
    return Html(
        '<details class="sdn-dim"><summary>Use a key</summary>Run <code>{}</code> in a new cell: it prompts for the key, hides '
        "it, and does not save it. Then run the cell of this panel again. The key goes to {}, and the button shows "
        "the price.</details>"
    ).format(f'sd.ask_key("{spec.provider}")', host_of(spec.server))


def confirm_html(spec: Spec, warnings: tuple[Problem, ...]) -> Html:
    """The warnings to confirm before a paid request is sent. *pure*."""
    return Html(
        '<div class="sdn-warn" role="alert">Nothing has been sent. Check these warnings first:'
        "<ul>{}</ul>Press Generate again to send it anyway.</div>"
    ).format(Html("<li>{}</li>").each(sentence(problem, labels_of(spec)) for problem in warnings))


def failed_html(error: Exception) -> Html:
    """An error, what was charged, and the next step in terms of the panel's buttons. *pure*."""
    step = getattr(error, "next_step", "")
    text = error_text(error).removesuffix(step) + (step.panel if isinstance(step, Step) else step)
    html = Html('<div class="sdn-error" role="alert">{}</div>')
    return html.format(Html("<br>").join(text.splitlines()))


@contextmanager
def reported(where: str, show: Callable[[Html], None]) -> Iterator[None]:
    """Show an error of the block or function, because Jupyter does not; an unexpected one is logged too."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is shown
        if not isinstance(error, SeedanceError):
            log_unexpected(where, error)
        show(failed_html(error))
