"""What a document says of one operation, as one frozen value: where to send, what to send, how a task is followed."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity, Problem
from seedance_nb._base.values import Path as Place
from seedance_nb._base.values import join
from seedance_nb._document.operations import Auth, Call, Operation, is_json, listed
from seedance_nb._document.tables import ErrorTable, PriceTable, TaskTable
from seedance_nb._schema.validator import validator_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spec:
    """One operation of one provider. `body` is its request schema in JSON Schema 2020-12 and is not to be changed.

    `operations` are the request bodies of the document, () for a bare schema; where there are several, `is_chosen` is
    False until `sd.spec(document, operation=...)` names one. `content_type` is what its body travels as. `oddities` say
    what is odd about the document and how it is read all the same; defaults and examples that do not fit are not in `body`.
    `inputs` is the path of the object that holds the person's fields, () where the body is flat. `task` and `errors`
    are None for a document without an `x-task` table: it has a form and checks, and cannot be sent. `replies` are the
    schemas of the answers to `create` and `status`; `calls` are free calls beside them: estimate, balance, upload, asset,
    asset-info. `vouched` is whether a provider file of the package says its server, how a key travels and the key's variable;
    only then is a key looked for by name. `callback_id` is the JSON Pointer to the task's id in a callback's body, "" if none is documented.
    """

    name: str
    file: str
    title: str
    mode: str
    source: str
    server: str
    method: str
    path: str
    schema: dict[str, Any] | None
    content_type: str
    operations: tuple[Operation, ...]
    oddities: tuple[Oddity, ...]
    example: Any
    inputs: tuple[str, ...]
    auth: Auth | None
    vouched: bool
    key_env: str
    base_env: str
    price: PriceTable
    evidence: str
    task: TaskTable | None
    errors: ErrorTable | None
    replies: dict[str, Any]
    calls: dict[str, Call]
    callback_id: str

    @property
    def is_chosen(self) -> bool:
        """Whether this is one operation, and not a document of which one is still to be chosen. *pure*."""
        return self.schema is not None

    @property
    def body(self) -> dict[str, Any]:
        """The request's schema. *pure*. Raises: SpecError that lists the operations, where none of several is chosen."""
        if self.schema is None:
            raise SpecError(
                f"the document has several operations; name one with sd.spec(document, operation=...): {listed(self.operations)}",
                file=self.file,
                pointer="/paths",
            )
        return self.schema

    @property
    def unsendable(self) -> str:
        """Why requests cannot be sent, "" if they can. *pure*. Raises: SpecError where no operation is chosen."""
        if self.body is not None and self.task is None:
            return "this document has no x-task table, so it can be filled in and checked but not sent"
        if not is_json(self.content_type):
            return f"its body travels as {self.content_type}, so it can be filled in and checked but not sent: only JSON is"
        return ""

    @property
    def provider(self) -> str:
        """The part of the name before the slash. *pure*."""
        return self.name.split("/", 1)[0]

    def __repr__(self) -> str:
        if not self.is_chosen:
            return f"Spec({self.name!r}: {self.title}; choose one of {listed(self.operations)})"
        return (
            f"Spec({self.name!r}: {self.title}, {self.mode or 'any'}; {self.method.upper()} {self.server}{self.path})"
        )


@functools.lru_cache(maxsize=64)
def validator(spec: Spec) -> Any:
    """The cached validator of a document; it fetches nothing. Raises: SpecError where no operation is chosen."""
    return validator_of(spec.body)


@functools.lru_cache(maxsize=64)
def named(spec: Spec) -> tuple[tuple[Place, dict[str, Any]], ...]:
    """Path and schema of every property of a request, objects inside objects among them, in the document's order. *pure*."""
    return tuple(_walk(spec.body, ()))


def in_order(spec: Spec, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order in which the document has their fields. *pure*."""
    places, last = _places(spec)

    def rank(problem: Problem) -> int:
        path = problem.path
        while path and path not in places:
            path = path.rpartition("/")[0]
        # What the document does not have comes after everything that it has at that place.
        return (places if path == problem.path else last).get(path, -1)

    return tuple(sorted(problems, key=rank))


@functools.lru_cache(maxsize=64)
def _places(spec: Spec) -> tuple[dict[str, int], dict[str, int]]:
    """The rank of every place, and that of the last place within it."""
    places = {join(path): number for number, (path, _) in enumerate(named(spec))}
    last: dict[str, int] = {}
    for place, number in places.items():
        inside = place
        while inside:
            last[inside] = number
            inside = inside.rpartition("/")[0]
        last[""] = number
    return places, last


def _walk(schema: Any, path: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items() if isinstance(schema, dict) else ():
        if isinstance(child, dict):
            yield (*path, name), child
            yield from _walk(child, (*path, name))
