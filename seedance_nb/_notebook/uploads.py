"""Uploads to a model's provider, as a form uses them."""

from collections.abc import Callable
from concurrent.futures import Future

from seedance_nb._document.spec import Spec
from seedance_nb._provider.account import Account
from seedance_nb._task.engine import ENGINE


class ProviderUploads:
    """Uploads to a model's provider; `account` returns its free calls with the current key."""

    def __init__(self, account: Callable[[], Account], spec: Spec) -> None:
        self._account, self.provider = account, spec.provider
        self.uploads, self.assets = "upload" in spec.calls, "asset" in spec.calls

    def upload(self, content: bytes, name: str) -> Future[str]:
        """The public URL of the bytes, once they are uploaded. *network*."""
        return ENGINE.submit(self._account().upload(content, name))

    def asset(self, address: str, kind: str) -> Future[str]:
        """The `asset://` URL of a public URL, once the provider reports that it is ready. *network*."""
        return ENGINE.submit(self._account().asset(address, kind))
