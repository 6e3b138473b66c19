"""Several requests: one prompt for several models, every combination of values, every row of a table, or several takes of one request."""

import csv
import difflib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedance_nb._base import errors
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, find, is_number, set_at, shorten, to_pointer
from seedance_nb._check.check import build_body, values_by_role
from seedance_nb._document import load
from seedance_nb._document.operations import Operation
from seedance_nb._document.spec import Spec, fields_by_role
from seedance_nb._document.tables import ROLES
from seedance_nb._form.model.values import from_text
from seedance_nb._notebook.completion import fields_by_name
from seedance_nb._notebook.results import ShownBatch
from seedance_nb._session.batch import Item, destination, item_of
from seedance_nb._session.session import Document, Session
from seedance_nb._task.task import Task

SETTINGS = tuple(role for role in ROLES if role != "frames")  # the shared settings, which `sd.compare` describes
_MOST = 10_000  # requests of one sweep
_NO_FIELD = "not supported by this model"


def validate_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The shared settings that are not None, in the order of `SETTINGS`. *pure*. Raises: InvalidInput for unknown settings."""
    unknown: list[Problem] = []
    for name, value in settings.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.5)
            message = f"is not a shared setting ({', '.join(SETTINGS)}){f'; did you mean {near[0]!r}?' if near else ''}"
            unknown.append(Problem(path=name, message=message, rule="unknown", value=value, limit=SETTINGS))
    if unknown:
        raise errors.InvalidInput(tuple(unknown))
    return {name: settings[name] for name in SETTINGS if settings.get(name) is not None}


def request_for(spec: Spec, settings: Mapping[str, Any], **more: Any) -> Item:
    """The shared settings as the fields of one model; a value that it does not allow is a problem. *pure*. Raises: InvalidInput."""
    settings, targets, fields = validate_settings(settings), fields_by_role(spec), dict[str, Any]()
    unsupported, used, frames = dict[str, str](), list[str](), list[Any]()
    for setting, value in settings.items():
        is_frame = setting in ("first_frame", "last_frame") and setting not in targets and "frames" in targets
        if setting not in targets and not is_frame:
            unsupported[setting] = _NO_FIELD
        elif is_frame and "first_frame" not in settings:
            unsupported[setting] = "this model takes a last frame only together with a first frame"
        else:
            path, schema = targets["frames" if is_frame else setting]
            frames += [value] * is_frame
            is_whole = setting == "seconds" and isinstance(value, float) and value.is_integer()
            own: Any = schema.get("x-words", {}).get(value, value) if isinstance(value, str) else value
            own = int(value) if is_whole else own
            if is_number(own) and math.isfinite(own) and "x-format" in schema:  # a number as text
                own = str(schema["x-format"]).replace("{n}", str(own))
            sent = [*frames] if is_frame else own
            name = str(path[-1])  # alone if that is enough, because that is how a person would write it
            is_enough = find(build_body(spec, {name: sent}), to_pointer(path)) is not ABSENT
            fields, used = set_at(fields, (name,) if is_enough else path, sent), [*used, setting]
    lines = (name + (f": {reason}" if reason != _NO_FIELD else "") for name, reason in unsupported.items())
    labels = {"used": ", ".join(used), "not supported": ", ".join(lines)}
    return item_of(spec, fields, unsupported=tuple(unsupported.items()), labels=labels, title=spec.title, **more)


def specs(documents: Document | Sequence[Document]) -> tuple[Spec, ...]:
    """The models of a comparison. *reads files*. Raises: InvalidInput for no model; SpecError."""
    several = (documents,) if isinstance(documents, str | Path | Mapping | Spec | Operation) else documents
    if models := tuple(map(load.spec, several)):
        return models
    raise errors.argument_error("names", "lists no model", [])


@created_by_package
class Comparison(ShownBatch):
    """One prompt for several models, created by `sd.compare`, which describes the parameters. Nothing is sent yet.

    `items` has one entry per model, `ready` those whose request can be sent, `total` their price. A cell shows it.

    >>> comparison = sd.compare("A fox", ["crun/seedance-1.0-pro-t2v"], seconds=4, resolution="480p")
    >>> [video.simulated for video in comparison.generate()]
    [True]
    """

    _question = "paid requests to {models}", ", or simulate=True in sd.compare to try it for free"
    _is_whole = False
    generate = ShownBatch.run

    def __init__(self, session: Session, documents: Document | Sequence[Document], settings: Mapping[str, Any],
                 take: int = 1, **options: Any) -> None:  # fmt: skip
        self.settings, items, count = validate_settings(settings), list[Item](), dict[str, int]()
        for spec in specs(documents):
            number = count[spec.name] = count.get(spec.name, take - 1) + 1
            items.append(request_for(spec, self.settings, take=number, **destination(session, spec)))
        super().__init__(session, items, **options)
        self.prompt = str(self.settings.get("prompt", ""))
        others = [(name, value) for name, value in self.settings.items() if name != "prompt"]
        texts = (f"{name} {value if isinstance(value, str) else shorten(value)}" for name, value in others)
        self._title = "Comparison", "model", self.prompt, " · ".join(texts)
        self._heads = ("model", "runs on", "used", "not supported", "problems", "price")


def rows_of(table: Any) -> list[dict[str, Any]]:
    """Every combination of a dict's lists, or the rows of a list, a DataFrame or a CSV file, without their empty cells. *reads files*."""
    rows, names = list[Any](), list[str]()
    if isinstance(table, Mapping):
        one = (str, Mapping)
        lists = [[it] if isinstance(it, one) or not isinstance(it, Iterable) else [*it] for it in table.values()]
        rows = [dict(zip(table, each, strict=True)) for each in itertools.islice(itertools.product(*lists), _MOST + 1)]
    elif isinstance(table, str | Path):
        try:
            with Path(table).expanduser().open(newline="", encoding="utf-8-sig") as file:
                lines = [*file] or [""]
                reader = csv.DictReader(lines, strict=True, delimiter=max(",;\t", key=lines[0].count))
                rows, names = [*reader], [*(reader.fieldnames or ())]
        except (UnicodeDecodeError, csv.Error) as error:
            raise errors.argument_error("table", f"is no CSV file in UTF-8 ({error})", str(table)) from None
        if wide := [number for number, row in enumerate(rows, 1) if None in row]:
            raise errors.argument_error("table", f"row {wide[0]} has more cells than the first line has names", table)
    elif hasattr(table, "notna") and hasattr(table, "columns"):  # a DataFrame
        names, filled = [*table.columns], table.astype(object).where(table.notna(), None)
        rows = [dict(zip(names, cells, strict=True)) for cells in filled.itertuples(index=False, name=None)]
    else:
        rows = [*itertools.islice(table, _MOST + 1)] if isinstance(table, Iterable) else [table]
    if len({*names}) < len(names):
        raise errors.argument_error("table", "has two columns with the same name", str(table))
    if not all(hasattr(row, "keys") and all(isinstance(name, str) for name in dict(row)) for row in rows):
        text = "must be a dict of lists, rows as dicts, a DataFrame or the path of a CSV file, with names that are text"
        raise errors.argument_error("table", text, table)
    empty = ("", None) if names else ()
    filled = ({name: value for name, value in dict(row).items() if value not in empty} for row in rows)
    return [row for row in filled if row or not names]


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

    _question = "{count} paid requests", ", or create it with budget="

    def __init__(self, session: Session, documents: Document | Sequence[Document], table: Any, shared: Mapping[str, Any],
                 **options: Any) -> None:  # fmt: skip
        rows, models, items = rows_of(table), specs(documents), list[Item]()
        if not 1 <= len(rows) * len(models) <= _MOST:
            raise errors.argument_error("table", f"has more than {_MOST:,} requests" if rows else "has no rows")
        if any("api_key" in one for one in (shared, *rows)):
            message = "is not taken here: set the key's environment variable, or use sd.ask_key"
            raise errors.argument_error("api_key", message)
        if twice := [name for row in rows for name in row if name in shared]:
            raise errors.argument_error(twice[0], "was passed twice, in the table and by name", shared[twice[0]])
        for spec in models:
            place, others = destination(session, spec), [one.name for one in models if one is not spec]
            types = {"take": ("integer",), **{name: one.shape.types for name, one in fields_by_name(spec).items()}}
            for row in (one for one in rows if one.get("model") not in others):
                own = [pair for pair in row.items() if pair != ("model", spec.name)]
                values = {name: one.item() if getattr(one, "shape", None) == () else one for name, one in own}
                if isinstance(table, str | Path) or hasattr(table, "notna"):
                    values = {name: typed(value, types.get(name, ("string",))) for name, value in values.items()}
                labels, request = {"model": spec.name, **values} if models[1:] else values, {**shared, **values}
                items.append(item_of(spec, request, labels=labels, take=request.pop("take", 1), **place))
        super().__init__(session, items, **options)
        names = dict.fromkeys(name for item in items for name in item.labels)
        varying = [name for name in names if len({str(item.labels.get(name)) for item in items}) > 1] or [*names]
        first, fixed = self.items[0], (*varying, "prompt", "model")  # its name is there
        prompt = "" if "prompt" in varying else values_by_role(first.spec, first.body).get("prompt", "")
        same = [f"{name} {one}" for name, one in first.fields.items() if not (name in fixed or isinstance(one, dict))]
        title = "Takes" if names.keys() == {"take"} else "Sweep"
        self._title = title, "request", str(prompt), " · ".join([*[first.name] * (not models[1:]), *same])
        self._heads = (*varying, *["problems"] * any(item.error or item.warnings for item in self.items), "price")
        self._axes = (*varying[:2],) if isinstance(table, Mapping) and varying[1:] else ()

    def progress(self, *, confirm: bool = False) -> Iterator[bool]:
        """Send it as a batch does; a budget confirms too. *spends credits*. Raises as `run` does."""
        for spec in {item.name: item.spec for item in self.ready}.values():
            self._session.require_consent(spec, self._budget)
        return super().progress(confirm=confirm is True or self._budget is not None)


def as_completed(sweep: "Sweep", /, *, confirm: bool = False) -> Iterator[Task]:
    """Send a sweep, and yield its tasks as they end. *spends credits*, *network*, *writes ledger*, *writes files*.

    The parameters:
      sweep: what `sd.sweep` or `sd.takes` returned.
      confirm: True to send paid requests without a budget.
    Returns: an iterator; to leave its loop stops the sending, and what was sent goes on. Raises: as `sweep.run` does.

    >>> sweep = sd.sweep("crun/seedance-1.0-pro-t2v", {"duration": [4, 5]}, prompt="A fox", resolution="480p")
    >>> sorted(task.wait().facts.seconds for task in sd.as_completed(sweep))
    [4.0, 5.0]
    """
    if not isinstance(sweep, ShownBatch):
        raise errors.argument_error("sweep", "must be what sd.sweep or sd.takes returned", sweep)
    seen = set[int]()
    for _ in sweep.progress(confirm=confirm):
        new = [at for at, result in enumerate(sweep.results) if result is not None and at not in seen]
        seen.update(new)
        yield from (task for task in map(sweep.tasks.__getitem__, new) if isinstance(task, Task))
