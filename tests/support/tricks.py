"""Ways of writing an address that lead to this computer or beside it, and what a system's resolver makes of them."""

import asyncio
import socket

ANY = "0.0.0.0"  # noqa: S104
NAMES = {
    "localhost": "127.0.0.1", "localhost.": "127.0.0.1", "LOCALHOST": "127.0.0.1", "rebound.test": "127.0.0.1",
    "six.test": "::1", "mapped.test": "::ffff:127.0.0.1", "cloud.test": "169.254.169.254", "oracle.test": "192.0.0.192",
    "private.test": "10.0.0.1", "shared.test": "100.64.0.1", "nat64.test": "64:ff9b::7f00:1", "sixtofour.test": "2002:7f00:1::",
    "teredo.test": "2001:0:4136:e378:8000:63bf:80ff:fffe", "any.test": ANY, "local.test": "fe80::1", "unique.test": "fd00::1",
    "site.test": "fec0::1", "azure.test": "168.63.129.16", "group.test": "224.0.0.1", "group6.test": "ff02::1",
    "broadcast.test": "255.255.255.255",
}  # fmt: skip


async def system(host: str, _port: int) -> list[str]:
    """What a system's resolver makes of a host, also of the odd ways to write a number."""
    if ":" in host:
        return [host]
    if host.lower() in NAMES:
        return [NAMES[host.lower()]]
    if host == "half.test":
        return ["93.184.216.34", "127.0.0.1"]
    try:
        return [socket.inet_ntoa(socket.inet_aton(host))]
    except OSError as error:
        raise socket.gaierror("unknown") from error


HOSTS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "127.0.0.1.",
    "127.255.255.254", "0", ANY, "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "half.test", "127.0.0.1%2f", "user@127.0.0.1", "example.com@127.0.0.1",
    "example.com:x@127.0.0.1", "127.0.0.1\\@example.com", "example.com#@127.0.0.1", "①②⑦.0.0.1", "127。0。0。1", *NAMES,
)  # fmt: skip


async def naive(host: str, port: int) -> None:
    """Connects to whatever a host resolves to: the control."""
    for name in (host.strip("[]"), host.rpartition("@")[2]):
        try:
            address = (await system(name, port))[-1].removeprefix("::ffff:")
            _, writer = await asyncio.open_connection(address, port)
        except (OSError, ValueError):
            continue
        writer.close()
        await writer.wait_closed()
        return
