"""Checks of URLs, and of the `format` keyword: unknown formats, `binary` and `password` accept everything."""

import functools
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from seedance_nb._base.values import is_number
from seedance_nb._schema.library import FormatChecker
from seedance_nb._schema.patterns import pattern_error

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
_BASE64 = re.compile("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_DAY, _HOUR, _MINUTE = 24 * 60, 60, 60  # in minutes, and a minute in seconds
_LONGEST_NAME = 253
STRAY = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")
"""Characters that RFC 3986 does not allow: all but unreserved, reserved and percent-encoded ones."""
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")
_ASSET = re.compile(r"^asset://[A-Za-z0-9][A-Za-z0-9._-]*$")
_BARE_ASSET = re.compile(r"^asset[-_][A-Za-z0-9._-]+$")
SIMULATED_HOST = ".simulator.invalid"
SIMULATED_ASSET = "asset://simulated-"
LOCAL = "looks like a local file"
_LOCAL_FILE = re.compile(r"^(?:file:|~|\.{0,2}[/\\]|[A-Za-z]:[/\\]|[^:/?#\s]+\.[A-Za-z0-9]{2,4}$)")


@functools.cache
def checker() -> FormatChecker:
    """The checker of the supported formats. *pure*."""
    formats = FormatChecker(formats=("date", "ipv4", "ipv6"))  # the library's own
    for name, fits in _FORMATS.items():
        formats.checks(name)(lambda value, fits=fits: not isinstance(value, str) or fits(value))
    for bits in (32, 64):
        limit = 2 ** (bits - 1)
        formats.checks(f"int{bits}")(lambda value, limit=limit: not is_number(value) or -limit <= value < limit)
    return formats


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
        kind, host = ("ipv6", domain[6:-1]) if domain.upper().startswith("[IPV6:") else ("ipv4", domain[1:-1])
        is_host = checker().conforms(host, kind)
    return is_host and bool(_LOCAL.fullmatch(local))


def _hostname(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in text.split("."))


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "uri": lambda text: not uri_error(text),
    "uri-reference": lambda text: not STRAY.search(text),
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "json-pointer": lambda text: bool(_POINTER.fullmatch(text)),
    "regex": lambda text: not pattern_error(text),
    "uuid": lambda text: bool(_UUID.fullmatch(text)),
    "byte": lambda text: bool(_BASE64.fullmatch(text)),
    "date-time": lambda text: text[10:11] in ("T", "t") and checker().conforms(text[:10], "date") and _time(text[11:]) and bool(_OFFSET.search(text)),
    "email": _email, "hostname": _hostname, "time": _time,
}  # fmt: skip


def uri_error(text: str) -> str:
    """Why `text` is not an absolute URI by RFC 3986, "" if it is one. *pure*."""
    scheme, stray = _SCHEME.match(text), STRAY.search(text)
    if not text:
        return "is empty"
    if text != text.strip():
        return "has a space before or after the URL"
    if not scheme:
        return "is not a URL: it has no scheme such as https://"
    if stray:
        return f"is not a URL: {stray.group()!r} must be percent-encoded"
    if scheme.end() == len(text):
        return "is not a URL"
    if not text.lower().startswith(("http:", "https:")):
        return ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL: the host or port is malformed"
    return "" if host and text.lower().startswith(f"{parts.scheme}://") else "is not a URL: it has no host"


def media_error(text: str, schemes: list[str]) -> str:
    """Why `text` is not a media URL with one of these schemes, "" if it is; AssetIds, local files and Base64 are explained. *pure*."""
    if not text:
        return "is empty"
    if text.lower().startswith("data:"):
        return "is Base64 data; use a public URL instead"
    if "asset" in schemes and _BARE_ASSET.match(text):
        return f"is an AssetId without its scheme; write asset://{text}"
    if _LOCAL_FILE.match(text):
        return f"{LOCAL}, but this provider accepts only public URLs; upload it to a web host and pass its URL"
    scheme = _SCHEME.match(text)
    if scheme and scheme.group(1).lower() not in schemes:
        return f"starts with {scheme.group()}; allowed: {', '.join(f'{name}://' for name in schemes)}"
    if text.lower().startswith("asset:"):
        return "" if _ASSET.match(text) else "is not an asset URL; write asset:// and the AssetId"
    error = uri_error(text)
    if not error and urlsplit(text).username is not None:
        return "has a user name before the host, which the provider would see"
    return error
