"""What a document says of one operation, as one frozen value: where to send, what to send, how a task is followed."""

import functools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity, Problem
from seedance_nb._base.values import ABSENT, JsonPath, to_pointer
from seedance_nb._document.operations import Auth, Operation, is_json, operations_text
from seedance_nb._document.tables import Call, ErrorTable, PriceTable, TaskTable
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

    __module__ = "seedance_nb"

    name: str
    file: str
    title: str
    mode: str
    source: str
    evidence: str
    price: PriceTable
    vouched: bool
    server: str = ""
    method: str = "post"
    path: str = ""
    schema: dict[str, Any] | None = None
    content_type: str = ""
    operations: tuple[Operation, ...] = ()
    oddities: tuple[Oddity, ...] = ()
    example: Any = ABSENT
    inputs: tuple[str, ...] = ()
    auth: Auth | None = None
    key_env: str = ""
    base_env: str = ""
    task: TaskTable | None = None
    errors: ErrorTable | None = None
    replies: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    callback_id: str = ""

    @property
    def is_chosen(self) -> bool:
        """Whether this is one operation, and not a document of which one is still to be chosen. *pure*."""
        return self.schema is not None

    @property
    def body(self) -> dict[str, Any]:
        """The request's schema. *pure*. Raises: SpecError that lists the operations, where none of several is chosen."""
        if self.schema is None:
            raise SpecError(
                f"the document has several operations; name one with sd.spec(document, operation=...): {operations_text(self.operations)}",
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
            return f"Spec({self.name!r}: {self.title}; choose one of {operations_text(self.operations)})"
        return (
            f"Spec({self.name!r}: {self.title}, {self.mode or 'any'}; {self.method.upper()} {self.server}{self.path})"
        )


@functools.lru_cache(maxsize=64)
def validator(spec: Spec) -> Any:
    """The cached validator of a document; it fetches nothing. Raises: SpecError where no operation is chosen."""
    return validator_of(spec.body)


@functools.lru_cache(maxsize=64)
def named_fields(spec: Spec) -> tuple[tuple[JsonPath, dict[str, Any]], ...]:
    """Path and schema of every property of a request, objects inside objects among them, in the document's order. *pure*."""
    return tuple(_walk(spec.body, ()))


def in_document_order(spec: Spec, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order in which the document has their fields; after those of an object, what it does not have. *pure*."""
    ranks, objects = _ranks(spec)

    def rank(problem: Problem) -> tuple[float, ...]:
        path = problem.path
        while path not in ranks:
            path = path.rpartition("/")[0]
        return (*ranks[path], math.inf) if path != problem.path and path in objects else ranks[path]

    return tuple(sorted(problems, key=rank))


@functools.lru_cache(maxsize=64)
def _ranks(spec: Spec) -> tuple[dict[str, tuple[float, ...]], set[str]]:
    """The numbers of each property and of those around it, by its pointer; and the pointers of those that hold others."""
    ranks: dict[str, tuple[float, ...]] = {"": ()}
    objects = {to_pointer(path[:-1]) for path, _ in named_fields(spec)}
    for number, (path, _) in enumerate(named_fields(spec)):
        ranks[to_pointer(path)] = (*ranks[to_pointer(path[:-1])], number)
    return ranks, objects


def _walk(schema: Any, path: JsonPath) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items() if isinstance(schema, dict) else ():
        if isinstance(child, dict):
            yield (*path, name), child
            yield from _walk(child, (*path, name))
