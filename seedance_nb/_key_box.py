"""A box for a key that empties itself: what is typed there is taken out of the widget in the same callback."""

from collections.abc import Callable
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_string import TextStyle
from traitlets import Unicode

from seedance_nb._controls import Shared, toggle
from seedance_nb._errors import SeedanceError
from seedance_nb._keys import Secret
from seedance_nb._log import unexpected
from seedance_nb._markup import escaped
from seedance_nb._sources import enter
from seedance_nb._spec import Spec


class KeyBox:
    """A button "Use a key", and the box that it opens. The key is held by this process only; the panel itself never becomes a paid one.

    `free` says whether a key may come now.
    """

    def __init__(self, spec: Spec, shared: Shared, free: Callable[[], bool]) -> None:
        self._spec, self._shared, self._free = spec, shared, free
        self._open = shared.button(self._show, "sdn-tool", description="Use a key", icon="key")
        self._box: Any = None
        self._said: Any = None
        self.widget = shared.box(W.HBox, [self._open], "sdn-tools", "sdn-keys")

    def _show(self) -> None:
        if self._box is None:
            self._box = self._shared.make(
                _Emptied, TextStyle, "sdn-keybox", continuous_update=False,
                placeholder=f"Key for {self._spec.provider}, then Enter", tooltip=f"Key for {self._spec.provider}",
            )  # fmt: skip
            self._said = self._shared.html("", "sdn-dim")
            self._box.observe(self._took, "value")
            self.widget.children = [self._open, self._box, self._said]
        toggle(self._box, shown=True)
        self._box.focus()

    def _took(self, change: Any) -> None:
        # No error may leave this function: IPython shows the variables of one, and `change` is one of them.
        if not change["new"]:
            return
        secret = Secret(change["new"], "the panel's box")
        try:
            self._box.value = ""
            self._say(self._taken(secret))
        except Exception as error:  # noqa: BLE001 - see above
            unexpected("key", error)

    def _taken(self, secret: Secret) -> str:
        if not self._free():
            return "Something is being sent just now, so the key was not taken. Type it again once that is done."
        problem = ""
        try:
            enter(self._spec, secret)
        except SeedanceError as error:
            problem = str(error)
        if problem:
            return problem
        toggle(self._box, shown=False)
        toggle(self._open, shown=False)
        return (
            f"The key for {self._spec.provider} is held by this kernel until it ends, and stands in no file. This panel was "
            "made for the simulator and sends nothing any more: run its cell again, and the new one says what a video costs."
        )

    def _say(self, text: str) -> None:
        self._said.value = f'<span role="status">{escaped(text)}</span>'


class _Emptied(W.Password):  # type: ignore[misc]
    """A password box whose value is never said back to the browsers that look at the notebook."""

    value = Unicode("").tag(sync=True, echo_update=False)
