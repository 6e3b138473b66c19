"""Checks of requests: every problem at once, each with the documented sentence; and HTTP requests, without the key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

from seedance_nb._base.errors import InvalidInput, SpecError
from seedance_nb._base.problem import Problem
from seedance_nb._base.text import HIDDEN
from seedance_nb._base.values import ABSENT, digest, find, json_text, pointer_parts, read_json, set_at, to_pointer
from seedance_nb._check.body import build_body, extra_paths, extra_problem, sound, to_json_value
from seedance_nb._document.spec import Spec, in_document_order, validator
from seedance_nb._document.tables import Call
from seedance_nb._schema.applicators import UNCHECKED
from seedance_nb._schema.dialect import AT_LEAST_ONE
from seedance_nb._schema.formats import LOCAL
from seedance_nb._schema.messages import sentences
from seedance_nb._schema.validator import errors_of, problem_of

_KEY = re.compile(r"(?i)(x[-_])?(api[-_]?)?key|authorization|bearer|((access|api)[-_]?)?token|(api[-_]?)?secret")
_QUOTE_NEAREST = ("required", AT_LEAST_ONE)  # with the first sentence of the nearest description


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A request that passed every check; created only in this module.

    `body` is the one JSON text that is sent, hashed and stored; `digest` is 64 hex digits, equal for equal requests;
    `extra` are the JSON Pointers of undocumented fields that are sent on purpose.
    """

    spec: Spec
    body: str
    digest: str
    values: dict[str, Any]
    extra: tuple[str, ...]


def check(spec: Spec, body: Any, extra: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Every problem of a request body, () if it may be sent. *pure*: nothing is sent, recorded or changed.

    `extra` are JSON Pointers of undocumented fields to allow; see also `warnings`. Raises: SpecError if no operation is chosen.
    """
    body = to_json_value(body)
    problems: list[Problem] = []
    clean = sound(body, (), problems)
    invalid = {problem.path for problem in problems}
    examples = (spec.example, *spec.body.get("examples", ()))
    unique: dict[tuple[str, str], Problem] = {}  # two parts of a schema may set the same limit
    for problem in _problems(spec, clean):
        if problem.path not in invalid and not (problem.rule == "unknown" and problem.path in extra):
            # A typo costs money: not where nothing is paid for, and not in a name that an example has too.
            is_free = spec.task is None or any(find(one, problem.path) is not ABSENT for one in examples)
            unique.setdefault(
                (problem.path, problem.message), replace(problem, warns=problem.rule == "unknown" and is_free)
            )
    problems += unique.values()
    media = {problem.path for problem in problems if problem.rule == "x-media"}
    keys = _keys_in(spec, body)
    relevant = (problem for problem in problems if not (problem.rule == "format" and problem.path in media))
    return in_document_order(spec, (_masked(_documented(spec, problem), keys) for problem in relevant))


def _documented(spec: Spec, problem: Problem) -> Problem:
    """The problem with the documented sentence that fits best, its origin, and how a local file gets to this provider."""
    message = problem.message
    if "upload" in spec.calls and message.startswith(LOCAL):
        message = f"{LOCAL}, but this provider accepts only URLs; sd.upload uploads it and returns its URL"
    quote = problem.quote or (_nearest_sentence(spec, problem.path) if problem.rule in _QUOTE_NEAREST else "")
    origin = f"{spec.provider}'s docs" if spec.vouched else "the schema"
    return replace(problem, message=message, quote=quote, origin=origin if quote else "")


def _keys_in(spec: Spec, body: Any) -> list[tuple[str, ...]]:
    """The paths of undocumented fields that look like an API key by their name."""
    paths: list[tuple[str, ...]] = []
    for parent in dict.fromkeys(((), spec.inputs)):
        value = find(body, to_pointer(parent))
        at = to_pointer(tuple(part for name in parent for part in ("properties", name)))
        properties = find(spec.body, at).get("properties") or {}
        names = map(str, value if isinstance(value, dict) else ())
        paths += [(*parent, name) for name in names if _KEY.fullmatch(name) and name not in properties]
    return paths


def _masked(problem: Problem, keys: list[tuple[str, ...]]) -> Problem:
    for key in keys:
        path = pointer_parts(problem.path)
        if key[: len(path)] == path and problem.value is not ABSENT:
            problem = replace(problem, value=set_at(problem.value, key[len(path) :], HIDDEN))
    return problem


def _problems(spec: Spec, body: Any) -> list[Problem]:
    try:
        errors = errors_of(validator(spec), body)
        return [problem_of(error) for error in errors if error.validator != UNCHECKED]
    except RecursionError:
        return [Problem(path="", message="is nested too deeply to be checked", rule="json", value=body)]


def _nearest_sentence(spec: Spec, path: str) -> str:
    sentence = ""
    schema: Any = spec.body
    for part in pointer_parts(path):
        schema = schema.get("items") if part.isdecimal() else schema.get("properties", {}).get(part)
        if not isinstance(schema, dict):
            break
        sentence = next(iter(sentences(str(schema.get("description", "")))), sentence)
    return sentence


def approve(spec: Spec, values: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> Approved:
    """The checked request for field values. *pure*. Raises: InvalidInput with every problem."""
    if problem := extra_problem(extra):
        raise InvalidInput((problem,))
    body, undocumented = build_body(spec, values, extra), extra_paths(spec, extra)
    if problems := tuple(problem for problem in check(spec, body, undocumented) if not problem.warns):
        raise InvalidInput(problems)
    return Approved(spec=spec, body=json_text(body), digest=digest(body), values=body, extra=undocumented)


def approve_again(spec: Spec, text: str) -> Approved:
    """The same request text, approved again. *pure*. Raises: InvalidInput if it no longer passes."""
    body = read_json(text)
    problems = check(spec, body)
    if other := tuple(problem for problem in problems if problem.rule != "unknown"):
        raise InvalidInput(other)
    undocumented = tuple(problem.path for problem in problems)
    return Approved(spec=spec, body=text, digest=digest(body), values=body, extra=undocumented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, without the key, so that no repr, log or ledger row can show it."""

    method: str
    url: str
    body: str = ""


def create_request(approved: Approved, base_url: str) -> Request:
    """The one request that spends credits; its body is the approved text itself. *pure*."""
    spec = approved.spec
    return Request(method=spec.method.upper(), url=base_url + spec.path, body=approved.body)


def call_request(call: Call, base_url: str, query: Mapping[str, str], body: str = "") -> Request:
    """The request of a free call, its query escaped. *pure*."""
    parameters = f"?{urlencode(query)}" if query else ""
    return Request(method=call.method.upper(), url=f"{base_url}{call.path}{parameters}", body=body)


def status_request(spec: Spec, base_url: str, task_id: str) -> Request:
    """The status request of a task; its id is escaped and cannot change the path. *pure*. Raises: SpecError without `x-task`."""
    task = spec.task
    if task is None:
        raise SpecError("the schema has no x-task table, so a task cannot be tracked", file=spec.file)
    safe = quote(task_id, safe="")
    if task.id_parameter:
        return Request(method="GET", url=f"{base_url}{task.status_path}?{task.id_parameter}={safe}")
    name = task.status_path[task.status_path.index("{") : task.status_path.index("}") + 1]
    return Request(method="GET", url=base_url + task.status_path.replace(name, safe))
