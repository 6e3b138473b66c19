"""Request bodies: built from field values, checked (every problem at once, with its quote), approved, and as HTTP requests."""

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, urlencode

from seedance_nb._base.errors import InvalidInput, SpecError
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, HIDDEN, digest, find, json_text, read_json, set_at, to_path, to_pointer
from seedance_nb._document.spec import Spec, fields_by_role, in_document_order, named_fields, values_in
from seedance_nb._document.tables import Call
from seedance_nb._schema.applicators import UNCHECKED
from seedance_nb._schema.dialect import AT_LEAST_ONE, is_secret, parts
from seedance_nb._schema.formats import LOCAL, uri_error
from seedance_nb._schema.library import Spent, bounded, spend
from seedance_nb._schema.messages import sentences
from seedance_nb._schema.validator import Valid, errors_of, problem_of, validator_of

_LONGEST, _MOST_LEVELS = 10_000, 60
_TOO_DEEP = object()  # in place of a value that is nested too deeply or contains itself
KEY_NAME = re.compile(r"(?i)(x[-_])?(api[-_]?)?key|authorization|bearer|((access|api)[-_]?)?token|(api[-_]?)?secret")


def build_body(spec: Spec, values: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The request body for field values and `extra` ones, by name or JSON Pointer, in the schema's order. *pure*. Fields with one possible value are filled in."""
    top = spec.body.get("properties", {})
    body, paths = dict[str, Any](), dict[str | int, list[tuple[str | int, ...]]]()
    for path, _ in named_fields(spec):
        paths.setdefault(path[-1], []).append(path)
    for name in sorted(values, key=lambda name: name not in top):  # a whole `input` first, single fields into it
        every = paths.get(name, [])
        # A name goes to the top level or the input fields, else to the one inner object that has it.
        own = [path for path in every if len(path) == 1 or path[:-1] == spec.inputs]
        path = own[0] if own else every[0] if len(every) == 1 else (*spec.inputs, name)
        path = path if find(body, to_pointer(path)) is ABSENT else (name,)  # given twice: both stay, to be reported
        body = _set(body, path, to_json_value(values[name]))
    for pointer, value in zip(extra_paths(spec, extra), (extra or {}).values(), strict=True):
        body = _set(body, to_path(pointer), to_json_value(value))
    return dict(_ordered(spec.body, body))


def _set(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    # A value that is not an object is never replaced: it is reported as a problem.
    parent = find(body, to_pointer(path[:-1]))
    if isinstance(parent, dict) and value is not ABSENT:
        parent[path[-1]] = value  # in place, because a copy for each of many fields would take quadratic time
        return body
    result: dict[str, Any] = set_at(body, path, value) if parent is ABSENT or isinstance(parent, dict) else body
    return result


def extra_paths(spec: Spec, extra: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The JSON Pointers of extra fields; a plain name is one of the input fields. *pure*."""
    return tuple(name if name.startswith("/") else to_pointer((*spec.inputs, name)) for name in extra or {})


def extra_problem(extra: Any) -> Problem | None:
    """The problem of `extra` itself, None if it is a dict with string keys. *pure*."""
    fits = extra is None or (isinstance(extra, Mapping) and all(isinstance(name, str) for name in extra))
    message = "must be a dict of field names (or JSON Pointers) and their values"
    return None if fits else Problem(path="extra", message=message, rule="type")


def values_by_role(spec: Spec, body: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a body by their `x-role` (prompt, seconds, ...); an absent field has its documented default, if any. *pure*."""
    fields = {role: (find(body, to_pointer(path)), schema) for role, (path, schema) in fields_by_role(spec).items()}
    found = {role: one.get("default", ABSENT) if value is ABSENT else value for role, (value, one) in fields.items()}
    return {role: value for role, value in found.items() if value is not ABSENT}


def seconds_of(value: Any) -> float | None:
    """The number of seconds in 5, 5.0, "5" or "5s"; None for any other value. *pure*."""
    if isinstance(value, str):
        value = float(value.removesuffix("s")) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?s?", value) else None
    return float(value) if isinstance(value, int | float) and value is not True and 0 < value < _LONGEST else None


def _ordered(schema: Any, value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    ordered, required = dict[str, Any](), set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        if name in value:
            ordered[name] = _ordered(child, value[name])
        elif name in required and (only := only_value(child)) is not ABSENT:
            ordered[name] = only
        elif name in required and isinstance(child, dict) and "x-inputs" in child:
            ordered[name] = {}
    return ordered | {name: item for name, item in value.items() if name not in ordered}


def only_value(schema: Any) -> Any:
    """The only value that a schema allows (`const`, or an `enum` of one), or `ABSENT`. *pure*."""
    if not isinstance(schema, dict):
        return ABSENT
    return schema.get("const", schema["enum"][0] if len(schema.get("enum", ())) == 1 else ABSENT)


def sound(value: Any, path: tuple[str | int, ...], problems: list[Problem]) -> Any:
    """The value with null for NaN and infinities, so that it can be checked; adds what is not JSON to `problems`."""
    if isinstance(value, list):
        return [sound(item, (*path, position), problems) for position, item in enumerate(value)]
    if isinstance(value, dict):
        wrong = {to_pointer((*path, str(key))): key for key in value if not isinstance(key, str)}
        problems += [Problem(path=at, message="a key must be text", rule="json", value=wrong[at]) for at in wrong]
        return {key: sound(item, (*path, str(key)), problems) for key, item in value.items()}
    if error := _scalar_error(value):
        problems.append(Problem(path=to_pointer(path), message=error, rule="json", value=value))
    return None if error and isinstance(value, int | float) else value


def _scalar_error(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a JSON number"
    if value is _TOO_DEEP:
        return "is nested too deeply, or contains itself"
    if isinstance(value, int) and abs(value) > 10**300:
        return "is too large a number for JSON"
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return "contains half of a surrogate pair, which cannot be sent as text"
    is_json = value is None or isinstance(value, str | int | float)
    return "" if is_json else f"a {type(value).__name__} cannot be written as JSON"


def to_json_value(value: Any, depth: int = 0) -> Any:
    """The value with mappings, tuples and paths converted to dicts, lists and strings. *pure*."""
    if depth > _MOST_LEVELS:
        return _TOO_DEEP
    if isinstance(value, tuple | list):
        return [to_json_value(item, depth + 1) for item in value]
    if isinstance(value, PurePath):  # reported as a local file, not as invalid JSON
        return str(value) if value.is_absolute() else f"./{value}"
    return {key: to_json_value(item, depth + 1) for key, item in value.items()} if isinstance(value, Mapping) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A request that passed every check; created only in this module."""

    spec: Spec
    body: str  # the one JSON text that is sent, hashed and stored
    digest: str  # 64 hex digits, equal for equal requests
    values: dict[str, Any]
    extra: tuple[str, ...]  # JSON Pointers of undocumented fields that are sent on purpose
    unchecked: tuple[Problem, ...] = ()  # what could not be checked


def check(spec: Spec, body: Any, extra: tuple[str, ...] = ()) -> tuple[Problem, ...]:
    """Every problem of a request body, those that `warns` among them; `extra` are JSON Pointers of undocumented fields to allow. *pure*. Raises: SpecError if no operation is chosen."""
    body = to_json_value(body)
    problems, unique = list[Problem](), dict[tuple[str, str], Problem]()  # two parts may set the same limit
    clean = sound(body, (), problems)
    invalid = {problem.path for problem in problems}
    validator, _, valid, examples = _prepared(spec)
    try:
        found = [problem_of(error) for error in errors_of(validator, clean, valid=valid)]
    except RecursionError:
        found = [Problem(path="", message="is nested too deeply to be checked", rule="json", value=clean)]
    for problem in found:
        if problem.path not in invalid and not (problem.rule == "unknown" and problem.path in extra):
            # A typo costs money: not where nothing is paid for, and not in a name that an example has too.
            place = tuple("*" if step.isdecimal() else step for step in to_path(problem.path))
            ends = ((one, to_pointer(place[len(at) :])) for at, one in examples if at == place[: len(at)])
            is_open = problem.rule == "unknown" and (spec.task is None or any(find(*one) is not ABSENT for one in ends))
            has_scheme = problem.rule == "x-media" and bool(re.match("(?i)data:|asset:", str(problem.value)))
            is_url = problem.limit == "uri" or problem.message.endswith("must be percent-encoded")
            is_iri = is_url and not uri_error(re.sub(r"[^\x00-\x7f…]", "a", str(problem.value)))  # but no hidden query
            warns = is_open or is_iri or (has_scheme and not problem.quote) or problem.rule == UNCHECKED
            unique.setdefault((problem.path, problem.message), replace(problem, warns=warns))
    problems += unique.values()
    media = {problem.path for problem in problems if problem.rule == "x-media"}
    parents = {parent: find(body, to_pointer(parent)) for parent in ((), spec.inputs)}
    paths = [(*parent, str(name)) for parent, value in parents.items() if isinstance(value, dict) for name in value]
    keys = [path for path in paths if KEY_NAME.fullmatch(path[-1]) and path not in dict(named_fields(spec))]
    relevant = (problem for problem in problems if not (problem.rule == "format" and problem.path in media))
    return in_document_order(spec, (_documented(spec, problem, keys) for problem in relevant))


@functools.lru_cache(maxsize=64)
def _prepared(spec: Spec) -> tuple[Any, Any, Valid, list[tuple[Any, Any]]]:
    """The validators of requests and of limits from other sources; the parts that are known to be valid: an edit of a form changes one of a thousand; each example with its path. Raises: SpecError if no operation is chosen."""
    examples = [(path, one) for path, schema in values_in(spec.body) for one in schema.get("examples", ())]
    return validator_of(spec.body), validator_of(_upstream(spec.body)), set(), [((), spec.example), *examples]


def _documented(spec: Spec, problem: Problem, keys: list[tuple[str, ...]]) -> Problem:
    """The problem with the documented sentence that fits best, its origin, how a local file gets to this provider, and without keys."""
    message, value, at = problem.message, problem.value, to_path(problem.path)
    for key in keys:
        if key[: len(at)] == at and value is not ABSENT:
            value = set_at(value, key[len(at) :], HIDDEN)
    if "upload" in spec.calls and message.startswith(LOCAL):
        message = f"{LOCAL}, but this provider accepts only URLs; sd.upload({repr(spec.name) if spec.file.startswith(spec.name) else 'model'}, {str(value)!r}) uploads it and returns its URL"
    if message.startswith("unknown field") and "did you mean" not in message:
        name, paths = problem.field.replace("_", "").lower(), [path for path, _ in named_fields(spec)]
        alike = [path for path in paths if str(path[-1]).replace("_", "").lower() == name]
        if alike and at not in alike:  # that is another branch's
            places = dict.fromkeys(f"in {path[-2]!r}" if path[1:] else "at the top level" for path in alike)
            there, is_same = f"it belongs {' or '.join(places)}", alike[0][-1] == problem.field
            message = f"unknown field here; {there if is_same else f'did you mean {alike[0][-1]!r}?'}"
    quote = problem.quote
    schema: Any = spec.body
    for part in at if problem.rule in ("required", AT_LEAST_ONE) and not quote else ():
        schema = schema.get("items") if part.isdecimal() else schema.get("properties", {}).get(part)
        if not isinstance(schema, dict):
            break
        quote = next(iter(sentences(str(schema.get("description", "")))), quote)
    origin = f"{spec.provider}'s docs" if spec.vouched else "the schema"
    return replace(problem, message=message, value=value, quote=quote, origin=origin if quote else "")


def approve(spec: Spec, values: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> Approved:
    """The checked request for field values. *pure*. Raises: InvalidInput with every problem."""
    if problem := extra_problem(extra):
        raise InvalidInput((problem,))
    body, paths = build_body(spec, values, extra), extra_paths(spec, extra)
    problems = check(spec, body, paths)
    if wrong := tuple(problem for problem in problems if not problem.warns):
        raise InvalidInput(wrong)
    unchecked = tuple(problem for problem in problems if problem.rule == UNCHECKED)
    return Approved(spec=spec, body=json_text(body), digest=digest(body), values=body, extra=paths, unchecked=unchecked)


def approve_again(spec: Spec, text: str) -> Approved:
    """The same request text, approved again. *pure*. Raises: InvalidInput if it no longer passes."""
    body = read_json(text)
    problems = check(spec, body)
    if wrong := tuple(problem for problem in problems if problem.rule != "unknown" and not problem.warns):
        raise InvalidInput(wrong)
    undocumented = tuple(problem.path for problem in problems if problem.rule == "unknown")
    return Approved(spec=spec, body=text, digest=digest(body), values=body, extra=undocumented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, without the key, so that no repr, log or ledger row can show it."""

    method: str
    url: str
    body: str = ""


def create_request(approved: Approved, base_url: str) -> Request:
    """The one request that spends credits; its body is the approved text itself. *pure*."""
    return Request(method=approved.spec.method.upper(), url=base_url + approved.spec.path, body=approved.body)


def call_request(call: Call, base_url: str, query: Mapping[str, str | list[str]], body: str = "") -> Request:
    parameters = f"?{urlencode(query, doseq=True)}" if query else ""
    return Request(method=call.method.upper(), url=f"{base_url}{call.path}{parameters}", body=body)


def status_request(spec: Spec, base_url: str, task_id: str, path: str = "") -> Request:
    """The status request of a task, or the one for its result at a `path`; its id is escaped and cannot change the path. *pure*. Raises: SpecError without `x-task`."""
    task = spec.task
    if task is None:
        raise SpecError("the schema has no x-task table, so a task cannot be tracked", file=spec.file)
    safe = quote(task_id, safe="")
    if task.id_parameter and not path:
        return Request(method="GET", url=f"{base_url}{task.status_path}?{task.id_parameter}={safe}")
    return Request(method="GET", url=base_url + re.sub(r"\{[^{}]*\}", safe, path or task.status_path))


def warnings(spec: Spec, body: Any) -> tuple[Problem, ...]:
    """Exceeded `x-upstream` limits, with their source. *pure*. Raises: SpecError if no operation is chosen."""
    found = []
    for error in errors_of(_prepared(spec)[1], body):
        limiting: Any = error.schema
        if error.validator == "required":  # its schema is that of the missing field; the limit is in the parent
            place = [step for part in list(error.absolute_path)[:-1] for step in ("properties", part)]
            limiting = find(_upstream(spec.body), to_pointer(place))
        found.append(replace(problem_of(error), warns=True, quote="", source=str(limiting.get("x-source", ""))))
    return in_document_order(spec, found)


def _upstream(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    upstream = schema.get("x-upstream", {})
    keys = {"needs": "x-needs", "source": "x-source"}
    limits = {keys.get(name, name): upstream[name] for name in upstream if name not in ("examples", "x-media")}
    limits |= {"x-unit": schema["x-unit"]} if "x-unit" in schema else {}
    inner = {name: _upstream(child) for name, child in schema.get("properties", {}).items()}
    return limits | ({"properties": inner} if any(inner.values()) else {})


def masked(schema: Any, value: Any, cover: Any = HIDDEN) -> Any:
    """A value of a schema with `cover` in place of each secret, or of everything if the search takes too long; `ABSENT` omits them. *pure*."""
    try:
        with bounded(value):
            result = _masked(schema, schema, value, cover, 0)
    except Spent:
        result = cover
    return {} if result is ABSENT and isinstance(value, dict) else result


def _masked(root: Any, schema: Any, value: Any, cover: Any, depth: int) -> Any:
    spend()
    if not isinstance(schema, dict) or value is ABSENT:
        return value
    if "$ref" in schema:
        target = find(root, str(schema["$ref"]).removeprefix("#"))
        if depth < _MOST_LEVELS and target is not ABSENT:
            value = _masked(root, target, value, cover, depth + 1)
    if is_secret(schema) or depth >= _MOST_LEVELS:
        return cover
    for part, _ in parts(schema):
        value = _masked(root, part, value, cover, depth + 1)
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, dict):
        members, own = value, schema.get("properties") or {}
        patterns = (schema.get("patternProperties") or {}).values()
        further = (*patterns, schema.get("additionalProperties"), schema.get("unevaluatedProperties"))
    else:
        members, own = dict(enumerate(value)), dict(enumerate(schema.get("prefixItems") or ()))
        further = (schema.get("items", schema.get("unevaluatedItems")),)
    masked = {}
    for at, item in members.items():
        for child in (own[at],) if at in own else further:
            item = _masked(root, child, item, cover, depth + 1)  # noqa: PLW2901 - each part covers its own secrets
        if item is not ABSENT:
            masked[at] = item
    return masked if isinstance(value, dict) else [*masked.values()]
