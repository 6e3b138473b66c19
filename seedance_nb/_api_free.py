"""The functions around a paid request: what it would cost, what its files are like, uploads, and callbacks."""

from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from seedance_nb._base.secret import hidden, without_keys_in
from seedance_nb._check.price import Estimate
from seedance_nb._document.load import spec
from seedance_nb._media.preflight import Report
from seedance_nb._session.default import default
from seedance_nb._session.session import Document
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task

__all__ = ["asset", "balance", "callback", "estimate", "preflight", "upload"]

T = TypeVar("T")


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
