"""A saved video, as a value that Jupyter shows as a player."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from seedance_nb._base.faults import typed_class
from seedance_nb._base.html import DIM, FG, FONT, Html
from seedance_nb._base.public import created_by_package
from seedance_nb._base.text import slug
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._media.facts import MediaFacts, read_facts
from seedance_nb._task.files import ExtraResult, poster_of, read_extras, video_path
from seedance_nb._task.placement import source_of
from seedance_nb._task.player import (
    PlayerOptions,
    View,
    badge,
    differences,
    download_html,
    extra_lines,
    extras_text,
    pending_html,
    player_html,
    requested_text,
    result_text,
    still_of,
)

_THUMBNAIL_BYTES = 4_000
_STRIP_WIDTH = 200


@created_by_package
@typed_class
@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video saved as a file, which Jupyter shows as a player. `sd.generate` and `task.wait` return one.

    `path` is the file, `title` the model's title, `row` the ledger row, `asked` what was requested, `facts` what the file
    contains (size in px, length in s, frames per second), `poster` a small JPEG, b"" if there is none, and `player` the
    settings of `show`.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=5)
    >>> video.asked, video.facts.seconds, video.path.suffix
    ({'prompt': 'A fox', 'seconds': 5}, 5.0, '.mp4')
    """

    row: Row
    title: str
    path: Path
    asked: dict[str, Any]
    facts: MediaFacts | None
    poster: bytes = b""
    player: PlayerOptions = field(default=PlayerOptions(), repr=False)

    @property
    def task(self) -> str:
        """The name for `sd.task(name)`."""
        return self.row.name

    @property
    def simulated(self) -> bool:
        """Whether it comes from the built-in simulator, so that nothing was charged."""
        return self.row.simulated

    @property
    def beside(self) -> tuple[ExtraResult, ...]:
        """Additional results, such as the last frame: each has a `file`, or a `fault` that says why there is none."""
        return read_extras(self.row.beside)

    def show(
        self, *, embed: bool | None = None, width: int | None = None, loop: bool = False, muted: bool = False
    ) -> Video:
        """The same video with other settings of its player, for the last line of a cell or `display`. *pure*.

        The parameters:
          embed: True to put the file into the notebook whatever its size, so that it plays anywhere; False never to;
            None to reference the file if a server delivers it, and else to embed up to 8 MB.
          width: the player's greatest width in px; None for the video's own, at most 760.
          loop: whether it starts again at its end.
          muted: whether it starts without sound.

        >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
        >>> video.show(width=320, loop=True)
        Video crun:task_...
        """
        return replace(self, player=PlayerOptions(embed=embed, width=width, loop=loop, muted=muted))

    def __repr__(self) -> str:
        return video_text(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return video_view(self).bundle


def video_of(row: Row, title: str, asked: dict[str, Any]) -> Video:
    """The video of a row whose file is saved. *reads files*."""
    path = Path(row.file)
    poster = still_of(poster_of(path))
    return Video(row=row, title=title, path=path, asked=asked, facts=read_facts(row.facts), poster=poster)


def video_view(video: Video) -> View:
    """The video for every viewer: a line of text, the player as HTML, and a thumbnail. *reads files*."""
    html = video_html(video, source_of(video.path, video.player.embed))
    return View(text=video_text(video), html=html, jpeg=still_of(video.poster, _THUMBNAIL_BYTES))


def video_text(video: Video) -> str:
    """One line for consoles and static viewers. *pure*."""
    simulated = "SIMULATED, " if video.simulated else ""
    off = "".join(f"; differs from the request: {one}" for one in differences(video.asked, video.facts))
    remark = f"; {video.facts.remark}" if video.facts and video.facts.remark else ""
    return f"Video {video.task}: {simulated}{result_text(video.facts)}; {video.path}{off}{remark}{extras_text(video.beside)}"


def video_html(video: Video, source: str) -> Html:
    """The player with title and facts, as HTML that needs neither scripts nor the kernel. *pure*."""
    off = "; ".join(differences(video.asked, video.facts))
    requested, remark = requested_text(video.asked), video.facts.remark if video.facts else ""
    further = [line for line in (remark, *extra_lines(video.task, video.beside, source)) if line]
    return Html(
        '<figure style="margin:8px 0;max-width:760px;{FONT};{FG}">'
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center;margin-bottom:6px"><b>{title}</b>'
        '{badge}<span style="{DIM}">{price}</span></div>{player}'
        '<figcaption style="margin-top:6px"><div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto">{prompt}</div>'
        '<div style="{DIM}">{asked}{got}</div>{warning}'
        '<div style="{DIM}">{download} · <code style="overflow-wrap:anywhere">{task}</code></div>{beside}</figcaption></figure>'
    ).format(
        FONT=FONT, FG=FG, DIM=DIM, title=video.title, badge=badge(video.simulated), price=price_after(video.row),
        player=video_player(video, source), prompt=video.asked.get("prompt", ""),
        asked=requested and f"Requested {requested} · Result ", got=result_text(video.facts),
        warning=Html('<div style="color:var(--jp-error-color1,#d32f2f)">Differs from the request: {}</div>').format(off) if off else "",
        download=download_html(video.path, source, slug(video.asked.get("prompt", ""))), task=video.task,
        beside=Html().join(Html('<div style="{}">{}</div>').format(DIM, line) for line in further),
    )  # fmt: skip


def video_player(video: Video, source: str) -> Html:
    """The player alone. *pure*."""
    return player_html(source, facts=video.facts, still=video.poster, name=video.path.name, options=video.player)


def takes_view(videos: Sequence[Video], pending: Row | None = None, folder: Path | None = None) -> View:
    """Several videos of one cell: the newest large, the others as a strip, and the player of a `pending` row. *reads files*.

    `folder` is where the pending row's video will be saved.
    """
    *earlier, newest = videos or (None,)
    view = video_view(newest) if newest else View()
    texts, html = [view.text], view.html
    if pending is not None and folder is not None:
        texts.insert(0, f"Task {pending.name} is {pending.state}.")
        html = pending_html(pending.name, source_of(video_path(folder, pending))) + html
    if earlier:
        texts += map(video_text, reversed(earlier))
        html += Html(
            '<div style="display:flex;gap:12px;overflow-x:auto;align-items:flex-start;max-width:760px" role="list"'
            ' aria-label="earlier videos">{}</div>'
        ).format(Html().join(map(_strip_html, reversed(earlier))))
    return View(text="\n".join(texts), html=html, jpeg=view.jpeg)


def _strip_html(video: Video) -> Html:
    still = still_of(video.poster, _THUMBNAIL_BYTES, 2 * _STRIP_WIDTH)
    small = replace(video, poster=still, player=PlayerOptions(width=_STRIP_WIDTH))
    prompt = shorten(str(video.asked.get("prompt", "")), 60, placeholder="…")
    return Html(
        '<figure role="listitem" style="margin:0;flex:0 0 {}px;{FONT};{FG}">{}<figcaption style="{DIM}">Take {} · '
        '<span style="overflow-wrap:anywhere">{}</span></figcaption></figure>'
    ).format(
        _STRIP_WIDTH, video_player(small, source_of(video.path)), video.row.take, prompt, FONT=FONT, FG=FG, DIM=DIM
    )
