"""The draft of a panel's form: its values in a file beside the ledger, to be restored after a restart of the kernel."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries
from seedance_nb._base.values import digest, map_leaves
from seedance_nb._form.exchange import load_preset, save_preset
from seedance_nb._form.form import Form
from seedance_nb._task.display.placement import notebook_file, viewer

REST_S = 1.0
MOST_S = 30 * 86400


class Draft:
    """The draft of an empty form, for its notebook and model; none where the notebook is unknown, or shared as in Voila."""

    def __init__(self, form: Form, ledger: Path) -> None:
        book = None if viewer() == "voila" else notebook_file()
        name = digest([str(book), form.spec.name])[:32]
        self.file = ledger.with_name(f"{ledger.name}-drafts") / f"{name}.json" if book else None
        self._form, self._start, self._waits = form, form.values, False

    def read(self) -> dict[str, Any] | None:
        """The values of the last draft, None if there is none. *reads files*; removes drafts older than 30 days."""
        if self.file is None:
            return None
        with suppress(Exception):  # a panel opens without its draft too
            for old in self.file.parent.glob("*.json"):
                if time.time() - old.stat().st_mtime > MOST_S:
                    old.unlink()
            return load_preset(self.file, self._form.spec)
        with suppress(OSError):  # nothing could be saved in place of what is no draft
            self.file.unlink()
        return None

    async def save_soon(self) -> None:
        """Save the form's values once it rests, at most once a second and in a thread. *writes files*."""
        if self.file is not None and not self._waits:
            self._waits = True
            await asyncio.sleep(REST_S)
            self._waits = False
            await asyncio.to_thread(self.save)

    def save(self) -> None:
        """Save the form's values without secrets and signed URLs; an empty form has no draft. *writes files*."""
        with suppress(Exception):  # a form that cannot be saved can still be sent
            if self.file and self._form.values == self._start:
                self.file.unlink(missing_ok=True)
            elif self.file:
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                save_preset(self.file, self._form.spec, map_leaves(self._form.values, _public))


def _public(value: Any) -> Any:
    """A text without what may be secret in its URLs (queries, user names), "" for an embedded file; or any other value. *pure*."""
    if not isinstance(value, str):
        return value
    is_private = value[:5].lower() == "data:" or ("@" in value.partition("://")[2] and " " not in value)
    return "" if is_private else mask_keys(strip_queries(value))
