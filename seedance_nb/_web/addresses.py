"""Resolves hosts to IP addresses and blocks those that are neither public nor in `SEEDANCE_ALLOW_HOSTS`."""

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from seedance_nb._base.errors import SeedanceError

Resolver = Callable[[str, int], Awaitable[list[str]]]
_PORTS = {"https": 443, "http": 80}
_FAKE = "198.18.0.0/15"  # where VPN and proxy programs make up an address for each host
# A last label that is a number makes an IP address of the whole.
_NAME = re.compile(r"(?:\*\.)?(?:[a-z0-9_-]{1,63}\.)*(?!\d+\Z|0x)[a-z0-9_-]{1,63}")
_SETTING = "SEEDANCE_ALLOW_HOSTS"
NOT_PUBLIC = "is not on the public internet"
_INSIDE = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".home.arpa")
# What `is_global` of the Python versions in use wrongly calls global: special registries, the hosts of cloud metadata,
# and IPv6 addresses that contain an IPv4 one.
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, (
    "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16/32", "100.64.0.0/10",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48",
)))  # fmt: skip
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")


class BlockedURL(Exception):
    """A URL that must not be requested. The text is a clause that says why and shows no more of the URL than its host."""


def is_public(address: str) -> bool:
    """Whether a text is a public IP address of one host: none that is private, reserved or multicast, or contains another one. *pure*."""
    ip = _ip(address)
    is_plain = isinstance(ip, ipaddress.IPv4Address) or (ip and ip.scope_id is None and ip in _PUBLIC_6)
    return bool(ip and is_plain and ip.is_global and not any(ip in net for net in _NOT_PUBLIC))


def is_local(host: str) -> bool:
    ip = _ip(host)
    return ip.is_loopback if ip else f".{host}".endswith(".localhost")


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with suppress(ValueError):
        return ipaddress.ip_address(text)
    return None


def matches(rule: str, host: str) -> bool:
    """Whether a host name is `rule` or under its `*.domain`, or an IP address is `rule` or in its network. *pure*."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return host == rule or (rule.startswith("*.") and host.endswith(rule[1:]))


def allowed_hosts(port: int | None = None) -> list[str]:
    """The names, `*.domains`, IP addresses and networks in `SEEDANCE_ALLOW_HOSTS`, those with another port than `port` left out. Reads the environment. Raises: BlockedURL."""
    found = []
    for item in filter(None, map(str.strip, os.getenv(_SETTING, "").lower().split(","))):
        match = re.fullmatch(r"(\[[^]]*\]|[^:]+):(\d{1,5})", item)
        host, only = match.groups() if match else (item, port)
        name = re.sub(r"^\.", "*.", host.strip("[]").removesuffix("."))
        try:
            _NAME.fullmatch(name) or ipaddress.ip_network(name)
        except ValueError:
            why = f"contains {item!r}, which is no host, IP address or network"
            raise BlockedURL(f"{_SETTING} {why}, such as cdn.example.com or 198.18.0.0/15") from None
        if port is None or int(only or port) == port:
            found.append(name)
    return found


def check_addresses(host: str, addresses: Sequence[str] = (), port: int | None = None) -> None:
    """Checks the IP addresses of a host, or its name if a proxy resolves it. Reads the environment. Raises: BlockedURL if one is neither public nor allowed."""
    host, rules = host.lower().rstrip("."), allowed_hosts(port)
    is_name = _NAME.fullmatch(host) is not None
    if not addresses and is_name and "." in host and not host.endswith(_INSIDE):
        return
    for address in addresses or [host]:
        if not is_public(address) and not any(matches(rule, host) or matches(rule, address) for rule in rules):
            is_fake = matches(_FAKE, address)
            value = _FAKE if is_fake else host if is_name else address.partition("%")[0]
            note = ", for the addresses that VPN and proxy programs make up" if is_fake else ""
            before = "".join(os.getenv(_SETTING, "").split()).strip(",")
            setting = f"{_SETTING}={','.join(filter(None, [before, value]))}{note}"
            raise BlockedURL(f"{host} {NOT_PUBLIC}; if you trust it, set {setting}")


async def lookup(host: str, port: int) -> list[str]:
    """Every IP address of a host, from the system's resolver. *network*. Raises: OSError if there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(host: str, port: int, resolve: Resolver, *, allow_private: bool) -> list[str]:
    """Every IP address of a host, resolved once. *network*. Raises: BlockedURL if it has none, or one that is not public."""
    addresses = list[str]()
    with suppress(OSError, UnicodeError):
        addresses = await resolve(host, port)
    if not addresses:
        raise BlockedURL(f"the host {host} cannot be found")
    if not allow_private:
        check_addresses(host, addresses, port)
    return addresses


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
    return re.sub("[\t\n\r]", "", text.strip("".join(map(chr, range(33))) + "<>\"'")).replace("&amp;", "&")


def same_base(url: str) -> str:
    """A base URL, normalized: scheme and host in lower case, no default port, no slash at the end. *pure*."""
    with suppress(ValueError):
        return (host_of(url) + urlsplit(url).path).rstrip("/")
    return url


def base_of(url: str, source: str) -> str:
    """A user's base URL, set in `source`, normalized. *pure*. Raises: SeedanceError, which shows no more than its host, if it is unfit for a key."""
    problem, host = "is malformed", ""
    with suppress(ValueError):
        parts = urlsplit(url)
        host, _, problem = parts.hostname or "", parts.port, ""
    if problem or parts.scheme not in _PORTS or not host:
        problem = problem or "is not an http or https URL"
    elif parts.username is not None or parts.password is not None:
        problem = "contains a user name"
    elif parts.query or parts.fragment:
        problem = "has a query or a fragment"
    elif parts.scheme == "http" and not ((ip := _ip(host)) and ip.is_private) and not is_local(host):
        problem = f"would send the key in clear text over a public network to {host}"
    if problem:
        next_step = f"set {source} to https://host, or to http://host on this machine or a private network"
        raise SeedanceError(f"The base URL from {source} {problem}, so nothing was sent.", next_step=next_step)
    return same_base(url)
