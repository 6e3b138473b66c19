"""A document's request as a tree of fields in plain Python: what a form, a script or any other front end shows."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from seedance_nb._check import only_value
from seedance_nb._schema import GIVEN
from seedance_nb._spec import Spec
from seedance_nb._values import ABSENT
from seedance_nb._wording import blocks, limits_in_words, sentences

Kind = Literal["prose", "text", "integer", "number", "choice", "toggle", "list", "group", "constant", "json"]

_PROSE_FROM = 200
"""A text that may be longer than this many characters gets a box of several lines."""

_HELP_UP_TO = 270
_FRAMES = ("first", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `path` leads to its value in the request body; `minimum` to `most_items` are the document's bounds.

    `help` is the beginning of the description and `more` its other sentences; `unit` is the unit of a number, "" if it has
    none; `advanced` says why a field stands apart, "" if it does not; `either` names the fields of which one is needed;
    `markers` are the prompt's words for the entries of a list, `{n}` standing for their number, from 1. `suggestions` are
    values that fit, and `elsewhere` says limits, by what is known from `source` and not from the provider. `names` are
    what the first entries of a list are.
    """

    path: tuple[str, ...]
    label: str
    kind: Kind
    required: bool
    help: str = ""
    more: tuple[str, ...] = ()
    default: Any = ABSENT
    example: Any = ABSENT
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    most_items: int | None = None
    unit: str = ""
    media: str = ""
    advanced: str = ""
    either: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    elsewhere: str = ""
    source: str = ""
    names: tuple[str, ...] = ()
    children: tuple["Field", ...] = ()


def tree(spec: Spec) -> Field:
    """The root of a document's fields, in the document's order. *pure*."""
    return _field(spec.body, (), required=True, either=(), markers={})


def leaves(field: Field) -> list[Field]:
    """Every field that holds a value of its own, in order; groups and constants are left out. *pure*."""
    if field.kind == "group":
        return [leaf for child in field.children for leaf in leaves(child)]
    return [] if field.kind == "constant" else [field]


def label_of(name: str) -> str:
    """A field's name in words: `reference_images` is "Reference images", `img_urls` is "Img URLs". *pure*."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").split()
    text = " ".join("URL" + word[3:].lower() if word.lower() in ("url", "urls") else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def kind_of(schema: dict[str, Any]) -> Kind:
    """The kind of control that fits a schema. *pure*; what fits none is edited as JSON."""
    types = schema.get("type")
    only = [name for name in types if name != "null"] if isinstance(types, list) else [types]
    if only_value(schema) is not ABSENT:
        return "constant"
    if "enum" in schema:
        return "choice"
    if "properties" in schema:
        return "group"
    if only == ["string"]:
        long = schema.get("maxLength", 0) > _PROSE_FROM or schema.get("x-role") == "prompt"
        return "prose" if long else "text"
    if only == ["array"] and (schema.get("items") or {}).get("type") == "string":
        return "list"
    plain: dict[Any, Kind] = {"integer": "integer", "number": "number", "boolean": "toggle"}
    return plain.get(only[0], "json") if len(only) == 1 else "json"


def _field(
    schema: dict[str, Any],
    path: tuple[str, ...],
    *,
    required: bool,
    either: tuple[str, ...],
    markers: dict[str, list[str]],
) -> Field:
    kind = kind_of(schema)
    help_, more = _told(str(schema.get("description", "")))
    upstream = schema.get("x-upstream", {})
    values = upstream.get("enum", ()) if kind == "text" else ()
    return Field(
        path=path,
        label=str(schema.get("title") or label_of(path[-1] if path else "")),
        kind=kind,
        required=required,
        help=help_,
        more=more,
        default=schema.get("default", ABSENT),
        example=next(iter(schema.get("examples", ())), ABSENT),
        choices=tuple(schema.get("enum", ())),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        max_length=schema.get("maxLength"),
        most_items=schema.get("maxItems"),
        unit=str(schema.get("x-unit", "")),
        media=str(schema.get("x-media", {}).get("kind", "")),
        advanced="deprecated in the document" if schema.get("deprecated") else str(schema.get("x-advanced", "")),
        either=either,
        markers=tuple(markers.get(path[-1] if path else "", ())),
        suggestions=tuple(value for value in values if isinstance(value, str)),
        elsewhere=limits_in_words(upstream, str(schema.get("x-unit", ""))),
        source=str(upstream.get("source", "")),
        names=_FRAMES if schema.get("x-role") == "frames" else (),
        children=_children(schema, path) if kind == "group" else (),
    )


def _told(description: str) -> tuple[str, tuple[str, ...]]:
    """What stands under a control, from the first paragraph only, and all the rest."""
    said, opening = sentences(description), sentences(blocks(description)[0])
    first = 0
    while first < len(opening) and (not first or len(" ".join(opening[: first + 1])) <= _HELP_UP_TO):
        first += 1
    return " ".join(said[:first]), tuple(said[first:])


def _children(schema: dict[str, Any], path: tuple[str, ...]) -> tuple[Field, ...]:
    properties = {name: child if isinstance(child, dict) else {} for name, child in schema["properties"].items()}
    groups = [name for group in schema.get(GIVEN, ()) for name in group]
    markers = {name: forms for child in properties.values() for name, forms in child.get("x-placeholders", {}).items()}
    return tuple(
        _field(child, (*path, name), required=name in schema.get("required", ()),
               either=tuple(groups) if name in groups else (), markers=markers)
        for name, child in properties.items()
    )  # fmt: skip
