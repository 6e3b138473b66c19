"""The `x-` tables of a document as frozen values: the life of a task, the provider's codes, the limits on media."""

from dataclasses import dataclass
from typing import Any

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import ABSENT, find, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An object inside a document, with its place: reading it wrongly names file and pointer."""

    value: dict[str, Any]
    file: str
    pointer: str

    def error(self, problem: str, *names: str) -> SpecError:
        """A SpecError at this place or at a member of it. *pure*."""
        return SpecError(problem, file=self.file, pointer=self.pointer + join(names))

    def table(self, name: str, *, optional: bool = False) -> "Table":
        """The object at `name`; an empty one where it is optional and absent. Raises: SpecError otherwise."""
        value = self.value.get(name, {} if optional else ABSENT)
        if not isinstance(value, dict):
            raise self.error("is missing" if value is ABSENT else "must be an object", name)
        return Table(value=value, file=self.file, pointer=self.pointer + join((name,)))

    def text(self, name: str, default: str | None = None) -> str:
        """The text at `name`. Raises: SpecError where it is not text, or absent without a default."""
        value = self.value.get(name, ABSENT if default is None else default)
        if not isinstance(value, str):
            raise self.error("is missing" if value is ABSENT else "must be text", name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts at `name`, () where absent. Raises: SpecError where it is not a list of texts."""
        value = self.value.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error("must be a list of texts", name)
        return tuple(value)

    def pointers(self, name: str) -> tuple[str, ...]:
        """The JSON Pointers at `name`, which may be one alone; () where absent. Raises: SpecError for anything else."""
        value = self.value.get(name)
        return (value,) if isinstance(value, str) else self.texts(name)

    def number(self, name: str, default: float | None = None) -> float:
        """The number at `name`. Raises: SpecError where it is not a number, or absent without a default."""
        value = self.value.get(name, ABSENT if default is None else default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error("is missing" if value is ABSENT else "must be a number", name)
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
    also_id: tuple[str, ...]
    status_path: str
    id_parameter: str
    state: str
    words: dict[str, str]
    outputs: tuple[str, ...]
    error: tuple[str, ...]
    credits: str
    progress: str
    failed_codes: tuple[str, ...]
    early: tuple[float, ...]
    every: float
    deadline: float


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

    code: tuple[str, ...]
    message: tuple[str, ...]
    details: tuple[str, ...]
    ok: tuple[int | str, ...]
    refusals: dict[str, str]
    statuses: dict[str, str]
    gone: tuple[str, ...]
    in_body: tuple[str, ...]
    invalid: str
    unclear: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceTable:
    """What a provider says of its prices, and where: `per_second` units for each second of video, or tokens by `sizes`.

    `sizes` has width and height in px for a resolution and a ratio, `fps` frames per second; 0 and {} where neither is
    known. `each` is the price of one unit in `currency`, 0 if none is published.
    """

    unit: str
    note: str
    source: str
    date: str
    per_second: float
    fps: float
    sizes: dict[str, dict[str, list[int]]]
    each: float
    currency: str


def price_table(root: Table) -> PriceTable:
    """The price table of a document, `x-price`; one that knows nothing where there is none. Raises: SpecError."""
    table = root.table("x-price", optional=True)
    tokens = table.table("tokens", optional=True)
    return PriceTable(
        unit=table.text("unit", "credits"),
        note=table.text("note", "no price is documented"),
        source=table.text("source", ""),
        date=table.text("date", ""),
        per_second=table.number("per_second", 0),
        fps=tokens.number("fps", 0),
        sizes=tokens.table("sizes", optional=True).value,
        each=table.number("each", 0),
        currency=table.text("currency", "USD"),
    )


def task_table(root: Table, responses: Table, common: dict[str, str]) -> TaskTable:
    """The task table of a document: `x-task` and the OpenAPI link that it names. Raises: SpecError.

    `common` are words for states that stand behind the document's own.
    """
    table = root.table("x-task")
    link = responses.table("200").table("links").table(table.text("follow"))
    status_path, status = _named_operation(root, link)
    (parameter, expression), *more = link.table("parameters").value.items() or [("", "")]
    if more or not str(expression).startswith("$response.body#/"):
        raise link.error("exactly one parameter, a pointer into the create answer, is needed", "parameters")
    listed = status.value.get("parameters")
    placed = (
        [find(item, "/in") for item in listed if find(item, "/name") == parameter] if isinstance(listed, list) else []
    )
    if placed not in (["query"], ["path"]):
        raise status.error(f"the status call has no query or path parameter {parameter!r}", "parameters")
    words = table.table("words", optional=True)
    own = [(word.casefold(), state) for state in words.value for word in words.texts(state)]
    said = [word for word, _ in own]
    twice = {word for word in said if said.count(word) > 1}
    if twice:
        raise words.error(f"these words have two meanings: {', '.join(sorted(twice))}")
    poll = table.table("poll", optional=True)
    return TaskTable(
        id_pointer=str(expression).removeprefix("$response.body#"),
        also_id=table.texts("also-id"),
        status_path=status_path,
        id_parameter=parameter if placed == ["query"] else "",
        state=table.text("state"),
        words=common | dict(own),
        outputs=table.texts("outputs"),
        error=table.texts("error"),
        credits=table.text("credits", ""),
        progress=table.text("progress", ""),
        failed_codes=tuple(str(code) for code in table.value.get("failed-codes", ())),
        early=tuple(float(second) for second in poll.value.get("early", (2, 8))),
        every=poll.number("every", 5),
        deadline=poll.number("deadline", 7200),
    )


def _named_operation(root: Table, link: Table) -> tuple[str, Table]:
    wanted = link.text("operationId")
    paths = root.table("paths")
    for path, item in paths.value.items():
        if find(item, "/get/operationId") == wanted:
            return path, paths.table(path).table("get")
    raise link.error(f"no GET operation has the operationId {wanted!r}", "operationId")


def error_table(root: Table) -> ErrorTable:
    """The table of a provider's codes, `x-errors`. Raises: SpecError."""
    table = root.table("x-errors")
    refusals = table.table("refusals", optional=True)
    return ErrorTable(
        code=table.pointers("code"),
        message=table.pointers("message"),
        details=table.pointers("details"),
        ok=tuple(table.value.get("ok", ())),
        refusals={str(code): meaning for code, meaning in refusals.value.items()},
        statuses={str(code): meaning for code, meaning in table.table("statuses", optional=True).value.items()},
        gone=tuple(str(code) for code in table.value.get("gone", (404,))),
        in_body=tuple(str(code) for code in table.value.get("in-body", ())),
        invalid=str(table.value.get("invalid", 422)),
        unclear={str(code): str(why) for code, why in table.table("unclear", optional=True).value.items()},
    )
