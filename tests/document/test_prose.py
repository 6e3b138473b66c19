"""Limits are read from the sentences of a description, each with its exact words; what is not certain is told as unclear."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_nb._document.load import model_names
from seedance_nb._document.prose.reader import Rule, read_rules
from seedance_nb._document.reader import packaged


def said(description: str, name: str = "image_url", kind: str = "string") -> set[tuple[Any, ...]]:
    """The certain rules of a description: kind, then bounds or values, and the condition if there is one."""
    return {
        (rule.kind, *rule.bounds.items(), *rule.values, *([f"when {rule.when}"] if rule.when else []))
        for rule in read_rules(name, kind, description)
        if rule.kind != "unclear" and not rule.hint
    }


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        ("The picture may weigh up to 12 MB.", ("megabytes", ("to", 12))),
        ("Keep the upload smaller than 500 KB", ("megabytes", ("under", 0.5))),
        ("Each side at least 320 px", ("width", ("from", 320))),
        ("Shorter side no less than 320 pixels", ("height", ("from", 320))),
        ("Aspect ratio between 1:4 and 4:1", ("ratio", ("from", 0.25), ("to", 4))),
        ("Aspect ratio (width/height): (0.5, 2)", ("ratio", ("over", 0.5), ("under", 2))),
        ("Total pixels must not exceed 2,000,000", ("pixels", ("to", 2_000_000))),
        ("Only PNG, JPEG and WebP are taken", ("formats", "png", "jpeg", "webp")),
        ("Sending base64 is not supported: Base64 is not supported", ("base64",)),
        ("文件大小不超过8MB", ("megabytes", ("to", 8))),
        ("图片宽高比在 1:3 到 3:1 之间", ("ratio", ("from", 1 / 3), ("to", 3))),
        ("宽高均不小于 200 像素", ("height", ("from", 200))),
        ("格式：jpg、png", ("formats", "jpg", "png")),
    ],
)
def test_a_sentence_about_a_file_is_a_rule(sentence: str, rule: tuple[Any, ...]) -> None:
    assert rule in said(sentence)


@pytest.mark.parametrize(
    ("name", "kind", "sentence", "rule"),
    [
        ("video_url", "string", "The clip must be 3 to 20 seconds long", ("seconds", ("from", 3), ("to", 20))),
        ("video_url", "string", "At most 2 minutes", ("seconds", ("to", 120))),
        ("video_urls", "array", "all clips together at most 40 s in total", ("total_seconds", ("to", 40))),
        ("video_url", "string", "Frame rate: 20-50 FPS", ("fps", ("from", 20), ("to", 50))),
        ("image_urls", "array", "Up to six images", ("count", ("to", 6))),
        ("image_urls", "array", "最多上传 5 张图片", ("count", ("to", 5))),
        ("prompt", "string", "No more than 900 characters", ("chars", ("to", 900))),
        ("prompt", "string", "长度不超过 700 个字符", ("chars", ("to", 700))),
        ("seed", "integer", "A number from 0 to 99", ("range", ("from", 0), ("to", 99))),
        ("strength", "number", "取值范围：(0, 1]", ("range", ("over", 0), ("to", 1))),
        ("width", "integer", "Must be divisible by 8", ("multiple", "8")),
        ("mode", "string", "Must be one of `slow`, `quick`", ("enum", "slow", "quick")),
        ("mode", "string", "可选值：`slow`、`quick`", ("enum", "slow", "quick")),
        ("duration", "integer", "Allowed values: 5, 10", ("enum", "5", "10")),
        ("mode", "string", "Default: `slow`", ("default", "slow")),
        ("mode", "string", "默认值为 slow", ("default", "slow")),
        ("a", "string", "Cannot be used together with `b`.", ("exclusive", "b")),
        ("a", "string", "At least one of `b` or `c` must be given", ("required_any", "b", "c")),
        ("a", "string", "Exactly one of `b` or `c`", ("required_one", "b", "c")),
        ("a", "string", "Required when `b` is `x`", ("required_when", "b")),
        ("a", "string", "Requires `b_c`.", ("requires", "b_c")),
        ("a", "string", "需配合 `b` 一起使用", ("requires", "b")),
        ("a", "string", "Deprecated, use `b` instead", ("deprecated", "b")),
        ("prompt", "string", "Refer to the pictures as [Image1], [Image2].", ("placeholder", "[Image1]")),
        ("duration", "string", "Formula: seconds x 12 credits", ("price", "12")),
    ],
)
def test_a_sentence_about_a_value_is_a_rule(name: str, kind: str, sentence: str, rule: tuple[Any, ...]) -> None:
    assert rule in said(sentence, name, kind)


@pytest.mark.parametrize(
    "sentence",
    [
        "For best results use a picture of up to 5 MB",
        "Recommended: at most 10 seconds",
        "建议不超过 300 个字符",
        "for example at most 3 MB",
        "Pictures larger than 4096 px are resized",
        "The link is valid for 24 hours",
        "480p costs 2 credits per second",
        "Generated clips are up to 10 seconds long",
        "The task takes up to 5 minutes",
    ],
)
@pytest.mark.parametrize(("name", "kind"), [("image_url", "string"), ("prompt", "string"), ("style", "string")])
def test_advice_examples_and_what_the_service_does_are_no_rules(sentence: str, name: str, kind: str) -> None:
    assert said(sentence, name, kind) == set()


def test_advice_is_kept_as_a_hint() -> None:
    (hint,) = (rule for rule in read_rules("prompt", "string", "Best with at most 300 characters") if rule.hint)
    assert (hint.kind, hint.bounds) == ("chars", {"to": 300})


def test_a_condition_stays_with_its_rule() -> None:
    rules = said("At most 9 images. When `mode` is set to quick, at most 3 images", "images", "array")
    assert rules == {("count", ("to", 9)), ("count", ("to", 3), "when When `mode` is set to quick")}


def test_what_was_not_understood_is_told() -> None:
    sentence = "The face must look into the camera."
    assert [(rule.kind, rule.quote) for rule in read_rules("image_url", "string", sentence)] == [
        ("unclear", sentence[:-1])
    ]


def hand_written() -> list[tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """Every rule of a packaged schema's `x-media` with its field, its schema and its kind."""

    def within(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            for kind, rule in value.get("x-media", {}).items() if "description" in value else ():
                if kind != "kind":
                    yield name, value, kind, rule
            for key, item in value.items():
                yield from within(item, key)

    return [found for model in model_names() for found in within(packaged(model)["paths"])]


def fits(kind: str, written: dict[str, Any], rule: Rule) -> bool:
    bounds = {name: bound for name, bound in written.items() if name in ("over", "under", "from", "to")}
    return (
        rule.kind == kind
        and not rule.when
        and rule.bounds == bounds
        and set(rule.values) == set(written.get("any", ()))
    )


def test_nearly_every_rule_that_a_person_wrote_for_the_pages_is_read_from_them() -> None:
    missed = [
        (name, kind)
        for name, schema, kind, written in hand_written()
        if not any(fits(kind, written, rule) for rule in read_rules(name, schema["type"], schema["description"]))
    ]
    assert len(hand_written()) > 20
    assert missed == [("img_urls", "schemes")], "that the page takes asset:// is only shown"


def test_nothing_is_invented_on_the_pages() -> None:
    def within(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("description"), str) and "type" in value:
                yield name, value
            for key, item in value.items():
                yield from within(item, key)

    found = {
        (model, name, rule.kind): rule
        for model in model_names()
        for name, schema in within(packaged(model)["paths"])
        for rule in read_rules(name, schema["type"], schema["description"])
        if rule.kind != "unclear"
    }
    other = {key: rule for key, rule in found.items() if key[2] not in {kind for _, _, kind, _ in hand_written()}}
    assert {(name, kind) for _, name, kind in other} == {
        ("model", "enum"), ("input", "required_any"), ("prompt", "placeholder"), ("reference_videos", "count"),
        ("reference_audios", "count"), ("duration", "range"), ("duration", "price"),
    }  # fmt: skip


@given(
    st.text(max_size=300),
    st.sampled_from(["image_url", "prompt", "n"]),
    st.sampled_from(["string", "array", "integer", None]),
)
def test_any_text_is_read_and_quoted_exactly(description: str, name: str, kind: str | None) -> None:
    rules = read_rules(name, kind, description)
    assert all(rule.quote in description for rule in rules)
    assert rules == read_rules(name, kind, description)


WORDS = st.sampled_from(
    [
        "at most",
        "up to",
        "5",
        "10 MB",
        "(",
        ")",
        "[",
        "]",
        "image",
        "must",
        "be",
        "one of",
        "`a`",
        ",",
        ".",
        "\n",
        "默认",
        "不超过",
        "张",
        "between",
        "and",
        "1:2",
        "if x is y",
    ]
)


@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_no_words_of_limits_in_any_order_break_the_reader(description: str) -> None:
    for rule in read_rules("image_urls", "array", description):
        low, high = (
            rule.bounds.get(names[0], rule.bounds.get(names[1])) for names in (("from", "over"), ("to", "under"))
        )
        assert low is None or high is None or low <= high
        assert rule.quote in description
