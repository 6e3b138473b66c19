"""A task as notebooks use it, and the table of tasks."""

import asyncio
import concurrent.futures
import math
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from typing import Any, Protocol

from seedance_nb._base.errors import Charged, SeedanceError, StoppedWaiting, WaitTimeout, emit_warnings
from seedance_nb._base.faults import created_by_package, log_unexpected, typed_class
from seedance_nb._base.html import FG, FONT, Html, piece, safe_url, table_html, table_text
from seedance_nb._base.values import map_leaves, quote_lines, read_json, sanitize
from seedance_nb._check.check import Approved, approve_again, values_by_role
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import EARLY_STATES, FREE_STATES, Row, State, price_after
from seedance_nb._task.display.player import badge, data_url, source_of, still_of
from seedance_nb._task.display.progress import Line, Progress, open_line, usual_text
from seedance_nb._task.display.video import Video, video_of, video_view
from seedance_nb._task.engine import ENGINE, Delivery
from seedance_nb._task.files import file_text, forget, poster_of
from seedance_nb._task.follow import require_consent, resolve, run
from seedance_nb._task.results import poll
from seedance_nb._task.send import TaskRun, raise_for

_TICK_S = 0.1
_STILLS_BYTES, _STILL_WIDTH = 150_000, 112  # of the stills in one table together; the later ones are left out


class Context(Protocol):
    """What a task needs from its session."""

    ledger: Ledger

    @property
    def outputs(self) -> Path: ...
    def flow_of(self, spec: Spec, row: Row) -> TaskRun: ...
    def begin(self, flow: TaskRun, approved: Approved, take: int, budget: float | None,
              replaces: int | None) -> "Task": ...  # fmt: skip


@created_by_package
class Task:
    """A request in the ledger, and a way to its video. `sd.submit` and `sd.task` return one.

    `task.wait()` or `await task` returns the video. Stop and timeouts end the waiting only, never the task.
    `is_new` is whether this call sent the request (False if the same request was already in the ledger).

    >>> session = sd.Session(queue_s=0, run_s=0)
    >>> task = session.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=5)
    >>> task.wait()
    Video crun:task_...: SIMULATED, 1280 × 720 · 5 s · 24 fps · H.264 · no sound; ...
    >>> task
    Task crun:task_...: SIMULATED, done; crun/seedance-1.0-pro-t2v; simulated (free)
    """

    def __init__(self, context: Context, spec: Spec, row: Row, flow: TaskRun | None = None, *,
                 is_new: bool = False) -> None:  # fmt: skip
        self.is_new, self._context = is_new, context
        self._spec, self._row, self._cached_flow = spec, row, flow

    @property
    def _charged(self) -> Charged:
        """What is known of money where even the row cannot be read."""
        return "not charged" if self._row.simulated else "unknown"

    @property
    def row(self) -> Row:
        """The task's row as the ledger has it now. *reads files*."""
        return self._context.ledger.refreshed(self._row)

    @property
    def name(self) -> str:
        """The name for `sd.task(name)`, which works after a restart of the kernel too. *reads files*."""
        return self.row.name

    @property
    def state(self) -> State:
        """The state at the last status check. *reads files*."""
        return self.row.state

    @property
    def cost(self) -> str:
        """What it costs, as far as it is known, such as "200 credits". *reads files*."""
        return price_after(self.row)

    def __dir__(self) -> list[str]:  # for Tab: without what only this package needs
        return [name for name in (*vars(Task), "is_new") if name[0] != "_" and name not in ("following", "row", "show")]

    @cached_property
    def future(self) -> "Future[Video]":
        """The video as a `concurrent.futures.Future`, the same one each time; cancelling it ends the waiting, not the task. *network*, *writes ledger*, *writes files*."""

        async def video() -> Video:
            following: Future[Any] = await asyncio.to_thread(self.following)
            row = await asyncio.shield(asyncio.wrap_future(following))
            return await asyncio.to_thread(self.show, row)  # it reads files, and this loop follows every task

        return ENGINE.submit(video())

    def following(self) -> "Future[Row]":
        """A future for the finished row; polling starts if it is not running yet. *network*, *writes ledger*, *writes files*."""
        now = self.row
        raise_for(self._spec, now)
        flow = self._flow()
        return ENGINE.follow(flow.key(now), lambda: run(flow, now, None))

    def show(self, done: "Row | None" = None) -> Video:
        """The video of a row whose file is saved; without a row, that of this task once it is. *reads files*."""
        if done is None:
            return self.wait()
        return video_of(done, self._spec.title, values_by_role(self._spec, read_json(done.body)))

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Video:
        """Wait for the video. *network*, *writes ledger*, *writes files*.

        The parameters:
          timeout: how long to wait, in seconds; None for as long as it takes.
          progress: whether to show a progress line; None for one if a person reads the notebook or terminal, True also if
            a program runs it.
        Returns: the video, saved as a file.
        Raises: TaskFailed with the provider's words; UnknownOutcome; Refused and its subclasses; Unreachable; MediaError;
        WaitTimeout after `timeout`, while the task is still running.

        >>> task = sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> task.wait(timeout=60).path.suffix
        '.mp4'
        """
        future, shown = self.following(), self._progress(progress)
        end = math.inf if timeout is None else time.monotonic() + timeout
        try:
            # In short steps, because an interrupt does not wake a longer wait on every platform.
            while not (done := concurrent.futures.wait([future], timeout=_TICK_S).done) and time.monotonic() < end:
                if shown.is_due:
                    shown.update(self.row)
        except KeyboardInterrupt:
            del future  # an error's frames must not lead to the request that is being sent
            text = "Stopped waiting; the task is still running"
            shown.end(self.row, text)
            raise StoppedWaiting(f"{text}. Wait for it again with sd.task({self.name!r}).wait()") from None
        shown.end(self.row, "" if done else "Still running")
        if not done:
            del future, done  # as above
            row = self.row
            name = f"{row.name}{' (SIMULATED)' if row.simulated else ''}"
            trouble = f"; {quote_lines(row.error)}" if row.error else ""
            free = "\nNothing is charged in the simulator." if row.simulated else ""
            text = f"{name} is still {state_text(row)}{f' after {timeout:g} s' if timeout else ''}{trouble}. Stopped waiting; the task itself continues.{free}"
            step = f"wait for it again with sd.task({row.name!r}).wait()"
            raise WaitTimeout(text, task=row.name, charged=None if free else row.charged, next_step=step)
        return self.show(future.result())

    def details(self) -> Any:
        """The provider's own answer about it, as it is now, with its times, seed, usage and whatever else there is. *network*; free.

        Returns: the JSON of the answer, its texts without URL queries.
        Raises: SeedanceError if there is no task at the provider, or no answer.

        >>> task = sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> task.wait().task == task.name, task.details()["message"]
        (True, 'success')
        """
        row = self.row
        look = poll(self._flow(), row.task_id) if row.task_id else None
        _, answer, why = ENGINE.run(look) if look else (None, None, "it has no id yet")
        if answer is None:
            text = f"{row.provider} said nothing about {row.name} ({why})."
            raise SeedanceError(text, next_step="try again", charged=row.charged)
        return map_leaves(answer.value, lambda leaf: sanitize(leaf) if isinstance(leaf, str) else leaf)

    def resolve(self, task_id: str = "", *, taken: bool | None = None) -> "Task":
        """Settle a task whose outcome is unknown; nothing is sent again. *network*, *writes ledger*.

        The parameters:
          task_id: the task's id in your account at the provider. Without it, an id in the unclear response is looked up.
          taken: False if the task is not in your account, so that the same request can be sent again.
        Returns: this task. If its outcome is already known, nothing changes.
        Raises: UnknownOutcome with what is known (such as the balance before and now); SeedanceError for an id that the
        provider does not know or that belongs to another task.

        >>> task = sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> task.wait().task == task.resolve().name
        True
        """
        ENGINE.run(resolve(self._flow, self._context.ledger, self.row, task_id, taken))
        return self

    def resubmit(self, *, confirm: bool = False, budget: float | None = None) -> "Task":
        """Send the request of a task with an unknown outcome again, once. *spends credits*, *network*, *writes ledger*.

        Rerunning the first cell then returns the new task.

        The parameters:
          confirm: True to accept that both requests may be charged.
          budget: as in `sd.submit`; None for the budget of the first request.
        Returns: the new task.
        Raises: SeedanceError if the outcome is known or `confirm` is missing; OverBudget.

        >>> task = sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> video = task.wait()
        >>> task.resubmit(confirm=True)
        Traceback (most recent call last):
        seedance_nb...SeedanceError: crun:task_... is done: its outcome is known, so it cannot be resubmitted. Nothing was sent.
        ...
        """
        row = self.row
        problem, step, task = "", "", f"sd.task({row.name!r})"
        if row.state in EARLY_STATES:
            problem = f"is {row.state}: a process on {row.owner.split('|')[0]} may still be working on it"
            step = f"wait for its outcome with {task}.wait()"
        elif row.state is not State.UNKNOWN:
            problem = f"is {row.state}: its outcome is known, so it cannot be resubmitted"
            step = f"get its video with {task}.wait(), or send the request again with take={row.take + 1}"
        elif not confirm:
            problem = "may already have been accepted and charged; if you send it again, you may be charged twice"
            step = f"call {task}.resubmit(confirm=True) if that is what you want"
        if problem:
            raise SeedanceError(f"{row.name} {problem}. Nothing was sent.", next_step=step, charged=row.charged)
        flow, limit = self._flow(), row.budget if budget is None else budget
        flow = replace(flow, delivery=Delivery(), troubles=[])
        require_consent(self._spec, flow.endpoint, limit)
        return self._context.begin(flow, approve_again(self._spec, row.body), row.take, limit, row.seq)

    def forget(self, *, files: bool = False) -> None:
        """Remove the prompt and the rest of the request from the ledger, for good. *writes ledger*, *writes files*.

        Number, time, model, cost and the provider's id stay, so that budgets count and the same request is not paid again
        by itself. Other copies stay: in notebooks, exported pages, files of `video.save`, and at the provider.

        The parameters:
          files: whether every file that was saved for the task, and drafts with its prompt, are deleted as well. Files that
            you named stay. Without it, the video still plays and has its request in it.
        Raises: SeedanceError for a task that is not finished or not downloaded; LedgerError. Call it again after an error.

        >>> task = sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> video = task.wait()
        >>> task.forget(files=True)
        >>> video.path.exists()
        False
        """
        row, ledger = self.row, self._context.ledger
        ENGINE.run(forget(ledger, self._context.outputs, self._spec, row, files=files))
        if any(ledger.path.parent.glob(f"{ledger.path.name}.damaged-*")):
            copies = f"Old files of a repair may still have the request. Delete them if you no longer need them: {ledger.path}.damaged-*"
            emit_warnings((copies,), UserWarning)

    def _flow(self) -> TaskRun:
        return self._cached_flow or self._context.flow_of(self._spec, self._row)

    def __await__(self) -> Generator[Any, None, Video]:
        future, shown = self.following(), self._progress(None)
        try:
            yield from self._show_until(future, shown).__await__()
        except BaseException:
            shown.end(self.row, "Stopped waiting; the task is still running")
            raise
        shown.end(self.row)
        return self.show(future.result())

    async def _show_until(self, future: "Future[Row]", shown: Progress) -> None:
        while not future.done():  # never awaits the future itself: cancelling the cell must not cancel the task
            await asyncio.sleep(2 * _TICK_S)
            if shown.is_due:
                shown.update(await asyncio.to_thread(lambda: self.row))

    def _progress(self, wanted: bool | None) -> Progress:
        line = open_line(wanted=wanted)
        return Progress(line, usual_text(self._context.ledger.history(self._row)) if line else "")

    def __repr__(self) -> str:
        row = self.row
        return f"Task {row.name}: {'SIMULATED, ' if row.simulated else ''}{state_text(row, 300)}; {row.spec}; {price_after(row)}"

    def _ipython_display_(self) -> None:
        line = open_line(wanted=True)
        if line is None or line.publisher is None:
            print(self)  # noqa: T201 - IPython asks for the display
            return
        row = self.row
        line.show(repr(self), self._html(row))
        if not row.file and row.state not in (*FREE_STATES, State.UNKNOWN, State.FAILED):
            ENGINE.submit(self._show_live(line))

    async def _show_live(self, line: Line) -> None:
        """Update a displayed task until it ends, and then show its video."""
        try:
            future = await asyncio.to_thread(self.following)
            shown = Progress(line, usual_text(await asyncio.to_thread(self._context.ledger.history, self._row)))
            await self._show_until(future, shown)
            view = await asyncio.to_thread(lambda: video_view(self.show(future.result())))
            line.show(view.text, view.html)
        except SeedanceError:
            line.show(repr(self), self._html(await asyncio.to_thread(lambda: self.row)))
        except Exception as error:  # noqa: BLE001 - on the engine's thread it would be seen nowhere
            log_unexpected("task", error)

    def _html(self, row: Row) -> Html:
        error = Html("<div>{}</div>").format(row.error) if row.error else ""
        line = Html('<div style="{};{};overflow-wrap:anywhere"><code>{}</code> {} <b>{}</b> · {} · {}{}</div>')
        return line.format(FONT, FG, row.name, badge(row.simulated), state_text(row), row.spec, price_after(row), error)

    def _repr_html_(self) -> str:
        return str(self._html(self.row))


def state_text(row: Row, width: int = 0) -> str:
    """A row's state; if the schema does not define it, with the provider's word and up to `width` characters of the reason. *pure*."""
    if row.state is not State.OTHER:
        return f"{row.state}, forgotten" if row.is_forgotten else row.state
    reason = f": {row.error}" if row.error and width else ""
    return f"{row.state} ({shorten(f'{row.word}{reason}', width or 100, placeholder='…')})"


def cells_of(row: Row, prompt: str) -> list[str]:
    """What tables of tasks say of a row: prompt, model, local time, cost, state, name and file, or why there is none. *reads files*."""
    short, when = shorten(prompt, 60, placeholder="…"), time.strftime("%Y-%m-%d %H:%M", time.localtime(row.created))
    state = f"{'⚠ ' if row.is_unresolved else ''}{state_text(row, 120)}"
    file = file_text(row) if row.state is not State.UNKNOWN else ""
    return [short, row.spec, when, price_after(row), state, row.name, file]


@typed_class
class Tasks(list[Row]):
    """Rows of the ledger as a table, unresolved ones first, then newest first. `sd.tasks` returns it.

    >>> session = sd.Session(queue_s=0, run_s=0)
    >>> video = session.generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
    >>> session.tasks()[0].name == video.task
    True
    """

    _heads = ("prompt", "model", "created", "cost", "state", "task", "file")

    def __init__(self, rows: Sequence[Row], prompts: Sequence[str], where: str, count: int = 0) -> None:
        self._pairs = sorted(zip(rows, prompts, strict=True), key=lambda pair: not pair[0].is_unresolved)
        super().__init__(row for row, _ in self._pairs)
        more = f"Showing {len(rows):,} of {count:,} tasks; sd.tasks({count}) shows all. " if len(rows) < count else ""
        self._note = f"{more}Ledger: {where}"
        self._lead = "" if rows else "No tasks."
        if unclear := [row for row in self if row.is_unresolved and row.state is State.UNKNOWN]:
            several = f"{len(unclear):,} requests have unknown outcomes"
            number = "1 request has an unknown outcome" if len(unclear) == 1 else several
            is_free = all(row.simulated for row in unclear)
            risk = " (simulated, nothing was charged)" if is_free else " and may have been charged"
            self._lead = f"{number}{risk}: sd.task({unclear[0].name!r}).resolve() shows what to do"

    def to_pandas(self) -> Any:
        """The tasks as a pandas DataFrame, with local times and with costs as numbers. *pure*. Raises: SeedanceError without pandas."""
        return import_module("pandas").DataFrame(
            {
                "task": row.name, "state": str(row.state), "model": row.spec, "prompt": prompt,
                "created": datetime.fromtimestamp(row.created),  # noqa: DTZ006 - a person's own time
                "cost": 0.0 if row.simulated else row.credits, "unit": row.unit, "simulated": row.simulated, "file": row.file,
            } for row, prompt in self._pairs
        )  # fmt: skip

    def __repr__(self) -> str:
        return table_text(self._heads, [cells_of(*pair) for pair in self._pairs], self._note, self._lead)

    def _repr_html_(self) -> str:
        rows, left = list[list[str]](), _STILLS_BYTES
        for row, prompt in self._pairs:
            *cells, name, file = cells_of(row, prompt)
            if file and Path(row.file).name == file:
                still = still_of(poster_of(Path(row.file)), width=_STILL_WIDTH) if left > 0 else b""
                left, file = left - len(still), _still_html(row, still)
            rows.append([file, *cells, Html('<div style="max-width:30ch">{}</div>').format(piece("task").format(name))])
        return str(table_html(("video", *self._heads[:-1]), rows, self._note, self._lead))


def _still_html(row: Row, still: bytes) -> Html:
    """The still of a row's video, which links to it, or has the file's path below it where no server delivers it. *reads files*."""
    link = safe_url(source_of(Path(row.file), embed=False))
    html = Html('<img src="{}" alt="{}" style="display:block;width:112px;min-width:112px;border-radius:4px">')
    image = html.format(safe_url(data_url(still, "image/jpeg")), "play the video" if link else "") if still else Html()
    if not link:
        return image + Html('<code style="overflow-wrap:anywhere">{}</code>').format(row.file)
    return Html('<a href="{}">{}</a>').format(link, image or "play")
