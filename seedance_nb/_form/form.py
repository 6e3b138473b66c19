"""The form for one model's request. What it shows is what is sent; nothing is clamped or trimmed."""

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import ipywidgets as W  # noqa: N812 - the name its own documentation uses

from seedance_nb._base.faults import LOG
from seedance_nb._base.html import Html, escape, request_html
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, find, json_text, to_path, to_pointer
from seedance_nb._check.check import build_body, check, masked, warnings
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec
from seedance_nb._form import exchange
from seedance_nb._form.controls import scalars
from seedance_nb._form.controls.base import Change, Control, OnChange, StaticBox, WidgetFactory
from seedance_nb._form.controls.entries import ItemsControl, MapControl
from seedance_nb._form.controls.objects import GroupControl, ObjectControl
from seedance_nb._form.controls.text_list import ListControl
from seedance_nb._form.labels import help_html, in_words, labels_of, sentence
from seedance_nb._form.model.fields import Field, tree
from seedance_nb._form.model.values import UndoHistory, body_of, moved_paths
from seedance_nb._provider.account import Account

# The rules whose problems are shown while the user types; others are shown when the field loses focus.
_AT_ONCE, _MOST_BUTTONS = ("maxLength", "x-placeholders"), 8
_KINDS: dict[str, type[Control]] = {
    **dict.fromkeys(("prose", "text", "json"), scalars.TextControl), **dict.fromkeys(("integer", "number"), scalars.NumberControl),
    **dict.fromkeys(("choice", "constant"), scalars.ChoiceControl), "toggle": scalars.ToggleControl, "password": scalars.PasswordControl,
    "list": ListControl, "group": GroupControl, "object": ObjectControl, "items": ItemsControl,
    "map": MapControl, "branches": scalars.BranchControl,
}  # fmt: skip


class Form:
    """A model's request as a form, as returned by `sd.form`. Show it in a cell, or read and set its `values`; it never sends anything.

    `spec` is the model; `history` has the changes that `undo` reverts. Media fields upload files only if `account` is given.

    >>> form = sd.form("crun/seedance-1.0-pro-t2v")
    >>> form.values = {"prompt": "A fox", "duration": "five"}
    >>> [problem.path for problem in form.problems]
    ['/input/duration']
    """

    def __init__(self, spec: Spec, account: Callable[[], Account] | None = None) -> None:
        self.spec, self._root = spec, tree(spec)
        self.last_change, self.history, self._factory = 0.0, UndoHistory(), WidgetFactory(control_for, spec, account)
        self._lock = self._factory.lock
        empty = {"list": [], "items": [], "text": "", "prose": "", "password": "", "toggle": False}
        is_built = self._root.kind in ("group", "object", "map", "branches", "json")
        self._start = build_body(spec, {}) if is_built else empty.get(self._root.kind)
        self._values: Any = copy.deepcopy(self._start)
        self._touched, self._marked = set[str](), set[str | None]()
        self._checked: tuple[Problem, ...] | None = None
        self._reports: tuple[tuple[Problem, Any], ...] = ()
        self._observers: list[Callable[[dict[str, Any]], None]] = []
        self._tree: Any = control_for(self._root, self._factory, self._on_edit)
        self._group = group = self._tree if isinstance(self._tree, GroupControl) else None
        fields = [*group.widgets, *group.add_fold()] if group else [self._tree.widget]
        self._tree.show(self._start)
        self._summary: Any = None  # created with the first problem, as the box of the jumps: each widget takes 0.1 ms
        self._jumps: dict[str, Any] = {}  # buttons that go to the field at a path
        notice = escape(packaged("_form")["evidence"].get(spec.evidence, "").format(spec.provider or "the provider"))
        groups = [one for one in (self._root, *self._root.children) if one.path in ((), spec.inputs) and one.help]
        notices = Html("<div>{}</div>").each(filter(None, [notice, *map(help_html, groups)]))
        top = self._factory.html(css() + notices, "sdn-known" if notices else "sdn-style")
        self.widget = StaticBox([top, *fields], self._factory.layout, "sdn", "sdn-form",
                                static=lambda: (repr(self), request_html(json_text(self.shown()))))  # fmt: skip

    @property
    def values(self) -> dict[str, Any]:
        """The request body: only what was set and what the schema requires. A copy: change it and assign it back.

        Assign a whole body, or fields by their names, as a dict, JSON text or a curl command.
        Raises: ValueError for anything else; the form is unchanged then.

        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> form.values = '{"prompt": "A fox"}'
        >>> form.values["input"]
        {'prompt': 'A fox'}
        """
        with self._lock:
            return copy.deepcopy(self._values)

    @values.setter
    def values(self, values: dict[str, Any] | str) -> None:
        body = exchange.read_values(values) if isinstance(values, str) else values
        if not isinstance(body, dict) and self._root.kind in ("group", "object", "map"):
            raise ValueError("values must be an object: a request body, or fields by their names")
        built = body_of(self.spec, body)  # a copy
        checked = check(self.spec, built)
        if invalid := [str(problem) for problem in checked if problem.rule == "json"]:
            raise ValueError("; ".join(invalid))
        with self._lock:
            if repr(built) != repr(self._values):
                self.history.add(self._values)
            self._values, self._checked, self._touched = built, checked + warnings(self.spec, built), set()
            with ExitStack() as stack:  # a control's value and its label are sent as one message
                for control in self._controls.values():
                    for widget in {control.widget, control.label_widget}:
                        stack.enter_context(widget.hold_sync())
                self._tree.show(built)
                for control in self._controls.values():
                    if control.field.kind == "map":  # what has no name yet is cleared too
                        control.show(control.value)
                self._refresh()
        self._notify()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with `values`, also what is not shown yet: first what refuses, then the warnings. *pure*."""
        with self._lock:
            return self._check() + tuple(one for one, value in self._reports if find(self._values, one.path) == value)

    @property
    def is_valid(self) -> bool:
        """Whether the schema allows `values`; a provider or a media file may still be refused. *pure*."""
        with self._lock:
            return all(problem.warns for problem in self._check())

    def shown(self) -> dict[str, Any]:
        """The values as shown in a notebook: secrets are hidden. *pure*."""
        return cast("dict[str, Any]", masked(self.spec.body, self.values))

    def to_curl(self) -> str:
        """The request as a curl command; the shell fills in the key. *pure*. Raises: ValueError for values that JSON does not allow.

        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> form.to_curl().partition(" ")[0]
        'curl'
        """
        return exchange.to_curl(self.spec, self.values)

    def to_python(self) -> str:
        """The request as Python code that calls `sd.generate`. *reads files*. Raises: ValueError unless it is a JSON object.

        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> form.values = {"prompt": "A fox"}
        >>> form.to_python().splitlines()[-1]
        "video = sd.generate('crun/seedance-1.0-pro-t2v', prompt='A fox')"
        """
        return exchange.to_python(self.spec, self.values)

    def save(self, path: str | Path) -> Path:
        """Save the values as a preset: the model's name and the values, without keys and secrets. *writes files*.

        The parameters:
          path: the file, replaced if it is a preset.
        Returns: the file's path.
        Raises: SeedanceError where it cannot be written, or would replace a file that is not a preset.

        >>> import pathlib, tempfile
        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = form.save(pathlib.Path(folder) / "fox.json")
        ...     form.load(file)
        """
        return exchange.save_preset(path, self.spec, self.values)

    def load(self, path: str | Path) -> None:
        """Set the values of a preset. *reads files*.

        The parameters:
          path: a file that `save` wrote.
        Raises: SeedanceError for a file that is not a preset or is for another model; ValueError as for `values`.
        """
        self.values = exchange.load_preset(path, self.spec)

    def observe(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call `callback` with the new values after every change; its exceptions are logged.

        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> form.observe(lambda values: print(values["input"]))
        >>> form.values = {"prompt": "A fox"}
        {'prompt': 'A fox'}
        """
        self._observers.append(callback)

    def reset(self) -> None:
        """Clear every field, as one change that `undo` reverts."""
        self.values = json_text(self._start)

    def undo(self) -> bool:
        """Revert the last change; a burst of typing is one change. Returns: whether there was a change.

        >>> form = sd.form("crun/seedance-1.0-pro-t2v")
        >>> form.values = {"prompt": "A fox"}
        >>> form.undo(), form.undo()
        (True, False)
        """
        with self._lock:
            if (previous := self.history.back()) is None:
                return False
            self._values, self._checked = previous, None
            self._tree.show(previous)
            self._refresh()
        self._notify()
        return True

    def validate(self) -> tuple[Problem, ...]:
        """Show all problems and warnings, each at its field. Returns: the problems that prevent sending."""
        with self._lock:
            problems = self.problems
            self._touched |= {problem.path for problem in problems}
            self._open_for(problem.path for problem in problems)
            self._refresh()
            return tuple(problem for problem in problems if not problem.warns)

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show problems from other sources, such as the provider, each at its field until the value there changes."""
        with self._lock:
            self._reports = tuple((problem, find(self._values, problem.path)) for problem in problems)
            self._touched |= {problem.path for problem in problems}
            self._refresh()

    def _check(self) -> tuple[Problem, ...]:
        """The problems that the schema finds, cached until the next change: a check takes longer than everything else."""
        if self._checked is None:
            self._checked = check(self.spec, self._values) + warnings(self.spec, self._values)
        return self._checked

    def open_advanced(self) -> None:
        """Show the fields under "Advanced": deprecated ones and those a notebook has little use for."""
        if self._group and self._group.fold:
            self._group.fold.open()

    @property
    def _controls(self) -> dict[str, Control]:
        return self._group.leaves() if self._group else {"": self._tree}

    def _on_edit(self, change: Change) -> None:
        with self._lock:
            self.last_change = time.monotonic()
            previous, here, controls = self._values, to_pointer(change.path), self._controls
            path = owner_path(here, controls) or ""
            self._values, self._checked = ({} if self._tree.value is ABSENT else self._tree.value), None
            is_click = controls[path].field.kind in ("choice", "toggle")
            is_click = is_click or any(isinstance(find(one, here), list | bool) for one in (previous, self._values))
            self.history.add(previous, "" if is_click else here)
            if change.order is not None:
                self._touched = moved_paths(self._touched, here, change.order)
            if not change.live:
                self._touched |= {path, here}
            self._refresh(path, controls)
        self._notify()

    def _focus(self, path: str) -> None:
        self._open_for((path,))
        controls = self._controls
        if (owner := owner_path(path, controls)) is not None:
            controls[owner].focus(to_path(path[len(owner) :]))

    def _open_for(self, paths: Iterable[str]) -> None:
        advanced = self._group.advanced if self._group else ()
        if any(path.startswith(to_pointer(field.path)) for path in paths for _, field in advanced):
            self.open_advanced()

    def _notify(self) -> None:
        for callback in self._observers:
            try:
                callback(self.values)
            except Exception:  # noqa: BLE001 - a widget's callback would hide it
                LOG.exception("an observer of a form")

    def _refresh(self, edited: str | None = None, found: Mapping[str, Control] | None = None) -> None:
        shown = [p for p in self.problems if self._touched & {p.path, *p.others} or p.rule in _AT_ONCE]
        shown = [replace(problem, message=sentence(problem, labels_of(self.spec))) for problem in shown]
        at, controls = dict[str | None, list[Problem]](), found or self._controls
        for problem in shown:
            at.setdefault(owner_path(problem.path, controls), []).append(problem)
        for path, control in controls.items():
            if edited in (None, path) or path in at or path in self._marked:  # the others say the same as before
                control.show_problems(tuple(replace(one, path=one.path[len(path) :]) for one in at.get(path, ())))
        self._marked = set(at)
        count = sum(not problem.warns and problem.rule != "server" for problem in shown)
        lines = Html("<li>{}</li>").each(problem.message for problem in at.get(None, ()) if not problem.warns)
        html = Html('<div class="sdn-error" role="status">Fix {} problem{} to generate:<ul>{}</ul></div>')
        text = html.format(count, "s" * (count != 1), lines) if count else Html()
        paths = [p.path for p in shown if not p.warns and owner_path(p.path, controls) is not None]
        paths = list(dict.fromkeys(paths))[:_MOST_BUTTONS]
        for path in (path for path in paths if path not in self._jumps):
            traits = {"tooltip": "Go to this field", "description": in_words(path, labels_of(self.spec))}
            self._jumps[path] = self._factory.button(partial(self._focus, path), "sdn-jump", **traits)
        buttons = [self._jumps[path] for path in paths]
        if shown and self._summary is None:
            self._summary = self._factory.html(text, "sdn-summary")
            self._jump_box = self._factory.box(W.HBox, buttons, "sdn-jumps")
            self.widget.children += (self._summary, self._jump_box)
        elif self._summary is not None:
            self._summary.value, self._jump_box.children = text, buttons

    def __repr__(self) -> str:
        return f"Form for {self.spec.name}: {json_text(self.shown())}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return self.widget._repr_mimebundle_(**options)


@cache
def css() -> Html:
    text = (files("seedance_nb") / "static" / "form.css").read_text(encoding="utf-8")
    return Html("<style>{}</style>").format(Html(text))  # noqa: S704 - a packaged file


def owner_path(path: str, controls: Mapping[str, Control]) -> str | None:
    """The path of the control that shows the value at a path, None if none does. *pure*."""
    while path and path not in controls:
        path = path.rpartition("/")[0]
    return path if path in controls else None


def control_for(field: Field, factory: WidgetFactory, on_change: OnChange) -> Control:
    if field.nullable:
        return scalars.NullControl(field, factory, on_change)
    has_choices = field.likely and not isinstance(field.likely, range)
    return (scalars.LikelyControl if has_choices else _KINDS[field.kind])(field, factory, on_change)
