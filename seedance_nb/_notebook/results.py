"""Several requests in a cell: the table of what is sent and how far it is, and the grid of their videos."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import OverBudget, error_text
from seedance_nb._base.html import DIM, FG, FONT, LINE, Html, request_html
from seedance_nb._base.values import json_text
from seedance_nb._check.price import Estimate
from seedance_nb._form.labels import labels_of, sentence
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._notebook.status import CHECK, SIMULATED, running_html
from seedance_nb._session.batch import Batch, Item, Result
from seedance_nb._task.display.page import COLUMNS
from seedance_nb._task.display.player import View, badge, pending_html, source_of
from seedance_nb._task.display.video import ERROR, Video, facts_html, video_player, video_text
from seedance_nb._task.files import video_path
from seedance_nb._task.task import Task

MOST_SHOWN = 200  # rows of a table; those with problems come first
_WITH_REQUESTS = 12  # most rows of a table that shows the request of each
_EMBEDDED = 50_000_000  # bytes of videos in one output; the others are shown as stills
_CODE = "overflow-wrap:anywhere;font-size:12px;background:none;padding:0;color:inherit"
_BOX = f"{LINE};border-radius:8px;padding:12px;min-height:120px;overflow-wrap:anywhere"


def cell_text(head: str, item: Item, price: Estimate) -> str:
    """What a table says of an item in one of its columns. *pure*."""
    if head == "price" and item.simulated and not item.error:
        return f"Simulated (free){f'. With a key: {price}' if price.amount is not None else ''}"
    if head == "price":
        return "not sent" if item.error else f"{price}{f'; {price.why}' if price.why else ''}"
    if head != "problems":
        return {"model": item.name, "runs on": item.runs_on}.get(head) or str(item.labels.get(head, ""))
    faults = [item.fault] if item.fault else []
    for problem in (*item.problems, *item.warnings):
        text = f"{problem.field}: {problem.message}" if problem.field else problem.message
        faults.append(f"warning: {text} (according to {problem.source})" if problem.warns else text)
    return "; ".join(faults)


def title_html(title: str, noun: str, items: Sequence[Item], text: str, settings: str) -> Html:
    """The title row of a batch: how many it has of what, and what they all share. *pure*."""
    count = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
    badge = SIMULATED if all(item.simulated for item in items) else ""
    lines = Html('<div class="sdn-said">{}</div><div class="sdn-said sdn-dim">{}</div>').format(text, settings)
    return Html('<b>{}</b><span class="sdn-dim">{}</span>{}{}').format(title, count, badge, lines)


def batch_table(batch: Batch, heads: Sequence[str]) -> Html:
    """The table of a batch as it is now, whose rows become blocks where it is narrow. *reads files*, *network* the first time."""
    rows, heads = batch.rows() if any(batch.tasks) else [None] * len(batch.items), (*heads, "progress")
    order = sorted(range(len(rows)), key=lambda at: len(rows) > MOST_SHOWN and not batch.items[at].problems)
    lines = Html("<tr>{}</tr>").each(_cells_html(batch, heads, at, rows[at]) for at in order[:MOST_SHOWN])
    more = Html('<div class="sdn-dim">and {:,} more</div>').format(len(rows) - MOST_SHOWN) if order[MOST_SHOWN:] else ""
    table = Html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>{}")
    return table.format(Html('<th scope="col">{}</th>').each(heads), lines, more)


def _cells_html(batch: Batch, heads: Sequence[str], at: int, row: Row | None) -> Html:
    item, cells = batch.items[at], Html()
    for head in heads:
        if head == "model":
            title = Html('<b>{}</b> <span class="sdn-dim">{}</span><code>{}</code>')
            is_shown = not item.error and len(batch.items) <= _WITH_REQUESTS
            sent = request_html(json_text(item.body)) if is_shown else ""
            cell: str = title.format(item.spec.title, item.spec.mode, item.name) + sent
        elif head == "runs on":  # the head of the view has the badge where all are simulated
            is_mixed = item.simulated and not item.fault and not all(one.simulated for one in batch.items)
            cell = SIMULATED if is_mixed else item.runs_on
        elif head == "problems":
            cell = _problems_html(item)
        elif head == "progress":
            cell = "" if item.error else _progress_html(batch.results[at], row)
        else:
            cell = cell_text(head, item, batch.estimates[at])
        cells += Html('<td data-head="{}"><div>{}</div></td>').format(head, cell or "–")
    return cells


def _problems_html(item: Item) -> Html:
    problems = Html("<div>{}</div>").format(item.fault) if item.fault else Html()
    for problem in (*item.problems, *item.warnings):
        kind = "sdn-warn" if problem.warns else "sdn-error"
        problems += Html('<div class="{}">{}</div>').format(kind, sentence(problem, labels_of(item.spec)))
    return problems


def _progress_html(result: Result, row: Row | None) -> Html:
    if isinstance(result, Exception):
        text = "Not sent: over budget" if isinstance(result, OverBudget) else "No video; see the error below."
        return Html('<span class="sdn-over">{}</span>').format(text)
    if isinstance(result, Video):
        return Html("{} Done · {}").format(CHECK, price_after(result.row))
    return running_html(row, max(0.0, time.time() - row.created)) if row else Html()


def counts_html(batch: Any) -> Html:
    """How many requests of a batch have a video, an error or neither, and what to do about those that were not sent. *pure*."""
    over, left = sum(isinstance(one, OverBudget) for one in batch.results), batch.tasks.count(None)
    done, running = sum(isinstance(one, Video) for one in batch.results), batch.results.count(None) - left
    old = sum(isinstance(one, Task) and not one.is_new for one in batch.tasks)
    text = f"{done} of {len(batch.results)} done" + (f" · {running} running" if running else "")
    text += f" · {left} {'not sent' if batch.is_stopped else 'waiting'}" if left else ""
    text += f" · {over} not sent, because that would exceed the budget" if over else ""
    text += "; the errors are below." if len(batch.results) > done + running + left + over else "."
    text += f" You already generated {old} of them. No charge for those." if old and not running else ""
    text += " Press the button again to send the rest." if left and batch.is_stopped else ""
    text += " Create it again with a larger budget= to send the rest." if over else ""
    return Html('<div role="status">{}{}</div>').format(CHECK + " " if done else "", text)


class Videos(Sequence[Result]):
    """The video of each request, or the error in its place, in their order. Jupyter shows them side by side, or as a matrix with `axes`."""

    def __init__(self, prompt: str, results: Iterable[tuple[Item, Result | Html]], axes: tuple[str, ...] = ()) -> None:
        self._prompt, self._results, self._axes = prompt, tuple(results), axes

    def __getitem__(self, index: Any) -> Any:
        return [result for _, result in self._results][index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return "\n".join(f"{caption(item)}: {_line(result)}" for item, result in self._results)

    def _repr_html_(self) -> str:
        return str(self.view().html)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.view().bundle

    def view(self) -> View:
        """The videos for every viewer, as HTML that needs neither scripts nor the kernel. *reads files*."""
        left, tiles = _EMBEDDED, []
        for item, result in self._results:
            source = source_of(result.path) if isinstance(result, Video) else ""
            left -= len(source)
            tiles.append(_tile(item, result, source if left > 0 else "", self._axes))
        html = Html(
            '<div style="{};{};margin:8px 0;max-width:1180px">'
            '<div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto;margin-bottom:8px">{}</div>{}</div>'
        ).format(FONT, FG, self._prompt, _matrix_html([item for item, _ in self._results], tiles, self._axes))
        jpeg = next((result.poster for result in self if isinstance(result, Video)), b"")
        return View(text=repr(self), html=html, jpeg=jpeg)


def _matrix_html(items: Sequence[Item], tiles: Sequence[Html], axes: tuple[str, ...]) -> Html:
    """Tiles in a grid that wraps, or as a table with the values of the two axes at its rows and columns."""
    if not axes:
        return Html('<div style="{}">{}</div>').format(COLUMNS, Html().join(tiles))
    cells: dict[tuple[str, str], Html] = {}
    for item, tile in zip(items, tiles, strict=True):
        place = str(item.labels.get(axes[0], "")), str(item.labels.get(axes[1], ""))
        cells[place] = cells.get(place, Html()) + tile
    head = Html('<th scope="{}" style="text-align:left;vertical-align:top;padding:6px;border:0;min-width:110px;white-space:normal">'
                '<span style="{};font-weight:400">{}</span> {}</th>')  # fmt: skip
    cell = Html('<td style="vertical-align:top;text-align:left;padding:6px;min-width:240px;border:0">{}</td>')
    columns, lines = dict.fromkeys(column for _, column in cells), Html()
    for row in dict.fromkeys(row for row, _ in cells):
        content = cell.each(cells.get((row, column), "–") for column in columns)
        lines += Html("<tr>{}{}</tr>").format(head.format("row", DIM, axes[0], row), content)
    heads = Html().join(head.format("col", DIM, axes[1], column) for column in columns)
    table = Html(
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;margin:0"><tr><td style="border:0"></td>{}</tr>{}</table></div>'
    )
    return table.format(heads, lines)


def caption(item: Item, axes: Sequence[str] = ()) -> str:
    """What tells an item from the others: its model, or the values that vary, without those of `axes`. *pure*."""
    return (
        item.name
        if item.title
        else " · ".join(f"{name} {value}" for name, value in item.labels.items() if name not in axes)
    )


def _line(result: Result | Html) -> str:
    if isinstance(result, Exception):
        return " ".join(error_text(result).splitlines())
    return video_text(result) if isinstance(result, Video) else "generating…"


def _tile(item: Item, result: Result | Html, source: str, axes: Sequence[str] = ()) -> Html:
    video = result if isinstance(result, Video) else None
    take = f" · take {video.row.take}" if item.title and video and video.row.take > 1 else ""
    name = Html('<code style="{}">{}{}</code>').format(_CODE, item.name, take) if item.title else ""
    return Html(
        '<figure style="margin:0;min-width:0">'
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center"><b>{}</b>{}</div>'
        '<div style="{};margin-bottom:6px">{}</div>{}</figure>'
    ).format(
        item.title or caption(item, axes), badge(video.simulated if video else item.simulated), DIM, name,
        _video_html(result, source) if isinstance(result, Video) else _placeholder_html(result),
    )  # fmt: skip


def _video_html(video: Video, source: str) -> Html:
    seconds = (video.row.finished or 0) - video.row.created
    cost = f"generated in {seconds:.0f} s · {price_after(video.row)}" if seconds > 0 else price_after(video.row)
    figure = Html('{}<figcaption style="margin-top:6px;overflow-wrap:anywhere"><div>{}</div>{}</figcaption>')
    return figure.format(video_player(video, source), cost, facts_html(video, source))


def _placeholder_html(result: Exception | Html | None) -> Html:
    if not isinstance(result, Exception):
        return result or Html('<div style="{};{}">Generating…</div>').format(_BOX, DIM)
    lines = Html("<br>").join(error_text(result).splitlines())
    return Html('<div role="alert" style="{};{}">{}</div>').format(_BOX, ERROR, lines)


def batch_videos(batch: Batch, prompt: str, outputs: Path | None = None, axes: tuple[str, ...] = ()) -> Videos:
    """The results of a batch; for tasks that have none yet, players of their future files in the folder `outputs`, if given. *reads files*."""
    shown = list[Result | Html](batch.results)
    for at, task in enumerate(batch.tasks if outputs else ()):
        if isinstance(task, Task) and shown[at] is None and outputs:
            path = video_path(outputs, task.row)
            shown[at] = pending_html(path.name, source_of(path))
    return Videos(prompt, zip(batch.items, shown, strict=True), axes)
