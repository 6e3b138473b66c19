"""What a person holds while a video is being made: a task, and the list of all tasks."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from textwrap import shorten
from typing import Any

from seedance_nb._display import Video, badge, table_html, table_text
from seedance_nb._errors import SeedanceError, WaitTimeout
from seedance_nb._markup import escaped
from seedance_nb._price import price_after
from seedance_nb._task import FREE_STATES, Row, State

_TICK_S = 0.1


class Task:
    """One task, known by its name in the ledger. Making one sends nothing; `wait` and `await` follow it to its video.

    Pressing Stop, or a timeout, ends the waiting and never the task.
    """

    def __init__(
        self,
        read: Callable[[], Row],
        follow: Callable[[], Future[Row]],
        show: Callable[[Row], Video],
        *,
        is_new: bool,
        resolve: Callable[[str, bool | None], None],
        again: Callable[[], "Task"],
    ) -> None:
        self._read = read
        self._resolve = resolve
        self._again = again
        self.future = follow
        self.show = show
        self.is_new = is_new

    @property
    def row(self) -> Row:
        """The task as the ledger has it now. *reads files*."""
        return self._read()

    @property
    def name(self) -> str:
        """What `sd.task(name)` takes, also after a restart of the kernel."""
        return self.row.name

    @property
    def state(self) -> State:
        """Where the task stands, as far as it was seen."""
        return self.row.state

    def wait(self, timeout: float | None = None) -> Video:
        """The video, once it is made and kept. *network*, *writes ledger*, *writes files*; `timeout` is in seconds.

        Raises: TaskFailed with the provider's words, UnknownOutcome, Refused and its kinds, Unreachable, MediaError,
        and WaitTimeout after `timeout`; the task goes on then.
        """
        future = self.future()
        end = None if timeout is None else time.monotonic() + timeout
        try:
            # In short steps, because an interrupt does not wake a longer wait on every platform.
            while not concurrent.futures.wait([future], timeout=_TICK_S).done:
                if end is not None and time.monotonic() >= end:
                    raise self._still_running(timeout or 0)
        except KeyboardInterrupt as stop:
            stop.add_note(f"Only the waiting ended. The task goes on: sd.task({self.name!r}).wait()")
            raise
        return self.show(future.result())

    def resolve(self, task_id: str = "", *, taken: bool | None = None) -> "Task":
        """The same task, once it is known what became of its request. *network*, *writes ledger*; nothing is sent again.

        For a task whose outcome is unknown: `task_id` is the id that the provider's account shows for it, and
        `taken=False` says that it is not there, so that the same request may be sent again. Without either, the id
        of the unclear answer is looked up, if there was one. A task that is clear already stays as it is.

        Raises: UnknownOutcome with what is known (the balance before and now, where the provider tells it);
        SeedanceError for an id that the provider does not know, or that is another row's.
        """
        self._resolve(task_id, taken)
        return self

    def resubmit(self, *, confirm: bool = False) -> "Task":
        """The task of a new request in place of one whose outcome is unknown. *spends credits*, *network*, *writes ledger*.

        Both may be charged, so it needs `confirm=True`. It is sent once, whoever asks for it again; running the same cell
        attaches to the new one from then on. Raises: SeedanceError where nothing is unclear, or `confirm` is missing.
        """
        row = self.row
        if row.state is not State.UNKNOWN:
            raise SeedanceError(
                f"{row.name} is {row.state}, so there is nothing unclear about it. Nothing was sent.",
                next_step=f"sd.task({row.name!r}).wait() for its video, or send the request with take={row.take + 1}",
                charged=row.charged,
            )
        if not confirm:
            raise SeedanceError(
                f"{row.name} may have been taken and charged already; sending it again may be charged once more. "
                "Nothing was sent.",
                next_step=f"sd.task({row.name!r}).resubmit(confirm=True) if that is what you want",
                charged=row.charged,
            )
        return self._again()

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
            f"{row.name} is still {row.state} after {waited:g} s of waiting{f'; {row.error}' if row.error else ''}.",
            task=row.name,
            charged=row.charged,
            next_step=f"sd.task({row.name!r}).wait() goes on waiting; the task itself was not touched",
        )

    def __repr__(self) -> str:
        row = self.row
        return f"Task {row.name}: {'SIMULATED, ' if row.simulated else ''}{row.state}; {row.spec}; {price_after(row)}"

    def _repr_html_(self) -> str:
        row = self.row
        said = f"<div>{escaped(row.error)}</div>" if row.error else ""
        return (
            f"<div><code>{escaped(row.name)}</code> {badge(row.simulated)} <b>{escaped(row.state)}</b> · "
            f"{escaped(row.spec)} · {escaped(price_after(row))}{said}</div>"
        )


class Tasks(Sequence[Row]):
    """Rows of the ledger, unresolved ones first, then newest first. Shown by Jupyter as a table."""

    _heads = ("task", "state", "cost", "document", "prompt", "made (UTC)", "file")

    def __init__(self, rows: Sequence[Row], prompts: Sequence[str], where: str) -> None:
        order = sorted(range(len(rows)), key=lambda place: (not rows[place].is_unresolved, place))
        self._rows = [rows[place] for place in order]
        self._prompts = [prompts[place] for place in order]
        self._note = f"ledger: {where}"

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
                row.state + (" (SIMULATED)" if row.simulated else ""),
                price_after(row),
                row.spec,
                shorten(prompt, 60, placeholder="…"),
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(row.created)),
                row.file.replace("\\", "/").rsplit("/", 1)[-1] or ("" if row.state in FREE_STATES else "not kept yet"),
            ]
            for row, prompt in zip(self._rows, self._prompts, strict=True)
        ]

    def __repr__(self) -> str:
        return table_text(self._heads, self._cells(), self._note)

    def _repr_html_(self) -> str:
        return table_html(self._heads, self._cells(), self._note)
