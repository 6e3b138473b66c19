"""A comparison in one cell: the table, one confirmation if it costs credits, progress, and the videos as an output."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import display

from seedance_nb._base.html import Html, escape, request_html, table_html
from seedance_nb._base.text import shorten
from seedance_nb._base.values import json_text
from seedance_nb._check.price import Estimate
from seedance_nb._form.controls.base import StaticBox, WidgetFactory, toggle
from seedance_nb._form.form import css
from seedance_nb._form.labels import labels_of, sentence
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, price_text, unsupported_text
from seedance_nb._notebook.compare.comparison import Comparison, Result, attempt
from seedance_nb._notebook.output import VideoOutput
from seedance_nb._notebook.status import CHECK, SIMULATED, reported, running_html
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.task import Task

PAUSE_S = 0.6  # seconds in which the second button ignores a press, because it is the second half of a double click
_TICK_S = 0.25


class ComparisonView:
    """A comparison in a cell. Nothing is sent before its button is pressed, and pressed again if it costs credits."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison, self._total = comparison, comparison.total
        self._lock, self._busy = threading.Lock(), False
        self._first_press_at: float | None = None
        count = len(comparison.ready)
        videos = f"{count} video{'' if count == 1 else 's'}"
        shared = WidgetFactory()
        style = shared.html(css(), "sdn-style")
        self._table = shared.html(models_html(comparison), "sdn-models")
        first, second = f"Generate {videos} · {self._total.brief}", f"Really generate {videos} for {self._total.brief}?"
        self._status = shared.html("", "sdn-status")
        self._report = partial(setattr, self._status, "value")
        guard = reported("comparison", self._report)
        self._go = shared.button(guard(self._press), "sdn-go", description=first, icon="play", disabled=not count)
        self._yes = shared.button(guard(self._confirm), "sdn-go", "sdn-hidden", description=second)
        cancel = guard(partial(self._show_buttons, asking=False))
        self._cancel = shared.button(cancel, "sdn-hidden", description="Cancel")
        self._note = shared.html(note_html(comparison), "sdn-note")
        foot = shared.box(W.HBox, [self._note, self._go, self._yes, self._cancel], "sdn-foot")
        head = shared.html(head_html(comparison), "sdn-top")
        self._output = VideoOutput(shared)
        self.widget = StaticBox(
            [style, head, self._table, self._status, foot, self._output.widget], shared.layout, "sdn", "sdn-panel", "sdn-comparison",
            static=lambda: (repr(comparison), table_html(HEADS, comparison.cells(), str(comparison.total))),
        )  # fmt: skip

    def show(self) -> None:
        """Display it in the running cell."""
        display(self.widget)
        self._output.display()

    def _press(self) -> None:
        if not self._total.paid:
            self._start()
        elif not self._busy and self._first_press_at is None:
            self._show_buttons(asking=True)

    def _confirm(self) -> None:
        if self._first_press_at is not None and time.monotonic() - self._first_press_at >= PAUSE_S:
            self._start()

    def _start(self) -> None:
        with self._lock:  # a second press finds it busy
            if self._busy:
                return
            self._busy = True
        self._show_buttons(asking=False)
        self._go.disabled = True
        ENGINE.submit(self._generate())

    def _show_buttons(self, *, asking: bool) -> None:
        self._first_press_at = time.monotonic() if asking else None
        toggle(self._go, shown=not asking)
        toggle(self._yes, shown=asking)
        toggle(self._cancel, shown=asking)

    async def _generate(self) -> None:
        try:
            with reported("comparison", self._report):
                # Free requests were not confirmed, so a key that was set later must not be charged for them.
                # In a thread, because a locked ledger must not hold up every other task on this loop.
                begin, confirm = self._comparison.begin, self._total.paid > 0
                await self._follow(await asyncio.to_thread(begin, confirm=confirm, interactive=True))
        finally:
            self._go.disabled = False
            self._busy = False

    async def _follow(self, tasks: tuple[Task | Exception, ...]) -> None:
        futures = [one if isinstance(one, Exception) else await asyncio.to_thread(attempt, one.future) for one in tasks]
        shown, clock = -1, time.monotonic()
        results: list[Result] = [None] * len(tasks)
        while True:
            for index, (task, future) in enumerate(zip(tasks, futures, strict=True)):
                if results[index] is None:  # once each and in a thread, because its poster is decoded
                    results[index] = await asyncio.to_thread(_result, task, future)
            done = len(results) - results.count(None)
            if done > shown:
                self._output.update(await asyncio.to_thread(self._comparison.videos(results).view))
                if done < len(results):  # a page that is reloaded now gets no updates, so it names the future files
                    pending = await asyncio.to_thread(self._comparison.videos, results, tasks)
                    self._output.update(await asyncio.to_thread(pending.view), live=False)
            if done == len(results):
                self._report(done_html(tasks, results))
                return
            shown = done
            waited = time.monotonic() - clock
            self._report(await asyncio.to_thread(progress_html, self._comparison.candidates, tasks, results, waited))
            await asyncio.sleep(_TICK_S)


def _result(task: Any, future: Future[Any] | Exception) -> Result:
    if isinstance(future, Exception):
        return future
    return attempt(lambda: task.show(future.result())) if future.done() else None


def models_html(comparison: Comparison) -> Html:
    """The table of the models, whose rows become blocks where it is narrow. *network*, the first time."""
    pairs = zip(comparison.candidates, comparison.estimates, strict=True)
    mark = "simulator" if all(one.simulated for one in comparison.candidates) else SIMULATED  # else the head has it
    rows = Html("<tr>{}</tr>").each(_row_html(candidate, price, mark) for candidate, price in pairs)
    table = Html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
    return table.format(Html('<th scope="col">{}</th>').each(HEADS), rows)


def _row_html(candidate: Candidate, price: Estimate, mark: str) -> Html:
    labels = labels_of(candidate.spec)
    title = Html('<b>{}</b> <span class="sdn-dim">{}</span><code>{}</code>')
    sent = "" if candidate.error else request_html(json_text(candidate.body))
    problems = Html("<div>{}</div>").format(candidate.fault) if candidate.fault else Html()
    for problem in (*candidate.problems, *candidate.warnings):
        kind = "sdn-warn" if problem.warns else "sdn-error"
        problems += Html('<div class="{}">{}</div>').format(kind, sentence(problem, labels))
    cells = (
        title.format(candidate.spec.title, candidate.spec.mode, candidate.name),
        mark if candidate.simulated and not candidate.fault else candidate.runs_on,
        Html("{}{}").format(", ".join(candidate.used), sent),
        Html("<div>{}</div>").each(unsupported_text(candidate)) or "–", problems or "–", price_text(candidate, price),
    )  # fmt: skip
    cell = Html('<td data-head="{}"><div>{}</div></td>')
    return Html().join(cell.format(head, inside) for head, inside in zip(HEADS, cells, strict=True))


def head_html(comparison: Comparison) -> Html:
    """The title row, with the shared settings. *pure*."""
    count = len(comparison.candidates)
    models = "1 model" if count == 1 else f"{count} models"
    badge = SIMULATED if all(one.simulated for one in comparison.candidates) else ""
    settings = [(name, value) for name, value in comparison.settings.items() if name != "prompt"]
    others = " · ".join(f"{name} {value if isinstance(value, str) else shorten(value)}" for name, value in settings)
    return Html(
        '<b>Comparison</b><span class="sdn-dim">{}</span>{}'
        '<div class="sdn-said">{}</div><div class="sdn-said sdn-dim">{}</div>'
    ).format(models, badge, comparison.prompt, others)


def note_html(comparison: Comparison) -> Html:
    """The sentence beside the button. *network*, the first time."""
    out, total = len(comparison.candidates) - len(comparison.ready), comparison.total
    left = f" {out} left out: see the problems." if out else ""
    free = "Simulated: nothing is sent to a provider and nothing is charged." if comparison.ready else ""
    text = f"Total: {total}. You confirm once more before anything is sent." if total.paid else free
    return escape(f"{text}{left}".strip())


def progress_html(candidates: Sequence[Candidate], tasks: Sequence[Task | Exception], results: Sequence[Result],
                  waited: float) -> Html:  # fmt: skip
    """The progress of each model, `waited` seconds after the button was pressed. *reads files*."""
    lines = Html()
    for candidate, task, result in zip(candidates, tasks, results, strict=True):
        if isinstance(result, Exception):
            state = Html('<span class="sdn-over">No video; see the error below.</span>')
        elif result is None and isinstance(task, Task):
            state = running_html(task.row, waited)
        else:
            state = CHECK + " Done"
        lines += Html('<div class="sdn-lane"><code>{}</code><div>{}</div></div>').format(candidate.name, state)
    return lines


def done_html(tasks: Sequence[Task | Exception], results: Sequence[Result]) -> Html:
    """The number of videos and errors. *pure*."""
    done = sum(isinstance(one, Video) for one in results)
    errors = "; the errors are below" if done < len(results) else ""
    old = sum(isinstance(one, Task) and not one.is_new for one in tasks)
    again = f" You already generated {old} of them. No charge for those." if old else ""
    text = f"{done} of {len(results)} done{errors}.{again}"
    return Html('<div role="status">{}{}</div>').format(CHECK + " " if done else "", text)
