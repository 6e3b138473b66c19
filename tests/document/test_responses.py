"""The tables of a page against the responses that it documents: what would lose a paid video is told before anything is paid."""

import copy
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from document.test_new_model import own_provider, written
from support.waiting import serving

import seedance_nb as sd
from seedance_nb._document.load import new_model
from seedance_nb._ledger.row import State
from seedance_nb._provider.outcome import Answer, SendOutcome, classify
from seedance_nb._provider.status import read_status


def film_of(page: dict[str, Any]) -> dict[str, Any]:
    """The documented fields of a film in the response of the status call."""
    responses = page["paths"]["/v2/films/{film}"]["get"]["responses"]
    fields: dict[str, Any] = responses["200"]["content"]["application/json"]["schema"]["properties"]["film"]
    return fields


def a_page(state: dict[str, Any] | None = None, /, **task: Any) -> dict[str, Any]:
    page = copy.deepcopy(own_provider())
    page["x-task"] |= task
    film_of(page)["properties"] |= {"state": state} if state else {}
    return page


def told(page: dict[str, Any]) -> str:
    return "; ".join(map(str, sd.spec(page).oddities))


def test_a_table_that_fits_the_documented_responses_has_no_schema_problem() -> None:
    assert told(a_page()) == ""
    assert not any(sd.spec(name).oddities for name in sd.models() if not name.startswith("crun"))


@pytest.mark.parametrize(("place", "value"), [("state", "/nope"), ("outputs", ["/nope/url", "/film/url"])])
def test_a_pointer_to_nothing_that_is_documented_is_refused_where_it_would_lose_a_video(place: str, value: Any) -> None:
    with pytest.raises(
        sd.SpecError, match=r"no documented response has /nope.*a paid video would not be found"
    ) as error:
        sd.spec(a_page(**{place: value}))
    assert error.value.pointer == f"/x-task/{place}"


def test_the_id_is_where_the_create_response_has_it() -> None:
    page = a_page()
    link = page["paths"]["/v2/films"]["post"]["responses"]["200"]["links"]["FilmState"]
    link["parameters"]["film"] = "$response.body#/film/task"
    with pytest.raises(sd.SpecError, match="no documented response has /film/task"):
        sd.spec(page)
    page["x-task"]["also-id"] = ["/film/id"]
    assert told(page) == ""


def test_what_only_is_not_shown_is_a_schema_problem() -> None:
    assert "/x-task/error: no documented response has /film/why" in told(a_page(error=["/film/why"]))
    assert "/x-task/credits: no documented response has /cost" in told(a_page(credits="/cost"))
    assert told(a_page(error=["/film/why", "/film/reason"])) == ""


@pytest.mark.parametrize("schema", [
    {}, {"type": "object"}, {"type": "object", "properties": {"film": {}}}, {"type": "object", "properties": {"film": {"type": "object"}}},
    {"type": "object", "properties": {"code": {"type": "integer"}}, "additionalProperties": True},
    {"type": "object", "properties": {"film": {"$ref": "#/components/schemas/Film"}}},
    {"oneOf": [{"type": "object", "properties": {"code": {}}}, {"type": "object", "properties": {"film": {}}}]}])  # fmt: skip
def test_a_response_that_leaves_open_what_it_has_contradicts_nothing(schema: dict[str, Any]) -> None:
    page = a_page(error=["/film/reason"])
    page["components"]["schemas"] = {"Film": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Film"}},
                                              "additionalProperties": True}}  # fmt: skip
    page["paths"]["/v2/films/{film}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = schema
    assert "/x-task/state" not in told(page)


def test_a_page_without_any_documented_response_still_works() -> None:
    page = a_page()
    responses = page["paths"]["/v2/films/{film}"]["get"]["responses"]
    del responses["200"]["content"]
    assert told(page) == ""
    responses.clear()
    assert told(page) == ""


def test_a_read_only_id_is_documented() -> None:
    page = a_page({"type": "string", "readOnly": True})
    assert told(page) == ""


def test_documented_words_that_nobody_knows_are_told() -> None:
    words = {"type": "string", "enum": ["asked", "glued", "cut", "lost"]}
    assert "no state is given for the documented glued" in told(a_page(words))
    assert (
        told(a_page(words, words={"queued": ["asked"], "running": ["glued"], "done": ["cut"], "failed": ["lost"]}))
        == ""
    )


@pytest.mark.parametrize("state", [
    {"type": "string", "enum": ["排队中", "生成中", "已完成", "失败"]}, {"type": "integer", "enum": [0, 1, 2]}, {"type": "integer"}, {"type": ["integer", "null"]},
    {"anyOf": [{"const": "binned"}, {"const": "glued"}]}])  # fmt: skip
def test_a_state_without_a_word_for_done_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(sd.SpecError, match="a paid video would not be found") as error:
        sd.spec(a_page(state))
    assert error.value.pointer == "/x-task/words"


def test_words_may_be_numbers_and_have_spaces_and_hyphens() -> None:
    numbers = {"queued": [0], "running": ["1"], "done": [2], "failed": [3]}
    assert told(a_page({"type": "integer", "enum": [0, 1, 2, 3]}, words=numbers)) == ""
    words = {"queued": ["in line"], "done": ["all-done"], "failed": ["lost"]}
    assert told(a_page({"type": "string", "enum": ["In Line", "All done", "lost"]}, words=words)) == ""


NUMBERS = {"queued": [0], "running": ["1"], "done": [2], "failed": [3]}


@pytest.mark.parametrize(
    ("state", "expected"),
    [(0, State.QUEUED), (1, State.RUNNING), (2, State.DONE), (2.0, State.DONE), (3, State.FAILED), (" 2", State.DONE)],
)
def test_a_state_that_is_a_number_is_followed_like_a_word(state: Any, expected: State) -> None:
    table = sd.spec(a_page({"type": "integer", "enum": [0, 1, 2, 3]}, words=NUMBERS)).task
    assert table
    status = read_status(table, {"film": {"state": state, "files": ["https://films.example.com/1.mp4"]}})
    assert status
    assert status.state is expected


def test_the_simulator_answers_with_numbers_where_the_page_documents_numbers(tmp_path: Path) -> None:
    spec = sd.spec(a_page({"type": "integer", "enum": [0, 1, 2, 3]}, words=NUMBERS))
    session = sd.Session(simulate=True, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "films")
    task = session.submit(spec, text_prompt="A paper boat", seconds=2, resolution="480p")
    assert task.wait(60).path.stat().st_size > 1000
    assert task.details()["film"]["state"] == 2


BAD: dict[str, Any] = {"description": "bad", "content": {"application/json": {"schema": {
    "type": "object",
    "properties": {"problem": {"type": "object", "properties": {"code": {"type": "string"}, "text": {"type": "string"}}}},
}}}}  # fmt: skip


def refusing_page(status: str, **errors: Any) -> sd.Spec:
    """A page that documents the shape of its errors for an HTTP status, and says of no code what it means."""
    page = own_provider()
    page["x-errors"] = {"code": "/problem/code", "message": "/problem/text", **errors}
    page["components"]["responses"] = {"Bad": BAD}
    page["paths"]["/v2/films"]["post"]["responses"][status] = {"$ref": "#/components/responses/Bad"}
    return sd.spec(page)


def outcome_of(spec: sd.Spec, status: int, value: Any) -> SendOutcome:
    return classify(spec, Answer(status=status, value=value))


NO = {"problem": {"code": "no_foxes", "text": "No foxes"}}


@pytest.mark.parametrize("documented", ["400", "4XX", "default"])
def test_a_documented_error_without_an_id_is_a_clear_no(documented: str) -> None:
    spec = refusing_page(documented)
    outcome = outcome_of(spec, 400, NO)
    assert (outcome.outcome, outcome.why) == ("refused", "No foxes")
    assert type(outcome.error) is sd.Refused
    is_range = documented != "400"
    assert isinstance(outcome_of(spec, 402, NO).error, sd.NoCredits) is is_range
    assert outcome_of(spec, 402, NO).outcome == ("refused" if is_range else "unknown")


@pytest.mark.parametrize(("status", "value"), [
    (400, NO | {"film": {"id": "film-12345"}, "task_id": "film-12345"}), (400, {"problem": {"code": "no_foxes"}}), (400, {"message": "No foxes"}),
    (400, NO | {"state": "queued"}), (409, NO), (408, NO), (500, NO), (200, NO)])  # fmt: skip
def test_an_error_that_is_not_the_documented_one_stays_unclear(status: int, value: Any) -> None:
    assert outcome_of(refusing_page("4XX"), status, value).outcome == "unknown"


def test_what_the_page_says_of_a_status_or_code_precedes_what_it_usually_means() -> None:
    assert outcome_of(refusing_page("400", unclear={"400": "a film may exist"}), 400, NO).outcome == "unknown"
    assert outcome_of(refusing_page("400", unclear={"no_foxes": "a film may exist"}), 400, NO).outcome == "unknown"
    broke = outcome_of(refusing_page("400", refusals={"no_foxes": "no-credits"}), 400, NO)
    assert isinstance(broke.error, sd.NoCredits)
    assert outcome_of(sd.spec(own_provider()), 400, NO).outcome == "unknown", "the control: nothing is documented"


def moved(page: dict[str, Any], path: str, status: str = "/v2/films/{film}") -> dict[str, Any]:
    paths = page["paths"]
    return page | {"paths": {path: paths["/v2/films"], status: paths["/v2/films/{film}"]}}


@pytest.mark.parametrize("place", ["operation", "path item", "nowhere"])
def test_a_path_that_nothing_fills_in_is_refused_where_it_would_be_paid_for(place: str) -> None:
    page = moved(own_provider(), "/{ver}/films")
    item = page["paths"]["/{ver}/films"]
    version = {"parameters": [{"name": "ver", "in": "path", "required": True, "schema": {"type": "string"}}]}
    item |= version if place == "path item" else {}
    item["post"] |= version if place == "operation" else {}
    with pytest.raises(sd.SpecError, match=r"nothing fills in \{ver\}: write the value into the path") as error:
        sd.spec(page)
    assert error.value.pointer == "/paths/~1{ver}~1films/post/parameters"
    without_task = {name: value for name, value in page.items() if not name.startswith("x-")}
    assert ("ver" in str(sd.spec(without_task).body)) is (place != "nowhere")


def test_a_parameter_that_is_not_sent_is_told() -> None:
    page = own_provider()
    page["paths"]["/v2/films"]["post"]["parameters"] = [
        {"name": "X-Team", "in": "header"},
        {"name": "async", "in": "query"},
    ]
    for name in ("X-Team", "async"):
        assert (
            f"the parameter {name} is not in the form, because with x-task only the body and the key are sent"
            in told(page)
        )


@pytest.mark.parametrize("status", ["/{ver}/films/{film}", "/v2/films"])
def test_a_status_call_whose_path_has_another_parameter_is_refused(status: str) -> None:
    with pytest.raises(sd.SpecError, match="or others"):
        sd.spec(moved(own_provider(), "/v2/films.new", status))


def test_so_is_a_variable_of_the_server_without_a_value() -> None:
    page = own_provider()
    page["servers"] = [{"url": "https://films.example.com/{ver}", "variables": {"ver": {"default": "v9"}}}]
    assert sd.spec(page).server == "https://films.example.com/v9"
    del page["servers"][0]["variables"]
    with pytest.raises(sd.SpecError, match=r"nothing fills in \{ver\}"):
        sd.spec(page)


def written_model(tmp_path: Path, state: dict[str, Any]) -> Path:
    """What `new-model` writes of a page that documents these states and a 400, with its commented lines uncommented."""
    page = copy.deepcopy(own_provider())
    page["components"]["responses"] = {"Bad": BAD}
    page["paths"]["/v2/films"]["post"]["responses"]["400"] = {"$ref": "#/components/responses/Bad"}
    del page["x-task"], page["x-errors"], page["paths"]["/v2/films"]["post"]["responses"]["200"]["links"]
    film_of(page)["properties"]["state"] = state
    file = tmp_path / "films.yaml"
    new_model(written(tmp_path, page), file)
    file.write_text(re.sub("(?m)^# ", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    return file


@pytest.mark.parametrize(("states", "words"), [
    (["queued", "working", "completed", "failed"], '{"running":["working"]}'), (["queued", "done", "failed"], "{}"),
    (["排队中", "已完成"], '{"running":["排队中","已完成"]}'), ([0, 1], '{"running":[0,1]}')])  # fmt: skip
def test_new_model_writes_the_documented_words_that_nobody_knows(tmp_path: Path, states: list[Any], words: str) -> None:
    file = written_model(tmp_path, {"type": "integer" if 0 in states else "string", "enum": states})
    assert f"\n  words: {words}  #" in file.read_text(encoding="utf-8")
    if {"done", "completed"} & {*states}:
        assert sd.spec(file).oddities == ()
    else:  # until a person says which of them means what
        with pytest.raises(sd.SpecError, match="no word for done is among the documented"):
            sd.spec(file)


def test_the_served_simulator_refuses_in_the_documented_shape_with_the_documented_status(tmp_path: Path) -> None:
    file = written_model(tmp_path, {"type": "string", "enum": ["queued", "working", "completed", "failed"]})
    key = {"Authorization": "Bearer films-0123456789"}
    with serving("--document", str(file), SEEDANCE_SIMULATOR=str(tmp_path / "served")) as url:
        made = httpx.post(f"{url}/v2/films", headers=key, json={"text_prompt": "A boat"})
        wrong = httpx.post(f"{url}/v2/films", headers=key, json={"text_prompt": 7})
        wish = httpx.post(f"{url}/v2/films", headers=key | {"x-simulate": "502"}, json={"text_prompt": "A boat"})
        gone = httpx.get(f"{url}/v2/films/none", headers=key)
    assert "null" not in made.text
    assert (wrong.status_code, type(wrong.json()["problem"]["code"])) == (400, str)
    assert wrong.json()["problem"]["text"].startswith("The request is not valid: Value error, Invalid input for model")
    assert "x-simulate: use 400, 401" not in wish.text
    assert "x-simulate: use 400, fail or lost" in wish.text
    assert (gone.status_code, type(gone.json()["problem"]["code"])) == (404, str)
    assert outcome_of(sd.spec(file), 400, wrong.json()).outcome == "refused"


def test_new_model_makes_as_much_of_a_swagger_page(tmp_path: Path) -> None:
    task = {"type": "object", "properties": {"task_id": {"type": "string"}, "phase": {"type": "string", "enum": ["new", "success", "fail"]},
                                             "video_link_url": {"type": "string"}, "error": {"type": "string"}}}  # fmt: skip
    page = {
        "swagger": "2.0", "info": {"title": "Old", "version": "1"}, "host": "films.example.com", "basePath": "/v1", "schemes": ["https"],
        "securityDefinitions": {"Key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, "security": [{"Key": []}],
        "definitions": {"Task": task},
        "paths": {
            "/jobs": {"post": {
                "operationId": "make", "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Task"}}},
                "parameters": [{"in": "body", "name": "body", "schema": {"type": "object", "properties": {"prompt": {"type": "string"}}}}]}},
            "/jobs/{no}": {"get": {
                "operationId": "look", "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Task"}}},
                "parameters": [{"in": "path", "name": "no", "type": "string", "required": True}]}},
        },
    }  # fmt: skip
    file = tmp_path / "old.yaml"
    report = new_model(written(tmp_path, page), file)
    assert any(line.startswith("Missing: the link to the status call, x-task, x-errors, the price") for line in report)
    file.write_text(re.sub("(?m)^# ", "", file.read_text(encoding="utf-8")), encoding="utf-8")
    spec = sd.spec(file)
    assert (spec.unsendable, spec.server, spec.oddities) == ("", "https://films.example.com/v1", ())
    assert spec.task
    assert (spec.task.id_pointer, spec.task.state, spec.task.outputs) == ("/task_id", "/phase", ("/video_link_url",))
    session = sd.Session(simulate=True, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "films")
    assert session.submit(spec, prompt="A paper boat").wait(60).path.stat().st_size > 1000


def test_an_id_that_only_another_success_documents_is_documented() -> None:
    page = own_provider()
    responses = page["paths"]["/v2/films"]["post"]["responses"]
    responses["201"] = {"description": "made", "content": responses["200"].pop("content")}
    no_film = {"application/json": {"schema": {"type": "object", "properties": {"id": {"type": "string"}}}}}
    responses["200"]["content"] = no_film
    assert told(page) == ""
    del responses["201"]
    with pytest.raises(sd.SpecError, match="no documented response has /film/id"):
        sd.spec(page)
