"""Several requests in a cell: the table of what is sent and how far it is, and the grid of their videos."""

import math
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from seedance_nb._base import errors
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import Html, piece, table_text
from seedance_nb._check.price import Estimate, total_of
from seedance_nb._form.labels import labels_of, sentence
from seedance_nb._ledger.row import Row, State, price_after
from seedance_nb._notebook.status import CHECK, SIMULATED, running_html
from seedance_nb._session.batch import Batch, Item, Result, attempt
from seedance_nb._task.display.player import View, badge, pending_html, source_of
from seedance_nb._task.display.progress import UPDATE_S, open_line
from seedance_nb._task.display.video import COLUMNS, Video, facts_html, video_player
from seedance_nb._task.files import video_path
from seedance_nb._task.task import Task

MOST_SHOWN = 100  # rows of a table; those with problems come first
_MOST_VIDEOS, _FEW = 48, 8  # of more videos than that only a few are shown, so that a notebook stays small
_AGAIN = " Press the button again to send the rest."
_EMBEDDED = 50_000_000  # bytes of videos in one output; the others are shown as stills


def cell_text(head: str, item: Item, price: Estimate) -> str:
    if head == "price" and item.simulated and not item.error:
        return f"Simulated (free){f'. With a key: {price}' if price.amount is not None else ''}"
    if head == "price":
        return "not sent" if item.error else f"{price}{f'; {price.why}' if price.why else ''}"
    if head != "problems":
        place = "nowhere" if item.fault else "simulator" if item.simulated else item.spec.provider
        return {"model": item.name, "runs on": place}.get(head) or str(item.labels.get(head, ""))
    faults = [item.fault] if item.fault else []
    for problem in (*item.problems, *item.warnings):
        text = f"{problem.field}: {problem.message}" if problem.field else problem.message
        faults.append(f"warning: {text} (according to {problem.source})" if problem.warns else text)
    return "; ".join(faults)


def counts_html(batch: Batch, step: str = "") -> Html:
    """How many requests of a batch have a video, an error or neither, and the next step for those that were not sent after Stop. *pure*."""
    over, left = sum(isinstance(one, errors.OverBudget) for one in batch.results), batch.tasks.count(None)
    done, running = sum(isinstance(one, Video) for one in batch.results), batch.results.count(None) - left
    pairs = zip(batch.tasks, batch.results, strict=True)
    old = sum(isinstance(task, Task) and not task.is_new and isinstance(one, Video) for task, one in pairs)
    text = f"{done} of {len(batch.results)} done" + (f" · {running} running" if running else "")
    text += f" · {left} {'not sent' if batch.current.is_stopped else 'waiting'}" if left else ""
    text += f" · {over} not sent, because that would exceed the budget" if over else ""
    text += "; the errors are below." if len(batch.results) > done + running + left + over else "."
    text += f" You already generated {old} of them. No charge for those." if old and not running else ""
    text += step if left and batch.current.is_stopped else ""
    text += " Create it again with a larger budget= to send the rest." if over else ""
    return Html('<div role="status">{}{}</div>').format(CHECK + " " if done else "", text)


class Videos(list[Result]):
    """The video of each request, or the error in its place, in their order. Jupyter shows them side by side, or as a matrix with `axes`."""

    def __init__(self, prompt: str, results: Iterable[tuple[Item, Result | str]], axes: tuple[str, ...] = ()) -> None:
        self._prompt, self._results, self._axes = prompt, tuple(results), axes
        super().__init__(result for _, result in self._results)  # type: ignore[misc]

    def __repr__(self) -> str:
        lines = []
        for item, result in self._results:
            text = str(result).lower() if result and not isinstance(result, Html) else "no video yet"
            text = repr(result) if isinstance(result, Video) else text
            text = errors.error_text(result) if isinstance(result, Exception) else text
            lines.append(f"{caption(item)}: {' '.join(text.splitlines())}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.view().bundle

    def view(self, *, whole: bool = False) -> View:
        """The videos for every viewer, as HTML that needs neither scripts nor the kernel; of many only a few, errors first, if not `whole`. *reads files*."""
        if len(self) > _MOST_VIDEOS and not whole:
            first = sorted(self._results, key=lambda one: [not isinstance(one[1], kind) for kind in (Exception, Video)])
            few, more = Videos(self._prompt, first[:_FEW]).view(), piece("more-videos").format(len(self) - _FEW)
            return replace(few, text=f"{few.text}\n{more.striptags()}", html=few.html + more)
        left, tiles = _EMBEDDED, []
        marks = [getattr(result, "simulated", item.simulated) for item, result in self._results]
        for (item, result), mark in zip(self._results, marks, strict=True):
            source = source_of(result.path) if isinstance(result, Video) else ""
            left -= len(source)
            tiles.append(_tile(item, result, source if left > 0 else "", badge(mark and not all(marks)), self._axes))
        content = Html('<div style="{}">{}</div>').format(COLUMNS, Html().join(tiles))
        content = _matrix_html([item for item, _ in self._results], tiles, self._axes) if self._axes else content
        head = Html("{} {}").format(badge(simulated=True), self._prompt) if all(marks) else self._prompt
        jpeg = next((result.poster for result in self if isinstance(result, Video)), b"")
        return View(text=repr(self), html=piece("videos").format(head, content), jpeg=jpeg)


def _matrix_html(items: Sequence[Item], tiles: Sequence[Html], axes: tuple[str, ...]) -> Html:
    cells: dict[tuple[str, ...], Html] = {}
    for item, tile in zip(items, tiles, strict=True):
        place = tuple(str(item.labels.get(axis, "")) for axis in axes)
        cells[place] = cells.get(place, Html()) + tile
    head, cell, lines = piece("matrix-head"), piece("matrix-cell"), Html()
    columns = dict.fromkeys(column for _, column in cells)
    for row in dict.fromkeys(row for row, _ in cells):
        content = cell.each(cells.get((row, column), "–") for column in columns)
        lines += piece("matrix-row").format(head.format("row", axes[0], row), content)
    return piece("matrix").format(Html().join(head.format("col", axes[1], column) for column in columns), lines)


def caption(item: Item, axes: Sequence[str] = ()) -> str:
    """What tells an item from the others: its shot, its model, or the values that vary, without those of `axes`. *pure*."""
    values = (f"{name} {value}" for name, value in item.labels.items() if name not in axes)
    return str(item.labels.get("shot", item.name)) if item.title else " · ".join(values)


def _tile(item: Item, result: Result | str, source: str, mark: Html, axes: Sequence[str] = ()) -> Html:
    content = result if isinstance(result, Html) else piece("no-video-yet").format(result or "No video yet")
    if isinstance(result, Video):
        row = result.row
        seconds = f"generated in {row.finished - row.created:.0f} s · " if row.finished else ""
        player, facts = video_player(result, source), facts_html(result, source)
        content = piece("tile-video").format(player, f"{seconds}{price_after(row)}", facts)
    elif isinstance(result, Exception):
        content = piece("tile-error").format(Html("<br>").join(errors.error_text(result).splitlines()))
    take = f" · take {item.take}" if item.take > 1 else ""
    title = Html("<b>{}</b>").each(filter(None, [item.labels.get("shot", item.title) or caption(item, axes)]))
    return piece("tile").format(title, mark, f"{item.name}{take}" if item.title else "", content)


def _progress_html(result: Result, row: Row | None) -> Html:
    if isinstance(result, Exception) or (row and row.state in (State.FAILED, State.UNKNOWN)):
        text = "Not sent: over budget" if isinstance(result, errors.OverBudget) else "No video; see the error below."
        text = text if result or row is None else f"No video: {row.state}"
        return Html('<span class="sdn-over">{}</span>').format(text)
    if row and row.state is State.DONE and row.file:
        return Html("{} Done · {}").format(CHECK, price_after(row))
    return running_html(row, max(0.0, time.time() - row.created)) if row else Html()


@created_by_package
class ShownBatch(Batch):
    """A batch that a cell shows as a table with one button. `_title` has a title, what it is a number of, and what all share; `_question` what a refusal says is sent, and what else may be done."""

    _title: tuple[str, str, str, str]
    _heads: tuple[str, ...]
    _axes: tuple[str, ...] = ()
    _by, _row = "name", "row"  # what warnings call an item, and problems its number
    _question: tuple[str, str]
    _is_whole = True  # without one item, nothing is sent

    @property
    def failed(self) -> tuple[tuple[dict[str, Any], Exception], ...]:
        """What was chosen, and the error, of each request that has no video. *reads files*."""
        self.load()
        pairs = zip(self.items, self.results, strict=True)
        return tuple((dict(item.labels), result) for item, result in pairs if isinstance(result, Exception))

    def grid(self, rows: str, columns: str, /) -> View:
        """The videos as a table with the values of one name at its rows and of another at its columns. *reads files*. Raises: InvalidInput."""
        if wrong := [name for name in (rows, columns) if not any(name in item.labels for item in self.items)]:
            message = f"there is no {wrong[0]!r}, only {', '.join(self.items[0].labels)}"
            raise errors.argument_error("rows", message, wrong[0])
        self.load()
        return self._videos("", (rows, columns), pending=True).view(whole=True)

    def to_pandas(self) -> Any:
        """What was chosen, with task, state, cost, file and error, as a pandas DataFrame. *reads files*. Raises: SeedanceError without pandas."""
        return import_module("pandas").DataFrame(
            {
                "model": item.name, **item.labels, "state": str(row.state if row else State.UNSENT), "task": row and row.name,
                "cost": row and (0.0 if row.simulated else row.credits), "unit": row and row.unit, "file": row and row.file,
                "error": str(result) if isinstance(result, Exception) else row and row.error,
            } for item, row, result in zip(self.items, self.rows(), self.results, strict=True)
        )  # fmt: skip

    def _left_out(self) -> str:
        """The lines about items that are left out. Raises: InvalidInput or SeedanceError if nothing is sent without them."""
        faults = [item.fault for item in self.items if item.fault]
        left_out = "".join(f"\n{one.name} is left out: {one.error.message}" for one in self.items if one.error)
        if not self._is_whole and not self.ready:
            text = f"This request cannot be sent to any of these models.{left_out}"
            raise errors.SeedanceError(text, next_step="change the shared settings or the models")
        pairs = [(number, problem) for number, item in enumerate(self.items, 1) for problem in item.problems]
        problems = {(problem.path, problem.message): problem for _, problem in pairs}
        for (path, message), problem in problems.items() if self._is_whole else ():
            rows = ", ".join(str(number) for number, one in pairs if (one.path, one.message) == (path, message))
            text = f"{message} ({self._row} {textwrap.shorten(rows, 60, placeholder=' …')})"
            problems[path, message] = replace(problem, message=text)
        if self._is_whole and (problems or faults):
            raise errors.InvalidInput(tuple(problems.values())) if problems else errors.SeedanceError(faults[0])
        return left_out

    def progress(self, *, confirm: bool = False) -> Iterator[bool]:
        """Check everything, warn, and send it as `waiting` does. *spends credits*. Raises as `run` does."""
        named = [(getattr(one, self._by), one) for one in self.ready]
        without = [f"{name} is sent without {field}: {why}" for name, one in named for field, why in one.unsupported]
        more = "\n".join([self._left_out(), *without])
        self.require_budget()
        if self.total.paid and confirm is not True:
            models = ", ".join(one.name for one in self.ready if not one.simulated)
            what, step = (text.format(count=len(self.due), models=models) for text in self._question)
            blank = f" Without a prompt: {self.blank_prompts} of them." if self.blank_prompts else ""
            text = f"This sends {what}. Total: {self.total}.{blank} Nothing has been sent.{more}"
            raise errors.SeedanceError(text, next_step=f"pass confirm=True to send them{step}")
        # Before anything is sent: warnings may be turned into errors.
        limits = dict.fromkeys(f"{name}, {problem}" for name, one in named for problem in one.warnings)
        errors.emit_warnings(limits, errors.LimitWarning)
        errors.emit_warnings([*without, *self.unchecked_budgets()], UserWarning)
        try:
            yield from self.waiting()
        except KeyboardInterrupt:
            sent = [at for at, task in enumerate(self.tasks) if isinstance(task, Task) and task.is_new]
            price = total_of([(self.items[at].spec, self.estimates[at], self.items[at].simulated) for at in sent])
            text = f"Nothing further is sent. Sent in this run: {price if sent else 'nothing'}."
            step = "What was sent goes on: run this again for its videos and for the rest. Nothing is charged twice."
            raise errors.StoppedWaiting(f"{counts_html(self).striptags()} {text} {step}") from None
        if over := next((one for one in self.results if isinstance(one, errors.OverBudget)), None):
            errors.emit_warnings([f"{counts_html(self).striptags()} {over.message}"], UserWarning)

    def run(self, *, confirm: bool = False, timeout: float | None = None) -> "Videos":
        """Send what was never sent, and wait for every video or error. *spends credits*, *network*, *writes ledger*, *writes files*.

        An error takes the place of its video and stops no other. Stop ends the sending; the same call sends the rest. `timeout` is
        in seconds, for all together; the tasks go on after it. Raises, before anything is sent: InvalidInput with every problem
        (a comparison leaves such models out); OverBudget; SeedanceError with the total if it costs credits and `confirm` is not
        True, which a sweep's budget replaces.
        """
        line, due_at, end = open_line(wanted=None), 0.0, math.inf if timeout is None else time.monotonic() + timeout
        for is_over in self.progress(confirm=confirm):
            if line and (is_over or time.monotonic() >= due_at):
                due_at, html = time.monotonic() + UPDATE_S, counts_html(self)
                line.show(html.striptags(), html)
            if time.monotonic() >= end and None not in self.tasks:
                break
        if line:
            line.end()
        for at, task in enumerate(self.tasks):
            if isinstance(task, Task) and self.results[at] is None:
                self.results[at] = attempt(partial(task.wait, 0, progress=False))
        return self._videos(self._title[2], self._axes)

    def __repr__(self) -> str:
        if "_heads" not in vars(self):  # a traceback shows an object whose creation failed
            return f"{type(self).__name__} (not created)"
        rows = [[cell_text(head, *one) for head in self._heads] for one in zip(self.items, self.estimates, strict=True)]
        return table_text(self._heads, rows, f"{len(self.due)} of {len(self.items)} can be sent: {self.total}")

    def _ipython_display_(self) -> None:
        self._view().show()

    def _view(self) -> Any:
        from seedance_nb._notebook.output import BatchView

        title, noun, *shared = self._title
        badge, number = SIMULATED if all(item.simulated for item in self.items) else "", len(self.items)
        head = piece("title").format(title, number, f"{noun}{'s' * (number != 1)}", badge, *shared)
        return BatchView(self, head, self._table, self._output, partial(counts_html, self, _AGAIN))

    def _output(self, *, pending: bool = False) -> View:
        return self._videos(self._title[2], self._axes, pending=pending).view()

    def _videos(self, prompt: str, axes: tuple[str, ...], *, pending: bool = False) -> Videos:
        """The results; for tasks that have none yet, players of their future files if `pending`. *reads files*."""
        shown = list[Result | str](self.results)
        for at, task in enumerate(self.tasks):
            if task is None and self.current.is_stopped:
                shown[at] = "Not sent"
            elif isinstance(task, Task) and shown[at] is None and pending:
                path = video_path(self._session.outputs, task.row)
                shown[at] = pending_html(path.name, source_of(path))
        return Videos(prompt, zip(self.items, shown, strict=True), axes)

    def _table(self) -> Html:
        """What is sent and how far it is, whose rows become blocks where it is narrow. *reads files*, *network* the first time."""
        rows = self.rows()
        order = sorted(range(len(rows)), key=lambda at: len(rows) > MOST_SHOWN and not self.items[at].problems)
        lines = Html("<tr>{}</tr>").each(self._cells_html(at, rows[at]) for at in order[:MOST_SHOWN])
        hidden = [len(rows) - MOST_SHOWN] * (len(rows) > MOST_SHOWN)
        more = Html('<div class="sdn-dim">and {:,} more</div>').each(hidden)
        return piece("requests").format(Html('<th scope="col">{}</th>').each((*self._heads, "progress")), lines, more)

    def _cells_html(self, at: int, row: Row | None) -> Html:
        item, cells = self.items[at], Html()
        for head in (*self._heads, "progress"):
            if head == "model":
                cell: str = piece("model").format(item.spec.title, item.spec.mode, item.name)
            elif head == "problems":
                cell = Html("<div>{}</div>").format(item.fault) if item.fault else Html()
                for problem in (*item.problems, *item.warnings):
                    kind, words = "sdn-warn" if problem.warns else "sdn-error", sentence(problem, labels_of(item.spec))
                    cell += Html('<div class="{}">{}</div>').format(kind, words)
            elif head == "progress":
                cell = "" if item.error else _progress_html(self.results[at], row) or str(item.labels.get("state", ""))
            else:
                cell = cell_text(head, item, self.estimates[at])
            cells += Html('<td data-head="{}"><div>{}</div></td>').format(head, cell or "–")
        return cells
