"""Whatever the computer lacks, a public call raises an error of this package, and a request is sent at most once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import child, exhaustion
from faults.server import Exchange, FaultServer, charge, says, serving
from faults.shapes import CRUN
from support.waiting import until

import seedance_nb as sd
from seedance_nb._base import secret
from seedance_nb._base.faults import local_error
from seedance_nb._base.secret import Secret

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and forks as Linux has them")
SENDING = ("submit", "generate", "cold submit")


def create(exchange: Exchange) -> None:
    """Charges, and answers with an id that says how the task goes on, or not at all."""
    charge(exchange)
    prompt = json.loads(exchange.body)["input"]["prompt"]
    if not prompt.startswith("unknown"):
        word = "done" if prompt.startswith("done") else "running"
        says(200, CRUN.taken(f"task_{word}_{exchange.number}"))(exchange)


def status(exchange: Exchange) -> None:
    task = exchange.path.partition("task_id=")[2]
    done = task.startswith("task_done")
    urls = [f"{exchange.server.url}/outputs/video.mp4"] if done else []
    says(200, CRUN.told(CRUN.done if done else CRUN.running, urls, task))(exchange)


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes(), create=[(create,)], status=[(status,)]) as found:
        yield found


def charges_of(server: FaultServer, prompt: str) -> int:
    return sum(json.loads(body)["input"]["prompt"] == prompt for body in server.charges)


def sent(task: sd.Task) -> Callable[[], bool]:
    return lambda: task.state not in ("waiting to be sent", "sending")


def ran(server: FaultServer, folder: Path, fault: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "faults.exhaustion", server.url, str(folder), fault],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {result["call"]: result for result in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("fault", exhaustion.FAULTS)
def test_a_call_without_something_it_needs_raises_an_error_of_this_package(
    server: FaultServer, tmp_path: Path, fault: str
) -> None:
    results = ran(server, tmp_path, fault)
    control = results.pop("naive")
    assert control["typed"] is (fault == "nothing"), "the naive control"
    assert len(results) == len(exhaustion.CALLS) - 1 + len(exhaustion.COLD)
    assert {call: result for call, result in results.items() if not result["typed"]} == {}
    for call, result in results.items():
        charges = charges_of(server, exhaustion.prompt_of(call, fault))
        assert charges <= 1
        assert not (charges and result["charged"] == "not charged"), (call, result)
    if fault == "nothing":
        assert {call for call in SENDING if results[call]["kind"] not in ("", "WaitTimeout")} == set()
    for call in SENDING:  # once more, on a computer that lacks nothing
        prompt = exhaustion.prompt_of(call, fault)
        session = child.session_at(server.url, Path(results[call]["folder"]))
        for _ in range(2):
            task = session.submit(CRUN.model, **CRUN.fields | {"prompt": prompt})
            until(sent(task))
            if task.state == "outcome unknown" and not charges_of(server, prompt):  # a person looks, and says so
                assert results[call]["charged"] == "unknown" or not results[call]["kind"]  # or it had returned by then
                task.resolve(taken=False)
        assert charges_of(server, prompt) == 1


def test_an_error_without_words_becomes_one_of_this_package_where_no_pattern_for_a_key_fits_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = Secret("ak_fresh_0123456789abcdef", "a test")
    monkeypatch.setattr(secret, "_forms", exhaustion.always(MemoryError()))
    with pytest.raises(MemoryError):
        key.mask("words")
    assert "not enough memory" in str(local_error(MemoryError()))


ENDING = """
import atexit, os, sys, threading
from pathlib import Path
from faults import child
from faults.shapes import CRUN
import seedance_nb as sd

moment, warm, url, folder = *sys.argv[1:4], Path(sys.argv[4])
session = child.session_at(url, folder)
fields = CRUN.fields | {"prompt": "at the end"}
running = session.submit(CRUN.model, **CRUN.fields | {"prompt": "running"}) if warm == "warm" else None
while running and running.state in ("waiting to be sent", "sending"):
    pass

# What it needs is bound here: its module may be gone by then.
def last(session=session, running=running, fields=fields, model=CRUN.model, own=sd.SeedanceError, tell=os.write):
    calls = (lambda: session.submit(model, **fields), lambda: session.generate(model, timeout=1, **fields),
             lambda: running and running.wait(0.2), lambda: session.estimate(model, **fields), session.tasks)
    for call in calls:
        try:
            call()
        except own:
            pass
        except BaseException as error:
            tell(1, f"untyped {type(error).__name__}: {error}\\n".encode())
    tell(1, b"over\\n")

class Last:
    def __init__(self):
        self.last = last

    def __del__(self):
        self.last()

if moment == "atexit":
    atexit.register(last)
elif moment == "thread exit":
    threading._register_atexit(last)
else:
    last_of_all = Last()
"""


@pytest.mark.parametrize("warm", ["warm", "cold"])
@pytest.mark.parametrize("moment", ["thread exit", "atexit", "finaliser"])
def test_a_call_while_the_interpreter_ends_raises_an_error_of_this_package_and_ends(
    server: FaultServer, tmp_path: Path, moment: str, warm: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING, moment, warm, server.url, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == "over\n", done.stderr
    assert charges_of(server, "at the end") <= 1
    session = child.session_at(server.url, tmp_path)
    task = session.submit(CRUN.model, **CRUN.fields | {"prompt": "at the end"})
    until(sent(task))
    assert charges_of(server, "at the end") <= 1
    assert charges_of(server, "at the end") == 1 or task.state == "outcome unknown"
