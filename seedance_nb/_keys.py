"""Where a key comes from, and the object that keeps it from being seen.

No function here fails while it holds a key in a variable: tracebacks can show variables.
"""

import hashlib
import hmac
import os
import re
from typing import Never

from seedance_nb._errors import Unauthorized
from seedance_nb._spec import Spec

_SENDABLE = re.compile(r"[!-~]{1,512}")
_SHORT = 8
"""Keys of fewer characters are not masked in texts: they are words that stand there by themselves."""


class Secret:
    """A key that shows itself nowhere: not in repr, str, format, vars, pickles, copies or JSON. Equal keys are equal."""

    __slots__ = ("__key", "source")

    def __init__(self, key: str, source: str) -> None:
        self.__key = key.strip()
        self.source = source

    def reveal(self) -> str:
        """The key itself; only the transport asks, when a request is sent."""
        return self.__key

    def fingerprint(self) -> str:
        """8 hex digits that tell keys apart and lead back to none. *pure*."""
        return hashlib.blake2b(self.__key.encode("utf-8", "replace"), digest_size=4, person=b"seedance_nb").hexdigest()

    def hide(self, text: str) -> str:
        """`text` with every appearance of the key masked. *pure*."""
        return text.replace(self.__key, "•••") if len(self.__key) >= _SHORT else text

    def fault(self) -> str:
        """Why no header can carry this key, "" if one can; the key is no part of it. *pure*."""
        if _SENDABLE.fullmatch(self.__key):
            return ""
        size = len(self.__key)
        bad = next((place for place, sign in enumerate(self.__key, 1) if not "!" <= sign <= "~"), size)
        return f"character {bad} of {size} is not a plain printable one" if size else "it is empty"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self.__key.encode("utf-8", "replace"), other.__key.encode("utf-8", "replace")
        )

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return f"<key from {self.source}>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        msg = "a key is not pickled or copied"
        raise TypeError(msg)


def hidden(api_key: str | Secret | None) -> Secret | None:
    """A key that was given as text, hidden from here on. *pure*."""
    return Secret(api_key, "api_key=") if isinstance(api_key, str) else api_key


def find_key(spec: Spec, given: Secret | None) -> Secret | None:
    """The key for a provider: the given one, else the one in its environment variable, else None. Reads the environment.

    Raises: Unauthorized for a key that is empty or has characters that no header can carry; it does not show the key.
    """
    secret = given or _from_environment(spec.key_env)
    if secret is not None and secret.fault():
        raise Unauthorized(
            f"The key from {secret.source} cannot be sent: {secret.fault()}.",
            next_step="copy the key again, without spaces, line breaks or dots that stand for hidden characters",
        )
    return secret


def _from_environment(name: str) -> Secret | None:
    return Secret(os.environ[name], name) if name and os.environ.get(name, "").strip() else None
