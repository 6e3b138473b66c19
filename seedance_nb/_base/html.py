"""HTML from text: escaping, links, tables and folds. No other file turns text into HTML."""

import html
import json
import re
from collections.abc import Sequence

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNSEEN = re.compile(r"[\x00-\x20\x7f-\x9f]")
_LINKED = ("http://", "https://", "data:video/mp4;base64,", "data:image/jpeg;base64,")
_HALF = re.compile("[\ud800-\udfff]")


def escaped(text: object) -> str:
    """A text as HTML that shows just it, between tags and within quoted attributes. *pure*.

    Halves of surrogate pairs are shown as U+FFFD: a notebook that held one could not be saved.
    """
    return html.escape(_HALF.sub("\ufffd", str(text)), quote=True)


def linked(address: str) -> str:
    """An address as the value of `href` or `src`: on the web, beside the notebook, or a picture or video itself; "" for any other. *pure*."""
    if not address.startswith(_LINKED):
        seen = _UNSEEN.sub("", address)  # as a browser does before it looks for the scheme
        if _SCHEME.match(seen) or seen.startswith(("//", "\\")):
            return ""
    return escaped(address)


FG = "color:var(--jp-ui-font-color1,var(--vscode-foreground,inherit))"
DIM = "color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#666))"
LINE = "border:1px solid var(--jp-border-color2,var(--vscode-panel-border,#d0d7de))"
WARN = "border-left:4px solid var(--jp-warn-color1,#f57c00);padding:2px 10px;font-weight:600"
NARROW, WIDE = ";white-space:nowrap", ";min-width:13em"
_SHORT_CELL = 30
FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5"


def table_html(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", lead: str = "") -> str:
    """A table whose cells are text, with a warning above and a note below; all of it is escaped. *pure*."""
    cell = f"padding:5px 10px;text-align:left;vertical-align:top;{LINE};border-width:0 0 1px"
    head = "".join(f'<th scope="col" style="{cell};{DIM};font-weight:600">{escaped(text)}</th>' for text in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{cell}{NARROW if len(text) <= _SHORT_CELL else WIDE}">{escaped(text)}</td>' for text in row)
        + "</tr>"
        for row in rows
    )  # fmt: skip
    above = f'<div role="alert" style="{WARN};margin-bottom:6px">{escaped(lead)}</div>' if lead else ""
    below = f'<div style="{DIM};margin-top:4px;overflow-wrap:anywhere">{escaped(note)}</div>' if note else ""
    return (
        f'<div style="overflow-x:auto;{FONT};{FG}">{above}<table style="border-collapse:collapse;margin:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


def table_text(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "", lead: str = "") -> str:
    """The same table for consoles, columns aligned. *pure*."""
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    text = "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    return "\n".join(part for part in (lead, text, note) if part)


def sent_html(body: str, head: str = "What was sent") -> str:
    """What is sent, as a fold of readable JSON under `head`. *pure*."""
    pretty = escaped(json.dumps(json.loads(body), ensure_ascii=False, indent=2))
    return (
        f'<details style="{DIM}"><summary style="cursor:pointer">{escaped(head)}</summary>'
        f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow:auto;font-size:12px;margin:4px 0">{pretty}</pre></details>'
    )
