"""Connections are opened only to the IP addresses that were checked, one after the other."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from faults.media_server import MediaServer

from seedance_nb._web.addresses import BlockedURL
from seedance_nb._web.client import AccessPolicy, Fetch, error_text

CLOSED = "::1"  # the server listens at 127.0.0.1 only


@pytest.fixture
def server() -> Iterator[MediaServer]:
    made = MediaServer()
    made.put("/a", b"x")
    yield made
    made.stop()


def reached(server: MediaServer, *addresses: str) -> str:
    """What came from a host that has these addresses, or why nothing did."""
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return list(addresses)

    port = int(server.origin.rpartition(":")[2])
    origin = f"http://media.test:{port}"
    fetch = Fetch(AccessPolicy(origin=origin, resolve=resolve, connect_s=1))

    async def go() -> str:
        try:
            async with fetch.reach(f"{origin}/a", {}) as (answer, _):
                return (await answer.aread()).decode()
        except (httpx.HTTPError, OSError) as error:
            return error_text(error, fetch.name)

    text = asyncio.run(go())
    assert asked == [("media.test", port)]
    return text


def test_an_address_that_gives_no_connection_is_passed_over_for_the_next(server: MediaServer) -> None:
    assert reached(server, CLOSED, CLOSED, "127.0.0.1") == "x"
    assert [headers["host"] for _, headers in server.asked] == [f"media.test:{server.origin.rpartition(':')[2]}"]


def test_three_addresses_are_tried_and_no_fourth(server: MediaServer) -> None:
    assert reached(server, CLOSED, CLOSED, CLOSED, "127.0.0.1") == "could not connect to media.test"
    assert server.connections == 0


def test_httpx_makes_no_pool_of_its_own_that_would_connect_unchecked(
    server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(*_: Any, **__: Any) -> None:
        raise AssertionError("it was made")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", unchecked)
    assert reached(server, "127.0.0.1") == "x"
    with pytest.raises(AssertionError, match="it was made"):
        httpx.AsyncClient(trust_env=False)  # the control


def test_an_international_host_name_is_resolved_in_the_form_that_is_sent_to_the_server() -> None:
    """Two ways to spell such a name in ASCII are in use, and they lead to two hosts."""
    asked = []

    async def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return []

    async def go() -> None:
        async with Fetch(AccessPolicy(resolve=resolve)).reach("https://straße.test/a", {}):
            pass

    with pytest.raises(BlockedURL, match="cannot be found"):
        asyncio.run(go())
    assert asked == ["xn--strae-oqa.test"]
    assert "straße.test".encode("idna") == b"strasse.test"  # what the system's resolver would make of it
