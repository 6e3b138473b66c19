"""Keywords that apply subschemas: the errors of the most likely branch; what cannot be checked is unchecked, not invalid."""

import difflib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from seedance_nb._base.values import ABSENT
from seedance_nb._schema.dialect import READ_ONLY, SCHEMA_NAME, allowed_values
from seedance_nb._schema.formats import search
from seedance_nb._schema.library import ValidationError, spend
from seedance_nb._schema.messages import are, words_for

_SHOWN = 12
_COMPARED = 1_000
_LONGEST_NAME = 100
_TO_COMPARE = 10  # one comparison takes as long as checking so many schemas
Errors = Iterator[ValidationError]
UNCHECKED = "unchecked"  # rule of an error about a value that could not be checked
_TITLE_LENGTH = 60


def evaluate(validator: Any, value: Any, schema: Any) -> tuple[list[ValidationError], bool]:
    """The errors of a value under a schema, and whether all of them are about something unchecked. *pure*."""
    errors = list(validator.descend(value, schema))
    return errors, bool(errors) and all(error.validator == UNCHECKED for error in errors)


def any_of(validator: Any, branches: Any, value: Any, schema: Any) -> Errors:
    """The errors of a value that matches no branch."""
    results: list[tuple[list[ValidationError], bool]] = []
    for branch in branches:
        results.append(evaluate(validator, value, branch))
        if not results[-1][0]:
            return
    unsure = next((errors for errors, is_unsure in results if is_unsure), None)
    yield from unsure or errors_for_alternatives(schema, "anyOf", branches, value, [errors for errors, _ in results])


def one_of(validator: Any, branches: Any, value: Any, schema: Any) -> Errors:
    """The errors of a value that does not match exactly one branch."""
    results = [evaluate(validator, value, branch) for branch in branches]
    fits = [not errors for errors, _ in results]
    unsure = [errors for errors, is_unsure in results if is_unsure]
    if sum(fits) > 1:
        names = (_name(branch, number) for number, branch in enumerate(branches, 1))
        several = ", ".join(itertools.compress(names, fits))
        yield ValidationError(f"must match exactly one of these, and matches several: {several}", instance=value)
    elif unsure:
        yield from unsure[0]
    elif not any(fits):
        yield from errors_for_alternatives(schema, "oneOf", branches, value, [errors for errors, _ in results])


def not_(validator: Any, negated: Any, value: Any, _: Any) -> Errors:
    """The errors of a value that matches the negated schema."""
    errors, is_unsure = evaluate(validator, value, negated)
    if is_unsure:
        yield from errors
    elif not errors:
        is_rule = isinstance(negated, dict) and set(negated) <= {"required", "type"} and bool(negated.get("required"))
        has_names = is_rule and isinstance(value, dict)
        *others, name = negated["required"] if has_names else [""]
        message = f"cannot be used together with {' and '.join(others)}" if others else "is not allowed here"
        yield ValidationError(message, instance=value[name] if has_names else value, path=[name] if has_names else ())


def if_(validator: Any, condition: Any, value: Any, schema: Any) -> Errors:
    """The errors of a value by `then` if it matches the condition, else by `else`."""
    errors, is_unsure = evaluate(validator, value, condition)
    branch = "else" if errors else "then"
    if is_unsure:
        yield from errors
    elif branch in schema:
        yield from validator.descend(value, schema[branch])


def contains(validator: Any, part: Any, value: Any, schema: Any) -> Errors:
    """The errors of a list with too few or too many matching entries."""
    if not isinstance(value, list):
        return
    results = [evaluate(validator, item, part) for item in value]
    sure, unsure = sum(not errors for errors, _ in results), sum(is_unsure for _, is_unsure in results)
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(value))
    if sure + unsure < least or sure > most:
        bound = f"at least {are(least)} needed" if sure < least else f"at most {are(most)} allowed"
        yield ValidationError(f"has {sure} matching entries; {bound}", instance=value)
    elif sure < least or sure + unsure > most:
        yield from next(errors for errors, is_unsure in results if is_unsure)


def property_names(validator: Any, names: Any, value: Any, _: Any) -> Errors:
    """The errors of the names in an object, each at its own path."""
    for name in value if isinstance(value, dict) else ():
        for error in validator.descend(name, names):
            unsure = error.validator == UNCHECKED
            words = error.message if unsure else words_for(str(error.validator), name, error.validator_value, {})
            rule = UNCHECKED if unsure else "propertyNames"
            yield ValidationError(f"its name {words}", validator=rule, path=[name], instance=name)


def dependent_required(_: Any, table: Any, value: Any, schema: Any) -> Errors:
    """The errors of names that others require, each at its own path."""
    for name, needed in table.items() if isinstance(value, dict) else ():
        for other in needed if name in value else ():
            if other not in value:
                child = schema.get("properties", {}).get(other, {})
                yield ValidationError(f"is required with {name}", path=[other], instance=ABSENT, schema=child)


def pattern_properties(validator: Any, patterns: Any, value: Any, _: Any) -> Errors:
    """The errors of the values whose names match a pattern."""
    for pattern, child in patterns.items() if isinstance(value, dict) else ():
        for name, item in value.items():
            fits = search(pattern, str(name))
            if fits:
                yield from validator.descend(item, child, path=name)
            elif fits is None:
                message = f"could not be checked: matching its name against the pattern {pattern} takes too long"
                yield ValidationError(message, validator=UNCHECKED, validator_value=pattern, path=[name], instance=item)


def additional_properties(validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
    """The errors of the values whose names are not defined."""
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items() if isinstance(value, dict) else ():
        is_defined = name in properties or name in schema.get(READ_ONLY, ())
        fits = [True] if is_defined else [search(pattern, str(name)) for pattern in patterns]
        if True in fits or None in fits:  # patternProperties reports what could not be checked
            continue
        if rest is False:
            yield unknown_field(name, item, properties, "additionalProperties", schema)
        elif rest is not True:
            yield from validator.descend(item, rest, path=name)


def unknown_field(name: Any, item: Any, names: Any, rule: str, schema: Any) -> ValidationError:
    """The error about a name that the schema does not define. *pure*."""
    spend(_TO_COMPARE)
    close = _nearest(str(name)[:_LONGEST_NAME], tuple(itertools.islice(names, _COMPARED)))
    fields = ", ".join(itertools.islice(names, _SHOWN)) + (", …" if len(names) > _SHOWN else "")
    hint = f"; did you mean {close!r}?" if close else f"; the fields are {fields}" if fields else ""
    return ValidationError(f"unknown field{hint}", validator=rule, path=[name], instance=item, schema=schema)


@functools.lru_cache(maxsize=64)
def _nearest(name: str, names: tuple[str, ...]) -> str:
    # Cached, because all branches of a choice look up the same name.
    return next(iter(difflib.get_close_matches(name, names, 1)), "")


def unevaluated(key: str, kind: Any) -> Callable[[Any, Any, Any, Any], Errors]:
    """The check of `unevaluatedProperties` or `unevaluatedItems`: errors of the values that no part of the schema evaluates."""

    def errors(validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
        if not isinstance(value, kind):
            return
        evaluated = _evaluated(validator, value, {word: part for word, part in schema.items() if word != key})
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for at, item in items:
            if at in evaluated:
                continue
            if rest is not False:
                yield from validator.descend(item, rest, path=at)
            elif kind is dict:
                yield unknown_field(at, item, schema.get("properties", {}), key, schema)
            else:
                yield ValidationError("is an extra entry", validator=key, path=[at], instance=item)

    return errors


def _evaluated(validator: Any, value: Any, schema: Any) -> set[Any]:
    """The names or indexes of a value that a schema and its matching parts evaluate."""
    if not isinstance(schema, dict):
        return set()
    found = set(_names(value, schema) if isinstance(value, dict) else _indexes(validator, value, schema))
    for part in _matching(validator, value, schema):
        found |= _evaluated(validator, value, part)
    return found


def _names(value: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    if {"unevaluatedProperties", "additionalProperties"} & schema.keys():  # these report their own errors
        yield from value
    yield from (name for key in ("properties", READ_ONLY) for name in schema.get(key, ()) if name in value)
    for pattern in schema.get("patternProperties", ()):
        yield from (name for name in value if search(pattern, str(name)) is not False)


def _indexes(validator: Any, value: list[Any], schema: dict[str, Any]) -> Iterator[int]:
    if "items" in schema or "unevaluatedItems" in schema:
        yield from range(len(value))
    yield from range(min(len(value), len(schema.get("prefixItems", ()))))
    if "contains" in schema:
        yield from (index for index, item in enumerate(value) if _fits(validator, item, schema["contains"]))


def _matching(validator: Any, value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """The subschemas for the same value that it matches."""
    for key in ("allOf", "anyOf", "oneOf"):
        yield from (part for part in schema.get(key, ()) if _fits(validator, value, part))
    if isinstance(value, dict):
        yield from (part for name, part in schema.get("dependentSchemas", {}).items() if name in value)
    if "if" in schema:
        fits = _fits(validator, value, schema["if"])
        yield from ([schema["if"]] if fits else [])
        yield schema.get("then" if fits else "else", True)
    if "$ref" in schema:
        yield validator._resolver.lookup(schema["$ref"]).contents  # noqa: SLF001 - the library has no other way to one's own reference


def _fits(validator: Any, value: Any, schema: Any) -> bool:
    return not evaluate(validator, value, schema)[0]


def _name(branch: Any, number: int) -> str:
    """A readable name for a branch: its title, its name in the schema, its only value, or its type."""
    branch = branch if isinstance(branch, dict) else {}
    values = [branch["const"]] if "const" in branch else branch.get("enum", ())
    kinds = branch.get("type")
    plain = kinds if isinstance(kinds, str) and kinds not in ("object", "array") else None
    fields = ", ".join(map(str, branch.get("properties") or branch.get("required") or ()))[:_TITLE_LENGTH]
    names = [branch.get("title"), branch.get(SCHEMA_NAME), values[0] if len(values) == 1 else None, plain, fields]
    return next((str(text) for text in names if text not in (None, "")), str(kinds or f"choice {number}"))


def discriminated(branches: Sequence[Any], value: Any) -> int | None:
    """The index of the branch that a constant field selects; None if none does. *pure*."""
    if not isinstance(value, dict):
        return None
    fixed = {index: allowed_values(branch) for index, branch in enumerate(branches) if branch != {"type": "null"}}
    for name in [name for name in value if all(name in other for other in fixed.values())]:
        fitting = [index for index, other in fixed.items() if value[name] in other[name]]
        if len(fitting) == 1:
            return fitting[0]
    return None


def errors_for_alternatives(schema: dict[str, Any], key: str, branches: Sequence[Any], value: Any,
                            errors: Sequence[Sequence[ValidationError]]) -> Iterator[ValidationError]:  # fmt: skip
    """The errors to report for a value that matches no branch: those of the most likely one. *pure*."""
    if (index := discriminated(branches, value)) is not None:
        yield from errors[index]
        return
    candidates = [found for found in errors if not any(_here(error, "type") for error in found)]
    groups = [_missing(found) for found in errors]
    if (kinds := _common_limits(errors, "type")) is not None:
        yield ValidationError("", validator="type", validator_value=kinds, instance=value, schema=schema)
    elif (values := _common_limits(candidates, "enum", "const")) is not None:
        yield ValidationError("", validator="enum", validator_value=values, instance=value, schema=schema)
    elif key == "oneOf" and isinstance(value, dict) and all(groups):
        shared = set.intersection(*map(set, groups))
        yield from (error for error in errors[0] if error.path[0] in shared)
        if all(groups := [[name for name in group if name not in shared] for group in groups]):
            message, path = f"exactly one of {', '.join(map(' with '.join, groups))} is required", [groups[0][0]]
            yield ValidationError(
                message, validator=key, validator_value=groups, instance=ABSENT, schema=schema, path=path
            )
    else:
        yield from min(candidates, key=lambda found: _badness(found, value))


def _here(error: ValidationError, *rules: str) -> bool:
    return error.validator in rules and not error.path


def _common_limits(errors: Iterable[Sequence[ValidationError]], *rules: str) -> list[Any] | None:
    """The allowed values of all branches, if each rejects the value itself by one of these rules; else None."""
    allowed: list[Any] = []
    for found in errors:
        here = [error for error in found if _here(error, *rules)]
        if not here:
            return None
        limit = here[0].validator_value
        allowed += limit if isinstance(limit, list) and here[0].validator != "const" else [limit]
    unique: list[Any] = []
    for item in allowed:
        if not any(item == other and type(item) is type(other) for other in unique):
            unique.append(item)
    return unique or None


def _missing(errors: Sequence[ValidationError]) -> list[str]:
    """The missing fields, if nothing else is wrong; else []."""
    if not all(error.validator == "required" and len(error.path) == 1 for error in errors):
        return []
    return [str(error.path[0]) for error in errors]


def _badness(errors: Sequence[ValidationError], value: Any) -> tuple[int, int, int]:
    wrong_choice = sum(error.validator in ("const", "enum") and len(error.path) == 1 for error in errors)
    strange = sum(error.validator in ("unknown", "additionalProperties", "required") for error in errors)
    about = sum(isinstance(value, dict) and bool(error.path) and error.path[0] in value for error in errors)
    return wrong_choice, strange + len(errors), -about
