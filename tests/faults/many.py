"""Many kernels with one ledger on a server, some of which are killed, and the server too: what the provider charges.

    PYTHONPATH=.:tests python -m faults.many --kernels 8 --intents 100 --kills 20 --crashes 3

Every kernel wants every intent. A naive kernel beside them looks for a row, sends, and saves the row afterwards.
The same kernels share a ledger in a file, too, where only they are killed.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from faults import child
from faults.server import CREATE, Exchange, FaultServer, charge, says, serving, tell
from faults.shapes import PRO
from support.postgres import PostgresServer, postgres
from support.waiting import plain_client, short

import seedance_nb as sd
from seedance_nb._ledger import postgres as module
from seedance_nb._ledger.ledger import Ledger

PRICE = 200.0
LEASE_S = 3


def accept(exchange: Exchange) -> None:
    """Charged, and named by a number that no other task has."""
    charge(exchange)
    time.sleep(0.02)  # so that kills come while a request is in the air, too
    says(200, PRO.taken(f"task_{exchange.number}"))(exchange)


def kernel(provider: str, ledger: str, folder: Path, intents: int, budget: float, seed: int) -> None:
    """One kernel: every intent in an order of its own, again until the ledger has it."""
    os.environ.pop("CI", None)
    module._LEASE_S = LEASE_S
    session = sd.Session(
        api_key=child.KEY, base_url=provider, ledger=ledger, outputs=folder, budget=budget, sleep=short
    )
    order = list(range(intents))
    random.Random(seed).shuffle(order)
    for number in order:
        for _ in range(100):
            try:
                task = session.submit(PRO.model, **PRO.fields | {"prompt": f"intent {number}"})
                while task.state in ("waiting to be sent", "sending"):
                    time.sleep(0.01)
            except sd.OverBudget:
                break
            except sd.LedgerError:  # the server was down
                time.sleep(0.05)
            else:
                break


def naive(provider: str, ledger: str, _: Path, intents: int, budget: float, seed: int) -> None:
    """What one writes without thinking of it: look, send, save."""
    del budget
    order = list(range(intents))
    random.Random(seed).shuffle(order)
    with plain_client(5) as client:
        for number in order:
            with contextlib.suppress(psycopg.Error, httpx.HTTPError), psycopg.connect(ledger, autocommit=True) as db:
                if not db.execute("SELECT 1 FROM notes WHERE intent = %s", (number,)).fetchone():
                    client.post(f"{provider}{PRO.create}", json={"prompt": f"intent {number}"})
                    db.execute("INSERT INTO notes VALUES (%s)", (number,))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    charges: Counter[str]
    states: Counter[str]
    kills: int
    crashes: int
    seconds: float

    @property
    def duplicates(self) -> int:
        return sum(count - 1 for count in self.charges.values())


def run(server: PostgresServer, provider: FaultServer, url: str, folder: Path, target: Any, *,
        kernels: int, intents: int, kills: int, crashes: int, budget: float, seed: int = 1) -> Outcome:  # fmt: skip
    """Runs them to their end, each one that is killed once more; the kills and crashes come at random moments."""
    chance, context, begun = random.Random(seed), child.kernels(), time.monotonic()
    provider.plans[CREATE] = [(accept,)]
    provider.charges.clear()

    def start(number: int) -> Any:
        return child.start(context, target, provider.url, url, folder, intents, budget, number)

    running = {number: start(number) for number in range(kernels)}
    planned = ["kill"] * kills + ["crash"] * crashes
    chance.shuffle(planned)
    done = Counter[str]()
    while any(process.is_alive() for process in running.values()):
        time.sleep(chance.uniform(0.05, 0.25))
        alive = [number for number, process in running.items() if process.is_alive()]
        if planned and alive:
            done[act := planned.pop()] += 1
            if act == "crash":
                server.stop(signal.SIGKILL)
                server.start()
            else:
                victim = chance.choice(alive)
                os.kill(running[victim].pid or 0, signal.SIGKILL)
                running[victim].join(30)
                running[victim] = start(victim)
        assert time.monotonic() < begun + 600, "they never end"
    prompts = Counter(json.loads(body).get("prompt", body) for body in provider.charges)
    seconds = time.monotonic() - begun
    states = Counter[str]()
    if target is kernel:
        time.sleep(LEASE_S)  # the last lease of those that were killed
        ledger = Ledger(url)
        states = Counter(str(row.state) for row in ledger.rows(10_000))
        ledger.close()
    return Outcome(charges=prompts, states=states, kills=done["kill"], crashes=done["crash"], seconds=seconds)


@contextlib.contextmanager
def world(video: bytes = b"") -> Iterator[tuple[PostgresServer, FaultServer]]:
    with postgres() as server, serving(PRO, video, status=[(tell("running"),)]) as provider:
        yield server, provider


def notes(server: PostgresServer, name: str) -> str:
    """The URL of a database with the table of the naive kernels."""
    url = server.database(name)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE notes (intent INTEGER)")
    return url


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("kernels", 8), ("intents", 100), ("kills", 20), ("crashes", 3), ("cap", 80), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    chosen = parser.parse_args()
    sizes: dict[str, Any] = {name: getattr(chosen, name) for name in ("kernels", "intents", "kills")}
    with world() as (pg, paid), tempfile.TemporaryDirectory() as at:
        for title, target, place, cap, crashes in (
            ("on the server", kernel, pg.database("all"), chosen.intents, chosen.crashes),
            ("on the server with a cap", kernel, pg.database("capped"), chosen.cap, chosen.crashes),
            ("in a file", kernel, f"{at}/all.sqlite3", chosen.intents, 0),
            ("in a file with a cap", kernel, f"{at}/capped.sqlite3", chosen.cap, 0),
            ("naive", naive, notes(pg, "naive"), chosen.intents, chosen.crashes),
        ):
            end = run(pg, paid, place, Path(at), target, budget=cap * PRICE, **sizes, crashes=crashes, seed=chosen.seed)
            sys.stdout.write(
                f"{title}: {chosen.kernels} x {chosen.intents} intents, {end.kills} kernels and {end.crashes} servers killed, "
                f"{end.seconds:.0f} s: {sum(end.charges.values())} charges (cap {cap}), {end.duplicates} duplicates, {dict(end.states)}\n"
            )
            sys.stdout.flush()
