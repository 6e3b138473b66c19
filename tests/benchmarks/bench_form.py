"""Our form beside other ways to make one, in one interleaved run: `python tests/benchmarks/bench_form.py [--browser] [--documents DIR]`.

The other form libraries are no dependencies of this project. Those that are installed take part:

    uv venv /tmp/forms && uv pip install --python /tmp/forms -e . jupyterlab playwright ipywidgets-jsonschema ipyautoui
    /tmp/forms/bin/python tests/benchmarks/bench_form.py --browser

Ratios hold on any machine, times do not; models, bytes and messages are exact.
"""

import argparse
import copy
import gc
import importlib
import io
import json
import math
import random
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, ClassVar

import comm
import ipywidgets
import yaml
from comm.base_comm import BaseComm

import seedance_nb as sd
from seedance_nb._form.model.fields import children_of, tree

sys.path.insert(0, str(Path(__file__).parents[1]))
MODEL = "crun/seedance-2.0-fast-r2v"
SIZES = (100, 1000)
VALUES: dict[str, Any] = {
    "prompt": "A paper boat sails down a rainy street", "audio": True, "resolution": "480p", "aspect_ratio": "16:9", "duration": 8,
}  # fmt: skip
IMAGES = {"reference_images": [f"https://example.com/{number}.png" for number in (1, 2, 3)]}
FEWEST_ROUNDS, MOST_ROUNDS, CLEAR = (
    3,
    40,
    0.9,
)  # a body is measured again while our time is not below this share of another's
HOW = "  {} is not installed: uv pip install {} (in a venv of its own, as this file's head says)"
RUN = """async ([number, quiet, limit]) => {
  const book = window.jupyterapp.shell.currentWidget.content;
  const codes = book.widgets.map((cell, at) => [cell, at]).filter(([cell]) => cell.model.type === 'code');
  const [cell, at] = codes[number]; book.activeCellIndex = at;
  const area = cell.outputArea.node; let last = 0;
  const watch = new MutationObserver(() => { last = performance.now(); });
  watch.observe(area, {childList: true, subtree: true});
  const begun = performance.now();
  await window.jupyterapp.commands.execute('notebook:run-cell');
  const drawn = () => [...area.querySelectorAll('input, textarea, select, button, [role=slider]')].filter(one => one.offsetParent);
  const now = () => performance.now();
  while (now() - begun < limit && !(drawn().length && now() - last > quiet)) {
    await new Promise(done => setTimeout(done, 50));
    if (area.innerText.includes('Error displaying widget')) break;
  }
  watch.disconnect();
  return {ms: last - begun, controls: drawn().length, refused: area.innerText.includes('Error displaying widget')};
}"""


class Wire:
    """What widgets say to the browser: how many models, how many updates, how many bytes."""

    def __init__(self) -> None:
        self.models = self.updates = self.bytes = 0

    def clear(self) -> None:
        self.models = self.updates = self.bytes = 0


@contextmanager
def listening() -> Iterator[Wire]:
    wire, real = Wire(), comm.create_comm

    class Recorded(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **more: Any) -> None:
            wire.models += msg_type == "comm_open"
            wire.updates += msg_type == "comm_msg"
            wire.bytes += len(json.dumps(data, default=str)) + sum(len(part) for part in more.get("buffers") or ())

    comm.create_comm = Recorded
    try:
        yield wire
    finally:
        comm.create_comm = real


def seed() -> dict[str, Any]:
    """The input schema as the document has it, before this project reads anything into it."""
    file = Path(sd.__file__).parent / "specs" / f"{MODEL}.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    operation = next(iter(next(iter(document["paths"].values())).values()))
    schema = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]["input"]
    return {key: value for key, value in copy.deepcopy(schema).items() if not key.startswith("x-")}


def fields(size: int) -> dict[str, Any]:
    """A flat object of plain fields, which every library can build."""
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "string", "maxLength": 200},
        {"type": "integer", "minimum": 0, "maximum": 100, "default": 5},
        {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
        {"type": "boolean", "default": False},
        {"type": "string", "enum": ["one", "two", "three", "four", "five", "six"], "default": "one"},
    )
    made = {
        f"field_{number:04}": {"title": f"Field {number}", "description": f"What field {number} is for."} | kinds[number % 5]
        for number in range(size)
    }  # fmt: skip
    return {"type": "object", "properties": made}


def field_values(size: int) -> dict[str, Any]:
    other = ("typed", 7, 0.25, True, "two")
    return {f"field_{number:04}": other[number % 5] for number in range(size)}


class Contender:
    """One way to make a form. `removed` is what its copy of the seed's schema had to lose before it could build it."""

    name = ""
    module = ""
    drops: ClassVar[tuple[str, ...]] = ()
    most = max(SIZES)

    def __init__(self) -> None:
        self.library = importlib.import_module(self.module) if self.module else None
        self.removed: list[str] = []

    def prepared(self, what: int) -> Any:
        """The schema for the seed (0) or for so many fields, with what stops this library taken out."""
        schema = fields(what) if what else seed()
        for key in self.drops:
            if not what and key in schema:
                del schema[key]
                self.removed.append(f"input.{key}")
        return schema

    def build(self, schema: Any) -> Any:
        raise NotImplementedError

    def widget(self, form: Any) -> Any:
        return form

    def set(self, form: Any, values: dict[str, Any]) -> None:
        raise NotImplementedError

    def check(self, form: Any) -> None:
        raise NotImplementedError


class Ours(Contender):
    name = "seedance_nb"

    def prepared(self, what: int) -> Any:
        return sd.spec(fields(what) if what else MODEL)

    def build(self, schema: Any) -> Any:
        return sd.form(schema)

    def widget(self, form: Any) -> Any:
        return form.widget

    def set(self, form: Any, values: dict[str, Any]) -> None:
        form.values = values

    def check(self, form: Any) -> None:
        _ = form.problems


class JsonSchemaForm(Contender):
    name = module = "ipywidgets_jsonschema"
    drops = ("anyOf",)

    def build(self, schema: Any) -> Any:
        assert self.library
        return self.library.Form(schema)

    def widget(self, form: Any) -> Any:
        return form.widget

    def set(self, form: Any, values: dict[str, Any]) -> None:
        form.data = values

    def check(self, form: Any) -> None:
        _ = form.data


class AutoUi(Contender):
    name = module = "ipyautoui"

    def build(self, schema: Any) -> Any:
        assert self.library
        return self.library.AutoUi(schema)

    def set(self, form: Any, values: dict[str, Any]) -> None:
        form.value = form.value | values


class ByHand(Contender):
    """The same controls in bare ipywidgets: no help, no errors, no rows, nothing read back."""

    name = "hand-written"

    def build(self, schema: Any) -> Any:
        return ipywidgets.VBox([self._control(name, schema) for name, schema in schema["properties"].items()])

    def _control(self, name: str, schema: dict[str, Any]) -> Any:
        if schema["type"] == "array":
            return ipywidgets.Button(description=f"Add {name}")
        if schema["type"] == "boolean":
            return ipywidgets.Checkbox(description=name)
        if "enum" in schema:
            return ipywidgets.Dropdown(options=schema["enum"], description=name)
        if schema["type"] in ("integer", "number"):
            kind = ipywidgets.IntSlider if schema["type"] == "integer" else ipywidgets.FloatSlider
            return kind(min=schema["minimum"], max=schema["maximum"], value=schema["default"], description=name)
        return (ipywidgets.Textarea if schema.get("maxLength", 0) > 200 else ipywidgets.Text)(description=name)

    def set(self, form: Any, values: dict[str, Any]) -> None:
        for control in form.children:
            if control.description in values:
                control.value = values[control.description]


KINDS: tuple[type[Contender], ...] = (Ours, JsonSchemaForm, AutoUi, ByHand)


def contenders() -> list[Contender]:
    found = []
    for kind in KINDS:
        try:
            found.append(kind())
        except ImportError:
            print(HOW.format(kind.module, kind.module.replace("_", "-")))
    return found


def milliseconds(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def first_text(widget: Any) -> Any:
    """The first box a person can type into; what is typed there goes the same way in every library."""
    if isinstance(widget, ipywidgets.Text | ipywidgets.Textarea):
        return widget
    return next((found for child in getattr(widget, "children", ()) if (found := first_text(child))), None)


Row = dict[str, float]


def measure(one: Contender, what: int, wire: Wire, rows: dict[str, list[Row]]) -> None:
    """One round of one contender: a fresh form, its values set, one check, one typed change."""
    schema, row, made = one.prepared(what), {}, []
    gc.collect()
    wire.clear()
    row["build ms"] = milliseconds(lambda: made.append(one.build(schema)))
    form = made[0]
    row |= {"models": wire.models, "updates": wire.updates, "KiB": wire.bytes / 1024}
    values = field_values(what) if what else VALUES
    wire.clear()
    row["set ms"] = milliseconds(lambda: one.set(form, dict(values)))
    row["set msgs"] = wire.updates / len(values)
    if not what and type(one) is not ByHand:
        one.set(form, VALUES | IMAGES)
    if type(one).check is not Contender.check:
        one.check(form)
        row["check ms"] = statistics.median(milliseconds(lambda: one.check(form)) for _ in range(5 if what else 25))
    box = first_text(one.widget(form))
    if box is not None:
        took = []
        for number in range(5):
            text = f"typed {number}"
            wire.clear()
            took.append(milliseconds(lambda text=text: setattr(box, "value", text)))  # type: ignore[misc]
        row |= {"type ms": statistics.median(took), "type msgs": wire.updates}
    rows.setdefault(one.name, []).append(row)


COLUMNS = ("build ms", "models", "updates", "KiB", "set ms", "set msgs", "check ms", "type ms", "type msgs")


def table(rows: dict[str, list[Row]]) -> None:
    """Medians, and beneath them our share of each."""
    medians = {
        name: {key: statistics.median(row[key] for row in found) for key in COLUMNS if key in found[0]}
        for name, found in rows.items()
    }
    print(f"{'':32}" + "".join(f"{column:>11}" for column in COLUMNS))
    for name, figures in medians.items():
        print(f"{name:32}" + "".join(f"{_cell(figures.get(column)):>11}" for column in COLUMNS))
    ours = medians[Ours.name]
    for name, figures in medians.items():
        if name != Ours.name:
            shares = [ours[key] / figures[key] if figures.get(key) and key in ours else None for key in COLUMNS]
            print(f"{f'ours / {name}':32}" + "".join(f"{_cell(share):>11}" for share in shares))
    print()


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def kernel(rounds: int) -> None:
    """Everything that needs no browser."""
    found = contenders()
    with listening() as wire:
        for what in (0, *SIZES):
            rows: dict[str, list[Row]] = {}
            for number in range((rounds if not what else 5 if what < max(SIZES) else 2) + 1):
                for one in found:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        if number == 0:
                            measure(one, what, wire, {})  # the first one pays for caches and imports
                        else:
                            measure(one, what, wire, rows)
            print(
                f"{what} fields" if what else f"the seed document, {MODEL}",
                f"(median of {len(rows[Ours.name])} rounds)",
            )
            table(rows)
    for one in found:
        if one.removed:
            print(f"{one.name} cannot build the seed's schema: {', '.join(sorted(set(one.removed)))} removed")
    print(
        "set msgs and type msgs: update messages for one changed control; updates: those sent while the form is built"
    )


def generated(number: int) -> dict[str, Any]:
    """A request body of up to twelve fields of all usual kinds, the same in every run."""
    chance = random.Random(number)

    def field(depth: int) -> dict[str, Any]:
        kinds: list[Callable[[], dict[str, Any]]] = [
            lambda: {"type": "string", "maxLength": chance.randint(1, 500)},
            lambda: {"type": "string", "enum": [f"choice {one}" for one in range(chance.randint(2, 9))]},
            lambda: {"type": "integer", "minimum": 0, "maximum": chance.randint(1, 99), "default": 1},
            lambda: {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
            lambda: {"type": "boolean", "default": chance.random() > 0.5},
            lambda: {"type": "array", "items": {"type": "string"}, "maxItems": chance.randint(1, 9)},
            lambda: {"type": "object", "properties": {f"inner_{one}": field(depth + 1) for one in range(3)}},
            lambda: {"type": "array", "items": {"type": "object", "properties": {"a": field(depth + 1)}}},
        ]
        return chance.choice(kinds[: 6 if depth > 1 else 8])() | {"description": f"What it is for. {chance.random()}"}

    fields = {f"field_{one}": field(0) for one in range(chance.randint(1, 12))}
    return {"type": "object", "title": f"Body {number}", "properties": fields}


def without_marks(value: Any) -> Any:
    """A schema as other libraries know it, without the keys of this package."""
    if isinstance(value, dict):
        return {key: without_marks(item) for key, item in value.items() if not str(key).startswith("x-")}
    return [without_marks(item) for item in value] if isinstance(value, list) else value


def as_json(schemas: list[dict[str, Any]]) -> None:
    """Say how many fields are typed as JSON, and which schemas they have: those without a control of their own."""
    kinds, why = Counter[str](), Counter[str]()

    def count(field: Any, depth: int) -> None:
        kinds[field.kind] += 1
        keys = sorted({"type", "enum", "const", "properties", "items", "not", "$ref"} & field.shape.view.keys())
        types = field.shape.view.get("type", "no type")
        why[f"{types}{f' with {chr(44).join(keys)}' if keys else ''}"] += field.kind == "json"
        if depth < 6:
            for child in (*field.children, *(children_of(field.shape, (), [0]) if field.kind == "object" else ())):
                count(child, depth + 1)

    for schema in schemas:
        with suppress(sd.SpecError):
            count(tree(sd.spec(copy.deepcopy(schema))), 0)
    print(f"{sum(kinds.values())} fields, {kinds['json']} of them typed as JSON: {dict((+why).most_common(8))}")


def built_in(one: Contender, schema: dict[str, Any]) -> float:
    """The milliseconds of this process in which a library builds the form of a schema."""
    own = copy.deepcopy(schema)
    gc.collect()
    begun = time.process_time()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # what the others print
            one.widget(one.build(sd.spec(own) if type(one) is Ours else own))
        return (time.process_time() - begun) * 1000
    finally:
        ipywidgets.Widget.close_all()  # else each form makes the next ones slower


def least_of(found: list[Contender], schema: dict[str, Any], failed: Counter[tuple[str, str]]) -> dict[str, float]:
    """The least time of each library that builds a schema, in turn: three times, and up to 60 times while another one is near ours or faster."""
    least: dict[str, float] = {}
    able = list(found)
    for number in range(MOST_ROUNDS):
        start = number % len(
            able
        )  # so that none always comes after the same one, with the same things in the processor's cache
        for one in [*able[start:], *able[:start]]:
            try:
                least[one.name] = min(built_in(one, schema), least.get(one.name, math.inf))
            except Exception as error:  # noqa: BLE001 - it cannot build this one
                failed[one.name, type(error).__name__] += 1
                able.remove(one)
        if number + 1 >= FEWEST_ROUNDS:  # what is clear, or has no rival, is not measured again
            able = [one for one in able if one.name == Ours.name or least[Ours.name] > CLEAR * least[one.name]]
        if Ours.name not in least or len(able) < 2:
            break
    return least


def bodies(folder: Path | None, count: int) -> None:
    """Build many different bodies with each library that builds forms of schemas; the last line says where ours is slower."""
    schemas = [generated(number) for number in range(count)]
    for file in sorted(folder.rglob("*.*")) if folder else ():
        document = json.loads(file.read_text(encoding="utf-8")) if file.suffix == ".json" else None
        if isinstance(document, dict) and "openapi" not in document:
            schema = document.get("schema", document)
            schemas += [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
        elif file.suffix in (".json", ".yaml"):  # each operation's body, written out: the others follow no references
            requests = [without_marks(sd.spec(operation).body) for operation in sd.spec(file).operations]
            schemas += [body for body in requests if body.get("type") == "object"]
    as_json(schemas)
    found, failed = [one for one in contenders() if type(one) is not ByHand], Counter[tuple[str, str]]()
    for schema in schemas[:5]:  # the first ones pay for caches and imports
        least_of(found, schema, Counter())
    gc.collect()
    gc.freeze()  # else each collection looks at every module again, which takes ten times as long as a form
    times = [least_of(found, schema, failed) for schema in schemas]
    print("  not built:", {" ".join(key): count for key, count in failed.items()})
    shares: dict[str, dict[int, float]] = {}
    for name in [one.name for one in found if type(one) is not Ours]:
        both = {number: least for number, least in enumerate(times) if {name, Ours.name} <= least.keys()}
        shares[name] = {number: least[Ours.name] / least[name] for number, least in both.items()}
        whole = sum(least[Ours.name] for least in both.values()) / sum(least[name] for least in both.values())
        print(f"  {name}: {len(both)} bodies in both; ours / it: {whole:.2f} in all, median {statistics.median(shares[name].values()):.2f}, "
              f"worst {', '.join(f'{share:.2f} (body {number})' for share, number in worst(shares[name])[:5])}")  # fmt: skip
    slower = sum(any(theirs.get(number, 0) > 1 for theirs in shares.values()) for number in range(len(schemas)))
    most = max((*worst(theirs)[0], name) for name, theirs in shares.items() if theirs)
    print(f"{len(schemas)} bodies, {count} of them generated; ours builds {sum(Ours.name in least for least in times)}, "
          f"is slower in {slower}; worst ratio {most[0]:.2f} (body {most[1]}, {most[2]})\n")  # fmt: skip


def worst(shares: dict[int, float]) -> list[tuple[float, int]]:
    return sorted(((share, number) for number, share in shares.items()), reverse=True)


def large(megabytes: float) -> None:
    """The time to read a document of many operations, as JSON and as YAML."""
    schemas = {f"Body{number}": generated(number) for number in range(40)}
    paths: dict[str, Any] = {}
    text = ""
    while len(text) < megabytes * 1e6:
        for _ in range(100):
            body = {
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/Body{len(paths) % 40}"}}}
            }
            more = "What this operation does, in a sentence or two. " * 20
            paths[f"/path/{len(paths)}"] = {"post": {"requestBody": body, "description": more}}
        document = {
            "openapi": "3.1.0",
            "info": {"title": "t", "version": "1"},
            "paths": paths,
            "components": {"schemas": schemas},
        }
        text = json.dumps(document)
    dumped = yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    for kind, one in (("JSON", text), ("YAML", dumped)):
        took = milliseconds(lambda one=one: sd.spec(one, operation="POST /path/7"))  # type: ignore[misc]
        print(f"a document of {len(one) / 1e6:.1f} MB, {len(paths)} operations, as {kind}: {took:.0f} ms")
    print()


def shown(name: str, what: int) -> Any:
    """What a cell of the browser's notebook displays."""
    one = next(kind() for kind in KINDS if kind.name == name)
    return one.widget(one.build(one.prepared(what)))


def browser(rounds: int) -> None:
    """From the run of a cell until the last control is drawn, in JupyterLab."""
    import nbformat
    from playwright.sync_api import sync_playwright
    from support.lab import ARGUMENTS, Book, Lab

    found = [one.name for one in contenders()]
    cells = [(name, what) for what in (0, *SIZES) for name in found]
    drawn: dict[tuple[str, int], list[dict[str, float]]] = {cell: [] for cell in cells}
    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
            for number in range(rounds):
                for at, (name, what) in enumerate(cells):
                    if not any(one["controls"] == 0 for one in drawn[name, what]):  # to wait for nothing again is slow
                        # A page and a kernel of its own: what was drawn before must not slow what is drawn now.
                        file = f"drawn_{number}_{at}.ipynb"
                        nbformat.write(_notebook(name, what), lab.root / file)
                        page = chromium.new_page()
                        drawn[name, what].append(_draw(Book(page, lab, file)))
                        page.close()
                        for session in lab.api("sessions"):
                            lab.api(f"sessions/{session['id']}", "DELETE")
                        print(
                            f"  round {number + 1}, {name}, {what or 'seed'}: {_drawn(drawn[name, what][-1:])}",
                            flush=True,
                        )
            chromium.close()
    finally:
        lab.stop()
    print("from the run of the cell until the last control is drawn, JupyterLab, ms (controls)")
    print(f"{'':32}" + "".join(f"{f'{what} fields' if what else 'seed':>18}" for what in (0, *SIZES)))
    for name in found:
        print(f"{name:32}" + "".join(f"{_drawn(drawn[name, what]):>18}" for what in (0, *SIZES)))


def _notebook(name: str, what: int) -> Any:
    import nbformat

    head = f"import sys, warnings\nwarnings.simplefilter('ignore')\nsys.path.insert(0, {str(Path(__file__).parent)!r})"
    codes = (f"{head}\nimport bench_form as b\nb.shown({name!r}, 0)\nNone", f"b.shown({name!r}, {what})")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes], metadata=kernel)


def _draw(book: Any) -> dict[str, float]:
    book.run(0)
    book.idle()
    try:
        found: dict[str, float] = book.page.evaluate(RUN, [1, 1000, 30_000])
    except Exception as error:  # noqa: BLE001 - a page that no longer answers has drawn nothing
        print(f"  {error}")
        return {"ms": 0, "controls": 0}
    return found


def _drawn(times: list[dict[str, float]]) -> str:
    if any(not one["controls"] for one in times):
        return "widget error" if any(one.get("refused") for one in times) else "nothing in 30 s"
    return f"{statistics.median(one['ms'] for one in times):.0f} ({times[-1]['controls']:.0f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--browser", action="store_true", help="also draw the forms in JupyterLab")
    parser.add_argument("--rounds", type=int, default=15, help="rounds with the seed document, 0 for the bodies alone")
    parser.add_argument("--documents", type=Path, help="a folder of further JSON Schemas")
    parser.add_argument("--bodies", type=int, default=300, help="how many bodies to generate")
    given = parser.parse_args()
    if given.rounds:
        kernel(given.rounds)
    bodies(given.documents, given.bodies)
    large(3)
    if given.browser:
        browser(3)
