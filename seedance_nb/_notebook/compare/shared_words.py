"""Shared settings translated into the fields of each model. What a model does not support is reported, never dropped silently."""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.errors import InvalidInput
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, JsonPath, find, is_number, set_at, to_pointer
from seedance_nb._check.advisory import warnings
from seedance_nb._check.body import build_body
from seedance_nb._check.check import check
from seedance_nb._document.spec import Spec, named_fields

WORDS: dict[str, str] = {
    "prompt": "text: what the video shows",
    "seconds": "number: the length of the video in seconds",
    "ratio": 'text: width to height, such as "16:9"; "auto" lets the model choose',
    "resolution": 'text: such as "720p"',
    "audio": "True or False: whether the video has sound",
    "first_frame": "text: the URL of the first frame",
    "last_frame": "text: the URL of the last frame",
    "reference_images": "list of image URLs, in the order in which the prompt numbers them",
    "reference_videos": "list of video URLs, in the order in which the prompt numbers them",
    "reference_audios": "list of audio URLs, in the order in which the prompt numbers them",
}
"""The shared settings: type, meaning and unit of each."""

_FRAMES = ("first_frame", "last_frame")
NO_FIELD = "not supported by this model"
_NO_FIRST = "this model takes a last frame only together with a first frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """The request that one model gets from the shared settings.

    `fields` is what `sd.submit(document, **fields)` takes, `body` the request body. `used` are the settings that have a
    field, `unsupported` the others, each with the reason. `problems` refuse the request; `warnings` stop nothing.
    """

    fields: dict[str, Any]
    body: dict[str, Any]
    used: tuple[str, ...]
    unsupported: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def known_settings(words: Mapping[str, Any]) -> dict[str, Any]:
    """The shared settings that are not None, in the order of `WORDS`. *pure*.

    Raises: InvalidInput for unknown settings, with the nearest that exists.
    """
    if unknown := tuple(_unknown(word, value) for word, value in words.items() if word not in WORDS):
        raise InvalidInput(unknown)
    return {word: words[word] for word in WORDS if words.get(word) is not None}


def shared_values(prompt: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt and the other shared settings. *pure*. Raises: InvalidInput if the prompt is passed twice."""
    if "prompt" in shared:
        message = "was passed twice: it is the first argument"
        raise InvalidInput((Problem(path="prompt", message=message, rule="prompt", value=shared["prompt"]),))
    return {"prompt": prompt, **shared}


def request_for(spec: Spec, words: Mapping[str, Any]) -> ModelRequest:
    """The shared settings as the fields of one model, with every problem and every setting it does not support. *pure*.

    Nothing is clamped or rounded: what a model does not allow is a problem of that model.
    Raises: InvalidInput for unknown settings.
    """
    settings = known_settings(words)
    homes = {schema["x-role"]: (path, schema) for path, schema in reversed(named_fields(spec)) if "x-role" in schema}
    fields: dict[str, Any] = {}
    unsupported = dict(_unsupported(settings, homes))
    used = {word: value for word, value in settings.items() if word not in unsupported}
    for path, value in _values(used, homes):
        fields = _with(spec, fields, path, value)
    body = build_body(spec, fields)
    return ModelRequest(
        fields=fields,
        body=body,
        used=tuple(used),
        unsupported=tuple(unsupported.items()),
        problems=check(spec, body),
        warnings=warnings(spec, body),
    )


Homes = dict[str, tuple[JsonPath, dict[str, Any]]]


def _unsupported(settings: dict[str, Any], homes: Homes) -> Iterator[tuple[str, str]]:
    for word in settings:
        if word in homes:
            continue
        if word not in _FRAMES or "frames" not in homes:
            yield word, NO_FIELD
        elif word == "last_frame" and "first_frame" not in settings:
            yield word, _NO_FIRST


def _values(used: dict[str, Any], homes: Homes) -> Iterator[tuple[JsonPath, Any]]:
    for word, value in used.items():
        if word in homes:
            path, schema = homes[word]
            is_whole = word == "seconds" and isinstance(value, float) and value.is_integer()
            yield path, _in_the_models_terms(schema, int(value) if is_whole else value)
    if frames := [used[word] for word in _FRAMES if word in used and word not in homes]:
        yield homes["frames"][0], frames


def _in_the_models_terms(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, str):
        return schema.get("x-words", {}).get(value, value)
    if is_number(value) and math.isfinite(value) and "x-format" in schema:
        return str(schema["x-format"]).replace("{n}", str(value))
    return value


def _with(spec: Spec, fields: dict[str, Any], path: JsonPath, value: Any) -> dict[str, Any]:
    # By the field's name alone if that is enough, because that is how a person would write it.
    name = str(path[-1])
    alone = path if find(build_body(spec, {name: value}), to_pointer(path)) is ABSENT else (name,)
    result: dict[str, Any] = set_at(fields, alone, value)
    return result


def _unknown(word: str, value: Any) -> Problem:
    near = difflib.get_close_matches(word, WORDS, 1, 0.5)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return Problem(
        path=word,
        message=f"is not a shared setting ({', '.join(WORDS)}){guess}",
        rule="unknown",
        value=value,
        limit=tuple(WORDS),
    )
