"""What of a piece of HTML could run: tags that do, attributes that listen, addresses that are scripts."""

import re
from html.parser import HTMLParser

RUNS = {
    "script",
    "iframe",
    "frame",
    "object",
    "embed",
    "applet",
    "base",
    "meta",
    "link",
    "form",
    "svg",
    "math",
    "style",
    "template",
}
ADDRESSES = {
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "data",
    "xlink:href",
    "srcset",
    "background",
    "cite",
    "ping",
}
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
HARMLESS = ("http:", "https:", "data:image/jpeg;base64,", "data:video/mp4;base64,")
CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f]")


class _Audit(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in RUNS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name == "srcdoc":
                self.found.append(f"{tag} {name}={value}")
            # A browser leaves out signs that cannot be seen before it looks for the scheme.
            address = CONTROLS.sub("", value or "").lower()
            if name in ADDRESSES and SCHEME.match(address) and not address.startswith(HARMLESS):
                self.found.append(f"{tag} {name}={value}")
            if name == "style" and re.search(r"url\(|expression\(|@import", (value or "").lower()):
                self.found.append(f"{tag} {name}={value}")


def executable(text: str) -> list[str]:
    """Everything in a piece of HTML that could run or lead to a script; [] where nothing could."""
    audit = _Audit()
    audit.feed(text)
    audit.close()
    return audit.found
