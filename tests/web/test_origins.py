"""A key is sent only to hosts from the package or the user, never to one that only a schema names."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.waiting import short, shown

import seedance_nb as sd
from seedance_nb import _api
from seedance_nb._check.check import Request
from seedance_nb._document.reader import SPECS, read_document, with_shared
from seedance_nb._notebook.panel import Panel
from seedance_nb._provider.transport import access_policy, fetch_answer
from seedance_nb._web.addresses import base_of, host_of, same_base

MODEL = "crun/seedance-2.0-fast-r2v"
EVIL = "https://collector.evil.example"
KEY = "ak_canary_0123456789abcdefghijklmnop"
OTHER = "sk_of_another_service_0123456789"
FIELDS: dict[str, Any] = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"]}
Seen = list[tuple[str, str]]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Every request that leaves, and the key that it carries; the answer says yes to all of them."""
    seen: Seen = []

    async def answer(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        key = request.headers.get("x-api-key") or request.headers.get("x-other") or ""
        seen.append((f"{request.url.scheme}://{request.url.netloc.decode()}", key))
        told = b'{"code": 200, "data": {"task_id": "t1", "status": "failed", "credits": 1, "balance": 5}}'
        return httpx.Response(200, stream=httpx.ByteStream(told))

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", answer)
    monkeypatch.setenv("CRUN_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", OTHER)
    return seen


def own(**changes: Any) -> dict[str, Any]:
    return read_document((SPECS / f"{MODEL}.yaml").read_text(encoding="utf-8"))[0] | changes


def alone(**changes: Any) -> dict[str, Any]:
    """A document of nobody's, with everything that it takes to be sent."""
    made = with_shared(own(), "")
    del made["x-provider"]
    return made | {"servers": [{"url": EVIL}]} | changes


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "another server": ({"servers": [{"url": EVIL}]}, "/servers"),
    "no server": ({"servers": None}, "/servers"),
    "another key": ({"x-env": {"key": "OTHER_API_KEY"}}, "/x-env"),
    "another address variable": ({"x-env": {"base_url": "NOPE"}}, "/x-env"),
    "another way of sending it": ({"security": []}, "/security"),
    "another header": (
        {"components": {"securitySchemes": {"ApiKeyAuth": {"type": "apiKey", "in": "header", "name": "x-other"}}}},
        "/components/securitySchemes/ApiKeyAuth",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_document_of_a_provider_cannot_change_where_its_key_goes(name: str) -> None:
    changes, pointer = CHANGES[name]
    with pytest.raises(sd.SpecError, match="cannot change where the provider's key goes") as refused:
        sd.spec(own(**changes))
    assert refused.value.pointer == pointer


def test_an_operation_of_a_provider_cannot_change_how_its_key_travels() -> None:
    document = own()
    next(iter(document["paths"].values()))["post"]["security"] = [{"Mine": []}]
    with pytest.raises(sd.SpecError, match="cannot change where the provider's key goes"):
        sd.spec(document)


def test_what_a_document_only_repeats_of_its_provider_is_taken() -> None:
    made = sd.spec(own(servers=[{"url": "https://api.crun.ai"}], **{"x-env": {"key": "CRUN_API_KEY"}}))
    assert (made.name, made.server, made.vouched) == ("crun/document", "https://api.crun.ai", True)


@pytest.mark.parametrize("variable", ["CRUN_API_KEY", "OTHER_API_KEY"])
def test_no_key_of_the_environment_goes_to_a_server_that_only_a_document_names(wire: Seen, variable: str) -> None:
    document = sd.spec(alone(**{"x-env": {"key": variable, "base_url": "OTHER_API_KEY"}}))
    assert sd.Session().is_simulated(document)
    panel = sd.panel(document)
    panel.form.values = FIELDS
    assert panel._simulated
    assert "Use a key" not in shown(panel), "a key that is entered would go nowhere"
    for session in (sd.Session(simulate=False), sd.Session(api_key=KEY)):
        with pytest.raises(sd.SeedanceError, match=r"no key is sent to https://collector\.evil\.example") as refused:
            session.submit(document, budget=1000, **FIELDS)
        assert OTHER not in str(refused.value)
    with pytest.raises(sd.SeedanceError, match="pass the key as api_key="):
        sd.ask_key(document)
    assert EVIL not in dict(wire)


def test_a_key_that_is_given_together_with_a_document_goes_to_its_server(wire: Seen) -> None:
    """The control of the test above, and what such a document is for."""
    assert sd.balance(alone(), api_key=OTHER) == 5
    assert sd.Session(api_key=OTHER, base_url=EVIL).host(alone()) == EVIL
    assert sd.panel(alone(), api_key=OTHER)._host == EVIL
    assert set(wire) == {(EVIL, OTHER)}


def test_a_key_goes_to_the_server_of_the_package_and_to_the_one_that_a_person_named(
    wire: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sd.balance(MODEL) == 5
    monkeypatch.setenv("CRUN_BASE_URL", "https://proxy.example.com/crun/")
    assert sd.balance(MODEL) == 5
    assert sd.balance(MODEL, base_url="http://10.1.2.3:8000") == 5
    assert wire == [("https://api.crun.ai", KEY), ("https://proxy.example.com", KEY), ("http://10.1.2.3:8000", KEY)]


def test_the_host_is_named_wherever_a_key_would_go(wire: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the key goes to https://api.crun.ai" in Panel(sd.spec(MODEL), sd.Session())._top.value
    assert "https://api.crun.ai" in repr(sd.models())
    monkeypatch.setenv("CRUN_BASE_URL", "https://proxy.example.com")
    assert "the key goes to https://proxy.example.com" in Panel(sd.spec(MODEL), sd.Session())._top.value
    assert "https://proxy.example.com" in repr(sd.models())
    assert "goes to" not in Panel(sd.spec(MODEL), sd.Session(simulate=True))._top.value
    assert wire == []


WRONG_BASES = {
    "http://api.crun.ai": "clear text",
    "http://8.8.8.8": "clear text",
    "https://bob:s3cr3t@api.crun.ai": "user name",
    "https://bob@api.crun.ai": "user name",
    "https://api.crun.ai?key=s3cr3t": "query or a fragment",
    "ftp://api.crun.ai": "not an http or https",
    "api.crun.ai": "not an http or https",
    "https://": "not an http or https",
    "https://[::1": "malformed",
    "https://api.crun.ai:port": "malformed",
}


@pytest.mark.parametrize("base", WRONG_BASES)
def test_a_base_address_that_would_give_the_key_away_is_refused(
    base: str, wire: Seen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(sd.SeedanceError, match=WRONG_BASES[base]) as refused:
        sd.Session(base_url=base, sleep=short).submit(MODEL, budget=1000, **FIELDS)
    assert "s3cr3t" not in str(refused.value)
    monkeypatch.setenv("CRUN_BASE_URL", base)
    _api._session.cache_clear()
    with pytest.raises(sd.SeedanceError, match="base URL from CRUN_BASE_URL"):
        sd.balance(MODEL)
    assert wire == []
    assert not [file for file in tmp_path.iterdir() if b"s3cr3t" in file.read_bytes()]


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000", "http://localhost:1", "http://[::1]:1", "http://192.168.0.7", "https://a.example"]
)
def test_a_base_address_on_this_machine_a_private_network_or_https_is_taken(base: str) -> None:
    assert base_of(f"{base}/", "base_url=") == base


@pytest.mark.parametrize("base", ["https://api.crun.ai:443", "https://API.crun.ai", "HTTPS://Api.Crun.AI:443/"])
def test_another_spelling_of_the_provider_is_the_provider(base: str, wire: Seen, crun: sd.Spec) -> None:
    assert sd.balance(MODEL, base_url=base) == 5
    assert wire == [("https://api.crun.ai", KEY)], "the key goes with it"
    place = sd.Session(base_url=base).sender.routing.for_new(crun)
    assert place.base_url == "https://api.crun.ai"
    assert access_policy(crun, place).origin == "", "so its files must have public addresses"
    named = sd.Session(base_url="http://127.0.0.1:1").sender.routing.for_new(crun)
    assert access_policy(crun, named).origin == "http://127.0.0.1:1", "the control"


def test_a_request_to_another_origin_has_no_key(wire: Seen, crun: sd.Spec) -> None:
    place = sd.Session().sender.routing.for_new(crun)
    for url in ("https://api.crun.ai:443/a", "https://api.crun.ai.evil.example/a", "https://api.crun.ai:444/a"):
        asyncio.run(fetch_answer(crun, Request(method="GET", url=url, body=""), place))
    assert [key for _, key in wire] == [KEY, "", ""]


def test_two_spellings_of_an_origin_are_one() -> None:
    assert host_of("HTTPS://User:pw@Example.COM:443/a?b") == "https://example.com"
    assert host_of("http://[::1]:80/") == "http://[::1]"
    assert same_base("https://Example.com:443/v1/") == "https://example.com/v1"
