"""The simulator responds in the shapes of the schemas, on loopback and in the process, and stores its tasks."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image, ImageChops, ImageStat
from support.waiting import serving

import seedance_nb as sd
from seedance_nb.__main__ import main
from seedance_nb._document.load import spec
from seedance_nb._simulator.app import Simulator, size_of
from seedance_nb._simulator.replies import shape
from seedance_nb._simulator.store import Simulated, Store

MODEL = "crun/seedance-2.0-fast-r2v"
CREATE, STATUS = "/api/v1/client/job/CreateTask", "/api/v1/client/job/TaskInfo"
KEY = {"x-api-key": "any"}


async def nothing(_: str) -> bytes:
    return b""


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "simulator")


@pytest.fixture
def ask(store: Store, clock: Clock, crun: sd.Spec, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks the app once and gives status and JSON; nothing is painted."""
    monkeypatch.setattr(Simulator, "_paint", lambda *_: None)
    app = Simulator([crun], store, nothing, queue=1, run=10, now=clock).app

    def asked(method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        import asyncio

        async def once() -> tuple[int, Any]:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://s.invalid") as client:
                content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
                answer = await client.request(
                    method, path, content=content, headers=KEY if headers is None else headers
                )
                return answer.status_code, answer.json()

        return asyncio.run(once())

    return asked


def test_the_documents_own_example_is_accepted_in_the_documents_own_shape(ask: Any, crun: sd.Spec) -> None:
    status, answer = ask("POST", CREATE, crun.example)
    assert status == 200
    assert {name: answer[name] for name in ("code", "message")} == {"code": 200, "message": "success"}
    assert set(answer["data"]) == {"task_id"}
    assert len(answer["data"]["task_id"]) == 36


def test_a_task_queues_runs_and_ends_with_an_address(ask: Any, crun: sd.Spec, clock: Clock, store: Store) -> None:
    _, answer = ask("POST", CREATE, crun.example)
    name = answer["data"]["task_id"]
    looks = []
    for seconds in (0.5, 5, 20):
        clock.now += seconds
        looks.append(ask("GET", f"{STATUS}?task_id={name}")[1]["data"]["status"])
    assert looks == ["pending", "running", "running"], "it runs until its video is painted"
    store.output(name).write_bytes(b"video")
    _, done = ask("GET", f"{STATUS}?task_id={name}")
    data = done["data"]
    assert data["status"] == "success"
    assert data["result"]["media_urls"] == [f"http://s.invalid/outputs/{name}.mp4"]
    assert data["param"] == crun.example
    assert (data["create_at"], data["complete_at"], data["duration_s"]) == (1_800_000_000, 1_800_000_011, 10)


@pytest.mark.parametrize("code", [401, 402, 404, 422, 429, 455, 500, 501, 505])
def test_every_documented_code_can_be_provoked(ask: Any, crun: sd.Spec, code: int) -> None:
    status, answer = ask("POST", CREATE, crun.example, KEY | {"x-simulate": str(code)})
    assert status == (200 if code in (455, 501, 505) else code)
    assert answer["code"] == code
    assert answer["message"]
    assert ("errors" in answer) == (code == 422)
    by_prompt = crun.example | {"input": crun.example["input"] | {"prompt": f"please simulate:{code}"}}
    assert ask("POST", CREATE, by_prompt)[1]["code"] == code


@pytest.mark.parametrize("wish", ["100", "200", "999", "0", "foo", "1000000"])
def test_an_undocumented_error_code_is_rejected(ask: Any, crun: sd.Spec, wish: str) -> None:
    status, answer = ask("POST", CREATE, crun.example, KEY | {"x-simulate": wish})
    assert (status, answer["code"]) == (422, 422)
    assert "429" in answer["errors"][0]
    in_prompt = crun.example | {"input": crun.example["input"] | {"prompt": f"simulate:{wish}"}}
    assert ask("POST", CREATE, in_prompt)[1]["code"] == 200


def test_the_task_is_named_by_its_own_parameter(ask: Any, crun: sd.Spec) -> None:
    name = ask("POST", CREATE, crun.example)[1]["data"]["task_id"]
    assert ask("GET", f"{STATUS}?x=1&task_id={name}")[0] == 200


@pytest.mark.parametrize("options", [["--port", "x"], ["--queue", "soon"], ["--seconds", ""]])
def test_an_option_that_makes_no_sense_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *options])
    assert ended.value.code == 2
    assert options[1] in capsys.readouterr().err


def test_a_busy_or_impossible_port_is_reported_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        for port in (busy.getsockname()[1], 99999, -1):
            assert main(["simulate", "--port", str(port)]) == 1
            assert f"Port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_a_failed_task_can_be_requested(ask: Any, crun: sd.Spec, clock: Clock) -> None:
    _, answer = ask("POST", CREATE, crun.example, KEY | {"x-simulate": "fail"})
    clock.now += 60
    _, told = ask("GET", f"{STATUS}?task_id={answer['data']['task_id']}")
    assert told["data"]["status"] == "failed"
    assert "asked to fail" in told["data"]["result"]["message"]


def test_without_a_key_nothing_is_answered(ask: Any, crun: sd.Spec) -> None:
    assert ask("POST", CREATE, crun.example, {})[1]["code"] == 401
    assert ask("GET", f"{STATUS}?task_id=x", headers={})[1]["code"] == 401


@pytest.mark.parametrize("body", [b"{", b'{"a": 1, "a": 2}', b"[1]", b"null", b'{"model": 5}', b'{"input": NaN}'])
def test_a_body_that_is_wrong_is_refused_in_the_documented_shape(ask: Any, body: bytes) -> None:
    status, answer = ask("POST", CREATE, body)
    assert (status, answer["code"]) == (422, 422)
    assert answer["message"] == "Validation Error - The request parameters failed validation checks"
    assert answer["errors"]


def test_every_problem_is_in_the_refusal(ask: Any, crun: sd.Spec) -> None:
    _, answer = ask("POST", CREATE, crun.example | {"input": {"prompt": "", "duration": 99}})
    assert len(answer["errors"]) == 3
    assert all(
        line.startswith("Value error, Invalid input for model bytedance/seedance2-0-fast-r2v: ")
        for line in answer["errors"]
    )


def test_an_unknown_task_is_not_found(ask: Any) -> None:
    assert ask("GET", f"{STATUS}?task_id=task_unknown")[0] == 404
    assert ask("GET", STATUS)[0] == 404


def test_tasks_are_forgotten_after_a_week(store: Store) -> None:
    old = Simulated(id="task_a", spec=MODEL, body={}, created=time.time() - 8 * 24 * 3600, fault="")
    store.add(old)
    store.output("task_a").write_bytes(b"video")
    assert store.get("task_a") == old
    store.add(Simulated(id="task_b", spec=MODEL, body={}, created=time.time(), fault=""))
    assert store.get("task_a") is None
    assert not store.output("task_a").exists()


def test_a_shape_is_filled_from_examples_and_marks() -> None:
    schema = {"allOf": [{"properties": {"code": {"enum": [200, 401]}}}, {"properties": {"data": {"properties": {
        "id": {"x-fill": "id"}, "word": {"examples": ["hello"]}, "list": {"type": "array"}, "none": {"type": ["object", "null"]}}}}}]}  # fmt: skip
    assert shape(schema, {"id": 7}) == {"code": 200, "data": {"id": 7, "word": "hello", "list": [], "none": None}}


@pytest.fixture
def served() -> Iterator[str]:
    """The command of the README, in a process of its own."""
    with serving() as url:
        yield url


def test_the_served_simulator_speaks_to_a_plain_client_and_to_ours(served: str, tmp_path: Path) -> None:
    document = spec(MODEL)
    with httpx.Client(base_url=served, headers=KEY, trust_env=False) as curl:
        made = curl.post(CREATE, json=document.example).json()
        assert curl.get(STATUS, params={"task_id": made["data"]["task_id"]}).json()["data"]["param"] == document.example
    session = sd.Session(
        api_key="any-key-works", base_url=served, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", sleep=short
    )
    video = session.generate(
        MODEL, timeout=60, prompt="x", reference_images=["https://example.com/a.png"], duration=4, resolution="480p"
    )
    assert video.simulated, "an answer says that it comes from the simulator"
    with httpx.Client(base_url=served, trust_env=False) as browser:
        url = video.row.outputs[0]
        part = browser.get(url, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, b"ftyp")


async def short(_: float) -> None:
    import asyncio

    await asyncio.sleep(0.05)


def test_a_task_is_taken_up_again_by_a_later_kernel() -> None:
    fields: dict[str, Any] = {
        "prompt": "x",
        "reference_images": ["https://example.com/a.png"],
        "duration": 4,
        "resolution": "480p",
    }
    script = (
        "import os, sys, seedance_nb as sd\n"
        f"task = sd.Session(queue_s=0, run_s=0).submit({MODEL!r}, **{fields!r})\n"
        "while not task.row.task_id: pass\n"
        "print(task.name, flush=True)\n"
        "os._exit(9)\n"
    )
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert died.returncode == 9, died.stderr
    session = sd.Session(queue_s=0, run_s=0)
    assert session.task(died.stdout.strip()).wait(60).path.exists()
    assert [row.name for row in session.tasks()] == [died.stdout.strip()]


@pytest.mark.parametrize("name", ["crun/seedance-1.0-pro-t2v", MODEL])
def test_a_requested_last_frame_is_saved_beside_the_video(name: str, tmp_path: Path) -> None:
    session = sd.Session(ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "out", queue_s=0, run_s=0)
    fields: dict[str, Any] = {"prompt": "A fox", "duration": 4, "resolution": "480p"}
    if name == MODEL:
        fields["reference_images"] = ["https://example.invalid/a.png"]
    plain = session.generate(name, timeout=60, **fields)
    assert plain.beside == ()
    video = session.generate(name, timeout=60, return_last_frame=True, **fields)
    (last,) = video.beside
    assert (last.kind, Path(last.file).name) == ("image", f"{video.path.stem}-last-frame.png")
    with Image.open(last.file) as picture, av.open(str(video.path)) as container:
        *_, frame = container.decode(video=0)
        shown = frame.to_image()  # type: ignore[no-untyped-call]
        off = ImageStat.Stat(ImageChops.difference(picture.convert("RGB"), shown)).mean
    assert max(off) < 8
    assert f"{video.path.stem}-last-frame.png" in video._repr_mimebundle_()["text/html"]


def test_a_model_that_is_not_served_is_named_by_its_own_id(ask: Any) -> None:
    status, value = ask("POST", CREATE, {"model": "bytedance/seedance9", "input": {}})
    assert status == 422
    assert "seedance9" in json.dumps(value)
    assert "seedance2-0-fast" not in json.dumps(value).partition("model: ")[0]


def test_a_frame_has_the_documented_size_of_its_price() -> None:
    vastnum, crun = sd.spec("vastnum/doubao-seedance-2.0"), sd.spec(MODEL)
    values = {"resolution": "480p", "ratio": "4:3"}
    assert (size_of(vastnum, values), size_of(crun, values)) == ((752, 560), (640, 480))


@pytest.mark.parametrize(
    ("resolution", "ratio", "size"),
    [("720p", "16:9", (1280, 720)), ("480p", "9:16", (480, 854)), ("480p", "1:1", (480, 480)), ("720p", "21:9", (1680, 720)),
     ("480p", "4:3", (640, 480)), ("480p", "3:4", (480, 640)), ("1281x721", "1:1", (1280, 720)), ("64x64", "", (64, 64))],
)  # fmt: skip
def test_resolution_and_ratio_are_a_size(resolution: str, ratio: str, size: tuple[int, int]) -> None:
    assert size_of(sd.spec(MODEL), {"resolution": resolution, "ratio": ratio}) == size


@pytest.mark.parametrize(("resolution", "ratio"), [("720", "16:9"), ("720p", "auto"), ("720p", "0:9"), ("", "")])
def test_other_names_are_a_usual_size(resolution: str, ratio: str) -> None:
    assert size_of(sd.spec(MODEL), {"resolution": resolution, "ratio": ratio}) == (1280, 720)


@pytest.mark.parametrize(
    ("resolution", "ratio"), [("9999p", "16:9"), ("10p", "1:1"), ("1080p", "1:999"), ("10x900", "")]
)
def test_a_size_that_no_encoder_or_memory_bears_is_full_hd(resolution: str, ratio: str) -> None:
    assert size_of(sd.spec(MODEL), {"resolution": resolution, "ratio": ratio}) == (1920, 1080)
