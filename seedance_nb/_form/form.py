"""A form for one document: the tree of fields in widgets. What it shows is what is sent; nothing is clamped or trimmed."""

import copy
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from seedance_nb._base.html import Html, escape, request_html
from seedance_nb._base.log import LOG
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import find, json_text, read_json, to_pointer
from seedance_nb._check.advisory import warnings
from seedance_nb._check.check import check
from seedance_nb._document.spec import Spec
from seedance_nb._form.controls.base import Change, StaticBox
from seedance_nb._form.controls.registry import shared_models
from seedance_nb._form.exchange.curl import read_values
from seedance_nb._form.exchange.presets import load_preset, save_preset
from seedance_nb._form.exchange.snippets import to_curl, to_python
from seedance_nb._form.labels import labels_of
from seedance_nb._form.layout import FormLayout
from seedance_nb._form.model.fields import tree
from seedance_nb._form.model.history import UndoHistory, typed_at
from seedance_nb._form.model.secrets import masked
from seedance_nb._form.model.values import as_given, initial_values, moved
from seedance_nb._form.summary import Summary
from seedance_nb._form.uploads import Uploads

_EVIDENCE = {
    "example": "{} does not document limits for this model. The ones shown come from other sources: you get a warning but can still send.",
    "prose": "Limits that {} does not document come from other sources and say so: you get a warning but can still send.",
}
# Problems that are shown while a person still types; the others wait until the field is left.
_AT_ONCE = ("maxLength", "x-placeholders")


class Form:
    """A document's request as a form. Show it in a cell, read `values`, or set them; no task is ever made by it.

    `uploads` lets media fields send files to the provider, on a press of their own button.
    `problems` is everything that is wrong now, also what is not shown yet because nobody has been at the field.
    `history` holds the changes that `undo` can take back.
    """

    def __init__(self, spec: Spec, uploads: Uploads | None = None) -> None:
        self.spec = spec
        self.last_change = 0.0
        self.history = UndoHistory()
        self._shared = shared_models()
        self._shared.uploads = uploads
        self._lock = threading.RLock()
        self._start = initial_values(spec)
        self._values: Any = copy.deepcopy(self._start)
        self._touched: set[str] = set()
        self._checked: tuple[Problem, ...] | None = None
        self._found: tuple[tuple[Problem, Any], ...] = ()
        self._observers: list[Callable[[dict[str, Any]], None]] = []
        self._root = tree(spec)
        self._board = FormLayout(self._root, self._shared, self._start, labels_of(spec), self._took)
        self._controls = self._board.controls
        self._fold = self._shared.button(self.open_advanced, "sdn-fold", description="Advanced", icon="caret-right")
        self._summary = Summary(self._shared, labels_of(spec), self._go)
        style = self._shared.html(css(), "sdn-style")
        notice = escape(_EVIDENCE.get(spec.evidence, "").format(spec.provider or "the provider"))
        known = [self._shared.html(notice, "sdn-known")] if notice else []
        fold = [self._fold] if self._board.later else []
        parts = [style, *known, *self._board.widgets, *fold, self._summary.widget]
        self.widget = StaticBox(
            parts, self._shared.layout, "sdn", "sdn-form",
            static=lambda: (repr(self), request_html(json_text(self.shown()))),
        )  # fmt: skip
        self._refresh()

    @property
    def values(self) -> dict[str, Any]:
        """The request body as it stands: only what somebody chose and what the document needs."""
        with self._lock:
            return copy.deepcopy(self._values)

    @values.setter
    def values(self, given: dict[str, Any] | str) -> None:
        """Takes a body as it stands, or fields by their own names, as a dict, JSON text or a curl command. Raises: ValueError for others."""
        is_object = self._root.kind in ("group", "object", "map")
        body = given if not isinstance(given, str) else read_values(given) if is_object else read_json(given)
        if not isinstance(body, dict) and is_object:
            msg = "values are an object: a request body, or fields by their names"
            raise ValueError(msg)
        placed = as_given(self.spec, body)  # a copy of its own
        checked = check(self.spec, placed)
        if faults := [problem for problem in checked if problem.rule == "json"]:
            raise ValueError("; ".join(str(fault) for fault in faults))
        with self._lock:
            if repr(placed) != repr(self._values):
                self.history.note(self._values)
            self._values, self._checked = placed, checked + warnings(self.spec, placed)
            self._touched = set()
            with self._board.together():  # what a control shows and what its label says travel as one message
                self._board.show(self._values)
                self._refresh()
        self._tell()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong with `values`; what refuses first, then warnings. *pure*."""
        with self._lock:
            return self._problems()

    @property
    def is_valid(self) -> bool:
        """Whether the document allows `values`, whatever a provider or a file behind an address says of them. *pure*."""
        with self._lock:
            return all(problem.warns for problem in self._check())

    def shown(self) -> dict[str, Any]:
        """The values as they may stand in a notebook: secrets are left out."""
        with self._lock:
            made: dict[str, Any] = masked(self.spec, self.values)
            return made

    def to_curl(self) -> str:
        """A curl command for this request; the shell fills in the key from its variable. *pure*.

        Raises: ValueError for what JSON cannot carry.
        """
        return to_curl(self.spec, self.values)

    def to_python(self) -> str:
        """Python that makes this request with `sd.generate`. *reads files*. Raises: ValueError for what JSON cannot carry."""
        return to_python(self.spec, self.values)

    def save(self, path: str | Path) -> Path:
        """Where the values lie now, as a preset: the document's name and the values, never a key. *writes files*.

        Raises: SeedanceError where it cannot be written, or would replace a file that is no preset.
        """
        return save_preset(path, self.spec, self.values)

    def load(self, path: str | Path) -> None:
        """Sets the values of a preset. *reads files*.

        Raises: SeedanceError for a file that is no preset, or one of another document; ValueError.
        """
        self.values = load_preset(path, self.spec)

    def observe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Calls `callback` with the new values after every change."""
        self._observers.append(callback)

    def reset(self) -> None:
        """Makes every field untouched again."""
        self.values = json_text(self._start)

    def undo(self) -> bool:
        """Takes back the last change; a burst of typing is one. False if there is none left."""
        with self._lock:
            before, was = self._values, self.history.back()
            if was is None:
                return False
            self._values, self._checked = was, None
            self._board.follow(was)
            for path, control in list(self._controls.items()):
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
            self._summary.asked = True
            self._open_for(problem.path for problem in problems)
            self._refresh()
            return tuple(problem for problem in problems if not problem.warns)

    def tell(self, problems: Sequence[Problem]) -> None:
        """Shows what somebody else found in these values, each at its field until the value there changes."""
        with self._lock:
            self._found = tuple((problem, find(self._values, problem.path)) for problem in problems)
            self._touched |= {problem.path for problem in problems}
            self._refresh()

    def _check(self) -> tuple[Problem, ...]:
        """What the document says of `values`: once per change, because a check takes longer than all else that follows one."""
        if self._checked is None:
            self._checked = check(self.spec, self._values) + warnings(self.spec, self._values)
        return self._checked

    def _problems(self) -> tuple[Problem, ...]:
        still = tuple(problem for problem, was in self._found if find(self._values, problem.path) == was)
        return self._board.refined(self._check()) + still

    def open_advanced(self) -> None:
        """Makes and shows the fields that stand apart: deprecated ones and those a notebook has little use for."""
        with self._lock:
            later, made = self._board.open_later()
            if not later:
                return
            notes = "; ".join(f"{field.label}: {field.advanced}" for field in later)
            head = self._shared.html(Html('<span class="sdn-dim">{}</span>').format(notes), "sdn-fold-note")
            children = list(self.widget.children)
            place_of = children.index(self._fold)
            self.widget.children = [*children[:place_of], head, *made, *children[place_of + 1 :]]

    def _took(self, path: str, change: Change) -> None:
        with self._lock:
            self.last_change = time.monotonic()
            was, control = self._values, self._controls[path]
            self._values, self._checked = self._board.put(self._values, path), None
            here = path + to_pointer(change.path)
            pressed = control.field.kind in ("choice", "toggle")
            self.history.note(was, "" if pressed else typed_at(here, find(was, here), find(self._values, here)))
            if change.order is not None:
                self._touched = moved(self._touched, here, change.order)
            if not change.live:
                self._touched |= {path, here}
            self._board.follow(self._values)
            self._refresh()
        self._tell()

    def _go(self, path: str) -> None:
        self._open_for((path,))
        self._board.focus(path)

    def _open_for(self, paths: Iterable[str]) -> None:
        if any(path.startswith(to_pointer(field.path)) for path in paths for field in self._board.later):
            self.open_advanced()

    def _tell(self) -> None:
        for callback in self._observers:
            try:
                callback(self.values)
            except Exception:  # noqa: BLE001 - raised into a widget's callback it would be seen nowhere
                LOG.exception("an observer of a form")

    def _refresh(self) -> None:
        problems = self._problems()
        shown = [p for p in problems if self._touched & {p.path, *p.others} or p.rule in _AT_ONCE]
        buttons = self._summary.say(*self._board.say(shown))
        if buttons is not None:
            self.widget.children = [*self.widget.children, buttons]

    def __repr__(self) -> str:
        return f"Form for {self.spec.name}: {json_text(self.shown())}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return self.widget._repr_mimebundle_(**options)


@cache
def css() -> Html:
    """The style of forms and panels. *reads files*."""
    text = (files("seedance_nb") / "static" / "form.css").read_text(encoding="utf-8")
    return Html("<style>{}</style>").format(Html(text))  # noqa: S704 - a file of our own
