"""Checks of the `format` keyword. Unknown formats, `binary` and `password` accept everything."""

import base64
import functools
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date

from seedance_nb._schema.library import FormatChecker
from seedance_nb._schema.patterns import pattern_error
from seedance_nb._schema.uris import STRAY, uri_error

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?")
_OFFSET = re.compile(r"[Zz]$|[+-][0-9]{2}:[0-9]{2}$")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DURATION = re.compile(
    r"P(?!$)(?:[0-9]+W|(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)?"
    r"(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))?)"
)
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_DAY, _HOUR, _MINUTE = 24 * 60, 60, 60  # in minutes, and a minute in seconds
_LONGEST_NAME = 253


@functools.cache
def checker() -> FormatChecker:
    """The checker of the supported formats. *pure*."""
    formats = FormatChecker(formats=())
    for name, fits in _FORMATS.items():
        formats.checks(name)(lambda value, fits=fits: not isinstance(value, str) or fits(value))
    return formats


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> bool:
    # RFC 3339 requires an offset, which few schemas with a time of day intend.
    match = _TIME.fullmatch(text)
    if not match:
        return False
    hour, minute, second, ahead, behind = (int(part or 0) for part in match.group(1, 2, 3, 5, 6))
    shift = (ahead * _HOUR + behind) * (-1 if match[4] == "+" else 1)
    # A leap second exists only at the end of a day in UTC.
    is_last = (hour * _HOUR + minute + shift + 1) % _DAY == 0
    return max(hour, ahead) < _DAY // _HOUR and max(minute, behind) < _HOUR and second < _MINUTE + is_last


def _email(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    is_host = _hostname(domain)
    if domain.startswith("[") and domain.endswith("]"):
        is_host = _ipv6(domain[6:-1]) if domain.upper().startswith("[IPV6:") else _ipv4(domain[1:-1])
    return is_host and bool(_LOCAL.fullmatch(local))


def _hostname(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in text.split("."))


def _date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and _reads(date.fromisoformat, text)


def _ipv4(text: str) -> bool:
    return text.isascii() and _reads(ipaddress.IPv4Address, text)


def _ipv6(text: str) -> bool:
    return text.isascii() and "%" not in text and _reads(ipaddress.IPv6Address, text)


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "uri": lambda text: not uri_error(text),
    "uri-reference": lambda text: not STRAY.search(text),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "json-pointer": lambda text: bool(_POINTER.fullmatch(text)),
    "regex": lambda text: not pattern_error(text),
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "byte": lambda text: _reads(functools.partial(base64.b64decode, validate=True), text),
    "date-time": lambda text: text[10:11] in ("T", "t") and _date(text[:10]) and _time(text[11:]) and bool(_OFFSET.search(text)),
    "email": _email, "hostname": _hostname, "ipv4": _ipv4, "ipv6": _ipv6, "date": _date, "time": _time,
}  # fmt: skip
