"""Reading a document from a file, a text or a dict, without trusting it."""

import math
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import join, read_json

MAX_BYTES = 1_000_000
MAX_DEPTH = 100
MAX_VALUES = 100_000
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_TOO_MANY = f"the document holds more than {MAX_VALUES:,} values"

# The scalars of YAML 1.2's core schema; in YAML 1.1, which PyYAML reads by itself, 16:9 is the number 969 and `no` is False.
_CORE = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), lambda _: None),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), lambda text: text[0] in "tT"),
    ("int", re.compile(r"^[-+]?[0-9]{1,4000}$"), int),
    ("int", re.compile(r"^0o[0-7]{1,4000}$"), lambda text: int(text, 0)),
    ("int", re.compile(r"^0x[0-9a-fA-F]{1,4000}$"), lambda text: int(text, 0)),
    ("float", re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"), float),
)


def read(source: "str | Path | Mapping[str, Any]") -> tuple[dict[str, Any], str]:
    """The document as plain values, and the name of its file ("" if it has none). *reads files*.

    `source` is a dict, a path to a YAML or JSON file, or such a text itself; nothing is ever fetched.

    Raises: SpecError with file and pointer or line for what cannot be read, is not YAML 1.2 or JSON, uses aliases or
    merge keys, gives a key twice, or is larger than 1 MB, deeper than 100 levels or more than 100,000 values.
    """
    if isinstance(source, Mapping):
        _bounded(source, "")
        return dict(source), ""
    file = ""
    text = str(source)
    if isinstance(source, Path) or ("\n" not in text and not text.lstrip().startswith("{")):
        file = text
        text = _text_of(Path(text))
    if len(text) > MAX_BYTES:
        raise SpecError(f"the document has {len(text):,} characters; at most {MAX_BYTES:,} are read", file=file)
    value = _json(text, file) if text.lstrip().startswith(("{", "[")) else _yaml(text, file)
    if not isinstance(value, dict):
        raise SpecError("the document must be an object", file=file)
    _bounded(value, file)
    return value, file


def _text_of(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            problem = "this is no file"
        elif path.stat().st_size > MAX_BYTES:
            problem = f"the file has {path.stat().st_size:,} bytes; at most {MAX_BYTES:,} are read"
        else:
            return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        problem = f"the file cannot be read: {getattr(error, 'strerror', error)}"
    raise SpecError(problem, file=str(path))


def _json(text: str, file: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        problem = f"not JSON: {error}"
    raise SpecError(problem, file=file)


def _yaml(text: str, file: str) -> Any:
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        return _Builder(file).built(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = f"line {mark.line + 1 if mark else '?'}: {error.problem}"
    except (yaml.YAMLError, RecursionError) as error:
        problem = f"not YAML: {error}"
    raise SpecError(problem, file=file)


class _Builder:
    """Values out of a parser's events, one after the other, so that the first that is not read ends the reading."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._made: list[Any] = []  # the objects and lists that are open, the innermost last
        self._path: list[str | int] = []  # the place in each of them
        self._keys: list[str | None] = []  # the key that waits for its value; None in a list, and where a key is next

    def built(self, events: Iterable[Any]) -> Any:
        """The value of the one document. Raises: SpecError with its place; what the parser raises."""
        root: Any = None
        documents = 0
        for count, event in enumerate(events):
            if count > 2 * MAX_VALUES:
                raise self._error(_TOO_MANY, event)
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise self._error("only one document is read", event)
            if isinstance(event, yaml.CollectionEndEvent):
                root = self._made.pop()
                self._keys.pop()
                self._path.pop()
            elif isinstance(event, yaml.NodeEvent):
                self._refuse(event)
                value = self._begun(event)
                root = value if not self._path else root
        return root

    def _begun(self, event: Any) -> Any:
        is_key = bool(self._made) and isinstance(self._made[-1], dict) and self._keys[-1] is None
        if isinstance(event, yaml.ScalarEvent):
            if is_key:
                return self._key(event)
            value: Any = _scalar(event)
            self._put(value)
            return value
        if is_key:
            raise self._error("a key must be plain text", event)
        value = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(value)
        self._made.append(value)
        self._keys.append(None)
        self._path.append("")
        if len(self._made) > MAX_DEPTH:
            raise SpecError(f"line {event.start_mark.line + 1}: {_TOO_DEEP}", file=self._file)
        return value

    def _key(self, event: Any) -> Any:
        key = event.value
        if key == "<<" and event.style in (None, ""):
            raise self._error("merge keys are not read; write the values out", event)
        if key in self._made[-1]:
            raise self._error(f"the key {key!r} is given twice", event, key)
        self._keys[-1] = self._path[-1] = key
        return None

    def _put(self, value: Any) -> None:
        if not self._made:
            return
        inside = self._made[-1]
        if isinstance(inside, dict):
            inside[self._keys[-1]] = value
            self._keys[-1] = None
        else:
            self._path[-1] = len(inside)
            inside.append(value)

    def _refuse(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise SpecError(
                f"line {event.start_mark.line + 1}: anchors and aliases are not read; write the value out",
                file=self._file,
            )
        if event.tag not in (None, "!"):
            raise SpecError(
                f"line {event.start_mark.line + 1}: the tag {event.tag} is not read; write the value out",
                file=self._file,
            )

    def _error(self, problem: str, event: Any, *more: str) -> SpecError:
        place = join([*self._path[:-1], *more])
        return SpecError(f"line {event.start_mark.line + 1}: {problem}", file=self._file, pointer=place)


def _scalar(event: Any) -> Any:
    if event.style in (None, ""):
        for _, pattern, make in _CORE:
            if pattern.match(event.value):
                return make(event.value)
    return event.value


def _bounded(document: Any, file: str) -> None:
    """Raises: SpecError for a document that is too deep, holds itself or too much, or numbers that JSON has not."""
    count, here = 0, [(document, 0)]
    while here:
        value, depth = here.pop()
        count += 1
        if count > MAX_VALUES:
            raise SpecError(_TOO_MANY, file=file)
        if depth > MAX_DEPTH:
            raise SpecError(_TOO_DEEP, file=file)
        if isinstance(value, Mapping):
            here += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list | tuple):
            here += [(item, depth + 1) for item in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise SpecError(f"{value} is no number that JSON can carry, or larger than any", file=file)
