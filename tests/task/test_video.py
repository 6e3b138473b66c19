"""What a video, a task and a table look like: strings, made by pure functions."""

import base64
import os
import random
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import nbformat
import pytest
from PIL import Image
from support import media

import seedance_nb as sd
from seedance_nb._base.html import table_html, table_text
from seedance_nb._media import inspect
from seedance_nb._media.isobmff import boxes_fault
from seedance_nb._media.sniff import MediaFacts, read_facts
from seedance_nb._task.display import player
from seedance_nb._task.display.player import (
    EMBED_UP_TO,
    differences,
    pending_html,
    source_of,
    still_of,
)
from seedance_nb._task.display.video import video_html
from seedance_nb._task.files import ExtraResult, write_extras

FACTS = MediaFacts(width=1280, height=720, seconds=5.0, fps=24.0, codec="h264", audio="aac")
ASKED = {"resolution": "720p", "ratio": "16:9", "seconds": 5, "audio": True}


def test_a_video_is_a_player_a_picture_and_a_line(
    made: tuple[sd.Session, sd.Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = made[1]
    monkeypatch.chdir(video.path.parent.parent)
    bundle = video._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "image/jpeg"}
    assert f'src="outputs/{video.path.name}"' in bundle["text/html"]
    assert "SIMULATED" in bundle["text/html"]
    assert (
        "Requested 480p · 16:9 · 4 s · with sound · Result 854 × 480 · 4 s · 24 fps · H.264 · AAC"
        in bundle["text/html"]
    )
    assert base64.b64decode(bundle["image/jpeg"]).startswith(b"\xff\xd8\xff")
    assert (
        bundle["text/plain"] == f"Video {video.task}: SIMULATED, 854 × 480 · 4 s · 24 fps · H.264 · AAC; {video.path}"
    )


def test_a_clip_adds_few_kilobytes_to_a_notebook_however_large_it_is(
    made: tuple[sd.Session, sd.Video], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made[1].path.parent.parent)

    def saved(shown: sd.Video) -> int:
        output = nbformat.v4.new_output("display_data", shown._repr_mimebundle_())
        cell = nbformat.v4.new_code_cell("video", outputs=[output])
        empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("video")])
        return len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))) - len(nbformat.writes(empty))

    noise, jpeg = random.Random(1), BytesIO()
    Image.frombytes("RGB", (1280, 720), noise.randbytes(1280 * 720 * 3)).save(jpeg, "JPEG", quality=95)
    assert saved(made[1]) < 25_000
    assert saved(replace(made[1], poster=still_of(jpeg.getvalue()))) < 25_000
    naive = base64.b64encode(made[1].path.read_bytes())
    assert len(naive) > 25_000  # the control: the bytes themselves


def test_what_came_with_the_video_is_linked_or_said_to_be_missing(made: tuple[sd.Session, sd.Video]) -> None:
    folder = made[1].path.parent
    beside = [
        ExtraResult(place=1, kind="image", file=str(folder / "v-last-frame.png"), sha256="x"),
        ExtraResult(place=2, fault="<b> answered HTTP 404", dead=True),
        ExtraResult(place=3, fault="it is cut off"),
    ]
    video = replace(made[1], row=replace(made[1].row, beside=write_extras(beside)))
    shown = video_html(video, "outputs/v.mp4")
    assert '<a href="outputs/v-last-frame.png" download="v-last-frame.png">' in shown
    assert "result 3 is missing: &lt;b&gt; answered HTTP 404<" in shown
    assert f"result 4 is missing: it is cut off; sd.task(&#x27;{video.task}&#x27;).wait() tries again" in shown
    assert str(folder / "v-last-frame.png") in video_html(video, "")
    assert "; additional results: v-last-frame.png, result 3 missing (<b> answered HTTP 404)" in repr(video)


def test_pictures_that_came_with_the_video_are_shown_by_their_file_or_embedded_small(
    made: tuple[sd.Session, sd.Video],
) -> None:
    folder, noise = made[1].path.parent, random.Random(1)
    frame, sound = folder / "v-last-frame.png", folder / "v-3.mp3"
    Image.frombytes("RGB", (1280, 720), noise.randbytes(1280 * 720 * 3)).save(frame, "PNG")
    sound.write_bytes(b"sound")
    beside = [
        ExtraResult(place=1, kind="image", file=str(frame), sha256="x"),
        ExtraResult(place=2, kind="image", file=str(folder / "gone.png"), sha256="x"),
        ExtraResult(place=3, kind="audio", file=str(sound), sha256="x"),
    ]
    video = replace(made[1], row=replace(made[1].row, beside=write_extras(beside)))
    served = video_html(video, "outputs/v.mp4")
    assert re.findall('<img src="([^"]*)" alt="([^"]*)"', served) == [
        ("outputs/v-last-frame.png", "Last frame"), ("outputs/gone.png", "Additional result"),
    ]  # fmt: skip
    assert 'Last frame: <a href="outputs/v-last-frame.png"' in served
    assert 'Additional result: <a href="outputs/v-3.mp3"' in served
    elsewhere = video_html(video, "data:video/mp4;base64,AA")
    ((picture, what),) = re.findall('<img src="data:image/jpeg;base64,([^"]*)" alt="(Last[^"]*)"', elsewhere)
    assert (max(Image.open(BytesIO(base64.b64decode(picture))).size), what) <= (320, "Last frame")
    assert len(picture) < 12_000 < frame.stat().st_size, "noise, which JPEG cannot make small"
    unplayable = video_html(video, "")
    assert (unplayable.count('alt="Last'), f"<code>{frame}</code>" in unplayable) == (0, True), "nothing large is saved"


def test_the_link_is_outside_the_player_too(made: tuple[sd.Session, sd.Video]) -> None:
    shown = video_html(made[1], "v.mp4")
    assert shown.split("</video>")[1].count('href="v.mp4"') == 1


def test_beside_the_notebook_the_file_is_named_and_elsewhere_it_is_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, out = tmp_path / "book", tmp_path / "book" / "seedance outputs"
    out.mkdir(parents=True)
    (out / "a b.mp4").write_bytes(b"video")
    monkeypatch.chdir(tmp_path)
    assert source_of(out / "a b.mp4") == "book/seedance%20outputs/a%20b.mp4"
    (book / "n.ipynb").touch()
    monkeypatch.setenv("JPY_SESSION_NAME", str(book / "n.ipynb"))
    assert source_of(out / "a b.mp4") == "seedance%20outputs/a%20b.mp4"
    (out / "deeper").mkdir()
    (out / "deeper" / "n.ipynb").touch()
    (out / "large.mp4").write_bytes(b"0" * 8_000_001)
    for name, value in (
        ("COLAB_RELEASE_TAG", "x"),
        ("VSCODE_PID", "1"),
        ("JPY_SESSION_NAME", str(out / "deeper" / "n.ipynb")),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert source_of(out / "a b.mp4") == "data:video/mp4;base64," + base64.b64encode(b"video").decode()
            assert source_of(out / "large.mp4") == ""


VIEWERS = {
    "jupyter": ("JPY_SESSION_NAME", "n.ipynb"), "script": ("TERM", "x"), "headless": ("TERM", "x"), "voila": ("SERVER_SOFTWARE", "voila/0.5"),
    "colab": ("COLAB_GPU", "1"), "vscode": ("VSCODE_PID", "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(VIEWERS))
@pytest.mark.parametrize("is_served", [True, False])
@pytest.mark.parametrize("size", [None, 1, EMBED_UP_TO, EMBED_UP_TO + 1])
@pytest.mark.parametrize("embed", [None, True, False])
def test_a_video_is_referenced_where_it_is_served_and_embedded_up_to_a_limit_elsewhere(
    name: str, is_served: bool, size: int | None, embed: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "book").mkdir()
    monkeypatch.chdir(folder)
    (folder / "n.ipynb").touch()
    mark, value = VIEWERS[name]
    monkeypatch.setenv(mark, str(folder / value) if name == "jupyter" else value)
    monkeypatch.setattr(player, "shell_with_kernel", lambda: name != "script")
    file = (folder if is_served else tmp_path) / "v.mp4"
    if size is not None:
        file.touch()
        os.truncate(file, size)
    source = source_of(file, embed)
    way = "embed" if source.startswith("data:video/mp4;base64,A") else {"v.mp4": "file", "": "still"}[source]
    serves = name in ("jupyter", "script") and is_served
    if embed and size is not None:
        assert way == "embed"
    elif serves:
        assert way == "file"
    else:
        assert way == ("embed" if embed is None and size is not None and size <= EMBED_UP_TO else "still")


def test_before_it_is_saved_a_player_names_the_file_in_either_container() -> None:
    html = pending_html("crun:task_1", "clips/a.mp4")
    assert re.findall(r'(src|href)="([^"]+)"', html) == [("src", "clips/a.mp4"), ("href", "clips/a.webm")]
    assert not re.findall("<video|<a ", pending_html("crun:task_1", ""))


def test_a_linked_folder_is_the_folder_that_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "disk" / "work"
    (real / "seedance_outputs").mkdir(parents=True)
    (real / "n.ipynb").touch()
    (tmp_path / "home").symlink_to(real, target_is_directory=True)
    for folder, file in ((tmp_path / "home", real), (real, tmp_path / "home"), (tmp_path / "home", tmp_path / "home")):
        monkeypatch.setenv("JPY_SESSION_NAME", str(folder / "n.ipynb"))
        assert source_of(file / "seedance_outputs" / "v.mp4") == "seedance_outputs/v.mp4"


def test_a_notebook_that_was_moved_while_its_kernel_runs_gets_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v.mp4").write_bytes(b"video")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "n.ipynb"))
    monkeypatch.setattr(player, "shell_with_kernel", object)
    assert source_of(tmp_path / "v.mp4").startswith("data:video/mp4;base64,")
    (tmp_path / "n.ipynb").touch()
    assert source_of(tmp_path / "v.mp4") == "v.mp4"


def test_a_hidden_folder_is_not_served_by_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".kept").mkdir()
    (tmp_path / ".kept" / "v.mp4").write_bytes(b"video")
    monkeypatch.chdir(tmp_path)
    assert source_of(tmp_path / ".kept" / "v.mp4").startswith("data:video/mp4")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (FACTS, []),
        (replace(FACTS, seconds=5.04), []),
        (replace(FACTS, width=1284, height=716), []),
        (replace(FACTS, seconds=4.0), ["requested 5 s, got 4 s"]),
        (replace(FACTS, width=720, height=720), ["requested 16:9, got 720 × 720"]),
        (replace(FACTS, audio=""), ["requested sound, got none"]),
        (replace(FACTS, codec="hevc"), ["H.265, which many browsers cannot play"]),
        (replace(FACTS, width=854, height=480), ["requested 720p, got 480 lines"]),
    ],
)
def test_what_came_is_compared_with_what_was_asked(facts: MediaFacts, told: list[str]) -> None:
    assert differences(ASKED, facts) == told


def test_a_difference_is_reported_with_the_video(made: tuple[sd.Session, sd.Video]) -> None:
    video = replace(made[1], asked=made[1].asked | {"seconds": 15})
    assert "Differs from the request: requested 15 s, got 4 s" in video_html(video, "v.mp4")


def test_a_table_is_only_text() -> None:
    assert "<td" in table_html(["a"], [["<script>"]])
    assert "<script>" not in table_html(["<script>"], [["<script>"]], "<script>")
    assert table_text(["a", "long"], [["1", "2"]], "note") == "a  long\n1  2\nnote"


def test_a_whole_file_is_distinguished_from_a_cut_one(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> None:
    whole = made[1].path.read_bytes()
    file = tmp_path / "v.mp4"
    file.write_bytes(whole)
    assert boxes_fault(file) == ""
    for length in (len(whole) - 1, len(whole) // 2, 40, 8, 0):
        file.write_bytes(whole[:length])
        assert boxes_fault(file) != "", length
        assert inspect.inspect(file, tmp_path / "p.jpg")[0] is None


@pytest.mark.parametrize(
    "content", [b"<html>gone</html>", b"", b"\0\0\0\x18ftypisom" + b"\0" * 100, b"#EXTM3U\nfile:///etc/passwd"]
)
def test_what_is_no_video_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(content)
    facts, why = inspect.inspect(file, tmp_path / "p.jpg")
    assert facts is None
    assert why


def test_whole_boxes_with_nonsense_inside_are_refused_by_the_child(
    made: tuple[sd.Session, sd.Video], tmp_path: Path
) -> None:
    whole = bytearray(made[1].path.read_bytes())
    at = whole.index(b"moov")
    whole[at + 8 : at + 400] = b"\xff" * 392
    file = tmp_path / "v.mp4"
    file.write_bytes(bytes(whole))
    assert boxes_fault(file) == ""
    facts, why = inspect.inspect(file, tmp_path / "p.jpg")
    assert facts is None
    assert "cannot be decoded" in why


CONTAINERS: dict[str, dict[str, Any]] = {
    "the index at the end": {},
    "the index in front": {"movflags": "faststart"},
    "in pieces with an index of them": {"movflags": "dash+global_sidx"},
    "in pieces that a piece at the end lists": {"movflags": "frag_keyframe+empty_moov+default_base_moof"},
}


def open_ended(data: bytes) -> bytes:
    """The same MP4, whose last box reaches to the end of the file, wherever that is."""
    kind, start, _ = media.outer(data)[-1]
    assert kind == b"mdat"
    return data[:start] + bytes(4) + data[start + 4 :]


@pytest.mark.parametrize("form", [*CONTAINERS, "open at the end"])
def test_a_file_that_is_cut_anywhere_is_not_taken_for_whole(form: str, tmp_path: Path) -> None:
    options = CONTAINERS.get(form, {"movflags": "faststart"})
    whole = media.video(frames=48, sound=not form.startswith("in pieces"), **options)
    ends = {end for _, _, end in media.outer(whole)}
    index = next((start for kind, start, _ in media.outer(whole) if kind == b"mfra"), None)
    if form == "open at the end":
        whole = open_ended(whole)
    file, poster = tmp_path / "v.mp4", tmp_path / "p.jpg"
    file.write_bytes(whole)
    facts, why = inspect.inspect(file, poster)
    assert facts, why
    assert not facts.is_open
    # Without a child process for each of them, the sizes of the boxes tell nearly every cut.
    unseen = []
    for length in reversed(range(len(whole))):
        os.truncate(file, length)
        if not boxes_fault(file) and length != index:  # an index for seeking, with which no picture is lost
            unseen.append(length)
    assert (len(unseen) > 1000) is (form == "open at the end")
    for length in {*unseen[:3], *unseen[:: max(1, len(unseen) // 8)], *(ends & set(unseen))}:
        file.write_bytes(whole[:length])
        facts, _ = inspect.inspect(file, poster)
        # Where nothing names the last piece, a cut between two of them leaves no trace, and that is what is said.
        assert facts is None or (form.startswith("in pieces") and facts.is_open), length


def damaged(whole: bytes, content: bytes) -> bytes:
    """The same MP4, the second half of whose pictures begins with something else."""
    ((begin, end),) = [(begin, end) for kind, begin, end in media.outer(whole) if kind == b"mdat"]
    middle = (begin + end) // 2
    return whole[:middle] + content[: end - middle] + whole[middle + len(content[: end - middle]) :]


def test_every_picture_is_decoded_and_not_only_the_first_ones(tmp_path: Path) -> None:
    whole = media.video(frames=240)
    file = tmp_path / "v.mp4"
    file.write_bytes(damaged(whole, bytes(len(whole))))
    with av.open(str(file)) as container:  # the control: a player shows the beginning of it
        assert next(container.decode(video=0))
    facts, why = inspect.inspect(file, tmp_path / "p.jpg")
    assert facts is None
    assert "is damaged" in why


def noise() -> bytes:
    """The same pictures at every run, none like another."""
    chance = random.Random(1)
    shown = [Image.frombytes("RGB", (64, 48), chance.randbytes(64 * 48 * 3)) for _ in range(48)]
    made = BytesIO()
    with av.open(made, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in shown:
            frame: av.VideoFrame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return made.getvalue()


def test_pictures_that_had_to_be_patched_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(damaged(noise(), b"\xff" * 8))
    facts, why = inspect.inspect(file, tmp_path / "p.jpg")
    assert facts is not None, why
    assert facts.damaged >= 1


def test_what_takes_too_long_to_decode_is_said_to_be_undecoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(media.video(frames=48))
    monkeypatch.setattr(inspect, "_DECODE_S", -1)
    last = inspect.decode(str(file), str(tmp_path / "p.jpg"), "mp4")
    for answer in (capsys.readouterr().out.splitlines()[-1], last):
        assert (found := read_facts(answer))
        assert (found.seconds, found.undecoded) == (2.0, 2.0)


def test_a_decoder_alone_takes_cut_files_for_whole(tmp_path: Path) -> None:
    whole = open_ended(media.video(frames=48, movflags="faststart"))
    played = 0
    for length in range(len(whole) - 2000, len(whole), 400):
        (tmp_path / "v.mp4").write_bytes(whole[:length])
        with av.open(str(tmp_path / "v.mp4")) as container:
            played += next(container.decode(video=0)) is not None
    assert played == 5


@pytest.fixture
def video(made: tuple[sd.Session, sd.Video], tmp_path: Path) -> sd.Video:
    """The video with a copy of its own, beside which tests may write."""
    (file := tmp_path / "clip.mp4").write_bytes(made[1].path.read_bytes())
    return replace(made[1], path=file)


@pytest.mark.parametrize(
    "name", ["clip.mp4", "mine.gif", "mine.txt", "new.mp4", "new.png", "new", "link.gif", "new.gif.mp4"]
)
def test_no_gif_is_written_over_a_file_or_under_another_suffix(video: sd.Video, tmp_path: Path, name: str) -> None:
    for one in ("mine.gif", "mine.txt"):
        (tmp_path / one).write_text("mine")
    (tmp_path / "link.gif").symlink_to(tmp_path / "gone.gif")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(
        sd.MediaError, match=r"so nothing was written\.\nNothing was charged\.\nNext: choose another name"
    ):
        video.to_gif(tmp_path / name, width=64, fps=1)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_gif_beside_the_video_takes_a_free_name_and_is_written_once(video: sd.Video, tmp_path: Path) -> None:
    (tmp_path / "clip.gif").write_text("mine")
    (tmp_path / "clip-2.gif").mkdir()
    small, large = (video.to_gif(width=width, fps=1) for width in (64, 80))
    assert (small.name, large.name) == ("clip-3.gif", "clip-4.gif")
    assert [video.to_gif(width=width, fps=1) for width in (64, 80)] == [small, large]
    assert (tmp_path / "clip.gif").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 5


def test_a_gif_in_a_folder_is_named_after_the_prompt(video: sd.Video, tmp_path: Path) -> None:
    (folder := tmp_path / "gifs").mkdir()
    assert video.to_gif(folder, width=64, fps=1).name == video.save(folder).with_suffix(".gif").name
    assert video.to_gif(tmp_path / "A.GIF", width=64, fps=1).name == "A.GIF"


@pytest.mark.parametrize("name", ["a.webm", "a.mov", "a.gif", "a", "a.mp4.txt"])
def test_a_copy_keeps_the_suffix_of_its_container(video: sd.Video, tmp_path: Path, name: str) -> None:
    with pytest.raises(sd.MediaError, match=r"does not end in \.mp4, so nothing was written"):
        video.save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    webm = replace(video, path=video.path.rename(tmp_path / "clip.webm"))
    assert webm.save(tmp_path / "b.webm").is_file()
    assert webm.save(tmp_path / "b.WEBM").is_file()
