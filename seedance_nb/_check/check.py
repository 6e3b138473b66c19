"""Whether a request may be sent: every problem at once, each with the document's own sentence. Nothing is changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from seedance_nb._base.errors import InvalidInput
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import HIDDEN
from seedance_nb._base.values import (
    ABSENT,
    JsonPath,
    digest,
    find,
    json_text,
    pointer_parts,
    read_json,
    set_at,
    to_pointer,
)
from seedance_nb._check.body import build_body, extra_paths, extra_problem, sound, to_json_value
from seedance_nb._document.spec import Spec, in_document_order, validator
from seedance_nb._schema.alternatives import UNCHECKED
from seedance_nb._schema.dialect import GIVEN
from seedance_nb._schema.messages import sentences
from seedance_nb._schema.uris import LOCAL
from seedance_nb._schema.validator import errors_of, problem_of

_KEY = re.compile(
    r"(x[-_])?(api[-_]?)?key|authorization|bearer|(access[-_]?|api[-_]?)?token|(api[-_]?)?secret", re.IGNORECASE
)
# Rules about an object: what its own description says first is about them.
_OF_THE_WHOLE = ("unknown", "required", GIVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A request that passed every check; made here and nowhere else.

    `body` is the one JSON text that is sent, hashed and stored; `digest` is 64 hex digits, equal for equal requests;
    `extra` are the undocumented fields that the person sends knowingly, as JSON Pointers.
    """

    spec: Spec
    body: str
    digest: str
    values: dict[str, Any]
    extra: tuple[str, ...]


def check(spec: Spec, body: Any, extra: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Every problem of a request body, () if it may be sent. *pure*: nothing is sent, recorded or changed.

    `extra` are JSON Pointers of undocumented fields that are meant. What could not be checked is told by `warnings`.
    Raises: SpecError for a document of which no operation is chosen.
    """
    body = to_json_value(body)
    problems: list[Problem] = []
    clean = sound(body, (), problems)
    bad = {problem.path for problem in problems}
    broken: dict[tuple[str, str], Problem] = {}  # two parts of a document may ask for the same
    for problem in _broken(spec, clean):
        if problem.path not in bad and not (problem.rule == "unknown" and problem.path in extra):
            broken.setdefault((problem.path, problem.message), problem)
    problems += broken.values()
    described = {problem.path for problem in problems if problem.rule == "x-media"}
    keys = _keys_in(spec, body)
    kept = (problem for problem in problems if not (problem.rule == "format" and problem.path in described))
    return in_document_order(spec, (_masked(_worded(spec, problem), keys) for problem in kept))


def _worded(spec: Spec, problem: Problem) -> Problem:
    """The problem with the documented sentence that fits best, its source, and how a local file gets to this provider."""
    is_local = "upload" in spec.calls and problem.message.startswith(LOCAL)
    message = (
        f"{LOCAL}; this provider accepts only URLs: sd.upload uploads it and returns one"
        if is_local
        else problem.message
    )
    quote = problem.quote or (_nearest_sentence(spec, problem.path) if problem.rule in _OF_THE_WHOLE else "")
    source = f"{spec.provider}'s docs" if spec.vouched else "the schema"
    return replace(problem, message=message, quote=quote, source=source if quote else "")


def _keys_in(spec: Spec, body: Any) -> list[JsonPath]:
    """Where a key seems to have been given as a field, by a name that the document does not have."""
    found: list[JsonPath] = []
    for above in dict.fromkeys(((), spec.inputs)):
        here = find(body, to_pointer(above))
        known = (
            find(spec.body, to_pointer([part for at in above for part in ("properties", at)])).get("properties") or {}
        )
        names = map(str, here if isinstance(here, dict) else ())
        found += [(*above, name) for name in names if _KEY.fullmatch(name) and name not in known]
    return found


def _masked(problem: Problem, keys: list[JsonPath]) -> Problem:
    """A problem whose value does not show what was given as a key."""
    for key in keys:
        here = pointer_parts(problem.path)
        if key[: len(here)] == here and problem.value is not ABSENT:
            problem = replace(problem, value=set_at(problem.value, key[len(here) :], HIDDEN))
    return problem


def _broken(spec: Spec, body: Any) -> list[Problem]:
    try:
        errors = errors_of(validator(spec), body)
        return [problem_of(error) for error in errors if error.validator != UNCHECKED]
    except RecursionError:
        return [Problem(path="", message="is nested too deeply to be checked", rule="json", value=body)]


def _nearest_sentence(spec: Spec, path: str) -> str:
    said = ""
    schema: Any = spec.body
    for part in pointer_parts(path):
        schema = schema.get("items") if part.isdecimal() else schema.get("properties", {}).get(part)
        if not isinstance(schema, dict):
            break
        said = next(iter(sentences(str(schema.get("description", "")))), said)
    return said


def approve(spec: Spec, given: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> Approved:
    """The one text to send. *pure*. Raises: InvalidInput with every problem."""
    if fault := extra_problem(extra):
        raise InvalidInput((fault,))
    body = build_body(spec, given, extra)
    knowingly = extra_paths(spec, extra)
    problems = check(spec, body, knowingly)
    if problems:
        raise InvalidInput(problems)
    return Approved(spec=spec, body=json_text(body), digest=digest(body), values=body, extra=knowingly)


def approve_again(spec: Spec, text: str) -> Approved:
    """The very text of a request that was approved before. *pure*. Raises: InvalidInput where it no longer would be."""
    body = read_json(text)
    problems = check(spec, body)
    knowingly = tuple(problem.path for problem in problems if problem.rule == "unknown")
    if refusing := tuple(problem for problem in problems if problem.rule != "unknown"):
        raise InvalidInput(refusing)
    return Approved(spec=spec, body=text, digest=digest(body), values=body, extra=knowingly)
