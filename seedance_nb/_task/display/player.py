"""How a viewer reaches a video (as a file that a server delivers, embedded, or as a still), and one player for every view."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from seedance_nb._base.errors import argument_error, require_count
from seedance_nb._base.html import Html, escape, piece, safe_url, shell_with_kernel
from seedance_nb._check.check import seconds_of
from seedance_nb._document.reader import packaged
from seedance_nb._media.sniff import MediaFacts
from seedance_nb._task.files import ExtraResult

EMBED_UP_TO = 8_000_000  # largest file that is embedded unless that is requested, in bytes
_EMBEDS = ("COLAB_RELEASE_TAG", "COLAB_GPU", "VSCODE_PID", "VSCODE_CWD")
"""The environment of viewers that get no file: Colab delivers none, and VS Code resolves no relative path reliably (microsoft/vscode-jupyter#7644)."""
_MIME = {".webm": "video/webm", ".mov": "video/quicktime", ".gif": "image/gif"}
_MOST_WIDTH, MOST_PX = 760, 10_000
_STILL_BYTES = 6_400  # twice in a notebook that saves widgets, which gets at most 25 kB for a video
_THUMBNAIL, _QUALITIES = 320, (80, 70, 55, 40, 28)


def is_voila() -> bool:
    return os.getenv("SERVER_SOFTWARE", "").startswith("voila")


def source_of(path: Path, embed: bool | None = None) -> str:
    """The `src` of a file: a path relative to the notebook, a data URL, or "" if neither works. *reads files*, and the environment."""
    notebook, size = notebook_file(), path.stat().st_size if path.is_file() else None
    file, folder = path.resolve(), (notebook.parent if notebook else Path.cwd()).resolve()
    inner = file.relative_to(folder) if file.is_relative_to(folder) else Path()
    # Jupyter serves nothing from a folder whose name begins with a dot.
    is_served = bool(inner.parts) and not any(part[0] == "." for part in inner.parts)
    # JupyterLab, Notebook 7 and pages that scripts write get files below the notebook's folder; Voila gets no MP4.
    has_server = (notebook is not None or not shell_with_kernel()) and not is_voila()
    if is_served and has_server and not any(os.getenv(name) for name in _EMBEDS) and (not embed or size is None):
        return quote(inner.as_posix())
    if size is None or not (size <= EMBED_UP_TO if embed is None else embed):
        return ""
    return data_url(path.read_bytes(), _MIME.get(path.suffix.casefold(), "video/mp4"))


def data_url(content: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def is_path(source: str) -> bool:
    return bool(source) and not source.startswith("data:")


def notebook_file() -> Path | None:
    """The notebook's file as the server named it when it started the kernel; None if it was moved since or is unknown."""
    named = Path(os.getenv("JPY_SESSION_NAME", ""))
    return named if named.is_absolute() and (named.exists() or (named.parent.is_dir() and not named.suffix)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerOptions:
    """How a player is shown: `embed` None to decide by size and place, `width` in px, None for the video's own."""

    embed: bool | None = None
    width: int | None = None
    loop: bool = False
    muted: bool = False
    autoplay: bool = False

    def __post_init__(self) -> None:
        require_count("width", 1 if self.width is None else self.width, MOST_PX, " of px")
        for name, value in {"embed": self.embed, "loop": self.loop, "muted": self.muted}.items():
            if type(value) is not bool and (name != "embed" or value is not None):
                raise argument_error(name, f"must be True or False, not {value!r}", value)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one output shows: a text for consoles, HTML for notebooks, a JPEG for viewers without HTML."""

    __module__ = "seedance_nb"

    text: str = ""
    html: Html = field(default_factory=Html)
    jpeg: bytes = b""

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.bundle

    @property
    def bundle(self) -> dict[str, str]:
        image = {"image/jpeg": base64.b64encode(self.jpeg).decode()} if self.jpeg else {}
        return {"text/plain": self.text, "text/html": str(self.html), **image}


def player_html(source: str, *, facts: MediaFacts | None, still: bytes, name: str,
                options: PlayerOptions = PlayerOptions()) -> Html:  # fmt: skip
    """The player in the video's own shape, with the still before it plays; the still alone if there is no source. *pure*."""
    # Embedded, because JupyterLab resolves relative paths in `src` but not in `poster`.
    link, picture = safe_url(source), safe_url(data_url(still, "image/jpeg")) if still else Html()
    # The video's ratio from the start, so that nothing jumps, and no larger than its pixels.
    wide, high = facts.shown_size if facts and facts.height else (16, 9)
    most = options.width or (min(_MOST_WIDTH, wide) if facts and facts.height else _MOST_WIDTH)
    style = piece("shape").format(most, wide, high)
    if not link:
        image = Html('<img src="{}" alt="first frame of the video" style="{}">').format(picture, style)
        return image if picture else Html()
    flags = "".join(f" {name}" for name in ("loop", "muted", "autoplay") if getattr(options, name))
    return piece("player").format(flags, link, picture and Html(' poster="{}"').format(picture), style, name)


def still_of(poster: Path | bytes, most: int = _STILL_BYTES, width: int = 640) -> bytes:
    """A picture as a JPEG of at most `most` bytes for notebooks, which save every byte; b"" if there is none. *reads files*."""
    from PIL import Image

    file = io.BytesIO(poster) if isinstance(poster, bytes) else poster
    try:
        with Image.open(file, formats=("JPEG", "PNG", "WEBP")) as opened:
            opened.draft("RGB", (width, width))  # which decodes a large JPEG at a fraction of its size
            return jpeg_of(opened, most, width)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return b""


def jpeg_of(image: Any, most: int, width: int) -> bytes:
    """An image as a JPEG of at most `most` bytes and `width` px, smaller until it fits. *pure*."""
    picture = image.convert("RGB")
    while True:
        picture.thumbnail((width, width))
        for quality in _QUALITIES:
            jpeg = io.BytesIO()
            picture.save(jpeg, "JPEG", quality=quality, optimize=True)
            if jpeg.tell() <= most or (width < _THUMBNAIL and quality == _QUALITIES[-1]):
                return jpeg.getvalue()
        width = width * 4 // 5


def pending_html(name: str, source: str) -> Html:
    """A player that names the file of a task before it exists, for a page that cannot be updated later. *pure*."""
    player = player_html(source, facts=None, still=b"", name=name) if is_path(source) else Html()
    # No second <source>: JupyterLab resolves its path too late, or removes it.
    webm = Html(' (if it is WebM: <a href="{}" download>Download</a>)') if player else Html()
    link = safe_url(f"{source.removesuffix('.mp4')}.webm")
    return piece("pending").format(player=player, name=name, webm=webm.format(link))


def download_html(file: Path, source: str, title: str = "") -> Html:
    """A download link, or the file's path if it cannot be linked. *pure*. `title` names the download after its content."""
    link = safe_url(source) if is_path(source) else Html()  # with an embedded video, it would contain all bytes again
    name = f"{title}{file.suffix}" if title else file.name
    shown = Html('<a href="{}" download="{}">Download</a> ').format(link, name) if link else Html()
    code = piece("file") if link else Html('<code style="overflow-wrap:anywhere">{}</code>')
    return shown + code.format(file.name if link else file)


def badge(simulated: bool) -> Html:
    return piece("badge") if simulated else Html()


def requested_text(asked: Mapping[str, Any]) -> str:
    audio = asked.get("audio")
    sound = "with sound" if audio is True else "no sound" if audio is False else ""
    length = seconds_of(asked.get("seconds"))
    seconds = f"{length:g} s" if length else ""
    return " · ".join(str(part) for part in (asked.get("resolution"), asked.get("ratio"), seconds, sound) if part)


def result_text(facts: MediaFacts | None) -> str:
    if facts is None:
        return "not inspected"
    codec = packaged("_codecs")["names"].get(facts.codec, facts.codec)
    sound = facts.audio.upper() or "no sound"
    width, height = facts.shown_size
    parts = (f"{width} × {height}", f"{facts.seconds:g} s", f"{facts.fps:g} fps", codec, sound, facts.reported)
    return " · ".join(filter(None, parts))


def playback_problem(facts: MediaFacts) -> str:
    """Why some or all browsers do not play this video, as a clause; "" for codecs that every browser plays. *pure*."""
    codecs = packaged("_codecs")
    browsers = "many browsers" if facts.codec == "hevc" else "browsers"
    text = f"{codecs['names'].get(facts.codec, facts.codec)}, which {browsers} cannot play"
    return "" if facts.codec in codecs["playable"] else text


def differences(asked: Mapping[str, Any], facts: MediaFacts | None) -> list[str]:
    """How the file differs from the request, as clauses. *pure*. Tolerance: 0.5 s, 3 % of the ratio, 5 % of the short side."""
    if facts is None or not facts.height:
        return []
    found, (width, height), seconds = [], facts.shown_size, seconds_of(asked.get("seconds"))
    resolution, ratio = str(asked.get("resolution", "")), str(asked.get("ratio", ""))
    if seconds and abs(facts.seconds - seconds) > 0.5:  # noqa: PLR2004
        found.append(f"requested {seconds:g} s, got {facts.seconds:g} s")
    wide, _, high = ratio.partition(":")
    if wide.isdecimal() and high.isdecimal() and abs(width / height / (int(wide) / int(high)) - 1) > 0.03:  # noqa: PLR2004
        found.append(f"requested {ratio}, got {width} × {height}")
    if asked.get("audio") is True and not facts.audio:
        found.append("requested sound, got none")
    if problem := playback_problem(facts):
        found.append(problem)
    lines = resolution.removesuffix("p")
    if lines.isdecimal() and min(facts.width, facts.height) < 0.95 * int(lines) and ratio != "21:9":
        found.append(f"requested {resolution}, got {min(facts.width, facts.height)} lines")
    return found


def extra_lines(task: str, beside: Sequence[ExtraResult], source: str) -> list[Html]:
    """Each additional result beside the video's `source`: its picture, embedded only where the video is, and link, or why there is none. *reads files*."""
    lines = []
    for one in beside:
        name, remark = Path(one.file).name, f" ({one.remark})" if one.remark else ""
        if not one.file:
            again = "" if one.dead else f"; sd.task({task!r}).wait() tries again"
            lines.append(escape(f"result {one.place + 1} is missing: {one.fault}{again}"))
            continue
        what, is_image = "Last frame" if "-last-frame." in name else "Additional result", one.kind == "image"
        link = safe_url(str(PurePosixPath(source).with_name(quote(name)))) if is_path(source) else Html()
        linked = Html('<a href="{}" download="{}">{}</a>').format(link, name, name)
        still = still_of(Path(one.file), width=_THUMBNAIL) if is_image and source and not link else b""
        shown = safe_url(data_url(still, "image/jpeg")) if still else link
        picture = piece("extra").format(shown, what) if is_image and shown else Html()
        target = linked if link else Html("<code>{}</code>").format(one.file)
        lines.append(Html("{}{}: {}{}").format(picture, what, target, remark))
    return lines
