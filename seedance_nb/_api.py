"""The functions of the package: the session's verbs with the defaults filled in."""

from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from seedance_nb._base.problem import Problem
from seedance_nb._base.secret import hidden, without_keys_in
from seedance_nb._check.price import Estimate
from seedance_nb._document.load import spec
from seedance_nb._media.preflight import Report
from seedance_nb._notebook.compare.comparison import Comparison
from seedance_nb._notebook.compare.shared_words import together
from seedance_nb._session.catalogue import Models
from seedance_nb._session.session import Document, default
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task, Tasks
from seedance_nb._task.video import Video

T = TypeVar("T")

if TYPE_CHECKING:
    from seedance_nb._form.form import Form
    from seedance_nb._notebook.panel import Panel

__all__ = [
    "asset",
    "balance",
    "callback",
    "check",
    "compare",
    "estimate",
    "form",
    "generate",
    "models",
    "panel",
    "preflight",
    "spec",
    "submit",
    "task",
    "tasks",
    "upload",
]


def models() -> Models:
    """The documents that come with the package, as a table. *reads files*."""
    return Models(default())


def form(document: Document, /) -> "Form":
    """A form for a document's request; `form.values` is what it says now, `form.problems` what is wrong. *reads files*.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used.
    """
    from seedance_nb._form.form import Form

    return Form(spec(document))


def panel(
    document: Document,
    /,
    *,
    budget: float | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    simulate: bool | None = None,
) -> "Panel":
    """Form, price, Generate, progress and the video in one cell. Nothing is paid for before Generate is pressed.

    With a key the provider's free estimate call is asked while the form is filled in, if it has one (*network*); where the
    key goes stands at the top. Without a key it works against the simulator and says so. `budget` is that of `submit`. Raises: SpecError.
    """
    from seedance_nb._notebook.panel import Panel

    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return Panel(spec(document), default(secret, base_url, simulate=simulate), budget)


def check(document: Document, /, *, extra: Mapping[str, Any] | None = None, **fields: Any) -> tuple[Problem, ...]:
    """Every problem of these fields at once, () if nothing is wrong. *pure*: nothing is sent or recorded.

    Those that refuse come first; those whose `warns` is True are limits known from elsewhere, and stop nothing.
    Raises: SpecError.
    """
    return default().check(document, extra=extra, **fields)


def submit(
    document: Document,
    /,
    *,
    take: int = 1,
    extra: Mapping[str, Any] | None = None,
    preflight: bool = False,
    budget: float | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    simulate: bool | None = None,
    **fields: Any,
) -> Task:
    """The task, at once; recorded before it is sent. *spends credits*, *network*, *writes ledger*.

    The same request again is the same task and costs nothing; `take=2` asks for another video of it. `extra` holds
    undocumented fields that are sent knowingly. With `preflight` the files behind the addresses are looked at first, for
    8 s at most. A limit that is only known from elsewhere is told as a `LimitWarning`. `budget` is the most that the
    provider's tasks in this ledger may come to, this one among them, in its unit (credits, tokens); where nobody is there
    to ask (papermill, nbconvert, CI), a request that costs anything needs one.

    Raises: InvalidInput with every problem before anything is recorded; SpecError; Unauthorized; LedgerError; OverBudget; MediaError for a folder that
    cannot be written.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    session = default(secret, base_url, simulate=simulate)
    return session.submit(document, take=take, extra=extra, preflight=preflight, budget=budget, **fields)


def generate(
    document: Document,
    /,
    *,
    timeout: float | None = None,
    take: int = 1,
    extra: Mapping[str, Any] | None = None,
    preflight: bool = False,
    budget: float | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    simulate: bool | None = None,
    **fields: Any,
) -> Video:
    """The video; `submit` and `wait` in one. *spends credits*, *network*, *writes ledger*, *writes files*.

    `timeout` is in seconds; the other options are those of `submit`. Raises: what `submit` and `Task.wait` raise.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    session = default(secret, base_url, simulate=simulate)
    return session.submit(document, take=take, extra=extra, preflight=preflight, budget=budget, **fields).wait(timeout)


def compare(
    prompt: str,
    names: Document | Sequence[Document],
    /,
    *,
    simulate: bool | None = None,
    take: int = 1,
    budget: float | None = None,
    **shared: Any,
) -> Comparison:
    """One prompt for several models, whose videos come side by side. Nothing is sent before it is asked for. *reads files*.

    `shared` are words that every model gets in its own terms: `seconds` (number, s), `ratio` ("16:9", or "auto" for the
    model's choice), `resolution` ("720p"), `audio` (True or False), `first_frame` and `last_frame` (the address of an
    image), `reference_images`, `reference_videos` and `reference_audios` (lists of addresses). What a model has no
    field for is told, and so is what it does not allow; nothing is clamped or rounded.

    Shown in a cell it is a table, which asks the providers' free estimate calls (*network*), with one button, which asks
    once more where it costs anything; `.submit(confirm=True)` and `.generate(confirm=True)` send without a cell. Keys come
    from the environment; a model without one goes to the simulator, as all do with `simulate=True`. `take=2` makes another
    video of each. `budget` is the most that the tasks of each provider in this ledger may come to, in its unit.

    Raises: InvalidInput for a word that is not shared, with the nearest that is; SpecError.
    """
    return Comparison(default(simulate=simulate), names, together(prompt, shared), show=_show, take=take, budget=budget)


def _show(comparison: Comparison) -> None:
    from seedance_nb._notebook.compare.view import ComparisonView

    ComparisonView(comparison).show()


def tasks(limit: int = 100) -> Tasks:
    """The latest tasks of the ledger, unresolved ones first. *reads files*."""
    return default().tasks(limit)


def task(
    name: str | int,
    /,
    *,
    document: Document | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
) -> Task:
    """The task that the ledger knows by this name, ready to be waited for; nothing is sent. *reads files*.

    `document` is needed where the task's document came from a file or a dict.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return default(secret, base_url).task(name, document=document)


def preflight(document: Document, /, *, base_url: str | None = None, **fields: Any) -> Report:
    """What the files of these fields are like, held against the document's limits. *network*, *reads files*.

    Each file fits a limit, breaks it, or could not be checked and why. Only the beginning of each public address is fetched,
    130 kB or what its index needs, without a key; local files are read in place. Raises: SpecError.
    """
    return default(None, base_url).preflight(document, **fields)


def estimate(
    document: Document, /, *, api_key: str | None = None, base_url: str | None = None, **fields: Any
) -> Estimate:
    """What these fields would cost, as far as anybody says so; the ledger keeps it with the task. *network*.

    From the provider's estimate call where it has one and a key is there, else from the table in the document.
    Raises: InvalidInput with every problem; SpecError.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return default(secret, base_url).estimate(document, **fields)


def balance(document: Document, /, *, api_key: str | None = None, base_url: str | None = None) -> float:
    """What is left on the account, in the document's unit. *network*.

    Raises: SeedanceError where the provider has no such call or does not answer; Refused and its kinds.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return _done(default(secret, base_url).advice.desk(spec(document)).balance())


def upload(
    document: Document,
    file: str | Path | bytes,
    /,
    *,
    name: str = "",
    api_key: str | None = None,
    base_url: str | None = None,
) -> str:
    """The public address that the provider gives to a local file. *reads files*, *network*; no credits are spent.

    `file` is a path, or bytes with a `name` that has the right ending. Raises: SeedanceError where the provider takes no
    files, or this one cannot be read or sent; Refused and its kinds.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return _done(default(secret, base_url).advice.desk(spec(document)).upload(file, name))


def asset(
    document: Document,
    address: str,
    /,
    *,
    kind: Literal["image", "video", "audio"] = "image",
    name: str = "",
    api_key: str | None = None,
    base_url: str | None = None,
) -> str:
    """The `asset://` address of a public address, once the provider says that it is ready. *network*; no credits are spent.

    Raises: SeedanceError where the provider has no assets, refuses this one or takes longer than 300 s; Refused and its kinds.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return _done(default(secret, base_url).advice.desk(spec(document)).asset(address, kind, name))


def callback(
    payload: Mapping[str, Any] | str | bytes, /, *, document: Document | None = None, api_key: str | None = None
) -> Task:
    """The task that a provider's callback speaks of, after a look of our own with the key. *network*, *writes ledger*.

    A callback carries no signature, so nothing else of it is believed. Raises: SeedanceError for one that names no task
    of the ledger; Unauthorized.
    """
    secret, payload = hidden(api_key), without_keys_in(payload)
    del api_key  # a traceback can show variables
    return default(secret).callback(payload, document=document)


def _done(work: Coroutine[Any, Any, T]) -> T:
    return wait_for(ENGINE.submit(work))
