"""HTTP calls to a provider: the paid POST, status checks and free calls. The only module that sends the key."""

import asyncio
import functools
import heapq
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx

from seedance_nb._base.errors import Unreachable
from seedance_nb._base.faults import FAULTS
from seedance_nb._base.secret import Secret
from seedance_nb._base.values import ABSENT, find, find_all, sanitize, set_at, strip_queries, to_path
from seedance_nb._check.check import Request, call_request, status_request
from seedance_nb._document.spec import Spec
from seedance_nb._ledger.row import State
from seedance_nb._provider.answers import MAX_ANSWER, find_id, id_text, page_words, read_content
from seedance_nb._provider.outcome import Answer, SendOutcome, classify, is_overloaded
from seedance_nb._provider.rate_limit import RateLimiter, pause_of
from seedance_nb._provider.status import state_of
from seedance_nb._web.addresses import BlockedURL, allowed_hosts, host_of
from seedance_nb._web.client import AccessPolicy, Fetch, origin_of
from seedance_nb._web.network import CA_HINT, Connection, proxy_for, proxy_problem, trusted_certificates

_TASK_HEADER = re.compile(r"(?:.+-)?location|(?:.+-)?(?:task|job|generation|prediction|video|run|operation)-?id")
_MOST_HOPS, _IDLE_S = 3, 10.0
_SHOWN, _LONGEST = 1000, 8192  # characters of a text that are shown, and that are made safe for it
_Fetched = tuple[Answer | None, str]  # the response, or None and the reason
_url = functools.lru_cache(1024)(httpx.URL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go: `app` is the simulator, None for a provider; `gate` returns the host's rate limiter, and `total` the seconds that one call may take."""

    base_url: str
    secret: Secret | None
    app: Callable[..., Any] | None = None
    total: float = 120
    gate: "Callable[[], RateLimiter] | None" = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


async def acquire_slot(endpoint: Endpoint, due: float = -math.inf) -> float:
    """Wait for the rate limit, behind what was due earlier; the time at which the request may go out, by the endpoint's clock."""
    gate = endpoint.gate() if endpoint.gate else None
    return await gate.acquire(endpoint.clock, endpoint.sleep, due) if gate else endpoint.clock()


async def send_once(spec: Spec, request: Request, endpoint: Endpoint) -> SendOutcome:
    """Send the paid request, after `acquire_slot`, at most once over a new connection; its outcome. *network*, *spends credits*."""
    attempt = _Attempt(has_left=endpoint.app is not None)
    response, why = await _exchange(spec, request, endpoint, endpoint.clock(), attempt)
    if response is not None:
        return classify(spec, response)
    if attempt.has_left:
        return SendOutcome(outcome="unknown", why=f"the connection was lost before a clear response arrived ({why})")
    problem = f"Could not connect to {host_of(endpoint.base_url)}{attempt.proxy} ({why})"
    return SendOutcome(outcome="unsent", why=problem, error=Unreachable(f"{problem}."), is_transient=attempt.transient)


async def fetch_answer(spec: Spec, request: Request, endpoint: Endpoint, due: float = -math.inf) -> _Fetched:
    """The response to a free request, or None and the reason; waits for the rate limit. *network*."""
    attempt = _Attempt(has_left=True, reuses=request.method == "GET" and endpoint.app is None)
    return await _exchange(spec, request, endpoint, await acquire_slot(endpoint, due), attempt)


async def fetch_status(spec: Spec, task_id: str, endpoint: Endpoint, due: float = -math.inf) -> _Fetched:
    """The response about one task, from the call that answers for many if the schema has one and the task is in it; with its result, where another call has that. *network*."""
    gate, call, seen = endpoint.gate and endpoint.gate(), spec.task and spec.task.batch, None
    if gate and call:
        gate.asked[task_id] = due
        gate.found.pop(task_id, None)
        async with gate.asking:
            while task_id in gate.asked:  # else the call of another task asked about it too
                sent = await acquire_slot(endpoint, due)
                chosen = heapq.nsmallest(call.most, gate.asked, key=gate.asked.__getitem__)
                request = call_request(call, endpoint.base_url, {call.parameter: chosen})
                answer, why = await _exchange(spec, request, endpoint, sent, _Attempt(has_left=True, reuses=True))
                if answer is None or is_overloaded(spec, answer):
                    gate.found |= dict.fromkeys(chosen, (answer, why))
                elif answer.is_success and not answer.problem:
                    for item in find_all(answer.value, f"{call.value}/*"):
                        whole = replace(answer, value=set_at(answer.value, to_path(call.item), item))
                        gate.found |= {name: (whole, why) for name in chosen if name == id_text(find(item, call.id))}
                gate.asked = {name: at for name, at in gate.asked.items() if name not in chosen}
        seen = gate.found.pop(task_id, None)
    answer, why = seen or await fetch_answer(spec, status_request(spec, endpoint.base_url, task_id), endpoint, due)
    if answer and (task := spec.task) and task.result and state_of(task, find(answer.value, task.state)) is State.DONE:
        request = status_request(spec, endpoint.base_url, task_id, task.result.path)
        result, _ = await fetch_answer(spec, request, endpoint, due)
        if result and result.is_success and not result.problem:  # else it is asked for again at the next look
            answer = replace(answer, value=set_at(answer.value, to_path(task.result.item), result.value))
    return answer, why


class _Attempt:
    """Whether any byte of a request may have left, whether a retry may succeed, through which proxy, and what arrived; `reuses` permits an open connection, and `is_reused` says that it is one."""

    def __init__(self, *, has_left: bool, reuses: bool = False) -> None:
        self.has_left, self.reuses, self.is_reused, self.transient, self.proxy = has_left, reuses, False, True, ""
        self.response: httpx.Response | None = None
        self.body, self.bytes = bytearray(), bytearray()
        self.stream: Any = None
        self.read: Any = None  # the stream's own

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The trace callback of the HTTP library: called at each step."""
        # What asks a proxy for a connection carries nothing of the request.
        is_request = event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT"
        self.has_left = self.has_left or is_request
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.stream = info["return_value"]
            self.read = self.stream.read
        if is_request and self.stream:  # not before, for a proxy's own words are no answer
            self.bytes.clear()
            self.stream.read = self._recorded
        is_odd = event.endswith("response_headers.failed") and "Protocol" in type(info["exception"]).__name__
        if is_odd and self.stream and self.stream.read == self._recorded:
            with suppress(Exception):  # what arrived counts
                while len(self.bytes) < MAX_ANSWER and await self._recorded(MAX_ANSWER, 2.0):
                    pass

    async def _recorded(self, size: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as the HTTP library calls it
        content: bytes = await self.read(size, timeout)
        self.bytes += content[: MAX_ANSWER - len(self.bytes)]
        return content


async def _exchange(spec: Spec, request: Request, endpoint: Endpoint, sent: float, attempt: _Attempt) -> _Fetched:
    """The response, or None and the reason; the rate limiter records both. `sent` is when the request went out."""
    response, why = None, ""
    try:
        await _call(spec, request, endpoint, attempt)
    except TimeoutError:
        why = f"no response within {endpoint.total:g} s"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, BlockedURL) as error:
        why, attempt.transient = _error_text(error, endpoint), False
    except httpx.ProxyError as error:
        why, attempt.transient = proxy_problem(error), not str(error).startswith("4")
    except (httpx.HTTPError, ValueError, *FAULTS) as error:
        why = _error_text(error, endpoint)
    head, end, body = bytes(attempt.bytes).partition(b"\r\n\r\n")  # perhaps one that the HTTP library does not accept
    if why and not attempt.body and (body or (head and not head.startswith(b"HTTP/"))):
        status = re.search(rb"\s([1-9][0-9]{2})\b", attempt.bytes[:99])
        attempt.response = attempt.response or httpx.Response(int(status[1]) if status and end else 0)
        attempt.body += body or head
    if attempt.response is not None and (attempt.body or not why):  # also the part that came before it broke off
        response = _answer(request, attempt.response, attempt.body, endpoint, why)
    if attempt.stream:
        vars(attempt.stream).pop("read", None)  # other requests use it next
    # Else it holds itself, by its request, until it is searched for.
    attempt.response = attempt.stream = attempt.read = None
    if endpoint.gate:
        good = response is not None and not why and not is_overloaded(spec, response)
        pause = response.retry_after if response else None
        endpoint.gate().record(sent, endpoint.clock(), good=good, retry_after=pause)
    return response, why


def access_policy(spec: Spec, endpoint: Endpoint) -> AccessPolicy:
    """The URLs for downloads and uploads: public https URLs, and an origin that the user has set; the key is never sent there. *pure*."""
    is_own = endpoint.app is not None or host_of(endpoint.base_url) != host_of(spec.server)
    return AccessPolicy(origin=endpoint.base_url if is_own else "", app=endpoint.app)


@asynccontextmanager
async def reach_with_key(spec: Spec, endpoint: Endpoint, policy: AccessPolicy, url: str,
                         headers: Mapping[str, str]) -> AsyncIterator[tuple[httpx.Response, Any]]:  # fmt: skip
    """The response for a result at the provider's own origin, requested with the key; a redirect is followed without it. *network*."""
    attempt, headers = _Attempt(has_left=True), {"Accept": "*/*", **headers}
    async with aclosing(_transport(endpoint, attempt, url)) as own:
        sent = _respond(spec, Request(method="GET", url=url), httpx.URL(url), endpoint, attempt, own, headers)
        async with aclosing(await sent) as response:
            if not response.has_redirect_location:
                yield response, None
                return
            target = str(response.url.join(response.headers["location"]))
    async with Fetch(replace(policy, upgrade=True)).reach(target, headers) as (response, _):
        yield response, None


def _transport(endpoint: Endpoint, attempt: _Attempt, url: str) -> httpx.AsyncBaseTransport:
    """A new connection to a URL's origin, or calls of the simulator."""
    if endpoint.app:
        return httpx.ASGITransport(app=endpoint.app, raise_app_exceptions=False)
    allowed_hosts()  # an error in it would otherwise come to light after the payment
    proxy = proxy_for(httpx.URL(url))  # none that could see the key
    attempt.proxy = f" through the proxy {host_of(str(proxy.url))}" if proxy else ""
    context = trusted_certificates()
    return httpx.AsyncHTTPTransport(verify=context, proxy=proxy) if proxy else Connection(url, context)


@asynccontextmanager
async def _lend(own: httpx.AsyncBaseTransport, gate: RateLimiter | None) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """A connection that is closed afterwards; with a `gate` it stays open for the next free request for some seconds. *network*."""
    try:
        yield own
    except BaseException:
        await own.aclose()  # the next may have to go another way
        raise
    if gate:
        gate.idle.append(own)
        loop = asyncio.get_running_loop()
        gate.closing = gate.closing or loop.call_later(_IDLE_S, _close_idle, loop, gate)
    else:
        await own.aclose()


def _close_idle(loop: asyncio.AbstractEventLoop, gate: RateLimiter) -> None:
    gate.closing = None
    while gate.idle:
        loop.create_task(gate.idle.pop().aclose())


async def _respond(spec: Spec, request: Request, url: httpx.URL, endpoint: Endpoint, attempt: _Attempt,
                   transport: httpx.AsyncBaseTransport, more: Mapping[str, str]) -> httpx.Response:  # fmt: skip
    """The response, its body not yet read; the key is sent only to the provider's own origin, and no cookie anywhere. *network*."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "seedance_nb", **more}
    if spec.auth and endpoint.secret and origin_of(url) == origin_of(_url(endpoint.base_url)):
        headers[spec.auth.header] = spec.auth.prefix + endpoint.secret.reveal()
    waits = {"connect": min(10.0, endpoint.total), "read": 60, "write": 60, "pool": 60}
    extensions = {"timeout": waits} | ({} if attempt.is_reused else {"trace": attempt.trace})
    content = request.body.encode() or None
    sent = httpx.Request(request.method, url, headers=headers, content=content, extensions=extensions)
    response = await transport.handle_async_request(sent)
    response.request = sent
    return response


async def _call(spec: Spec, request: Request, endpoint: Endpoint, attempt: _Attempt) -> None:
    """Send the request and read the response into `attempt`. *network*."""
    gate = endpoint.gate() if attempt.reuses and endpoint.gate else None
    async with asyncio.timeout(endpoint.total):
        if gate and gate.idle:
            attempt.is_reused = True
            with suppress(httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                async with _lend(gate.idle.pop(), gate) as transport:
                    return await _read(spec, request, endpoint, attempt, transport)
            # The connection had ended before, and a new one is used.
            attempt.response, attempt.body, attempt.is_reused = None, bytearray(), False
        async with _lend(_transport(endpoint, attempt, endpoint.base_url), gate) as transport:
            return await _read(spec, request, endpoint, attempt, transport)


async def _read(spec: Spec, request: Request, endpoint: Endpoint, attempt: _Attempt,
                transport: httpx.AsyncBaseTransport) -> None:  # fmt: skip
    """Read at most `MAX_ANSWER` bytes and one more, after at most three redirects of a GET within the provider's origin."""
    headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if request.body else {})
    url = _url(request.url)
    for hop in range(_MOST_HOPS + 1):
        async with aclosing(await _respond(spec, request, url, endpoint, attempt, transport, headers)) as response:
            attempt.response = response
            if request.method == "GET" and hop < _MOST_HOPS and response.has_redirect_location:
                target = url.join(response.headers["location"])
                if origin_of(target) == origin_of(url):  # the key goes nowhere else
                    url = target
                    continue
            async for chunk in response.aiter_raw():
                attempt.body += chunk
                if len(attempt.body) > MAX_ANSWER:
                    return
        return


def _answer(request: Request, response: httpx.Response, body: bytearray, endpoint: Endpoint, why: str) -> Answer:
    """What a response says, or the part of it that came before the error `why`; the key is masked everywhere."""
    hide = endpoint.secret.mask if endpoint.secret else str
    headers = response.headers
    content = read_content(bytes(body), headers.get("content-encoding", ""))
    value, doubts = content.value, content.doubts
    if why or len(body) > MAX_ANSWER:
        doubts = (why or f"it is larger than {MAX_ANSWER:,} bytes", *doubts)
    names = (name for name in headers if _TASK_HEADER.fullmatch(name))
    header = max(names, key=lambda name: name.endswith("id"), default="")
    task_id = id_text(headers[header]) if header.endswith("id") else ""
    hint = (find_id(value, content.text) or task_id) if request.body else ""  # of what may have been paid
    text, target = hide(content.text), ""
    is_masked = text != content.text
    if "location" in headers:  # the host, and at the provider itself the path; the rest may be a secret
        try:
            url = response.url.join(headers["location"])
            target = host_of(str(url)) + (url.path if origin_of(url) == origin_of(response.url) else "")
        except httpx.InvalidURL:
            target = "a malformed URL"
        target = sanitize(hide(target))[:_SHOWN]
    if target and not response.is_redirect:
        text = f"Location: {target}\n{text}"
    elif header and header != "location":
        text = f"{header.title()}: {strip_queries(hide(headers[header]))[:_SHOWN]}\n{text}"
    if doubts or "\\" in content.text or is_masked:  # else no part of it holds the key either
        try:
            value = endpoint.secret.mask(value) if endpoint.secret else value  # from here on the key is in no response
        except RecursionError:
            value = ABSENT
    return Answer(
        status=response.status_code, value=value, redirect=target if response.is_redirect else "",
        retry_after=pause_of(headers["retry-after"], headers.get("date", ""), time.time()) if "retry-after" in headers else None,
        simulated="x-seedance-simulator" in headers, text=sanitize(text[:_LONGEST])[:_SHOWN],
        page=sanitize(page_words(text, hide(headers.get("server", "")))) if content.page else "",
        hint=hint if hint and hide(hint) == hint else "", header=header.title(), doubts=doubts,
    )  # fmt: skip


def _error_text(error: Exception, endpoint: Endpoint) -> str:
    text = str(error).rstrip(".") or type(error).__name__
    hint = CA_HINT if "CERTIFICATE" in text else ""
    return sanitize(endpoint.secret.mask(text) if endpoint.secret else text)[:200] + hint
