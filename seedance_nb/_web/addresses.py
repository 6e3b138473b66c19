"""Which addresses a host has, and whether they may be spoken to: only out on the public internet."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

Resolver = Callable[[str, int], Awaitable[list[str]]]

# What `is_global` of the Python versions in use calls global and is not: special registries, the hosts of cloud
# metadata, and IPv6 addresses that carry an IPv4 one inside.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3", "168.63.129.16/32", "100.64.0.0/10")
)
_PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2620:4f:8000::/48")
)


class BlockedAddress(Exception):
    """The address is not spoken to; the text says why, and holds no more of it than its host."""


def is_public(address: str) -> bool:
    """Whether `address` (an IPv4 or IPv6 address as text) is public and reached by one host. *pure*.

    False for loopback, private, link-local, shared, multicast and reserved addresses, for those that carry another one
    inside (mapped, NAT64, 6to4, Teredo), and for a text that is no address.
    """
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv4Address):
        return place.is_global and not any(place in net for net in _NOT_PUBLIC_4)
    return (
        place.scope_id is None
        and place in _PUBLIC_6
        and place.is_global
        and not any(place in net for net in _NOT_PUBLIC_6)
    )


async def lookup(host: str, port: int) -> list[str]:
    """Every address of a host, as the system's own resolver gives them. *network*.

    Raises: OSError if there is none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def addresses_of(host: str, port: int, resolve: Resolver, *, may_be_inside: bool) -> list[str]:
    """Every address of a host, looked up once. *network*. Raises: Blocked where it has none, or one that is not public."""
    try:
        addresses = await resolve(host, port)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses:
        raise BlockedAddress(f"the host {host} cannot be found")
    if not may_be_inside and not all(is_public(address) for address in addresses):
        raise BlockedAddress(f"{host} is not on the public internet")
    return addresses
