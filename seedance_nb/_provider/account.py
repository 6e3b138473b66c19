"""A provider's free calls: price estimate, account balance, file uploads and assets."""

import asyncio
import mimetypes
import re
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError, Unauthorized
from seedance_nb._base.values import find, is_number, json_text
from seedance_nb._check.check import call_request
from seedance_nb._check.price import Estimate, estimate, with_money
from seedance_nb._document.spec import Spec
from seedance_nb._provider.outcome import Answer, free_value
from seedance_nb._provider.transport import Endpoint, access_policy, fetch_answer
from seedance_nb._schema.formats import media_error
from seedance_nb._web.addresses import host_of
from seedance_nb._web.client import put_bytes
from seedance_nb._web.regular_files import open_file

MOST_BYTES = 200 * 1024**2
_ASSET_S, _CHECK_EVERY_S, _MOST = 300, 3, 10**12


class Account:
    """The free calls of one model's provider. None of them creates a task; each may need the key."""

    def __init__(self, spec: Spec, endpoint: Endpoint) -> None:
        self.spec, self.endpoint = spec, endpoint

    async def estimate(self, body: dict[str, Any]) -> Estimate:
        """The price from the provider's estimate call or else its price table; without an amount, `why` has the reason. *network*."""
        if "estimate" not in self.spec.calls or self.endpoint.app is not None:
            return estimate(self.spec, body)
        unit = self.spec.price.unit
        try:
            answer, value = await self._ask("estimate", body=body)
        except SeedanceError as error:
            return Estimate(unit=unit, why=f"the estimate call failed: {error.message.removesuffix('.')}")
        if not is_number(value) or not 0 <= value < _MOST:
            return Estimate(unit=unit, why="the estimate call returned no amount")
        source = "the simulator, acting as {}" if answer.simulated else "{}'s estimate call"
        return with_money(self.spec, float(value), source=source.format(self.spec.provider))

    async def balance(self) -> float:
        """The account balance in the provider's unit. *network*. Raises: Refused and its subclasses, SeedanceError."""
        if "balance" in self.spec.calls and self.endpoint.app is not None:
            problem = f"There is no key for {self.spec.provider}, so there is no account balance."
            raise SeedanceError(problem, next_step=f"set {self.spec.key_env}")
        _, value = await self._ask("balance")
        if not is_number(value) or not abs(value) < _MOST:
            raise SeedanceError(f"{self.spec.provider} returned no balance.")
        return float(value)

    async def upload(self, file: str | Path | bytes, name: str = "") -> str:
        """Upload a file (a path, or bytes with a `name`); its URL at the provider. *reads files*, *network*. Raises: SeedanceError; Refused."""
        if "upload" not in self.spec.calls:
            problem = f"{self.spec.provider} does not accept file uploads, only public URLs."
            raise SeedanceError(problem, next_step="upload the file to a web host and pass its https URL")
        content, name = await asyncio.to_thread(_content, file, name)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        extension = Path(name).suffix.removeprefix(".").lower()
        if not re.fullmatch(r"[a-z0-9]{1,5}", extension):
            raise SeedanceError(f"The file name {name!r} has no extension.", next_step="add one such as .png or .mp4")
        answer, url = await self._ask("upload", query={"content_type": kind, "ext": extension})
        put = find(answer.value, self.spec.calls["upload"].put)
        if not isinstance(put, str) or not isinstance(url, str) or media_error(url, ["https", "http"]):
            raise SeedanceError(f"{self.spec.provider} returned no upload URL.")
        if fault := await put_bytes(put, content, kind, access_policy(self.spec, self.endpoint)):
            raise SeedanceError(f"The upload of {name!r} to {host_of(put)} failed: {fault}.", next_step="try again")
        return url

    async def asset(self, url: str, kind: str = "image", name: str = "") -> str:
        """Register a public URL as an asset and wait up to 300 s until it is ready; its `asset://` URL. *network*. Raises: SeedanceError; Refused."""
        if "asset" not in self.spec.calls:
            problem = f"{self.spec.provider} does not support assets."
            raise SeedanceError(problem, next_step="pass the file's public URL")
        if kind not in ("image", "video", "audio"):
            problem = f"kind must be 'image', 'video' or 'audio', not {kind!r}."
            raise SeedanceError(problem, next_step="pass the kind of the file", charged=None)
        if fault := media_error(url, ["https", "http"]):
            next_step = "pass a public URL; sd.upload returns one for a local file"
            raise SeedanceError(f"The URL {fault}.", next_step=next_step)
        body = {"name": name or f"seedance_nb {kind}", "asset_type": kind.title(), "asset_url": url}
        _, asset_id = await self._ask("asset", body=body)
        if not isinstance(asset_id, str) or media_error(f"asset://{asset_id}", ["asset"]):
            raise SeedanceError(f"{self.spec.provider} returned no AssetId.")
        info, word = self.spec.calls["asset-info"], "unknown"
        for _ in range(_ASSET_S // _CHECK_EVERY_S):
            try:
                word = await self.asset_state(asset_id)
            except Unauthorized:
                raise
            except SeedanceError as error:  # one failed status check does not lose the asset
                word = f"unknown ({error.message})"
            if word.casefold() in [ready.casefold() for ready in info.ready]:
                return f"asset://{asset_id}"
            if word.casefold() in [failed.casefold() for failed in info.failed]:
                break
            await self.endpoint.sleep(_CHECK_EVERY_S)
        ready = " or ".join(info.ready)
        problem = f"{self.spec.provider} reports the asset {asset_id} as {word}, not {ready}."
        next_step = f"use asset://{asset_id} once it is {ready}, or pass the file's public URL"
        raise SeedanceError(problem, next_step=next_step)

    async def asset_state(self, asset_id: str) -> str:
        """The provider's word for the state of an asset. *network*. Raises: Refused and its subclasses, SeedanceError."""
        _, word = await self._ask("asset-info", query={"asset_id": asset_id})
        if not isinstance(word, str) or not word:
            raise SeedanceError(f"{self.spec.provider} reports no status for the asset {asset_id}.")
        return word

    async def _ask(self, name: str, *, body: Any = None, query: dict[str, str] | None = None) -> tuple[Answer, Any]:
        if name not in self.spec.calls:
            problem = f"{self.spec.provider} has no {name} call."
            raise SeedanceError(problem, next_step="check the account on the provider's website")
        text = json_text(body) if body is not None else ""
        request = call_request(self.spec.calls[name], self.endpoint.base_url, query or {}, text)
        answer, problem = await fetch_answer(self.spec, request, self.endpoint)
        if answer is None:
            raise SeedanceError(f"{self.spec.provider} did not answer ({problem}).", next_step="try again")
        return answer, find(free_value(self.spec, answer), self.spec.calls[name].value)


def _content(file: str | Path | bytes, name: str) -> tuple[bytes, str]:
    """The bytes to upload and the file's name. Only regular files are read: a pipe or a device may never end."""
    if isinstance(file, bytes):
        content = file
    else:
        path = Path(str(file).removeprefix("file://")).expanduser()
        name = name or path.name
        try:
            with open_file(path.resolve(), "rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "invalid file name"
            raise SeedanceError(f"The file {path} cannot be read ({why}).") from None
        if len(content) > MOST_BYTES:
            raise SeedanceError(f"The file {path} is larger than {MOST_BYTES:,} bytes, the limit for uploads.")
    if not content:
        raise SeedanceError(f"The file {name!r} is empty.")
    return content, name
