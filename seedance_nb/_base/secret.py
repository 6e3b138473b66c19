"""API keys that are never shown, and masking of keys. No function raises with a key in a variable: tracebacks show variables."""

import base64
import functools
import hashlib
import hmac
import itertools
import re
import sys
import warnings
import weakref
from typing import Any, Never

from seedance_nb._base.errors import KeyWarning, calm_warnings
from seedance_nb._base.html import escape
from seedance_nb._base.values import HIDDEN, map_leaves

_RUN = r"\\++"
_SHORT, _LONG = 8, 512  # a shorter key is never sent: it could be an ordinary word, which is not masked in texts

# Not in the objects: no traceback, debugger or serialiser that follows attributes and slots reaches a key here.
_KEYS: dict[int, str] = {}
_PATTERNS: dict[str, re.Pattern[str]] = {}
_NUMBERS = itertools.count(1)
_WARNED: set[str] = set()


class Secret:
    """An API key that never appears in repr, str, format, vars, pickles, copies or JSON. Equal keys are equal."""

    __slots__ = ("__number", "__weakref__", "source")

    def __init__(self, key: str, source: str) -> None:
        self.__number = next(_NUMBERS)
        _KEYS[self.__number] = key.strip()
        # Not at exit: a request may still be in flight then.
        weakref.finalize(self, _forget, self.__number).atexit = False
        self.source = source

    def reveal(self) -> str:
        """The key itself; only the transport uses it, to send a request."""
        return _KEYS[self.__number]

    def fingerprint(self) -> str:
        """8 hex digits that identify the key and do not reveal it. *pure*."""
        return hashlib.blake2b(_raw(self.reveal()), digest_size=4, person=b"seedance_nb").hexdigest()

    def mask(self, value: Any) -> Any:
        """A text or JSON value with the key masked, also where it is escaped for a URL, JSON or HTML, or in base64 or hex. *pure*. Raises: RecursionError."""
        return _mask(self.reveal(), value)

    def fault(self) -> str:
        """Why this key cannot be sent in a header, "" if it can; the text does not contain the key. *pure*."""
        size = len(self.reveal())
        if bad := next((index for index, char in enumerate(self.reveal(), 1) if not "!" <= char <= "~"), 0):
            return f"character {bad} of {size} is not a printable ASCII character"
        limits = f"it has {size} character{'s' * (size > 1)}; a key has {_SHORT} to {_LONG}"
        return "" if _SHORT <= size <= _LONG else limits if size else "it is empty"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(_raw(self.reveal()), _raw(other.reveal()))

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __repr__(self) -> str:
        return f"<key from {self.source}>"

    def __reduce__(self) -> Never:
        raise TypeError("a key cannot be pickled or copied")


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "replace")


def as_secret(api_key: object) -> Secret | None:
    """The key as a `Secret`; issues a `KeyWarning` once if it is written in a cell."""
    if api_key is None or isinstance(api_key, Secret):
        return api_key
    if isinstance(api_key, str | bytes | bytearray):
        secret = Secret(api_key if isinstance(api_key, str) else api_key.decode("utf-8", "replace"), "api_key=")
    else:  # a key that cannot be sent and says why, because an error here would show the caller's variables
        secret = Secret("", f"api_key=, which is a {type(api_key).__name__} and not text,")
    del api_key
    warn_if_in_cell(secret)
    return secret


def warn_if_in_cell(secret: Secret) -> None:
    ipython = sys.modules.get("IPython")  # never imported for this: without it there is no cell
    shell = ipython.get_ipython() if ipython else None
    cells = [cell for cell in shell.user_ns.get("In", ()) if isinstance(cell, str)] if shell else []
    is_in_cell = len(secret.reveal()) >= _SHORT and any(secret.reveal() in cell for cell in cells)
    if not is_in_cell or secret.fingerprint() in _WARNED:
        return
    _WARNED.add(secret.fingerprint())
    text = f"The key from {secret.source} is in a cell, so it is saved in the notebook and in IPython's history. Remove it, "
    text += "create a new key at the provider, and set that one with sd.ask_key(provider) or the environment."
    with calm_warnings():  # Python shows the line that it points at, and the caller's line contains the key
        warnings.warn(text, KeyWarning, stacklevel=1)


def mask_keys(body: Any) -> Any:
    """A text, bytes or a JSON object with every key of this process masked; empty if it is nested too deeply or memory is short."""
    if isinstance(body, bytes):
        return mask_keys(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    masked = body if isinstance(body, str) else dict(body)
    # Longest first: masking a key that is the prefix of another would leave the rest of that one visible.
    for key in sorted(set(_KEYS.values()), key=len, reverse=True):
        try:
            masked = _mask(key, masked)
        except (RecursionError, MemoryError):
            return type(masked)()
    return masked


def _mask(key: str, value: Any) -> Any:
    if len(key) < _SHORT or not value:  # where memory is short, an error without words needs no pattern
        return value
    if isinstance(value, dict | list):
        return map_leaves(value, functools.partial(_mask, key), names=True)
    if (pattern := _PATTERNS.get(key)) is None:
        pattern = _forms(key)
        if key in _KEYS.values():  # cached as long as the key exists
            _PATTERNS[key] = pattern
    masked = pattern.sub(HIDDEN, str(value))
    return value if masked == str(value) else masked if isinstance(value, str) else HIDDEN


def _forget(number: int) -> None:
    key = _KEYS.pop(number, "")
    if key not in _KEYS.values():
        _PATTERNS.pop(key, None)


def _forms(key: str) -> re.Pattern[str]:
    """A pattern for the key: each character plain, percent-encoded or escaped, in any case; the whole in hex and base64."""
    # Its time is linear: runs of backslashes and zeros are read without backtracking, and a match begins with at most 64.
    chars = []
    for run in re.findall(r"\\+|[^\\]", key):
        char, count, plain = run[0], len(run), re.escape(run[0])
        codes = "|".join(_codes(case) for case in {char: 0, char.swapcase(): 0} if len(case) == 1)
        if char == "\\":  # a run of them as one: the ways to read each alone would multiply
            chars.append(rf"(?:\\{{{count},{2 * count}}}|(?:{codes}){{{count}}})")
        else:
            either = plain if char.isalnum() else rf"\\?{plain}|{re.escape(escape(char))}"
            chars.append(f"(?:{either}|{codes})")
    count = 2 if key.startswith("\\") else 1
    chars[:count] = [part.replace(_RUN, r"\\{1,64}+") for part in chars[:count]]
    whole = [f"(?i:{_raw(key).hex()})", *map(re.escape, _base64_forms(_raw(key)))]
    return re.compile("|".join([f"(?i:{''.join(chars)})", *sorted(whole, key=len, reverse=True)]))


def _codes(char: str) -> str:
    """A pattern for a character that is percent-encoded, or escaped for JSON or HTML."""
    number, percent = ord(char), "".join(f"%{byte:02x}" for byte in _raw(char))
    return rf"{percent}|{_RUN}(?:u{number:04x}|x{number:02x})|&#(?:0*+{number}|x0*+{number:x});"


def _base64_forms(raw: bytes) -> set[str]:
    """The base64 characters that depend on the key alone, for each of its three possible alignments."""
    found = set()
    for before in range(3):
        inner = base64.b64encode(bytes(before) + raw).decode()[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return found
