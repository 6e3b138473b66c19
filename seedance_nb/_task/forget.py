"""Removes the request of a finished task and, if wanted, its files."""

import asyncio
import json
from pathlib import Path

from seedance_nb._base.errors import SeedanceError, Step
from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import FREE_STATES, Row, State
from seedance_nb._simulator.store import Store, default_folder
from seedance_nb._task.files import file_lock, lock_for, poster_of, stem_of


def require_remembered(row: Row) -> None:
    """Check that a row's files were not removed with its request. *pure*. Raises: SeedanceError."""
    if row.is_forgotten and not row.file:
        step = Step("{} to send the request again", f"pass take={row.take + 1}", "press Another take")
        raise SeedanceError(f"{row.name} was forgotten, and its video was removed.", next_step=step, charged=None)


async def forget(ledger: Ledger, folder: Path, row: Row, prompt: str, *, files: bool) -> None:
    """Remove a row's request from the ledger, drafts with its prompt, and its files. *writes ledger*, *writes files*. Raises: SeedanceError."""

    async def refuse(_: float = 0) -> None:
        text = f"{row.name} is {row.state} and its video is not downloaded, so it cannot be forgotten yet. Nothing was removed."
        raise SeedanceError(text, next_step=Step("{} first", f"call sd.task({row.name!r}).wait()"), charged=None)

    was_tried = row.file or row.beside or row.is_forgotten
    if row.state not in (State.FAILED, *FREE_STATES) and not (row.state is State.DONE and was_tried):
        await refuse()
    text = json.dumps(mask_keys(strip_queries(prompt)), ensure_ascii=False)[1:-1].strip()  # as a draft has it
    async with file_lock(lock_for(folder, row), refuse):
        if files:  # before the ledger, which has their names
            drafts = ledger.path.with_name(f"{ledger.path.name}-drafts").glob("*.json")
            found = [one for one in drafts if text and text in one.read_text(encoding="utf-8", errors="replace")]
            found += [Path(row.file), poster_of(Path(row.file))] if row.file else []
            for place in {folder, *Path(row.file).parents[:1]}:
                found += place.glob(f"*{stem_of(row)}*")
            for file in found:
                file.unlink(missing_ok=True)
            if row.simulated:
                Store(default_folder()).remove(row.task_id)
        await asyncio.to_thread(ledger.forget, row, files=files)
