"""Prepare valid schemas for display (references followed, parts merged, null and branches separated) and find likely values."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.values import ABSENT, find, is_number, set_at, to_pointer
from seedance_nb._check.check import only_value
from seedance_nb._document import load
from seedance_nb._document.reader import packaged
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._schema.dialect import SCHEMA_NAME, allowed_values, constraints_of
from seedance_nb._schema.validator import fits

_MOST_HOPS, _MOST_PARTS, _MOST = 12, 1_000, 1_000
_SHAPED = {"type", "properties", "$ref", "enum", "const", "items", "prefixItems", "oneOf", "anyOf", "allOf"}
Condition = tuple[Any, Any, Any]  # `if`, `then` and `else`
_FEW_VALUES = ("resolution", "ratio", "seconds")  # roles of fields whose examples are some of few usual values
_LIMITS = ("enum", "minimum", "maximum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    view: dict[str, Any]  # the merged schema
    defs: Mapping[str, Any]  # the target of references
    types: tuple[str, ...] = ()  # without null
    nullable: bool = False
    branches: tuple[Any, ...] = ()  # complete alternative schemas
    tag: str = ""  # the discriminator property of `branches`
    labels: tuple[str, ...] = ()  # of the values of an `enum`
    suggestions: tuple[Any, ...] = ()  # valid but optional texts
    conditions: tuple[Condition, ...] = ()  # which add fields


def shape_of(schema: Any, defs: Mapping[str, Any]) -> Shape:
    """The shape of a schema whose references point into `defs`. *pure*; one level only, because schemas may be recursive."""
    (view, conditions), nullable = _merged(schema, defs), False
    for key in ("oneOf", "anyOf"):
        nulls = (None, "null", ["null"])
        options = [one for one in view.get(key, ()) if not isinstance(one, dict)
                   or (one.get("type", "") not in nulls and only_value(one) is not None)]  # fmt: skip
        nullable = nullable or len(options) < len(view.get(key, ()))
        if len(options) == 1 and (nullable or len(view[key]) == 1):
            inner = shape_of({"allOf": [_without(view, key), options[0]]}, defs)
            return replace(inner, nullable=inner.nullable or nullable)
        if options:
            view[key] = options
    types = _types(view)
    nullable = nullable or "null" in types
    implied = {"null", "integer"} if "number" in types else {"null"}
    types = tuple(name for name in types if name not in implied) or types
    for key in ("oneOf", "anyOf"):
        choice = _alternatives(view, key, defs) if view.get(key) else None
        if choice is not None:
            # Each branch is complete: it includes what applies to all.
            rules = [{"if": condition, "then": then, "else": otherwise} for condition, then, otherwise in conditions]
            name, mapping = find(view, "/discriminator/propertyName"), find(view, "/discriminator/mapping")
            tag = name if isinstance(name, str) else ""
            branches = tuple({"allOf": [*branch["allOf"], *rules, *one]} for branch in choice.branches
                             for one in [[{"properties": {tag: {"const": value}}}] for value in allowed_values(branch).get(tag, ())
                                         if find(mapping, to_pointer((value,))) is not ABSENT] or [[]])  # fmt: skip
            types = _types(choice.view)
            return replace(choice, types=types, nullable=nullable, branches=branches, conditions=conditions, tag=tag)
    each = tuple({**view, "type": name, "title": ""} for name in types if len(types) > 1 and "enum" not in view)
    return Shape(view=view, defs=defs, types=types, nullable=nullable, branches=each, conditions=conditions)


def follow(schema: Any, defs: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with its references followed and their siblings merged; {} for a missing target. *pure*."""
    for _ in range(_MOST_HOPS):
        if not isinstance(schema, dict):
            break
        if "$ref" not in schema:
            return schema
        target = find({"$defs": defs}, str(schema["$ref"]).removeprefix("#"))
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**target, **siblings} if isinstance(target, dict) else siblings if target is ABSENT else target
    return {"not": {}} if schema is False else {}


def properties_of(view: dict[str, Any]) -> dict[str, Any]:
    return view.get("properties") or {}


def with_property(view: dict[str, Any], value: Mapping[str, Any], name: str, new: Any) -> dict[str, Any]:
    """An object with `new` under a name; `ABSENT` removes it, and a new name goes before those that follow it in the schema. *pure*."""
    if new is ABSENT or name in value:
        return {key: new if key == name else item for key, item in value.items() if key != name or new is not ABSENT}
    names = list(properties_of(view))
    later = set(names[names.index(name) + 1 :]) if name in names else set()
    at = next((position for position, key in enumerate(value) if key in later), len(value))
    items = list(value.items())
    return dict([*items[:at], (name, new), *items[at:]])


def shown_order(view: dict[str, Any]) -> tuple[str, ...]:
    """The names of an object's properties in display order: by the schema's order hints, else as listed. *pure*."""
    properties = properties_of(view)
    hints = [view.get(key) for key in ("x-fal-order-properties", "x-apidog-orders")]
    names = [name for hint in hints if isinstance(hint, list) for name in hint if isinstance(name, str)]
    orders = {name: find(child, "/x-order") for name, child in properties.items()}
    ordered = sorted(orders, key=lambda name: orders[name] if is_number(orders[name]) else 999)
    return tuple(dict.fromkeys([*(name for name in names if name in properties), *ordered]))


def _merged(schema: Any, defs: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Condition, ...]]:
    """A schema with its references and `allOf` merged, and its conditions. What is too much is not shown, but still checked."""
    left = _MOST_PARTS

    def merged(part: Any, depth: int) -> dict[str, Any]:
        nonlocal left
        left -= 1
        schema = dict(follow(part, defs))
        if "if" in schema:
            conditions.append((schema.pop("if"), schema.pop("then", True), schema.pop("else", True)))
        dependent = schema.get("dependentSchemas", {})
        conditions.extend(({"required": [name]}, then, True) for name, then in dependent.items())
        for inner in schema.pop("allOf", ()):
            if depth < _MOST_HOPS and left > 0:
                schema = _both(schema, merged(inner, depth + 1))
        return schema

    conditions: list[Condition] = []
    return merged(schema, 0), tuple(conditions)


def _joined(one: Any, two: Any) -> Any:
    return two if one in ({}, True) else one if two in ({}, True) or one == two else {"allOf": [one, two]}


def _narrower(one: Any, two: Any) -> Any:
    first, second = ([kind] if isinstance(kind, str) else kind for kind in (one, two))
    wide = {*second, *(("integer",) if "number" in second else ())}
    common = [kind for kind in first if kind in wide] or [kind for kind in second if "number" in first or kind in first]
    return (common[0] if len(common) == 1 else common) or one


_MERGES: dict[str, Callable[[Any, Any], Any]] = {  # of any other keyword, the first of two values counts
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("deprecated", "writeOnly", "title", "description"), lambda one, two: one or two),
    **dict.fromkeys(("properties", "patternProperties"), lambda one, two: {
        **one, **two, **{name: _joined(one[name], two[name]) for name in one if name in two}}),
    "required": lambda one, two: [*one, *(name for name in two if name not in one)],
    "additionalProperties": lambda one, two: _joined(one, two) if isinstance(one, dict) and isinstance(two, dict)
    else two if isinstance(two, dict) else one,
    "enum": lambda one, two: [value for value in one if value in two] or one,
    "items": _joined, "type": _narrower,
}  # fmt: skip


def _both(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    shared = [key for key in one if key in two]
    result = {**two, **one, **{key: _MERGES[key](one[key], two[key]) for key in shared if key in _MERGES}}
    for key in ("oneOf", "anyOf"):
        if key in shared:
            result["allOf"] = [*one.get("allOf", ()), {key: two[key]}]
    return result


def _types(view: dict[str, Any]) -> tuple[str, ...]:
    if "type" in view:
        return (view["type"],) if isinstance(view["type"], str) else tuple(view["type"])
    return next(((name,) for name, keywords in packaged("_form")["keywords"].items() if {*keywords} & set(view)), ())


def _alternatives(view: dict[str, Any], key: str, defs: Mapping[str, Any]) -> Shape | None:
    """The shape of `oneOf` or `anyOf`: branches, labels or suggestions; None if these are rules and not a choice."""
    objects = [option for option in view[key] if isinstance(option, dict)]
    if len(objects) < len(view[key]) or any(not _SHAPED & set(one) and constraints_of(one) for one in objects):
        return None
    base, options = _without(view, key), [_merged(option, defs)[0] for option in view[key]]
    values = [[only] if (only := only_value(option)) is not ABSENT else option.get("enum") for option in options]
    if all(isinstance(some, list) for some in values) and not any(option.get("properties") for option in options):
        titles = [str(option.get("title", "")) for option in options]
        pairs = [(value, title if len(some or ()) == 1 else "")
                 for title, some in zip(titles, values, strict=True) for value in some or ()]  # fmt: skip
        enum, labels = [value for value, _ in pairs], tuple(label for _, label in pairs)
        return Shape(view={**base, "enum": enum}, defs=defs, labels=labels)
    types = [option.get("type", view.get("type")) for option in options]
    kinds = {kind if isinstance(kind, str) else "" for kind in types}
    if kinds == {"string"} and not any("title" in option for option in options):
        suggestions = tuple(value for some in values for value in some or ())
        free = next((option for option, some in zip(options, values, strict=True) if not some), {})
        hint = {"format": free["format"]} if "format" in free else {}
        return Shape(view={**base, **hint, "type": "string"}, defs=defs, suggestions=suggestions)
    if kinds <= {"integer", "number"} and not any(values):
        return Shape(view={**base, "type": "number" if "number" in kinds else "integer"}, defs=defs)
    branches = tuple({"allOf": [raw, _bare(base, option)]} for raw, option in zip(view[key], options, strict=True))
    return Shape(view=base, defs=defs, branches=branches)


def _bare(base: dict[str, Any], option: dict[str, Any]) -> dict[str, Any]:
    annotations = {"title", "description", "default", "examples"}
    rules = {key: value for key, value in base.items() if key not in annotations | {"discriminator", SCHEMA_NAME}}
    return _without(rules, "type") if option.get("type", rules.get("type")) != rules.get("type") else rules


def _without(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in keys}


def likely_values(shape: Shape, kind: str) -> Sequence[Any]:
    """Valid values from other sources, the default and examples: a `range` between bounds, else a tuple. *pure*."""
    view, upstream = shape.view, shape.view.get("x-upstream", {})
    low, high = (view.get(bound, upstream.get(bound)) for bound in ("minimum", "maximum"))
    values = [*upstream.get("enum", ()), *upstream.get("examples", ()), *shape.suggestions]
    is_bounded = is_number(low) and is_number(high) and 0 < high - low <= _MOST
    if kind == "integer" and is_bounded and "multipleOf" not in view and not values:
        whole = range(math.ceil(low), math.floor(high) + 1)
        return whole if len(whole) > 1 and all(fits(view, shape.defs, whole[end]) for end in (0, -1)) else ()
    if values or view.get("x-role") in _FEW_VALUES:
        values += [view.get("default"), *view.get("examples", ())]
    start, _, end = str(view.get("x-format", "{n}")).partition("{n}")
    texts = {str(value): value for value in values if isinstance(value, str) is (kind == "text")}
    own = [value for text, value in texts.items() if text.startswith(start) and text.endswith(end)]
    likely = tuple(value for value in own if fits(view, shape.defs, value))
    return likely if len(likely) > 1 else ()


def body_with_siblings(spec: Spec) -> dict[str, Any]:
    """The request schema, with the limits that the provider's other models document for a field that has none. *reads files*."""
    body = spec.body
    for path, schema in [pair for pair in named_fields(spec) if pair[1].get("x-role") in _FEW_VALUES]:
        upstream = schema.get("x-upstream", {})
        siblings = sorted({name for name in load.model_names() if name.startswith(f"{spec.provider}/")} - {spec.name})
        for other in map(load.spec, siblings if not {*_LIMITS} & {*schema, *upstream} else ()):
            twin = dict(named_fields(other)).get(path, {})
            if limits := {key: twin[key] for key in _LIMITS if key in twin}:
                limits["source"] = f"{spec.provider}'s docs for {other.title}"
                steps = [step for name in path for step in ("properties", name)]
                body = set_at(body, (*steps, "x-upstream"), {**upstream, **limits})
    return body
