"""The functions of the package: the session's verbs with the defaults filled in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seedance_nb._display import Video
from seedance_nb._handle import Task, Tasks
from seedance_nb._keys import hidden
from seedance_nb._session import Document, Models, default
from seedance_nb._spec import spec
from seedance_nb._values import Problem

if TYPE_CHECKING:
    from seedance_nb._form import Form
    from seedance_nb._panel import Panel

__all__ = ["check", "form", "generate", "models", "panel", "spec", "submit", "task", "tasks"]


def models() -> Models:
    """The documents that come with the package, as a table. *reads files*."""
    return Models(default())


def form(document: Document, /) -> "Form":
    """A form for a document's request; `form.values` is what it says now, `form.problems` what is wrong. *reads files*.

    Raises: SpecError with file and JSON Pointer for a document that cannot be used.
    """
    from seedance_nb._form import Form

    return Form(spec(document))


def panel(
    document: Document, /, *, api_key: str | None = None, base_url: str | None = None, simulate: bool | None = None
) -> "Panel":
    """Form, price, Generate, progress and the video in one cell. Nothing is sent before Generate is pressed.

    Without a key it works against the simulator and says so. Raises: SpecError.
    """
    from seedance_nb._panel import Panel

    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return Panel(spec(document), default(secret, base_url, simulate=simulate))


def check(document: Document, /, *, extra: Mapping[str, Any] | None = None, **fields: Any) -> tuple[Problem, ...]:
    """Every problem of these fields at once, () if they may be sent. *pure*: nothing is sent or recorded.

    Raises: SpecError.
    """
    return default().check(document, extra=extra, **fields)


def submit(
    document: Document,
    /,
    *,
    take: int = 1,
    extra: Mapping[str, Any] | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
    simulate: bool | None = None,
    **fields: Any,
) -> Task:
    """The task, at once; recorded before it is sent. *spends credits*, *network*, *writes ledger*.

    The same request again is the same task and costs nothing; `take=2` asks for another video of it. `extra` holds
    undocumented fields that are sent knowingly.

    Raises: InvalidInput with every problem before anything is recorded; SpecError; Unauthorized; LedgerError; MediaError for a folder that
    cannot be written.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return default(secret, base_url, simulate=simulate).submit(document, take=take, extra=extra, **fields)


def generate(
    document: Document,
    /,
    *,
    timeout: float | None = None,
    take: int = 1,
    extra: Mapping[str, Any] | None = None,
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
    return session.submit(document, take=take, extra=extra, **fields).wait(timeout)


def tasks(limit: int = 100) -> Tasks:
    """The latest tasks of the ledger, unresolved ones first. *reads files*."""
    return default().tasks(limit)


def task(name: str | int, /, *, document: Document | None = None, api_key: str | None = None) -> Task:
    """The task that the ledger knows by this name, ready to be waited for; nothing is sent. *reads files*.

    `document` is needed where the task's document came from a file or a dict.
    """
    secret = hidden(api_key)
    del api_key  # a traceback can show variables
    return default(secret).task(name, document=document)
