"""The draft of a panel's form: its values in a file beside the ledger, to be restored after a restart of the kernel."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedance_nb._base.log import LOG
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries
from seedance_nb._base.values import digest
from seedance_nb._form.exchange.presets import load_preset, save_preset
from seedance_nb._form.form import Form
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.placement import notebook_file, viewer

MOST_DAYS = 30


class Draft:
    """The draft of a form for its notebook and model; where the notebook is unknown or shared (Voila), nothing is saved.

    `rest_s` is the time between two writes at least, in seconds; `now` returns the time.
    """

    def __init__(self, form: Form, ledger: Path, rest_s: float = 1, now: Callable[[], float] = time.time) -> None:
        book = None if viewer() == "voila" else notebook_file()
        name = digest([str(book), form.spec.name])[:32]
        self.file = ledger.with_name(f"{ledger.name}-drafts") / f"{name}.json" if book else None
        self._form, self._rest_s, self._now = form, rest_s, now
        self._start = form.values
        self._waits = False

    def read(self) -> dict[str, Any] | None:
        """The values of the last draft, None if there is none. *reads files*; removes drafts older than 30 days."""
        if self.file is None:
            return None
        try:
            for old in self.file.parent.glob("*.json"):
                if self._now() - old.stat().st_mtime > MOST_DAYS * 86400:
                    old.unlink()
            return load_preset(self.file, self._form.spec) if self.file.exists() else None
        except Exception:  # noqa: BLE001 - a panel opens without its draft too
            LOG.debug("a draft could not be read, so it is removed")
            with suppress(OSError):
                self.file.unlink()
            return None

    def changed(self) -> None:
        """Save the form's values soon, off the calling thread. *writes files*."""
        if self.file is not None and not self._waits:
            self._waits = True
            ENGINE.submit(self._save())

    async def _save(self) -> None:
        await asyncio.sleep(self._rest_s)
        self._waits = False
        await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Save the form's values without secrets and signed URLs, or remove the draft of an empty form. *writes files*."""
        try:
            if self.file and self._form.values == self._start:
                self.file.unlink(missing_ok=True)
            elif self.file:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                save_preset(self.file, self._form.spec, _public(self._form.values))
        except Exception:  # noqa: BLE001 - a form that cannot be saved can still be sent
            LOG.debug("a draft could not be saved")


def _public(value: Any) -> Any:
    """A value without the queries and user names of URLs, which may be secret, and without embedded files. *pure*."""
    if isinstance(value, dict):
        return {name: _public(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_public(item) for item in value]
    has_user = isinstance(value, str) and "@" in value.partition("://")[2] and " " not in value
    if has_user or (isinstance(value, str) and value[:5].lower() == "data:"):
        return ""
    return mask_keys(strip_queries(value)) if isinstance(value, str) else value
