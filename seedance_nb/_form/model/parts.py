"""The fields inside a field, made on demand: properties of an object, entries of a list, branches of alternatives."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.values import ABSENT
from seedance_nb._check.body import only_value
from seedance_nb._form.model.fields import Field, children_of, field_of, label_of
from seedance_nb._form.model.shape import Shape, properties_of, shape
from seedance_nb._schema.patterns import search
from seedance_nb._schema.validator import fits

_TYPES = {
    "string": "Text", "integer": "Whole number", "number": "Number", "boolean": "Yes or no", "array": "List",
    "object": "Fields", "null": "Null",
}  # fmt: skip
_PYTHON: tuple[tuple[type | tuple[type, ...], tuple[str, ...]], ...] = (
    (bool, ("boolean",)), (int, ("integer", "number")), (float, ("number", "integer")), (str, ("string",)),
    (list, ("array",)), (dict, ("object",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the alternatives of a field: its label and its field."""

    label: str
    field: Field


def inside(field: Field) -> tuple[Field, ...]:
    """The fields of an object's own properties. *pure*."""
    return tuple(_apart(child) for child in children_of(field.shape, ()))


def further(field: Field, value: Any) -> tuple[Field, ...]:
    """The conditional fields that apply to this value, and others of them that have a value. *pure*."""
    own, found = properties_of(field.shape.view), {}
    for condition, then, other in field.shape.conditions:
        holds = isinstance(value, Mapping) and fits(condition, field.shape.defs, value)
        for schema, applies in ((then, holds), (other, not holds)):
            made = shape(schema, field.shape.defs)
            for child in children_of(made, ()):
                name = child.path[0]
                given = isinstance(value, Mapping) and name in value
                if name not in own and (applies or (given and name not in found)):
                    found[name] = _apart(child)
    return tuple(found.values())


def known_names(field: Field) -> set[str]:
    """The property names that an object's schema defines, also conditionally. *pure*."""
    told = [schema for _, then, other in field.shape.conditions for schema in (then, other)]
    views = [field.shape.view, *(shape(schema, field.shape.defs).view for schema in told)]
    return {name for view in views for name in properties_of(view)}


def entry_of(field: Field, place: int) -> Field:
    """The field of a list's entry at an index. *pure*."""
    view = field.shape.view
    first = view.get("prefixItems", ())
    schema = first[place] if place < len(first) else view.get("items", {})
    made = field_of(schema, field.shape.defs, (), required=True)
    return replace(_apart(made), label=made.label or str(place + 1))


def extra_of(field: Field, name: str) -> Field:
    """The field of a property that the schema does not name, or only by a pattern. *pure*."""
    view = field.shape.view
    patterns = view.get("patternProperties", {})
    # In bounded time; a pattern that takes longer fits no name.
    schemas = [schema for pattern, schema in patterns.items() if search(pattern, name) is True]
    rest = view.get("additionalProperties", True)
    schema = {"allOf": schemas} if len(schemas) > 1 else schemas[0] if schemas else rest
    if not schemas and rest in (True, False) and len(patterns) == 1:
        [schema] = patterns.values()
    return replace(_apart(field_of(schema, field.shape.defs, (), required=True)), label=label_of(name) or "Value")


def takes_more(field: Field) -> bool:
    """Whether an object may have properties that its schema does not name. *pure*."""
    more = field.shape.view.get("additionalProperties", False)
    return bool(field.shape.view.get("patternProperties")) or more is True or isinstance(more, dict)


def rest_of(field: Field) -> Field:
    """The field of the properties that an object's schema does not name. *pure*."""
    return replace(
        field, kind="map", label="Other fields", help="", more=(), required=False, nullable=False, children=(),
        default=ABSENT, example=ABSENT,
    )  # fmt: skip


def branches_of(field: Field) -> tuple[Branch, ...]:
    """The alternatives of a field, each with a distinct label. *pure*."""
    tag = field.shape.tag
    shapes = [shape(schema, field.shape.defs) for schema in field.shape.branches]
    if tag:
        shapes = [_tagged(made, tag) for made in shapes]
    named = [set(properties_of(one.view)) for one in shapes]
    shared = set.intersection(*filter(None, named)) if any(named) else set()
    labels = [_label(made, tag, shared) for made in shapes]
    often, before, made = Counter(labels), Counter[str](), []
    for schema, known, name in zip(field.shape.branches, shapes, labels, strict=True):
        before[name] += 1
        label = f"{name} {before[name]}" if often[name] > 1 else name
        whole = {**known.view, "allOf": [schema]} if tag and known.types == ("object",) else schema
        child = _apart(field_of(whole, field.shape.defs, (), required=field.required))
        made.append(Branch(label, replace(child, label=label)))
    return tuple(made)


def branch_for(field: Field, branches: tuple[Branch, ...], value: Any) -> int | None:
    """The index of the branch that a value belongs to: one that it fits, else the nearest; None for none. *pure*."""
    if value is ABSENT:
        return None
    near = max(range(len(branches)), key=lambda place: _nearness(branches[place].field, field.shape.tag, value))
    if _nearness(branches[near].field, field.shape.tag, value)[0]:
        return near
    for place, schema in enumerate(field.shape.branches):
        if fits(schema, field.shape.defs, value):
            return place
    return near if _nearness(branches[near].field, "", value)[1] else None


def kept(field: Field, value: Any) -> Any:
    """The part of a value that another field can use: all of it, an object's valid properties, or its start value. *pure*."""
    begin = start_of(field)
    if field.kind in ("object", "map") and isinstance(value, Mapping):
        own = properties_of(field.shape.view)
        keep = {name: item for name, item in value.items()
                if name in own and name not in begin and fits(own[name], field.shape.defs, item)}  # fmt: skip
        made = {**begin, **keep}
        return {name: made[name] for name in own if name in made} | made
    return value if value is not ABSENT and fits(field.shape.view, field.shape.defs, value) else begin


def start_of(field: Field) -> Any:
    """The value of a new, empty field: an object's constants, an empty list, or `ABSENT`. *pure*."""
    if field.kind in ("object", "group"):
        required, properties = set(field.shape.view.get("required", ())), properties_of(field.shape.view)
        onlys = {
            name: only_value(shape(properties[name], field.shape.defs).view) for name in properties if name in required
        }
        return {name: only for name, only in onlys.items() if only is not ABSENT}
    if field.kind == "map":
        return {}
    return [] if field.kind in ("rows", "list") else only_value(field.shape.view)


def with_name(value: Any, name: str, new: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """An object with `new` under a name; `ABSENT` removes it, and a new name goes before those that follow it in `names`. *pure*."""
    old = value if isinstance(value, Mapping) else {}
    if new is ABSENT:
        return {key: item for key, item in old.items() if key != name}
    if name in old:
        return {**old, name: new}
    later = set(names[names.index(name) + 1 :]) if name in names else set()
    made: dict[str, Any] = {}
    for key, item in old.items():
        if key in later:
            made.setdefault(name, new)
        made[key] = item
    made.setdefault(name, new)
    return made


def _apart(field: Field) -> Field:
    return replace(field, kind="object", children=()) if field.kind == "group" else field


def _tagged(made: Shape, tag: str) -> Shape:
    required = [*made.view.get("required", ()), tag]
    return replace(made, view={**made.view, "required": list(dict.fromkeys(required))})


def _label(made: Shape, tag: str, shared: set[str]) -> str:
    view = made.view
    if view.get("title"):
        return str(view["title"])
    properties = properties_of(view)
    onlys = {name: only_value(shape(child, made.defs).view) for name, child in properties.items()}
    said = onlys.get(tag, ABSENT)
    said = said if said is not ABSENT else next((only for only in onlys.values() if only is not ABSENT), ABSENT)
    if said is not ABSENT:
        return label_of(said) if isinstance(said, str) else str(said)
    if properties:
        names = [name for name in properties if name not in shared] or list(properties)
        return "With " + ", ".join(label_of(name).lower() for name in names[:3])
    if (only := only_value(view)) is not ABSENT:
        return str(only)
    if made.types == ("array",) and isinstance(view.get("items"), dict):
        inner = shape(view["items"], made.defs)
        return f"List of {(str(inner.view.get('title') or '') or _TYPES.get(''.join(inner.types), 'entries')).lower()}"
    return " or ".join(_TYPES.get(name, name) for name in made.types) or "Anything"


def _nearness(field: Field, tag: str, value: Any) -> tuple[int, int, int]:
    """How near a value is to this field: by the tag, by the type, and by the number of common names."""
    own = properties_of(field.shape.view)
    typed = next((names for kind, names in _PYTHON if isinstance(value, kind)), ("null",))
    right = int(bool(set(typed) & set(field.shape.types)))
    if not isinstance(value, Mapping):
        return 0, right, 0
    onlys = {name: only_value(shape(own[name], field.shape.defs).view) for name in own if name in value}
    said = int(bool(tag) and onlys.get(tag, ABSENT) is not ABSENT and onlys[tag] == value[tag])
    return said, right, sum(1 if only is ABSENT else 5 if only == value[name] else -5 for name, only in onlys.items())
