"""What a form can do for a person beyond typing, if somebody gives it the means: send a file, register an asset."""

from concurrent.futures import Future
from typing import Protocol


class Uploads(Protocol):
    """The uploads that a document's provider has: whether it takes files (`uploads`) and addresses as assets (`assets`)."""

    provider: str
    uploads: bool
    assets: bool

    def upload(self, content: bytes, name: str) -> Future[str]:
        """The public address of the bytes, once they are there. *network*."""
        ...

    def asset(self, address: str, kind: str) -> Future[str]:
        """The `asset://` address of a public address, once the provider says that it is ready. *network*."""
        ...
