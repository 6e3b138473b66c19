"""Waiting for a task is never silent where a person watches, and never noisy where nobody does."""

import asyncio
import concurrent.futures
import io
import sys
from dataclasses import replace
from typing import Any

import pytest
from support.waiting import until

import seedance_nb as sd
from seedance_nb._base.errors import StoppedWaiting
from seedance_nb._base.values import duration_text
from seedance_nb._ledger.row import Row, State
from seedance_nb._task.display import progress
from seedance_nb._task.display.progress import Line, Progress, open_line, progress_text, usual_text

ROW = Row(
    seq=1, spec="crun/x", base_url="https://example.com", simulated=False, digest="d", take=1, body="{}",
    state=State.RUNNING, task_id="task_1",
)  # fmt: skip


class Page:
    """Stands for the front end: each display by its id, and how often it was changed."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}
        self.texts: list[str] = []
        self.updates = 0

    def publish(self, data: dict[str, str], metadata: Any, transient: dict[str, str], *, update: bool) -> None:
        del metadata
        name = transient["display_id"]
        assert update is (name in self.shown), "a line is displayed once and then replaced"
        self.shown[name] = data["text/html"]
        self.texts.append(data["text/plain"])
        self.updates += update


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    front = Page()
    monkeypatch.setattr(progress, "cell_publisher", lambda: front)
    monkeypatch.setattr(progress, "unattended_reason", str)
    return front


@pytest.fixture
def task() -> sd.Task:
    return sd.Session(queue_s=0, run_s=0).submit("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (35.4, "35 s"), (59.6, "1:00"), (210, "3:30"), (3599.4, "59:59"), (3723, "1:02:03"), (-1, "0 s")],
)
def test_a_duration_reads_like_a_clock(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_the_usual_time_is_a_range_of_earlier_tasks() -> None:
    assert usual_text([200, 300]) == ""
    assert usual_text([380, 210, 300]) == "usually 3:30 to 6:20"
    assert usual_text([40, 40, 40]) == "usually 40 s"
    assert usual_text([5, *range(100, 118), 9000]) == "usually 1:41 to 1:56", (
        "the fastest and slowest tenth are left out"
    )


def test_the_line_has_state_percentage_time_and_the_usual_time() -> None:
    row = replace(ROW, progress=42.0)
    assert progress_text(row, 95, "usually 3:30 to 6:20") == "Generating… · 42 % · 1:35 · usually 3:30 to 6:20"
    assert progress_text(replace(ROW, state=State.QUEUED), 3) == "Queued · 3 s"


def test_generate_shows_one_line_that_ends_with_time_and_cost(page: Page) -> None:
    session = sd.Session(queue_s=0.2, run_s=0.5)
    video = session.generate("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p")
    assert len(page.shown) == 1
    assert page.texts[-1].startswith("Done in ")
    assert page.texts[-1].endswith(f"simulated (free) · {video.task}")


def test_a_percentage_of_the_provider_is_a_bar(page: Page) -> None:
    Progress(Line(page)).update(replace(ROW, progress=49.4))
    assert "width:49%" in list(page.shown.values())[-1]
    assert "49 %" in page.texts[0]


def test_a_line_that_cannot_be_shown_does_not_end_the_wait(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []

    def publish(**message: Any) -> None:
        tried.append(message)
        raise BrokenPipeError

    monkeypatch.setattr(page, "publish", publish)
    session = sd.Session(queue_s=0, run_s=0)
    assert session.generate("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p").path.exists()
    assert len(tried) == 1, "a line that is gone is not tried again"


def test_without_progress_nothing_is_shown(page: Page, task: sd.Task) -> None:
    task.wait(progress=False)
    assert page.shown == {}


def test_a_notebook_that_a_program_runs_is_not_filled_with_progress(
    page: Page, task: sd.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "unattended_reason", lambda: "the notebook is being run by a program")
    task.wait()
    assert page.shown == {}
    task.wait(progress=True)
    assert len(page.shown) == 1


def test_an_awaited_task_shows_the_same_line(page: Page, task: sd.Task) -> None:
    async def cell() -> sd.Video:
        return await task

    asyncio.run(cell())
    assert page.texts[-1].startswith("Done in ")


def test_a_line_changes_at_most_once_a_second() -> None:
    now = [0.0]
    page = Page()
    shown = Progress(Line(page), clock=lambda: now[0])
    naive = 0
    for tick in range(100):
        now[0] = tick / 10
        naive += 1
        if shown.is_due:
            shown.update(ROW)
    assert len(page.texts) == 10
    assert naive == 100, "the control: once a tick"


def test_a_terminal_gets_a_line_and_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(progress, "cell_publisher", lambda: None)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert open_line(wanted=None) is None
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    line = open_line(wanted=None)
    assert line
    assert line.publisher is None
    shown = Progress(line)
    shown.update(ROW)
    shown.end(replace(ROW, state=State.FAILED))
    assert terminal.getvalue().split("\r")[-1].startswith("No video: failed · ")
    assert terminal.getvalue().endswith("\n")


def test_stop_is_one_line_and_leaves_the_task(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    task = sd.Session(queue_s=0, run_s=60).submit("crun/seedance-1.0-pro-t2v", prompt="stopped", resolution="480p")

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(concurrent.futures, "wait", interrupt)
    with pytest.raises(StoppedWaiting) as stopped:
        task.wait()
    (line,) = stopped.value._render_traceback_()
    assert f"Wait for it again with sd.task({task.name!r}).wait()" in line
    assert page.texts[-1].startswith("Stopped waiting; the task is still running")
    assert not task.following().done()


def test_a_task_as_the_last_line_follows_its_state_and_becomes_its_video(page: Page) -> None:
    task = sd.Session(queue_s=0.3, run_s=0.3).submit("crun/seedance-1.0-pro-t2v", prompt="live", resolution="480p")
    task._ipython_display_()
    (first,) = page.shown.values()
    assert "<video" not in first
    until(lambda: any("<video" in html for html in page.shown.values()))
    assert len(page.shown) == 1


def test_a_task_that_ended_is_displayed_once(page: Page, task: sd.Task) -> None:
    task.wait(progress=False)
    task._ipython_display_()
    assert page.updates == 0
    assert "done" in next(iter(page.shown.values()))


def test_a_task_whose_display_cannot_be_followed_says_its_state(
    page: Page, task: sd.Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Any:
        raise sd.Unauthorized("no key")

    monkeypatch.setattr(task, "following", refuse)
    monkeypatch.setattr(sd.Task, "row", property(lambda _: ROW))
    task._ipython_display_()
    until(lambda: page.updates)
    assert "running" in next(iter(page.shown.values()))
