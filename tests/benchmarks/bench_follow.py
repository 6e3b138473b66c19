"""Many tasks followed at once, beside fal-client and replicate in one interleaved run: `python tests/benchmarks/bench_follow.py`.

The provider is a server on loopback in another process, which counts. Both libraries are in the dependency group `follow`:

    uv venv /tmp/follow && uv pip sync --python /tmp/follow binder/follow.txt
    PYTHONPATH=. /tmp/follow/bin/python tests/benchmarks/bench_follow.py

Ratios hold on any machine, times do not. "Virtual clock" marks what would take hours: there the whole of following runs in a loop
whose time jumps from one event to the next, and only the wire is made up.
"""

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import math
import os
import random
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

MODEL = "crun/seedance-1.0-pro-t2v"
CREATE = "/api/v1/client/job/CreateTask"
ROUNDS, LOOKS = 5, 2000
MEDIAN_S = 286.0


class Provider:
    """What the server counts; each task ends by a log-normal duration."""

    def __init__(self) -> None:
        self.set(median=3600.0, sigma=0.0)

    def set(self, **plan: float) -> None:
        self.plan, self.chance = plan, random.Random(7)
        self.ends: dict[str, float] = {}
        self.looks, self.under_way, self.most = Counter[str](), Counter[str](), 0
        self.lags: dict[str, float] = {}
        self.created: list[float] = []
        self.balances = 0

    def create(self) -> dict[str, Any]:
        name, now = f"task_{len(self.ends):08}", time.monotonic()
        self.created.append(now)
        self.ends[name] = now + self.plan["median"] * math.exp(self.plan["sigma"] * self.chance.gauss(0, 1))
        return {"code": 200, "message": "success", "data": {"task_id": name}}

    def look(self, name: str) -> dict[str, Any]:
        now, end = time.monotonic(), self.ends.get(name, math.inf)
        self.looks[name] += 1
        if is_done := now >= end:
            self.lags.setdefault(name, now - end)
        data = {"task_id": name, "status": "failed" if is_done else "running", "param": {}, "create_at": 1, "source": "api",
                "result": {"code": 501, "message": "over", "media_urls": []} if is_done else None, "credits": 12.5}  # fmt: skip
        return {"code": 200, "message": "success", "data": data}

    def counts(self) -> dict[str, Any]:
        span = self.created[-1] - self.created[0] if self.created else 0.0
        return {"looks": sum(self.looks.values()), "most": self.most, "lags": list(self.lags.values()), "created": len(self.created),
                "span": span, "balances": self.balances, "tasks": len(self.looks)}  # fmt: skip


class Wire(asyncio.Protocol):
    """HTTP/1.1 with kept connections, as small as it gets, so that the server is never what is measured."""

    provider: Provider

    def connection_made(self, transport: Any) -> None:
        self.transport, self.left = transport, b""

    def data_received(self, data: bytes) -> None:
        self.left += data
        while b"\r\n\r\n" in self.left:
            head, _, rest = self.left.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            if len(rest) < length:
                return
            self.left = rest[length:]
            self.answer(head.split(b" ", 2)[1].decode())

    def answer(self, target: str) -> None:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        one = self.provider
        if path == "/set":
            one.set(**{name: float(value[0]) for name, value in query.items()})
            said: Any = {}
        elif path == "/counts":
            said = one.counts()
        elif path == CREATE:
            said = one.create()
        elif path.endswith("/balance"):
            one.balances += 1
            said = {"code": 200, "message": "success", "data": {"balance": 100000}}
        elif path.startswith("/fal/"):
            said = {"status": "IN_PROGRESS", "request_id": "1", "logs": []}
        elif path.startswith("/v1/predictions/"):
            said = {"id": path[16:], "version": "1", "model": "a/b", "status": "processing", "input": {"prompt": "A fox"}, "output": None,
                    "logs": "", "error": None, "metrics": {}, "created_at": "2026-11-30T00:00:00Z", "urls": {}}  # fmt: skip
        else:
            name = next(iter(query.values()))[0]
            one.under_way[name] += 1
            one.most = max(one.most, one.under_way[name])
            asyncio.get_running_loop().call_later(one.plan.get("takes", 0.0), self.finish, name, one.look(name))
            return
        self.send(said)

    def finish(self, name: str, said: Any) -> None:
        self.provider.under_way[name] -= 1
        self.send(said)

    def send(self, said: Any) -> None:
        body = json.dumps(said).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def serve() -> None:
    Wire.provider = Provider()
    server = await asyncio.get_running_loop().create_server(Wire, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def provider() -> Iterator[str]:
    """The address of a server in another process."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate()


def ask(url: str) -> Any:
    with urllib.request.urlopen(url) as response:
        return json.load(response)


Work = Callable[[], Awaitable[Any]]


async def many(one: Work, looks: int) -> None:
    """So many calls, eight at a time."""

    async def some() -> None:
        for _ in range(looks // 8):
            await one()

    await asyncio.gather(*(some() for _ in range(8)))


async def cpu(one: Work, looks: int) -> float:
    """CPU milliseconds of one call."""
    await many(one, 80)
    begun = time.process_time()
    await many(one, looks)
    return (time.process_time() - begun) * 1000 / looks


async def fal(url: str) -> Work:
    """A look of fal-client."""
    fal_client = importlib.import_module("fal_client")
    client = await fal_client.AsyncClient(key="k")._client
    look: Work = fal_client.client.AsyncRequestHandle(
        "1", f"{url}/fal/r", f"{url}/fal/s", f"{url}/fal/c", client
    ).status
    return look


async def replicate(url: str) -> Work:
    """A look of replicate."""
    client = importlib.import_module("replicate").Client(api_token="k", base_url=url)
    return lambda: client.predictions.async_get("abc")


async def timed(maker: Callable[[str], Awaitable[Work]], url: str, looks: int) -> float:
    return await cpu(await maker(url), looks)


def session(url: str, folder: Path, **more: Any) -> Any:
    """A session of ours whose requests go to the server."""
    import seedance_nb as sd

    return sd.Session(api_key="k" * 20, base_url=url, ledger=folder / "l.sqlite3", outputs=folder / "outputs", **more)


def without_limit() -> None:
    """Let the limiter of a host that never refuses grow at once, so that a look is measured and not the waiting."""
    from seedance_nb._provider import rate_limit

    rate_limit._PER_SECOND = rate_limit._MOST = rate_limit._AT_ONCE = 1e5


def bare(rounds: int, looks: int) -> None:
    """CPU of one look, each library in turn; the smallest of all rounds counts."""
    from seedance_nb._task.engine import ENGINE
    from seedance_nb._task.results import poll

    without_limit()
    with provider() as url, tempfile.TemporaryDirectory() as folder:
        one = session(url, Path(folder))
        task = one.submit(MODEL, prompt="A fox")
        while ask(f"{url}/counts")["created"] < 1:
            time.sleep(0.05)
        flow, names = task._flow(), iter(range(10**9))
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            ours = ENGINE.run(cpu(lambda: poll(flow, f"task_{next(names):08}"), looks))
            found.setdefault("seedance_nb", []).append(ours)
            for name, other in (("fal_client", fal), ("replicate", replicate)):
                if importlib.util.find_spec(name):
                    found.setdefault(name, []).append(asyncio.run(timed(other, url, looks)))
    for name, took in found.items():
        print(
            f"  CPU of a look, bare: {name:12} {min(took):5.2f} ms (median {statistics.median(took):.2f} of {rounds} x {looks})"
        )


def kilobytes() -> int:
    gc.collect()
    return int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]
    )


async def lags(seconds: float, into: list[float]) -> None:
    """By how much a loop wakes too late, in ms."""
    end = time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        await asyncio.sleep(0.01)
        into.append((time.perf_counter() - begun - 0.01) * 1000)


def spent(url: str, seconds: float) -> tuple[float, int, list[float], list[float]]:
    """CPU seconds and looks, and afterwards by how much the engine's loop and the kernel's wake too late: watching them costs CPU."""
    from seedance_nb._task.engine import ENGINE

    looks, used, own, kernel = ask(f"{url}/counts")["looks"], time.process_time(), list[float](), list[float]()
    time.sleep(seconds)
    used = time.process_time() - used
    looks = ask(f"{url}/counts")["looks"] - looks
    there = ENGINE.submit(lags(seconds, own))
    asyncio.run(lags(seconds, kernel))
    there.result()
    return used, looks, own, kernel


def follow(tasks: int, seconds: float) -> None:
    """In a process of its own: so many tasks submitted in one burst, and then followed; no task ends."""
    with provider() as url, tempfile.TemporaryDirectory() as folder:
        one = session(url, Path(folder))
        one.submit(MODEL, prompt="The first")
        while not ask(f"{url}/counts")["created"]:
            time.sleep(0.05)
        spent(url, 1)  # what is loaded once
        before, begun = kilobytes(), time.monotonic()
        kept = [one.submit(MODEL, prompt=f"A fox {number}") for number in range(tasks)]
        claimed = time.monotonic() - begun
        while (counts := ask(f"{url}/counts"))["created"] <= tasks:
            time.sleep(0.1)
        sent = time.monotonic() - begun
        time.sleep(10)
        while ask(f"{url}/counts")["looks"] <= 2 * tasks:  # the first look at each changes its state
            time.sleep(0.5)
        used, looked, own, kernel = spent(url, seconds)
        counts = ask(f"{url}/counts")
        worst = [statistics.quantiles(one, n=100)[98] for one in (own, kernel)]
        print(f"  {tasks:5} tasks: {tasks / sent:6.1f} submits a second ({tasks / claimed:.0f} claimed), {counts['balances']} balance questions; "
              f"{looked / seconds:5.1f} looks a second, {1000 * used / max(1, looked):5.2f} ms CPU each, all in ({100 * used / seconds:.1f} % of a core); "
              f"{(kilobytes() - before) / 1024:5.1f} MiB; lag of the engine's loop p99 {worst[0]:.1f} ms, of the kernel's {worst[1]:.1f} ms; "
              f"most looks at one task at once: {counts['most']}; load {os.getloadavg()[0]:.1f}")  # fmt: skip
        del kept
        sys.stdout.flush()
        os._exit(0)


def beside(tasks: int, seconds: float) -> None:
    """In a process of its own: so many loops that look once in `tasks` / 40 s, 40 looks a second as ours, by each library."""

    async def paced(look: Work, until: float) -> int:
        looks = 0
        while time.monotonic() < until:
            await asyncio.sleep(tasks / 40)
            await look()
            looks += 1
        return looks

    async def all_of_them(maker: Callable[[str], Awaitable[Work]], url: str) -> float:
        look = await maker(url)
        await many(look, 80)
        used, begun = time.process_time(), time.monotonic()
        loops = []
        for _ in range(tasks):
            loops.append(asyncio.create_task(paced(look, begun + seconds)))
            await asyncio.sleep(1 / 40)
        looked = sum(await asyncio.gather(*loops))
        return 1000 * (time.process_time() - used) / looked

    with provider() as url:
        for name, maker in (("fal_client", fal), ("replicate", replicate)):
            if importlib.util.find_spec(name):
                print(
                    f"        {name:12} 40 looks a second: {asyncio.run(all_of_them(maker, url)):.2f} ms CPU each; load {os.getloadavg()[0]:.1f}"
                )


class Jumping(asyncio.SelectorEventLoop):
    """A loop whose time jumps to its next event, once `released`; what it would give to a thread, it does itself."""

    def __init__(self) -> None:
        self.now, self.released = 0.0, False
        jump, loop = selectors.DefaultSelector.select, self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                ready = jump(self, 0 if loop.released and timeout is not None else 0.001)
                if loop.released and not ready and timeout:
                    loop.now += timeout
                return ready

        super().__init__(Selector())

    def time(self) -> float:
        return self.now

    def run_in_executor(self, _: Any, work: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        done = self.create_future()
        try:
            done.set_result(work(*args))
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)
        return done


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """How many of these spans of time are under way at once, at most."""
    now = most = 0
    for _, step in sorted((at, step) for begin, end in spans if begin < end for at, step in ((begin, 1), (end, -1))):
        most = max(most, now := now + step)
    return most


def virtual(tasks: int, sigma: float, allowed: int) -> None:
    """In a process of its own: lag behind the end of each task, by a virtual clock; the host refuses more than `allowed` a second."""
    import httpx

    from seedance_nb._ledger.ledger import Ledger
    from seedance_nb._provider import transport
    from seedance_nb._task.engine import ENGINE

    loop, chance = Jumping(), random.Random(11)
    mock.patch.object(asyncio, "new_event_loop", return_value=loop).start()

    def draw() -> float:
        return MEDIAN_S * math.exp(sigma * chance.gauss(0, 1))

    history = tuple(draw() for _ in range(30))
    mock.patch.object(Ledger, "history", return_value=history).start()
    one, taken, refused = Provider(), list[float](), [0]
    one.ends = {}
    seen, made = dict[str, float](), dict[str, float]()
    under_way, most = Counter[str](), [0]

    class Made(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            name = request.url.params.get("taskId") or request.url.params.get("task_id") or ""
            under_way[name] += 1
            most[0] = max(most[0], under_way[name] if name else 0)
            await asyncio.sleep(0.1)
            while taken and taken[0] <= loop.now - 1:
                taken.pop(0)
            if is_free := len(taken) < allowed:
                taken.append(loop.now)
            refused[0] += not is_free
            said: dict[str, Any] = {"code": 200, "message": "success", "data": {"balance": 100}}
            if is_free and request.method == "POST":
                name = f"task_{len(one.ends):08}"
                made[name], one.ends[name] = loop.now, loop.now + draw()
                said["data"] = {"task_id": name}
            elif is_free and name:
                one.looks[name] += 1
                is_done = loop.now >= one.ends[name]
                said["data"] = {"task_id": name, "status": "failed" if is_done else "running"}
                if is_done:
                    seen.setdefault(name, loop.now + 0.1)
            await asyncio.sleep(0.1)
            under_way[request.url.params.get("taskId") or request.url.params.get("task_id") or ""] -= 1
            told = {"Retry-After": "1"} if not is_free else {}
            said = said if is_free else {"code": 429, "message": "slow down"}
            return httpx.Response(
                200 if is_free else 429, headers=told, stream=httpx.ByteStream(json.dumps(said).encode())
            )

    mock.patch.object(transport, "_transport", side_effect=lambda *_: Made()).start()
    with tempfile.TemporaryDirectory() as folder:
        here = session("http://127.0.0.1:9", Path(folder), clock=loop.time, answer_s=120)
        for number in range(tasks):
            here.submit(MODEL, prompt=f"A fox {number}")
        loop.released = True
        while not all(future.done() for future in list(ENGINE._following.values())):
            time.sleep(0.1)
        lag = sorted(seen[name] - one.ends[name] for name in seen)
        hot = most_at_once([(made[name] + 0.85 * min(history), seen[name]) for name in seen])

        def quantile(part: float) -> float:
            return lag[min(len(lag) - 1, int(part * len(lag)))]

        print(f"  {tasks:5} tasks, sigma {sigma}: lag p50 {quantile(0.5):5.1f} s, p95 {quantile(0.95):5.1f} s (1.3 x {hot} / {allowed} = {1.3 * hot / allowed:.1f} s); {sum(one.looks.values()) / tasks:.1f} looks a task; "
              f"{refused[0]} of {sum(one.looks.values()) + tasks} requests refused; most looks at one task at once {most[0]}; {len(seen)} seen")  # fmt: skip
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--follow", type=int)
    parser.add_argument("--beside", type=int)
    parser.add_argument("--virtual", nargs=3, type=float)
    parser.add_argument("--tasks", nargs="*", type=int, default=[1, 100, 1000, 5000])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    os.environ.pop("CI", None)
    if asked.serve:
        asyncio.run(serve())
    elif asked.follow is not None:
        follow(asked.follow, asked.seconds)
    elif asked.beside:
        beside(asked.beside, asked.seconds)
    elif asked.virtual:
        virtual(int(asked.virtual[0]), asked.virtual[1], int(asked.virtual[2]))
    else:
        run = [sys.executable, __file__, "--seconds", str(asked.seconds)]
        print("a look (8 at once):", flush=True)
        bare(asked.rounds, LOOKS)
        print("followed over loopback, real time:", flush=True)
        for tasks in asked.tasks:
            subprocess.run([*run, "--follow", str(tasks)], check=True)
            subprocess.run([*run, "--beside", str(min(tasks, 300))], check=True)
        print("tasks of about 286 s against a host that allows 20 requests a second, virtual clock:", flush=True)
        for tasks, sigma in ((200, 0.05), (200, 0.35), (1000, 0.05), (1000, 0.35)):
            subprocess.run([*run, "--virtual", str(tasks), str(sigma), "20"], check=True)


if __name__ == "__main__":
    main()
