"""One prompt for several models: what each supports, what they cost together, and every video or error side by side."""

import difflib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import InvalidInput, LimitWarning, SeedanceError, argument_error, emit_warnings
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import table_text
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import shorten
from seedance_nb._base.values import ABSENT, JsonPath, find, is_number, set_at, to_pointer
from seedance_nb._check.check import build_body
from seedance_nb._document import load
from seedance_nb._document.extensions import ROLES
from seedance_nb._document.operations import Operation
from seedance_nb._document.spec import Spec, fields_by_role
from seedance_nb._ledger.row import State
from seedance_nb._notebook.results import Videos, batch_table, batch_videos, cell_text, title_html
from seedance_nb._session.batch import Batch, Item, Result, attempt, destination, item_of
from seedance_nb._session.session import Document, Session
from seedance_nb._task.display.player import View
from seedance_nb._task.task import Task

SETTINGS = tuple(role for role in ROLES if role != "frames")
"""The shared settings, which `sd.compare` describes."""
_FRAMES = ("first_frame", "last_frame")
NO_FIELD = "not supported by this model"


def validate_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The shared settings that are not None, in the order of `SETTINGS`. *pure*. Raises: InvalidInput for unknown settings."""
    unknown: list[Problem] = []
    for name, value in settings.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.5)
            message = f"is not a shared setting ({', '.join(SETTINGS)}){f'; did you mean {near[0]!r}?' if near else ''}"
            unknown.append(Problem(path=name, message=message, rule="unknown", value=value, limit=SETTINGS))
    if unknown:
        raise InvalidInput(tuple(unknown))
    return {name: settings[name] for name in SETTINGS if settings.get(name) is not None}


def request_for(spec: Spec, settings: Mapping[str, Any], **more: Any) -> Item:
    """The shared settings as the fields of one model; a value that it does not allow is a problem. *pure*. Raises: InvalidInput."""
    settings = validate_settings(settings)
    targets = fields_by_role(spec)
    fields: dict[str, Any] = {}
    unsupported = dict(_unsupported(settings, targets))
    used = {name: value for name, value in settings.items() if name not in unsupported}
    for path, value in _values(used, targets):
        name = str(path[-1])  # alone if that is enough, because that is how a person would write it
        is_enough = find(build_body(spec, {name: value}), to_pointer(path)) is not ABSENT
        fields = set_at(fields, (name,) if is_enough else path, value)
    reasons: dict[str, list[str]] = {}
    for setting, reason in unsupported.items():
        reasons.setdefault(reason, []).append(setting)
    lines = (", ".join(group) + (f": {reason}" if reason != NO_FIELD else "") for reason, group in reasons.items())
    labels = {"used": ", ".join(used), "not supported": "; ".join(lines)}
    return item_of(spec, fields, unsupported=tuple(unsupported.items()), labels=labels, title=spec.title, **more)


Targets = dict[str, tuple[JsonPath, dict[str, Any]]]


def _unsupported(settings: dict[str, Any], targets: Targets) -> Iterator[tuple[str, str]]:
    for name in settings:
        if name in targets:
            continue
        if name not in _FRAMES or "frames" not in targets:
            yield name, NO_FIELD
        elif name == "last_frame" and "first_frame" not in settings:
            yield name, "this model takes a last frame only together with a first frame"


def _values(used: dict[str, Any], targets: Targets) -> Iterator[tuple[JsonPath, Any]]:
    for name, value in used.items():
        if name in targets:
            path, schema = targets[name]
            is_whole = name == "seconds" and isinstance(value, float) and value.is_integer()
            yield path, _encoded(schema, int(value) if is_whole else value)
    if frames := [used[name] for name in _FRAMES if name in used and name not in targets]:
        yield targets["frames"][0], frames


def _encoded(schema: dict[str, Any], value: Any) -> Any:
    """The value as the model writes it: its own word, or a number as text. *pure*."""
    if isinstance(value, str):
        return schema.get("x-words", {}).get(value, value)
    if is_number(value) and math.isfinite(value) and "x-format" in schema:
        return str(schema["x-format"]).replace("{n}", str(value))
    return value


def specs(documents: Document | Sequence[Document]) -> tuple[Spec, ...]:
    """The models of a comparison. *reads files*. Raises: InvalidInput for no model; SpecError."""
    several = (documents,) if isinstance(documents, str | Path | Mapping | Spec | Operation) else documents
    if models := tuple(map(load.spec, several)):
        return models
    raise argument_error("names", "lists no model", [])


@created_by_package
class ShownBatch(Batch):
    """A batch that a cell shows as a table with one button. `_title` has a title, what it is a number of, and what all share."""

    _title: tuple[str, str, str, str]
    _heads: tuple[str, ...]
    _axes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[tuple[dict[str, Any], Exception], ...]:
        """What was chosen, and the error, of each request that has no video. *reads files*."""
        self.load()
        pairs = zip(self.items, self.results, strict=True)
        return tuple((dict(item.labels), result) for item, result in pairs if isinstance(result, Exception))

    def grid(self, rows: str, columns: str, /) -> View:
        """The videos as a table with the values of one name at its rows and of another at its columns. *reads files*. Raises: InvalidInput."""
        for name in (rows, columns):
            if not any(name in item.labels for item in self.items):
                raise argument_error("rows", f"there is no {name!r}, only {', '.join(self.items[0].labels)}", name)
        self.load()
        return batch_videos(self, "", self._session.outputs, (rows, columns)).view()

    def to_pandas(self) -> Any:
        """What was chosen, with task, state, cost, file and error, as a pandas DataFrame. *reads files*. Raises: SeedanceError without pandas."""
        return import_module("pandas").DataFrame(
            {
                "model": item.name, **item.labels, "state": str(row.state if row else State.UNSENT), "task": row and row.name,
                "cost": row and (0.0 if row.simulated else row.credits), "unit": row and row.unit, "file": row and row.file,
                "error": str(result) if isinstance(result, Exception) else row and row.error,
            } for item, row, result in zip(self.items, self.rows(), self.results, strict=True)
        )  # fmt: skip

    def __repr__(self) -> str:
        if "_heads" not in vars(self):  # a traceback shows an object whose creation failed
            return f"{type(self).__name__} (not created)"
        pairs = zip(self.items, self.estimates, strict=True)
        rows = [[cell_text(head, *pair) for head in self._heads] for pair in pairs]
        return table_text(self._heads, rows, f"{len(self.due)} of {len(self.items)} can be sent: {self.total}")

    def _ipython_display_(self) -> None:
        self._view().show()

    def _view(self) -> Any:
        from seedance_nb._notebook.batch import BatchView

        title, noun, *shared = self._title
        head = title_html(title, noun, self.items, *shared)
        return BatchView(self, head, lambda: batch_table(self, self._heads), self._output)

    def _output(self, *, pending: bool = False) -> View:
        return batch_videos(self, self._title[2], self._session.outputs if pending else None, self._axes).view()


@created_by_package
class Comparison(ShownBatch):
    """One prompt for several models, created by `sd.compare`, which describes the parameters. Nothing is sent yet.

    `items` has one entry per model, `ready` those whose request can be sent, `total` their price. A cell shows it.

    >>> comparison = sd.compare("A fox", ["crun/seedance-1.0-pro-t2v"], seconds=4, resolution="480p")
    >>> [video.simulated for video in comparison.generate()]
    [True]
    """

    def __init__(self, session: Session, documents: Document | Sequence[Document], settings: Mapping[str, Any],
                 take: int = 1, **options: Any) -> None:  # fmt: skip
        self.settings, items, count = validate_settings(settings), list[Item](), dict[str, int]()
        for spec in specs(documents):
            number = count[spec.name] = count.get(spec.name, take - 1) + 1
            items.append(request_for(spec, self.settings, take=number, **destination(session, spec)))
        super().__init__(session, items, **options)
        others = [(name, value) for name, value in self.settings.items() if name != "prompt"]
        texts = (f"{name} {value if isinstance(value, str) else shorten(value)}" for name, value in others)
        self._title = "Comparison", "model", self.prompt, " · ".join(texts)
        self._heads = ("model", "runs on", "used", "not supported", "problems", "price")

    @property
    def prompt(self) -> str:
        """The prompt for all models."""
        return str(self.settings.get("prompt", ""))

    @property
    def candidates(self) -> tuple[Item, ...]:
        """The models with their requests, also those that are left out."""
        return self.items

    @property
    def due(self) -> list[int]:
        """The models whose requests can be sent, also if that was done already."""
        return [at for at, item in enumerate(self.items) if item.error is None]

    def submit(self, *, confirm: bool = False) -> tuple[Task, ...]:
        """Send every request that can be sent, and return the tasks. *spends credits*, *network*, *writes ledger*.

        The same request again returns the same task and costs nothing. A model that is left out is a warning, a limit from
        other sources a `LimitWarning`. Raises, before anything is sent: SeedanceError with the total if something costs
        credits and `confirm` is not True, or if no request can be sent.
        """
        self._begin(confirm=confirm)
        tasks = tuple(one for one in self.tasks if isinstance(one, Task))
        pairs = zip(self.items, self.tasks, strict=True)
        left_out = [(f"{one.name} is left out: {error}", error) for one, error in pairs if isinstance(error, Exception)]
        if not tasks:
            raise left_out[0][1]
        emit_warnings((text for text, _ in left_out), UserWarning)
        return tasks

    def generate(self, *, confirm: bool = False, timeout: float | None = None) -> "Videos":
        """Send the requests and wait for every video or error. *spends credits*, *network*, *writes ledger*, *writes files*.

        An error of one model takes the place of its video and stops no other. `timeout` is in seconds, for all together;
        the tasks go on after it. Warns and raises as `submit` does.
        """
        end = None if timeout is None else time.monotonic() + timeout
        self._begin(confirm=confirm)
        results: list[Result] = []
        for one in self.tasks:
            left = None if end is None else max(0.0, end - time.monotonic())
            results.append(attempt(partial(one.wait, left)) if isinstance(one, Task) else one)
        return Videos(self.prompt, zip(self.items, results, strict=True))

    def _begin(self, *, confirm: bool) -> None:
        """Send what can be sent. *spends credits*, *network*, *writes ledger*. Raises as `submit` does."""
        left_out = "".join(f"\n{one.name} is left out: {one.error.message}" for one in self.items if one.error)
        if not self.ready:
            text = f"This request cannot be sent to any of these models.{left_out}"
            raise SeedanceError(text, next_step="change the shared settings or the models")
        self.require_same_places()
        without = [f"{one.name} is sent without {name}: {why}" for one in self.ready for name, why in one.unsupported]
        paid = [one.name for one in self.ready if not one.simulated]
        if paid and confirm is not True:
            text = f"This sends paid requests to {', '.join(paid)}. Total: {self.total}. Nothing has been sent."
            step = "pass confirm=True to send them, or simulate=True in sd.compare to try it for free"
            raise SeedanceError("\n".join([f"{text}{left_out}", *without]), next_step=step)
        # Before anything is sent: warnings may be turned into errors.
        emit_warnings((f"{one.name}, {problem}" for one in self.ready for problem in one.warnings), LimitWarning)
        emit_warnings(without, UserWarning)
        self.wait(self.send())
