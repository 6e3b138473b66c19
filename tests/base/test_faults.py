"""What this computer lacks is said as it is, with a next step that helps."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import seedance_nb as sd
from seedance_nb._base.faults import lacks_files, local_error

MODEL = "crun/seedance-1.0-pro-t2v"


@pytest.mark.parametrize("name", ["SEEDANCE_LEDGER", "SEEDANCE_OUTPUTS"])
def test_a_home_folder_that_is_not_known_is_named_as_such(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "~nobody-of-this-name/x")
    with pytest.raises(sd.SeedanceError, match="begins with ~ and the home folder is not known") as refused:
        sd.submit(MODEL, prompt="x", simulate=True)
    assert refused.value.next_step.startswith("set the whole path instead of ~")


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/dev/fd").iterdir()]) + 3, hard))
    files = []
    try:
        while True:
            files.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        yield
    finally:
        for file in files:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("no_descriptors")
def test_too_many_open_files_are_named_whatever_a_library_says(tmp_path: Path) -> None:
    session = sd.Session(simulate=True, ledger=tmp_path / "ledger.sqlite3", outputs=tmp_path)
    for call in (session.tasks, lambda: session.submit(MODEL, prompt="x")):
        with pytest.raises(sd.SeedanceError, match="Too many open files") as refused:
            call()
        assert refused.value.next_step.startswith("close what is no longer needed")
        assert refused.value.charged == "not charged"


def test_another_fault_is_not_taken_for_open_files() -> None:
    assert not lacks_files(OSError(2, "No such file or directory"))
    assert "Too many" not in str(local_error(OSError(2, "No such file or directory")))
