"""From a provider's page to a model that runs, without a line of Python."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.waiting import serving

import seedance_nb as sd
from seedance_nb.__main__ import main
from seedance_nb._simulator.replies import Replies

CREATE: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Films of Ours", "version": "1"},
    "servers": [{"url": "https://films.example.com"}],
    "paths": {
        "/v2/films": {
            "post": {
                "operationId": "makeFilm",
                "requestBody": {"content": {"application/json": {"schema": {
                    "type": "object", "required": ["text_prompt"],
                    "properties": {
                        "text_prompt": {"type": "string", "maxLength": 200}, "seconds": {"type": "integer", "minimum": 2, "maximum": 4},
                        "resolution": {"type": "string", "enum": ["480p", "720p"], "default": "480p"},
                    },
                }}}},
                "responses": {"200": {"description": "made", "content": {"application/json": {"schema": {
                    "type": "object", "properties": {"film": {"type": "object", "properties": {"id": {"type": "string", "x-fill": "id"}}}},
                }}}}},
            }
        }
    },
}  # fmt: skip
# What a page does not say in a form that a program reads: one YAML makes a provider.
PROVIDER: dict[str, Any] = {
    "security": [{"Key": []}],
    "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}},
    "x-task": {
        "follow": "FilmState", "state": "/film/state", "outputs": ["/film/files/*"], "error": ["/film/reason"],
        "words": {"queued": ["asked"], "running": ["shooting"], "done": ["cut"], "failed": ["lost"]},
    },
    "x-errors": {"code": "/problem/code", "message": "/problem/text", "invalid": "bad", "refusals": {"bad": "refused", "broke": "no-credits"}},
}  # fmt: skip
STATUS: dict[str, Any] = {
    "get": {
        "operationId": "filmState",
        "parameters": [{"name": "film", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "state", "content": {"application/json": {"schema": {
            "type": "object", "properties": {"film": {"type": "object", "properties": {
                "id": {"type": "string", "example": "f-1"}, "state": {"type": "string"}, "reason": {"type": "string"},
                "files": {"type": "array", "items": {"type": "string", "format": "uri"}, "example": ["https://films.example.com/1.mp4"]},
            }}},
        }}}}},
    }
}  # fmt: skip


def own_provider() -> dict[str, Any]:
    page = copy.deepcopy(CREATE) | copy.deepcopy(PROVIDER)
    page["paths"]["/v2/films/{film}"] = STATUS
    links = {"FilmState": {"operationId": "filmState", "parameters": {"film": "$response.body#/film/id"}}}
    page["paths"]["/v2/films"]["post"]["responses"]["200"]["links"] = links
    return page


def crun_page() -> dict[str, Any]:
    """A page of a packaged provider without a key of ours, as a person would download it."""
    page = copy.deepcopy(CREATE)
    page["servers"] = [{"url": "https://api.crun.ai"}]
    operation = page["paths"].pop("/v2/films")["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    operation["requestBody"]["content"]["application/json"]["schema"] = {
        "type": "object", "required": ["model", "input"],
        "properties": {"model": {"type": "string", "enum": ["films/ours"]}, "input": schema | {"x-inputs": True}},
    }  # fmt: skip
    del operation["responses"]
    page["paths"]["/api/v1/client/job/CreateTask"] = {"post": operation}
    return page


def written(tmp_path: Path, page: dict[str, Any], name: str = "page.yaml") -> Path:
    (tmp_path / name).write_text(json.dumps(page), encoding="utf-8")
    return tmp_path / name


def generated(tmp_path: Path, file: Path) -> sd.Video:
    """A video of the simulator that serves this file, asked for over HTTP with a key."""
    with serving("--document", str(file), SEEDANCE_SIMULATOR=str(tmp_path / "served")) as url:
        session = sd.Session(
            base_url=url, api_key="films-0123456789", ledger=tmp_path / "own.sqlite3", outputs=tmp_path / "films"
        )
        return session.generate(sd.spec(file), timeout=60, text_prompt="A paper boat", seconds=2, resolution="480p")


def test_a_page_of_a_known_provider_runs_after_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = written(tmp_path, crun_page())
    assert main(["new-model", str(page), str(tmp_path / "films.yaml")]) == 0
    report = capsys.readouterr().out
    assert "Provider: crun" in report
    assert "prompt is /input/text_prompt, seconds is /input/seconds, resolution is /input/resolution" in report
    video = generated(tmp_path, tmp_path / "films.yaml")
    assert (video.prompt, video.path.suffix) == ("A paper boat", ".mp4")


def test_a_new_provider_is_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, own_provider())
    assert generated(tmp_path, file).path.stat().st_size > 1000
    assert main(["new-model", str(file), str(tmp_path / "copy.yaml")]) == 0
    assert "Provider: none of" not in capsys.readouterr().out


def provider_of_two_calls() -> dict[str, Any]:
    """A provider whose status call says only that a film is done; another call has its files."""
    page = own_provider()
    state, files = copy.deepcopy(STATUS), copy.deepcopy(STATUS)
    del state["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["film"]["properties"][
        "files"
    ]
    files["get"]["operationId"] = "filmResult"
    page["paths"] |= {"/v2/films/{film}": state, "/v2/films/{film}/result": files}
    page["x-task"] = copy.deepcopy(page["x-task"]) | {
        "result": {"operation": "filmResult", "item": "/answer"}, "outputs": ["/answer/film/files/*"]
    }  # fmt: skip
    return page


def test_a_result_from_a_call_of_its_own_is_one_more_line(tmp_path: Path) -> None:
    file = written(tmp_path, provider_of_two_calls())
    with serving("--document", str(file), SEEDANCE_SIMULATOR=str(tmp_path / "served")) as url:
        places: Any = {"ledger": tmp_path / "own.sqlite3", "outputs": tmp_path / "films"}
        session = sd.Session(base_url=url, api_key="films-0123456789", **places)
        task = session.submit(sd.spec(file), text_prompt="A paper boat", seconds=2, resolution="480p")
        assert task.wait(60).path.stat().st_size > 1000
        seen = task.details()
        key = {"Authorization": "Bearer films-0123456789"}
        state, result = (
            httpx.get(f"{url}/v2/films/{seen['film']['id']}{end}", headers=key).json() for end in ("", "/result")
        )
    assert "mp4" not in str(state), "the control"
    assert state["film"]["state"] == "cut"
    assert result == seen["answer"]
    assert "mp4" in str(result)


def test_a_word_before_the_key_is_said_in_the_security_scheme(tmp_path: Path) -> None:
    page = own_provider()
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization", "x-prefix": "Key "}
    page["components"] = {"securitySchemes": {"Key": scheme}}
    assert '"Authorization: Key $API_KEY"' in sd.form(sd.spec(written(tmp_path, page))).to_curl()
    assert generated(tmp_path, written(tmp_path, page)).path.stat().st_size > 1000
    scheme["x-prefix"] = "Key: x\r\n"
    with pytest.raises(sd.SpecError, match="does not match"):
        sd.spec(written(tmp_path, page))


def test_the_call_for_a_result_must_be_free(tmp_path: Path) -> None:
    page = provider_of_two_calls()
    page["x-task"]["result"]["operation"] = "makeFilm"
    with pytest.raises(sd.SpecError, match="this call must be a GET") as error:
        sd.spec(written(tmp_path, page))
    assert error.value.pointer == "/x-task/result"


def test_what_cannot_be_sent_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-model", str(written(tmp_path, CREATE)), str(tmp_path / "films.yaml")]) == 0
    assert "to send, add what is missing" in capsys.readouterr().out
    assert main(["simulate", "--document", str(tmp_path / "films.yaml")]) == 1
    error = capsys.readouterr().err
    assert "cannot be simulated" in error
    assert "complete the commented lines at the end of the file" in error


def test_all_that_is_missing_is_listed_at_once_and_is_in_the_file_to_be_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copy.deepcopy(CREATE)
    page["paths"]["/v2/films"]["post"]["parameters"] = []  # after which the response is in the file all the same
    page["paths"]["/v2/news"] = {"get": {"responses": {}}}
    del page["paths"]["/v2/films"]["post"]["responses"]
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 0
    every = "the response to the request, the link to the status call, the status call, how the key is sent, x-task, x-errors, the price"
    assert f"Missing: {every};" in capsys.readouterr().out
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    assert sd.spec(tmp_path / "films.yaml").unsendable, "the control"
    file = tmp_path / "filled.yaml"
    file.write_text(re.sub("(?m)^# ", "", text), encoding="utf-8")
    spec = sd.spec(file)
    assert (spec.unsendable, spec.key_env, spec.price.per_second) == ("", "MY_API_KEY", 1)
    assert generated(tmp_path, file).path.stat().st_size > 1000
    assert main(["new-model", str(file), str(tmp_path / "copy.yaml")]) == 0
    assert "Missing: nothing" in capsys.readouterr().out


def test_what_the_page_shows_of_its_responses_is_what_is_suggested(tmp_path: Path) -> None:
    page = copy.deepcopy(CREATE)
    page["paths"]["/v2/films/{film}"] = STATUS
    problem = {"type": "object", "properties": {"code": {"type": "string"}, "text": {"type": "string"}}}
    schema = {"type": "object", "properties": {"problem": {"$ref": "#/components/schemas/Problem"}}}
    bad = {"description": "bad", "content": {"application/json": {"schema": schema}}}
    page["components"] = {"schemas": {"Problem": problem}, "responses": {"Bad": bad}}
    page["paths"]["/v2/films"]["post"]["responses"] |= {"422": {"$ref": "#/components/responses/Bad"}, "500": None}
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 0
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    assert "#               operationId: filmState\n#               parameters: {film: $response.body#/film/id}" in text
    shown = {"state": "/film/state", "outputs": "[/film/files/*]", "error": "[/film/reason]"}
    shown |= {"code": "/problem/code", "message": "/problem/text"}
    assert dict(re.findall("(?m)^#   (state|outputs|error|code|message): ([^ \n]+)", text)) == shown
    (tmp_path / "films.yaml").write_text(re.sub("(?m)^# ", "", text), encoding="utf-8")
    assert sd.spec(tmp_path / "films.yaml").unsendable == ""


def test_an_unfinished_task_table_is_refused_with_all_that_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copy.deepcopy(CREATE) | {"x-task": PROVIDER["x-task"]}
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 1
    needs = "the link to the status call, the status call, how the key is sent, x-errors"
    assert f"x-task needs {needs}" in capsys.readouterr().err
    assert not (tmp_path / "films.yaml").exists()


def test_no_file_is_replaced_and_no_bad_one_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = written(tmp_path, CREATE)
    before = page.read_bytes()
    assert main(["new-model", str(page), str(page)]) == 1
    assert "this file exists" in capsys.readouterr().err
    assert page.read_bytes() == before
    bad = written(tmp_path, CREATE | {"x-provider": "nobody"}, "bad.yaml")
    assert main(["new-model", str(bad), str(tmp_path / "new.yaml")]) == 1
    assert not (tmp_path / "new.yaml").exists()


def test_one_of_several_operations_is_chosen_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = copy.deepcopy(CREATE)
    page["paths"]["/v2/sounds"] = {"post": {**page["paths"]["/v2/films"]["post"], "operationId": "makeSound"}}
    file = written(tmp_path, page)
    assert main(["new-model", str(file), str(tmp_path / "one.yaml")]) == 1
    assert "makeSound" in capsys.readouterr().err
    assert main(["new-model", str(file), str(tmp_path / "one.yaml"), "--operation", "makeSound"]) == 0
    assert sd.spec(tmp_path / "one.yaml").path == "/v2/sounds"


def test_what_the_chosen_operation_needs_beside_it_stays(tmp_path: Path) -> None:
    page = own_provider()
    other = {**page["paths"]["/v2/films"]["post"], "operationId": "makeSound"}
    page["paths"]["/v2/sounds"] = {"post": other, "parameters": [{"name": "team", "in": "query"}]}
    file = written(tmp_path, page)
    assert main(["new-model", str(file), str(tmp_path / "one.yaml"), "--operation", "makeFilm"]) == 0
    spec = sd.spec(tmp_path / "one.yaml")
    assert (spec.path, spec.task and spec.task.status_path) == ("/v2/films", "/v2/films/{film}")


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = written(tmp_path, CREATE)
    assert main(["new-model", str(page), str(tmp_path / "no" / "films.yaml")]) == 1
    assert "the folder" in capsys.readouterr().err


def test_the_status_call_of_a_page_is_the_one_with_an_id_at_the_end_of_its_path(tmp_path: Path) -> None:
    page = copy.deepcopy(CREATE) | {"servers": [{"url": "https://films.example.com/v1"}]}
    news = {"operationId": "news", "parameters": [{"name": "day", "in": "query"}], "responses": {}}
    page["paths"] |= {"/v2/news": {"get": news}, "/v2/films/{film}": STATUS}
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 0
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    (tmp_path / "films.yaml").write_text(re.sub("(?m)^# ", "", text), encoding="utf-8")
    spec = sd.spec(tmp_path / "films.yaml")
    assert (spec.unsendable, spec.task and spec.task.status_path) == ("", "/v2/films/{film}")
    with serving("--document", str(tmp_path / "films.yaml"), SEEDANCE_SIMULATOR=str(tmp_path / "served")) as url:
        key = {"Authorization": "Bearer films-0123456789"}
        first, second = (
            httpx.post(f"{url}{base}/v2/films", headers=key, json={"text_prompt": "A boat", "seconds": 99})
            for base in ("", "/v1")
        )
    assert first.text == second.text
    assert f"Invalid input for model {spec.name}: seconds" in second.text


EXAMPLES: dict[str, Any] = {
    "example": {"application/json": {"example": {"film": {"id": "f-1", "state": "asked", "files": ["https://films.example.com/1.mp4"], "reason": None}}}},
    "examples": {"application/json": {"schema": {"type": "object"}, "examples": {"one": {"value": {
        "film": {"id": "f-1", "state": "asked", "files": ["https://films.example.com/1.mp4"], "reason": None}}}}}},
    "in the schema": {"application/json": {"schema": {"type": "object", "example": {
        "film": {"id": "f-1", "state": "asked", "files": ["https://films.example.com/1.mp4"], "reason": None}}}}},
}  # fmt: skip


def page_of_examples(how: str, status: str = "200") -> dict[str, Any]:
    """A page whose responses have only examples, and whose status call has no name and the parameter of its path."""
    page = copy.deepcopy(CREATE)
    responses = {"Film": {"description": "a film", "content": copy.deepcopy(EXAMPLES[how])}}
    page["components"] = {"responses": responses, "parameters": {"Film": STATUS["get"]["parameters"][0]}}
    page["paths"]["/v2/films"]["post"]["responses"] = {status: {"$ref": "#/components/responses/Film"}}
    call = {"parameters": [{"name": "fresh", "in": "query"}], "responses": {"200": {"$ref": "#/components/responses/Film"}}}  # fmt: skip
    page["paths"]["/v2/films/{film}"] = {"parameters": [{"$ref": "#/components/parameters/Film"}], "get": call}
    return page


@pytest.mark.parametrize("status", ["200", "201", "202"])
@pytest.mark.parametrize("how", EXAMPLES)
def test_an_example_of_a_response_is_enough_and_a_status_call_gets_a_name(
    how: str, status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = written(tmp_path, page_of_examples(how, status))
    assert main(["new-model", str(page), str(tmp_path / "films.yaml")]) == 0
    report = capsys.readouterr().out
    named = "GET /v2/films/{film} has no operationId and is called getTask now"
    assert f"status call: GET /v2/films/{{film}}; {named}" in report
    assert "Missing: the link to the status call, how the key is sent, x-task, x-errors, the price;" in report
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    assert "#               operationId: getTask\n#               parameters: {film: $response.body#/film/id}" in text
    shown = {"state": "/film/state", "outputs": "[/film/files/*]", "error": "[/film/reason]"}
    assert dict(re.findall("(?m)^#   (state|outputs|error): ([^ \n]+)", text)) == shown


def test_a_page_with_one_call_for_the_state_and_one_for_the_result_runs_once_its_lines_are_uncommented(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = page_of_examples("example", "202")
    state = {
        "description": "its state",
        "content": {"application/json": {"example": {"phase": "IN_QUEUE", "log": ["x"]}}},
    }
    call = {"responses": {"200": state}}
    page["paths"]["/v2/films/{film}/status"] = {"parameters": [{"$ref": "#/components/parameters/Film"}], "get": call}
    actor = {"operationId": "actor", "parameters": [{"name": "id", "in": "path"}], "responses": {}}
    page["paths"] = {"/v2/actors/{id}": {"get": actor}} | page["paths"]
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 0
    report = capsys.readouterr().out
    for name, path in (("getTask", "/v2/films/{film}/status"), ("getResult", "/v2/films/{film}")):
        assert f"GET {path} has no operationId and is called {name} now" in report
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    (tmp_path / "films.yaml").write_text(re.sub("(?m)^# ", "", text), encoding="utf-8")
    task = sd.spec(tmp_path / "films.yaml").task
    assert task
    assert (task.status_path, task.state, task.outputs) == (
        "/v2/films/{film}/status",
        "/phase",
        ("/result/film/files/*",),
    )
    assert generated(tmp_path, tmp_path / "films.yaml").path.stat().st_size > 1000


@pytest.mark.parametrize(
    ("state", "answered"),
    [({"type": "string"}, None), ({"type": "string", "example": "asked"}, "asked"), ({"enum": ["asked", "lost"]}, "asked"),
     ({"type": "string", "default": "asked"}, "asked"), ({"const": "asked"}, "asked")],
)  # fmt: skip
def test_a_served_answer_to_a_request_has_the_state_that_the_page_documents_or_none(
    state: dict[str, Any], answered: str | None, tmp_path: Path
) -> None:
    page = own_provider()
    content = page["paths"]["/v2/films"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    content["properties"]["film"]["properties"] |= {"state": state, "note": {"type": ["string", "null"]}}
    film = json.loads(bytes(Replies(sd.spec(written(tmp_path, page))).accepted("f-2").body))["film"]
    assert set(film) == {"id", "note"} | ({"state"} if answered else set())
    assert (film.get("state"), film["note"]) == (answered, None)


@pytest.mark.parametrize("call", [None, {}, "x", ["x"], {"responses": None}, {"responses": {"200": None}}, {"operationId": 5},
                                  {"responses": {"200": {"content": {"application/json": {"schema": None, "examples": [1]}}}}}])  # fmt: skip
def test_an_odd_status_call_is_no_reason_not_to_write_the_file(call: Any, tmp_path: Path) -> None:
    page = page_of_examples("example")
    page["paths"]["/v2/films/{film}"]["get"] = call
    assert main(["new-model", str(written(tmp_path, page)), str(tmp_path / "films.yaml")]) == 0
    text = (tmp_path / "films.yaml").read_text(encoding="utf-8")
    (tmp_path / "films.yaml").write_text(re.sub("(?m)^# ", "", text), encoding="utf-8")
    if call == {"operationId": 5}:
        assert "operationId: '5'" in text
