"""Every documented system, from its own document: form, example, whole run, failed task, each documented error."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.pages import bodies_on, page_of, texts_on
from support.waiting import serving, short

import seedance_nb as sd
from seedance_nb._check.check import check
from seedance_nb._document.load import model_names, spec
from seedance_nb._document.reader import SPECS
from seedance_nb._simulator.replies import Replies

QUICK = {"resolution": "480p", "duration": 4}
SMALL: dict[str, dict[str, Any]] = {
    "crun/seedance-2.0-i2v": {"prompt": "x", "img_urls": ["https://example.com/a.png"], **QUICK},
    "crun/seedance-1.0-pro-t2v": {"prompt": "x", **QUICK},
    "seedance2-pro/seedance-20-i2v": {
        "prompt": "x",
        "urls": ["https://example.com/a.png"],
        "resolution": "256x144",
        "duration": "4s",
    },
    "crun/seedance-2.0-fast-r2v": {"prompt": "x", "reference_images": ["https://example.com/a.png"], **QUICK},
    "vastnum/doubao-seedance-2.0": {"prompt": "x", "ratio": "1:1", **QUICK},
}
TEMPLATE = "<string>"
# What our client makes of each code that a document lists: these never leave a task behind.
MEANS = {
    "refused": "Refused",
    "unauthorized": "Unauthorized",
    "no-credits": "NoCredits",
    "rate-limited": "RateLimited",
    "unavailable": "Unavailable",
}
PROVOKED = [(name, code) for name in model_names() for code in Replies(spec(name)).codes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The command of the README, in a process of its own."""
    with serving(SEEDANCE_SIMULATOR=str(tmp_path_factory.mktemp("served"))) as url:
        yield url


@pytest.fixture
def paying(served: str, tmp_path: Path) -> sd.Session:
    """A session with a key, whose base address is the served simulator: everything but the money is as with a provider."""
    return sd.Session(
        api_key="a-key-for-tests", base_url=served, ledger=tmp_path / "l.sqlite3", outputs=tmp_path / "o", sleep=short
    )


def test_all_five_systems_are_there() -> None:
    assert sorted(model_names()) == sorted(SMALL)


@pytest.mark.parametrize("name", model_names())
def test_its_form_takes_its_own_example_and_gives_it_back(name: str) -> None:
    form = sd.form(name)
    form.values = spec(name).example
    assert form.values == spec(name).example
    assert form.problems == ()


@pytest.mark.parametrize("name", model_names())
def test_every_body_on_its_page_is_accepted_verbatim_from_a_plain_client(name: str, served: str) -> None:
    document = spec(name)
    texts = (
        texts_on(page_of(name))
        if "openapi: 3" not in page_of(name)
        else [json.dumps(document.example, ensure_ascii=False)]
    )
    assert texts
    assert document.auth is not None
    headers = {document.auth.header: document.auth.prefix + "any", "Content-Type": "application/json"}
    for text in texts:
        answer = httpx.post(served + document.path, content=text.encode(), headers=headers, trust_env=False)
        if TEMPLATE in text:  # the page's generated curl, whose model is the word <string>
            assert answer.status_code == 400
            assert "seedance-20" in answer.text
        else:
            assert answer.status_code == 200, answer.text
            assert check(document, json.loads(text)) == ()


def test_the_pages_show_as_many_bodies_as_they_do() -> None:
    assert {name: len(bodies_on(page_of(name))) for name in model_names()} == {
        "crun/seedance-1.0-pro-t2v": 1, "crun/seedance-2.0-fast-r2v": 0, "crun/seedance-2.0-i2v": 2,
        "seedance2-pro/seedance-20-i2v": 3, "vastnum/doubao-seedance-2.0": 1}  # fmt: skip


@pytest.mark.parametrize("name", model_names())
def test_it_runs_from_the_first_byte_to_a_video_that_plays(name: str, paying: sd.Session) -> None:
    video = paying.generate(name, timeout=60, **SMALL[name])
    assert video.simulated
    assert video.facts is not None
    assert video.facts.seconds == pytest.approx(4, abs=0.1)
    assert video.path.stat().st_size > 10_000
    assert [row.state for row in paying.tasks()] == ["done"]


@pytest.mark.parametrize("name", model_names())
def test_a_task_that_fails_says_the_providers_words(name: str, paying: sd.Session) -> None:
    with pytest.raises(sd.TaskFailed, match="asked to fail this task"):
        paying.generate(name, timeout=60, **SMALL[name] | {"prompt": "simulate:fail"})


@pytest.mark.parametrize(("name", "code"), PROVOKED)
def test_each_documented_error_can_be_provoked_and_means_what_it_says(name: str, code: str, paying: sd.Session) -> None:
    table = spec(name).errors
    assert table is not None
    task = paying.submit(name, **SMALL[name] | {"prompt": f"please simulate:{code}"})
    meaning = (table.statuses | table.refusals).get(code)
    expected = getattr(sd, MEANS[meaning]) if meaning else sd.UnknownOutcome
    with pytest.raises(expected) as refused:
        task.wait(60)
    assert type(refused.value) is expected
    if meaning:
        assert str(getattr(refused.value, "code", "")) == code
        assert paying.submit(name, **SMALL[name] | {"prompt": f"please simulate:{code}"}).is_new, (
            "it may be tried again"
        )
    else:
        assert not paying.submit(name, **SMALL[name] | {"prompt": f"please simulate:{code}"}).is_new, (
            "it is never sent again"
        )


def status_of(name: str, served: str) -> Any:
    document = spec(name)
    assert document.auth is not None
    assert document.task is not None
    headers = {document.auth.header: document.auth.prefix + "any"}
    body = dict(document.example)
    with httpx.Client(base_url=served, headers=headers, trust_env=False) as curl:
        made = curl.post(document.path, json=body).json()
        name = made.get("task_id") or made.get("taskId") or made["data"]["task_id"]
        path = document.task.status_path.replace("{task_id}", name)
        parameter = document.task.id_parameter
        for _ in range(600):
            answer = curl.get(path, params={parameter: name} if parameter else {}).json()
            if "mp4" in str(answer):
                return answer
            time.sleep(0.05)
    return answer


def test_seedance2_pros_answer_has_milliseconds_and_sizes(served: str) -> None:
    answer = status_of("seedance2-pro/seedance-20-i2v", served)
    assert list(answer) == ["taskId", "model", "status", "creditsUsed", "output", "error", "createTime", "completeTime"]
    assert (answer["model"], answer["status"], answer["creditsUsed"], answer["error"]) == (
        "seedance-20",
        "success",
        200,
        None,
    )
    assert [(sorted(one), one["width"], one["height"]) for one in answer["output"]] == [
        (["height", "url", "width"], 1280, 720)
    ]
    assert 1_700_000_000_000 < answer["createTime"] <= answer["completeTime"]


def test_vastnums_answer_has_the_pages_envelope_with_three_spellings_of_done(served: str) -> None:
    page = json.loads(
        page_of("vastnum/doubao-seedance-2.0").split("Task status:\n", 1)[1].split("\n\n\n")[0].rsplit("}", 1)[0] + "}"
    )
    answer = status_of("vastnum/doubao-seedance-2.0", served)
    assert shape_of(answer) == shape_of(page)
    deep = answer["data"]["data"]
    assert (answer["data"]["status"], deep["status"], deep["result"]["status"]) == ("SUCCESS", "succeed", "succeeded")
    assert (answer["data"]["progress"], answer["code"]) == ("100%", "success")
    assert deep["created_at"].endswith("Z")


def shape_of(value: Any) -> Any:
    """Names and types, without values."""
    if isinstance(value, dict):
        return {name: shape_of(item) for name, item in sorted(value.items())}
    return type(value).__name__


SIXTH = """
openapi: 3.0.0
info: {title: A sixth model, version: '1'}
paths:
  /api/v1/client/job/CreateTask:
    post:
      operationId: bytedance/seedance9-t2v
      requestBody:
        content:
          application/json:
            schema:
              type: object
              required: [model, input]
              properties:
                model: {type: string, enum: [bytedance/seedance9-t2v]}
                input:
                  x-inputs: true
                  type: object
                  required: [prompt]
                  properties:
                    prompt: {x-role: prompt, type: string, maxLength: 900}
                    resolution: {x-role: resolution, type: string, enum: [240p, 480p]}
                    duration: {x-role: seconds, x-unit: s, type: integer, minimum: 1, maximum: 4}
x-provider: crun
x-title: Seedance 9
x-mode: text to video
"""


def test_a_sixth_model_of_a_known_provider_is_one_file(tmp_path: Path) -> None:
    file = tmp_path / "seedance-9-t2v.yaml"
    file.write_text(SIXTH)
    document = spec(file)
    assert (document.name, document.server, document.key_env) == (
        "crun/seedance-9-t2v",
        "https://api.crun.ai",
        "CRUN_API_KEY",
    )
    assert [problem.path for problem in sd.check(file, prompt="x", duration=9)] == ["/input/duration"]
    video = sd.Session(queue_s=0, run_s=0).generate(file, timeout=60, prompt="A fox", resolution="240p", duration=1)
    assert video.facts is not None
    assert (video.facts.height, video.facts.seconds) == (240, 1.0)
    assert video.task.startswith("crun:")


def test_what_a_provider_shares_is_there_once() -> None:
    own = [
        file.read_text()
        for folder in ("crun", "seedance2-pro", "vastnum")
        for file in Path(str(SPECS / folder)).iterdir()
    ]
    for key in ("x-task", "x-errors", "x-env", "securitySchemes", "servers:"):
        assert [text for text in own if key in text] == []


def test_a_name_inside_an_object_of_the_body_finds_its_place() -> None:
    from seedance_nb._check.check import build_body

    body = build_body(
        spec("vastnum/doubao-seedance-2.0"),
        {"prompt": "x", "duration": 5, "ratio": "16:9", "metadata": {"watermark": False}},
    )
    assert body == {
        "model": "doubao-seedance-2-0-260128",
        "prompt": "x",
        "metadata": {"ratio": "16:9", "duration": 5, "watermark": False},
    }


def test_a_warning_is_said_and_does_not_stop_a_script(paying: sd.Session) -> None:
    name = "crun/seedance-1.0-pro-t2v"
    found = sd.check(name, prompt="x", duration=1, resolution="480p")
    assert [(problem.path, problem.warns) for problem in found] == [("/input/duration", True)]
    assert "Volcengine's docs" in str(found[0])
    with pytest.warns(sd.LimitWarning, match="1 s is too small"):
        task = paying.submit(name, prompt="x", duration=1, resolution="480p")
    assert task.wait(60).path.exists()


def test_a_warning_names_the_line_of_the_person_by_whichever_way_it_is_asked(paying: sd.Session) -> None:
    fields: dict[str, Any] = {"prompt": "x", "duration": 1, "resolution": "480p"}
    ways: list[Callable[..., Any]] = [
        sd.submit,
        paying.submit,
        partial(sd.generate, timeout=0),
        partial(paying.generate, timeout=0),
    ]
    for way in ways:
        with pytest.warns(sd.LimitWarning) as seen, suppress(sd.WaitTimeout):
            way("crun/seedance-1.0-pro-t2v", **fields)
        own = Path(seen[0].filename).read_text(encoding="utf-8").splitlines()
        assert 'way("crun/seedance-1.0-pro-t2v"' in own[seen[0].lineno - 1]


def test_a_wish_of_a_page_can_be_asked_for_by_header(served: str) -> None:
    document = spec("seedance2-pro/seedance-20-i2v")
    headers = {"Authorization": "Bearer any", "x-simulate": "402"}
    answer = httpx.post(served + document.path, json=document.example, headers=headers, trust_env=False)
    assert (answer.status_code, sorted(answer.json())) == (402, ["available", "message", "required"])


def test_the_key_is_wanted_in_each_documents_own_way(served: str) -> None:
    for name in model_names():
        document = spec(name)
        wrong = {"Authorization": "any"} if document.provider == "crun" else {"x-api-key": "any"}
        assert (
            httpx.post(served + document.path, json=document.example, headers=wrong, trust_env=False).status_code == 401
        )


def test_the_wheel_would_hold_every_document() -> None:
    assert shutil.which("python3") is not None or sys.executable
    assert all((SPECS / f"{name}.yaml").is_file() for name in model_names())
