"""Several videos at once: side by side in a cell, and as one HTML file that works anywhere."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from seedance_nb._base.errors import MediaError, argument_error
from seedance_nb._base.faults import typed
from seedance_nb._base.html import DIM, Html, piece
from seedance_nb._task.display.player import PlayerOptions, View, player_html, source_of
from seedance_nb._task.display.video import Video, video_html, video_player, video_text
from seedance_nb._web.regular_files import write

EXPORT_UP_TO = 100_000_000  # most bytes of video that one page takes
COLUMNS = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(260px,100%),1fr));gap:16px;align-items:start"
"""Videos side by side, not narrower than a player's own buttons need."""
_TILE = Html('<figure style="margin:8px 0 0;min-width:0">{}<figcaption style="{};overflow-wrap:anywhere">{}</figcaption></figure>')  # fmt: skip


@typed
def grid(videos: Video | Iterable[Video], /) -> View:
    """Videos side by side in a cell, with one Play all for all of them, muted and in a loop. *reads files*.

    The parameters:
      videos: a video or several.
    Raises: InvalidInput for anything else.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
    >>> sd.grid([video, video])
    Video crun:task_...
    """
    listed, still, player = _videos(videos), Html(), Html()
    for video in listed:
        caption = (DIM, shorten(f"Take {video.row.take} · {video.title} · {video.prompt}", 120, placeholder="…"))
        still += _TILE.format(player_html("", facts=video.facts, still=video.poster, name=""), *caption)
        playing = replace(video, player=PlayerOptions(loop=True, muted=True, autoplay=True))
        player += _TILE.format(video_player(playing, source_of(video.path, video.player.embed)), *caption)
    html = piece("grid").format(columns=COLUMNS, stills=still, players=player)
    return View(text="\n".join(map(video_text, listed)), html=html)


@typed
def export(videos: Video | Iterable[Video], path: str | Path, /, *, title: str = "Videos",
           overwrite: bool = False) -> Path:  # fmt: skip
    """Write one HTML page with the videos in it, which plays in any folder and without a network. *reads files*, *writes files*.

    The parameters:
      videos: a video or several, together at most 100 MB.
      path: the new file.
      title: the page's title.
      overwrite: whether a file there is replaced.
    Returns: the file's path.
    Raises: InvalidInput for anything but videos; MediaError if they are too large or missing, or the file exists; SeedanceError.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
    >>> sd.export([video], "fox.html").name
    'fox.html'
    """
    target, listed = Path(path).expanduser(), _videos(videos)
    total = sum(video.path.stat().st_size for video in listed if video.path.is_file())
    fault, step = "", "choose another name, or pass overwrite=True"
    if missing := [video for video in listed if not video.path.is_file()]:
        fault, step = f"{missing[0].path} is missing", f"download it again with sd.task({missing[0].task!r}).wait()"
    elif total > EXPORT_UP_TO:
        fault, step = f"the videos have {total / 1e6:.1f} MB, and a page takes at most 100 MB", "export fewer at once"
    elif os.path.lexists(target) and not overwrite:
        fault = f"{target} exists already"
    if fault:
        raise MediaError(f"Nothing was written: {fault}.", next_step=step, charged="not charged")
    page = Html()
    for video in listed:  # without the folders of this computer
        here = replace(video, path=Path(video.path.name), row=replace(video.row, beside=""))
        page += video_html(here, source_of(video.path, embed=True))
    write(target, piece("page").format(title=title, columns=COLUMNS, videos=page).encode())
    return target


def _videos(videos: Video | Iterable[Video]) -> list[Video]:
    listed = [videos] if isinstance(videos, Video) else [*videos] if isinstance(videos, Iterable) else []
    if listed and all(isinstance(video, Video) for video in listed):
        return listed
    raise argument_error("videos", "must be a video or several", rule="type")
