"""The one place where text becomes HTML, and where an address may become a link."""

import html
import re

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
