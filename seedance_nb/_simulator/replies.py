"""Builds the simulator's responses in the shapes that the schemas define. Everything here is pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find, find_all, packaged_table, set_at, to_path
from seedance_nb._document.spec import Spec
from seedance_nb._document.tables import documented, plain_word

_TABLE = packaged_table(__file__)
MADE_UP: dict[str, int] = _TABLE["made up"]


class Replies:
    """The responses of one model. *pure*. Raises: SpecError for a schema that cannot be simulated."""

    def __init__(self, spec: Spec) -> None:
        if spec.task is None or spec.errors is None or not spec.errors.message:
            step = "complete the commented lines at the end of the file that new-model PAGE FILE writes"
            raise SpecError("a schema without x-task and x-errors cannot be simulated", file=spec.file, next_step=step)
        self.spec, self.task, self._errors = spec, spec.task, spec.errors
        # The error codes and HTTP statuses that a request can ask for.
        self.codes = tuple(dict.fromkeys((*spec.errors.refusals, *spec.errors.statuses, *spec.errors.unclear)))

    def invalid(self, *details: str) -> JSONResponse:
        return self.refused(self._errors.invalid, details)

    def missing(self) -> JSONResponse:
        return self.refused(["404", *(one for one in self._errors.gone if one in self.codes)][-1], ["task not found"])

    def refused(self, code: str, details: Sequence[str] = ()) -> JSONResponse:
        table = self._errors
        by_status = code in table.statuses and code not in table.refusals
        meaning = (table.statuses | table.refusals).get(code, "")
        # The schema's text for a code, from the list in the description of its field.
        listed = re.search(rf"\*\*{re.escape(code)}\*\*: (.+?)(?:\\n|'|$)", str(self.spec.replies["create"]))
        text = listed.group(1) if listed else _TABLE["words"][meaning or ("refused" if details else "")]
        lists = [pointer for pointer in table.details if pointer.endswith("/*")]
        is_invalid = code == table.invalid
        if details and not (lists and is_invalid):
            text = f"{text}: {'; '.join(details)}"
        value: Any = {}
        if table.code:
            own = "" if by_status else int(code) if code.isdecimal() and code in self.codes else code
            value = set_at(value, to_path(table.code[-1 if by_status else 0]), own)
        value = set_at(value, to_path(table.message[-1 if by_status else 0]), text)
        if lists and is_invalid:
            value = set_at(value, to_path(lists[0])[:-1], list(details) or ["simulate: requested error"])
        for pointer in [one for one in table.details if meaning == "no-credits" and one not in lists]:
            value = set_at(value, to_path(pointer), _TABLE["no-credits"].get(to_path(pointer)[-1], 0))
        status = int(code) if code.isdecimal() else 400 if meaning else 500
        headers = {"Retry-After": "1"} if meaning == "rate-limited" else {}
        return JSONResponse(value, 200 if code in table.in_body else status, headers)

    def accepted(self, task_id: str) -> JSONResponse:
        return JSONResponse(set_at(shape(self.spec.replies["create"], {}), to_path(self.task.id_pointer), task_id))

    def status(self, state: str, facts: dict[str, Any], *, result: bool = False) -> JSONResponse:
        """The response to a status request, or to one for the result; `facts` are the values for `x-fill`, `output` and `fault` among them."""
        table, schema = self.task, self.spec.replies["status"]
        # The provider's word for the state: one that the response documents, else any with this meaning.
        words = [*(documented(schema, table.state) or ()), *table.words]
        word = next(word for word in words if table.words.get(plain_word(word)) == state)
        value = set_at(shape(schema, facts), to_path(table.state), word)
        if find(value, table.id_pointer) is not ABSENT:  # an example of a page without x-fill would be another task's
            value = set_at(value, to_path(table.id_pointer), facts["id"])
        outputs = [one for pointer in table.outputs for one in find_all(value, pointer)]
        if state == "done" and facts["output"] not in outputs:
            value = _put_first(value, table.outputs[0], facts["output"])
        if state == "failed" and table.error and find(value, table.error[0]) in (ABSENT, None, ""):
            value = _put_first(value, table.error[0], facts["fault"])
        if item := table.result.item if table.result else "":
            value = find(value, item) if result else set_at(value, to_path(item), ABSENT)
        return JSONResponse({} if value is ABSENT else value)

    def free(self, name: str, facts: dict[str, Any]) -> JSONResponse:
        return JSONResponse(shape(self.spec.calls[name].reply, facts))


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shape(schema: Any, facts: dict[str, Any]) -> Any:
    """A value of the documented shape: `x-fill` from `facts`, the rest from examples; null where allowed until the task has ended. *pure*."""
    if not isinstance(schema, dict):
        return None
    if "x-fill" in schema:
        return facts.get(schema["x-fill"])
    value: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        value |= shape(part, facts) or {}
    types = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type")]
    if len(types) > 1 and "null" in types and not (facts.get("output") or facts.get("fault")):
        return None
    if "properties" in schema or value:
        members = {name: shape(child, facts) for name, child in schema.get("properties", {}).items()}
        return value | {name: item for name, item in members.items() if item is not ABSENT}
    if "array" in types:
        if not facts.get("output") or "x-fill" not in str(schema.get("items")):
            return []
        more = facts.get("more", ()) if schema["items"].get("x-fill") == "output" else ()
        return [shape(schema["items"], facts), *more]
    values = [*schema.get("examples", ()), *schema.get("enum", ()), find(schema, "/const"), find(schema, "/default")]
    return next((one for one in values if one is not ABSENT), None if "null" in types else ABSENT)


def _put_first(answer: Any, pointer: str, value: Any) -> Any:
    outer, star, inner = pointer.partition("/*")
    return set_at(answer, to_path(outer), [set_at({}, to_path(inner), value)] if star else value)
