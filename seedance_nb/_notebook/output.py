"""The videos of a cell, shown twice and seen once: in a widget while its kernel lives, and as a static output that stays. And several requests in one cell."""

import asyncio
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import DisplayHandle, display

from seedance_nb._base.html import Html, escape, piece
from seedance_nb._check.price import Total
from seedance_nb._form.controls.base import Fold, StaticBox, WidgetFactory, toggle
from seedance_nb._form.form import css
from seedance_nb._ledger.row import State
from seedance_nb._media.frames import frames_at
from seedance_nb._notebook.status import failed_html, reported
from seedance_nb._session.batch import Batch, Run, attempt
from seedance_nb._task.display.player import View, data_url, jpeg_of
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE

_DECODED = 64_000_000  # bytes of images in memory while frames are decoded
PAUSE_S = 0.6  # seconds in which the second button ignores a press, because it is the second half of a double click
_UPDATE_S = 1.0  # seconds between two updates of the table at least, however many requests it has


class VideoOutput:
    """Videos as a widget, and as a static output that it hides while its kernel lives: Voila and reloaded pages update only widgets."""

    def __init__(self, shared: WidgetFactory) -> None:
        self._class = f"sdn-static-{secrets.token_hex(4)}"
        self._handle: DisplayHandle | None = None
        style = shared.html(piece("live").format(self._class))
        # The output widget resolves a relative `src` as the notebook does; an HTML widget would not.
        self._videos = W.Output()
        self.widget = shared.box(W.VBox, [style, self._videos], "sdn-videos", f"{self._class}-live")
        self.update(View(html=piece("no-video")), live=False)

    def display(self) -> None:
        """Display the static output in the running cell, after the widget."""
        # Created now, so that it belongs to this cell; a thread may update it later but must never display by itself.
        self._handle = display(self.static, raw=True, display_id=True)

    def update(self, view: View, live: bool = True) -> None:
        """Show a view; with `live` False in the static output only, for what a page must already have when it is reloaded."""
        self.static = replace(view, html=piece("static").format(self._class, view.html)).bundle
        if self._handle is not None:
            self._handle.update(self.static, raw=True)
        if live:
            data = replace(view, jpeg=b"").bundle  # a page with widgets has no use for it
            self._videos.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)


class FrameViewer:
    """Below a video: Loop, and Look closer, which shows its frames one by one. Hidden until `show`."""

    def __init__(self, shared: WidgetFactory, redraw: Callable[[], None]) -> None:
        self._video: Any = None
        self._pictures, self._is_loading = dict[int, bytes](), False
        self._loop = shared.make(W.Checkbox, "sdn-loop", on=lambda _: redraw(), description="Loop", indent=False)
        # The slider is for pointers, because its handle has no accessible name; the box and the buttons are for everybody.
        self._slider = shared.make(W.IntSlider, "sdn-slider", min=1, readout=False, on=self._choose)
        self._box = shared.make(W.BoundedIntText, "sdn-frame", min=1, description="Frame")
        W.jslink((self._box, "value"), (self._slider, "value"))
        back = shared.button(lambda: self._step(-1), "sdn-icon", icon="step-backward", tooltip="Previous frame")
        on = shared.button(lambda: self._step(1), "sdn-icon", icon="step-forward", tooltip="Next frame")
        self._picture = shared.html("")
        self._parts = [shared.box(W.HBox, [back, on, self._box, self._slider], "sdn-tools"), self._picture]
        fold = self._fold = Fold(shared, "Look closer", self._open)
        self.widget = shared.box(W.HBox, [fold.button, self._loop, fold.box], "sdn-tools", "sdn-look", "sdn-hidden")

    def show(self, video: Video) -> Video:
        """The video with Loop as it is set; Look closer shows its frames from now on."""
        if self._video is None or video.path != self._video.path:
            self._video, self._pictures = video, {}
            toggle(self.widget, shown=bool(video.facts and video.facts.fps))
            if self._fold.is_open:
                self._open()
        return video.show(loop=self._loop.value)

    def _open(self) -> list[Any]:
        self._slider.max = self._box.max = max(1, round(self._video.facts.seconds * self._video.facts.fps))
        self._slider.value = self._box.value = 1
        self._choose(1)
        return self._parts

    def _step(self, by: int) -> None:
        self._slider.value = self._box.value = self._slider.value + by  # both keep their limits

    def _choose(self, number: int) -> None:
        if number in self._pictures:
            place = f"Frame {number} of {self._slider.max} · {(number - 1) / self._video.facts.fps:.3f} s"
            self._picture.value = piece("frame").format(data_url(self._pictures[number], "image/jpeg"), place)
        elif not self._is_loading:
            self._is_loading = True
            ENGINE.submit(self._load())

    async def _load(self) -> None:
        """Decode the frames around the chosen one, until it is there. *reads files*."""
        with reported("frames", partial(setattr, self._picture, "value")):
            while (number := self._slider.value) not in (pictures := self._pictures):
                video, facts = self._video, self._video.facts
                count = max(2, min(24, _DECODED // (3 * facts.width * facts.height)))
                numbers = range(max(1, number - count // 4), number + count)
                # In the middle of each frame, because its first moment may be rounded to the one before.
                times = [(one - 0.5) / facts.fps for one in numbers]
                decoded = asyncio.to_thread(lambda: [jpeg_of(one, 10**9, 1280) for one in frames_at(video.path, times)])  # noqa: B023 - awaited at once
                pictures.update(zip(numbers, await decoded, strict=True))
        self._is_loading = False
        if self._slider.value in self._pictures:
            self._choose(self._slider.value)


class BatchView:
    """A batch in a cell. Nothing is sent before its button is pressed, and pressed again if it costs credits."""

    def __init__(self, batch: Batch, head: Html, table: Callable[[], Html], output: Callable[..., View],
                 counts: Callable[[], Html]) -> None:  # fmt: skip
        # Called in threads: what stands below `head`, and the videos, with `pending=True` those of the future too.
        self._batch, self._make_table, self._make_output, self._make_counts = batch, table, output, counts
        self._busy = threading.Lock()  # locked from a press to its end
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
        parts = [style, top, self._table, self._status, foot, self._output.widget]
        classes, static = ("sdn", "sdn-panel", "sdn-comparison"), lambda: (repr(batch), self._table.value)
        self.widget = StaticBox(parts, shared.layout, *classes, static=static)
        self._table.value = table()
        self._show_price()

    def show(self) -> None:
        display(self.widget)
        self._output.display()

    def _show_price(self) -> bool:
        """Show what would be sent now, and its price; whether this is what was shown before."""
        before, due, total, items = self._offer, self._batch.due, self._batch.total, self._batch.items
        count, shown, new = len(due), len(items) - self._left_out, {items[at].intent for at in due}
        pairs, ended = [*zip(items, self._batch.rows(), strict=True)], (State.FAILED, State.UNKNOWN)
        stuck = sum(row is None and item.error is None and item.intent not in new for item, row in pairs)
        failed = stuck + sum(row is not None and row.state in ended for _, row in pairs)
        self._offer, videos = (count, total), f"{count} video{'s' * (count != 1)}"
        refusal = attempt(self._batch.require_budget)
        self._go.description, self._go.disabled = f"Generate {videos} · {total.text()}", not shown or bool(refusal)
        if shown and not count:
            parts = {"video": shown - failed, "error": failed}
            there = (f"{number} {noun}{'s' * (number != 1)}" for noun, number in parts.items() if number)
            self._go.description = f"Show {' and '.join(there)} · no charge"
        self._blank = f", {blank} without a prompt" if (blank := self._batch.blank_prompts) else ""
        self._yes.description = f"Really generate {videos}{f' for {total.text()}' if total.paid else ''}{self._blank}?"
        free = "Simulated: nothing is sent to a provider and nothing is charged." if shown and total.simulated else ""
        note = f"Total: {total}. You confirm once more before anything is sent." if total.paid else free
        note = " ".join([note, *self._batch.unchecked_budgets()])
        known = shown - count - stuck
        note += f" {known} of {shown} cost nothing: they have a task already, or repeat another one." * (known > 0)
        note += f" {stuck} of {shown} cannot be sent: what they continue has no video." * (stuck > 0)
        note += f" {self._left_out} left out: see the problems." if self._left_out else ""
        self._note.value = failed_html(refusal) if refusal else escape(note.strip())
        return before == self._offer and not refusal

    def _press(self) -> None:
        if self._busy.locked() or self._first_press_at is not None:
            return
        if not self._show_price():
            self._report(piece("changed"))
        elif self._offer[1].paid or self._blank:
            self._show_buttons(asking=True)
        else:
            self._start()

    def _confirm(self) -> None:
        if self._first_press_at is not None and time.monotonic() - self._first_press_at >= PAUSE_S:
            self._start()

    def _start(self) -> None:
        if not self._busy.acquire(blocking=False):
            return
        self._show_buttons(asking=False)
        self._go.disabled, self._note.value = True, ""
        ENGINE.submit(self._generate(self._batch.reset()))

    def _show_buttons(self, *, asking: bool) -> None:
        self._first_press_at = time.monotonic() if asking else None
        toggle(self._go, shown=not asking)
        toggle(self._yes, shown=asking)
        toggle(self._cancel, shown=asking)

    async def _generate(self, run: Run) -> None:
        try:
            with reported("batch", self._report):
                await self._follow(asyncio.ensure_future(self._batch.perform(run, interactive=True)))
                await asyncio.to_thread(self._show_price)
        finally:
            toggle(self._stop, shown=False)
            self._go.disabled = False
            self._busy.release()

    async def _follow(self, work: asyncio.Future[None]) -> None:
        shown, due_at, pause = -1, -math.inf, _UPDATE_S / 10
        while True:
            await asyncio.wait([work], timeout=pause)
            pause = _UPDATE_S
            if is_over := work.done():
                work.result()
            done, now = sum(one is not None for one in self._batch.results), time.monotonic()
            toggle(self._stop, shown=None in self._batch.tasks and not self._batch.current.is_stopped)
            self._table.value = await asyncio.to_thread(self._make_table)
            self._report(self._make_counts())
            if done > shown and (is_over or now >= due_at):
                # The more videos there are, the rarer: each update sends them all and stops those that play.
                shown, due_at = done, now + max(_UPDATE_S, _UPDATE_S * done / 10)
                self._output.update(await asyncio.to_thread(self._make_output))
                if not is_over:  # a page that is reloaded now gets no updates, so it names the future files
                    self._output.update(await asyncio.to_thread(self._make_output, pending=True), live=False)
            if is_over:
                return
