"""Answers that want to harm whoever reads them: honest ones of three providers, changed by chance."""

import asyncio
import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from faults.shapes import CRUN, SHAPES, Shape
from support.audit import executable

import seedance_nb as sd
from seedance_nb._base.html import piece
from seedance_nb._base.secret import Secret
from seedance_nb._check.check import approve, create_request, status_request
from seedance_nb._ledger.row import Row, State
from seedance_nb._notebook.status import failed_html, running_html
from seedance_nb._provider.outcome import SendOutcome, classify, free_value
from seedance_nb._provider.status import read_status
from seedance_nb._provider.transport import Endpoint, fetch_answer, send_once
from seedance_nb._task.display.video import Video, video_html
from seedance_nb._task.task import Task, Tasks

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"' onmouseover='x' javascript:alert(1)"
EVIL: tuple[Any, ...] = (
    SCRIPT, f"</div></details>{SCRIPT}", "<iframe srcdoc='<script>1</script>'>", "\u202egpj.exe\u2066", "\ud800", "a\ud83d", "", " ", "\0", "x" * 100_000,
    None, True, False, 0, -1, 1.5, 1e308, -0.0, 10**300, [], {}, [[]], [None], {"a": {"b": {}}}, [SCRIPT] * 50, {SCRIPT: SCRIPT}, "1e999", "NaN",
    "../../account/balance?", "task/../../x", "a b", "a\r\nX-Evil: 1", "%2e%2e%2f", "a" * 201, "?task_id=other", "#", "CON", "/etc/passwd", "..",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "file:///etc/passwd", "data:text/html,<script>1</script>",
    "http://user:pass@127.0.0.1:1/x.mp4", "https://", "http://[::1", "//evil.example/x.mp4", 'https://evil.example/"onload=alert(1)x.mp4', "ftp://x/y.mp4",
    "success", "SUCCESS", "succeeded", "done", "failed", "running", "cancelled", "100%", "1000000%", "٣%", 200, 402, "402", 99999, "code", 501,
)  # fmt: skip
STATUSES = (
    200,
    200,
    200,
    200,
    200,
    201,
    202,
    204,
    206,
    299,
    301,
    400,
    401,
    402,
    403,
    404,
    409,
    418,
    422,
    429,
    455,
    500,
    502,
    503,
    599,
)
KINDS = (
    "application/json",
    "text/html",
    "text/plain; charset=utf-16",
    "image/png",
    "",
    "application/json; charset=nonsense",
    "multipart/form-data",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One answer as it travels, and which operation of which provider it answers."""

    shape: Shape
    operation: str
    status: int
    kind: str
    content: bytes


def honest(shape: Shape) -> Iterator[tuple[str, int, Any]]:
    url = ["https://files.example/outputs/video.mp4"]
    yield "create", 200, shape.taken("task_1")
    for word in shape.words:
        yield "status", 200, shape.told(word, url if word == shape.done else [], "task_1")
    for status, value in shape.no.values():
        yield "create", status, value
        yield "status", status, value
    if shape is CRUN:
        yield "estimate", 200, {"code": 200, "message": "success", "data": {"credits": 12, "estimated": True}}
        yield "balance", 200, {"code": 200, "message": "success", "data": {"credits": 7.5, "balance": 7.5}}


def answers(seed: int, count: int) -> list[Hostile]:
    dice = random.Random(seed)
    known = [(shape, *answer) for shape in SHAPES for answer in honest(shape)]
    weights = [1 if value in [no for _, no in shape.no.values()] else 6 for shape, _, _, value in known]
    return [_changed(dice, *chosen) for chosen in dice.choices(known, weights, k=count)]


def _changed(dice: random.Random, shape: Shape, operation: str, status: int, value: Any) -> Hostile:
    value = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        value = _with(dice, value)
    content = json.dumps(value).encode("ascii")
    if dice.random() < 0.25:
        content = dice.choice(_TEXTS)(dice, content)
    return Hostile(
        shape=shape,
        operation=operation,
        status=status if dice.random() < 0.8 else dice.choice(STATUSES),
        kind=dice.choice(KINDS) if dice.random() < 0.3 else "application/json",
        content=content,
    )


def _with(dice: random.Random, value: Any) -> Any:
    """The value with something in it changed, at any depth."""
    if not isinstance(value, dict | list) or not value or dice.random() < 0.05:
        return copy.deepcopy(dice.choice(EVIL))
    place: Any = dice.choice(list(value)) if isinstance(value, dict) else dice.randrange(len(value))
    if dice.random() < 0.6 and isinstance(value[place], dict | list) and value[place]:
        value[place] = _with(dice, value[place])
    else:
        how = dice.randrange(6)
        if how == 0:
            del value[place]
        elif how == 1:
            value[place] = [value[place]]
        elif how == 2:
            value[place] = {"value": value[place]}
        else:
            value[place] = copy.deepcopy(dice.choice(EVIL))
    return value


def _number(dice: random.Random, content: bytes) -> bytes:
    return content.replace(
        b"200", dice.choice((b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b"-0", b"2e2", b"0x10")), 1
    )


_TEXTS: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _number,
    lambda dice, content: content[: dice.randrange(len(content) + 1)],
    lambda _, content: b'{"code": 200, ' + content[1:],
    lambda _, content: content + content,
    lambda _, content: b"\xef\xbb\xbf" + content,
    lambda _, content: content.decode().encode("utf-16"),
    lambda dice, content: content[: len(content) // 2] + bytes([dice.randrange(128, 256)]) + content[len(content) // 2 :],
    lambda dice, _: dice.choice((b"", b"null", b"true", b"7", b'"text"', b"[]", b"{}", b"\0\0\0\0", b"<html><script>alert(1)</script></html>")),
    lambda dice, _: dice.choice((b"[", b'{"data":', b'{"a":[')) * 100_000,
    lambda _, content: b'{"data":' * 900 + content + b"}" * 900,
    lambda _, content: content + b" " * 300_000,
    lambda _, content: content.replace(b'"', b"'"),
    lambda _, content: b")]}',\n" + content,
)  # fmt: skip


FIELDS = {shape.model: shape.fields for shape in SHAPES}
KEY = "ak_canary_0123456789abcdefghijklmnop"
BASE = "http://127.0.0.1:9"


class Reader:
    """Reads answers as the library does, over its own client, and notes what must never be."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {"untyped": [], "false success": [], "runs": [], "foreign": [], "leaks": []}
        self.ends: dict[str, int] = {}
        self.specs = {shape.model: sd.spec(shape.model) for shape in SHAPES}
        self.secret = Secret(KEY, "a test")

    async def read(self, hostile: Hostile) -> None:
        try:
            await self._read(hostile)
        except sd.SeedanceError as error:
            self._count(type(error).__name__)
            self._shown(failed_html(error), repr(error))
        except Exception as error:  # noqa: BLE001 - these are what is looked for
            self.found["untyped"].append(f"{error!r:.200} for {hostile!r:.200}")

    async def _read(self, hostile: Hostile) -> None:
        spec = self.specs[hostile.shape.model]
        place = Endpoint(base_url=BASE, secret=self.secret, app=_app(hostile))
        approved = approve(spec, hostile.shape.fields)
        if hostile.operation == "create":
            sent = await send_once(spec, create_request(approved, BASE), place)
            self._count(sent.outcome)
            self._sent(hostile, sent)
            if sent.error:
                raise sent.error
            return
        answer, _ = await fetch_answer(spec, status_request(spec, BASE, "task_1"), place)
        assert answer is not None
        if hostile.operation != "status":
            value = free_value(spec, answer)
            self._count("yes" if isinstance(value, dict) else "no")
            return
        assert spec.task is not None
        seen = read_status(spec.task, answer.value, spec.errors)
        self._count(str(seen.state) if seen else "nothing seen")
        if seen is None:
            classify(spec, answer)
            return
        if seen.state is State.DONE and not (
            seen.outputs and all(re.match("https?://[^/]", url) for url in seen.outputs)
        ):
            self.found["false success"].append(repr(seen)[:200])
        self._row(Row(**ROW, spec=spec.name, state=seen.state, word=seen.word, outputs=seen.outputs, error=seen.error,
                      credits=seen.credits, progress=seen.progress, task_id="task_1"))  # fmt: skip

    def _sent(self, hostile: Hostile, sent: SendOutcome) -> None:
        spec = self.specs[hostile.shape.model]
        if sent.outcome == "accepted" and not _can_be_quoted(sent.task_id):
            self.found["false success"].append(repr(sent)[:200])
        if sent.task_id:
            url = status_request(spec, BASE, sent.task_id).url
            path, _, query = url.removeprefix(BASE).partition("?")
            known = spec.task.status_path if spec.task else ""
            inside = (
                path == known
                if query
                else path.startswith(hostile.shape.status) and path.count("/") == known.count("/")
            )
            if not inside or set(path.split("/")) & {"..", "."}:
                self.found["foreign"].append(url[:200])
        self._row(Row(**ROW, spec=spec.name, state=State.UNKNOWN, task_id=sent.task_id, error=sent.why))

    def _row(self, row: Row) -> None:
        video = Video(
            row=row,
            title=row.word,
            path=Path("/x") / "a.mp4",
            asked={"prompt": row.error, "seconds": row.word},
            facts=None,
        )
        for shown in (
            running_html(row, 1.0),
            piece("stopped").format(row.name),
            video_html(video, "a.mp4"),
            _html_of(row),
        ):
            self._shown(shown, repr(row))

    def _shown(self, text: str, said: str) -> None:
        self.found["runs"] += [f"{what[:150]} in {text[:150]!r}" for what in executable(text)]
        if KEY in text or KEY in said:
            self.found["leaks"].append(text[:200])
        text.encode()  # a notebook that holds it can be saved

    def _count(self, end: str) -> None:
        self.ends[end] = self.ends.get(end, 0) + 1


ROW: dict[str, Any] = {"seq": 1, "base_url": BASE, "simulated": False, "digest": "", "take": 1, "body": "{}"}


class _Held:
    """Stands where a task's session is; it has one row."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.name = row.name


def _html_of(row: Row) -> str:
    rows = Tasks([row], [row.error], "ledger")
    return str(Task._html(cast("Task", _Held(row)), row)) + rows._repr_html_()


def _can_be_quoted(task: str) -> bool:
    parts = re.split(r"[/\\]", task)
    return 0 < len(task) <= 1000 and task.isprintable() and " " not in task and not {".", ".."} & set(parts)


def _app(hostile: Hostile) -> Callable[..., Any]:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", hostile.kind.encode()), (b"retry-after", b"nan")]
        await send({"type": "http.response.start", "status": hostile.status, "headers": headers})
        await send({"type": "http.response.body", "body": hostile.content})

    return app


def swallow(seed: int, count: int) -> dict[str, Any]:
    """What became of so many hostile answers."""
    reader = Reader()

    async def all_of_them() -> None:
        for hostile in answers(seed, count):
            await reader.read(hostile)

    asyncio.run(all_of_them())
    return {"found": reader.found, "ends": reader.ends}


def naive(seed: int, count: int) -> dict[str, int]:
    """What a client makes of them that takes an answer for what it should be: exceptions, success without a video, HTML that runs."""
    ends = {"untyped": 0, "false success": 0, "runs": 0}
    for hostile in answers(seed, count):
        try:
            data = json.loads(hostile.content)
            data = data.get("data", data)
            if hostile.operation == "create":
                task = data.get("task_id") or data["taskId"]
                ends["false success"] += not isinstance(task, str) or not re.fullmatch(r"[\w.:@-]{1,200}", task)
                text = f"<code>{task}</code>"
            else:
                text = f"<b>{data['status']}</b>: {data.get('result') or data.get('output')}"
            ends["runs"] += bool(executable(text))
        except Exception:  # noqa: BLE001
            ends["untyped"] += 1
    return ends
