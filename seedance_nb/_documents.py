"""Reading a document from a file, a text or a dict, without trusting it."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from seedance_nb._errors import SpecError
from seedance_nb._values import join, read_json

MAX_BYTES = 1_000_000
MAX_DEPTH = 100

_Place = tuple[str | int, ...]

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
    merge keys, gives a key twice, or is larger than 1 MB or deeper than 100 levels.
    """
    if isinstance(source, Mapping):
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


class _Loader(yaml.SafeLoader):
    """PyYAML's parser with aliases and anchors refused while composing, and depth bounded."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            msg = "anchors and aliases are not read; write the value out"
            raise yaml.MarkedYAMLError(problem=msg, problem_mark=event.start_mark)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            msg = f"the tag {tag} is not read; write the value out"
            raise yaml.MarkedYAMLError(problem=msg, problem_mark=event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} levels"
            raise yaml.MarkedYAMLError(problem=msg, problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _yaml(text: str, file: str) -> Any:
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problem = f"line {mark.line + 1 if mark else '?'}: {error.problem}"
    except (yaml.YAMLError, RecursionError) as error:
        problem = f"not YAML: {error}"
    else:
        return _build(node, (), file) if node is not None else None
    raise SpecError(problem, file=file)


def _build(node: yaml.Node, place: _Place, file: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, file)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, position), file) for position, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.style in (None, ""):
        for _, pattern, make in _CORE:
            if pattern.match(node.value):
                return make(node.value)
    return node.value


def _mapping(node: yaml.MappingNode, place: _Place, file: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise SpecError(f"line {line}: a key must be plain text", file=file, pointer=join(place))
        key = key_node.value
        if key == "<<" and key_node.style is None:
            raise SpecError(
                f"line {line}: merge keys are not read; write the values out", file=file, pointer=join(place)
            )
        if key in made:
            raise SpecError(f"line {line}: the key {key!r} is given twice", file=file, pointer=join((*place, key)))
        made[key] = _build(value_node, (*place, key), file)
    return made
