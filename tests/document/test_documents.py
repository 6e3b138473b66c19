"""Documents are read as YAML 1.2 or JSON, and what cannot be used is refused with file and pointer."""

import contextlib
import copy
import gc
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support.pages import bodies_on, page_of

from seedance_nb import Spec, SpecError, spec
from seedance_nb._document.load import model_names
from seedance_nb._document.reader import SPECS, read_document, with_shared
from seedance_nb._document.tables import MEDIA_RULES, check_extensions
from seedance_nb._schema.messages import sentences

MODEL = "crun/seedance-2.0-fast-r2v"
PROVIDERS = ("crun", "seedance2-pro", "vastnum")


def text_of(name: str) -> str:
    return (SPECS / f"{name}.yaml").read_text(encoding="utf-8")


def without_ours(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {
            key: item
            for key, item in value.items()
            if not key.startswith("x-") and not (isinstance(item, dict) and "x-ours" in item)
        }
        made = {key: without_ours(item) for key, item in kept.items()}
        return {key: item for key, item in made.items() if item != {} or value[key] == {}}
    return [without_ours(item) for item in value] if isinstance(value, list) else value


def folded(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def merged(name: str) -> dict[str, Any]:
    return with_shared(read_document(text_of(name))[0], "")


def test_a_published_schema_is_unchanged() -> None:
    own, _ = read_document(page_of(MODEL).split("````yaml", 1)[1].split("\n", 1)[1].split("````")[0])
    assert without_ours(merged(MODEL)) == own


def descriptions(value: Any, *, ours: bool = False) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in descriptions(item, ours=ours)]
    if not isinstance(value, dict) or ("x-ours" in value and not ours):
        return []
    said = [value[name] for name in ("description", "summary") if isinstance(value.get(name), str)]
    return said + [
        text for name, item in value.items() if not name.startswith("x-") for text in descriptions(item, ours=ours)
    ]


@pytest.mark.parametrize("name", model_names())
def test_every_sentence_of_a_description_is_the_providers_own(name: str) -> None:
    page, document = folded(page_of(name)), read_document(text_of(name))[0]
    said = [sentence for text in descriptions(document["paths"]) for sentence in sentences(text)]
    assert len(said) >= 3
    assert [sentence for sentence in said if folded(sentence) not in page] == []


@pytest.mark.parametrize("name", model_names())
def test_the_documents_example_is_on_the_page(name: str) -> None:
    example = spec(name).example
    assert example == yaml_example(name) if name == MODEL else example in bodies_on(page_of(name))


# Lines of the pages that say nothing about a request or its answers, or that only name other pages.
ASIDE = {
    "Skip to main content", "Skip to content", "Generate video using seedance2.0", "Generate video using seedance1.0 pro",
    "Request Example Using Uploaded Assets", "After submitting a task, use the unified query endpoint to check progress and retrieve results:",
    "Learn how to query task status and retrieve generation results", "Upload custom assets before using them in Seedance requests",
    "For production use, we recommend using the callback_url parameter to receive automatic notifications when generation completes, rather than polling the status endpoint.",
    "Wait until uploaded assets become active", "Explore all available models", "Check credits and account usage",
    "1. Upload the source image through Seedance Asset Upload API", "1. Visit API Key Management Page to get your API Key",
    "Message, error description when failed", "Red supercar in parking garage", "Small deer character", "Christmas cabin with warm light",
    "Poll until status is success, then read the output array:", "See Get Task Status for full polling documentation.",
    "1 image — the image becomes the first frame of the video.", "Example — Image to Video (Single First Frame)", "Example — First + Last Frame",
    "2 images — first image is the start frame, second is the end frame. The model generates smooth motion between them.",
    "Create Video Generation Task", "Get Video Generation Task Status", "in_progress: in progress", "Content-Typeapplication/jsonYes",
    "AuthorizationBearer YOUR_API_KEYYes", "HeaderValueRequired", "DurationCreditsCost",
"Query Task Status", "Available options:", "Custom Uploaded Assets", "completed: completed", "Models Overview", "Response status code",
}  # fmt: skip
_SHORTEST = 16


@pytest.mark.parametrize("name", [name for name in model_names() if name != MODEL])
def test_every_sentence_of_the_page_is_in_the_document_or_named_here_as_an_aside(name: str) -> None:
    document = merged(name)
    said = folded(
        " ".join([*descriptions(document, ours=True), document["info"]["title"], quotes_of(document)])
    ).replace("*", "")
    page = without_code(page_of(name))
    lines = [folded(line.strip().lstrip("•").strip()) for line in page.splitlines()]
    kept = [line for line in lines if len(line) >= _SHORTEST and " " in line and line not in ASIDE]
    left = [line for line in kept if re.sub(r"^[0-9]\. |\*", "", line) not in said]
    assert left == []
    assert len(kept) >= PROSE[name]


# How many lines of prose each page has: so that a change of the reading above cannot make the test empty.
PROSE = {
    "crun/seedance-1.0-pro-t2v": 18,
    "crun/seedance-2.0-i2v": 20,
    "seedance2-pro/seedance-20-i2v": 10,
    "vastnum/doubao-seedance-2.0": 2,
}


def without_code(page: str) -> str:
    """A page without its examples, curl commands and addresses."""
    page = re.sub(r"curl [^\n]*(?:\\\n[^\n]*)*(?:\n\{.*?\n\}\n?'?)?", "", page, flags=re.DOTALL)
    page = re.sub(r"(?ms)^\s*\{.*?^\}", "", page)
    return re.sub(r'(?m)^.*(?:https?://|"|[{}\[\]]|--).*$', "", page)


def quotes_of(document: Any) -> str:
    """The words of the provider that stand in keys of ours: quotes, and the reasons beside them."""
    if isinstance(document, list):
        return " ".join(map(quotes_of, document))
    if not isinstance(document, dict):
        return ""
    return " ".join([str(document.get("quote", "")), *map(quotes_of, document.values())])


def yaml_example(name: str) -> Any:
    own, _ = read_document(page_of(name).split("````yaml", 1)[1].split("\n", 1)[1].split("````")[0])
    post = own["paths"]["/api/v1/client/job/CreateTask"]["post"]
    return post["requestBody"]["content"]["application/json"]["example"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_shares_has_no_wrong_key(provider: str) -> None:
    check_extensions(
        read_document((SPECS / "_providers" / f"{provider}.yaml").read_text(encoding="utf-8"))[0], provider
    )


def test_the_quote_of_a_price_is_on_its_page() -> None:
    document = read_document(text_of("seedance2-pro/seedance-20-i2v"))[0]
    assert document["x-price"]["quote"] in folded(page_of("seedance2-pro/seedance-20-i2v"))


def test_a_provider_that_is_not_known_is_refused_at_its_place() -> None:
    with pytest.raises(SpecError, match="known are crun, seedance2-pro, vastnum") as refused:
        spec(read_document(text_of(MODEL))[0] | {"x-provider": "nobody"})
    assert refused.value.pointer == "/x-provider"


def described(schema: Any, place: str = "") -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return []
    inner = [
        pair for name, child in schema.get("properties", {}).items() for pair in described(child, f"{place}/{name}")
    ]
    return [(place, schema), *inner]


FACES = (
    "If your reference images or videos contain real faces, it is recommended that you upload them to the material library"
    " for review first to improve the success rate of generation."
)  # on the page, outside its schema
# How many sentences of its page each document quotes: fewer would mean that a limit was dropped.
QUOTED = {
    MODEL: 31,
    "crun/seedance-2.0-i2v": 4,
    "crun/seedance-1.0-pro-t2v": 0,
    "seedance2-pro/seedance-20-i2v": 4,
    "vastnum/doubao-seedance-2.0": 0,
}


@pytest.mark.parametrize("name", model_names())
def test_every_quote_is_in_its_own_fields_description(name: str) -> None:
    quoted = 0
    for _, schema in described(spec(name).body):
        said = " ".join(str(schema.get("description", "")).split())
        quotes = [schema["x-media"][rule]["quote"] for rule in MEDIA_RULES if rule in schema.get("x-media", {})] + [
            item["quote"] for item in schema.get("x-unchecked", [])
        ]
        quotes += {*schema["x-placeholders"]["quote"].values()} if "x-placeholders" in schema else {}
        assert [quote for quote in quotes if quote not in said and (name, quote) != (MODEL, FACES)] == []
        quoted += len(quotes)
    assert quoted == QUOTED[name]


@pytest.mark.parametrize("name", model_names())
def test_every_documented_bullet_about_media_is_quoted_or_listed_as_unchecked(name: str) -> None:
    for _, schema in described(spec(name).body):
        if "x-media" not in schema:
            continue
        quotes = [schema["x-media"][rule]["quote"] for rule in MEDIA_RULES if rule in schema.get("x-media", {})] + [
            item["quote"] for item in schema.get("x-unchecked", [])
        ]
        bullets = re.findall(r"(?:^|\n)\s*- (.*?)(?=\n\s*- |\n\n|\Z)", str(schema.get("description", "")), re.DOTALL)
        left = [
            line
            for bullet in bullets
            for line in sentences(" ".join(bullet.split()))
            if not any(quote in line for quote in quotes)
        ]
        assert left == []


def test_scalars_have_their_yaml_1_2_meaning(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("a: 16:9\nb: no\nc: 1_0\nd: 0o17\ne: 2026-11-21\nf: ~\ng: 1e3\nh: '8'\ni: 010\nj: yes\nk: true\n")
    values, name = read_document(file)
    assert values == {"a": "16:9", "b": "no", "c": "1_0", "d": 15, "e": "2026-11-21", "f": None, "g": 1000.0, "h": "8",
                      "i": 10, "j": "yes", "k": True}  # fmt: skip
    assert name == str(file)


def test_aliases_and_merge_keys_are_their_values() -> None:
    text = "a: &a {b: 1, c: [x]}\nd: *a\ne: {b: 2, <<: *a}\nf: {<<: [{b: 3, g: 4}, *a]}\nh: {'<<': *a}\n"
    values, _ = read_document(text)
    assert values["d"] == values["a"] == {"b": 1, "c": ["x"]}
    assert values["e"] == {"b": 2, "c": ["x"]}
    assert values["f"] == {"b": 3, "g": 4, "c": ["x"]}
    assert values["h"] == {"<<": values["a"]}


def test_a_document_of_several_megabytes_opens() -> None:
    long = {"type": "object", "properties": {"a": {"type": "string", "description": "x" * 5_000_000}}}
    assert spec(json.dumps(long)).body["properties"]["a"]["type"] == "string"


def function_calls(value: Any, key: str = "x") -> int:
    """How many functions of Python run while a JSON text with a value is read."""
    text, calls = json.dumps({"type": "object", key: value}), 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    spec('{"type": "object", "properties": {"a": {"type": "string", "enum": ["b"]}}}')  # what is done once is done now
    sys.setprofile(count)
    try:
        spec(text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("item", [1, "a", 0.5, [], [1], ["a", None]])
def test_a_long_list_of_plain_values_is_read_without_a_call_for_each(item: Any) -> None:
    assert function_calls([item] * 3_000) - function_calls([item]) < 100
    assert function_calls([{"a": [item]}] * 3_000) > 3_000, "the control: of objects each is looked through"


def test_a_choice_of_more_values_than_anybody_wrote_is_not_repaired_one_by_one() -> None:
    fields = [{"a": {"type": "string", "enum": [str(number) for number in range(count)]}} for count in (10_001, 10_000)]
    many, most = (function_calls(one, "properties") for one in fields)
    assert 2 * many < most, "of which each is compared with the type"


@pytest.mark.parametrize("text", ['{"type": "object"}', '{"type": ', "type: object", "a: *x"])
@pytest.mark.parametrize("is_on", [True, False])
def test_the_garbage_collector_is_as_it_was_before_a_text_is_read(text: str, is_on: bool) -> None:
    (gc.enable if is_on else gc.disable)()
    try:
        with contextlib.suppress(SpecError):
            spec(text)
        assert gc.isenabled() is is_on
    finally:
        gc.enable()


WRONG_TEXTS = {
    "an alias of nothing": ("a: *x\n", "has the anchor 'x'"),
    "an alias within its own value": ("a: &x [*x]\n", "has the anchor 'x'"),
    "a merge of a number": ("a:\n  <<: 5\n", "only an object can be merged"),
    "a key given twice": ("a:\n  b: 1\n  b: 2\n", "'b' is given twice"),
    "a JSON key given twice": ('{"a": 1, "a": 2}', "'a' is given twice"),
    "NaN": ('{"a": NaN}', "NaN is not JSON"),
    "broken YAML": ("a: [1, 2\n", "line 2"),
    "no object": ("- 1\n- 2\n", "must be an object"),
    "too deep": ("a: " + "[" * 150 + "]" * 150 + "\n", "nested deeper than 100"),
    "too large": ("a: " + "x" * 16_000_001 + "\n", "at most 16,000,000"),
}


@pytest.mark.parametrize("case", WRONG_TEXTS)
def test_a_text_that_cannot_be_read_is_refused(case: str) -> None:
    text, message = WRONG_TEXTS[case]
    with pytest.raises(SpecError, match=message):
        spec(text)


def test_a_refusal_names_file_and_pointer(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "openapi: 3.0.0\npaths:\n  /a:\n    post: {requestBody: {content: {application/json: {schema: 5}}}}\n"
    )
    with pytest.raises(SpecError) as refused:
        spec(file)
    assert refused.value.file == str(file)
    assert refused.value.pointer == "/paths/~1a/post/requestBody/content/application~1json/schema"


def crun_document(**changes: Any) -> dict[str, Any]:
    document = merged(MODEL)
    del document["x-provider"]
    return document | changes


TASK = {
    "follow": "GetTaskInfo",
    "state": "/data/status",
    "words": {"done": ["success"], "failed": ["failed"]},
    "outputs": ["/a"],
}
WRONG_DOCUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "an OpenAPI 2 document": ({"openapi": "2.0"}, "/openapi"),
    "a server without https": ({"servers": [{"url": "http://api.crun.ai"}]}, "/servers/0/url"),
    "a task table without a state": ({"x-task": {name: TASK[name] for name in ("follow", "words", "outputs")}}, "/x-task"),
    "a follow-up call that does not exist": (
        {"x-task": TASK | {"follow": "Nothing"}}, "/paths/~1api~1v1~1client~1job~1CreateTask/post/responses/200/links/Nothing"),
    "an unknown meaning of a code": ({"x-errors": {"code": "/code", "ok": [200], "refusals": {"402": "poor"}}}, "/x-errors/refusals/402"),
    "a state that is none": ({"x-task": TASK | {"words": {"done": ["a"], "failed": ["b"], "dancing": ["c"]}}}, "/x-task/words"),
    "a word with two meanings": ({"x-task": TASK | {"words": {"done": ["a"], "failed": ["A"]}}}, "/x-task/words"),
    "no words for a state": ({"x-task": TASK | {"words": {"done": []}}}, "/x-task/words/done"),
    "a role that is none": ({"x-price": {"per_second": 0}}, "/x-price/per_second"),
    "a call that does not exist": ({"x-calls": {"balance": {"operation": "Nothing", "value": "/a"}}}, "/x-calls/balance/operation"),
    "no outputs": ({"x-task": TASK | {"outputs": []}}, "/x-task/outputs"),
    "a pointer that is none": ({"x-task": TASK | {"state": "status"}}, "/x-task/state"),
    "a deadline in the past": ({"x-task": TASK | {"poll": {"deadline": -5}}}, "/x-task/poll/deadline"),
    "no code that means yes": ({"x-errors": {"code": "/code", "ok": []}}, "/x-errors/ok"),
    "a key that is nearly ours": ({"x-tsak": {}}, "/x-tsak"),
    "a kind of key that is not known": (
        {"components": {"securitySchemes": {"ApiKeyAuth": {"type": "oauth2"}}}}, "/components/securitySchemes/ApiKeyAuth"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_DOCUMENTS)
def test_a_document_with_a_wrong_table_is_refused_at_its_place(case: str) -> None:
    changes, pointer = WRONG_DOCUMENTS[case]
    if "components" in changes:
        changes = {"components": crun_document()["components"] | changes["components"]}
    with pytest.raises(SpecError) as refused:
        spec(crun_document(**changes))
    assert refused.value.pointer == pointer


WRONG_REFERENCES = {
    "#/nowhere": "does not exist",
    "#/properties/a": "only refers to itself",
}


@pytest.mark.parametrize("reference", WRONG_REFERENCES)
def test_a_reference_out_of_the_document_is_never_followed(reference: str) -> None:
    with pytest.raises(SpecError, match=WRONG_REFERENCES[reference]):
        spec({"type": "object", "properties": {"a": {"$ref": reference}}})


def test_the_id_of_a_model_on_its_providers_page_is_a_name_too() -> None:
    assert spec("doubao-seedance-2-0-260128").name == "vastnum/doubao-seedance-2.0"
    assert spec("bytedance/seedance2-0-fast-r2v").name == "crun/seedance-2.0-fast-r2v"


def test_a_wrong_name_gets_the_nearest_ones() -> None:
    with pytest.raises(SpecError, match=f"Did you mean {MODEL!r}"):
        spec("crun/seedance-2.0-fast")


def test_a_bare_schema_can_be_checked_but_not_sent() -> None:
    import seedance_nb as sd

    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}}}
    assert [problem.path for problem in sd.check(schema, n=0)] == ["/n"]
    with pytest.raises(SpecError, match="not sent"):
        sd.submit(schema, n=1)


def test_the_callers_document_is_not_changed() -> None:
    document = crun_document()
    before = json.dumps(document)
    spec(document)
    assert json.dumps(document) == before


def test_what_the_document_says_is_what_the_spec_holds(crun: Spec) -> None:
    assert (crun.server, crun.method, crun.path) == ("https://api.crun.ai", "post", "/api/v1/client/job/CreateTask")
    assert crun.auth is not None
    assert crun.auth.header == "x-api-key"
    assert crun.task is not None
    assert (crun.task.status_path, crun.task.id_parameter, crun.task.id_pointer) == (
        "/api/v1/client/job/TaskInfo", "task_id", "/data/task_id")  # fmt: skip
    ratios = crun.body["properties"]["input"]["properties"]["aspect_ratio"]["enum"]
    assert ratios == ["1:1", "9:16", "16:9", "3:4", "4:3", "21:9", "auto"]


@pytest.mark.parametrize(("key", "value"), [("x-media", {"kind": "image", "widht": {"from": 1, "quote": "q"}}), ("x-mdeia", {}),
                                            ("x-media", {"kind": "image", "width": {"from": 1}}), ("x-placeholders", {"a": "b"}),
                                            ("x-role", 5), ("x-unchecked", ["x"])])  # fmt: skip
def test_a_wrong_mark_in_a_field_is_refused_at_its_place(key: str, value: Any) -> None:
    with pytest.raises(SpecError) as refused:
        spec({"type": "object", "properties": {"a": {"type": "string", key: value}}})
    assert refused.value.pointer.startswith(f"/properties/a/{key}")


def test_marks_of_others_are_left_alone() -> None:
    assert spec(
        {"type": "object", "properties": {"a": {"type": "string", "x-order": 3, "x-fal-ui": {}}}, "x-apidog-orders": []}
    )


def mutations(value: Any, dice: random.Random) -> Any:
    """A copy of a document in which one node is something else."""
    path: list[Any] = []
    at = value
    while isinstance(at, dict | list) and at and dice.random() < 0.93:
        path.append(dice.choice(list(at)) if isinstance(at, dict) else dice.randrange(len(at)))
        at = at[path[-1]]
    made = copy.deepcopy(value)
    if not path:
        return made
    above = made
    for step in path[:-1]:
        above = above[step]
    odd: list[Any] = [None, 5, -1, "", "x", [], [None], {}, {"": 0}, True, 1e300, {"$ref": "#/x"}, [[]]]
    above[path[-1]] = dice.choice(odd)
    return made


@pytest.mark.parametrize("name", model_names())
def test_a_document_with_any_one_wrong_node_is_refused_or_works(name: str) -> None:
    from seedance_nb import check, form

    document = merged(name) | {"x-provider": name.split("/", maxsplit=1)[0]}
    dice = random.Random(20261121)
    worked = 0
    for _ in range(160):
        try:
            made = spec(mutations(document, dice))
        except SpecError:
            continue
        worked += 1
        check(made, prompt="[Image2]", reference_images=["x"], duration=16)
        form(made).validate()
    assert 16 < worked < 144


@pytest.mark.parametrize("dense", [[1] * 1_500_000, [{"a": 1}] * 375_000], ids=["numbers", "objects"])
def test_three_megabytes_of_the_densest_json_are_read(dense: list[Any]) -> None:
    document = {"type": "object", "properties": {"prompt": {"type": "string"}}, "more": dense}
    text = json.dumps(document, separators=(",", ":"))
    assert len(text) > 3_000_000
    assert spec(text).roles == {"prompt": "/prompt"}


def test_what_takes_longer_than_dense_json_is_refused_earlier() -> None:
    enum = [{"n": number} for number in range(250_001)]
    yaml_text = "type: object\nmore: [" + "1," * 500_000 + "]\n"
    for slow in (yaml_text, {"type": "object", "properties": {"kind": {"enum": enum}}}):
        with pytest.raises(SpecError, match="more than 500,000 values"):
            spec(slow)


def test_a_document_that_limits_nothing_is_neither_an_openapi_document_nor_a_schema() -> None:
    for text in ("#%RAML 1.0\ntitle: t\n/videos:\n  post: {}\n", "title: t\ndescription: d\n"):
        with pytest.raises(SpecError, match="neither an OpenAPI document nor a JSON Schema"):
            spec(text)
