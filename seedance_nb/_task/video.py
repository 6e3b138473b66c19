"""A saved video, as text, HTML and image."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from seedance_nb._base.html import DIM, FG, FONT, Html, escape, safe_url
from seedance_nb._base.public import created_by_package
from seedance_nb._check.body import seconds_of
from seedance_nb._ledger.row import Row, price_after
from seedance_nb._media.facts import MediaFacts, read_facts
from seedance_nb._task.files import ExtraResult, poster_of, read_extras

EMBED_UP_TO = 8_000_000

_BADGE = (
    "display:inline-block;padding:0 7px;border-radius:9px;font-size:11px;font-weight:600;letter-spacing:.04em;"
    "line-height:18px;background:var(--jp-warn-color2,#ffb74d);color:#3b2600"
)
_WIDTH = 224


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video saved as a file, which Jupyter shows as a player. `sd.generate` and `task.wait` return one.

    `path` is the file, `title` the model's title, `row` the ledger row, `asked` what was requested, `facts` what the file
    contains (size in px, length in s, frames per second), `poster` a small JPEG, b"" if there is none.

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

    def __repr__(self) -> str:
        return video_text(self)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        bundle = {"text/plain": video_text(self), "text/html": str(video_html(self, source_of(self.path)))}
        if self.poster:
            bundle["image/jpeg"] = base64.b64encode(self.poster).decode()
        return bundle


def video_of(row: Row, title: str, asked: dict[str, Any]) -> Video:
    """The video of a row whose file is saved. *reads files*."""
    path = Path(row.file)
    poster = small_poster(poster_of(path))
    return Video(row=row, title=title, path=path, asked=asked, facts=read_facts(row.facts), poster=poster)


def source_of(path: Path) -> str:
    """The player's `src`: a path relative to the notebook, or a data URL if no path works. *reads files*, and the environment.

    Colab and VS Code do not serve files beside the notebook: up to 8 MB are embedded there; "" if the file is larger.
    """
    folder = _notebook_folder()
    if folder is not None and _within(path, folder):
        return quote(os.path.relpath(path, folder).replace(os.sep, "/"))
    if path.exists() and path.stat().st_size <= EMBED_UP_TO:
        return f"data:video/mp4;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return ""


def _notebook_folder() -> Path | None:
    if any(os.getenv(name) for name in ("COLAB_RELEASE_TAG", "COLAB_GPU", "VSCODE_PID", "VSCODE_CWD")):
        return None
    notebook = Path(os.getenv("JPY_SESSION_NAME", ""))
    return notebook.parent if notebook.is_absolute() and notebook.parent.is_dir() else Path.cwd()


def _within(path: Path, folder: Path) -> bool:
    file, folder = path.resolve(), folder.resolve()
    # Jupyter serves nothing from a folder whose name begins with a dot.
    return file.is_relative_to(folder) and not any(part[0] == "." for part in file.relative_to(folder).parts)


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
        player=player_html(video, source), prompt=video.asked.get("prompt", ""), asked=requested and f"Requested {requested} · Result ", got=result_text(video.facts),
        warning=Html('<div style="color:var(--jp-error-color1,#d32f2f)">Differs from the request: {}</div>').format(off) if off else "",
        download=download_html(video, source), task=video.task,
        beside=Html().join(Html('<div style="{}">{}</div>').format(DIM, line) for line in further),
    )  # fmt: skip


def player_html(video: Video, source: str) -> Html:
    """The player alone, with the poster as a fallback. *pure*."""
    link = safe_url(source)
    inline = safe_url(f"data:image/jpeg;base64,{base64.b64encode(video.poster).decode()}") if video.poster else Html()
    # The larger poster is beside the video; the notebook itself already contains the small one twice.
    poster = inline and (safe_url(poster_link(source)) or inline)
    picture = inline and Html('<img src="{}" alt="first frame of the video" style="max-width:100%">').format(inline)
    if not link:
        return picture
    return Html(
        '<video controls playsinline preload="metadata" src="{}"{}'
        ' style="display:block;width:100%;max-height:70vh;border-radius:8px;background:#000">{}<a href="{}">{}</a></video>'
    ).format(link, poster and Html(' poster="{}"').format(poster), picture, link, video.path.name)


def download_html(video: Video, source: str) -> Html:
    """A download link, or the file's path if it cannot be linked. *pure*."""
    name, link = video.path.name, safe_url(source)
    return (
        Html('<a href="{}" download="{}">Download {}</a>').format(link, name, name)
        if link
        else Html("<code>{}</code>").format(video.path)
    )


def badge(simulated: bool) -> Html:
    """The SIMULATED badge, "" for the real service. *pure*."""
    return Html('<span style="{}">SIMULATED</span>').format(_BADGE) if simulated else Html()


def requested_text(asked: Mapping[str, Any]) -> str:
    """The requested resolution, ratio, seconds and sound. *pure*."""
    audio = asked.get("audio")
    sound = "with sound" if audio is True else "no sound" if audio is False else ""
    length = seconds_of(asked.get("seconds"))
    seconds = f"{length:g} s" if length else ""
    return " · ".join(str(part) for part in (asked.get("resolution"), asked.get("ratio"), seconds, sound) if part)


def result_text(facts: MediaFacts | None) -> str:
    """Size, length, frame rate and codecs of the file. *pure*."""
    if facts is None:
        return "not inspected"
    codec = {"h264": "H.264", "hevc": "H.265"}.get(facts.codec, facts.codec)
    sound = facts.audio.upper() or "no sound"
    return f"{facts.width} × {facts.height} · {facts.seconds:g} s · {facts.fps:g} fps · {codec} · {sound}"


def differences(asked: Mapping[str, Any], facts: MediaFacts | None) -> list[str]:
    """How the file differs from the request, as clauses. *pure*. Tolerance: 0.5 s, 3 % of the ratio, 5 % of the short side."""
    if facts is None or not facts.height:
        return []
    found = []
    resolution, ratio = str(asked.get("resolution", "")), str(asked.get("ratio", ""))
    seconds = seconds_of(asked.get("seconds"))
    if seconds and abs(facts.seconds - seconds) > 0.5:  # noqa: PLR2004
        found.append(f"requested {seconds:g} s, got {facts.seconds:g} s")
    wide, _, high = ratio.partition(":")
    if wide.isdecimal() and high.isdecimal() and abs(facts.width / facts.height / (int(wide) / int(high)) - 1) > 0.03:  # noqa: PLR2004
        found.append(f"requested {ratio}, got {facts.width} × {facts.height}")
    if asked.get("audio") is True and not facts.audio:
        found.append("requested sound, got none")
    if facts.codec == "hevc":
        found.append("H.265, which many browsers cannot play")
    lines = resolution.removesuffix("p")
    if lines.isdecimal() and min(facts.width, facts.height) < 0.95 * int(lines) and ratio != "21:9":
        found.append(f"requested {resolution}, got {min(facts.width, facts.height)} lines")
    return found


def small_poster(poster: Path) -> bytes:
    """The poster reduced for notebooks, which save every byte; b"" if there is none. *reads files*."""
    from PIL import Image

    jpeg = io.BytesIO()
    try:
        with Image.open(poster, formats=("JPEG",)) as picture:
            picture.thumbnail((_WIDTH, _WIDTH))
            picture.save(jpeg, "JPEG", quality=40, optimize=True)
    except OSError:
        return b""
    return jpeg.getvalue()


def poster_link(source: str) -> str:
    """The path of the larger poster, beside the video's; "" for an embedded video. *pure*."""
    return str(PurePosixPath(source).with_suffix(".jpg")) if _is_path(source) else ""


def extra_lines(task: str, beside: Sequence[ExtraResult], source: str) -> list[Html]:
    """A line of HTML for each additional result: a link, the path of its file, or why there is none. *pure*.

    `source` is the video's own; the results are beside it.
    """
    lines = []
    for one in beside:
        name, remark = Path(one.file).name, f" ({one.remark})" if one.remark else ""
        if not one.file:
            again = "" if one.dead else f"; sd.task({task!r}).wait() tries again"
            lines.append(escape(f"result {one.place + 1} is missing: {one.fault}{again}"))
        elif _is_path(source):
            link = safe_url(str(PurePosixPath(source).with_name(quote(name))))
            lines.append(
                Html('Additional result: <a href="{}" download="{}">{}</a>{}').format(link, name, name, remark)
            )
        else:
            lines.append(Html("Additional result: <code>{}</code>{}").format(one.file, remark))
    return lines


def extras_text(beside: Sequence[ExtraResult]) -> str:
    """The additional results in one clause, "" if there are none. *pure*."""
    named = [
        f"{Path(one.file).name}{f' ({one.remark})' if one.remark else ''}"
        if one.file
        else f"result {one.place + 1} missing ({one.fault})"
        for one in beside
    ]
    return f"; additional results: {', '.join(named)}" if named else ""


def _is_path(source: str) -> bool:
    return bool(source) and not source.startswith("data:")
