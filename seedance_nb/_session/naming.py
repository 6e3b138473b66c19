"""Which task a callback may be about, and which document a task was made from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seedance_nb._base.errors import SeedanceError
from seedance_nb._base.values import find, read_json
from seedance_nb._document import load as _spec
from seedance_nb._document.load import Spec
from seedance_nb._ledger.row import Row


def callback_names(payload: Mapping[str, Any] | str | bytes, more: Iterable[Spec] = ()) -> Iterator[str]:
    """The ledger's names of the tasks that a callback's body may speak of. *pure*; `more` are specs of other documents.

    Raises: SeedanceError for a body that is no JSON object.
    """
    try:
        told = read_json(payload) if isinstance(payload, str | bytes) else dict(payload)
    except (ValueError, TypeError):
        told = None
    if not isinstance(told, dict):
        raise SeedanceError("The callback is not a JSON object.", next_step="give the body of the call as it came")
    places = {
        (spec.provider, spec.callback_id) for spec in (*map(_spec.spec, _spec.names()), *more) if spec.callback_id
    }
    for provider, pointer in sorted(places):
        name = find(told, pointer)
        if isinstance(name, str) and name:
            yield f"{provider}:{name}"


def document_of(row: Row, own: Mapping[str, Spec]) -> Spec:
    """The document that a task was made from: one of `own`, by name, or one of the package. *reads files*.

    Raises: SeedanceError where it is neither.
    """
    if row.spec in own:
        return own[row.spec]
    if row.spec in _spec.names():
        return _spec.spec(row.spec)
    raise SeedanceError(
        f"{row.name} was made from the document {row.spec}, which does not come with the package.",
        next_step="say it: sd.task(name, document=…), or sd.callback(payload, document=…)",
        charged=row.charged,
    )
