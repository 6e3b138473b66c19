"""Sessions: check, submit and follow requests, with one ledger and one output folder; and the table of models. It knows no widgets."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from seedance_nb._base import errors
from seedance_nb._base.faults import created_by_package, typed_class
from seedance_nb._base.html import links_html, table_html, table_text
from seedance_nb._base.problem import Problem, Problems
from seedance_nb._base.secret import Secret, as_secret, mask_keys
from seedance_nb._base.values import ABSENT, find, read_json, safe_name
from seedance_nb._check.check import approve, build_body, check, extra_paths, extra_problem, warnings
from seedance_nb._check.price import Estimate
from seedance_nb._document import load as _spec
from seedance_nb._document.operations import Operation
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row
from seedance_nb._media.preflight import Report
from seedance_nb._session.sender import Routing, Sender
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.follow import poll_once, require_consent
from seedance_nb._task.task import Task, Tasks
from seedance_nb._web.addresses import host_of

_MOST_ROWS = 100_000
_VALUE = r':("(?:[^"\\]|\\.)*+")'  # in compact JSON
_PROMPT = re.compile(rf'(?i)"(?:(?:text|video|input|文本|视频).?)?(?:prompt|提示词)(?:.?text)?"{_VALUE}')
_TEXT = re.compile(rf'(?i)"(?:input.?)?(?:text|caption|文本)(?:.?input)?"{_VALUE}')  # where no name is one of a prompt
_ANOTHER = "Another model is one file of its page: python -m seedance_nb new-model page.yaml my-model.yaml"
Document = str | Path | Mapping[str, Any] | Spec | Operation
_KNOWN = {
    "schema": "provider's schema", "prose": "provider's docs", "example": "examples in provider's docs", "upstream": "other sources",
}  # fmt: skip


@typed_class
class Session:
    """A ledger, an output folder, and where requests go. The functions of `sd` use a session with the defaults. *reads files*.

    The parameters:
      api_key: the key, in place of the environment's and the other sources.
      base_url: where to send requests, in place of the provider's own URL.
      simulate: True for the simulator even if a key is set, False to raise an error without one.
      budget: the most that a provider's tasks in this ledger may cost in total, in its unit (credits, tokens).
      ledger: the ledger file, or the URL of a PostgreSQL server's database; None for `SEEDANCE_LEDGER` or your data folder.
      outputs: the folder for videos; None for `SEEDANCE_OUTPUTS` or `seedance_outputs` in the working folder.
      queue_s, run_s: how long the simulator's tasks are queued and run, in seconds.
      answer_s: how long the provider may take to answer one request, in seconds.
      sleep, clock: what waits between status checks, and its clock, both in seconds; for tests.
      for_one: whether the key was passed together with one schema; only then is it sent to a server that only this schema names.
    Raises: LedgerError for a URL of another kind; Unauthorized for a key that cannot be sent.

    >>> session = sd.Session(outputs="videos", queue_s=0, run_s=0)
    >>> session.generate("crun/seedance-1.0-pro-t2v", prompt="A fox").path.parent.name
    'videos'
    """

    def __init__(self, *, api_key: str | Secret | None = None, base_url: str | None = None, simulate: bool | None = None,
                 budget: float | None = None, ledger: str | Path | None = None, outputs: str | Path | None = None,
                 queue_s: float = 0.8, run_s: float = 3.0, answer_s: float = 120,
                 sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
                 clock: Callable[[], float] = time.monotonic, for_one: bool = False) -> None:  # fmt: skip
        key = as_secret(api_key)
        del api_key
        self.ledger = Ledger(ledger)
        routing = Routing(key=key, for_one=for_one, base_url=base_url or "", simulate=simulate, timing=(queue_s, run_s),
                          answer_s=answer_s, sleep=sleep, clock=clock, ledger=self.ledger)  # fmt: skip
        self.sender = Sender(routing, self.ledger, Path(outputs) if outputs else None, budget)

    @property
    def outputs(self) -> Path:
        """The folder for videos. Reads the environment."""
        return self.sender.outputs

    def is_simulated(self, document: Document) -> bool:
        """Whether requests of this model go to the built-in simulator, which charges nothing. Reads the environment."""
        return not self.host(document)

    def host(self, document: Document) -> str:
        """Scheme and host that requests of this model and the key are sent to, "" for the simulator. Reads the environment."""
        endpoint = self.sender.routing.for_new(_spec.spec(document))
        return "" if endpoint.app else host_of(endpoint.base_url)

    def require_consent(self, document: Document, budget: float | None = None, *, why: str = "") -> None:
        """Check that a request may be paid: it is free, has a budget, or someone is here to confirm (`why` says that nobody is). Raises: SeedanceError."""
        spec, limit = _spec.spec(document), self.sender.budget if budget is None else budget
        require_consent(spec, self.sender.routing.for_new(spec), limit, why=why)

    def check(self, document: Document, /, *, extra: Mapping[str, Any] | None = None,
              **fields: Any) -> tuple[Problem, ...]:  # fmt: skip
        """Every problem of these fields at once. *pure*: nothing is sent or recorded.

        The parameters:
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
          extra: fields that the schema does not have, to be sent anyway.
          fields: the model's fields, such as `prompt`.
        Returns: errors first, then warnings (`warns` is True), which stop nothing; () if there is no problem.
        Raises: SpecError.

        >>> [problem.path for problem in sd.check("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=99)]
        ['/input/duration']
        """
        spec = _spec.spec(document)
        if fault := extra_problem(extra):
            return Problems((fault,))
        body = build_body(spec, fields, extra)
        return Problems(check(spec, body, extra_paths(spec, extra)) + warnings(spec, body))

    def preflight(self, document: Document, /, **fields: Any) -> Report:
        """Check the files of these fields against the model's limits. *network*, *reads files*.

        Only the beginning of each URL is fetched (about 130 kB, without a key); local files are read, assets looked up (free).

        The parameters:
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
          fields: the model's fields, some of which name files.
        Returns: a report: each file is ok, breaks a limit, or could not be fully checked and why.
        Raises: SpecError; InvalidInput for an unknown field or one of the wrong type.

        >>> sd.preflight("crun/seedance-1.0-pro-t2v", prompt="A fox").problems
        ()
        """
        spec = _spec.spec(document)
        body = build_body(spec, fields)
        if wrong := tuple(p for p in check(spec, body) if p.rule in ("unknown", "type", "json") and not p.warns):
            raise errors.InvalidInput(wrong)
        return ENGINE.run(self.sender.preflight([(spec, body)], 8))[0]

    def estimate(self, document: Document, /, **fields: Any) -> Estimate:
        """The price of a request, as far as it is known; nothing is bought. *network*.

        It comes from the provider's free estimate call if there is one and a key is set, otherwise from the schema's price table.

        The parameters:
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
          fields: the model's fields.
        Returns: `amount` in `unit` (credits, tokens), None if unknown, and `money` in `currency`.
        Raises: InvalidInput with every problem; SpecError.

        >>> sd.estimate("seedance2-pro/seedance-20-i2v", urls=["https://example.com/fox.png"], duration="5s").amount
        200.0
        """
        spec = _spec.spec(document)
        return ENGINE.run(self.sender.price(spec, approve(spec, fields).values))

    def submit(self, document: Document, /, *, take: int = 1, extra: Mapping[str, Any] | None = None,
               preflight: bool | None = None, budget: float | None = None, **fields: Any) -> Task:  # fmt: skip
        """Send a request and return its task at once. *spends credits*, *network*, *writes ledger*.

        The same request again returns the same task and costs nothing. A limit from other sources is a `LimitWarning`.

        The parameters:
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
          take: 2 for a second video of the same request, and so on.
          extra: fields that the schema does not have, to be sent anyway.
          preflight: whether to check the files first, at most 8 s, by default 2 s if new and paid; a broken limit stops it.
          budget: the most that this provider's tasks in the ledger may cost in total, this one included, in its unit
            (credits, tokens). Required for a paid request if no one is here to confirm (papermill, nbconvert, CI).
          fields: the model's fields.
        Returns: the task, which is recorded before it is sent; `wait` reports the provider's answer.
        Raises, before anything is sent: InvalidInput with every problem; SpecError; Unauthorized for a key that cannot be
        sent; OverBudget; LedgerError if the ledger cannot be written; MediaError if the output folder cannot.

        >>> task = sd.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4)
        >>> task.wait().path.suffix
        '.mp4'
        """
        spec = _spec.spec(document)
        approved = approve(spec, fields, extra)
        limit_warnings = approved.unchecked + warnings(spec, approved.values)
        pays = preflight is None and spec.task and not self.is_simulated(spec)
        if preflight or (pays and take not in range(self.ledger.takes(approved) + 1)):
            (report,) = ENGINE.run(self.sender.preflight([(spec, approved.values)], 8 if preflight else 2))
            if broken := tuple(problem for problem in report.problems if not problem.warns):
                raise errors.InvalidInput(broken)
            limit_warnings += report.problems
            errors.emit_warnings(report.unchecked if preflight else (), errors.MediaWarning)
        # Before anything is sent, so that it costs nothing if warnings are errors.
        errors.emit_warnings(limit_warnings, errors.LimitWarning)
        return self.sender.send(approved, take=take, budget=budget)

    def generate(self, document: Document, /, *, timeout: float | None = None, progress: bool | None = None, take: int = 1,
                 extra: Mapping[str, Any] | None = None, preflight: bool | None = None, budget: float | None = None,
                 **fields: Any) -> Video:  # fmt: skip
        """Send a request and wait for its video: `submit` and `wait` in one. *spends credits*, *network*, *writes ledger*, *writes files*.

        The parameters:
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
          timeout: how long to wait, in seconds; None for as long as it takes. The task goes on after it.
          progress: as in `Task.wait`.
          take, extra, preflight, budget: as in `submit`.
          fields: the model's fields.
        Returns: the video, saved as a file.
        Raises: what `submit` and `Task.wait` raise.

        >>> sd.generate("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4).simulated
        True
        """
        task = self.submit(document, take=take, extra=extra, preflight=preflight, budget=budget, **fields)
        return task.wait(timeout, progress=progress)

    def tasks(self, limit: int = 100, *, find: str = "", day: date | str | None = None,
              everyone: bool = False) -> Tasks:  # fmt: skip
        """The latest tasks of the ledger, unresolved ones first. *reads files*.

        The parameters:
          limit: the most tasks to list.
          find: words that their prompts contain, in any order.
          day: the local day on which they were submitted, a `datetime.date` or a text: "2026-11-30", "today" or "yesterday".
          everyone: whether to list what other people sent, too, in a ledger on a server.
        Returns: a table of ledger rows. Raises: InvalidInput.

        >>> len(sd.tasks())
        0
        """
        errors.require_count("limit", limit, _MOST_ROWS)
        if isinstance(day, str):
            days, today = ("today", "yesterday"), date.today()  # noqa: DTZ011 - the local day
            with suppress(ValueError):
                day = today - timedelta(days.index(day)) if day in days else date.fromisoformat(day)
        if not isinstance(day, date | None):
            message = f"must be a datetime.date, '2026-11-30', 'today' or 'yesterday', not {day!r}"
            raise errors.argument_error("day", message, day)
        person = "" if everyone else self.ledger.own_person()
        if find or day:
            found = self.ledger.search(self.prompt_of, limit, 0, words=find, day=day, person=person)
        rows = [one.row for one in found] if find or day else self.ledger.rows(limit, person)
        prompts = [self.prompt_of(row.spec, row.body) for row in rows]
        return Tasks(rows, prompts, self.ledger.description, 0 if find or day else self.ledger.count(person))

    def spending(self) -> list[dict[str, Any]]:
        """The cost of all tasks of the ledger, by person and model. *reads files*.

        A person is `SEEDANCE_PERSON`, or the login name. Costs are those that the provider reported, else the estimates.

        Returns: a dictionary for each person, model and unit, with `tasks`, their number, and `cost`, as pandas.DataFrame takes them.

        >>> sd.spending()
        []
        """
        return self.ledger.spending()

    def task(self, name: str | int | Row | Task, /, *, document: Document | None = None) -> Task:
        """The task with this name in the ledger; nothing is sent. *reads files*.

        The parameters:
          name: the name or number that `sd.tasks()` shows, or one of its rows.
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`; required if the task's model came from a file or a dict.
        Returns: the task; `wait` resumes it.
        Raises: SeedanceError for a name that is not in the ledger.

        >>> sent = sd.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4)
        >>> sd.task(sent.name).wait().simulated
        True
        """
        row = self.ledger.row(name if isinstance(name, str | int) else name.name)
        if row is None:
            problem = f"No task {safe_name(name)!r} in the ledger {self.ledger.place}."
            next_step = "list the tasks with sd.tasks(); for another ledger, use sd.Session(ledger='...').task(...)"
            raise errors.SeedanceError(problem, next_step=next_step, charged=None)
        return Task(self.sender, self.sender.spec_of(row) if document is None else _spec.spec(document), row)

    def callback(self, payload: Mapping[str, Any] | str | bytes, /, *, document: Document | None = None) -> Task:
        """The task that a provider's callback is about, after a status check with the key. *network*, *writes ledger*.

        A callback carries no signature, so nothing else in it is trusted.

        The parameters:
          payload: the body of the callback, unchanged.
          document: a name from `sd.models()`, a schema file, a dict or a `Spec`; required if the task's model came from a file or a dict.
        Returns: the task.
        Raises: SeedanceError if no task of the ledger matches; Unauthorized.

        >>> task = sd.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4)
        >>> video = task.wait()
        >>> sd.callback({"task_id": task.row.task_id}).state
        <State.DONE: 'done'>
        """
        payload = mask_keys(payload)  # before anything can fail: a traceback can show variables
        own = _spec.spec(document) if document is not None else None
        known = [*self.sender.specs.values(), *filter(None, [own])]
        row = next(filter(None, map(self.ledger.row, callback_names(payload, known))), None)
        if row is not None:
            ENGINE.run(poll_once(self.sender.flow_of(own or self.sender.spec_of(row), row), row))
            return self.task(row.name, document=own)
        problem = "The callback does not match a task in this ledger, so it was ignored."
        raise errors.SeedanceError(problem, next_step="list the tasks with sd.tasks()", charged=None)

    def prompt_of(self, model: str, body: str) -> str:
        """The prompt in a model's request body, "" if there is none; of an unknown model, the first text called prompt. *reads files*."""
        spec, value = self.sender.known_spec(model), ABSENT
        with suppress(ValueError):
            if spec:
                value = find(read_json(body), spec.roles.get("prompt", "/?"))
            elif text := _PROMPT.search(body) or _TEXT.search(body):
                value = read_json(text[1])
        return "" if value is ABSENT else str(value)


def callback_names(payload: Mapping[str, Any] | str | bytes, more: Iterable[Spec] = ()) -> Iterator[str]:
    """The names of the tasks that a callback's body may be about; `more` are specs that are not built in. *pure*. Raises: SeedanceError."""
    try:
        body = read_json(payload) if isinstance(payload, str | bytes) else dict(payload)
    except (ValueError, TypeError):
        body = None
    if not isinstance(body, dict):
        problem = "The callback is not a JSON object."
        raise errors.SeedanceError(problem, next_step="pass its body unchanged", charged=None)
    specs = [*map(_spec.spec, _spec.model_names()), *more]
    for provider, pointer in sorted({(spec.provider, spec.callback_id) for spec in specs if spec.callback_id}):
        name = find(body, pointer)
        if isinstance(name, str) and name:
            yield f"{provider}:{name}"


@created_by_package
class Models(dict[str, Spec]):
    """The built-in models by name, as a table in a cell; `names` are what every function takes. `sd.models` returns it.

    >>> models = sd.models()
    >>> len(models), models["crun/seedance-2.0-i2v"].title
    (5, 'Seedance 2.0')
    """

    _heads = ("model", "description", "runs on", "price", "limits from")

    def __init__(self, session: Session) -> None:
        self.names, self._session = _spec.model_names(), session
        super().__init__(zip(self.names, map(_spec.spec, self.names), strict=True))

    def _cells(self, spec: Spec) -> list[str]:
        try:
            where = self._session.host(spec) or "simulator"
        except errors.SeedanceError:
            where = "- (no key)"
        return [spec.name, f"{spec.title}: {spec.mode}", where, spec.price.note.split(";")[0], _KNOWN[spec.evidence]]

    def __repr__(self) -> str:
        return table_text(self._heads, [self._cells(spec) for spec in self.values()], _ANOTHER)

    def _repr_html_(self) -> str:
        rows = []
        for spec in self.values():
            *cells, known = self._cells(spec)
            rows.append([*cells, links_html({known: f"https://{spec.source.split(',')[0]}"} | spec.links)])
        return str(table_html(self._heads, rows, _ANOTHER))
