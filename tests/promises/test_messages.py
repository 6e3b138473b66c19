"""The errors that README and the troubleshooting page show are what a person really gets, word for word."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faults import child
from faults.server import CREATE, OTHER, STATUS, VIDEO, FaultServer, accept, charge, page, says, tell
from faults.shapes import CRUN
from support.waiting import until

import seedance_nb as sd

ROOT = Path(__file__).parents[2]
README, PAGE = (ROOT / name for name in ("README.md", "notebooks/docs/troubleshooting.md"))
DEAD = "http://127.0.0.1:9"


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


def rejected(code: int, words: str, **headers: str) -> Callable[[sd.Session, FaultServer], None]:
    def run(session: sd.Session, server: FaultServer) -> None:
        server.plans[CREATE] = [(says(200, {"code": code, "message": words}, **headers),)]
        session.generate(CRUN.model, timeout=60, **CRUN.fields)

    return run


def no_such_model(_: sd.Session, __: FaultServer) -> None:
    sd.spec("crun/seedance-2.0-fast-r2w")


def damaged_ledger(_: sd.Session, server: FaultServer) -> None:
    Path("ledger.sqlite3").write_bytes(b"no database at all " * 99)
    child.session_at(server.url, Path()).submit(CRUN.model, **CRUN.fields)


def no_connection(_: sd.Session, __: FaultServer) -> None:
    child.session_at(DEAD, Path()).generate(CRUN.model, timeout=60, **CRUN.fields)


def failed(session: sd.Session, server: FaultServer) -> None:
    result = {"media_urls": [], "message": "The input image may contain a real person", "code": 400}
    data = {"task_id": "task_1", "status": "failed", "credits": 0, "result": result}
    server.plans[STATUS] = [(says(200, {"code": 200, "message": "success", "data": data}),)]
    session.generate(CRUN.model, timeout=60, **CRUN.fields)


def no_patience(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE], server.plans[STATUS] = [(accept,)], [(tell("running"),)]
    task = session.submit(CRUN.model, **CRUN.fields)
    until(lambda: task.state.value == "running")
    task.wait(0)


def no_balance(_: sd.Session, __: FaultServer) -> None:
    sd.balance("vastnum/doubao-seedance-2.0", api_key=child.KEY)


SHOWN: dict[str, Callable[[sd.Session, FaultServer], Any]] = {
    "SpecError": no_such_model,
    "InvalidInput": wrong_input,
    "OverBudget": no_room,
    "LedgerError": damaged_ledger,
    "Unreachable": no_connection,
    "Unauthorized": rejected(401, "Invalid API key"),
    "NoCredits": no_credits,
    "RateLimited": rejected(429, "Too many requests", Retry_After="600"),
    "Unavailable": rejected(455, "Service is in maintenance"),
    "Refused": rejected(422, "Prompt violates the content policy"),
    "UnknownOutcome": lost_answer,
    "TaskFailed": failed,
    "WaitTimeout": no_patience,
    "MediaError": dead_address,
    "SeedanceError": no_balance,
}
IN_README = ("UnknownOutcome", "OverBudget")
CHARGED = {"not charged": "no", "charged": "maybe", "unknown": "unknown"}


ENDS: dict[str, tuple[sd.SeedanceError, str]] = {}


@pytest.fixture(params=SHOWN)
def end(request: pytest.FixtureRequest) -> tuple[sd.SeedanceError, str]:
    """An error, made once, and its text as it is shown."""
    name = request.param
    if name not in ENDS:
        with pytest.raises(sd.SeedanceError) as raised:
            SHOWN[name](request.getfixturevalue("session"), request.getfixturevalue("server"))
        assert type(raised.value).__name__ == name
        ENDS[name] = raised.value, text_of(raised.value)
    return ENDS[name]


def text_of(error: sd.SeedanceError) -> str:
    text = f"{type(error).__name__}: {error}"
    text = re.sub(r"#1-[0-9a-f]{4}", "#1-3f9c", text)
    text = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", "2026-11-21 12:00 UTC", text)
    text = text.replace(str(Path.cwd()), "/home/you").replace(DEAD, "https://api.crun.ai")
    return text.replace("127.0.0.1", "cdn.example.com")


def shown(page: Path, name: str) -> str:
    blocks = re.findall(r"```text\n(.*?)\n```", page.read_text(encoding="utf-8"), re.DOTALL)
    return next((block for block in blocks if block.startswith(f"{name}:")), "")


def test_an_error_in_the_readme_or_the_docs_is_what_a_person_really_gets(end: tuple[sd.SeedanceError, str]) -> None:
    error, text = end
    name = type(error).__name__
    assert shown(PAGE, name) == text
    assert shown(README, name) == (text if name in IN_README else "")


def test_an_error_says_whether_money_moved_and_what_to_do_next(end: tuple[sd.SeedanceError, str]) -> None:
    error, text = end
    money = ("Nothing was charged.", "You may have been charged.", "The provider may charge for this task.")
    is_said = any(line in money for line in text.splitlines())
    assert is_said != isinstance(error, sd.SpecError), "there, no request was involved"
    assert any(line.startswith("Next: ") for line in text.splitlines())


def test_the_docs_say_of_an_error_whether_it_was_charged(end: tuple[sd.SeedanceError, str]) -> None:
    error, _ = end
    rows = dict(re.findall(r"^\| \[(\w+)\]\(.+\| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    depends = isinstance(error, sd.TaskFailed) or type(error) is sd.SeedanceError
    assert rows[type(error).__name__] == ("see the message" if depends else CHARGED[error.charged])


def test_the_docs_have_every_error() -> None:
    assert set(SHOWN) == set(vars(sd.errors)) - {"KeyWarning", "LimitWarning", "MediaWarning"}
