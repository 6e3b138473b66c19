"""The functions of the package: the session's verbs with the defaults filled in."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from seedance_nb._base.secret import Secret, as_secret, mask_keys_in
from seedance_nb._document.load import spec
from seedance_nb._notebook.compare.comparison import Comparison
from seedance_nb._notebook.compare.shared_words import shared_values
from seedance_nb._session.catalogue import Models
from seedance_nb._session.session import Document, Session
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.task import Task

P = ParamSpec("P")
T = TypeVar("T")

if TYPE_CHECKING:
    from seedance_nb._form.form import Form
    from seedance_nb._notebook.panel import Panel


@functools.lru_cache(maxsize=8)
def _session(
    given: Secret | None, base_url: str | None, simulate: bool | None, _ledger_name: str, _outputs: str
) -> Session:
    return Session(api_key=given, base_url=base_url, simulate=simulate, for_one=True)


def _default(*, api_key: str | None = None, base_url: str | None = None, simulate: bool | None = None) -> Session:
    """The session of these functions, one for each key, address, ledger and folder that is named. Reads the environment."""
    return _session(
        as_secret(api_key), base_url, simulate, os.getenv("SEEDANCE_LEDGER", ""), os.getenv("SEEDANCE_OUTPUTS", "")
    )


def _with_hidden_key(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, which sees a key only hidden: a traceback can show its variables."""

    @functools.wraps(function)
    def call(*given: P.args, **named: P.kwargs) -> T:
        if "api_key" in named:
            named["api_key"] = as_secret(named.pop("api_key"))
        return function(*given, **named)

    return call


def _verb(method: Callable[Concatenate[Session, P], T], *doors: str) -> Callable[P, T]:
    """A method of the default session as a function. `doors` are the parameters of `_default` that it takes besides.

    It has the method's parameters and docstring, so that each is written once.
    """

    @functools.wraps(method)
    def verb(*given: P.args, **named: P.kwargs) -> T:
        chosen: dict[str, Any] = {name: named.pop(name) for name in doors if name in named}
        return method(_default(**chosen), *given, **named)

    _, *own = inspect.signature(method).parameters.values()
    besides = [inspect.signature(_default).parameters[name] for name in doors]
    fields = [own.pop()] if own[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    function: Any = _with_hidden_key(verb) if "api_key" in doors else verb
    function.__signature__ = inspect.signature(method).replace(parameters=[*own, *besides, *fields])
    function.__module__, function.__qualname__ = __name__, method.__name__
    return function  # type: ignore[no-any-return]


check = _verb(Session.check)
submit = _verb(Session.submit, "api_key", "base_url", "simulate")
generate = _verb(Session.generate, "api_key", "base_url", "simulate")
preflight = _verb(Session.preflight, "base_url")
estimate = _verb(Session.estimate, "api_key", "base_url")
tasks = _verb(Session.tasks)


def models() -> Models:
    """The documents that come with the package, as a table. *reads files*."""
    return Models(_default())


def form(document: Document, /) -> "Form":
    """A form for a document's request; `form.values` is what it says now, `form.problems` what is wrong. *reads files*.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used.
    """
    from seedance_nb._form.form import Form

    return Form(spec(document))


@_with_hidden_key
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

    return Panel(spec(document), _default(api_key=api_key, base_url=base_url, simulate=simulate), budget)


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
    return Comparison(
        _default(simulate=simulate), names, shared_values(prompt, shared), show=_show, take=take, budget=budget
    )


def _show(comparison: Comparison) -> None:
    from seedance_nb._notebook.compare.view import ComparisonView

    ComparisonView(comparison).show()


@_with_hidden_key
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
    return _default(api_key=api_key, base_url=base_url).task(name, document=document)


@_with_hidden_key
def balance(document: Document, /, *, api_key: str | None = None, base_url: str | None = None) -> float:
    """What is left on the account, in the document's unit. *network*.

    Raises: SeedanceError where the provider has no such call or does not answer; Refused and its kinds.
    """
    return ENGINE.run(_default(api_key=api_key, base_url=base_url).advice.account(spec(document)).balance())


@_with_hidden_key
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
    return ENGINE.run(_default(api_key=api_key, base_url=base_url).advice.account(spec(document)).upload(file, name))


@_with_hidden_key
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
    return ENGINE.run(
        _default(api_key=api_key, base_url=base_url).advice.account(spec(document)).asset(address, kind, name)
    )


def callback(
    payload: Mapping[str, Any] | str | bytes, /, *, document: Document | None = None, api_key: str | None = None
) -> Task:
    """The task that a provider's callback speaks of, after a look of our own with the key. *network*, *writes ledger*.

    A callback carries no signature, so nothing else of it is believed. Raises: SeedanceError for one that names no task
    of the ledger; Unauthorized.
    """
    key: Any = as_secret(api_key)
    payload = mask_keys_in(payload)
    del api_key  # a traceback can show variables, those of a function around this one, too: so it has none
    return _default(api_key=key).callback(payload, document=document)
