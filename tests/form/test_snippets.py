"""A form teaches the API it drives: its request as curl and as Python is the same request, and curl becomes values again."""

import inspect
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.pages import bodies_on, page_of
from support.schemas import api

import seedance_nb as sd
from seedance_nb._base.values import json_text
from seedance_nb._check.check import build_body
from seedance_nb._document.spec import named_fields
from seedance_nb._form.exchange import PARAMETERS, WIDTH, read_values, to_curl, to_python
from seedance_nb._form.form import Form
from seedance_nb._session.session import Session

CRUN, PRO, VASTNUM = "crun/seedance-2.0-fast-r2v", "seedance2-pro/seedance-20-i2v", "vastnum/doubao-seedance-2.0"
NASTY = (
    "plain", "", " ", "it's", "''", "'\\''", "\\", "\\\\", "\\n", "a\nb\r\nc", "tab\t", "$HOME $(id) `id` ${PATH}", "!! !$ !x", '"quoted"',
    "🦊 雪 é", "\u200b\u202e\ufeff", "\u2028\u2029\x85", "\x00\x01\x7f\x9b", "%s %d %%", "@file", "-d", "#no", "a=b&c=d", "^", '^"', "^\n",
    "*?[a]{b,c}~", "; | & < >", "x" * 5000, "word " * 400, "line\n" * 60, "</script>", "https://e.com/a?b=c&d='e'",
)  # fmt: skip
SHELLS = [name for name in ("bash", "dash", "zsh") if shutil.which(name)]


def body_of(name: str, **fields: Any) -> dict[str, Any]:
    return build_body(sd.spec(name), fields)


@pytest.fixture
def fake_curl(tmp_path: Path) -> Path:
    """A folder with a program named curl that writes down what it is given."""
    script = tmp_path / "bin" / "curl"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done > "$RECORD"\n')
    script.chmod(0o755)
    return script.parent


def given_to_curl(command: str, fake_curl: Path, *shell: str) -> list[str]:
    record = fake_curl / "record"
    env = {
        "PATH": f"{fake_curl}:{os.environ['PATH']}",
        "RECORD": str(record),
        "CRUN_API_KEY": "k-1 $x",
        "WS_API_KEY": "k-2",
    }
    subprocess.run([*(shell or ("bash",)), "-c", command], env=env, check=True, timeout=20)
    return record.read_bytes().decode().split("\0")[:-1]


def given_to_sd(code: str, spec: sd.Spec) -> dict[str, Any]:
    """The request body that generated code makes."""
    calls: list[dict[str, Any]] = []

    def called(document: Any, /, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        assert not set(fields) & PARAMETERS
        calls.append(build_body(sd.spec(document), fields, extra))

    fake = SimpleNamespace(generate=called, check=called)
    exec(code.replace("import seedance_nb as sd\n", ""), {"sd": fake, "document": spec})  # noqa: S102
    assert len(calls) == 1
    return calls[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_sends_the_very_body_whatever_its_texts(fake_curl: Path, shell: str) -> None:
    spec = sd.spec(CRUN)
    body = body_of(CRUN, prompt="".join(NASTY), reference_images=list(NASTY), duration=4)
    told = given_to_curl(to_curl(spec, body), fake_curl, shell)
    assert told[-2:] == ["--data-raw", json_text(body)]
    assert told[:3] == ["--request", "POST", "https://api.crun.ai/api/v1/client/job/CreateTask"]
    assert told[3:7] == ["--header", "x-api-key: k-1 $x", "--header", "Content-Type: application/json"]


def test_each_text_alone_comes_through_bash(fake_curl: Path) -> None:
    spec = sd.spec(VASTNUM)
    commands, bodies = [], []
    for number, text in enumerate(NASTY):
        body = body_of(VASTNUM, prompt=text, duration=5)
        bodies.append(json_text(body))
        commands.append(f'RECORD="$RECORD.{number}"; export RECORD; {to_curl(spec, body)}\nRECORD="${{RECORD%.*}}"')
    (fake_curl / "record").touch()
    given_to_curl("\n".join(commands), fake_curl)
    for number, body_text in enumerate(bodies):
        told = (fake_curl / f"record.{number}").read_bytes().decode().split("\0")[:-1]
        assert told[-1] == body_text
        assert "Authorization: Bearer k-2" in told


def test_pasted_into_an_interactive_bash_nothing_is_taken_from_its_history(fake_curl: Path) -> None:
    body = body_of(CRUN, prompt="wow! it's !! and !$ and \"!x\" '!y'")
    record = fake_curl / "record"
    subprocess.run(
        ["bash", "--norc", "-i"], input=f"set -H\n{to_curl(sd.spec(CRUN), body)}\nexit\n", text=True, timeout=20, check=True,
        env={"PATH": f"{fake_curl}:{os.environ['PATH']}", "RECORD": str(record), "CRUN_API_KEY": "k"},
        capture_output=True, start_new_session=True,
    )  # fmt: skip
    assert record.read_bytes().decode().split("\0")[-2] == json_text(body)


def test_no_key_is_in_any_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUN_API_KEY", "sk-very-secret-1")
    form = sd.form(CRUN)
    assert "$CRUN_API_KEY" in form.to_curl()
    assert "sk-very-secret-1" not in form.to_curl() + form.to_python()


def test_what_a_document_writes_cannot_reach_the_shell(fake_curl: Path) -> None:
    document = {
        "openapi": "3.0.0",
        "servers": [{"url": "https://e.com/$(touch pwned)/{x}"}],
        "security": [{"k": []}],
        "components": {"securitySchemes": {"k": {"type": "apiKey", "in": "header", "name": 'x"; touch pwned; "'}}},
        "paths": {"/a'b": {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}}},
    }
    told = given_to_curl(to_curl(sd.spec(document), {"a": 1}), fake_curl)
    assert told[2:6] == ["https://e.com/$(touch pwned)/{x}/a'b", "--globoff", "--header", 'x"; touch pwned; ": ']
    assert not Path("pwned").exists()
    with pytest.raises(sd.SpecError, match="does not match"):
        sd.spec(document | {"x-env": {"key": "A_KEY; touch pwned"}})


def test_where_the_document_names_no_server_the_shell_is_asked_for_one() -> None:
    assert 'POST "$BASE_URL" ' in to_curl(sd.spec({"type": "object"}), {})


@pytest.mark.parametrize("make", [to_curl, to_python])
@pytest.mark.parametrize("value", [float("nan"), "\ud83d"])
def test_what_cannot_be_sent_has_no_curl(value: Any, make: Any) -> None:
    if make is to_python and isinstance(value, str):
        assert "'\\ud83d'" in to_python(sd.spec(CRUN), body_of(CRUN, prompt=value))
        return
    with pytest.raises(ValueError, match=r"."):
        make(sd.spec(CRUN), body_of(CRUN, prompt=value))


@pytest.mark.parametrize("name", [CRUN, PRO, VASTNUM, "crun/seedance-2.0-i2v", "crun/seedance-1.0-pro-t2v"])
def test_a_providers_own_example_becomes_python_and_curl_and_stays_itself(name: str) -> None:
    spec = sd.spec(name)
    for shown in bodies_on(page_of(name)):
        body = build_body(spec, shown)
        assert given_to_sd(to_python(spec, body), spec) == body
        assert read_values(to_curl(spec, body)) == body
        if name != "seedance2-pro/seedance-20-i2v" or "<string>" not in str(body):
            assert "input=" not in to_python(spec, body)


def test_python_is_laid_out_to_be_read() -> None:
    assert to_python(sd.spec(CRUN), body_of(CRUN, prompt="A fox", duration=4)) == (
        "import seedance_nb as sd\n\n"
        "# The key is read from CRUN_API_KEY; without one this runs on the simulator.\n"
        "video = sd.generate('crun/seedance-2.0-fast-r2v', prompt='A fox', duration=4)"
    )
    prompt = (
        "First line\nand a second one that goes on and on, far beyond the width of a cell, until somebody wraps it 🦊"
    )
    long = to_python(sd.spec(CRUN), body_of(CRUN, prompt=prompt, reference_images=["https://e.com/" + "a" * 60] * 2))
    assert long.splitlines()[3:] == [
        "video = sd.generate(",
        "    'crun/seedance-2.0-fast-r2v',",
        "    prompt=('First line\\n'",
        "            'and a second one that goes on and on, far beyond the width of a cell, '",
        "            'until somebody wraps it 🦊'),",
        f"    reference_images=['https://e.com/{'a' * 60}',",
        f"                      'https://e.com/{'a' * 60}'],",
        ")",
    ]
    assert max(len(line) for line in long.splitlines() if "https" not in line) <= WIDTH


def test_python_gives_back_every_text() -> None:
    spec = sd.spec(CRUN)
    for text in NASTY:
        body = body_of(CRUN, prompt=text, reference_images=[text, text])
        code = to_python(spec, body)
        assert given_to_sd(code, spec) == body
        assert all(sign.isprintable() or sign == "\n" for sign in code), "nothing in code that cannot be seen"


ODD: list[tuple[str, dict[str, Any]]] = [
    (CRUN, {"input": {"prompt": "x", "take": 3, "api_key": "no"}}),
    (CRUN, {"input": {"prompt": "x", "unknown": {"a": [1, {"b": None}]}, "not-a-name": 1, "class": 2, "__debug__": 3}}),
    (CRUN, {"input": "text"}),
    (CRUN, {"model": "another", "input": {"prompt": 5}}),
    (VASTNUM, {"prompt": "x", "metadata": {"duration": 5, "other": 1}}),
    (VASTNUM, {"prompt": "x", "metadata": {}}),
    (PRO, {"inputs": {"duration": "5s", "model": "m"}}),
    (CRUN, {"input": {"duration": 4.0, "audio": 1}}),
]


@pytest.mark.parametrize(("name", "given"), ODD)
def test_python_gives_back_odd_bodies_too(name: str, given: dict[str, Any]) -> None:
    spec = sd.spec(name)
    body = build_body(spec, given)
    assert json_text(given_to_sd(to_python(spec, body), spec)) == json_text(body)


FLAT: dict[str, Any] = {"type": "object", "properties": {
    "prompt": {"type": "string"}, "take": {"type": "integer"}, "a": {"type": "object", "properties": {"x": {}, "y": {}}},
    "b": {"type": "object", "properties": {"x": {}}}, "list of": {"type": "array"}}}  # fmt: skip


def some(source: random.Random, depth: int = 0) -> Any:
    kinds = ["text", "int", "float", "bool", "null", *(["list", "dict"] if depth < 3 else [])]
    match source.choice(kinds):
        case "text":
            return source.choice(NASTY[:26]) + source.choice(NASTY[:26])
        case "int":
            return source.randint(-(10**20), 10**20)
        case "float":
            return source.uniform(-1e9, 1e-9)
        case "bool":
            return source.random() < 0.5
        case "null":
            return None
        case "list":
            return [some(source, depth + 1) for _ in range(source.randint(0, 4))]
        case _:
            return {source.choice([*NASTY[:26], "x", "y", "take"]): some(source, depth + 1) for _ in range(3)}


@pytest.mark.parametrize("seed", range(60))
def test_any_body_goes_into_code_and_comes_back(seed: int) -> None:
    source = random.Random(seed)
    spec = sd.spec(FLAT)
    names = ["prompt", "take", "a", "b", "list of", "unknown", "x", "warn", "ünï"]
    body = build_body(spec, {name: some(source) for name in source.sample(names, 4)})
    assert json_text(given_to_sd(to_python(spec, body), spec)) == json_text(body)
    assert json_text(read_values(to_curl(spec, body))) == json_text(body)


def test_the_words_that_fields_may_not_have_are_those_of_the_functions() -> None:
    functions = (sd.generate, sd.submit, Session.generate, Session.submit)
    own = {p.name for f in functions for p in inspect.signature(f).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert own == PARAMETERS


def test_code_names_the_document_as_it_can_be_found_again(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(FLAT))
    assert "problems = sd.check('mine.json', prompt='x')" in to_python(sd.spec("mine.json"), {"prompt": "x"})
    assert "# document: " in to_python(sd.spec(FLAT), {"prompt": "x"})
    assert "sd.check(document, " in to_python(sd.spec(FLAT), {"prompt": "x"})


FOX = {"prompt": 'it\'s $5! \\ "x" 🦊\n'}
PASTED = {
    "JSON": json.dumps(FOX),
    "short options": "curl -sSL -XPOST https://e.com -H 'x: y' -d'{\"prompt\":\"it'\\''s $5! \\\\ \\\"x\\\" 🦊\\n\"}' | jq .",
    "double quotes": 'curl https://e.com -d "{\\"prompt\\":\\"it\'s \\$5! \\\\\\\\ \\\\\\"x\\\\\\" 🦊\\\\n\\"}"',
    "Chrome, bash": "curl 'https://e.com' \\\n  -H 'x: y' \\\n  --data-raw $'{\"prompt\":\"it\\'s $5\\u0021 \\\\\\\\ \\\\\"x\\\\\" 🦊\\\\n\"}' \\\n  --compressed ;\n",
    "Firefox, halves": "curl 'https://e.com' --data-raw $'{\"prompt\":\"it\\'s $5\\x21 \\\\\\\\ \\\\\"x\\\\\" \\uD83E\\uDD8A\\\\n\"}'",
    "Firefox, one byte": "curl 'https://e.com' --data-raw $'{\"prompt\":\"it\\'s caf\\xe9, \\xc3\\xa9\"}'",
    "--json": "$ curl --json '{\"prompt\":\"it'\"'\"'s $5! \\\\ \\\"x\\\" ' --json '🦊\\n\"}' https://e.com",
    "joined": 'curl https://e.com -d \'{"prompt":"a\' --data \'b"}\'',
    "with words around it": "Send it:\n\n    curl https://e.com \\\r\n    --data-binary '{\"prompt\":\"it'\\''s $5! \\\\ \\\"x\\\" 🦊\\n\"}' # that is all\n",
}  # fmt: skip


@pytest.mark.parametrize("how", PASTED)
def test_what_people_paste_is_read(how: str) -> None:
    other = {"joined": {"prompt": "a&b"}, "Firefox, one byte": {"prompt": "it's café, é"}}
    assert read_values(PASTED[how]) == other.get(how, FOX)


@pytest.mark.parametrize("how", [how for how in PASTED if how != "JSON" and "Firefox" not in how])
def test_and_bash_reads_it_in_the_same_way(how: str, fake_curl: Path) -> None:
    command = (
        PASTED[how].removeprefix("$ ").removeprefix("Send it:\n\n").replace("\\\r\n", "\\\n").replace("| jq .", "")
    )
    told = given_to_curl(command, fake_curl)
    data = [told[at + 1] for at, word in enumerate(told) if word.startswith("--data") or word in ("-d", "--json")]
    data += [word[2:] for word in told if word.startswith("-d{")]
    assert json.loads(("" if how == "--json" else "&").join(data)) == read_values(PASTED[how])


WINDOWS = {
    "Chrome, cmd": 'curl ^"https://e.com^" ^\r\n  -H ^"x: y^" ^\r\n  --data-raw ^"^{^\\^"prompt^\\^":^\\^"it\'s ^$5^! ^\\^\\ ^\\^\\^\\^"x^\\^\\^\\^" 🦊^\\n^\\^"^}^"',
    "by hand, cmd": 'curl -X POST https://e.com ^\n  -H "x: y" ^\n  -d "{\\"prompt\\": \\"it\'s $5! \\\\ \\\\\\"x\\\\\\" 🦊\\n\\"}"',
}  # fmt: skip


@pytest.mark.parametrize("how", WINDOWS)
def test_a_copy_for_windows_cmd_is_refused_with_the_way_out(how: str) -> None:
    with pytest.raises(ValueError, match="looks like a Windows cmd command; use 'Copy as cURL"):
        read_values(WINDOWS[how])


@pytest.mark.parametrize("name", ["crun/seedance-2.0-i2v", PRO, VASTNUM])
def test_the_curl_commands_on_a_providers_page_are_values(name: str) -> None:
    page = page_of(name)
    starts = [at for at in range(len(page)) if page.startswith("curl ", at) and "POST" in page[at : at + 20]]
    assert starts
    for start in starts:
        end = page.find("\n\n\n", start)
        text = (
            page[start : page.index("\n'", start) + 2]
            if "\n'\n" in page[start:end]
            else page[start : page.index("}'", start) + 2]
        )
        assert read_values(text) in bodies_on(page)


REFUSED = {
    "curl https://e.com": "sends no body",
    "curl -d @body.json https://e.com": r"is the file 'body\.json', which is not read here",
    "curl --json @- https://e.com": "is standard input",
    "curl -F a=b https://e.com": "a multipart form",
    "curl --data-urlencode a=b https://e.com": "the encoding of web forms",
    "curl -G -d a=b https://e.com": "sends no body",
    "curl -d a=b -d c=d https://e.com": r"not JSON .*a=b&c=d.*2 data options",
    "curl -d '{\"a\": 1' https://e.com": "not JSON",
    "curl -d '{}": "never closed",
    'curl ^"https://e.com^" -d ^"{}': "looks like a Windows cmd command; use .Copy as cURL",
    "curl -d $'{\\'": "never closed",
    'curl -d "{\\"prompt\\": \\"$PROMPT\\"}"': r"has \$PROMPT, which a shell would replace",
    "curl -d $BODY https://e.com": r"has \$BODY",
    'curl -d "`cat body`"': "has `cat body`",
    "curl -d '{}'\ncurl -d '{}'": "more than one curl",
    "curl -d '[1]'": "an object",
    "curl -d": "not JSON",
    "curl --data-raw '@x'": "not JSON",
    "prompt=x": "neither JSON nor a curl command",
    "": "neither JSON nor a curl command",
    '{"a": 1, "a": 2}': "given twice",
    "7": "an object",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_request_is_refused_in_words(text: str) -> None:
    form = sd.form(PRO)
    with pytest.raises(ValueError, match=REFUSED[text]):
        form.values = text


@pytest.mark.parametrize("body", [{"a": "x"}, {"b": 1}])
def test_a_form_of_alternatives_takes_its_own_curl_command(body: dict[str, Any]) -> None:
    branches = [{"type": "object", "required": [name], "properties": {name: {"type": kind}}} for name, kind in (("a", "string"), ("b", "integer"))]  # fmt: skip
    form = sd.form(api("3.1.0", {"oneOf": branches}))
    form.values = body
    command = form.to_curl()
    form.values = {}
    form.values = command
    assert form.values == body
    with pytest.raises(ValueError, match="neither JSON nor a curl command"):
        form.values = "not one"


def test_a_key_in_a_pasted_command_goes_nowhere() -> None:
    form = sd.form(PRO)
    form.values = "curl https://e.com -H 'Authorization: Bearer sk-secret-7' -d '{\"model\": \"seedance-20\"}'"
    assert "sk-secret-7" not in repr(form.__dict__) + form.to_curl()
    with pytest.raises(ValueError, match="no body") as caught:
        read_values("curl -H 'Authorization: Bearer sk-secret-7' https://e.com")
    assert "sk-secret-7" not in str(caught.value)


def test_a_form_takes_its_own_curl_command() -> None:
    first, second = sd.form(CRUN), sd.form(CRUN)
    first.values = {"prompt": "".join(NASTY), "reference_images": list(NASTY), "duration": 99}
    second.values = first.to_curl()
    assert second.values == first.values
    assert isinstance(second, Form)
    assert second.to_python() == first.to_python()


def test_long_and_broken_texts_are_read_in_good_time() -> None:
    for text in ("curl " + "a" * 300_000, "curl -d '" + "^" * 300_000, "curl ^\n" + "^" * 300_000, "curl -d $'" + "\\" * 300_001,
                 'curl -d "' + "\\\\" * 150_000, "curl " + "'a'b" * 80_000, "curl -d " + "\\\n" * 150_000):  # fmt: skip
        with pytest.raises(ValueError, match=r"."):
            read_values(text)


def test_a_picture_of_megabytes_in_a_pasted_body_is_read_at_once() -> None:
    picture = "A" * 3_000_000
    begun = time.process_time()
    assert read_values(f'curl https://e.com -d \'{{"image": "{picture}"}}\'') == {"image": picture}
    assert time.process_time() - begun < 2, "shlex takes minutes"


TEXT = {"type": "string"}
FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}, "n": TEXT, "tags": {"type": "array", "items": TEXT}},
}
KINDS = {"application/json": {"type": "object", "properties": {"n": TEXT}}, "multipart/form-data": FILE, "application/x-www-form-urlencoded": FILE,
         "text/plain": TEXT, "application/octet-stream": {"type": "string", "format": "binary"}, "application/xml": FILE}  # fmt: skip
PLACES = [
    {"in": "path", "name": "id", "required": True, "schema": TEXT},
    {"in": "query", "name": "dry", "schema": {"type": "boolean"}},
]
OPERATION = {
    "parameters": PLACES,
    "requestBody": {"content": {kind: {"schema": schema} for kind, schema in KINDS.items()}},
    "responses": {},
}
SEVERAL = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "https://api.example.com"}],
    "paths": {"/a/{id}": {"put": OPERATION}},
}
SENT: dict[str, tuple[Any, list[str]]] = {
    "application/json": ({"n": "x"}, ["--header 'Content-Type: application/json'", """--data-raw '{"n":"x"}'"""]),
    "multipart/form-data": ({"n": "@x", "file": "it's.png", "tags": ["a", "b"]},
                            ["--form-string 'n=@x'", "--form 'file=@it'\\''s.png'", "--form-string 'tags=a'", "--form-string 'tags=b'"]),
    "application/x-www-form-urlencoded": ({"n": "a&b", "file": "its bytes"}, ["--data-urlencode 'n=a&b'", "--data-urlencode 'file=its bytes'"]),
    "text/plain": ("hi", ["--header 'Content-Type: text/plain'", "--data-raw 'hi'"]),
    "application/octet-stream": ("a.png", ["--header 'Content-Type: application/octet-stream'", "--data-binary '@a.png'"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SENT)
def test_a_curl_command_matches_the_media_type_of_the_body(kind: str) -> None:
    values, options = SENT[kind]
    found = sd.spec(SEVERAL, media_type=kind)
    fields = {"id": "a/b {c}", "dry": True} if isinstance(values, dict) else {}
    assert not fields or [problem.path for problem in sd.check(found, **values)] == ["/id"]
    first, *others = to_curl(found, values | fields if isinstance(values, dict) else values).split(" \\\n  ")
    assert first == f"curl --request PUT 'https://api.example.com/a/{'a%2Fb%20%7Bc%7D?dry=true' if fields else '{id}'}'"
    assert [line for line in others if line != "--globoff"] == options


GIVEN_OUTSIDE = [
    ("path", "id", "a b"),
    ("query", "q", "1&2"),
    ("header", "X-Trace", "it's"),
    ("cookie", "session", "s1"),
]


def test_the_parameters_of_a_request_are_fields_and_stand_where_the_document_says() -> None:
    document = api("3.1.0", {"type": "object", "properties": {}})
    document["paths"] = {"/make/{id}": document["paths"].pop(next(iter(document["paths"])))}
    listed = [{"name": name, "in": place, "schema": {"type": "string"}} for place, name, _ in GIVEN_OUTSIDE]
    listed += [{"name": "Accept", "in": "header", "schema": {"type": "string"}}]
    document["paths"]["/make/{id}"]["post"]["parameters"] = listed
    form = Form(sd.spec(document))
    form.values = {name: value for _, name, value in GIVEN_OUTSIDE}
    command = to_curl(form.spec, form.values)
    assert "/make/a%20b?q=1%262'" in command
    assert "--header 'X-Trace: it'\\''s'" in command
    assert "--cookie 'session=s1'" in command
    assert "Accept" not in form.spec.body["properties"]


LIST, OBJECT = ["a b", "c"], {"x": 1, "y": "z"}
STYLES: list[tuple[str, Any, dict[str, Any], str]] = [  # as OpenAPI 3 and Swagger 2.0 define them
    ("query", LIST, {}, "?p=a%20b&p=c'"),
    ("query", LIST, {"explode": False}, "?p=a%20b,c'"),
    ("query", LIST, {"style": "spaceDelimited"}, "?p=a%20b%20c'"),
    ("query", LIST, {"style": "pipeDelimited"}, "?p=a%20b%7Cc'"),
    ("query", OBJECT, {}, "?x=1&y=z'"),
    ("query", OBJECT, {"explode": False}, "?p=x,1,y,z'"),
    ("query", OBJECT, {"style": "deepObject", "explode": True}, "?p%5Bx%5D=1&p%5By%5D=z'"),
    ("query", OBJECT, {"content": {"application/json": {"schema": {"type": "object"}}}}, "?p=%7B%22x%22%3A%201"),
    ("query", [], {}, "/make'"),
    ("path", LIST, {}, "/make/a%20b,c'"),
    ("path", OBJECT, {}, "/make/x,1,y,z'"),
    ("path", OBJECT, {"explode": True}, "/make/x=1,y=z'"),
    ("path", LIST, {"style": "label"}, "/make/.a%20b,c'"),
    ("path", LIST, {"style": "label", "explode": True}, "/make/.a%20b.c'"),
    ("path", LIST, {"style": "matrix"}, "/make/;p=a%20b,c'"),
    ("path", LIST, {"style": "matrix", "explode": True}, "/make/;p=a%20b;p=c'"),
    ("path", "a", {"style": "matrix"}, "/make/;p=a'"),
    ("header", LIST, {}, "--header 'p: a b,c'"),
    ("header", OBJECT, {"explode": True}, "--header 'p: x=1,y=z'"),
    ("cookie", "a", {}, "--cookie 'p=a'"),
    ("query", LIST, {"items": {"type": "string"}}, "?p=a%20b,c'"),
    ("query", LIST, {"items": {"type": "string"}, "collectionFormat": "multi"}, "?p=a%20b&p=c'"),
    ("query", LIST, {"items": {"type": "string"}, "collectionFormat": "pipes"}, "?p=a%20b%7Cc'"),
]


@pytest.mark.parametrize(("place", "value", "keys", "text"), STYLES)
def test_a_parameter_is_written_in_the_style_that_its_document_names(
    place: str, value: Any, keys: dict[str, Any], text: str
) -> None:
    kind = {"list": "array", "dict": "object", "str": "string"}[type(value).__name__]
    parameter = {"name": "p", "in": place, **keys}
    parameter |= {"type": kind} if "items" in keys else {} if "content" in keys else {"schema": {"type": kind}}
    document = api("3.1.0", {"type": "object", "properties": {}})
    path = "/make/{p}" if place == "path" else "/make"
    document["paths"] = {path: {"post": document["paths"]["/make"]["post"] | {"parameters": [parameter]}}}
    spec = sd.spec(document | {"servers": [{"url": "https://e.com"}]})
    assert sd.check(spec, p=value) == ()
    assert text in to_curl(spec, {"p": value})


def test_a_field_of_a_file_is_sent_as_one_and_a_url_or_a_text_as_text() -> None:
    binary = TEXT | {"format": "binary"}
    fields = {
        "octets": TEXT | {"contentMediaType": "application/octet-stream"}, "pictures": {"type": "array", "items": TEXT | {"contentMediaType": "image/*"}},
        "either": {"anyOf": [binary, {"type": "array", "items": binary}]}, "link": {"anyOf": [binary, TEXT | {"format": "uri"}]},
        "component": {"$ref": "#/components/schemas/File"}, "table": TEXT | {"contentMediaType": "text/csv"}, "n": TEXT,
    }  # fmt: skip
    whole = {"allOf": [{"type": "object", "properties": fields}, {"type": "object", "properties": {"late": binary}}]}
    document = api("3.1.0", whole, File=binary)
    content = document["paths"]["/make"]["post"]["requestBody"]["content"]
    content["multipart/form-data"] = content.pop("application/json")
    spec = sd.spec(document)
    values: dict[str, Any] = {"octets": "a", "pictures": ["a", "b"], "either": "a", "link": "https://e.com/a", "component": "a", "table": "a", "n": "@a", "late": "a"}  # fmt: skip
    assert sd.check(spec, **values) == ()
    options = [line.strip(" \\") for line in to_curl(spec, values).splitlines()[1:]]
    assert options == [
        "--form 'octets=@a'", "--form 'pictures=@a'", "--form 'pictures=@b'", "--form 'either=@a'", "--form-string 'link=https://e.com/a'",
        "--form 'component=@a'", "--form-string 'table=a'", "--form-string 'n=@a'", "--form 'late=@a'",
    ]  # fmt: skip
    files = {"either": ["a", "b,c;type=x"], "link": "a"}
    assert to_curl(spec, files).split(" \\\n  ")[1:] == [
        "--form 'either=@a'",
        "--form 'either=@\"b,c;type=x\"'",
        "--form 'link=@a'",
    ]


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "video/*"])
def test_a_body_of_a_file_without_a_schema_is_a_file(kind: str) -> None:
    document = api("3.1.0", {})
    content = document["paths"]["/make"]["post"]["requestBody"]["content"]
    content[kind] = content.pop("application/json")
    assert "--data-binary '@a.png'" in to_curl(sd.spec(document), "a.png")  # type: ignore[arg-type]


IDENTIFIER = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
OWN, CLOSED = {"type": "object", "properties": {"n": TEXT}}, {"additionalProperties": False}
OBJECTS: dict[str, Any] = {  # schemas of objects with `n` that do not say so at the top
    "parts": {"allOf": [OWN, {"type": "object", "properties": {"m": TEXT}}]}, "closed parts": {"allOf": [OWN | CLOSED]},
    "a component": {"$ref": "#/components/schemas/Whole"}, "closed parts as a whole": {"allOf": [OWN], "unevaluatedProperties": False},
    "no type": {"properties": {"n": TEXT}}, "parts without a type": {"allOf": [{"properties": {"n": TEXT}}]},
    "or null": OWN | {"type": ["object", "null"]}, "null as a choice": {"oneOf": [OWN | CLOSED, {"type": "null"}]},
    "a choice": {"oneOf": [OWN | CLOSED, {"type": "object", "properties": {"k": TEXT}, **CLOSED}]}, "a closed object": OWN | CLOSED,
    "a choice of closed objects of 1,000 fields": {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("Large", "Closed")]},
    "a condition": OWN | {"if": {"required": ["n"]}, "then": {"properties": {"n": TEXT, "m": TEXT}, **CLOSED}},
}  # fmt: skip


def with_parameters(body: dict[str, Any], *parameters: dict[str, Any]) -> sd.Spec:
    large = CLOSED | {
        "type": "object",
        "required": ["n", "f0"],
        "properties": {f"f{n}": TEXT for n in range(1000)} | {"n": TEXT},
    }
    whole = {"allOf": [{"$ref": "#/components/schemas/Own"}]}
    document = api("3.1.0", body, Whole=whole, Own=OWN, Closed=OWN | CLOSED, Large=large)
    post = document["paths"].pop("/make")["post"]
    document["paths"]["/make/{id}"] = {"post": post | {"parameters": [*parameters]}}
    return sd.spec(document | {"servers": [{"url": "https://e.com"}]})


@pytest.mark.parametrize("name", OBJECTS)
def test_parameters_are_fields_however_a_body_says_that_it_is_an_object(name: str) -> None:
    spec = with_parameters(OBJECTS[name], IDENTIFIER, {"name": "q", "in": "query", "schema": TEXT})
    assert spec.oddities == ()
    form = Form(spec)
    form.values = {"n": "x", "q": "y"}
    assert [problem.path for problem in form.problems] == ["/id"]
    form.values = {"n": "x", "id": 7, "q": "y"}
    assert form.problems == ()
    command = form.to_curl()
    assert "'https://e.com/make/7?q=y'" in command
    assert """'{"n":"x"}'""" in command
    assert "{id}" not in command
    *_, call = form.to_python().splitlines()
    assert all(part in call for part in ("id=7", "q='y'", "n='x'"))
    assert "extra" not in call


def test_the_style_of_a_field_that_is_not_read_is_an_oddity() -> None:
    document = api("3.1.0", {"type": "object", "properties": {"card": {"type": "object"}, "tags": {"type": "array"}}})
    content = document["paths"]["/make"]["post"]["requestBody"]["content"]
    encoding = {
        "card": {"style": "deepObject", "explode": True},
        "tags": {"style": "form"},
        "n": {"contentType": "text/plain"},
    }
    content["application/x-www-form-urlencoded"] = content.pop("application/json") | {"encoding": encoding}
    (oddity,) = sd.spec(document).oddities
    assert oddity.message == "the style deepObject of card is not read"
    assert oddity.pointer.endswith("/encoding")


def test_a_body_of_any_json_has_other_fields_beside_the_parameters() -> None:
    form = Form(with_parameters({}, IDENTIFIER))
    form.values = {"id": 7, "n": [1], "x": None}
    assert (form.problems, form.spec.oddities) == ((), ())
    assert """'{"n":[1],"x":null}'""" in form.to_curl()
    assert [field.label for field in (form._root, *form._root.children)][1:] == ["Id"]
    assert set(form._controls) == {"/id", ""}
    assert Form(with_parameters({})).spec.body == {}


def test_a_parameter_whose_name_is_taken_is_a_field_of_its_own() -> None:
    others: list[dict[str, Any]] = [{"name": "id", "in": place, "schema": TEXT} for place in ("query", "header")]
    body = {"allOf": [{"type": "object", "properties": {"id": {"type": "boolean"}, "query_id": TEXT}}]}
    spec = with_parameters(body, IDENTIFIER, *others)
    assert [path for (path,), _ in named_fields(spec)] == ["path_id", "query_query_id", "header_id", "id", "query_id"]
    values: dict[str, Any] = {"id": True, "query_id": "own", "path_id": 7, "query_query_id": "q", "header_id": "h"}
    assert [problem.path for problem in sd.check(spec, **values | {"path_id": "x"})] == ["/path_id"]
    command = to_curl(spec, values)
    for part in ("/make/7?id=q'", "--header 'id: h'", """'{"id":true,"query_id":"own"}'"""):
        assert part in command


def test_a_parameter_that_has_no_place_in_the_form_is_an_oddity() -> None:
    own = {"name": "a", "in": "querystring", "content": {}}
    cases = (
        ({"type": "array"}, IDENTIFIER, "the body is not an object"),
        (OWN, own, "parameters in querystring are not read"),
    )
    for body, parameter, why in cases:
        (oddity,) = with_parameters(body, parameter).oddities
        assert oddity.message == f"the parameter {parameter['name']} is not in the form, because {why}"
        assert oddity.pointer == "/paths/~1make~1{id}/post/parameters"


def test_python_names_the_operation_and_the_media_type_that_were_chosen() -> None:
    document = api("3.1.0", {"type": "object", "properties": {}})
    (path,) = document["paths"]
    content = document["paths"][path]["post"]["requestBody"]["content"]
    content["multipart/form-data"] = content["application/json"]
    document["paths"]["/other"] = document["paths"][path]
    spec = sd.spec(document, operation="POST /other", media_type="multipart/form-data")
    assert "sd.spec(document, operation='POST /other', media_type='multipart/form-data')" in to_python(spec, {})
    assert "sd.spec(document, operation='POST /other')" in to_python(sd.spec(document, operation="POST /other"), {})


def test_a_body_that_curl_is_not_written_for_is_refused_and_not_written_wrongly() -> None:
    with pytest.raises(ValueError, match="application/xml"):
        to_curl(sd.spec(SEVERAL, media_type="application/xml"), {"n": "x"})
    with pytest.raises(sd.SpecError, match="no media type 'a/b' here, only application/json"):
        sd.spec(SEVERAL, media_type="a/b")
    with pytest.raises(sd.SpecError, match="no media type"):
        sd.spec({"type": "object"}, media_type="a/b")
