"""The buttons below a panel's fields: Show code, Undo and Reset."""

import asyncio
import time
from typing import Any

import ipywidgets as W  # noqa: N812

from seedance_nb._base.html import Html
from seedance_nb._base.log import log_unexpected
from seedance_nb._form.controls.base import Fold, WidgetFactory
from seedance_nb._form.form import Form
from seedance_nb._task.engine import ENGINE


class Toolbar:
    """Show code (created when opened, then updated), Undo and Reset; after Undo the form must be unchanged for `settle_s` seconds."""

    def __init__(self, form: Form, shared: WidgetFactory, settle_s: float) -> None:
        self._form, self._settle_s = form, settle_s
        self._code = shared.html("", "sdn-code")
        self._fold = Fold(shared, "Show code", self._current_code)
        undo: dict[str, Any] = {"description": "Undo", "icon": "undo", "disabled": True}
        self._undo = shared.button(lambda: ENGINE.submit(self._undo_last()), "sdn-tool", **undo)
        self._reset = shared.button(form.reset, "sdn-tool", description="Reset", icon="eraser")
        row = shared.box(W.HBox, [self._fold.button, self._undo, self._reset], "sdn-tools")
        self.widget = shared.box(W.VBox, [row, self._fold.box], "sdn-below")

    def changed(self) -> None:
        """Update the buttons and the code after a change of the form."""
        self._undo.disabled = not self._form.history
        if self._fold.is_open:
            self._current_code()

    def _current_code(self) -> list[Any]:
        self._code.value = code_html(self._form)
        return [self._code]

    async def _undo_last(self) -> None:
        try:
            await until_unchanged(self._form, self._settle_s)
            self._form.undo()
            if self._undo.disabled:  # a disabled button loses the focus
                self._reset.focus()
        except Exception as error:  # noqa: BLE001 - on the engine's thread it would be seen nowhere
            log_unexpected("undo", error)


async def until_unchanged(form: Form, settle_s: float) -> None:
    """Wait until a form has not changed for `settle_s` seconds: a click may arrive before the last values from the browser."""
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
