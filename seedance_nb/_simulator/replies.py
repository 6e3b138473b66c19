"""What the simulator says, in the shapes of the documents. Everything here is pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from seedance_nb._base.values import ABSENT, find, pointer_parts, set_at
from seedance_nb._document.spec import Spec

_NO_ACCOUNT = {"required": 200, "available": 137, "balance": 137.96}
_WORDS = {
    "refused": "The request is not valid",
    "unauthorized": "The key is missing or is not accepted",
    "no-credits": "Insufficient credits",
    "rate-limited": "Too many requests or tasks at once",
    "unavailable": "The service is not available at present",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer: its HTTP status, its JSON, and further headers."""

    status: int
    value: Any
    headers: tuple[tuple[str, str], ...] = ()


def codes(spec: Spec) -> tuple[str, ...]:
    """The codes and HTTP statuses of the document that can be provoked. *pure*."""
    table = spec.errors
    return tuple(dict.fromkeys((*table.refusals, *table.statuses, *table.unclear))) if table else ()


def invalid(spec: Spec, details: Sequence[str]) -> Reply:
    """The refusal of a request that is wrong. *pure*."""
    return refused(spec, spec.errors.invalid if spec.errors else "422", details)


def missing(spec: Spec) -> Reply:
    """The refusal of an id that nobody has. *pure*."""
    gone = [code for code in (spec.errors.gone if spec.errors else ()) if code in codes(spec)]
    return refused(spec, gone[-1] if gone else "404", ["the task is not known"])


def refused(spec: Spec, code: str, details: Sequence[str] = ()) -> Reply:
    """The refusal that one of the document's codes means, in its shape. *pure*."""
    table = spec.errors
    assert table is not None  # noqa: S101 - no app is made of a document without
    by_status = code in table.statuses and code not in table.refusals
    said = _meaning(spec, code)
    lists = [pointer for pointer in table.details if pointer.endswith("/*")]
    wanted = code == table.invalid
    if details and not (lists and wanted):
        said = f"{said}: {'; '.join(details)}"
    value: Any = {}
    if table.code:
        own = "" if by_status else int(code) if code.isdecimal() else code
        value = set_at(value, pointer_parts(table.code[-1 if by_status else 0]), own)
    value = set_at(value, pointer_parts(table.message[-1 if by_status else 0]), said)
    if lists and wanted:
        value = set_at(value, pointer_parts(lists[0])[:-1], list(details) or ["simulate: this was asked for"])
    meaning = (table.statuses | table.refusals).get(code, "")
    for pointer in table.details if meaning == "no-credits" else ():
        if pointer not in lists:
            value = set_at(value, pointer_parts(pointer), _NO_ACCOUNT.get(pointer_parts(pointer)[-1], 0))
    status = int(code) if code.isdecimal() else 400 if meaning else 500
    headers = (("Retry-After", "1"),) if meaning == "rate-limited" else ()
    return Reply(status=200 if code in table.in_body else status, value=value, headers=headers)


def accepted(spec: Spec, task_id: str) -> Reply:
    """The yes to a create request. *pure*."""
    assert spec.task is not None  # noqa: S101
    return Reply(
        status=200, value=set_at(shape(spec.replies["create"], {}), pointer_parts(spec.task.id_pointer), task_id)
    )


def status_reply(spec: Spec, state: str, facts: dict[str, Any]) -> Reply:
    """A status answer; `facts` are the values of the document's `x-fill` marks, `output` and `fault` among them. *pure*."""
    table = spec.task
    assert table is not None  # noqa: S101
    schema = spec.replies["status"]
    value = set_at(shape(schema, facts), pointer_parts(table.state), _word(spec, state))
    if state == "done" and not any(find(value, pointer) for pointer in table.outputs):
        value = _put_first(value, table.outputs[0], facts["output"])
    if state == "failed" and table.error and find(value, table.error[0]) in (ABSENT, None, ""):
        value = _put_first(value, table.error[0], facts["fault"])
    return Reply(status=200, value=value)


def free(spec: Spec, name: str, facts: dict[str, Any]) -> Reply:
    """The answer to one of the calls that cost nothing; `facts` are the values of its `x-fill` marks. *pure*."""
    return Reply(status=200, value=shape(spec.calls[name].reply, facts))


def iso(seconds: float) -> str:
    """Unix seconds as UTC text. *pure*."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shape(schema: Any, facts: dict[str, Any]) -> Any:
    """An answer of a documented shape: `x-fill` marks filled from `facts`, the rest from examples. *pure*.

    What may be null is null until `facts` say that the task has ended.
    """
    if not isinstance(schema, dict):
        return None
    if "x-fill" in schema:
        return facts.get(schema["x-fill"])
    made: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        made |= shape(part, facts) or {}
    if (
        isinstance(schema.get("type"), list)
        and "null" in schema["type"]
        and not facts.get("output")
        and not facts.get("fault")
    ):
        return None
    if "properties" in schema or made:
        return made | {name: shape(child, facts) for name, child in schema.get("properties", {}).items()}
    if "array" in (schema.get("type"), *(schema["type"] if isinstance(schema.get("type"), list) else ())):
        if not facts.get("output") or "x-fill" not in str(schema.get("items")):
            return []
        more = facts.get("more", ()) if schema["items"].get("x-fill") == "output" else ()
        return [shape(schema["items"], facts), *more]
    return next(iter([*schema.get("examples", ()), *schema.get("enum", ())]), None)


def _word(spec: Spec, state: str) -> str:
    """The provider's word for a state: of those it documents for the answer, else any that is read so."""
    assert spec.task is not None  # noqa: S101
    named = _enum(spec.replies["status"], pointer_parts(spec.task.state))
    known = [word for word in named if spec.task.words.get(str(word).casefold()) == state]
    return str(next(iter([*known, *(word for word, meaning in spec.task.words.items() if meaning == state)])))


def _enum(schema: Any, parts: tuple[str, ...]) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    if not parts:
        return list(schema.get("enum", ()))
    inner = _enum(schema.get("properties", {}).get(parts[0]), parts[1:])
    return inner or [word for part in schema.get("allOf", ()) for word in _enum(part, parts)]


def _meaning(spec: Spec, code: str) -> str:
    """What the document says of a code, in the list under the field that carries codes."""
    table = spec.errors
    listed = re.search(rf"\*\*{re.escape(code)}\*\*: (.+?)(?:\\n|'|$)", str(spec.replies["create"]))
    if listed or table is None:
        return listed.group(1) if listed else code
    return _WORDS.get((table.statuses | table.refusals).get(code, ""), "An error that the simulator was asked for")


def _put_first(answer: Any, pointer: str, value: Any) -> Any:
    parts = pointer_parts(pointer)
    if "*" not in parts:
        return set_at(answer, parts, value)
    star = parts.index("*")
    return set_at(answer, parts[:star], [set_at({}, parts[star + 1 :], value)])
