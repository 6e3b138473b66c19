"""The fields inside a field, on demand: properties of an object, entries of a list, branches of alternatives."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.values import ABSENT
from seedance_nb._check.body import only_value
from seedance_nb._form.model.fields import Field, children_of, field_of, label_of
from seedance_nb._form.model.shape import Shape, properties_of, shape_of
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


def own_fields(field: Field) -> tuple[Field, ...]:
    """The fields of an object's own properties. *pure*."""
    return tuple(_as_object(child) for child in children_of(field.shape, ()))


def conditional_fields(field: Field, value: Any) -> tuple[Field, ...]:
    """The conditional fields that apply to this value, and any other that has a value. *pure*."""
    own, fields = properties_of(field.shape.view), {}
    body = value if isinstance(value, Mapping) else None
    for condition, then, other in field.shape.conditions:
        holds = body is not None and fits(condition, field.shape.defs, body)
        for schema, applies in ((then, holds), (other, not holds)):
            for child in children_of(shape_of(schema, field.shape.defs), ()):
                name = child.path[0]
                if name not in own and (applies or (name in (body or ()) and name not in fields)):
                    fields[name] = _as_object(child)
    return tuple(fields.values())


def defined_names(field: Field) -> set[str]:
    """The property names that an object's schema defines, also conditionally. *pure*."""
    schemas = [schema for _, then, other in field.shape.conditions for schema in (then, other)]
    views = [field.shape.view, *(shape_of(schema, field.shape.defs).view for schema in schemas)]
    return {name for view in views for name in properties_of(view)}


def entry_of(field: Field, index: int) -> Field:
    """The field of a list's entry at an index. *pure*."""
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


def allows_more(field: Field) -> bool:
    """Whether an object may have properties that its schema does not name. *pure*."""
    view = field.shape.view
    return bool(view.get("patternProperties")) or view.get("additionalProperties", False) is not False


def rest_of(field: Field) -> Field:
    """The field of the properties that an object's schema does not name. *pure*."""
    return replace(
        field, kind="map", label="Other fields", help="", more=(), required=False, nullable=False, children=(),
        default=ABSENT, example=ABSENT,
    )  # fmt: skip


def branches_of(field: Field) -> tuple[Branch, ...]:
    """The alternatives of a field, each with a distinct label. *pure*."""
    tag = field.shape.tag
    shapes = [_with_tag(shape_of(schema, field.shape.defs), tag) for schema in field.shape.branches]
    names = [set(properties_of(shape.view)) for shape in shapes]
    shared = set.intersection(*filter(None, names)) if any(names) else set()
    labels = [_label(shape, tag, shared) for shape in shapes]
    totals, numbers, branches = Counter(labels), Counter[str](), []
    for schema, shape, name in zip(field.shape.branches, shapes, labels, strict=True):
        numbers[name] += 1
        label = f"{name} {numbers[name]}" if totals[name] > 1 else name
        whole = {**shape.view, "allOf": [schema]} if tag and shape.types == ("object",) else schema
        branches.append(Branch(label, replace(_inner(field, whole, required=field.required), label=label)))
    return tuple(branches)


def branch_for(field: Field, branches: tuple[Branch, ...], value: Any) -> int | None:
    """The index of the branch that a value belongs to: one that it fits, else the nearest; None for none. *pure*."""
    if value is ABSENT:
        return None
    nearness = [_nearness(branch.field, field.shape.tag, value) for branch in branches]
    near = nearness.index(max(nearness))
    by_tag, by_type, _ = nearness[near]
    if by_tag:
        return near
    fitting = (index for index, schema in enumerate(field.shape.branches) if fits(schema, field.shape.defs, value))
    return next(fitting, near if by_type else None)


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
    if field.kind == "map":
        return {}
    return [] if field.kind in ("items", "list") else only_value(field.shape.view)


def with_name(value: Any, name: str, new: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """An object with `new` under a name; `ABSENT` removes it, and a new name goes before those that follow it in `names`. *pure*."""
    old = value if isinstance(value, Mapping) else {}
    if new is ABSENT:
        return {key: item for key, item in old.items() if key != name}
    if name in old:
        return {**old, name: new}
    later = set(names[names.index(name) + 1 :]) if name in names else set()
    at = next((position for position, key in enumerate(old) if key in later), len(old))
    items = list(old.items())
    return dict([*items[:at], (name, new), *items[at:]])


def _inner(field: Field, schema: Any, *, required: bool = True) -> Field:
    return _as_object(field_of(schema, field.shape.defs, (), required=required))


def _as_object(field: Field) -> Field:
    return replace(field, kind="object", children=()) if field.kind == "group" else field


def _with_tag(shape: Shape, tag: str) -> Shape:
    required = dict.fromkeys([*shape.view.get("required", ()), tag])
    return replace(shape, view={**shape.view, "required": list(required)}) if tag else shape


def _label(shape: Shape, tag: str, shared: set[str]) -> str:
    view = shape.view
    if view.get("title"):
        return str(view["title"])
    properties = properties_of(view)
    constants = _constants(shape, properties)
    if (constant := constants.get(tag, next(iter(constants.values()), ABSENT))) is not ABSENT:
        return label_of(constant) if isinstance(constant, str) else str(constant)
    if properties:
        names = [name for name in properties if name not in shared] or list(properties)
        return "With " + ", ".join(label_of(name).lower() for name in names[:3])
    if (value := only_value(view)) is not ABSENT:
        return str(value)
    if shape.types == ("array",) and isinstance(view.get("items"), dict):
        inner = shape_of(view["items"], shape.defs)
        return f"List of {(str(inner.view.get('title') or '') or _TYPES.get(''.join(inner.types), 'entries')).lower()}"
    return " or ".join(_TYPES.get(name, name) for name in shape.types) or "Anything"


def _nearness(field: Field, tag: str, value: Any) -> tuple[int, int, int]:
    """How near a value is to this field: by the tag, by the type, and by the number of common names."""
    properties = properties_of(field.shape.view)
    types = next((names for kind, names in _PYTHON if isinstance(value, kind)), ("null",))
    by_type = int(bool(set(types) & set(field.shape.types)))
    if not isinstance(value, Mapping):
        return 0, by_type, 0
    constants = _constants(field.shape, value)
    by_tag = int(bool(tag) and tag in constants and constants[tag] == value[tag])
    equal = sum(5 if constant == value[name] else -5 for name, constant in constants.items())
    return by_tag, by_type, equal + sum(name in value for name in properties) - len(constants)


def _constants(shape: Shape, names: Container[str]) -> dict[str, Any]:
    """The only possible values of an object's properties with these names, where they have one."""
    properties = {name: child for name, child in properties_of(shape.view).items() if name in names}
    values = {name: only_value(shape_of(child, shape.defs).view) for name, child in properties.items()}
    return {name: value for name, value in values.items() if value is not ABSENT}
