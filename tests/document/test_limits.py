"""Limits of sentences in the schema: the same where null is allowed too, tested or listed as unchecked, in every part of a request."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._check.check import check
from seedance_nb._check.price import estimate
from seedance_nb._document.load import MAX_READ

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
URL = "https://a.example/a.png"
FIELDS: list[tuple[str, Schema, str, Any, Any]] = [  # name, schema, sentence, a value that fits it and one that breaks it
    ("mode", TEXT, "Must be one of `slow`, `quick`.", "slow", "odd"),
    ("title", TEXT, "At most 10 characters.", "a fox", "a fox that runs"),
    ("title", TEXT, "Less than 10 characters.", "a fox at9", "a fox at ten"),
    ("duration", {"type": "integer"}, "Between 3 and 9 seconds.", 9, 10),
    ("steps", {"type": "number"}, "Between 1 and 50.", 50, 0.5),
    ("fps", {"type": "integer"}, "Allowed values: 24, 30.", 30.0, 25),
    ("scale", {"type": "number"}, "Allowed values: 0.5, 1.5.", 0.5, 1),
    ("width", {"type": "integer"}, "Must be a multiple of 8.", 64, 65),
    ("images", TEXTS, "Up to 2 images.", [URL] * 2, [URL] * 3),
    ("styles", TEXTS, "Allowed values: `ink`, `oil`.", ["ink"], ["ink", "lead"]),
    ("tags", TEXTS, "Each tag has at most 5 characters.", ["short"], ["longer"]),
    ("image_url", TEXT, "Base64 is not supported.", URL, "data:image/png;base64,AAAA"),
    ("first_frame", TEXT, "A picture.", URL, "./fox.png"),
    ("image_urls", TEXTS, "Base64 is not supported.", [URL], ["data:image/png;base64,AAAA"]),
]  # fmt: skip
NULL = {"type": "null"}
NULLABLE: dict[str, Callable[[Schema], Schema]] = {
    "anyOf": lambda one: {"anyOf": [one, NULL]},
    "oneOf": lambda one: {"oneOf": [NULL, one]},
    "type": lambda one: {**one, "type": [one["type"], "null"]},
    "nullable": lambda one: {**one, "nullable": True},
    "allOf": lambda one: {"allOf": [one], "nullable": True},
    "twice": lambda one: {"anyOf": [{"oneOf": [one, NULL]}, NULL]},
}


def page(**fields: Schema) -> Schema:
    return {"type": "object", "properties": {"prompt": TEXT, **fields}}


def said(spec: sd.Spec, name: str, value: Any) -> set[tuple[str, str, str, str]]:
    problems = check(spec, {"prompt": "a fox", name: value})
    return {(problem.path, problem.rule, problem.message, problem.quote) for problem in problems}


@pytest.mark.parametrize("how", NULLABLE)
@pytest.mark.parametrize("is_inside", [False, True], ids=["beside", "inside"])
@pytest.mark.parametrize(("name", "schema", "words", "good", "bad"), FIELDS)
def test_a_field_that_may_be_null_has_the_limits_of_one_that_may_not(
    name: str, schema: Schema, words: str, good: Any, bad: Any, how: str, *, is_inside: bool
) -> None:
    described = {**schema, "description": words}
    plain = sd.spec(page(**{name: described}))
    nullable = NULLABLE[how](described) if is_inside else {**NULLABLE[how](schema), "description": words}
    spec = sd.spec(page(**{name: nullable}))
    assert spec.roles == plain.roles
    assert (spec.rules, spec.unchecked) == (plain.rules, plain.unchecked)
    assert said(spec, name, good) == said(plain, name, good) == set()
    assert [one[:2] for one in said(spec, name, bad)] == [one[:2] for one in said(plain, name, bad)] != []
    assert said(spec, name, None) == set() != said(plain, name, None)


KINDS = ["string", "integer", "number", "boolean", "object", "array of string", "array of integer", "array of object"]
SENTENCES: dict[str, tuple[str, tuple[Any, ...]]] = {  # a sentence, and values that break it in any type
    "enum": ("Must be one of `5`, `10`.", ("7", 7)),
    "numbers": ("Allowed values: 5, 10.", ("7", 7)),
    "range": ("Between 4 and 9.", (2, 99)),
    "multiple": ("Must be a multiple of 8.", (9,)),
    "multiple plus": ("Must be a multiple of 8 plus 1.", (8,)),
    "chars": ("At most 3 characters.", ("four",)),
    "fewer chars": ("Less than 3 characters.", ("abc",)),
    "more chars": ("More than 3 characters.", ("abc",)),
    "words": ("At most 3 words.", ("one two three four",)),
    "count": ("Up to 2 images.", (2,)),
    "ratio": ("Aspect ratio between 0.4 and 2.5.", ("9:1",)),
    "side": ("Width at least 300 px.", ("9x9",)),
    "megabytes": ("File size up to 10 MB.", ("a",)),
    "formats": ("Formats: png, jpeg.", ("a.gif",)),
    "base64": ("Base64 is not supported.", ("data:image/png;base64,AAAA",)),
    "schemes": ("Only https URLs.", ("ftp://a.example/a.png",)),
    "not": ("Must not be `odd`.", ("odd",)),
}
BREAKS_MANY: list[Any] = [["a"] * 3, [{}] * 3, [1] * 3, "aaaa", -10_007, 10_007]
ONLY_A_PREFLIGHT_TESTS = {"formats", "megabytes", "width", "height", "ratio", "fps", "seconds", "pixels", "asset", "total_seconds"}  # fmt: skip


@pytest.mark.parametrize("name", ["size", "image_url", "cover", "n", "videos"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_rule_is_tested_or_listed_as_unchecked(name: str, kind: str, sentence: str) -> None:
    words, broken = SENTENCES[sentence]
    outer, _, inner = kind.partition(" of ")
    schema: Schema = {"type": outer, "description": words, **({"items": {"type": inner}} if inner else {})}
    spec, silent = sd.spec(page(**{name: schema})), sd.spec(page(**{name: {**schema, "description": ""}}))
    listed = {(rule.path, rule.kind) for rule in spec.unchecked}
    for rule in (rule for rule in spec.rules if not (rule.hint or (rule.path, rule.kind) in listed)):
        values = [*([value] if inner else value for value in broken), *BREAKS_MANY]
        free = [value for value in values if not said(silent, name, value)]  # which only the sentence forbids
        is_file_rule = rule.kind in ONLY_A_PREFLIGHT_TESTS and rule.kind in spec.body["properties"][name]["x-media"]
        assert is_file_rule or rule.kind == "default" or any(said(spec, name, value) for value in free), rule


def test_each_sentence_above_is_a_rule_somewhere() -> None:
    names = {"string": ("size", "image_url"), "integer": ("n",), "array": ("videos", "image_urls")}
    for words, _ in SENTENCES.values():
        found = [rule for kind, some in names.items() for name in some
                 for spec in [sd.spec(page(**{name: {"type": kind, "description": words}}))] for rule in (*spec.rules, *spec.unchecked)]  # fmt: skip
        assert found, words


def test_a_list_beside_a_limit_of_the_page_itself_is_no_second_list() -> None:
    own: Schema = {"type": "integer", "enum": [1, 2], "description": "Allowed values: 5, 10."}
    spec = sd.spec(page(n=own))
    assert said(spec, "n", 2) == set() != said(spec, "n", 5)
    assert [rule.kind for rule in spec.unchecked] == ["enum"]


def test_words_that_an_example_of_the_page_breaks_are_listed_and_not_tested() -> None:
    spec = sd.spec(page(n={"type": "integer", "default": 20, "description": "Between 1 and 9."}))
    assert said(spec, "n", 99) == set()
    assert [(rule.path, rule.kind) for rule in spec.unchecked] == [("/n", "range")]


LIMITED: Schema = {"type": "integer", "description": "Between 1 and 5."}
SHOT: Schema = {"type": "object", "properties": {"n": LIMITED, "next": {"$ref": "#/$defs/Shot"}}}
PLACES: dict[str, tuple[Schema, Callable[[Any], Any], str]] = {  # where a limit may be: the schema of a field, a value with one, its path
    "items": ({"type": "array", "items": LIMITED}, lambda n: [n], "/it/*"),
    "first items": ({"type": "array", "prefixItems": [LIMITED]}, lambda n: [n], "/it/*"),
    "objects of an array": ({"type": "array", "items": {"type": "object", "properties": {"n": LIMITED}}}, lambda n: [{"n": n}], "/it/*/n"),
    "other names": ({"type": "object", "additionalProperties": LIMITED}, lambda n: {"any": n}, "/it/*"),
    "a branch": ({"oneOf": [{"type": "object", "properties": {"n": LIMITED}}, {"type": "string"}]}, lambda n: {"n": n}, "/it/n"),
    "a plain branch": ({"anyOf": [LIMITED, {"type": "string"}]}, lambda n: n, "/it"),
    "an object or null": ({"anyOf": [{"type": "object", "properties": {"n": LIMITED}}, NULL]}, lambda n: {"n": n}, "/it/n"),
    "parts": ({"allOf": [{"properties": {"n": LIMITED}}, {"properties": {"m": TEXT}}]}, lambda n: {"n": n}, "/it/n"),
    "what refers to itself": ({"$ref": "#/$defs/Shot"}, lambda n: {"n": 2, "next": {"n": 2, "next": {"n": n}}}, "/it/n"),
    "a part that refers to itself": ({"allOf": [{"$ref": "#/$defs/Shot"}, {"properties": {"m": TEXT}}]}, lambda n: {"next": {"n": n}}, "/it/n"),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_limit_is_tested_wherever_it_is(place: str) -> None:
    schema, value, path = PLACES[place]
    spec = sd.spec({"$defs": {"Shot": SHOT}, **page(it=schema)})
    assert path in {rule.path for rule in spec.rules}
    assert said(spec, "it", value(3)) == set()
    assert {rule for _, rule, _, _ in said(spec, "it", value(6))} == {"maximum"}


def test_a_body_of_alternatives_has_roles_and_limits() -> None:
    def one(n: int) -> Schema:
        duration = {"type": "integer", "description": f"Between 1 and {n} seconds."}
        return {"type": "object", "properties": {"prompt": TEXT, "duration": duration, f"only_{n}": TEXT}}

    spec = sd.spec({"oneOf": [{**one(5), "required": ["only_5"]}, {**one(9), "required": ["only_9"]}]})
    assert spec.roles == {"prompt": "/prompt", "seconds": "/duration"}
    assert check(spec, {"prompt": "a", "only_9": "a", "duration": 8}) == ()
    assert check(spec, {"prompt": "a", "only_5": "a", "duration": 8}) != ()


def test_descriptions_beyond_the_bound_are_not_read_and_this_is_said() -> None:
    filler = {"type": "string", "description": "word " * (MAX_READ // 5 - 20)}
    late, limited = (
        {"type": "string", "description": "At most 2 characters. " * 9},
        {**TEXT, "description": "At most 3 characters."},
    )
    spec = sd.spec(page(first=limited, filler=filler, late=late))
    assert [rule.path for rule in spec.rules] == ["/first"]
    assert [oddity.message.partition(";")[0] for oddity in spec.oddities] == ["the descriptions have 20,119 characters"]
    assert sd.spec(page(first=limited)).oddities == ()


def test_a_request_without_a_prompt_is_read_too() -> None:
    video = {"type": "string", "description": "Base64 is not supported."}
    spec = sd.spec(
        {
            "type": "object",
            "properties": {"video_url": video, "sync": {**TEXT, "description": "Must be one of `loop`, `cut`."}},
        }
    )
    assert spec.roles == {}
    problems = check(spec, {"video_url": "data:video/mp4;base64,AAAA", "sync": "odd"})
    assert {problem.path: problem.rule for problem in problems} == {"/video_url": "x-media", "/sync": "enum"}


def test_a_role_that_is_given_reads_the_page_again() -> None:
    cover = {"type": "string", "description": "Base64 is not supported."}
    before = sd.spec(page(cover=cover, steps=LIMITED))
    assert [rule.path for rule in before.unchecked] == ["/cover"]
    spec = sd.spec(before, roles={"first_frame": "cover"})
    assert (
        said(spec, "cover", "data:image/png;base64,AAAA")
        != set()
        == said(before, "cover", "data:image/png;base64,AAAA")
    )
    assert ([rule.kind for rule in spec.rules], spec.unchecked) == (["base64", "range"], ())
    assert sd.spec(page(cover=cover, steps=LIMITED), roles={"first_frame": "cover"}).rules == spec.rules
    assert json.dumps(before.body) == json.dumps(sd.spec(page(cover=cover, steps=LIMITED)).body), (
        "the first is as it was"
    )


@pytest.mark.parametrize(
    ("words", "price"),
    [
        ("Cost: duration (seconds) x 12 credits", "60 credits"),
        ("How long. Price = duration × 0.5 credits.", "2.5 credits"),
        ("Cost: duration (seconds) x 12 credits, twice that with sound", "price unknown"),
        ("Cost: duration x 12 credits x number of videos", "price unknown"),
        ("4 to 15 seconds. Cost: duration (seconds) × 1,200 credits.", "6,000 credits"),
        ("Credits = duration (seconds) x 12.", "60 credits"),
        ("费用 = 时长（秒）× 40 积分。", "200 积分"),
        ("Cost: duration (minutes) x 40 credits", "price unknown"),
        ("费用 = 时长（分钟）× 40 积分", "price unknown"),
        ("Cost: duration (frames) x 2 credits", "price unknown"),
        ("Length in minutes. Cost: duration x 40 credits", "price unknown"),
        ("For 480p, cost: duration (seconds) x 10 credits", "price unknown"),
        ("480p:\nCost: duration (seconds) x 10 credits", "price unknown"),
        ("Minimum cost: duration (seconds) x 10 credits", "price unknown"),
        ("最低费用 = 时长（秒）× 10 积分", "price unknown"),
        ("Cost: duration (seconds) x 10 credits. Minimum charge: 5 seconds.", "price unknown"),
        ("Cost: duration (seconds) x 12 credits. 1080p costs twice as much.", "price unknown"),
        ("Cost: duration (seconds) x 12 credits. Sound adds 50%.", "price unknown"),
        ("If the mode is quick.\nCost: duration (seconds) x 12 credits", "price unknown"),
        ("Cost: duration (seconds) x 12 credits\nAt least 5", "price unknown"),
    ],
)
def test_a_formula_of_a_page_is_its_price_if_nothing_else_changes_it(words: str, price: str) -> None:
    spec = sd.spec(page(duration={"type": "integer", "description": words}))
    assert str(estimate(spec, {"prompt": "a fox", "duration": 5})) == price
    assert str(sd.estimate(spec, prompt="a fox", duration=5)) == price, "also where nobody can be asked"
    marked = sd.spec({**page(duration={"type": "integer", "description": words}), "x-price": {"per_second": 3}})
    assert str(estimate(marked, {"prompt": "a fox", "duration": 5})) == "15 credits", "a person's key wins"


def test_a_formula_is_no_price_where_another_field_changes_it_and_its_words_are_shown() -> None:
    duration = {"type": "integer", "description": "Cost: duration (seconds) x 12 credits"}
    spec = sd.spec(page(duration=duration, resolution={**TEXT, "description": "720p or 4k. 4k doubles the price."}))
    price = estimate(spec, {"prompt": "a fox", "duration": 5})
    assert (price.amount, price.why) == (None, 'the page says "Cost: duration (seconds) x 12 credits"')
    plain = sd.spec(page(duration=duration, resolution={**TEXT, "description": "720p or 4k."}))
    assert estimate(plain, {"prompt": "a fox", "duration": 5}).amount == 60


ONE_OF_TWO = "At least one of `images` or `videos` must be provided."
ABOUT: dict[str, Callable[[Schema, Schema, Schema], None]] = {  # where a page says it: of the body, its operation, the path
    "body": lambda body, _, __: body.update(description=ONE_OF_TWO),
    "title": lambda body, _, __: body.update(title=f"1. {ONE_OF_TWO}"),
    "request body": lambda _, operation, __: operation["requestBody"].update(description=ONE_OF_TWO),
    "operation": lambda _, operation, __: operation.update(description=f"Make a video.\n\n{ONE_OF_TWO}"),
    "summary": lambda _, operation, __: operation.update(summary=ONE_OF_TWO),
    "path": lambda _, __, item: item.update(description=ONE_OF_TWO),
}  # fmt: skip


@pytest.mark.parametrize("where", ABOUT)
def test_what_is_said_of_a_whole_request_is_a_rule_and_listed_as_unchecked(where: str) -> None:
    body = page(images=TEXTS, videos=TEXTS)
    operation: Schema = {"requestBody": {"content": {"application/json": {"schema": body}}}, "responses": {}}
    item: Schema = {"post": operation}
    ABOUT[where](body, operation, item)
    spec = sd.spec({"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/videos": item}})
    rules = [("", "required_any", ONE_OF_TWO.rstrip("."))]
    assert [(rule.path, rule.kind, rule.quote) for rule in spec.rules] == rules
    assert [(rule.path, rule.kind, rule.quote) for rule in spec.unchecked] == rules
    assert sd.spec(spec, roles={"prompt": "prompt"}).unchecked == spec.unchecked, "and when it is read again"


def test_of_what_an_operation_says_only_sentences_about_fields_are_unclear() -> None:
    words = "You must have an account, at most 5 requests. The prompt must not have brand names."
    operation: Schema = {"description": words, "requestBody": {"content": {"application/json": {"schema": page()}}}, "responses": {}}  # fmt: skip
    paths = {"/videos": {"post": operation}}
    spec = sd.spec({"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": paths})
    assert [rule.quote for rule in spec.unchecked] == ["The prompt must not have brand names"]


def test_a_limit_in_a_title_is_a_limit() -> None:
    spec = sd.spec(page(duration={"type": "integer", "title": "Duration (4-12 seconds)"}, steps={"title": "Max steps"}))
    assert said(spec, "duration", 12) == set() != said(spec, "duration", 13)
    assert spec.unchecked == (), "a title without a number is only a name"
