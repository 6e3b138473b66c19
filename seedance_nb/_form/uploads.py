"""The interface that a form needs to upload files and to register assets."""

from concurrent.futures import Future
from typing import Protocol


class Uploads(Protocol):
    """The uploads of a model's provider: `uploads` is whether it accepts files, `assets` whether it registers URLs as assets."""

    provider: str
    uploads: bool
    assets: bool

    def upload(self, content: bytes, name: str) -> Future[str]:
        """The public URL of a file's content, once uploaded. *network*."""

    def asset(self, url: str, kind: str) -> Future[str]:
        """The `asset://` URL of a public URL, once the provider reports that the asset is ready. *network*."""
