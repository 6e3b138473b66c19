"""What this computer lacks is said as it is, with a next step that helps."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import seedance_nb as sd
from seedance_nb._base import secret
from seedance_nb._base.faults import lacks_files, local_error
from seedance_nb._base.secret import as_secret, mask_keys

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


@pytest.mark.parametrize("name", ["fox.mp4", "fox.gif", "fox.html"])
def test_a_folder_that_does_not_exist_is_named(made: tuple[sd.Session, sd.Video], tmp_path: Path, name: str) -> None:
    video, path = made[1], tmp_path / "missing" / name
    calls: dict[str, Callable[[Path], object]] = {
        ".mp4": video.save, ".gif": lambda path: video.to_gif(path, fps=1), ".html": lambda path: sd.export(video, path),
    }  # fmt: skip
    with pytest.raises(sd.SeedanceError, match="missing does not exist") as refused:
        calls[path.suffix](path)
    assert refused.value.next_step == "create it or choose another, then run it again"
    (tmp_path / "file").touch()
    with pytest.raises(sd.SeedanceError) as refused:
        calls[path.suffix](tmp_path / "file" / name)
    assert refused.value.next_step == "correct this path, then run it again"


def test_another_fault_is_not_taken_for_open_files() -> None:
    assert not lacks_files(OSError(2, "No such file or directory"))
    assert "Too many" not in str(local_error(OSError(2, "No such file or directory")))


@pytest.mark.parametrize("fault", [MemoryError(), OSError(12, "Cannot allocate memory for sk-a-key-of-this-process")])
def test_a_fault_is_reported_without_a_key_where_no_memory_is_left_to_look_for_keys(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_: str) -> None:
        raise MemoryError

    key = as_secret("sk-a-key-of-this-process")
    monkeypatch.setattr(secret, "_forms", no_memory)
    monkeypatch.setattr(secret, "_PATTERNS", {})
    said = str(local_error(fault))
    assert said.startswith(
        "This computer could not do it: " + ("not enough memory" if type(fault) is MemoryError else "OSError")
    )
    assert "sk-a-key" not in said
    assert [mask_keys(text) for text in ("sk-a-key-of-this-process", b"sk-a-key-of-this-process", {"a": "b"})] == [
        "",
        b"",
        {},
    ]
    del key
