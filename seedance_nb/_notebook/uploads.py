"""The uploads of a document's provider, as a form takes them."""

from collections.abc import Callable
from concurrent.futures import Future

from seedance_nb._document.spec import Spec
from seedance_nb._provider.account import Account
from seedance_nb._task.engine import ENGINE


class ProviderUploads:
    """The uploads that a document's provider has; `desk` gives the free calls with the key of the moment."""

    def __init__(self, desk: Callable[[], Account], spec: Spec) -> None:
        self._desk = desk
        self.provider = spec.provider
        self.uploads = "upload" in spec.calls
        self.assets = "asset" in spec.calls

    def upload(self, content: bytes, name: str) -> Future[str]:
        """The public address of the bytes, once they are there. *network*."""
        return ENGINE.submit(self._desk().upload(content, name))

    def asset(self, address: str, kind: str) -> Future[str]:
        """The `asset://` address of a public address, once the provider says that it is ready. *network*."""
        return ENGINE.submit(self._desk().asset(address, kind))
