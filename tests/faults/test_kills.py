"""A kernel that is killed at any moment: nothing is charged twice, and what was taken is not lost."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
from faults import child
from faults.server import CREATE, OTHER, STATUS, VIDEO, Act, FaultServer, accept, charge, kill, raw, serving
from faults.shapes import CRUN, Shape
from faults.table import yes

import seedance_nb as sd
from seedance_nb._ledger.row import State

TIMES = 3
WHEN: dict[str, tuple[str, Callable[[Act], tuple[Act, ...]], tuple[int, ...]]] = {
    # when the signal comes: operation, what is done to it, how often that may charge in the end
    "at the free call before it": (OTHER, lambda shot: (shot,), (1,)),
    "before it is charged": (CREATE, lambda shot: (shot,), (0,)),
    "after it is charged": (CREATE, lambda shot: (charge, shot), (1,)),
    "in the middle of the answer": (CREATE, lambda shot: (charge, yes(cut=9), shot), (1,)),
    "right after the answer": (CREATE, lambda shot: (accept, shot), (1,)),
    "at the first look": (STATUS, lambda shot: (shot,), (1,)),
    "in the middle of the video": (VIDEO, lambda shot: (raw(b"HTTP/1.1 200 OK\r\n\r\nhalf"), shot), (1,)),
}
TAKEN = ("at the free call before it", "at the first look", "in the middle of the video")


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    return child.kernels()


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes()) as found:
        yield found


def after(server: FaultServer, folder: Path, shape: Shape = CRUN) -> list[State]:
    """What three further runs of the cell come to, in new sessions, with a provider that works."""
    states = []
    for _ in range(3):
        session = child.session_at(server.url, folder)
        with contextlib.suppress(sd.UnknownOutcome):
            session.generate(shape.model, timeout=60, **shape.fields)
        states.append(session.tasks()[0].state)
    return states


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("trial", range(TIMES))
def test_a_kernel_that_ends_then_is_charged_once_and_loses_nothing(
    server: FaultServer, context: ForkServerContext, tmp_path: Path, when: str, number: int, trial: int
) -> None:
    operation, plan, charges = WHEN[when]
    honest = server.plans[operation][0]
    server.plans[operation] = [plan(kill(number)), honest]
    process = context.Process(target=child.generate, args=(server.url, tmp_path, CRUN.model, CRUN.fields))
    process.start()
    server.victim = process.pid or 0
    process.join(60)
    assert process.exitcode is not None
    assert trial < TIMES
    assert number != signal.SIGKILL or process.exitcode == -signal.SIGKILL
    states = after(server, tmp_path)
    assert len(set(states)) == 1
    assert len(server.charges) in charges
    assert server.count(CREATE) == 1
    if when in TAKEN:
        assert states[0] is State.DONE
    else:
        assert states[0] in (State.DONE, State.UNKNOWN)


@pytest.mark.parametrize(
    ("where", "state", "charges"),
    [
        ("after the claim", State.DONE, 1),
        ("before the answer is written", State.UNKNOWN, 1),
        ("after the answer is written", State.DONE, 1),
    ],
)
def test_a_kernel_that_dies_between_two_of_its_own_steps_is_charged_once(
    server: FaultServer, context: ForkServerContext, tmp_path: Path, where: str, state: State, charges: int
) -> None:
    process = child.start(context, child.generate, server.url, tmp_path, CRUN.model, CRUN.fields, where)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert after(server, tmp_path) == [state] * 3
    assert len(server.charges) == charges


@pytest.mark.parametrize(("first", "charges"), [((accept,), 1), ((charge, kill(signal.SIGKILL)), 2)])
def test_a_kernel_with_notes_instead_of_a_ledger_is_charged_twice_when_it_is_killed(
    server: FaultServer, context: ForkServerContext, tmp_path: Path, first: tuple[Act, ...], charges: int
) -> None:
    server.plans[CREATE] = [first, (accept,)]
    for _ in range(2):
        process = child.start(context, child.naive, server.url + CRUN.create, CRUN.fields, tmp_path / "notes")
        server.victim = process.pid or 0
        process.join(60)
    assert len(server.charges) == charges
