"""The `x-` keys of this package: what each means, and the schema that its value must match."""

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import to_pointer
from seedance_nb._schema.library import Draft202012Validator

STATES = ("queued", "running", "done", "failed")
REFUSALS = ("refused", "unauthorized", "no-credits", "rate-limited", "unavailable")
MEDIA_RULES = ("schemes", "base64", "formats", "width", "height", "ratio", "seconds", "total_seconds", "megabytes", "fps", "pixels")  # fmt: skip
ROLES = ("prompt", "seconds", "ratio", "resolution", "audio", "frames", "first_frame", "last_frame", "reference_images",
         "reference_videos", "reference_audios")  # fmt: skip
UPSTREAM_KEYWORDS = ("enum", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "required")  # fmt: skip
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_POINTER: dict[str, Any] = {"type": "string", "pattern": "^/"}
_POINTERS: dict[str, Any] = {"type": "array", "items": _POINTER, "minItems": 1}
_SECONDS: dict[str, Any] = {"type": "number", "exclusiveMinimum": 0}
_CODE: dict[str, Any] = {"type": ["integer", "string"]}
_CODES: dict[str, Any] = {"type": "array", "items": _CODE}
_SIDE = {"type": "integer", "minimum": 1, "maximum": 20_000}
_SIDES: dict[str, Any] = {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2}
_SIZES: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _SIDES}}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _by_code(meaning: dict[str, Any], pattern: str = ".") -> dict[str, Any]:
    return {"type": "object", "patternProperties": {pattern: meaning}, "additionalProperties": False}


_CALL = {"operation": _TEXT, "value": _POINTER}
_BOUNDS = {name: {"type": "number"} for name in ("over", "under", "from", "to")}
_RULE = {**_object("quote", quote=_TEXT, any=_TEXTS, **_BOUNDS), "minProperties": 2}
ROOT: dict[str, Any] = {
    **dict.fromkeys(("x-title", "x-mode", "x-source"), _TEXT),
    "x-evidence": {"enum": ["schema", "prose", "example", "upstream"]},
    "x-provider": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]*$"},
    "x-env": _object(key=_TEXT, base_url=_TEXT),
    "x-price": _object(
        **dict.fromkeys(("unit", "note", "quote", "source", "date", "currency"), _TEXT),
        **dict.fromkeys(("each", "per_second"), _SECONDS), tokens=_object("fps", "sizes", fps=_SECONDS, sizes=_SIZES),
    ),
    "x-calls": _object(
        **dict.fromkeys(("estimate", "balance", "asset"), _object(*_CALL, **_CALL)), upload=_object(*_CALL, "put", **_CALL, put=_POINTER),
        **{"asset-info": _object(*_CALL, "ready", **_CALL, ready=_TEXTS, failed=_TEXTS)},
    ),
    "x-task": _object(
        *("follow", "state", "outputs"), follow=_TEXT, words=_object(**{state: {**_TEXTS, "minItems": 1} for state in STATES}),
        **dict.fromkeys(("state", "credits", "progress"), _POINTER), **{"failed-codes": _CODES},
        **dict.fromkeys(("outputs", "error", "also-id", "also-state"), _POINTERS),
        poll=_object(early={"type": "array", "items": _SECONDS}, every=_SECONDS, deadline=_SECONDS),
    ),
    "x-errors": _object(
        **{name: {"anyOf": [_POINTER, _POINTERS]} for name in ("code", "message", "details")}, ok={**_CODES, "minItems": 1},
        invalid=_CODE, **dict.fromkeys(("gone", "in-body"), _CODES), unclear=_by_code(_TEXT),
        refusals=_by_code({"enum": list(REFUSALS)}), statuses=_by_code({"enum": list(REFUSALS)}, "^4[0-9]{2}$"),
    ),
}  # fmt: skip
FIELD: dict[str, Any] = {
    **dict.fromkeys(("x-label", "x-unit", "x-advanced", "x-fill", "x-ours"), _TEXT),
    "x-role": {"enum": list(ROLES)},
    "x-format": {"type": "string", "pattern": r"\{n\}"},
    "x-words": _object(auto=_TEXT),
    "x-inputs": {"const": True},
    "x-evidence": ROOT["x-evidence"],
    "x-media": _object("kind", kind={"enum": ["image", "video", "audio"]}, **dict.fromkeys(MEDIA_RULES, _RULE)),
    "x-upstream": _object(
        "source", source=_TEXT, examples={"type": "array"}, needs={"type": "object", "additionalProperties": {**_TEXTS, "minItems": 1}},
        **{"x-media": _object(**dict.fromkeys(MEDIA_RULES, _RULE)), **dict.fromkeys(UPSTREAM_KEYWORDS, True)},
    ),
    "x-placeholders": {
        "type": "object", "required": ["quote"], "properties": {"quote": _TEXT},
        "additionalProperties": {"type": "array", "items": {"type": "string", "pattern": r"\{n\}"}, "minItems": 1},
    },
    "x-unchecked": {"type": "array", "items": _object("quote", "reason", quote=_TEXT, reason=_TEXT)},
}  # fmt: skip


def check_extensions(document: dict[str, Any], file: str) -> None:
    """Validate the package's own `x-` keys. *pure*. Raises: SpecError at the first invalid or misspelled one."""
    for path, key, value in _keys(document, ()):
        table = FIELD if path else ROOT
        if key in table:
            for error in _validator(key, in_field=bool(path)).iter_errors(value):
                raise SpecError(error.message[:300], file=file, pointer=to_pointer([*path, key, *error.absolute_path]))
        elif near := difflib.get_close_matches(key, table, 1, 0.8):
            problem = f"unknown key {key}; did you mean {near[0]}?"
            raise SpecError(problem, file=file, pointer=to_pointer([*path, key]))


@cache
def _validator(key: str, *, in_field: bool) -> Any:
    return Draft202012Validator((FIELD if in_field else ROOT)[key])


def _keys(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(key, str) and key.startswith("x-"):
            yield path, key, item
        elif key not in ("example", "examples", "default", "enum", "const"):  # values, not structure
            yield from _keys(item, (*path, key))
