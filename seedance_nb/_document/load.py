"""Read a schema into a `Spec`: a packaged model by name, a file, text or a dict."""

import difflib
import functools
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.faults import typed
from seedance_nb._base.problem import Oddity
from seedance_nb._base.text import safe_name, shorten
from seedance_nb._base.values import ABSENT, find
from seedance_nb._document import operations as _operations
from seedance_nb._document.extensions import check_extensions
from seedance_nb._document.oddities import body_schema, value_error
from seedance_nb._document.operations import Operation
from seedance_nb._document.providers import SPECS, common_words, packaged, with_shared
from seedance_nb._document.reader import read_document
from seedance_nb._document.spec import Spec
from seedance_nb._document.tables import Table, callback_id, calls_of, error_table, price_table, replies_of, task_table
from seedance_nb._schema.repairs import KEYWORDS
from seedance_nb._schema.validator import validator_of


@functools.cache
def model_names() -> tuple[str, ...]:
    """The names of the packaged models, sorted. *reads files*."""
    folders = [folder for folder in SPECS.iterdir() if folder.is_dir() and not folder.name.startswith("_")]
    files = [(folder, file) for folder in folders for file in folder.iterdir()]
    return tuple(sorted(f"{folder.name}/{file.name.removesuffix('.yaml')}" for folder, file in files))


@typed
def spec(source: "str | Path | Mapping[str, Any] | Spec | Operation", /, *, operation: str | None = None) -> "Spec":
    """Read a model or an OpenAPI or JSON Schema of your own. *reads files*, never the network.

    The parameters:
      source: a name from `sd.models()`, the path of a YAML or JSON file, its text, a dict, or one of `.operations`.
      operation: which of several operations, by its operationId or by method and path ("POST /videos").

    Returns: the `Spec`; without `operation`, no one of several is chosen.
    Raises: SpecError with the file and a JSON Pointer for a schema that cannot be used or has no such operation.

    >>> sd.spec("crun/seedance-2.0-i2v").title
    'Seedance 2.0'
    """
    if isinstance(source, Operation):
        return _guarded(dict(source.document), source.file, source)
    if isinstance(source, Spec):
        if operation is None:
            return source
        return spec(_operations.find_operation(source.operations, operation, source.file))
    if not isinstance(source, str | Path | Mapping):
        raise SpecError(f"expected a model's name, a file, YAML or JSON text, or a dict, not {type(source).__name__}")
    if isinstance(source, str) and "\n" not in source and not source.lstrip().startswith("{"):
        if source in model_names():
            return spec(_packaged(source), operation=operation)
        with suppress(OSError, ValueError):  # too long for a file name, or with invalid characters
            source = Path(source) if Path(source).exists() else source
        if isinstance(source, str) and ": " not in source:  # one line of YAML
            if Path(source).suffix in (".yaml", ".yml", ".json"):
                problem = f"There is no file {safe_name(source)!r}."
                raise SpecError(problem, next_step="check the path of the schema file")
            close = difflib.get_close_matches(source, model_names(), 3, 0.3)
            hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise SpecError(f"No model called {safe_name(source)!r}.{hint}", next_step="sd.models() lists all models")
    document, file = read_document(source)
    return _guarded(document, file, operation)


@functools.cache
def _packaged(name: str) -> Spec:
    return _guarded(packaged(name), f"{name}.yaml")


def _guarded(document: dict[str, Any], file: str, operation: Operation | str | None = None) -> Spec:
    try:
        return _read(document, file, operation)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise SpecError(f"the schema cannot be read ({type(error).__name__}: {str(error)[:120]})", file=file) from None


def _read(document: dict[str, Any], file: str, operation: Operation | str | None) -> Spec:
    check_extensions(document, file)
    root = Table(value=with_shared(document, file), file=file, pointer="")
    if "openapi" not in document:
        if isinstance(operation, str):
            raise root.error("a JSON Schema has no operations to choose from")
        return _bare(root)
    version = root.text("openapi")
    if not version.startswith(("3.0", "3.1")):
        raise root.error(f"OpenAPI {version} is not supported, only 3.0 and 3.1", "openapi")
    operations = _operations.operations_of(root)
    if not operations:
        raise root.error("no operation takes a request body", "paths")
    if isinstance(operation, str):
        operation = _operations.find_operation(operations, operation, file)
    elif operation is None and len(operations) == 1:
        operation = operations[0]
    return _chosen(root, operations, operation) if operation else _spec_of(root, operations=operations)


def _chosen(root: Table, operations: tuple[Operation, ...], chosen: Operation) -> Spec:
    operation = _operations.resolve_reference(root, root.table("paths").table(chosen.path)).table(chosen.method)
    content = _operations.content_table(root, operation, chosen.content_type)
    body, oddities = body_schema(root, content.table("schema").value, f"{content.pointer}/schema")
    example = content.value.get("example", ABSENT)
    if example is not ABSENT and (error := value_error(validator_of(body), body, example)):
        message = f"the example {shorten(example, 30)} is invalid: {error}"
        oddities.append(Oddity(pointer=f"{content.pointer}/example", message=message))
    properties = body.get("properties", {}).items()
    inputs = tuple(name for name, child in properties if isinstance(child, dict) and "x-inputs" in child)[:1]
    has_task, env = "x-task" in root.value, root.value.get("x-env", {})
    responses = operation.table("responses", optional=True)
    task = task_table(root, responses, common_words()) if has_task else None
    auth = _operations.auth_of(root, operation, oddities, is_sent=has_task)
    return _spec_of(
        root, operations=operations, method=chosen.method, path=chosen.path, schema=body, example=example, auth=auth,
        content_type=chosen.content_type, server=_operations.server_of(root, is_sent=has_task), inputs=inputs,
        key_env=env.get("key", ""), base_env=env.get("base_url", ""), task=task, errors=error_table(root) if task else None,
        replies=replies_of(root, responses, task) if task else {}, calls=calls_of(root), callback_id=callback_id(operation),
        oddities=tuple(dict.fromkeys(oddities)),
    )  # fmt: skip


def _bare(root: Table) -> Spec:
    if not {*KEYWORDS, "$schema", "$id", "$defs"} & set(root.value):
        raise root.error("neither an OpenAPI document nor a JSON Schema")
    body, oddities = body_schema(root, root.value, "")
    return _spec_of(root, schema=body, oddities=tuple(dict.fromkeys(oddities)), content_type="application/json")


def _spec_of(root: Table, **parts: Any) -> Spec:
    """A Spec with the parts that every schema has, and `parts`."""
    document, name = root.value, Path(root.file).stem or "document"
    provider = document.get("x-provider", "")
    titles = (document.get("x-title"), find(document, "/info/title"), document.get("title"), name)
    return Spec(
        name=f"{provider}/{name}" if provider else name, file=root.file, vouched=bool(provider), price=price_table(root),
        title=next(title for title in titles if isinstance(title, str)), mode=document.get("x-mode", ""),
        source=document.get("x-source", root.file), evidence=document.get("x-evidence", "schema"), **parts,
    )  # fmt: skip
