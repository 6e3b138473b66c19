"""Limits that are known from elsewhere: checked like any other, and told as warnings, because the provider may not share them."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import json_text
from seedance_nb._document.extensions import UPSTREAM_KEYWORDS
from seedance_nb._document.spec import Spec, in_document_order, validator
from seedance_nb._schema.alternatives import UNCHECKED
from seedance_nb._schema.validator import errors_of, problem_of, validator_of

_SOURCE = "x-source"
_DOUBTFUL = ('"pattern', '"$ref"', '"unevaluated')
_LONG = 50_000


def warnings(spec: Spec, body: Any) -> tuple[Problem, ...]:
    """What is to be said of a request that stops nothing: limits under `x-upstream` that it breaks, and what is unchecked. *pure*.

    The former have the source of their limit, the latter the rule `unchecked`. Raises: SpecError.
    """
    return in_document_order(spec, [*_found(spec, body), *_unchecked(spec, body)])


def _found(spec: Spec, body: Any) -> Iterator[Problem]:
    for error in errors_of(_validator(spec), body):
        asking: Any = error.schema
        if error.validator == "required":  # told with the schema of the field that is missing; another one asks for it
            asking = _schema(spec.body)
            for part in list(error.absolute_path)[:-1]:
                asking = asking["properties"][part]
        yield replace(problem_of(error), warns=True, quote="", source=str(asking.get(_SOURCE, "")))


def _unchecked(spec: Spec, body: Any) -> list[Problem]:
    if not _may_be_unchecked(spec):
        return []
    try:
        errors = [error for error in errors_of(validator(spec), body) if error.validator == UNCHECKED]
    except (RecursionError, ValueError):  # told by the check itself
        return []
    return list({problem.path: replace(problem, warns=True) for problem in map(problem_of, errors)}.values())


@functools.lru_cache(maxsize=64)
def _may_be_unchecked(spec: Spec) -> bool:
    text = json_text(spec.body)
    return len(text) > _LONG or any(word in text for word in _DOUBTFUL)


@functools.lru_cache(maxsize=64)
def _validator(spec: Spec) -> Any:
    return validator_of(_schema(spec.body))


def _schema(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    known = schema.get("x-upstream", {})
    made = {name: known[name] for name in UPSTREAM_KEYWORDS if name in known}
    if "needs" in known:
        made["x-needs"] = known["needs"]
    if made:
        made[_SOURCE] = known["source"]
    if "x-unit" in schema:
        made["x-unit"] = schema["x-unit"]
    inner = {name: _schema(child) for name, child in schema.get("properties", {}).items()}
    if any(inner.values()):
        made["properties"] = inner
    return made
