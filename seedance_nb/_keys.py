"""The object that keeps a key from being seen.

No function here fails while it holds a key in a variable: tracebacks can show variables.
"""

import base64
import functools
import hashlib
import hmac
import itertools
import re
import sys
import warnings
import weakref
from collections.abc import Mapping
from typing import Any, Never

from seedance_nb._errors import KeyWarning
from seedance_nb._markup import escaped

HIDDEN = "•••"
_SENDABLE = re.compile(r"[!-~]{1,512}")
_SHORT = 8
"""Keys of fewer characters are not masked in texts: they are words that stand there by themselves."""

# The keys are here and not in their objects, so that no walk from an error over variables and attributes, no debugger's
# list of variables and no serialiser that looks into slots comes upon one.
_KEYS: dict[int, str] = {}
_NUMBERS = itertools.count(1)
_WARNED: set[str] = set()


class Secret:
    """A key that shows itself nowhere: not in repr, str, format, vars, pickles, copies or JSON. Equal keys are equal."""

    __slots__ = ("__number", "__weakref__", "source")

    def __init__(self, key: str, source: str) -> None:
        self.__number = next(_NUMBERS)
        _KEYS[self.__number] = key.strip()
        # Not at the end of the interpreter: a request may still be on its way then.
        weakref.finalize(self, _KEYS.pop, self.__number, None).atexit = False
        self.source = source

    def reveal(self) -> str:
        """The key itself; only the transport asks, when a request is sent."""
        return _KEYS[self.__number]

    def fingerprint(self) -> str:
        """8 hex digits that tell keys apart and lead back to none. *pure*."""
        return hashlib.blake2b(
            self.reveal().encode("utf-8", "replace"), digest_size=4, person=b"seedance_nb"
        ).hexdigest()

    def hide(self, text: str) -> str:
        """`text` with every appearance of the key masked, also escaped for an address, JSON or HTML, in base64 or in hex. *pure*."""
        return _hide(self.reveal(), text)

    def hide_in(self, value: Any) -> Any:
        """A JSON value with the key masked in every text, name and number of it. *pure*. Raises: RecursionError."""
        return _hide_in(self.reveal(), value)

    def fault(self) -> str:
        """Why no header can carry this key, "" if one can; the key is no part of it. *pure*."""
        if _SENDABLE.fullmatch(self.reveal()):
            return ""
        size = len(self.reveal())
        bad = next((place for place, sign in enumerate(self.reveal(), 1) if not "!" <= sign <= "~"), size)
        return f"character {bad} of {size} is not a plain printable one" if size else "it is empty"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(
            self.reveal().encode("utf-8", "replace"), other.reveal().encode("utf-8", "replace")
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
    """A key that was given as text, hidden from here on; a `KeyWarning` once where that text stands in a cell."""
    if not isinstance(api_key, str):
        return api_key
    secret = Secret(api_key, "api_key=")
    del api_key
    if _stands_in_a_cell(secret) and secret.fingerprint() not in _WARNED:
        _WARNED.add(secret.fingerprint())
        told = (
            "The key given as api_key= stands in a cell, so it is in the notebook and in IPython's history. Take it out, "
            "make a new one at the provider, and give that one with sd.ask_key(provider) or the environment."
        )
        # Python shows the line that a warning names, so it must not be the person's line, which has the key.
        warnings.warn(told, KeyWarning, stacklevel=1)
    return secret


def without_keys(text: str) -> str:
    """`text` with every key that this process holds masked. *pure* but for which keys there are."""
    for key in set(_KEYS.values()):
        text = _hide(key, text)
    return text


def without_keys_in(body: Mapping[str, Any] | str | bytes) -> Mapping[str, Any] | str | bytes:
    """The same of a body that came from outside: JSON as a text, as bytes or already read; {} for absurd nesting."""
    if isinstance(body, bytes):
        return without_keys(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if isinstance(body, str):
        return without_keys(body)
    made = dict(body)
    for key in set(_KEYS.values()):
        try:
            made = _hide_in(key, made)
        except RecursionError:
            return {}
    return made


def _hide(key: str, text: str) -> str:
    return _forms(key).sub(HIDDEN, text) if len(key) >= _SHORT else text


def _hide_in(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return _hide(key, value)
    if isinstance(value, dict):
        return {_hide_in(key, name): _hide_in(key, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hide_in(key, item) for item in value]
    told = repr(value) if isinstance(value, int | float) else ""
    return value if _hide(key, told) == told else HIDDEN


def _stands_in_a_cell(secret: Secret) -> bool:
    ipython = sys.modules.get("IPython")  # never imported for this: without it there is no cell
    shell = ipython.get_ipython() if ipython else None
    cells = shell.user_ns.get("In", ()) if shell else ()
    return len(secret.reveal()) >= _SHORT and any(secret.reveal() in cell for cell in cells if isinstance(cell, str))


@functools.lru_cache(maxsize=16)
def _forms(key: str) -> re.Pattern[str]:
    """What the key looks like in a text: each sign plain, percent-encoded or escaped; the whole in hex and in base64."""
    signs = []
    for sign in key:
        code = "".join(f"%{byte:02x}" for byte in sign.encode("utf-8", "replace"))
        backslash = "" if sign.isalnum() else r"\\?"
        entity = "" if sign.isalnum() else f"|{re.escape(escaped(sign))}|&#{ord(sign)};"
        signs.append(rf"(?:{backslash}{re.escape(sign)}{entity}|(?i:{code}|\\+u{ord(sign):04x}))")
    raw = key.encode("utf-8", "replace")
    whole = [f"(?i:{raw.hex()})", *map(re.escape, _base64_forms(raw))]
    return re.compile("|".join(["".join(signs), *sorted(whole, key=len, reverse=True)]))


def _base64_forms(raw: bytes) -> set[str]:
    """The signs of base64 that only the key decides, for each of the three places where it can begin."""
    found = set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode()
        inner = text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return found
