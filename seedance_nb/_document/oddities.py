"""Find schema problems: defaults and examples that are not valid, patterns that cannot be compiled."""

from collections.abc import Iterator
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.text import shorten
from seedance_nb._base.values import to_pointer
from seedance_nb._document.tables import Table
from seedance_nb._schema.alternatives import UNCHECKED
from seedance_nb._schema.dialect import LISTS, MAPS, ONES
from seedance_nb._schema.metaschema import schema_error
from seedance_nb._schema.normalise import Normaliser
from seedance_nb._schema.patterns import pattern_error
from seedance_nb._schema.validator import errors_of, problem_of, validator_of
from seedance_nb._schema.work import MOST, bounded


def body_schema(root: Table, schema: Any, pointer: str) -> tuple[dict[str, Any], list[Oddity]]:
    """A request's schema as JSON Schema 2020-12, without invalid defaults and examples, and its problems. Raises: SpecError."""
    normaliser = Normaliser(root.value, root.file)
    body, pointers = normaliser.root(schema, pointer), normaliser.pointers
    if error := schema_error(body):
        at, nearest = body, pointer  # the innermost schema in the document on the way, with the rest of the path
        for step in error.absolute_path:
            at = at[step]
            nearest = pointers.get(id(at), nearest + to_pointer((step,)))
        raise SpecError(error.message[:300], file=root.file, pointer=nearest)
    if not isinstance(body, dict):
        raise SpecError("the schema of a request body must be an object", file=root.file, pointer=pointer)
    whole = validator_of(body)
    with bounded(most=5 * MOST):  # for all defaults and examples together
        pairs = [(part, pointers.get(id(part), pointer)) for part in _subschemas(body)]
        oddities = [oddity for part, at in pairs for oddity in _problems(part, whole, at)]
    return body, [*normaliser.oddities, *oddities]


def value_error(whole: Any, schema: Any, value: Any) -> str:
    """Why a default or an example is not valid, "" if it is. *pure*."""
    try:
        problems = map(problem_of, errors_of(whole.evolve(schema=schema), value))
        return next((f"{one.path} {one.message}".strip() for one in problems if one.rule != UNCHECKED), "")
    except RecursionError:
        return ""


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    yield schema
    children = [child for key in LISTS for child in schema.get(key, ())]
    children += [child for key in (*MAPS, "$defs") for child in schema.get(key, {}).values()]
    for child in (*children, *(schema.get(key) for key in ONES)):
        yield from _subschemas(child)


def _problems(schema: dict[str, Any], whole: Any, pointer: str) -> Iterator[Oddity]:
    if "default" in schema and (error := value_error(whole, schema, schema["default"])):
        default = shorten(schema.pop("default"), 30)
        yield Oddity(pointer=f"{pointer}/default", message=f"the default {default} is invalid: {error}; ignored")
    errors = [(example, value_error(whole, schema, example)) for example in schema.get("examples", ())]
    for example, error in errors:
        if error:
            yield Oddity(pointer=pointer, message=f"the example {shorten(example, 30)} is invalid: {error}; ignored")
    if "examples" in schema:
        schema["examples"] = [example for example, error in errors if not error]
    for pattern in (*([schema["pattern"]] if "pattern" in schema else []), *schema.get("patternProperties", ())):
        if error := pattern_error(pattern):
            yield Oddity(pointer=pointer, message=f"the pattern {pattern} is invalid ({error}); it is not checked")
