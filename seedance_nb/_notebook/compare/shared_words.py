"""A few shared words, written the way each document has them. What a document has no field for is told, never dropped in silence."""

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
    "seconds": "number: the length of the video in s",
    "ratio": 'text: width to height, such as "16:9"; "auto" leaves it to the model',
    "resolution": 'text: such as "720p"',
    "audio": "True or False: whether the video has sound",
    "first_frame": "text: the address of the image that the video begins with",
    "last_frame": "text: the address of the image that the video ends with",
    "reference_images": "list of addresses of images, in the order in which the prompt counts them",
    "reference_videos": "list of addresses of videos, in the order in which the prompt counts them",
    "reference_audios": "list of addresses of sounds, in the order in which the prompt counts them",
}
"""The shared words: type, meaning and unit of each."""

_FRAMES = ("first_frame", "last_frame")
_NO_FIELD = "the document has no field for it"
_NO_FIRST = "the document takes a list that begins with the first frame, and none is given"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """Shared words in the terms of one document.

    `fields` is what `sd.submit(document, **fields)` takes, `body` the request body that comes of it. `carried` are the
    words that have a field, `left` those that have none, each with the reason. `problems` refuse the request, `warnings`
    are limits that are known from elsewhere and stop nothing.
    """

    fields: dict[str, Any]
    body: dict[str, Any]
    carried: tuple[str, ...]
    left: tuple[tuple[str, str], ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def known(words: Mapping[str, Any]) -> dict[str, Any]:
    """The shared words that are given, in the order of `WORDS`; one that is None counts as not given. *pure*.

    Raises: InvalidInput for words that are none of them, with the nearest that is.
    """
    strange = tuple(_unknown(word, value) for word, value in words.items() if word not in WORDS)
    if strange:
        raise InvalidInput(strange)
    return {word: words[word] for word in WORDS if words.get(word) is not None}


def shared_values(prompt: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt and the other shared words. *pure*. Raises: InvalidInput where the prompt is given twice."""
    if "prompt" in shared:
        told = "is given twice: it is the first argument"
        raise InvalidInput((Problem(path="prompt", message=told, rule="prompt", value=shared["prompt"]),))
    return {"prompt": prompt, **shared}


def request_for(spec: Spec, words: Mapping[str, Any]) -> ModelRequest:
    """The shared words as the fields of one document, with everything that is wrong or has no place there. *pure*.

    Nothing is clamped or rounded: what a document does not allow is a problem of that document.
    Raises: InvalidInput for words that are none of the shared ones.
    """
    given = known(words)
    homes = {schema["x-role"]: (path, schema) for path, schema in reversed(named_fields(spec)) if "x-role" in schema}
    fields: dict[str, Any] = {}
    left = dict(_homeless(given, homes))
    for path, value in _written({word: value for word, value in given.items() if word not in left}, homes):
        fields = _with(spec, fields, path, value)
    body = build_body(spec, fields)
    return ModelRequest(
        fields=fields,
        body=body,
        carried=tuple(word for word in given if word not in left),
        left=tuple(left.items()),
        problems=check(spec, body),
        warnings=warnings(spec, body),
    )


Homes = dict[str, tuple[JsonPath, dict[str, Any]]]


def _homeless(given: dict[str, Any], homes: Homes) -> Iterator[tuple[str, str]]:
    for word in given:
        if word in homes:
            continue
        if word not in _FRAMES or "frames" not in homes:
            yield word, _NO_FIELD
        elif word == "last_frame" and "first_frame" not in given:
            yield word, _NO_FIRST


def _written(given: dict[str, Any], homes: Homes) -> Iterator[tuple[JsonPath, Any]]:
    for word, value in given.items():
        if word in homes:
            path, schema = homes[word]
            yield path, _in_its_words(schema, _whole(value) if word == "seconds" else value)
    frames = [given[word] for word in _FRAMES if word in given and word not in homes]
    if frames:
        yield homes["frames"][0], frames


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _in_its_words(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, str):
        return schema.get("x-words", {}).get(value, value)
    if is_number(value) and math.isfinite(value) and "x-format" in schema:
        return str(schema["x-format"]).replace("{n}", str(value))
    return value


def _with(spec: Spec, fields: dict[str, Any], path: JsonPath, value: Any) -> dict[str, Any]:
    # By its own name where that leads to the right place, because that is how a person would write it.
    name = str(path[-1])
    alone = path if find(build_body(spec, {name: value}), to_pointer(path)) is ABSENT else (name,)
    made: dict[str, Any] = set_at(fields, alone, value)
    return made


def _unknown(word: str, value: Any) -> Problem:
    near = difflib.get_close_matches(word, WORDS, 1, 0.5)
    meant = f"; did you mean {near[0]}?" if near else ""
    return Problem(
        path=word,
        message=f"is none of the shared words ({', '.join(WORDS)}){meant}",
        rule="unknown",
        value=value,
        limit=tuple(WORDS),
    )
