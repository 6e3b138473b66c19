"""Facts checked against limits: ok, failed, or unchecked where the docs leave it open."""

from dataclasses import replace
from typing import Any

import pytest

from seedance_nb import Spec
from seedance_nb._base.values import find
from seedance_nb._media.preflight import Finding, Report, judge, judge_total
from seedance_nb._media.sniff import MediaFacts

PICTURE = MediaFacts(kind="image", format="png", size=1_000_000, width=1200, height=800)
VIDEO = MediaFacts(
    kind="video", format="mp4", size=9_000_000, width=1280, height=720, seconds=5.0, fps=24.0, audio="aac"
)
SOUND = MediaFacts(kind="audio", format="mp3", size=90_000, seconds=5.0, audio="mp3")


def table(crun: Spec, kind: str) -> Any:
    return find(crun.body, f"/properties/input/properties/reference_{kind}s/x-media")


def one(rule: str, bounds: dict[str, Any], facts: MediaFacts) -> Finding:
    (finding,) = judge("/a", {"kind": facts.kind, rule: {"quote": "so it says", **bounds}}, facts)
    assert (finding.path, finding.rule, finding.quote) == ("/a", rule, "so it says")
    return finding


def told(rule: str, bounds: dict[str, Any], facts: MediaFacts) -> tuple[str, str]:
    finding = one(rule, bounds, facts)
    return finding.outcome, finding.message


@pytest.mark.parametrize("facts", [PICTURE, VIDEO, SOUND], ids=lambda facts: facts.kind)
def test_a_good_file_fits_every_rule_of_the_real_document(facts: MediaFacts, crun: Spec) -> None:
    rules = table(crun, facts.kind)
    found = judge("/input/x/0", rules, facts)
    assert {finding.outcome for finding in found} == {"fits"}
    assert [finding.rule for finding in found] == [
        name for name in rules if name not in ("kind", "schemes", "base64", "total_seconds", "asset")
    ]
    assert Report(findings=found).problems == ()


BROKEN = [
    ("image", {"format": "svg"}, "formats", "is svg; allowed formats: jpeg, png, webp, bmp, tiff, gif, heic, heif"),
    ("image", {"width": 250, "height": 400}, "width", "is 250 px wide; must be at least 300 px"),
    ("image", {"width": 6000, "height": 6001}, "height", "is 6,001 px high; must be at most 6,000 px"),
    ("image", {"width": 2000}, "ratio", "has the aspect ratio 2.5 (2000 x 800 px); must be less than 2.5"),
    ("image", {"width": 320}, "ratio", "has the aspect ratio 0.4 (320 x 800 px); must be more than 0.4"),
    ("image", {"size": 32_000_000}, "megabytes", "is 32 MB; must be less than 30 MB"),
    ("video", {"width": 400, "height": 400}, "pixels",
     "has 160,000 pixels (400 x 400); must be at least 409,600 pixels"),
    ("video", {"size": 60_000_000}, "megabytes", "is 60 MB; must be at most 50 MB"),
    ("video", {"seconds": 1.2}, "seconds", "lasts 1.2 s; must be at least 2 s"),
    ("video", {"seconds": 15.2}, "seconds", "lasts 15.2 s; must be at most 15 s"),
    ("video", {"fps": 15.0}, "fps", "has 15 frames per second; must be at least 24 frames per second"),
    ("audio", {"format": "ogg"}, "formats", "is ogg; allowed formats: wav, mp3"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "rule", "message"), BROKEN)
def test_a_broken_rule_names_the_measure_and_the_limit_and_quotes_the_document(
    kind: str, change: dict[str, Any], rule: str, message: str, crun: Spec
) -> None:
    facts = replace({"image": PICTURE, "video": VIDEO, "audio": SOUND}[kind], **change)
    (broken,) = [finding for finding in judge("/input/x/1", table(crun, kind), facts) if finding.outcome == "breaks"]
    assert (broken.rule, broken.message) == (rule, message)
    assert broken.quote == table(crun, kind)[rule]["quote"]
    problem = broken.problem
    assert problem
    assert (problem.path, problem.rule, problem.message) == ("/input/x/1", "x-media", message)
    assert (problem.quote, problem.warns, problem.field) == (broken.quote, False, "x")
    assert str(problem) == f'/input/x/1: {message}\n      From the provider\'s docs: "{broken.quote}"'


def test_open_and_closed_bounds_differ_exactly_at_the_bound() -> None:
    fifths = replace(PICTURE, width=400, height=1000)
    assert one("ratio", {"over": 0.4}, fifths).outcome == "breaks"
    assert one("ratio", {"from": 0.4}, fifths).outcome == "fits"
    assert one("ratio", {"over": 0.4}, replace(fifths, width=401)).outcome == "fits"
    halves = replace(PICTURE, width=2500, height=1000)
    assert one("ratio", {"under": 2.5}, halves).outcome == "breaks"
    assert one("ratio", {"to": 2.5}, halves).outcome == "fits"
    assert one("ratio", {"to": 2.5}, replace(halves, width=2501)).outcome == "breaks"


@pytest.mark.parametrize(
    ("size", "bounds", "outcome"),
    [
        (50_000_000, {"to": 50}, "fits"),
        (50_000_001, {"to": 50}, "unchecked"),
        (52_428_800, {"to": 50}, "unchecked"),
        (52_428_801, {"to": 50}, "breaks"),
        (30_000_000, {"under": 30}, "unchecked"),
        (29_999_999, {"under": 30}, "fits"),
        (31_457_280, {"under": 30}, "breaks"),
        (1_000_000, {"from": 1}, "unchecked"),
        (1_048_576, {"from": 1}, "fits"),
        (999_999, {"from": 1}, "breaks"),
    ],
)
def test_megabytes_are_judged_only_where_both_meanings_agree(size: int, bounds: dict[str, Any], outcome: str) -> None:
    assert one("megabytes", bounds, replace(VIDEO, size=size)).outcome == outcome


def test_both_meanings_of_a_megabyte_are_reported() -> None:
    assert told("megabytes", {"to": 50}, replace(VIDEO, size=51_000_000)) == (
        "unchecked",
        "is 51 MB; that is 48.637 MB of 1,048,576 bytes each, and the docs do not say which they mean",
    )


@pytest.mark.parametrize(
    ("fps", "outcome"),
    [(24.0, "fits"), (24.01, "fits"), (23.976, "unchecked"), (23.9, "breaks"), (60.0, "fits"), (59.94, "fits"), (60.1, "unchecked"), (61.0, "breaks")],
)  # fmt: skip
def test_a_frame_rate_of_television_is_too_near_to_tell(fps: float, outcome: str) -> None:
    assert one("fps", {"from": 24, "to": 60}, replace(VIDEO, fps=fps)).outcome == outcome


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(15.0, "fits"), (15.001, "unchecked"), (15.1, "unchecked"), (15.101, "breaks"), (2.0, "fits"), (1.9, "unchecked"), (1.899, "breaks")],
)  # fmt: skip
def test_a_tenth_of_a_second_beyond_is_too_near_to_tell(seconds: float, outcome: str) -> None:
    assert one("seconds", {"from": 2, "to": 15}, replace(VIDEO, seconds=seconds)).outcome == outcome


def test_too_close_to_tell_is_reported_in_words() -> None:
    assert told("seconds", {"to": 15}, replace(VIDEO, seconds=15.04)) == (
        "unchecked",
        "lasts 15.04 s, too close to the limit to be sure: the provider may measure it differently",
    )


@pytest.mark.parametrize(
    ("rule", "change", "message"),
    [
        ("width", {"width": 0}, "its width could not be read"),
        ("ratio", {"height": 0}, "its aspect ratio could not be read"),
        ("pixels", {"height": 0}, "its number of pixels could not be read"),
        ("megabytes", {"size": None}, "its file size is unknown"),
        ("seconds", {"seconds": None}, "its duration could not be read"),
        ("fps", {"fps": None}, "its frame rate could not be read"),
    ],
)
def test_an_unknown_property_is_unchecked_with_the_reason(rule: str, change: dict[str, Any], message: str) -> None:
    assert told(rule, {"from": 1}, replace(VIDEO, **change)) == ("unchecked", message)


def test_an_estimated_length_never_breaks_or_fits() -> None:
    finding = one("seconds", {"to": 15}, replace(SOUND, seconds=40.0, estimated=True))
    assert finding.outcome == "unchecked"
    assert finding.message == "lasts about 40.0 s judging by its bit rate; it does not store its exact duration"


def test_a_turned_picture_is_judged_only_where_both_ways_agree() -> None:
    tall = replace(PICTURE, width=500, height=1000, turned=True)
    assert one("width", {"from": 300}, tall).outcome == "fits"
    assert one("width", {"from": 2000}, tall).outcome == "breaks"
    outcome, message = told("width", {"from": 600}, tall)
    assert outcome == "unchecked"
    assert message == (
        "is 500 px wide; its metadata rotates it: as displayed it is 1,000 px wide, "
        "and the docs do not say which counts"
    )
    assert one("width", {"from": 600}, replace(tall, turned=False)).outcome == "breaks"  # the control
    assert one("pixels", {"from": 500_000}, tall).outcome == "fits"


def test_a_video_among_images_is_reported_once_and_its_frames_are_not_measured(crun: Spec) -> None:
    found = judge("/a", table(crun, "image"), replace(VIDEO, width=1, height=1))
    assert [(finding.rule, finding.outcome) for finding in found] == [("formats", "breaks"), ("megabytes", "fits")]


def test_a_sound_in_the_right_container_is_not_called_fitting(crun: Spec) -> None:
    found = judge("/a", table(crun, "video"), replace(SOUND, format="mp4"))
    assert found[-1].outcome == "unchecked"
    assert found[-1].message == "is audio, but the limits are for a video"


def test_names_of_formats_are_compared_as_people_write_them() -> None:
    assert one("formats", {"any": ["JPG", "png"]}, replace(PICTURE, format="jpeg")).outcome == "fits"


def test_a_limit_from_another_source_warns_and_names_the_source() -> None:
    rules = {"kind": "image", "width": {"from": 300, "quote": "300 px"}}
    (found,) = judge("/a", rules, replace(PICTURE, width=200), source="the maker's page")
    assert Report(findings=(found,)).problems == (found.problem,)
    assert (found.problem.warns, found.problem.source) == (True, "the maker's page")
    assert "warning" in str(found)
    assert "the maker's page" in str(found)


TOTAL = {"kind": "video", "total_seconds": {"to": 15, "quote": "total must not exceed 15 seconds"}}


def total(*seconds: float | None) -> tuple[str, str]:
    entries = [None if length is None else replace(VIDEO, seconds=length) for length in seconds]
    (finding,) = judge_total("/v", TOTAL, entries)
    assert (finding.path, finding.rule, finding.quote) == ("/v", "total_seconds", "total must not exceed 15 seconds")
    return finding.outcome, finding.message


def test_the_lengths_of_a_list_are_added_up() -> None:
    assert total(7.5, 7.5) == ("fits", "last 15 s together")
    assert total(8, 8) == ("breaks", "last 16 s together; must be at most 15 s")
    assert total(16) == ("breaks", "lasts 16 s; must be at most 15 s")
    assert total(7.6, 7.5)[0] == "unchecked"
    assert total(7.65, 7.65)[0] == "breaks"


def test_an_unknown_length_leaves_the_sum_open_unless_the_others_are_too_long_already() -> None:
    assert total(5, None) == ("unchecked", "the duration of 1 of 2 files is unknown")
    assert total(None) == ("unchecked", "the duration of 1 of 1 file is unknown")
    assert total(8, 8, None) == ("breaks", "last 16 s together; must be at most 15 s")
    assert judge_total("/v", TOTAL, [replace(VIDEO, seconds=9, estimated=True)])[0].outcome == "unchecked"


def test_without_entries_or_without_the_rule_there_is_no_finding() -> None:
    assert judge_total("/v", TOTAL, []) == ()
    assert judge_total("/v", {"kind": "video"}, [VIDEO]) == ()
