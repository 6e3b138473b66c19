"""Likely values are offered and never required: what is offered is valid, and any other value may be sent."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

import seedance_nb as sd
from seedance_nb._document.reader import SPECS
from seedance_nb._form.controls.scalars import ChoiceControl, LikelyControl, NumberControl
from seedance_nb._form.form import Form
from seedance_nb._form.model.fields import Field, tree

NAMES = sd.models().names


def leaves(field: Field) -> list[Field]:
    return [leaf for child in field.children for leaf in leaves(child)] if field.children else [field]


OFFERS = [(name, leaf) for name in NAMES for leaf in leaves(tree(sd.spec(name))) if leaf.likely]
IDS = [f"{name} {leaf.path[-1]}" for name, leaf in OFFERS]


def at(form: Form, field: Field) -> Any:
    return form._controls["/" + "/".join(field.path)]


def value_at(form: Form, field: Field) -> Any:
    value: Any = form.values
    for name in field.path:
        value = value.get(name, "absent") if isinstance(value, dict) else "absent"
    return value


def read(schema: dict[str, Any], **more: Any) -> Field:
    (leaf,) = tree(sd.spec({"type": "object", "properties": {"a": schema}, **more})).children
    return leaf


@pytest.mark.parametrize("name", NAMES)
def test_every_model_offers_resolutions_ratios_and_lengths(name: str) -> None:
    form = Form(sd.spec(name))
    few = [leaf for leaf in leaves(form._root) if leaf.shape.view.get("x-role") in ("resolution", "ratio", "seconds")]
    assert len(few) >= 2
    for leaf in few:
        control = at(form, leaf)
        assert isinstance(control, ChoiceControl) or control._slider is not None, leaf.path


@pytest.mark.parametrize(("name", "field"), OFFERS, ids=IDS)
def test_no_offered_value_is_refused_and_none_of_a_list_is_even_warned_about(name: str, field: Field) -> None:
    for value in field.likely:
        problems = [one for one in sd.check(name, **{field.path[-1]: value}) if one.path == "/" + "/".join(field.path)]
        assert problems == [], value


@pytest.mark.parametrize(("name", "field"), OFFERS, ids=IDS)
def test_what_is_chosen_is_sent_and_what_is_typed_under_other_too(name: str, field: Field) -> None:
    form = Form(sd.spec(name))
    control = at(form, field)
    if isinstance(control, NumberControl):
        for value in reversed(field.likely):
            control._slider.value = value
            assert value_at(form, field) == value
        return
    chooser, box = control.label_widget, control._box

    def hidden() -> bool:
        return "sdn-hidden" in box.widget._dom_classes

    for value in field.likely:
        chooser.label = str(value)
        assert (value_at(form, field), type(value_at(form, field))) == (value, type(value))
    assert hidden()
    chooser.label = "Other…"
    assert not hidden()
    assert value_at(form, field) == "absent", "nothing is typed yet"
    box.label_widget.value = typed = "12345"
    assert value_at(form, field) == (int(typed) if field.kind == "integer" else typed)
    assert [one.warns for one in form.problems if one.path == "/" + "/".join(field.path)] in ([True], [])
    chooser.label = "–"
    assert (value_at(form, field), hidden()) == ("absent", True)


@pytest.mark.parametrize(("name", "field"), OFFERS, ids=IDS)
def test_what_is_set_is_read_back_and_other_is_open_only_for_what_is_not_offered(name: str, field: Field) -> None:
    form = Form(sd.spec(name))
    for value in (field.likely[-1], "something else", 1, 1.5, True, field.likely[0]):
        form.values = {field.path[-1]: value}
        shown = value_at(form, field)
        assert (shown, type(shown)) == (value, type(value))
        if isinstance(control := at(form, field), LikelyControl):
            is_offered = any(one == value and type(one) is type(value) for one in field.likely)
            assert ("sdn-hidden" in control._box.widget._dom_classes) is is_offered
            assert (control.label_widget.label == "Other…") is not is_offered
    assert form.undo()
    assert value_at(form, field) is True


def test_other_has_the_cursor_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    import ipywidgets as widgets

    focused: list[Any] = []

    def focus(widget: Any) -> None:
        focused.append(widget)

    monkeypatch.setattr(widgets.DOMWidget, "focus", focus)
    name, field = next(offer for offer in OFFERS if offer[1].kind == "text")
    control = at(Form(sd.spec(name)), field)
    control.label_widget.label = "Other…"
    assert focused == [control._box.label_widget]


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
SAYS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "a default beside them": (TEXT | {"x-upstream": {"source": "a", "enum": ["1", "2"]}, "default": "3"}, ("1", "2", "3")),
    "numbers": (WHOLE | {"x-upstream": {"source": "a", "enum": [24, 30, 60]}}, (24, 30, 60)),
    "decimals": ({"type": "number", "x-upstream": {"source": "a", "enum": [0.5, 1.0]}, "default": 2}, (0.5, 1.0, 2)),
    "other sources": (TEXT | {"x-upstream": {"source": "a blog", "examples": ["a", "b"]}}, ("a", "b")),
    "an own format": (TEXT | {"x-format": "{n}s", "x-upstream": {"source": "a", "enum": ["4s", "5s", "4"]}}, ("4s", "5s")),
    "examples of a usual role": (TEXT | {"x-role": "ratio", "examples": ["16:9", "1:1"]}, ("16:9", "1:1")),
    "bounds": (WHOLE | {"minimum": 4, "x-upstream": {"source": "a", "maximum": 8}}, (4, 5, 6, 7, 8)),
}  # fmt: skip
SAYS_NOTHING: dict[str, dict[str, Any]] = {
    "examples of any text": TEXT | {"examples": ["Ann", "Bob"]},
    "one value is no choice": TEXT | {"x-upstream": {"source": "a", "enum": ["a"]}, "default": "a"},
    "what the schema refuses": TEXT | {"pattern": "^x", "x-upstream": {"source": "a", "enum": ["a", "b"]}},
    "another type": WHOLE | {"x-upstream": {"source": "a", "enum": ["a", "b"]}},
    "too wide a range": WHOLE | {"minimum": 0, "maximum": 10**30},
    "bounds that are no numbers": WHOLE | {"x-upstream": {"source": "a", "minimum": "4", "maximum": [8]}},
    "bounds that exclude themselves": WHOLE | {"minimum": 4, "maximum": 8, "exclusiveMinimum": 4},
    "steps": WHOLE | {"minimum": 4, "maximum": 8, "multipleOf": 4},
    "no bound": WHOLE | {"minimum": 0},
}


def test_the_values_that_a_page_states_in_a_sentence_are_offered_too() -> None:
    described = {
        "a": TEXT | {"description": "Supports 480p, 720p"},
        "b": WHOLE | {"description": "Any integer from 4 to 7"},
    }
    form = Form(sd.spec({"type": "object", "properties": {"prompt": TEXT, **described}}))
    controls: Any = form._controls
    assert [word for word, _ in controls["/a"].label_widget.options[1:]] == ["480p", "720p"]
    assert (controls["/b"]._slider.min, controls["/b"]._slider.max) == (4, 7)


@pytest.mark.parametrize("case", SAYS)
def test_values_are_read_from_other_sources(case: str) -> None:
    schema, values = SAYS[case]
    assert tuple(read(schema).likely) == values


@pytest.mark.parametrize("case", SAYS_NOTHING)
def test_what_is_no_list_of_valid_values_is_not_offered(case: str) -> None:
    assert not read(SAYS_NOTHING[case]).likely


def test_a_model_without_limits_offers_those_of_its_providers_other_models_and_warns_of_none() -> None:
    document = yaml.safe_load((SPECS / "crun" / "seedance-1.0-pro-t2v.yaml").read_text(encoding="utf-8"))
    inputs = document["paths"]["/api/v1/client/job/CreateTask"]["post"]["requestBody"]["content"]["application/json"]
    fields = inputs["schema"]["properties"]["input"]["properties"]
    for field in fields.values():
        field.pop("x-upstream", None)
    found = {leaf.path[-1]: leaf for leaf in leaves(tree(sd.spec(document)))}
    assert tuple(found["resolution"].likely) == ("480p", "720p", "1080p"), "and its own example"
    assert found["resolution"].source == "crun's docs for Seedance 2.0 Fast"
    assert found["duration"].likely == range(4, 16)
    assert not found["prompt"].likely
    assert sd.check(document, prompt="A fox", resolution="999p", duration=99) == ()
    strange = deepcopy(document) | {"x-provider": "nobody"}
    (leaf,) = [leaf for leaf in leaves(tree(sd.spec(without_tasks(strange)))) if leaf.path[-1] == "resolution"]
    assert not leaf.likely, "other providers' models are not asked"


def without_tasks(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "x-provider"}


@pytest.mark.parametrize("key", ["enum", "examples"])
def test_hostile_values_are_offered_as_text(key: str) -> None:
    words = ["<b>x</b>", "a\nb", "–", "Other…"]
    field = read(TEXT | {"x-upstream": {"source": "<i>", key: words}})
    form = Form(sd.spec({"type": "object", "properties": {"a": TEXT | {"x-upstream": {"source": "<i>", key: words}}}}))
    assert tuple(field.likely) == tuple(words)
    chooser: Any = form._controls["/a"].label_widget
    chooser.label = words[0]
    assert form.values == {"a": words[0]}
    assert "<i>" not in str(chooser.description)
