"""What a provider says of a field stands at that field, in its words; what names no field, or several, stays in the error."""

import time
from typing import Any

import pytest
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Panel
from seedance_nb._notebook.status import field_errors
from seedance_nb._provider.outcome import Answer, classify

CRUN, PRO, VASTNUM = "crun/seedance-2.0-fast-r2v", "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0"
IMAGE = "https://example.com/a.png"
GOOD = {"prompt": "A fox", "reference_images": [IMAGE, IMAGE], "duration": 4, "resolution": "480p"}
BODY = {"model": "bytedance/seedance2-0-fast-r2v", "input": GOOD}
HEAD = "Value error, Invalid input for model bytedance/seedance2-0-fast-r2v: "
NO_PROMPT = "String should have at most 5000 characters"
LOCATED = {"loc": ["body", "input", "duration"], "msg": "Input should be 4", "type": "x"}


def told(name: str, message: str, body: Any = None) -> list[tuple[str, str]]:
    found = field_errors(sd.spec(name), BODY if body is None else body, sd.Refused(message, code=422))
    assert {problem.rule for problem in found} <= {"server"}
    return [(problem.path, problem.message) for problem in found]


MEANT: list[tuple[str, str, list[tuple[str, str]]]] = [
    (CRUN, f"{HEAD}duration: must be between 4 and 15", [("/input/duration", "must be between 4 and 15")]),
    (CRUN, f"prompt: {NO_PROMPT}", [("/input/prompt", NO_PROMPT)]),
    (CRUN, f"- prompt: {NO_PROMPT}.\n- {HEAD}resolution: bad", [("/input/prompt", NO_PROMPT), ("/input/resolution", "bad")]),
    (CRUN, "input.prompt: Field required", [("/input/prompt", "Field required")]),
    (CRUN, "body.input.prompt: Field required", [("/input/prompt", "Field required")]),
    (CRUN, "body -> input -> duration: Input should be 4", [("/input/duration", "Input should be 4")]),
    (CRUN, "/input/duration: Input should be 4", [("/input/duration", "Input should be 4")]),
    (CRUN, "input.reference_images.1: no image", [("/input/reference_images/1", "no image")]),
    (CRUN, "reference_images[1]: no image", [("/input/reference_images/1", "no image")]),
    (CRUN, "reference_images[7]: no image", [("/input/reference_images", "no image")]),
    (CRUN, f"1 validation error for Task\ninput.prompt\n  {NO_PROMPT}\n    see https://e.com", [("/input/prompt", NO_PROMPT)]),
    (CRUN, "Error: input: prompt is bad", [("/input/prompt", "is bad")]),
    (PRO, "urls is required", [("/inputs/urls", "is required")]),
    (PRO, "'duration' must be one of 4s, 5s", [("/inputs/duration", "must be one of 4s, 5s")]),
    (PRO, "The field `urls` should have 1 or 2 entries", [("/inputs/urls", "should have 1 or 2 entries")]),
    (PRO, "Missing required parameter: urls", [("/inputs/urls", "Missing required parameter")]),
    (VASTNUM, "prompt is required", [("/prompt", "is required")]),
    (VASTNUM, "The request is not valid: prompt: is empty; duration: 99 is too large; at most 15 is allowed",
     [("/prompt", "is empty"), ("/metadata/duration", "99 is too large; at most 15 is allowed")]),
    (VASTNUM, "metadata.duration: too long", [("/metadata/duration", "too long")]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message", "expected"), MEANT)
def test_a_line_that_names_one_field_is_a_problem_there(name: str, message: str, expected: Any) -> None:
    assert told(name, message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "", "Missing Params or Type Error", "No prompt was found", "see https://e.com/prompt: it is there", "nobody: is required",
        "output.prompt: is wrong", "The model is overloaded", "model: is in maintenance", "Prompts are screened", "prompt", "duration:",
        "your input, the prompt and the duration, is wrong", "resolution/duration is not supported", "{'loc': 5, 'msg': 'x'}", "{(",
        "{'loc': ['nobody'], 'msg': 'x'}", "prompt.duration: x", "- - - :", "a" * 5000, "input.input.prompt: twice", "Error: input is wrong",
    ],
)  # fmt: skip
def test_what_names_no_field_is_left_in_the_error(message: str) -> None:
    assert told(CRUN, message) == []


def test_a_name_that_two_objects_have_is_no_guess() -> None:
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "first": {"type": "object", "properties": {"seed": {}, "size": {}}},
            "last": {"type": "object", "properties": {"seed": {}}},
        },
    }
    spec, body = sd.spec(schema), {"size": 1, "first": {"seed": 1}, "last": {"seed": 2}}

    def paths(message: str) -> list[str]:
        return [problem.path for problem in field_errors(spec, body, sd.Refused(message))]

    assert paths("seed: is wrong") == []
    assert paths("size is wrong") == []
    assert paths("last.seed: is wrong") == ["/last/seed"]
    assert paths("body.size: is wrong") == ["/size"]


@pytest.mark.parametrize("kind", [sd.Unauthorized, sd.NoCredits, sd.RateLimited, sd.Unavailable])
def test_only_a_refusal_of_the_request_itself_is_read(kind: type[sd.Refused]) -> None:
    assert field_errors(sd.spec(CRUN), BODY, kind(f"prompt: {NO_PROMPT}")) == ()


def test_the_value_that_was_sent_is_part_of_the_problem() -> None:
    [problem] = field_errors(sd.spec(CRUN), BODY, sd.Refused("duration: bad"))
    assert problem.value == 4
    assert not problem.warns


def test_an_answer_of_each_provider_is_read_from_its_own_envelope() -> None:
    answers = {
        CRUN: (422, {"code": 422, "message": "Missing Params or Type Error", "errors": [f"prompt: {NO_PROMPT}", "something else", LOCATED]}),
        PRO: (400, {"message": "urls is required"}),
        VASTNUM: (400, {"code": "invalid_request", "message": "prompt is required", "data": None}),
    }  # fmt: skip
    expected = {CRUN: ["/input/prompt", "/input/duration"], PRO: ["/inputs/urls"], VASTNUM: ["/prompt"]}
    for name, (status, value) in answers.items():
        error = classify(sd.spec(name), Answer(status=status, value=value)).error
        assert isinstance(error, sd.Refused)
        assert [problem.path for problem in field_errors(sd.spec(name), {}, error)] == expected[name]


def test_hostile_words_are_read_in_good_time() -> None:
    begun = time.monotonic()
    for piece in (
        "a.",
        "a->",
        "a-",
        " ",
        "- ",
        "missing ",
        "[0]",
        "/a",
        "'",
        "prompt ",
        "a > ",
        "the field ",
        "; ",
        ": ",
    ):
        told(CRUN, "\n".join([piece * (500 // len(piece))] * 50))
    assert time.monotonic() - begun < 5


@pytest.fixture
def panel(crun: sd.Spec, monkeypatch: pytest.MonkeyPatch, keyed_session: sd.Session) -> Panel:
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(panel_module, "_TICK_S", 0.01)
    return Panel(crun, keyed_session)


def press(panel: Panel) -> None:
    panel._go.click()
    until(lambda: not panel._busy.locked())


def refusal(*lines: str) -> tuple[int, dict[str, Any]]:
    return 422, {"code": 422, "message": "Missing Params or Type Error", "errors": list(lines)}


def label(panel: Panel, name: str) -> str:
    found: Any = panel.form._controls[f"/input/{name}"]
    return str(getattr(found, "_box", found.widget).description)


def test_a_panel_shows_what_was_refused_at_the_field_and_in_the_status(panel: Panel, provider: Provider) -> None:
    provider.on_create = [refusal(f"{HEAD}prompt: <b>{NO_PROMPT}</b>", "who knows"), "ok"]
    panel.form.values = GOOD
    press(panel)
    assert f"&lt;b&gt;{NO_PROMPT}&lt;/b&gt;" in label(panel, "prompt")
    assert "sdn-error" in label(panel, "prompt")
    assert "who knows" in panel._status.value
    assert panel.form._summary.value == "", "it may be sent again as it is"
    assert "Nothing was charged" in panel._status.value
    panel.form._controls["/input/prompt"].widget.value = "A short fox"
    assert "sdn-error" not in label(panel, "prompt")
    press(panel)
    assert len(provider.charges) == 1


def test_what_was_refused_does_not_forbid_another_try(panel: Panel, provider: Provider) -> None:
    provider.on_create = [refusal("duration: is not possible with 480p"), "ok"]
    panel.form.values = GOOD
    press(panel)
    assert "sdn-error" in label(panel, "duration")
    panel.form._controls["/input/resolution"].widget.label = "720p"
    press(panel)
    assert len(provider.charges) == 1
    assert "sdn-error" not in label(panel, "duration")


def test_what_has_changed_since_is_not_blamed(
    panel: Panel, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.on_create = [refusal("duration: is not possible", "prompt: is odd")]
    panel.form.values = GOOD
    follow = panel._follow

    async def then_typed(values: dict[str, Any], *, another: bool) -> None:
        try:
            await follow(values, another=another)
        finally:
            panel.form.values = GOOD | {"duration": 9}

    monkeypatch.setattr(panel, "_follow", then_typed)
    press(panel)
    assert "sdn-error" not in label(panel, "duration")
    assert "Prompt is odd." in label(panel, "prompt")


def test_undo_reset_and_code_stand_below_the_fields(panel: Panel) -> None:
    tools: Any = panel
    assert tools._undo.disabled
    assert tools._fold.box.children == ()
    panel.form.values = {"prompt": "a <b>fox</b>"}
    assert not tools._undo.disabled
    assert (tools._fold.box.children, tools._code.value) == ((), ""), "code costs nothing until it is opened"
    tools._fold.button.click()
    assert "a &lt;b&gt;fox&lt;/b&gt;" in tools._code.value
    assert "$CRUN_API_KEY" in tools._code.value
    assert "a-key" not in tools._code.value
    panel.form.values = {"prompt": "a wolf"}
    assert tools._code.value.count("a wolf") == 2
    tools._fold.button.click()
    assert "sdn-hidden" in tools._fold.box._dom_classes
    tools._undo.click()
    until(lambda: panel.form.values["input"] == {"prompt": "a <b>fox</b>"})
    assert "a wolf" in tools._code.value, "a closed fold is not kept up to date"
    tools._undo.click()
    until(lambda: tools._undo.disabled)
    panel.form.values = {"prompt": "x"}
    tools._reset.click()
    assert panel.form.values["input"] == {}


def test_values_that_cannot_be_sent_have_no_code_but_a_reason(panel: Panel) -> None:
    panel.form._controls["/input/prompt"].widget.value = "half \ud83d"
    panel._fold.button.click()
    assert "These values have no code" in panel._code.value
