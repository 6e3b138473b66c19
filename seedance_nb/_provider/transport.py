"""The only file that sends the key: one paid POST, the calls beside it, and the looks that follow."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

import httpx

from seedance_nb._base.errors import Unreachable
from seedance_nb._base.secret import Secret
from seedance_nb._base.text import sanitize
from seedance_nb._base.values import ABSENT, read_answer
from seedance_nb._check.request import Request
from seedance_nb._document.spec import Spec
from seedance_nb._provider.outcome import Answer, SendOutcome, classify, is_overloaded
from seedance_nb._provider.rate_limit import RateLimiter, pause_of
from seedance_nb._web.client import AccessPolicy, origin_of, read_whole, trusted_certificates
from seedance_nb._web.origins import host_of

MAX_ANSWER = 2 * 1024 * 1024
_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where requests go. `app` is the built-in simulator, mounted in this process; None for a real address.

    `total` bounds one API call, in seconds. `gate` shares out the turns of all
    requests to this host; `sleep` waits for one, in seconds of `clock`.
    """

    base_url: str
    secret: Secret | None
    app: Callable[..., Any] | None = None
    total: float = 120
    gate: RateLimiter | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic


async def acquire_slot(place: Endpoint) -> float:
    """Waits for a turn to speak to this host; the moment of it, by the place's clock."""
    return await place.gate.acquire(place.clock, place.sleep) if place.gate else place.clock()


async def send_once(spec: Spec, request: Request, place: Endpoint) -> SendOutcome:
    """What became of the paid request, sent at most once over a fresh connection. *network*, *spends credits*.

    The caller waits for its `turn` first.
    """
    line = _Line(gone=place.app is not None)
    answer, why = await _answered(spec, request, place, place.clock(), line)
    if answer is not None:
        return classify(spec, answer)
    if line.gone:
        return SendOutcome(outcome="unknown", why=f"the connection broke before a clear answer came ({why})")
    told = f"No connection to {host_of(place.base_url)} could be made ({why})"
    return SendOutcome(outcome="unsent", why=told, error=Unreachable(f"{told}."), may_pass=line.may_pass)


async def fetch_answer(spec: Spec, request: Request, place: Endpoint) -> tuple[Answer | None, str]:
    """The answer to a request that costs nothing, or None and why there is none; it waits for its turn. *network*."""
    return await _answered(spec, request, place, await acquire_slot(place), _Line(gone=True))


class _Line:
    """Whether anything of a request may have gone out over its connection, and whether another try may get further."""

    def __init__(self, *, gone: bool) -> None:
        self.gone = gone
        self.may_pass = True

    async def trace(self, event: str, _: Any) -> None:
        """What the HTTP library calls at each of its steps."""
        self.gone = self.gone or event.endswith("send_request_headers.started")


async def _answered(
    spec: Spec, request: Request, place: Endpoint, sent: float, line: _Line
) -> tuple[Answer | None, str]:
    """The answer, or None and why there is none; the gate hears of both. `sent` is the moment of the turn."""
    answer, why = None, ""
    try:
        answer = await _call(spec, request, place, line)
    except TimeoutError:
        why = f"no answer within {place.total:g} s"
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        why, line.may_pass = f"the URL is not valid: {_said(error, place)}", False
    except (httpx.HTTPError, OSError, ValueError) as error:
        why = _said(error, place)
    if place.gate:
        good = answer is not None and not is_overloaded(spec, answer)
        place.gate.record(sent, place.clock(), good=good, retry_after=answer.retry_after if answer else None)
    return answer, why


def access_policy(spec: Spec, place: Endpoint) -> AccessPolicy:
    """Which addresses files may have that are fetched for, or put to, this place; no key goes that way. *pure*.

    Public https ones; and those at the place itself where it is the simulator, or a person named another origin than the
    document's.
    """
    named = place.app is not None or host_of(place.base_url) != host_of(spec.server)
    return AccessPolicy(origin=place.base_url if named else "", app=place.app)


class _KeyAuth(httpx.Auth):
    """Adds the key when a request is sent, and only for the provider's own origin."""

    def __init__(self, spec: Spec, place: Endpoint) -> None:
        self._spec, self._place = spec, place

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        auth, secret = self._spec.auth, self._place.secret
        if auth and secret and origin_of(request.url) == origin_of(httpx.URL(self._place.base_url)):
            request.headers[auth.header] = auth.prefix + secret.reveal()
        yield request


def _client(spec: Spec, place: Endpoint) -> httpx.AsyncClient:
    transport = (
        httpx.ASGITransport(app=place.app, raise_app_exceptions=False)
        if place.app
        else httpx.AsyncHTTPTransport(verify=trusted_certificates())
    )
    # trust_env is off so that no .netrc replaces the key and no proxy from the environment sees it.
    return httpx.AsyncClient(
        transport=transport,
        auth=_KeyAuth(spec, place),
        timeout=httpx.Timeout(60, connect=min(_CONNECT_S, place.total)),
        headers={"Accept-Encoding": "identity", "User-Agent": "seedance_nb"},
        trust_env=False,
    )


async def _call(spec: Spec, request: Request, place: Endpoint, line: _Line) -> Answer:
    headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if request.body else {})
    content = request.body.encode() if request.body else None
    hide = place.secret.mask if place.secret else str
    async with (
        asyncio.timeout(place.total),
        _client(spec, place) as client,
        client.stream(
            request.method, request.url, content=content, headers=headers, extensions={"trace": line.trace}
        ) as answer,
    ):
        if answer.is_redirect:
            where = hide(host_of(answer.headers.get("location", "")))
            return Answer(status=answer.status_code, value=ABSENT, redirect=where)
        raw = await read_whole(answer, MAX_ANSWER)
    value = read_answer(raw)
    try:
        value = place.secret.mask_in(value) if place.secret else value  # from here on no answer has the key in it
    except RecursionError:
        value = ABSENT
    return Answer(
        status=answer.status_code,
        value=value,
        retry_after=pause_of(answer.headers.get("retry-after", ""), answer.headers.get("date", ""), time.time()),
        simulated="x-seedance-simulator" in answer.headers,
    )


def _said(error: Exception, place: Endpoint) -> str:
    text = str(error).rstrip(".") or type(error).__name__
    return sanitize(place.secret.mask(text) if place.secret else text)[:200]
