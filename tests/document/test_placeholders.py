"""Names of files in a prompt, such as [Image1]: each has its file, wherever the page says how they are written."""

from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._check.check import check

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
IMAGE = "https://a.example/a.png"


def texts(words: str = "") -> Schema:
    return {"type": "array", "items": TEXT, "description": words}


def page(prompt: str = "", **fields: Schema) -> sd.Spec:
    return sd.spec({"type": "object", "properties": {"prompt": {**TEXT, "description": prompt}, **fields}})


def said(spec: sd.Spec, prompt: str, **values: Any) -> list[str]:
    return [problem.message for problem in check(spec, {"prompt": prompt, **values})]


WORDS = "Refer to images as @Image1, @Image2 in the prompt."
PAGES: dict[str, tuple[sd.Spec, dict[str, Any]]] = {  # where a page says it: the page, and the fields with one image
    "at the prompt": (page(WORDS, image_urls=texts()), {"image_urls": [IMAGE]}),
    "at the list": (page(image_urls=texts(WORDS)), {"image_urls": [IMAGE]}),
    "at its entries": (page(image_urls={"type": "array", "items": {**TEXT, "description": WORDS}}), {"image_urls": [IMAGE]}),
    "beside one image": (page(WORDS, image_url=TEXT, image_urls=texts()), {"image_url": IMAGE}),
    "beside another list": (page(WORDS, image_urls=texts(), video_urls=texts()), {"image_urls": [IMAGE], "video_urls": ["https://a.example/a.mp4"]}),
}  # fmt: skip


@pytest.mark.parametrize("where", PAGES)
def test_a_name_without_its_file_is_refused_wherever_the_page_says_the_names(where: str) -> None:
    spec, values = PAGES[where]
    assert said(spec, "@Image1 runs", **values) == []
    assert said(spec, "@Image2 runs", **values) == ["mentions @Image2, but there is only 1 image"]
    assert said(spec, "@Image1 runs") == ["mentions @Image1, but there are no images"]
    assert spec.unchecked == ()


def test_files_of_two_fields_are_counted_together() -> None:
    spec, _ = PAGES["beside one image"]
    values = {"image_url": IMAGE, "image_urls": [IMAGE]}
    assert said(spec, "@Image2 runs", **values) == []
    assert said(spec, "@Image3 runs", **values) == ["mentions @Image3, but there are only 2 images"]


def test_each_list_is_quoted_for_its_own_names() -> None:
    spec = page(image_urls=texts("Referred to as @Image1."), audio_urls=texts("Referred to as @Audio1."))
    problems = check(spec, {"prompt": "@Image1 sings @Audio1"})
    assert [problem.quote for problem in problems] == ["Referred to as @Image1", "Referred to as @Audio1"]


def test_a_name_without_a_kind_is_of_the_files_that_its_sentence_names() -> None:
    spec = page("Use `character1`, `character2` in the order of image_urls.", image_urls=texts(), audio_urls=texts())
    assert said(spec, "character3 runs", image_urls=[IMAGE]) == ["mentions character3, but there is only 1 image"]
    assert said(spec, "a character 3 years old, supercharacter9", image_urls=[IMAGE]) == []


@pytest.mark.parametrize(("words", "name"), [
    ("使用 [图1] 指代图片。", "[图3]"), ("使用【图1】指代图片。", "【图3】"),
    ("Use @Image(n) to refer to an image.", "@Image3"), ("Use <<<image_1>>> to refer to it.", "<<<image_3>>>")])  # fmt: skip
def test_names_are_read_in_the_usual_signs(words: str, name: str) -> None:
    spec = page(words, images=texts())
    assert said(spec, f"{name} runs", images=[IMAGE]) == [f"mentions {name}, but there is only 1 image"]
    assert said(spec, name.replace("3", "1"), images=[IMAGE]) == []


@pytest.mark.parametrize("prompt", ["mail me@Image9.com", "me.too@image9.example.org", "@Images", "an image 9 m wide"])
def test_what_is_no_name_of_a_file_is_not_refused(prompt: str) -> None:
    spec, values = PAGES["at the prompt"]
    assert said(spec, prompt, **values) == []
    assert said(spec, "me@Image9", **values) != [], "a name may follow a word without a space"


@pytest.mark.parametrize("spec", [
    page(WORDS), page(WORDS, image_url=TEXT), page("Refer to it as image 1.", images=texts()),
    page("用「图片1」指代图片。", images=texts()), page("Use @name to refer to an image.", images=texts()),
    page(WORDS, files={"type": "object", "properties": {"image_urls": texts()}}),
    page(extra={"type": "object", "properties": {"image_urls": texts(WORDS)}})])  # fmt: skip
def test_names_that_cannot_be_checked_are_listed_as_unchecked(spec: sd.Spec) -> None:
    assert {rule.kind for rule in spec.unchecked} == {"placeholder"}
    assert said(spec, "@Image9 runs in image 9 for @name9") == []


def test_names_in_the_words_of_the_operation_are_read_too() -> None:
    body: Schema = {"type": "object", "properties": {"prompt": TEXT, "image_urls": texts()}}
    operation = {
        "description": WORDS,
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {},
    }
    spec = sd.spec(
        {"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": {"/videos": {"post": operation}}}
    )
    assert said(spec, "@Image2 runs", image_urls=[IMAGE]) == ["mentions @Image2, but there is only 1 image"]
