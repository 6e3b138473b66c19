"""A document may have many request bodies: all are listed, one is chosen by name, and its form and checks work."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.schemas import api

import seedance_nb as sd
from seedance_nb._check.check import check

TEXT = {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}}


def body(kind: str = "application/json", schema: Any = TEXT) -> dict[str, Any]:
    return {"content": {kind: {"schema": schema}}}


def document(version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    paths = {
        "/videos": {"get": {"operationId": "list"}, "post": {"operationId": "create", "summary": "Make one", "requestBody": body()}},
        "/videos/{id}": {"put": {"requestBody": {"$ref": "#/components/requestBodies/Change"}}, "delete": {}},
        "/files": {"$ref": "#/components/pathItems/Files"},
    }  # fmt: skip
    form = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, "count": {"type": "integer"}},
    }
    parts = {
        "requestBodies": {"Change": body("application/merge-patch+json; charset=utf-8", {"type": "object", "properties": {"n": {"type": "integer"}}})},
        "pathItems": {"Files": {"post": {"operationId": "upload", "deprecated": True, "requestBody": body("multipart/form-data", form)}}},
    }  # fmt: skip
    return {"openapi": version, "info": {"title": "Many", "version": "1"}, "paths": paths, "components": parts} | more


def test_every_request_body_is_listed() -> None:
    found = sd.spec(document()).operations
    assert [str(operation) for operation in found] == [
        "POST /videos (create)",
        "PUT /videos/{id}",
        "POST /files (upload)",
    ]
    assert [
        (operation.name, operation.summary, operation.content_type, operation.deprecated) for operation in found
    ] == [
        ("create", "Make one", "application/json", False),
        ("PUT /videos/{id}", "", "application/merge-patch+json; charset=utf-8", False),
        ("upload", "", "multipart/form-data", True),
    ]


@pytest.mark.parametrize(
    ("name", "path"),
    [("create", "/videos"), ("PUT /videos/{id}", "/videos/{id}"), ("post  /files", "/files"), ("/files", "/files")],
)
def test_one_of_several_is_chosen_by_its_name(name: str, path: str) -> None:
    assert sd.spec(document(), operation=name).path == path
    assert sd.spec(sd.spec(document()), operation=name).path == path


def test_an_operation_of_the_list_can_be_opened_itself() -> None:
    for operation in sd.spec(document()).operations:
        made = sd.spec(operation)
        assert (made.method, made.path) == (operation.method, operation.path)
        assert made.operations == () or made.is_chosen
        sd.form(made)


def test_a_document_of_which_nothing_is_chosen_opens_and_lists_what_there_is() -> None:
    made = sd.spec(document())
    assert not made.is_chosen
    assert "choose one of POST /videos (create), PUT /videos/{id}, POST /files (upload)" in repr(made)
    for use in (lambda: sd.form(made), lambda: sd.check(made, prompt="x"), lambda: sd.submit(made, prompt="x")):
        with pytest.raises(sd.SpecError, match=r"several operations.*create.*PUT /videos/\{id\}.*upload"):
            use()


def test_a_wrong_name_gets_the_nearest_ones() -> None:
    with pytest.raises(sd.SpecError, match="did you mean create"):
        sd.spec(document(), operation="creat")
    with pytest.raises(sd.SpecError, match="no operations"):
        sd.spec(TEXT, operation="create")
    with pytest.raises(sd.SpecError, match="takes a request body"):
        sd.spec({"openapi": "3.0.0", "paths": {"/a": {"get": {}}}})


def test_a_body_that_is_no_json_is_checked_and_not_sent() -> None:
    made = sd.spec(document(), operation="upload")
    assert check(made, {"file": "bytes", "count": 2}) == ()
    assert [problem.path for problem in check(made, {"count": "2"})] == ["/count"]
    assert made.content_type == "multipart/form-data"
    with pytest.raises(sd.SpecError, match="not sent"):
        sd.submit(made, count=2)


def test_a_body_that_is_no_json_is_not_sent_even_with_a_task_table() -> None:
    from seedance_nb._document.reader import SPECS, read_document, with_shared

    name = "crun/seedance-1.0-pro-t2v"
    whole = with_shared(read_document((SPECS / f"{name}.yaml").read_text(encoding="utf-8"))[0], "")
    del whole["x-provider"]
    content = whole["paths"]["/api/v1/client/job/CreateTask"]["post"]["requestBody"]["content"]
    content["application/x-www-form-urlencoded"] = content.pop("application/json")
    assert "body is application/x-www-form-urlencoded" in sd.spec(whole).unsendable
    with pytest.raises(sd.SpecError, match="only JSON is"):
        sd.submit(whole, prompt="x")


@pytest.mark.parametrize(("kinds", "chosen"), [
    (["multipart/form-data", "application/json"], "application/json"), (["text/plain", "application/vnd.api+json"], "application/vnd.api+json"),
    (["application/xml", "application/x-www-form-urlencoded"], "application/x-www-form-urlencoded"), (["*/*"], "*/*"),
])  # fmt: skip
def test_json_is_taken_before_forms_and_forms_before_anything_else(kinds: list[str], chosen: str) -> None:
    content = {kind: {"schema": TEXT} for kind in kinds}
    made = sd.spec(document(paths={"/a": {"post": {"requestBody": {"content": content}}}}))
    assert made.content_type == chosen
    assert made.operations[0].content_types[0] == chosen
    assert set(made.operations[0].content_types) == set(kinds)


@pytest.mark.parametrize(("ref", "words"), [("#/components/requestBodies/Gone", "does not exist"), ("https://example.com/body.yaml", "outside the document"),
                                            ("#/paths/~1a/post/requestBody", "only refers to other references")])  # fmt: skip
def test_a_body_that_lies_elsewhere_is_refused_and_never_fetched(ref: str, words: str) -> None:
    with pytest.raises(sd.SpecError, match=words) as refused:
        sd.spec(document(paths={"/a": {"post": {"requestBody": {"$ref": ref}}}}))
    assert refused.value.pointer.endswith("/$ref")


SWAGGER: dict[str, Any] = {
    "swagger": "2.0", "info": {"title": "t", "version": "1"}, "host": "api.example.com", "basePath": "/v1",
    "definitions": {"Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    "parameters": {"Pet": {"in": "body", "name": "body", "schema": {"$ref": "#/definitions/Pet"}}},
    "paths": {"/pets": {"post": {"operationId": "add", "parameters": [{"$ref": "#/parameters/Pet"}], "responses": {}}},
              "/form": {"put": {"operationId": "send", "responses": {}, "parameters": [
                  {"in": "formData", "name": "file", "type": "file", "required": True}, {"in": "formData", "name": "n", "type": "integer"}]}},
              "/get": {"get": {"parameters": [{"in": "query", "name": "q", "type": "string"}], "responses": {}}}},
}  # fmt: skip


def test_swagger_2_is_read_too() -> None:
    add, send = (sd.spec(SWAGGER, operation=name) for name in ("add", "send"))
    assert (add.server, add.path, add.content_type) == ("https://api.example.com/v1", "/pets", "application/json")
    assert [problem.path for problem in sd.check(add)] == ["/name"]
    assert send.content_type == "multipart/form-data"
    assert [problem.path for problem in sd.check(send, n="x")] == ["/file", "/n"]
    assert len(add.operations) == 2


BAD_PARAMETERS = [5, {"$ref": "other.yaml#/p"}, {"$ref": 7}, {"in": "query"}, {"name": "n", "in": 5}, {"in": "body", "name": "b", "schema": []},
                  {"in": "query", "name": "q", "schema": {"minimum": []}}, {"in": "query", "name": "r", "schema": 5}]  # fmt: skip


@pytest.mark.parametrize("parameter", BAD_PARAMETERS, ids=str)
def test_a_parameter_that_cannot_be_read_does_not_block_the_others(parameter: Any) -> None:
    new = api("3.1.0", {"type": "object", "properties": {"n": {"type": "integer"}}})
    new["paths"]["/make"]["post"]["parameters"] = [parameter]
    assert [problem.path for problem in sd.check(new, n="x")] == ["/n"]
    is_said = any("in the form" in odd.message for odd in sd.spec(new).oddities)
    assert is_said == (
        parameter in ({"$ref": "other.yaml#/p"}, {"in": "query", "name": "q", "schema": {"minimum": []}})
    )
    old = copy.deepcopy(SWAGGER)
    old["paths"]["/get"]["get"]["parameters"] += [parameter]
    old["paths"]["/pets"]["post"]["parameters"] += [parameter]
    assert [problem.path for problem in sd.check(sd.spec(old, operation="add"))] == ["/name"]


def test_openapi_3_2_and_a_body_without_a_schema_are_read() -> None:
    document = api("3.2.0", {"type": "object"})
    del document["paths"]["/make"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    document["paths"]["/make"]["query"] = document["paths"]["/make"].pop("post")
    assert sd.spec(document).method == "query"
    assert sd.check(document, anything=1) == ()


def test_a_method_of_its_own_name_is_an_operation_of_openapi_3_2() -> None:
    document = api("3.2.0", {"type": "object", "properties": {"n": {"type": "integer"}}})
    document["paths"]["/make"] = {"additionalOperations": {"COPY": document["paths"]["/make"].pop("post")}}
    assert sd.spec(document).method == "COPY"
    assert [problem.path for problem in sd.check(document, n="x")] == ["/n"]
    document["paths"]["/make"]["additionalOperations"] = 5
    with pytest.raises(sd.errors.SpecError, match="no operation"):
        sd.spec(document)


def test_a_path_item_of_another_document_does_not_block_the_others() -> None:
    document = api("3.1.0", {"type": "object"})
    document["paths"]["/other"] = {"$ref": "other.yaml#/x"}
    assert [operation.path for operation in sd.spec(document).operations] == ["/make"]


def test_the_components_of_a_document_without_paths_are_offered() -> None:
    schemas = {"Cat": {"type": "object", "properties": {"lives": {"type": "integer"}}}, "Dog": {"type": "object"}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": {"schemas": schemas}}
    assert [operation.name for operation in sd.spec(document).operations] == ["Cat", "Dog"]
    assert [problem.path for problem in sd.check(sd.spec(document, operation="Cat"), lives="9")] == ["/lives"]


@pytest.mark.parametrize("address", ["http://localhost:5000", "/api/v3", "https://{region}.example.com"])
def test_a_server_that_cannot_be_sent_to_does_not_keep_a_form_from_opening(address: str) -> None:
    servers = [{"url": address, "variables": {"region": {"default": "eu"}}}]
    made = sd.spec(document(servers=servers), operation="create")
    assert made.server == {"/api/v3": "", "https://{region}.example.com": "https://eu.example.com"}.get(
        address, address
    )


def test_the_dialect_of_a_document_decides_what_is_beside_a_reference() -> None:
    schema = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/S", "maxLength": 1}}}
    parts = {
        "components": {"schemas": {"S": {"type": "string"}}},
        "paths": {"/a": {"post": {"requestBody": body(schema=schema)}}},
    }
    assert check(sd.spec(document("3.1.0", **parts)), {"a": "xy"})
    old = document("3.1.0", jsonSchemaDialect="http://json-schema.org/draft-07/schema#", **parts)
    assert check(sd.spec(old), {"a": "xy"}) == ()


def test_a_file_with_several_operations_is_read_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(yaml.safe_dump(document()), encoding="utf-8")
    made = sd.spec(file, operation="create")
    assert (made.file, made.name, made.title) == (str(file), "many", "Many")
    assert sd.spec(made.operations[2]).file == str(file)


def test_references_to_files_beside_a_file_are_followed_within_its_folder(tmp_path: Path) -> None:
    (tmp_path / "docs" / "parts").mkdir(parents=True)
    main, outside = tmp_path / "docs" / "main.yaml", tmp_path / "secret.yaml"
    head = "openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths:\n"
    main.write_text(
        head + "  /a: {$ref: 'parts/a.yaml#/item'}\n  /b: {$ref: '../secret.yaml#/item'}\n  /c: {$ref: 'gone.yaml'}\n"
    )
    body = "{content: {application/json: {schema: {$ref: '%s'}}}}"
    (tmp_path / "docs" / "parts" / "a.yaml").write_text(
        f"item:\n  post: {{requestBody: {body % '#/Pet'}}}\nPet: {{type: object, properties: {{n: {{$ref: './n.json'}}, p: {{$ref: 'a.yaml#/Pet'}}, t: {{$ref: '../main.yaml#/x-t'}}}}}}\n"
    )
    (tmp_path / "docs" / "parts" / "n.json").write_text('{"type": "integer"}')
    main.write_text(main.read_text() + "x-t: {type: string}\n")
    outside.write_text(f"item:\n  post: {{requestBody: {body % '#/Pet'}}}\nPet: {{type: object}}\n")
    made = sd.spec(main)
    assert [operation.path for operation in made.operations] == ["/a"]
    assert [problem.path for problem in sd.check(made, n="x", p={"n": "y", "t": 5})] == ["/n", "/p/n", "/p/t"]
    outside.rename(tmp_path / "docs" / "real.yaml")
    outside.symlink_to(tmp_path / "docs" / "real.yaml")
    (tmp_path / "docs" / "gone.yaml").symlink_to("/etc/hostname")
    assert [operation.path for operation in sd.spec(str(main)).operations] == ["/a", "/b"]
    with pytest.raises(sd.SpecError, match="no operation"):
        sd.spec(main.read_text())


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A folder with a file beside the document, one above it, and a link to that one."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "here.yaml").write_text("a: {type: integer}\n")
    (tmp_path / "above.yaml").write_text("a: {type: integer}\n")
    (folder / "link.yaml").symlink_to(tmp_path / "above.yaml")
    return folder / "main.yaml"


UNREAD = {  # what is not read, and why: from a file, and from its text alone
    "https://example.com/a.yaml#/a": ("is a URL, which is never read", "is a URL, which is never read"),
    "file:///etc/hostname": ("is a URL, which is never read", "is a URL, which is never read"),
    "gone.yaml#/a": ("is no file there", "is another document"),
    "../above.yaml#/a": ("is outside the folder", "is another document"),
    "link.yaml#/a": ("is outside the folder", "is another document"),
    "here.yaml#/b": ("does not exist", "is another document"),
}


@pytest.mark.parametrize("ref", UNREAD)
@pytest.mark.parametrize("place", ["a field", "an entry", "a part"])
def test_what_another_document_says_of_a_field_does_not_block_the_others(ref: str, place: str, parts: Path) -> None:
    other: dict[str, Any] = {"$ref": ref}
    own = {"type": "object", "properties": {"m": {"type": "integer"}}}
    other = {"a field": other, "an entry": {"type": "array", "items": other}, "a part": {"allOf": [other, own]}}[place]
    page = api(
        "3.1.0", {"type": "object", "properties": {"n": {"type": "integer"}, "o": other, "h": {"$ref": "here.yaml#/a"}}}
    )
    parts.write_text(yaml.safe_dump(page, sort_keys=False))
    sources: tuple[str | Path, ...] = (parts, parts.read_text())
    value = {"a field": {"x": [1]}, "an entry": [1, {"x": 1}], "a part": {"x": 1, "m": 2}}[place]
    for source, why in zip(sources, UNREAD[ref], strict=True):
        made = sd.spec(source)
        (found,) = [odd for odd in made.oddities if odd.pointer.partition("/properties/o")[1]]
        assert why in found.message
        assert found.message.endswith("any value is allowed here")
        form = sd.form(made)
        form.values = {"n": 1, "o": value, "h": 3}
        assert form.is_valid
        assert {problem.rule for problem in form.problems} == {"unchecked"}
        wrong = [problem.path for problem in check(made, {"n": "1", "o": value, "h": "3"}) if not problem.warns]
        assert wrong == (["/n", "/h"] if source == parts else ["/n"])


def test_nothing_is_refused_for_what_is_not_read() -> None:
    other, text = {"$ref": "https://example.com/a.yaml"}, {"type": "string"}
    for schema in ({"oneOf": [other, text]}, {"not": other}, {"if": other, "then": False}, {"anyOf": [other, {"type": "null"}]},
                   {"type": "array", "contains": other}, {"allOf": [other, text]}):  # fmt: skip
        value: Any = ["x"] if "contains" in schema else "x"
        (problem,) = sd.check(sd.spec({"type": "object", "properties": {"a": schema}}), a=value)
        assert (problem.rule, problem.warns) == ("unchecked", True)
        assert problem.message == "could not be checked: its $ref is a URL, which is never read"


def test_the_discriminator_of_swagger_2_chooses_what_is_built_from_its_base() -> None:
    document = copy.deepcopy(SWAGGER)
    pet = document["definitions"]["Pet"]
    pet |= {"discriminator": "kind", "required": ["kind"]}
    pet["properties"]["kind"] = {"type": "string"}
    for name, field, more in (("Dog", "bark", {}), ("Cat", "meow", {"x-ms-discriminator-value": "kitty"})):
        own = {"type": "object", "required": [field], "properties": {field: {"type": "string"}}}
        document["definitions"][name] = {"allOf": [{"$ref": "#/definitions/Pet"}, own], **more}
    made = sd.spec(document, operation="add")
    for values, paths in (
        ({"kind": "Dog"}, ["/bark"]), ({"kind": "Dog", "bark": "x"}, []), ({"kind": "kitty"}, ["/meow"]), ({"kind": "Fox"}, ["/kind"]), ({}, ["/kind"]),
    ):  # fmt: skip
        assert [problem.path for problem in check(made, values)] == paths
    form = sd.form(made)
    form.values = {"kind": "kitty", "meow": "x"}
    assert form.problems == ()


def test_https_is_taken_of_several_schemes_and_a_version_may_be_a_number() -> None:
    for schemes, server in (
        (["http", "https"], "https"),
        (["http"], "http"),
        ([], "https"),
        (["wss", "https", "http"], "https"),
    ):
        assert sd.spec(SWAGGER | {"schemes": schemes}, operation="add").server == f"{server}://api.example.com/v1"
    assert sd.spec(document() | {"openapi": 3.1}, operation="create").path == "/videos"
    with pytest.raises(sd.SpecError, match=r"OpenAPI 4\.0 is not supported"):
        sd.spec(document() | {"openapi": 4.0})


def test_a_request_of_parameters_alone_is_a_form_where_no_request_has_a_body() -> None:
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    count = {"name": "n", "in": "query", "schema": {"type": "integer", "maximum": 5}}
    item: dict[str, Any] = {"parameters": [identifier], "get": {"parameters": [count]}, "delete": {}}
    head = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": "https://e.com"}]}
    alone: dict[str, Any] = head | {"paths": {"/videos/{id}": item, "/health": {"get": {}}}}
    assert [str(one) for one in sd.spec(alone).operations] == ["GET /videos/{id}", "DELETE /videos/{id}"]
    form = sd.form(sd.spec(alone, operation="GET /videos/{id}"))
    form.values = {"n": 9, "m": 1}
    found = {problem.path: problem.warns for problem in form.problems}
    assert found == {"/id": False, "/n": False, "/m": True}
    form.values = {"id": "a b", "n": 3}
    assert form.to_curl() == "curl --request GET 'https://e.com/videos/a%20b?n=3'"
    assert form.problems == ()
    paths = alone["paths"] | {"/make": {"post": {"requestBody": {"content": {"application/json": {"schema": {}}}}}}}
    assert [str(one) for one in sd.spec(head | {"paths": paths}).operations] == ["POST /make"]
