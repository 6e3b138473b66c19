"""A price is computed from the provider's own words, or is said to be unknown; it is never invented."""

from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._check.check import approve, build_body
from seedance_nb._check.price import Estimate, estimate
from seedance_nb._document.load import spec
from seedance_nb._ledger.row import Row, State, price_after

PRO, VASTNUM, CRUN = "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0", "crun/seedance-2.0-i2v"


def told(name: str, reference_seconds: list[float] | None = None, **fields: Any) -> Estimate:
    document = spec(name)
    return estimate(document, build_body(document, fields), reference_seconds)


# The table on seedance2-pro's page, row for row.
@pytest.mark.parametrize(("duration", "amount", "dollars"), [
    ("4s", 160, 0.80), ("5s", 200, 1.00), ("8s", 320, 1.60), ("10s", 400, 2.00), ("15s", 600, 3.00)])  # fmt: skip
def test_seedance2_pros_own_table_comes_out(duration: str, amount: float, dollars: float) -> None:
    price = told(PRO, duration=duration)
    assert (price.amount, price.unit, price.currency) == (amount, "credits", "USD")
    assert price.money == pytest.approx(dollars)
    assert str(price) == f"{amount} credits (${dollars:.2f})"
    assert price.source
    assert price.date


def test_vastnums_own_example_comes_out_at_99_111_tokens() -> None:
    example = spec(VASTNUM).example
    price = estimate(spec(VASTNUM), example, [5.04])
    assert (price.amount, price.unit, price.money) == (99_111, "tokens", None)


def test_reference_videos_that_nobody_measured_make_it_a_least_price() -> None:
    price = estimate(spec(VASTNUM), spec(VASTNUM).example)
    assert (price.amount, price.at_least) == (49_350, True)
    assert str(price) == "at least 49,350 tokens"
    assert not told(VASTNUM, resolution="480p", ratio="4:3", duration=5).at_least


@pytest.mark.parametrize(("name", "fields"), [
    (PRO, {}), (PRO, {"duration": "long"}), (VASTNUM, {"duration": 5}), (VASTNUM, {"duration": 5, "resolution": "480p"}),
    (VASTNUM, {"duration": -1, "resolution": "480p", "ratio": "4:3"}), (VASTNUM, {"duration": 5, "resolution": "480p", "ratio": "adaptive"}),
    (CRUN, {"duration": 6, "resolution": "720p", "aspect_ratio": "16:9"})])  # fmt: skip
def test_where_nobody_says_it_the_price_is_not_known_and_the_reason_is_said(name: str, fields: dict[str, Any]) -> None:
    price = told(name, **fields)
    assert (price.amount, price.money) == (None, None)
    assert price.why
    assert str(price) == "price unknown"


# The frame sizes as third-party copies of Volcengine's docs give them, in the order 16:9, 4:3, 1:1, 3:4, 9:16, 21:9.
SIZES = {
    "480p": ("864x496", "752x560", "640x640", "560x752", "496x864", "992x432"),
    "720p": ("1280x720", "1112x834", "960x960", "834x1112", "720x1280", "1470x630"),
    "1080p": ("1920x1080", "1664x1248", "1440x1440", "1248x1664", "1080x1920", "2206x946"),
}


@pytest.mark.parametrize("resolution", SIZES)
def test_tokens_go_by_these_frame_sizes(resolution: str) -> None:
    for ratio, size in zip(("16:9", "4:3", "1:1", "3:4", "9:16", "21:9"), SIZES[resolution], strict=True):
        width, height = map(int, size.split("x"))
        assert told(VASTNUM, resolution=resolution, ratio=ratio, duration=4).amount == width * height * 96 // 1024


def test_undocumented_fields_leave_the_price_unknown() -> None:
    fields = {"prompt": "x", "resolution": "480p", "ratio": "1:1", "duration": 4}
    sender, document = sd.Session().sender, spec(VASTNUM)
    assert sender.known_price(document, approve(document, fields)).amount == 38_400
    more = sender.known_price(document, approve(document, fields, {"/duration": 15}))
    assert (more.amount, bool(more.why)) == (None, True)


@pytest.mark.parametrize("text", ["1e3s", "５s", "5S", "five", "", "s", "-5s", "0s"])
def test_a_length_that_is_no_plain_number_has_no_price(text: str) -> None:
    assert told(PRO, duration=text).amount is None


def row(**changes: Any) -> Row:
    facts: dict[str, Any] = {"seq": 1, "spec": PRO, "base_url": "https://seedance2-pro.com", "simulated": False, "digest": "", "take": 1, "body": "{}",
             "state": State.DONE, "task_id": "t"}  # fmt: skip
    return Row(**(facts | changes))


@pytest.mark.parametrize(("changes", "words"), [
    ({"credits": 200.0, "estimate": 200.0}, "200 credits"),
    ({"credits": 210.0, "estimate": 200.0}, "210 credits (estimated 200 credits)"),
    ({"state": State.RUNNING, "estimate": 200.0}, "200 credits (estimated)"),
    ({"credits": 99111.0, "unit": "tokens"}, "99,111 tokens"),
    ({}, "cost not reported"),
    ({"state": State.REFUSED, "estimate": 200.0}, "not charged"),
    ({"simulated": True, "credits": 200.0}, "simulated (free)")])  # fmt: skip
def test_the_ledger_says_estimate_first_and_actual_after(changes: dict[str, Any], words: str) -> None:
    assert price_after(row(**changes)) == words


def test_a_task_carries_its_estimate_from_before_it_is_sent() -> None:
    fields: dict[str, Any] = {
        "urls": ["https://example.com/a.png"],
        "prompt": "x",
        "duration": "4s",
        "resolution": "256x144",
    }
    video = sd.Session(queue_s=0, run_s=0).generate(PRO, timeout=60, **fields)
    assert (video.row.estimate, video.row.unit, video.row.credits) == (160, "credits", 160)
