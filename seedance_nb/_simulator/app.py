"""A provider that is always there: an ASGI app made from the same documents, which answers in their shapes."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Sequence
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
from seedance_nb._simulator.paint import Fetch, paint, size_of
from seedance_nb._simulator.replies import Reply, codes
from seedance_nb._simulator.side_calls import SideCalls
from seedance_nb._simulator.store import Simulated, Store

MARK = "x-seedance-simulator"
"""The header by which an answer says that it comes from here."""

_WISH = re.compile(r"simulate:([a-z_]+|\d{3})")
_FAULT = "The simulator was asked to fail this task."


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long the simulator lets a task wait and run, in seconds; painting may make the run longer."""

    queue: float = 0.8
    run: float = 3.0


class Simulator:
    """The app for some documents of one or more providers. Give `.app` to an ASGI server or to httpx.

    `fetch` brings reference pictures; `now` is Unix seconds.
    """

    def __init__(
        self, specs: Sequence[Spec], store: Store, fetch: Fetch, pace: Timing, now: Callable[[], float] = time.time
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.store = store
        self._annex = SideCalls(store, fetch, pace.queue, now)
        self._pace = pace
        self._now = now
        self._painting: dict[str, asyncio.Task[None]] = {}
        routes: dict[tuple[str, str], Any] = {}
        for spec in specs:
            if spec.task is None or spec.errors is None or not spec.errors.message:
                raise SpecError("a document without x-task and x-errors tables cannot be simulated", file=spec.file)
            routes.setdefault((spec.path, spec.method), self._create)
            routes.setdefault((spec.task.status_path, "get"), self._status)
            for name, call in spec.calls.items():
                routes.setdefault((call.path, call.method), self._beside(name))
        served = [Route(path, handler, methods=[method.upper()]) for (path, method), handler in routes.items()]
        self.app = Starlette(routes=[*served, *self._annex.routes, Route("/outputs/{name}", self._output)])

    async def _create(self, request: Request) -> Response:
        spec = self._first(request.url.path)
        if not self._has_key(spec, request):
            return _answer(_replies.refused(spec, "401"))
        spec, body, refusal = await self._read(spec, request)
        if refusal is not None:
            return _answer(refusal)
        wish = self._wish(spec, request, body)
        if wish not in ("", "fail"):
            known = wish in codes(spec)
            hint = [f"x-simulate: {', '.join(codes(spec))} or fail"]
            return _answer(_replies.refused(spec, wish) if known else _replies.invalid(spec, hint))
        task = Simulated(
            id=f"task_{secrets.token_hex(16)[:31]}",
            spec=spec.name,
            body=body,
            created=self._now(),
            fault=_FAULT if wish else "",
        )
        await asyncio.to_thread(self.store.add, task)
        self._paint(task)
        return _answer(_replies.accepted(spec, task.id))

    async def _read(self, spec: Spec, request: Request) -> tuple[Spec, Any, Reply | None]:
        try:
            body = read_json(await request.body())
        except ValueError as error:
            return spec, None, _replies.invalid(spec, [f"body: {error}"])
        spec = self._for(spec, body)
        if self._wish(spec, request, body) in ("", "fail"):
            model = only_value(spec.body.get("properties", {}).get("model", {}))
            head = f"Value error, Invalid input for model {model}: "
            wrong = [f"{head}{problem.field}: {problem.message}" for problem in check(spec, body)]
            return spec, body, _replies.invalid(spec, wrong) if wrong else None
        return spec, body, None

    async def _status(self, request: Request) -> Response:
        spec = self._first(request.url.path, request.path_params)
        if not self._has_key(spec, request):
            return _answer(_replies.refused(spec, "401"))
        assert spec.task is not None  # noqa: S101
        given = request.query_params if spec.task.id_parameter else request.path_params
        name = spec.task.id_parameter or next(iter(given), "")
        task = await asyncio.to_thread(self.store.get, str(given.get(name, "")))
        if task is None or task.spec not in self.specs:
            return _answer(_replies.missing(spec))
        return _answer(self._told(self.specs[task.spec], task, str(request.base_url).rstrip("/")))

    def _told(self, spec: Spec, task: Simulated, base: str) -> Reply:
        waited, ready = self._now() - task.created, self.store.output(task.id).exists()
        over = waited >= self._pace.queue + self._pace.run
        state = "queued" if waited < self._pace.queue else "running"
        if over and (ready or task.fault):
            state = "failed" if task.fault else "done"
        elif not ready and not task.fault:
            self._paint(task)  # a task that another kernel left half painted
        output = f"{base}/outputs/{task.id}.mp4" if state == "done" else None
        fault = task.fault if state == "failed" else None
        last = [f"{base}/outputs/{task.id}-last.png"] if output and self.store.last_frame(task.id).exists() else []
        return _replies.status_reply(
            spec, state, {**self._facts(spec, task, state), "output": output, "more": last, "fault": fault}
        )

    def _facts(self, spec: Spec, task: Simulated, state: str) -> dict[str, Any]:
        asked, ended = values_by_role(spec, task.body), state in ("done", "failed")
        created, now = int(task.created), int(self._now())
        end = int(task.created + self._pace.queue + self._pace.run) if ended else None
        width, height = size_of(asked)
        share = min(0.99, max(0.0, (self._now() - task.created) / (self._pace.queue + self._pace.run or 1)))
        price = estimate(spec, task.body)
        model = find(task.body, "/model")
        return {
            "id": task.id, "body": task.body, "model": model, "relay-model": f"simulated/{model}", "upstream-id": f"sim-{task.id}",
            "created": created, "created-ms": created * 1000, "created-iso": _replies.iso(created), "now": now, "now-iso": _replies.iso(now),
            "started": int(task.created + self._pace.queue) if state != "queued" else 0,
            "finished": end, "finished-ms": end * 1000 if end else None, "ran": int(self._pace.run) if ended else None,
            "percent": "100%" if ended else f"{share:.0%}", "credits": int(price.amount or 0) if state == "done" else 0,
            "width": width, "height": height, "seconds": int(seconds_of(asked.get("seconds")) or 5),
            "resolution": asked.get("resolution", ""), "ratio": asked.get("ratio", ""), "audio": bool(asked.get("audio")),
            "code": 501 if state == "failed" else 200, "said": task.fault if state == "failed" else "success",
            "fail-reason": "task failed" if state == "failed" else "",
            "upstream-word": {"done": "succeeded"}.get(state, state), "middle-word": {"done": "succeed"}.get(state, state),
        }  # fmt: skip

    def _beside(self, name: str) -> Any:
        async def answer(request: Request) -> Response:
            spec = next(
                spec for spec in self.specs.values() if name in spec.calls and spec.calls[name].path == request.url.path
            )
            if not self._has_key(spec, request):
                return _answer(_replies.refused(spec, "401"))
            if name != "estimate":
                return _answer(await self._annex.answer(spec, name, request))
            spec, body, refusal = await self._read(spec, request)
            return _answer(refusal or _replies.free(spec, name, {"credits": estimate(spec, body).amount or 0}))

        return answer

    async def _output(self, request: Request) -> Response:
        asked = re.fullmatch(r"(task_[0-9a-f]+)(\.mp4|-last\.png)", request.path_params["name"])
        if asked:
            path = self.store.output(asked[1]) if asked[2] == ".mp4" else self.store.last_frame(asked[1])
            kind = "video/mp4" if asked[2] == ".mp4" else "image/png"
            if path.exists():
                return FileResponse(path, media_type=kind, headers={MARK: "1"})
        return Response("gone", status_code=404)

    def _paint(self, task: Simulated) -> None:
        if task.fault or (task.id in self._painting and not self._painting[task.id].done()):
            return
        self._painting[task.id] = asyncio.get_running_loop().create_task(self._painted(task))

    async def _painted(self, task: Simulated) -> None:
        fault = await paint(
            self.specs[task.spec],
            task.body,
            self.store.output(task.id),
            self.store.last_frame(task.id),
            self._annex.fetch,
        )
        if fault:
            await asyncio.to_thread(self.store.fail, task.id, fault)
        self._painting.pop(task.id, None)

    def _first(self, path: str, parameters: dict[str, Any] | None = None) -> Spec:
        for name, value in (parameters or {}).items():
            path = path.removesuffix(str(value)) + f"{{{name}}}"
        return next(
            spec for spec in self.specs.values() if path in (spec.path, spec.task.status_path if spec.task else "")
        )

    def _for(self, spec: Spec, body: Any) -> Spec:
        wanted = find(body, "/model")
        same = [other for other in self.specs.values() if other.path == spec.path]
        models = {only_value(other.body.get("properties", {}).get("model", {})): other for other in same}
        return models.get(wanted, spec) if isinstance(wanted, str) else spec

    def _has_key(self, spec: Spec, request: Request) -> bool:
        return spec.auth is None or len(request.headers.get(spec.auth.header, "")) > len(spec.auth.prefix)

    def _wish(self, spec: Spec, request: Request, body: Any) -> str:
        said = _WISH.search(json_text(body)) if isinstance(body, dict) else None
        meant = said.group(1) if said and said.group(1) in ("fail", *codes(spec)) else ""
        return request.headers.get("x-simulate", "") or meant


def _answer(reply: Reply) -> Response:
    return JSONResponse(reply.value, status_code=reply.status, headers={MARK: "1", **dict(reply.headers)})
