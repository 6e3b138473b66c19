"""A model's request as a tree of fields, without widgets: what a form or any other front end shows."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as _with
from typing import Any, Literal

from seedance_nb._base.values import ABSENT
from seedance_nb._check.body import only_value
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.shape import Shape, properties_of, shape, shown_order
from seedance_nb._schema.dialect import AT_LEAST_ONE, is_secret
from seedance_nb._schema.messages import help_of, limits_in_words

Kind = Literal[
    "prose", "text", "password", "integer", "number", "choice", "toggle", "list", "rows", "group", "object", "map",
    "branches", "constant", "json",
]  # fmt: skip

_PROSE_FROM = 200
"""A text whose `maxLength` is larger gets a box of several lines."""

_FRAMES = ("first", "last")
_INLINE_UP_TO = 20
"""A nested object of at most this many plain fields is shown open, a larger one folded."""

_INLINE_LEVELS = 3
_MOST_FIELDS = 500
"""An object of more fields is edited as JSON."""

_PLAIN = ("prose", "text", "password", "integer", "number", "choice", "toggle", "list", "constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `path` is the path of its value in the body; `minimum` to `most_items` are the schema's limits.

    `help` is the start of the description, `more` its other sentences; `advanced` is the reason for showing a field under
    "Advanced", "" for others; `either` names the fields of which one is required; `markers` are the prompt's names for list
    entries, `{n}` being their number from 1, and `names` the labels of the first entries. `elsewhere` has limits, and
    `suggestions` also values, that come from `source` and not from the provider. `labels` belong to the `choices`, "" where the
    value is its own label; `nullable` allows null; `format` is the schema's, for a hint. `children` are those of a group; the
    fields of any other are made on demand from `shape`, because a recursive schema has no end.
    """

    path: tuple[str, ...]
    label: str
    kind: Kind
    required: bool
    help: str
    more: tuple[str, ...]
    default: Any
    example: Any
    choices: tuple[Any, ...]
    labels: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    max_length: int | None
    least_items: int | None
    most_items: int | None
    unique: bool
    unit: str
    media: str
    format: str
    nullable: bool
    advanced: str
    either: tuple[str, ...]
    markers: tuple[str, ...]
    suggestions: tuple[str, ...]
    elsewhere: str
    source: str
    names: tuple[str, ...]
    children: tuple["Field", ...]
    shape: Shape = _with(repr=False, compare=False)


@functools.lru_cache(maxsize=64)
def tree(spec: Spec) -> Field:
    """The root field of a model's request. *pure*."""
    return field_of(spec.body, spec.body.get("$defs", {}), (), required=True)


def label_of(name: str) -> str:
    """A label from a field's name: `reference_images` is "Reference images", `img_urls` is "Img URLs". *pure*."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").split()
    text = " ".join("URL" + word[3:].lower() if word.lower() in ("url", "urls") else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def kind_of(made: Shape, *, required: bool = True) -> Kind:
    """The kind of control for a shape. *pure*; "json" where no other fits."""
    schema = made.view
    if (only := only_value(schema)) is not ABSENT and not made.nullable:
        return "constant" if required else "json" if isinstance(only, dict | list) else "choice"
    if schema.get("enum"):
        return "choice"
    if made.branches:
        return "branches"
    if made.types == ("string",):
        if is_secret(schema):
            return "password"
        long = schema.get("x-role") == "prompt" or schema.get("maxLength", 0) > _PROSE_FROM
        return "prose" if long and not schema.get("x-words") else "text"
    if made.types == ("array",):
        return _kind_of_list(made)
    if made.types == ("object",):
        if len(properties_of(schema)) > _MOST_FIELDS:
            return "json"
        if schema.get("properties") or made.conditions:
            return "object"
        return (
            "map" if schema.get("patternProperties") or isinstance(schema.get("additionalProperties"), dict) else "json"
        )
    if made.types == ("boolean",):
        return "choice" if made.nullable else "toggle"
    plain: dict[tuple[str, ...], Kind] = {("integer",): "integer", ("number",): "number", ("null",): "constant"}
    return plain.get(made.types, "json")


def field_of(
    schema: Any,
    defs: Mapping[str, Any],
    path: tuple[str, ...],
    *,
    required: bool,
    either: tuple[str, ...] = (),
    markers: tuple[str, ...] = (),
    room: list[int] | None = None,
) -> Field:
    """The field of one schema. *pure*. An object becomes a group, shown open, if it is small and plain, or required.

    `room` holds how many more fields may be open; further ones are opened on demand.
    """
    made = shape(schema, defs)
    kind, children = _kind_and_children(made, path, room, required=required)
    return Field(
        path=path,
        kind=kind,
        required=required,
        either=either,
        markers=markers,
        children=children,
        shape=made,
        **_words(made.view, path[-1] if path else ""),
        **_limits(made.view),
        **_options(made, kind),
    )


def _kind_and_children(
    made: Shape, path: tuple[str, ...], room: list[int] | None, *, required: bool
) -> tuple[Kind, tuple[Field, ...]]:
    """The kind of a field, and the children of a group."""
    kind = kind_of(made, required=required)
    apart = made.nullable or made.view.get("deprecated") or made.view.get("x-advanced")
    has_room = not path or (len(path) < _INLINE_LEVELS and (room is None or room[0] > 0))
    if kind == "object" and has_room and not apart:
        children = children_of(made, path, room)
        if not path or required or _is_plain(made, children):
            return "group", children
    return kind, ()


def _words(view: dict[str, Any], name: str) -> dict[str, Any]:
    """The texts that the schema has for a field."""
    help_, more = help_of(view.get("description"))
    unit, upstream = str(view.get("x-unit", "")), view.get("x-upstream", {})
    return {
        "label": str(view.get("x-label") or view.get("title") or label_of(name) or name),
        "help": help_,
        "more": more,
        "default": view.get("default", ABSENT),
        "example": next(iter(view.get("examples", ())), ABSENT),
        "unit": unit,
        "media": str(view.get("x-media", {}).get("kind", "")),
        "advanced": "deprecated" if view.get("deprecated") else str(view.get("x-advanced", "")),
        "elsewhere": limits_in_words(upstream, unit),
        "source": str(upstream.get("source", "")),
        "names": _FRAMES if view.get("x-role") == "frames" else (),
    }


def _limits(view: dict[str, Any]) -> dict[str, Any]:
    most = view.get("maxItems")
    if view.get("items") is False and "prefixItems" in view:
        fixed = len(view["prefixItems"])
        most = fixed if most is None else min(most, fixed)
    return {
        "minimum": view.get("minimum"),
        "maximum": view.get("maximum"),
        "max_length": view.get("maxLength"),
        "least_items": view.get("minItems"),
        "most_items": most,
        "unique": view.get("uniqueItems") is True,
        "format": str(view.get("format", "")),
    }


def _options(made: Shape, kind: Kind) -> dict[str, Any]:
    """The choices and suggestions of a field."""
    choices = _choices(made) if kind == "choice" else ()
    known = (*made.suggestions, *(made.view.get("x-upstream", {}).get("enum", ()) if kind == "text" else ()))
    return {
        "choices": choices,
        "labels": made.labels if len(made.labels) == len(choices) else (),
        "suggestions": tuple(value for value in known if isinstance(value, str)),
        "nullable": made.nullable and kind not in ("choice", "constant", "json"),
    }


def children_of(made: Shape, path: tuple[str, ...], room: list[int] | None = None) -> tuple[Field, ...]:
    """The fields of an object's own properties, in display order. *pure*."""
    properties = properties_of(made.view)
    room = [_MOST_FIELDS] if room is None else room
    room[0] -= len(properties)
    required = set(made.view.get("required", ()))
    groups = [name for group in made.view.get(AT_LEAST_ONE, ()) for name in group]
    markers = {
        name: forms
        for child in properties.values()
        if isinstance(child, dict)
        for name, forms in child.get("x-placeholders", {}).items()
    }
    return tuple(
        field_of(properties[name], made.defs, (*path, name), required=name in required,
                 either=tuple(groups) if name in groups else (), markers=tuple(markers.get(name, ())), room=room)
        for name in shown_order(made.view)
    )  # fmt: skip


def _is_plain(made: Shape, children: tuple[Field, ...]) -> bool:
    open_ = isinstance(made.view.get("additionalProperties"), dict) or made.view.get("patternProperties")
    return (
        not open_
        and not made.conditions
        and len(children) <= _INLINE_UP_TO
        and all(child.kind in _PLAIN and not child.required for child in children)
    )


def _kind_of_list(made: Shape) -> Kind:
    items = made.view.get("items")
    if "prefixItems" in made.view:
        return "rows"
    if not isinstance(items, dict) or not items:
        return "json"
    entry = shape(items, made.defs)
    return "list" if kind_of(entry) in ("text", "prose") and not entry.nullable and not entry.suggestions else "rows"


def _choices(made: Shape) -> tuple[Any, ...]:
    if made.types == ("boolean",) and "enum" not in made.view and "const" not in made.view:
        return (True, False, None)
    values = tuple(made.view["enum"]) if "enum" in made.view else (made.view["const"],)
    return (*values, None) if made.nullable and not any(value is None for value in values) else values
