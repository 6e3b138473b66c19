"""Whatever a provider answers, the library raises its own errors only, claims no success that is none, and shows no HTML that runs."""

import ast
import gzip
import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.server import CREATE, OTHER, STATUS, Act, FaultServer, accept, flood, message, raw, serving, tell
from faults.shapes import CRUN, SHAPES, Shape
from support import hostile_answers
from support.audit import executable
from support.hostile_answers import SCRIPT, Hostile, answers
from support.hostile_documents import DOCUMENTS, EVIL
from support.isolated import Isolated
from support.waiting import short

import seedance_nb as sd
from seedance_nb._base.html import escape, piece, safe_url
from seedance_nb._ledger.row import State

SEED = int(os.environ.get("SEEDANCE_SEED", "20261121"))
COUNT = 1_000
MEGABYTES = 50
KEY = hostile_answers.KEY
FREE = ("/api/v1/client/account/balance", "/api/v1/client/job/estimate-credits")
RETRIED = 2  # a clear no for the moment, such as 429, is asked for again twice


@pytest.fixture(scope="module")
def isolated() -> Iterator[Isolated]:
    with Isolated("support.hostile_answers") as made:
        yield made


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving(CRUN) as found:
        yield found


def session_at(server: FaultServer, folder: Path) -> sd.Session:
    return sd.Session(
        api_key=KEY, base_url=server.url, ledger=folder / "l.sqlite3", outputs=folder / "out", sleep=short, answer_s=5
    )


def test_a_thousand_mutated_answers_are_read_without_harm(isolated: Isolated) -> None:
    print(f"SEEDANCE_SEED={SEED}")  # noqa: T201 - shown where it fails, so that it can be had again
    end = isolated.run("support.hostile_answers:swallow", SEED, COUNT)
    assert end.signal == 0
    assert end.answer["found"] == {"untyped": [], "false success": [], "runs": [], "foreign": [], "leaks": []}
    assert end.grown < MEGABYTES
    assert {"accepted", "unknown", "refused", "done", "failed", "running", "nothing seen"} <= set(end.answer["ends"])


def test_a_client_that_takes_answers_for_what_they_should_be_is_harmed(isolated: Isolated) -> None:
    ends = isolated.run("support.hostile_answers:naive", SEED, COUNT).answer
    assert all(ends[harm] > 0 for harm in ("untyped", "false success", "runs")), ends


def act(hostile: Hostile) -> Act:
    return raw(message(hostile.status, hostile.content, hostile.kind))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.model.split("/")[0])
def test_mutated_answers_over_a_socket_end_in_errors_of_ours_and_states_that_are_true(
    shape: Shape, tmp_path: Path
) -> None:
    sample = [hostile for hostile in answers(SEED, 400) if hostile.shape is shape][:34]
    for take, hostile in enumerate(sample, 1):
        is_status = hostile.operation == "status"
        with serving(shape) as server:  # one for each, for a host that is in trouble is given time
            server.plans[CREATE] = [(accept,) if is_status else (act(hostile),)]
            server.plans[STATUS] = [(act(hostile),), (tell("failed"),)] if is_status else [(tell("failed"),)]
            server.plans[OTHER] = [(act(hostile),)]
            session = session_at(server, tmp_path)
            with pytest.raises(sd.SeedanceError) as raised:  # no video is ever there to be fetched
                session.submit(shape.model, take=take, **shape.fields).wait(30)
            assert KEY not in str(raised.value)
            known = (shape.create, shape.status, "/outputs/", *FREE)
            assert [path for _, path, _ in server.requests if not path.startswith(known)] == []
            assert server.count(CREATE) <= 1 + RETRIED
    rows = list(session.tasks())
    assert len(rows) == len(sample)
    assert not [row for row in rows if row.file]
    assert executable(session.tasks()._repr_html_()) == []


@pytest.mark.parametrize(
    "hostile",
    [hostile for hostile in answers(SEED + 1, 3000) if hostile.operation in ("estimate", "balance")][:30],
    ids=range(30),
)
def test_a_mutated_answer_to_a_free_call_is_a_number_or_an_error_of_ours(
    hostile: Hostile, server: FaultServer, tmp_path: Path
) -> None:
    server.plans[OTHER] = [(act(hostile),)]
    session = session_at(server, tmp_path)
    if hostile.operation == "estimate":
        told = session.estimate(CRUN.model, **CRUN.fields)
        assert told.amount is None or 0 <= told.amount < 10**12
        assert executable(f"<b>{escape(told)}</b>") == []
        return
    try:
        left = sd.balance(CRUN.model, api_key=KEY, base_url=server.url)
    except sd.SeedanceError:
        return
    assert isinstance(left, float)


HUGE = b'{"code": 200, "data": {"task_id": "' + b"a" * 3_000_000 + b'"}}'
BOMB = gzip.compress(b'{"code": 200, "data": {"task_id": "task_1", "pad": "' + bytes(40_000_000) + b'"}}')
UNCLEAR: dict[str, Act] = {
    "huge": raw(message(200, HUGE)),
    "endless": flood(b" " * 65536),
    "a gzip bomb that nobody asked for": raw(message(200, BOMB, Content_Encoding="gzip")),
    "another kind of content": raw(message(200, b"\x89PNG\r\n\x1a\n" + bytes(100), "image/png")),
    "nested": raw(message(200, b'{"data":' * 100_000)),
    "an id that leaves the path": raw(message(200, b'{"code": 200, "data": {"task_id": "../../account/balance?"}}')),
    "an id that is true": raw(message(200, b'{"code": 200, "data": {"task_id": true}}')),
    "a key twice": raw(message(200, b'{"code": 402, "code": 200, "data": {"task_id": "task_1"}}')),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_a_yes_that_cannot_be_used_is_an_unknown_outcome(case: str, server: FaultServer, tmp_path: Path) -> None:
    server.plans[CREATE] = [(UNCLEAR[case],)]
    session = session_at(server, tmp_path)
    with pytest.raises(sd.UnknownOutcome):
        session.submit(CRUN.model, **CRUN.fields).wait(30)
    [row] = session.tasks()
    readable = "task_1" if case in ("a key twice", "a gzip bomb that nobody asked for") else ""
    assert (row.state, row.task_id) == (State.UNKNOWN, readable)
    assert server.count(STATUS) == 0


ADDRESSES = {
    "https://example.com/a.mp4?x=1&y=2": "https://example.com/a.mp4?x=1&amp;y=2", "outputs/a%20b.mp4": "outputs/a%20b.mp4", "../a.mp4": "../a.mp4",
    "data:video/mp4;base64,AAAA": "data:video/mp4;base64,AAAA", "javascript:alert(1)": "", " javascript:alert(1)": "", "java\nscript:alert(1)": "",
    "JAVASCRIPT:alert(1)": "", "\x01javascript:alert(1)": "", "data:text/html,<script>": "", "file:///etc/passwd": "", "//evil.example/a": "",
    "\\\\evil.example\\a": "", "vbscript:x": "", 'a"onerror="x': "a&quot;onerror=&quot;x",
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_addresses_of_the_web_and_of_files_beside_the_notebook_are_linked(address: str) -> None:
    assert safe_url(address) == ADDRESSES[address]
    assert executable(f'<a href="{safe_url(address)}">x</a>') == []


def test_text_shows_as_itself_and_half_a_surrogate_pair_as_a_sign_that_can_be_saved() -> None:
    assert escape("<b>\"'&\ud800</b>").encode() == "&lt;b&gt;&quot;&#x27;&amp;\ufffd&lt;/b&gt;".encode()


def test_the_audit_finds_what_runs() -> None:
    assert executable(f"<b>{SCRIPT}</b>")
    assert executable("<a href='java&#10;script:alert(1)'>x</a>")
    assert executable("<p onclick=x>")
    assert executable(f"<p title=\"{'a'}\" style='background:url(x)'>")
    assert not executable(f"<b>{escape(SCRIPT)}</b><a href='https://example.com'>x</a>")


def test_a_form_of_hostile_texts_has_no_html_that_runs(tmp_path: Path, comms: list[dict[str, Any]]) -> None:
    form = sd.form(DOCUMENTS["scripts in every text"](tmp_path, ""))
    form.values = {EVIL: EVIL, "e": EVIL, "strange": EVIL}
    form.validate()
    said = [str(text) for message_ in comms for text in texts_of(message_["data"])]
    pieces = [text for text in said if "<" in text and not text.startswith("<style>")]
    shown = [text for text in pieces if "sdn-" in text or "<details" in text] + [
        form.widget._repr_mimebundle_()["text/html"]
    ]
    assert any(escape(EVIL)[:30] in text for text in shown)
    assert [found for text in shown for found in executable(text)] == []


def texts_of(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_of(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return [value] if isinstance(value, str) else []


def linking(code: str) -> set[str]:
    """What is written into `href`, `src` and `poster` by a file's templates, as code; "?" where that cannot be seen."""
    tree = ast.parse(code)
    names = {
        one.id: node.value.body if isinstance(node.value, ast.IfExp) else node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for one in node.targets
        if isinstance(one, ast.Name)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    filled: dict[int, list[ast.Call]] = {}
    for node in calls:
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "each"):
            owner = node.func.value
            filled.setdefault(id(names.get(owner.id) if isinstance(owner, ast.Name) else owner), []).append(node)
    found = set()
    for node in calls:
        kind, first = ast.unparse(node.func), node.args[0] if node.args else None
        text = str(first.value) if kind in ("Html", "piece") and isinstance(first, ast.Constant) else ""
        template = str(piece(text)) if kind == "piece" and text else text
        for call in filled.get(id(node), [None]) if template else ():
            named = {one.arg: one.value for one in call.keywords} if call else {}
            parts = iter(call.args if call else ())
            for before, name, _, _ in string.Formatter().parse(template):
                part = named.get(name or "", next(parts, None) if name == "" else None)
                if call and name and name.isdecimal():
                    part = call.args[int(name)]
                if before.endswith(('href="', 'src="', 'poster="')):
                    found.add(ast.unparse(part) if part else "?")
    return found


def test_no_module_writes_an_address_into_html_that_it_has_not_looked_at() -> None:
    package = Path(sd.__file__).parent
    made = {(path.stem, one) for path in package.rglob("*.py") for one in linking(path.read_text(encoding="utf-8"))}
    checked = {
        "player": ("link", "shown", "picture"),
        "output": ("data_url(self._pictures[number], 'image/jpeg')",),
        "task": ("link", "safe_url(data_url(still, 'image/jpeg'))"),
        "video": ("urls",),
        "html": ("safe_url(to)",),
        "text_list": ("safe_url(url)",),
    }
    assert made == {(file, one) for file, names in checked.items() for one in names}


def test_an_address_that_is_written_by_any_other_name_is_noticed() -> None:
    assert linking("""Html('<b>{}</b><img alt="{}" src="{}">').format(a, b, url)""") == {"url"}
    assert linking("""Html('<a href="{to}">{name}</a>').format(name=name, to=address(url))""") == {"address(url)"}
    assert linking("""made = Html('<a href="{}">x</a>')""") == {"?"}
    assert linking("""made = Html('<a href="{}">x</a>')\nmade.format(url)\nmade.each(others)""") == {"url", "others"}
