"""The `Spec`: one operation of a provider with its request schema, the role of each field, server, task table and prices."""

import functools
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import Readable
from seedance_nb._base.problem import Oddity, Problem
from seedance_nb._base.values import ABSENT, JsonPath, to_path, to_pointer
from seedance_nb._document.operations import Auth, Operation, is_json, operations_text
from seedance_nb._document.prose import Rule
from seedance_nb._document.reader import packaged
from seedance_nb._document.tables import ROLES, Call, ErrorTable, PriceTable, TaskTable

_PARTS = ("allOf", "anyOf", "oneOf")


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
            missing = "this schema has no x-task table, so requests can be filled in and checked but not sent"
            return f"{missing}; python -m seedance_nb new-model PAGE FILE writes down what it needs"
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
def named_fields(spec: Spec) -> tuple[tuple[JsonPath, dict[str, Any]], ...]:
    fields = [(path, schema) for path, schema in values_in(spec.body) if path and "*" not in path]
    return (*reversed(dict(reversed(fields)).items()),)


@functools.lru_cache(maxsize=64)
def fields_by_role(spec: Spec) -> dict[str, tuple[JsonPath, dict[str, Any]]]:
    """Path and schema of the field of each `x-role`, not to be changed; of several fields the first. *pure*."""
    found = {schema["x-role"]: (path, schema) for path, schema in reversed(named_fields(spec)) if "x-role" in schema}
    return dict(reversed(found.items()))


def in_document_order(spec: Spec, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order of the schema's fields; unknown fields come last in their object. *pure*."""
    problems = tuple(problems)  # usually none, after each key that a person presses
    places = {path: number for number, (path, _) in enumerate(named_fields(spec))} if problems else {}

    def place(problem: Problem) -> list[float]:
        path = to_path(problem.path)
        fields = [end for end, name in enumerate(path, 1) if not name.isdecimal()]  # an entry is where its list is
        return [places.get(path[:end], math.inf) for end in fields]

    return tuple(sorted(problems, key=place))


def values_in(body: dict[str, Any]) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Path and schema of every value of a request, in the schema's order, with `*` for an item or any other name: those of branches too, what refers to itself once. *pure*."""
    shared = dict(body.get("$defs", {}))

    def inside(schema: dict[str, Any], path: JsonPath) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
        yield path, schema
        parts = _parts(schema, shared)
        shared.pop(str(schema.get("$ref"))[8:], None)
        others = (schema.get("items"), *schema.get("prefixItems", ()), schema.get("additionalProperties"))
        for name, child in (*schema.get("properties", {}).items(), *(("*", other) for other in others)):
            yield from inside(child, (*path, name)) if isinstance(child, dict) else ()
        for part in parts:  # without what `plain_of` says already
            is_known = len(parts) == 1 and "description" not in schema.keys() & part.keys()
            yield from itertools.islice(inside(part, path), int(is_known), None)

    return inside(body, ())


def _parts(schema: dict[str, Any], shared: Mapping[str, Any]) -> list[dict[str, Any]]:
    every = [shared.get(str(schema.get("$ref"))[8:]), *(one for key in _PARTS for one in schema.get(key, ()))]
    return [part for part in every if isinstance(part, dict) and part.get("type") != "null"]


def plain_of(schema: dict[str, Any], shared: Mapping[str, Any], levels: int = 9) -> dict[str, Any]:
    """A schema with what its reference, its only part or the only branch beside null says, and its type without null. *pure*."""
    parts = _parts(schema, shared)
    if len(parts) == 1 and levels:
        own = {key: value for key, value in schema.items() if key not in _PARTS}
        schema = plain_of(parts[0], shared, levels - 1) | own
    types = [kind for kind in schema["type"] if kind != "null"] if isinstance(schema.get("type"), list) else []
    return schema | {"type": types[0]} if len(types) == 1 else schema


def with_roles(body: dict[str, Any], given: Mapping[str, str | None], file: str) -> dict[str, Any]:
    """The same body with an `x-role` at each field whose role is given (None: no field has it) or, beside a prompt, guessed. *reads files*. Raises: SpecError for an unknown role or field."""
    every = ((path, schema, plain_of(schema, body.get("$defs", {}))) for path, schema in values_in(body))
    fields = [one for one in every if one[0] and "*" not in one[0]]
    if unknown := [role for role in given if role not in ROLES]:
        raise SpecError(f"{unknown[0]!r} is not a role; the roles are {', '.join(ROLES)}", file=file)
    roles: dict[str, JsonPath | None] = {view["x-role"]: path for path, _, view in fields if "x-role" in view}
    for role, name in given.items():
        named = [path for path, _, view in fields if name in (path[-1], to_pointer(path))
                 and ("enum" in view or "type" not in view or ("boolean" in view["type"]) == (role == "audio"))]  # fmt: skip
        if name is not None and not named:
            raise SpecError(f"no field is called {name!r} and has a type for the role {role}", file=file)
        roles[role] = min(named, key=len, default=None)  # the outermost of several
    free = [(path, str(view.get("type")), re.sub(r"[(（].*|[^\w\n]|_", "", f"{path[-1]}\n{view.get('title')}").lower())
            for path, _, view in fields if path not in roles.values()]  # fmt: skip
    known = roles | {role: path for role in ROLES if role not in roles and (path := _guess(role, free))}
    if "prompt" not in known and known.keys() - {"seed", "audio"} and (text := _guess("text", free)):  # not of speech
        known["prompt"] = text
    roles = known if known.get("prompt") else roles
    for path, schema, view in fields:
        if schema.get("x-role") in given and roles[schema["x-role"]] != path:
            del schema["x-role"]
        for role in [one for one, target in roles.items() if target == path and view.get("x-role") != one]:
            schema["x-role"] = role
            if (kind := packaged("_roles").get(role, {}).get("kind")) and "x-media" not in view:
                schema["x-media"] = {"kind": kind, "schemes": {"any": []}}  # a guess refuses nothing
    return body


def _guess(role: str, fields: Iterable[tuple[JsonPath, str, str]]) -> JsonPath | None:
    """The outermost field with a type and a name, or else a title, that the role usually has; of several, the one with the most usual name."""
    table = packaged("_roles").get(role, {"names": [], "types": []})
    others = {name for one in packaged("_roles").values() for name in one["names"]}
    usual = [(rank, len(path), table["names"].index(text), path) for path, kind, texts in fields
             if any(one in kind for one in table["types"]) for rank, text in enumerate(texts.split("\n"))
             if text in table["names"] and (not rank or others.isdisjoint(texts.split("\n")[:1]))]  # fmt: skip
    return min(usual, key=lambda one: one[:3], default=(None,))[-1]
