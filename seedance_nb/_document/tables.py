"""The package's own `x-` keys: the check of their values, and the tables as frozen values: task, error codes, price and free calls."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.problem import Oddity
from seedance_nb._base.values import ABSENT, JsonPath, find, find_all, to_path, to_pointer
from seedance_nb._document.reader import SCALARS, objects, packaged
from seedance_nb._schema.library import Draft202012Validator
from seedance_nb._schema.normalise import VALUES, Normaliser
from seedance_nb._schema.validator import errors_of, metavalidator, problem_of, validator_of

_EXTENSIONS = packaged("_extensions")  # the schemas of the keys
ROLES: tuple[str, ...] = (*_EXTENSIONS["field"]["x-role"]["enum"],)
MEDIA_RULES: tuple[str, ...] = (*_EXTENSIONS["kinds"]["media"],)
_UNKNOWN = ("unknown", "additionalProperties", "unevaluatedProperties", "false")


def check_extensions(document: dict[str, Any], file: str) -> None:
    """Validate the package's own `x-` keys. *reads files*. Raises: SpecError at the first invalid or misspelled one."""
    for path, key, value in _keys(document, ()):
        table = _EXTENSIONS["field" if path else "root"]
        if key in table:
            for error in Draft202012Validator(table[key]).iter_errors(value):
                raise SpecError(error.message[:300], file=file, pointer=to_pointer([*path, key, *error.absolute_path]))
        elif near := difflib.get_close_matches(key, table, 1, 0.8):
            raise SpecError(f"unknown key {key}; did you mean {near[0]}?", file=file, pointer=to_pointer([*path, key]))


def _keys(value: Any, path: JsonPath) -> Iterator[tuple[JsonPath, str, Any]]:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(key, str) and key.startswith("x-"):
            yield path, key, item
        elif isinstance(item, dict) or (isinstance(item, list) and not SCALARS.issuperset(map(type, item))):
            yield from _keys(item, (*path, key)) if key not in VALUES else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An object in a document with its file and pointer, so that errors can name them."""

    value: dict[str, Any]
    file: str
    pointer: str

    def error(self, problem: str, *names: str) -> SpecError:
        return SpecError(problem, file=self.file, pointer=self.pointer + to_pointer(names))

    def table(self, name: str, *, optional: bool = False) -> "Table":
        """The object at `name`; an empty one if it is optional and absent. Raises: SpecError otherwise."""
        value = self.value.get(name, {} if optional else ABSENT)
        if not isinstance(value, dict):
            raise self.error("is missing" if value is ABSENT else "must be an object", name)
        return Table(value=value, file=self.file, pointer=self.pointer + to_pointer((name,)))

    def text(self, name: str) -> str:
        value = self.value.get(name, ABSENT)
        if not isinstance(value, str):
            raise self.error("is missing" if value is ABSENT else "must be a string", name)
        return value


def resolve_reference(root: Table, table: Table) -> Table:
    """The target of a local `$ref`, or the table itself without one. *pure*. Raises: SpecError for any other `$ref`."""
    for _ in range(20):  # references may lead in a circle
        if (ref := table.value.get("$ref")) is None:
            return table
        target = find(root.value, ref[1:]) if isinstance(ref, str) and ref.startswith("#/") else ABSENT
        if not isinstance(target, dict):
            outside = "points outside the document, which is not supported"
            raise table.error(f"$ref {ref!r} {'does not exist' if str(ref).startswith('#') else outside}", "$ref")
        table = Table(value=target, file=root.file, pointer=ref[1:])
    raise table.error("this $ref only refers to other references", "$ref")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTable:
    """How a task is followed: the status call, and JSON Pointers into its response. The first alternative with a value counts."""

    id_pointer: str
    status_path: str
    id_parameter: str
    words: dict[str, str]  # the provider's, as `plain_word` has them: queued, running, done or failed
    state: str
    outputs: tuple[str, ...]
    also_id: tuple[str, ...] = ()  # alternatives to `id_pointer`
    also_state: tuple[str, ...] = ()  # alternatives to `state`
    error: tuple[str, ...] = ()
    credits: str = ""
    progress: str = ""  # to a text such as "50%"
    facts: dict[str, Any] = field(default_factory=dict)  # texts, each with the pointer to its value, or two to times
    failed_codes: tuple[str, ...] = ()  # of the status call, which mean that the task failed
    early: tuple[float, ...] = (2, 8)  # seconds of the first status checks
    every: float = 5  # seconds between the next ones
    deadline: float = 7200  # seconds that a task may take
    rate: float = 0  # most requests a second, 0 if unknown
    batch: "Call | None" = None  # answers for many tasks
    result: "Call | None" = None  # answers with the result of a task that is done


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTable:
    """JSON Pointers to a response's code, message and details, and what each of the provider's codes means."""

    code: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    ok: tuple[str, ...] = ()
    refusals: dict[str, str] = field(default_factory=dict)  # by code, the kind of refusal: no task exists
    statuses: dict[str, str] = field(default_factory=dict)  # the same by HTTP status, where a message has no such code
    gone: tuple[str, ...] = ("404",)  # codes and HTTP statuses of the status call for an unknown task
    in_body: tuple[str, ...] = ()  # codes inside HTTP 200, only for the simulator
    invalid: str = "422"  # the code for an invalid request, only for the simulator
    unclear: dict[str, str] = field(default_factory=dict)  # by code or HTTP status: the reason why a task may exist


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceTable:
    """A provider's price: `per_second` units for each second of video, or tokens from `sizes` and `fps`; 0 and {} if unknown. `sizes` has width and height in px by resolution and ratio. `each` is the price of a unit in `currency`, 0 if unknown."""

    unit: str = "credits"
    note: str = "the provider does not document a price"
    source: str = ""
    date: str = ""
    per_second: float = 0
    fps: float = 0
    sizes: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    each: float = 0
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """A free call. `value` and `put` point into its response, whose schema is `reply`; `ready` and `failed` are words for states. One for many tasks takes at most `most` ids as `parameter`; `value` points to its list, `id` to the id in an item, `item` to the item's place in the response about one task."""

    method: str
    path: str
    reply: dict[str, Any]
    value: str = ""
    put: str = ""
    ready: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    parameter: str = ""
    most: int = 50
    id: str = ""
    item: str = ""


def arguments(table: dict[str, Any], *without: str) -> dict[str, Any]:
    """The members of a validated `x-` table as arguments of its class: names with underscores, lists as tuples."""
    members = {name.replace("-", "_"): value for name, value in table.items() if name not in without}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}


def task_table(root: Table, responses: Table) -> tuple[TaskTable, dict[str, Any]]:
    """The task table, from `x-task` and the link that it names, and the schemas of both responses; its own words precede the usual ones. *reads files*. Raises: SpecError."""
    table = root.value["x-task"]
    link = resolve_reference(root, responses.table("200")).table("links").table(table["follow"])
    method, status_path, status = _operation(root, link, "operationId")
    if method != "get":
        raise link.error("the status call must be a GET; no other can be described without Python", "operationId")
    (parameter, expression), *more = link.table("parameters").value.items() or [("", "")]
    if more or not str(expression).startswith("$response.body#/"):
        raise link.error("one parameter is needed: a pointer into the body of the create response", "parameters")
    where = [find(item, "/in") for item in find_all(status.value, "/parameters/*") if find(item, "/name") == parameter]
    if (where, re.findall(r"\{([^{}]*)\}", status_path)) not in ((["query"], []), (["path"], [parameter])):
        raise status.error(f"the status call has no query or path parameter {parameter!r}, or others", "parameters")
    common, own = ([(plain_word(word), state) for state, words in one.items() for word in words]
                   for one in (packaged("_words"), table.get("words", {})))  # fmt: skip
    if twice := sorted({word for at, (word, _) in enumerate(own) if word in dict(own[:at])}):
        raise root.error(f"these words have two states: {', '.join(twice)}", "x-task", "words")
    ids = {"batch": 0, "result": 1}  # parameters in the path
    calls: dict[str, Any] = {one: call_of(root, root.table("x-task").table(one)) for one in ids if one in table}
    rest = arguments(table, "follow", "words", "failed-codes", "poll", *calls) | arguments(table.get("poll", {}))
    if other := [one for one, call in calls.items() if call.method != "get" or call.path.count("{") > ids[one]]:
        raise root.error("this call must be a GET with no parameter in its path but an id", "x-task", *other)
    task = TaskTable(**calls, id_pointer=str(expression).removeprefix("$response.body#"), status_path=status_path, **rest,
                     id_parameter=parameter if where == ["query"] else "", words=dict([*own, *common, *own]),
                     failed_codes=tuple(map(str, table.get("failed-codes", ()))))  # fmt: skip
    made = [reply_of(root, responses, one) for one in responses.value if one.startswith("2")]  # by 201, too
    seen = reply_of(root, status.table("responses"))
    return task, {"create": reply_of(root, responses), "status": seen, "made": made}


def plain_word(word: Any) -> str:
    """A state as words are compared: in lower case, with "_" for spaces and hyphens; a number as its digits. *pure*."""
    return re.sub(r"[\s-]", "_", str(word).strip().casefold()).removesuffix(".0")


def documented(schema: Any, pointer: str, *, lists: bool = False) -> list[Any] | None:
    """The words or numbers (0 for any) that a response documents at `pointer`, [] for any words; None if it has nothing there. With `lists`, lists need no `*`. *pure*."""
    value: Any = "\0"
    for name in reversed(to_path(pointer)):
        value = [value] if name == "*" or name.isdecimal() else {name: value}
    is_schema = next(metavalidator().iter_errors(schema), None) is None
    found = [problem_of(one) for one in errors_of(validator_of(schema), value)] if is_schema else []
    above = [one.rule for one in found if one.path.count("/") < pointer.count("/") and not lists]
    if "type" in above or any(one.rule in _UNKNOWN and "server" not in one.message for one in found):
        return None
    limits = {one.rule: one.limit for one in found}
    return [one for one in limits.get("enum", [0] * ("integer" in str(limits.get("type")))) if one is not None]


def unmatched(task: TaskTable, replies: dict[str, Any], file: str) -> Iterator[Oddity]:
    """What the table reads and no documented response has. *pure*. Raises: SpecError where a paid video would not be found."""
    status, outputs = [replies["status"]], () if task.result else task.outputs
    rows = {"follow": (replies["made"], (task.id_pointer, *task.also_id)), "state": (status, (task.state, *task.also_state)),
            "outputs": (status, outputs), "error": (status, task.error), "credits": (status, (task.credits,))}  # fmt: skip
    for name, (every, pointers) in rows.items():
        if {documented(reply, one, lists=name == "outputs") is None for reply in every for one in pointers} == {True}:
            message = f"no documented response has {' or '.join(pointers)}; correct it, or add it to the response"
            if name in ("follow", "state", "outputs"):
                raise SpecError(f"{message}: a paid video would not be found", file=file, pointer=f"/x-task/{name}")
            yield Oddity(pointer=f"/x-task/{name}", message=message)
    words = {str(word): task.words.get(plain_word(word)) for word in documented(status[0], task.state) or ()}
    if words and "done" not in words.values():
        message = f"no word for done is among the documented {', '.join(words)}: a paid video would not be found"
        raise SpecError(message, file=file, pointer="/x-task/words")
    if unknown := [word for word, state in words.items() if not state and word.casefold() != "unknown"]:
        yield Oddity(pointer="/x-task/words", message=f"no state is given for the documented {', '.join(unknown)}")


def error_table(root: Table, responses: Table) -> ErrorTable:
    """The table of a provider's codes, `x-errors`, with the statuses of the documented refusals. *reads files*. Raises: SpecError if there is none."""
    table = root.table("x-errors").value
    single = {name: [table[name]] for name in ("code", "message", "details") if isinstance(table.get(name), str)}
    texts = {key: [*map(str, value)] if isinstance(value, list) else value for key, value in (table | single).items()}
    own = {name for name in responses.value if re.match("4|default", name) and reply_of(root, responses, name)}
    stated = {one: kind for one, kind in packaged("_skeleton")["statuses"].items() if own & {one, "4XX", "default"}}
    texts |= {"invalid": str(table.get("invalid", "400" if "400" in stated and "422" not in stated else "422"))}
    return ErrorTable(**arguments(texts | {"statuses": stated | table.get("statuses", {})}))


def call_of(root: Table, table: Table) -> Call:
    method, path, operation = _operation(root, table, "operation")
    reply = reply_of(root, operation.table("responses"))
    return Call(method=method, path=path, reply=reply, **arguments(table.value, "operation"))


def callback_of(operation: Table) -> dict[str, str]:
    """The pointers to the task's id in a callback's body, marked `x-fill: id`, and to its URL in the request; {} if none is documented. *pure*."""
    for place, item in [one for _, calls in objects(operation.value.get("callbacks")) for one in calls.items()]:
        for name, child in objects(find(item, "/post/requestBody/content/application~1json/schema/properties")):
            if child.get("x-fill") == "id":
                return {"callback_id": f"/{name}", "callback_url": str(place).partition("#")[2].removesuffix("}")}
    return {}


def _operation(root: Table, table: Table, key: str) -> tuple[str, str, Table]:
    name, paths = table.text(key), root.table("paths")
    for path, item in paths.value.items():
        for method, operation in item.items() if isinstance(item, dict) else ():
            if find(operation, "/operationId") == name:
                return method, path, paths.table(path).table(method)
    raise table.error(f"no operation has the operationId {name!r}", key)


def reply_of(root: Table, responses: Table, status: str = "200") -> Any:
    """The schema of a response's JSON, {} if it documents none. *pure*. Raises: SpecError."""
    contents = resolve_reference(root, responses.table(status, optional=True)).table("content", optional=True)
    content = contents.table("application/json", optional=True)
    return Normaliser(root.value, root.file).root(content.value.get("schema", {}), f"{content.pointer}/schema")
