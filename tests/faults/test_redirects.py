"""Keys and request bodies never reach another origin, whatever a provider answers and whatever the environment says."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from faults.canary import KEY, hits
from faults.server import CREATE, OTHER, STATUS, VIDEO, Act, Exchange, FaultServer, says, serving, tell
from faults.shapes import CRUN, PRO, Shape
from support.waiting import short, until

import seedance_nb as sd

CODES = (301, 302, 303, 307, 308)
PLACES = (CREATE, STATUS, VIDEO)


class Foreign:
    """A server that the key is not for. `leaks` are the requests that brought a key or a body there."""

    def __init__(self) -> None:
        self.leaks: list[str] = []
        self.plans: dict[str, list[tuple[Act, ...]]] = {name: [(self.act,)] for name in (*PLACES, OTHER)}

    def act(self, exchange: Exchange) -> None:
        told = repr(exchange.headers) + exchange.path
        if hits(told.encode()) or exchange.body or {"authorization", "x-api-key"} & set(exchange.headers):
            self.leaks.append(f"{exchange.method} {exchange.path}")
        says(200, {"code": 200, "data": {"task_id": "task_1", "status": "success"}, "taskId": "task_1"})(exchange)


def moved(code: int, target: str) -> Act:
    return says(code, b"", Location=f"{target}/elsewhere/video.mp4")


def test_a_redirect_takes_no_key_and_no_body_along(record_property: Callable[[str, object], None]) -> None:
    trials = [(code, place, shape) for shape in (CRUN, PRO) for place in PLACES for code in CODES]
    leaks = [leak for trial in trials for leak in leaks_of(*trial)]
    told = f"{len(leaks)} / {len(trials)}"
    record_property("authentication or bodies at a foreign origin / trials", told)
    print(f"\nauthentication or bodies at a foreign origin: {told}")  # noqa: T201
    assert told == "0 / 30", leaks


def leaks_of(code: int, place: str, shape: Shape) -> list[str]:
    foreign = Foreign()
    with serving(shape) as other, serving(shape) as own:
        other.plans.update(foreign.plans)
        own.plans[place] = [(moved(code, other.url),)]
        task = sd.Session(api_key=KEY, base_url=own.url, sleep=short).submit(shape.model, take=code, **shape.fields)
        until(lambda: own.count(place) >= 1)  # it came to the redirect
        with pytest.raises(sd.SeedanceError) as raised:
            task.wait(0.2 if place == STATUS else 20)
        if place == STATUS:
            own.plans[place] = [(tell("failed"),)]  # so that nobody goes on looking
            with pytest.raises(sd.TaskFailed):
                task.wait(20)
        assert hits(repr(own.requests).encode()), "and the key went to its own provider"
        assert "elsewhere" not in str(raised.value), "a host is named, a path is not"
    return foreign.leaks


@pytest.mark.parametrize("shape", [CRUN, PRO], ids=lambda shape: shape.header)
def test_a_client_that_follows_redirects_takes_them_along(shape: Shape) -> None:
    """The control: httpx with its own way of following."""
    leaks = 0
    for place in PLACES:
        for code in CODES:
            foreign = Foreign()
            with serving(shape) as other, serving(shape) as own:
                other.plans.update(foreign.plans)
                own.plans[place] = [(moved(code, other.url),)]
                naive(own, place, shape)
            leaks += bool(foreign.leaks)
    assert leaks == (15 if shape is CRUN else 2), "every x-api-key; of Bearer the bodies after 307 and 308"


def naive(own: FaultServer, place: str, shape: Shape) -> None:
    headers = {shape.header: KEY if shape is CRUN else f"Bearer {KEY}"}
    path = {CREATE: shape.create, STATUS: f"{shape.status}?task_id=1", VIDEO: "/outputs/video.mp4"}[place]
    with httpx.Client(follow_redirects=True, trust_env=False, headers=headers) as client:
        client.request("POST" if place == CREATE else "GET", own.url + path, content=b"{}" if place == CREATE else None)


def test_no_netrc_and_no_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: tuple[sd.Session, sd.Video]
) -> None:
    foreign = Foreign()
    netrc = tmp_path / "home" / ".netrc"
    netrc.parent.mkdir()
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    with serving(PRO) as proxy, serving(PRO, made[1].path.read_bytes()) as own:
        proxy.plans.update(foreign.plans)
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        sd.Session(api_key=KEY, base_url=own.url, sleep=short).generate(PRO.model, preflight=False, **PRO.fields)
        assert proxy.requests == []
        sent = {headers.get("authorization") for _, _, headers in own.requests}
        assert sent == {f"Bearer {KEY}", None}, "the key itself, and nothing at all for the file"
        before = len(own.requests)
        httpx.get(f"{own.url}/outputs/video.mp4")
        assert len(own.requests) == before, "the control: httpx as it is goes to the proxy"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name)
        httpx.get(f"{own.url}/outputs/video.mp4", auth=httpx.NetRCAuth())
        assert str(own.requests[-1][2]["authorization"]).startswith("Basic "), "and takes what the file says"
