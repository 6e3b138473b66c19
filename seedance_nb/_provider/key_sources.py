"""The places where a key is looked for, in their order, and the two ways of asking a person for one.

No function here fails while it holds a key in a variable: tracebacks can show variables.
"""

import getpass
import os
import threading
import warnings
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError, Unauthorized
from seedance_nb._base.secret import Secret, warn_if_in_cell
from seedance_nb._document import load as _spec
from seedance_nb._document.spec import Spec

SERVICE = "seedance_nb"
_ENTERED: dict[str, Secret] = {}
_KNOWN: dict[tuple[str, str], Secret | None] = {}
"""What the environment, Colab and the keyring said: a key, or None where they failed. Where they have none they are asked again."""
_REFUSED = ("keyrings.alt", "keyring.backends.fail", "keyring.backends.null")
"""Backends that write keys in plain files, or keep nothing."""


def find_key(spec: Spec, given: Secret | None) -> Secret | None:
    """The key for a provider, None if there is none; nobody is asked. Reads the environment and the keyring.

    The given one, else the environment's, Colab's, the keyring's, else one that was entered in this process. These are
    looked for only where a provider file of the package says where they go: no other document can name a key.
    Raises: Unauthorized for a key that is empty or has characters that no header can carry; it does not show the key.
    """
    name = spec.key_env if spec.vouched else ""
    secret = given or (_stored(name) or _from_keyring(name) or _ENTERED.get(name) if name else None)
    return _sendable(secret) if secret is not None else None


def ask_key(document: "str | Path | Spec", /, *, keep: bool = False) -> "Secret":
    """The key for a provider ("crun") or a document, masked; asked for where no other place has one.

    What is typed is not shown, stands in no cell and no history, and is held by this process only. With `keep` it goes into
    the system's keyring instead, in the place of one that is there; that needs `seedance_nb[keyring]`. A key in the
    environment or in Colab's secrets stands before both, so nothing is asked then.

    Raises: Unauthorized for a key that cannot be sent; SeedanceError where nobody can be asked, or nothing can keep it.
    """
    spec = _meant(document)
    name = spec.key_env
    found = _stored(name) or (None if keep else _from_keyring(name))
    if found is not None:
        return _sendable(found)
    if keep and not _rings():
        raise SeedanceError(
            "There is no keyring here that keeps keys safely, so nothing was asked.",
            next_step=f"pip install 'seedance_nb[keyring]' on a system with a keyring, or leave keep away, or set {name}",
        )
    secret = _sendable(_typed(spec.provider))
    _ENTERED[name] = secret
    if keep:
        _keep(name, secret)
    return secret


def _sendable(secret: Secret) -> Secret:
    if secret.fault():
        raise Unauthorized(
            f"The key from {secret.source} cannot be sent: {secret.fault()}.",
            next_step="copy the key again, without spaces, line breaks or dots that stand for hidden characters",
        )
    return secret


def _meant(document: str | Path | Spec) -> Spec:
    names = [name for name in _spec.model_names() if name.split("/")[0] == document]
    spec = _spec.spec(names[0] if names else document)
    if not (spec.key_env and spec.vouched):
        told = "a document without x-provider gets one only as api_key= together with it"
        raise SeedanceError(
            f"{spec.name} is of no provider whose key is known here: {told}.", next_step="give the key as api_key="
        )
    return spec


def _typed(provider: str) -> Secret:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
            return Secret(getpass.getpass(f"Key for {provider}: "), "sd.ask_key")
    except (EOFError, OSError, NotImplementedError, getpass.GetPassWarning):
        pass
    raise SeedanceError(
        "Nobody can be asked for a key here.", next_step="set it in the environment before Python begins"
    )


def _stored(name: str) -> Secret | None:
    if not os.environ.get(name, "").strip():
        return _from_colab(name)
    secret, known = Secret(os.environ[name], name), _KNOWN.get(("environment", name))
    if secret == known:
        return known
    _KNOWN["environment", name] = secret  # held, so that it is masked also where nothing is being sent
    warn_if_in_cell(secret)
    return secret


def _from_colab(name: str) -> Secret | None:
    if ("colab", name) in _KNOWN:
        return _KNOWN["colab", name]
    if threading.current_thread() is not threading.main_thread():
        return None  # Colab asks the browser, for whose answer only the cell's own thread can wait
    try:
        from google.colab import userdata
    except ImportError:
        return None
    secret = None
    try:
        secret = Secret(userdata.get(name) or "", "Colab's secrets")
    except Exception as error:  # noqa: BLE001 - whatever went wrong there, there is no key; its errors are Colab's own
        if type(error).__name__ == "SecretNotFoundError":
            return None
    _KNOWN["colab", name] = secret if secret and secret.reveal() else None
    return _KNOWN["colab", name]


def _from_keyring(name: str) -> Secret | None:
    if ("keyring", name) in _KNOWN:
        return _KNOWN["keyring", name]
    try:
        for ring in _rings():
            secret = Secret(ring.get_password(SERVICE, name) or "", "the keyring")
            if secret.reveal():
                _KNOWN["keyring", name] = secret
                return secret
    except Exception:  # noqa: BLE001 - a keyring that is locked or broken is none
        _KNOWN["keyring", name] = None
    return None


def _keep(name: str, secret: Secret) -> None:
    for ring in _rings():
        stopped = False
        try:
            ring.set_password(SERVICE, name, secret.reveal())
        except KeyboardInterrupt:
            stopped = True
        except Exception:  # noqa: BLE001, S112 - the next one may take it
            continue
        if stopped:  # anew, and from here: the one that came leads to the keyring's variables
            raise KeyboardInterrupt
        _KNOWN["keyring", name] = secret
        return
    raise SeedanceError(
        "The keyring did not take the key. It is held by this process, and gone when that ends.",
        next_step=f"unlock the keyring and ask again, or set {name}",
    )


def _rings() -> list[Any]:
    """The keyrings that keep keys safely, best first."""
    try:
        import keyring

        ring = keyring.get_keyring()
        rings = list(getattr(ring, "backends", None) or [ring])
    except Exception:  # noqa: BLE001 - not installed, or set up wrongly: there is none
        return []
    return [one for one in rings if not type(one).__module__.startswith(_REFUSED)]
