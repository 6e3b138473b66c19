"""A provider's document as one frozen value: where to send, what to send, how a task is followed, how it is known."""

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from seedance_nb import _documents
from seedance_nb._errors import SpecError
from seedance_nb._operation import Auth, Call, auth_of, callback_id, calls_of, paid_operation, replies_of, server_of
from seedance_nb._ours import check_ours
from seedance_nb._providers import SPECS, common_words, with_shared
from seedance_nb._schema import Normaliser
from seedance_nb._tables import ErrorTable, PriceTable, Table, TaskTable, error_table, price_table, task_table
from seedance_nb._values import ABSENT, Problem, join
from seedance_nb._values import Path as Place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spec:
    """One operation of one provider. `body` is its request schema in JSON Schema 2020-12 and is not to be changed.

    `inputs` is the path of the object that holds the person's fields, () where the body is flat. `task` and `errors`
    are None for a document without an `x-task` table: it has a form and checks, and cannot be sent. `replies` are the
    schemas of the answers to `create` and `status`; `calls` are free calls beside them: estimate, balance, upload, asset,
    asset-info. `callback_id` is the JSON Pointer to the task's id in a callback's body, "" if none is documented.
    """

    name: str
    file: str
    title: str
    mode: str
    source: str
    server: str
    method: str
    path: str
    body: dict[str, Any]
    example: Any
    inputs: tuple[str, ...]
    auth: Auth | None
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
    def provider(self) -> str:
        """The part of the name before the slash. *pure*."""
        return self.name.split("/", 1)[0]

    def __repr__(self) -> str:
        return (
            f"Spec({self.name!r}: {self.title}, {self.mode or 'any'}; {self.method.upper()} {self.server}{self.path})"
        )


def names() -> tuple[str, ...]:
    """The names of the documents that come with the package, sorted. *reads files*."""
    folders = [folder for folder in SPECS.iterdir() if folder.is_dir() and not folder.name.startswith("_")]
    found = [f"{folder.name}/{file.name.removesuffix('.yaml')}" for folder in folders for file in folder.iterdir()]
    return tuple(sorted(found))


def spec(source: "str | Path | Mapping[str, Any] | Spec") -> Spec:
    """The `Spec` of a packaged name, a YAML or JSON file, a document's text, or a dict. *reads files*; never the network.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used.
    """
    if isinstance(source, Spec):
        return source
    if isinstance(source, str) and "\n" not in source and not source.lstrip().startswith("{"):
        if source in names():
            return _packaged(source)
        if not _is_there(source):
            close = difflib.get_close_matches(source, names(), 3, 0.3) or names()
            raise SpecError(
                f"no document has this name and no file is there; did you mean {', '.join(close)}?", file=source
            )
    document, file = _documents.read(source)
    return _guarded(document, file, Path(file).stem if file else "document")


def _guarded(document: dict[str, Any], file: str, name: str) -> Spec:
    problem = ""
    try:
        made = _read(document, file, name)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        problem = f"the document cannot be understood ({type(error).__name__}: {str(error)[:120]})"
    if problem:
        raise SpecError(problem, file=file)
    return made


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # longer than any file's name, or with signs that none has
        return False


@functools.cache
def _packaged(name: str) -> Spec:
    document, _ = _documents.read((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))
    return _guarded(document, f"{name}.yaml", name.split("/", 1)[1])


def _read(document: dict[str, Any], file: str, name: str) -> Spec:
    check_ours(document, file)
    document = with_shared(document, file)
    root = Table(value=document, file=file, pointer="")
    if "openapi" not in document:
        return _bare(root, name)
    version = root.text("openapi")
    if not version.startswith(("3.0", "3.1")):
        raise SpecError(f"OpenAPI {version} is not read, only 3.0 and 3.1", file=file, pointer="/openapi")
    operation, method, path = paid_operation(root)
    content = operation.table("requestBody").table("content").table("application/json")
    body = _body(root, content)
    responses = operation.table("responses", optional=True)
    task = task_table(root, responses, common_words()) if "x-task" in document else None
    env = root.table("x-env", optional=True)
    provider = root.text("x-provider", "")
    return Spec(
        name=f"{provider}/{name}" if provider else name,
        file=file,
        title=root.text("x-title", root.table("info", optional=True).text("title", name)),
        mode=root.text("x-mode", ""),
        source=root.text("x-source", file),
        server=server_of(root),
        method=method,
        path=path,
        body=body,
        example=content.value.get("example", ABSENT),
        inputs=_inputs(body),
        auth=auth_of(root),
        key_env=env.text("key", ""),
        base_env=env.text("base_url", ""),
        price=price_table(root),
        evidence=root.text("x-evidence", "schema"),
        task=task,
        errors=error_table(root) if task else None,
        replies=replies_of(root, responses, task) if task else {},
        calls=calls_of(root),
        callback_id=callback_id(operation),
    )


def _bare(root: Table, name: str) -> Spec:
    if not {"type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "$schema"} & set(root.value):
        raise SpecError("neither an OpenAPI document nor a JSON Schema", file=root.file)
    body = _checked(Normaliser(root.value, root.file).root(root.value, ""), root.file, "")
    return Spec(
        name=name, file=root.file, title=root.text("title", name), mode="", source=root.file, server="", method="post",
        path="", body=body, example=ABSENT, inputs=(), auth=None, key_env="", base_env="", price=price_table(root),
        evidence="schema", task=None, errors=None, replies={}, calls={}, callback_id="",
    )  # fmt: skip


def _body(root: Table, content: Table) -> dict[str, Any]:
    pointer = f"{content.pointer}/schema"
    schema = Normaliser(root.value, root.file).root(content.table("schema").value, pointer)
    return _checked(schema, root.file, pointer)


def _checked(schema: Any, file: str, pointer: str) -> dict[str, Any]:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        place, problem = pointer + join(list(error.absolute_path)), error.message
    else:
        if isinstance(schema, dict):
            return schema
        place, problem = pointer, "the schema of a request body must be an object"
    raise SpecError(problem, file=file, pointer=place)


@functools.lru_cache(maxsize=64)
def named(spec: Spec) -> tuple[tuple[Place, dict[str, Any]], ...]:
    """Path and schema of every property of a request, objects inside objects among them, in the document's order. *pure*."""
    return tuple(_walk(spec.body, ()))


def in_order(spec: Spec, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order in which the document has their fields. *pure*."""
    places = {join(path): number for number, (path, _) in enumerate(named(spec))}

    def rank(problem: Problem) -> int:
        path = problem.path
        while path and path not in places:
            path = path.rpartition("/")[0]
        # What the document does not have comes after everything that it has at that place.
        inner = (
            [number for place, number in places.items() if place.startswith(f"{path}/")] if path != problem.path else []
        )
        return max([places.get(path, -1), *inner])

    return tuple(sorted(problems, key=rank))


def _walk(schema: Any, path: Place) -> Iterator[tuple[Place, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items() if isinstance(schema, dict) else ():
        if isinstance(child, dict):
            yield (*path, name), child
            yield from _walk(child, (*path, name))


def _inputs(body: dict[str, Any]) -> tuple[str, ...]:
    marked = [
        name for name, child in body.get("properties", {}).items() if isinstance(child, dict) and "x-inputs" in child
    ]
    return tuple(marked[:1])
