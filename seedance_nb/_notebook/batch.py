"""Several requests in one cell: a table, one confirmation of the whole price, progress, and the videos as an output."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import display

from seedance_nb._base.html import Html, escape
from seedance_nb._check.price import Total
from seedance_nb._form.controls.base import StaticBox, WidgetFactory, toggle
from seedance_nb._form.form import css
from seedance_nb._notebook.output import VideoOutput
from seedance_nb._notebook.results import counts_html
from seedance_nb._notebook.status import reported
from seedance_nb._task.display.player import View
from seedance_nb._task.engine import ENGINE

PAUSE_S = 0.6  # seconds in which the second button ignores a press, because it is the second half of a double click
_CHANGED = Html('<div role="alert">This has changed since it was shown. Check the price and press again.</div>')
_TICK_S = 1.0  # seconds between two updates of the table at least, however many requests it has


class BatchView:
    """A batch in a cell. Nothing is sent before its button is pressed, and pressed again if it costs credits.

    `batch` is a `Batch`, or has its `due`, `total`, `perform`, `reset`, `stop`, `is_stopped`, `tasks`, `results` and a repr. `head`
    is the title row; `table` returns what stands below it, at most once a second while it runs; `output` the videos, with
    `pending=True` as a page must have them before it is reloaded: with the future files. Both are called in threads, too.
    """

    def __init__(self, batch: Any, head: Html, table: Callable[[], Html], output: Callable[..., View]) -> None:
        self._batch, self._make_table, self._make_output = batch, table, output
        self._lock, self._busy = threading.Lock(), False
        self._first_press_at: float | None = None
        self._offer: tuple[int, Total] = 0, Total()
        self._left_out = sum(isinstance(one, Exception) for one in batch.tasks)
        shared = WidgetFactory()
        style, top = shared.html(css(), "sdn-style"), shared.html(head, "sdn-top")
        self._table, self._status = shared.html("", "sdn-models"), shared.html("", "sdn-status")
        self._report = partial(setattr, self._status, "value")
        guard = reported("batch", self._report)
        self._go = shared.button(guard(self._press), "sdn-go", icon="play")
        self._yes = shared.button(guard(self._confirm), "sdn-go", "sdn-hidden")
        cancel = guard(partial(self._show_buttons, asking=False))
        self._cancel = shared.button(cancel, "sdn-hidden", description="Cancel")
        self._stop = shared.button(batch.stop, "sdn-hidden", description="Stop sending", icon="stop")
        self._note = shared.html("", "sdn-note")
        foot = shared.box(W.HBox, [self._note, self._go, self._yes, self._cancel, self._stop], "sdn-foot")
        self._output = VideoOutput(shared)
        self.widget = StaticBox(
            [style, top, self._table, self._status, foot, self._output.widget], shared.layout, "sdn", "sdn-panel", "sdn-comparison",
            static=lambda: (repr(batch), self._table.value),
        )  # fmt: skip
        self._table.value = table()
        self._show_price()

    def show(self) -> None:
        """Display it in the running cell."""
        display(self.widget)
        self._output.display()

    def _show_price(self) -> bool:
        """Show what would be sent now, and its price; whether this is what was shown before."""
        before, count, total = self._offer, len(self._batch.due), self._batch.total
        videos, shown = "1 video" if count == 1 else f"{count} videos", len(self._batch.tasks) - self._left_out
        self._offer = count, total
        self._go.description, self._go.disabled = f"Generate {videos} · {total.brief}", not shown
        if shown and not count:
            self._go.description = f"Show {'1 video' if shown == 1 else f'{shown} videos'} · no charge"
        self._yes.description = f"Really generate {videos} for {total.brief}?"
        free = "Simulated: nothing is sent to a provider and nothing is charged." if shown and total.simulated else ""
        note = f"Total: {total}. You confirm once more before anything is sent." if total.paid else free
        old = f" {shown - count} cost nothing: they have a task already, or repeat another one."
        note += old if shown > count else ""
        note += f" {self._left_out} left out: see the problems." if self._left_out else ""
        self._note.value = escape(note.strip())
        return before == self._offer

    def _press(self) -> None:
        if self._busy or self._first_press_at is not None:
            return
        if not self._show_price():
            self._report(_CHANGED)
        elif self._offer[1].paid:
            self._show_buttons(asking=True)
        else:
            self._start()

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
        self._batch.reset()
        ENGINE.submit(self._generate())

    def _show_buttons(self, *, asking: bool) -> None:
        self._first_press_at = time.monotonic() if asking else None
        toggle(self._go, shown=not asking)
        toggle(self._yes, shown=asking)
        toggle(self._cancel, shown=asking)

    async def _generate(self) -> None:
        try:
            with reported("batch", self._report):
                await self._follow(asyncio.ensure_future(self._batch.perform(interactive=True)))
                await asyncio.to_thread(self._show_price)
        finally:
            toggle(self._stop, shown=False)
            self._go.disabled = self._busy = False

    async def _follow(self, work: asyncio.Future[None]) -> None:
        shown, due_at, pause = -1, -math.inf, _TICK_S / 10
        while True:
            await asyncio.wait([work], timeout=pause)
            pause = _TICK_S
            if is_over := work.done():
                work.result()
            done, now = sum(one is not None for one in self._batch.results), time.monotonic()
            toggle(self._stop, shown=None in self._batch.tasks and not self._batch.is_stopped)
            self._table.value = await asyncio.to_thread(self._make_table)
            self._report(counts_html(self._batch))
            if done > shown and (is_over or now >= due_at):
                # The more videos there are, the rarer: each update sends them all and stops those that play.
                shown, due_at = done, now + max(_TICK_S, _TICK_S * done / 10)
                self._output.update(await asyncio.to_thread(self._make_output))
                if not is_over:  # a page that is reloaded now gets no updates, so it names the future files
                    self._output.update(await asyncio.to_thread(self._make_output, pending=True), live=False)
            if is_over:
                return
