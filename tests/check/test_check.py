"""Bodies and their verdicts, written by hand from the document: tests/corpora/<document>/*.json."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._base.values import to_pointer
from seedance_nb._check.check import approve, approve_again, build_body, check, warnings
from seedance_nb._document.load import model_names
from seedance_nb._schema import validator
from seedance_nb._schema.formats import search

CORPORA = Path(__file__).parents[1] / "corpora"
BASE: dict[str, Any] = {"prompt": "x", "reference_images": ["https://example.com/reference-image-1.png"]}
ODD: dict[str, Any] = {"a/b": 1}
MODEL = "crun/seedance-2.0-fast-r2v"
IMAGE = "https://example.com/reference-image-1.png"
CASES = [(name, path) for name in model_names() for path in sorted((CORPORA / name).glob("*.json"))]


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name}-{path.stem}" for name, path in CASES])
def test_a_body_gets_the_verdict_that_its_document_means(name: str, path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    body = expanded(case["body"])
    assert [problem.path for problem in check(sd.spec(name), body)] == case["problems"], case["why"]
    assert [problem.path for problem in warnings(sd.spec(name), body)] == case.get("warnings", []), case["why"]


def test_a_request_with_a_warning_may_be_sent_once_more() -> None:
    spec = sd.spec("seedance2-pro/seedance-20-i2v")
    approved = approve(spec, {"prompt": "A fox", "urls": ["asset://a-1"], "duration": "5s"})
    assert [problem.warns for problem in check(spec, approved.values)] == [True]
    assert approve_again(spec, approved.body) == approved


def expanded(value: Any) -> Any:
    """`{"times": 3, "of": x}` written out, so that a long body stays readable."""
    if isinstance(value, dict) and set(value) == {"times", "of"}:
        return value["of"] * value["times"]
    if isinstance(value, dict):
        return {key: expanded(item) for key, item in value.items()}
    return [expanded(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", model_names())
def test_every_document_has_a_corpus_with_both_verdicts(name: str) -> None:
    verdicts = [json.loads(path.read_text(encoding="utf-8"))["problems"] for path in (CORPORA / name).glob("*.json")]
    assert len(verdicts) >= 30
    assert [] in verdicts
    assert any(verdicts)


def test_every_problem_is_told_at_once_with_value_limit_and_sentence() -> None:
    found = sd.check(MODEL, prompt="x" * 5001, reference_images=["ftp://example.com/a.png"], duration=16, promt="y")
    assert {problem.path: problem.rule for problem in found} == {
        "/input/promt": "unknown",
        "/input/prompt": "maxLength",
        "/input/reference_images/0": "x-media",
        "/input/duration": "maximum",
    }
    assert [problem.path for problem in found if not problem.quote] == ["/input/promt"], (
        "no sentence is about an unknown field"
    )
    duration = next(problem for problem in found if problem.field == "duration")
    assert (duration.value, duration.limit, duration.quote) == (16, 15, "Supports any integer from 4 to 15")
    assert duration.message == "16 s is too large; at most 15 s is allowed"


MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "a typo": ({"promt": "x"}, "unknown field; did you mean 'prompt'?"),
    "a text for a number": ({"duration": "8"}, 'must be a whole number, not text "8"'),
    "a bare AssetId": (
        {"reference_images": ["asset-20260224185115-jtzz8"]}, "is an AssetId without its scheme; write asset://asset-20260224185115-jtzz8"),
    "a local file": ({"reference_images": ["./cat.png"]}, "looks like a local file, but this provider accepts only URLs; sd.upload('crun/seedance-2.0-fast-r2v', './cat.png') uploads it and returns its URL"),
    "Base64": ({"reference_images": ["data:image/png;base64,AAAA"]}, "is Base64 data; use a public URL instead"),
    "another scheme": ({"reference_images": ["ftp://a/b.png"]}, "starts with ftp:; allowed: https://, http://, asset://"),
    "a marker too high": ({"prompt": "[Image3]", "reference_images": [IMAGE] * 2}, "mentions [Image3], but there are only 2 reference images"),
    "a Chinese marker too high": ({"prompt": "[图3]", "reference_images": [IMAGE] * 2}, "mentions [图3], but there are only 2 reference images"),
    "no reference": ({"reference_images": []}, "add at least one reference image or video"),
    "no number": ({"duration": math.nan}, "nan is not a JSON number"),
    "half a character": ({"prompt": "\ud83e"}, "contains half of a surrogate pair, which cannot be sent as text"),
    "another ratio": ({"aspect_ratio": "5:4"}, 'must be one of 1:1, 9:16, 16:9, 3:4, 4:3, 21:9, auto; got "5:4"'),
}  # fmt: skip


@pytest.mark.parametrize("case", MESSAGES)
def test_a_message_says_what_is_wrong_and_what_to_write(case: str) -> None:
    fields, message = MESSAGES[case]
    found = sd.check(MODEL, **(BASE | fields))
    assert [problem.message for problem in found] == [message]


def test_an_undocumented_field_is_sent_only_knowingly(crun: sd.Spec) -> None:
    good: dict[str, Any] = {"prompt": "x", "reference_images": [IMAGE]}
    assert [problem.path for problem in sd.check(MODEL, seed=7, **good)] == ["/input/seed"]
    assert sd.check(MODEL, extra={"seed": 7}, **good) == ()
    approved = approve(crun, good, {"seed": 7, "/priority": 3})
    assert json.loads(approved.body)["input"]["seed"] == 7
    assert json.loads(approved.body)["priority"] == 3
    assert approved.extra == ("/input/seed", "/priority")


def test_a_field_that_is_given_twice_is_reported_and_replaces_nothing(crun: sd.Spec) -> None:
    both: dict[str, Any] = {"input": {"prompt": "keep me"}, "prompt": "other"}
    assert build_body(crun, both)["input"] == {"prompt": "keep me"}
    assert "/prompt" in [problem.path for problem in sd.check(MODEL, **both)]
    bare = {"type": "object", "properties": {"input": {"type": "object", "properties": {"prompt": {"type": "string"}}}}}
    assert build_body(sd.spec(bare), both) == both
    assert [problem.message for problem in sd.check(bare, **both)] == ["unknown field here; it belongs in 'input'"]
    group = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    two = sd.spec({"type": "object", "properties": {"input": group, "extra": group}})
    messages = [problem.message for problem in check(two, {"prompt": "x"})]
    assert messages == ["unknown field here; it belongs in 'input' or in 'extra'"]


def test_an_unknown_name_refuses_a_paid_request_and_warns_elsewhere(crun: sd.Spec) -> None:
    schema = {"type": "object", "properties": {"prompt": {"type": "string"}}}
    (problem,) = sd.check(schema, promt="x")
    assert (problem.warns, problem.message) == (True, "unknown field; did you mean 'prompt'?")
    assert not next(problem for problem in sd.check(crun, prompt="x", seed=7) if problem.path == "/input/seed").warns
    with pytest.raises(sd.InvalidInput, match="unknown field"):
        approve(crun, {"prompt": "x", "reference_images": [IMAGE], "seed": 7})
    named = replace(crun, example={"input": {"seed": 1}})
    (problem,) = check(named, build_body(named, {"prompt": "x", "reference_images": [IMAGE], "seed": 7}))
    assert (problem.path, problem.warns) == ("/input/seed", True)
    assert approve(named, {"prompt": "x", "reference_images": [IMAGE], "seed": 7}).body


def test_what_no_sentence_forbids_is_warned_of() -> None:
    for model, field in (("seedance2-pro/seedance-20-i2v", "urls"), ("vastnum/doubao-seedance-2.0", "images")):
        for value in ("data:image/png;base64,aGk=", "asset://asset-1"):
            fields: dict[str, Any] = {"prompt": "x", field: [value]}
            (problem,) = sd.check(model, **fields)
            assert problem.warns
            assert approve(sd.spec(model), fields)
        assert not next(iter(sd.check(model, **(fields | {field: ["./a.png"]})))).warns
    (problem,) = sd.check(MODEL, prompt="x", reference_images=["data:image/png;base64,aGk="])
    assert (problem.warns, problem.quote) == (False, "Base64 is not supported")


def test_a_message_says_what_the_provider_calls_it() -> None:
    fields: dict[str, Any] = {"prompt": "x", "urls": [IMAGE]}
    (problem,) = sd.check("seedance2-pro/seedance-20-i2v", callback_url="https://example.com/x", **fields)
    assert problem.message == "unknown field here; did you mean 'callBackUrl'?"
    assert sd.check("seedance2-pro/seedance-20-i2v", callBackUrl="https://example.com/x", **fields) == ()
    problem, *_ = sd.check("seedance2-pro/seedance-20-i2v", duration=5, **fields)
    assert problem.message == 'must be text, not the number 5; write "5s"'


def test_a_reference_audio_without_sound_in_the_result_is_warned_of() -> None:
    fields: dict[str, Any] = {
        "prompt": "x",
        "reference_images": [IMAGE],
        "reference_audios": ["https://example.com/a.mp3"],
    }
    off: dict[str, Any] = {"audio": False}
    for given in (fields, fields | off):
        (problem,) = sd.check(MODEL, **given)
        assert (problem.warns, problem.path) == (True, "/input/reference_audios")
        assert "set the audio field to true" in problem.source
    assert sd.check(MODEL, **fields, audio=True) == ()


def test_checking_changes_nothing(crun: sd.Spec) -> None:
    body = {
        "model": "bytedance/seedance2-0-fast-r2v",
        "input": {"prompt": " x ", "reference_images": [f" {IMAGE}"], "duration": 99},
    }
    before = json.dumps(body)
    assert check(crun, body)
    assert json.dumps(body) == before


def test_the_same_request_has_the_same_digest_however_it_is_given(crun: sd.Spec) -> None:
    one = approve(crun, {"prompt": "x", "reference_images": [IMAGE], "duration": 5})
    other = approve(crun, {"input": {"duration": 5, "reference_images": (IMAGE,), "prompt": "x"}})
    assert one.digest == other.digest
    assert one.body == other.body
    assert approve(crun, {"prompt": "y", "reference_images": [IMAGE], "duration": 5}).digest != one.digest


def test_an_untouched_field_is_absent(crun: sd.Spec) -> None:
    assert build_body(crun, {"prompt": "x"}) == {"model": "bytedance/seedance2-0-fast-r2v", "input": {"prompt": "x"}}


def test_the_documents_own_example_is_accepted(crun: sd.Spec) -> None:
    assert check(crun, crun.example) == ()


def test_a_path_can_hold_any_key() -> None:
    assert to_pointer(("a/b", "c~d", 0)) == "/a~1b/c~0d/0"
    assert [problem.path for problem in sd.check(MODEL, prompt="x", reference_images=[IMAGE], **ODD)] == ["/input/a~1b"]


@pytest.mark.parametrize("value", [5, {"a": 1}, None, True, [[]], [None], "text"])
def test_a_value_of_any_shape_gets_a_problem_and_no_crash(value: Any) -> None:
    assert sd.check(MODEL, prompt="x", reference_images=value)
    assert sd.check(MODEL, prompt=value if value != "text" else 3, reference_images=[IMAGE])


def test_after_an_edit_only_the_fields_that_changed_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = list[str]()

    def counted(pattern: str, text: str) -> bool | None:
        evaluated.append(text)
        return search(pattern, text)

    monkeypatch.setattr(validator, "search", counted)
    names = [f"field {number}" for number in range(300)]
    spec = sd.spec(
        {"type": "object", "properties": {name: {"type": "string", "pattern": "^[a-z]+$"} for name in names}}
    )
    body = dict.fromkeys(names, "fox")
    assert check(spec, body) == ()
    evaluated.clear()
    assert [problem.path for problem in check(spec, body | {"field 7": "7"})] == ["/field 7"]
    assert [problem.path for problem in check(spec, body | {"field 8": "8"})] == ["/field 8"]
    assert evaluated == ["7", "8"]
    assert check(spec, body) == ()
    naive = list(validator.errors_of(validator.validator_of(spec.body), body | {"field 7": "7"}))
    assert (len(naive), len(evaluated)) == (1, 2 + len(names)), "without what is known, every field is evaluated"


def test_a_valid_value_makes_no_other_value_valid_that_python_calls_equal() -> None:
    for kind, allowed in {"integer": ("1", "1.0"), "string": ("'1'",), "boolean": ("True",)}.items():
        spec = sd.spec({"type": "object", "properties": {"field": {"type": kind}}})
        for value in (1, True, 1.0, "1", True, 1, 1.0):
            assert (check(spec, {"field": value}) == ()) is (repr(value) in allowed)


@pytest.mark.parametrize(
    "field", [{"format": "uri"}, {"x-media": {"kind": "image", "schemes": {"any": ["https"], "quote": "https only"}}}]
)
def test_an_address_in_the_letters_of_its_language_warns_and_what_is_none_is_refused(field: dict[str, Any]) -> None:
    page = {"type": "object", "properties": {"url": {"type": "string"} | field}}
    warns = {
        text: [one.warns for one in sd.check(page, url=text)]
        for text in ("https://例え.jp/画像.png", "https://a.jp/é b", "例え", "https://é:x")
    }
    assert warns == {
        "https://例え.jp/画像.png": [True],
        "https://a.jp/é b": [False],
        "例え": [False],
        "https://é:x": [False],
    }


def test_a_limit_at_the_end_of_its_sentence_or_before_a_chinese_word_is_quoted() -> None:
    for text, own in (("Length. The largest is 9. Thanks.", "The largest is 9."), ("Length.\n\n最多9个", "最多9个")):
        spec = sd.spec({"type": "object", "properties": {"x": {"type": "integer", "maximum": 9, "description": text}}})
        assert [problem.quote for problem in check(spec, {"x": 12})] == [own]


SHOWN: dict[str, Any] = {
    "prompt": "a fox",
    "hidden": 1,
    "opts": {"a": "1", "inner": 2},
    "shots": [{"text": "a", "lens": 5}],
}


@pytest.mark.parametrize("where", ["example", "examples", "reference", "schema", "fields"])
def test_a_name_that_an_example_of_the_document_has_is_no_error_where_it_is(where: str) -> None:
    text = {"type": "string"}
    opts, shot = (dict[str, Any](type="object", properties={name: text}) for name in ("a", "text"))
    fields: dict[str, Any] = {"prompt": text, "opts": opts, "shots": {"type": "array", "items": shot}}
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    content: dict[str, Any] = {"schema": schema}
    named = {"whole": {"value": SHOWN}, "short": {"value": {}}, "lost": {"$ref": "#/nowhere"}, "odd": 1}
    body: dict[str, Any] = {"prompt": "a fox", "hidden": 2, "opts": {"inner": 3}, "shots": [{"text": "b"}, {"lens": 9}]}
    match where:
        case "example":
            content["example"] = SHOWN
        case "examples":
            content["examples"] = named
        case "reference":
            content["examples"] = {"whole": {"$ref": "#/components/examples/whole"}}
        case "schema":
            schema["example"] = SHOWN
        case _:
            opts["example"], shot["example"] = SHOWN["opts"], SHOWN["shots"][0]
            del body["hidden"]
    operation = {"requestBody": {"content": {"application/json": content}}, "responses": {}}
    document = {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/videos": {"post": operation}}}
    page = sd.spec({**document, "components": {"examples": named}})
    spec = replace(page, task=sd.spec(MODEL).task)  # so that a typo costs money
    assert [problem.path for problem in check(spec, body) if not problem.warns] == []
    wrong = check(spec, {"opts": {"lens": 2}, "shots": [{"inner": 1}]})
    assert [problem.path for problem in wrong if not problem.warns] == ["/opts/lens", "/shots/0/inner"]


@pytest.mark.parametrize(("audio", "said"), [({}, ["also needs audio"]), ({"audio": False}, ["also needs audio to be true"]), ({"audio": True}, [])])  # fmt: skip
def test_a_switch_that_is_off_is_said_to_be_needed_on(audio: dict[str, bool], said: list[str]) -> None:
    sound = ["https://example.com/reference-audio-1.mp3"]
    found = warnings(sd.spec(MODEL), {"input": {**BASE, "reference_audios": sound, **audio}})
    assert [problem.message for problem in found] == said
