"""The package's own `x-` keys: checks their values, whose schemas are in specs/_extensions.yaml."""

import difflib
from collections.abc import Iterator
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import to_pointer
from seedance_nb._document.reader import packaged
from seedance_nb._schema.library import Draft202012Validator

ROLES: tuple[str, ...] = (*packaged("_extensions")["field"]["x-role"]["enum"],)
MEDIA_RULES: tuple[str, ...] = (*packaged("_extensions")["kinds"]["media"],)


def check_extensions(document: dict[str, Any], file: str) -> None:
    """Validate the package's own `x-` keys. *reads files*. Raises: SpecError at the first invalid or misspelled one."""
    for path, key, value in _keys(document, ()):
        table = "field" if path else "root"
        if key in packaged("_extensions")[table]:
            for error in Draft202012Validator(packaged("_extensions")[table][key]).iter_errors(value):
                raise SpecError(error.message[:300], file=file, pointer=to_pointer([*path, key, *error.absolute_path]))
        elif near := difflib.get_close_matches(key, packaged("_extensions")[table], 1, 0.8):
            raise SpecError(f"unknown key {key}; did you mean {near[0]}?", file=file, pointer=to_pointer([*path, key]))


def _keys(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(key, str) and key.startswith("x-"):
            yield path, key, item
        elif key not in ("example", "examples", "default", "enum", "const"):  # values, not structure
            yield from _keys(item, (*path, key))
