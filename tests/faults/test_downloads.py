"""No wrong or incomplete file ever gets a final name, whatever a file server does; what can be recovered is, to the last byte."""

import errno
import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from faults import media_server as ms
from faults.keeping import TOTAL_S, errand, naive
from faults.media_server import MediaServer, Step
from support import media
from support.clips import provider_bytes
from support.waiting import until

import seedance_nb as sd
from seedance_nb._media.sniff import read_facts
from seedance_nb._task.display.video import video_html, video_of
from seedance_nb._task.files import read_extras
from seedance_nb._task.task import Tasks
from seedance_nb._web import download as download_module

VIDEO = media.longer(media.video(frames=96), 300_000)
SHA256 = hashlib.sha256(VIDEO).hexdigest()

# The index in front: nobody notices by a missing index that its end is cut off.
IN_FRONT = media.video(frames=96, movflags="faststart") + media.box(b"free", bytes(1000))
IN_PIECES = media.video(frames=96, movflags="frag_keyframe+empty_moov+default_base_moof")
IN_PIECES_WITHOUT_END = media.video(frames=96, movflags="frag_keyframe+empty_moov+skip_trailer")
CONTAINERS = {"front": IN_FRONT, "pieces": IN_PIECES, "pieces without an end": IN_PIECES_WITHOUT_END}

# What the server does, one step per request -> "kept", or what the error says. `cut` is drawn anew in each round.
TABLE: dict[str, tuple[list[Step], str]] = {
    "closes at once": ([ms.close, ms.whole], "kept"),
    "resets in the body": ([ms.reset, ms.whole], "kept"),
    "hangs in the body": ([ms.hang, ms.whole], "kept"),
    "half a body, then the rest": ([ms.half, ms.whole], "kept"),
    "a third, two thirds, the rest": ([ms.half, ms.half, ms.whole], "kept"),
    "half a body without a version": ([ms.half_unnamed, ms.whole], "kept"),
    "half a body of a weak version": ([ms.half_weak, ms.whole], "kept"),
    "half a body of an older version": ([ms.half_other, ms.whole], "kept"),
    "chunks that are cut off": ([ms.chunked_cut, ms.whole], "kept"),
    "cut off without a length": ([ms.endless_end, ms.whole], "kept"),
    "cut off with a length that agrees": ([ms.too_short, ms.whole], "kept"),
    "a length that is too long": ([ms.too_long, ms.whole], "kept"),
    "half, then ranges are ignored": ([ms.half, ms.no_ranges], "kept"),
    "half, then another version": ([ms.half, ms.renamed], "kept"),
    "half, then another part": ([ms.half, ms.shifted], "kept"),
    "half, then another size": ([ms.half, ms.resized], "kept"),
    "half, then 416": ([ms.half, ms.status(416), ms.whole], "kept"),
    "a part that nobody asked for": ([ms.unasked, ms.whole], "kept"),
    "a maintenance page once": ([ms.html, ms.whole], "kept"),
    "a server error once": ([ms.status(503), ms.whole], "kept"),
    "no length, and all there": ([ms.unsized], "kept"),
    "403, then a fresh address": ([ms.status(403), ms.whole], "kept"),
    "401, then a fresh address": ([ms.status(401), ms.whole], "kept"),
    "410 for ever": ([ms.status(410)], "its URL has not worked since"),
    "404 for ever": ([ms.status(404)], "its URL has not worked since"),
    "cut off for ever": ([ms.endless_end], "the download cannot be used"),
    "too long for ever": ([ms.too_long], "kept"),
    "a part, for ever": ([ms.unasked], "HTTP 206"),
    "a page for ever": ([ms.html], "it is an HTML page, not an image, video or audio file"),
    "silence": ([ms.silence], "(ReadTimeout)"),
    "compressed": ([ms.zipped], "kept"),
    "a compressed bomb": ([ms.bomb], "it is larger than 2.0 MB"),
    "headers without end": ([ms.header_flood], "(RemoteProtocolError)"),
    "a body without end": ([ms.endless], "it is larger than 2.0 MB"),
    "ten gigabytes": ([ms.vast], "it is larger than 2.0 MB"),
    "dripping": ([ms.drip], "less than 1,000 bytes per second"),
    "dripping headers": ([ms.drip_head], f"did not send it within {TOTAL_S:g} s"),
    "a redirect in circles": ([ms.to("/v.mp4")], "redirects too many times"),
    "a redirect inwards": ([ms.to("https://127.0.0.1:1/v.mp4")], "is not on the public internet"),
}
CUT = [name for name, (steps, _) in TABLE.items() if {ms.half, ms.reset, ms.hang, ms.half_unnamed, ms.half_weak, ms.half_other,
       ms.chunked_cut, ms.endless_end, ms.too_short, ms.unasked} & set(steps)]  # fmt: skip
ROUNDS = [(name, round_) for name in TABLE for round_ in range(5 if name in CUT[:12] else 1)]


@pytest.fixture
def server() -> Iterator[MediaServer]:
    made = MediaServer()
    yield made
    made.stop()


def test_the_table_holds_twelve_faults_that_are_drawn_five_times() -> None:
    assert len(CUT) >= 12


@pytest.mark.parametrize(("name", "draw"), ROUNDS)
def test_a_file_is_whole_or_not_there(name: str, draw: int, server: MediaServer, tmp_path: Path) -> None:
    steps, outcome = TABLE[name]
    film = (VIDEO, IN_FRONT, IN_PIECES)[draw % 3]
    server.cut = random.Random(f"{name}{draw}").randrange(1, len(film) - 1)
    job = errand(server, tmp_path, server.put("/v.mp4", film, *steps))
    if outcome == "kept":
        row = job.fetch()
        sha256 = hashlib.sha256(film).hexdigest()
        assert (provider_bytes(Path(row.file)) == film, row.sha256, row.dead) == (True, sha256, None)
        assert job.files == sorted([Path(row.file).name, Path(row.file).with_suffix(".jpg").name])
    else:
        with pytest.raises(sd.MediaError) as error:
            job.fetch()
        assert outcome in str(error.value)
        assert error.value.task == "crun:task_1"
        assert "127.0.0.1:" not in str(error.value)
        assert [name for name in job.files if not name.startswith(".")] == []
        assert (job.now.state, job.now.file, job.now.outputs) == ("done", "", (f"{server.origin}/v.mp4",))


def ends(data: bytes) -> list[int]:
    """Where a cut leaves whole boxes, with pictures behind the first of them."""
    return [end for kind, _, end in media.outer(data) if kind == b"mdat" and end < len(data)]


@pytest.mark.parametrize("step", [ms.endless_end, ms.too_short], ids=["without a length", "with a length that agrees"])
@pytest.mark.parametrize("form", CONTAINERS)
def test_a_cut_between_two_boxes_is_not_taken_for_the_end(
    form: str, step: Step, server: MediaServer, tmp_path: Path
) -> None:
    whole = CONTAINERS[form]
    cuts = sorted({*ends(whole)[:-1], *random.Random(form).sample(range(1, len(whole)), 3)})
    for number, cut in enumerate(cuts):
        server.cut = cut
        job = errand(server, tmp_path / str(number), server.put("/v.mp4", whole, step, ms.whole))
        row = job.fetch()
        assert provider_bytes(Path(row.file)) == whole, cut
        assert len(job.files) == 2


def test_a_player_takes_a_file_that_was_cut_between_two_pieces(tmp_path: Path) -> None:
    """The control of the test above."""
    (tmp_path / "v.mp4").write_bytes(IN_PIECES[: ends(IN_PIECES)[2]])
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert 0 < sum(1 for _ in container.decode(video=0)) < 96


def test_a_video_that_really_is_short_is_saved_with_a_remark(server: MediaServer, tmp_path: Path) -> None:
    short = media.video(frames=24)
    job = errand(server, tmp_path, server.put("/v.mp4", short))
    row = job.fetch()
    assert (provider_bytes(Path(row.file)), len(server.asked)) == (short, 2)
    shown = repr(video_of(row, "A model", {"seconds": 4}))
    assert "differs from the request: requested 4 s, got 1 s" in shown
    assert "it is 1 s long instead of the requested 4 s" in shown


def test_a_video_without_a_marked_end_is_saved_with_a_remark(server: MediaServer, tmp_path: Path) -> None:
    server.cut = ends(IN_PIECES)[-3]
    job = errand(server, tmp_path, server.put("/v.mp4", IN_PIECES, ms.endless_end))
    row = job.fetch()
    assert len(server.asked) == 2
    assert "so the end may be missing" in video_html(video_of(row, "A model", {}), "v.mp4")


def test_a_video_of_the_requested_duration_is_downloaded_once(server: MediaServer, tmp_path: Path) -> None:
    row = errand(server, tmp_path, server.put("/v.mp4", IN_PIECES_WITHOUT_END)).fetch()
    assert provider_bytes(Path(row.file)) == IN_PIECES_WITHOUT_END
    assert len(server.asked) == 1
    assert (facts := read_facts(row.facts))
    assert facts.remark == ""


def test_a_naive_client_leaves_short_and_wrong_files(server: MediaServer, tmp_path: Path) -> None:
    wrong = []
    for name, (steps, _) in TABLE.items():
        if name.startswith(("silence", "dripping")):
            continue  # it would wait for hours
        server.cut = len(VIDEO) // 2
        naive(server.put("/v.mp4", VIDEO, steps[0]), tmp_path / "v.mp4", httpx.stream)
        if (tmp_path / "v.mp4").read_bytes() != VIDEO:
            wrong.append(name)
    assert len(wrong) >= 20


def test_an_interrupted_download_resumes_where_it_ended(server: MediaServer, tmp_path: Path) -> None:
    server.cut = 100_000
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.half, ms.whole))
    job.fetch()
    assert server.ranges() == ["", "bytes=100000-"]
    assert server.asked[1][1]["if-range"] == '"one"'
    assert server.given < len(VIDEO) + 1000


def test_a_download_that_was_given_up_is_gone_on_with_the_next_time(server: MediaServer, tmp_path: Path) -> None:
    server.cut = 100_000
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.half, ms.status(500)))
    with pytest.raises(sd.MediaError, match="HTTP 500"):
        job.fetch()
    assert len(job.files) == 2  # the beginning, and what it is the beginning of
    server.plans["/v.mp4"] = [ms.whole]
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    assert server.ranges()[-1] == "bytes=100000-"


def test_a_beginning_is_not_gone_on_with_at_another_address(server: MediaServer, tmp_path: Path) -> None:
    server.cut = 100_000
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.half, ms.status(403)))
    other = media.longer(media.video(64, 64, frames=24), 320_000)
    server.outputs = [server.put("/fresh.mp4", other)]
    assert provider_bytes(Path(job.fetch().file)) == other
    assert server.looks == 1


def test_only_one_look_asks_for_a_fresh_address(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.status(410)))
    told = []
    for _ in range(2):
        with pytest.raises(sd.MediaError) as error:
            job.fetch()
        told.append(str(error.value))
    assert (server.looks, len(server.asked)) == (2, 4)
    assert told[0] == told[1]  # also the time since when
    assert "The provider may charge for this task" in told[0]
    assert "contact crun and quote the task id task_1" in told[0]
    assert job.now.state == "done"
    assert "its URL has not worked since 20" in repr(Tasks([job.now], [""], "here"))


def test_an_address_that_works_again_is_no_longer_called_dead(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.status(403), ms.status(403), ms.whole))
    with pytest.raises(sd.MediaError, match="not worked since"):
        job.fetch()
    assert job.now.dead
    assert job.fetch().dead is None


def test_a_missing_file_is_reported_and_downloaded_again(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    assert "not downloaded yet; sd.task('crun:task_1').wait() downloads it" in repr(Tasks([job.now], [""], "here"))
    row = job.fetch()
    assert Path(row.file).name in repr(Tasks([row], [""], "here"))
    Path(row.file).unlink()
    assert "file is missing or empty; sd.task('crun:task_1').wait() downloads it again" in repr(
        Tasks([row], [""], "here")
    )
    assert provider_bytes(Path(job.fetch().file)) == VIDEO
    server.plans["/v.mp4"] = [ms.status(410)]
    Path(row.file).unlink()
    with pytest.raises(sd.MediaError, match="not worked since"):
        job.fetch()
    assert "not worked since" in repr(Tasks([job.now], [""], "here"))


def test_no_more_than_the_bound_and_one_chunk_lands_on_disk(server: MediaServer, tmp_path: Path) -> None:
    longest = 0

    def clock() -> float:
        nonlocal longest
        longest = max([longest, *(path.stat().st_size for path in (tmp_path / "out").glob(".*.part"))])
        return 0.0

    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, ms.endless), clock=clock)
    with pytest.raises(sd.MediaError, match=r"larger than 2\.0 MB"):
        job.fetch()
    assert 1_900_000 < longest <= 2_000_000 + 65_536
    assert job.files == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_keeps_the_id_and_no_part(
    number: int, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(answer: Any, file: Any, end: int, _: Any) -> int:
        async for chunk in answer.aiter_raw():
            file.write(chunk)
            raise OSError(number, "No room")
        return end

    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO))
    with monkeypatch.context() as patch:
        patch.setattr(download_module, "_write", full)
        with pytest.raises(sd.MediaError, match="the disk is full") as error:
            job.fetch()
    assert "free some space" in error.value.next_step
    assert "sd.task('crun:task_1').wait()" in error.value.next_step
    assert job.files == []
    assert (job.now.task_id, job.now.outputs) == ("task_1", (f"{server.origin}/v.mp4",))
    assert len(server.asked) == 1
    assert provider_bytes(Path(job.fetch().file)) == VIDEO


def test_a_disk_that_is_too_small_is_seen_before_it_is_filled(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO), free=lambda _: len(VIDEO))
    with pytest.raises(sd.MediaError, match=r"it is 0\.\d MB, and only 0\.\d MB are free in"):
        job.fetch()
    assert job.files == []


def child(script: str, server: MediaServer) -> "subprocess.Popen[str]":
    begin = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\nimport seedance_nb as sd, asyncio\n"
    made = f"session = sd.Session(api_key='a-key-for-the-test', base_url={server.origin!r})\n"
    command = [sys.executable, "-c", begin + made + script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done_task(server: MediaServer, tmp_path: Path, *steps: Step) -> sd.Session:
    """A session in which the task is done and its video still to be fetched, under the names that a child uses too."""
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, *steps))
    job.flow.ledger.close()
    return sd.Session(api_key="a-key-for-the-test", base_url=server.origin)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_file_system_is_reported_by_its_own_error(server: MediaServer, tmp_path: Path) -> None:
    session = done_task(server, tmp_path)
    script = (
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n    session.task('crun:task_1').wait(20)\nexcept sd.MediaError as error:\n    print(error)\n"
    )
    said, _ = child(script, server).communicate(timeout=30)
    assert "could not be saved: the disk is full: File too large" in said
    assert [path.name for path in session.outputs.iterdir()] == []
    assert provider_bytes(session.task("crun:task_1").wait(20).path) == VIDEO


@pytest.mark.skipif(sys.platform == "win32", reason="ends its child with a signal")
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGINT"])
def test_a_download_resumes_after_its_kernel_was_ended(ending: str, server: MediaServer, tmp_path: Path) -> None:
    server.cut = 200_000
    session = done_task(server, tmp_path, ms.hang, ms.whole)
    begun = child("session.task('crun:task_1').wait()", server)
    parts = session.outputs
    until(lambda: sum(part.stat().st_size for part in parts.glob(".*.part")) > 190_000)
    begun.send_signal(signal.Signals[ending])
    begun.communicate(timeout=30)
    assert len(list(parts.glob(".*.part"))) == 1
    assert provider_bytes(session.task("crun:task_1").wait(20).path) == VIDEO
    begin = int(server.ranges()[-1].removeprefix("bytes=").removesuffix("-"))
    assert 190_000 < begin <= 200_000
    assert list(parts.glob(".*")) == []


def test_two_kernels_fetch_one_video_once(server: MediaServer, tmp_path: Path) -> None:
    session = done_task(server, tmp_path)
    script = "print(session.task('crun:task_1').wait(30).row.sha256)"
    both = [child(script, server) for _ in range(3)]
    assert [one.communicate(timeout=60)[0].strip() for one in both] == [SHA256] * 3
    assert len(server.asked) == 1
    assert len(list(session.outputs.iterdir())) == 2  # the video and its poster


PICTURE = media.picture(64, 48)
SOUND = media.wav(1)


def test_every_result_is_saved_under_a_name_of_our_own(server: MediaServer, tmp_path: Path) -> None:
    second = media.longer(media.video(frames=12), 1000)
    urls = [
        server.put("/a", PICTURE),
        server.put("/c.mp4", VIDEO),
        server.put("/b", second) + "?name=../../evil.mp4",
        server.put("/d", SOUND),
    ]
    job = errand(server, tmp_path, *urls, fields={"return_last_frame": True})
    row = job.fetch()
    stem = Path(row.file).stem
    assert job.files == sorted(
        [f"{stem}.mp4", f"{stem}.jpg", f"{stem}-last-frame.png", f"{stem}-3.mp4", f"{stem}-4.wav"]
    )
    beside = read_extras(row.beside)
    assert [(one.place, one.kind, one.fault) for one in beside] == [
        (0, "image", ""),
        (2, "video", ""),
        (3, "audio", ""),
    ]
    assert [one.sha256 for one in beside] == [hashlib.sha256(data).hexdigest() for data in (PICTURE, second, SOUND)]
    asked = len(server.asked)
    job.fetch()
    assert len(server.asked) == asked


def test_two_pictures_get_two_names(server: MediaServer, tmp_path: Path) -> None:
    other = media.picture(32, 32)
    urls = [server.put("/v.mp4", VIDEO), server.put("/a", PICTURE), server.put("/b", other)]
    row = errand(server, tmp_path, *urls, fields={"return_last_frame": True}).fetch()
    names = [Path(one.file).read_bytes() for one in read_extras(row.beside)]
    assert names == [PICTURE, other]


def test_an_address_with_odd_signs_is_fetched_all_the_same(server: MediaServer, tmp_path: Path) -> None:
    server.put("/a%20fox%20%E9%9B%AA.mp4", VIDEO)
    row = errand(server, tmp_path, f"{server.origin}/a fox 雪.mp4?sign=a|b c").fetch()
    assert provider_bytes(Path(row.file)) == VIDEO


def spoilt(picture: bytes) -> bytes:
    at = picture.index(b"IDAT") + 6
    return picture[:at] + bytes(9) + picture[at + 9 :]


BESIDE: dict[str, tuple[bytes, list[Step], str]] = {
    "gone": (b"", [ms.status(404)], "HTTP 404"),
    "a page": (b"", [ms.html], "not an image"),
    "a picture that is cut": (PICTURE[:-1], [ms.whole], "it is cut off"),
    "a picture with other pixels": (spoilt(PICTURE), [ms.whole], "cannot be decoded"),
    "a photo that is cut": (media.picture(form="JPEG")[:-1], [ms.whole], "it is cut off"),
    "a picture of a bomb's size": (media.picture(9000, 9000, mode="1"), [ms.whole], "cannot be decoded"),
    "a sound that is cut": (SOUND[:-1], [ms.whole], "it is cut off"),
    "a drawing": (media.picture(form="TIFF"), [ms.whole], "it is tiff, which is not supported"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_failed_additional_result_is_reported_and_never_loses_the_video(
    name: str, server: MediaServer, tmp_path: Path
) -> None:
    data, steps, why = BESIDE[name]
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO), server.put("/beside.png", data, *steps))
    row = job.fetch()
    assert provider_bytes(Path(row.file)) == VIDEO
    (one,) = read_extras(row.beside)
    assert why in one.fault
    assert (one.file, one.dead) == ("", name == "gone")
    assert len(job.files) == 2
    asked = len(server.asked)
    job.fetch()
    assert (len(server.asked) == asked) is one.dead  # what is gone for good is not asked for at every look


def test_results_without_a_video_are_saved_and_reported(server: MediaServer, tmp_path: Path) -> None:
    job = errand(server, tmp_path, server.put("/a.png", PICTURE))
    with pytest.raises(sd.MediaError, match="the results contain no video"):
        job.fetch()
    (one,) = read_extras(job.now.beside)
    assert Path(one.file).read_bytes() == PICTURE


NAMES = [
    "../../evil", "..", "/etc/passwd", "C:\\evil", "CON", "nul.mp4", "a/b", "a\\b", "evil\0.mp4", "~", "~root", ".hidden", "-rf", "a" * 500,
    "%2e%2e%2fevil", "..%2f..%2fevil", "evil;rm", "$(id)", "`id`", "evil\nname", "évil", "雪", "\u202eevil", "name.", "name ", " name",
    "file:///etc/passwd", "//host/share", "\\\\host\\share", "aux.mp4:stream", "a?b", "a*b", "a|b", "a<b>", 'a"b', "LPT1", "com1.png",
    "....//....//evil", "evil.mp4/..", "\ud83e",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_no_name_or_id_of_anybody_else_becomes_a_files_name(name: str, server: MediaServer, tmp_path: Path) -> None:
    assert len(NAMES) == 40
    shown = name.encode("ascii", "ignore").decode().translate({10: None, 0: None})
    given = {"Content_Disposition": f'attachment; filename="{shown}"'}
    job = errand(server, tmp_path, server.put("/v.mp4", VIDEO, lambda x: ms.whole(x, **given)))
    job.flow.ledger.update(job.row.seq, task_id=name)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(job.flow.folder)}
    row = job.fetch()
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(job.flow.folder)}
    assert {path.name.split("-")[0] for path in after - before} <= {"ledger.sqlite3"}
    stem = Path(row.file).stem
    assert job.files == [f"{stem}.jpg", f"{stem}.mp4"]
    assert Path(row.file).parent == job.flow.folder
    assert stem.replace("-", "").isalnum()
    assert stem.isascii()


def test_a_naive_name_leaves_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    possible = [name for name in NAMES if not set(name) & {"\0", "\ud83e"}]
    outside = [name for name in possible if not (folder / name).resolve().is_relative_to(folder)]
    assert len(outside) >= 3
