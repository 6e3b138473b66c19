"""Videos of several models side by side, as text and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import DIM, FG, FONT, LINE, Html
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._task.video import (
    Video,
    badge,
    differences,
    download_html,
    got_text,
    player_html,
    source_of,
    video_text,
)

_CODE = "overflow-wrap:anywhere;font-size:12px;background:none;padding:0;color:inherit"
_BOX = f"{LINE};border-radius:8px;padding:12px;min-height:120px;overflow-wrap:anywhere"
_COLUMNS = "repeat(auto-fit,minmax(min(260px,100%),1fr))"  # not narrower than a player's own buttons need
_BAD = "color:var(--jp-error-color1,var(--vscode-errorForeground,#d32f2f))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One model's place among the videos: its video, or the error that stands in its place; with neither it is still made."""

    title: str
    name: str
    simulated: bool
    result: Video | Exception | None = None


class Videos(Sequence[Video | Exception | None]):
    """What became of each model, in the models' order: its video, or the error in its place. Shown side by side by Jupyter."""

    def __init__(self, prompt: str, tiles: Sequence[Tile]) -> None:
        self._prompt = prompt
        self._tiles = tuple(tiles)

    def __getitem__(self, place: Any) -> Any:
        return [tile.result for tile in self._tiles][place]

    def __len__(self) -> int:
        return len(self._tiles)

    def __repr__(self) -> str:
        return tiles_text(self._tiles)

    def _repr_html_(self) -> str:
        return str(tiles_html(self._prompt, self._tiles))


def tiles_text(tiles: Sequence[Tile]) -> str:
    """One line for each model. *pure*."""
    return "\n".join(f"{tile.name}: {_line(tile)}" for tile in tiles)


def tiles_html(prompt: str, tiles: Sequence[Tile]) -> Html:
    """The videos in a grid that wraps, as an HTML fragment that needs neither scripts nor the kernel. *reads files*.

    Videos that cannot be served beside the notebook are part of it, as `source_of` says.
    """
    return Html(
        '<div style="{};{};margin:8px 0;max-width:1180px">'
        '<div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto;margin-bottom:8px">{}</div>'
        '<div style="display:grid;grid-template-columns:{};gap:16px;align-items:start">{}</div></div>'
    ).format(FONT, FG, prompt, _COLUMNS, Html().join(map(_tile_html, tiles)))


def took_text(row: Row) -> str:
    """How long a task took, from its request to its last state. *pure*."""
    return f"made in {row.finished - row.created:.0f} s" if row.finished and row.finished > row.created else ""


def _line(tile: Tile) -> str:
    if isinstance(tile.result, Exception):
        return " ".join(error_text(tile.result).splitlines())
    return video_text(tile.result) if tile.result else "still being made"


def error_text(error: Exception) -> str:
    """The text of an error, with its kind where it says nothing or is none of ours. *pure*."""
    known = hasattr(error, "next_step") and str(error)
    return str(error) if known else f"Something unexpected happened: {error!r}"


def _tile_html(tile: Tile) -> Html:
    video = tile.result if isinstance(tile.result, Video) else None
    return Html(
        '<figure style="margin:0;min-width:0">'
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center"><b>{}</b>{}</div>'
        '<div style="{};margin-bottom:6px"><code style="{}">{}</code></div>{}</figure>'
    ).format(
        tile.title,
        badge(video.simulated if video else tile.simulated),
        DIM, _CODE, tile.name,
        _video_html(video) if video else _instead_html(tile),
    )  # fmt: skip


def _video_html(video: Video) -> Html:
    source = source_of(video.path)
    cost = " · ".join(part for part in (took_text(video.row), price_after(video.row)) if part)
    off = "; ".join(differences(video.asked, video.facts))
    remark = video.facts.remark if video.facts else ""
    return Html(
        '{player}<figcaption style="margin-top:6px;overflow-wrap:anywhere"><div>{cost}</div><div style="{DIM}">{got}</div>{off}{remark}'
        '<div style="{DIM}">{download}<br><code style="{CODE}">{task}</code></div></figcaption>'
    ).format(
        DIM=DIM, CODE=_CODE, player=player_html(video, source), cost=cost, got=got_text(video.facts),
        off=Html('<div style="{}">Not as asked: {}</div>').format(_BAD, off) if off else "",
        remark=Html('<div style="{}">{}</div>').format(DIM, remark) if remark else "",
        download=download_html(video, source), task=video.task,
    )  # fmt: skip


def _instead_html(tile: Tile) -> Html:
    if not isinstance(tile.result, Exception):
        return Html('<div style="{};{}">Still being made.</div>').format(_BOX, DIM)
    lines = Html("<br>").join(error_text(tile.result).splitlines())
    return Html('<div role="alert" style="{};{}">{}</div>').format(_BOX, _BAD, lines)
