"""Where a `$ref` leads within one document: by JSON Pointer, by `$anchor`, or by the `$id` of a schema inside it."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from seedance_nb._base.values import ABSENT, find, join

_VALUES = ("enum", "const", "default", "example", "examples")


class Places:
    """The names that a document gives to its own schemas. `old` takes `id` for `$id`, as draft 4 does."""

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self.document = document
        self._id = "id" if old else "$id"
        self._roots: dict[str, str] = {}
        self._bases: dict[str, str] = {}
        self._anchors: dict[tuple[str, str], str] = {}
        self._read(document, (), "", 0)

    def find(self, ref: str, pointer: str) -> tuple[str, Any]:
        """The pointer that a `$ref` at `pointer` means and what is there, `ABSENT` if nothing is. *pure*."""
        base = self._base(pointer)
        try:
            address, fragment = urldefrag(ref if ref.startswith("#") else urljoin(base, ref))
        except ValueError:
            return "", ABSENT
        address = base if ref.startswith("#") else address
        root = self._roots.get(address)
        if root is None and not ref.startswith("#"):
            return "", ABSENT
        root = root or ""
        if fragment and not fragment.startswith("/"):
            named = self._anchors.get((address, fragment))
            return (named, find(self.document, named)) if named is not None else ("", ABSENT)
        for place in (root + fragment, root + unquote(fragment)):
            target = find(self.document, place)
            if target is not ABSENT:
                return place, target
        return "", ABSENT

    def _base(self, pointer: str) -> str:
        while pointer and pointer not in self._bases:
            pointer = pointer.rpartition("/")[0]
        return self._bases.get(pointer, "")

    def _read(self, value: Any, path: tuple[str | int, ...], base: str, depth: int) -> None:
        if not path:
            self._roots[""] = self._bases[""] = ""
        if depth > 200:  # noqa: PLR2004 - told where the schema is read
            return
        if isinstance(value, Mapping):
            named = value.get(self._id)
            if isinstance(named, str) and not (self._id == "id" and "$ref" in value):
                base = self._named(named, path, base)
            anchor = value.get("$anchor", value.get("$dynamicAnchor"))
            if isinstance(anchor, str):
                self._anchors[base, anchor] = join(path)
        for name, child in _inner(value):
            self._read(child, (*path, name), base, depth + 1)

    def _named(self, name: str, path: tuple[str | int, ...], base: str) -> str:
        try:
            address, fragment = urldefrag(urljoin(base, name))
        except ValueError:
            return base
        if fragment:  # draft 4 to 7 name a place so
            self._anchors[address, fragment] = join(path)
            return base
        self._roots[address] = join(path)
        self._bases[join(path)] = address
        return address


def _inner(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from ((name, child) for name, child in value.items() if name not in _VALUES)
    elif isinstance(value, list):
        yield from enumerate(value)
