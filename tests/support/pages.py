"""The request bodies that a provider's page shows, exactly as they stand there."""

import json
import re
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "corpora" / "pages"


def texts_on(page: str) -> list[str]:
    """Every JSON object with a model on a page, as its own text: curl's data and plain blocks."""
    decoder, found = json.JSONDecoder(), []
    for start in re.finditer(r"^\s*(?:-d '|--data '\s*)?\{", page, re.MULTILINE):
        at = page.index("{", start.start())
        try:
            value, end = decoder.raw_decode(page, at)
        except ValueError:
            continue
        if "model" in value and "taskId" not in value:
            found.append(page[at:end])
    return found


def bodies_on(page: str) -> list[Any]:
    """The bodies themselves."""
    return [json.loads(text) for text in texts_on(page)]


def page_of(name: str) -> str:
    """The provider's page that a document was made from."""
    return (PAGES / f"{name}.txt").read_text(encoding="utf-8")
