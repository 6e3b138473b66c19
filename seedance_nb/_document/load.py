"""Documents read into `Spec`s: by a packaged name, from a file, a text or a dict, for one of their operations."""

import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.text import safe_name, shorten
from seedance_nb._base.values import ABSENT, find
from seedance_nb._document.extensions import check_extensions
from seedance_nb._document.oddities import body_schema, value_error
from seedance_nb._document.operations import (
    Operation,
    auth_of,
    content_table,
    find_operation,
    operation_table,
    operations_of,
    server_of,
)
from seedance_nb._document.providers import SPECS, common_words, packaged, with_shared
from seedance_nb._document.reader import read_document
from seedance_nb._document.spec import Spec
from seedance_nb._document.tables import Table, callback_id, calls_of, error_table, price_table, replies_of, task_table
from seedance_nb._schema.repairs import KEYWORDS
from seedance_nb._schema.validator import validator_of


@functools.cache
def model_names() -> tuple[str, ...]:
    """The names of the documents that come with the package, sorted. *reads files*."""
    folders = [folder for folder in SPECS.iterdir() if folder.is_dir() and not folder.name.startswith("_")]
    found = [f"{folder.name}/{file.name.removesuffix('.yaml')}" for folder in folders for file in folder.iterdir()]
    return tuple(sorted(found))


def spec(source: "str | Path | Mapping[str, Any] | Spec | Operation", /, *, operation: str | None = None) -> "Spec":
    """The `Spec` of a packaged name, a YAML or JSON file, a document's text, or a dict. *reads files*; never the network.

    `operation` names one of several by its operationId or by method and path ("POST /videos"). Without it a document with
    several opens with none chosen, and its `.operations` can be given to this function.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used, or has no such operation.
    """
    if isinstance(source, Operation):
        return _guarded(dict(source.document), source.file, source)
    if isinstance(source, Spec):
        return source if operation is None else spec(find_operation(source.operations, operation, source.file))
    if not isinstance(source, str | Path | Mapping):
        raise SpecError(f"a document is a name, a file, a text or a dict, not {type(source).__name__}")
    if isinstance(source, str) and "\n" not in source and not source.lstrip().startswith("{"):
        if source in model_names():
            return spec(_packaged(source), operation=operation)
        if _is_there(source):
            source = Path(source)
        elif ": " not in source:  # which would be one line of YAML
            close = difflib.get_close_matches(source, model_names(), 3, 0.3) or model_names()
            raise SpecError(
                f"no document has this name and no file is there; did you mean {', '.join(close)}?",
                file=safe_name(source),
                next_step="sd.models() lists the names",
            )
    document, file = read_document(source)
    return _guarded(document, file, operation)


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # longer than any file's name, or with signs that none has
        return False


@functools.cache
def _packaged(name: str) -> Spec:
    return _guarded(packaged(name), f"{name}.yaml")


def _guarded(document: dict[str, Any], file: str, wanted: Operation | str | None = None) -> Spec:
    try:
        return _read(document, file, wanted)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        problem = f"the document cannot be understood ({type(error).__name__}: {str(error)[:120]})"
        raise SpecError(problem, file=file) from None


def _read(document: dict[str, Any], file: str, wanted: Operation | str | None) -> Spec:
    check_extensions(document, file)
    root = Table(value=with_shared(document, file), file=file, pointer="")
    if "openapi" not in document:
        if isinstance(wanted, str):
            raise root.error("a bare schema has no operations to choose from")
        return _bare(root)
    version = root.text("openapi")
    if not version.startswith(("3.0", "3.1")):
        raise root.error(f"OpenAPI {version} is not read, only 3.0 and 3.1", "openapi")
    operations = operations_of(root)
    if not operations:
        raise root.error("no operation takes a request body", "paths")
    if isinstance(wanted, str):
        wanted = find_operation(operations, wanted, file)
    elif wanted is None and len(operations) == 1:
        wanted = operations[0]
    return _chosen(root, operations, wanted) if wanted else _spec_of(root, operations=operations)


def _chosen(root: Table, operations: tuple[Operation, ...], wanted: Operation) -> Spec:
    operation = operation_table(root, wanted)
    content = content_table(root, operation, wanted.content_type)
    body, oddities = body_schema(root, content.table("schema").value, f"{content.pointer}/schema")
    example = content.value.get("example", ABSENT)
    if example is not ABSENT and (fault := value_error(validator_of(body), body, example)):
        told = f"the example {shorten(example, 30)}: {fault}"
        oddities.append(Oddity(pointer=f"{content.pointer}/example", message=told))
    is_sent = "x-task" in root.value
    responses = operation.table("responses", optional=True)
    task = task_table(root, responses, common_words()) if is_sent else None
    env = root.value.get("x-env", {})
    auth = auth_of(root, operation, oddities, is_sent=is_sent)
    return _spec_of(
        root, operations=operations, method=wanted.method, path=wanted.path, schema=body, example=example, auth=auth,
        content_type=wanted.content_type, server=server_of(root, is_sent=is_sent), inputs=_inputs(body),
        key_env=env.get("key", ""), base_env=env.get("base_url", ""), task=task, errors=error_table(root) if task else None,
        replies=replies_of(root, responses, task) if task else {}, calls=calls_of(root), callback_id=callback_id(operation),
        oddities=tuple(dict.fromkeys(oddities)),
    )  # fmt: skip


def _bare(root: Table) -> Spec:
    if not {*KEYWORDS, "$schema", "$id", "$defs"} & set(root.value):
        raise root.error("neither an OpenAPI document nor a JSON Schema")
    body, oddities = body_schema(root, root.value, "")
    return _spec_of(root, schema=body, oddities=tuple(dict.fromkeys(oddities)), content_type="application/json")


def _spec_of(root: Table, **known: Any) -> Spec:
    """A Spec with what every document has, and what is known of this one."""
    document, name = root.value, Path(root.file).stem or "document"
    provider = document.get("x-provider", "")
    titles = (document.get("x-title"), find(document, "/info/title"), document.get("title"), name)
    return Spec(
        name=f"{provider}/{name}" if provider else name,
        file=root.file,
        title=next(title for title in titles if isinstance(title, str)),
        mode=document.get("x-mode", ""),
        source=document.get("x-source", root.file),
        vouched=bool(provider),
        price=price_table(root),
        evidence=document.get("x-evidence", "schema"),
        **known,
    )


def _inputs(body: dict[str, Any]) -> tuple[str, ...]:
    marked = [
        name for name, child in body.get("properties", {}).items() if isinstance(child, dict) and "x-inputs" in child
    ]
    return tuple(marked[:1])
