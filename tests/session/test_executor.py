"""A sweep whose requests are sent and followed by the workers of an executor: once each, without a key on the way."""

import inspect
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from support.provider import CREATE, Provider
from support.waiting import short, short_sleeps, until

import seedance_nb as sd

MODEL, KEY = "crun/seedance-1.0-pro-t2v", "a-key-of-crun-0123456789"
PROMPTS = ["A fox", "A hen", "A cat"]
SHARED: dict[str, Any] = {"resolution": "480p", "duration": 4}


@pytest.fixture
def paying(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    monkeypatch.setenv("CRUN_API_KEY", KEY)
    monkeypatch.setenv("CRUN_BASE_URL", provider.url)
    monkeypatch.setitem(inspect.unwrap(sd.Session.__init__).__kwdefaults__, "sleep", short)
    return provider


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), short_sleeps) as executor:
        yield executor


class Again(Executor):
    """Does every call twice, as Dask does where it loses a worker; `sent` are the bytes that travel to the worker."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.futures: list[Future[Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self._threads = ThreadPoolExecutor(1)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        self.sent.append(pickle.dumps((function, arguments, options)))

        def twice(sent: bytes) -> Any:
            assert self.gate.wait(30)
            for _ in range(2):
                call, values, named = pickle.loads(sent)  # noqa: S301 - our own, a line ago
                result = call(*values, **named)
            return result

        self.futures.append(self._threads.submit(twice, self.sent[-1]))
        return self.futures[-1]


def swept(executor: Executor, prompts: list[str] = PROMPTS, **options: Any) -> Any:
    return sd.sweep(MODEL, {"prompt": prompts}, executor=executor, budget=100, **options, **SHARED)


def post(url: str, prompt: str) -> int:
    """A request as any client sends it."""
    return httpx.post(url, json={"input": {"prompt": prompt}}, trust_env=False).status_code


def test_workers_send_each_request_once_and_the_kernel_shows_the_videos(
    paying: Provider, processes: ProcessPoolExecutor
) -> None:
    videos = swept(processes).run()
    assert [video.prompt for video in videos] == PROMPTS
    assert all(video.path.exists() for video in videos)
    again = swept(processes).run()
    assert [video.path for video in again] == [video.path for video in videos]
    assert len(paying.charges) == 3


def test_work_that_is_done_again_is_paid_once_and_no_key_travels(paying: Provider) -> None:
    executor = Again()
    assert [type(one) for one in swept(executor, PROMPTS[:2]).run()] == [sd.Video] * 2
    assert len(paying.charges) == 2
    assert all(len(sent) < 1000 and KEY.encode() not in sent for sent in executor.sent)
    assert all(headers["x-api-key"] == KEY for headers in paying.headers)


def test_a_plain_request_that_is_done_again_is_paid_twice(paying: Provider) -> None:
    executor = Again()
    assert [executor.submit(post, paying.url + CREATE, prompt).result() for prompt in PROMPTS] == [200] * 3
    assert len(paying.charges) == 6


def test_a_worker_that_dies_after_its_request_leaves_an_unknown_outcome_that_is_not_sent_again(
    paying: Provider, processes: ProcessPoolExecutor
) -> None:
    def kill() -> None:
        for pid in [*processes._processes]:
            os.kill(pid, signal.SIGKILL)

    paying.when_charged = kill
    (result,) = swept(processes, ["A fox"]).run()
    assert isinstance(result, sd.UnknownOutcome)
    paying.when_charged = lambda: None
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as others:
        (result,) = swept(others, ["A fox"]).run()
    assert isinstance(result, sd.UnknownOutcome)
    assert len(paying.charges) == 1


def test_what_waits_in_the_executor_is_not_sent_after_stop(paying: Provider) -> None:
    executor = Again()
    paying.when_charged = executor.gate.clear
    for task in sd.as_completed(swept(executor)):
        assert task.wait().path.exists()
        break
    until(executor.futures[2].cancelled)
    executor.gate.set()
    executor._threads.shutdown()
    assert len(paying.charges) == 2
    assert len(swept(Again()).run()) == 3
    assert len(paying.charges) == 3


def test_what_a_worker_without_the_key_cannot_send_is_sent_from_here(paying: Provider) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        executor.submit(exec, "import os; del os.environ['CRUN_API_KEY']").result()
        sweep = swept(executor, ["A fox"])
        assert [video.prompt for video in sweep.run()] == ["A fox"]
    assert len(paying.charges) == 1


def test_frames_sheets_and_checks_of_files_are_the_same_in_a_worker(
    made: tuple[sd.Session, sd.Video], processes: ProcessPoolExecutor
) -> None:
    video = made[1]
    assert [one.tobytes() for one in video.frames(2, executor=processes).result()] == [
        one.tobytes() for one in video.frames(2)
    ]
    assert (
        video.contact_sheet(4, width=300, executor=processes).result().tobytes()
        == video.contact_sheet(4, width=300).tobytes()
    )
    fields = {"prompt": ["A fox"], "reference_images": [["https://127.0.0.1:9/fox.png"]]}
    here, there = (
        sd.sweep("crun/seedance-2.0-fast-r2v", fields, executor=one).preflight() for one in (None, processes)
    )
    assert [str(one) for one in there] == [str(one) for one in here]
    assert "unchecked" in str(there[0])
