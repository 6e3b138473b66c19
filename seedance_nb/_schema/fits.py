"""Whether a value fits one schema of a document: what decides which branch is chosen and which fields apply."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from seedance_nb._base.values import Problem
from seedance_nb._schema.validator import errors_of, problem_of, validator_of
from seedance_nb._schema.work import Spent, bounded

_MOST = 2_000  # one look at a form asks for many of these


def fits(schema: Any, defs: Mapping[str, Any], value: Any) -> bool:
    """Whether a value has no fault by a schema whose references lead into `defs`. *pure*; the first one is enough."""
    if isinstance(schema, bool):
        return schema
    try:
        with bounded(value, _MOST):
            return next(_made(schema, defs).iter_errors(value), None) is None
    except Spent:
        return False
    except Exception:  # noqa: BLE001 - as in `faults`
        return True


def faults(schema: Any, defs: Mapping[str, Any], value: Any) -> Iterator[Problem]:
    """What is wrong with a value by one schema, with paths from the value itself. *pure*; a schema that fails finds nothing."""
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    try:
        yield from map(problem_of, errors_of(_made(schema, defs), value, _MOST))
    except Exception:  # noqa: BLE001 - a reference or a pattern that cannot be read says nothing about the value
        return


def _made(schema: Any, defs: Mapping[str, Any]) -> Any:
    return _validator(id(schema), id(defs), _Held(schema, defs))


class _Held:
    """Keeps what a cached validator is made of, so that its `id` stays its own; all of them are equal."""

    def __init__(self, schema: dict[str, Any], defs: Mapping[str, Any]) -> None:
        self.schema, self.defs = schema, defs

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)


@functools.lru_cache(maxsize=256)
def _validator(_: int, __: int, held: _Held) -> Any:
    return validator_of({**held.schema, "$defs": {**held.defs, **held.schema.get("$defs", {})}})
