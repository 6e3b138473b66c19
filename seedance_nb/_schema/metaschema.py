"""Validation of schemas against the JSON Schema metaschema, merged into one schema for speed."""

import functools
import json
from collections.abc import Iterator
from typing import Any

from jsonschema_specifications import REGISTRY

from seedance_nb._schema.library import Draft202012Validator, ValidationError, extend
from seedance_nb._schema.validator import descend

_WHOLE = Draft202012Validator.META_SCHEMA["$id"]


def schema_error(schema: Any) -> ValidationError | None:
    """The first error of a schema in JSON Schema 2020-12, None if it is valid. *pure*."""
    error: ValidationError | None = next(_checker().iter_errors(schema), None)
    return error


@functools.cache
def _checker() -> Any:
    kind = extend(Draft202012Validator, {"$ref": _ref})
    kind.descend = descend
    return kind(_merged())


def _ref(validator: Any, ref: str, value: Any, _: Any) -> Iterator[ValidationError]:
    whole = validator.schema
    yield from validator.descend(value, whole if ref == "#" else whole["$defs"][ref.rpartition("/")[2]])


def _merged() -> dict[str, Any]:
    """The vocabularies merged into one schema; their references to the whole metaschema mean this one."""
    metaschema: dict[str, Any] = {"type": ["object", "boolean"], "properties": {}, "$defs": {}}
    for part in REGISTRY.contents(_WHOLE)["allOf"]:
        text = json.dumps(REGISTRY.resolver(_WHOLE).lookup(part["$ref"]).contents)
        vocabulary = json.loads(text.replace('"$dynamicRef": "#meta"', '"$ref": "#"'))
        for key in ("properties", "$defs"):
            metaschema[key] |= vocabulary.get(key, {})
    return metaschema
