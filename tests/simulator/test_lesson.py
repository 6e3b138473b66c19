"""A lesson in the simulator: the same videos and the same faults each time, whatever keys are set, and nothing of it afterwards."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import serving

import seedance_nb as sd
from seedance_nb.__main__ import main
from seedance_nb._task import send

MODEL = "crun/seedance-1.0-pro-t2v"
FAST = 1000
FIELDS: dict[str, Any] = {"resolution": "480p", "duration": 4}


@pytest.fixture
def paid(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    monkeypatch.setenv("CRUN_API_KEY", "ak_canary_0123456789abcdefghijklmnop")
    return provider


def outcome(work: Callable[[], Any]) -> str:
    try:
        work()
    except sd.SeedanceError as error:
        return type(error).__name__
    return "ok"


def outcomes(faults: str, count: int, model: str = MODEL, **fields: Any) -> list[str]:
    """What so many different requests in a lesson end with."""
    with sd.simulate(speed=FAST, faults=faults):
        return [outcome(partial(sd.generate, model, take=take, **fields)) for take in range(1, count + 1)]


def test_whatever_keys_are_set_nothing_in_the_block_is_paid_and_afterwards_all_is_as_before(paid: Provider) -> None:
    with sd.simulate(speed=FAST):
        assert sd.generate(MODEL, prompt="A fox", **FIELDS).simulated
        assert (
            sd.submit(MODEL, prompt="A hen", simulate=False, api_key="ak_0123456789abcdef", **FIELDS).wait().simulated
        )
        assert sd.compare("A cat", [MODEL]).total.simulated == 1
        assert outcome(lambda: sd.balance(MODEL)) == "SeedanceError", "the simulator has no account"
        panel = sd.panel(MODEL, prompt="A dog", **FIELDS)
    assert (paid.charges, paid.estimates, paid.headers) == ([], [], [])
    assert panel._simulated, "its button stays in the simulator"
    assert not sd.generate(MODEL, prompt="A fox", budget=100, **FIELDS).simulated
    assert len(paid.charges) == 1


def test_the_block_ends_with_an_error_too_and_an_inner_one_gives_back_the_outer_one() -> None:
    outside = sd.models()._session
    with suppress(ZeroDivisionError), sd.simulate() as outer:
        with sd.simulate(seed=2) as inner:
            assert sd.models()._session is inner
        assert sd.models()._session is outer
        raise ZeroDivisionError
    assert sd.models()._session is outside


def test_another_thread_is_not_in_the_lesson() -> None:
    seen = []
    with sd.simulate() as session:
        thread = threading.Thread(target=lambda: seen.append(sd.models()._session))
        thread.start()
        thread.join()
    assert seen[0] is not session


def test_requests_get_their_faults_in_order_and_then_all_goes_well() -> None:
    assert outcomes("402 then fail then lost answer then ok", 5, prompt="A fox", **FIELDS) == [
        "NoCredits", "TaskFailed", "UnknownOutcome", "ok", "ok",
    ]  # fmt: skip


def test_a_lost_answer_of_a_lesson_does_not_say_that_it_may_have_been_charged() -> None:
    assert outcomes("lost answer", 1, prompt="A lost fox", **FIELDS) == ["UnknownOutcome"]
    lead = "1 request has an unknown outcome (simulated, nothing was charged): sd.task("
    assert repr(sd.tasks(find="lost")).startswith(lead)
    with pytest.raises(sd.UnknownOutcome) as caught:
        sd.task(sd.tasks(find="lost")[0].name).resolve()
    assert caught.value.next_step.startswith("check your account at the simulator, then call one of")
    assert "charged twice" not in str(caught.value)


def lost(fault: str) -> tuple[sd.Task, str]:
    """A task with an unknown outcome, and what its account at the simulator has."""
    assert outcomes(fault, 1, prompt="A lost fox", **FIELDS) == ["UnknownOutcome"]
    task = sd.task(sd.tasks()[0])
    with pytest.raises(sd.UnknownOutcome) as caught:
        task.resolve()
    return task, caught.value.message.splitlines()[-1]


@pytest.fixture
def accepted(tmp_path: Path) -> Callable[[], list[str]]:
    """The ids of all tasks that the simulator has."""
    return lambda: sorted(path.stem for path in (tmp_path / "simulator" / "tasks").glob("*"))


def test_the_account_at_the_simulator_shows_the_task_of_a_lost_answer(accepted: Callable[[], list[str]]) -> None:
    task, said = lost("lost answer")
    (name,) = accepted()
    assert said == f"Your account at the simulator has the task {name} for this request."
    with pytest.raises(sd.UnknownOutcome, match=name):
        task.resolve(taken=False)
    assert task.state == "outcome unknown", "the request was accepted, so it is not said that it was not sent"
    assert task.resolve(name).wait().task == f"crun:{name}"
    assert not sd.submit(MODEL, prompt="A lost fox", **FIELDS).is_new
    assert accepted() == [name], "one charge"


def test_the_account_at_the_simulator_has_no_task_of_a_lost_request(accepted: Callable[[], list[str]]) -> None:
    task, said = lost("504")
    assert said == "Your account at the simulator has no task for this request."
    assert task.resolve(taken=False).state == "not sent"
    assert accepted() == []
    assert sd.generate(MODEL, prompt="A lost fox", **FIELDS).simulated
    assert len(accepted()) == 1


def test_what_was_lost_looks_the_same_and_the_account_shows_no_task_of_another_request(
    accepted: Callable[[], list[str]],
) -> None:
    assert outcomes("ok", 1, prompt="A lost fox", **FIELDS) == ["ok"]
    with sd.simulate(speed=FAST, faults="504 then lost answer then ok"):
        for take in (2, 3, 4):
            outcome(partial(sd.generate, MODEL, prompt="A lost fox", take=take, **FIELDS))
    third, second = (sd.task(row) for row in sd.tasks() if row.is_unresolved)
    assert (second.row.error, second.row.word) == (third.row.error, third.row.word)
    known = {row.task_id for row in sd.tasks()}
    (own,) = [name for name in accepted() if name not in known]
    third.resolve(own).wait()
    with pytest.raises(sd.UnknownOutcome, match="has no task"):
        second.resolve()


def test_a_prompt_loses_an_answer_or_a_request_as_the_notebook_has_it(accepted: Callable[[], list[str]]) -> None:
    session = sd.Session(simulate=True, queue_s=0, run_s=0)
    for word, count in (("lost", 1), ("500", 0)):
        task = session.submit(MODEL, prompt=f"A fox simulate:{word}", **FIELDS)
        assert outcome(task.wait) == "UnknownOutcome"
        assert len(accepted()) == 1
        with pytest.raises(sd.UnknownOutcome) as caught:
            task.resolve()
        found = [name for name in accepted() if f"has the task {name} " in caught.value.message]
        assert len(found) == count
        settled = task.resolve(*found, taken=None if found else False)
        assert settled.wait().simulated if found else settled.state == "not sent"


def test_a_served_simulator_is_an_account_to_look_at_too(
    accepted: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(SEEDANCE_SIMULATOR=str(tmp_path / "simulator")) as url:
        session = sd.Session(api_key="any-key-1", base_url=url)
        pages = {"lost": "has the task", "500": "has no task for this request, unless the server's SEEDANCE_SIMULATOR"}
        for word, said in pages.items():
            task = session.submit(MODEL, prompt=f"A fox simulate:{word}", budget=1000, preflight=False, **FIELDS)
            assert outcome(task.wait) == "UnknownOutcome"
            assert (task.row.simulated, task.row.charged, task.cost) == (True, "not charged", "simulated (free)")
            with pytest.raises(sd.UnknownOutcome, match=said):
                task.resolve()
        lost = session.task(session.tasks(find="lost")[0])
        monkeypatch.setenv("SEEDANCE_SIMULATOR", str(tmp_path / "another"))
        with pytest.raises(sd.UnknownOutcome, match="unless the server's SEEDANCE_SIMULATOR is another folder"):
            lost.resolve()
        assert lost.resolve(*accepted()).wait().simulated
        monkeypatch.setattr(send, "LOOPBACK", ())
        for words in ("A hen simulate:lost", "A hen"):
            task = session.submit(MODEL, prompt=words, budget=1000, preflight=False, **FIELDS)
            outcome(task.wait)
            assert (task.row.simulated, task.row.charged != "not charged") == (False, True), "another computer may lie"


def test_a_lost_answer_is_settled_in_a_terminal_too(
    accepted: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    was = lost("lost answer")[0].name
    (name,) = accepted()
    assert main(["resolve", was]) == 1, "nothing can have been charged"
    assert f"has the task {name} for this request" in capsys.readouterr().err
    assert main(["resolve", was, "--not-taken"]) == 1
    assert main(["resolve", was, "--id", name]) == 0
    assert main(["watch", f"crun:{name}"]) == 0
    assert accepted() == [name]


def test_a_lost_request_is_settled_in_a_terminal_too(
    accepted: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    name = lost("504")[0].name
    assert main(["resolve", name]) == 1
    assert "has no task for this request" in capsys.readouterr().err
    assert main(["resolve", name, "--not-taken"]) == 0
    assert "not sent" in capsys.readouterr().out
    assert accepted() == []


def test_a_rate_limit_is_waited_for_as_it_would_be_with_a_provider() -> None:
    assert outcomes("429 then ok", 1, prompt="A fox", **FIELDS) == ["ok"]


EXAMPLES: dict[str, dict[str, Any]] = {
    "crun/seedance-2.0-fast-r2v": {"prompt": "A fox", "reference_images": ["https://example.com/a.png"]},
    "crun/seedance-2.0-i2v": {"prompt": "A fox", "img_urls": ["https://example.com/a.png"], "duration": 4},
    "seedance2-pro/seedance-20-i2v": {"prompt": "A fox", "urls": ["https://example.com/a.png"], "duration": "4s"},
    "vastnum/doubao-seedance-2.0": {"prompt": "A fox"},
}


@pytest.mark.parametrize("model", EXAMPLES)
def test_every_model_knows_the_faults(model: str) -> None:
    found = outcomes("401 then 402 then 403 then lost answer then fail", 5, model, **EXAMPLES[model])
    assert found == ["Unauthorized", "NoCredits", "Unauthorized", "UnknownOutcome", "TaskFailed"]


@pytest.mark.parametrize(
    ("faults", "word"), [("402 then okay", "okay"), ("402, ok", "402, ok"), ("200", "200"), ("then", "")]
)
def test_a_word_that_is_unknown_is_named(faults: str, word: str) -> None:
    with pytest.raises(sd.InvalidInput, match=f"not {word!r}"), sd.simulate(faults=faults):
        pytest.fail("the lesson began")


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    with pytest.raises(sd.InvalidInput, match="speed"), sd.simulate(speed=speed):
        pytest.fail("the lesson began")


def test_takes_of_one_request_look_different_and_the_same_in_each_lesson(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for lesson in range(2):
        monkeypatch.setenv("SEEDANCE_LEDGER", str(tmp_path / f"{lesson}.sqlite3"))
        monkeypatch.setenv("SEEDANCE_SIMULATOR", str(tmp_path / f"{lesson}"))
        with sd.simulate(speed=FAST, seed=7):
            found.append([sd.generate(MODEL, prompt="A fox", take=take, **FIELDS).sha256 for take in (1, 2, 3)])
    assert found[0] == found[1]
    assert len({*found[0]}) == 3


def test_the_same_seed_is_the_same_video_byte_by_byte_and_another_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for lesson, seed in enumerate((7, 7, 8)):
        monkeypatch.setenv("SEEDANCE_LEDGER", str(tmp_path / f"{lesson}.sqlite3"))
        monkeypatch.setenv("SEEDANCE_SIMULATOR", str(tmp_path / f"{lesson}"))
        with sd.simulate(speed=FAST, seed=seed):
            found.append(sd.generate(MODEL, prompt="A fox", **FIELDS).sha256)
    same, again, other = found
    assert same == again != other
