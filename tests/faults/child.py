"""A kernel that may be killed: what it does, in a process that was forked from one with everything imported."""

import contextlib
import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from support.waiting import short

import seedance_nb as sd
from seedance_nb._form import form  # noqa: F401 - what a first use would import
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._media import inspect  # noqa: F401 - what a first use would import
from seedance_nb._notebook import panel  # noqa: F401 - what a first use would import
from seedance_nb._schema import validator  # noqa: F401 - what a first use would import
from seedance_nb._simulator import app  # noqa: F401 - what a first use would import
from seedance_nb._task import follow

KEY = "ak_canary_0123456789abcdefghijklmnop"


def kernels() -> ForkServerContext:
    """Where child processes come from; it is started once and has this module imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["faults.child", "faults.preload"])
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with patch.dict(os.environ, PYTHONPATH=path):
        os.environ.pop("CI", None)  # whichever test comes first: where nobody can confirm, nothing paid is sent
        forkserver.ensure_running()
    return context


def session_at(url: str, folder: Path, **more: Any) -> sd.Session:
    return sd.Session(
        api_key=KEY,
        base_url=url,
        ledger=folder / "ledger.sqlite3",
        outputs=folder / "outputs",
        **{"sleep": short, **more},
    )


def generate(url: str, folder: Path, model: str, fields: dict[str, Any], die_at: str = "") -> None:
    """Runs the cell once. A process that is told to die at one of its own steps does so by SIGKILL."""
    os.chdir(folder)
    _die(die_at)
    with contextlib.suppress(sd.SeedanceError, KeyboardInterrupt):
        session_at(url, folder).generate(model, timeout=60, **fields)


def _die(where: str) -> None:
    def now(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    if where == "after the claim":
        setattr(follow, "send", now)  # noqa: B010 - it is not its own
    update = Ledger.update

    def late(self: Ledger, seq: int, **changes: Any) -> Any:
        if "accepted" in changes:
            if where == "before the answer is written":
                now()
            row = update(self, seq, **changes)
            if where == "after the answer is written":
                now()
            return row
        return update(self, seq, **changes)

    if "answer" in where:
        Ledger.update = late  # type: ignore[method-assign]


def start(context: ForkServerContext, target: Any, *arguments: Any) -> ForkServerProcess:
    process: ForkServerProcess = context.Process(target=target, args=arguments)
    process.start()
    return process


def submit_at(
    gate: Any, url: str, folder: Path, shape_fields: tuple[str, dict[str, Any]], more: dict[str, Any]
) -> None:
    """Submits when everybody is there, and stays until its request is settled."""
    model, fields = shape_fields
    session = session_at(url, folder)
    sd.check(model, **fields)
    gate.wait(60)
    with contextlib.suppress(sd.SeedanceError):
        for take in more.get("takes", (1,)):
            with contextlib.suppress(sd.OverBudget):
                task = session.submit(model, take=take, budget=more.get("budget"), **fields)
                while task.state in ("waiting to be sent", "sending"):
                    time.sleep(0.01)


def naive(url: str, fields: dict[str, Any], notes: Path) -> None:
    """What a careful cell without a ledger does: it sends only what it has no note of, and notes the answer."""
    if not notes.exists():
        with contextlib.suppress(httpx.HTTPError):
            notes.write_text(httpx.post(url, json=fields, trust_env=False, timeout=5).text)
