"""Where a request goes, as one comparable text: two spellings of one origin are the same."""

import ipaddress
from urllib.parse import urlsplit

from seedance_nb._base.errors import SeedanceError

_PORTS = {"https": 443, "http": 80}


def host_of(url: str) -> str:
    """Scheme, host and port of an address in their usual spelling, never its path, user or query, which may be a secret. *pure*."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a malformed URL"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port and port != _PORTS.get(parts.scheme) else ''}"


def same_base(url: str) -> str:
    """A base address in its usual spelling: small letters in scheme and host, no usual port, no slash at its end. *pure*."""
    try:
        return (host_of(url) + urlsplit(url).path).rstrip("/")
    except ValueError:
        return url


def base_of(url: str, said_by: str) -> str:
    """The usual spelling of a base address that a person gave, for requests with a key. *pure*; `said_by` is where it was given.

    Raises: SeedanceError, which never shows more of it than its host, for one that is no plain http or https address, has
    a user name, a query or a fragment, or is http and not on this machine or a private network.
    """
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
        raise SeedanceError(
            f"The base URL from {said_by} {problem}, so nothing was sent.",
            next_step=f"set {said_by} to https://host, or to http://host on this machine or a private network",
        )
    return same_base(url)


def _is_near(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        place = ipaddress.ip_address(host)
    except ValueError:
        return False
    return place.is_private or place.is_loopback or place.is_link_local
