"""HTML that is safe by construction: every text is escaped, and only `Html` is not. And the notebook that shows it."""

import html
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Self

from markupsafe import Markup

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")
_SAFE_STARTS = ("http://", "https://", "data:video/mp4;base64,", "data:video/webm;base64,", "data:image/jpeg;base64,")
_SURROGATE = re.compile("[\ud800-\udfff]")
FG = "color:var(--jp-ui-font-color1,var(--vscode-foreground,inherit))"
DIM = "color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#666))"
WARN = "border-left:4px solid var(--jp-warn-color1,#f57c00);padding:2px 10px;font-weight:600"
_CELL = "padding:5px 10px;text-align:left;vertical-align:top;border:0 solid var(--jp-border-color2,var(--vscode-panel-border,#d0d7de));border-bottom-width:1px"
_SHORT_CELL = 30
FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5"


class Html(Markup):
    """A piece of HTML: `Html("<b>{}</b>").format(text)` and `Html("<br>").join(lines)` escape the texts."""

    __slots__ = ()

    @classmethod
    def escape(cls, s: Any, /) -> Self:
        """The text escaped for use between tags and in quoted attributes; HTML is unchanged. *pure*."""
        if isinstance(s, cls):
            return s
        text = html.escape(str(s))  # a notebook that contains half of a surrogate pair cannot be saved
        return str.__new__(cls, text if text.isascii() else _SURROGATE.sub("\ufffd", text))

    def each(self, texts: Iterable[object]) -> Self:
        return type(self)().join(self.format(text) for text in texts)


escape = Html.escape


class Readable:
    """A value whose text a cell shows in the font of the page."""

    __module__ = "seedance_nb"
    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(Html('<div style="{};{};white-space:pre-wrap">{}</div>').format(FONT, FG, repr(self)))


def safe_url(url: str) -> Html:
    """The URL for `href` or `src` if it is http(s), relative, or an embedded JPEG or MP4; "" for any other. *pure*."""
    if not url.startswith(_SAFE_STARTS):
        plain = _CONTROL.sub("", url)  # as a browser does before it reads the scheme
        if _SCHEME.match(plain) or plain.startswith(("//", "\\")):
            return Html()
    return escape(url)


def links_html(links: Mapping[str, str]) -> Html:
    """Links by their names; what is no https URL, such as a mail address, is shown as text. *pure*."""
    link = Html('<a href="{}" target="_blank" rel="noopener">{}</a>')
    parts = (link.format(safe_url(to), name) if to[:8] == "https://" else f"{name}: {to}" for name, to in links.items())
    return Html(" · ").join(parts)


@cache
def piece(name: str) -> Html:
    """A packaged piece of HTML by its name, with placeholders for texts; `{FONT}`, `{FG}` and `{DIM}` are filled in. *reads files*."""
    text = (files("seedance_nb") / "static" / "pieces.html").read_text(encoding="utf-8")
    start, end = Html('<template id="{}">').format(name), Html("</template>")
    lines = text.partition(start)[2].partition(end)[0].splitlines()
    return Html("".join(lines).replace("{FONT}", FONT).replace("{FG}", FG).replace("{DIM}", DIM))  # noqa: S704 - a packaged file


def table_html(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", lead: str = "") -> Html:
    """An HTML table of texts, with a warning above it and a note below. *pure*."""
    head = (Html('<th scope="col" style="{};{};font-weight:600">{}</th>').format(_CELL, DIM, text) for text in heads)
    lines = (Html().join(map(_cell, row)) for row in rows)
    above = Html('<div role="alert" style="{};margin-bottom:6px">{}</div>').format(WARN, lead) if lead else ""
    below = Html('<div style="{};margin-top:4px;overflow-wrap:anywhere">{}</div>').format(DIM, note) if note else ""
    return piece("table").format(above, Html().join(head), Html("<tr>{}</tr>").each(lines), below)


def _cell(text: str) -> Html:
    shown = text.striptags() if isinstance(text, Html) else text
    width = "white-space:nowrap" if len(shown) <= _SHORT_CELL else "min-width:13em"
    return Html('<td style="{};{}">{}</td>').format(_CELL, width, text)


def table_text(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", lead: str = "") -> str:
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    text = "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(part for part in (lead, text, note) if part)


def request_html(body: str, head: str = "Request body") -> Html:
    return piece("request").format(head, json.dumps(json.loads(body), ensure_ascii=False, indent=2))


def shell_with_kernel() -> Any:
    """IPython's shell in a Jupyter kernel, which is never imported for this; None outside a kernel."""
    module: Any = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return shell if getattr(shell, "kernel", None) is not None else None


def cell_publisher() -> Any:
    """What shows outputs in the running cell, None outside a kernel."""
    return getattr(shell_with_kernel(), "display_pub", None)
