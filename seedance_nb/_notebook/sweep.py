"""Many requests of one kind: every combination of values, every row of a table, or several takes of one request."""

import csv
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from seedance_nb._base import errors
from seedance_nb._base.faults import created_by_package
from seedance_nb._check.check import values_by_role
from seedance_nb._form.model.values import from_text
from seedance_nb._notebook.compare import ShownBatch, specs
from seedance_nb._notebook.completion import fields_by_name
from seedance_nb._notebook.results import Videos, batch_videos, counts_html
from seedance_nb._session.batch import Item, destination, item_of
from seedance_nb._session.session import Document, Session
from seedance_nb._task.display.progress import UPDATE_S, TerminalLine, open_line
from seedance_nb._task.task import Task

_MOST = 10_000  # requests of one sweep


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Every combination of a dict's lists, or the rows of a list, a DataFrame or a CSV file, without their empty cells. *reads files*."""
    if isinstance(table, Mapping):
        one = (str, Mapping)
        lists = [[it] if isinstance(it, one) or not isinstance(it, Iterable) else [*it] for it in table.values()]
        return [dict(zip(table, each, strict=True)) for each in itertools.islice(itertools.product(*lists), _MOST + 1)]
    if isinstance(table, str | Path):
        with Path(table).expanduser().open(newline="", encoding="utf-8-sig") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        if wide := [number for number, row in enumerate(rows, 1) if None in row]:
            raise errors.argument_error("table", f"row {wide[0]} has more cells than the first line has names", table)
    elif hasattr(table, "notna"):  # a DataFrame
        rows = table.astype(object).where(table.notna(), None).to_dict("records")
    else:
        return [dict(row) for row in table]
    return [{name: value for name, value in row.items() if value not in ("", None)} for row in rows]


def typed(value: Any, types: Sequence[str]) -> Any:
    """A cell of a file or DataFrame, which has no types of its own, in one of these types of JSON; unchanged if it is in none. *pure*."""
    if isinstance(value, str):
        return from_text(value, types)
    if isinstance(value, float) and value.is_integer() and "number" not in types:
        value = int(value)
    return str(value) if type(value) is int and [*types] == ["string"] else value


@created_by_package
class Sweep(ShownBatch):
    """Requests that differ in what you chose, created and checked by `sd.sweep` or `sd.takes`. Nothing is sent yet.

    A cell shows their table, with one button for all; `run` and `sd.as_completed` send them too. What was sent before, also by
    an earlier kernel, is not sent again. `items` are the requests, `results` their videos or errors.

    >>> sweep = sd.sweep("crun/seedance-1.0-pro-t2v", {"duration": [4, 5]}, prompt="A fox", resolution="480p")
    >>> [video.facts.seconds for video in sweep.run()]
    [4.0, 5.0]
    """

    def __init__(self, session: Session, documents: Document | Sequence[Document], table: Any, shared: Mapping[str, Any],
                 **options: Any) -> None:  # fmt: skip
        rows, models, items = rows_of(table), specs(documents), list[Item]()
        if not 1 <= len(rows) * len(models) <= _MOST:
            raise errors.argument_error("table", f"has more than {_MOST:,} requests" if rows else "has no rows")
        if twice := [name for row in rows for name in row if name in shared]:
            raise errors.argument_error(twice[0], "was passed twice, in the table and by name", shared[twice[0]])
        for spec in models:
            place, fields = destination(session, spec), fields_by_name(spec)
            types = {"take": ("integer",), **{name: field.shape.types for name, field in fields.items()}}
            for row in rows:
                values = {name: one.item() if getattr(one, "shape", None) == () else one for name, one in row.items()}
                if isinstance(table, str | Path) or hasattr(table, "notna"):
                    values = {name: typed(value, types.get(name, ("string",))) for name, value in values.items()}
                labels, request = {"model": spec.name, **values} if models[1:] else values, {**shared, **values}
                items.append(item_of(spec, request, labels=labels, take=request.pop("take", 1), **place))
        super().__init__(session, items, **options)
        names = dict.fromkeys(name for item in items for name in item.labels)
        varying = [name for name in names if len({str(item.labels.get(name)) for item in items}) > 1] or [*names]
        first, fixed = self.items[0], (*varying, "prompt")
        prompt = "" if "prompt" in varying else values_by_role(first.spec, first.body).get("prompt", "")
        same = [
            f"{name} {one}" for name, one in first.fields.items() if name not in fixed and not isinstance(one, dict)
        ]
        self._title = "Sweep", "request", str(prompt), " · ".join([*[first.name] * (not models[1:]), *same])
        problems = ["problems"] * any(item.error or item.warnings for item in self.items)
        self._heads = (*varying, *problems, "price")
        self._axes = (*varying[:2],) if isinstance(table, Mapping) and varying[1:] else ()

    def run(self) -> "Videos":
        """Send what was never sent, and wait for every video or error. *spends credits*, *network*, *writes ledger*, *writes files*.

        An error takes the place of its video and stops no other. Stop ends the sending; the same call sends the rest. Raises, before
        that: InvalidInput with the problems of every row; SeedanceError if it is paid, without a budget and anyone to confirm.
        """
        line, due_at = open_line(wanted=None), 0.0
        for is_over in self.progress():
            if line and (is_over or time.monotonic() >= due_at):
                due_at, html = time.monotonic() + UPDATE_S, counts_html(self)
                line.show(html.striptags(), html)
        if isinstance(line, TerminalLine):
            line.end()
        return batch_videos(self, "", axes=self._axes)

    def progress(self) -> Iterator[bool]:
        """Check everything, then send it as `waiting` does. *spends credits*. Raises as `run` does."""
        if faults := [item.fault for item in self.items if item.fault]:
            raise errors.SeedanceError(faults[0])
        pairs = [(number, problem) for number, item in enumerate(self.items, 1) for problem in item.problems]
        problems = {(problem.path, problem.message): problem for _, problem in pairs}
        for (path, message), problem in problems.items():
            rows = ", ".join(str(number) for number, one in pairs if (one.path, one.message) == (path, message))
            text = f"{message} (row {shorten(rows, 60, placeholder=' …')})"
            problems[path, message] = replace(problem, message=text)
        if problems:
            raise errors.InvalidInput(tuple(problems.values()))
        for item in {item.name: item for item in self.items}.values():
            self._session.require_consent(item.spec, self._budget)
        warnings = dict.fromkeys(str(problem) for item in self.items for problem in item.warnings)
        errors.emit_warnings(warnings, errors.LimitWarning)
        try:
            yield from self.waiting(self.perform())
        except KeyboardInterrupt:
            text = "Nothing further is sent. What was sent is still running; run the same cell again for the rest."
            raise errors.StoppedWaiting(f"{counts_html(self).striptags()} {text}") from None
        if over := next((one for one in self.results if isinstance(one, errors.OverBudget)), None):
            errors.emit_warnings([f"{counts_html(self).striptags()} {over.message}"], UserWarning)


def as_completed(sweep: "Sweep", /) -> Iterator[Task]:
    """Send a sweep, and yield its tasks as they end. *spends credits*, *network*, *writes ledger*, *writes files*.

    The parameters:
      sweep: what `sd.sweep` or `sd.takes` returned.
    Returns: an iterator; to leave its loop stops the sending, and what was sent goes on. Raises: as `sweep.run` does.

    >>> sweep = sd.sweep("crun/seedance-1.0-pro-t2v", {"duration": [4, 5]}, prompt="A fox", resolution="480p")
    >>> sorted(task.wait().facts.seconds for task in sd.as_completed(sweep))
    [4.0, 5.0]
    """
    seen = set[int]()
    for _ in sweep.progress():
        new = [at for at, result in enumerate(sweep.results) if result is not None and at not in seen]
        seen.update(new)
        yield from (task for task in map(sweep.tasks.__getitem__, new) if isinstance(task, Task))
