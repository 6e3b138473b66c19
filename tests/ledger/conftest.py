"""A PostgreSQL server for the tests of one process, and a ledger in an empty database of it."""

import itertools
from collections.abc import Iterator

import pytest
from support.postgres import PostgresServer, postgres

from seedance_nb._ledger.ledger import Ledger

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresServer]:
    with postgres() as started:
        yield started


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database(f"ledger_{next(NUMBERS)}")


@pytest.fixture
def server_ledger(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url)
    yield ledger
    ledger.close()
