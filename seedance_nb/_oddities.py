"""What a schema says that it does not allow itself: defaults and examples that do not fit, patterns that nobody can read."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from seedance_nb._branches import UNCHECKED
from seedance_nb._dialect import LISTS, MAPS, ONES
from seedance_nb._errors import SpecError
from seedance_nb._keywords import problem_of, validator_of
from seedance_nb._patterns import pattern_fault
from seedance_nb._values import ABSENT, Oddity, join, short

_NO_FORMATS = jsonschema.FormatChecker(formats=())  # a pattern is ECMA's, which the library would hold against Python's


def body_schema(made: Any, places: Mapping[int, str], file: str, pointer: str) -> tuple[dict[str, Any], list[Oddity]]:
    """A request's schema, and what is odd about its values; defaults and examples that do not fit are taken out of it.

    `places` are the pointers of the schemas inside, by the id of the dict. Raises: SpecError for what is no schema.
    """
    try:
        jsonschema.Draft202012Validator.check_schema(made, format_checker=_NO_FORMATS)
    except jsonschema.SchemaError as error:
        path = list(error.absolute_path)
        place, problem = _nearest(made, path, places, pointer), error.message[:300]
    else:
        if isinstance(made, dict):
            whole = validator_of(made)
            return made, [odd for schema in _all(made) for odd in _odd(schema, whole, places.get(id(schema), pointer))]
        place, problem = pointer, "the schema of a request body must be an object"
    raise SpecError(problem, file=file, pointer=place)


def value_fault(whole: Any, schema: Any, value: Any) -> str:
    """Why a value that the document itself gives does not fit its schema, "" if it fits. *pure*."""
    try:
        problems = [problem_of(error) for error in whole.evolve(schema=schema).iter_errors(value)]
    except RecursionError:
        return ""
    broken = [problem for problem in problems if problem.rule != UNCHECKED]
    return f"{broken[0].path} {broken[0].message}".strip() if broken else ""


def _nearest(made: Any, path: list[str | int], places: Mapping[int, str], pointer: str) -> str:
    """The place in the document of the innermost schema on the way to `path`, with what is left of the way."""
    place, at = pointer, made
    for step in path:
        place += join((step,))
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
    if "default" in schema and (fault := value_fault(whole, schema, schema["default"])):
        said = short(schema.pop("default"), 30)
        yield Oddity(pointer=f"{place}/default", message=f"the default {said} {fault}; it is not used")
    fitting = []
    for example in schema.get("examples", ()):
        if fault := value_fault(whole, schema, example):
            yield Oddity(pointer=place, message=f"the example {short(example, 30)} {fault}; it is not used")
        else:
            fitting.append(example)
    if "examples" in schema:
        schema["examples"] = fitting
    patterns = [schema.get("pattern", ABSENT), *schema.get("patternProperties", ())]
    for pattern in patterns:
        if isinstance(pattern, str) and (fault := pattern_fault(pattern)):
            yield Oddity(pointer=place, message=f"the pattern {pattern} cannot be read ({fault}); it is not checked")
