"""A discriminator's value chooses a component, the base itself included where it is a value of its own."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.schemas import api, one

import seedance_nb as sd
from seedance_nb._check.check import check

NAMES = st.lists(st.sampled_from(["Ant", "Bee", "Cat", "Dog"]), unique=True, min_size=1)


def family(heirs: list[str], fields: dict[str, Any], mapping: dict[str, str] | None) -> dict[str, Any]:
    tag: dict[str, Any] = {"propertyName": "kind"}
    if mapping is not None:
        tag["mapping"] = {value: f"#/components/schemas/{name}" for value, name in mapping.items()}
    base = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, **fields},
        "discriminator": tag,
    }
    parts = {
        name: {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                {"type": "object", "properties": {f"own{name}": {"type": "integer"}}},
            ]
        }
        for name in heirs
    }
    return api("3.1.0", one({"$ref": "#/components/schemas/Base"}), Base=base, **parts)


def problems(document: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in check(sd.spec(document), {"a": value})]


@settings(max_examples=40, deadline=None)
@given(heirs=NAMES, has_field=st.booleans(), is_mapped=st.sampled_from(["no", "heirs", "all"]))
def test_every_component_is_chosen_by_its_tag_and_any_other_tag_is_answered_with_all_of_them(
    heirs: list[str], has_field: bool, is_mapped: str
) -> None:
    mapping = {name.lower(): name for name in [*heirs, *(["Base"] if is_mapped == "all" else [])]}
    document = family(heirs, {"name": {"type": "string"}} if has_field else {}, None if is_mapped == "no" else mapping)
    # A mapping adds values; a name stays one.
    tags = {name: [*([name.lower()] if is_mapped != "no" else []), name] for name in heirs}
    is_concrete = has_field
    base_tag = "base" if is_mapped == "all" else "Base"
    shared = {"name": "x"} if has_field else {}
    for name, tag in ((name, tag) for name, every in tags.items() for tag in every):
        assert problems(document, {"kind": tag, f"own{name}": 1, **shared}) == []
        ((path, _),) = problems(document, {"kind": tag, f"own{name}": "x"})
        assert path == f"/a/own{name}"
    assert (problems(document, {"kind": base_tag, **shared}) == []) is is_concrete
    ((path, message),) = problems(document, {"kind": "other", **shared})
    assert path == "/a/kind"
    allowed = [*(tag for every in tags.values() for tag in every), *dict.fromkeys([base_tag, "Base"] * is_concrete)]
    assert message == f'must be {"one of " if allowed[1:] else ""}{", ".join(allowed)}; got "other"'


@settings(max_examples=40, deadline=None)
@given(heirs=NAMES)
def test_without_a_discriminator_any_tag_passes(heirs: list[str]) -> None:
    document = family(heirs, {"name": {"type": "string"}}, None)
    del document["components"]["schemas"]["Base"]["discriminator"]
    assert problems(document, {"kind": "other", "name": "x"}) == []


def test_what_every_branch_needs_is_reported_beside_a_wrong_tag_and_what_one_branch_needs_is_not() -> None:
    branches = [
        {"properties": {"kind": {"const": kind}, "size": {}, "own": {}}, "required": ["kind", "size", *more]}
        for kind, more in (("a", ["own"]), ("b", []))
    ]
    document = one({"oneOf": [{"type": "object", **branch} for branch in branches]})
    assert problems(document, {"kind": "c"}) == [
        ("/a/kind", 'must be one of a, b; got "c"'),
        ("/a/size", "is required"),
    ]


def test_a_missing_tag_is_all_that_is_reported_where_it_decides_what_else_is_needed() -> None:
    document = family(["Ant", "Bee", "Cat"], {}, None)
    for name, field in (("Ant", "w"), ("Bee", "s"), ("Cat", "s")):
        part = document["components"]["schemas"][name]["allOf"][1]
        part |= {"required": [field], "properties": {field: {}}}
    assert problems(document, {}) == [("/a/kind", "is required")]
    free = one(
        {"oneOf": [{"type": "object", "required": ["kind", *more]} for more in (["w"], ["s"], ["s"], ["s", "t"])]}
    )
    words = "exactly one of w, s, s with t is required"
    assert problems(free, {}) == [("/a/kind", "is required"), ("/a/w", words)]


def test_a_form_offers_the_base_as_a_branch_with_its_tag_filled_in() -> None:
    form = sd.form(family(["Cat"], {"name": {"type": "string"}}, None))
    form.values = {"a": {"kind": "Base", "name": "x"}}
    assert form.problems == ()
    assert form.values == {"a": {"kind": "Base", "name": "x"}}


def choice(version: str, **tag: Any) -> dict[str, Any]:
    """A request for a sound or a picture, chosen by its `kind`."""
    parts = {
        name: {
            "type": "object",
            "required": ["kind"],
            "properties": {"kind": {"type": "string"}, f"own{name}": {"type": "integer"}},
        }
        for name in ("Sound", "Picture")
    }
    every = {
        "oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in parts],
        "discriminator": {"propertyName": "kind"} | tag,
    }
    return api(version, one({"$ref": "#/components/schemas/Any"}), Any=every, **parts)


MAPPINGS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {  # what each value chooses, and what none does
    "none": ({}, {"Sound": "Sound", "Picture": "Picture"}, "sound"),
    "of one component": ({"sound": "Sound"}, {"sound": "Sound", "Sound": "Sound", "Picture": "Picture"}, "picture"),
    "of several values": ({"mp3": "Sound", "wav": "Sound"}, {"mp3": "Sound", "wav": "Sound", "Sound": "Sound"}, "ogg"),
    "of another's name": ({"Sound": "Picture", "mp3": "Sound"}, {"Sound": "Picture", "mp3": "Sound", "Picture": "Picture"}, "x"),
}  # fmt: skip


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.2.0"])
@pytest.mark.parametrize("how", MAPPINGS)
def test_the_name_of_a_component_is_a_tag_unless_it_is_mapped(how: str, version: str) -> None:
    mapping, chosen, unknown = MAPPINGS[how]
    document = choice(version, mapping={value: f"#/components/schemas/{name}" for value, name in mapping.items()})
    for tag, name in chosen.items():
        form, value = sd.form(document), {"a": {"kind": tag, f"own{name}": 1}}
        form.values = value
        assert (form.problems, form.values) == ((), value)
        form.values = {"a": {"kind": tag, f"own{name}": "wrong"}}
        assert [problem.path for problem in form.problems] == [f"/a/own{name}"]
    assert [path for path, _ in problems(document, {"kind": unknown, "ownSound": 1})] == ["/a/kind"]


def test_a_default_mapping_takes_every_other_tag() -> None:
    document = choice("3.2.0", mapping={"picture": "Picture"}, defaultMapping="Sound")
    for tag, name in {"picture": "Picture", "Picture": "Picture", "Sound": "Sound", "anything": "Sound"}.items():
        assert problems(document, {"kind": tag, f"own{name}": 1}) == []
        assert [path for path, _ in problems(document, {"kind": tag, f"own{name}": "x"})] == [f"/a/own{name}"]


def test_the_texts_of_a_mapping_are_numbers_where_the_discriminator_is_one() -> None:
    names = {"1": "Ant", "2": "Bee"}
    for kind, values in (("integer", (1, 2, 3)), ("number", (1, 2.0, 3)), ("string", ("1", "2", "3"))):
        document = family([], {}, names)
        schemas = document["components"]["schemas"]
        tag = schemas.pop("Base")["discriminator"]
        for name in names.values():
            fields = {"kind": {"type": kind}, f"own{name}": {}}
            schemas[name] = {"type": "object", "required": [*fields], "properties": fields}
        document["paths"]["/make"]["post"]["requestBody"]["content"]["application/json"]["schema"] = one(
            {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in schemas], "discriminator": tag}
        )
        ant, bee, other = values
        assert problems(document, {"kind": ant, "ownAnt": 0}) == []
        assert problems(document, {"kind": bee}) == [("/a/ownBee", "is required")]
        assert problems(document, {"kind": ant, "ownBee": 0}) == [("/a/ownAnt", "is required")]
        ((path, message),) = problems(document, {"kind": other, "ownBee": 0})
        assert path == "/a/kind"
        assert message.startswith("must be one of")
