"""Many requests at once: all are checked and priced first, each is paid once whatever happens, and every video or error is shown."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ipywidgets.embed import dependency_state
from support.provider import CREATE, Provider
from support.waiting import interrupt_when, until

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._notebook import output as view_module
from seedance_nb._notebook.compare import Sweep
from seedance_nb._session.batch import Batch, Run
from seedance_nb._task.engine import ENGINE

MODEL, OTHER = "crun/seedance-1.0-pro-t2v", "vastnum/doubao-seedance-2.0"
PROMPTS = ["A fox", "A hen", "A hare"]
SHARED: dict[str, Any] = {"resolution": "480p", "duration": 4}


@pytest.fixture
def paying(paying: Provider) -> Provider:
    """Each request costs 12 credits at the provider."""
    paying.on_estimate = [12]
    return paying


def swept(session: sd.Session, table: Any = None, *models: Any, budget: float | None = None,
          concurrency: int | None = None, **shared: Any) -> Sweep:  # fmt: skip
    table = {"prompt": PROMPTS} if table is None else table
    options = {"budget": budget, "concurrency": concurrency}
    return Sweep(session, models or MODEL, table, shared or SHARED, **options)


def inputs(sweep: Sweep) -> list[Any]:
    return [item.body["input"] for item in sweep.items]


def prompts(provider: Provider) -> list[str]:
    return [json.loads(body)["input"]["prompt"] for body in provider.charges]


def test_a_dict_of_lists_is_every_combination_in_order(session: sd.Session) -> None:
    made = swept(
        session, {"prompt": ["A fox", "A hen"], "duration": range(4, 6), "resolution": "480p"}, camera_fixed=True
    )
    assert inputs(made) == [
        {"prompt": prompt, "resolution": "480p", "duration": seconds, "camera_fixed": True}
        for prompt in ("A fox", "A hen")
        for seconds in (4, 5)
    ]
    assert [item.labels["duration"] for item in made.items] == [4, 5, 4, 5]


def test_rows_and_several_models_are_taken_as_they_are(session: sd.Session) -> None:
    made = swept(session, [{"prompt": "A fox", "duration": "4"}, {"prompt": None}], MODEL, OTHER, resolution="480p")
    assert [(item.name, item.labels["model"]) for item in made.items] == [(MODEL, MODEL)] * 2 + [(OTHER, OTHER)] * 2
    assert made.items[0].body["input"]["duration"] == "4", "a Python value is never converted"
    assert [problem.path for item in made.items[:2] for problem in item.problems] == [
        "/input/duration",
        "/input/prompt",
    ]


def test_cells_of_a_file_become_the_types_of_their_fields_and_empty_ones_are_absent(
    session: sd.Session, tmp_path: Path
) -> None:
    file = tmp_path / "shots.csv"
    file.write_text(
        '\ufeffprompt,duration,camera_fixed,take\n007,4,TRUE,\n"A hen, white",4.5,no,2\n\nA hare,,,\n', encoding="utf-8"
    )
    made = swept(session, file, resolution="480p")
    assert inputs(made) == [
        {"prompt": "007", "resolution": "480p", "duration": 4, "camera_fixed": True},
        {"prompt": "A hen, white", "resolution": "480p", "duration": 4.5, "camera_fixed": "no"},
        {"prompt": "A hare", "resolution": "480p"},
    ]
    assert [item.take for item in made.items] == [1, 2, 1]
    assert [[problem.path for problem in item.problems] for item in made.items] == [
        [],
        ["/input/duration", "/input/camera_fixed"],
        [],
    ], "what is no value of the type is a problem, and changed by nobody"


def test_a_file_of_models_with_lists_takes_json_or_one_url(session: sd.Session, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'images,duration\nhttps://example.com/a.png,5\n"[""https://example.com/a.png"", ""https://example.com/b.png""]",5\n'
    )
    made = swept(session, str(tmp_path / "a.csv"), OTHER, prompt="A fox")
    assert [item.body["images"] for item in made.items] == [
        ["https://example.com/a.png"],
        ["https://example.com/a.png", "https://example.com/b.png"],
    ]


class Frame:
    """What a sweep uses of a pandas DataFrame, whose missing cells are NaN."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def notna(self) -> "Frame":
        return self

    def astype(self, _: Any) -> "Frame":
        return self

    def where(self, _: Any, other: None) -> "Frame":
        return Frame([{name: other if one != one else one for name, one in row.items()} for row in self.rows])  # noqa: PLR0124

    @property
    def columns(self) -> list[str]:
        return [*self.rows[0]]

    def itertuples(self, **_: Any) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.rows]


class Twice(Frame):
    """A frame that has its column twice, of which a dict would keep the last."""

    @property
    def columns(self) -> list[str]:
        return [*self.rows[0]] * 2

    def itertuples(self, **_: Any) -> list[tuple[Any, ...]]:
        return [(*row.values(), *row.values()) for row in self.rows]

    def where(self, _: Any, other: None) -> "Twice":
        del other
        return self


def test_cells_of_a_data_frame_become_the_types_of_their_fields(session: sd.Session) -> None:
    nan = float("nan")
    with pytest.raises(sd.InvalidInput, match="two columns with the same name"):
        swept(session, Twice([{"prompt": "A fox"}]))
    made = swept(
        session, Frame([{"prompt": 7, "duration": 4.0}, {"prompt": "A hen", "duration": nan}]), resolution="480p"
    )
    assert inputs(made) == [
        {"prompt": "7", "resolution": "480p", "duration": 4},
        {"prompt": "A hen", "resolution": "480p"},
    ]
    assert type(made.items[0].body["input"]["duration"]) is int


def test_a_number_of_numpy_is_a_number(session: sd.Session) -> None:
    number = SimpleNamespace(shape=(), item=lambda: 5)
    assert inputs(swept(session, {"duration": [number]}, prompt="A fox"))[0]["duration"] == 5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([], "has no rows"),
        ({"prompt": []}, "has no rows"),
        ({"prompt": ["x"] * 101, "duration": range(100)}, "more than 10,000"),
        ({"resolution": ["480p"]}, "was passed twice"),
        (["A fox", "A hen"], "must be a dict of lists, rows as dicts"),
        ([{"prompt": "A fox"}, 7], "must be a dict of lists"),
        ([{1: "A fox"}], "with names that are text"),
        ({1: ["A fox"]}, "with names that are text"),
        (7, "must be a dict of lists"),
        (({"prompt": str(number)} for number in itertools.count()), "more than 10,000"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_at_once(session: sd.Session, table: Any, words: str) -> None:
    with pytest.raises(sd.InvalidInput, match=words):
        swept(session, table)


def test_a_row_with_too_many_cells_is_refused_with_its_number(session: sd.Session, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt\nA fox\nA hen, white\n")
    with pytest.raises(sd.InvalidInput, match="row 2 has more cells"):
        swept(session, tmp_path / "a.csv")
    with pytest.raises(sd.SeedanceError, match="No such file"):
        sd.sweep(MODEL, "nothing.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'prompt,duration\n"A fox,4\nA hen,5\n', "no CSV file"),
        (b"prompt\n\xc4 fox\n", "no CSV file"),
        (b"prompt,prompt\nA fox,A hen\n", "two columns with the same name"),
    ],
)
def test_a_file_that_is_not_what_it_seems_is_refused(
    session: sd.Session, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(sd.InvalidInput, match=words):
        swept(session, tmp_path / "a.csv")


def test_empty_lines_of_a_file_are_no_requests(session: sd.Session, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,duration\nA fox,4\n,\nA hen,5\n,\n")
    assert [one["prompt"] for one in inputs(swept(session, tmp_path / "a.csv", resolution="480p"))] == [
        "A fox",
        "A hen",
    ]


@pytest.mark.parametrize("sign", [";", "\t", ","])
def test_a_file_may_separate_its_cells_as_a_spreadsheet_of_any_country_does(
    session: sd.Session, tmp_path: Path, sign: str
) -> None:
    lines = ["\ufeffprompt,duration", '"A fox; a hen",4', '"Two\r\nlines",5']
    first, *rest = (line.replace(",", sign) for line in lines)
    (tmp_path / "a.csv").write_text("\r\n".join([first, *rest]), encoding="utf-8", newline="")
    assert inputs(swept(session, tmp_path / "a.csv", resolution="480p")) == [
        {"prompt": "A fox; a hen", "duration": 4, "resolution": "480p"},
        {"prompt": "Two\r\nlines", "duration": 5, "resolution": "480p"},
    ]


def test_a_key_is_refused_and_not_repeated(session: sd.Session) -> None:
    for table, name in (({"prompt": PROMPTS}, "api_key"), ({"api_key": ["a-key-of-crun-2"]}, "prompt")):
        shared: dict[str, Any] = {name: "a-key-of-crun-2"}
        with pytest.raises(sd.InvalidInput, match="api_key: is not taken here") as refused:
            swept(session, table, **shared)
        assert "a-key-of-crun-2" not in str(refused.value)


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"concurrency": True}, {"budget": -1}])
def test_options_that_make_no_sense_are_refused_at_once(session: sd.Session, options: Any) -> None:
    with pytest.raises(sd.InvalidInput):
        swept(session, **options)


def test_a_mistake_in_any_row_is_shown_with_its_rows_before_a_cent(session: sd.Session, paying: Provider) -> None:
    made = swept(session, {"prompt": PROMPTS, "duration": [4, "x"]}, resolution="480p", seed=1, budget=100)
    for act in (made.run, lambda: list(sd.as_completed(made))):
        with pytest.raises(sd.InvalidInput) as caught:
            act()
        assert [problem.path for problem in caught.value.problems] == ["/input/seed", "/input/duration"]
        assert "(row 1, 2, 3, 4, 5, 6)" in str(caught.value)
        assert "(row 2, 4, 6)" in str(caught.value)
    assert (paying.charges, session.ledger.rows()) == ([], [])


def test_all_is_priced_together_and_a_prompt_changes_no_price(session: sd.Session, paying: Provider) -> None:
    made = swept(session, {"prompt": PROMPTS, "duration": [4, 5]}, resolution="480p", budget=100)
    assert str(made.total) == "72 credits"
    assert len(paying.estimates) == 2, "one for each length"
    made.run()
    assert [row.estimate for row in session.ledger.rows()] == [12] * 6, "and each row has its price"


@pytest.mark.usefixtures("paying")
def test_only_what_was_never_sent_has_a_price(session: sd.Session) -> None:
    swept(session, {"prompt": PROMPTS[:2]}, budget=100).run()
    more = swept(session, budget=100)
    assert (more.due, str(more.total)) == ([2], "12 credits")
    assert str(swept(session, {"prompt": PROMPTS[:2]}).total) == "nothing to send"
    assert str(swept(session, {"prompt": ["A cat", "A cat", "A fox"]}).total) == "12 credits", "equal rows are one task"


def test_the_same_call_again_sends_nothing_and_returns_the_same_videos(session: sd.Session, paying: Provider) -> None:
    first, second = ([*swept(session, budget=100).run()] for _ in range(2))
    assert sorted(prompts(paying)) == sorted(PROMPTS)
    assert [isinstance(one, sd.Video) and one.path for one in first] == [
        isinstance(one, sd.Video) and one.path for one in second
    ]


def test_takes_of_a_task_with_another_field_keep_its_others(session: sd.Session) -> None:
    task = session.submit(MODEL, prompt="A fox", camera_fixed=True, **SHARED)
    made = sd.takes(task, 2, duration=5)
    assert inputs(made) == [{"prompt": "A fox", "resolution": "480p", "duration": 5, "camera_fixed": True}] * 2
    assert [item.problems for item in made.items] == [(), ()]
    task.wait()
    task.forget()
    with pytest.raises(sd.SeedanceError, match="was forgotten, so its request cannot be sent again"):
        sd.takes(session.task(task.name), 2)


def test_only_a_sweep_is_followed_as_it_is_completed(session: sd.Session) -> None:
    task = session.submit(MODEL, prompt="A fox", **SHARED)
    with pytest.raises(sd.InvalidInput, match=r"must be what sd\.sweep or sd\.takes returned"):
        list(sd.as_completed([task]))  # type: ignore[arg-type]


def test_equal_rows_are_one_task_and_takes_are_several(session: sd.Session, paying: Provider) -> None:
    equal = swept(session, [{"prompt": "A fox"}] * 2, budget=100)
    equal.run()
    assert len(paying.charges) == 1
    assert len({row.seq for row in equal.rows() if row}) == 1
    swept(session, {"take": [1, 2, 3]}, prompt="A fox", budget=100, **SHARED).run()
    assert len(paying.charges) == 3


def test_takes_of_a_task_or_a_model_begin_with_those_that_exist(session: sd.Session) -> None:
    task = sd.submit(MODEL, prompt="A fox", **SHARED)
    task.wait()
    for source, fields in ((task, {}), (MODEL, {"prompt": "A fox", **SHARED})):
        takes = sd.takes(source, 3, **fields)
        assert [(item.take, item.approved and item.approved.body) for item in takes.items] == [
            (take, task.row.body) for take in (1, 2, 3)
        ]
        assert takes.due == [1, 2]
        assert takes._title[3].count("seedance") == 1, "the model's name is there once"
    for wrong in (0, True, 1.5, "3"):
        with pytest.raises(sd.InvalidInput):
            sd.takes(task, wrong)  # type: ignore[arg-type]
    del session


def test_a_failure_takes_the_place_of_its_video_and_cancels_nothing(session: sd.Session, paying: Provider) -> None:
    refusal = 200, {"code": 402, "message": "Insufficient <b>Credits</b>"}
    paying.on_create = [lambda body: refusal if "A hen" in body else "ok"]
    made = swept(session, budget=100)
    results = made.run()
    assert [type(one) for one in results] == [sd.Video, sd.NoCredits, sd.Video]
    ((chosen, error),) = made.failed
    assert (chosen, type(error)) == ({"prompt": "A hen"}, sd.NoCredits)
    assert "Insufficient &lt;b&gt;" in results.view().html
    paying.on_create = ["ok"]
    swept(session, budget=100).run()
    assert prompts(paying).count("A hen") == 1, "what was refused is sent again, and only that"
    assert len(paying.charges) == 3


def test_a_row_may_choose_one_of_the_models_and_has_the_fields_of_that_one_alone(session: sd.Session) -> None:
    rows: list[dict[str, Any]] = [
        {"model": OTHER, "prompt": "A fox", "ratio": "16:9"},
        {"model": MODEL, "prompt": "A hen", "aspect_ratio": "16:9"},
        {"prompt": "A hare"},
    ]
    made = Sweep(session, [MODEL, OTHER], rows, {"resolution": "480p"})
    assert [(item.name, item.labels["prompt"]) for item in made.items] == [
        (MODEL, "A hen"), (MODEL, "A hare"), (OTHER, "A fox"), (OTHER, "A hare"),
    ]  # fmt: skip
    assert [item.labels["model"] for item in made.items] == [MODEL, MODEL, OTHER, OTHER]
    assert not any(item.problems for item in made.items)
    again = Sweep(session, [MODEL, OTHER], [dict(item.labels) for item in made.items], {"resolution": "480p"})
    assert [item.intent for item in again.items] == [item.intent for item in made.items]


def test_what_failed_is_sent_again_alone_as_another_take(session: sd.Session, paying: Provider) -> None:
    """A failed task keeps its place, so the same call never pays for it twice; its rows make the sweep of the second try."""
    paying.on_status = ["failed"]
    table = {"prompt": ["A fox", "A hen"], "duration": [4, 5]}
    swept(session, {"prompt": ["A fox"], "duration": [5]}, resolution="480p").run(confirm=True)
    paying.on_status = ["success"]
    made = swept(session, table, resolution="480p")
    made.run(confirm=True)
    (failed,) = made.failed
    assert (failed[0], type(failed[1])) == ({"prompt": "A fox", "duration": 5}, sd.TaskFailed)
    assert (len(paying.charges), swept(session, table, resolution="480p").due) == (4, [])
    again = swept(session, [row | {"take": 2} for row, _ in made.failed], resolution="480p")
    assert [type(video) for video in again.run(confirm=True)] == [sd.Video]
    assert (len(paying.charges), again.due) == (5, [])
    assert len(swept(session, table, resolution="480p", take=2).due) == 3, (
        "the naive way pays for all others again, too"
    )


def test_a_sweep_over_its_budget_is_refused_before_the_first_cent(session: sd.Session, paying: Provider) -> None:
    swept(session, {"prompt": ["A pig"]}, budget=100).run()
    made, sent = swept(session, budget=45), len(paying.charges)
    for act in (made.run, lambda: made.run(confirm=True), lambda: list(sd.as_completed(made))):
        with pytest.raises(sd.OverBudget) as refused:
            act()
        assert refused.value.message == (
            "These 3 requests cost 36 credits, but only 32.5 of the budget of 45 credits are left: "
            "the tasks of crun in this ledger add up to 12.5 credits. Nothing was sent."
        )
        assert refused.value.next_step == "leave some of them out, or create it again with budget=48.5 or more"
    assert (len(paying.charges), len(session.ledger.rows())) == (sent, 1)
    assert len(swept(session, {"prompt": PROMPTS[:2]}, budget=45).run()) == 2, "what the budget allows is sent"
    swept(session, {"prompt": [*PROMPTS[:2], "A pig"]}, budget=1).run()  # what exists costs nothing


def test_the_budget_of_the_session_counts_as_well_and_equal_rows_once(session: sd.Session, paying: Provider) -> None:
    session.sender.budget = 30
    with pytest.raises(sd.OverBudget, match="These 3 requests cost 36 credits, but only 30 of"):
        swept(session).run()
    assert paying.charges == []
    swept(session, [{"prompt": "A fox"}] * 3).run()
    assert len(paying.charges) == 1


def test_a_simulated_sweep_has_a_budget_too(session: sd.Session) -> None:
    table, image = {"prompt": PROMPTS}, ["https://example.com/fox.png"]
    made = Sweep(session, "seedance2-pro/seedance-20-i2v", table, {"duration": "5s", "urls": image}, budget=500)
    with pytest.raises(sd.OverBudget, match="These 3 simulated requests cost 600 credits, but only 500 of"):
        made.run()
    assert session.ledger.rows() == []


@pytest.fixture
def meanwhile(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sweep, int], None]:
    """Other cells pay for tasks, at 12.5 credits each, after a sweep has checked its budget."""

    def spend(made: Sweep, count: int) -> None:
        check = made.require_budget

        def checked() -> None:
            check()
            for take in range(1, count + 1):
                session.generate(MODEL, prompt="A pig", take=take, **SHARED)

        monkeypatch.setattr(made, "require_budget", checked)

    return spend


def sent_by(provider: Provider) -> list[str]:
    return sorted(prompt for prompt in prompts(provider) if prompt != "A pig")


def test_where_the_budget_is_spent_meanwhile_nothing_further_is_sent_and_it_says_what_was_not(
    session: sd.Session, paying: Provider, meanwhile: Any
) -> None:
    made = swept(session, budget=40)
    meanwhile(made, 1)
    with pytest.warns(UserWarning, match="2 of 3 done · 1 not sent, because that would exceed the budget"):
        results = made.run()
    assert [type(one) for one in results] == [sd.Video, sd.Video, sd.OverBudget]
    assert sent_by(paying) == ["A fox", "A hen"]
    swept(session, budget=100).run()
    assert sent_by(paying) == sorted(PROMPTS)


@pytest.mark.usefixtures("paying")
def test_over_budget_every_refusal_names_the_real_budget(session: sd.Session, meanwhile: Any) -> None:
    made = swept(session, {"prompt": [*PROMPTS, "A cat", "A cow"]}, budget=60)
    meanwhile(made, 2)
    with pytest.warns(UserWarning, match="3 not sent"):
        refused = [one for one in made.run() if isinstance(one, sd.OverBudget)]
    assert [one.budget for one in refused] == [60, 60, 60]
    assert all("of the budget of 60 credits" in str(one) for one in refused)


def test_a_paid_sweep_without_a_budget_is_confirmed_as_a_whole(session: sd.Session, paying: Provider) -> None:
    with pytest.raises(sd.SeedanceError, match=r"3 paid requests\. Total: 36 credits") as refused:
        swept(session).run()
    assert "confirm=True" in str(refused.value)
    with pytest.raises(sd.SeedanceError, match="confirm=True"):
        list(sd.as_completed(swept(session)))
    assert paying.charges == []
    assert len(swept(session).run(confirm=True)) == len(paying.charges) == 3
    swept(session).run()  # nothing is left to pay
    assert len(paying.charges) == 3


def test_over_budget_what_exists_is_still_shown_and_nothing_cheaper_is_sent(
    session: sd.Session, paying: Provider, meanwhile: Any
) -> None:
    swept(session, {"prompt": ["A hare"]}, budget=100).run()
    paying.on_estimate = [lambda body: 12 if "A fox" in body else 1]
    table = [
        {"prompt": "A fox", "duration": 8},
        {"prompt": "A hen", "duration": 4},
        {"prompt": "A hare", "duration": 4},
    ]
    made = swept(session, table, resolution="480p", budget=26)
    meanwhile(made, 1)
    with pytest.warns(UserWarning, match="2 not sent, because that would exceed"):
        results = made.run()
    assert [type(one) for one in results] == [sd.OverBudget, sd.OverBudget, sd.Video]
    assert sent_by(paying) == ["A hare"]


def test_nothing_is_paid_where_no_one_is_here_to_confirm_and_there_is_no_budget(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(sd.SeedanceError, match="no one is here to confirm"):
        swept(session).run()
    assert paying.charges == []
    swept(session, budget=100).run()
    assert len(paying.charges) == 3


def test_keys_that_come_later_are_not_spent(session: sd.Session, provider: Provider, monkeypatch: Any) -> None:
    made = swept(session)
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    with pytest.raises(sd.SeedanceError, match="The keys have changed"):
        made.run()
    assert provider.headers == []


class Slow:
    """A provider whose tasks end when the test says so, with the most that were unfinished at once."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.most, self._done = provider, 0, 0
        provider.on_status = ["running"]
        provider.when_charged = self._count

    def _count(self) -> None:
        self.most = max(self.most, len(self.provider.charges) - self._done)

    def finish(self) -> None:
        self._done = len(self.provider.charges)
        self.provider.on_status = ["success"]


def test_no_more_than_concurrency_are_unfinished_at_once(session: sd.Session, paying: Provider) -> None:
    slow = Slow(paying)
    made = swept(session, {"prompt": [*PROMPTS, "A cat"]}, budget=100, concurrency=2)
    running = threading.Thread(target=made.run)
    running.start()
    until(lambda: len(paying.charges) == 2)
    time.sleep(0.4)
    assert len(paying.charges) == 2
    assert made.tasks.count(None) == 2
    slow.finish()
    running.join(30)
    assert len(paying.charges) == 4
    control = swept(session, {"prompt": ["A dog", "A cow", "An ox"]}, budget=200)
    slow = Slow(paying)
    threading.Thread(target=control.run, daemon=True).start()
    until(lambda: slow.most >= 3)
    slow.finish()


def test_stop_sends_nothing_further_and_what_was_sent_is_still_followed(session: sd.Session, paying: Provider) -> None:
    slow, made = Slow(paying), swept(session, budget=100, concurrency=1)
    interrupt_when(lambda: len(paying.charges) == 1 and isinstance(made.tasks[0], sd.Task))
    with pytest.raises(KeyboardInterrupt) as stopped:
        made.run()
    assert str(stopped.value) == (
        "0 of 3 done · 1 running · 2 not sent. Nothing further is sent. Sent in this run: 12 credits. What was sent goes on: "
        "run this again for its videos and for the rest. Nothing is charged twice."
    ), "in a script there is no button and no cell"
    slow.finish()
    first = made.tasks[0]
    assert isinstance(first, sd.Task)
    until(lambda: first.state is State.DONE)
    assert prompts(paying) == ["A fox"]
    swept(session, budget=100).run()
    assert sorted(prompts(paying)) == sorted(PROMPTS)


def test_a_run_right_after_stop_is_the_only_one_that_sends(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, made, starts = Slow(paying), swept(session, budget=100, concurrency=1), list[tuple[Run, int]]()
    start = Batch._start

    async def counted(self: Batch, run: Run, at: int, item: Any, **more: Any) -> None:
        starts.append((run, at))
        await start(self, run, at, item, **more)

    monkeypatch.setattr(Batch, "_start", counted)
    before = made.reset()
    works = [ENGINE.submit(made.perform(before))]
    until(lambda: len(paying.charges) == 1 and before.futures)
    made.stop()
    now = made.reset()  # in the same moment, so that the loop of before has not seen that it was stopped
    works.append(ENGINE.submit(made.perform(now)))
    slow.finish()
    for work in works:
        work.result(60)
    assert starts == [(before, 0), (now, 0), (now, 1), (now, 2)]
    assert [type(one) for one in made.results] == [sd.Video] * 3
    assert before.tasks[1:] == [None, None], "what it did not send it does not show either"
    assert sorted(prompts(paying)) == sorted(PROMPTS)


def test_who_waited_for_the_run_before_does_not_stop_the_next(session: sd.Session, paying: Provider) -> None:
    made = swept(session, budget=100)
    waiting = made.waiting()
    next(waiting)
    now = made.reset()
    del waiting
    assert not made.current.is_stopped
    ENGINE.submit(made.perform(now)).result(60)
    assert sorted(prompts(paying)) == sorted(PROMPTS)


def test_tasks_come_as_they_end_and_to_leave_the_loop_stops_the_sending(session: sd.Session, paying: Provider) -> None:
    made = swept(session, budget=100, concurrency=1)
    paying.on_status = [
        "success",
        "running",
    ]  # the second goes on, so that the third cannot be sent before the loop is left
    for task in sd.as_completed(made):
        assert task.wait().path.exists()
        break
    until(lambda: made.current.is_stopped)
    sent = len(paying.charges)
    assert sent < 3
    paying.on_status = ["success"]
    names = [task.name for task in sd.as_completed(swept(session, budget=100))]
    assert len(set(names)) == 3
    assert sorted(prompts(paying)) == sorted(PROMPTS)


CHILD = """
import sys, seedance_nb as sd
sd.sweep({model!r}, {{"prompt": {prompts!r}}}, budget=100, concurrency=1, resolution="480p", duration=4).run()
"""
NAIVE = """
import httpx
for prompt in {prompts!r}:
    httpx.post({url!r}, json={{"input": {{"prompt": prompt}}}}, timeout=9)
"""


def killed_at(provider: Provider, code: str, number: int) -> None:
    """Run code in a process that is killed when the provider has taken its request of this number, before it answers."""
    child = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "CRUN_API_KEY": "a-key-of-crun"})

    def kill() -> None:
        if len(provider.charges) == number:
            child.kill()
            child.wait()

    provider.when_charged = kill
    child.wait(60)
    assert child.returncode == -signal.SIGKILL
    provider.when_charged = lambda: None


def test_a_sweep_that_is_killed_twice_and_run_again_pays_for_each_request_once(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDANCE_LEDGER", str(session.ledger.path))
    many = [*PROMPTS, "A cat", "A dog"]
    for number in (2, 4):
        killed_at(paying, CHILD.format(model=MODEL, prompts=many), number)
    made = swept(session, {"prompt": many}, budget=100)
    results = made.run()
    assert sorted(prompts(paying)) == sorted(many), "one request each"
    kinds = [type(one) for one in results]
    assert (kinds.count(sd.Video), kinds.count(sd.UnknownOutcome)) == (3, 2), (
        "those that were on their way are not sent again"
    )
    assert [row.state for row in made.rows() if row].count(State.UNKNOWN) == 2


def test_a_naive_loop_that_is_killed_and_run_again_pays_twice(paying: Provider) -> None:
    code = NAIVE.format(prompts=PROMPTS, url=paying.url + CREATE)
    killed_at(paying, code, 2)
    subprocess.run([sys.executable, "-c", code], check=True)
    assert sorted(prompts(paying)) == sorted([*PROMPTS, *PROMPTS[:2]])


class Table(HTMLParser):
    """The rows of a table, each cell as its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(str(html))

    def handle_starttag(self, tag: str, _: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "video":
            self.rows[-1][-1] += "▶"

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_grid_is_a_labelled_matrix_of_players_also_in_a_new_kernel(session: sd.Session) -> None:
    table = {"prompt": ["A <b>fox</b>", "A hen"], "duration": [4, 5], "take": [1, 2]}
    swept(session, table, resolution="480p").run()
    later = swept(session, {**table, "duration": [4, 5, 6]}, resolution="480p")
    html = later.grid("duration", "prompt").html
    rows = Table(html).rows
    assert rows[0] == ["", "promptA <b>fox</b>", "promptA hen"]
    assert [row[0] for row in rows[1:]] == ["duration4", "duration5", "duration6"]
    assert [[cell.count("▶") for cell in row[1:]] for row in rows[1:]] == [[2, 2], [2, 2], [0, 0]]
    assert "<script" not in html
    assert "take 2" in rows[1][1]
    assert len(session.ledger.rows()) == 8, "looking at it sends nothing"
    with pytest.raises(sd.InvalidInput, match="there is no 'seed', only prompt, duration, take"):
        later.grid("seed", "prompt")


def test_a_grid_says_once_that_it_is_simulated_and_takes_are_called_takes(session: sd.Session) -> None:
    made = swept(session, {"take": [1, 2, 3]}, prompt="A fox", **SHARED)
    assert (made._title[0], swept(session)._title[0]) == ("Takes", "Sweep")
    html = made.run().view().html
    assert (html.count("<video"), html.count("SIMULATED")) == (3, 1)


def test_a_data_frame_of_the_results_has_a_row_for_each(
    session: sd.Session, paying: Provider, monkeypatch: Any
) -> None:
    tables: list[Any] = []
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: tables.append([*rows])))
    paying.on_create = [lambda body: (200, {"code": 402, "message": "Insufficient"}) if "A hen" in body else "ok"]
    made = swept(session, {"prompt": PROMPTS[:2]}, budget=100)
    made.run()
    made.to_pandas()
    first, second = tables[0]
    assert {**first, "file": "", "task": ""} == {
        "model": MODEL, "prompt": "A fox", "state": "done", "task": "", "cost": 12.5, "unit": "credits", "file": "", "error": "",
    }  # fmt: skip
    assert (second["prompt"], second["state"], "Insufficient" in second["error"]) == ("A hen", "not sent", True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(sd.SeedanceError, match="pandas is not installed"):
        made.to_pandas()


@pytest.fixture
def view(session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch) -> Any:
    del paying
    monkeypatch.setattr(view_module, "PAUSE_S", 0)
    monkeypatch.setattr(view_module, "_UPDATE_S", 0.01)
    return swept(session, {"prompt": PROMPTS, "duration": [4, 99, "x"]}, resolution="480p", concurrency=1)._view()


def test_a_cell_asks_once_about_the_whole_price_and_sends_what_has_no_problem(view: Any, paying: Provider) -> None:
    assert view._go.description == "Generate 6 videos · 72 credits"
    assert "3 left out: see the problems." in view._note.value
    assert view._table.value.count("sdn-error") == 3
    assert view._table.value.count("sdn-warn") == 3
    view._go.click()
    assert paying.charges == []
    assert "You confirm once more before anything is sent." in view._note.value
    paying.on_status = ["running"]
    view._yes.click()
    assert view._note.value == "", "it is confirmed and on its way"
    paying.on_status = ["success"]
    until(lambda: not view._busy.locked())
    assert len(paying.charges) == 6
    assert "6 of 9 done; the errors are below." in view._status.value
    assert view._table.value.count("Done") == 6
    assert (view._go.description, view._note.value.count("6 cost nothing")) == ("Show 6 videos · no charge", 1)
    view._go.click()
    until(lambda: not view._busy.locked())
    assert len(paying.charges) == 6
    assert "You already generated 6 of them" in view._status.value


def test_a_cell_over_its_budget_says_so_and_does_not_ask(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PAUSE_S", 0)
    view: Any = swept(session, budget=30)._view()
    assert "These 3 requests cost 36 credits, but only 30 of the budget" in view._note.value
    view._go.click()
    view._yes.click()
    assert "leave some of them out, or create it again with budget=36 or more" in view._note.value
    assert view._go.disabled
    assert "sdn-hidden" in view._yes._dom_classes
    assert (view._busy.locked(), paying.charges) == (False, [])


def test_a_request_without_a_prompt_is_asked_about(
    session: sd.Session, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PAUSE_S", 0)
    model, fields = "crun/seedance-2.0-i2v", {**SHARED, "img_urls": ["https://example.com/fox.png"]}
    made = Sweep(session, model, {"prompt": ["", " ", "A fox"]}, fields)
    with pytest.raises(
        sd.SeedanceError, match=r"Total: 36 credits. Without a prompt: 2 of them. Nothing has been sent"
    ):
        made.run()
    assert made._view()._yes.description == "Really generate 3 videos for 36 credits, 2 without a prompt?"
    free = sd.Session(simulate=True, ledger=session.ledger.path, outputs=session.outputs, queue_s=0, run_s=0)
    view: Any = Sweep(free, model, {"take": [1, 2]}, fields)._view()
    view._go.click()
    assert (view._busy.locked(), view._yes.description) == (False, "Really generate 2 videos, 2 without a prompt?")
    view._yes.click()
    until(lambda: "2 of 2 done" in view._status.value)
    full: Any = Sweep(free, model, {"prompt": ["A fox"]}, fields)._view()
    full._go.click()
    until(lambda: "1 of 1 done" in full._status.value)
    assert paying.charges == []


def test_the_stop_button_sends_nothing_further(view: Any, paying: Provider) -> None:
    slow = Slow(paying)
    view._go.click()
    view._yes.click()
    until(lambda: len(paying.charges) == 1 and "sdn-hidden" not in view._stop._dom_classes)
    view._stop.click()
    slow.finish()
    until(lambda: not view._busy.locked())
    assert "1 of 9 done · 5 not sent" in view._status.value
    assert "Press the button again" in view._status.value
    assert view._go.description == "Generate 5 videos · 60 credits"


def test_a_price_that_changed_is_shown_and_asked_about_again(view: Any, session: sd.Session, paying: Provider) -> None:
    swept(session, {"prompt": PROMPTS[:1]}, budget=100).run()
    view._go.click()
    assert "This has changed since it was shown" in view._status.value
    assert view._go.description == "Generate 5 videos · 60 credits"
    assert "sdn-hidden" in view._yes._dom_classes
    assert len(paying.charges) == 1


def test_a_table_of_many_shows_problems_first_and_counts_the_rest(
    session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seedance_nb._notebook import results

    monkeypatch.setattr(results, "MOST_SHOWN", 2)
    made = swept(session, {"duration": [4, 5, 6, "x"]}, prompt="A fox")
    rows = Table(made._table()).rows
    assert [row[0] for row in rows[1:]] == ["x", "4"]
    assert "and 2 more" in made._table()


def test_videos_beyond_a_limit_are_stills_so_that_a_notebook_stays_small(
    session: sd.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seedance_nb._notebook import results

    monkeypatch.setattr(results, "source_of", lambda _: "data:video/mp4;base64," + "A" * 30_000_000)
    shown = swept(session).run().view().html
    assert (shown.count("<video"), shown.count("first frame of the video")) == (1, 2)


def test_a_sweep_of_500_videos_leaves_the_notebook_small_and_hides_no_error(session: sd.Session) -> None:
    (video,) = swept(session, {"prompt": ["A hen"]}).run()

    def ended(count: int) -> Sweep:
        made = swept(
            session, {"prompt": [f"Hen {number}" for number in range(count)], "duration": [4]}, resolution="480p"
        )
        made.results[:] = [video] * count
        return made

    def saved(made: Sweep) -> int:
        """Bytes of the widgets' states and the outputs, as a notebook saves them."""
        view = made._view()
        view._output.update(made._output())
        states = dependency_state([view.widget], drop_defaults=True)
        return sum(len(json.dumps(one)) for one in (states, view._output.static, view.widget._repr_mimebundle_()))

    many, fewer = ended(500), ended(48)
    assert saved(many) < 300_000 < saved(fewer), "the naive control: not even 48 with a picture each are that small"
    assert fewer._output().html.count("<video") == 48
    assert "and 492 more: sd.gallery() shows the videos" in many._output().text
    many.results[400] = sd.SeedanceError("Hen 400 had no video.")
    assert "had no video" in many._output().html.partition("<video")[0]
    assert many.grid("duration", "prompt").html.count("<video") == 499, "who asks for all gets all"


def test_a_sweep_sends_nothing_when_it_is_made_shown_or_printed(
    session: sd.Session, paying: Provider, capsys: Any
) -> None:
    made = swept(session)
    made._ipython_display_()
    assert "3 of 3 can be sent: 36 credits" in repr(made)
    assert capsys.readouterr()
    assert paying.charges == []


def ended(session: sd.Session, made: Any, *states: State) -> None:
    """The tasks of a batch, as another kernel left them."""
    for item, state in zip(made.items, states, strict=True):
        row, _ = session.ledger.claim(item.approved, base_url=item.base_url, simulated=item.simulated, take=item.take)
        session.ledger.update(row.seq, state=state, error="A reason")


@pytest.mark.usefixtures("paying")
@pytest.mark.parametrize(
    ("states", "button"),
    [
        ((State.FAILED, State.UNKNOWN, State.FAILED), "Show 3 errors · no charge"),
        ((State.RUNNING, State.UNKNOWN, State.DONE), "Show 2 videos and 1 error · no charge"),
        ((State.DONE, State.DONE, State.FAILED), "Show 2 videos and 1 error · no charge"),
        ((State.DONE, State.RUNNING, State.DONE), "Show 3 videos · no charge"),
    ],
)
def test_the_button_counts_the_videos_and_errors_that_there_are(session: sd.Session, states: Any, button: str) -> None:
    made = swept(session)
    ended(session, made, *states)
    view: Any = made._view()
    assert view._go.description == button
    words = view._table.value
    assert ("No video: failed" in words, "No video: outcome unknown" in words) == (
        State.FAILED in states,
        State.UNKNOWN in states,
    )
    assert "see the error below" not in words, "nothing is below yet"
    is_going_on = State.RUNNING in states or State.DONE in states  # which is not downloaded
    assert ("sdn-run" in words) is is_going_on, "what has ended does not move"


def test_what_has_failed_is_not_called_generated(session: sd.Session, paying: Provider) -> None:
    paying.on_status = ["failed"]
    swept(session, {"prompt": PROMPTS[:2]}, budget=100).run()
    paying.on_status = ["success"]
    swept(session, {"prompt": PROMPTS[2:]}, budget=100).run()
    view: Any = swept(session, budget=100)._view()
    assert view._go.description == "Show 1 video and 2 errors · no charge"
    view._go.click()
    until(lambda: not view._busy.locked())
    assert "1 of 3 done; the errors are below. You already generated 1 of them." in view._status.value
    assert view._go.description == "Show 1 video and 2 errors · no charge"
