"""The simulator: an ASGI app built from schemas, which validates requests and responds as the provider documents it."""

import asyncio
import functools
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from seedance_nb._base.errors import SpecError
from seedance_nb._base.values import find, json_text, read_json
from seedance_nb._check.body import only_value, seconds_of, values_by_role
from seedance_nb._check.check import check
from seedance_nb._check.price import estimate
from seedance_nb._document.spec import Spec
from seedance_nb._simulator import replies as _replies
from seedance_nb._simulator.paint import Fetch, paint, painter, size_of
from seedance_nb._simulator.replies import Reply, codes
from seedance_nb._simulator.side_calls import SideCalls
from seedance_nb._simulator.store import Simulated, Store

MARK = "x-seedance-simulator"  # the header of every response
_REQUESTED_ERROR = re.compile(r"simulate:([a-z_]+|\d{3})")
_FAULT = "The simulator was asked to fail this task."
_MOST_QUEUED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a simulated task waits and runs, in seconds; rendering the video may take longer."""

    queue: float = 0.8
    run: float = 3.0


class Simulator:
    """The simulator of some models. Pass `.app` to an ASGI server or to httpx. `fetch` downloads reference images."""

    def __init__(self, specs: Sequence[Spec], store: Store, fetch: Fetch, timing: Timing,
                 now: Callable[[], float] = time.time) -> None:  # fmt: skip
        self.specs = {spec.name: spec for spec in specs}
        self.store, self._timing, self._now = store, timing, now
        self._side_calls = SideCalls(store, fetch, timing.queue, now)
        self._painting: dict[str, asyncio.Task[None]] = {}
        routes: dict[tuple[str, str], Any] = {}
        for spec in specs:
            if spec.task is None or spec.errors is None or not spec.errors.message:
                raise SpecError("a schema without x-task and x-errors tables cannot be simulated", file=spec.file)
            routes.setdefault((spec.path, spec.method), self._endpoint(spec, self._create))
            routes.setdefault((spec.task.status_path, "get"), self._endpoint(spec, self._status))
            for name, call in spec.calls.items():
                side_call = functools.partial(self._side_call, name)
                routes.setdefault((call.path, call.method), self._endpoint(spec, side_call))
        served = [Route(path, handler, methods=[method.upper()]) for (path, method), handler in routes.items()]
        self.app = Starlette(routes=[*served, *self._side_calls.routes, Route("/outputs/{name}", self._output)])

    def _endpoint(self, spec: Spec, handler: Callable[[Spec, Request], Awaitable[Reply]]) -> Any:
        async def respond(request: Request) -> Response:
            has_key = spec.auth is None or len(request.headers.get(spec.auth.header, "")) > len(spec.auth.prefix)
            reply = await handler(spec, request) if has_key else _replies.refused(spec, "401")
            return JSONResponse(reply.value, status_code=reply.status, headers={MARK: "1", **dict(reply.headers)})

        return respond

    async def _create(self, spec: Spec, request: Request) -> Reply:
        spec, body, refusal = await self._read(spec, request)
        if refusal is not None:
            return refusal
        error_code = self._requested_error(spec, request, body)
        if error_code in codes(spec):
            return _replies.refused(spec, error_code)
        if error_code not in ("", "fail"):
            return _replies.invalid(spec, [f"x-simulate: use {', '.join(codes(spec))} or fail"])
        task = Simulated(
            id=f"task_{secrets.token_hex(16)[:31]}", spec=spec.name, body=body, created=self._now(),
            fault=_FAULT if error_code else "",
        )  # fmt: skip
        await asyncio.to_thread(self.store.add, task)
        self._paint(task)
        return _replies.accepted(spec, task.id)

    async def _read(self, spec: Spec, request: Request) -> tuple[Spec, Any, Reply | None]:
        try:
            body = read_json(await request.body())
        except ValueError as error:
            return spec, None, _replies.invalid(spec, [f"body: {error}"])
        spec = self._for(spec, body)
        if self._requested_error(spec, request, body) in ("", "fail"):
            model = only_value(spec.body.get("properties", {}).get("model", {}))
            head = f"Value error, Invalid input for model {model}: "
            wrong = [f"{head}{problem.field}: {problem.message}" for problem in check(spec, body)]
            return spec, body, _replies.invalid(spec, wrong) if wrong else None
        return spec, body, None

    async def _status(self, spec: Spec, request: Request) -> Reply:
        assert spec.task is not None  # noqa: S101
        parameters = request.query_params if spec.task.id_parameter else request.path_params
        name = spec.task.id_parameter or next(iter(parameters), "")
        task = await asyncio.to_thread(self.store.get, str(parameters.get(name, "")))
        if task is None or task.spec not in self.specs:
            return _replies.missing(spec)
        return self._status_reply(self.specs[task.spec], task, str(request.base_url).rstrip("/"))

    def _status_reply(self, spec: Spec, task: Simulated, base: str) -> Reply:
        waited, ready = self._now() - task.created, self.store.output(task.id).exists()
        over = waited >= self._timing.queue + self._timing.run
        state = "queued" if waited < self._timing.queue else "running"
        if over and (ready or task.fault):
            state = "failed" if task.fault else "done"
        elif not ready and not task.fault:
            self._paint(task)  # a task that another kernel left unfinished
        output = f"{base}/outputs/{task.id}.mp4" if state == "done" else None
        fault = task.fault if state == "failed" else None
        last = [f"{base}/outputs/{task.id}-last.png"] if output and self.store.last_frame(task.id).exists() else []
        facts = self._facts(spec, task, state) | {"output": output, "more": last, "fault": fault}
        return _replies.status_reply(spec, state, facts)

    def _facts(self, spec: Spec, task: Simulated, state: str) -> dict[str, Any]:
        values, ended = values_by_role(spec, task.body), state in ("done", "failed")
        created, now = int(task.created), int(self._now())
        end = int(task.created + self._timing.queue + self._timing.run) if ended else None
        width, height = size_of(values)
        share = min(0.99, max(0.0, (self._now() - task.created) / (self._timing.queue + self._timing.run or 1)))
        price = estimate(spec, task.body)
        model = find(task.body, "/model")
        return {
            "id": task.id, "body": task.body, "model": model, "relay-model": f"simulated/{model}", "upstream-id": f"sim-{task.id}",
            "created": created, "created-ms": created * 1000, "created-iso": _replies.iso(created), "now": now, "now-iso": _replies.iso(now),
            "started": int(task.created + self._timing.queue) if state != "queued" else 0,
            "finished": end, "finished-ms": end * 1000 if end else None, "ran": int(self._timing.run) if ended else None,
            "percent": "100%" if ended else f"{share:.0%}", "credits": int(price.amount or 0) if state == "done" else 0,
            "width": width, "height": height, "seconds": int(seconds_of(values.get("seconds")) or 5),
            "resolution": values.get("resolution", ""), "ratio": values.get("ratio", ""), "audio": bool(values.get("audio")),
            "code": 501 if state == "failed" else 200, "said": task.fault if state == "failed" else "success",
            "fail-reason": "task failed" if state == "failed" else "",
            "upstream-word": {"done": "succeeded"}.get(state, state), "middle-word": {"done": "succeed"}.get(state, state),
        }  # fmt: skip

    async def _side_call(self, name: str, spec: Spec, request: Request) -> Reply:
        if name != "estimate":
            return await self._side_calls.answer(spec, name, request)
        spec, body, refusal = await self._read(spec, request)
        return refusal or _replies.free(spec, name, {"credits": estimate(spec, body).amount or 0})

    async def _output(self, request: Request) -> Response:
        if match := re.fullmatch(r"(task_[0-9a-f]+)(\.mp4|-last\.png)", request.path_params["name"]):
            is_video = match[2] == ".mp4"
            path = self.store.output(match[1]) if is_video else self.store.last_frame(match[1])
            if path.exists():
                return FileResponse(path, media_type="video/mp4" if is_video else "image/png", headers={MARK: "1"})
        return Response("not found", status_code=404)

    def _paint(self, task: Simulated) -> None:
        loop = asyncio.get_running_loop()
        painting = self._painting.items()
        self._painting = {name: job for name, job in painting if not job.done() and job.get_loop() is loop}
        # A task that finds the queue full joins it at one of its status calls.
        if not task.fault and task.id not in self._painting and len(self._painting) < _MOST_QUEUED:
            self._painting[task.id] = loop.create_task(self._run_paint(task.id))

    async def _run_paint(self, task_id: str) -> None:
        output, last = self.store.output(task_id), self.store.last_frame(task_id)
        async with painter():
            task = await asyncio.to_thread(self.store.get, task_id)
            if task is None or output.exists():
                return
            fault = await paint(self.specs[task.spec], task.body, output, last, self._side_calls.fetch)
        if fault:
            await asyncio.to_thread(self.store.fail, task_id, fault)

    def _for(self, spec: Spec, body: Any) -> Spec:
        model = find(body, "/model")
        same = [other for other in self.specs.values() if other.path == spec.path]
        models = {only_value(other.body.get("properties", {}).get("model", {})): other for other in same}
        return models.get(model, spec) if isinstance(model, str) else spec

    def _requested_error(self, spec: Spec, request: Request, body: Any) -> str:
        match = _REQUESTED_ERROR.search(json_text(body)) if isinstance(body, dict) else None
        in_body = match[1] if match and match[1] in ("fail", *codes(spec)) else ""
        return request.headers.get("x-simulate", "") or in_body
