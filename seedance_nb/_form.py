"""A form for one document: the tree of fields in widgets. What it shows is what is sent; nothing is clamped or trimmed."""

import copy
import html
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import ipywidgets as W  # noqa: N812
from ipywidgets.widgets.widget_button import ButtonStyle

from seedance_nb._check import check, place
from seedance_nb._controls import ChoiceControl, Control, NumberControl, Shared, TextControl, ToggleControl
from seedance_nb._curl import read_values
from seedance_nb._display import sent_html
from seedance_nb._fields import Field, leaves, tree
from seedance_nb._helper import Helper
from seedance_nb._history import History, typed_at
from seedance_nb._labels import clause
from seedance_nb._lists import ListControl
from seedance_nb._portable import Portable
from seedance_nb._spec import Spec
from seedance_nb._upstream import warnings
from seedance_nb._values import Problem, find, join, json_text, put

_LOG = logging.getLogger("seedance_nb")
_KINDS: dict[str, type[Control]] = {
    "prose": TextControl, "text": TextControl, "json": TextControl, "choice": ChoiceControl, "toggle": ToggleControl,
    "integer": NumberControl, "number": NumberControl, "list": ListControl,
}  # fmt: skip
_KNOWN = {
    "example": "The provider's page shows examples and no limits. Limits from elsewhere are marked so; they warn and stop nothing.",
    "prose": "Limits that are not on the provider's page are marked as from elsewhere; they warn and stop nothing.",
}
# Problems that are worth saying while a person still types; the others wait until the field is left.
_AT_ONCE = ("maxLength", "x-placeholders")


class Form(Portable):
    """A document's request as a form. Show it in a cell, read `values`, or set them; no task is ever made by it.

    `helper` lets media fields send files to the provider, on a press of their own button.
    `problems` is everything that is wrong now, also what is not shown yet because nobody has been at the field.
    `history` holds the changes that `undo` can take back.
    """

    def __init__(self, spec: Spec, helper: Helper | None = None) -> None:
        self.spec = spec
        self._helper = helper
        self.last_change = 0.0
        self.history = History()
        self._shared = Shared()
        self._lock = threading.RLock()
        self._start = place(spec, {})
        self._values = copy.deepcopy(self._start)
        self._touched: set[str] = set()
        self._found: tuple[tuple[Problem, Any], ...] = ()
        self._observers: list[Callable[[dict[str, Any]], None]] = []
        fields = leaves(tree(spec))
        self._controls: dict[str, Control] = {}
        self._later = [field for field in fields if field.advanced]
        shown = [self._control(field) for field in fields if not field.advanced]
        self._fold = self._shared.make(W.Button, ButtonStyle, "sdn-fold", description="Advanced", icon="caret-right")
        self._fold.on_click(lambda _: self.open_advanced())
        self._summary = self._shared.html("", "sdn-summary")
        self._style = self._shared.html(f"<style>{css()}</style>", "sdn-style")
        known = [self._shared.html(html.escape(_KNOWN[spec.evidence]), "sdn-known")] if spec.evidence in _KNOWN else []
        parts = [self._style, *known, *shown, *([self._fold] if self._later else []), self._summary]
        self.widget = _Root(self, parts, self._shared.layout)
        self._refresh()

    @property
    def values(self) -> dict[str, Any]:
        """The request body as it stands: only what somebody chose and what the document needs."""
        with self._lock:
            return copy.deepcopy(self._values)

    @values.setter
    def values(self, given: dict[str, Any] | str) -> None:
        """Takes a body, or fields by their own names, as a dict, JSON text or a curl command. Raises: ValueError for others."""
        body = read_values(given) if isinstance(given, str) else given
        if not isinstance(body, dict):
            msg = "values are an object: a request body, or fields by their names"
            raise ValueError(msg)  # noqa: TRY004 - the same error as for a text that is not JSON
        placed = place(self.spec, body)  # a copy of its own
        faults = [problem for problem in check(self.spec, placed) if problem.rule == "json"]
        if faults:
            raise ValueError("; ".join(str(fault) for fault in faults))
        with self._lock:
            if repr(placed) != repr(self._values):
                self.history.note(self._values)
            self._values = placed
            self._touched = set()
            for path, control in self._controls.items():
                control.show(find(self._values, path))
            self._refresh()
        self._tell()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with `values`; what refuses first, then warnings. *pure*."""
        with self._lock:
            return self._problems()

    def observe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Calls `callback` with the new values after every change."""
        self._observers.append(callback)

    def reset(self) -> None:
        """Makes every field untouched again."""
        self.values = {}

    def undo(self) -> bool:
        """Takes back the last change; a burst of typing is one. False if there is none left."""
        with self._lock:
            before, was = self._values, self.history.back()
            if was is None:
                return False
            self._values = was
            for path, control in self._controls.items():
                if repr(find(before, path)) != repr(find(was, path)):
                    control.show(find(was, path))
            self._refresh()
        self._tell()
        return True

    def validate(self) -> tuple[Problem, ...]:
        """The problems that stop a request; these and the warnings are now shown, each at its field."""
        with self._lock:
            problems = self._problems()
            self._touched |= {problem.path for problem in problems}
            if any(problem.path.startswith(join(field.path)) for problem in problems for field in self._later):
                self.open_advanced()
            self._refresh()
            return tuple(problem for problem in problems if not problem.warns)

    def tell(self, problems: Sequence[Problem]) -> None:
        """Shows what somebody else found in these values, each at its field until the value there changes."""
        with self._lock:
            self._found = tuple((problem, find(self._values, problem.path)) for problem in problems)
            self._touched |= {problem.path for problem in problems}
            self._refresh()

    def _problems(self) -> tuple[Problem, ...]:
        still = tuple(problem for problem, was in self._found if find(self._values, problem.path) == was)
        return check(self.spec, self._values) + warnings(self.spec, self._values) + still

    def open_advanced(self) -> None:
        """Makes and shows the fields that stand apart: deprecated ones and those a notebook has little use for."""
        with self._lock:
            later, self._later = self._later, []
            if not later:
                return
            made = [self._control(field) for field in later]
            for field in later:
                control = self._controls[join(field.path)]
                control.show(find(self._values, join(field.path)))
                control.say(())
            notes = "; ".join(f"{field.label}: {field.advanced}" for field in later)
            head = self._shared.html(f'<span class="sdn-dim">{html.escape(notes)}</span>', "sdn-fold-note")
            children = list(self.widget.children)
            place_of = children.index(self._fold)
            self.widget.children = [*children[:place_of], head, *made, *children[place_of + 1 :]]

    def _control(self, field: Field) -> Any:
        path = join(field.path)
        control = self._controls[path] = _KINDS[field.kind](field, self._shared, lambda: self._took(path))
        if isinstance(control, ListControl) and self._helper is not None:
            control.offer(self._helper)
        return control.widget

    def _took(self, path: str) -> None:
        with self._lock:
            self.last_change = time.monotonic()
            control = self._controls[path]
            pressed = control.field.kind in ("choice", "toggle")
            self.history.note(self._values, "" if pressed else typed_at(path, find(self._values, path), control.value))
            self._values = place(self.spec, put(self._values, control.field.path, control.value))
            if not control.live:
                self._touched.add(path)
            if isinstance(control, ListControl) and control.last_edited:
                self._touched.add(join(control.last_edited))
            self._refresh()
        self._tell()

    def _tell(self) -> None:
        for callback in self._observers:
            try:
                callback(self.values)
            except Exception:  # noqa: BLE001 - raised into a widget's callback it would be seen nowhere
                _LOG.exception("an observer of a form")

    def _refresh(self) -> None:
        problems = self._problems()
        shown = [p for p in problems if self._touched & {p.path, *p.others} or p.rule in _AT_ONCE]
        for path, control in self._controls.items():
            control.say(tuple(p for p in shown if p.path == path or p.path.startswith(f"{path}/")))
        placed = [p for p in shown if any(p.path == path or p.path.startswith(f"{path}/") for path in self._controls)]
        rest = [p for p in shown if p not in placed]
        text = _summary_html([p for p in placed if not p.warns and p.rule != "server"], rest)
        if self._summary.value != text:
            self._summary.value = text

    def __repr__(self) -> str:
        return f"Form for {self.spec.name}: {json_text(self.values)}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = self.widget._repr_mimebundle_(**options)
        return bundle


class _Root(W.VBox):  # type: ignore[misc]
    """The form's box; for viewers without widgets it is the request as text."""

    def __init__(self, form: Form, children: list[Any], layout: Any) -> None:
        super().__init__(children, layout=layout, _dom_classes=["widget-box", "sdn", "sdn-form"])
        self._form = form

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**options) or {})
        bundle["text/plain"] = repr(self._form)
        bundle["text/html"] = sent_html(json_text(self._form.values))
        return bundle


def _summary_html(placed: list[Problem], rest: list[Problem]) -> str:
    rest = [p for p in rest if not p.warns]
    lines = "".join(f"<li>{html.escape(p.field)}: {html.escape(clause(p))}</li>" for p in rest)
    total = len(placed) + len(rest)
    if not total:
        return ""
    count = "1 field needs a change" if total == 1 else f"{total} things need a change"
    return f'<div class="sdn-error" role="status">{count} before this can be sent.<ul>{lines}</ul></div>'


@cache
def css() -> str:
    """The style of forms and panels. *reads files*."""
    return (files("seedance_nb") / "static" / "form.css").read_text(encoding="utf-8")
