"""Normalizes base URLs, so that two spellings of one origin compare equal."""

import ipaddress
from urllib.parse import urlsplit

from seedance_nb._base.errors import SeedanceError
from seedance_nb._web.addresses import is_local

_PORTS = {"https": 443, "http": 80}
_ENDS = "".join(map(chr, range(33))) + "<>\"'"
_WITHIN = dict.fromkeys(map(ord, "\t\n\r"))


def host_of(url: str) -> str:
    """Scheme, host and port of a URL, normalized; never its path, user or query, which may be secret. *pure*."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a malformed URL"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port and port != _PORTS.get(parts.scheme) else ''}"


def clean_url(text: str) -> str:
    """A URL as browsers read it: without spaces, quotes and control characters at its ends, line breaks and "&amp;". *pure*."""
    return text.strip(_ENDS).translate(_WITHIN).replace("&amp;", "&")


def same_base(url: str) -> str:
    """A base URL, normalized: scheme and host in lower case, no default port, no slash at the end. *pure*."""
    try:
        return (host_of(url) + urlsplit(url).path).rstrip("/")
    except ValueError:
        return url


def base_of(url: str, source: str) -> str:
    """A user's base URL, set in `source`, normalized. *pure*. Raises: SeedanceError, which shows no more than its host, if it is unfit for a key."""
    problem, host = "", ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        problem = "is malformed"
    if problem or parts.scheme not in _PORTS or not host:
        problem = problem or "is not an http or https URL"
    elif parts.username is not None or parts.password is not None:
        problem = "contains a user name"
    elif parts.query or parts.fragment:
        problem = "has a query or a fragment"
    elif parts.scheme == "http" and not _is_near(host):
        problem = f"would send the key in clear text over a public network to {host}"
    if problem:
        next_step = f"set {source} to https://host, or to http://host on this machine or a private network"
        raise SeedanceError(f"The base URL from {source} {problem}, so nothing was sent.", next_step=next_step)
    return same_base(url)


def _is_near(host: str) -> bool:
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return is_local(host)
    return ip.is_private or ip.is_loopback or ip.is_link_local
