"""What a form reports is written for the person in front of it: labels, not the names of parameters."""

import re
from html import escape
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._base.problem import Problem
from seedance_nb._check.check import build_body, check, warnings
from seedance_nb._document.load import model_names
from seedance_nb._form.labels import error_html, labels_of, sentence
from seedance_nb._form.model.fields import Field, tree

WRONG: tuple[Any, ...] = (
    "",
    "x" * 9_999,
    99_999,
    -1,
    0.5,
    True,
    None,
    [],
    ["x"] * 99,
    {},
    "[Image7] [Video8] [Audio9]",
)
NEAR = ("prompts", "img_url", "url", "audio", "reference_image", "durations", "meta_data", "callBackURL")


def fields_of(field: Field) -> list[Field]:
    return [field, *(inner for child in field.children for inner in fields_of(child))]


def raw_names(spec: sd.Spec) -> dict[str, str]:
    """The fields whose name no person would read as their label."""
    labels = {field.path[-1]: field.label for field in fields_of(tree(spec)) if field.path}
    return {name: label for name, label in labels.items() if label.lower() != name}


def all_problems(spec: sd.Spec) -> list[Problem]:
    names = [field.path[-1] for field in fields_of(tree(spec)) if field.path and field.kind != "group"]
    bodies = [
        build_body(spec, values) for values in ({}, *({name: value} for name in (*names, *NEAR) for value in WRONG))
    ]
    bodies += [{**build_body(spec, {}), name: 1} for name in NEAR]
    return [problem for body in bodies for problem in (*check(spec, body), *warnings(spec, body))]


def names_in(message: str, names: dict[str, str]) -> list[str]:
    for label in names.values():  # "Reference images" is a label, though "images" is a name
        message = message.replace(label, "")
    return [name for name in names if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", message)]


@pytest.mark.parametrize("model", model_names())
def test_no_message_of_a_form_has_a_raw_field_name_that_has_a_label(model: str) -> None:
    spec = sd.spec(model)
    labels, names = labels_of(spec), raw_names(spec)
    problems = all_problems(spec)
    assert names
    assert len({problem.rule for problem in problems}) >= 4, "naive control: many kinds of problems are made"
    for problem in problems:
        assert names_in(sentence(problem, labels), names) == [], problem.rule


def test_messages_in_code_name_parameters() -> None:
    spec = sd.spec("crun/seedance-2.0-fast-r2v")
    named = [problem for problem in all_problems(spec) if names_in(problem.message, raw_names(spec))]
    assert {problem.rule for problem in named} >= {"unknown"}, "the naive control of the test above"


def test_a_field_that_no_model_has_keeps_the_name_that_was_typed() -> None:
    form = sd.form("crun/seedance-2.0-fast-r2v")
    form.values = {"img_urls": ["https://e.com/1.png"]}
    form.validate()
    assert "img_urls" in form._summary.value


def test_a_provider_is_quoted_as_it_is() -> None:
    words = "Broken: reference_images"
    problem = Problem(path="/input/reference_images", message=words, rule="server")
    assert sentence(problem, labels_of(sd.spec("crun/seedance-2.0-fast-r2v"))) == f"{words}."


@pytest.mark.parametrize(("message", "text"), [
    ("is empty", "Prompt is empty."), ("99 s is too large", "Prompt: 99 s is too large."),
    ("has no end?", "Prompt has no end?"), ("the prompt mentions [Image2]", "The prompt mentions [Image2]."), ("needs one of reference_images", "Prompt needs one of Reference images."),
    ('must be one of a; got "reference_images"', 'Prompt must be one of a; got "reference_images".')])  # fmt: skip
def test_a_message_becomes_a_sentence(message: str, text: str) -> None:
    problem = Problem(path="/input/prompt", message=message, rule="any")
    assert sentence(problem, labels_of(sd.spec("crun/seedance-2.0-fast-r2v"))) == text


@pytest.mark.parametrize(("groups", "text"), [
    ([["images"], ["videos"]], "Add at least one image or video."), ([["a_url"], ["text"]], "Fill in a URL or text."),
    ([["in_images"], ["in_videos"], ["in_sounds"]], "Add at least one in image, video or sound."),
    ([["a", "b"], ["c"]], "A: any message.")])  # fmt: skip
def test_one_of_several_fields_is_asked_for_by_their_labels(groups: list[list[str]], text: str) -> None:
    names = [name for group in groups for name in group]
    others = tuple(f"/{name}" for name in names)
    problem = Problem(path=others[0], message="any message", rule="x-any-given", limit=groups, others=others)
    assert sentence(problem, {}) == text


def test_a_quote_on_hover_names_its_source() -> None:
    form = sd.form("crun/seedance-2.0-fast-r2v")
    form.values = {"duration": 99}
    [problem] = [problem for problem in form.problems if problem.path == "/input/duration"]
    assert problem.quote
    text = str(error_html([problem]))
    assert f'title="From crun&#x27;s docs: &quot;{escape(problem.quote)}&quot;"' in text
    assert 'title=""' in str(error_html([Problem(path="/input/duration", message="is wrong", rule="server")]))


def test_a_quote_of_a_chosen_branch_names_its_source() -> None:
    text = {"type": "string", "maxLength": 2, "description": "At most 2 characters."}
    form = sd.form({"type": "object", "properties": {"x": {"oneOf": [text, {"type": "integer"}]}}})
    form.values = {"x": "long"}
    [problem] = form.problems
    assert problem.citation == 'From the schema: "At most 2 characters."'
