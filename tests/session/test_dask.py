"""A sweep on a Dask cluster whose workers are killed, with one PostgreSQL ledger: charges are counted at the server."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from support.postgres import PostgresServer, postgres
from support.provider import CREATE, Provider

PROMPTS = [f"A fox {number}" for number in range(5)]
# Dask itself warns as it likes, so the cluster lives in a Python of its own.
CLUSTER = """
import os, sys
from distributed import Client, LocalCluster

def main():
    lease = "from seedance_nb._ledger import postgres; postgres._LEASE_S = 3"
    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None, preload=lease) as cluster, Client(cluster) as client:
        print(*client.run(os.getpid).values(), flush=True)
        {work}

{head}
if __name__ == "__main__":
    main()
"""
OURS = """
        import seedance_nb as sd
        sweep = sd.sweep("crun/seedance-1.0-pro-t2v", {{"prompt": {prompts!r}}}, resolution="480p", duration=4, budget=1000,
                         executor=client.get_executor())
        print(*[type(one).__name__ for one in sweep.run()])
"""
NAIVE = """
        print(*client.gather(client.map(post, {prompts!r})))
"""
POST = """
def post(prompt):
    import httpx
    return httpx.post({url!r}, json={{"input": {{"prompt": prompt}}}}, trust_env=False, timeout=30).status_code
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    pytest.importorskip("distributed", reason="Dask is not installed")
    with postgres() as started:
        yield started


@pytest.fixture
def run(server: PostgresServer, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator["Cluster"]:
    monkeypatch.setenv("CRUN_API_KEY", "a-key-of-crun")
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    monkeypatch.setenv("SEEDANCE_LEDGER", server.database(f"dask_{next(NUMBERS)}"))
    cluster = Cluster(provider)
    yield cluster
    cluster.end()


NUMBERS = count(1)


class Cluster:
    """Runs work on a cluster, all of whose workers are killed when the provider has taken the request of this number."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, work: str, head: str = "", *, killed_at: int) -> str:
        code = CLUSTER.format(work=work, head=head)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout
        workers = [int(pid) for pid in self.process.stdout.readline().split()]

        def kill() -> None:
            if len(self.provider.charges) >= killed_at:  # several come at once: nobody may see the very number
                self.provider.when_charged = lambda: None
                for pid in workers:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

        self.provider.when_charged = kill
        return self.process.communicate(timeout=120)[0]

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)


def paid(provider: Provider) -> Counter[str]:
    return Counter(prompt for prompt in PROMPTS for body in provider.charges if f'"{prompt}"' in body)


def test_a_sweep_whose_workers_are_killed_pays_for_each_request_at_most_once(run: Cluster, provider: Provider) -> None:
    results = run(OURS.format(prompts=PROMPTS), killed_at=2).split()
    assert max(paid(provider).values()) == 1
    assert len(results) == 5
    assert {*results} <= {"Video", "UnknownOutcome", "Unreachable"}
    # A worker can be killed before it sent anything, also between the note that it will and the request.
    assert results.count("Video") <= len(provider.charges) <= 5 - results.count("Unreachable")
    assert "Video" in results


def test_plain_requests_of_workers_that_are_killed_are_paid_twice(run: Cluster, provider: Provider) -> None:
    results = run(NAIVE.format(prompts=PROMPTS), POST.format(url=provider.url + CREATE), killed_at=2)
    assert results.split() == ["200"] * 5
    assert max(paid(provider).values()) == 2
