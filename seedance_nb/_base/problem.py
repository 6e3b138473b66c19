"""Problems of requests and of schemas, with the documented sentence behind them."""

from dataclasses import dataclass
from typing import Any

from seedance_nb._base.html import FG, FONT, Html, table_html
from seedance_nb._base.values import ABSENT, to_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a request.

    Attributes: `path` (a JSON Pointer into the request body), `message` (one clause), `rule` (the schema keyword), `value`
    (what the request has there, `ABSENT` if nothing), `limit` (what is allowed, in the field's own unit), `quote` (the
    documented sentence, "" if there is none), `others` (JSON Pointers of fields that could solve it), `warns` (True for
    a limit from other sources, which does not stop a request), `source` (what those sources are, "" for the provider's own
    docs) and `origin` (whose docs `quote` is from).

    >>> problem = sd.check("crun/seedance-2.0-i2v", promt="A fox runs")[0]
    >>> problem.path, problem.message
    ('/input/promt', "unknown field; did you mean 'prompt'?")
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
    origin: str = ""

    @property
    def field(self) -> str:
        """The last name in the path that is not a list index. *pure*."""
        return next((part for part in reversed(to_path(self.path)) if not part.isdigit()), "")

    @property
    def citation(self) -> str:
        """The quote and whose docs it is from, or only the source of a warning: `From crun's docs: "…"`. *pure*."""
        if not self.quote and not (self.warns and self.source):
            return ""
        source = (self.source if self.warns else self.origin) or "the provider's docs"
        return f"{'According to' if self.warns else 'From'} {source}" + (f': "{self.quote}"' if self.quote else "")

    def __str__(self) -> str:
        citation = f"\n      {self.citation}" if self.citation else ""
        return f"{'warning: ' if self.warns else ''}{self.path or '/'}: {self.message}{citation}"


class Problems(tuple[Problem, ...]):
    """Problems as a tuple that a person can read: "No problems." or one after the other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "No problems."

    def _repr_html_(self) -> str:
        if not self:
            return str(Html('<div style="{};{}">✓ No problems.</div>').format(FONT, FG))
        rows = [("warning" if one.warns else "error", one.path or "/", one.message, one.citation) for one in self]
        return str(table_html(("", "field", "problem", "docs"), rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One problem of a schema, and how it is read anyway. `pointer` is a JSON Pointer to it."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"
