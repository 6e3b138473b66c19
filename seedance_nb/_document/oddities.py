"""What a schema says that it does not allow itself: defaults and examples that do not fit, patterns that nobody can read."""

from collections.abc import Iterator, Mapping
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.text import shorten
from seedance_nb._base.values import ABSENT, to_pointer
from seedance_nb._document.tables import Table
from seedance_nb._schema.alternatives import UNCHECKED
from seedance_nb._schema.dialect import LISTS, MAPS, ONES
from seedance_nb._schema.metaschema import schema_error
from seedance_nb._schema.normalise import Normaliser
from seedance_nb._schema.patterns import pattern_fault
from seedance_nb._schema.validator import errors_of, problem_of, validator_of
from seedance_nb._schema.work import MOST, bounded

_MOST_WORK = 5 * MOST  # for all the defaults and examples of a document together


def body_schema(root: Table, schema: Any, pointer: str) -> tuple[dict[str, Any], list[Oddity]]:
    """A request's schema in JSON Schema 2020-12, without the defaults and examples that do not fit, and what is odd about it.

    Raises: SpecError for what is no schema.
    """
    normaliser = Normaliser(root.value, root.file)
    made, places = normaliser.root(schema, pointer), normaliser.places
    error = schema_error(made)
    if error is not None:
        place = _nearest(made, list(error.absolute_path), places, pointer)
        raise SpecError(error.message[:300], file=root.file, pointer=place)
    if not isinstance(made, dict):
        raise SpecError("the schema of a request body must be an object", file=root.file, pointer=pointer)
    whole = validator_of(made)
    with bounded(most=_MOST_WORK):
        found = [odd for schema in _all(made) for odd in _odd(schema, whole, places.get(id(schema), pointer))]
    return made, [*normaliser.oddities, *found]


def value_error(whole: Any, schema: Any, value: Any) -> str:
    """Why a value that the document itself gives does not fit its schema, "" if it fits. *pure*."""
    try:
        problems = [problem_of(error) for error in errors_of(whole.evolve(schema=schema), value)]
    except RecursionError:
        return ""
    broken = [problem for problem in problems if problem.rule != UNCHECKED]
    return f"{broken[0].path} {broken[0].message}".strip() if broken else ""


def _nearest(made: Any, path: list[str | int], places: Mapping[int, str], pointer: str) -> str:
    """The place in the document of the innermost schema on the way to `path`, with what is left of the way."""
    place, at = pointer, made
    for step in path:
        place += to_pointer((step,))
        at = at[step]
        place = places.get(id(at), place)
    return place


def _all(made: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(made, dict):
        return
    yield made
    for key in LISTS:
        for child in made.get(key, ()):
            yield from _all(child)
    for key in (*MAPS, "$defs"):
        for child in made.get(key, {}).values():
            yield from _all(child)
    for key in ONES:
        yield from _all(made.get(key))


def _odd(schema: dict[str, Any], whole: Any, place: str) -> Iterator[Oddity]:
    if "default" in schema and (fault := value_error(whole, schema, schema["default"])):
        said = shorten(schema.pop("default"), 30)
        yield Oddity(pointer=f"{place}/default", message=f"the default {said} {fault}; it is not used")
    fitting = []
    for example in schema.get("examples", ()):
        if fault := value_error(whole, schema, example):
            yield Oddity(pointer=place, message=f"the example {shorten(example, 30)} {fault}; it is not used")
        else:
            fitting.append(example)
    if "examples" in schema:
        schema["examples"] = fitting
    patterns = [schema.get("pattern", ABSENT), *schema.get("patternProperties", ())]
    for pattern in patterns:
        if isinstance(pattern, str) and (fault := pattern_fault(pattern)):
            yield Oddity(pointer=place, message=f"the pattern {pattern} cannot be read ({fault}); it is not checked")
