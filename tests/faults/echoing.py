"""A provider that says the key back wherever it can. What it does is named by the prompt: `act:words` and so on."""

import json
import re
from typing import Any

from faults.canary import SIGNATURE, spellings
from faults.server import Act, Exchange, charge, message, page, raw, reset, says
from faults.shapes import CRUN

ACTS = (
    "words", "code", "refused", "details", "id", "unauthorized", "moved", "page", "half", "first-line", "header", "reset", "yes",
    "word", "fails", "addresses", "look-moved", "look-unauthorized", "file-moved", "file-refused", "never", "fine",
)  # fmt: skip


def key_of(exchange: Exchange) -> str:
    return exchange.headers.get("x-api-key", "")


def every(key: str) -> str:
    """A sentence with every spelling of the key."""
    return " , ".join(spelled.decode() for spelled in spellings(key).values())


def signed(exchange: Exchange, name: str) -> str:
    return f"{exchange.server.url}/outputs/{name}.mp4?X-Signature={SIGNATURE}"


def create(exchange: Exchange) -> None:
    found = re.search(r"act:([a-z-]+)", exchange.body)
    name, key = found.group(1) if found else "fine", key_of(exchange)
    charge(exchange)
    answers: dict[str, Any] = {
        "words": (200, {"code": 402, "message": f"no credits for {every(key)} at {signed(exchange, key)}"}),
        "code": (200, {"code": key, "message": "no"}),
        "refused": (200, {"code": 422, "message": f"invalid: {every(key)}"}),
        "details": (200, {"code": 422, "message": "invalid", "errors": [every(key), {key: [key]}, signed(exchange, key)]}),
        "id": (200, CRUN.taken(key)),
        "unauthorized": (401, {"code": 401, "message": f"the key {key} is unknown"}),
    }  # fmt: skip
    echoed = {"X-Echo": key, "Set-Cookie": f"session={SIGNATURE}"}
    if name in answers:
        status, value = answers[name]
        says(status, value, **echoed)(exchange)
    elif name == "moved":
        says(307, b"", Location=f"http://{'a'}{key[:4]}.invalid/?key={key}", **echoed)(exchange)
    elif name == "page":
        exchange.write(message(200, f"<html>{every(key)}</html>".encode(), "text/html"))
    elif name == "half":
        exchange.write(message(200, json.dumps({"message": every(key)}).encode())[:-9])
    elif name == "first-line":
        raw(f"HTTP/1.1 {every(key)}\r\n\r\n".encode())(exchange)
    elif name == "header":
        raw(f"HTTP/1.1 200 OK\r\n{every(key)}\r\n\r\n".encode())(exchange)
    elif name == "reset":
        reset(exchange)
    else:
        told = CRUN.taken(f"{name}.{exchange.number}")
        says(200, told | {"message": key, "data": told["data"] | {key: every(key)}}, **echoed)(exchange)


def status(exchange: Exchange) -> None:
    found = re.search(r"task_id=([a-z-]+)\.", exchange.path)
    name, key = found.group(1) if found else "fine", key_of(exchange)
    task = exchange.path.rpartition("=")[2]
    looks = sum(1 for _, path, _ in exchange.server.requests if path == exchange.path)
    failed = CRUN.told("failed", [], task)
    failed["data"]["result"] = {
        "code": 501,
        "message": f"no picture for {every(key)} at {signed(exchange, key)}",
        "media_urls": [],
    }
    if name == "word" and looks < 3:
        says(200, CRUN.told(f"{key} {signed(exchange, key)}", [], task))(exchange)
    elif name == "never" and looks < 8:
        says(200, CRUN.told("running", [], key))(exchange)
    elif name == "look-moved" and looks < 3:
        says(302, b"", Location=f"http://elsewhere.invalid/?key={key}")(exchange)
    elif name == "look-unauthorized":
        says(401, {"code": 401, "message": f"the key {key} is unknown"})(exchange)
    elif name in ("addresses", "file-moved", "file-refused", "fine"):
        inside = f"/{key}" if name == "addresses" else ""
        told = CRUN.told("success", [f"{exchange.server.url}/outputs/{name}{inside}.mp4?X-Signature={SIGNATURE}"], task)
        says(200, told | {key: key}, Set_Cookie=f"session={SIGNATURE}")(exchange)
    else:
        says(200, failed)(exchange)


def video(exchange: Exchange) -> None:
    if "file-moved" in exchange.path:
        says(302, b"", Location=f"http://elsewhere.invalid/v.mp4?X-Signature={SIGNATURE}")(exchange)
    elif "file-refused" in exchange.path:
        page(403)(exchange)
    else:
        exchange.write(message(200, exchange.server.video, "video/mp4"))


def other(exchange: Exchange) -> None:
    """The free calls: a refusal that says everything back."""
    key = key_of(exchange)
    if exchange.path.startswith("/plain"):
        page(404)(exchange)
    else:
        told = {
            "code": 402,
            "message": f"no {every(key)} {signed(exchange, key)}",
            "data": {"balance": key, "task_id": key},
        }
        says(200, told, X_Echo=key)(exchange)


PLANS: dict[str, list[tuple[Act, ...]]] = {
    "create": [(create,)],
    "status": [(status,)],
    "video": [(video,)],
    "other": [(other,)],
}
