"""Validate values: one generator for each keyword of JSON Schema or of this package; they yield errors and never raise."""

import functools
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from fractions import Fraction
from typing import Any

import referencing
from jsonschema_specifications import REGISTRY

from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, HIDDEN, digest, find, is_empty, to_pointer
from seedance_nb._schema.applicators import APPLICATORS, UNCHECKED, Errors, unknown_field
from seedance_nb._schema.dialect import AT_LEAST_ONE, DEFINED_NAMES, READ_ONLY, is_secret
from seedance_nb._schema.formats import checker, media_error, pattern_error, search
from seedance_nb._schema.library import MOST, Draft202012Validator, Spent, ValidationError, bounded, extend, spend
from seedance_nb._schema.messages import quote_for, words_for

_PER_ERROR = 5  # one message takes as long as checking so many schemas
_WITHOUT_VALUE = ("minLength", "maxLength", "minItems", "maxItems", "pattern", "required", UNCHECKED)
_CHOICES = {"anyOf", "oneOf", "not", "if"}
_MOST = 2_000  # a form needs many of these at once
_SHORT, _MOST_VALID = 200, 10_000
Valid = set[tuple[int, type, Any] | None]  # values, each with the identity of its schema
_VALID: ContextVar[Valid | None] = ContextVar("valid", default=None)
_WHOLE = Draft202012Validator.META_SCHEMA["$id"]


def validator_of(schema: dict[str, Any]) -> Any:
    """The validator of a schema, with the keywords of this package; never the network. It takes some 20 µs."""
    return _Checker(schema, format_checker=checker(), registry=referencing.Registry())


def errors_of(validator: Any, value: Any, most: int = MOST, valid: Valid | None = None) -> list[ValidationError]:
    """The errors of a value; parts without any are added to `valid` and not checked again. *pure*. If that takes too much work, the last error has the rule `unchecked`."""
    found: list[ValidationError] = []
    _VALID.set(valid)
    try:
        with bounded(value, most):
            for error in validator.iter_errors(value):
                found.append(error)
                spend(_PER_ERROR)
    except Spent:
        message = "could not be fully checked: there are too many combinations of alternatives"
        found.append(ValidationError(message, validator=UNCHECKED, instance=value, schema=True))
        (valid or set()).clear()  # so that the same work is done, and the same said, the next time
    finally:
        _VALID.set(None)
    return found


def _properties(validator: Any, properties: Any, instance: Any, _: Any) -> Errors:
    for name, child in properties.items() if isinstance(instance, dict) else ():
        if name in instance:
            yield from validator.descend(instance[name], child, path=name)
            if isinstance(child, dict) and "x-placeholders" in child and isinstance(instance[name], str):
                yield from _placeholders(child["x-placeholders"], instance, name)


def _defined_names(_: Any, names: Any, instance: Any, schema: Any) -> Errors:
    known = {*names, *schema.get(READ_ONLY, ())}
    for name in instance if isinstance(instance, dict) else ():
        if name not in known:
            yield unknown_field(name, instance[name], names, "unknown", schema)


def _read_only(_: Any, names: Any, instance: Any, __: Any) -> Errors:
    for name in names if isinstance(instance, dict) else ():
        if name in instance:
            message = "is set only by the server"
            yield ValidationError(message, validator="unknown", path=[name], instance=instance[name])


def _placeholders(table: dict[str, Any], instance: dict[str, Any], name: str) -> Errors:
    for forms in dict.fromkeys((*forms,) for field, forms in table.items() if field != "quote"):
        fields = [field for field in table if (*table[field],) == forms]  # which are counted together
        count = sum(len(one) if isinstance(one, list) else isinstance(one, str) for one in map(instance.get, fields))
        written = [re.escape(form).replace(r"\{n\}", r"\s*([0-9]{1,4000})") for form in forms]
        exact = [rf"\b{one}\b".replace(r"\s*", "") if one[0].isalpha() else one for one in written]
        names = "|".join(exact).replace(r"\[", r"[\[【]").replace(r"\]", r"[\]】]")
        pattern = rf"(?i)(?!(?<=[a-z0-9])@\w+\.[a-z])(?:{names})"  # no e-mail address
        mentions = {match[0]: int(match[match.lastindex or 0]) for match in re.finditer(pattern, instance[name])}
        field = next((field for field in fields if field.endswith("s")), fields[0])
        noun = re.sub("_urls?$", "s", field).replace("_", " ").removesuffix("s" * (count == 1))
        for text, number in mentions.items():
            if not 1 <= number <= count:
                only = f"{'is' if count == 1 else 'are'} {'only ' if number > count > 0 else ''}{count or 'no'}"
                words = f"mentions {text}, but there {only} {noun}"
                yield ValidationError(words, validator="x-placeholders", validator_value=field, path=[name])


def _at_least_one(_: Any, groups: Any, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, dict):
        # An empty list of media is no media; anywhere else, present is present.
        fields = {name: child for name, child in schema.get("properties", {}).items() if isinstance(child, dict)}
        media = {name for name, child in fields.items() if "x-media" in child}
        given = {name for name, value in instance.items() if not (name in media and is_empty(value))}
        if not any(given.issuperset(group) for group in groups):
            words = f"at least one of {', '.join(' with '.join(group) for group in groups)} is required"
            if all(len(group) == 1 and group[0] in media for group in groups):
                noun, *others = (group[0].replace("_", " ").removesuffix("s") for group in groups)
                others = [other.removeprefix(f"{noun.split()[0]} ") for other in others]  # "reference image or video"
                words = f"add at least one {' or '.join([noun, *others])}"
            first = groups[0][0]
            yield ValidationError(words, path=[first], instance=instance.get(first, ABSENT), schema=schema)


def _pattern(_: Any, pattern: Any, instance: Any, __: Any) -> Errors:
    fits = not isinstance(instance, str) or search(pattern, instance)
    if fits is False:
        yield ValidationError(f"does not match the pattern {pattern}")
    elif fits is None:
        why = "cannot be read" if pattern_error(pattern) else "takes too long"
        yield ValidationError(f"could not be checked: the pattern {pattern} {why}", validator=UNCHECKED)


def _multiple_of(validator: Any, step: Any, instance: Any, __: Any) -> Errors:
    # In decimal: 0.3 is three times 0.1, whatever their binary approximations are.
    if validator.is_type(instance, "number") and Fraction(str(instance)) % Fraction(str(step)):
        yield ValidationError(f"must be a multiple of {step}")


def _unique(validator: Any, unique: Any, instance: Any, __: Any) -> Errors:
    if unique is True and validator.is_type(instance, "array"):
        spend(len(instance))
        with suppress(TypeError, ValueError, RecursionError):  # values that are not JSON are reported elsewhere
            if len({digest(item) for item in instance}) < len(instance):
                yield ValidationError("has the same entry twice")


def _needs(_: Any, table: Any, instance: Any, __: Any) -> Errors:
    for name, others in table.items() if isinstance(instance, dict) else ():
        if not is_empty(instance.get(name, ABSENT)) and all(is_empty(instance.get(other) or None) for other in others):
            wanted = (f"{other} to be true" if instance.get(other) is False else other for other in others)
            yield ValidationError(f"also needs {' or '.join(wanted)}", path=[name], instance=instance[name])


def _media(_: Any, table: Any, instance: Any, schema: Any) -> Errors:
    schemes = table.get("schemes", {}).get("any", ["https", "http"])
    one = [((), instance)] if schema.get("type") != "array" else []
    is_file = "binary" in (schema.get("format"), find(schema, "/items/format"))  # to be uploaded: any path
    for path, item in [((index,), item) for index, item in enumerate(instance)] if isinstance(instance, list) else one:
        if isinstance(item, str) and not is_file and (error := media_error(item, schemes)):
            yield ValidationError(error, path=path, instance=item)


_Checker = extend(Draft202012Validator, {
    **APPLICATORS, "properties": _properties, "pattern": _pattern, "multipleOf": _multiple_of, "uniqueItems": _unique,
    "x-unread": lambda _, why, *__: [ValidationError(f"could not be checked: its $ref {why}", validator=UNCHECKED)],
    AT_LEAST_ONE: _at_least_one, DEFINED_NAMES: _defined_names, READ_ONLY: _read_only, "x-media": _media, "x-needs": _needs,
})  # fmt: skip


def descend(self: Any, instance: Any, schema: Any, path: Any = None, **_: Any) -> Errors:
    """As in jsonschema, but without a new validator for every subschema: these have no base URIs."""
    if schema is True:
        return
    at = () if path is None else (path,)
    if schema is False:
        yield ValidationError("is not allowed", validator="false", instance=instance, schema=schema, path=at)
        return
    spend()
    known = _VALID.get()
    is_short = isinstance(instance, int | float) or (isinstance(instance, str) and len(instance) <= _SHORT)
    part = (id(schema), type(instance), instance) if known is not None and is_short else None
    if known is not None and part in known:
        return
    is_valid = True
    # A value of another type is no branch of an object: its type alone is said.
    has_choices = "type" in schema and not _CHOICES.isdisjoint(schema)
    is_other = has_choices and any(self.VALIDATORS["type"](self, schema["type"], instance, schema))
    for key, value in schema.items():
        check = None if is_other and key in _CHOICES else self.VALIDATORS.get(key)
        for error in () if check is None else check(self, value, instance, schema) or ():
            error._set(validator=key, validator_value=value, instance=instance, schema=schema)  # noqa: SLF001 - as the library's own loop does
            error.path.extendleft(at)
            is_valid = False
            yield error
    if known is not None and part and is_valid and len(known) < _MOST_VALID:
        known.add(part)


_Checker.descend = descend


def problem_of(error: ValidationError) -> Problem:
    """A validation error as a problem with message, path, limit and quote. *pure*."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    rule, path = str(error.validator), list(error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    if rule == "x-placeholders":
        table = schema["properties"][error.path[-1]]["x-placeholders"]
        quote = table["quote"] if isinstance(table["quote"], str) else table["quote"][limit]  # of each list
        value, limit = find(value, to_pointer(list(error.path)[-1:])), None
    elif rule in ("unknown", "additionalProperties", "unevaluatedProperties", UNCHECKED):
        limit, quote = None, ""
    else:
        quote = quote_for(rule, value, limit, schema)
    groups = limit if rule == AT_LEAST_ONE or (rule == "oneOf" and value is ABSENT) else ()
    others = tuple(to_pointer([*path[:-1], name]) for group in groups for name in group)
    message = words_for(rule, value, limit, schema, error.message)
    if is_secret(schema):  # no message may show it
        value = HIDDEN
        message = message if rule in _WITHOUT_VALUE else "is not an allowed value"
    pointer = to_pointer(path)
    return Problem(path=pointer, message=message, rule=rule, value=value, limit=limit, quote=quote, others=others)


def fits(schema: Any, defs: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is valid under a schema whose references point into `defs`. *pure*."""
    if isinstance(schema, bool):
        return schema
    try:
        with bounded(value, _MOST):
            return next(validator_of({**schema, "$defs": defs}).iter_errors(value), None) is None
    except Spent:
        return False
    except Exception:  # noqa: BLE001 - the schema has an invalid reference or pattern
        return True


@functools.cache
def metavalidator() -> Any:
    """The validator of schemas: the vocabularies merged into one, 20 times as fast; a reference to the whole metaschema means it."""
    metaschema: dict[str, Any] = {"type": ["object", "boolean"], "properties": {}, "$defs": {}}
    for part in REGISTRY.contents(_WHOLE)["allOf"]:
        text = json.dumps(REGISTRY.resolver(_WHOLE).lookup(part["$ref"]).contents)
        vocabulary = json.loads(text.replace('"$dynamicRef": "#meta"', '"$ref": "#"'))
        for key in ("properties", "$defs"):
            metaschema[key] |= vocabulary.get(key, {})
    target = functools.cache(lambda ref: find(metaschema, ref[1:]))
    kind = extend(Draft202012Validator, {"$ref": lambda own, ref, value, _: own.descend(value, target(ref))})
    kind.descend = descend
    return kind(metaschema)
