"""Limits from other sources: checked like any other and reported as warnings, because the provider may not apply them."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import json_text
from seedance_nb._document.extensions import UPSTREAM_KEYWORDS
from seedance_nb._document.spec import Spec, in_document_order, validator
from seedance_nb._schema.applicators import UNCHECKED
from seedance_nb._schema.validator import errors_of, problem_of, validator_of

_SOURCE = "x-source"
_MAYBE_UNCHECKED = ('"pattern', '"$ref"', '"unevaluated')
_LONG = 50_000


def warnings(spec: Spec, body: Any) -> tuple[Problem, ...]:
    """Exceeded `x-upstream` limits, with their source, and, as rule `unchecked`, what could not be checked. *pure*. Raises: SpecError."""
    return in_document_order(spec, [*_exceeded(spec, body), *_unchecked(spec, body)])


def _exceeded(spec: Spec, body: Any) -> Iterator[Problem]:
    for error in errors_of(_validator(spec), body):
        limiting: Any = error.schema
        if error.validator == "required":  # its schema is that of the missing field; the limit is in the parent
            limiting = _schema(spec.body)
            for part in list(error.absolute_path)[:-1]:
                limiting = limiting["properties"][part]
        yield replace(problem_of(error), warns=True, quote="", source=str(limiting.get(_SOURCE, "")))


def _unchecked(spec: Spec, body: Any) -> list[Problem]:
    if not _may_be_unchecked(spec):
        return []
    try:
        errors = [error for error in errors_of(validator(spec), body) if error.validator == UNCHECKED]
    except (RecursionError, ValueError):  # reported by the check itself
        return []
    return list({problem.path: replace(problem, warns=True) for problem in map(problem_of, errors)}.values())


@functools.lru_cache(maxsize=64)
def _may_be_unchecked(spec: Spec) -> bool:
    text = json_text(spec.body)
    return len(text) > _LONG or any(word in text for word in _MAYBE_UNCHECKED)


@functools.lru_cache(maxsize=64)
def _validator(spec: Spec) -> Any:
    return validator_of(_schema(spec.body))


def _schema(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    upstream = schema.get("x-upstream", {})
    limits = {name: upstream[name] for name in UPSTREAM_KEYWORDS if name in upstream}
    limits |= {"x-needs": upstream["needs"]} if "needs" in upstream else {}
    limits |= {_SOURCE: upstream["source"]} if limits else {}
    limits |= {"x-unit": schema["x-unit"]} if "x-unit" in schema else {}
    inner = {name: _schema(child) for name, child in schema.get("properties", {}).items()}
    return limits | ({"properties": inner} if any(inner.values()) else {})
