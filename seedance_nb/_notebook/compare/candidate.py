"""One model of a comparison: the shared settings in its own fields; what it does not support is reported, never dropped."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import InvalidInput, argument_error
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, is_number, set_at, to_pointer
from seedance_nb._check.check import build_body
from seedance_nb._document import load
from seedance_nb._document.extensions import ROLES
from seedance_nb._document.operations import Operation
from seedance_nb._document.spec import Spec, fields_by_role
from seedance_nb._session.batch import Item, item_of
from seedance_nb._session.session import Document

HEADS = ("model", "runs on", "used", "not supported", "problems", "price")
SETTINGS = tuple(role for role in ROLES if role != "frames")
"""The shared settings, which `sd.compare` describes."""
_FRAMES = ("first_frame", "last_frame")
NO_FIELD = "not supported by this model"


def validate_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The shared settings that are not None, in the order of `SETTINGS`. *pure*. Raises: InvalidInput for unknown settings."""
    unknown: list[Problem] = []
    for name, value in settings.items():
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, 1, 0.5)
            message = f"is not a shared setting ({', '.join(SETTINGS)}){f'; did you mean {near[0]!r}?' if near else ''}"
            unknown.append(Problem(path=name, message=message, rule="unknown", value=value, limit=SETTINGS))
    if unknown:
        raise InvalidInput(tuple(unknown))
    return {name: settings[name] for name in SETTINGS if settings.get(name) is not None}


def request_for(spec: Spec, settings: Mapping[str, Any], **more: Any) -> Item:
    """The shared settings as the fields of one model; a value that it does not allow is a problem. *pure*. Raises: InvalidInput."""
    settings = validate_settings(settings)
    targets = fields_by_role(spec)
    fields: dict[str, Any] = {}
    unsupported = dict(_unsupported(settings, targets))
    used = {name: value for name, value in settings.items() if name not in unsupported}
    for path, value in _values(used, targets):
        name = str(path[-1])  # alone if that is enough, because that is how a person would write it
        is_enough = find(build_body(spec, {name: value}), to_pointer(path)) is not ABSENT
        fields = set_at(fields, (name,) if is_enough else path, value)
    reasons: dict[str, list[str]] = {}
    for setting, reason in unsupported.items():
        reasons.setdefault(reason, []).append(setting)
    lines = (", ".join(group) + (f": {reason}" if reason != NO_FIELD else "") for reason, group in reasons.items())
    labels = {"used": ", ".join(used), "not supported": "; ".join(lines)}
    return item_of(spec, fields, unsupported=tuple(unsupported.items()), labels=labels, title=spec.title, **more)


Targets = dict[str, tuple[JsonPath, dict[str, Any]]]


def _unsupported(settings: dict[str, Any], targets: Targets) -> Iterator[tuple[str, str]]:
    for name in settings:
        if name in targets:
            continue
        if name not in _FRAMES or "frames" not in targets:
            yield name, NO_FIELD
        elif name == "last_frame" and "first_frame" not in settings:
            yield name, "this model takes a last frame only together with a first frame"


def _values(used: dict[str, Any], targets: Targets) -> Iterator[tuple[JsonPath, Any]]:
    for name, value in used.items():
        if name in targets:
            path, schema = targets[name]
            is_whole = name == "seconds" and isinstance(value, float) and value.is_integer()
            yield path, _encoded(schema, int(value) if is_whole else value)
    if frames := [used[name] for name in _FRAMES if name in used and name not in targets]:
        yield targets["frames"][0], frames


def _encoded(schema: dict[str, Any], value: Any) -> Any:
    """The value as the model writes it: its own word, or a number as text. *pure*."""
    if isinstance(value, str):
        return schema.get("x-words", {}).get(value, value)
    if is_number(value) and math.isfinite(value) and "x-format" in schema:
        return str(schema["x-format"]).replace("{n}", str(value))
    return value


def specs(documents: Document | Sequence[Document]) -> tuple[Spec, ...]:
    """The models of a comparison. *reads files*. Raises: InvalidInput for no model; SpecError."""
    several = (documents,) if isinstance(documents, str | Path | Mapping | Spec | Operation) else documents
    if models := tuple(map(load.spec, several)):
        return models
    raise argument_error("names", "lists no model", [])
