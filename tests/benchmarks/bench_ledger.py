"""The ledger at size: `python tests/benchmarks/bench_ledger.py [rows] [--kernels 50]`: CPU and wall of each call, and rows read.

Times depend on the machine and its load; the CPU of this process is the better figure on a busy one.
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.claims import BASE, MODEL, approved, claim
from support.postgres import PROGRAMS, postgres

from seedance_nb import Session
from seedance_nb._check.price import Estimate
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

WORDS = [
    "red",
    "fox",
    "harbour",
    "neon",
    "rain",
    "slow",
    "camera",
    "golden",
    "light",
    "snow",
    "paper",
    "boat",
    "street",
    "dancer",
    "train",
    "window",
]
CHILD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from support.claims import BASE, approved
from seedance_nb._ledger.ledger import Ledger
requests = [approved(f"kernel {sys.argv[3]} request {n}") for n in range(int(sys.argv[4]))]
print("ready", flush=True)
sys.stdin.readline()
begun = time.monotonic()
ledger, cpu = Ledger(sys.argv[1]), time.process_time()
for one in requests:
    assert ledger.claim(one, base_url=BASE, simulated=False)[1]
print(time.monotonic() - begun, time.process_time() - cpu, flush=True)
"""


def fill(path: Path, rows: int) -> None:
    """A ledger with so many finished tasks, four events each, and a journal as long."""
    ledger = Ledger(path)
    first, _ = claim(ledger)
    ledger.update(first.seq, state=State.DONE, accepted=1.0, finished=100.0, credits=12.0)
    ledger.close()
    Path(f"{path}.journal.jsonl").unlink()
    states = ["waiting to be sent", "sending", "queued", "done"]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        names = [name for _, name, *_ in db.execute("PRAGMA table_info(tasks)")]
        row = dict(zip(names, db.execute("SELECT * FROM tasks").fetchone(), strict=True))
        insert = f"INSERT INTO tasks ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
        for seq in range(2, rows + 1):
            words = " ".join(WORDS[(seq * step) % len(WORDS)] for step in range(1, 25))
            body = json.dumps({"input": {"prompt": f"{words} {seq}", "duration": 5, "resolution": "720p"}})
            own = {"seq": seq, "intent": f"{seq:064x}", "digest": f"{seq:064x}", "body": body, "task_id": f"task_{seq}",
                   "created": 1.79e9 + seq * 60, "accepted": 1.79e9 + seq * 60 + 2, "finished": 1.79e9 + seq * 60 + 200,
                   "state": "failed" if seq % 20 == 0 else "done", "estimate": 12.0,
                   "outputs": json.dumps([f"https://cdn.example.com/results/{seq:032x}.mp4"]), "facts": "{}" * 100}  # fmt: skip
            db.execute(insert, tuple((row | own).values()))
            events = [
                (1.79e9 + seq * 60, seq, json.dumps({"state": state, "task_id": own["task_id"]})) for state in states
            ]
            db.executemany("INSERT INTO events (at, task, changes) VALUES (?, ?, ?)", events)
        db.execute("COMMIT")
    Ledger(path).count()  # which writes the journal


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def lap(name: str, work: Callable[[], Any], times: int = 5) -> None:
    """Print the best CPU and wall of a call, its first one's, and the memory that it added."""
    before, took = resident(), []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        took.append(((time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000))
    (cpu, wall), best = took[0], min(took)
    print(
        f"{name:28} first {cpu:8.1f} ms CPU {wall:8.1f} ms; best {best[0]:8.1f} ms CPU {best[1]:8.1f} ms; {resident() - before:+.1f} MB"
    )


def calls(path: Path) -> None:
    session = Session(ledger=path)
    ledger, number, price = session.ledger, iter(range(10**6)), Estimate(unit="credits", amount=12.0)
    lap("open", ledger.count, 1)
    lap("claim", lambda: claim(ledger, f"new {next(number)}", estimate=price))
    lap("claim, same again", lambda: claim(ledger, "new 0"))
    lap("claim with a budget", lambda: claim(ledger, f"new {next(number)}", estimate=price, budget=1e12))
    row = ledger.row(5)
    assert row
    lap("update", lambda: ledger.update(row.seq, progress=5.0))
    lap("row by number", lambda: ledger.row(77))
    lap("row by name", lambda: ledger.row("crun:task_777"))
    lap("tasks()", session.tasks)
    lap("history", lambda: ledger.history(row))
    lap("takes", lambda: ledger.takes(approved("new 1")))

    def search(**wanted: Any) -> Callable[[], Any]:
        return lambda: ledger.search(session.prompt_of, 24, 0, **wanted)

    lap("search, nothing", search())
    lap("search, words", search(words="harbour 7777"))
    lap("search, state and cost", search(state="failed", cost="paid"))
    lap("search, no mark", search(mark="no mark"))
    lap("search, kept", search(mark="kept"))
    lap("search, most expensive", search(sort="most expensive"))
    ledger.close()


def kernels(place: str, count: int, each: int) -> None:
    """Seconds in which so many processes claim at once; they are started before."""
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", CHILD, place, here]
    children = [
        subprocess.Popen([*command, str(n), str(each)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(count)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    begun = time.perf_counter()
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    took = [[float(part) for part in (child.stdout.readline() if child.stdout else "").split()] for child in children]
    wall = time.perf_counter() - begun
    for child in children:
        child.wait(30)
    slowest, cpu = max(one for one, _ in took), sum(one for _, one in took) / count / each
    where = "server" if "://" in place else "file"
    print(
        f"{where}: {count} kernels x {each} claims: {wall:.1f} s ({count * each / wall:.0f} claims/s, {cpu * 1000:.1f} ms CPU each), "
        f"slowest kernel {slowest:.1f} s; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=100_000)
    parser.add_argument("--kernels", type=int, nargs="*", default=[1, 8, 32, 50])
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--at", type=Path, help="a ledger that is filled already, or the place for one")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = chosen.at or Path(folder) / "ledger.sqlite3"
        if not at.exists():
            fill(at, chosen.rows)
        sizes = [
            f"{file.name[len(at.name) :] or 'database'} {file.stat().st_size / 1e6:.0f} MB"
            for file in at.parent.glob(f"{at.name}*")
        ]
        print(f"{chosen.rows:,} rows of {MODEL} at {BASE}; {', '.join(sizes)}; load {os.getloadavg()[0]:.1f}")
        calls(at)
        for many in chosen.kernels:
            kernels(f"{folder}/empty-{many}.sqlite3", many, chosen.each)
    if PROGRAMS.exists():
        with postgres("fsync=on") as server:
            for many in chosen.kernels:
                kernels(server.database(f"kernels_{many}"), many, chosen.each)
