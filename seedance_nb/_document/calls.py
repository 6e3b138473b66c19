"""What belongs to an operation that is paid for: where it goes, how a key travels, and the calls beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find
from seedance_nb._document.operations import METHODS, followed
from seedance_nb._document.tables import Table, TaskTable
from seedance_nb._schema.normalise import Normaliser


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How a key travels: a header's name and the text before the key."""

    header: str
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A free call beside the paid one. `value` and `put` are JSON Pointers into its answer, whose schema is `reply`.

    `ready` and `failed` are the words of a call that tells how something is getting on.
    """

    method: str
    path: str
    value: str
    put: str
    ready: tuple[str, ...]
    failed: tuple[str, ...]
    reply: dict[str, Any]


def server_of(root: Table, *, is_sent: bool) -> str:
    """The document's first server, "" if it has none that can be used as it stands. *pure*.

    Raises: SpecError for one that is not https, where requests are sent there.
    """
    url = find(root.value, "/servers/0/url")
    if is_sent and url is not ABSENT and not (isinstance(url, str) and url.startswith("https://")):
        raise SpecError("a server must be an https address", file=root.file, pointer="/servers/0/url")
    if not isinstance(url, str):
        return ""
    variables = find(root.value, "/servers/0/variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        url = url.replace(f"{{{name}}}", str(find(variable, "/default")))
    return url.rstrip("/") if url.startswith(("https://", "http://")) else ""


def auth_of(root: Table, operation: Table, tell: Callable[[str, str], None], *, is_sent: bool) -> Auth | None:
    """How an operation wants its key, None if it wants none. *pure*; `tell` takes pointer and sentence of an oddity.

    Raises: SpecError for a way that is not known here, where requests are sent.
    """
    asked = operation.value.get("security", root.value.get("security"))
    named = asked[0] if isinstance(asked, list) and asked else None
    if not isinstance(named, dict) or not named:
        return None
    try:
        return _auth(root, str(next(iter(named))), tell)
    except SpecError:
        if is_sent:
            raise
        return None


def _auth(root: Table, name: str, tell: Callable[[str, str], None]) -> Auth:
    scheme = followed(root, root.table("components").table("securitySchemes").table(name))
    kind = scheme.text("type")
    if kind.lower() == "bearer":
        tell(
            f"{scheme.pointer}/type", "the type bearer is none of OpenAPI's; it is read as http with the scheme bearer"
        )
        return Auth(header="Authorization", prefix="Bearer ")
    if kind == "apiKey" and scheme.text("in") == "header":
        return Auth(header=scheme.text("name"))
    if kind == "http" and scheme.text("scheme").lower() == "bearer":
        return Auth(header="Authorization", prefix="Bearer ")
    raise SpecError(
        f"a key of type {kind!r} is not supported, only a header or a bearer", file=root.file, pointer=scheme.pointer
    )


def replies_of(root: Table, created: Table, task: TaskTable) -> dict[str, Any]:
    """The schemas of the answers to the paid call and to the status call. *pure*. Raises: SpecError."""
    followed = root.table("paths").table(task.status_path).table("get").table("responses")
    return {"create": _reply(root, created), "status": _reply(root, followed)}


def calls_of(root: Table) -> dict[str, Call]:
    """The calls that `x-calls` names, by our names for them. *pure*. Raises: SpecError for one that is not there."""
    made = {}
    table = root.table("x-calls", optional=True)
    for name in table.value:
        told = table.table(name)
        method, path, operation = _operation(root, told)
        made[name] = Call(
            method=method,
            path=path,
            value=told.text("value"),
            put=told.text("put", ""),
            ready=told.texts("ready"),
            failed=told.texts("failed"),
            reply=_reply(root, operation.table("responses")),
        )
    return made


def callback_id(operation: Table) -> str:
    """Where a callback's body holds the id of its task, by the mark `x-fill: id`; "" if none is documented. *pure*."""
    for by_expression in operation.table("callbacks", optional=True).value.values():
        for item in by_expression.values() if isinstance(by_expression, dict) else ():
            properties = find(item, "/post/requestBody/content/application~1json/schema/properties")
            for name, child in properties.items() if isinstance(properties, dict) else ():
                if find(child, "/x-fill") == "id":
                    return f"/{name}"
    return ""


def _operation(root: Table, told: Table) -> tuple[str, str, Table]:
    wanted = told.text("operation")
    for path, item in root.table("paths").value.items():
        for method in ("get", *METHODS):
            if find(item, f"/{method}/operationId") == wanted:
                return method, path, root.table("paths").table(path).table(method)
    raise told.error(f"no operation has the operationId {wanted!r}", "operation")


def _reply(root: Table, responses: Table) -> Any:
    content = responses.table("200").table("content").table("application/json")
    pointer = f"{content.pointer}/schema"
    return Normaliser(root.value, root.file).schema(content.table("schema").value, pointer)
