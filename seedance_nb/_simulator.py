"""A provider that is always there: an ASGI app made from the same documents, which answers in their shapes."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from seedance_nb._check import check, only_value
from seedance_nb._errors import SpecError
from seedance_nb._painting import paint
from seedance_nb._spec import Spec
from seedance_nb._store import Simulated, Store
from seedance_nb._values import find, json_text, put, read_json, split

MARK = "x-seedance-simulator"
"""The header by which an answer says that it comes from here."""

_WISH = re.compile(r"simulate:(fail|\d{3})")
_FAULT = "The simulator was asked to fail this task."
_BODY_ONLY = ("455", "501", "505")  # the provider's own numbers, which mean something else or nothing in HTTP

Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the simulator lets a task wait and run, in seconds; painting may make the run longer."""

    queue: float = 0.8
    run: float = 3.0


class Simulator:
    """The app for some documents of one or more providers. Give `.app` to an ASGI server or to httpx.

    `fetch` brings reference pictures; `now` is Unix seconds.
    """

    def __init__(
        self, specs: Sequence[Spec], store: Store, fetch: Fetch, pace: Pace, now: Callable[[], float] = time.time
    ) -> None:
        self.specs = {spec.name: spec for spec in specs}
        self.store = store
        self._fetch = fetch
        self._pace = pace
        self._now = now
        self._painting: dict[str, asyncio.Task[None]] = {}
        routes: dict[tuple[str, str], Any] = {}
        for spec in specs:
            if spec.task is None:
                raise SpecError("a document without an x-task table cannot be simulated", file=spec.file)
            routes.setdefault((spec.path, spec.method), self._create)
            routes.setdefault((spec.task.status_path, "get"), self._status)
        served = [Route(path, handler, methods=[method.upper()]) for (path, method), handler in routes.items()]
        self.app = Starlette(routes=[*served, Route("/outputs/{name}", self._output)])

    async def _create(self, request: Request) -> Response:
        spec = self._first(request.url.path)
        if not self._has_key(spec, request):
            return self._refusal(spec, "401")
        try:
            body = read_json(await request.body())
        except ValueError as error:
            return self._refusal(spec, "422", [f"body: {error}"])
        spec = self._for(spec, body)
        wish = self._wish(spec, request, body)
        if wish not in ("", "fail"):
            known = wish in _codes(spec)
            return self._refusal(
                spec, wish if known else "422", [] if known else [f"x-simulate: {', '.join(_codes(spec))} or fail"]
            )
        problems = check(spec, body)
        if problems:
            model = only_value(spec.body.get("properties", {}).get("model", {}))
            head = f"Value error, Invalid input for model {model}: "
            return self._refusal(spec, "422", [f"{head}{problem.field}: {problem.message}" for problem in problems])
        task = Simulated(
            id=f"task_{secrets.token_hex(16)[:31]}",
            spec=spec.name,
            body=body,
            created=self._now(),
            fault=_FAULT if wish else "",
        )
        await asyncio.to_thread(self.store.add, task)
        self._paint(task)
        answer = shape(spec.replies["create"], {"id": task.id})
        assert spec.task is not None  # noqa: S101 - the constructor refused such documents
        return _json(put(answer, split(spec.task.id_pointer), task.id))

    async def _status(self, request: Request) -> Response:
        spec = self._first(request.url.path)
        if not self._has_key(spec, request):
            return self._refusal(spec, "401")
        assert spec.task is not None  # noqa: S101
        given = request.query_params if spec.task.id_parameter else request.path_params
        name = spec.task.id_parameter or next(iter(given), "")
        task = await asyncio.to_thread(self.store.get, str(given.get(name, "")))
        if task is None or task.spec not in self.specs:
            return self._refusal(spec, "404")
        return _json(self._told(self.specs[task.spec], task, str(request.base_url).rstrip("/")))

    def _told(self, spec: Spec, task: Simulated, base: str) -> Any:
        table = spec.task
        assert table is not None  # noqa: S101
        waited, ready = self._now() - task.created, self.store.output(task.id).exists()
        over = waited >= self._pace.queue + self._pace.run
        state = "queued" if waited < self._pace.queue else "running"
        if over and (ready or task.fault):
            state = "failed" if task.fault else "done"
        elif not ready and not task.fault:
            self._paint(task)  # a task that another kernel left half painted
        ended = state in ("done", "failed")
        end = int(task.created + self._pace.queue + self._pace.run)
        facts = {
            "id": task.id, "body": task.body, "created": int(task.created), "credits": 0,
            "finished": end if ended else None, "ran": int(self._pace.run) if ended else None,
        }  # fmt: skip
        answer = shape(spec.replies["status"], facts)
        answer = put(
            answer, split(table.state), next(word for word, meaning in table.words.items() if meaning == state)
        )
        if state == "done":
            answer = _put_first(answer, table.outputs[0], f"{base}/outputs/{task.id}.mp4")
        if state == "failed":
            answer = _put_first(answer, table.error[0], task.fault)
        return answer

    async def _output(self, request: Request) -> Response:
        path: Path = self.store.output(request.path_params["name"].removesuffix(".mp4"))
        if re.fullmatch(r"task_[0-9a-f]+\.mp4", request.path_params["name"]) and path.exists():
            return FileResponse(path, media_type="video/mp4", headers={MARK: "1"})
        return Response("gone", status_code=404)

    def _paint(self, task: Simulated) -> None:
        if task.fault or (task.id in self._painting and not self._painting[task.id].done()):
            return
        self._painting[task.id] = asyncio.get_running_loop().create_task(self._painted(task))

    async def _painted(self, task: Simulated) -> None:
        fault = await paint(self.specs[task.spec], task.body, self.store.output(task.id), self._fetch)
        if fault:
            await asyncio.to_thread(self.store.fail, task.id, fault)
        self._painting.pop(task.id, None)

    def _first(self, path: str) -> Spec:
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
        meant = said.group(1) if said and said.group(1) in ("fail", *_codes(spec)) else ""
        return request.headers.get("x-simulate", "") or meant

    def _refusal(self, spec: Spec, code: str, details: Sequence[str] = ()) -> Response:
        table = spec.errors
        assert table is not None  # noqa: S101
        answer = put(put({}, split(table.code), int(code)), split(table.message), _meaning(spec, code))
        if code == "422":
            answer = put(answer, split(table.details)[:-1], list(details) or ["simulate: this was asked for"])
        headers = {"Retry-After": "1"} if code == "429" else {}
        return _json(answer, 200 if code in _BODY_ONLY else int(code), headers)


def _codes(spec: Spec) -> tuple[str, ...]:
    """The codes of the document that can be provoked. *pure*."""
    return (*spec.errors.refusals, *spec.errors.unclear) if spec.errors else ()


def _meaning(spec: Spec, code: str) -> str:
    """What the document says of a code, in the list under the field that carries codes. *pure*."""
    said = str(spec.replies["create"])
    found = re.search(rf"\*\*{re.escape(code)}\*\*: (.+?)(?:\\n|'|$)", said)
    return found.group(1) if found else "the simulator was asked for this code"


def shape(schema: Any, facts: dict[str, Any]) -> Any:
    """An answer of a documented shape: `x-fill` marks filled from `facts`, the rest from examples. *pure*."""
    if not isinstance(schema, dict):
        return None
    if "x-fill" in schema:
        return facts.get(schema["x-fill"])
    made: dict[str, Any] = {}
    for part in schema.get("allOf", ()):
        made |= shape(part, facts) or {}
    if "null" in schema.get("type", ()) and isinstance(schema["type"], list):
        return None
    if "properties" in schema or made:
        return made | {name: shape(child, facts) for name, child in schema.get("properties", {}).items()}
    return next(
        iter([*schema.get("examples", ()), *schema.get("enum", ())]), [] if schema.get("type") == "array" else None
    )


def _put_first(answer: Any, pointer: str, value: Any) -> Any:
    parts = split(pointer)
    if "*" not in parts:
        return put(answer, parts, value)
    star = parts.index("*")
    return put(answer, parts[:star], [put({}, parts[star + 1 :], value)])


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(value, status_code=status, headers={MARK: "1"} | (headers or {}))
