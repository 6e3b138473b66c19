"""A task that is done and whose results are still to be fetched, with short bounds and no waiting between tries."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.media_server import MediaServer
from support.waiting import short

from seedance_nb._check.check import approve
from seedance_nb._document.load import spec
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import Row, State
from seedance_nb._provider.transport import Endpoint
from seedance_nb._task.results import save_results
from seedance_nb._task.send import TaskRun
from seedance_nb._web.download import Bounds

MODEL = "crun/seedance-2.0-fast-r2v"
FIELDS: dict[str, Any] = {"prompt": "A fox", "reference_images": ["https://example.com/a.png"], "duration": 4}
TOTAL_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One done task at a media server."""

    flow: TaskRun
    row: Row

    def fetch(self) -> Row:
        """The row with its files; a second longer than the bounds is a failure."""

        async def bounded() -> Row:
            now = self.flow.ledger.row(self.row.seq)
            assert now
            async with asyncio.timeout(self.flow.bounds.total_s + 1):
                return await save_results(self.flow, now)

        return asyncio.run(bounded())

    @property
    def now(self) -> Row:
        row = self.flow.ledger.row(self.row.seq)
        assert row
        return row

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.flow.folder.iterdir()) if self.flow.folder.exists() else []


def errand(
    server: MediaServer, folder: Path, *urls: str, fields: dict[str, Any] | None = None, **bounds: Any
) -> Errand:
    """A task that `server` says is done, with its results at `urls`."""
    crun = spec(MODEL)
    server.outputs = list(urls)
    ledger = Ledger(folder / "ledger.sqlite3")
    row, _ = ledger.claim(approve(crun, FIELDS | (fields or {})), base_url=server.origin, simulated=False)
    row = ledger.update(row.seq, state=State.DONE, task_id="task_1", outputs=tuple(urls))
    short_bounds: dict[str, Any] = {"total_s": TOTAL_S, "most": 2_000_000, "over_s": 0.5, "least_rate": 1000}
    place = Endpoint(base_url=server.origin, secret=None, sleep=short)
    flow = TaskRun(spec=crun, endpoint=place, ledger=ledger, folder=folder / "out",
                bounds=Bounds(**short_bounds | bounds))  # fmt: skip
    return Errand(flow=flow, row=row)


def naive(url: str, final: Path, get: Callable[..., Any]) -> None:
    """What a person writes first: every chunk goes under the final name, and an error is shrugged off."""
    import httpx

    with final.open("wb") as file:
        try:
            with get("GET", url, timeout=0.3, trust_env=False) as answer:
                for chunk in answer.iter_bytes():
                    file.write(chunk)
                    if file.tell() > 3_000_000:
                        return
        except httpx.HTTPError:
            return
