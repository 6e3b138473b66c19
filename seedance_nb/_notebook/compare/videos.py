"""Videos of several models side by side, as text and HTML. Pure functions make strings; everything is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import DIM, FG, FONT, LINE, escaped
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
        return tiles_html(self._prompt, self._tiles)


def tiles_text(tiles: Sequence[Tile]) -> str:
    """One line for each model. *pure*."""
    return "\n".join(f"{tile.name}: {_line(tile)}" for tile in tiles)


def tiles_html(prompt: str, tiles: Sequence[Tile]) -> str:
    """The videos in a grid that wraps, as an HTML fragment that needs neither scripts nor the kernel. *reads files*.

    Videos that cannot be served beside the notebook are part of it, as `source_of` says.
    """
    # Not narrower than a player's own buttons need.
    columns = "repeat(auto-fit,minmax(min(260px,100%),1fr))"
    return (
        f'<div style="{FONT};{FG};margin:8px 0;max-width:1180px">'
        f'<div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto;margin-bottom:8px">{escaped(prompt)}</div>'
        f'<div style="display:grid;grid-template-columns:{columns};gap:16px;align-items:start">'
        f"{''.join(map(_tile_html, tiles))}</div></div>"
    )


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


def _tile_html(tile: Tile) -> str:
    video = tile.result if isinstance(tile.result, Video) else None
    simulated = video.simulated if video else tile.simulated
    body = _video_html(video) if video else _instead_html(tile)
    return (
        '<figure style="margin:0;min-width:0">'
        f'<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center"><b>{escaped(tile.title)}</b>{badge(simulated)}</div>'
        f'<div style="{DIM};margin-bottom:6px"><code style="{_CODE}">{escaped(tile.name)}</code></div>{body}</figure>'
    )


def _video_html(video: Video) -> str:
    source = source_of(video.path)
    cost = " · ".join(part for part in (took_text(video.row), price_after(video.row)) if part)
    off = differences(video.asked, video.facts)
    warning = f'<div style="{_BAD}">Not as asked: {escaped("; ".join(off))}</div>' if off else ""
    if video.facts and video.facts.remark:
        warning += f'<div style="{DIM}">{escaped(video.facts.remark)}</div>'
    return (
        f'{player_html(video, source)}<figcaption style="margin-top:6px;overflow-wrap:anywhere"><div>{escaped(cost)}</div>'
        f'<div style="{DIM}">{escaped(got_text(video.facts))}</div>{warning}'
        f'<div style="{DIM}">{download_html(video, source)}<br><code style="{_CODE}">{escaped(video.task)}</code></div></figcaption>'
    )


def _instead_html(tile: Tile) -> str:
    box = f"{LINE};border-radius:8px;padding:12px;min-height:120px;overflow-wrap:anywhere"
    if not isinstance(tile.result, Exception):
        return f'<div style="{box};{DIM}">Still being made.</div>'
    told = "<br>".join(escaped(line) for line in error_text(tile.result).splitlines())
    return f'<div role="alert" style="{box};{_BAD}">{told}</div>'
