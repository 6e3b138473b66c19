"""Hide the secrets of a body (`format: password`, `writeOnly`), which must not appear in a notebook or file."""

from typing import Any

from seedance_nb._base.text import HIDDEN
from seedance_nb._base.values import ABSENT, find
from seedance_nb._document.spec import Spec
from seedance_nb._schema.dialect import is_secret
from seedance_nb._schema.work import Spent, bounded, spend

_DEEP = 60


def masked(spec: Spec, body: Any, cover: Any = HIDDEN) -> Any:
    """A body with `cover` in place of each secret, or of everything if the search takes too long; `ABSENT` omits them. *pure*."""
    result = masked_in(spec.body, spec.body, body, cover)
    return {} if result is ABSENT and isinstance(body, dict) else result


def masked_in(root: Any, schema: Any, value: Any, cover: Any = HIDDEN) -> Any:
    """A part of a body and its schema, with secrets covered. *pure*; `root` has the `$defs`."""
    try:
        with bounded(value):
            return _masked(root, schema, value, cover, 0)
    except Spent:
        return cover


def _masked(root: Any, schema: Any, value: Any, cover: Any, depth: int) -> Any:
    spend()
    if not isinstance(schema, dict) or value is ABSENT:
        return value
    if "$ref" in schema:
        target = find(root, str(schema["$ref"]).removeprefix("#"))
        if depth < _DEEP and target is not ABSENT:
            value = _masked(root, target, value, cover, depth + 1)
    if is_secret(schema) or depth >= _DEEP:
        return cover
    parts = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key) or ()]
    for part in (*parts, schema.get("then"), schema.get("else"), *(schema.get("dependentSchemas") or {}).values()):
        value = _masked(root, part, value, cover, depth + 1)
    if isinstance(value, dict):
        return _members(root, schema, value, cover, depth)
    if isinstance(value, list):
        first, rest = schema.get("prefixItems") or [], schema.get("items", schema.get("unevaluatedItems"))
        schemas = [*first, *[rest] * (len(value) - len(first))]
        inner = [_masked(root, child, item, cover, depth + 1) for child, item in zip(schemas, value, strict=False)]
        return [item for item in inner if item is not ABSENT]
    return value


def _members(root: Any, schema: dict[str, Any], value: dict[str, Any], cover: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    patterns = (schema.get("patternProperties") or {}).values()
    further = (*patterns, schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
    members = {}
    for name, item in value.items():
        for child in (properties[name],) if name in properties else further:
            item = _masked(root, child, item, cover, depth + 1)  # noqa: PLW2901 - each part covers its own secrets
        if item is not ABSENT:
            members[name] = item
    return members
