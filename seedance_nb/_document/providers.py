"""What the models of one provider share: a document that names its provider is read together with that provider's file."""

import functools
from importlib.resources import files
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._document.reader import read_document

SPECS = files("seedance_nb") / "specs"


def providers() -> tuple[str, ...]:
    """The names that `x-provider` can have, sorted. *reads files*."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in (SPECS / "_providers").iterdir()))


def with_shared(document: dict[str, Any], file: str) -> dict[str, Any]:
    """The document with what its `x-provider` shares; its own words stand before the shared ones. *reads files*.

    Raises: SpecError for a provider that is not known, and for a document that says otherwise where that provider's key
    goes, how it travels or which key it is.
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
    shared = packaged(f"_providers/{name}")
    scheme = f"/components/securitySchemes/{next(iter(shared['security'][0]))}"
    for pointer in ("/servers", "/security", "/x-env", scheme):
        _must_agree(find(shared, pointer), find(document, pointer), pointer, file)
    for path, item in _objects(document.get("paths")):
        for method, operation in _objects(item):
            pointer = to_pointer(["paths", path, method, "security"])
            _must_agree(shared["security"], operation.get("security", ABSENT), pointer, file)
    made: dict[str, Any] = _merged(shared, document)
    return made


def _objects(value: Any) -> list[tuple[str, dict[str, Any]]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [(str(name), item) for name, item in inner if isinstance(item, dict)]


def _must_agree(shared: Any, said: Any, pointer: str, file: str) -> None:
    if pointer == "/servers" and said is not ABSENT:  # only the address of the first one counts
        shared, said = find(shared, "/0/url"), find(said, "/0/url")
    elif said is ABSENT:
        return
    if _merged(shared, said) != shared:
        raise SpecError(
            "a document with x-provider cannot change where the provider's key goes; leave this out, or leave out "
            "x-provider: it goes to its own server then, with a key that is given as api_key= together with it",
            file=file,
            pointer=pointer,
        )


@functools.cache
def common_words() -> dict[str, str]:
    """The words that hosted video services use for a task's state, in lower case, and the states. *reads files*."""
    return {word.casefold(): state for state, words in packaged("_words").items() for word in words}


@functools.cache
def packaged(name: str) -> dict[str, Any]:
    """A document that comes with the package, as it stands in its own file, not to be changed. *reads files*."""
    return read_document((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))[0]


def _merged(shared: Any, own: Any) -> Any:
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    return {name: _merged(shared[name], own[name]) if name in shared and name in own else own.get(name, shared.get(name))
            for name in [*own, *(name for name in shared if name not in own)]}  # fmt: skip
