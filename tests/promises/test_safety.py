"""The docs' table of what is certain about a paid request: each row is done to a real socket."""

import asyncio
from pathlib import Path

import pytest
from faults import child
from faults.server import CREATE, Act, FaultServer, accept, charge, hang, message, page, raw, refuse, reset, says
from faults.shapes import CRUN
from faults.table import ANSWER_S, yes

import seedance_nb as sd
from seedance_nb._ledger.row import State

PAGE = Path(__file__).parents[2] / "notebooks" / "docs" / "safety.md"
HAPPENS: dict[str, tuple[Act, ...]] = {
    "no connection could be made": (),
    "the provider returns the task's id": (accept,),
    "the provider rejects it as documented, such as 402": (refuse(402),),
    "the provider is busy (429)": (refuse(429),),
    "the provider asks to wait for an hour (429)": (refuse(429, "3600"),),
    "the connection breaks before the answer": (charge, reset),
    "half of the answer arrives": (charge, yes(cut=9)),
    "no answer comes in time": (charge, hang),
    "a proxy answers 502": (charge, page(502)),
    "the server answers 500": (charge, says(500, {"code": 500, "message": "Server Error"})),
    "the answer is a redirect": (charge, raw(message(303, b"", Location="https://example.com/tasks"))),
    "the answer is 200 without a task's id": (charge, says(200, {})),
}
OUTCOMES = {
    State.UNSENT: "not sent",
    State.DONE: "accepted",
    State.REFUSED: "rejected",
    State.UNKNOWN: "unknown outcome",
}
MONEY = {"not charged": "no", "charged": "as the provider reports", "unknown": "unknown"}


def rows() -> list[list[str]]:
    table = PAGE.read_text(encoding="utf-8").partition("| what happens to the request |")[2].partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


async def at_once(_: float) -> None:
    """Stands for a sleep of any length: five minutes are 1,200 of them."""
    await asyncio.sleep(0)


def run(session: sd.Session) -> str:
    """What a run of the cell says of the money."""
    try:
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    except sd.SeedanceError as error:
        return MONEY[error.charged]
    return MONEY["charged"]


@pytest.mark.parametrize("name", HAPPENS)
def test_a_row_of_the_table_is_what_happens(name: str, server: FaultServer, tmp_path: Path) -> None:
    server.plans[CREATE] = [HAPPENS[name]]
    url = server.url if HAPPENS[name] else "http://127.0.0.1:9"
    limit = {"answer_s": ANSWER_S} if hang in HAPPENS[name] else {}
    money = run(child.session_at(url, tmp_path, sleep=at_once, **limit))
    session = child.session_at(server.url, tmp_path, sleep=at_once)
    outcome, sent = OUTCOMES[session.tasks()[0].state], server.count(CREATE)
    server.plans[CREATE] = [(accept,)]
    run(session)
    if server.count(CREATE) > sent:
        again = "sends it"
    else:
        again = "returns the same task" if outcome == "accepted" else "sends nothing"
    assert [name, outcome, money, str(sent), again] in rows()
    assert len(server.charges) <= 1


def test_each_row_is_tried() -> None:
    assert [row[0] for row in rows()] == list(HAPPENS)
