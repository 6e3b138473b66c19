"""What the provider says of a task beyond what is read: its own facts, without secrets."""

from pathlib import Path

import pytest
from support.provider import Provider

import seedance_nb as sd

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
