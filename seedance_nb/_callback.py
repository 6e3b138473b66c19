"""What a provider's callback may be about: names of tasks, and nothing else of it is believed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seedance_nb import _spec
from seedance_nb._errors import SeedanceError
from seedance_nb._spec import Spec
from seedance_nb._values import find, read_json


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
