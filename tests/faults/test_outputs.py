"""Files in the output folder are not trusted: links, folders, leftovers and edited files are distinguished from our own."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faults import media_server as ms
from faults.keeping import Errand, errand
from faults.media_server import MediaServer
from support import media
from support.clips import provider_bytes

import seedance_nb as sd
from seedance_nb._media import inspect
from seedance_nb._task.display.video import video_of
from seedance_nb._task.files import lock_for, part_path, read_extras
from seedance_nb._task.task import Tasks

VIDEO = media.video(frames=96)
PICTURE = media.picture(64, 48)
LAST_FRAME = {"return_last_frame": True}


@pytest.fixture
def server() -> Iterator[MediaServer]:
    made = MediaServer()
    yield made
    made.stop()


def leave(job: Errand, url: str, data: bytes, etag: str = '"one"', size: int = 0) -> Path:
    """A `.part` and its note, as an earlier kernel would have left them."""
    part = part_path(job.flow.folder, job.row, 0)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(data)
    where = hashlib.sha256(url.encode()).hexdigest()
    part.with_name(f"{part.name}.json").write_text(
        json.dumps({"etag": etag, "size": size or len(data), "where": where})
    )
    return part


def test_a_whole_leftover_is_taken_after_one_byte_of_the_same_file(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, url := server.put("/v.mp4", VIDEO))
    leave(job, url, VIDEO)
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert server.ranges() == [f"bytes={len(VIDEO) - 1}-"]
    assert server.given < 1000


@pytest.mark.parametrize("what", ["another version", "another address"])
def test_a_whole_leftover_of_another_file_never_becomes_the_video(
    what: str, server: MediaServer, tmp_path: Path
) -> None:
    job = errand(server, tmp_path, url := server.put("/v.mp4", VIDEO))
    other = media.video(96, 96, frames=96)
    leave(
        job, url if what == "another version" else url + "x", other, '"old"' if what == "another version" else '"one"'
    )
    assert provider_bytes(Path(job.fetch().file)) == VIDEO


def test_a_complete_part_file_is_saved_even_if_its_url_has_expired(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, url := server.put("/v.mp4", VIDEO, ms.status(410)))
    leave(job, url, VIDEO)
    assert provider_bytes(Path(job.fetch().file)) == VIDEO


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
@pytest.mark.parametrize("ending", [".part", ".part.json", ".jpgpart", ".mp4", ".jpg"])
@pytest.mark.parametrize("begun", [0, 300])
def test_a_link_in_the_folder_leads_nowhere(ending: str, begun: int, server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, url := server.put("/v.mp4", VIDEO))
    part = leave(job, url, VIDEO[:begun], size=len(VIDEO))
    victim = tmp_path / "victim"
    victim.write_bytes(part.read_bytes() or b"precious")
    name = part.name.removesuffix(".part")
    planted = part.with_name(name + ending if "part" in ending else name.removeprefix(".").removesuffix("-1") + ending)
    if ending == ".part.json":
        victim.write_bytes(planted.read_bytes())
    before = victim.read_bytes()
    planted.unlink(missing_ok=True)
    planted.symlink_to(victim)
    row = job.fetch()
    assert victim.read_bytes() == before
    assert not Path(row.file).is_symlink()
    assert provider_bytes(Path(row.file)) == VIDEO


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_lock_that_is_a_link_makes_no_file_elsewhere(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    lock_for(job.flow.folder, job.row).symlink_to(tmp_path / "elsewhere")
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert not (tmp_path / "elsewhere").exists()


def test_a_naive_open_writes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    (tmp_path / "link").write_bytes(b"x")
    assert (tmp_path / "victim").read_bytes() == b"x"


def test_a_folder_in_the_way_is_named(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    part = part_path(job.flow.folder, job.row, 0)
    (part / "mine").mkdir(parents=True)
    with pytest.raises(sd.MediaError) as error:
        job.fetch()
    assert part.name in str(error.value)
    assert "Cannot save files" not in str(error.value)
    assert "move what is in the way" in error.value.next_step
    part.joinpath("mine").rmdir()
    part.rmdir()
    assert provider_bytes(Path(job.fetch().file)) == VIDEO


@pytest.mark.usefixtures("real_children")
def test_a_disk_that_fills_up_under_the_poster_is_called_that_and_the_video_is_not_blamed(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The child's own program runs in a wrapper in which no file can be made, as on a full disk.
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, sys\nreal = pathlib.Path.open\n"
        "def full(self, mode='r', *a, **k):\n"
        "    if str(self).endswith('.jpgpart') and mode != 'rb':\n        raise OSError(28, 'No space left on device')\n"
        "    return real(self, mode, *a, **k)\n"
        "pathlib.Path.open = full\n"
    )
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(inspect.__file__).parents[2])]))
        with pytest.raises(
            sd.MediaError, match="could not be saved: the disk is full: No space left on device"
        ) as error:
            job.fetch()
    assert "decoded" not in str(error.value)
    assert len(server.asked) == 1
    assert provider_bytes(Path(job.fetch().file)) == VIDEO


def test_a_poster_that_cannot_be_written_is_an_error_of_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(VIDEO)
    with pytest.raises(OSError, match="No such file") as error:
        inspect.inspect(tmp_path / "v.mp4", tmp_path / "gone" / "p.jpg")
    assert error.value.errno == errno.ENOENT


@pytest.mark.parametrize("how", ["garbage", "link", "nothing"])
def test_a_changed_last_frame_is_downloaded_again(how: str, server: MediaServer, tmp_path: Path) -> None:
    urls = [server.put("/v.mp4", VIDEO), server.put("/f.png", PICTURE)]
    job = errand(server, tmp_path, *urls, fields=LAST_FRAME)
    (one,) = read_extras(job.fetch().beside)
    frame = Path(one.file)
    asked = len(server.asked)
    job.fetch()
    assert len(server.asked) == asked  # the control: what is whole is left alone
    foreign = tmp_path / "foreign.png"
    foreign.write_bytes(PICTURE)
    frame.unlink()
    if how == "garbage":
        frame.write_bytes(b"garbage")
    elif how == "link":
        frame.symlink_to(foreign)
    row = job.fetch()
    said = "had been changed and was renamed to" in repr(video_of(row, "A model", {}))
    assert said is (how != "nothing")
    assert [path for path, _ in server.asked[asked:]] == ["/f.png"]
    assert (frame.read_bytes(), frame.is_symlink()) == (PICTURE, False)
    assert foreign.read_bytes() == PICTURE


def test_a_list_of_tasks_does_not_name_a_file_that_lost_its_bytes(server: MediaServer, tmp_path: Path) -> None:
    row = errand(server, tmp_path, server.put("/v.mp4", VIDEO)).fetch()
    said = {b"": "file is missing or empty; sd.task", VIDEO[:-1]: "was changed; sd.task('crun:task_1').wait()"}
    for content, text in said.items():
        Path(row.file).write_bytes(content)
        assert text in repr(Tasks([row], [""], "here"))
    Path(row.file).write_bytes(VIDEO)
    assert "was changed" not in repr(Tasks([row], [""], "here"))


def test_a_list_of_tasks_is_shown_whatever_the_ledger_says_of_a_file(server: MediaServer, tmp_path: Path) -> None:
    row = errand(server, tmp_path, server.put("/v.mp4", VIDEO)).fetch()
    for facts in ("{", "[]", '{"size": 1}'):
        assert Path(row.file).name in repr(Tasks([replace(row, facts=facts)], [""], "here"))


def test_an_edited_video_is_renamed_and_the_new_name_is_reported(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    file = Path(job.fetch().file)
    for number in (1, 2):
        edited = VIDEO + media.box(b"free", bytes(number))
        file.write_bytes(edited)
        row = job.fetch()
        aside = file.with_stem(f"{file.stem}-changed-{number}")
        assert (provider_bytes(file), aside.read_bytes()) == (VIDEO, edited)
        assert f"had been changed and was renamed to {aside.name}" in repr(video_of(row, "A model", {}))


def test_a_video_that_lost_every_byte_is_simply_fetched_again(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    file = Path(job.fetch().file)
    file.write_bytes(b"")
    job.fetch()
    assert job.files == sorted([file.name, file.with_suffix(".jpg").name])
