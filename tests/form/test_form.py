"""The form: what it shows is what it sends, and what it says is at its field. Driven as the browser drives it."""

import doctest
import inspect
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets as widgets
import pytest
from support.waiting import until

import seedance_nb as sd
from seedance_nb._form.controls.text_list import ListControl, thumb_html
from seedance_nb._form.form import Form
from seedance_nb._form.labels import markdown_html
from seedance_nb._form.model.fields import Field, label_of, tree

MODEL = "crun/seedance-2.0-fast-r2v"
IMAGE = "https://example.com/reference-image-1.png"
START = {"model": "bytedance/seedance2-0-fast-r2v", "input": {}}


@pytest.fixture
def form(crun: sd.Spec) -> Form:
    return Form(crun)


def control(form: Form, name: str) -> Any:
    return form._controls[f"/input/{name}"]


def images(form: Form) -> ListControl:
    found = control(form, "reference_images")
    assert isinstance(found, ListControl)
    return found


def errors(form: Form, name: str) -> str:
    found = control(form, name)
    label = (
        found.label_widget.value if isinstance(found, ListControl) else getattr(found, "_box", found.widget).description
    )
    return str(label).partition('<span class="sdn-error"')[2]


def leaves(field: Field) -> list[Field]:
    """Every field that holds a value of its own, in order; groups and constants are left out."""
    if field.kind == "group":
        return [leaf for child in field.children for leaf in leaves(child)]
    return [] if field.kind == "constant" else [field]


def test_the_fields_stand_in_the_documents_order(crun: sd.Spec) -> None:
    assert [field.path[-1] for field in leaves(tree(crun))] == [
        "callback_url", "prompt", "reference_images", "reference_videos", "reference_audios", "return_last_frame", "audio",
        "resolution", "aspect_ratio", "duration"]  # fmt: skip


def test_each_field_has_its_kind_and_bounds(crun: sd.Spec) -> None:
    found = {field.path[-1]: field for field in leaves(tree(crun))}
    assert {name: field.kind for name, field in found.items()} == {
        "callback_url": "text", "prompt": "prose", "reference_images": "list", "reference_videos": "list",
        "reference_audios": "list", "return_last_frame": "toggle", "audio": "toggle", "resolution": "choice",
        "aspect_ratio": "choice", "duration": "integer"}  # fmt: skip
    assert (found["duration"].likely, found["duration"].default) == (range(4, 16), 5)
    assert found["prompt"].required
    assert found["prompt"].max_length == 5000
    assert found["reference_images"].markers == ("[Image{n}]", "[图{n}]")
    assert found["reference_images"].one_of_required == ("reference_images", "reference_videos")
    assert found["return_last_frame"].advanced == "deprecated"


@pytest.mark.parametrize(("name", "label"), [("reference_images", "Reference images"), ("img_urls", "Img URLs"),
                                             ("callBackUrl", "Call back URL"), ("prompt", "Prompt")])  # fmt: skip
def test_a_name_becomes_words(name: str, label: str) -> None:
    assert label_of(name) == label


def test_an_untouched_form_says_only_what_the_document_needs(form: Form) -> None:
    assert form.values == START
    assert form.problems
    assert errors(form, "prompt") == ""


def test_typing_sets_exactly_what_was_typed(form: Form) -> None:
    control(form, "prompt").widget.value = "  a\nb 🦊 "
    assert form.values["input"] == {"prompt": "  a\nb 🦊 "}
    control(form, "resolution").widget.label = "480p"
    control(form, "audio").widget.value = True
    control(form, "aspect_ratio").widget.label = "9:16"
    assert form.values["input"] == {"prompt": "  a\nb 🦊 ", "audio": True, "resolution": "480p", "aspect_ratio": "9:16"}


@pytest.mark.parametrize(
    ("typed", "value"),
    [("8", 8), ("16", 16), ("3", 3), ("-1", -1), ("4.5", 4.5), ("abc", "abc"), (" 8", " 8"), ("08", "08")],
)
def test_a_typed_number_is_taken_as_it_is_and_never_clamped(form: Form, typed: str, value: Any) -> None:
    duration = control(form, "duration")
    duration._box.value = typed
    assert form.values["input"]["duration"] == value
    assert type(form.values["input"]["duration"]) is type(value)
    assert duration._box.value == typed
    assert bool(errors(form, "duration")) == (value != 8)


def test_slider_and_box_show_the_same_number(form: Form) -> None:
    duration = control(form, "duration")
    duration._slider.value = 9
    assert duration._box.value == "9"
    assert form.values["input"]["duration"] == 9
    duration._box.value = "12"
    assert duration._slider.value == 12
    duration._box.value = ""
    assert "duration" not in form.values["input"]
    assert duration._slider.value == 5


def test_entries_are_added_removed_and_moved(form: Form) -> None:
    listed = images(form)
    for text in ("https://e.com/1.png", "https://e.com/2.png", "https://e.com/3.png"):
        listed.add()
        listed._entries[-1].text.value = text
    assert form.values["input"]["reference_images"] == [
        "https://e.com/1.png",
        "https://e.com/2.png",
        "https://e.com/3.png",
    ]
    listed._entries[2].up.click()
    listed._entries[0].down.click()
    assert form.values["input"]["reference_images"] == [
        "https://e.com/3.png",
        "https://e.com/1.png",
        "https://e.com/2.png",
    ]
    assert [row.up.disabled for row in listed._entries] == [True, False, False]
    assert [row.down.disabled for row in listed._entries] == [False, False, True]
    assert ">[Image2]<" in listed._entries[1].text.description
    for row in list(listed._entries):
        listed.remove(row)
    assert "reference_images" not in form.values["input"]


def test_a_new_row_is_told_nothing_once_it_can_be_typed_into(crun: sd.Spec, comms: list[dict[str, Any]]) -> None:
    form = Form(crun)
    images(form).add(IMAGE)
    comms.clear()
    images(form).add()
    box = images(form)._entries[1].text.comm.comm_id
    assert [said["type"] for said in comms if said["comm"] == box] == ["comm_open"]


def test_no_more_entries_than_the_document_allows_can_be_added(form: Form) -> None:
    listed = images(form)
    for _ in range(9):
        assert not listed._add.disabled
        listed.add(IMAGE)
    assert listed._add.disabled
    assert "9 / 9" in listed.label_widget.value


class Assets:
    """The account at a provider that registers addresses and takes no files."""

    async def asset(self, url: str, kind: str) -> str:
        return f"asset://{kind}-of-{url.rpartition('/')[2]}"


@pytest.fixture
def assets_only(crun: sd.Spec) -> sd.Spec:
    return replace(crun, calls={"asset": crun.calls["asset"]})


def test_an_address_becomes_an_asset_also_where_no_files_are_taken(assets_only: sd.Spec) -> None:
    account: Any = Assets
    form = Form(assets_only, account)
    assert images(form)._files is None
    images(form).add(IMAGE)
    images(form).register(images(form)._entries[0])
    until(lambda: form.values["input"]["reference_images"] == ["asset://image-of-reference-image-1.png"])


def test_a_list_that_holds_no_media_offers_no_assets(assets_only: sd.Spec) -> None:
    account: Any = Assets
    spec = sd.spec({"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}})
    form = Form(replace(spec, calls=assets_only.calls), account)
    tags: Any = form._controls["/tags"]
    tags.add("a")
    assert "id-badge" not in [getattr(part, "icon", "") for part in tags._entries[0].widget.children]


def test_an_error_is_at_its_row_and_goes_when_it_is_mended(form: Form) -> None:
    listed = images(form)
    listed.add(IMAGE)
    listed.add()
    row = listed._entries[1]
    row.text.value = "asset-123"
    assert "write asset://asset-123" in row.text.description
    assert "sdn-bad" in row.widget._dom_classes
    assert "sdn-error" not in listed._entries[0].text.description
    assert row.text.continuous_update, "an error that is shown answers to every key"
    row.text.value = "asset://asset-123"
    assert "sdn-error" not in row.text.description
    assert "sdn-bad" not in row.widget._dom_classes


def test_an_error_waits_until_its_field_was_left(form: Form) -> None:
    control(form, "prompt").widget.value = "x"
    assert errors(form, "reference_images") == ""
    form.validate()
    assert "Add at least one reference image or video." in errors(form, "reference_images")
    assert "Fix 1 problem to generate" in form._summary.value
    images(form).add(IMAGE)
    assert errors(form, "reference_images") == ""
    assert form._summary.value == ""


def test_a_prompt_that_is_too_long_says_so_at_once_and_is_not_cut(form: Form) -> None:
    control(form, "prompt").widget.value = "x" * 5001
    assert "at most 5,000" in errors(form, "prompt")
    assert "5,001 / 5,000" in control(form, "prompt").widget.description
    assert len(form.values["input"]["prompt"]) == 5001


def test_advanced_fields_are_made_when_they_are_opened(form: Form) -> None:
    assert "/callback_url" not in form._controls
    form._tree.fold.button.click()
    control(form, "return_last_frame").widget.value = True
    form._controls["/callback_url"].widget.value = "https://example.com/call"
    assert form.values["callback_url"] == "https://example.com/call"
    assert form.values["input"]["return_last_frame"] is True


def test_advanced_fields_can_be_folded_again_and_keep_what_was_given(form: Form) -> None:
    fold: Any = form._tree.fold
    fold.button.click()
    first = fold.box.children
    form._controls["/callback_url"].widget.value = "nonsense"
    fold.button.click()
    assert ("sdn-hidden" in fold.box._dom_classes, fold.button.icon) == (True, "caret-right")
    assert form.values["callback_url"] == "nonsense"
    form.validate()
    assert ("sdn-hidden" in fold.box._dom_classes, fold.button.icon) == (False, "caret-down"), (
        "a problem opens it again"
    )
    assert fold.box.children == first


def test_a_problem_in_a_folded_field_opens_the_fold(form: Form) -> None:
    form.values = {"callback_url": "nonsense", "prompt": "x", "reference_images": [IMAGE]}
    form.validate()
    assert "sdn-error" in form._controls["/callback_url"].widget.description


VALUES = [
    {},
    {"input": {"prompt": "x"}},
    {
        "input": {
            "prompt": "x",
            "reference_images": [IMAGE, IMAGE],
            "duration": 15,
            "audio": False,
            "resolution": "720p",
        }
    },
    {"callback_url": "https://e.com", "input": {"prompt": "a\r\nb", "reference_videos": [], "aspect_ratio": "auto"}},
    {"input": {"prompt": "", "duration": 99, "resolution": "1080p", "reference_images": ["", " "]}},
]


@pytest.mark.parametrize("values", VALUES)
def test_what_is_set_is_what_is_got(form: Form, values: dict[str, Any]) -> None:
    body = START | values
    form.values = body
    assert form.values == body
    form.values = json.dumps(body)
    assert form.values == body
    form.open_advanced()
    assert form.values == body


def test_values_by_their_own_names_find_their_place(form: Form) -> None:
    form.values = {"prompt": "x", "duration": 6}
    assert form.values == START | {"input": {"prompt": "x", "duration": 6}}
    with pytest.raises(ValueError, match="an object"):
        form.values = "[1]"
    form.reset()
    assert form.values == START


def test_an_observer_hears_of_every_change(form: Form) -> None:
    heard: list[Any] = []
    form.observe(lambda values: heard.append(values["input"].get("duration")))
    control(form, "duration")._slider.value = 7
    form.values = {"duration": 8}
    assert heard == [7, 8]


def test_a_form_is_few_messages(crun: sd.Spec, comms: list[dict[str, Any]]) -> None:
    Form(crun)
    assert len([said for said in comms if said["type"] == "comm_open"]) <= 30
    assert [said for said in comms if said["type"] != "comm_open"] == []


def test_markup_from_a_document_is_only_text() -> None:
    assert markdown_html("<script>alert(1)</script> `a<b` **c** [d](javascript:x)") == (
        "&lt;script&gt;alert(1)&lt;/script&gt; <code>a&lt;b</code> <b>c</b> d")  # fmt: skip
    assert 'src="https://e.com/&quot;onerror=x"' in thumb_html('https://e.com/"onerror=x', "image")
    assert "javascript" not in thumb_html("javascript:alert(1)", "image")


def test_without_widgets_a_form_is_still_readable(form: Form) -> None:
    form.values = {"prompt": "<b>x</b>"}
    bundle = form._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "&lt;b&gt;x&lt;/b&gt;" in bundle["text/html"]
    assert bundle["text/plain"].startswith(f"Form for {MODEL}: ")


def test_a_form_is_made_from_any_schema_of_plain_fields() -> None:
    schema = {"type": "object", "required": ["size"], "properties": {
        "size": {"type": "number", "minimum": 0, "exclusiveMinimum": True}, "name": {"type": "string", "maxLength": 20},
        "deep": {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}},
        "free": {"type": "object"}}}  # fmt: skip
    form = sd.form(schema)
    found: dict[str, Any] = dict(form._controls)
    assert list(found) == ["/size", "/name", "/deep/on", "/free"]
    found["/size"]._box.value = "0"
    found["/deep/on"].widget.value = False
    found["/free"].widget.value = '{"a": [1]}'
    assert form.values == {"size": 0, "deep": {"on": False}, "free": {"a": [1]}}
    assert [problem.path for problem in form.problems] == ["/size"]


def test_every_control_is_a_stock_widget(form: Form) -> None:
    form.open_advanced()
    images(form).add(IMAGE)
    stack: list[Any] = list(form.widget.children)
    while stack:
        widget = stack.pop()
        assert type(widget).__module__.startswith("ipywidgets.")
        stack += getattr(widget, "children", ())
    assert isinstance(form.widget, widgets.VBox)


def test_a_field_is_plain_data(crun: sd.Spec) -> None:
    field = leaves(tree(crun))[0]
    assert isinstance(field, Field)
    with pytest.raises(AttributeError):
        field.label = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "values", "observe", "undo", "to_curl", "to_python", "save"])
def test_the_examples_of_a_form_show_what_really_happens(name: str) -> None:
    text = inspect.getdoc(getattr(Form, name) if name else Form) or ""
    example = doctest.DocTestParser().get_doctest(text, {"sd": sd}, name, None, 0)
    report: list[str] = []
    doctest.DocTestRunner().run(example, out=report.append)
    assert example.examples
    assert report == []


def shown(widget: Any) -> str:
    """All texts of a widget and of those inside."""
    own = f"{getattr(widget, 'value', '')} {getattr(widget, 'description', '')}"
    return " ".join([own, *map(shown, getattr(widget, "children", ()))])


ABOUT = {"type": "object", "description": "What this model does. It takes `a` film.", "properties": {
    "about": {"type": "object", "description": "The film's own settings.", "required": ["x"], "properties": {"x": {"type": "string"}}}}}  # fmt: skip


@pytest.mark.parametrize("model", [*sd.models(), ABOUT])
def test_the_description_of_every_object_that_is_open_is_shown(model: Any) -> None:
    form = sd.form(model)
    text = shown(form.widget)
    groups = [tree(form.spec)]
    for group in groups:
        groups += [child for child in group.children if child.kind == "group"]
        for sentence in (group.help, *group.more):
            assert str(markdown_html(sentence)) in text
    assert any(group.help for group in groups) or form.spec.provider in ("seedance2-pro", "vastnum")


def watched(path: str, real: Callable[[Any], None], visited: list[str]) -> Callable[[Any], None]:
    def show(problems: Any) -> None:
        visited.append(path)
        real(problems)

    return show


def test_an_edit_visits_only_its_own_field_and_those_whose_problems_change(monkeypatch: pytest.MonkeyPatch) -> None:
    fields: dict[str, Any] = {f"f{number}": {"type": "string", "maxLength": 3} for number in range(60)}
    form = sd.form({"type": "object", "properties": fields})
    visited: list[str] = []
    for path, found in form._controls.items():
        monkeypatch.setattr(found, "show_problems", watched(path, found.show_problems, visited))
    form._controls["/f7"].widget.value = "ab"
    assert visited == ["/f7"]
    form._controls["/f8"].widget.value = "too long"
    visited.clear()
    form._controls["/f9"].widget.value = "a"
    assert sorted(visited) == ["/f8", "/f9"]
    form._controls["/f8"].widget.value = "ok"
    assert "sdn-error" not in form._controls["/f8"].widget.description
    visited.clear()
    form.values = {"f1": "b"}
    assert len(visited) == 60, "naive: all of them, as where a whole body is set"


@pytest.mark.parametrize(("name", "fields"), [("crun/seedance-2.0-fast-r2v", ("reference_images", "reference_videos")),
                                              ("crun/seedance-2.0-i2v", ("img_urls",))])  # fmt: skip
def test_advice_on_the_page_is_shown_at_its_field_also_where_the_schema_does_not_have_it(
    name: str, fields: tuple[str, ...]
) -> None:
    form = sd.form(name)
    for field in fields:
        shown = form._controls[f"/input/{field}"].label_widget.value
        assert shown.count("contain real faces, it is recommended") == 1
