"""What is shown with a video: its small picture, and what else came."""

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from seedance_nb._base.html import escaped, linked
from seedance_nb._task.files import Beside

_WIDTH = 224


def small_picture(poster: Path) -> bytes:
    """A poster as it goes into notebooks, where every byte is kept for ever; b"" if there is none. *reads files*."""
    from PIL import Image

    made = io.BytesIO()
    try:
        with Image.open(poster, formats=("JPEG",)) as picture:
            picture.thumbnail((_WIDTH, _WIDTH))
            picture.save(made, "JPEG", quality=40, optimize=True)
    except OSError:
        return b""
    return made.getvalue()


def poster_link(source: str) -> str:
    """Where the larger poster lies, told from where the video lies; "" where no path leads to it. *pure*."""
    return str(PurePosixPath(source).with_suffix(".jpg")) if _is_path(source) else ""


def beside_lines(task: str, beside: Sequence[Beside], source: str) -> list[str]:
    """A line of HTML for each further result: a link, the path of its file, or why there is none. *pure*.

    `source` is the video's own, beside which they lie.
    """
    lines = []
    for one in beside:
        name, remark = escaped(Path(one.file).name), escaped(f" ({one.remark})" if one.remark else "")
        if not one.file:
            again = "" if one.dead else f"; sd.task({task!r}).wait() tries again"
            lines.append(escaped(f"result {one.place + 1} is not there: {one.fault}{again}"))
        elif _is_path(source):
            link = linked(str(PurePosixPath(source).with_name(quote(Path(one.file).name))))
            lines.append(f'with it came <a href="{link}" download="{name}">{name}</a>{remark}')
        else:
            lines.append(f"with it came <code>{escaped(one.file)}</code>{remark}")
    return lines


def beside_text(beside: Sequence[Beside]) -> str:
    """The further results in one clause, "" if there are none. *pure*."""
    named = [
        f"{Path(one.file).name}{f' ({one.remark})' if one.remark else ''}"
        if one.file
        else f"result {one.place + 1} not there ({one.fault})"
        for one in beside
    ]
    return f"; with it: {', '.join(named)}" if named else ""


def _is_path(source: str) -> bool:
    return bool(source) and not source.startswith("data:")
