"""Whose process a row belongs to, and when it counts as left behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.claims import claim

from seedance_nb._ledger import process as process_module
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.process import QUIET_S, is_gone, this_process
from seedance_nb._ledger.row import State

SAY = [sys.executable, "-c", "from seedance_nb._ledger.process import this_process; print(this_process())"]
ASK = [
    sys.executable,
    "-c",
    "import sys; from seedance_nb._ledger.process import is_gone; print(is_gone(*sys.argv[1:]))",
]
NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
HOST = ["unshare", "--user", "--map-root-user", "--uts", "sh", "-c", 'hostname pod-1 && exec "$@"', "sh"]


def changed(**fields: str) -> str:
    """This process's own text with other words in it."""
    names = ("host", "machine", "boot", "namespace", "pid", "started")
    return "|".join((dict(zip(names, this_process().split("|"), strict=True)) | fields).values())


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode and command[0] == "unshare":
        pytest.skip(f"no namespaces may be made here: {done.stderr[:80]}")
    assert not done.returncode, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = process_module._text
    monkeypatch.setattr(process_module, "_text", lambda path: "0123" if path == "/etc/machine-id" else real(path))


def test_a_living_process_is_not_gone_however_long_it_is_quiet() -> None:
    assert not is_gone(this_process(), 10 * QUIET_S)


def test_a_process_id_that_was_given_away_since_is_recognised_by_its_start() -> None:
    assert is_gone(changed(started="1"))
    assert is_gone(changed(pid="1"))


@pytest.mark.parametrize("where", [{"host": "pod-2"}, {"namespace": "pid:[1]"}, {"boot": "b", "machine": "other"},
                                   {"boot": "b", "machine": ""}])  # fmt: skip
def test_a_process_that_cannot_be_seen_counts_as_gone_once_it_was_quiet_for_long(where: dict[str, str]) -> None:
    assert not is_gone(changed(**where), QUIET_S - 1)
    assert is_gone(changed(**where), QUIET_S + 1)


def test_a_process_from_before_this_machine_was_started_is_gone_at_once() -> None:
    assert is_gone(changed(boot="before"))


def test_a_text_of_an_earlier_version_names_a_process_that_cannot_be_seen() -> None:
    old = f"another-host|{os.getpid()}|1"
    assert (is_gone(old), is_gone(old, QUIET_S + 1)) == (False, True)


@pytest.mark.parametrize("text", ["", "x", "a|b|c", "||", "a|b|c|d||f"])
def test_a_text_that_names_no_process_is_gone(text: str) -> None:
    assert is_gone(text)


@pytest.mark.skipif(not shutil.which("unshare"), reason="no namespaces here")
@pytest.mark.parametrize("world", [NAMESPACE, HOST], ids=["container", "host"])
def test_a_living_kernel_is_not_taken_for_dead_from_another_container_or_host(world: list[str]) -> None:
    assert said(*world, *SAY).split("|")[:4] != this_process().split("|")[:4]
    assert said(*world, *ASK, this_process()) == "False"
    assert said(*ASK, said(*SAY)) == "True"  # the control: one that has ended, in this very world


@pytest.mark.parametrize(
    ("state", "after", "charged"),
    [(State.SENDING, State.UNKNOWN, "unknown"), (State.WAITING, State.UNSENT, "not charged")],
)
def test_a_row_of_a_kernel_elsewhere_is_settled_a_quarter_of_an_hour_after_its_last_change(
    tmp_path: Path, state: State, after: State, charged: str
) -> None:
    clock = [1e9]
    ledger = Ledger(tmp_path / "l.sqlite3", now=lambda: clock[0])
    row, _ = claim(ledger)
    ledger.update(row.seq, owner=changed(host="pod-1"))
    clock[0] += QUIET_S - 1
    ledger.update(row.seq, state=state)
    clock[0] += QUIET_S - 1  # counted from the last change, not from the first
    assert [one.state for one in ledger.rows()] == [state]
    clock[0] += 2
    assert [(one.state, one.charged) for one in ledger.rows()] == [(after, charged)]
    assert ledger.update(row.seq, only_in=(State.WAITING,), state=State.SENDING).state is after
    assert claim(ledger)[1] is (after is State.UNSENT)
