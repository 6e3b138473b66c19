"""Find the operations of an OpenAPI document, its server and its authentication."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.values import ABSENT, find, find_all
from seedance_nb._document.tables import Table, resolve_reference

METHODS = ("post", "put", "patch", "delete", "query")
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
_MOST_LISTED, _LONGEST = 12, 2_000
_COLLECTIONS = {"multi": ("form", True), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False)}
_PLACES = ("path", "query", "header", "cookie")
_NO_PARAMETERS = {("header", name) for name in ("accept", "content-type", "authorization")}  # sent anyway


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """An OpenAPI operation with a request body; pass it to `sd.spec` or `sd.form`.

    Attributes: `id` (its operationId, "" if none), `summary`, `method`, `path`, `content_types` (all media types of the
    body), `content_type` (the one in use: JSON before form data before any other) and `deprecated`.

    >>> sd.spec("crun/seedance-2.0-i2v").operations[0].path
    '/api/v1/client/job/CreateTask'
    """

    method: str
    path: str
    id: str
    summary: str
    content_type: str
    content_types: tuple[str, ...]
    deprecated: bool
    document: Mapping[str, Any] = field(repr=False)
    file: str = field(repr=False)

    @property
    def name(self) -> str:
        """The operationId, or method and path if there is none. *pure*."""
        return self.id or f"{self.method.upper()} {self.path}"

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}" + (f" ({self.id})" if self.id else "")


def operations_of(root: Table) -> tuple[Operation, ...]:
    """The operations with a request body, or else those with parameters, in order, without path items marked `x-ours`. *pure*. Raises: SpecError for a bad `$ref`."""
    operations, others, paths = list[Operation](), list[Operation](), root.table("paths", optional=True)
    for path in [path for path, item in paths.value.items() if isinstance(item, dict) and "x-ours" not in item]:
        if str(paths.value[path].get("$ref", "#")).startswith("#"):  # another document's does not block the others
            value = resolve_reference(root, paths.table(path)).value
            more = more if isinstance(more := value.get("additionalOperations"), dict) else {}  # of OpenAPI 3.2
            every = more | value
            for method in ("get", *METHODS, *more):
                one = every.get(method)
                if isinstance(one, dict) and ("requestBody" in one or {**value, **one}.get("parameters")):
                    (operations if "requestBody" in one else others).append(_operation(root, str(path), method, one))
    return tuple(operations or others)


def parameters_of(root: Table, taken: set[str] | str, oddities: list[Oddity], *tables: Table) -> dict[str, Any]:
    """The parameters of a path item and its operation as the schema of an object, each marked with its `x-name`, `x-in`, `x-style` and `x-explode`; adds to `oddities`. A second `id`, or one that is `taken`, is `query_id`; a text says why there is no place for any."""
    fields, required, lost = dict[str, Any](), list[str](), dict[str, str]()
    every = {(one["in"], one["name"]): one for one in parameters_in(root.value, *(table.value for table in tables))}
    for (place, name), one in every.items():
        key, has_place = name, place in _PLACES and (place, name.lower()) not in _NO_PARAMETERS
        if has_place and isinstance(taken, set):
            while key in fields or key in taken:
                key = f"{place}_{key}"
            fields[key] = {"description": one.get("description", ""), **_parameter_schema(one), "x-name": name}
            required += [key] * bool(one.get("required"))
        elif has_place or place == "querystring":
            lost[name] = taken if isinstance(taken, str) and has_place else f"parameters in {place} are not read"
    refs = [str(ref) for table in tables for ref in find_all(table.value, "/parameters/*/$ref")]
    lost |= {ref: "it is not in this document" for ref in refs if find(root.value, ref[1:]) is ABSENT}
    messages = [f"the parameter {name} is not in the form, because {why}" for name, why in lost.items()]
    oddities += [Oddity(pointer=f"{tables[-1].pointer}/parameters", message=message) for message in messages]
    return {"type": "object", "properties": fields, "required": required}


def _parameter_schema(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter, with its place, style and whether each item is written for itself."""
    place = parameter["in"]
    usual = "form" if place in ("query", "cookie") else "simple"
    schema, style, explode = parameter.get("schema"), str(parameter.get("style", usual)), parameter.get("explode")
    if (content := find(parameter, "/content/application~1json")) is not ABSENT:
        schema, style = find(content, "/schema"), "json"
    elif not isinstance(schema, dict):  # Swagger 2.0
        schema = {key: parameter[key] for key in parameter if key not in ("in", "name", "required", "description")}
        style, explode = _COLLECTIONS.get(str(parameter.get("collectionFormat")), (usual, False))
    schema = schema if isinstance(schema, dict) else {}
    is_apart = style == "form" if explode is None else explode is True
    return {**schema, "x-in": place, "x-style": style, "x-explode": is_apart}


def parameters_in(document: Mapping[str, Any], *tables: Any) -> list[dict[str, Any]]:
    """The parameters of a path item and its operation that can be read; a bad one does not block the others."""
    listed = [one for table in tables for one in (table.get("parameters") if isinstance(table, dict) else None) or ()]
    found = [find(document, str(ref)[1:]) if (ref := find(one, "/$ref")) is not ABSENT else one for one in listed]
    return [one for one in found if isinstance(find(one, "/name"), str) and isinstance(find(one, "/in"), str)]


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """A Swagger 2.0 document as OpenAPI 3.0, as far as its requests go; the targets of references stay where they are. *pure*."""

    def body(item: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
        every = parameters_in(document, item, one)
        fields = {each["name"]: each for each in every if each["in"] == "formData"}
        files = {name: {"type": "string", "format": "binary"} for name in fields if fields[name].get("type") == "file"}
        plain = {name: {key: each[key] for key in each if key != "required"} for name, each in fields.items()}
        required = [name for name, each in fields.items() if each.get("required")]
        form = {"type": "object", "properties": plain | files, "required": required}
        schemas = [each.get("schema", {}) for each in every if each["in"] == "body"] + [form] * bool(fields)
        kinds = one.get("consumes") or document.get("consumes") or [FORMS[not files] if fields else "application/json"]
        return {"requestBody": {"content": {kind: {"schema": schemas[0]} for kind in kinds}}} if schemas else {}

    paths = {path: {method: one | body(item, one) if method in METHODS else one for method, one in item.items()}
             for path, item in document.get("paths", {}).items()}  # fmt: skip
    scheme = max(document.get("schemes") or ["https"], key="https".__eq__)
    servers = [{"url": f"{scheme}://{document.get('host')}{document.get('basePath', '')}"}] * ("host" in document)
    schemas, key = (document.get("definitions") or {}).items(), "/x-ms-discriminator-value"
    values = {str(find(one, key)): f"#/definitions/{name}" for name, one in schemas if find(one, key) is not ABSENT}
    defs = {name: one | {"discriminator": {"propertyName": tag, "mapping": values}}
            if isinstance(tag := find(one, "/discriminator"), str) else one for name, one in schemas}  # fmt: skip
    new = {"openapi": "3.0.0", "servers": servers, "paths": paths, "definitions": defs}
    return {**document, **new, "components": {"securitySchemes": document.get("securityDefinitions", {})}}


def _operation(root: Table, path: str, method: str, operation: dict[str, Any]) -> Operation:
    body = operation.get("requestBody", {})
    if isinstance(ref := find(body, "/$ref"), str) and ref.startswith("#"):
        body = find(root.value, ref[1:])
    content = find(body, "/content")
    kinds = sorted(map(str, content), key=_rank) if isinstance(content, dict) else []
    name, summary = (text if isinstance(text := operation.get(key), str) else "" for key in ("operationId", "summary"))
    return Operation(method=method, path=path, id=name, summary=summary, content_type=kinds[0] if kinds else "",
                     content_types=tuple(kinds), deprecated=operation.get("deprecated") is True, document=root.value,
                     file=root.file)  # fmt: skip


def is_json(content_type: str) -> bool:
    return not _rank(content_type)[1]


def _rank(content_type: str) -> tuple[bool, bool, int]:
    plain = content_type.split(";", maxsplit=1)[0].strip().lower()
    is_json = plain in ("application/json", "application/*", "*/*", "text/json") or plain.endswith("+json")
    return plain != "application/json", not is_json, [*FORMS, plain].index(plain)


def find_operation(operations: tuple[Operation, ...], name: str, file: str) -> Operation:
    """The operation with this operationId, method and path, or path. *pure*. Raises: SpecError unless exactly one matches."""
    normalised = " ".join(name.split()).lower()
    matching = [one for one in operations if one.id == name]
    matching = matching or [one for one in operations if f"{one.method} {one.path}".lower() == normalised]
    matching = matching or [one for one in operations if one.path == name]
    if len(matching) == 1:
        return matching[0]
    names = [operation.name for operation in operations]
    close = difflib.get_close_matches(name, names, 3, 0.3) or names[:8]
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    count = "more than one" if matching else "no"
    raise SpecError(f"{count} operation with a request body is called {name!r}{hint}", file=file, pointer="/paths")


def operations_text(operations: tuple[Operation, ...]) -> str:
    more = f" and {len(operations) - _MOST_LISTED} more" if len(operations) > _MOST_LISTED else ""
    return (", ".join(map(str, operations[:_MOST_LISTED])) or "none") + more


class Auth(NamedTuple):
    """How a key is sent: the name of a header and the text before the key."""

    header: str
    prefix: str = ""


def server_of(root: Table, *, is_sent: bool) -> str:
    """The URL of the first server, "" if it is not absolute. *pure*. Raises: SpecError if requests would be sent without https."""
    url = find(root.value, "/servers/0/url")
    if is_sent and url is not ABSENT and not (isinstance(url, str) and url.startswith("https://")):
        raise SpecError("a server must be an https URL", file=root.file, pointer="/servers/0/url")
    url, variables = url if isinstance(url, str) else "", find(root.value, "/servers/0/variables")
    items = variables.items() if isinstance(variables, dict) and len(url) <= _LONGEST else ()
    # Once, and short ones only: a default that names other variables could grow without end.
    short = {name: text for name, one in items if len(text := str(find(one, "/default"))) <= _LONGEST}
    url = re.sub(r"\{([^{}]*)\}", lambda name: short.get(name[1], name[0]), url)
    return url.rstrip("/") if url.startswith(("https://", "http://")) else ""


def auth_of(root: Table, operation: Table, oddities: list[Oddity]) -> Auth | None:
    """How an operation takes its key, None if not; adds to `oddities`. Raises: SpecError for an unsupported way."""
    security = operation.value.get("security", root.value.get("security"))
    required = security[0] if isinstance(security, list) and security else None
    if not isinstance(required, dict) or not required:
        return None
    schemes = root.table("components").table("securitySchemes")
    scheme = resolve_reference(root, schemes.table(str(next(iter(required)))))
    kind = scheme.text("type")
    if kind == "apiKey" and scheme.text("in") == "header":
        return Auth(header=scheme.text("name"), prefix=scheme.value.get("x-prefix", ""))
    if kind.lower() == "bearer":
        message = "bearer is not a security type of OpenAPI; treated as type http with scheme bearer"
        oddities.append(Oddity(pointer=f"{scheme.pointer}/type", message=message))
    if kind.lower() == "bearer" or (kind == "http" and scheme.text("scheme").lower() == "bearer"):
        return Auth(header="Authorization", prefix="Bearer ")
    raise scheme.error(f"the security type {kind!r} is not supported, only a key in a header or a bearer token")
