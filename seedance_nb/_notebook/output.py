"""The videos of a cell, shown twice and seen once: in a widget while its kernel lives, and as a static output that stays."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import ipywidgets as W  # noqa: N812
from IPython.display import DisplayHandle, display

from seedance_nb._base.html import DIM, FONT, Html, piece
from seedance_nb._form.controls.base import Fold, WidgetFactory, toggle
from seedance_nb._media.frames import frames_at
from seedance_nb._notebook.status import reported
from seedance_nb._task.display.player import View, data_url, jpeg_of
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE

_EMPTY = Html('<div style="{};{}">This page has no video of this cell. <code>sd.tasks()</code> lists all videos.</div>')
_FRAME = Html('<img src="{}" alt="{}" style="width:100%;border-radius:8px"><div class="sdn-dim">{}</div>')
_DECODED = 64_000_000  # bytes of images in memory while frames are decoded


class VideoOutput:
    """Videos as a widget, and as a static output that it hides while its kernel lives: Voila and reloaded pages update only widgets."""

    def __init__(self, shared: WidgetFactory) -> None:
        self._class = f"sdn-static-{secrets.token_hex(4)}"
        self._handle: DisplayHandle | None = None
        self.latest = View(html=_EMPTY.format(FONT, DIM)), False
        style = shared.html(piece("live").format(self._class))
        # The output widget resolves a relative `src` as the notebook does; an HTML widget would not.
        self._videos = W.Output()
        self.widget = shared.box(W.VBox, [style, self._videos], "sdn-videos", f"{self._class}-live")

    def display(self) -> None:
        """Display the static output in the running cell, after the widget."""
        # Created now, so that it belongs to this cell; a thread may update it later but must never display by itself.
        self._handle = display(self._static(self.latest[0]), raw=True, display_id=True)

    def update(self, view: View, live: bool = True) -> None:
        """Show a view; with `live` False in the static output only, for what a page must already have when it is reloaded."""
        self.latest = view, live
        if self._handle is not None:
            self._handle.update(self._static(view), raw=True)
        if live:
            data = replace(view, jpeg=b"").bundle  # a page with widgets has no use for it
            self._videos.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)

    def _static(self, view: View) -> dict[str, str]:
        return replace(view, html=piece("static").format(self._class, view.html)).bundle


class FrameViewer:
    """Below a video: Loop, and Look closer, which shows its frames one by one. Hidden until `show`."""

    def __init__(self, shared: WidgetFactory, redraw: Callable[[], None]) -> None:
        self._video: Any = None
        self._pictures, self._is_loading = dict[int, bytes](), False
        loop: Any = {"description": "Loop", "indent": False, "value": False}
        self._loop = shared.make(W.Checkbox, "sdn-loop", on=lambda _: redraw(), **loop)
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
            self._picture.value = _FRAME.format(data_url(self._pictures[number], "image/jpeg"), place, place)
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
