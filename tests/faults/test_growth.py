"""No foreign text takes time that grows faster than the text: neither deadlines nor Stop reach into a pattern or a loop in C."""

import functools
import gzip
import inspect
import json
import logging
import re
import tempfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.growth import Pattern, call, growth, modules, patterns_of, pumped, repeated, shapes

import seedance_nb as sd
from seedance_nb._base import html, secret, values
from seedance_nb._base.faults import _redact
from seedance_nb._base.problem import Problem
from seedance_nb._check import check as bodies
from seedance_nb._check.check import check
from seedance_nb._document import load, operations, reader, tables, vocabulary
from seedance_nb._document.prose import read_rules
from seedance_nb._document.tables import Table
from seedance_nb._form import exchange, labels
from seedance_nb._form.model import fields
from seedance_nb._form.model import values as form_values
from seedance_nb._ledger import database as home
from seedance_nb._ledger import journal, repair
from seedance_nb._media import isobmff, partial, sniff
from seedance_nb._notebook import completion
from seedance_nb._notebook import status as refusals
from seedance_nb._provider import answers, outcome, rate_limit, status, transport
from seedance_nb._schema import formats, messages
from seedance_nb._session import session
from seedance_nb._simulator import encode
from seedance_nb._task import results
from seedance_nb._task.display import player
from seedance_nb._web import addresses, client

CRUN = sd.spec("crun/seedance-2.0-fast-r2v")
VASTNUM = sd.spec("vastnum/doubao-seedance-2.0")
KEYS = {
    "letters": secret.Secret("ak_live_" + "aQ3" * 12, "a test"),
    "signs": secret.Secret('ak/"+\\\\=?&quoted>~', "a test"),
    "backslashes": secret.Secret("\\" * 12 + "/////", "a test"),
    "letters behind a backslash": secret.Secret("\\abcdefgh", "a test"),
    "one letter": secret.Secret("a" * 40, "a test"),
}


def raw(foreign: str) -> bytes:
    return foreign.encode("utf-8", "surrogatepass")


def logged(foreign: str) -> None:
    for name in ("seedance_nb", "httpx"):
        record = logging.LogRecord(name, logging.INFO, "file", 1, foreign, (), None)
        record.threadName = "seedance_nb"
        _redact(record)


def refused(foreign: str) -> None:
    value = {
        "code": 400,
        "message": foreign,
        "detail": [foreign],
        "error": {"message": foreign},
        "data": {"task_id": foreign},
    }
    for spec in (CRUN, VASTNUM):
        for code in (200, 400):
            outcome.classify(spec, outcome.Answer(status=code, value=value))


def status_of(foreign: str, word: str = "") -> None:
    inner = {"media_urls": [foreign], "message": foreign, "content": {"video_url": foreign}}
    data = {
        "status": word or foreign,
        "result": inner,
        "fail_reason": foreign,
        "progress": foreign,
        "data": {"result": inner},
    }
    for spec in (CRUN, VASTNUM):
        assert spec.task is not None
        status.read_status(spec.task, {"code": 200, "message": foreign, "data": data}, spec.errors)


def faults_of(foreign: str) -> None:
    refusals.field_errors(CRUN, {"input": {}}, sd.Refused(foreign))


def curl_with(begin: str, end: str = "") -> Callable[[str], object]:
    return lambda foreign: exchange.read_values(f"curl -d {begin}{foreign}{end}")


def wrapped(foreign: str) -> None:
    encode.width.cache_clear()
    encode.wrap(encode.clean(foreign, len(foreign)), 12, 100)


def checked(foreign: str) -> None:
    inner = {"prompt": foreign, "reference_images": [foreign], "duration": foreign, foreign: 1}
    check(CRUN, {"model": "x", "input": inner, foreign: 1})
    bodies.warnings(CRUN, {"model": "x", "input": inner})


def suggested(foreign: str) -> str:
    """What is suggested for a page whose answer has a field of this name."""
    schema = {"type": "object", "properties": {foreign: {"type": "string"}}}
    answers = {"200": {"content": {"application/json": {"schema": schema}}}}
    pointers = reader.packaged("_skeleton")["pointers"]
    return "".join(load._shown({}, answers, ".*", *more) for _, _, *more in pointers.values())


def described(foreign: str) -> None:
    for rule, limit in (
        ("maxLength", 3),
        ("enum", ["a", "b"]),
        ("const", foreign),
        ("pattern", f"{foreign[: len(foreign) // 2]}!"),
    ):
        messages.quote_for(rule, "x", limit, {"description": foreign})


def document(foreign: str) -> None:
    for whole in (foreign, "{" + foreign, f'a: "{foreign}"', f"a: [{foreign}]", f"{foreign}: a"):
        with suppress(sd.SeedanceError):
            reader.read_document(whole)


def line(foreign: str) -> None:
    content = raw(foreign)
    journal.parse(b"%08x %s" % (zlib.crc32(content), content))
    for pattern in repair._TRACES.values():
        pattern.findall(content)


FOREIGN: dict[str, Callable[[str], object]] = {
    # what a provider answers
    **{f"mask a key of {name}": key.mask for name, key in KEYS.items()},
    "mask names": lambda foreign: KEYS["letters"].mask({foreign: [foreign]}),
    "mask bytes": lambda foreign: secret.mask_keys(raw(foreign)),
    "read an answer": lambda foreign: answers.read_content(raw(foreign)),
    "read the text of an answer": lambda foreign: answers.read_content(json.dumps({"a": foreign}).encode()),
    "read an answer with text around it": lambda foreign: answers.read_content(raw(foreign + '{"a": 1}' + foreign)),
    "read a compressed answer": lambda foreign: answers.read_content(gzip.compress(raw(foreign), 1)),
    "classify": refused,
    "read a status": status_of,
    "read results": lambda foreign: status_of(foreign, "success"),
    "read an id": answers.is_id,
    "look for an id": lambda foreign: answers.find_id({foreign: foreign}, foreign),
    "complete code": lambda foreign: [
        completion.proposals(f"{code}{foreign}", {"sd": sd})
        for code in ("", "sd.check(", "sd.spec('", "sd.check('x', a='")
    ],
    "quote an error": lambda foreign: answers.words_of({"error": [foreign, {"message": foreign, foreign: 1}]}),
    "describe a page": lambda foreign: answers.page_words(foreign, foreign),
    "describe a page's title": lambda foreign: answers.page_words(f"<title{foreign}", ""),
    "look for results": lambda foreign: status.result_urls({"a": [foreign, f"data:video/mp4,{foreign}"]}, ("/a",)),
    "read Retry-After": lambda foreign: rate_limit.pause_of(foreign, foreign, 0.0),
    "word an error of the network": lambda foreign: transport._error_text(
        ValueError(foreign), transport.Endpoint(base_url="", secret=KEYS["letters"])
    ),
    "point to fields": faults_of,
    "point to fields of a dict": lambda foreign: faults_of("{" + foreign),
    "point to a field at the start": lambda foreign: faults_of("prompt: " + foreign),
    "point to a field at the end": lambda foreign: faults_of(foreign + ": is wrong"),
    "point to a field after a head": lambda foreign: faults_of("Value error, Invalid input for model " + foreign),
    "read a callback": lambda foreign: list(session.callback_names(foreign)),
    "show an error": lambda foreign: str(sd.Refused(foreign, code=foreign)),
    # its addresses and headers
    "parse a URL": client.parse_url,
    "parse a host": lambda foreign: client.parse_url(f"https://{foreign}"),
    "follow a redirect": lambda foreign: httpx.URL("https://a.example/b").join(client.parse_url(foreign)),
    "name a host": lambda foreign: addresses.host_of(f"https://{foreign}"),
    "check a base URL": lambda foreign: addresses.base_of(f"https://{foreign}", "x"),
    "check an IP address": addresses.is_public,
    "read Content-Range": lambda foreign: client.content_range(
        httpx.Response(206, headers=[(b"content-range", raw(foreign)), (b"content-length", raw(foreign))])
    ),
    "find a path": lambda foreign: results.absolute_url(addresses.clean_url(foreign), "https://a.example/b"),
    "read a data URL": lambda foreign: client.data_bytes(f"data:video/mp4;base64,{foreign}"),
    "sniff": lambda foreign: (sniff.sniff(raw(foreign)), sniff.sniff(b"<" + raw(foreign))),
    # what is shown and logged
    "sanitize": values.sanitize,
    "quote": values.quote_lines,
    "shorten": lambda foreign: values.shorten([foreign]),
    "show a name": values.safe_name,
    "escape": html.escape,
    "link": html.safe_url,
    "show a request": lambda foreign: html.request_html(json.dumps({"a": foreign})),
    "show a table": lambda foreign: (html.table_html(["a"], [[foreign]]), html.table_text(["a"], [[foreign]])),
    "log": logged,
    "show a video": lambda foreign: player.requested_text({"prompt": foreign, "ratio": foreign, "seconds": foreign}),
    # documents
    "read a document": document,
    "name an operation": lambda foreign: operations.find_operation(CRUN.operations, foreign, ""),
    "name a model": sd.spec,
    "check the keys of a document": lambda foreign: tables.check_extensions({"properties": {f"x-{foreign}": 1}}, ""),
    "follow a pointer": lambda foreign: values.find({"a": [1, {}]}, foreign),
    "suggest a pointer": lambda foreign: suggested("video" * len(foreign) + foreign),
    "quote a description": described,
    "help": messages.help_of,
    **{
        f"read limits of {name}": functools.partial(read_rules, name, kind)
        for name, kind in (("image_urls", "array"), ("prompt", "string"), ("n", "integer"))
    },
    "mark up": labels.markdown_html.__wrapped__,
    "label": lambda foreign: (fields.label_of(foreign), labels.label_at(foreign, {})),
    "word a limit": lambda foreign: [
        messages.words_for(rule, foreign, [foreign] * 2, {}) for rule in ("enum", "const")
    ],
    "translate a pattern": lambda pattern: formats._PARTS["part"].sub(formats._outside, pattern),
    # requests, typed or pasted
    **{f"check the format {name}": fits for name, fits in formats._FORMATS.items() if name != "regex"},
    "check a URL": lambda foreign: formats.media_error(f"https://{foreign}", ["https", "asset"]),
    "check a request": checked,
    "build a request": lambda foreign: bodies.build_body(CRUN, {"prompt": foreign, foreign: 1}, {f"a{foreign}": 1}),
    "read seconds": bodies.seconds_of,
    "read a number": form_values.number_of,
    "read JSON": form_values.json_of,
    "read pasted values": exchange.read_values,
    "read a pasted command": curl_with(""),
    "read double quotes": curl_with('"', '"'),
    "read single quotes": curl_with("'", "'"),
    "read dollar quotes": curl_with("$'", "'"),
    "write Python": lambda foreign: exchange.to_python(CRUN, {"model": "x", "input": {"prompt": foreign, foreign: 1}}),
    "write a command": lambda foreign: exchange.to_curl(CRUN, {"input": {"prompt": foreign}}),
    "word a problem": lambda foreign: labels.sentence(
        Problem(path="/input/prompt", message=foreign, rule="pattern"), labels.labels_of(CRUN)
    ),
    "draw a prompt": wrapped,
    "clean a prompt": lambda foreign: encode.clean(foreign, len(foreign)),
    # files
    "read a journal": line,
    "read mounts": lambda foreign: home.is_remote(Path("/a/b"), f"dev {foreign} ext4\ndev / {foreign}"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_the_work_grows_no_faster_than_the_text(name: str) -> None:
    assert {shape: fault for shape, make in shapes().items() if (fault := growth(FOREIGN[name], make))} == {}


def numbers(count: str) -> range:
    return range(len(count))


def box(kind: bytes, content: bytes = b"") -> bytes:
    return (8 + len(content)).to_bytes(4) + kind + content


def read_of(content: bytes) -> isobmff.Read:
    return lambda at, count: content[at : at + count]


def outer_boxes(count: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(box(b"ftyp", b"isom\0\0\0\0") + box(b"free", bytes(24)) * min(len(count), 9000))
        file.flush()
        isobmff.boxes_fault(Path(file.name))


def tracks(count: str) -> None:
    content = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"vmhd")))) * len(count))
    isobmff.track_size(read_of(content), len(content))


def parts(count: str) -> None:
    file, content = partial.PartialFile(10**9), b"\xff\xd8" + b"\xff\xe0\0\x02" * len(count)
    for at in range(0, len(content), 100):
        file.add(at, content[at : at + 100])
    partial.next_range(file)


def salvaged(count: str) -> None:
    entries = [
        journal.Entry(
            number=n + 1,
            ledger="x",
            at=1.0,
            task=n // 2 + 1,
            whole=n % 2 == 0,
            columns={"intent": f"i{n}", "task_id": f"t{n}"},
        )
        for n in numbers(count)
    ]
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "l.sqlite3"
        journal.journal_path(ledger).write_bytes(b"".join(map(journal.line, entries)))
        repair.salvage(ledger, journal.journal_path(ledger))


def server(count: str) -> None:
    variables = {f"v{n}": {"default": f"{{v{n + 1}}}" * 4} for n in numbers(count)}
    table = {"servers": [{"url": "https://" + "{v0}" * min(len(count), 400), "variables": variables}]}
    operations.server_of(Table(value=table, file="", pointer=""), is_sent=False)


def names_twice(count: str) -> None:
    content = json.dumps(many_fields(count))[:-1].encode() + b', "n1": 2}'
    answers.read_content(content)
    with pytest.raises(ValueError, match="twice") if len(count) > 1 else nullcontext():
        values.read_json(content)


def many_results(count: str) -> None:
    urls = [f"https://a.example/{n}" for n in numbers(count)]
    assert CRUN.task is not None
    status.read_status(CRUN.task, {"code": 200, "data": {"status": "success", "result": {"media_urls": urls}}})


def many_fields(count: str) -> dict[str, Any]:
    return {f"n{n}": n for n in numbers(count)}


MANY: dict[str, Callable[[str], object]] = {
    "names in JSON, one twice": names_twice,
    "results": many_results,
    "faults of a refusal": lambda count: faults_of("\n".join(f"prompt: is wrong {n}; and {n}" for n in numbers(count))),
    "clauses of a refusal": lambda count: faults_of("prompt: bad; " + "; ".join(f"wrong {n}" for n in numbers(count))),
    "details of a refusal": lambda count: outcome.classify(
        VASTNUM, outcome.Answer(status=400, value={"message": "m", "detail": [*many_fields(count)]})
    ),
    "values to mask": lambda count: KEYS["letters"].mask({name: [n] for name, n in many_fields(count).items()}),
    "unknown fields": lambda count: check(CRUN, {"model": "x", "input": many_fields(count)}),
    "entries": lambda count: check(
        CRUN, {"model": "x", "input": {"prompt": "x", "reference_images": ["x", 1] * len(count)}}
    ),
    "mentions in a prompt": lambda count: check(
        CRUN, {"input": {"prompt": "".join(f"[Image{n}]" for n in numbers(count))}}
    ),
    "fields of a request": lambda count: bodies.build_body(CRUN, many_fields(count), many_fields(count)),
    "fields in Python": lambda count: exchange.to_python(CRUN, {"model": "x", "input": many_fields(count)}),
    "problems": lambda count: sd.InvalidInput(
        tuple(Problem(path=f"/{n}", message="m", rule="r") for n in numbers(count))
    ),
    "options of a command": lambda count: exchange.read_values("curl " + "-d '{\"a\": 1}' -H 'x: y' " * len(count)),
    "variables of a server": server,
    "keys of YAML": lambda count: reader.read_document("\n".join(f"k{n}: 1" for n in numbers(count))),
    "choices": lambda count: messages.limits_in_words({"enum": [*numbers(count), *reversed(numbers(count))]}),
    "lines of a journal": salvaged,
    "boxes": outer_boxes,
    "tracks": tracks,
    "parts of a file": parts,
    "marks in a text": lambda count: labels.markdown_html.__wrapped__("`a` " * len(count)),
    "cells of a table": lambda count: html.table_text(["a"], [["x"]] * len(count)),
}


COPIED = ("fields of a request", "choices", "marks in a text")
"""Where a copy for each item would show only among many, because copying is fast."""


@pytest.mark.parametrize("name", MANY)
def test_the_work_grows_no_faster_than_the_number_of_items(name: str) -> None:
    assert growth(MANY[name], repeated("", "x"), from_s=0.25 if name in COPIED else 0.05) == ""


def slow_texts(name: str, pattern: re.Pattern[Any], method: str) -> dict[tuple[str, str], str]:
    texts = shapes() | pumped(pattern)
    faults = {
        shape: growth(lambda foreign: call(pattern, method, foreign), make, up_to=4_000)
        for shape, make in texts.items()
    }
    return {(name, shape): fault for shape, fault in faults.items() if fault}


@pytest.fixture(scope="module")
def written() -> dict[str, Pattern]:
    """Every pattern of the package with the method that is called on it."""
    return {place: pattern for module in modules() for place, pattern in patterns_of(module).items()}


def test_no_pattern_of_the_package_is_slow_on_any_text(written: dict[str, Pattern]) -> None:
    slow = [slow_texts(place, *pattern) for place, pattern in written.items()]
    assert [one for one in slow if one] == []


def test_no_pattern_of_the_words_of_limits_is_slow_on_a_clause() -> None:
    texts = [
        text
        for entry in vocabulary.WORDS["patterns"].values()
        for text in [*entry["find"], entry.get("needs", ""), entry.get("item", "")]
    ]
    texts += [f"{{{name}}}" for name in (*vocabulary.WORDS["macros"], "hedges", "limits", "outputs", "total")]
    patterns_of_texts = [vocabulary.pattern(text) for text in texts]
    slow = [
        (pattern.pattern[:80], shape, fault)
        for pattern in patterns_of_texts
        for shape, make in pumped(pattern).items()
        if (fault := growth(functools.partial(call, pattern, "finditer"), make, up_to=vocabulary.MAX_CLAUSE))
    ]
    assert len(patterns_of_texts) > 80
    assert slow == []


def test_every_pattern_is_found_wherever_it_is_written(written: dict[str, Pattern]) -> None:
    calls = sum(
        len(
            re.findall(
                r"\bre\.(?:compile|search|match|fullmatch|sub|split|findall|finditer)\(", inspect.getsource(module)
            )
        )
        for module in modules()
    )
    assert len(written) >= calls > 60
    found = " ".join(written)
    assert "_base.values:_URL[0].sub" in found, "in a variable"
    assert re.search(r"_web\.network:\d+:\d+\.sub", found), "in a function"
    assert "_document.reader:_CORE[4].fullmatch" in found, "in a table"


def naive_unique(foreign: str) -> None:
    pairs = [*enumerate(foreign)]
    next((key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n])), None)


NAIVE: dict[str, Callable[[str], object]] = {
    "names seen before, copied each time": naive_unique,
    "a run of backslashes before a code": lambda foreign: re.sub(r"\\+u006b|k", "", foreign),
    "a URL up to its query": lambda foreign: re.sub(r"(https?://[^\s?#]+)[?#]\S*", "", foreign),
    "what a shell would replace": lambda foreign: re.sub(r"\$\{[^}]*\}", "", foreign),
}


@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_function_fails_the_same_check(name: str) -> None:
    assert any(growth(NAIVE[name], make) for make in shapes().values())


@pytest.mark.parametrize(
    "pattern", [r"\\+u006b", r"(https?://[^\s?#]+)[?#]", r"\$\([^)]*\)", "(?:a+)+b", r"\s+;", "(#_+)+!"]
)
def test_a_naive_pattern_fails_the_same_check(pattern: str) -> None:
    assert slow_texts("naive", re.compile(pattern), "sub")
