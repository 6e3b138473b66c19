"""A ledger knows where it lives: a second name or a copy of it never pays for the same request a second time."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.claims import claim
from support.provider import Provider

import seedance_nb as sd
from seedance_nb._ledger import database as home
from seedance_nb._ledger import ledger as ledger_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

NAME = "ledger.sqlite3"
TESTS = str(Path(__file__).parents[1])
# A person is here to confirm, also where the tests themselves run unattended.
ENVIRONMENT = os.environ | {"CI": "", "PYTHONPATH": os.pathsep.join([TESTS, os.environ.get("PYTHONPATH", "")])}


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    server.on_status = ["running"]
    yield server
    server.stop()


@pytest.fixture
def first(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home" / NAME


KERNEL = """
import sys, time
from pathlib import Path
import seedance_nb as sd
from seedance_nb._ledger import database as home, transaction
if sys.argv[3] == "naive":
    for module in (home, transaction):
        module.require_single_link = module.require_original_file = lambda *_: None
path = Path(sys.argv[2])
session = sd.Session(api_key="test-key-0123456789", base_url=sys.argv[1], ledger=path, outputs=path.parent)
fields = {"prompt": "x", "reference_images": ["https://example.com/a.png"], "duration": 5}
try:
    task = session.submit("crun/seedance-2.0-fast-r2v", **fields)
    while not task.row.task_id:
        time.sleep(0.01)
except sd.LedgerError as error:
    print(error)
print("end", flush=True)
input()
"""


@pytest.fixture
def run_all(provider: Provider) -> Iterator[Callable[..., str]]:
    """What a kernel that uses the ledger by this name says where it runs the paid cell; it lives on until the test ends."""
    kernels: list[subprocess.Popen[str]] = []

    def run(ledger: Path, kind: str = "") -> str:
        kernel = subprocess.Popen(
            [sys.executable, "-c", KERNEL, provider.url, str(ledger), kind],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        kernels.append(kernel)
        assert kernel.stdout is not None
        said = ""
        while (line := kernel.stdout.readline()) != "end\n":
            assert line, f"the kernel ended early: {said}"
            said += line
        return said

    yield run
    for kernel in kernels:
        kernel.communicate("\n", timeout=60)


def linked(first: Path) -> Path:
    other = first.parent.parent / "other.sqlite3"
    other.hardlink_to(first)
    return other


def linked_beside(first: Path) -> Path:
    other = first.with_name("other.sqlite3")
    other.hardlink_to(first)
    return other


def copied(first: Path) -> Path:
    return Path(shutil.copy(first, first.with_name("copy.sqlite3")))


def copied_elsewhere(first: Path) -> Path:
    shutil.copytree(first.parent, first.parent.parent / "copy", ignore=shutil.ignore_patterns("*-wal", "*.jsonl"))
    return first.parent.parent / "copy" / NAME


def renamed_alone(first: Path) -> Path:
    return first.rename(first.with_name("renamed.sqlite3"))


SECOND_NAMES = (linked, linked_beside, copied, copied_elsewhere, renamed_alone)


@pytest.mark.parametrize("second_name", SECOND_NAMES, ids=lambda make: make.__name__)
def test_a_request_is_charged_once_however_the_ledger_is_named(
    provider: Provider, run_all: Callable[..., str], first: Path, second_name: Callable[[Path], Path]
) -> None:
    assert run_all(first) == ""
    other = second_name(first)
    told = run_all(other)
    assert len(provider.charges) == 1
    assert "sends nothing" in told
    assert "Nothing was charged." in told
    assert f"run sd.repair_ledger({str(other)!r})" in told


@pytest.mark.parametrize("second_name", SECOND_NAMES, ids=lambda make: make.__name__)
def test_a_naive_ledger_is_charged_twice_by_a_second_name(
    provider: Provider, run_all: Callable[..., str], first: Path, second_name: Callable[[Path], Path]
) -> None:
    assert run_all(first, "naive") == ""
    assert run_all(second_name(first), "naive") == ""
    assert len(provider.charges) == 2


def test_a_link_that_is_made_later_stops_new_requests_through_both_names_until_it_is_gone(
    first: Path,
) -> None:
    ledger = Ledger(first)
    row, _ = claim(ledger)
    other = linked(first)
    for path in (first, other):
        with pytest.raises(sd.LedgerError, match=r"2 names[\s\S]*delete the other name"):
            claim(Ledger(path), "another")
    assert ledger.update(row.seq, state=State.QUEUED, task_id="task_1").task_id == "task_1"  # what was paid is written
    assert not claim(ledger)[1]  # and the same request is still the same task
    assert claim(ledger, "free", simulated=True)[1]
    with pytest.raises(sd.LedgerError, match="sends nothing"):
        Ledger(other).update(row.seq, state=State.DONE)
    other.unlink()
    assert claim(ledger, "another")[1]


def test_a_copy_is_the_ledger_once_a_person_says_so_and_then_the_first_goes_on_as_well(first: Path) -> None:
    ledger = Ledger(first)
    claim(ledger)
    ledger.close()
    copy = copied_elsewhere(first)
    assert not claim(Ledger(copy))[1]
    assert claim(Ledger(copy), "free", simulated=True)[1]
    with pytest.raises(sd.LedgerError, match=r"copied, restored or renamed from .*home"):
        claim(Ledger(copy), "another")
    sd.repair_ledger(str(copy))
    assert claim(Ledger(copy), "another")[1]
    assert not claim(Ledger(copy))[1]
    assert claim(ledger, "a third")[1]


def test_a_link_becomes_a_file_of_its_own_by_the_repair_that_the_message_names(first: Path) -> None:
    claim(Ledger(first))
    other = linked(first)
    sd.repair_ledger(first)
    assert claim(Ledger(first), "another")[1]
    with pytest.raises(sd.LedgerError, match="sends nothing"):
        claim(Ledger(other), "another")


def moved_folder(first: Path) -> Path:
    return first.parent.rename(first.parent.with_name("moved")) / NAME


def moved_and_begun_anew(first: Path) -> Path:
    path = moved_folder(first)
    first.parent.mkdir()
    claim(Ledger(first), "of another project")
    return path


def moved_to_another_file_system(first: Path) -> Path:
    """At the same path, as a new computer or a restored backup has it."""
    aside = first.parent.rename(first.parent.with_name("aside"))
    shutil.copytree(aside, first.parent)
    shutil.rmtree(aside)
    return first


def linked_folder(first: Path) -> Path:
    (first.parent.parent / "link").symlink_to(first.parent)
    return first.parent.parent / "link" / NAME


def linked_softly(first: Path) -> Path:
    (first.parent.parent / "link.sqlite3").symlink_to(first)
    return first.parent.parent / "link.sqlite3"


@pytest.mark.parametrize(
    "move",
    [moved_folder, moved_and_begun_anew, moved_to_another_file_system, linked_folder, linked_softly],
    ids=lambda make: make.__name__,
)
def test_a_ledger_that_moved_with_its_folder_is_no_wall(first: Path, move: Callable[[Path], Path]) -> None:
    ledger = Ledger(first)
    claim(ledger)
    ledger.close()
    path = move(first)
    assert not claim(Ledger(path))[1]
    assert claim(Ledger(path), "another")[1]
    assert claim(Ledger(path), "and another")[1]


def test_an_older_copy_that_is_put_back_is_reported_once_because_a_new_disk_looks_the_same(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(first)
    claim(ledger)
    ledger.close()
    claim(Ledger(first), "again")
    sd.repair_ledger(first)
    claim(Ledger(first), "after a repair")
    assert caplog.messages == []
    moved_to_another_file_system(first)
    for _ in range(2):
        claim(Ledger(first), "another")
    (told,) = caplog.messages
    assert told.startswith(
        f"the ledger {first} was replaced since it was last used: if an older copy of it was put back"
    )
    assert caplog.records[0].levelname == "WARNING"


def test_two_spellings_that_the_system_takes_for_one_are_one_ledger(
    first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As upper and lower case on macOS, or a folder that is mounted at two paths.
    claim(Ledger(first))
    other = linked_folder(first)
    monkeypatch.setattr(ledger_module, "real_path", lambda path: path)
    assert not claim(Ledger(other))[1]
    assert claim(Ledger(other), "another")[1]
    assert claim(Ledger(first), "a third")[1]


def test_a_folder_that_is_moved_under_a_running_kernel_begins_no_second_ledger(first: Path) -> None:
    ledger = Ledger(first)
    claim(ledger)
    path = moved_folder(first)
    with pytest.raises(sd.LedgerError, match="moved or renamed while this kernel used it"):
        claim(ledger)
    assert not first.parent.exists()
    path.parent.rename(first.parent)
    assert not claim(ledger)[1]
    assert claim(ledger, "another")[1]


def test_a_ledger_of_an_earlier_format_with_two_names_is_not_written_by_either(first: Path) -> None:
    ledger = Ledger(first)
    claim(ledger)
    ledger.close()
    with closing(sqlite3.connect(first, isolation_level=None)) as db:
        for statement in ("ALTER TABLE identity DROP COLUMN home", "DROP INDEX by_intent", "DROP INDEX events_by_task",
                          "PRAGMA user_version = 6"):  # fmt: skip
            db.execute(statement)
    other = linked(first)
    for path in (first, other):
        with pytest.raises(sd.LedgerError, match="2 names"):
            claim(Ledger(path))
        assert Ledger(path).count() == 1
    other.unlink()
    assert not claim(Ledger(first))[1]


CHILD = """
import sys
from pathlib import Path
from support.claims import claim
from seedance_nb._ledger.ledger import Ledger
claim(Ledger(Path(sys.argv[1])), sys.argv[2])
"""


def in_another_kernel(path: Path, prompt: str, *around: str) -> subprocess.CompletedProcess[str]:
    """A kernel that claims a request and ends, perhaps with commands around it."""
    return subprocess.run(
        [*around, sys.executable, "-c", CHILD, str(path), prompt],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_kernel_that_ends_leaves_every_row_in_the_file_itself(first: Path) -> None:
    assert in_another_kernel(first, "x").returncode == 0
    assert not first.with_name(f"{NAME}-wal").exists()
    with closing(sqlite3.connect(f"file:{first}?immutable=1", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (1,)


MOUNTED = """
/dev/sda1 / ext4 rw 0 0
/dev/sda1 /data/ledger.sqlite3 ext4 rw 0 0
/dev/sda1 /my\\040data/l\\303\\244dger.sqlite3 ext4 rw 0 0
/dev/sda1 /mnt/data ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "alone"),
    [("/data/ledger.sqlite3", True), ("/my data/lädger.sqlite3", True), ("/mnt/data/ledger.sqlite3", False),
     ("/data/ledger", False), ("/ledger.sqlite3", False)],
)  # fmt: skip
def test_a_file_that_is_mounted_alone_is_known_by_the_list_of_mounts(path: str, *, alone: bool) -> None:
    assert home.is_mount_point(Path(path), MOUNTED) is alone


def test_a_file_that_a_container_mounts_alone_sends_nothing(first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(first)
    claim(ledger)
    monkeypatch.setattr(home, "mounts", lambda: f"/dev/sda1 {first} ext4 rw 0 0")
    with pytest.raises(sd.LedgerError, match=r"mounted as a single file[\s\S]*mount its folder"):
        claim(Ledger(first))
    with pytest.raises(sd.LedgerError, match="mounted as a single file"):
        claim(ledger, "another")
    assert Ledger(first).count() == 1


def test_a_file_that_is_really_mounted_alone_sends_nothing_through_its_second_name(first: Path) -> None:
    mount = ("unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh")
    claim(Ledger(first))
    other = first.parent.parent / "mounted" / "l.sqlite3"
    other.parent.mkdir()
    other.touch()
    paths = (str(first), str(other))
    if (
        not shutil.which("unshare")
        or subprocess.run([*mount, *paths, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine lets nobody mount a file")
    done = in_another_kernel(other, "x", *mount, *paths)
    assert done.returncode == 1
    assert "mounted as a single file" in done.stderr
    folders = (str(first.parent), str(other.parent))
    assert in_another_kernel(other.with_name(NAME), "x", *mount, *folders).returncode == 0  # its folder is no trouble
    assert in_another_kernel(other.with_name(NAME), "another", *mount, *folders).returncode == 0
    assert Ledger(first).count() == 2
