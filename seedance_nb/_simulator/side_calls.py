"""The simulator's free calls: file uploads, assets and the balance."""

import asyncio
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from seedance_nb._base.values import find, read_json
from seedance_nb._document.spec import Spec
from seedance_nb._simulator import replies as _replies
from seedance_nb._simulator.paint import Fetch
from seedance_nb._simulator.replies import Reply
from seedance_nb._simulator.store import Asset, Store

MOST_BYTES = 64 * 1024**2
_NAME = re.compile(r"upload_[0-9a-f]{32}\.[a-z0-9]{1,5}")


class SideCalls:
    """Responds to `upload`, `asset`, `asset-info` and `balance`, and saves the files. An asset is ready after `ready_s` seconds."""

    def __init__(self, store: Store, fetch: Fetch, ready_s: float, now: Callable[[], float]) -> None:
        self._store, self._web, self._ready_s, self._now = store, fetch, ready_s, now
        path = "/uploads/{name}"
        self.routes = [Route(path, self._put, methods=["PUT"]), Route(path, self._get, methods=["GET"])]

    async def answer(self, spec: Spec, name: str, request: Request) -> Reply:
        """The response to one of the calls. *writes files* for an upload or an asset."""
        if name == "balance":
            return _replies.free(spec, name, {"balance": 1000})
        if name == "upload":
            ending = request.query_params.get("ext", "").lower().removeprefix(".")
            if not re.fullmatch(r"[a-z0-9]{1,5}", ending) or not request.query_params.get("content_type"):
                return _replies.invalid(spec, ["content_type and ext are required"])
            url = f"{str(request.base_url).rstrip('/')}/uploads/upload_{secrets.token_hex(16)}.{ending}"
            return _replies.free(spec, name, {"put": f"{url}?signature=simulated", "url": url})
        if name == "asset":
            return await self._asset(spec, request)
        asset = await asyncio.to_thread(self._store.asset, request.query_params.get("asset_id", ""))
        if asset is None:
            return _replies.missing(spec)
        status = "Active" if self._now() - asset.created >= self._ready_s else "Processing"
        stamps = dict.fromkeys(("created-iso", "now-iso"), _replies.iso(asset.created))
        facts = {"asset": asset.id, "name": asset.name, "kind": asset.kind, "status": status}
        return _replies.free(spec, name, facts | stamps)

    async def fetch(self, url: str) -> bytes:
        """The bytes at a URL in a request: an upload or asset of the simulator, else from the web. *network*."""
        if url.startswith("asset://"):
            asset = await asyncio.to_thread(self._store.asset, url.removeprefix("asset://"))
            url = asset.url if asset else url
        name = urlsplit(url).path.rsplit("/", 1)[-1]
        if _NAME.fullmatch(name) and self._store.upload(name).exists():
            return await asyncio.to_thread(self._store.upload(name).read_bytes)
        return await self._web(url)

    async def _asset(self, spec: Spec, request: Request) -> Reply:
        try:
            body = read_json(await request.body())
        except ValueError as error:
            return _replies.invalid(spec, [f"body: {error}"])
        name, kind, url = (str(find(body, pointer)) for pointer in ("/name", "/asset_type", "/asset_url"))
        if kind not in ("Image", "Video", "Audio") or not url.startswith(("http://", "https://")):
            problem = "asset_type must be Image, Video or Audio; asset_url must be an http or https URL"
            return _replies.invalid(spec, [problem])
        stamp = datetime.fromtimestamp(self._now(), UTC).strftime("%Y%m%d%H%M%S")
        asset_id = f"simulated-{stamp}-{secrets.token_hex(3)}"
        asset = Asset(id=asset_id, name=name, kind=kind, url=url, created=self._now())
        await asyncio.to_thread(self._store.add_asset, asset)
        return _replies.free(spec, "asset", {"asset": asset.id})

    async def _put(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not _NAME.fullmatch(name) or request.query_params.get("signature") != "simulated":
            return Response("invalid signature", status_code=403)
        content = await request.body()
        if len(content) > MOST_BYTES:
            return Response("too large", status_code=413)
        await asyncio.to_thread(self._store.save_upload, name, content)
        return Response()

    async def _get(self, request: Request) -> Response:
        path = self._store.upload(request.path_params["name"])
        is_there = _NAME.fullmatch(path.name) and path.exists()
        return FileResponse(path) if is_there else Response("not found", status_code=404)
