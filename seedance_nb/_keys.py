"""Where a key comes from, and the object that keeps it from being seen."""

import hashlib
import re
from collections.abc import Mapping
from typing import Never

from seedance_nb._errors import Unauthorized
from seedance_nb._spec import Spec

_SENDABLE = re.compile(r"[!-~]{1,512}")


class Secret:
    """A key that shows itself nowhere: not in repr, str, format, vars, pickles, copies or JSON."""

    __slots__ = ("__key", "source")

    def __init__(self, key: str, source: str) -> None:
        self.__key = key
        self.source = source

    def reveal(self) -> str:
        """The key itself; only the transport asks, when a request is sent."""
        return self.__key

    def fingerprint(self) -> str:
        """8 hex digits that tell keys apart and lead back to none. *pure*."""
        return hashlib.blake2b(self.__key.encode(), digest_size=4, person=b"seedance_nb").hexdigest()

    def hide(self, text: str) -> str:
        """`text` with every appearance of the key masked. *pure*."""
        return text.replace(self.__key, "•••")

    def __repr__(self) -> str:
        return f"<key from {self.source}>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> Never:
        msg = "a key is not pickled or copied"
        raise TypeError(msg)


def find_key(spec: Spec, api_key: "str | Secret | None", environ: Mapping[str, str]) -> Secret | None:
    """The key for a provider: the argument, else its environment variable, else None. *pure*.

    Raises: Unauthorized for a key with characters that no header can carry; the message does not show the key.
    """
    if isinstance(api_key, Secret):
        return api_key
    source, key = (
        ("api_key=", api_key) if api_key else (spec.key_env, environ.get(spec.key_env, "") if spec.key_env else "")
    )
    key = (key or "").strip()
    if not key:
        return None
    if not _SENDABLE.fullmatch(key):
        bad = next((place for place, sign in enumerate(key, 1) if not "!" <= sign <= "~"), len(key))
        raise Unauthorized(
            f"The key from {source} cannot be sent: character {bad} of {len(key)} is not a plain printable one.",
            next_step="copy the key again, without spaces, line breaks or dots that stand for hidden characters",
        )
    return Secret(key, source)
