"""A request's ways out of a form and back: as code to take away, as a preset in a file."""

from pathlib import Path
from typing import Any

from seedance_nb._document.load import Spec
from seedance_nb._form.exchange.presets import load_preset, save_preset
from seedance_nb._form.exchange.snippets import to_curl, to_python


class Portable:
    """What has a document and `values` for it, that can be set."""

    spec: Spec
    values: Any

    def to_curl(self) -> str:
        """A curl command for this request; the shell fills in the key from its variable. *pure*.

        Raises: ValueError for what JSON cannot carry.
        """
        return to_curl(self.spec, self.values)

    def to_python(self) -> str:
        """Python that makes this request with `sd.generate`. *reads files*. Raises: ValueError for what JSON cannot carry."""
        return to_python(self.spec, self.values)

    def save(self, path: str | Path) -> Path:
        """Where the values lie now, as a preset: the document's name and the values, never a key. *writes files*.

        Raises: SeedanceError where it cannot be written, or would replace a file that is no preset.
        """
        return save_preset(path, self.spec, self.values)

    def load(self, path: str | Path) -> None:
        """Sets the values of a preset. *reads files*.

        Raises: SeedanceError for a file that is no preset, or one of another document; ValueError.
        """
        self.values = load_preset(path, self.spec)
