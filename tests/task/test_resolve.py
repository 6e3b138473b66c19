"""A request whose answer was lost: what is known of it, taking it up by its id, freeing it, or sending it once more."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from faults import child
from faults.server import CREATE, OTHER, STATUS, FaultServer, accept, charge, says, serving, tell
from faults.shapes import CRUN, PRO
from support.clips import provider_bytes

import seedance_nb as sd
from seedance_nb._check.check import create_request
from seedance_nb._ledger.row import State


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes(), create=[(charge,), (accept,)]) as found:
        yield found


@pytest.fixture
def session(server: FaultServer, tmp_path: Path) -> sd.Session:
    return child.session_at(server.url, tmp_path)


def lost(session: sd.Session) -> sd.Task:
    """A task whose request was charged and whose answer never came."""
    task = session.submit(CRUN.model, **CRUN.fields)
    with pytest.raises(sd.UnknownOutcome):
        task.wait(60)
    return task


def balances(*amounts: float) -> list[Any]:
    return [(says(200, {"code": 200, "message": "success", "data": {"balance": amount}}),) for amount in amounts]


def test_the_error_names_the_next_line_to_type(session: sd.Session) -> None:
    with pytest.raises(sd.UnknownOutcome) as unclear:
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    assert f"sd.task('{session.tasks()[0].name}').resolve()" in str(unclear.value)


def test_what_is_known_is_said_with_the_balance_before_and_now(session: sd.Session, server: FaultServer) -> None:
    server.plans[OTHER] = balances(100, 87.5)
    task = lost(session)
    with pytest.raises(sd.UnknownOutcome) as unclear:
        task.resolve()
    told = str(unclear.value)
    assert "was 100 credits before the request and is 87.5 credits now: 12.5 credits less" in told
    assert "a hint, not proof" in told
    for line in ("resolve('its task id')", "resolve(taken=False)", "resubmit(confirm=True)"):
        assert f"sd.task('{task.name}').{line}" in told
    assert task.state is State.UNKNOWN
    assert server.count(CREATE) == 1


def test_a_provider_without_a_balance_says_that_nothing_is_known(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    with serving(PRO, made[1].path.read_bytes(), create=[(charge,)]) as server:
        session = child.session_at(server.url, tmp_path)
        task = session.submit(PRO.model, **PRO.fields)
        with pytest.raises(sd.UnknownOutcome):
            task.wait(60)
        with pytest.raises(sd.UnknownOutcome, match="no call that lists tasks"):
            task.resolve()
        assert server.count(OTHER) == 0


@pytest.mark.parametrize("given", ["task_1", "crun:task_1"])
def test_the_id_from_the_account_takes_the_task_up_and_its_video_comes(
    session: sd.Session, server: FaultServer, given: str
) -> None:
    task = lost(session)
    assert task.resolve(given) is task
    assert provider_bytes(task.wait(60).path) == server.video
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).task == "crun:task_1"
    assert (server.count(CREATE), len(server.charges)) == (1, 1)


def test_an_id_that_the_unclear_answer_named_is_looked_up(session: sd.Session, server: FaultServer) -> None:
    failed = {"code": 501, "message": "Generation failed", "data": {"task_id": "task_1"}}
    server.plans[CREATE] = [(charge, says(200, failed))]
    task = lost(session)
    assert task.resolve().wait(60).path.exists()
    assert server.count(CREATE) == 1


@pytest.mark.parametrize(
    "answer", [(404, {"code": 404, "message": "no such task"}), (500, b"<html>"), (200, {"code": 200, "data": None})]
)
def test_an_id_that_the_provider_does_not_know_changes_nothing(
    session: sd.Session, server: FaultServer, answer: tuple[int, Any]
) -> None:
    server.plans[STATUS] = [(says(*answer),)]
    task = lost(session)
    with pytest.raises(sd.SeedanceError, match="is still unknown") as unknown:
        task.resolve("task_1")
    assert unknown.value.charged == "unknown"
    assert (task.state, task.row.task_id) == (State.UNKNOWN, "")


@pytest.mark.parametrize(
    "given", ["../account", "a b", "..", "a/./b", "a\\..\\b", "x" * 1001, "a\u202eb", "\x00", "\ud800"]
)
def test_what_cannot_be_an_id_is_not_asked_for(session: sd.Session, server: FaultServer, given: str) -> None:
    task = lost(session)
    with pytest.raises(sd.SeedanceError, match="is not a task id of crun"):
        task.resolve(given)
    assert server.count(STATUS) == 0


@pytest.mark.parametrize("given", ["models/op/task_1+a==", "a~b", "ä", "x" * 1000, "task_1?", "50%", " task_9\n"])
def test_any_id_that_can_be_quoted_is_asked_for_as_it_is(session: sd.Session, server: FaultServer, given: str) -> None:
    task = lost(session)
    assert task.resolve(given).wait(60).path.exists()
    assert task.row.task_id == given.strip()
    [asked] = {path for operation, path, _ in server.requests if operation == STATUS}
    assert unquote(asked.partition("=")[2]) == given.strip()
    assert "/" not in asked.partition("=")[2]
    assert server.count(CREATE) == 1


def test_the_id_of_another_task_is_not_taken_for_this_one(session: sd.Session) -> None:
    task = lost(session)
    other = session.submit(CRUN.model, take=2, **CRUN.fields)
    other.wait(60)
    with pytest.raises(sd.SeedanceError, match="already belongs to another request"):
        task.resolve(other.row.task_id)
    assert task.state is State.UNKNOWN


def test_a_request_that_never_arrived_is_freed_by_a_persons_word(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE] = [(), (accept,)]
    task = lost(session)
    assert task.resolve(taken=False).state is State.UNSENT
    assert task.row.charged == "not charged"
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
    assert len(server.charges) == 1


def test_sending_once_more_needs_a_yes(session: sd.Session, server: FaultServer) -> None:
    task = lost(session)
    with pytest.raises(sd.SeedanceError, match=r"resubmit\(confirm=True\)") as unsure:
        task.resubmit()
    assert "may be charged twice" in str(unsure.value)
    assert server.count(CREATE) == 1


def test_sending_once_more_is_done_once_and_the_cell_attaches_to_the_new_task(
    session: sd.Session, server: FaultServer, tmp_path: Path
) -> None:
    task = lost(session)
    new = task.resubmit(confirm=True)
    assert new.is_new
    assert new.wait(60).path.exists()
    same = [task.resubmit(confirm=True), child.session_at(server.url, tmp_path).task("#1").resubmit(confirm=True)]
    assert [(one.is_new, one.name) for one in same] == [(False, new.name)] * 2
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).task == new.name
    assert (server.count(CREATE), len(server.charges)) == (2, 2)
    assert task.row.successor == new.row.seq
    with pytest.raises(sd.UnknownOutcome, match="wait for the request sent in its place"):
        task.wait(60)


def test_a_request_with_a_successor_cannot_be_freed_and_is_no_longer_listed_first(
    session: sd.Session, server: FaultServer
) -> None:
    task = lost(session)
    assert [row.seq for row in session.tasks()] == [1]
    task.resubmit(confirm=True).wait(60)
    assert [row.seq for row in session.tasks()] == [2, 1]
    with pytest.raises(sd.SeedanceError, match="was sent again as #2"):
        task.resolve(taken=False)
    with pytest.raises(sd.UnknownOutcome):
        task.resolve()
    assert server.count(CREATE) == 2


def test_a_resubmitted_request_that_is_lost_too_can_be_resubmitted_itself(
    session: sd.Session, server: FaultServer
) -> None:
    server.plans[CREATE] = [(charge,), (charge,), (accept,)]
    second = lost(session).resubmit(confirm=True)
    with pytest.raises(sd.UnknownOutcome):
        second.wait(60)
    assert second.resubmit(confirm=True).wait(60).path.exists()
    assert len(server.charges) == 3


def test_a_task_that_is_clear_stays_as_it_is(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE] = [(accept,)]
    task = session.submit(CRUN.model, **CRUN.fields)
    task.wait(60)
    assert task.resolve("task_9").row.task_id == "task_1"
    assert task.resolve(taken=False).state is State.DONE
    with pytest.raises(sd.SeedanceError, match="its outcome is known, so it cannot be resubmitted"):
        task.resubmit(confirm=True)
    assert server.count(CREATE) == 1


def test_an_id_that_was_pasted_for_a_running_task_is_followed(session: sd.Session, server: FaultServer) -> None:
    server.plans[STATUS] = [(tell("running"),), (tell("running"),), (tell("done"),)]
    assert lost(session).resolve("task_1").wait(60).path.exists()


def test_what_was_sent_knowingly_is_sent_again_to_the_letter(session: sd.Session, server: FaultServer) -> None:
    task = session.submit(CRUN.model, extra={"mood": "calm", "/trace": "x"}, **CRUN.fields)
    with pytest.raises(sd.UnknownOutcome):
        task.wait(60)
    task.resubmit(confirm=True).wait(60)
    assert len(server.charges) == 2
    assert server.charges[0] == server.charges[1]


def test_a_line_that_is_typed_with_another_ledger_finds_nothing(
    session: sd.Session, server: FaultServer, tmp_path: Path
) -> None:
    other = sd.Session(ledger=tmp_path / "other.sqlite3", outputs=tmp_path / "o", queue_s=0, run_s=0)
    other.submit(CRUN.model, **CRUN.fields | {"prompt": "an expensive fox of last week"}).wait(60)
    name = lost(session).name
    with pytest.raises(sd.SeedanceError, match="No task "):
        other.task(name)
    assert session.task(name).state is State.UNKNOWN
    assert server.count(CREATE) == 1


def test_a_task_can_be_looked_at_and_freed_without_its_key(session: sd.Session, tmp_path: Path) -> None:
    name = lost(session).name
    keyless = sd.Session(ledger=tmp_path / "ledger.sqlite3")
    assert keyless.task(name).state is State.UNKNOWN
    with pytest.raises(sd.SeedanceError, match="keys for crun are now sent to another server"):
        keyless.task(name).resolve("task_1")
    assert keyless.task(name).resolve(taken=False).state is State.UNSENT
    with pytest.raises(sd.Unreachable, match="it was marked as never received") as freed:
        keyless.task(name).wait(60)
    assert "run the cell again to send it" in str(freed.value)
    assert "network" not in str(freed.value)


@pytest.mark.parametrize(("known", "state"), [(True, State.DONE), (False, State.UNSENT)])
def test_a_request_whose_task_the_provider_named_is_freed_only_if_the_provider_does_not_know_it(
    session: sd.Session, server: FaultServer, known: bool, state: State
) -> None:
    named = {"code": 501, "message": "Generation failed", "data": {"task_id": "task_1"}}
    server.plans[CREATE] = [(charge, says(200, named)), (accept,)]
    if not known:
        server.plans[STATUS] = [(says(404, {"code": 404, "message": "no such task"}),)]
    task = lost(session)
    assert task.resolve(taken=False).state is state
    assert server.count(STATUS) == 1


def test_nothing_is_freed_while_the_provider_cannot_be_asked(session: sd.Session, server: FaultServer) -> None:
    named = {"code": 501, "message": "Generation failed", "data": {"task_id": "task_1"}}
    server.plans[CREATE] = [(charge, says(200, named))]
    server.plans[STATUS] = [(says(502, b"<html>"),)]
    task = lost(session)
    with pytest.raises(sd.SeedanceError, match="is still unknown"):
        task.resolve(taken=False)
    assert task.state is State.UNKNOWN


@pytest.mark.parametrize("code", [402, 422, 429])
def test_a_no_that_names_a_task_is_no_clear_no(session: sd.Session, server: FaultServer, code: int) -> None:
    told = {"code": code, "message": "no", "data": {"task_id": "task_1"}}
    server.plans[CREATE] = [(charge, says(200, told)), (accept,)]
    task = lost(session)
    assert task.row.task_id == "task_1"
    assert server.count(CREATE) == 1
    assert task.resolve().wait(60).path.exists()


def test_a_successor_that_came_to_nothing_leaves_the_first_request_in_the_way(
    session: sd.Session, server: FaultServer
) -> None:
    server.plans[CREATE] = [(charge,), (says(200, {"code": 402, "message": "no credits"}),), (accept,)]
    task = lost(session)
    with pytest.raises(sd.NoCredits):
        task.resubmit(confirm=True).wait(60)
    with pytest.raises(sd.UnknownOutcome):
        session.generate(CRUN.model, timeout=60, **CRUN.fields)
    assert server.count(CREATE) == 2
    assert task.resubmit(confirm=True).wait(60).path.exists()
    assert (server.count(CREATE), len(server.charges)) == (3, 2)


def test_another_threads_look_does_not_take_a_request_away_before_it_is_sent(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plans[CREATE] = [(accept,)]
    session = child.session_at(server.url, tmp_path)
    monkeypatch.setattr("seedance_nb._task.follow.create_request", _slowly(create_request))
    with ThreadPoolExecutor(4) as threads:
        tasks = list(threads.map(lambda _: session.submit(CRUN.model, **CRUN.fields), range(4)))
    assert {task.wait(60).task for task in tasks} == {"crun:task_1"}
    assert (server.count(CREATE), sum(task.is_new for task in tasks)) == (1, 1)


def _slowly(real: Any) -> Any:
    def slow(*arguments: Any) -> Any:
        time.sleep(0.05)  # a thread that is held up just here
        return real(*arguments)

    return slow
