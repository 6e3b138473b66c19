"""The buttons below a panel's fields: Show code, Undo and Reset."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle

from seedance_nb._base.html import Html
from seedance_nb._base.log import log_unexpected
from seedance_nb._form.controls.base import WidgetFactory, toggle
from seedance_nb._form.form import Form
from seedance_nb._task.engine import ENGINE


class Toolbar:
    """Show code, Undo and Reset. The code is created when it is first opened, and follows the form while it is open.

    `settle_s` is how long the form must rest after Undo is pressed, in seconds.
    """

    def __init__(self, form: Form, shared: WidgetFactory, settle_s: float) -> None:
        self._form, self._shared, self._settle_s = form, shared, settle_s
        self._view: Any = None
        self._open = False
        self._fold = self._button("Show code", "caret-right", self._toggle_code)
        self._undo = self._button("Undo", "undo", lambda: ENGINE.submit(self._undo_last()), disabled=True)
        reset = self._button("Reset", "eraser", form.reset)
        self._row = shared.box(W.HBox, [self._fold, self._undo, reset], "sdn-tools")
        self.widget = shared.box(W.VBox, [self._row], "sdn-below")

    def changed(self) -> None:
        """Update the buttons and the code after a change of the form."""
        self._undo.disabled = not self._form.history
        if self._open:
            self._view.value = code_html(self._form)

    def _button(self, name: str, icon: str, act: Callable[[], Any], **traits: Any) -> Any:
        button = self._shared.make(W.Button, ButtonStyle, "sdn-tool", description=name, icon=icon, **traits)
        button.on_click(lambda _: act())
        return button

    def _toggle_code(self) -> None:
        self._open = not self._open
        self._fold.icon = "caret-down" if self._open else "caret-right"
        if self._view is None:
            self._view = self._shared.html("", "sdn-code")
            self.widget.children = [self._row, self._view]
        toggle(self._view, shown=self._open)
        self.changed()

    async def _undo_last(self) -> None:
        try:
            await rest(self._form, self._settle_s)
            self._form.undo()
        except Exception as error:  # noqa: BLE001 - on the engine's thread it would be seen nowhere
            log_unexpected("undo", error)


async def rest(form: Form, settle_s: float) -> None:
    """Wait until a form has not changed for so many seconds, because a click overtakes values still in the browser."""
    clicked = time.monotonic()
    while time.monotonic() - max(clicked, form.last_change) < settle_s:
        await asyncio.sleep(0.05)


def code_html(form: Form) -> Html:
    """The form's request as Python and as a curl command, or the reason why not. *reads files*."""
    try:
        python, curl = form.to_python(), form.to_curl()
    except ValueError as error:
        return Html('<div class="sdn-error">These values have no code: {}.</div>').format(error)
    snippet = Html('<div class="sdn-dim">{}</div><pre tabindex="0">{}</pre>')
    note = f"calls {form.spec.provider} directly and is billed" if form.spec.task else "for a POSIX shell"
    return snippet.format("Python", python) + snippet.format(f"curl ({note})", curl)
