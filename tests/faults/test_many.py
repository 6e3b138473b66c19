"""Many kernels share a ledger on a server, and some are killed, and the server too: nothing is charged twice.

The committed size takes seconds; `python -m faults.many` runs 8 kernels with 100 intents each.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("psycopg")
from faults import child
from faults.many import PRICE, kernel, naive, notes, run, world
from faults.server import STATUS, FaultServer, tell
from support.postgres import PostgresServer
from support.waiting import short

import seedance_nb as sd

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def place(made: tuple[sd.Session, sd.Video]) -> Iterator[tuple[PostgresServer, FaultServer]]:
    with world(made[1].path.read_bytes()) as found:
        yield found


def test_kernels_and_the_server_are_killed_and_every_intent_is_charged_once_within_the_budget(
    place: tuple[PostgresServer, FaultServer], tmp_path: Path
) -> None:
    server, provider = place
    provider.plans[STATUS] = [(tell("running"),)]
    url = server.database("shared")
    end = run(server, provider, url, tmp_path, kernel, kernels=5, intents=15, kills=6, crashes=1, budget=12 * PRICE)
    assert (end.kills, end.crashes) == (6, 1)
    assert end.duplicates == 0
    assert 0 < sum(end.charges.values()) <= 12
    assert set(end.states) <= {"running", "queued", "outcome unknown", "not sent"}
    assert end.states["running"] + end.states["queued"] + end.states["outcome unknown"] <= 12
    assert end.states["running"] + end.states["queued"] <= sum(end.charges.values())
    provider.plans[STATUS] = [(tell("done"),)]
    session = sd.Session(api_key=child.KEY, base_url=provider.url, ledger=url, outputs=tmp_path, sleep=short)
    for row in session.ledger.rows():
        if row.task_id:
            assert session.task(row.name).wait(60).path.exists()  # one that a killed kernel left behind, too
    assert {str(row.state) for row in session.ledger.rows()} <= {"done", "outcome unknown", "not sent"}


def test_naive_kernels_are_charged_twice(place: tuple[PostgresServer, FaultServer], tmp_path: Path) -> None:
    server, provider = place
    url = notes(server, "naive")
    end = run(server, provider, url, tmp_path, naive, kernels=5, intents=15, kills=6, crashes=1, budget=0)
    assert end.duplicates > 0
