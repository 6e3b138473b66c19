"""HTTP calls to a provider: the paid POST, status checks and free calls. The only module that sends the key."""

import asyncio
import functools
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

import httpx

from seedance_nb._base.errors import Unreachable
from seedance_nb._base.faults import FAULTS
from seedance_nb._base.secret import Secret
from seedance_nb._base.text import sanitize, strip_queries
from seedance_nb._base.values import ABSENT
from seedance_nb._check.check import Request
from seedance_nb._document.spec import Spec
from seedance_nb._provider.answers import MAX_ANSWER, find_id, id_text, page_words, read_content
from seedance_nb._provider.outcome import Answer, SendOutcome, classify, is_overloaded
from seedance_nb._provider.rate_limit import RateLimiter, pause_of
from seedance_nb._web.addresses import BlockedURL, allowed_hosts, host_of
from seedance_nb._web.client import AccessPolicy, Fetch, origin_of
from seedance_nb._web.network import CA_HINT, ProxyTransport, proxy_for, proxy_problem, trusted_certificates

_TASK_HEADER = re.compile(r"(?:.+-)?location|(?:.+-)?(?:task|job|generation|prediction|video|run|operation)-?id")
_MOST_HOPS, _MOST_CONNECTIONS, _IDLE_S, _BURST_S = 3, 20, 10.0, 1.0
_url = functools.lru_cache(httpx.URL)  # parsing takes as long as all else that is done for a look
_SHOWN = 1000
_LONGEST_KEY = 8192  # characters to mask before a text is cut, so that no part of a key is left at the cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go: `app` is the simulator, None for a provider; `channel` returns what they share, and `total` is the seconds that one call may take."""

    base_url: str
    secret: Secret | None
    app: Callable[..., Any] | None = None
    total: float = 120
    channel: "Callable[[], Channel] | None" = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


class Channel:
    """What requests to one origin with one key share in this process: rate limit, open connections, looks at tasks, balance. For one event loop."""

    def __init__(self, rate: float = 0) -> None:
        self.limiter = RateLimiter(rate)
        self.looks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # held while one is under way
        self._slots, self._idle = asyncio.Semaphore(_MOST_CONNECTIONS), list[tuple[httpx.AsyncBaseTransport, float]]()
        self._balance: tuple[float, asyncio.Task[float]] | None = None

    @asynccontextmanager
    async def connection(self, endpoint: Endpoint) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A connection for a free request, perhaps an open one; for some seconds it stays open for the next. *network*."""
        loop = asyncio.get_running_loop()
        async with self._slots:
            one = self._idle.pop()[0] if self._idle else _transport(endpoint, endpoint.base_url)
            try:
                yield one
            except BaseException:
                await one.aclose()  # the next may have to go another way
                raise
            self._idle.append((one, loop.time()))
            loop.call_later(_IDLE_S, self._close_idle, loop)

    def _close_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._idle and self._idle[0][1] <= loop.time() - _IDLE_S + 0.1:
            self.closing = loop.create_task(self._idle.pop(0)[0].aclose())

    async def balance(self, ask: Callable[[], Coroutine[Any, Any, float]], now: float) -> float:
        """The account balance, for which a burst of submits asks once. *network*. Raises: what `ask` does."""
        at, asked = self._balance or (-math.inf, None)
        if asked is None or now - at > _BURST_S or (asked.done() and asked.exception()):
            self._balance = now, (asked := asyncio.create_task(ask()))
        return await asyncio.shield(asked)


async def acquire_slot(endpoint: Endpoint, due: float = -math.inf) -> float:
    """Wait for the rate limit, behind what was due earlier; the time at which the request may go out, by the endpoint's clock."""
    if endpoint.channel is None:
        return endpoint.clock()
    return await endpoint.channel().limiter.acquire(endpoint.clock, endpoint.sleep, due)


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


async def fetch_answer(
    spec: Spec, request: Request, endpoint: Endpoint, due: float = -math.inf
) -> tuple[Answer | None, str]:
    """The response to a free request, or None and the reason; waits for the rate limit, behind what was `due` earlier. *network*."""
    return await _exchange(spec, request, endpoint, await acquire_slot(endpoint, due), _Attempt(has_left=True))


class _Attempt:
    """Whether any byte of a request may have left, whether a retry may succeed, through which proxy, and what arrived."""

    def __init__(self, *, has_left: bool) -> None:
        self.has_left, self.transient, self.proxy = has_left, True, ""
        self.response: httpx.Response | None = None
        self.body, self.bytes = bytearray(), bytearray()
        self.stream: Any = None

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

    def read_despite_head(self) -> None:
        """Find the body of a response whose head the HTTP library does not accept."""
        head, end, body = bytes(self.bytes).partition(b"\r\n\r\n")
        if body or (head and not head.startswith(b"HTTP/")):
            status = re.search(rb"\s([1-9][0-9]{2})\b", self.bytes[:99])
            self.response = self.response or httpx.Response(int(status[1]) if status and end else 0)
            self.body += body or head


async def _exchange(spec: Spec, request: Request, endpoint: Endpoint, sent: float,
                    attempt: _Attempt) -> tuple[Answer | None, str]:  # fmt: skip
    """The response, or None and the reason; the rate limiter records both. `sent` is when the request went out."""
    response, why = None, ""
    try:
        await _call(spec, request, endpoint, attempt)
    except TimeoutError:
        why = f"no response within {endpoint.total:g} s"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        why, attempt.transient = f"invalid URL: {_error_text(error, endpoint)}", False
    except BlockedURL as error:
        why, attempt.transient = str(error), False
    except httpx.ProxyError as error:
        why, attempt.transient = proxy_problem(error), not str(error).startswith("4")
    except (httpx.HTTPError, ValueError, *FAULTS) as error:
        why = _error_text(error, endpoint)
    if why and not attempt.body:
        attempt.read_despite_head()
    if attempt.response is not None and (attempt.body or not why):  # also the part that came before it broke off
        response = _answer(request, attempt.response, attempt.body, endpoint, why)
    if endpoint.channel:
        good = response is not None and not why and not is_overloaded(spec, response)
        now, pause = endpoint.clock(), response.retry_after if response else None
        endpoint.channel().limiter.record(sent, now, good=good, retry_after=pause)
    return response, why


def access_policy(spec: Spec, endpoint: Endpoint) -> AccessPolicy:
    """The URLs for downloads and uploads: public https URLs, and an origin that the user has set; the key is never sent there. *pure*."""
    is_own = endpoint.app is not None or host_of(endpoint.base_url) != host_of(spec.server)
    return AccessPolicy(origin=endpoint.base_url if is_own else "", app=endpoint.app)


@asynccontextmanager
async def reach_with_key(spec: Spec, endpoint: Endpoint, policy: AccessPolicy, url: str,
                         headers: Mapping[str, str]) -> AsyncIterator[tuple[httpx.Response, Any]]:  # fmt: skip
    """The response for a result at the provider's own origin, requested with the key; a redirect is followed without it. *network*."""
    attempt, request, more = _Attempt(has_left=True), Request(method="GET", url=url), {"Accept": "*/*", **headers}
    async with (
        aclosing(_transport(endpoint, url, attempt)) as own,
        aclosing(await _respond(spec, request, httpx.URL(url), endpoint, attempt, own, **more)) as response,
    ):
        if not response.has_redirect_location:
            yield response, None
            return
        target = str(response.url.join(response.headers["location"]))
    async with Fetch(replace(policy, upgrade=True)).reach(target, headers) as (response, _):
        yield response, None


def _transport(endpoint: Endpoint, url: str, attempt: _Attempt | None = None) -> httpx.AsyncBaseTransport:
    """One new connection to the origin of a URL, or calls of the simulator."""
    if endpoint.app:
        return httpx.ASGITransport(app=endpoint.app, raise_app_exceptions=False)
    allowed_hosts()  # an error in it would otherwise come to light after the payment
    proxy = proxy_for(httpx.URL(url))
    if attempt and proxy:
        attempt.proxy = f" through the proxy {host_of(str(proxy.url))}"
    limits = httpx.Limits(
        max_connections=1, keepalive_expiry=_IDLE_S
    )  # httpx's pool looks at all it has at each request
    return ProxyTransport(proxy) if proxy else httpx.AsyncHTTPTransport(verify=trusted_certificates(), limits=limits)


async def _respond(spec: Spec, request: Request, url: httpx.URL, endpoint: Endpoint, attempt: _Attempt,
                   transport: httpx.AsyncBaseTransport, **more: str) -> httpx.Response:  # fmt: skip
    """The response, its body not yet read; the key is sent only to the provider's own origin, and no cookie anywhere. *network*."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "seedance_nb"} | more
    content = request.body.encode() if request.body else None
    waits = {"connect": min(10.0, endpoint.total), "read": 60, "write": 60, "pool": None}
    extensions = {"trace": attempt.trace, "timeout": waits}
    sent = httpx.Request(request.method, url, headers=headers, content=content, extensions=extensions)
    if content:
        sent.headers["Content-Type"] = "application/json"
    if spec.auth and endpoint.secret and origin_of(url) == origin_of(_url(endpoint.base_url)):
        sent.headers[spec.auth.header] = spec.auth.prefix + endpoint.secret.reveal()
    response = await transport.handle_async_request(sent)
    response.request = sent
    return response


async def _call(spec: Spec, request: Request, endpoint: Endpoint, attempt: _Attempt) -> None:
    """Send the request and read the response into `attempt`; a free one over a connection that is open, if there is one. *network*."""
    channel = endpoint.channel() if endpoint.channel and request.method == "GET" else None
    own = channel.connection(endpoint) if channel else aclosing(_transport(endpoint, endpoint.base_url, attempt))
    async with asyncio.timeout(endpoint.total), own as transport:
        try:
            await _read(spec, request, endpoint, attempt, transport)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if attempt.stream or channel is None:
                raise
            attempt.response = None  # an open connection had ended, which says nothing about this free request
            await _read(spec, request, endpoint, attempt, transport)
        finally:
            if attempt.stream:
                attempt.stream.read = attempt.read  # leaves it to other requests


async def _read(spec: Spec, request: Request, endpoint: Endpoint, attempt: _Attempt,
                transport: httpx.AsyncBaseTransport) -> None:  # fmt: skip
    """Read at most `MAX_ANSWER` bytes and one more, after at most three redirects of a GET within the provider's origin."""
    url = httpx.URL(request.url)
    for hop in range(_MOST_HOPS + 1):
        async with aclosing(await _respond(spec, request, url, endpoint, attempt, transport)) as response:
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
    hint, target = (find_id(value, content.text) or task_id) if request.body else "", ""  # of what may have been paid
    text = hide(content.text[:_LONGEST_KEY])
    if "location" in headers:
        target = sanitize(hide(_target(response)))[:_SHOWN]
    if target and not response.is_redirect:
        text = f"Location: {target}\n{text}"
    elif header and header != "location":
        text = f"{header.title()}: {strip_queries(hide(headers[header]))[:_SHOWN]}\n{text}"
    if "\\" in content.text or hide(content.text) != content.text:
        try:
            value = hide(value) if endpoint.secret else value  # from here on the key is in no response
        except RecursionError:
            value = ABSENT
    return Answer(
        status=response.status_code, value=value, redirect=target if response.is_redirect else "",
        retry_after=pause_of(headers.get("retry-after", ""), headers.get("date", ""), time.time()),
        simulated="x-seedance-simulator" in headers, text=sanitize(text)[:_SHOWN],
        page=sanitize(page_words(text, hide(headers.get("server", "")))) if content.page else "",
        hint=hint if hide(hint) == hint else "", header=header.title(), doubts=doubts,
    )  # fmt: skip


def _target(response: httpx.Response) -> str:
    """Where a response leads to: the host, and at the provider itself the path; the rest may be a secret. *pure*."""
    try:
        url = response.url.join(response.headers["location"])
    except httpx.InvalidURL:
        return "a malformed URL"
    return host_of(str(url)) + (url.path if origin_of(url) == origin_of(response.url) else "")


def _error_text(error: Exception, endpoint: Endpoint) -> str:
    text = str(error).rstrip(".") or type(error).__name__
    hint = CA_HINT if "CERTIFICATE" in text else ""
    return sanitize(endpoint.secret.mask(text) if endpoint.secret else text)[:200] + hint
