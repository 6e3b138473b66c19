"""The `x-` tables of a document as frozen values: the life of a task, the provider's codes, prices, and the free calls."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find, to_pointer
from seedance_nb._schema.normalise import Normaliser


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An object inside a document, with its place: reading it wrongly names file and pointer."""

    value: dict[str, Any]
    file: str
    pointer: str

    def error(self, problem: str, *names: str) -> SpecError:
        """A SpecError at this place or at a member of it. *pure*."""
        return SpecError(problem, file=self.file, pointer=self.pointer + to_pointer(names))

    def table(self, name: str, *, optional: bool = False) -> "Table":
        """The object at `name`; an empty one where it is optional and absent. Raises: SpecError otherwise."""
        value = self.value.get(name, {} if optional else ABSENT)
        if not isinstance(value, dict):
            raise self.error("is missing" if value is ABSENT else "must be an object", name)
        return Table(value=value, file=self.file, pointer=self.pointer + to_pointer((name,)))

    def text(self, name: str) -> str:
        """The text at `name`. Raises: SpecError where there is none."""
        value = self.value.get(name, ABSENT)
        if not isinstance(value, str):
            raise self.error("is missing" if value is ABSENT else "must be text", name)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTable:
    """How a task is followed: the status call, and JSON Pointers into its answer.

    `words` maps the provider's lower-cased words to queued, running, done or failed. `early` are the first looks and
    `every` the usual distance between looks, in seconds; `deadline` is how long to look at all, in seconds. Of `outputs`
    and `error` the first pointer that leads to something counts; `failed_codes` are codes of the status call that say that
    the task has failed; `progress` leads to a text such as "50%", "" if the provider tells none.
    """

    id_pointer: str
    status_path: str
    id_parameter: str
    words: dict[str, str]
    state: str
    outputs: tuple[str, ...]
    also_id: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    credits: str = ""
    progress: str = ""
    failed_codes: tuple[str, ...] = ()
    early: tuple[float, ...] = (2, 8)
    every: float = 5
    deadline: float = 7200


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTable:
    """Where an answer says whether it is a yes, and what each of the provider's codes means.

    `refusals` maps a code to one of refused, unauthorized, no-credits, rate-limited, unavailable: after these a task
    certainly does not exist; `statuses` does so for HTTP statuses, where the answer has the provider's own shape (a
    message) and none of these codes. `unclear` maps a code or an HTTP status to the reason why a task may exist.
    A provider without codes has no `code` pointers. `gone` are codes and HTTP statuses of the status call for a task that is
    not known; `in_body` are codes that come inside HTTP 200, and `invalid` is the one for a wrong request: both are only
    what the simulator answers.
    """

    code: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    ok: tuple[str, ...] = ()
    refusals: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ("404",)
    in_body: tuple[str, ...] = ()
    invalid: str = "422"
    unclear: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceTable:
    """What a provider says of its prices, and where: `per_second` units for each second of video, or tokens by `sizes`.

    `sizes` has width and height in px for a resolution and a ratio, `fps` frames per second; 0 and {} where neither is
    known. `each` is the price of one unit in `currency`, 0 if none is published.
    """

    unit: str = "credits"
    note: str = "no price is documented"
    source: str = ""
    date: str = ""
    per_second: float = 0
    fps: float = 0
    sizes: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    each: float = 0
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A free call beside the paid one. `value` and `put` are JSON Pointers into its answer, whose schema is `reply`.

    `ready` and `failed` are the words of a call that tells how something is getting on.
    """

    method: str
    path: str
    reply: dict[str, Any]
    value: str
    put: str = ""
    ready: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def _named(told: dict[str, Any], *without: str) -> dict[str, Any]:
    """What an `x-` table says, as arguments of its class: names with underscores, lists as tuples.

    The table was checked against its schema when the document was read, and the class has the schema's own names.
    """
    members = {name.replace("-", "_"): value for name, value in told.items() if name not in without}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}


def price_table(root: Table) -> PriceTable:
    """The price table of a document, `x-price`; one that knows nothing where there is none. *pure*."""
    told = root.value.get("x-price", {})
    return PriceTable(**_named(told, "tokens", "quote"), **told.get("tokens", {}))


def task_table(root: Table, responses: Table, common: dict[str, str]) -> TaskTable:
    """The task table of a document: `x-task` and the OpenAPI link that it names. *pure*. Raises: SpecError.

    `common` are words for states that stand behind the document's own.
    """
    told = root.value["x-task"]
    link = responses.table("200").table("links").table(told["follow"])
    method, status_path, status = _operation(root, link, "operationId")
    if method != "get":
        raise link.error("the status call must be a GET", "operationId")
    (parameter, expression), *more = link.table("parameters").value.items() or [("", "")]
    if more or not str(expression).startswith("$response.body#/"):
        raise link.error("exactly one parameter, a pointer into the create answer, is needed", "parameters")
    listed = status.value.get("parameters")
    named = [item for item in listed if find(item, "/name") == parameter] if isinstance(listed, list) else []
    where = [find(item, "/in") for item in named]
    if where not in (["query"], ["path"]):
        raise status.error(f"the status call has no query or path parameter {parameter!r}", "parameters")
    own = [(word.casefold(), state) for state, words in told.get("words", {}).items() for word in words]
    if twice := sorted(word for word, count in Counter(word for word, _ in own).items() if count > 1):
        raise root.error(f"these words have two meanings: {', '.join(twice)}", "x-task", "words")
    return TaskTable(
        id_pointer=str(expression).removeprefix("$response.body#"),
        status_path=status_path,
        id_parameter=parameter if where == ["query"] else "",
        words=common | dict(own),
        failed_codes=tuple(map(str, told.get("failed-codes", ()))),
        **_named(told, "follow", "words", "failed-codes", "poll"),
        **_named(told.get("poll", {})),
    )


def error_table(root: Table) -> ErrorTable:
    """The table of a provider's codes, `x-errors`. *pure*. Raises: SpecError where there is none."""
    told = root.table("x-errors").value
    alone = {name: [told[name]] for name in ("code", "message", "details") if isinstance(told.get(name), str)}
    return ErrorTable(**_named({name: _as_text(value) for name, value in (told | alone).items()}))


def _as_text(codes: Any) -> Any:
    if isinstance(codes, dict):
        return {str(code): meaning for code, meaning in codes.items()}
    return [str(code) for code in codes] if isinstance(codes, list) else str(codes)


def calls_of(root: Table) -> dict[str, Call]:
    """The calls that `x-calls` names, by our names for them. *pure*. Raises: SpecError for one that is not there."""
    made = {}
    for name, told in root.value.get("x-calls", {}).items():
        method, path, operation = _operation(root, root.table("x-calls").table(name), "operation")
        reply = _reply(root, operation.table("responses"))
        made[name] = Call(method=method, path=path, reply=reply, **_named(told, "operation"))
    return made


def replies_of(root: Table, created: Table, task: TaskTable) -> dict[str, Any]:
    """The schemas of the answers to the paid call and to the status call. *pure*. Raises: SpecError."""
    followed = root.table("paths").table(task.status_path).table("get").table("responses")
    return {"create": _reply(root, created), "status": _reply(root, followed)}


def callback_id(operation: Table) -> str:
    """Where a callback's body holds the id of its task, by the mark `x-fill: id`; "" if none is documented. *pure*."""
    for by_expression in operation.table("callbacks", optional=True).value.values():
        for item in by_expression.values() if isinstance(by_expression, dict) else ():
            properties = find(item, "/post/requestBody/content/application~1json/schema/properties")
            for name, child in properties.items() if isinstance(properties, dict) else ():
                if find(child, "/x-fill") == "id":
                    return f"/{name}"
    return ""


def _operation(root: Table, told: Table, key: str) -> tuple[str, str, Table]:
    """Method, path and table of the operation whose operationId a table has under `key`."""
    wanted = told.text(key)
    paths = root.table("paths")
    for path, item in paths.value.items():
        for method, operation in item.items() if isinstance(item, dict) else ():
            if find(operation, "/operationId") == wanted:
                return method, path, paths.table(path).table(method)
    raise told.error(f"no operation has the operationId {wanted!r}", key)


def _reply(root: Table, responses: Table) -> Any:
    content = responses.table("200").table("content").table("application/json")
    pointer = f"{content.pointer}/schema"
    return Normaliser(root.value, root.file).schema(content.table("schema").value, pointer)
