"""What the ledger said is written is there after the power was cut, after a kill, and on a full disk."""

import asyncio
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from faults.disk import Dialled, Disk, RecordedOs, vfs
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._base.secret import Secret
from seedance_nb._check.check import Approved, approve, create_request
from seedance_nb._ledger import database, journal
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.repair import salvage
from seedance_nb._ledger.row import State
from seedance_nb._provider.transport import Endpoint
from seedance_nb._task.send import TaskRun, send

MODEL, BASE = "crun/seedance-2.0-fast-r2v", "https://api.crun.ai"
CUTS, TASKS = 200, 60
LEDGER = "ledger.sqlite3"
JOURNAL = f"{LEDGER}.journal.jsonl"


def approved(prompt: str) -> Approved:
    return approve(sd.spec(MODEL), {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5})


def work(ledger: Ledger, disk: Disk) -> None:
    """Tasks whose rows are written three times each; after each time the disk is told what was promised."""
    for number in range(TASKS):
        row, _ = ledger.claim(approved(f"p{number}"), base_url=BASE, simulated=False)
        disk.told((row.seq, State.WAITING, ""))
        ledger.update(row.seq, state=State.QUEUED, task_id=f"task_{number}", accepted=1.0)
        disk.told((row.seq, State.QUEUED, f"task_{number}"))
        ledger.update(row.seq, state=State.DONE, outputs=("https://example.com/v.mp4",), finished=2.0)
        disk.told((row.seq, State.DONE, f"task_{number}"))
        if number % 20 == 19:
            ledger.close()


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> Disk:
    disk, name = Disk(), f"disk {folder}"
    hold = vfs(disk, name)
    recording = RecordedOs(disk)
    with monkeypatch.context() as patch:
        patch.setattr(database, "journal_mode", lambda _: mode)
        patch.setattr(database, "open_connection", lambda path: Dialled(path, name))
        patch.setattr(journal, "os", recording)
        patch.setattr(journal, "_flush", recording.flush)
        ledger = Ledger(folder / LEDGER)
        ledger.rows()
        ledger.close()
        disk.begin(folder)
        work(ledger, disk)
        ledger.close()
    hold.unregister()
    return disk


def moments(disk: Disk, rng: random.Random) -> list[int]:
    return sorted(rng.sample(range(1, len(disk.steps)), CUTS))


ORDER = list(State)


def missing(promises: list[Any], rows: dict[int, tuple[str, str]]) -> int:
    """How many of the promised rows are not there, or not as far on as was promised."""
    last = {seq: (state, task_id) for seq, state, task_id in promises}
    return sum(
        seq not in rows
        or ORDER.index(State(rows[seq][0])) < ORDER.index(state)
        or bool(task_id and rows[seq][1] != task_id)
        for seq, (state, task_id) in last.items()
    )


def in_ledger(folder: Path) -> dict[int, tuple[str, str]]:
    ledger = Ledger(folder / LEDGER)
    rows = {row.seq: (str(row.state), row.task_id) for row in ledger.rows(10**6)}
    ledger.close()
    if ledger.trouble:
        raise sd.LedgerError(ledger.trouble)
    return rows


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_two_hundred_power_cuts_lose_nothing_that_was_promised(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / mode).mkdir()
    disk = recorded(tmp_path / mode, monkeypatch, mode)
    rng = random.Random(mode)
    promised, lost, lost_in_database, lost_in_journal = 0, 0, 0, 0
    for moment in moments(disk, rng):
        folder = tmp_path / "cut"
        promises = disk.cut_at(moment, folder, rng)
        promised += len({seq for seq, *_ in promises})
        entries, _ = journal.read(folder / JOURNAL)
        (folder / "nothing").mkdir()
        found = salvage(folder / "nothing" / LEDGER, folder / JOURNAL)
        assert len(entries) >= len(promises)
        lost_in_journal += missing(promises, {seq: (row["state"], row["task_id"]) for seq, row in found.rows.items()})
        alone = tmp_path / "alone"
        shutil.copytree(folder, alone)
        (alone / JOURNAL).unlink()
        lost_in_database += missing(promises, in_ledger(alone))
        lost += missing(promises, in_ledger(folder))
        for one in (folder, alone):
            shutil.rmtree(one)
    assert promised > CUTS * TASKS / 4
    assert (lost, lost_in_database, lost_in_journal) == (0, 0, 0)


@pytest.mark.parametrize(("mode", "level"), [("WAL", 1), ("WAL", 0), ("DELETE", 0)])
def test_the_same_cuts_do_lose_rows_of_a_database_that_does_not_wait(
    mode: str, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / mode).mkdir()
    asked = database.SYNCHRONOUS
    monkeypatch.setattr(database, "SYNCHRONOUS", dict.fromkeys(asked, level))
    disk = recorded(tmp_path / mode, monkeypatch, mode)
    monkeypatch.setattr(database, "SYNCHRONOUS", asked)
    rng, lost = random.Random(mode), 0
    for moment in moments(disk, rng)[::4]:
        promises = disk.cut_at(moment, tmp_path / "cut", rng)
        (tmp_path / "cut" / JOURNAL).unlink()
        with suppress(sqlite3.Error, sd.SeedanceError):
            lost += missing(promises, in_ledger(tmp_path / "cut"))
            shutil.rmtree(tmp_path / "cut")
            continue
        lost += len(promises)  # damaged
        shutil.rmtree(tmp_path / "cut")
    assert lost > 0


def test_a_journal_makes_good_what_a_database_that_does_not_wait_loses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(database, "SYNCHRONOUS", {"wal": 1, "delete": 3})
        disk = recorded(tmp_path / "x", monkeypatch, "WAL")
    rng, lost = random.Random("both"), 0
    for moment in moments(disk, rng)[::4]:
        promises = disk.cut_at(moment, tmp_path / "cut", rng)
        lost += missing(promises, in_ledger(tmp_path / "cut"))
        shutil.rmtree(tmp_path / "cut")
    assert lost == 0


def test_a_ledger_of_json_dump_cannot_be_read_after_a_power_cut(tmp_path: Path) -> None:
    disk, rows, unreadable = Disk(), dict[str, str](), 0
    for number in range(TASKS):
        rows[f"task_{number}"] = "queued"
        disk.add("cut", "ledger.json", 0)
        disk.add("write", "ledger.json", 0, json.dumps(rows).encode())
        disk.told(number)
    rng = random.Random("json")
    for number, moment in enumerate(sorted(rng.sample(range(2, len(disk.steps)), 40))):
        disk.cut_at(moment, tmp_path / str(number), rng)
        try:
            json.loads((tmp_path / str(number) / "ledger.json").read_bytes())
        except (OSError, ValueError):
            unreadable += 1
    assert unreadable > 20


KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from seedance_nb import spec
from seedance_nb._check.check import approve
from seedance_nb._task.send import TaskRun, send
from seedance_nb._base.secret import Secret
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._check.check import create_request

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
told = {}
document = spec("crun/seedance-2.0-fast-r2v")
fields = {"prompt": "x", "reference_images": ["https://example.com/a.png"], "duration": 5}
whole = approve(document, fields)
for kill in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        ledger = Ledger(folder / "ledger.sqlite3")
        take = kill * 10000
        while True:
            take += 1
            row, is_new = ledger.claim(whole, base_url="https://api.crun.ai", simulated=False, take=take)
            os.write(writing, f"{row.seq} -\\n".encode())
            ledger.update(row.seq, state="queued", task_id=f"task_{take}")
            os.write(writing, f"{row.seq} task_{take}\\n".encode())
    os.close(writing)
    first = os.read(reading, 1).decode() if kill % 2 else ""
    time.sleep(random.uniform(0.005, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading) as lines:
        told |= dict(line.split() for line in (first + lines.read()).splitlines())
ledger = Ledger(folder / "ledger.sqlite3")
rows = {str(row.seq): row.task_id for row in ledger.rows(10**6)}
lost = [seq for seq, task in told.items() if seq not in rows or (task != "-" and rows[seq] != task)]
print(json.dumps({"told": len(told), "lost": lost, "trouble": ledger.trouble}))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_kills_at_any_moment_lose_nothing_that_was_promised(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), "60"], capture_output=True, text=True, check=True, timeout=100
    )
    said = json.loads(done.stdout)
    assert said["told"] >= 30
    assert said["lost"] == []
    assert said["trouble"] == ""


def test_each_request_is_on_the_disk_as_being_sent_when_its_body_arrives(tmp_path: Path) -> None:
    server, seen = Provider(), list[tuple[int, int]]()

    def look() -> None:
        with closing(database.read_only(tmp_path / LEDGER)) as db:
            (rows,) = db.execute("SELECT count(*) FROM tasks WHERE state = 'sending'").fetchone()
        entries, _ = journal.read(tmp_path / JOURNAL)
        last = {entry.task: entry.columns["state"] for entry in entries if "state" in entry.columns}
        seen.append((rows, list(last.values()).count(State.SENDING)))

    server.when_charged = look
    ledger, place = (
        Ledger(tmp_path / LEDGER),
        Endpoint(base_url=server.url, secret=Secret("test-key-0123456789", "crun")),
    )
    flow = TaskRun(spec=sd.spec(MODEL), endpoint=place, ledger=ledger, folder=tmp_path)
    for number in range(30):
        whole = approved(f"p{number}")
        row, _ = ledger.claim(whole, base_url=server.url, simulated=False)
        asyncio.run(send(flow, row, create_request(whole, server.url)))
    server.stop()
    assert len(server.charges) == 30
    assert seen == [(1, 1)] * 30


def test_every_connection_that_the_ledger_opens_is_told_to_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    real = database.open_connection

    def dial(path: Path) -> sqlite3.Connection:
        opened.append(real(path))
        return opened[-1]

    monkeypatch.setattr(database, "open_connection", dial)
    ledger = Ledger(tmp_path / LEDGER)
    levels = []
    for number in range(3):
        ledger.claim(approved(f"p{number}"), base_url=BASE, simulated=False)
        levels += [db.execute("PRAGMA synchronous").fetchone()[0] for db in opened[-1:]]
        ledger.close()
    assert levels == [2, 2, 2]
    with closing(sqlite3.connect(tmp_path / "naive")) as db:
        db.execute("PRAGMA journal_mode = WAL")
        assert db.execute("PRAGMA synchronous = NORMAL").fetchone() is None
        assert db.execute("PRAGMA synchronous").fetchone() != (2,)  # the control
