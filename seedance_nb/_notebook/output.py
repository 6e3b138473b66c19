"""The videos of a cell, shown twice and seen once: in a widget while its kernel lives, and as a static output that stays."""

import secrets
from dataclasses import replace

import ipywidgets as W  # noqa: N812
from IPython.display import DisplayHandle, display

from seedance_nb._base.html import DIM, FONT, Html
from seedance_nb._form.controls.base import WidgetFactory
from seedance_nb._task.display.player import View

_STATIC = Html(
    "<style>.jp-OutputArea:has(.{0}) .jp-OutputArea-output.lm-Panel:not(:has(*)){{display:none}}</style>"
    '<div class="{0}">{1}</div>'
)
"""The static output; without a kernel it hides the words that JupyterLab shows in place of the widget."""
_HIDE = Html(
    "<style>.jp-OutputArea:has(.{0}-live:not(.jupyter-widgets-disconnected)) .{0},"
    ".jp-OutputArea:has(.{0}-live video,.{0}-live img) .{0}:not(:has(video,img)),"
    ".jp-OutputArea:has(.{0} video,.{0} img) .{0}-live.jupyter-widgets-disconnected{{display:none}}</style>"
)
"""Hides the static output while the widget has a kernel or the only videos, and otherwise a widget without a kernel."""
_EMPTY = Html('<div style="{};{}">This page has no video of this cell. <code>sd.tasks()</code> lists all videos.</div>')


class VideoOutput:
    """Videos as a widget, and as a static output that it hides while its kernel lives: Voila and reloaded pages update only widgets."""

    def __init__(self, shared: WidgetFactory) -> None:
        self._class = f"sdn-static-{secrets.token_hex(4)}"
        self._handle: DisplayHandle | None = None
        style = shared.html(_HIDE.format(self._class))
        # The output widget resolves a relative `src` as the notebook does; an HTML widget would not.
        self._videos = W.Output()
        self.widget = shared.box(W.VBox, [style, self._videos], "sdn-videos", f"{self._class}-live")

    def display(self) -> None:
        """Display the static output, without a video, in the running cell. Call it once, after the widget is displayed."""
        # Created now, so that it belongs to this cell; a thread may update it later but must never display by itself.
        self._handle = display(self._static(View(html=_EMPTY.format(FONT, DIM))), raw=True, display_id=True)

    def update(self, view: View, *, live: bool = True) -> None:
        """Show a view; with `live` False in the static output only, for what a page must already have when it is reloaded."""
        if self._handle is not None:
            self._handle.update(self._static(view), raw=True)
        if live:
            data = replace(view, jpeg=b"").bundle  # a page with widgets has no use for it
            self._videos.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)

    def _static(self, view: View) -> dict[str, str]:
        return replace(view, html=_STATIC.format(self._class, view.html)).bundle
