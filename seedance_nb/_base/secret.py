"""The object that keeps a key from being seen.

No function here fails while it holds a key in a variable: tracebacks can show variables.
"""

import base64
import hashlib
import hmac
import itertools
import re
import sys
import warnings
import weakref
from collections.abc import Mapping
from typing import Any, Never

from seedance_nb._base.errors import KeyWarning
from seedance_nb._base.html import escape
from seedance_nb._base.text import HIDDEN

_SENDABLE = re.compile(r"[!-~]{1,512}")
_SHORT = 8
"""Keys of fewer characters are not masked in texts: they are words that stand there by themselves."""

# The keys are here and not in their objects, so that no walk from an error over variables and attributes, no debugger's
# list of variables and no serialiser that looks into slots comes upon one.
_KEYS: dict[int, str] = {}
_PATTERNS: dict[str, re.Pattern[str]] = {}
_NUMBERS = itertools.count(1)
_WARNED: set[str] = set()


class Secret:
    """A key that shows itself nowhere: not in repr, str, format, vars, pickles, copies or JSON. Equal keys are equal."""

    __slots__ = ("__number", "__weakref__", "source")

    def __init__(self, key: str, source: str) -> None:
        self.__number = next(_NUMBERS)
        _KEYS[self.__number] = key.strip()
        # Not at the end of the interpreter: a request may still be on its way then.
        weakref.finalize(self, _forget, self.__number).atexit = False
        self.source = source

    def reveal(self) -> str:
        """The key itself; only the transport asks, when a request is sent."""
        return _KEYS[self.__number]

    def fingerprint(self) -> str:
        """8 hex digits that tell keys apart and lead back to none. *pure*."""
        return hashlib.blake2b(_raw(self.reveal()), digest_size=4, person=b"seedance_nb").hexdigest()

    def mask(self, text: str) -> str:
        """`text` with every appearance of the key masked, also escaped for an address, JSON or HTML, in base64 or in hex. *pure*."""
        return _mask(self.reveal(), text)

    def mask_in(self, value: Any) -> Any:
        """A JSON value with the key masked in every text, name and number of it. *pure*. Raises: RecursionError."""
        return _mask_in(self.reveal(), value)

    def fault(self) -> str:
        """Why no header can carry this key, "" if one can; the key is no part of it. *pure*."""
        if _SENDABLE.fullmatch(self.reveal()):
            return ""
        size = len(self.reveal())
        bad = next((place for place, sign in enumerate(self.reveal(), 1) if not "!" <= sign <= "~"), size)
        return f"character {bad} of {size} is not a printable ASCII character" if size else "it is empty"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_raw(self.reveal()), _raw(other.reveal()))

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


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "replace")


def as_secret(api_key: object) -> Secret | None:
    """A key that was given as text or bytes, hidden from here on; a `KeyWarning` once where that text stands in a cell.

    Of anything else comes a key that cannot be sent and says why: an error here would show what the caller holds.
    """
    if api_key is None or isinstance(api_key, Secret):
        return api_key
    if isinstance(api_key, str):
        secret = Secret(api_key, "api_key=")
    elif isinstance(api_key, bytes | bytearray):
        secret = Secret(api_key.decode("utf-8", "replace"), "api_key=")
    else:
        secret = Secret("", f"api_key=, which is a {type(api_key).__name__} and not text,")
    del api_key
    warn_if_in_cell(secret)
    return secret


def warn_if_in_cell(secret: Secret) -> None:
    """A `KeyWarning` once where the text of a key stands in a cell of the notebook."""
    if not _stands_in_a_cell(secret) or secret.fingerprint() in _WARNED:
        return
    _WARNED.add(secret.fingerprint())
    message = (
        f"The key from {secret.source} is in a cell, so it is saved in the notebook and in IPython's history. Remove it, "
        "create a new key at the provider, and set that one with sd.ask_key(provider) or the environment."
    )
    # Python shows the line that a warning names, so it must not be the person's line, which has the key.
    warnings.warn(message, KeyWarning, stacklevel=1)


def mask_keys(text: str) -> str:
    """`text` with every key that this process holds masked. *pure* but for which keys there are."""
    for key in _all_keys():
        text = _mask(key, text)
    return text


def mask_keys_in(body: Mapping[str, Any] | str | bytes) -> Mapping[str, Any] | str | bytes:
    """The same of a body that came from outside: JSON as a text, as bytes or already read; {} for absurd nesting."""
    if isinstance(body, bytes):
        return mask_keys(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if isinstance(body, str):
        return mask_keys(body)
    made = dict(body)
    for key in _all_keys():
        try:
            made = _mask_in(key, made)
        except RecursionError:
            return {}
    return made


def _all_keys() -> list[str]:
    # Longest first: a key that another one begins with would leave the rest of that one to be seen.
    return sorted(set(_KEYS.values()), key=len, reverse=True)


def _mask(key: str, text: str) -> str:
    if len(key) < _SHORT:
        return text
    pattern = _PATTERNS.get(key) or _forms(key)
    if key in _KEYS.values():  # kept as long as the key is
        _PATTERNS[key] = pattern
    return pattern.sub(HIDDEN, text)


def _forget(number: int) -> None:
    key = _KEYS.pop(number, "")
    if key not in _KEYS.values():
        _PATTERNS.pop(key, None)


def _mask_in(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return _mask(key, value)
    if isinstance(value, dict):
        return {_mask_in(key, name): _mask_in(key, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask_in(key, item) for item in value]
    told = repr(value) if isinstance(value, int | float) else ""
    return value if _mask(key, told) == told else HIDDEN


def _stands_in_a_cell(secret: Secret) -> bool:
    ipython = sys.modules.get("IPython")  # never imported for this: without it there is no cell
    shell = ipython.get_ipython() if ipython else None
    cells = shell.user_ns.get("In", ()) if shell else ()
    return len(secret.reveal()) >= _SHORT and any(secret.reveal() in cell for cell in cells if isinstance(cell, str))


def _forms(key: str) -> re.Pattern[str]:
    """What the key looks like in a text: each sign plain, percent-encoded or escaped, small or large; the whole in hex and base64."""
    signs = []
    for sign in key:
        code = "".join(f"%{byte:02x}" for byte in _raw(sign))
        backslash = "" if sign.isalnum() else r"\\?"
        entity = "" if sign.isalnum() else f"|{re.escape(escape(sign))}"
        signs.append(rf"(?:{backslash}{re.escape(sign)}{entity}|{code}|{_escapes(sign)}{_other_case(sign)})")
    raw = _raw(key)
    whole = [f"(?i:{raw.hex()})", *map(re.escape, _base64_forms(raw))]
    return re.compile("|".join([f"(?i:{''.join(signs)})", *sorted(whole, key=len, reverse=True)]))


def _escapes(sign: str) -> str:
    number = ord(sign)
    return rf"\\+u{number:04x}|\\+x{number:02x}|&#0*{number};|&#x0*{number:x};"


def _other_case(sign: str) -> str:
    """The escapes of a letter's other case, which is escaped by another number. *pure*."""
    other = sign.swapcase()
    if other == sign or len(other) != 1:
        return ""
    return "".join(f"|%{byte:02x}" for byte in other.encode() if other.isascii()) + f"|{_escapes(other)}"


def _base64_forms(raw: bytes) -> set[str]:
    """The signs of base64 that only the key decides, for each of the three places where it can begin."""
    found = set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode()
        inner = text[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return found
