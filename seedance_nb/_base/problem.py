"""What is wrong with a request, or odd about a document: values that carry their sentence."""

from dataclasses import dataclass
from typing import Any

from seedance_nb._base.values import ABSENT, pointer_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a request, at its place, with the limit and the sentence that says so.

    `path` is a JSON Pointer into the request body; `value` is what was found there (`ABSENT` if nothing);
    `limit` is what the document allows, in the field's own unit; `quote` is the document's sentence, "" if it has none.
    `others` are pointers of further fields that could mend it. `warns` is True where the limit is known from elsewhere
    (`source` says where) and not from the provider's own page: such a problem is said and does not stop a request.
    """

    path: str
    message: str
    rule: str
    value: Any = ABSENT
    limit: Any = None
    quote: str = ""
    others: tuple[str, ...] = ()
    warns: bool = False
    source: str = ""

    @property
    def field(self) -> str:
        """The last name in the path that is not a position in a list. *pure*."""
        return next((part for part in reversed(pointer_parts(self.path)) if not part.isdigit()), "")

    def __str__(self) -> str:
        quote = f'\n      the document: "{self.quote}"' if self.quote else ""
        known = f"\n      not in the provider's own page, but in {self.source}" if self.source else ""
        return f"{'warning: ' if self.warns else ''}{self.path or '/'}: {self.message}{quote}{known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One thing that is odd about a document, and how it is read all the same. `pointer` is a JSON Pointer to the place."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"
