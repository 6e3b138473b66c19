"""Proxies, certificates and allowed hosts of the environment: what is read, what is refused, and what a refusal names."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from faults.media_server import MediaServer, to
from support.tricks import HOSTS, NAMES, system
from support.tunnel import Authority, Front, Proxy, running

from seedance_nb._web.addresses import BlockedURL, checked_addresses
from seedance_nb._web.client import AccessPolicy, Fetch, error_text
from seedance_nb._web.network import proxy_for, trusted_certificates

ALLOW = "SEEDANCE_ALLOW_HOSTS"


def proxy_of(url: str) -> str:
    proxy = proxy_for(httpx.URL(url))
    return str(proxy.url) if proxy else ""


EXCLUDED = {
    "*": True, "a.cdn.test": True, "A.CDN.TEST.": True, "cdn.test": True, ".cdn.test": True, "*.cdn.test": True, "other, cdn.test": True,
    "other cdn.test": True, "cdn.test:443": True, "cdn.test:8443": False, "dn.test": False, "b.cdn.test": False, "": False, ",": False,
    ".": False, "10.0.0.0/8": False, "/": False, ":443": False, "[": False,
}  # fmt: skip


@pytest.mark.parametrize("rules", EXCLUDED)
def test_no_proxy_is_read_as_people_write_it(rules: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", rules)
    assert proxy_of("https://a.cdn.test/v.mp4?X-Signature=1") == ("" if EXCLUDED[rules] else "http://proxy.test:3128")
    assert proxy_of("https://a.cdn.test./v.mp4") == ("" if EXCLUDED[rules] else "http://proxy.test:3128")


@pytest.mark.parametrize(
    ("rules", "url"),
    [("10.0.0.0/8", "https://10.1.2.3/"), ("10.1.2.3", "https://10.1.2.3/"), ("fd00::/8", "https://[fd00::1]/"),
     ("[fd00::1]:443", "https://[fd00::1]/"), ("10.1.2.3:8443", "https://10.1.2.3:8443/")],
)  # fmt: skip
def test_no_proxy_takes_ip_addresses_and_networks(rules: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    assert proxy_of(url)
    monkeypatch.setenv("NO_PROXY", rules)
    assert not proxy_of(url)


def test_only_https_to_another_computer_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{name.lower().replace('_', '-')}.test")
    assert proxy_of("https://cdn.test") == "http://https-proxy.test"
    for url in ("http://cdn.test", "https://localhost", "https://127.0.0.2:1", "https://[::1]", "https://x.localhost."):
        assert not proxy_of(url), url
    monkeypatch.setenv("https_proxy", "")  # switches it off, as in curl
    assert proxy_of("https://cdn.test") == "http://all-proxy.test"


def test_a_password_is_in_no_refusal_and_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = ("http://u:pa55/word@h", "http://u:pa55#word@h:1", "http://u:pa55@h:1/x", "http://u:pa55@h:port", "http://u:pa55@h:70000",
           "gopher://u:pa55@h", "http://u:pa55@", "socks5://u:pa55@h", "http://u:pa55@[::1")  # fmt: skip
    for value in bad:
        monkeypatch.setenv("https_proxy", value)
        with pytest.raises(BlockedURL, match=r"^https_proxy is ") as refused:
            proxy_for(httpx.URL("https://cdn.test"))
        assert "pa55" not in f"{refused.value}{refused.value.__context__!r}", value
    with pytest.raises(httpx.InvalidURL, match="pa55"):
        httpx.Proxy("http://pa55:x@h:port@y:pa55")  # the control: httpx's own words show it
    monkeypatch.setenv("https_proxy", "http://u:pa55@h:1")
    proxy = proxy_for(httpx.URL("https://cdn.test"))
    assert "pa55" not in f"{proxy!r}{proxy and proxy.url}"
    for value in ("http://u:p%40ss%3A%2F@h:1", "u:p%40ss%3A%2F@h:1"):
        monkeypatch.setenv("https_proxy", value)
        proxy = proxy_for(httpx.URL("https://cdn.test"))
        assert proxy
        assert (proxy.auth, str(proxy.url)) == (("u", "p@ss:/"), "http://h:1")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def test_one_context_is_made_for_each_set_of_certificates(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = trusted_certificates()
    assert trusted_certificates() is usual
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    own = trusted_certificates()
    assert own is not usual
    assert own is trusted_certificates()
    assert (len(own.get_ca_certs()), own.verify_mode, own.check_hostname) == (1, ssl.CERT_REQUIRED, True)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trusted_certificates().get_ca_certs() == []  # a folder is read when a certificate is looked for
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(BlockedURL, match=r"^SSL_CERT_FILE is .*none\.pem', where there are no"):
        trusted_certificates()


def refusal(host: str, *addresses: str) -> str:
    """Why a host with these IP addresses is not connected to, "" if it is."""

    async def resolve(_: str, __: int) -> list[str]:
        return list(addresses)

    try:
        asyncio.run(checked_addresses(host, 443, resolve, allow_private=False))
    except BlockedURL as error:
        return str(error)
    return ""


ALLOWED = {
    "cdn.test": True, "CDN.test": True, "*.test": True, "198.18.0.0/15": True, "198.18.0.7": True, "other.test, cdn.test ,": True,
    "*.cdn.test": False, "dn.test": False, "198.18.0.8": False, "::/0": False, "": False, "test": False,
    ".test": True, "cdn.test.": True, "cdn.test:443": True, "cdn.test:8443": False, "[198.18.0.7]:443": True, ".cdn.test": False,
}  # fmt: skip


@pytest.mark.parametrize("value", ALLOWED)
def test_hosts_names_under_a_domain_addresses_and_networks_are_allowed(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW, value)
    assert (refusal("cdn.test", "198.18.0.7") == "") is ALLOWED[value]
    assert (refusal("cdn.test", "93.184.216.34", "198.18.0.7") == "") is ALLOWED[value]


@pytest.mark.parametrize("before", ["", "cdn.example.com, 10.9.0.0/16"])
def test_every_refusal_of_an_address_names_the_value_that_allows_it(
    before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = ["a,b.test", "127.1", "[", "x" * 70 + ".test"]
    tries = [
        (host, address)
        for host in ("media.test", "minio", *odd)
        for address in (*NAMES.values(), "198.19.255.1", "fe80::1%eth0")
    ]
    for host, address in [*tries, *((address, address) for address in NAMES.values())]:
        monkeypatch.setenv(ALLOW, before)
        value = re.search(
            rf"is not on the public internet; if you trust it, set {ALLOW}=([^ ]+?)(, for the|$)",
            refusal(host, address),
        )
        assert value, host
        monkeypatch.setenv(ALLOW, value[1])
        assert refusal(host, address) == ""
        assert refusal("cdn.example.com", "10.8.0.1") == ("" if before else refusal("cdn.example.com", "10.8.0.1"))
        assert refusal("unknown.test", "169.254.1.1") != ""  # no more than that


def test_a_fake_ip_resolver_is_named_and_its_network_suggested() -> None:
    assert refusal("cdn.test", "198.18.0.7") == (
        "cdn.test is not on the public internet; if you trust it, set SEEDANCE_ALLOW_HOSTS=198.18.0.0/15, "
        "for the addresses that VPN and proxy programs make up"
    )


@pytest.fixture
def files() -> Iterator[MediaServer]:
    server = MediaServer()
    server.put("/v.mp4", b"a video")
    yield server
    server.stop()


def fetched(url: str, policy: AccessPolicy | None = None) -> str:
    fetch = Fetch(policy or AccessPolicy())

    async def go() -> str:
        try:
            async with fetch.reach(url, {}) as (answer, _):
                return (await answer.aread()).decode()
        except (BlockedURL, httpx.HTTPError, OSError) as error:
            return error_text(error, fetch.name)

    return asyncio.run(go())


def test_an_allowed_fake_address_is_the_one_connected_to_and_the_certificate_must_still_be_the_hosts(
    authority: Authority, files: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, real = [], httpcore.AnyIOBackend.connect_tcp
    answers = [["198.18.0.7"], ["127.0.0.1"]]  # the second is for who looks twice

    async def resolve(_: str, __: int) -> list[str]:
        return answers.pop(0)

    async def connect(self: Any, host: str, port: int, *args: Any, **more: Any) -> Any:
        reached.append(host)
        return await real(self, "127.0.0.1", port, *args, **more)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv(ALLOW, "198.18.0.0/15")
    with running(Front(authority.context("cdn.test"), files.port)) as front:
        assert fetched(f"https://cdn.test:{front.port}/v.mp4", AccessPolicy(resolve=resolve)) == "a video"
        assert reached == ["198.18.0.7"]
        answers[:] = [["198.18.0.8"]]
        text = fetched(f"https://other.test:{front.port}/v.mp4", AccessPolicy(resolve=resolve))
        assert text.startswith("the certificate of other.test is not valid; if your network has a CA of its own, ")
        assert len(files.asked) == 1


INSIDE = [host for host in HOSTS if host.lower() not in NAMES and "half.test" not in host and "example.com" not in host]
INSIDE += [
    "localhost",
    "LOCALHOST.",
    "minio",
    "printer.local",
    "metadata.google.internal",
    "a.localhost",
    "10.0.0.1",
    "[fe80::1]",
]


def test_no_literal_private_address_is_asked_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Proxy({})) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for host in INSIDE:
            fetched(f"https://{host}/v.mp4", AccessPolicy(resolve=system, connect_s=1))
        assert proxy.asked == []
        with httpx.Client() as naive:
            for host in INSIDE:
                with suppress(httpx.HTTPError, httpx.InvalidURL):
                    naive.get(f"https://{host}/v.mp4")
        assert len(proxy.asked) > 20  # the control


def test_a_name_is_resolved_by_the_proxy_and_never_here(
    authority: Authority, files: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(host: str, _: int) -> list[str]:
        raise AssertionError(host)

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with running(Front(authority.context("cdn.test"), files.port)) as front, running(Proxy({})) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        policy = AccessPolicy(resolve=resolve)
        name = f"cdn.test (through the proxy {proxy.url})"
        assert fetched("https://cdn.test/v.mp4", policy) == f"could not connect to {name}: the proxy answered HTTP 502"
        proxy.routes["cdn.test"] = front.port
        assert fetched("https://cdn.test/v.mp4", policy) == "a video"
        monkeypatch.setenv(ALLOW, "minio")
        proxy.routes["minio"] = front.port
        assert fetched("https://minio/v.mp4", policy).startswith("the certificate of minio (through the proxy")
    assert fetched("https://cdn.test/v.mp4", policy) == f"could not connect to {name}"


def test_a_redirect_through_a_proxy_is_checked_like_the_first_url(
    authority: Authority, files: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with (
        running(Front(authority.context("cdn.test", "10.0.0.1", "printer.lan"), files.port)) as front,
        running(Proxy(dict.fromkeys(("cdn.test", "10.0.0.1", "printer.lan"), front.port))) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        for host in ("10.0.0.1", "printer.lan"):
            files.put("/first", b"", to(f"https://{host}/v.mp4"))
            assert fetched("https://cdn.test/first").startswith(f"{host} is not on the public internet; ")
        assert set(proxy.asked) == {"CONNECT cdn.test:443 HTTP/1.1"}
        monkeypatch.setenv(ALLOW, "10.0.0.0/8,*.lan")
        assert fetched("https://cdn.test/first") == "a video"


@pytest.mark.parametrize("url", ["https://93.184.216.34:70000/v.mp4", f"https://{'a.' * 127}com/v.mp4"])
def test_a_host_or_port_that_cannot_exist_is_a_malformed_url(url: str) -> None:
    assert fetched(url) == "its URL is malformed"


@pytest.mark.parametrize("value", ["xn--bcher-kva.test", "XN--bcher-kva.test.", ".test", "xn--bcher-kva.test:80"])
def test_an_allowed_host_is_named_as_people_write_it_and_may_answer_without_https(
    value: str, files: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = httpcore.AnyIOBackend.connect_tcp

    async def resolve(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    async def connect(self: Any, host: str, _: int, *args: Any, **more: Any) -> Any:
        return await real(self, host, files.port, *args, **more)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    policy = AccessPolicy(resolve=resolve)
    assert fetched("http://bücher.test/v.mp4", policy) == "its URL does not use https"
    monkeypatch.setenv(ALLOW, value)
    assert fetched("http://bücher.test/v.mp4", policy) == "a video"
    monkeypatch.setenv(ALLOW, "198.18.0.0/15,127.0.0.0/8")  # networks of addresses name no host
    assert fetched("http://bücher.test/v.mp4", policy) == "its URL does not use https"
