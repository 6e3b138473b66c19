"""A provider on loopback that does what a test tells it, and keeps its own count of what it took and charged."""

import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from support.loopback import Server

CREATE = "/api/v1/client/job/CreateTask"


class Provider:
    """`on_create` and `on_status` are words or JSON answers, used up one by one; the last one stays.

    A step of `on_create` may also be a function that returns either for a body: requests of one batch arrive in any order.
    Words: `ok`, `close` (charged, no answer), `reset` (charged, RST), `html`, `half`, `hang-up` (before the body is read).
    `charges` are the bodies that were taken, whatever the client saw of it.
    """

    def __init__(self, video: bytes = b"") -> None:
        self.video = video
        self.charges: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.looks: list[str] = []
        self.downloads: list[dict[str, str]] = []
        self.on_create: list[Any] = ["ok"]
        self.on_status: list[Any] = ["success"]
        self.estimates: list[str] = []
        self.balance: float = 100
        self.files: dict[str, bytes] = {}
        self.on_estimate: list[Any] = [12]
        self.on_video: list[Any] = ["ok"]
        self.when_charged: Callable[[], None] = lambda: None
        self.uploads: list[bytes] = []
        self._upload_numbers = itertools.count()
        self._counting = threading.Lock()  # several requests come at once, and each has a task of its own
        self.assets: dict[str, str] = {}
        self.asset_looks: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                (outer._create if self.path == CREATE else outer._free)(self)

            def do_PUT(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                outer.uploads.append(content)
                outer.files[self.path.partition("?")[0]] = content
                outer._send(self, 200, b"", "text/plain")

            def do_GET(self) -> None:
                if self.path in outer.files:
                    outer._send(self, 200, outer.files[self.path], "application/octet-stream")
                else:
                    (outer._video if self.path.startswith("/outputs/") else outer._status)(self)

        self._server = Server(Handler)
        self._server.start()
        self.url = self._server.url
        self.stop = self._server.stop

    def _next(self, plan: list[Any]) -> Any:
        with self._counting:
            return plan.pop(0) if len(plan) > 1 else plan[0]

    def _create(self, handler: BaseHTTPRequestHandler) -> None:
        step = self._next(self.on_create)
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        step = step(body) if callable(step) else step
        self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        number = 0
        if not isinstance(step, tuple):
            with self._counting:
                self.charges.append(body)
                number = len(self.charges)
            self.when_charged()
        if step == "ok":
            self._json(handler, 200, {"code": 200, "message": "success", "data": {"task_id": f"task_{number}"}})
        elif isinstance(step, tuple):
            self._json(handler, *step)
        else:
            self._broken(handler, step)

    def _free(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        self.estimates.append(body)
        step = self._next(self.on_estimate)
        step = step(body) if callable(step) else step
        told = {"code": 200, "message": "success", "data": {"credits": step, "estimated": True}}
        self._json(handler, *(step if isinstance(step, tuple) else (200, told)))

    def _status(self, handler: BaseHTTPRequestHandler) -> None:
        if "/upload-url" in handler.path:
            url = f"{self.url}/uploads/{next(self._upload_numbers)}.png"  # a new one each time, as providers do
            both = {"presigned_url": f"{url}?signature=1", "file_url": url}
            self._json(handler, 200, {"code": 200, "message": "success", "data": both})
            return
        if "/asset-info?asset_id=" in handler.path:
            asset = unquote(handler.path.rpartition("=")[2])
            self.asset_looks.append(asset)
            state = self.assets.get(asset)
            known = {"code": 200, "message": "success", "data": {"Status": state}}
            self._json(handler, *((200, known) if state else (200, {"code": 404, "message": "no such asset"})))
            return
        if handler.path.endswith("/balance"):
            self._json(handler, 200, {"code": 200, "message": "success", "data": {"balance": self.balance}})
            return
        self.looks.append(handler.path)
        step = self._next(self.on_status)
        if isinstance(step, tuple):
            self._json(handler, *step)
        elif step in ("close", "reset", "html", "half"):
            self._broken(handler, step)
        else:
            result: Any = {"media_urls": [f"{self.url}/outputs/video.mp4"]} if step == "success" else None
            if step == "failed":
                result = {"code": 501, "message": "the picture shows <b>nobody</b>", "media_urls": []}
            data = {
                "task_id": unquote(handler.path.rpartition("=")[2]),
                "status": step,
                "param": {},
                "create_at": 1,
                "source": "api",
                "result": result,
                "credits": 12.5,
            }
            self._json(handler, 200, {"code": 200, "message": "success", "data": data})

    def _video(self, handler: BaseHTTPRequestHandler) -> None:
        self.downloads.append({name.lower(): value for name, value in handler.headers.items()})
        step = self._next(self.on_video)
        if step == "ok":
            self._send(handler, 200, self.video, "video/mp4")
        elif step == "short":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(self.video)))
            handler.end_headers()
            handler.wfile.write(self.video[: len(self.video) // 2])
            handler.close_connection = True
        elif step == "cut":
            self._send(handler, 200, self.video[: len(self.video) // 2], "video/mp4")
        else:
            self._broken(handler, step)

    def _broken(self, handler: BaseHTTPRequestHandler, step: str) -> None:
        handler.close_connection = True
        if step == "html":
            self._send(handler, 200, b"<html>maintenance</html>", "text/html")
        if step == "half":
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"code": 200, "da')
        if step == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

    def _json(self, handler: BaseHTTPRequestHandler, status: int, value: Any, **headers: str) -> None:
        self._send(handler, status, json.dumps(value).encode(), "application/json", **headers)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, content: bytes, kind: str, **headers: str) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
