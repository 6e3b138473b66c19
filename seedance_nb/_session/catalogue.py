"""The table of built-in models."""

from collections.abc import Iterator, Mapping

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import Html, safe_url, table_html, table_text
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec
from seedance_nb._session.session import Session

_KNOWN = {
    "schema": "provider's schema", "prose": "provider's docs", "example": "examples in provider's docs", "upstream": "other sources",
}  # fmt: skip


@created_by_package
class Models(Mapping[str, Spec]):
    """The built-in models by name, as a table in a cell; `names` are what every function takes. `sd.models` returns it.

    >>> models = sd.models()
    >>> len(models), models["crun/seedance-2.0-i2v"].title
    (5, 'Seedance 2.0')
    """

    _heads = ("model", "description", "runs on", "price", "limits from")

    def __init__(self, session: Session) -> None:
        self.names = _spec.model_names()
        self._session = session

    def __getitem__(self, name: str) -> Spec:
        if name not in self.names:
            raise KeyError(name)
        return _spec.spec(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def _cells(self, spec: Spec) -> list[str]:
        try:
            where = self._session.host(spec) or "simulator"
        except SeedanceError:
            where = "- (no key)"
        return [spec.name, f"{spec.title}: {spec.mode}", where, spec.price.note.split(";")[0], _KNOWN[spec.evidence]]

    def __repr__(self) -> str:
        return table_text(self._heads, [self._cells(spec) for spec in self.values()])

    def _repr_html_(self) -> str:
        rows = []
        for spec in self.values():
            *cells, known = self._cells(spec)
            page = safe_url(f"https://{spec.source.split(',')[0]}")
            rows.append([*cells, Html('<a href="{}">{}</a>').format(page, known)])
        return str(table_html(self._heads, rows))
