"""What the models of one provider share: a document that names its provider is read together with that provider's file."""

import functools
from importlib.resources import files
from typing import Any

from seedance_nb import _documents
from seedance_nb._errors import SpecError

SPECS = files("seedance_nb") / "specs"
_SHARED = SPECS / "_providers"


def providers() -> tuple[str, ...]:
    """The names that `x-provider` can have, sorted. *reads files*."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _SHARED.iterdir()))


def with_shared(document: dict[str, Any], file: str) -> dict[str, Any]:
    """The document with what its `x-provider` shares; its own words stand before the shared ones. *reads files*.

    Raises: SpecError for a provider that is not known.
    """
    name = document.get("x-provider")
    if name is None:
        return document
    if name not in providers():
        raise SpecError(
            f"the provider {name!r} is not known, only {', '.join(providers())}; without x-provider a document stands alone",
            file=file,
            pointer="/x-provider",
        )
    made: dict[str, Any] = _merged(_shared(name), document)
    return made


@functools.cache
def common_words() -> dict[str, str]:
    """The words that hosted video services use for a task's state, in lower case, and the states. *reads files*."""
    table, _ = _documents.read((SPECS / "_words.yaml").read_text(encoding="utf-8"))
    return {word.casefold(): state for state, words in table.items() for word in words}


@functools.cache
def _shared(name: str) -> dict[str, Any]:
    return _documents.read((_SHARED / f"{name}.yaml").read_text(encoding="utf-8"))[0]


def _merged(shared: Any, own: Any) -> Any:
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    return {name: _merged(shared[name], own[name]) if name in shared and name in own else own.get(name, shared.get(name))
            for name in [*own, *(name for name in shared if name not in own)]}  # fmt: skip
