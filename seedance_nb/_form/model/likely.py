"""Likely values of a field: offered as choices, while any other value that the schema allows may be sent."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from seedance_nb._base.values import is_number, set_at
from seedance_nb._document.load import model_names
from seedance_nb._document.load import spec as _spec
from seedance_nb._document.prose.reader import read_rules
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._form.model.shape import Shape
from seedance_nb._schema.validator import fits

_MOST = 1000
_FEW_VALUES = ("resolution", "ratio", "seconds")  # roles of fields whose examples are some of few usual values
_LIMITS = ("enum", "minimum", "maximum")
_TYPES = {"text": "string", "integer": "integer", "number": "number"}


def likely_values(name: str, shape: Shape, kind: str) -> Sequence[Any]:
    """Valid values from other sources, the description, default and examples: a `range` between bounds, else a tuple. *pure*."""
    view, upstream, description = shape.view, shape.view.get("x-upstream", {}), str(shape.view.get("description", ""))
    low, high = (view.get(bound, upstream.get(bound)) for bound in ("minimum", "maximum"))
    values = [*upstream.get("enum", ()), *upstream.get("examples", ()), *shape.suggestions]
    is_open = kind in _TYPES and not values and (low is None or high is None) and not {"format", "x-media"} & set(view)
    for rule in read_rules(name, _TYPES[kind], description) if is_open and re.search(r"[\d`'\"]", description) else ():
        if not rule.when and (rule.kind == "enum" or not rule.values):
            low, high = rule.bounds.get("from", low), rule.bounds.get("to", high)
            values += rule.values if kind == "text" else [json.loads(one) for one in rule.values if one.isdecimal()]
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
    return likely if len(likely) > 1 and kind in _TYPES else ()


def body_with_siblings(spec: Spec) -> dict[str, Any]:
    """The request schema, with the limits that the provider's other models document for a field that has none. *reads files*."""
    body = spec.body
    siblings = sorted({name for name in model_names() if name.startswith(f"{spec.provider}/")} - {spec.name})
    for path, schema in named_fields(spec):
        upstream = schema.get("x-upstream", {})
        is_open = schema.get("x-role") in _FEW_VALUES and not {*_LIMITS} & {*schema, *upstream}
        for other in map(_spec, siblings if is_open else ()):
            twin = dict(named_fields(other)).get(path, {})
            if limits := {key: twin[key] for key in _LIMITS if key in twin}:
                limits["source"] = f"{spec.provider}'s docs for {other.title}"
                place = tuple(part for name in path for part in ("properties", name))
                body = set_at(body, place, {**schema, "x-upstream": {**upstream, **limits}})
    return body
