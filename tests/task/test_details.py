"""What the provider says of a task beyond what is read: its own facts, without secrets."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._provider.status import read_status

VASTNUM, CRUN = "vastnum/doubao-seedance-2.0", "crun/seedance-1.0-pro-t2v"


def test_a_providers_own_facts_are_there(tmp_path: Path) -> None:
    session = sd.Session(queue_s=0, run_s=0, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o")
    task = session.submit(VASTNUM, prompt="A fox", duration=4)
    task.wait(60)
    found = task.details()["data"]
    result = found["data"]["result"]
    assert (result["seed"], result["execution_expires_after"]) == (40141, 172800)
    assert {"start_time", "finish_time"} <= found.keys()
    assert "completion_tokens" in result["usage"]


def test_details_cost_nothing_and_need_an_answer(provider: Provider, tmp_path: Path) -> None:
    ledger, outputs = tmp_path / "l.sqlite3", tmp_path / "o"
    session = sd.Session(api_key="a-key-of-tests", base_url=provider.url, ledger=ledger, outputs=outputs)
    task = session.submit(CRUN, prompt="A fox", resolution="480p", duration=4)
    task.wait(60)
    assert task.details()["data"]["source"] == "api"
    assert len(provider.charges) == 1
    provider.on_status = [{"poster": "https://cdn.example.com/a.jpg?Signature=s3cr3t", "seed": 7}]
    assert task.details()["data"]["status"] == {"poster": "https://cdn.example.com/a.jpg?…", "seed": 7}
    provider.on_status = ["reset"]
    with pytest.raises(sd.SeedanceError, match="said nothing about"):
        task.details()


def test_what_the_answer_says_of_a_result_is_shown_with_its_facts_also_after_a_restart(tmp_path: Path) -> None:
    files: Any = {"ledger": tmp_path / "l.sqlite3", "outputs": tmp_path / "o"}
    video = sd.Session(queue_s=0, run_s=0, **files).generate(VASTNUM, prompt="A fox", duration=4)
    later = sd.Session(queue_s=0, run_s=0, **files).task(video.task).wait()
    for one in (video, later):
        shown = one._repr_mimebundle_()
        for text in shown["text/plain"], shown["text/html"]:
            assert re.search(r"· 24 fps · H\.264 · no sound · seed 40141 · ran [0-9]+ s\b", text)


@pytest.mark.parametrize(("answer", "shown"), [
    ({"seed": 7, "start": 1_700_000_000, "end": 1_700_000_062}, "seed 7 · ran 62 s"),
    ({"seed": -1, "start": 0, "end": 1_700_000_062}, "seed -1"),
    ({"seed": None, "start": "then", "end": 5}, ""),
    ({"seed": " <b>x</b> " + "y" * 99, "start": 9, "end": 8}, "seed <b>x</b> " + "y" * 30),
    ({"seed": True, "start": 9, "end": 9}, "ran 0 s"),
])  # fmt: skip
def test_a_text_is_shown_only_where_the_answer_has_its_value(answer: dict[str, object], shown: str) -> None:
    table = sd.spec(VASTNUM).task
    assert table is not None
    table = replace(table, facts={"seed {}": "/seed", "ran {} s": ["/start", "/end"]}, state="/word", outputs=("/url",))
    seen = read_status(table, answer | {"word": "completed", "url": "https://e.com/a.mp4"})
    assert seen is not None
    assert seen.reported == shown
