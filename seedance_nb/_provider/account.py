"""A provider's free calls beside the paid one: what a task would cost, what is left, uploads of files and assets."""

import asyncio
import mimetypes
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import SeedanceError, Unauthorized
from seedance_nb._base.values import find, is_number, json_text
from seedance_nb._check.price import Estimate, estimate, with_money
from seedance_nb._check.request import call_request
from seedance_nb._document.spec import Spec
from seedance_nb._provider.outcome import Answer, free_value
from seedance_nb._provider.transport import Endpoint, access_policy, fetch_answer
from seedance_nb._schema.uris import media_fault
from seedance_nb._web.origins import host_of
from seedance_nb._web.transfer import put_bytes

MOST_BYTES = 200 * 1024**2
_ASSET_S = 300
_MOST = 10**12
_LOOK_S = 3
_KINDS = {"image": "Image", "video": "Video", "audio": "Audio"}


class Account:
    """The free calls of one document's provider. None of them makes a task; each of them may need the key.

    `sleep` waits between two looks, in seconds.
    """

    def __init__(self, spec: Spec, place: Endpoint, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.spec = spec
        self.place = place
        self._sleep = sleep

    def has(self, name: str) -> bool:
        """Whether the provider has the call: estimate, balance, upload or asset. *pure*."""
        return name in self.spec.calls

    async def estimate(self, body: dict[str, Any]) -> Estimate:
        """What this request would cost: by the provider's estimate call, else by its table. *network*.

        Where neither says it, or the call does not answer, the amount is None and `why` says so.
        """
        if not self.has("estimate") or self.place.app is not None:
            return estimate(self.spec, body)
        unit = self.spec.price.unit
        try:
            answer = await self._answer("estimate", body=body)
        except SeedanceError as error:
            return Estimate(unit=unit, why=f"the estimate call said: {error.message}")
        value = find(answer.value, self.spec.calls["estimate"].value)
        if answer.simulated:
            return Estimate(unit=unit, why="the simulator has no prices")
        if not is_number(value) or not 0 <= value < _MOST:
            return Estimate(unit=unit, why="the estimate call named no amount")
        return with_money(self.spec, float(value), source=f"the estimate call of {self.spec.provider}")

    async def balance(self) -> float:
        """What is left on the account, in the document's unit. *network*. Raises: Refused and its kinds, SeedanceError."""
        if self.has("balance") and self.place.app is not None:
            raise SeedanceError(
                f"There is no key for {self.spec.provider}, so there is no account to ask.",
                next_step=f"set {self.spec.key_env}",
            )
        value = await self._value("balance")
        if not is_number(value):
            raise SeedanceError(f"{self.spec.provider} answered without a balance.")
        return float(value)

    async def upload(self, file: str | Path | bytes, name: str = "") -> str:
        """The address under which the provider has the file from now on. *reads files*, *network*.

        `file` is a path, or the bytes themselves with a `name` that has the right ending. Raises: SeedanceError where
        the provider takes no files, or the file cannot be read or sent; Refused and its kinds.
        """
        if not self.has("upload"):
            raise _not_there(
                self.spec, "takes no files, only public addresses", "put the file on the web and give its https address"
            )
        content, name = await asyncio.to_thread(_content, file, name)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        ending = Path(name).suffix.removeprefix(".").lower()
        if not re.fullmatch(r"[a-z0-9]{1,5}", ending):
            raise SeedanceError(
                f"The file {name!r} has no ending that says what it is.", next_step="give it one such as .png or .mp4"
            )
        answer = await self._answer("upload", query={"content_type": kind, "ext": ending})
        call = self.spec.calls["upload"]
        put, url = find(answer.value, call.put), find(answer.value, call.value)
        if not isinstance(put, str) or not isinstance(url, str) or media_fault(url, ["https", "http"]):
            raise SeedanceError(f"{self.spec.provider} answered without addresses for the upload.")
        if fault := await put_bytes(put, content, kind, access_policy(self.spec, self.place)):
            raise SeedanceError(
                f"The file {name!r} could not be uploaded to {host_of(put)}: {fault}.", next_step="upload it again"
            )
        return url

    async def asset(self, address: str, kind: str = "image", name: str = "") -> str:
        """The `asset://` address of something uploaded, once the provider says that it is ready. *network*.

        `address` is a public address of an image, video or audio. Raises: SeedanceError where the provider has no assets,
        refuses this one or takes longer than 300 s; Refused and its kinds.
        """
        if not self.has("asset"):
            raise _not_there(self.spec, "has no uploaded assets", "give the public address itself")
        if kind not in _KINDS:
            raise SeedanceError(
                f"An asset is an {', '.join(_KINDS)}, not {kind!r}.", next_step="say kind='image', 'video' or 'audio'"
            )
        if fault := media_fault(address, ["https", "http"]):
            raise SeedanceError(
                f"The address {fault}.", next_step="give a public address, for a local file that of sd.upload"
            )
        wanted = {"name": name or f"seedance_nb {kind}", "asset_type": _KINDS[kind], "asset_url": address}
        asset_id = await self._value("asset", body=wanted)
        if not isinstance(asset_id, str) or media_fault(f"asset://{asset_id}", ["asset"]):
            raise SeedanceError(f"{self.spec.provider} answered without an AssetId.")
        info, word = self.spec.calls["asset-info"], "unknown"
        for _ in range(_ASSET_S // _LOOK_S):
            try:
                word = str(await self._value("asset-info", query={"asset_id": asset_id}))
            except Unauthorized:
                raise
            except SeedanceError as error:  # one look that fails loses no asset
                word = f"not known yet ({error.message})"
            if word.casefold() in [ready.casefold() for ready in info.ready]:
                return f"asset://{asset_id}"
            if word.casefold() in [failed.casefold() for failed in info.failed]:
                break
            await self._sleep(_LOOK_S)
        raise SeedanceError(
            f"The asset {asset_id} is {word} at {self.spec.provider}, not {' or '.join(info.ready)}.",
            next_step=f"asset://{asset_id} may be used once it is {' or '.join(info.ready)}; or use the public address itself",
        )

    async def _value(self, name: str, *, body: Any = None, query: dict[str, str] | None = None) -> Any:
        if not self.has(name):
            raise _not_there(self.spec, f"has no {name} call", "look at the account in the browser")
        answer = await self._answer(name, body=body, query=query)
        return find(answer.value, self.spec.calls[name].value)

    async def _answer(self, name: str, *, body: Any = None, query: dict[str, str] | None = None) -> Answer:
        text = json_text(body) if body is not None else ""
        request = call_request(self.spec.calls[name], self.place.base_url, query or {}, text)
        answer, problem = await fetch_answer(self.spec, request, self.place)
        if answer is None:
            raise SeedanceError(
                f"{self.spec.provider} could not be asked for {name} ({problem}).", next_step="try again"
            )
        free_value(self.spec, answer)
        return answer


def _content(file: str | Path | bytes, name: str) -> tuple[bytes, str]:
    """What is uploaded, and its name. Only regular files are read: a pipe would never end, and neither would some devices."""
    if isinstance(file, bytes):
        content = file
    else:
        path = Path(str(file).removeprefix("file://")).expanduser()
        name = name or path.name
        try:
            if path.exists() and not path.is_file():
                raise SeedanceError(f"{path} cannot be read: it is no regular file.")
            with path.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is not valid"
            raise SeedanceError(f"The file {path} cannot be read ({why}).") from None
        if len(content) > MOST_BYTES:
            raise SeedanceError(f"The file {path} has more than {MOST_BYTES:,} bytes; no more are uploaded.")
    if not content:
        raise SeedanceError(f"The file {name!r} is empty.")
    return content, name


def _not_there(spec: Spec, what: str, next_step: str) -> SeedanceError:
    return SeedanceError(f"{spec.provider} {what}.", next_step=next_step)
