"""The `Spec`: one operation of a provider with its request schema, the role of each field, server, task table and prices."""

import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import Readable
from seedance_nb._base.problem import Oddity, Problem
from seedance_nb._base.values import ABSENT, JsonPath, set_at, to_pointer
from seedance_nb._document.operations import Auth, Operation, is_json, operations_text
from seedance_nb._document.prose import Rule
from seedance_nb._document.reader import packaged
from seedance_nb._document.tables import ROLES, Call, ErrorTable, PriceTable, TaskTable
from seedance_nb._schema.validator import validator_of


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spec(Readable):
    """A model: one operation of a provider, as read from its schema by `sd.spec`.

    The attributes:
      name, title, mode: the name for every function, and what the model is ("Seedance 2.0", "image to video").
      file, source: the schema file, and where its content is from.
      evidence: how the fields are known: "schema", "prose", "example" or "upstream".
      method, server, path, content_type: where and how a request is sent.
      body: the request schema in JSON Schema 2020-12, without invalid defaults and examples; not to be changed.
      example: the provider's own example of a request.
      inputs: the path of the object that has the fields, () if they are at the top level.
      rules: every limit of the request in words, from its descriptions ("prose") or a key of a person, with the exact sentence.
      unchecked: what its descriptions bind and no check tests: limits under a condition, between fields, or not understood.
      operations: all operations of the document; with several, `is_chosen` is False until one is chosen.
      oddities: the schema problems, and how each is handled.
      task, errors: how a task is followed and what each code means; None without `x-task`: then nothing can be sent.
      price, calls: the price table, and the free calls: estimate, balance, upload, asset, asset-info.
      replies, callback_id, callback_url: the schemas of the responses; pointers to the id in a callback and to its URL.
      links: what the document names for people: where to get a key, and the address of its support.
      auth, key_env, base_env: how the key is sent, and the environment variables for the key and the base URL.
      vouched: whether the package itself knows the provider; only then is a key looked up by name.

    >>> sd.spec("crun/seedance-2.0-i2v")
    Spec('crun/seedance-2.0-i2v': Seedance 2.0, image to video; POST https://api.crun.ai/api/v1/client/job/CreateTask)
    """

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
    rules: tuple[Rule, ...] = ()
    unchecked: tuple[Rule, ...] = ()
    auth: "Auth | None" = None
    key_env: str = ""
    base_env: str = ""
    task: TaskTable | None = None
    errors: ErrorTable | None = None
    replies: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    callback_id: str = ""
    callback_url: str = ""
    links: dict[str, str] = field(default_factory=dict)

    @property
    def is_chosen(self) -> bool:
        """Whether an operation is chosen. *pure*."""
        return self.schema is not None

    @property
    def body(self) -> dict[str, Any]:
        """The request schema. *pure*. Raises: SpecError with the list of operations if none is chosen."""
        if self.schema is None:
            problem = f"several operations; choose one with sd.spec(…, operation=…): {operations_text(self.operations)}"
            raise SpecError(problem, file=self.file, pointer="/paths")
        return self.schema

    @property
    def unsendable(self) -> str:
        """Why requests cannot be sent, "" if they can. *pure*. Raises: SpecError if no operation is chosen."""
        if self.body is not None and self.task is None:
            return "this schema has no x-task table, so requests can be filled in and checked but not sent"
        reason = f"the request body is {self.content_type}, so requests can be filled in and checked but not sent: only JSON is"
        return "" if is_json(self.content_type) else reason

    @property
    def roles(self) -> dict[str, str]:
        """The JSON Pointer of the field of each role. *pure*. Raises: SpecError if no operation is chosen."""
        return {role: to_pointer(path) for role, (path, _) in fields_by_role(self).items()}

    @property
    def provider(self) -> str:
        """The provider: the part of the name before the slash. *pure*."""
        return self.name.split("/", 1)[0]

    def __repr__(self) -> str:
        how = f", {self.mode or 'any'}; {self.method.upper()} {self.server}{self.path}"
        choice = f"; choose one of {operations_text(self.operations)}"
        return f"Spec({self.name!r}: {self.title}{how if self.is_chosen else choice})"


@functools.lru_cache(maxsize=64)
def validator(spec: Spec) -> Any:
    """The cached validator of a request; never the network. Raises: SpecError if no operation is chosen."""
    return validator_of(spec.body)


@functools.lru_cache(maxsize=64)
def named_fields(spec: Spec) -> tuple[tuple[JsonPath, dict[str, Any]], ...]:
    return tuple(fields_of(spec.body))


@functools.lru_cache(maxsize=64)
def fields_by_role(spec: Spec) -> dict[str, tuple[JsonPath, dict[str, Any]]]:
    """Path and schema of the field of each `x-role`, not to be changed; of several fields the first. *pure*."""
    found = {schema["x-role"]: (path, schema) for path, schema in reversed(named_fields(spec)) if "x-role" in schema}
    return dict(reversed(found.items()))


def in_document_order(spec: Spec, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order of the schema's fields; unknown fields come last in their object. *pure*."""
    ranks, objects = _ranks(spec)

    def rank(problem: Problem) -> tuple[float, ...]:
        path = problem.path
        while path not in ranks:
            path = path.rpartition("/")[0]
        return (*ranks[path], math.inf) if path != problem.path and path in objects else ranks[path]

    return tuple(sorted(problems, key=rank))


@functools.lru_cache(maxsize=64)
def _ranks(spec: Spec) -> tuple[dict[str, tuple[float, ...]], set[str]]:
    ranks: dict[str, tuple[float, ...]] = {"": ()}
    for number, (path, _) in enumerate(named_fields(spec)):
        ranks[to_pointer(path)] = (*ranks[to_pointer(path[:-1])], number)
    return ranks, {to_pointer(path[:-1]) for path, _ in named_fields(spec)}


def fields_of(schema: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Path and schema of every property, nested ones included, in the schema's order. *pure*."""
    for name, child in schema.get("properties", {}).items() if isinstance(schema, dict) else ():
        if isinstance(child, dict):
            yield (*path, name), child
            yield from fields_of(child, (*path, name))


def with_roles(body: dict[str, Any], given: Mapping[str, str | None], file: str) -> dict[str, Any]:
    """The body with an `x-role` at each field whose role is given (None: no field has it) or, beside a prompt, guessed. *reads files*. Raises: SpecError for an unknown role or field."""
    fields = list(fields_of(body))
    if unknown := [role for role in given if role not in ROLES]:
        raise SpecError(f"{unknown[0]!r} is not a role; the roles are {', '.join(ROLES)}", file=file)
    chosen = dict[str, JsonPath]()
    for role, name in given.items():
        if named := [path for path, _ in fields if name in (path[-1], to_pointer(path))]:
            chosen[role] = min(named, key=len)  # the outermost of several
        elif name is not None:
            raise SpecError(f"no field is called {name!r}", file=file)
    marked = {schema["x-role"]: path for path, schema in fields if "x-role" in schema}
    taken = {path for role, path in marked.items() if role not in given} | set(chosen.values())
    free = [(path, schema) for path, schema in fields if path not in taken]
    found = "prompt" in {*marked, *chosen} or ("prompt" not in given and _guess("prompt", free))
    guesses = {role: path for role in ROLES if found and role not in {*given, *marked} and (path := _guess(role, free))}
    for role in set(given) & set(marked):
        body = mark(body, marked[role], "x-role", ABSENT)
    for role, path in (guesses | chosen).items():
        body = mark(body, path, "x-role", role)
        if (kind := packaged("_roles").get(role, {}).get("kind")) and "x-media" not in dict(fields)[path]:
            body = mark(body, path, "x-media", {"kind": kind, "schemes": {"any": []}})  # a guess refuses nothing
    return body


def _guess(role: str, fields: Iterable[tuple[JsonPath, dict[str, Any]]]) -> JsonPath | None:
    """The outermost field with a name and a type that the role usually has; of several, the one with the most usual name."""
    table = packaged("_roles").get(role, {"names": [], "types": []})
    types = {path: schema.get("type", []) for path, schema in fields}
    paths = [path for path, own in types.items() if {*table["types"]} & ({own} if isinstance(own, str) else {*own})]
    names = {path: re.sub(r"[\W_]", "", str(path[-1])).lower() for path in paths}
    found = [path for path, name in names.items() if name in table["names"]]
    return min(found, key=lambda path: (len(path), table["names"].index(names[path])), default=None)


def mark(body: dict[str, Any], path: JsonPath, key: str, value: Any) -> dict[str, Any]:
    marked: dict[str, Any] = set_at(body, (*(step for name in path for step in ("properties", name)), key), value)
    return marked
