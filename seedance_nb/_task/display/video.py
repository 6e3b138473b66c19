"""A saved video, as a value that Jupyter shows as a player; several side by side, and as one HTML file that works anywhere."""

from __future__ import annotations

import itertools
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, overload

from seedance_nb._base.errors import MediaError, argument_error, require_count
from seedance_nb._base.faults import created_by_package, typed
from seedance_nb._base.html import DIM, FG, Html, piece
from seedance_nb._base.values import is_number, read_json, slug
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._media.frames import MOST, frames_at, join
from seedance_nb._media.sniff import MediaFacts, read_facts
from seedance_nb._task.display import player as _player
from seedance_nb._task.display.player import PlayerOptions, View, differences, result_text, source_of
from seedance_nb._task.engine import call_in
from seedance_nb._task.files import ExtraResult, poster_of, read_extras, video_path
from seedance_nb._web.regular_files import write

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from PIL.Image import Image

EXPORT_UP_TO = 100_000_000  # most bytes of video that one page takes
COLUMNS = "display:grid;grid-template-columns:repeat(auto-fit,minmax(min(260px,100%),1fr));gap:16px;align-items:start"
"""Videos side by side, not narrower than a player's own buttons need."""
_THUMBNAIL_BYTES, _STRIP_WIDTH, _GAP = 2_800, 200, 8


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video saved as a file, which Jupyter shows as a player. `sd.generate` and `task.wait` return one.

    `path` is the file, `title` the model's title, `row` the ledger row, `asked` what was requested, `facts` what the file
    contains (size in px, length in s, frames per second), `poster` a small JPEG, b"" if there is none, and `player` the
    settings of `show`.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=5)
    >>> video.asked, video.facts.seconds, video.path.suffix
    ({'prompt': 'A fox', 'seconds': 5}, 5.0, '.mp4')
    >>> video.show(width=320, loop=True), video.proxy().path == video.path
    (Video crun:task_..., True)
    >>> [image.size for image in video.frames(2)], video.contact_sheet(4, width=600).width
    ([(1280, 720), (1280, 720)], 600)
    >>> video.save(video.path.with_name("fox.mp4")).name, video.to_gif(width=160, fps=2).suffix
    ('fox.mp4', '.gif')
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

    def show(self, *, embed: bool | None = None, width: int | None = None, loop: bool = False,
             muted: bool = False) -> Video:  # fmt: skip
        """The same video with other settings of its player, for the last line of a cell or `display`. *pure*.

        The playback speed is in the browser's own menu: ⋮ in the player, or a right click on it (with Shift in JupyterLab).

        The parameters:
          embed: True to put the file into the notebook whatever its size, so that it plays anywhere; False never to;
            None to reference the file if a server delivers it, and else to embed up to 8 MB.
          width: the player's greatest width in px; None for the video's own, at most 760.
          loop: whether it starts again at its end.
          muted: whether it starts without sound.
        """
        return replace(self, player=PlayerOptions(embed=embed, width=width, loop=loop, muted=muted))

    @property
    def prompt(self) -> str:
        """The prompt, "" if the request has none."""
        return str(self.asked.get("prompt", ""))

    @property
    def request(self) -> dict[str, Any]:
        """The request body that made it."""
        return dict(read_json(self.row.body))

    @property
    def cost(self) -> str:
        """What it cost, as far as it is known, such as "200 credits"."""
        return price_after(self.row)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the downloaded bytes, as 64 hex digits."""
        return self.row.sha256

    @overload
    def frames(self, n: int | None = None, *, every: float | None = None) -> list[Image]: ...

    @overload
    def frames(self, n: int | None = None, *, every: float | None = None, executor: Executor) -> Future[Frames]: ...

    def frames(self, n: int | None = None, *, every: float | None = None, executor: Executor | None = None) -> Any:
        """Frames as PIL images, upright and in the video's own size. *reads files*.

        The parameters:
          n: how many, evenly from the first to the last; at most 200.
          every: one frame every so many seconds, instead of `n`.
          executor: where to decode them, such as a `ProcessPoolExecutor`, if not here.
        Returns: the images, in order; a cell shows the first 24 of the list. With `executor`, a future of that list.
        Raises: InvalidInput; MediaError if the file cannot be decoded.
        """
        times = self._times(n, every)
        if executor is not None:
            return call_in(executor, f"frames-{self.sha256}-{times}", _frames, self.path, times)
        return _frames(self.path, times)

    def _times(self, n: int | None, every: float | None = None) -> list[float]:
        if self.facts is None:
            message, step = f"The duration of {self.path.name} is not known.", "use first_frame or last_frame"
            raise MediaError(message, next_step=step, charged="not charged")
        if (n is None) is (every is None):
            raise argument_error("n", "give either n or every", n)
        seconds, fps = self.facts.seconds, self.facts.fps
        if every is not None:
            if not is_number(every) or not 0 < every < math.inf:
                raise argument_error("every", f"must be a number of seconds above 0, not {every!r}", every)
            count = math.floor(seconds / every) + 1
            if count > MOST:
                raise argument_error("every", f"gives {count:,} frames; at most {MOST} at once", every)
            times = [index * every for index in range(count) if not index or index * every < seconds]
        else:
            count, last = require_count("n", n, MOST), max(0.0, seconds - (1 / fps if fps else 0))
            times = [last * index / max(1, count - 1) for index in range(count)]
        return times

    @property
    def first_frame(self) -> Image:
        """The first frame as a PIL image. *reads files*. Raises: MediaError."""
        return with_small_face(frames_at(self.path, [0.0])[0])

    @property
    def last_frame(self) -> Image:
        """The last frame as a PIL image, for example to continue from. *reads files*. Raises: MediaError."""
        return with_small_face(frames_at(self.path, [math.inf])[0])

    @overload
    def contact_sheet(self, n: int = 9, *, width: int = 1200) -> Image: ...

    @overload
    def contact_sheet(self, n: int = 9, *, width: int = 1200, executor: Executor) -> Future[Image]: ...

    def contact_sheet(self, n: int = 9, *, width: int = 1200, executor: Executor | None = None) -> Any:
        """Frames in one image, row by row. *reads files*.

        The parameters:
          n: how many frames, evenly from the first to the last.
          width: the width of the image in px.
          executor: as in `frames`.
        Returns: a PIL image; with `executor`, a future of it.
        Raises: InvalidInput; MediaError.
        """
        require_count("width", width, _player.MOST_PX, " of px")
        if executor is not None:
            return call_in(executor, f"sheet-{self.sha256}-{n}-{width}", _sheet, self.path, self._times(n), width)
        return with_small_face(_sheet(self.path, self._times(n), width))

    def save(self, path: str | Path) -> Path:
        """Copy the file. *reads files*, *writes files*.

        The parameters:
          path: the new file, with the video's own suffix, or a folder for a file named after the prompt.
        Returns: the new file; nothing is overwritten.
        Raises: MediaError if the file exists or has another suffix; SeedanceError if it cannot be written.
        """
        target = self._new_file(path, self.path.suffix)
        with self.path.open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
        return target

    def to_gif(self, path: str | Path | None = None, *, width: int = 480, fps: float = 8) -> Path:
        """Write an animated GIF, for pages that show no video. *reads files*, *writes files*.

        The parameters:
          path: the new file, or a folder, as for `save`; None for one beside the video.
          width: its width in px.
          fps: its frames per second.
        Returns: the file; nothing is overwritten, and an equal file beside the video is not written again.
        Raises: InvalidInput for more than 200 frames; MediaError as `save` does; SeedanceError if it cannot be written.
        """
        target = self._new_file(path, ".gif") if path else self.path.with_suffix(".gif")
        if not is_number(fps) or not 0 < fps < math.inf:
            raise argument_error("fps", f"must be a number above 0, not {fps!r}", fps)
        require_count("width", width, _player.MOST_PX, " of px")
        images = self.frames(every=1 / fps)
        for image in images:
            image.thumbnail((width, width * 4))
        (first, *others), gif, numbers = (image.quantize(128) for image in images), BytesIO(), itertools.count(2)
        first.save(gif, "GIF", save_all=True, append_images=others, duration=round(1000 / fps), loop=0, optimize=True)
        while not path and os.path.lexists(target):
            if target.is_file() and target.read_bytes() == gif.getvalue():
                return target
            target = self.path.with_name(f"{self.path.stem}-{next(numbers)}.gif")
        with target.open("xb") as file:
            file.write(gif.getvalue())
        return target

    def proxy(self) -> Video:
        """The video as an H.264 copy beside it, which every browser plays; made once. *reads files*, *writes files*.

        Returns: this video with the path of the copy, or itself if its codec plays everywhere.
        Raises: MediaError if the file cannot be decoded; SeedanceError if the copy cannot be written.
        """
        if self.facts is not None and not _player.playback_problem(self.facts):
            return self
        copy = self.path.with_name(f"{self.path.stem}-h264.mp4")
        if not copy.exists():
            join([self.path], copy, encode=True)
        return replace(self, path=copy)

    def _new_file(self, path: str | Path, suffix: str) -> Path:
        """The file of this name, or named after the prompt in this folder. *reads files*. Raises: MediaError if it may not be written."""
        target = Path(path).expanduser()
        target /= f"{slug(self.prompt) or self.path.stem}{suffix}" if target.is_dir() else ""
        if not (ends := target.suffix.casefold() == suffix) or os.path.lexists(target):
            message = f"{target} {'exists already' if ends else f'does not end in {suffix}'}, so nothing was written."
            raise MediaError(message, next_step="choose another name", charged="not charged")
        return target

    def __repr__(self) -> str:
        simulated = "SIMULATED, " if self.simulated else ""
        off = "".join(f"; differs from the request: {one}" for one in differences(self.asked, self.facts))
        text = f"Video {self.task}: {simulated}{result_text(self.facts)}; {self.path}{off}"
        text += f"; {self.facts.remark}" if self.facts and self.facts.remark else ""
        for at, one in enumerate(self.beside):
            found = f"{Path(one.file).name}{f' ({one.remark})' if one.remark else ''}"
            missing = f"result {one.place + 1} missing ({one.fault})"
            text += f"{', ' if at else '; additional results: '}{found if one.file else missing}"
        return text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return video_view(self).bundle


class Frames(list["Image"]):
    """Frames of a video: a list of PIL images, of which a cell shows the first 24."""

    def _repr_html_(self) -> str:
        urls = (_player.data_url(_player.jpeg_of(image, 4_000, 2 * _STRIP_WIDTH), "image/jpeg") for image in self[:24])
        pictures = Html('<img src="{}" alt="frame" style="width:200px;border-radius:6px">').each(urls)
        more = f"and {len(self) - 24} more" if len(self) > 24 else ""  # noqa: PLR2004
        return str(Html('<div style="display:flex;flex-wrap:wrap;gap:8px;{}">{}{}</div>').format(FG, pictures, more))


def _frames(path: Path, times: list[float]) -> Frames:
    return Frames(map(with_small_face, frames_at(path, times)))


def _sheet(path: Path, times: list[float], width: int) -> Image:
    from PIL import Image

    images = frames_at(path, times)
    columns = math.ceil(math.sqrt(len(images)))
    wide = max(1, (width - _GAP * (columns - 1)) // columns)
    high = max(1, round(wide * images[0].height / images[0].width))
    rows = math.ceil(len(images) / columns)
    sheet = Image.new("RGB", (columns * (wide + _GAP) - _GAP, rows * (high + _GAP) - _GAP), "white")
    for index, image in enumerate(images):
        sheet.paste(image.resize((wide, high)), (index % columns * (wide + _GAP), index // columns * (high + _GAP)))
    return sheet


def with_small_face(image: Image) -> Image:
    """The image, which a cell shows as a JPEG of at most 60 kB instead of a PNG."""
    vars(image).update(_repr_png_=None, _repr_jpeg_=lambda: _player.jpeg_of(image, 60_000, 1200))
    return image


def video_of(row: Row, title: str, asked: dict[str, Any]) -> Video:
    path = Path(row.file)
    poster = _player.still_of(poster_of(path))
    return Video(row=row, title=title, path=path, asked=asked, facts=read_facts(row.facts), poster=poster)


def video_view(video: Video) -> View:
    """The video for every viewer: a line of text, the player as HTML, and a thumbnail. *reads files*."""
    html = video_html(video, source_of(video.path, video.player.embed))
    return View(text=repr(video), html=html, jpeg=_player.still_of(video.poster, _THUMBNAIL_BYTES))


def video_html(video: Video, source: str) -> Html:
    """The player with title and facts, as HTML that needs neither scripts nor the kernel. *pure*."""
    requested, extras = _player.requested_text(video.asked), _player.extra_lines(video.task, video.beside, source)
    return piece("video").format(
        title=video.title, badge=_player.badge(video.simulated), price="" if video.simulated else video.cost,
        player=video_player(video, source), prompt=video.asked.get("prompt", ""),
        facts=facts_html(video, source, requested and f"Requested {requested} · Result ", extras),
    )  # fmt: skip


def facts_html(video: Video, source: str, requested: str = "", extras: Sequence[Html] = ()) -> Html:
    """What a file is, how it differs from the request, its name and task, and lines about what is beside it. *pure*."""
    off = "; ".join(differences(video.asked, video.facts))
    further = [line for line in (video.facts.remark if video.facts else "", *extras) if line]
    return piece("facts").format(
        asked=requested, got=result_text(video.facts), task=piece("task").format(video.task),
        warning=piece("differs").format(off) if off else "",
        download=_player.download_html(video.path, source, slug(video.asked.get("prompt", ""))),
        beside=Html().join(Html('<div style="{}">{}</div>').format(DIM, line) for line in further),
    )  # fmt: skip


def video_player(video: Video, source: str) -> Html:
    still, name = video.poster, video.path.name
    return _player.player_html(source, facts=video.facts, still=still, name=name, options=video.player)


def takes_view(videos: Sequence[Video], pending: Row | None = None, folder: Path | None = None) -> View:
    """Several videos of one cell: the newest large, the others as a strip, and the player of a `pending` row. *reads files*."""
    *earlier, newest = videos or (None,)
    view = video_view(newest) if newest else View()
    texts, html = [view.text], view.html
    if pending is not None and folder is not None:
        texts.insert(0, f"Task {pending.name} is {pending.state}.")
        html = _player.pending_html(pending.name, source_of(video_path(folder, pending))) + html
    if earlier:
        texts += map(repr, reversed(earlier))
        takes = Html()
        for video in reversed(earlier):
            still = _player.still_of(video.poster, _THUMBNAIL_BYTES, 2 * _STRIP_WIDTH)
            small = replace(video, poster=still, player=PlayerOptions(width=_STRIP_WIDTH))
            prompt, player = shorten(video.prompt, 60, placeholder="…"), video_player(small, source_of(video.path))
            takes += piece("take").format(width=_STRIP_WIDTH, player=player, take=video.row.take, prompt=prompt)
        html += piece("earlier").format(takes)
    return View(text="\n".join(texts), html=html, jpeg=view.jpeg)


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
    listed, tile, still, player = _videos(videos), piece("grid-tile"), Html(), Html()
    for video in listed:
        caption = shorten(f"Take {video.row.take} · {video.title} · {video.prompt}", 120, placeholder="…")
        still += tile.format(_player.player_html("", facts=video.facts, still=video.poster, name=""), caption)
        playing = replace(video, player=PlayerOptions(loop=True, muted=True, autoplay=True))
        player += tile.format(video_player(playing, source_of(video.path, video.player.embed)), caption)
    html = piece("grid").format(columns=COLUMNS, stills=still, players=player)
    return View(text="\n".join(map(repr, listed)), html=html)


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
    wrong = [f"; entry {at} is {type(one).__name__}" for at, one in enumerate(listed) if not isinstance(one, Video)]
    raise argument_error("videos", f"must be a video or several{''.join(wrong[:9])}", rule="type")
