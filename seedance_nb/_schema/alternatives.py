"""The most likely branch of `oneOf` or `anyOf` for a value, and its errors there."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from seedance_nb._base.values import ABSENT
from seedance_nb._schema.dialect import SCHEMA_NAME
from seedance_nb._schema.library import ValidationError

UNCHECKED = "unchecked"  # rule of an error about a value that could not be checked
_TITLE_LENGTH = 60


def branch_names(branches: Sequence[Any]) -> tuple[str, ...]:
    """A readable name for each branch: its title, its name in the schema, its only value, or its type. *pure*."""
    return tuple(_name(branch, number) for number, branch in enumerate(branches, 1))


def _name(branch: Any, number: int) -> str:
    branch = branch if isinstance(branch, dict) else {}
    values = [branch["const"]] if "const" in branch else branch.get("enum", ())
    kinds = branch.get("type")
    plain = kinds if isinstance(kinds, str) and kinds not in ("object", "array") else None
    fields = ", ".join(map(str, branch.get("properties") or branch.get("required") or ()))[:_TITLE_LENGTH]
    names = [branch.get("title"), branch.get(SCHEMA_NAME), values[0] if len(values) == 1 else None, plain, fields]
    return next((str(text) for text in names if text not in (None, "")), str(kinds or f"choice {number}"))


def discriminated(schema: dict[str, Any], branches: Sequence[Any], value: Any) -> int | None:
    """The index of the branch that `discriminator` or a constant field selects; None if none does. *pure*."""
    if not isinstance(value, dict):
        return None
    table = schema.get("discriminator")
    if isinstance(table, dict) and isinstance(name := value.get(str(table.get("propertyName"))), str):
        mapping = table.get("mapping")
        target = str(mapping.get(name, name) if isinstance(mapping, dict) else name).rpartition("/")[2]
        names = [branch.get(SCHEMA_NAME) if isinstance(branch, dict) else None for branch in branches]
        if target in names:
            return names.index(target)
    fixed = [_allowed_values(branch) for branch in branches]
    for name in [name for name in fixed[0] if name in value and all(name in other for other in fixed)]:
        fitting = [position for position, other in enumerate(fixed) if value[name] in other[name]]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _allowed_values(branch: Any) -> dict[str, list[Any]]:
    """The allowed values of each field of a branch that has `const` or `enum`."""
    found: dict[str, list[Any]] = {}
    for part in branch.get("allOf", ()) if isinstance(branch, dict) else ():
        found |= _allowed_values(part)
    for name, child in branch.get("properties", {}).items() if isinstance(branch, dict) else ():
        if isinstance(child, dict) and (values := child.get("enum", [child["const"]] if "const" in child else [])):
            found[name] = values
    return found


def errors_for_alternatives(schema: dict[str, Any], key: str, branches: Sequence[Any], value: Any,
                            errors: Sequence[Sequence[ValidationError]]) -> Iterator[ValidationError]:  # fmt: skip
    """The errors to report for a value that matches no branch: those of the most likely one. *pure*."""
    if (index := discriminated(schema, branches, value)) is not None:
        yield from errors[index]
        return
    candidates = [found for found in errors if not any(_here(error, "type") for error in found)]
    groups = [_missing(found) for found in errors]
    if (kinds := _common_limits(errors, "type")) is not None:
        yield ValidationError("", validator="type", validator_value=kinds, instance=value, schema=schema)
    elif (values := _common_limits(candidates, "enum", "const")) is not None:
        yield ValidationError("", validator="enum", validator_value=values, instance=value, schema=schema)
    elif key == "oneOf" and isinstance(value, dict) and all(groups):
        message, path = f"exactly one of {', '.join(map(' with '.join, groups))} is required", [groups[0][0]]
        yield ValidationError(message, validator=key, validator_value=groups, instance=ABSENT, schema=schema, path=path)
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
