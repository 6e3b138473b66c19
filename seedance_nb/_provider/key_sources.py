"""Finds a provider's key. No function raises while a variable holds a key, because tracebacks can show variables."""

import getpass
import os
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError, Unauthorized
from seedance_nb._base.faults import typed
from seedance_nb._base.secret import Secret, warn_if_in_cell
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec

SERVICE = "seedance_nb"
_CACHE: dict[tuple[str, str], Secret | None] = {}  # a source's key for a name, None after an error
_REFUSED = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null")  # plain text, or nothing is saved


def find_key(spec: Spec, argument: Secret | None) -> Secret | None:
    """The key for one of the package's providers, None if there is none: no other schema can request a key by name. Reads the environment and the keyring; never asks. Raises: Unauthorized, without the key, for one that cannot be sent."""
    name = spec.key_env if spec.vouched else ""
    secret = argument or (_stored(name) or _from_keyring(name) or _CACHE.get(("sd.ask_key", name)) if name else None)
    return _sendable(secret) if secret is not None else None


@typed
def ask_key(document: "str | Path | Spec", /, *, keep: bool = False) -> "Secret":
    """The key of a provider; prompts for it if none is set yet.

    The input is hidden, does not appear in a cell or the history, and stays in this process.
    A key in the environment or in Colab's secrets takes precedence: then there is no prompt.

    The parameters:
      document: a provider ("crun"), a model or a schema.
      keep: save the key in the system's keyring, in place of one that is there; needs `seedance_nb[keyring]`.
    Returns: the key, masked.
    Raises: Unauthorized for a key that cannot be sent; SeedanceError if no prompt or no keyring is available.

    >>> sd.ask_key("crun")
    <key from sd.ask_key>
    """
    names = [name for name in _spec.model_names() if name.split("/")[0] == document]
    spec = _spec.spec(names[0] if names else document)
    if not (spec.key_env and spec.vouched):
        problem = f"{spec.name} has no x-provider, so its key is used only together with the schema."
        raise SeedanceError(problem, next_step="pass the key as api_key=", charged=None)
    name = spec.key_env
    secret = _stored(name) or (None if keep else _from_keyring(name))
    if secret is not None:
        return _sendable(secret)
    if keep and _keyring() is None:
        problem = "No secure keyring is available, so the key was not requested."
        next_step = f"pip install 'seedance_nb[keyring]' on a system with a keyring, or omit keep, or set {name}"
        raise SeedanceError(problem, next_step=next_step, charged=None)
    typed, page = None, f" ({spec.links['get a key']})" if "get a key" in spec.links else ""
    with suppress(EOFError, OSError, NotImplementedError, getpass.GetPassWarning), warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would show the input
        typed = Secret(getpass.getpass(f"Key for {spec.provider}{page}: "), "sd.ask_key")
    if typed is None:
        next_step = "set it in the environment before starting Python"
        raise SeedanceError("Cannot prompt for a key here.", next_step=next_step, charged=None)
    secret = _sendable(typed)
    _CACHE["sd.ask_key", name] = secret
    if keep:
        _save(name, secret)
    return secret


def _sendable(secret: Secret) -> Secret:
    if fault := secret.fault():
        is_blank = secret.source == "sd.ask_key" and not secret.reveal().strip()
        problem = "No key entered." if is_blank else f"The key from {secret.source} cannot be sent: {fault}."
        next_step = "copy the key again, without spaces, line breaks or dots that stand for hidden characters"
        raise Unauthorized(problem, next_step=next_step)
    return secret


def _stored(name: str) -> Secret | None:
    if not os.environ.get(name, "").strip():
        return _from_colab(name)
    secret, previous = Secret(os.environ[name], name), _CACHE.get(("environment", name))
    if secret == previous:
        return previous
    _CACHE["environment", name] = secret  # saved, so that it is masked also while nothing is being sent
    warn_if_in_cell(secret)
    return secret


def _from_colab(name: str) -> Secret | None:  # Colab asks the browser; only the cell's own thread can wait for it
    if threading.current_thread() is threading.main_thread():
        with suppress(ImportError):
            from google.colab import userdata

            return _looked_up("Colab's secrets", name, lambda: userdata.get(name))
    return _CACHE.get(("Colab's secrets", name))


def _from_keyring(name: str) -> Secret | None:
    ring = _keyring()
    return _looked_up("the keyring", name, lambda: ring.get_password(SERVICE, name)) if ring else None


def _looked_up(source: str, name: str, read: Callable[[], str | None]) -> Secret | None:
    if (source, name) not in _CACHE:
        try:
            secret = Secret(read() or "", source)
        except Exception as error:  # noqa: BLE001 - any error means no key; the classes are the sources' own
            if type(error).__name__ != "SecretNotFoundError":
                _CACHE[source, name] = None
            return None
        if not secret.reveal():
            return None
        _CACHE[source, name] = secret
    return _CACHE[source, name]


def _save(name: str, secret: Secret) -> None:
    problem = "The keyring did not save the key. It is available until this Python process ends."
    fault: BaseException = SeedanceError(problem, next_step=f"unlock the keyring and try again, or set {name}")
    try:
        with suppress(Exception):  # locked or broken
            _keyring().set_password(SERVICE, name, secret.reveal())
            _CACHE["the keyring", name] = secret
            return
    except KeyboardInterrupt:
        fault = KeyboardInterrupt()  # a new one: the traceback of the original leads to the keyring's variables
    raise fault


def _keyring() -> Any:
    """The best keyring that saves keys securely, None if there is none."""
    try:
        import keyring

        ring = keyring.get_keyring()
        rings = list(getattr(ring, "backends", None) or [ring])
    except Exception:  # noqa: BLE001 - not installed or misconfigured counts as none
        return None
    return next((one for one in rings if not type(one).__module__.startswith(_REFUSED)), None)
