"""A provider that misbehaves, in the words of each of the three."""

from collections.abc import Iterator

import pytest
from faults.server import FaultServer, serving
from faults.shapes import SHAPES, Shape

import seedance_nb as sd


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.model.split("/")[0])
def shape(request: pytest.FixtureRequest) -> Shape:
    found: Shape = request.param
    return found


@pytest.fixture
def server(shape: Shape, made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(shape, made[1].path.read_bytes()) as found:
        yield found
