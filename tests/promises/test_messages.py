"""The errors that README shows are what a person really gets, word for word."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults.server import CREATE, OTHER, VIDEO, FaultServer, charge, page, says
from faults.shapes import CRUN

import seedance_nb as sd

README = Path(__file__).parents[2] / "README.md"


def wrong_input(session: sd.Session, _: FaultServer) -> None:
    session.submit(CRUN.model, **CRUN.fields | {"prompt": "[Image2] runs", "duration": 16})


def no_credits(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE] = [(says(200, {"code": 402, "message": "Insufficient Credits", "data": {"balance": 3.5}}),)]
    session.generate(CRUN.model, timeout=60, **CRUN.fields)


def lost_answer(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE] = [(charge,)]
    balances = ({"code": 200, "message": "success", "data": {"balance": amount}} for amount in (100, 87.5))
    server.plans[OTHER] = [(says(200, balance),) for balance in balances]
    task = session.submit(CRUN.model, **CRUN.fields)
    with pytest.raises(sd.UnknownOutcome):
        task.wait(60)
    task.resolve()


def dead_address(session: sd.Session, server: FaultServer) -> None:
    server.plans[VIDEO] = [(page(410),)]
    session.generate(CRUN.model, timeout=60, **CRUN.fields)


def no_room(session: sd.Session, server: FaultServer) -> None:
    told = says(200, {"code": 200, "message": "success", "data": {"credits": 30, "estimated": True}})
    server.plans[OTHER] = [(told,)]
    session.generate(CRUN.model, timeout=60, budget=40, **CRUN.fields)
    session.generate(CRUN.model, timeout=60, budget=40, take=2, **CRUN.fields)


SHOWN: dict[str, Callable[[sd.Session, FaultServer], Any]] = {
    "InvalidInput": wrong_input,
    "NoCredits": no_credits,
    "UnknownOutcome": lost_answer,
    "MediaError": dead_address,
    "OverBudget": no_room,
}


def told(session: sd.Session, server: FaultServer, name: str) -> str:
    with pytest.raises(sd.SeedanceError) as raised:
        SHOWN[name](session, server)
    assert type(raised.value).__name__ == name
    text = f"{name}: {raised.value}"
    text = re.sub(r"#1-[0-9a-f]{4}", "#1-3f9c", str(text))
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", "2026-11-21 12:00 UTC", text)
    return text.replace("127.0.0.1", "cdn.example.com")


def shown(name: str) -> str:
    section = README.read_text(encoding="utf-8").partition("## When things go wrong")[2].partition("\n## ")[0]
    blocks = re.findall(r"```text\n(.*?)\n```", section, re.DOTALL)
    return next((block for block in blocks if block.startswith(f"{name}:")), "")


@pytest.mark.parametrize("name", SHOWN)
def test_an_error_in_the_readme_is_what_a_person_really_gets(
    session: sd.Session, server: FaultServer, name: str
) -> None:
    assert shown(name) == told(session, server, name)


@pytest.mark.parametrize("name", SHOWN)
def test_an_error_says_whether_money_moved_and_what_to_do_next(
    session: sd.Session, server: FaultServer, name: str
) -> None:
    lines = told(session, server, name).splitlines()
    assert any(line in lines for line in ("Nothing was charged.", "You may have been charged.")) or any(
        line.startswith("The provider may charge") for line in lines
    )
    assert any(line.startswith("Next: ") for line in lines)
