"""Resolves hosts to IP addresses and blocks those that are not public."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

Resolver = Callable[[str, int], Awaitable[list[str]]]

# What `is_global` of the Python versions in use wrongly calls global: special registries, the hosts of cloud metadata,
# and IPv6 addresses that contain an IPv4 one.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16/32", "100.64.0.0/10")
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)


class BlockedURL(Exception):
    """A URL that must not be requested. The text is a clause that says why and shows no more of the URL than its host."""


def is_public(address: str) -> bool:
    """Whether `address` (an IPv4 or IPv6 address as text) is public and belongs to one host. *pure*.

    False for loopback, private, link-local, shared, multicast and reserved addresses, for those that contain another one
    (mapped, NAT64, 6to4, Teredo), and for any other text.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not any(ip in net for net in _NOT_PUBLIC_4)
    is_plain = ip.scope_id is None and ip in _PUBLIC_6 and ip.is_global
    return is_plain and not any(ip in net for net in _NOT_PUBLIC_6)


async def lookup(host: str, port: int) -> list[str]:
    """Every IP address of a host, from the system's resolver. *network*. Raises: OSError if there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(host: str, port: int, resolve: Resolver, *, allow_private: bool) -> list[str]:
    """Every IP address of a host, resolved once. *network*. Raises: BlockedURL if it has none, or one that is not public."""
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        raise BlockedURL(f"the host {host} cannot be found")
    if not allow_private and not all(is_public(address) for address in addresses):
        raise BlockedURL(f"{host} is not on the public internet")
    return addresses
