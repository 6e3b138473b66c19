"""A child process reads the facts of a file from its header alone."""

import json
import os
import struct
import sys
import zlib
from pathlib import Path
from textwrap import indent

import pytest
from PIL import Image
from support import media

from seedance_nb._media import sandbox
from seedance_nb._media.inspect import probe
from seedance_nb._media.sniff import MediaFacts


def look(tmp_path: Path, data: bytes, held: int | None = None) -> tuple[MediaFacts | None, str]:
    """The facts of `data`, of which only the first `held` bytes are there and the rest is zeros."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(data[:held])
        file.truncate(len(data))
    return probe(path, len(data))


def facts(tmp_path: Path, data: bytes, held: int | None = None) -> MediaFacts:
    found, why = look(tmp_path, data, held)
    assert found, why
    return found


PICTURES = {
    "jpeg": media.picture(640, 480, "JPEG"), "png": media.picture(640, 480, "PNG"), "gif": media.picture(640, 480, "GIF"),
    "bmp": media.picture(640, 480, "BMP"), "tiff": media.picture(640, 480, "TIFF"), "heic": media.heic(640, 480),
    "heif": media.heic(640, 480, b"mif1"), "avif": media.heic(640, 480, b"avif"),
}  # fmt: skip


@pytest.mark.parametrize("form", PICTURES)
def test_an_image_is_recognised_by_its_header(form: str, tmp_path: Path) -> None:
    size = len(PICTURES[form])
    assert facts(tmp_path, PICTURES[form]) == MediaFacts(kind="image", format=form, size=size, width=640, height=480)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}])
def test_every_sort_of_webp_says_its_size(options: dict[str, object], tmp_path: Path) -> None:
    found = facts(tmp_path, media.picture(641, 483, "WEBP", **options), 40)
    assert (found.format, found.width, found.height) == ("webp", 641, 483)


def test_the_picture_of_an_heic_is_its_largest_and_may_be_turned(tmp_path: Path) -> None:
    found = facts(tmp_path, media.heic(4032, 3024, turns=1))
    assert (found.width, found.height, found.turned) == (4032, 3024, True)


def test_a_photo_with_a_rotated_orientation_is_reported_as_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert facts(tmp_path, media.picture(640, 480, "JPEG", exif=exif)).turned
    exif[0x0112] = 3  # upside down keeps width and height
    assert not facts(tmp_path, media.picture(640, 480, "JPEG", exif=exif)).turned


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_a_picture_of_a_billion_pixels_is_measured_and_not_decoded(tmp_path: Path) -> None:
    plain = PICTURES["png"]
    vast = plain[:8] + chunk(b"IHDR", struct.pack(">II", 50_000, 40_000) + plain[24:29]) + plain[33:]
    found = facts(tmp_path, vast)
    assert (found.width, found.height) == (50_000, 40_000)


def test_a_note_in_a_picture_that_unfolds_without_end_is_not_unfolded(tmp_path: Path) -> None:
    plain = PICTURES["png"]
    small, vast = (
        plain[:33] + chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(size))) + plain[33:] for size in (9, 1 << 26)
    )
    assert facts(tmp_path, small).width == 640
    assert facts(tmp_path, vast).width == 640
    with pytest.raises(ValueError, match="Decompressed data too large"), Image.open(tmp_path / "file"):
        pass  # the control: Pillow unfolds it


@pytest.mark.parametrize(("form", "name"), [("mp4", "mp4"), ("mov", "mov")])
def test_a_video_is_recognised_by_its_index(form: str, name: str, tmp_path: Path) -> None:
    found = facts(tmp_path, media.video(320, 240, fps=25, frames=50, form=form))
    assert (found.kind, found.format, found.width, found.height) == ("video", name, 320, 240)
    assert (found.seconds, found.fps, found.audio, found.turned) == (2.0, 25.0, "", False)


def test_a_frame_rate_of_television_is_not_rounded(tmp_path: Path) -> None:
    assert facts(tmp_path, media.video(fps="24000/1001")).fps == 23.976


def test_the_sound_of_a_video_is_named(tmp_path: Path) -> None:
    assert facts(tmp_path, media.video(sound=True)).audio == "aac"


def test_an_upright_video_from_a_phone_is_reported_as_turned(tmp_path: Path) -> None:
    assert facts(tmp_path, media.turned(media.video())).turned


def test_an_index_is_enough_and_the_pictures_may_be_missing(tmp_path: Path) -> None:
    data = media.video(320, 240, fps=25, frames=50, movflags="faststart")
    end = next(end for kind, _, end in media.outer(data) if kind == b"moov")
    assert facts(tmp_path, data, end) == facts(tmp_path, data)


def test_a_video_in_fragments_has_a_length_only_when_all_of_them_are_there(tmp_path: Path) -> None:
    data = media.video(fps=25, frames=50, movflags="frag_keyframe+empty_moov+default_base_moof", g="10")
    assert sum(kind == b"moof" for kind, _, _ in media.outer(data)) > 1
    whole = facts(tmp_path, data)
    assert (whole.seconds, whole.fps) == (2.0, 25.0)
    first = next(end for kind, _, end in media.outer(data) if kind == b"mdat")
    part = facts(tmp_path, data, first)
    assert (part.width, part.seconds, part.fps) == (64, 0, 0)


@pytest.mark.parametrize("held", [None, 20_000])
def test_a_wav_says_its_length_also_where_only_its_beginning_is_there(held: int | None, tmp_path: Path) -> None:
    found = facts(tmp_path, media.wav(3.5), held)
    assert (found.kind, found.format, found.seconds, found.audio) == ("audio", "wav", 3.5, "pcm_s16le")


@pytest.mark.parametrize("written", ["1", "0"])
def test_an_mp3_of_one_bit_rate_has_a_length_with_or_without_a_header_that_says_it(
    written: str, tmp_path: Path
) -> None:
    found = facts(tmp_path, media.sound("libmp3lame", "mp3", 6.0, write_xing=written), 20_000)
    assert found.format == "mp3"
    assert found.seconds == pytest.approx(6.0, abs=0.08)
    assert not found.estimated


def test_an_mp3_of_changing_bit_rates_without_a_length_is_called_estimated(tmp_path: Path) -> None:
    slow = media.sound("libmp3lame", "mp3", 0.5, write_xing="0", id3v2_version="0")
    fast = media.sound("libmp3lame", "mp3", 0.5, 320_000, write_xing="0", id3v2_version="0")
    assert facts(tmp_path, slow + fast * 3).estimated


@pytest.mark.parametrize(
    ("codec", "form", "name"), [("libopus", "ogg", "ogg"), ("flac", "flac", "flac"), ("aac", "ipod", "m4a"), ("aac", "adts", "aac")]
)  # fmt: skip
def test_a_sound_that_no_document_wants_still_has_a_name(codec: str, form: str, name: str, tmp_path: Path) -> None:
    found = facts(tmp_path, media.sound(codec, form))
    assert (found.kind, found.format) == ("audio", name)


def test_an_mp4_without_a_picture_is_a_sound(tmp_path: Path) -> None:
    found = facts(tmp_path, media.sound("aac", "mp4"))
    assert (found.kind, found.format, found.width) == ("audio", "mp4", 0)


NO_MEDIA = {
    "an HTML page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "an SVG drawing": b'<?xml version="1.0"?><svg width="640" height="480"/>',
    "JSON text": b'{"error": "expired"}',
    "a PDF": b"%PDF-1.7 ...",
    "a playlist": b"#EXTM3U\nfile:///etc/passwd\n",
    "text": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "unrecognized data": bytes(range(64)),
}


@pytest.mark.parametrize("name", NO_MEDIA)
def test_what_is_no_media_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    assert look(tmp_path, NO_MEDIA[name]) == (None, f"it is {name}, not an image, video or audio file")


def test_an_empty_file_and_a_missing_one_are_reported(tmp_path: Path) -> None:
    assert look(tmp_path, b"") == (None, "it is empty")
    assert probe(tmp_path / "none", 1) == (None, "it cannot be opened (No such file or directory)")


@pytest.mark.parametrize(
    ("data", "name"),
    [(PICTURES["png"][:20], "png"), (PICTURES["jpeg"][:100], "jpeg"), (media.video()[:600], "mp4"), (b"RIFF0000WAVEjunk", "wav"),
     (b"ID3\4\0\0\0\0\0\0" + b"x" * 300, "mp3"), (media.heic(0, 0)[:60], "heic"), (b"RIFF0000WEBPVP8 ", "webp")],
)  # fmt: skip
def test_a_damaged_file_gives_a_reason_and_no_facts(data: bytes, name: str, tmp_path: Path) -> None:
    found, why = look(tmp_path, data)
    assert found is None
    assert f"it looks like {name} but " in why


def test_hostile_changes_of_a_video_end_in_facts_or_a_reason(tmp_path: Path) -> None:
    data = bytearray(media.video())
    index = next(start for kind, start, _ in media.outer(bytes(data)) if kind == b"moov")
    for place in range(index, len(data), 211):
        changed = bytes(data[:place]) + b"\xff\xff\xff\xff" + bytes(data[place + 4 :])
        found, why = look(tmp_path, changed)
        assert (found is None) == bool(why)


def child_that_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Put another function in place of the one that the child calls."""
    package = folder / "seedance_nb" / "_media"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "sandbox.py").write_bytes(Path(sandbox.__file__).read_bytes())
    (package / "inspect.py").write_text("import json, os, sys\n\ndef read_header(name):\n" + indent(code, "    "))
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="no signal.pause there")
def test_the_child_is_ended_when_its_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child_that_runs(tmp_path, monkeypatch, "import signal\nsignal.pause()\n")
    assert probe(tmp_path / "a.png", 9, wall=0.2) == (None, "the process that reads it took longer than 0.2 s")


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
def test_the_child_has_limits_and_gets_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = "import resource as r\nfound = [r.getrlimit(n)[0] for n in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_CORE)]\n"
    spy = "found.append('CRUN_API_KEY' in os.environ)\nsys.stderr.write(json.dumps(found))\nsys.exit(1)\n"
    child_that_runs(tmp_path, monkeypatch, limits + spy)
    monkeypatch.setenv("CRUN_API_KEY", "k")
    assert os.environ["CRUN_API_KEY"] == "k"
    found, why = probe(tmp_path / "x", 1)
    assert (found, json.loads(why)) == (None, [1024**3, 4, 0, False])
