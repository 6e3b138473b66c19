"""The facts of a container are read even without a decoder for its codecs."""

from pathlib import Path

import av
import pytest
from support import media

from seedance_nb._media.inspect import inspect, probe


def foreign(data: bytes, entry: bytes) -> bytes:
    """The same MP4, one of whose streams has a codec that nobody knows."""
    at = data.index(entry)
    described = data.index(b"esds", at)
    return data[:at] + b"zzzz" + data[at + 4 : described] + b"free" + data[described + 4 :]


def test_a_video_whose_audio_has_no_decoder_is_shown_and_its_codec_is_reported_as_unknown(tmp_path: Path) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(foreign(media.video(sound=True), b"mp4a"))
    with av.open(str(file)) as container:
        assert container.streams.audio[0].codec_context is None  # the control
    for facts, why in (inspect(file, tmp_path / "p.jpg"), probe(file, 1)):
        assert facts, why
        assert (facts.width, facts.seconds, facts.codec, facts.audio) == (64, 0.5, "mpeg4", "unknown")


def test_pictures_without_a_decoder_here_are_measured_and_not_called_playable(tmp_path: Path) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(foreign(media.video(sound=True), b"mp4v"))
    facts, why = inspect(file, tmp_path / "p.jpg")
    assert facts is None
    assert "cannot be decoded" in why
    measured, _ = probe(file, 1)
    assert measured
    assert (measured.width, measured.height, measured.fps, measured.codec) == (64, 48, 24.0, "unknown")


@pytest.mark.parametrize("form", ["mp4", "mov"])
def test_both_readers_find_the_same_in_a_whole_video(form: str, tmp_path: Path) -> None:
    file = tmp_path / "v"
    file.write_bytes(media.video(sound=True, form=form))
    shown, probed = inspect(file, tmp_path / "p.jpg")[0], probe(file, file.stat().st_size)[0]
    assert shown
    assert probed
    assert (probed.width, probed.height, probed.seconds, probed.fps, probed.codec, probed.audio, probed.size) == (
        shown.width, shown.height, shown.seconds, shown.fps, shown.codec, shown.audio, shown.size,
    )  # fmt: skip
