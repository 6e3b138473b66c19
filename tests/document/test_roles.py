"""Which field is the prompt, the duration, the first frame: marked, given, or guessed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seedance_nb as sd
from seedance_nb._check.check import approve, values_by_role
from seedance_nb._document.reader import packaged
from seedance_nb._notebook.gallery import Gallery

GUESSED = (
    "prompt",
    "seconds",
    "resolution",
    "ratio",
    "audio",
    "reference_images",
    "reference_videos",
    "reference_audios",
)
PAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "input": {
            "type": "object",
            "properties": {
                "prompt": {"type": "string"}, "text": {"type": "string"}, "aspectRatio": {"type": "string"},
                "video_length": {"type": "integer"}, "start_image": {"type": "string"}, "image_urls": {"type": "array", "items": {"type": "string"}},
            },
        },
        "resolution": {"enum": ["480p", "720p"], "type": "string"},
        "sound": {"type": "string"},
    },
}  # fmt: skip


def without_roles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_roles(item) for key, item in value.items() if key != "x-role"}
    return [without_roles(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", list(sd.models()))
def test_the_roles_of_a_packaged_page_are_guessed_as_a_person_marked_them(name: str) -> None:
    marked = sd.spec(name).roles
    guessed = sd.spec(without_roles(packaged(name))).roles
    assert guessed == {role: field for role, field in marked.items() if role in GUESSED}
    assert "prompt" in guessed


def test_names_are_compared_without_case_and_punctuation_and_types_count() -> None:
    assert sd.spec(PAGE).roles == {
        "prompt": "/input/prompt", "seconds": "/input/video_length", "resolution": "/resolution", "ratio": "/input/aspectRatio",
        "first_frame": "/input/start_image", "reference_images": "/input/image_urls",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "role"), [("length", "seconds"), ("aspect", "ratio"), ("quality", "resolution")])
def test_a_short_name_has_a_role_where_no_usual_one_has_it(name: str, role: str) -> None:
    fields: dict[str, Any] = {"prompt": {"type": "string"}, name: {"type": "string"}}
    usual = packaged("_roles")[role]["names"][0]
    assert sd.spec({"type": "object", "properties": fields}).roles[role] == f"/{name}"
    both = {**fields, usual: {"type": "string"}}
    assert sd.spec({"type": "object", "properties": both}).roles[role] == f"/{usual}"


def test_a_document_without_a_prompt_is_no_video_request() -> None:
    assert (
        sd.spec({"type": "object", "properties": {"duration": {"type": "integer"}, "image": {"type": "string"}}}).roles
        == {}
    )


def test_a_person_corrects_a_guess() -> None:
    spec = sd.spec(PAGE, roles={"prompt": "text", "first_frame": None, "last_frame": "/input/start_image"})
    assert spec.roles["prompt"] == "/input/text"
    assert spec.roles["last_frame"] == "/input/start_image"
    assert "first_frame" not in spec.roles
    assert values_by_role(spec, {"input": {"text": "A fox"}}) == {"prompt": "A fox"}
    assert sd.spec(PAGE).roles["prompt"] == "/input/prompt"


def test_a_correction_moves_a_role_that_a_page_marks() -> None:
    name = "vastnum/doubao-seedance-2.0"
    assert sd.spec(name, roles={"prompt": "resolution"}).roles["prompt"] == "/metadata/resolution"
    assert sd.spec(name).roles["prompt"] == "/prompt"


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"promt": "text"}, "'promt' is not a role"),
        ({"prompt": "txt"}, "no field is called 'txt'"),
        ({"audio": "prompt"}, "no field is called 'prompt' and has a type for the role audio"),
    ],
)
def test_an_unknown_role_or_field_is_refused(roles: dict[str, str], said: str) -> None:
    with pytest.raises(sd.errors.SpecError, match=said):
        sd.spec(PAGE, roles=roles)


def test_a_switch_may_be_a_choice_of_words() -> None:
    page = {
        "type": "object",
        "properties": {"prompt": {"type": "string"}, "voice": {"type": "string", "enum": ["on", "off"]}},
    }
    assert sd.spec(page, roles={"audio": "voice"}).roles == {"prompt": "/prompt", "audio": "/voice"}
    with pytest.raises(sd.errors.SpecError, match="no field is called 'loop' and has a type for the role prompt"):
        sd.spec({"type": "object", "properties": {"loop": {"type": "boolean"}}}, roles={"prompt": "loop"})


def test_the_reference_in_two_places_gets_a_role_in_one() -> None:
    image = {"$ref": "#/$defs/Image"}
    page = {"$defs": {"Image": {"type": "string"}}, "type": "object",
            "properties": {"prompt": {"type": "string"}, "first_frame": image, "last_frame": image}}  # fmt: skip
    assert sd.spec(page).roles == {"prompt": "/prompt", "first_frame": "/first_frame", "last_frame": "/last_frame"}


def test_what_a_request_asks_for_is_known_without_marks() -> None:
    assert sd.check(sd.spec(PAGE), prompt="A fox", start_image="./fox.png")[0].rule == "x-media"


@pytest.mark.parametrize("name", [
    *packaged("_roles")["prompt"]["names"], "text_prompt", "promptText", "Video-Prompt", "input prompt", "Prompt",
])  # fmt: skip
def test_a_prompt_that_is_guessed_is_found_again_where_the_models_file_is_not_read(name: str, tmp_path: Path) -> None:
    page = {"type": "object", "properties": {name: {"type": "string"}, f"negative_{name}": {"type": "string"}}}
    spec = replace(sd.spec(page), name="films")
    assert spec.roles == {"prompt": f"/{name}"}
    text = 'A "red" Fox'
    session = sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o")
    approved = approve(spec, {f"negative_{name}": "no", name: text})
    row, _ = session.ledger.claim(approved, base_url="https://films.example.com", simulated=True)
    assert session.prompt_of("films", row.body) == text
    assert [one.prompt for one in session.ledger.search(session.prompt_of, 9, 0, words="red fox")] == [text]
    assert text in repr(session.tasks())
    assert Gallery(session)._cards[0].found.prompt == text


@pytest.mark.parametrize("name", packaged("_roles")["text"]["names"])
def test_a_text_beside_a_field_of_another_role_is_the_prompt_and_found_again(name: str, tmp_path: Path) -> None:
    page = {"type": "object", "properties": {name: {"type": "string"}, "duration": {"type": "integer"}}}
    assert sd.spec({"type": "object", "properties": {name: {"type": "string"}, "voice": {}}}).roles == {}, "speech"
    spec = replace(sd.spec(page), name="films")
    assert spec.roles == {"prompt": f"/{name}", "seconds": "/duration"}
    session = sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o")
    approved = approve(spec, {name: "A fox", "duration": 5})
    session.ledger.claim(approved, base_url="https://films.example.com", simulated=True)
    assert "A fox" in repr(session.tasks())


def test_the_seed_has_a_role() -> None:
    page = {"type": "object", "properties": {"prompt": {"type": "string"}, "Random-Seed": {"type": "integer"}}}
    assert sd.spec(page).roles == {"prompt": "/prompt", "seed": "/Random-Seed"}


def test_a_title_says_the_role_of_a_field_whose_name_does_not() -> None:
    fields = {
        "description": {"type": "string", "title": "Prompt"}, "img": {"type": "string", "title": "Start image", "format": "uri"},
        "len": {"type": "integer", "title": "Duration (s)"}, "cfg": {"type": "string", "title": "分辨率（p）"},
    }  # fmt: skip
    spec = sd.spec({"type": "object", "properties": fields})
    assert spec.roles == {"prompt": "/description", "seconds": "/len", "resolution": "/cfg", "first_frame": "/img"}
    named = {**fields, "prompt": {"type": "string"}, "end_image": {"type": "string", "title": "Image"}}
    both = sd.spec({"type": "object", "properties": named}).roles
    assert (both["prompt"], both["last_frame"], both["first_frame"]) == ("/prompt", "/end_image", "/img"), "names win"


@pytest.mark.parametrize(("name", "kind", "role"), [
    ("时长", "integer", "seconds"), ("视频时长", "integer", "seconds"), ("分辨率", "string", "resolution"),
    ("宽高比", "string", "ratio"), ("首帧图片", "string", "first_frame"), ("尾帧图片", "string", "last_frame"),
    ("参考图", "array", "reference_images"), ("生成音频", "boolean", "audio"), ("clip_length", "integer", "seconds"),
    ("imgs", "array", "reference_images"), ("tail_frame", "string", "last_frame"), ("with_sound", "boolean", "audio")])  # fmt: skip
def test_more_names_have_roles(name: str, kind: str, role: str) -> None:
    spec = sd.spec({"type": "object", "properties": {"提示词": {"type": "string"}, name: {"type": kind}}})
    assert spec.roles == {"prompt": "/提示词", role: f"/{name}"}
