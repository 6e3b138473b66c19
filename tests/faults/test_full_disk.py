"""A ledger that cannot be written sends nothing, keeps what it has, and keeps the id of what was sent just before."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.claims import backend

import seedance_nb as sd
from seedance_nb._check.check import Approved, approve
from seedance_nb._ledger import database
from seedance_nb._ledger import database as home
from seedance_nb._ledger import journal as journal_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

MODEL, BASE = "crun/seedance-2.0-fast-r2v", "https://api.crun.ai"
LEDGER = "ledger.sqlite3"
JOURNAL = f"{LEDGER}.journal.jsonl"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of that kind there")

CHILD = """
import asyncio, json, resource, sys
from pathlib import Path
import seedance_nb as sd
from support.provider import Provider
from seedance_nb._check.check import approve

case, folder = sys.argv[1], Path(sys.argv[2])
model = "crun/seedance-2.0-fast-r2v"
fields = {"reference_images": ["https://example.com/a.png"], "duration": 5}

async def at_once(_):
    await asyncio.sleep(0)

def full(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

provider = Provider()
session = sd.Session(api_key="test-key-0123456789", base_url=provider.url, ledger=folder / "ledger.sqlite3", outputs=folder, sleep=at_once)
for number in range(37):
    approved = approve(sd.spec(model), {"prompt": f"p{number}", **fields})
    session.ledger.claim(approved, base_url=provider.url, simulated=False)
journal = (folder / "ledger.sqlite3.journal.jsonl").stat().st_size
small = {"everything fits": resource.RLIM_INFINITY, "nothing fits": 1, "the journal fits": journal + 4000}
said, when, size = "", *case.split(": ")
if when == "before":
    full(small[size])
else:
    provider.when_charged = lambda: full(small[size])
try:
    session.submit(model, prompt="new", **fields).wait(30)
except sd.SeedanceError as error:
    said = f"{type(error).__name__} {error}"
for _ in range(2):
    try:
        session.submit(model, prompt="new", **fields).wait(1)
    except sd.SeedanceError:
        pass
seen = [row.task_id for row in session.tasks(1000)]
full(resource.RLIM_INFINITY)
print(json.dumps({"charges": len(provider.charges), "said": said, "seen": seen}), flush=True)
import os
os._exit(0)  # as a kernel that is killed
"""


def printed(*command: str) -> str:
    """What a child that can import the tests prints."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ran(case: str, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """What the child said, and the rows that a later start finds."""
    said = printed(sys.executable, "-c", CHILD, case, str(folder))
    ledger = Ledger(folder / LEDGER)
    rows = ledger.rows(1000)
    assert not ledger.trouble
    return json.loads(said), rows


@pytest.mark.parametrize("size", ["nothing fits", "the journal fits"])
def test_on_a_full_disk_nothing_is_sent_and_what_was_there_stays(size: str, tmp_path: Path) -> None:
    said, rows = ran(f"before: {size}", tmp_path)
    assert said["charges"] == 0
    assert said["said"].startswith("LedgerError")
    assert len(said["seen"]) == 37
    assert len(rows) == 37


def test_with_room_on_the_disk_the_same_request_is_sent_once(tmp_path: Path) -> None:
    said, rows = ran("before: everything fits", tmp_path)  # the control
    assert said["charges"] == 1
    assert len(rows) == 38


def test_a_disk_that_fills_up_after_the_sending_leaves_the_id_in_the_journal(tmp_path: Path) -> None:
    said, rows = ran("after: the journal fits", tmp_path)
    assert said["charges"] == 1
    assert "task_1" in said["said"]
    assert "in its journal" in said["said"]
    assert "task_1" in said["seen"]
    assert [(row.task_id, row.state) for row in rows if row.task_id] == [("task_1", State.QUEUED)]
    assert len(rows) == 38


def test_a_disk_that_takes_nothing_after_the_sending_leaves_the_id_in_the_message(tmp_path: Path) -> None:
    said, rows = ran("after: nothing fits", tmp_path)
    assert said["charges"] == 1
    assert "task_1" in said["said"]
    assert [row.state for row in rows].count(State.UNKNOWN) == 1
    assert len(rows) == 38


def approved(prompt: str) -> Approved:
    return approve(sd.spec(MODEL), {"prompt": prompt, "reference_images": ["https://example.com/a.png"], "duration": 5})


def no_room(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_journal_that_cannot_be_written_stops_new_requests_and_not_the_news_of_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    row, _ = ledger.claim(approved("x"), base_url=BASE, simulated=False)
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_flush", no_room)
        with pytest.raises(sd.LedgerError, match="No space left"):
            ledger.claim(approved("y"), base_url=BASE, simulated=False)
        assert ledger.update(row.seq, state=State.QUEUED, task_id="task_9").task_id == "task_9"
    assert len(ledger.rows()) == 1
    ledger.close()
    (tmp_path / LEDGER).unlink()  # by now the journal has been brought up to the database
    assert Ledger(tmp_path / LEDGER).rows()[0].task_id == "task_9"


def test_news_that_only_the_journal_could_take_is_in_the_ledger_at_the_next_start(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    row, _ = ledger.claim(approved("x"), base_url=BASE, simulated=False)
    ledger.close()
    ledger.path.rename(tmp_path / "taken away")
    with pytest.raises(sd.LedgerError, match="is saved in its journal"):
        ledger.update(row.seq, state=State.QUEUED, task_id="task_9")
    assert ledger.rows()[0].task_id == "task_9"
    assert ledger.trouble
    (tmp_path / "taken away").rename(ledger.path)
    later = Ledger(tmp_path / LEDGER)
    found = later.row("crun:task_9")
    assert found is not None
    assert found.state is State.QUEUED
    assert not later.trouble


def test_a_claim_that_could_not_be_committed_leaves_no_trace_that_blocks_the_next_one(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / LEDGER)
    ledger.claim(approved("x"), base_url=BASE, simulated=False)
    before = (tmp_path / JOURNAL).read_bytes()
    books: Any = backend(ledger)
    real = books._db

    class Refusing:
        def execute(self, statement: str, *values: Any) -> Any:
            if statement == "COMMIT":
                no_room()
            return real.execute(statement, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    books._db = Refusing()
    with pytest.raises(sd.LedgerError, match="No space left"):
        ledger.claim(approved("y"), base_url=BASE, simulated=False)
    books._db = real
    assert (tmp_path / JOURNAL).read_bytes() == before
    assert ledger.claim(approved("y"), base_url=BASE, simulated=False)[1]


TABLE = r"""
/dev/sda1 / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/me/local xfs rw 0 0
//box/share /mnt/my\040share cifs rw 0 0
drive /content/drive fuse.drive rw 0 0
drvfs /mnt/c 9p rw 0 0
/dev/sdc1 /media/stick fuseblk rw 0 0
overlay /var/overlay overlay rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("/etc/ledger", False),
        ("/home/me/ledger", True),
        ("/home/me/local/ledger", False),
        ("/homeless/ledger", False),
        ("/mnt/my share/ledger", True),
        ("/content/drive/MyDrive/ledger", True),
        ("/mnt/c/Users/ledger", True),
        ("/media/stick/ledger", False),
        ("/var/overlay/ledger", False),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(path: str, *, remote: bool) -> None:
    assert home.is_remote(Path(path), TABLE) is remote


def test_a_system_without_a_list_of_mounts_counts_as_local() -> None:
    assert not home.is_remote(Path("/x"), "")


def test_a_ledger_on_a_network_file_system_uses_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / LEDGER
    Ledger(path).claim(approved("x"), base_url=BASE, simulated=False)  # made on a local disk, then mounted elsewhere
    monkeypatch.setattr(home, "mounts", lambda: f"server:/x {tmp_path} nfs rw 0 0")
    ledger = Ledger(path)
    ledger.claim(approved("y"), base_url=BASE, simulated=False)
    assert len(ledger.rows()) == 2
    db = backend(ledger)._open()
    assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert db.execute("PRAGMA synchronous").fetchone() == (3,)
    assert {file.name for file in tmp_path.iterdir()} == {LEDGER, JOURNAL}


ROOM = """
import subprocess, sys
from pathlib import Path
from support.claims import claim
import seedance_nb as sd
from seedance_nb._ledger.ledger import Ledger

disk, failed = sys.argv[1], 0
for size in range(8, 248, 16):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk], check=True)
    ledger = Ledger(Path(disk) / "folder" / "ledger.sqlite3")
    try:
        claim(ledger)
    except sd.LedgerError:
        failed += 1
    ledger.close()
    subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
    claim(Ledger(ledger.path), "later")
    subprocess.run(["umount", "-l", disk], check=True)
print(failed)
"""


def test_a_ledger_that_was_begun_on_a_full_disk_works_once_there_is_room(tmp_path: Path) -> None:
    alone = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$1" && umount "$1"', "sh", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(alone, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    assert (
        5 < int(printed("unshare", "-m", sys.executable, "-c", ROOM, str(tmp_path))) < 15
    )  # the control: on some of the disks there was room, on some there was none


def test_a_new_ledger_is_written_without_a_log_that_a_full_disk_could_cut(tmp_path: Path) -> None:
    seen: list[str] = []

    def look(db: Any) -> None:
        db.execute("INSERT INTO events VALUES (0, 0, '{}')")
        seen.extend(file.name for file in tmp_path.iterdir())

    database.build(tmp_path / "new", tmp_path / LEDGER, look)
    assert "new-wal" not in seen
    assert [file.name for file in tmp_path.iterdir()] == ["new"]
