"""The simulator: an ASGI app built from schemas, which validates requests and responds as the provider documents it."""

import asyncio
import json
import os
import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from seedance_nb._base.values import ABSENT, digest, find, json_text, read_json, to_pointer
from seedance_nb._check.check import check, only_value, seconds_of, values_by_role
from seedance_nb._check.price import estimate
from seedance_nb._document.spec import Spec, named_fields
from seedance_nb._media.sandbox import Limits, run_async
from seedance_nb._simulator.replies import MADE_UP, Replies, iso
from seedance_nb._simulator.store import LAST_FRAME, Simulated, Store
from seedance_nb._web.addresses import BlockedURL, is_local
from seedance_nb._web.client import AccessPolicy, parse_url, put_bytes

MARK = "x-seedance-simulator"  # the header of every response
_MOST_QUEUED, _LEAST_PX, _LOOK_S = 64, 64, 0.1
_LIMITS = Limits(memory=1536 * 1024**2, cpu_s=120, wall_s=180)
_RATIO = re.compile(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
_SIZE = re.compile(r"([1-9][0-9]{1,3})(?:x([1-9][0-9]{1,3})|p)")
_UPLOAD = re.compile(r"upload_[0-9a-f]{32}\.[a-z0-9]{1,5}")
_MOST_PAINTERS = min(4, os.cpu_count() or 1)
Fetch = Callable[[str], Awaitable[bytes]]  # the bytes at a URL, b"" if it cannot download them
_PAINTERS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


class Simulator:
    """The simulator of some models; `app` is for an ASGI server or httpx. A task waits `queue` and runs `run` seconds, or longer; `fetch` downloads reference images. Requests get `faults` in order (an error code, "fail", "lost answer" or "ok"), and `seed` changes the look."""

    def __init__(self, specs: Sequence[Spec], store: Store, fetch: Fetch, *, queue: float, run: float,
                 now: Callable[[], float] = time.time, faults: Iterable[str] = (), seed: int = 0) -> None:  # fmt: skip
        self._models, self._faults, self._seed = {spec.name: Replies(spec) for spec in specs}, iter(faults), seed
        self.store, self._fetch, self._queue, self._run, self._now = store, fetch, queue, run, now
        self._painting: dict[str, asyncio.Task[None]] = {}
        self._looks = Counter[str]()
        self._callbacks: list[asyncio.Task[None]] = []
        routes = [Route(path, self._get, methods=["GET"]) for path in ("/outputs/{name}", "/uploads/{name}")]
        routes.append(Route("/uploads/{name}", self._put, methods=["PUT"]))
        for model in self._models.values():
            spec = model.spec
            calls = [(spec.path, spec.method, self._create), (model.task.status_path, "get", self._status)]
            calls += [(one.path, "get", partial(self._status, result=True)) for one in (model.task.result,) if one]
            calls += [(one.path, one.method, partial(self._side_call, name)) for name, one in spec.calls.items()]
            calls += [(urlsplit(spec.server).path + path, way, call) for path, way, call in calls]  # below /v1, too
            for path, way, call in calls:  # of two models with one path, the first serves both
                routes.append(Route(path, partial(self._respond, model, call), methods=[way.upper()]))
        self.app = Starlette(routes=routes)

    async def _respond(self, model: Replies, call: Callable[[Replies, Request], Awaitable[Response]],
                       request: Request) -> Response:  # fmt: skip
        auth = model.spec.auth
        has_key = auth is None or len(request.headers.get(auth.header, "")) > len(auth.prefix)
        try:
            request.state.body, invalid = read_json(await request.body() or b"null"), None
        except ValueError as error:
            invalid = model.invalid(f"body: {error}")
        reply = invalid or await call(model, request) if has_key else model.refused("401")
        reply.headers[MARK] = "1"
        return reply

    async def _create(self, model: Replies, request: Request) -> Response:
        body = request.state.body
        model, refusal = self._checked(model, body)
        if refusal is not None:
            return refusal
        match = re.search(r"simulate:([a-z_]+|\d{3})", json_text(body))
        in_body = match[1] if match and match[1] in ("fail", "lost", *model.codes) else ""
        error_code, fault = request.headers.get("x-simulate", "") or in_body, next(self._faults, "ok")
        if error_code in model.codes or fault.isdecimal():
            return model.refused(error_code or fault)
        if error_code not in ("", "fail", "lost"):
            return model.invalid(f"x-simulate: use {', '.join((*model.codes, 'fail'))} or lost")
        look = self._seed + self._looks[digest(body)]
        self._looks[digest(body)] += 1  # so that takes of one request differ
        reason = "The simulator was asked to fail this task." if "fail" in (error_code, fault) else ""
        name, now = f"task_{secrets.token_hex(16)[:31]}", self._now()
        task = Simulated(id=name, spec=model.spec.name, body=body, created=now, look=look, fault=reason)
        await asyncio.to_thread(self.store.add, task)
        self._paint(task)
        with suppress(BlockedURL):  # a malformed URL
            url = parse_url(str(find(body, model.spec.callback_url or "/?")))
            if is_local(url.host) and not url.host.endswith(".localhost"):  # such a name may lead elsewhere
                calling = asyncio.create_task(self._call_back(task.id, str(url), str(request.base_url)))
                self._callbacks = [calling, *(one for one in self._callbacks if not one.done())]
        return model.refused("504") if fault == "lost answer" or error_code == "lost" else model.accepted(task.id)

    def _checked(self, model: Replies, body: Any) -> tuple[Replies, Response | None]:
        """The model that a body names, and the response to it if it is invalid."""
        name = name if isinstance(name := find(body, "/model"), str) else ""
        same = [other for other in self._models.values() if other.spec.path == model.spec.path]
        names = {only_value(other.spec.body.get("properties", {}).get("model", {})): other for other in same}
        model = names.get(name, model)
        head, problems = f"Value error, Invalid input for model {name or model.spec.name}: ", check(model.spec, body)
        wrong = [f"{head}{problem.field}: {problem.message}" for problem in problems if not problem.warns]
        return model, model.invalid(*wrong) if wrong else None

    async def _status(self, model: Replies, request: Request, *, result: bool = False) -> Response:
        own = "" if result else model.task.id_parameter
        parameters = request.query_params if own else request.path_params
        task = await asyncio.to_thread(self.store.get, str(parameters.get(own or next(iter(parameters), ""), "")))
        if task is None or task.spec not in self._models:
            return model.missing()
        return self._models[task.spec].status(*self._state(task, str(request.base_url)), result=result)

    async def _call_back(self, task_id: str, url: str, base: str) -> None:
        """Post a task to a URL of this computer once it has ended, as its provider would. *network*."""
        until = time.monotonic() + self._queue + self._run + _LIMITS.wall_s
        while (task := await asyncio.to_thread(self.store.get, task_id)) and time.monotonic() < until:
            model, (state, facts) = self._models[task.spec], self._state(task, base)
            if state in ("done", "failed"):
                value = read_json(bytes(model.status(state, facts).body))
                part = value if find(value, model.spec.callback_id) is not ABSENT else find(value, "/data")
                content, policy = json_text(part).encode(), AccessPolicy(origin=url)
                await put_bytes(url, content, "application/json", policy, total=10, method="POST")
                return
            await asyncio.sleep(_LOOK_S)

    def _state(self, task: Simulated, base: str) -> tuple[str, dict[str, Any]]:
        """The state of a task and the facts for an answer about it; renders what another kernel left unfinished."""
        spec, base = self._models[task.spec].spec, base.rstrip("/")
        waited, ready = self._now() - task.created, self.store.output(task.id).exists()
        state = "queued" if waited < self._queue else "running"
        if waited >= self._queue + self._run and (ready or task.fault):
            state = "failed" if task.fault else "done"
        elif not ready and not task.fault:
            self._paint(task)
        values, ended = values_by_role(spec, task.body), state in ("done", "failed")
        created, now = int(task.created), int(self._now())
        end = int(task.created + self._queue + self._run) if ended else None
        width, height = size_of(spec, values)
        share = min(0.99, max(0.0, (self._now() - task.created) / (self._queue + self._run or 1)))
        model, last = find(task.body, "/model"), self.store.output(task.id, LAST_FRAME)
        return state, {
            "id": task.id, "body": task.body, "model": model, "relay-model": f"simulated/{model}", "upstream-id": f"sim-{task.id}",
            "created": created, "created-ms": created * 1000, "created-iso": iso(created), "now": now, "now-iso": iso(now),
            "started": int(task.created + self._queue) if state != "queued" else 0,
            "finished": end, "finished-ms": end * 1000 if end else None, "ran": int(self._run) if ended else None,
            "percent": "100%" if ended else f"{share:.0%}", "credits": _cost(spec, task.body) if state == "done" else 0,
            "width": width, "height": height, "seconds": int(seconds_of(values.get("seconds")) or 5),
            "resolution": values.get("resolution", ""), "ratio": values.get("ratio", ""), "audio": bool(values.get("audio")),
            "code": 501 if state == "failed" else 200, "said": task.fault if state == "failed" else "success",
            "output": f"{base}/outputs/{task.id}.mp4" if state == "done" else None,
            "more": [f"{base}/outputs/{last.name}"] if state == "done" and last.exists() else [],
            "fault": task.fault if state == "failed" else None, "fail-reason": "task failed" if state == "failed" else "",
            "upstream-word": {"done": "succeeded"}.get(state, state), "middle-word": {"done": "succeed"}.get(state, state),
        }  # fmt: skip

    async def _side_call(self, name: str, model: Replies, request: Request) -> Response:
        """The response to a free call: estimate, balance, upload, asset or asset-info. *writes files* for an upload or an asset."""
        if name == "estimate":
            model, refusal = self._checked(model, body := request.state.body)
            return refusal or model.free(name, {"credits": _cost(model.spec, body)})
        if name == "balance":
            return model.free(name, {"balance": MADE_UP["balance"]})
        if name == "upload":
            ending = request.query_params.get("ext", "").lower().removeprefix(".")
            if not re.fullmatch(r"[a-z0-9]{1,5}", ending) or not request.query_params.get("content_type"):
                return model.invalid("content_type and ext are required")
            url = f"{str(request.base_url).rstrip('/')}/uploads/upload_{secrets.token_hex(16)}.{ending}"
            return model.free(name, {"put": f"{url}?signature=simulated", "url": url})
        if name == "asset":
            return await self._asset(model, request.state.body)
        asset = await asyncio.to_thread(self.store.get, request.query_params.get("asset_id", ""))
        if asset is None or asset.spec:
            return model.missing()
        status = "Active" if self._now() - asset.created >= self._queue else "Processing"
        facts = {"asset": asset.id, "name": asset.body["name"], "kind": asset.body["asset_type"], "status": status}
        return model.free(name, facts | dict.fromkeys(("created-iso", "now-iso"), iso(asset.created)))

    async def _reference(self, url: str) -> bytes:
        """The bytes at a URL in a request: an upload or asset of the simulator, else from the web. *network*."""
        if url.startswith("asset://"):
            asset = await asyncio.to_thread(self.store.get, url.removeprefix("asset://"))
            url = asset.body["asset_url"] if asset and not asset.spec else url
        name = urlsplit(url).path.rsplit("/", 1)[-1]
        if _UPLOAD.fullmatch(name) and self.store.upload(name).exists():
            return await asyncio.to_thread(self.store.upload(name).read_bytes)
        return await self._fetch(url)

    async def _asset(self, model: Replies, body: Any) -> Response:
        asset = {name: str(find(body, f"/{name}")) for name in ("name", "asset_type", "asset_url")}
        is_web = asset["asset_url"].startswith(("http://", "https://"))
        if asset["asset_type"] not in ("Image", "Video", "Audio") or not is_web:
            return model.invalid("asset_type must be Image, Video or Audio; asset_url must be an http or https URL")
        name = f"simulated-{secrets.token_hex(8)}"
        await asyncio.to_thread(self.store.add, Simulated(id=name, spec="", body=asset, created=self._now(), fault=""))
        return model.free("asset", {"asset": name})

    async def _put(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not _UPLOAD.fullmatch(name) or request.query_params.get("signature") != "simulated":
            return Response("invalid signature", status_code=403)
        await asyncio.to_thread(self.store.save_upload, name, await request.body())
        return Response()

    async def _get(self, request: Request) -> Response:
        name = request.path_params["name"]
        output = re.fullmatch(r"(task_[0-9a-f]+)(\.mp4|-last\.png)", name)
        path = self.store.output(*output.groups()) if output else self.store.upload(name)
        is_there = (output or _UPLOAD.fullmatch(name)) and path.exists()
        return FileResponse(path, headers={MARK: "1"}) if is_there else Response("not found", status_code=404)

    def _paint(self, task: Simulated) -> None:
        loop, jobs = asyncio.get_running_loop(), self._painting.items()
        self._painting = {name: job for name, job in jobs if not job.done() and job.get_loop() is loop}
        # A task that finds the queue full joins it at one of its status calls.
        if not task.fault and task.id not in self._painting and len(self._painting) < _MOST_QUEUED:
            self._painting[task.id] = loop.create_task(self._run_paint(task.id))

    async def _run_paint(self, task_id: str) -> None:
        output, last = self.store.output(task_id), self.store.output(task_id, LAST_FRAME)
        async with _PAINTERS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_MOST_PAINTERS)):
            task = await asyncio.to_thread(self.store.get, task_id)
            if task is None or output.exists():
                return
            fault = await paint(self._models[task.spec].spec, task.body, output, last, self._reference, task.look)
        if fault:
            await asyncio.to_thread(self.store.add, replace(task, fault=fault))


def _cost(spec: Spec, body: Any) -> int:
    """What a task costs here: the documented price, else one that is made up. *pure*."""
    made_up = MADE_UP["credits a second"] * (seconds_of(values_by_role(spec, body).get("seconds")) or 5)
    return int(estimate(spec, body).amount or made_up)


async def paint(spec: Spec, body: dict[str, Any], output: Path, last_frame: Path, fetch: Fetch, seed: int = 0) -> str:
    """Why the video (and its last frame, if requested) could not be rendered, "" on success. *network* for reference images, *writes files*."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="seedance-") as folder:
        order = Path(folder) / "job.json"
        job = await _job(spec, body, Path(folder), fetch)
        last = str(last_frame) if ("return_last_frame", "on") in job["settings"] else ""
        order.write_text(json.dumps({**job, "path": str(output), "last_frame": last, "seed": seed}), encoding="utf-8")
        ended = await run_async("seedance_nb._simulator.encode:render_job", order, limits=_LIMITS)
    if ended.code or not output.exists():
        return f"The simulator could not render this video: {f'it {ended.fault}' if ended.fault else ended.problem}"
    return ""


def size_of(spec: Spec, values: dict[str, Any]) -> tuple[int, int]:
    """Width and height in px, both even, of the video for a request's values by role: from the price table, or by names such as 720p, 1280x720 and 16:9. *pure*."""
    resolution = str(values.get("resolution", "720p"))
    ratio, size = _RATIO.fullmatch(str(values.get("ratio", ""))), _SIZE.fullmatch(resolution)
    across, down = map(int, ratio.groups()) if ratio else (16, 9)
    if documented := spec.price.sizes.get(resolution, {}).get(f"{across}:{down}"):
        return documented[0], documented[1]
    lines = int(size[1]) if size else 720
    if size and size[2]:
        across, down = lines, int(size[2])
        lines = min(across, down)
    width, height = (round(Fraction(side * lines, min(across, down) * 2)) * 2 for side in (across, down))
    return (width, height) if min(width, height) >= _LEAST_PX and width * height <= 2560 * 1440 else (1920, 1080)


async def _job(spec: Spec, body: dict[str, Any], folder: Path, fetch: Fetch) -> dict[str, Any]:
    """What a `Job` shows; its references are downloaded to `folder`. *network*, *writes files*."""
    values = values_by_role(spec, body)
    width, height = size_of(spec, values)
    settings, pending = list[tuple[str, str]](), list[Awaitable[tuple[str, str | None]]]()
    for path, schema in named_fields(spec):
        name, value, kind = str(path[-1]), find(body, to_pointer(path)), schema.get("x-media", {}).get("kind")
        is_shown = schema.get("x-role") != "prompt" and to_pointer(path) not in ("/model", spec.callback_url)
        if isinstance(value, bool | int | float | str) and is_shown:
            settings.append((name, "on" if value is True else "off" if value is False else str(value)))
        urls = [] if not kind or value is ABSENT else [value] if isinstance(value, str) else value
        for number, url in enumerate(urls, 1):
            pending.append(_reference(f"[{kind.title()}{number}]", kind, url, folder / str(len(pending)), fetch))
    seconds = min(seconds_of(values.get("seconds")) or 5, 30)
    return {
        "width": width, "height": height, "seconds": max(1, round(seconds)), "audio": bool(values.get("audio")),
        "prompt": str(values.get("prompt", "")), "model": str(body.get("model", spec.name)), "settings": settings,
        "references": await asyncio.gather(*pending),
    }  # fmt: skip


async def _reference(label: str, kind: str, url: str, path: Path, fetch: Fetch) -> tuple[str, str | None]:
    content = await fetch(url) if kind == "image" and url.startswith(("http://", "https://", "asset://")) else b""
    if content:
        path.write_bytes(content)
    return label, str(path) if content else None
