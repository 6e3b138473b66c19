"""A script that ends right after `submit` waits for the answer, says so, and leaves an honest row whatever stops it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State
from seedance_nb._task.engine import ENGINE, Delivery, Engine

SCRIPT = """
import sys
from pathlib import Path
import seedance_nb as sd
from seedance_nb._task.engine import ENGINE
if sys.argv[3] == "naive":
    ENGINE._settle = lambda: None
folder = Path(sys.argv[2])
session = sd.Session(api_key="test-key-0123456789", base_url=sys.argv[1], ledger=folder / "ledger.sqlite3", outputs=folder)
fields = {"prompt": "x", "reference_images": ["https://example.com/a.png"], "duration": 5}
session.submit("crun/seedance-2.0-fast-r2v", **fields)
if sys.argv[3] == "naive":
    while not input():
        pass
"""
FIELDS: dict[str, Any] = {"prompt": "x", "reference_images": ["https://example.com/a.png"], "duration": 5}
Start = Callable[[str], "subprocess.Popen[str]"]


class Slow:
    """A provider that answers a paid request once it is `told` to; `is_charged` is set before."""

    def __init__(self) -> None:
        self.provider = Provider()
        self.provider.on_status = ["running"]
        self.is_charged, self.told = threading.Event(), threading.Event()
        self.provider.when_charged = self._wait

    def _wait(self) -> None:
        self.is_charged.set()
        self.told.wait(60)


@pytest.fixture
def slow() -> Iterator[Slow]:
    server = Slow()
    yield server
    server.told.set()
    server.provider.stop()


@pytest.fixture
def start(slow: Slow, tmp_path: Path) -> Iterator[Start]:
    scripts: list[subprocess.Popen[str]] = []

    def begin(kind: str) -> "subprocess.Popen[str]":
        tests = str(Path(__file__).parents[1])
        script = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, slow.provider.url, str(tmp_path), kind],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        scripts.append(script)
        return script

    yield begin
    for script in scripts:
        script.kill()
        script.communicate()


def rows(folder: Path) -> list[tuple[State, str]]:
    return [(row.state, row.task_id) for row in Ledger(folder / "ledger.sqlite3").rows()]


def test_a_script_that_ends_with_submit_waits_for_the_answer_and_says_so(
    slow: Slow, start: Start, tmp_path: Path
) -> None:
    script = start("")
    assert script.stderr is not None
    told = script.stderr.readline()
    assert told == "seedance_nb: waiting up to 120 s for the response to a request (Ctrl-C to stop waiting)\n"
    assert slow.is_charged.wait(60)
    slow.told.set()
    assert script.wait(60) == 0
    assert script.stderr.read() == ""
    assert rows(tmp_path) == [(State.QUEUED, "task_1")]
    assert len(slow.provider.charges) == 1


def test_a_naive_script_loses_the_id(slow: Slow, start: Start, tmp_path: Path) -> None:
    script = start("naive")
    assert slow.is_charged.wait(60)
    script.communicate("end\n", timeout=60)
    slow.told.set()
    assert rows(tmp_path) == [(State.UNKNOWN, "")]
    assert len(slow.provider.charges) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal there")
def test_ctrl_c_ends_the_waiting_and_leaves_an_unknown_outcome(slow: Slow, start: Start, tmp_path: Path) -> None:
    script = start("")
    assert script.stderr is not None
    script.stderr.readline()
    assert slow.is_charged.wait(60)
    script.send_signal(signal.SIGINT)
    told = script.stderr.readline()
    assert "Stopped waiting." in told
    assert "may have been charged" in told
    slow.told.set()
    script.wait(60)
    assert rows(tmp_path) in ([(State.UNKNOWN, "")], [(State.QUEUED, "task_1")])  # as the answer was quicker or not
    session = sd.Session(
        api_key="test-key-0123456789", base_url=slow.provider.url, ledger=tmp_path / "ledger.sqlite3", outputs=tmp_path
    )
    assert not session.submit("crun/seedance-2.0-fast-r2v", **FIELDS).is_new
    assert len(slow.provider.charges) == 1


def test_the_exit_waits_as_long_as_an_answer_may_take(
    slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow.told.set()
    limits: list[float] = []
    real = ENGINE.delay_exit

    def delay(delivery: Delivery, answer_s: float) -> None:
        limits.append(answer_s)
        real(delivery, answer_s)

    monkeypatch.setattr(ENGINE, "delay_exit", delay)
    session = sd.Session(
        api_key="test-key-0123456789", base_url=slow.provider.url, ledger=tmp_path / "l", outputs=tmp_path, answer_s=77
    )
    session.submit("crun/seedance-2.0-fast-r2v", **FIELDS)
    assert limits == [77]


@pytest.mark.parametrize(
    ("sending", "settled", "passed", "awaited"),
    [
        (False, False, 119.0, True),
        (False, False, 121.0, False),
        (True, False, 121.0, True),  # sent at the last moment, and the answer may take as long again
        (True, False, 241.0, True),  # and is being saved
        (True, False, 1000.0, False),
        (True, True, 1.0, False),
    ],
)
def test_what_is_being_sent_is_waited_for_longer_than_what_still_waits(
    monkeypatch: pytest.MonkeyPatch, *, sending: bool, settled: bool, passed: float, awaited: bool
) -> None:
    monkeypatch.setattr(threading, "_register_atexit", lambda _: None, raising=False)
    engine, delivery = Engine(), Delivery(sending=sending)
    engine.delay_exit(delivery, 120)
    delivery.settled = settled
    assert (delivery in engine._waiting(passed)) is awaited
    assert engine.is_ending is (passed > 120 and not settled)  # then nothing more is sent


def test_nothing_is_sent_once_the_exit_has_stopped_waiting(
    slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ENGINE, "is_ending", True)
    session = sd.Session(
        api_key="test-key-0123456789", base_url=slow.provider.url, ledger=tmp_path / "l", outputs=tmp_path
    )
    with pytest.raises(sd.Unreachable, match="was not sent"):
        session.generate("crun/seedance-2.0-fast-r2v", **FIELDS)
    assert slow.provider.charges == []
    assert [row.state for row in session.tasks()] == [State.UNSENT]


LATE = """
import atexit
import sys
import threading
from pathlib import Path
import seedance_nb as sd

folder, moment, earlier, kind = Path(sys.argv[2]), *sys.argv[3:6]
fields = {"reference_images": ["https://example.com/a.png"], "duration": 5}
setup = {"api_key": "test-key-0123456789", "base_url": sys.argv[1], "ledger": folder / "ledger.sqlite3", "outputs": folder}


def submit(prompt):
    return sd.Session(**setup).submit("crun/seedance-2.0-fast-r2v", prompt=prompt, **fields)


def late():
    if moment == "thread":
        while not (ENGINE._is_closed if earlier == "earlier" else threading._SHUTTING_DOWN):
            pass
    if kind == "naive":
        ENGINE._is_closed = False
    try:
        print(submit("late").name)
    except sd.SeedanceError as error:
        print(type(error).__name__, error)
    print(len(sd.Session(**setup).tasks()))


if earlier == "earlier":
    from seedance_nb._task.engine import ENGINE
    submit("first")
if moment == "thread":
    threading.Thread(target=late).start()
else:
    atexit.register(late)
"""


def late(slow: Slow, folder: Path, *how: str) -> str:
    slow.told.set()
    done = subprocess.run(
        [sys.executable, "-c", LATE, slow.provider.url, str(folder), *how],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.parametrize("earlier", ["earlier", "first"])
@pytest.mark.parametrize("moment", ["atexit", "thread"])
def test_a_submit_that_nobody_would_wait_for_is_refused_before_it_has_a_row(
    slow: Slow, tmp_path: Path, moment: str, earlier: str
) -> None:
    count = 1 if earlier == "earlier" else 0
    told = late(slow, tmp_path, moment, earlier, "")
    assert "Python is shutting down" in told
    assert "Next: call it before the main thread ends, not in an atexit handler" in told
    assert told.splitlines()[-1] == str(count)
    assert len(slow.provider.charges) == count
    assert len(rows(tmp_path)) == count


def test_a_naive_submit_at_exit_has_a_row_that_nobody_waits_for(slow: Slow, tmp_path: Path) -> None:
    assert late(slow, tmp_path, "atexit", "earlier", "naive").startswith("#2")
    assert len(rows(tmp_path)) == 2
