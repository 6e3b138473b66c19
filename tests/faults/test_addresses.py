"""No URL in a response leads to a private network: not for a result, an upload or an image, by no redirect or second lookup."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from faults import media_server as ms
from faults.keeping import FIELDS, MODEL, errand
from faults.media_server import MediaServer
from support import media
from support.provider import Provider
from support.tricks import HOSTS, naive, system
from support.waiting import short

import seedance_nb as sd
from seedance_nb._document.load import spec
from seedance_nb._provider.transport import Endpoint, access_policy
from seedance_nb._web import client
from seedance_nb._web.client import AccessPolicy, Fetch, fetch_small, put_bytes
from seedance_nb._web.download import Bounds, DownloadError, download

VIDEO = media.longer(media.video(frames=24), 20_000)
WAY_OUT = "if you trust it, set SEEDANCE_ALLOW_HOSTS"
QUICK = Bounds(total_s=2, over_s=0.3)


@pytest.fixture
def inside() -> Iterator[MediaServer]:
    """What lies on this computer and is nobody's business."""
    made = MediaServer()
    made.put("/secret", VIDEO)
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[MediaServer]:
    made = MediaServer()
    yield made
    made.stop()


async def fetched(url: str, into: Path, way: AccessPolicy) -> str:
    try:
        await download(url, into, way, QUICK)
    except DownloadError as fault:
        return f"{fault.kind}: {fault}"
    return ""


async def put(url: str, _: Path, way: AccessPolicy) -> str:
    return await put_bytes(url, b"my picture", "image/png", way, total=2)


ERRANDS: dict[str, Callable[[str, Path, AccessPolicy], Coroutine[Any, Any, str]]] = {
    "a result": fetched,
    "an upload": put,
}


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("what", ERRANDS)
def test_no_way_of_writing_an_address_leads_inside(what: str, scheme: str, inside: MediaServer, tmp_path: Path) -> None:
    assert len(HOSTS) >= 27
    way = AccessPolicy(resolve=system, connect_s=1)
    for host in HOSTS:
        assert asyncio.run(ERRANDS[what](f"{scheme}://{host}:{inside.port}/secret", tmp_path / "a", way)), host
    assert (inside.connections, list(tmp_path.iterdir())) == (0, [])
    for host in HOSTS:
        asyncio.run(naive(host, inside.port))
    assert inside.connections >= 3  # the control: they do lead here; a busy machine is too slow for some


def test_no_picture_of_a_request_is_fetched_from_inside_for_the_simulator(
    inside: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "AccessPolicy", lambda **more: AccessPolicy(resolve=system, **more))
    for host in HOSTS:
        for scheme in ("https", "http"):
            assert asyncio.run(fetch_small(f"{scheme}://{host}:{inside.port}/secret", total=1)) == b""
    assert inside.connections == 0
    assert httpx.get(f"{inside.origin}/secret", trust_env=False).content == VIDEO  # the control


def test_no_redirect_leads_inside_and_a_naive_client_is_led(
    server: MediaServer, inside: MediaServer, tmp_path: Path
) -> None:
    way = AccessPolicy(origin=server.origin, resolve=system, connect_s=1)
    targets = [f"{scheme}://{host}:{inside.port}/secret" for host in HOSTS for scheme in ("https", "http")]
    for target in [*targets, "//127.0.0.1:1/", "file:///etc/passwd", "ftp://127.0.0.1/", "\\\\127.0.0.1\\c"]:
        plain = target.encode("ascii", "replace").decode()
        server.put("/first", b"", ms.to("/second"))
        server.put("/second", b"", ms.to(plain))
        assert asyncio.run(fetched(f"{server.origin}/first", tmp_path / "a", way)), target
    assert (inside.connections, list(tmp_path.iterdir())) == (0, [])
    server.put("/second", b"", ms.to(f"{inside.origin}/secret"))
    assert httpx.get(f"{server.origin}/first", follow_redirects=True, trust_env=False).content == VIDEO
    assert inside.connections == 1


def test_three_hops_are_followed_and_no_fourth(server: MediaServer, tmp_path: Path) -> None:
    way = AccessPolicy(origin=server.origin)
    server.put("/0", VIDEO)
    for number in range(1, 5):
        server.put(f"/{number}", b"", ms.to(f"/{number - 1}"))
    assert asyncio.run(fetched(f"{server.origin}/3", tmp_path / "a", way)) == ""
    assert "redirects too many times" in asyncio.run(fetched(f"{server.origin}/4", tmp_path / "b", way))
    for _, headers in server.asked:
        assert set(headers) == {"host", "accept", "accept-encoding", "user-agent", "connection"}  # no cookie, no key


def test_an_upload_is_not_sent_on(server: MediaServer, inside: MediaServer, tmp_path: Path) -> None:
    server.put("/up", b"", lambda x: x.head(307, Location=f"{server.origin}/elsewhere", Content_Length=0))
    said = asyncio.run(put(f"{server.origin}/up", tmp_path, AccessPolicy(origin=server.origin)))
    assert said == "HTTP 307"
    assert [path for path, _ in server.asked] == ["/up"]
    assert inside.connections == 0


def test_a_host_that_resolves_to_another_address_the_second_time_is_resolved_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, reached = [], []

    async def rebinding(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34" if len(asked) == 1 else "127.0.0.1"]

    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        reached.append(address[0])
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    way = AccessPolicy(resolve=rebinding, connect_s=1)
    said = asyncio.run(fetched("https://media.test/v.mp4?X-Signature=s3cr3t", tmp_path / "a", way))
    assert said == "broken: could not connect to media.test"
    assert (asked, reached) == (["media.test"], ["93.184.216.34"])


def test_a_name_that_turns_inwards_between_two_hops_is_refused_at_the_second(
    server: MediaServer, inside: MediaServer, tmp_path: Path
) -> None:
    server.put("/v.mp4", b"", ms.to(f"https://media.test:{inside.port}/secret"))
    way = AccessPolicy(origin=server.origin, resolve=system_or_inside)
    said = asyncio.run(fetched(f"{server.origin}/v.mp4", tmp_path / "a", way))
    assert said == f"final: media.test is not on the public internet; {WAY_OUT}=media.test"
    assert inside.connections == 0


async def system_or_inside(host: str, port: int) -> list[str]:
    return ["93.184.216.34", "127.0.0.1"] if host == "media.test" else await system(host, port)


def test_only_the_origin_that_a_person_named_may_be_inside(inside: MediaServer, tmp_path: Path) -> None:
    crun = spec(MODEL)
    assert access_policy(crun, Endpoint(base_url=crun.server, secret=None)).origin == ""
    assert access_policy(crun, Endpoint(base_url=inside.origin, secret=None)).origin == inside.origin
    other = MediaServer()
    way = access_policy(crun, Endpoint(base_url=other.origin, secret=None))
    assert "does not use https" in asyncio.run(fetched(f"{inside.origin}/secret", tmp_path / "a", way))
    assert inside.connections == 0
    other.stop()


def test_a_real_providers_own_name_must_be_public_too(inside: MediaServer, tmp_path: Path) -> None:
    crun = spec(MODEL)

    async def hosts(_: str, __: int) -> list[str]:
        return ["127.0.0.1"]

    way = access_policy(crun, Endpoint(base_url=crun.server, secret=None))
    pinned = AccessPolicy(origin=way.origin, resolve=hosts)
    said = asyncio.run(fetched(f"{crun.server}:{inside.port}/secret", tmp_path / "a", pinned))
    assert said == f"final: api.crun.ai is not on the public internet; {WAY_OUT}=api.crun.ai"
    assert inside.connections == 0


def test_a_task_whose_result_has_a_private_url_says_so(
    server: MediaServer, inside: MediaServer, tmp_path: Path
) -> None:
    job = errand(server, tmp_path, f"https://127.0.0.1:{inside.port}/secret")
    with pytest.raises(sd.MediaError, match=r"127\.0\.0\.1 is not on the public internet"):
        job.fetch()
    assert inside.connections == 0
    assert job.files == []


def test_the_simulator_reaches_nothing_but_itself(inside: MediaServer, tmp_path: Path) -> None:
    crun = spec(MODEL)

    async def app(_: Any, __: Any, ___: Any) -> None:
        raise AssertionError("it was asked")

    way = access_policy(crun, Endpoint(base_url="http://crun.simulator.invalid", secret=None, app=app))
    assert "serves only its own files" in asyncio.run(fetched(f"https://localhost:{inside.port}/", tmp_path / "a", way))
    assert inside.connections == 0


NO_IDS = ["../../account/balance?", "../..", "a b", "a\nb", "task\r\nX: y", "", "task_1\0"]
ODD_IDS = [
    "a/b",
    "a?x=1",
    "a#b",
    "a&task_id=task_2",
    "%2e%2e",
    "雪",
    "a" * 201,
    "http://127.0.0.1/",
    "task_1;",
    "a\\b",
    "'",
    '"',
    "<b>",
]


@pytest.mark.parametrize("name", [*NO_IDS, *ODD_IDS], ids=range(len(NO_IDS + ODD_IDS)))
def test_no_id_changes_the_requested_path(name: str, provider: Provider, tmp_path: Path) -> None:
    provider.on_create = [(200, {"code": 200, "message": "success", "data": {"task_id": name}})]
    provider.on_status = ["failed"]
    session = sd.Session(
        api_key="a-key-for-the-test", base_url=provider.url, ledger=tmp_path / "l.sqlite3", sleep=short
    )
    with pytest.raises(sd.UnknownOutcome if name in NO_IDS else sd.TaskFailed):
        session.generate(MODEL, timeout=20, **FIELDS)
    path = f"/api/v1/client/job/TaskInfo?task_id={quote(name, safe='')}"
    assert set(provider.looks) == (set() if name in NO_IDS else {path})


def test_one_trip_sends_a_request_for_each_question_and_tells_its_host(server: MediaServer) -> None:
    server.put("/a", b"x")
    trip = Fetch(AccessPolicy(origin=server.origin))

    async def go() -> str:
        async with trip.reach(f"{server.origin}/a", {}) as (answer, ask), ask(headers={"Range": "bytes=0-"}) as second:
            return json.dumps([answer.status_code, second.status_code])

    assert (asyncio.run(go()), len(server.asked), trip.name) == ("[200, 200]", 2, "127.0.0.1")
