"""A budget: no request goes beyond it, and where nobody is there to ask, none is sent without one."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from faults import child
from faults.server import CREATE, STATUS, FaultServer, charge, refuse, says, serving, tell
from faults.shapes import CRUN, PRO
from support.waiting import until

import seedance_nb as sd
from seedance_nb._notebook.compare import Sweep
from seedance_nb._notebook.panel import Panel

PRICE = 200.0


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Any:
    with serving(PRO, made[1].path.read_bytes(), status=[(tell("running"),)]) as found:
        yield found


@pytest.fixture
def session(server: FaultServer, tmp_path: Path) -> sd.Session:
    return child.session_at(server.url, tmp_path)


def submit(session: sd.Session, take: int = 1, **more: Any) -> sd.Task:
    task = session.submit(PRO.model, take=take, **PRO.fields, **more)
    while task.state in ("waiting to be sent", "sending"):
        pass
    return task


def test_a_request_beyond_the_budget_is_not_sent_and_the_sum_is_reported(
    session: sd.Session, server: FaultServer
) -> None:
    submit(session, 1, budget=2 * PRICE)
    submit(session, 2, budget=2 * PRICE)
    with pytest.raises(
        sd.OverBudget,
        match=r"costs 200 credits, but only 0 of .* add up to 400 credits\. Nothing was sent\.",
    ) as over:
        submit(session, 3, budget=2 * PRICE)
    assert (over.value.budget, over.value.spent, over.value.price) == (400.0, 400.0, 200.0)
    assert over.value.charged == "not charged"
    assert server.count(CREATE) == len(session.tasks()) == 2


def test_the_same_request_again_needs_no_room(session: sd.Session, server: FaultServer) -> None:
    submit(session, 1, budget=PRICE)
    assert not submit(session, 1, budget=PRICE).is_new
    assert not submit(session, 1, budget=0).is_new
    assert server.count(CREATE) == 1


def test_what_is_unclear_counts_in_full_and_what_was_refused_counts_nothing(
    session: sd.Session, server: FaultServer
) -> None:
    server.plans[CREATE] = [(refuse(402),), (charge,)]
    submit(session, 1, budget=PRICE)
    submit(session, 1, budget=PRICE)
    with pytest.raises(sd.OverBudget):
        submit(session, 2, budget=PRICE)
    with pytest.raises(sd.OverBudget):
        sd.Session(api_key="a-key-of-tests", base_url=server.url, ledger=session.ledger.path, budget=PRICE).task(
            "#2"
        ).resubmit(confirm=True)
    assert len(server.charges) == 1


def test_what_it_really_cost_counts_once_it_is_known(session: sd.Session, server: FaultServer) -> None:
    server.plans[STATUS] = [(tell("done"),)]
    submit(session, 1, budget=PRICE).wait(60)  # says that it cost 12.5
    submit(session, 2, budget=PRICE + 12.5).wait(60)
    with pytest.raises(sd.OverBudget, match="add up to 25 credits"):
        submit(session, 3, budget=PRICE)


def test_a_budget_of_the_session_holds_for_each_of_its_requests(server: FaultServer, tmp_path: Path) -> None:
    session = child.session_at(server.url, tmp_path, budget=PRICE)
    submit(session, 1)
    with pytest.raises(sd.OverBudget):
        submit(session, 2)
    submit(session, 2, budget=2 * PRICE)


def test_a_price_that_nobody_knows_is_refused_under_a_budget(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    with serving(CRUN, made[1].path.read_bytes()) as server:
        with pytest.raises(sd.OverBudget, match="price of this request is not known"):
            child.session_at(server.url, tmp_path).submit(CRUN.model, budget=1e9, **CRUN.fields)
        assert server.count(CREATE) == 0


def test_a_price_that_the_provider_tells_is_asked_for(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    told = says(200, {"code": 200, "message": "success", "data": {"credits": 12, "estimated": True}})
    with serving(CRUN, made[1].path.read_bytes(), other=[(told,)]) as server:
        session = child.session_at(server.url, tmp_path)
        with pytest.raises(sd.OverBudget, match="costs 12"):
            session.submit(CRUN.model, budget=11, **CRUN.fields)
        session.submit(CRUN.model, budget=12, **CRUN.fields).wait(60)
        assert server.count(CREATE) == 1


def test_earlier_tasks_without_a_price_leave_no_room_that_could_be_known(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    told = says(200, {"code": 200, "message": "success", "data": {"credits": 12, "estimated": True}})
    with serving(CRUN, made[1].path.read_bytes(), create=[(charge,)]) as server:
        session = child.session_at(server.url, tmp_path)
        with pytest.raises(sd.UnknownOutcome):
            session.generate(CRUN.model, timeout=60, **CRUN.fields)
        server.plans["other"] = [(told,)]
        with pytest.raises(sd.OverBudget, match="price of 1 earlier task of crun in this ledger is not known"):
            session.submit(CRUN.model, take=2, budget=1e6, **CRUN.fields)
        assert server.count(CREATE) == 1


def test_simulated_tasks_have_a_budget_of_their_own(session: sd.Session, tmp_path: Path) -> None:
    submit(session, 1, budget=PRICE)
    rehearsal = sd.Session(ledger=session.ledger.path, outputs=tmp_path / "o", queue_s=0, run_s=0)
    rehearsal.submit(PRO.model, budget=PRICE, **PRO.fields).wait(60)
    words = (
        r"^This simulated request costs .*: the simulated tasks of .* \(simulated ones are free, but a budget counts"
    )
    with pytest.raises(sd.OverBudget, match=words):
        rehearsal.submit(PRO.model, take=2, budget=PRICE, **PRO.fields)


def test_a_rehearsal_without_a_known_price_costs_nothing_and_is_sent(tmp_path: Path, server: FaultServer) -> None:
    rehearsal = sd.Session(ledger=tmp_path / "l", outputs=tmp_path / "o", queue_s=0, run_s=0)
    fields: Any = {"img_urls": ["https://example.com/a.png"]}
    for model, more in (("crun/seedance-1.0-pro-t2v", {}), ("crun/seedance-2.0-i2v", fields)):
        with pytest.warns(UserWarning, match="SIMULATED: the budget of 1 credits is not checked, because the price"):
            assert rehearsal.submit(model, prompt="A fox", budget=1, **more).is_new
    paid = child.session_at(server.url, tmp_path)
    server.plans["other"] = [(says(500, {}),)]  # the estimate call
    with pytest.raises(sd.OverBudget, match="price of this request is not known"):
        paid.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", budget=1)


def test_a_panel_and_a_sweep_say_that_the_simulator_cannot_check_their_budget(tmp_path: Path) -> None:
    session = sd.Session(ledger=tmp_path / "l", outputs=tmp_path / "o", queue_s=0, run_s=0)
    model, words = "crun/seedance-1.0-pro-t2v", "SIMULATED: the budget of 1 credits is not checked"
    panel = Panel(sd.spec(model), session, 1, prompt="A fox")
    assert words in panel._note.value
    assert words not in Panel(sd.spec(model), session, prompt="A fox")._note.value
    sweep = Sweep(session, model, {"prompt": ["A fox", "A hen"]}, {"resolution": "480p", "duration": 2}, budget=1)
    view: Any = sweep._view()
    assert view._note.value.count(words) == 1
    with pytest.warns(UserWarning, match=words) as caught:
        assert len(sweep.run()) == 2
    assert sum(words in str(one.message) for one in caught) == 1


@pytest.mark.parametrize("is_paid", [True, False])
def test_a_price_that_no_provider_would_know_is_refused_in_the_simulator_too(
    tmp_path: Path, server: FaultServer, *, is_paid: bool
) -> None:
    free = sd.Session(ledger=tmp_path / "l", outputs=tmp_path / "o", queue_s=0, run_s=0)
    session = child.session_at(server.url, tmp_path) if is_paid else free
    with pytest.raises(sd.OverBudget, match=f"price of this {'' if is_paid else 'simulated '}request is not known"):
        session.submit("vastnum/doubao-seedance-2.0", budget=1e9, prompt="A fox")
    assert (len(session.tasks()), server.count(CREATE)) == (0, 0)
    assert server.count(CREATE) == 0


def test_in_ci_a_request_that_costs_anything_needs_a_budget(
    session: sd.Session, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(sd.SeedanceError, match="This would spend money and no one is here to confirm: CI is set"):
        submit(session)
    assert server.requests == []
    assert len(session.tasks()) == 0
    submit(session, budget=PRICE)
    assert server.count(CREATE) == 1


def test_in_ci_the_simulator_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    rehearsal = sd.Session(ledger=tmp_path / "l", outputs=tmp_path / "o", queue_s=0, run_s=0)
    assert rehearsal.generate(PRO.model, timeout=60, **PRO.fields).path.exists()


def test_sending_once_more_is_held_to_the_budget_of_the_first_time(session: sd.Session, server: FaultServer) -> None:
    server.plans[CREATE] = [(charge,)]
    submit(session, budget=PRICE)
    again = session.task("#1")
    with pytest.raises(sd.OverBudget):
        again.resubmit(confirm=True)
    assert len(server.charges) == 1
    again.resubmit(confirm=True, budget=2 * PRICE)
    with pytest.raises(sd.UnknownOutcome):
        session.task("#2").wait(60)
    assert len(server.charges) == 2


def test_amounts_in_another_unit_are_not_added_up(session: sd.Session) -> None:
    submit(session, budget=PRICE)
    session.ledger._store.transact(lambda page: page.change(1, {"unit": "dollars", "estimate": 1.0}))
    with pytest.raises(sd.OverBudget, match="not known in credits"):
        submit(session, 2, budget=10 * PRICE)


@pytest.mark.parametrize("word", ["", "0", "false", "False", "no"])
def test_ci_that_is_off_is_off(session: sd.Session, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("CI", word)
    assert submit(session).is_new


def test_tasks_of_a_model_of_ones_own_are_counted_and_found_by_name(server: FaultServer, tmp_path: Path) -> None:
    document = yaml.safe_load((Path(sd.__file__).parent / "specs" / f"{PRO.model}.yaml").read_text(encoding="utf-8"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    session = child.session_at(server.url, tmp_path)
    mine = str(tmp_path / "mine.yaml")
    task = session.submit(mine, budget=PRICE, **PRO.fields)
    until(lambda: task.row.task_id)
    assert session.task(task.name, document=mine).row.seq == 1
    with pytest.raises(sd.OverBudget, match="add up to 200 credits"):
        session.submit(mine, take=2, budget=2 * PRICE - 1, **PRO.fields)
    assert server.count(CREATE) == 1
