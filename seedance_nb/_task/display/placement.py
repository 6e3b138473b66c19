"""How a viewer reaches a video: as a file that a server delivers, embedded, or not at all, so that only a still is shown."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from seedance_nb._base.html import shell_with_kernel

Viewer = Literal["jupyter", "script", "headless", "voila", "colab", "vscode"]
Mechanism = Literal["file", "embed", "still"]

EMBED_UP_TO = 8_000_000  # largest file that is embedded unless that is requested, in bytes
WAYS: Mapping[Viewer, tuple[Mechanism, ...]] = {
    "jupyter": ("file", "embed", "still"),  # JupyterLab and Notebook 7 deliver what is below the notebook's folder
    "script": ("file", "embed", "still"),
    "headless": ("embed", "still"),  # nbclient, papermill: the notebook may be written to any folder
    "voila": ("embed", "still"),  # it delivers no MP4 by default
    "colab": ("embed", "still"),  # it delivers no files
    "vscode": ("embed", "still"),  # relative paths are unreliable there (microsoft/vscode-jupyter#7644)
}
"""The mechanisms of each viewer; the first one that is possible is used."""
_MARKS: Mapping[str, Viewer] = {
    "COLAB_RELEASE_TAG": "colab", "COLAB_GPU": "colab", "VSCODE_PID": "vscode", "VSCODE_CWD": "vscode",
}  # fmt: skip
_MIME = {".webm": "video/webm", ".mov": "video/quicktime", ".gif": "image/gif"}


def viewer() -> Viewer:
    """The program that shows this kernel's outputs, as far as the environment tells. Reads the environment."""
    for mark, name in _MARKS.items():
        if os.getenv(mark):
            return name
    if os.getenv("SERVER_SOFTWARE", "").startswith("voila"):
        return "voila"
    if notebook_file() is not None:
        return "jupyter"
    return "headless" if shell_with_kernel() else "script"


def mechanism(name: Viewer, *, is_served: bool, size: int | None, embed: bool | None = None) -> Mechanism:
    """How a file of `size` bytes (None if there is none) is shown, below the notebook's folder if `is_served`. *pure*."""
    if embed and size is not None:
        return "embed"
    is_small = embed is None and size is not None and size <= EMBED_UP_TO
    return next(way for way in WAYS[name] if {"file": is_served, "embed": is_small, "still": True}[way])


def source_of(path: Path, embed: bool | None = None) -> str:
    """The `src` of a file: a path relative to the notebook, a data URL, or "" if neither works. *reads files*, and the environment."""
    notebook = notebook_file()
    folder = notebook.parent if notebook else Path.cwd()
    size = path.stat().st_size if path.is_file() else None
    way = mechanism(viewer(), is_served=_is_served(path, folder), size=size, embed=embed)
    if way == "file":
        return quote(os.path.relpath(path.resolve(), folder.resolve()).replace(os.sep, "/"))
    return data_url(path.read_bytes(), _MIME.get(path.suffix.casefold(), "video/mp4")) if way == "embed" else ""


def data_url(content: bytes, mime: str) -> str:
    """The bytes as a data URL. *pure*."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def is_path(source: str) -> bool:
    """Whether a `src` is a relative path. *pure*."""
    return bool(source) and not source.startswith("data:")


def notebook_file() -> Path | None:
    """The notebook's file as the server named it when it started the kernel; None if it was moved since or is unknown."""
    named = Path(os.getenv("JPY_SESSION_NAME", ""))
    return named if named.is_absolute() and (named.exists() or (named.parent.is_dir() and not named.suffix)) else None


def _is_served(path: Path, folder: Path) -> bool:
    file, folder = path.resolve(), folder.resolve()
    # Jupyter serves nothing from a folder whose name begins with a dot.
    return file.is_relative_to(folder) and not any(part[0] == "." for part in file.relative_to(folder).parts)
