"""How three providers speak, written down by hand from their pages: the fault server answers so, and is no part of the product."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PROMPT = "A fox runs through snow"
PICTURE = "https://example.com/a.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`taken` makes the answer to a create request, `told` that to a status request: word, result addresses, id."""

    model: str
    fields: dict[str, Any]
    header: str
    create: str
    status: str
    taken: Callable[[Any], Any]
    told: Callable[[str, list[str], str], Any]
    words: tuple[str, str, str]
    no: dict[int, tuple[int, Any]]
    """What a documented refusal looks like: meaning as an HTTP status -> status and body."""

    @property
    def running(self) -> str:
        return self.words[0]

    @property
    def done(self) -> str:
        return self.words[1]

    @property
    def failed(self) -> str:
        return self.words[2]


def _crun_no(code: int) -> tuple[int, Any]:
    return 200, {"code": code, "message": f"no {code}"}


def _crun_told(word: str, urls: list[str], task: str) -> Any:
    result = {"media_urls": urls, "message": "", "code": 200} if urls else None
    return {
        "code": 200,
        "message": "success",
        "data": {"task_id": task, "status": word, "credits": 12.5, "result": result},
    }


def _vastnum_told(word: str, urls: list[str], task: str) -> Any:
    inner = {"result": {"content": {"video_url": urls[0]}}} if urls else None
    return {
        "code": "success",
        "message": "",
        "data": {"task_id": task, "status": word, "fail_reason": "", "data": inner},
    }


CRUN = Shape(
    model="crun/seedance-2.0-fast-r2v",
    fields={
        "prompt": PROMPT,
        "reference_images": [PICTURE],
        "resolution": "480p",
        "aspect_ratio": "16:9",
        "duration": 4,
        "audio": True,
    },
    header="x-api-key",
    create="/api/v1/client/job/CreateTask",
    status="/api/v1/client/job/TaskInfo",
    taken=lambda task: {"code": 200, "message": "success", "data": {"task_id": task}},
    told=_crun_told,
    words=("running", "success", "failed"),
    no={code: _crun_no(code) for code in (401, 402, 403, 404, 422, 429, 455, 505)},
)
PRO = Shape(
    model="seedance2-pro/seedance-20-i2v",
    fields={"prompt": PROMPT, "urls": [PICTURE], "duration": "5s"},
    header="authorization",
    create="/api/v1/jobs/createTask",
    status="/api/v1/jobs/recordInfo",
    taken=lambda task: {"taskId": task},
    told=lambda word, urls, task: {
        "taskId": task,
        "status": word,
        "creditsUsed": 12.5,
        "output": [{"url": url, "width": 854, "height": 480} for url in urls] or None,
    },
    words=("generating", "success", "fail"),
    no={code: (code, {"message": f"no {code}"}) for code in (400, 401, 402, 403, 404, 429)},
)
VASTNUM = Shape(
    model="vastnum/doubao-seedance-2.0",
    fields={"prompt": PROMPT},
    header="authorization",
    create="/v1/video/generations",
    status="/v1/video/generations/",
    taken=lambda task: {"code": "success", "message": "", "data": {"task_id": task}},
    told=_vastnum_told,
    words=("IN_PROGRESS", "SUCCESS", "FAILURE"),
    no={
        code: (code, {"error": {"message": f"no {code}", "type": "new_api_error", "code": ""}})
        for code in (401, 402, 429)
    },
)
SHAPES = (CRUN, PRO, VASTNUM)
