"""A model's request as a tree of fields, without widgets; those inside objects, lists and alternatives on demand."""

import functools
import itertools
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seedance_nb._base.values import ABSENT
from seedance_nb._check.check import only_value
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec
from seedance_nb._form.model.shape import Shape, body_with_siblings, likely_values, properties_of, shape_of, shown_order
from seedance_nb._schema.applicators import discriminated
from seedance_nb._schema.dialect import AT_LEAST_ONE, SCHEMA_NAME, is_secret
from seedance_nb._schema.formats import search
from seedance_nb._schema.library import Draft202012Validator
from seedance_nb._schema.messages import help_of, limits_in_words
from seedance_nb._schema.validator import fits

Kind = Literal["prose", "text", "password", "integer", "number", "choice", "toggle", "list", "items", "group", "object",
               "map", "branches", "constant", "json"]  # fmt: skip
_PROSE_FROM = 200  # a text with a larger `maxLength` gets a text area
_INLINE_UP_TO, _INLINE_LEVELS = 20, 3  # a nested object of at most so many plain fields is shown open, others folded
_MOST_FIELDS = 1_000  # an object of more fields is edited as JSON
_PLAIN = ("prose", "text", "password", "integer", "number", "choice", "toggle", "list", "constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    path: tuple[str, ...]  # to its value in the body
    label: str
    kind: Kind
    required: bool
    help: str  # the start of the description
    more: tuple[str, ...]  # its other sentences
    default: Any
    example: Any
    choices: tuple[Any, ...]
    labels: tuple[str, ...]  # of the `choices`, "" where a value is its own label
    max_length: int | None  # this and the next three are the schema's limits
    least_items: int | None
    most_items: int | None
    unique: bool
    unit: str
    media: str
    nullable: bool  # whether null is allowed
    advanced: str  # why it is shown under "Advanced", "" if it is not
    one_of_required: tuple[str, ...]  # fields of which one is required
    markers: tuple[str, ...]  # the prompt's names for list entries; `{n}` is the number, from 1
    likely: Sequence[Any]  # values that are offered; others are possible
    third_party_limits: str  # from `source`, not from the provider
    source: str
    children: tuple["Field", ...]  # a group's; others' are read from `shape` on demand: a recursive schema has no end
    shape: Shape = field(repr=False, compare=False)


@functools.lru_cache(maxsize=64)
def tree(spec: Spec) -> Field:
    return field_of(body_with_siblings(spec), spec.body.get("$defs", {}), (), required=True)


def label_of(name: str) -> str:
    """A label from a field's name: `reference_images` is "Reference images", `img_urls` is "Img URLs". *pure*."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").split()
    text = " ".join("URL" + word[3:].lower() if word.lower() in ("url", "urls") else word.lower() for word in words)
    return text[:1].upper() + text[1:]


def kind_of(shape: Shape, *, required: bool = True) -> Kind:
    schema = shape.view
    if (only := only_value(schema)) is not ABSENT and not shape.nullable:
        return "constant" if required else "json" if isinstance(only, dict | list) else "choice"
    if schema.get("enum"):
        return "choice"
    if shape.branches:
        return "branches"
    if shape.types == ("string",):
        is_long = schema.get("x-role") == "prompt" or schema.get("maxLength", 0) > _PROSE_FROM
        return "password" if is_secret(schema) else "prose" if is_long and not schema.get("x-words") else "text"
    if shape.types == ("array",):
        items = schema.get("items")
        if "prefixItems" in schema:
            return "items"
        if not isinstance(items, dict) or not items:
            return "json"
        entry = shape_of(items, shape.defs)
        has_more = entry.nullable or entry.suggestions or entry.view.get("format") in ("binary", "byte")
        return "items" if has_more or kind_of(entry) not in ("text", "prose") else "list"
    if shape.types == ("object",):
        if properties_of(schema) or shape.conditions:
            return "object" if len(properties_of(schema)) <= _MOST_FIELDS else "json"
        is_map = schema.get("patternProperties") or isinstance(schema.get("additionalProperties"), dict)
        return "map" if is_map else "json"
    if shape.types == ("boolean",):
        return "choice" if shape.nullable else "toggle"
    plain: dict[tuple[str, ...], Kind] = {("integer",): "integer", ("number",): "number", ("null",): "constant"}
    return plain.get(shape.types, "json")


def field_of(schema: Any, defs: Mapping[str, Any], path: tuple[str, ...], *, required: bool,
             one_of_required: tuple[str, ...] = (), markers: tuple[str, ...] = (), fields_left: list[int] | None = None) -> Field:  # fmt: skip
    """The field of one schema. *pure*. A group is open if it is small and plain, or required, while there are `fields_left` to show."""
    shape = shape_of(schema, defs)
    view, name, choices = shape.view, path[-1] if path else "", tuple[Any, ...]()
    kind = kind_of(shape, required=required)
    children: tuple[Field, ...] = ()
    is_separate = shape.nullable or view.get("deprecated") or view.get("x-advanced")
    fits = fields_left is None or (len(path) < _INLINE_LEVELS and fields_left[0] > 0)
    if kind == "object" and fits and not is_separate:
        inner = children_of(shape, path, fields_left)
        takes_more = isinstance(view.get("additionalProperties"), dict)
        is_open = takes_more or view.get("patternProperties") or shape.conditions
        is_plain = not is_open and all(child.kind in _PLAIN and not child.required for child in inner)
        if not path or required or (is_plain and len(inner) <= _INLINE_UP_TO):
            kind, children = "group", inner
    if kind in ("choice", "constant"):
        only = (view["const"],) if "const" in view else (True, False) if shape.types == ("boolean",) else ()
        choices = tuple(view["enum"]) if "enum" in view else only
        choices += (None,) if shape.nullable and None not in choices else ()
    help_, more = help_of(view.get("description"))
    words = " ".join(str(view.get("description")).split())
    more += tuple(one["quote"] for one in view.get("x-unchecked", ()) if one["quote"] not in words)
    unit, upstream = str(view.get("x-unit", "")), view.get("x-upstream", {})
    tuple_length = [len(view["prefixItems"])] if view.get("items") is False and "prefixItems" in view else []
    return Field(
        path=path, kind=kind, required=required, one_of_required=one_of_required, markers=markers, children=children,
        label=str(view.get("x-label") or view.get("title") or label_of(name) or name), help=help_, more=more, unit=unit,
        default=view.get("default", ABSENT), example=next(iter(view.get("examples", ())), ABSENT), choices=choices,
        labels=shape.labels if len(shape.labels) == len(choices) else (), unique=view.get("uniqueItems") is True,
        likely=likely_values(shape, kind) if kind in ("text", "integer", "number") else (), max_length=view.get("maxLength"),
        most_items=min((*tuple_length, view["maxItems"]) if "maxItems" in view else tuple_length, default=None),
        nullable=shape.nullable and kind not in ("choice", "constant", "json"), source=str(upstream.get("source", "")),
        advanced="deprecated" if view.get("deprecated") else str(view.get("x-advanced", "")), least_items=view.get("minItems"),
        media=str(view.get("x-media", {}).get("kind", "")), third_party_limits=limits_in_words(upstream, unit), shape=shape,
    )  # fmt: skip


def children_of(shape: Shape, path: tuple[str, ...], fields_left: list[int] | None = None) -> tuple[Field, ...]:
    properties, fields_left = properties_of(shape.view), [_MOST_FIELDS] if fields_left is None else fields_left
    fields_left[0] -= len(properties)
    required = set(shape.view.get("required", ()))
    one_required = tuple(name for group in shape.view.get(AT_LEAST_ONE, ()) for name in group)
    tables = [child.get("x-placeholders", {}) for child in properties.values() if isinstance(child, dict)]
    markers = {name: forms for one in tables for name, forms in one.items() if [*one.values()].count(forms) == 1}
    return tuple(field_of(properties[name], shape.defs, (*path, name), required=name in required,
                          one_of_required=one_required if name in one_required else (),
                          markers=tuple(markers.get(name, ())), fields_left=fields_left)
                 for name in shown_order(shape.view))  # fmt: skip


def conditional_fields(field: Field, value: Any) -> tuple[Field, ...]:
    """The conditional fields that apply to this value, and any other that has a value. *pure*."""
    own, fields = properties_of(field.shape.view), {}
    body = value if isinstance(value, Mapping) else None
    for condition, then, other in field.shape.conditions:
        holds = body is not None and fits(condition, field.shape.defs, body)
        for schema, applies in ((then, holds), (other, not holds)):
            for child in children_of(shape_of(schema, field.shape.defs), (), [0]):
                name = child.path[0]
                if name not in own and (applies or (name in (body or ()) and name not in fields)):
                    fields[name] = child
    return tuple(fields.values())


def entry_of(field: Field, index: int) -> Field:
    first = field.shape.view.get("prefixItems", ())
    child = _inner(field, first[index] if index < len(first) else field.shape.view.get("items", {}))
    return replace(child, label=child.label or str(index + 1))


def extra_of(field: Field, name: str) -> Field:
    """The field of a property that the schema does not name, or only by a pattern. *pure*."""
    view = field.shape.view
    patterns = view.get("patternProperties", {})
    # In bounded time; a pattern that takes longer fits no name.
    schemas = [schema for pattern, schema in patterns.items() if search(pattern, name) is True]
    rest = view.get("additionalProperties", True)
    schemas = schemas or (list(patterns.values()) if rest in (True, False) and len(patterns) == 1 else [rest])
    schema = {"allOf": schemas} if len(schemas) > 1 else schemas[0]
    return replace(_inner(field, schema), label=label_of(name) or "Value")


def rest_of(field: Field) -> Field | None:
    """The field of the properties that an object's schema does not name, None if it allows none. *pure*."""
    view = field.shape.view
    if not view.get("patternProperties") and view.get("additionalProperties", False) is False:
        return None
    return replace(field, kind="map", label="Other fields", help="", more=(), required=False, nullable=False, children=(),
                   default=ABSENT, example=ABSENT)  # fmt: skip


def branches_of(field: Field) -> tuple[Field, ...]:
    tag, alike = field.shape.tag, dict[str, list[tuple[str, ...]]]()
    branches = [_inner(field, schema, required=field.required) for schema in field.shape.branches]
    fields = [*filter(None, (set(properties_of(branch.shape.view)) for branch in branches))]
    names = [_names(branch.shape, tag, set.intersection(*fields) if fields else set()) for branch in branches]
    for every in names:
        alike.setdefault(next(filter(None, every)), []).append(every)
    # Those with one label get the first of their other names that differs in all of them too, else a number.
    apart = {label: [len({*column}) == len(group) for column in zip(*group, strict=True)]
             for label, group in alike.items() if len(group) > 1}  # fmt: skip
    numbers = {label: itertools.count(1) for label in apart}
    for index, (schema, branch, every) in enumerate(zip(field.shape.branches, branches, names, strict=True)):
        if (label := next(filter(None, every))) in apart:
            more, number = next(itertools.compress(every, apart[label]), None), f" {next(numbers[label])}"
            label += number if more is None else f" ({more[:1].lower()}{more[1:]})" if more else ""
        if tag and branch.shape.types == ("object",):
            whole = {**branch.shape.view, "required": [*branch.shape.view.get("required", ()), tag], "allOf": [schema]}
            branch = _inner(field, whole, required=field.required)  # noqa: PLW2901
        branches[index] = replace(branch, label=label)
    return tuple(branches)


def branch_for(field: Field, branches: tuple[Field, ...], value: Any) -> int | None:
    """The index of the branch that a value belongs to: by a constant, else one that it fits, else the nearest; None for none. *pure*."""
    if value is ABSENT:
        return None
    if (index := discriminated([branch.shape.view for branch in branches], value)) is not None:
        return index
    nearness = [_nearness(branch, value) for branch in branches]
    near = max(nearness)
    # Of a component with a mapped tag, any of its other tags is one too.
    parts = [*field.shape.branches, *(one.get("allOf", [one])[0] for one in field.shape.branches)]
    fitting = (index % len(branches) for index, part in enumerate(parts) if fits(part, field.shape.defs, value))
    return next(fitting, nearness.index(near) if near[0] else None)


def reusable_part(field: Field, value: Any) -> Any:
    """A value as far as another field allows it: all of it, an object's valid properties, or the field's start value. *pure*."""
    start = start_of(field)
    if field.kind in ("object", "map") and isinstance(value, Mapping):
        properties = properties_of(field.shape.view)
        usable = {name: item for name, item in value.items()
                if name in properties and name not in start and fits(properties[name], field.shape.defs, item)}  # fmt: skip
        body = {**start, **usable}
        return {name: body[name] for name in properties if name in body} | body
    return value if value is not ABSENT and fits(field.shape.view, field.shape.defs, value) else start


def start_of(field: Field) -> Any:
    """The value of a new, empty field: an object's constants, an empty list, or `ABSENT`. *pure*."""
    if field.kind in ("object", "group"):
        return _constants(field.shape, set(field.shape.view.get("required", ())))
    only = field.choices[0] if field.kind == "constant" else only_value(field.shape.view)
    return {} if field.kind == "map" else [] if field.kind in ("items", "list") else only


def _inner(field: Field, schema: Any, *, required: bool = True) -> Field:
    return field_of(schema, field.shape.defs, (), required=required, fields_left=[0])


def _names(shape: Shape, tag: str, shared: set[str]) -> tuple[str, ...]:
    """What a branch can be called, the best name first, "" for a kind of name that it does not have."""
    view, types, properties = shape.view, packaged("_form")["types"], properties_of(shape.view)
    constants, value = _constants(shape, properties), only_value(view)
    items = view.get("items") if shape.types == ("array",) else None if properties else view.get("additionalProperties")
    constant = constants.get(tag, next(iter(constants.values()), ""))
    own = [name for name in properties if name not in shared] or list(properties)
    inner = shape_of(items, shape.defs) if isinstance(items, dict) else None
    entries = inner and str(inner.view.get("title") or label_of(str(inner.view.get(SCHEMA_NAME, ""))))
    entries = inner and (entries or types.get("".join(inner.types), "entries")).lower()
    return (
        str(view.get("title") or ""),
        label_of(constant) if isinstance(constant, str) else str(constant),
        label_of(str(view.get(SCHEMA_NAME, ""))),
        f"With {', '.join(label_of(name).lower() for name in own[:3])}" if properties else "",
        "" if value is ABSENT else str(value),
        f"{types[shape.types[0]]} of {entries}" if entries else "",
        " or ".join(types.get(name, name) for name in shape.types) or "Anything (JSON)",
        str(view.get("format", "")),
    )


def _nearness(field: Field, value: Any) -> tuple[bool, int]:
    types = {"number" if name == "integer" else name for name in field.shape.types}
    by_type = any(Draft202012Validator.TYPE_CHECKER.is_type(value, name) for name in types)
    names = properties_of(field.shape.view) if isinstance(value, Mapping) else ()
    return by_type, sum(name in value for name in names)


def _constants(shape: Shape, names: Container[str]) -> dict[str, Any]:
    properties = {name: child for name, child in properties_of(shape.view).items() if name in names}
    values = {name: only_value(shape_of(child, shape.defs).view) for name, child in properties.items()}
    return {name: value for name, value in values.items() if value is not ABSENT}
