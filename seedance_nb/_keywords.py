"""The rules of JSON Schema and our own, one small generator each: they yield what is wrong and never raise."""

import difflib
import functools
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import jsonschema.validators
import referencing
from jsonschema import ValidationError

from seedance_nb._schema import GIVEN
from seedance_nb._spec import Spec
from seedance_nb._uris import media_fault, uri_fault
from seedance_nb._values import ABSENT, Problem, find, is_empty, join
from seedance_nb._wording import quote_for, words_for

_OPEN = {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "if", "$ref"}


@functools.lru_cache(maxsize=64)
def validator(spec: Spec) -> Any:
    """The cached validator of a document; it fetches nothing."""
    return validator_of(spec.body)


def validator_of(schema: dict[str, Any]) -> Any:
    """A validator of a schema with our keywords; it fetches nothing."""
    return _Checker(schema, format_checker=_formats(), registry=referencing.Registry())


@functools.cache
def _formats() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker()
    checker.checks("uri")(lambda value: not isinstance(value, str) or not uri_fault(value))
    return checker


def _properties(validator: Any, properties: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    yield from jsonschema.Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)
    if not isinstance(instance, dict):
        return
    for name in instance:
        if name not in properties and _is_closed(schema):
            close = difflib.get_close_matches(str(name), properties, 1)
            hint = f"did you mean {close[0]}?" if close else f"the document has {', '.join(properties)}"
            yield ValidationError(f"is no field of the document; {hint}", validator="unknown", path=[name])
    for name, child in properties.items():
        if isinstance(child, dict) and "x-placeholders" in child and isinstance(instance.get(name), str):
            yield from _placeholders(child["x-placeholders"], instance, name)


def _is_closed(schema: dict[str, Any]) -> bool:
    return "type" in schema and not _OPEN & set(schema)


def _placeholders(table: dict[str, Any], instance: dict[str, Any], name: str) -> Iterator[ValidationError]:
    for field, forms in table.items():
        if field == "quote":
            continue
        held = instance.get(field, [])
        count = len(held) if isinstance(held, list) else 0
        pattern = "|".join(re.escape(form).replace(r"\{n\}", r"\s*([0-9]{1,4000})") for form in forms)
        said = {match.group(): next(int(number) for number in match.groups() if number)
                for match in re.finditer(pattern, instance[name], re.IGNORECASE)}  # fmt: skip
        for text, number in said.items():
            if not 1 <= number <= count:
                have = f"{field} has {count} {'entry' if count == 1 else 'entries'}"
                yield ValidationError(f"speaks of {text}, but {have}", validator="x-placeholders", path=[name])


def _required(_: Any, names: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                child = schema.get("properties", {}).get(name, {})
                yield ValidationError("is required", path=[name], instance=ABSENT, schema=child)


def _given(_: Any, groups: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and not any(
        all(not is_empty(instance.get(n, ABSENT)) for n in group) for group in groups
    ):
        names = ", ".join(" with ".join(group) for group in groups)
        first = groups[0][0]
        yield ValidationError(f"give at least one of {names}; an empty list does not count", path=[first],
                              instance=instance.get(first, ABSENT), schema=schema)  # fmt: skip


def _pattern(_: Any, pattern: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    # In JSON Schema a $ at the end is the very end; in Python's own reading it may stand before a last line break.
    whole = f"{pattern[:-1]}\\Z" if re.search(r"(?<!\\)\$$", pattern) else pattern
    if isinstance(instance, str) and not re.search(whole, instance):
        yield ValidationError(f"does not match the pattern {pattern}")


def _needs(_: Any, table: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    for name, others in table.items() if isinstance(instance, dict) else ():
        if not is_empty(instance.get(name, ABSENT)) and all(is_empty(instance.get(other, ABSENT)) for other in others):
            yield ValidationError(f"needs one of {', '.join(others)} beside it", path=[name], instance=instance[name])


def _media(_: Any, table: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    schemes = table.get("schemes", {}).get("any", ["https", "http"])
    items: list[tuple[tuple[int, ...], Any]] = [((), instance)] if schema.get("type") == "string" else []
    if isinstance(instance, list):
        items = [((place,), item) for place, item in enumerate(instance)]
    for path, item in items:
        fault = media_fault(item, schemes) if isinstance(item, str) else ""
        if fault:
            yield ValidationError(fault, path=path, instance=item)


_Checker = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {
        "properties": _properties,
        "required": _required,
        GIVEN: _given,
        "x-media": _media,
        "pattern": _pattern,
        "x-needs": _needs,
    },
)


def problem_of(error: ValidationError) -> Problem:
    """A validator's error as a problem in plain words, with its place, limit and sentence. *pure*."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    rule = str(error.validator)
    value: Any = error.instance
    limit: Any = error.validator_value
    others: tuple[str, ...] = ()
    if rule in ("unknown", "x-placeholders"):
        table = schema.get("properties", {}).get(error.path[-1], {}).get("x-placeholders", {})
        value, limit, quote = find(value, join(list(error.path)[-1:])), None, table.get("quote", "")
    else:
        quote = quote_for(rule, value, limit, schema)
    if rule == GIVEN:
        parent = join(list(error.absolute_path)[:-1])
        others = tuple(f"{parent}/{name}" for group in limit for name in group)
    own = rule in ("unknown", "x-placeholders", "required", GIVEN, "x-media", "x-needs")
    message = error.message if own else words_for(rule, value, limit, schema)
    path = join(list(error.absolute_path))
    return Problem(path=path, message=message, rule=rule, value=value, limit=limit, quote=quote, others=others)
