"""Videos of several models side by side, as text and HTML."""

from collections.abc import Iterable, Sequence
from typing import Any

from seedance_nb._base.html import DIM, FG, FONT, LINE, Html
from seedance_nb._base.text import slug
from seedance_nb._ledger.row import price_after
from seedance_nb._notebook.compare.candidate import Candidate
from seedance_nb._task.display.page import COLUMNS
from seedance_nb._task.display.placement import source_of
from seedance_nb._task.display.player import View, badge, differences, download_html, result_text
from seedance_nb._task.display.video import Video, video_player, video_text

_CODE = "overflow-wrap:anywhere;font-size:12px;background:none;padding:0;color:inherit"
_BOX = f"{LINE};border-radius:8px;padding:12px;min-height:120px;overflow-wrap:anywhere"
Result = Video | Exception | None
"""The result of a model: its video, or the error in its place; None while it is generating."""
_BAD = "color:var(--jp-error-color1,var(--vscode-errorForeground,#d32f2f))"


class Videos(Sequence[Result]):
    """The video of each model, or the error in its place, in the models' order. Jupyter shows them side by side."""

    def __init__(self, prompt: str, results: Iterable[tuple[Candidate, Result]]) -> None:
        self._prompt, self._results = prompt, tuple(results)

    def __getitem__(self, index: Any) -> Any:
        return [result for _, result in self._results][index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return "\n".join(f"{candidate.name}: {_line(result)}" for candidate, result in self._results)

    def _repr_html_(self) -> str:
        return str(self.view().html)

    def view(self) -> View:
        """The videos side by side, for every viewer. *reads files*."""
        # A grid that wraps, which needs neither scripts nor the kernel.
        grid = Html(
            '<div style="{};{};margin:8px 0;max-width:1180px">'
            '<div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto;margin-bottom:8px">{}</div>'
            '<div style="{}">{}</div></div>'
        )
        tiles = Html().join(_tile(*one) for one in self._results)
        return View(text=repr(self), html=grid.format(FONT, FG, self._prompt, COLUMNS, tiles))


def _line(result: Result) -> str:
    if isinstance(result, Exception):
        return " ".join(error_text(result).splitlines())
    return video_text(result) if result else "generating…"


def error_text(error: Exception) -> str:
    """The text of an error, with its type if the error is unexpected or has no text. *pure*."""
    is_known = hasattr(error, "next_step") and str(error)
    return str(error) if is_known else f"Something unexpected happened: {error!r}"


def _tile(candidate: Candidate, result: Result) -> Html:
    video = result if isinstance(result, Video) else None
    return Html(
        '<figure style="margin:0;min-width:0">'
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center"><b>{}</b>{}</div>'
        '<div style="{};margin-bottom:6px"><code style="{}">{}</code></div>{}</figure>'
    ).format(
        candidate.spec.title, badge(video.simulated if video else candidate.simulated), DIM, _CODE, candidate.name,
        _video_html(video) if video else _placeholder_html(result),
    )  # fmt: skip


def _video_html(video: Video) -> Html:
    source = source_of(video.path)
    seconds = (video.row.finished or 0) - video.row.created
    cost = f"generated in {seconds:.0f} s · {price_after(video.row)}" if seconds > 0 else price_after(video.row)
    mismatch = "; ".join(differences(video.asked, video.facts))
    remark = video.facts.remark if video.facts else ""
    return Html(
        '{player}<figcaption style="margin-top:6px;overflow-wrap:anywhere"><div>{cost}</div><div style="{DIM}">{got}</div>{mismatch}{remark}'
        '<div style="{DIM}">{download}<br><code style="{CODE}">{task}</code></div></figcaption>'
    ).format(
        DIM=DIM, CODE=_CODE, player=video_player(video, source), cost=cost, got=result_text(video.facts),
        mismatch=Html('<div style="{}">Differs from the request: {}</div>').format(_BAD, mismatch) if mismatch else "",
        remark=Html('<div style="{}">{}</div>').format(DIM, remark) if remark else "",
        download=download_html(video.path, source, slug(video.asked.get("prompt", ""))), task=video.task,
    )  # fmt: skip


def _placeholder_html(result: Result) -> Html:
    if not isinstance(result, Exception):
        return Html('<div style="{};{}">Generating…</div>').format(_BOX, DIM)
    lines = Html("<br>").join(error_text(result).splitlines())
    return Html('<div role="alert" style="{};{}">{}</div>').format(_BOX, _BAD, lines)
