"""Patterns mean what ECMA-262 says, and none of them holds up the kernel."""

import time

import pytest

import seedance_nb as sd
from seedance_nb._schema.formats import pattern_error, search

MEANINGS = [
    ("^a$", "a", True), ("^a$", "a\n", False), ("b", "abc", True), (r"^\d+$", "٣", False), (r"^\w$", "é", False),
    (r"^\W$", "é", True), (r"^\s$", "\u2003", True), (r"^\S$", "\ufeff", False), (r"^[\s\S]$", "\n", True), (r"^[^\W\d]+$", "abc", True),
    (r"^[\w-.]+$", "a-.", True), (r"^[\x41-\x43]$", "B", True), (r"^\p{L}+$", "éÜ", True), (r"^\P{L}$", "1", True),
    (r"^[\p{L}-]+$", "é-", True), (r"^\u{1F600}$", "😀", True), (r"^\ud83d\ude00$", "😀", True), (r"^\cJ$", "\n", True), ("^.$", "\r", False),
    ("^[^]$", "x", True), ("[]", "x", False), ("a{,5}", "a{,5}", True), (r"(?<y>\d{4})-\k<y>", "2020-2020", True), (r"^a\Z", "a\n", False),
    (r"^\bx\B", "xy", True), (r"^[\b]$", "\x08", True), (r"^\/a\-b$", "/a-b", True), ("^[[a]$", "[", True), (r"^\0$", "\x00", True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text", "fits"), MEANINGS)
def test_a_pattern_means_what_ecma_says(pattern: str, text: str, fits: bool) -> None:
    assert search(pattern, text) is fits


EVIL = [
    ("(a+)+$", "a" * 5000 + "b"), ("(a|aa)+$", "a" * 200 + "b"), ("(.*,){12}P", "1," * 60), (r"(\w*)*(\w*)*$", "w" * 5000 + "!"),
    ("(x+x+)+y", "x" * 3000), ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 2000), ("(a?){60}a{60}b", "a" * 60), ("((((a{1,99}){1,99}){1,99}){1,99})$", "a" * 4000 + "b"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), EVIL)
def test_a_pattern_that_blows_up_is_given_up_in_time(pattern: str, text: str) -> None:
    started = time.perf_counter()
    assert search(pattern, text) is not True
    assert time.perf_counter() - started < 1


def test_what_takes_too_long_is_said_as_unchecked_and_neither_passed_nor_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    (problem,) = sd.check(schema, a="a" * 4000 + "!")
    assert (problem.path, problem.rule, problem.warns) == ("/a", "unchecked", True)
    assert str(problem) == "warning: /a: could not be checked: the pattern ^(a+)+$ takes too long"
    assert [problem.rule for problem in sd.check(schema, a="b")] == ["pattern"]


def test_many_texts_under_a_pattern_that_blows_up_take_no_longer_than_a_few() -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"pattern": "^(b|bb)+$"}}}}
    started = time.perf_counter()
    found = sd.check(schema, a=["b" * (100 + number) + "!" for number in range(200)])
    assert {problem.rule for problem in found} == {"unchecked"}
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    "kind", ["not", "if", "else", "anyOf", "oneOf", "contains", "patternProperties", "propertyNames"]
)
def test_what_is_unchecked_within_another_rule_leaves_that_rule_unchecked(kind: str) -> None:
    evil, text = {"pattern": "^(c+)+$"}, "c" * 4000 + "!"
    schemas = {
        "not": {"not": evil}, "if": {"if": evil, "then": False}, "else": {"if": evil, "else": False},
        "anyOf": {"anyOf": [evil, {"type": "integer"}]},
        "oneOf": {"oneOf": [evil, {"type": "string"}]}, "contains": {"contains": evil},
        "patternProperties": {"patternProperties": {"^(c+)+$": False}, "additionalProperties": False}, "propertyNames": {"propertyNames": evil},
    }  # fmt: skip
    values = {"contains": [text], "patternProperties": {text: 1}, "propertyNames": {text: 1}}
    (problem,) = sd.check({"type": "object", "properties": {"a": schemas[kind]}}, a=values.get(kind, text))
    assert (problem.rule, problem.warns) == ("unchecked", True)


@pytest.mark.parametrize("pattern", ["(((", "[", "\\", "*a", r"\p{Nothing}", "a" * 6000, "(?<a>x)(?<a>y)\\k<b>"])
def test_a_pattern_that_nobody_can_read_is_odd_and_unchecked(pattern: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    assert pattern_error(pattern)
    (odd,) = sd.spec(schema).oddities
    assert odd.pointer == "/properties/a"
    assert "it is not checked" in odd.message
    assert [problem.rule for problem in sd.check(schema, a="x")] == ["unchecked"]
