"""README's table of POSTs after lost answers is that of the benchmark; our row is measured, beside a client that sends again."""

import runpy
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
BENCH: dict[str, Any] = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "bench_posts.py"))
ROWS = {
    cells[0].rsplit(" ", 1)[0]: cells[1:]
    for line in (ROOT / "README.md")
    .read_text(encoding="utf-8")
    .partition("| client |")[2]
    .split("\n\n")[0]
    .splitlines()[2:]
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


def test_the_table_names_the_clients_of_the_benchmark() -> None:
    assert list(ROWS) == list(BENCH["CLIENTS"])


@pytest.mark.parametrize(("column", "lost"), [(0, 1), (1, 10**9)])
def test_our_row_is_what_a_server_receives(column: int, lost: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "127.0.0.1")
    assert str(BENCH["posts"](BENCH["ours"], lost)) == ROWS["seedance_nb"][column] == "1"


def test_a_client_that_sends_again_is_counted() -> None:
    def naive(url: str) -> None:
        for _ in range(3):
            try:
                httpx.post(f"{url}/create", json={"prompt": "A fox"}, trust_env=False)
                return
            except httpx.TransportError:
                continue

    assert [BENCH["posts"](naive, lost) for lost in (0, 1, 10**9)] == [1, 2, 3]
