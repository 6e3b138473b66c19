"""A session at a provider that misbehaves as a test says, and examples without waiting times."""

import getpass
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faults import child
from faults.server import FaultServer, serving
from faults.shapes import CRUN
from support.waiting import short

import seedance_nb as sd
from seedance_nb import _api


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes()) as found:
        yield found


@pytest.fixture
def session(server: FaultServer, tmp_path: Path) -> sd.Session:
    return child.session_at(server.url, tmp_path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator without its waiting times, and a person who types a key."""
    defaults: Any = inspect.unwrap(sd.Session.__init__).__kwdefaults__
    for option, value in {"queue_s": 0, "run_s": 0, "sleep": short}.items():
        monkeypatch.setitem(defaults, option, value)
    monkeypatch.setattr(getpass, "getpass", lambda _: "a-key-for-examples")
    _api._session.cache_clear()
    # Only its call is shown: the real one would change asyncio for every later test, tests/promises/test_promises.py runs it.
    monkeypatch.setitem(sys.modules, "nest_asyncio2", SimpleNamespace(__name__="nest_asyncio2", apply=lambda: None))
