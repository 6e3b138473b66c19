"""The table of built-in models."""

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.html import table_html, table_text
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec
from seedance_nb._session.session import Session

_KNOWN = {
    "schema": "provider's schema",
    "prose": "provider's docs",
    "example": "examples in provider's docs",
    "upstream": "other sources",
}


class Models:
    """The built-in models as a table; `names` are what every function takes. `sd.models` returns it.

    >>> sd.models().names[0]
    'crun/seedance-1.0-pro-t2v'
    """

    _heads = ("model", "description", "runs on", "price", "schema from")

    def __init__(self, session: Session) -> None:
        self.names = _spec.model_names()
        self._rows = [self._line(session, _spec.spec(name)) for name in self.names]

    def _line(self, session: Session, spec: Spec) -> list[str]:
        try:
            where = session.host(spec) or "simulator"
        except SeedanceError:
            where = "no key"
        return [
            spec.name,
            f"{spec.title}: {spec.mode}",
            where,
            spec.price.note.split(";")[0],
            _KNOWN[spec.evidence],
        ]

    def __repr__(self) -> str:
        return table_text(self._heads, self._rows)

    def _repr_html_(self) -> str:
        return str(table_html(self._heads, self._rows))
