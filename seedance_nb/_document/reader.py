"""Read an untrusted document from a file, text or a dict, within limits, and merge it with the file of its provider."""

import functools
import gc
import math
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import LOADER, JsonPath, find, read_json, to_pointer

MAX_BYTES, MAX_DEPTH = 16_000_000, 100
MAX_VALUES, _MOST_VALUES = 500_000, 1_600_000  # of YAML, which takes ten times as long, and of enums; of JSON
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_TOO_MANY = "more than {:,} values"
_LESS = "pass only the operations that you need, as a dict or a smaller file"
_MOST_FILES, _LONGEST = 200, 200  # of other files, and of a reference to one
SCALARS = frozenset({str, int, float, bool, type(None)})
_PLAIN = (None, "")  # the style of a scalar without quotes
# The scalars of YAML 1.2's core schema. In YAML 1.1, PyYAML's default, 16:9 is the number 969 and `no` is False.
_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile("~|null|Null|NULL|"), lambda _: None),
    (re.compile("true|True|TRUE|false|False|FALSE"), lambda text: text[0] in "tT"),
    (re.compile("[-+]?[0-9]{1,4000}"), int),
    (re.compile("0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
)
_FIRST = frozenset(["", *"~nNtTfF-+.0123456789"])
SPECS = files("seedance_nb") / "specs"


def read_document(source: "str | Path | Mapping[str, Any]") -> tuple[dict[str, Any], str]:
    """A document (a dict, YAML or JSON text, or its path) as plain values, and its file ("" if none). *reads files*, never the network.

    Files in the folder of a path and below it are read too, if references name them, and are then under `x-files`. Raises: SpecError with the file and
    a pointer or line for one that is no YAML 1.2 or JSON, has a key twice, or exceeds 16 MB, 100 levels or 1,600,000 values (YAML: 500,000, aliases counted at each use).
    """
    if isinstance(source, Mapping):
        check_size(source, "", _MOST_VALUES)
        return dict(source), ""
    value, file = _value_of(source)
    if isinstance(source, Path):
        check_size(value := _with_files(value, source), file, _MOST_VALUES)
    return value, file


def _value_of(source: str | Path) -> tuple[dict[str, Any], str]:
    file, text = (str(source) if isinstance(source, Path) else ""), str(source)
    if isinstance(source, Path):
        try:
            if not stat.S_ISREG(source.stat().st_mode):
                raise SpecError("not a regular file", file=file)
            with source.open(encoding="utf-8") as stream:
                text = stream.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            problem = f"the file cannot be read: {getattr(error, 'strerror', error)}"
            raise SpecError(problem, file=file, next_step="check the path of the schema file") from None
    if len(text) > MAX_BYTES:
        problem = f"the document is too large: at most {MAX_BYTES:,} characters are allowed"
        raise SpecError(problem, file=file, next_step=_LESS)
    is_json, was_on = text.lstrip().startswith(("{", "[")), gc.isenabled()
    gc.disable()  # it would look through all new values again and again, for most of the time
    try:
        value = read_json(text) if is_json else _Yaml(yaml.parse(text, Loader=LOADER), file).document()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise SpecError(f"line {line}: {error.problem}", file=file) from None
    except (yaml.YAMLError, ValueError) as error:
        raise SpecError(f"not {'JSON' if isinstance(error, ValueError) else 'YAML'}: {error}", file=file) from None
    finally:
        if was_on:
            gc.enable()
    if not isinstance(value, dict):
        raise SpecError("the document must be an object", file=file)
    check_size(value, file, _MOST_VALUES if is_json else MAX_VALUES)
    return value, file


def _with_files(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """A document with the files in its folder that its references name, and theirs, under `x-files`; the references lead there."""
    folder, files = path.parent.resolve(), dict[str, Any]()

    def joined(value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [joined(item, name) if item and isinstance(item, dict | list) else item for item in value]
        ref = value.get("$ref")
        is_path = isinstance(ref, str) and len(ref) < _LONGEST and "://" not in ref
        if isinstance(ref, str) and is_path and (name != path.name or not ref.startswith("#")):
            url, _, fragment = ref.partition("#")
            target = ((folder / name).parent / unquote(url) if url else folder / name).resolve()
            key = target.relative_to(folder).as_posix() if target.is_relative_to(folder) and target.is_file() else ""
            if key and key != path.name and key not in files and len(files) < _MOST_FILES:
                files[key] = {}
                files[key] = joined(_value_of(target)[0], key)
            if key in (path.name, *files):
                value = value | {"$ref": f"#{to_pointer(('x-files', key)) if key != path.name else ''}{fragment}"}
            else:
                missing = f"is no file there, or one of more than {_MOST_FILES}"
                value = value | {"x-unread": missing if target.is_relative_to(folder) else "is outside the folder"}
        items = value.items()
        return {key: joined(item, name) if item and isinstance(item, dict | list) else item for key, item in items}

    document = joined(document, path.name)
    return document | ({"x-files": files} if files else {})


class _Yaml:
    """Builds values from a parser's events one by one, so that the first unsupported one ends the parsing."""

    def __init__(self, events: Iterable[Any], file: str) -> None:
        self._events, self._left = iter(events), MAX_VALUES
        self._anchors: dict[str, Any] = {}
        self._file = file

    def document(self) -> Any:
        """The value of the only document, None without one. Raises: SpecError and the parser's own errors."""
        value, documents = None, 0
        for event in self._events:
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise self._error("only one YAML document is allowed", event)
            value = self._value(event, ()) if isinstance(event, yaml.NodeEvent) else value
        return value

    def _value(self, event: Any, path: JsonPath) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error(_TOO_MANY.format(MAX_VALUES), event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._error(f"no value before this one has the anchor {event.anchor!r}", event, path)
            return self._anchors[event.anchor]
        if event.tag not in (None, "!"):
            raise self._error(f"the tag {event.tag} is not supported; write the value out", event)
        value = self._scalar(event) if isinstance(event, yaml.ScalarEvent) else self._items(event, path)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    @staticmethod
    def _scalar(event: Any) -> Any:
        is_plain = event.style in _PLAIN and event.value[:1] in _FIRST
        return next((read for pattern, read in _CORE if is_plain and pattern.fullmatch(event.value)), str)(event.value)

    def _items(self, event: Any, path: JsonPath) -> Any:
        if len(path) >= MAX_DEPTH:
            raise self._error(_TOO_DEEP, event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(event, (*path, len(items))))
            return items
        mapping: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag not in (None, "!"):
                raise self._error("a key must be plain text", event, path)
            key, is_merge = str(event.value), event.value == "<<" and event.style in _PLAIN
            if key in mapping:
                raise self._error(f"the key {key!r} is given twice", event, (*path, key))
            value = self._value(next(self._events), (*path, key))
            if not is_merge:
                mapping[key] = value
            for one in (value if isinstance(value, list) else [value]) if is_merge else ():
                if not isinstance(one, dict):
                    raise self._error("only an object can be merged", event, path)
                self._left -= len(one)
                merged = {**one, **merged}
        return {**merged, **mapping}

    def _error(self, problem: str, event: Any, path: JsonPath = ()) -> SpecError:
        return SpecError(f"line {event.start_mark.line + 1}: {problem}", file=self._file, pointer=to_pointer(path))


def check_size(document: Any, file: str, most: int = MAX_VALUES) -> None:
    """Raises: SpecError for a document that is too deep or too large, contains itself, or has numbers that JSON cannot store."""
    count, depth, level = 1, 0, [document]
    while level:
        kinds = {*map(type, level)}
        wanted = [{kind for kind in kinds if issubclass(kind, base)} for base in ((list, tuple), Mapping, float)]
        lists, maps, floats = ([one for one in level if type(one) in some] if some else [] for some in wanted)
        count += sum(map(len, lists)) + sum(map(len, maps))
        if count > most:
            raise SpecError(_TOO_MANY.format(most), file=file, next_step=_LESS)
        if depth > MAX_DEPTH:
            raise SpecError(_TOO_DEEP, file=file)
        if wrong := [number for number in floats if not math.isfinite(number)]:
            raise SpecError(f"{wrong[0]} is not a number that JSON can store", file=file)
        level = [*chain.from_iterable(lists), *chain.from_iterable(one.values() for one in maps)]
        depth += 1


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
    whole, scheme = dict(merged(shared, document)), next(iter(shared["security"][0]))
    places = ["/servers/0/url", "/security", "/x-env", f"/components/securitySchemes/{scheme}"]
    wrong = [pointer for pointer in places if find(whole, pointer) != find(shared, pointer)]
    for path, item in objects(document.get("paths")):
        own = {to_pointer(["paths", path, method, "security"]): operation for method, operation in objects(item)}
        wrong += [pointer for pointer in own if own[pointer].get("security", shared["security"]) != shared["security"]]
    if wrong:
        problem = "a schema with x-provider cannot change where the provider's key goes; remove this, or remove x-provider and pass the key of your own server as api_key="
        raise SpecError(problem, file=file, pointer=wrong[0].removesuffix("/0/url"))
    return whole


def objects(value: Any) -> list[tuple[str, dict[str, Any]]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [(str(name), item) for name, item in inner if isinstance(item, dict)]


@functools.cache
def packaged(name: str) -> dict[str, Any]:
    """A packaged document as in its own file, not to be changed. *reads files*."""
    return read_document((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))[0]


def merged(shared: Any, own: Any) -> Any:
    if not (isinstance(shared, dict) and isinstance(own, dict)):
        return own
    rest = {name: value for name, value in shared.items() if name not in own}
    return {name: merged(shared.get(name), value) for name, value in own.items()} | rest
