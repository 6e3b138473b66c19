"""What a person holds while a video is being made: a task, and the list of all tasks."""

import asyncio
import concurrent.futures
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from textwrap import shorten
from typing import Any, Protocol

from seedance_nb._base.errors import SeedanceError, WaitTimeout
from seedance_nb._base.html import Html, table_html, table_text
from seedance_nb._base.text import quote_lines
from seedance_nb._base.values import read_json
from seedance_nb._check.body import values_by_role
from seedance_nb._check.check import Approved, approve_again
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import EARLY_STATES, Row, State, price_after
from seedance_nb._task.begin import require_consent
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.files import file_text
from seedance_nb._task.follow import run
from seedance_nb._task.resolve import resolve
from seedance_nb._task.send import TaskRun, raise_for
from seedance_nb._task.video import Video, badge, video_of

_TICK_S = 0.1


class Context(Protocol):
    """What a task needs of the session that it belongs to."""

    ledger: Ledger

    def flow_of(self, spec: Spec, row: Row) -> TaskRun:
        """The surroundings of a task that the ledger holds. Raises: SeedanceError where it cannot be looked at from here."""
        ...

    def begin(
        self, flow: TaskRun, approved: Approved, take: int, budget: float | None, instead_of: int | None = None
    ) -> "Task":
        """The task of a request, sent where it is new. *writes ledger*, *network*, *spends credits*."""
        ...


class Task:
    """One task, known by its name in the ledger. Making one sends nothing; `wait` and `await` follow it to its video.

    Pressing Stop, or a timeout, ends the waiting and never the task.
    """

    def __init__(
        self, context: Context, spec: Spec, row: Row, flow: TaskRun | None = None, *, is_new: bool = False
    ) -> None:
        self.is_new = is_new
        self._context = context
        self._spec = spec
        self._row = row
        self._known_flow = flow

    @property
    def row(self) -> Row:
        """The task as the ledger has it now. *reads files*."""
        return self._context.ledger.again(self._row)

    @property
    def name(self) -> str:
        """What `sd.task(name)` takes, also after a restart of the kernel."""
        return self.row.name

    @property
    def state(self) -> State:
        """Where the task stands, as far as it was seen."""
        return self.row.state

    def future(self) -> Future[Row]:
        """The one flow that follows the task, begun if none is going on. *network*, *writes ledger*, *writes files*.

        Raises: the error that the task's state means.
        """
        now = self.row
        raise_for(self._spec, now)
        flow = self._flow()
        return ENGINE.follow(flow.key(now), lambda: run(flow, now, None))

    def show(self, done: Row) -> Video:
        """The video of a row whose file is kept. *reads files*."""
        return video_of(done, self._spec.title, values_by_role(self._spec, read_json(done.body)))

    def wait(self, timeout: float | None = None) -> Video:
        """The video, once it is made and kept. *network*, *writes ledger*, *writes files*; `timeout` is in seconds.

        Raises: TaskFailed with the provider's words, UnknownOutcome, Refused and its kinds, Unreachable, MediaError,
        and WaitTimeout after `timeout`; the task goes on then.
        """
        future = self.future()
        end = None if timeout is None else time.monotonic() + timeout
        try:
            # In short steps, because an interrupt does not wake a longer wait on every platform.
            while not (done := concurrent.futures.wait([future], timeout=_TICK_S).done) and (
                end is None or time.monotonic() < end
            ):
                pass
        except KeyboardInterrupt as stop:
            stop.add_note(f"Stopped waiting; the task is still running. Resume it with sd.task({self.name!r}).wait()")
            del future  # it leads to the request that is on its way at this moment
            raise
        if not done:
            del future, done  # as above
            raise self._still_running(timeout or 0)
        return self.show(future.result())

    def resolve(self, task_id: str = "", *, taken: bool | None = None) -> "Task":
        """The same task, once it is known what became of its request. *network*, *writes ledger*; nothing is sent again.

        For a task whose outcome is unknown: `task_id` is the id that the provider's account shows for it, and
        `taken=False` says that it is not there, so that the same request may be sent again. Without either, the id
        of the unclear answer is looked up, if there was one. A task that is clear already stays as it is.

        Raises: UnknownOutcome with what is known (the balance before and now, where the provider tells it);
        SeedanceError for an id that the provider does not know, or that is another row's.
        """
        ENGINE.run(resolve(self._flow, self._context.ledger, self.row, task_id, taken))
        return self

    def resubmit(self, *, confirm: bool = False, budget: float | None = None) -> "Task":
        """The task of a new request in place of one whose outcome is unknown. *spends credits*, *network*, *writes ledger*.

        Both may be charged, so it needs `confirm=True`. It is sent once, whoever asks for it again; running the same cell
        attaches to the new one from then on. It is held to `budget`, else to the one that the first request was sent under.
        Raises: SeedanceError where nothing is unclear, or `confirm` is missing; OverBudget.
        """
        row = self.row
        if row.state in EARLY_STATES:
            raise SeedanceError(
                f"{row.name} is {row.state}: a process on {row.owner.split('|')[0]} may still be working on it. Nothing was sent.",
                next_step=f"wait for its outcome with sd.task({row.name!r}).wait()",
                charged=row.charged,
            )
        if row.state is not State.UNKNOWN:
            raise SeedanceError(
                f"{row.name} is {row.state}: its outcome is known, so it cannot be resubmitted. Nothing was sent.",
                next_step=f"get its video with sd.task({row.name!r}).wait(), or send the request again with take={row.take + 1}",
                charged=row.charged,
            )
        if not confirm:
            raise SeedanceError(
                f"{row.name} may already be accepted and charged; sending it again may be charged twice. Nothing was sent.",
                next_step=f"call sd.task({row.name!r}).resubmit(confirm=True) if that is what you want",
                charged=row.charged,
            )
        flow, limit = self._flow().anew(), row.budget if budget is None else budget
        require_consent(self._spec, flow.place, limit)
        return self._context.begin(flow, approve_again(self._spec, row.body), row.take, limit, row.seq)

    def _flow(self) -> TaskRun:
        """The task's surroundings; where it was sent is found out only when that is needed."""
        return self._known_flow or self._context.flow_of(self._spec, self._row)

    def __await__(self) -> Generator[Any, None, Video]:
        return self._awaited().__await__()

    async def _awaited(self) -> Video:
        future = self.future()
        while not future.done():
            await asyncio.sleep(2 * _TICK_S)  # never the future itself: cancelling the cell must not cancel the task
        return self.show(future.result())

    def _still_running(self, waited: float) -> WaitTimeout:
        row = self.row
        return WaitTimeout(
            f"{row.name} is still {row.state} after {waited:g} s{f'; {quote_lines(row.error)}' if row.error else ''}. "
            "Stopped waiting; the task is still running.",
            task=row.name,
            charged=row.charged,
            next_step=f"resume it with sd.task({row.name!r}).wait()",
        )

    def __repr__(self) -> str:
        row = self.row
        return f"Task {row.name}: {'SIMULATED, ' if row.simulated else ''}{row.state}; {row.spec}; {price_after(row)}"

    def _repr_html_(self) -> str:
        row = self.row
        error = Html("<div>{}</div>").format(row.error) if row.error else ""
        shown = (row.name, badge(row.simulated), row.state, row.spec, price_after(row), error)
        return str(Html("<div><code>{}</code> {} <b>{}</b> · {} · {}{}</div>").format(*shown))


class Tasks(Sequence[Row]):
    """Rows of the ledger, unresolved ones first, then newest first. Shown by Jupyter as a table."""

    _heads = ("task", "state", "cost", "model", "prompt", "created (UTC)", "file")

    def __init__(self, rows: Sequence[Row], prompts: Sequence[str], where: str, count: int = 0) -> None:
        order = sorted(range(len(rows)), key=lambda place: (not rows[place].is_unresolved, place))
        self._rows = [rows[place] for place in order]
        self._prompts = [prompts[place] for place in order]
        more = f"Showing {len(rows):,} of {count:,} tasks; sd.tasks({count}) shows all. " if len(rows) < count else ""
        self._note = f"{more}Ledger: {where}"
        unclear = [row for row in self._rows if row.is_unresolved and row.state is State.UNKNOWN]
        number = (
            "1 request has an unknown outcome"
            if len(unclear) == 1
            else f"{len(unclear):,} requests have unknown outcomes"
        )
        step = f"sd.task({unclear[0].name!r}).resolve()" if unclear else ""
        self._lead = f"{number} and may have been charged: {step} shows what to do" if unclear else ""

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def _cells(self) -> list[list[str]]:
        return [
            [
                row.name,
                ("⚠ " if row.is_unresolved else "") + row.state + (" (SIMULATED)" if row.simulated else ""),
                price_after(row),
                row.spec,
                shorten(prompt, 60, placeholder="…"),
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.created)),
                file_text(row) if row.state is not State.UNKNOWN else "",
            ]
            for row, prompt in zip(self._rows, self._prompts, strict=True)
        ]

    def __repr__(self) -> str:
        return table_text(self._heads, self._cells(), self._note, self._lead)

    def _repr_html_(self) -> str:
        return str(table_html(self._heads, self._cells(), self._note, self._lead))
