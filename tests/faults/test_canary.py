"""One key, every public call, a provider that says it back in every way: no artefact of a notebook holds it.

The same run leaks another key on purpose into artefacts of every kind, and there it must be found.
"""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from faults.canary import KEY, SIGNATURE, hits
from faults.echoing import ACTS, PLANS
from faults.server import serving
from faults.shapes import CRUN
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from support.waiting import TICK_S

import seedance_nb as sd

pytestmark = pytest.mark.usefixtures("real_children")

CONTROL = 'ak_c0ntr0l_3Lm+/p"8yT&u~f%h1'
XMODES = ("Plain", "Context", "Verbose", "Minimal")
NEEDED = (
    {"plain", "json", "html", "html-amp", "html-u", "repr"}, {"json-u", "json-u2"}, {"hex"}, {"percent"}, {"percent-all"},
    {"base64-0"}, {"base64-1"}, {"base64-2"},
)  # fmt: skip
UNSIGNED = ("output", "notebook", "widgets", "html", "log", "history", "stderr")
"""Kinds of artefacts that must not hold a signed query either. The ledger holds it, so that the file can be fetched later."""

BEGIN = f"""
import asyncio, getpass, inspect, ipywidgets, logging, os, pathlib, shutil, sqlite3, sys, time
logging.basicConfig(filename="run.log", level=logging.DEBUG)
import seedance_nb as sd
from faults import gathering
from faults.echoing import every
from seedance_nb._session.session import Session
from seedance_nb._task import follow
assert follow.unattended_reason
follow.unattended_reason = str  # as in a notebook with a person in front of it

async def quick(seconds):
    await asyncio.sleep(0 if seconds <= {TICK_S} else min(0.01, seconds / 100))

inspect.unwrap(Session.__init__).__kwdefaults__["sleep"] = quick
MODEL, FIELDS = {CRUN.model!r}, { ({name: value for name, value in CRUN.fields.items() if name != "prompt"})!r}
ip = get_ipython()
ip.events.register("post_run_cell", lambda result: gathering.gather_error(result.error_in_exec) if result.error_in_exec else None)
ip.run_line_magic("colors", "nocolor")
"""
CALLS = (
    "sd.balance(MODEL)", "sd.balance(MODEL, api_key=os.environ['CRUN_API_KEY'])", "sd.balance('seedance2-pro/seedance-20-i2v')",
    "sd.upload(MODEL, b'123', name='a.png')", "sd.asset(MODEL, 'https://example.com/a.png')",
    "sd.callback({'task_id': os.environ['CRUN_API_KEY']})", "sd.callback('no json')", "sd.task('nothing')",
    "sd.submit(MODEL, prompt=3)", "sd.submit(MODEL, prompt='x', api_key=os.environ['CRUN_API_KEY'] + '\\n' + 'x', **FIELDS)",
    "sd.spec('nothing')", "sd.ask_key('nobody')", "sd.ask_key('vastnum')", "sd.Session(simulate=False).estimate('vastnum/doubao-seedance-2.0', prompt='x')",
    "sd.compare('x', ['nothing'])", "sd.preflight(MODEL, prompt=3)", "sd.panel('nothing')", "sd.form('nothing')",
)  # fmt: skip
SHOWN = (
    "sd.estimate(MODEL, prompt='x', **FIELDS)", "sd.tasks()", "sd.tasks()[0]", "list(sd.tasks())", "sd.models()", "sd.check(MODEL, prompt=3)",
    "sd.preflight(MODEL, prompt='x', **(FIELDS | {'reference_images': [os.environ['CRUN_BASE_URL'] + '/plain.png']}))",
    "sd.spec(MODEL)", "sd.form(MODEL)", "sd.Session()", "sd.compare('x', [MODEL], seconds=4)", "sd.nest_asyncio",
    "[sd.task(row.name) for row in sd.tasks()]", "sd.generate(MODEL, prompt='act:fine', **FIELDS)", "session.__dict__", "vars(session)", "session._key",
)  # fmt: skip
PANELS = """
getpass.getpass = lambda _: os.environ["CRUN_API_KEY"]
display(sd.ask_key("vastnum"))
import seedance_nb._notebook.panel as module
module.SETTLE_S = 0.02
simulated = sd.panel("seedance2-pro/seedance-20-i2v")
display(simulated)
panels = [sd.panel(MODEL) for _ in range(6)]
for panel, act in zip(panels, ("words", "details", "fails", "unauthorized", "addresses", "half")):
    display(panel)
    panel.form.values = FIELDS | {"prompt": f"act:{act} in a panel"}
    panel._go.click()
for panel in panels:
    while panel._busy.locked():
        time.sleep(0.01)
    print(panel._status.value)
"""
OBJECTS = """
getpass.getpass = lambda _: os.environ["CRUN_API_KEY"]
task = sd.submit(MODEL, prompt="act:fine", **FIELDS)
for name, value in {
    "session": session, "task": task, "tasks": sd.tasks(), "row": task.row, "video": task.wait(20), "spec": sd.spec(MODEL), "panel": panels[0],
    "form": panels[0].form, "models": sd.models(), "comparison": sd.compare("x", [MODEL]), "key": session._key, "simulated": simulated,
    "estimate": sd.estimate(MODEL, prompt="x", **FIELDS), "problem": sd.check(MODEL, prompt=3)[0], "package": vars(sd), "sender": session.sender,
    "place": session._place(sd.spec(MODEL)), "entered": sd.ask_key("vastnum"), "ledger": session.ledger,
}.items():
    gathering.gather_object(name, value)
"""
LEAKS = """
leak = every(os.environ["CONTROL_KEY"])
print(leak)
logging.info("leak %s", leak)
ip.kernel.log.error(leak)
display(ipywidgets.Text(value=leak))
with sqlite3.connect(session.ledger.path) as ledger:
    ledger.execute("CREATE TABLE leak (told TEXT)")
    ledger.execute("INSERT INTO leak VALUES (?)", (leak,))
with open(f"{session.ledger.path}.journal.jsonl", "a") as journal:
    journal.write(leak)
class Told:
    def __init__(self): self.told = leak
    def __repr__(self): return leak
    def _repr_html_(self): return leak
    def _repr_mimebundle_(self): return {"text/plain": leak}
Told.__module__ = "faults.gathering"; gathering.Told = Told; Told.__qualname__ = "Told"
gathering.gather_object("leak", Told())
ip.history_manager.store_inputs(99999, "# " + leak)
"""
HANGING = """
def careless(told):
    request = Told()
    try:
        raise KeyError(told)
    except KeyError:
        raise ValueError(told) from None
careless(leak)
"""
END = """
ip.history_manager.writeout_cache()
for name in ("ledger.sqlite3", "ledger.sqlite3-wal", "ledger.sqlite3-shm", "ledger.sqlite3.journal.jsonl"):
    if pathlib.Path(name).exists():
        gathering.write("journal" if "journal" in name else "ledger", pathlib.Path(name).read_bytes())
"""


def cells() -> Iterator[str]:
    yield BEGIN
    yield "session = sd.Session(api_key=os.environ['CRUN_API_KEY'], base_url=os.environ['CRUN_BASE_URL'])"
    for number, mode in enumerate(XMODES, 1):
        yield f"%xmode {mode}"
        for act in ACTS:
            wait = 0.02 if act == "never" else 20
            yield f"sd.generate(MODEL, prompt='act:{act}', take={number}, timeout={wait}, **FIELDS)"
        yield from CALLS
        yield f"sd.compare('act:words in a comparison', [MODEL], take={number}, reference_images=FIELDS['reference_images']).generate(confirm=True)"
    yield from SHOWN
    yield PANELS
    yield OBJECTS
    yield "%whos"
    yield "vars()"
    yield "%history -n"
    yield LEAKS
    yield HANGING
    yield END


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """Something that a notebook leaves behind."""

    kind: str
    name: str
    content: bytes


@pytest.fixture(scope="module")
def artefacts(made: tuple[sd.Session, sd.Video], tmp_path_factory: pytest.TempPathFactory) -> list[Artefact]:
    folder = tmp_path_factory.mktemp("canary")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells()])
    tests = Path(__file__).parents[1]
    with serving(CRUN, made[1].path.read_bytes()) as server, (folder / "stderr").open("wb") as stderr:
        server.plans.update(PLANS)
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "IPYTHONDIR": str(folder / "ipython"), "CRUN_API_KEY": KEY, "CONTROL_KEY": CONTROL,
            "CRUN_BASE_URL": server.url, "SEEDANCE_LEDGER": str(folder / "ledger.sqlite3"), "CANARY_FOLDER": str(folder / "gathered"),
            "SEEDANCE_SIMULATOR": str(folder / "simulator"), "PYTHONPATH": f"{tests.parent}:{tests}",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }  # fmt: skip
        client = NotebookClient(
            book,
            timeout=60,
            kernel_name="python3",
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
            ipython_hist_file=str(folder / "history.sqlite"),
        )
        client.execute(env=environment, stderr=stderr)
        assert hits(repr(server.requests).encode()), "the key did go to the provider"
    nbformat.write(book, folder / "saved.ipynb")
    return list(found(folder, book))


def found(folder: Path, book: Any) -> Iterator[Artefact]:
    for file in sorted((folder / "gathered").rglob("*")):
        if file.is_file():
            yield Artefact(kind=file.parent.name, name=file.name, content=file.read_bytes())
    for number, cell in enumerate(book.cells):
        for place, output in enumerate(cell.outputs):
            yield Artefact(
                kind="output", name=f"{number}.{place}", content="\n".join(texts(output)).encode("utf-8", "replace")
            )
    for number, state in book.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"].items():
        yield Artefact(kind="widgets", name=number, content="\n".join(texts(state)).encode("utf-8", "replace"))
    yield Artefact(kind="notebook", name="saved.ipynb", content=(folder / "saved.ipynb").read_bytes())
    for sanitize in (False, True):
        exported, _ = HTMLExporter(sanitize_html=sanitize).from_notebook_node(book)
        yield Artefact(kind="html", name=f"sanitize {sanitize}", content=exported.encode())
    yield Artefact(kind="log", name="run.log", content=(folder / "run.log").read_bytes())
    yield Artefact(kind="stderr", name="stderr", content=(folder / "stderr").read_bytes())
    yield Artefact(kind="history", name="history.sqlite", content=(folder / "history.sqlite").read_bytes())
    for file in (folder / "seedance_outputs").glob("*"):
        yield Artefact(kind="kept", name=file.name, content=file.read_bytes())


def texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, with the colours of tracebacks taken out."""
    if isinstance(value, str):
        yield re.sub(r"\x1b\[[0-9;]*m", "", value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    else:
        yield json.dumps(value)


def test_no_artefact_of_a_notebook_holds_the_key(
    artefacts: list[Artefact], record_property: Callable[[str, object], None]
) -> None:
    leaks = [(one.kind, one.name, names) for one in artefacts if (names := hits(one.content))]
    # Equal contents count once, and so does a notebook's whole widget state.
    distinct = {one.content: one.kind for one in artefacts if one.kind != "widgets"} | {b"": "widgets"}
    counts = Counter(distinct.values())
    told = f"{len(leaks)} / {len(distinct)}"
    record_property("hits / artefacts", told)
    print(  # noqa: T201
        f"\nkey canary, hits / artefacts: {told} ({', '.join(f'{kind} {count}' for kind, count in sorted(counts.items()))})"
    )
    assert leaks == []
    assert len(distinct) >= 200


def test_what_is_leaked_on_purpose_is_found_in_every_kind_and_spelling(artefacts: list[Artefact]) -> None:
    seen: dict[str, set[str]] = {one.kind: set() for one in artefacts}
    for one in artefacts:
        seen[one.kind] |= set(hits(one.content, CONTROL))
    assert "journal" in seen
    missing = {kind: [names for names in NEEDED if not names & found] for kind, found in seen.items() if kind != "kept"}
    assert {kind: names for kind, names in missing.items() if names} == {}


def test_no_output_file_or_log_holds_a_signed_query(artefacts: list[Artefact]) -> None:
    assert [
        (one.kind, one.name) for one in artefacts if one.kind in UNSIGNED and SIGNATURE.encode() in one.content
    ] == []
    assert [one for one in artefacts if one.kind == "ledger" and SIGNATURE.encode() in one.content], "the control"


def test_no_error_leads_to_an_http_object(artefacts: list[Artefact]) -> None:
    graphs = [one for one in artefacts if one.kind in ("error-graph", "object-graph")]
    libraries = re.compile(rb"^(?:httpx|httpcore|h11|anyio)\.", re.MULTILINE)
    assert len(graphs) > 100
    assert [one.name for one in graphs if libraries.search(one.content)] == []


def test_the_run_came_to_every_fault_in_every_mode(artefacts: list[Artefact]) -> None:
    """So that the zeros above are not those of a run that did nothing."""
    errors = [one.content.decode() for one in artefacts if one.kind == "error-locals"]
    kinds = Counter(
        line.split(":")[0].rpartition(".")[2]
        for text in errors
        for line in text.splitlines()
        if line.startswith("seedance_nb.")
    )
    for kind in (
        "NoCredits",
        "Refused",
        "Unauthorized",
        "UnknownOutcome",
        "TaskFailed",
        "WaitTimeout",
        "MediaError",
        "InvalidInput",
        "SpecError",
    ):
        assert kinds[kind] >= len(XMODES), kinds
    assert sum(kinds.values()) >= len(XMODES) * 30
    assert b"\xe2\x80\xa2\xe2\x80\xa2\xe2\x80\xa2" in b"".join(one.content for one in artefacts if one.kind == "output")


def test_an_error_with_a_request_in_it_is_found_by_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the walk: raised `from None` inside the except block, the request still hangs on the error."""
    import httpx
    from faults import gathering

    monkeypatch.setattr(gathering, "FOLDER", tmp_path)

    def careless(told: str) -> None:
        request = httpx.Request("GET", "http://127.0.0.1", headers={"x-api-key": told})
        try:
            raise httpx.ReadError("broke", request=request)  # noqa: TRY301
        except httpx.ReadError:
            raise sd.MediaError("Broken.") from None

    with pytest.raises(sd.MediaError) as raised:
        careless(KEY)
    gathering.gather_error(raised.value)
    graph = b"".join(file.read_bytes() for file in (tmp_path / "error-graph").iterdir())
    assert hits(graph)
    assert b"httpx." in graph
    shutil.rmtree(tmp_path / "error-graph")
