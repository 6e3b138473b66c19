"""No test can see the user's home, keys or network; what is slow to make is made once."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.children import forking
from support.provider import Provider
from support.remembered import Remembered

from seedance_nb import Session, Spec, Video, spec
from seedance_nb._base.faults import THREAD
from seedance_nb._ledger.store import Store
from seedance_nb._media import sandbox
from seedance_nb._provider import key_sources
from seedance_nb._task.engine import ENGINE

MODEL = "crun/seedance-2.0-fast-r2v"
IMAGE = "https://example.com/reference-image-1.png"
NO_KEYRING = ("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SYSTEMROOT", "SEEDANCE_CHROMIUM", "VIRTUAL_ENV")

REMEMBERED = Remembered()


@pytest.fixture(autouse=True)
def own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    for name in set(os.environ) - set(KEPT):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SEEDANCE_LEDGER", str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("SEEDANCE_OUTPUTS", str(tmp_path / "outputs"))
    monkeypatch.setenv("SEEDANCE_SIMULATOR", str(tmp_path / "simulator"))
    monkeypatch.setenv(*NO_KEYRING)
    monkeypatch.setattr(key_sources, "_CACHE", {})
    if "real_children" not in request.fixturenames and not {"media", "simulator"} & {*request.path.parts}:
        REMEMBERED.put_in_place(monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield
    for future in list(ENGINE._following.values()):  # a task is looked at for ever, and the next test has its own world
        future.cancel()


def _only_loopback(real: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and str(address[0]) not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise OSError(f"a test tried to reach {address[0]}")
        return real(self, address)

    return connect


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    lookup = socket.getaddrinfo

    def known(host: Any, *rest: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            raise socket.gaierror(f"a test tried to look up {host}")
        return lookup(host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _only_loopback(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _only_loopback(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", known)
        patch.setenv(*NO_KEYRING)
        yield


@pytest.fixture(scope="session", autouse=True)
def forked_children() -> Iterator[None]:
    """Files are read in children that are forked: the start of a Python for each file took a quarter of all tests' time."""
    if sys.platform != "linux":
        yield
        return
    with forking() as subprocess_of_children, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "subprocess", subprocess_of_children)
        yield


@pytest.fixture
def real_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the process in which a file is read."""
    monkeypatch.setattr(sandbox, "subprocess", subprocess)


@pytest.fixture
def crun() -> Spec:
    return spec(MODEL)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Video]]:
    """One real run of the whole road against the simulator, and its session."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDANCE_SIMULATOR", str(folder / "simulator"))
        session = Session(ledger=folder / "ledger.sqlite3", outputs=folder / "outputs", queue_s=0, run_s=0)
        yield session, session.generate(MODEL, timeout=60, **FIELDS)


@pytest.fixture
def provider(made: tuple[Session, Video]) -> Iterator[Provider]:
    """A provider on loopback that counts, and hands out a real video."""
    server = Provider(made[1].path.read_bytes())
    yield server
    server.stop()


@pytest.fixture
def on_the_loop(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Each use of the ledger, and whether it held up the loop that follows every task."""
    seen: list[tuple[str, bool]] = []

    def watched(real: Any) -> Any:
        def use(self: Store, work: Any, *more: Any, **options: Any) -> Any:
            seen.append((work.__qualname__, threading.current_thread().name == THREAD))
            return real(self, work, *more, **options)

        return use

    for name in ("transact", "read"):
        monkeypatch.setattr(Store, name, watched(getattr(Store, name)))
    return seen


def pytest_configure() -> None:
    # In memory, to be on the disk costs nothing: every request is made to be there before it leaves, twice.
    memory = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
    if memory.is_dir() and shutil.disk_usage(memory).free > 2 * 1024**3:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    # A third of the tests' time is spent waiting: for a server's answer, a browser, a program that is started.
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Playwright keeps an event loop running in the main thread, which tests with a loop of their own cannot have.
    items.sort(key=lambda item: "browser" in item.path.parts)


PROMPT = '[Image1] A fox\nruns 🦊 through "snow" & <b>wind</b>\u200b 雪 '
FIELDS: dict[str, Any] = {
    "prompt": PROMPT, "reference_images": [IMAGE], "resolution": "480p", "aspect_ratio": "16:9", "duration": 4, "audio": True,
}  # fmt: skip


@pytest.fixture
def comms() -> Iterator[list[dict[str, Any]]]:
    """Everything that widgets say to the browser, in order."""
    import comm
    from comm.base_comm import BaseComm

    said: list[dict[str, Any]] = []

    class Recorded(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **__: Any) -> None:
            said.append({"type": msg_type, "data": data, "comm": self.comm_id})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comm, "create_comm", Recorded)
        yield said
