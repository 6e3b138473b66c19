"""Behind a proxy, with a CA of the network's own: the whole road works, nothing is paid twice, and the proxy learns no key."""

import base64
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import FIELDS, MODEL
from support.clips import provider_bytes
from support.provider import CREATE, Provider
from support.tunnel import Authority, Front, Proxy, running
from support.waiting import short

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._task.engine import ENGINE

KEY = "a-key-that-no-proxy-may-see"
PASSWORD = "pa55word-of-the-proxy"


@dataclass(frozen=True, kw_only=True)
class Office:
    """A network whose proxy alone knows the way to `api.test` and `cdn.test`."""

    provider: Provider
    front: Front
    proxy: Proxy
    folder: Path

    def session(self, base_url: str = "https://api.test", **more: Any) -> sd.Session:
        return sd.Session(
            api_key=KEY,
            base_url=base_url,
            ledger=self.folder / "ledger.sqlite3",
            outputs=self.folder / "o",
            sleep=short,
            **more,
        )

    def generate(self, base_url: str = "https://api.test", **more: Any) -> sd.Video:
        return self.session(base_url, **more).generate(MODEL, timeout=30, preflight=False, **FIELDS)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def office(
    authority: Authority, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Office]:
    port = int(provider.url.rpartition(":")[2])
    with (
        running(Front(authority.context("api.test", "cdn.test", "minio", "127.0.0.1"), port)) as front,
        running(Proxy({"api.test": front.port, "cdn.test": front.port, "minio": front.port})) as proxy,
    ):
        ENGINE._gates.clear()  # as in a new process
        provider.url = "https://cdn.test"  # of results
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//user:{PASSWORD}@"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        yield Office(provider=provider, front=front, proxy=proxy, folder=tmp_path)


def test_the_paid_request_its_status_and_its_video_go_through_the_proxy_and_it_sees_no_key(office: Office) -> None:
    assert provider_bytes(office.generate().path) == office.provider.video
    tunnels = [line.split(" ")[1] for line in office.proxy.asked]
    assert tunnels == ["api.test:443"] * 2 + ["cdn.test:443"]  # one for what is free, one for the paid request
    assert len(office.provider.charges) == 1
    assert KEY in str(office.provider.headers)
    assert KEY not in str(office.provider.downloads)
    assert KEY.encode() not in office.proxy.seen
    assert base64.b64encode(f"user:{PASSWORD}".encode()) in office.proxy.seen
    httpx.post(f"http://api.test{CREATE}", headers={"X-API-Key": KEY}, proxy=office.proxy.url)
    assert KEY.encode() in office.proxy.seen  # the control: without TLS it would


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY", "all_proxy"])
def test_every_spelling_of_the_variable_is_read(name: str, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv(name, office.proxy.url.removeprefix("http://"))
    office.generate()
    assert len(office.provider.charges) == 1
    assert len(office.proxy.asked) >= 3


def test_a_proxy_may_be_reached_over_tls_itself(
    office: Office, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(Front(authority.context("proxy.test", "127.0.0.1"), office.proxy.port)) as front:
        monkeypatch.setenv("HTTPS_PROXY", f"https://user:{PASSWORD}@127.0.0.1:{front.port}")
        office.generate()
    assert len(office.provider.charges) == 1
    assert KEY.encode() not in office.proxy.seen


def test_hosts_in_no_proxy_are_reached_directly(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "other.test, .api.test")
    with pytest.raises(sd.Unreachable, match=r"https://api\.test \("):  # there is no way there without the proxy
        office.generate()
    assert office.proxy.asked == []
    monkeypatch.setenv("no_proxy", "other.test")
    office.generate()
    assert office.proxy.asked != []


def test_this_computer_is_never_reached_through_a_proxy_and_no_key_goes_there_in_clear_text(office: Office) -> None:
    office.provider.url = f"https://127.0.0.1:{office.front.port}"
    office.generate(office.provider.url)
    assert len(office.provider.charges) == 1
    assert office.proxy.asked == []


REFUSALS: dict[str, tuple[int | str, int]] = {
    "wrong password": (407, 1), "forbidden": (403, 1), "no gateway": (502, 3), "overloaded": (503, 3),
    "no answer": ("close", 3), "half an answer": ("half", 3), "a tunnel that leads nowhere": ("deaf", 3),
    "silence": ("silent", 3),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_a_proxy_refused_was_certainly_not_sent_and_is_sent_once_it_works(
    case: str, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    office.proxy.answer, tries = REFUSALS[case]
    caplog.set_level(logging.DEBUG, "seedance_nb")
    with pytest.raises(sd.Unreachable, match=r"through the proxy http://127\.0\.0\.1:\d+ \(") as refused:
        office.generate(answer_s=0.3 if case == "silence" else 20)
    assert len(office.proxy.asked) == 1 + tries  # the first for the balance
    assert (refused.value.charged, office.session().tasks()[0].state) == ("not charged", State.UNSENT)
    if isinstance(office.proxy.answer, int):
        assert f"HTTP {office.proxy.answer}" in str(refused.value)
    ledger = b"".join(path.read_bytes() for path in office.folder.glob("ledger*") if path.is_file())
    assert b"the proxy http" in ledger
    for text in (str(refused.value), repr(refused.value.__context__), caplog.text, ledger.decode("latin-1")):
        assert PASSWORD not in text
    office.proxy.answer = 200
    office.generate()
    assert len(office.provider.charges) == 1


@pytest.mark.parametrize("when", ["while the request is sent", "before its answer"])
def test_what_a_proxy_cuts_off_later_is_an_unknown_outcome_and_never_sent_again(when: str, office: Office) -> None:
    office.front.cut = when == "while the request is sent"
    office.provider.when_charged = office.proxy.hang_up
    for _ in range(2):
        with pytest.raises(sd.UnknownOutcome):
            office.generate()
        office.front.cut = False
    assert len(office.proxy.asked) == 2  # one for the balance, one for the request
    assert len(office.provider.charges) == (when == "before its answer")


def test_a_ca_of_ones_own_is_trusted_only_where_the_environment_names_it(
    authority: Authority, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(sd.Unreachable, match="set SSL_CERT_FILE to a file with its certificate"):
        office.generate()
    assert office.front.handshakes == 0
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    office.generate()
    assert len(office.provider.charges) == 1


BAD = {
    "HTTPS_PROXY": (f"http://user:{PASSWORD}/#@proxy.test:3128", f"http://user:{PASSWORD}@proxy.test:port", "ftp://proxy.test", f"socks5://user:{PASSWORD}@proxy.test", "http://"),
    "SSL_CERT_FILE": ("/no/such/file.pem", __file__),
    "SEEDANCE_ALLOW_HOSTS": ("https://cdn.test", "cdn.test:https", "198.18.0.1/15", "a b", "*", "cdn.test;other.test", "300.1.1.1"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_variable_that_cannot_be_read_is_named_before_anything_is_charged(
    name: str, value: str, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(sd.SeedanceError, match=name) as refused:
        office.generate()
    assert refused.value.charged == "not charged"
    assert (office.provider.charges, office.proxy.asked) == ([], [])
    assert PASSWORD not in f"{refused.value} {refused.value.__context__!r} {refused.value.__cause__!r}"


def test_a_private_address_of_a_result_is_refused_before_the_proxy_is_asked(office: Office) -> None:
    office.provider.on_status = [
        (200, {"code": 200, "data": {"task_id": "task_1", "status": "success", "result": {"media_urls": [url]}}})
        for url in ["https://10.0.0.1/v.mp4"]
    ]
    with pytest.raises(sd.MediaError, match=r"10\.0\.0\.1 is not on the public internet.* SEEDANCE_ALLOW_HOSTS=10"):
        office.generate()
    assert {line.split(" ")[1] for line in office.proxy.asked} == {"api.test:443"}


def test_a_result_on_an_inner_host_is_saved_once_that_host_is_allowed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.provider.url = "https://minio"
    with pytest.raises(sd.MediaError, match=r"minio is not on the public internet.* set SEEDANCE_ALLOW_HOSTS=minio"):
        office.generate()
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "minio")
    assert provider_bytes(office.generate().path) == office.provider.video
    assert len(office.provider.charges) == 1
    assert KEY not in str(office.provider.downloads)
