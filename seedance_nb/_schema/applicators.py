"""Keywords that apply subschemas: the errors of the most likely branch; what cannot be checked is unchecked, not invalid."""

import difflib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from seedance_nb._base.values import ABSENT, find
from seedance_nb._schema.dialect import READ_ONLY, SCHEMA_NAME, allowed_values
from seedance_nb._schema.formats import search
from seedance_nb._schema.library import ValidationError, spend
from seedance_nb._schema.messages import are, words_for

_SHOWN, _COMPARED, _LONGEST_NAME, _TITLE_LENGTH = 12, 1_000, 100, 60
_TO_COMPARE = 10  # one comparison takes as long as checking so many schemas
Errors = Iterator[ValidationError]
UNCHECKED = "unchecked"  # rule of an error about a value that could not be checked


def _errors(validator: Any, value: Any, schema: Any) -> tuple[list[ValidationError], bool]:
    """The errors of a value under a schema, and whether all of them are about something unchecked."""
    errors = list(validator.descend(value, schema))
    return errors, bool(errors) and all(error.validator == UNCHECKED for error in errors)


def _branches(key: str, validator: Any, branches: Any, value: Any, schema: Any) -> Errors:
    """The errors of a value that matches no branch of an `anyOf`, or not exactly one of a `oneOf`."""
    results: list[tuple[list[ValidationError], bool]] = []
    for branch in branches:
        results.append(_errors(validator, value, branch))
        if key == "anyOf" and not results[-1][0]:
            return
    fits = [not errors for errors, _ in results]
    unsure = [errors for errors, is_unsure in results if is_unsure]
    if sum(fits) > 1:
        names = (_name(branch, number) for number, branch in enumerate(branches, 1))
        several = ", ".join(itertools.compress(names, fits))
        yield ValidationError(f"must match exactly one of these, and matches several: {several}", instance=value)
    elif unsure:
        yield from unsure[0]
    elif not any(fits):
        yield from _nearest_errors(schema, key, branches, value, [errors for errors, _ in results])


def _not(validator: Any, negated: Any, value: Any, _: Any) -> Errors:
    errors, is_unsure = _errors(validator, value, negated)
    if is_unsure:
        yield from errors
    elif not errors:
        is_rule = isinstance(negated, dict) and set(negated) <= {"required", "type"} and bool(negated.get("required"))
        has_names = is_rule and isinstance(value, dict)
        *others, name = negated["required"] if has_names else [""]
        message = f"cannot be used together with {' and '.join(others)}" if others else "is not allowed here"
        yield ValidationError(message, instance=value[name] if has_names else value, path=[name] if has_names else ())


def _if(validator: Any, condition: Any, value: Any, schema: Any) -> Errors:
    errors, is_unsure = _errors(validator, value, condition)
    yield from errors if is_unsure else validator.descend(value, schema.get("else" if errors else "then", True))


def _contains(validator: Any, part: Any, value: Any, schema: Any) -> Errors:
    if not isinstance(value, list):
        return
    results = [_errors(validator, item, part) for item in value]
    sure, unsure = sum(not errors for errors, _ in results), sum(is_unsure for _, is_unsure in results)
    least, most = schema.get("minContains", 1), schema.get("maxContains", len(value))
    if sure + unsure < least or sure > most:
        bound = f"at least {are(least)} needed" if sure < least else f"at most {are(most)} allowed"
        yield ValidationError(f"has {sure} matching entries; {bound}", instance=value)
    elif sure < least or sure + unsure > most:
        yield from next(errors for errors, is_unsure in results if is_unsure)


def _property_names(validator: Any, names: Any, value: Any, _: Any) -> Errors:
    for name in value if isinstance(value, dict) else ():
        for error in validator.descend(name, names):
            words = words_for(str(error.validator), name, error.validator_value, {}, error.message)
            rule = UNCHECKED if error.validator == UNCHECKED else "propertyNames"
            yield ValidationError(f"its name {words}", validator=rule, path=[name], instance=name)


def _required(_: Any, names: Any, value: Any, schema: Any, why: str = "") -> Errors:
    for name in names if isinstance(value, dict) else ():
        if name not in value:
            child = schema.get("properties", {}).get(name, {})
            yield ValidationError(f"is required{why}", path=[name], instance=ABSENT, schema=child)


def _dependent_required(validator: Any, table: Any, value: Any, schema: Any) -> Errors:
    for name, needed in table.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _required(validator, needed, value, schema, f" with {name}")


def _pattern_properties(validator: Any, patterns: Any, value: Any, _: Any) -> Errors:
    for pattern, child in patterns.items() if isinstance(value, dict) else ():
        for name, item in value.items():
            fits = search(pattern, str(name))
            if fits:
                yield from validator.descend(item, child, path=name)
            elif fits is None:
                message = f"could not be checked: matching its name against the pattern {pattern} takes too long"
                yield ValidationError(message, validator=UNCHECKED, validator_value=pattern, path=[name], instance=item)


def _additional_properties(validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
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
    spend(_TO_COMPARE)
    close = _nearest(str(name)[:_LONGEST_NAME], tuple(itertools.islice(names, _COMPARED)))
    fields = ", ".join(itertools.islice(names, _SHOWN)) + (", …" if len(names) > _SHOWN else "")
    hint = f"; did you mean {close!r}?" if close else f"; the fields are {fields}" if fields else ""
    return ValidationError(f"unknown field{hint}", validator=rule, path=[name], instance=item, schema=schema)


@functools.lru_cache(maxsize=64)
def _nearest(name: str, names: tuple[str, ...]) -> str:
    # Cached, because all branches of a choice look up the same name.
    return next(iter(difflib.get_close_matches(name, names, 1)), "")


def _unevaluated(key: str, kind: Any, validator: Any, rest: Any, value: Any, schema: Any) -> Errors:
    """The errors of the names or entries of an object or a list (`kind`) that no part of the schema evaluates."""
    if not isinstance(value, kind):
        return
    evaluated = _evaluated(validator, value, {word: part for word, part in schema.items() if word != key})
    for at, item in value.items() if isinstance(value, dict) else enumerate(value):
        if at in evaluated:
            continue
        if rest is not False:
            yield from validator.descend(item, rest, path=at)
        else:
            extra = ValidationError("is an extra entry", validator=key, path=[at], instance=item)
            yield extra if kind is list else unknown_field(at, item, schema.get("properties", {}), key, schema)


def _evaluated(validator: Any, value: Any, schema: Any) -> set[Any]:
    """The names or indexes of a value that a schema and its matching parts evaluate."""
    if not isinstance(schema, dict):
        return set()
    found: set[Any] = set()
    parts = (part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ()))
    matching = [part for part in parts if _fits(validator, value, part)]
    if isinstance(value, dict):
        if {"unevaluatedProperties", "additionalProperties"} & schema.keys():  # these report their own errors
            found.update(value)
        found |= {name for key in ("properties", READ_ONLY) for name in schema.get(key, ())}
        patterns = schema.get("patternProperties", ())
        found |= {name for name in value for pattern in patterns if search(pattern, str(name)) is not False}
        matching += [part for name, part in schema.get("dependentSchemas", {}).items() if name in value]
    else:
        is_whole = "items" in schema or "unevaluatedItems" in schema
        found.update(range(len(value) if is_whole else len(schema.get("prefixItems", ()))))
        found |= {index for index, item in enumerate(value) if _fits(validator, item, schema.get("contains", False))}
    if "if" in schema:
        fits = _fits(validator, value, schema["if"])
        matching += [schema["if"], schema.get("then")] if fits else [schema.get("else")]
    if "$ref" in schema:
        matching.append(validator._resolver.lookup(schema["$ref"]).contents)  # noqa: SLF001 - the library has no other way to one's own reference
    return found.union(*(_evaluated(validator, value, part) for part in matching))


def _fits(validator: Any, value: Any, schema: Any) -> bool:
    return next(validator.descend(value, schema), None) is None


def _name(branch: Any, number: int) -> str:
    branch = branch if isinstance(branch, dict) else {}
    values = [branch["const"]] if "const" in branch else branch.get("enum", ())
    kinds = branch.get("type")
    plain = kinds if isinstance(kinds, str) and kinds not in ("object", "array") else None
    fields = " with ".join(map(str, branch.get("properties") or branch.get("required") or ()))[:_TITLE_LENGTH]
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


def _nearest_errors(schema: dict[str, Any], key: str, branches: Sequence[Any], value: Any,
                    errors: Sequence[Sequence[ValidationError]]) -> Errors:  # fmt: skip
    """The errors to report for a value that matches no branch: those of the most likely one."""
    if (index := discriminated(branches, value)) is not None:
        yield from errors[index]
        return
    candidates = [found for found in errors if not any(one.validator == "type" and not one.path for one in found)]
    is_missing = all(one.validator == "required" and len(one.path) == 1 for found in errors for one in found)
    if (kinds := _common_limits(errors, "type")) is not None:
        yield ValidationError("", validator="type", validator_value=kinds, instance=value, schema=schema)
    elif (values := _common_limits(candidates, "enum", "const")) is not None:
        yield ValidationError("", validator="enum", validator_value=values, instance=value, schema=schema)
    elif key == "oneOf" and isinstance(value, dict) and is_missing:
        groups = [[str(one.path[0]) for one in found] for found in errors]
        shared = set.intersection(*map(set, groups))
        yield from (error for error in errors[0] if error.path[0] in shared)
        groups = [[name for name in group if name not in shared] for group in groups]
        if all(groups) and find(schema, "/discriminator/propertyName") not in shared:  # else that decides
            words = ", ".join(dict.fromkeys(map(" with ".join, groups)))
            message, path = f"exactly one of {words} is required", [groups[0][0]]
            found: Any = {"validator": key, "validator_value": groups, "instance": ABSENT, "path": path}
            yield ValidationError(message, schema=schema, **found)
    elif len(candidates) > 1 and not isinstance(value, dict | list):
        every = [words_for(str(one.validator), value, one.validator_value, {}, one.message) for one, *_ in candidates]
        yield ValidationError(f"fits no alternative: {'; or '.join(every)}", validator=key, instance=value)
    else:
        nearest = min(candidates, key=lambda found: _badness(found, value))
        places = set.intersection(*({(*error.path, error.validator) for error in found} for found in candidates))
        wrong = {at: allowed for at in {error.path[0] for error in nearest if len(error.path) == 1}
                 if (allowed := _common_limits(candidates, "enum", "const", path=[at])) is not None}  # fmt: skip
        for at, allowed in wrong.items():  # no branch has this tag, so only what all of them need is a problem
            yield ValidationError("", "enum", [at], validator_value=allowed, instance=value[at], schema=schema)
        common = [one for one in nearest if (*one.path, one.validator) in places and not {*one.path} & wrong.keys()]
        yield from common if wrong else nearest


def _common_limits(errors: Iterable[Sequence[ValidationError]], *rules: str, path: Any = ()) -> list[Any] | None:
    """The allowed values of all branches, if each rejects the value itself, or the one at `path`, by one of these rules; else None."""
    allowed: list[Any] = []
    for found in errors:
        here = next((one for one in found if one.validator in rules and [*one.path] == [*path]), None)
        if here is None:
            return None
        limit = here.validator_value
        allowed += limit if isinstance(limit, list) and here.validator != "const" else [limit]
    return list({repr(item): item for item in allowed}.values()) or None


def _badness(errors: Sequence[ValidationError], value: Any) -> tuple[int, int, int]:
    wrong_choice = sum(error.validator in ("const", "enum", "not") and len(error.path) == 1 for error in errors)
    strange = sum(error.validator in ("unknown", "additionalProperties", "required") for error in errors)
    about = sum(isinstance(value, dict) and bool(error.path) and error.path[0] in value for error in errors)
    return wrong_choice, strange + len(errors), -about


APPLICATORS: dict[str, Callable[..., Errors]] = {  # errors of a value, by the keyword's own value and its schema
    "anyOf": functools.partial(_branches, "anyOf"), "oneOf": functools.partial(_branches, "oneOf"), "not": _not, "if": _if,
    "contains": _contains, "required": _required, "dependentRequired": _dependent_required, "propertyNames": _property_names,
    "patternProperties": _pattern_properties, "additionalProperties": _additional_properties,
    "unevaluatedProperties": functools.partial(_unevaluated, "unevaluatedProperties", dict),
    "unevaluatedItems": functools.partial(_unevaluated, "unevaluatedItems", list),
}  # fmt: skip
