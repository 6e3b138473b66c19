"""Facts in the ledger: rows of every version can be read, and the text for an MP4 does not change."""

import json

import pytest

from seedance_nb._media.sniff import MediaFacts, read_facts, write_facts

FIRST = '{"width": 1280, "height": 720, "seconds": 5.0, "fps": 24.0, "codec": "h264", "audio": "aac"}'
BEFORE = (
    '{"width": 854, "height": 480, "seconds": 4.0, "fps": 24.0, "codec": "h264", "audio": "", "size": 65536, '
    '"is_open": true, "damaged": 2, "undecoded": 1.5, "remark": "the file that was here had been changed"}'
)
VIDEO = MediaFacts(width=854, height=480, seconds=4.0, fps=24.0, codec="h264", size=65_536, is_open=True, damaged=2,
                   undecoded=1.5, remark="the file that was here had been changed")  # fmt: skip


def test_rows_of_older_versions_are_read() -> None:
    assert read_facts(BEFORE) == VIDEO
    assert read_facts(FIRST) == MediaFacts(width=1280, height=720, seconds=5.0, fps=24.0, codec="h264", audio="aac")
    assert read_facts("") is None


def test_the_text_of_an_mp4_has_the_keys_that_older_versions_read() -> None:
    assert json.loads(write_facts(VIDEO)) == json.loads(BEFORE)


@pytest.mark.parametrize(
    "facts",
    [
        VIDEO,
        MediaFacts(kind="image", format="png", width=3, height=4, turned=True),
        MediaFacts(kind="audio", format="mp3", seconds=1.5, audio="mp3", estimated=True),
        MediaFacts(format="webm", codec="vp9"),
    ],
)
def test_facts_of_every_kind_survive_the_text(facts: MediaFacts) -> None:
    assert read_facts(write_facts(facts)) == facts


@pytest.mark.parametrize("text", ["{", "[]", "7", "null", '{"colour": 1}', "\0"])
def test_a_text_that_holds_no_facts_gives_none(text: str) -> None:
    assert read_facts(text) is None
