"""Documents read into `Spec`s: by a packaged name, from a file, a text or a dict, for one of their operations."""

import difflib
import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.text import nameable, short
from seedance_nb._base.values import ABSENT
from seedance_nb._document import reader as _documents
from seedance_nb._document.extensions import check_ours
from seedance_nb._document.oddities import body_schema, value_fault
from seedance_nb._document.operations import (
    Operation,
    auth_of,
    callback_id,
    calls_of,
    content_table,
    named_operation,
    operation_table,
    operations_of,
    replies_of,
    server_of,
)  # fmt: skip
from seedance_nb._document.providers import SPECS, common_words, with_shared
from seedance_nb._document.spec import Spec, in_order, named, validator
from seedance_nb._document.tables import Table, error_table, price_table, task_table
from seedance_nb._schema.normalise import Normaliser
from seedance_nb._schema.repairs import KEYWORDS
from seedance_nb._schema.validator import validator_of

__all__ = ["Spec", "in_order", "named", "names", "spec", "validator"]


@functools.cache
def names() -> tuple[str, ...]:
    """The names of the documents that come with the package, sorted. *reads files*."""
    folders = [folder for folder in SPECS.iterdir() if folder.is_dir() and not folder.name.startswith("_")]
    found = [f"{folder.name}/{file.name.removesuffix('.yaml')}" for folder in folders for file in folder.iterdir()]
    return tuple(sorted(found))


def spec(source: "str | Path | Mapping[str, Any] | Spec | Operation", /, *, operation: str | None = None) -> Spec:
    """The `Spec` of a packaged name, a YAML or JSON file, a document's text, or a dict. *reads files*; never the network.

    `operation` names one of several by its operationId or by method and path ("POST /videos"). Without it a document with
    several opens with none chosen, and its `.operations` can be given to this function.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used, or has no such operation.
    """
    if isinstance(source, Operation):
        return _guarded(dict(source.document), source.file, _stem(source.file), source)
    if isinstance(source, Spec):
        return source if operation is None else spec(named_operation(source.operations, operation, source.file))
    if not isinstance(source, str | Path | Mapping):
        raise SpecError(f"a document is a name, a file, a text or a dict, not {type(source).__name__}")
    if isinstance(source, str) and "\n" not in source and not source.lstrip().startswith("{"):
        if source in names():
            return spec(_packaged(source), operation=operation)
        if not _is_there(source) and ": " in source:
            source += "\n"  # one line of YAML: read as a text, not as a file's name
        elif not _is_there(source):
            close = difflib.get_close_matches(source, names(), 3, 0.3) or names()
            raise SpecError(
                f"no document has this name and no file is there; did you mean {', '.join(close)}?",
                file=nameable(source),
                next_step="sd.models() lists the names",
            )
    document, file = _documents.read(source)
    return _guarded(document, file, _stem(file), operation)


def _stem(file: str) -> str:
    return Path(file).stem if file else "document"


def _guarded(document: dict[str, Any], file: str, name: str, wanted: Operation | str | None = None) -> Spec:
    problem = ""
    try:
        made = _read(document, file, name, wanted)
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


def _read(document: dict[str, Any], file: str, name: str, wanted: Operation | str | None) -> Spec:
    check_ours(document, file)
    document = with_shared(document, file)
    root = Table(value=document, file=file, pointer="")
    if "openapi" not in document:
        if isinstance(wanted, str):
            raise SpecError("a bare schema has no operations to choose from", file=file)
        return _bare(root, name)
    version = root.text("openapi")
    if not version.startswith(("3.0", "3.1")):
        raise SpecError(f"OpenAPI {version} is not read, only 3.0 and 3.1", file=file, pointer="/openapi")
    operations = operations_of(root)
    if not operations:
        raise SpecError("no operation takes a request body", file=file, pointer="/paths")
    if isinstance(wanted, str):
        wanted = named_operation(operations, wanted, file)
    elif wanted is None and len(operations) == 1:
        wanted = operations[0]
    if wanted is None:
        return _spec_of(root, name, operations=operations)
    return _chosen(root, name, operations, wanted)


def _chosen(root: Table, name: str, operations: tuple[Operation, ...], wanted: Operation) -> Spec:
    operation = operation_table(root, wanted)
    content = content_table(root, operation, wanted.content_type)
    body, oddities = _body(root, content.table("schema").value, f"{content.pointer}/schema")
    example = content.value.get("example", ABSENT)
    if example is not ABSENT and (fault := value_fault(validator_of(body), body, example)):
        oddities[Oddity(pointer=f"{content.pointer}/example", message=f"the example {short(example, 30)}: {fault}")] = (
            None
        )
    is_sent = "x-task" in root.value
    responses = operation.table("responses", optional=True)
    task = task_table(root, responses, common_words()) if is_sent else None
    env = root.table("x-env", optional=True)

    def tell(pointer: str, message: str) -> None:
        oddities[Oddity(pointer=pointer, message=message)] = None

    return _spec_of(
        root, name, operations=operations, method=wanted.method, path=wanted.path, schema=body, example=example,
        content_type=wanted.content_type, server=server_of(root, is_sent=is_sent), inputs=_inputs(body),
        auth=auth_of(root, operation, tell, is_sent=is_sent), key_env=env.text("key", ""), base_env=env.text("base_url", ""),
        task=task, errors=error_table(root) if task else None, replies=replies_of(root, responses, task) if task else {},
        calls=calls_of(root), callback_id=callback_id(operation), oddities=tuple(oddities),
    )  # fmt: skip


def _bare(root: Table, name: str) -> Spec:
    if not {*KEYWORDS, "$schema", "$id", "$defs"} & set(root.value):
        raise SpecError("neither an OpenAPI document nor a JSON Schema", file=root.file)
    body, oddities = _body(root, root.value, "")
    title = root.value.get("title")
    made = _spec_of(root, name, schema=body, oddities=tuple(oddities), content_type="application/json")
    return replace(made, title=title if isinstance(title, str) else name, source=root.file)


def _spec_of(root: Table, name: str, **known: Any) -> Spec:
    """A Spec with what every document has; what is not known of it is empty."""
    provider = root.text("x-provider", "")
    info = root.value.get("info")
    title = info.get("title") if isinstance(info, dict) else None
    empty: dict[str, Any] = {
        "server": "", "method": "post", "path": "", "schema": None, "content_type": "", "operations": (), "oddities": (),
        "example": ABSENT, "inputs": (), "auth": None, "key_env": "", "base_env": "", "task": None, "errors": None,
        "replies": {}, "calls": {}, "callback_id": "",
    }  # fmt: skip
    return Spec(
        name=f"{provider}/{name}" if provider else name,
        file=root.file,
        title=root.text("x-title", title if isinstance(title, str) else name),
        mode=root.text("x-mode", ""),
        source=root.text("x-source", root.file),
        vouched=bool(provider),
        price=price_table(root),
        evidence=root.text("x-evidence", "schema"),
        **(empty | known),
    )


def _body(root: Table, schema: Any, pointer: str) -> tuple[dict[str, Any], dict[Oddity, None]]:
    normaliser = Normaliser(root.value, root.file)
    made, found = body_schema(normaliser.root(schema, pointer), normaliser.places, root.file, pointer)
    return made, normaliser.oddities | dict.fromkeys(found)


def _inputs(body: dict[str, Any]) -> tuple[str, ...]:
    marked = [
        name for name, child in body.get("properties", {}).items() if isinstance(child, dict) and "x-inputs" in child
    ]
    return tuple(marked[:1])
