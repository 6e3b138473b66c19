"""Merge a schema with the file of its provider (`specs/_providers`), which all models of that provider share."""

import functools
from importlib.resources import files
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._document.reader import read_document

SPECS = files("seedance_nb") / "specs"


def providers() -> tuple[str, ...]:
    """The valid values of `x-provider`, sorted. *reads files*."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in (SPECS / "_providers").iterdir()))


def with_shared(document: dict[str, Any], file: str) -> dict[str, Any]:
    """A document merged over its provider's file. *reads files*. Raises: SpecError for an unknown provider or a server, security or key of its own."""
    name = document.get("x-provider")
    if name is None:
        return document
    if name not in providers():
        known = f"known are {', '.join(providers())}; leave x-provider out for any other"
        raise SpecError(f"unknown provider {name!r}, {known}", file=file, pointer="/x-provider")
    shared = packaged(f"_providers/{name}")
    scheme = f"/components/securitySchemes/{next(iter(shared['security'][0]))}"
    for pointer in ("/servers", "/security", "/x-env", scheme):
        _check_same(find(shared, pointer), find(document, pointer), pointer, file)
    for path, item in _objects(document.get("paths")):
        for method, operation in _objects(item):
            pointer = to_pointer(["paths", path, method, "security"])
            _check_same(shared["security"], operation.get("security", ABSENT), pointer, file)
    return dict(_merged(shared, document))


def _objects(value: Any) -> list[tuple[str, dict[str, Any]]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [(str(name), item) for name, item in inner if isinstance(item, dict)]


def _check_same(shared: Any, own: Any, pointer: str, file: str) -> None:
    if pointer == "/servers" and own is not ABSENT:  # only the URL of the first one counts
        shared, own = find(shared, "/0/url"), find(own, "/0/url")
    elif own is ABSENT:
        return
    if _merged(shared, own) != shared:
        problem = "a schema with x-provider cannot change where the provider's key goes; remove this, or remove x-provider and pass the key of your own server as api_key="
        raise SpecError(problem, file=file, pointer=pointer)


@functools.cache
def common_words() -> dict[str, str]:
    """The state for each word that video APIs commonly use, in lower case. *reads files*."""
    return {word.casefold(): state for state, words in packaged("_words").items() for word in words}


@functools.cache
def packaged(name: str) -> dict[str, Any]:
    """A packaged document as in its own file, not to be changed. *reads files*."""
    return read_document((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))[0]


def _merged(shared: Any, own: Any) -> Any:
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    rest = {name: value for name, value in shared.items() if name not in own}
    return {name: _merged(shared.get(name), value) for name, value in own.items()} | rest
