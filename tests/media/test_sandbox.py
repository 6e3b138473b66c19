"""A child process keeps its limits, gets no key, returns little output, ignores a Stop, and ends with its parent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import pytest
from support.children import forking
from support.waiting import until

import seedance_nb
from seedance_nb._media import sandbox
from seedance_nb._media.sandbox import Limits, run, run_async

pytestmark = pytest.mark.usefixtures("real_children")

LIMITS = Limits(memory=1024**3, cpu_s=9, wall_s=20)
posix = pytest.mark.skipif(sys.platform == "win32", reason="has no such limits and signals")
Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The name of a function that a child can call, made of some lines."""

    def write(lines: str) -> str:
        (tmp_path / "foreign.py").write_text("def call(*arguments):\n" + indent(lines, "    ") + "    return ''\n")
        return "foreign:call"

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(seedance_nb.__file__).parents[1])]))
    return write


def test_a_child_answers_with_its_last_line_and_its_exit_code(program: Program, tmp_path: Path) -> None:
    lines = "import sys\nprint('noise')\nprint([*arguments])\nsys.exit(4)\n"
    ended = run(program(lines), tmp_path, "word", limits=LIMITS)
    assert (ended.code, ended.answer, ended.fault) == (4, str([str(tmp_path), "word"]), "")


def test_a_reason_goes_before_whatever_a_library_says(program: Program) -> None:
    lines = "import sys\nfrom seedance_nb._media.sandbox import refuse\nprint('half', end='')\nsys.stdout.flush()\n"
    ended = run(program(lines + "sys.exit(refuse('it is torn', 3))\n"), limits=LIMITS)
    assert (ended.code, ended.problem) == (3, "it is torn")


def test_a_child_finds_no_variable_but_those_that_python_needs(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "ak_canary")
    lines = "import json, os\nprint(json.dumps(dict(os.environ)))\n"
    found = json.loads(run(program(lines), limits=LIMITS).answer)
    assert "PYTHONPATH" in found
    assert "ak_canary" not in found.values()
    program(lines)
    whole = subprocess.run([sys.executable, "-c", "import foreign; foreign.call()"], capture_output=True, check=True)
    assert json.loads(whole.stdout)["CRUN_API_KEY"] == "ak_canary"  # the control


def test_output_without_end_takes_little_memory(program: Program) -> None:
    lines = "import sys\nfor _ in range(400):\n    sys.stdout.write('x' * 65536)\nprint('\\nthe end')\n"
    assert run(program(lines), limits=LIMITS).answer == "the end"
    ended = run(program(lines.replace("\\nthe end", "") + "sys.exit(1)\n"), limits=LIMITS)
    assert (ended.code, len(ended.answer) <= 65_536, len(ended.problem)) == (1, True, 200)


@pytest.mark.parametrize("lines", ["import time\ntime.sleep(60)\n", "while True:\n    print('x')\n"])
def test_a_child_is_ended_when_its_time_is_up(lines: str, program: Program) -> None:
    begun = time.monotonic()
    ended = run(program(lines), limits=Limits(memory=2**30, cpu_s=9, wall_s=0.2))
    assert ended.fault == "took longer than 0.2 s"
    assert ended.code
    assert time.monotonic() - begun < 10


def test_a_child_that_cannot_be_started_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert run("json:loads", limits=LIMITS).fault == "could not be started (No such file or directory)"
    assert asyncio.run(run_async("json:loads", limits=LIMITS)) == run("json:loads", limits=LIMITS)


@posix
def test_a_child_bounds_itself_and_ends_without_its_parent(program: Program) -> None:
    lines = (
        "import resource as r, signal\n"
        "print([r.getrlimit(n)[0] for n in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_CORE)], signal.alarm(0) > 25)\n"
    )
    limits = Limits(memory=2**30, cpu_s=7, wall_s=30)
    assert run(program(lines), limits=limits).answer == "[1073741824, 7, 0] True"


@posix
def test_a_stop_that_reaches_the_whole_group_of_a_kernel_reaches_no_child(program: Program) -> None:
    name = program("import os, signal\nos.killpg(os.getpgid(os.getppid()), signal.SIGINT)\nprint('unharmed')\n")
    kernel = (
        "import signal, subprocess, sys\nfrom seedance_nb._media.sandbox import Limits, run\n"
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
    )
    ours = f"print(run({name!r}, limits=Limits(memory=2**30, cpu_s=9, wall_s=20)).answer)\n"
    call = "import foreign; foreign.call()"
    naive = f"print(subprocess.run([sys.executable, '-c', {call!r}], stderr=subprocess.DEVNULL).returncode)\n"
    for last, said in ((ours, "unharmed"), (naive, str(-signal.SIGINT))):
        command = [sys.executable, "-c", kernel + last]
        done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
        assert done.stdout.strip() == said


@posix
def test_cancelling_ends_the_child(program: Program, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    name = program("import os, sys, time\nopen(arguments[0], 'w').write(f'{os.getpid()} ')\ntime.sleep(60)\n")

    async def cancelled() -> None:
        work = asyncio.create_task(run_async(name, note, limits=LIMITS))
        await asyncio.to_thread(until, lambda: note.exists() and note.read_text().endswith(" "))
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancelled())
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), signal.SIGCONT)


def test_many_children_run_at_once_and_the_loop_goes_on(program: Program, tmp_path: Path) -> None:
    # Each waits for all the others: more of them than a loop has workers for on a small machine.
    name = program(
        "import sys, time\nfrom pathlib import Path\nhere = Path(arguments[0])\n(here / f'{arguments[1]}.up').touch()\n"
        "while len(list(here.glob('*.up'))) < 9:\n    time.sleep(0.01)\nprint(arguments[1])\n"
    )

    async def gathered() -> list[str]:
        others = [run_async(name, tmp_path, str(number), limits=LIMITS) for number in range(8)]
        work = asyncio.gather(*others)
        while len(list(tmp_path.glob("*.up"))) < 8:
            await asyncio.sleep(0.01)
        (tmp_path / "loop.up").touch()
        return [ended.answer for ended in await work]

    assert asyncio.run(gathered()) == [str(number) for number in range(8)]


def test_an_error_and_a_crash_of_a_child_are_reported_in_words(program: Program) -> None:
    assert run(program("raise ValueError('odd')\n"), limits=LIMITS).problem == "ValueError: odd"
    crash = run(program("import os\nprint('half', flush=True)\nos.abort()\n"), limits=LIMITS)
    assert (crash.answer, crash.problem) == ("", "the process that reads it crashed")
    assert run(program("print(7)\n"), limits=LIMITS).problem == ""


@pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only")
def test_the_end_of_a_forked_child_is_known_even_if_the_tests_end_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with forking() as forked, monkeypatch.context() as patch:
        patch.setattr(sandbox, "subprocess", forked)
        child = sandbox._start("signal:pause", (), LIMITS)
    assert not isinstance(child, sandbox.Exit)
    assert sandbox._wait(child, 20).code == -signal.SIGKILL
