"""Many tasks at once cost a host little, and the kernel too: counted at the server."""

import asyncio
import concurrent.futures
import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.gathering import walk
from support.claims import backend
from support.provider import Provider
from support.waiting import until

import seedance_nb as sd
from seedance_nb._check.check import status_request
from seedance_nb._ledger.row import State
from seedance_nb._provider import rate_limit
from seedance_nb._provider.transport import fetch_answer
from seedance_nb._task import results
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.follow import poll_once

MODEL = "crun/seedance-1.0-pro-t2v"


class Counting(Provider):
    """A provider that counts the looks under way at each task, and the questions for the balance."""

    def __init__(self, video: bytes = b"") -> None:
        self.under_way, self.most, self.balances = Counter[str](), 0, 0
        self.clients, self.payers = list[Any](), list[Any]()
        self.hangs_up, self.hung_up = False, 0
        self.lock = threading.Lock()
        super().__init__(video)

    def _status(self, handler: Any) -> None:
        with self.lock:
            self.balances += handler.path.endswith("/balance")
            is_known = handler.client_address in self.clients
            self.clients.append(handler.client_address)
            if self.hangs_up and is_known:
                self.hung_up += 1
                handler.close_connection = True
                return
            self.under_way[handler.path] += 1
            self.most = max(self.most, self.under_way[handler.path])
        time.sleep(0.02)
        with self.lock:  # before the answer, after which the next look may come over another connection
            self.under_way[handler.path] -= 1
        super()._status(handler)

    def _create(self, handler: Any) -> None:
        self.payers.append(handler.client_address)
        super()._create(handler)


@pytest.fixture
def host(made: tuple[sd.Session, sd.Video]) -> Iterator[Counting]:
    host = Counting(made[1].path.read_bytes())
    yield host
    host.stop()


def session_at(host: Counting, tmp_path: Path, **more: Any) -> sd.Session:
    async def short(_: float) -> None:
        await asyncio.sleep(0.01)

    return sd.Session(
        api_key="a-key-for-the-test",
        base_url=host.url,
        ledger=tmp_path / "l.sqlite3",
        outputs=tmp_path / "out",
        sleep=short,
        **more,
    )


@pytest.fixture
def session(host: Counting, tmp_path: Path) -> sd.Session:
    return session_at(host, tmp_path)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "_PER_SECOND", 1000.0)
    monkeypatch.setattr(rate_limit, "_AT_ONCE", 1000.0)


def submitted(session: sd.Session, count: int) -> list[sd.Task]:
    tasks = [session.submit(MODEL, prompt=f"A fox {number}") for number in range(count)]
    until(lambda: all(task.state is not State.WAITING and task.row.task_id for task in tasks))
    return tasks


def test_a_task_is_never_looked_at_twice_at_once_whoever_asks(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    (task,) = submitted(session, 1)

    async def callbacks() -> None:
        await asyncio.gather(*(poll_once(task._flow(), task.row) for _ in range(20)))

    ENGINE.run(callbacks())
    host.on_status = ["success"]
    task.wait(60)
    assert len(host.looks) > 20
    assert host.most == 1


def test_without_that_care_there_are_many_at_once(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    (task,) = submitted(session, 1)
    flow = task._flow()

    async def careless() -> None:
        request = status_request(flow.spec, flow.endpoint.base_url, task.row.task_id)
        await asyncio.gather(*(fetch_answer(flow.spec, request, flow.endpoint) for _ in range(5)))

    ENGINE.run(careless())
    host.on_status = ["success"]
    task.wait(60)
    assert host.most > 1


def test_a_burst_of_submits_asks_for_the_balance_once_and_each_row_has_it(host: Counting, tmp_path: Path) -> None:
    host.on_status = ["running"]
    tasks = submitted(session_at(host, tmp_path, clock=lambda: 0.0), 12)  # a burst, however slow the machine is
    assert len(host.charges) == 12
    assert {task.row.balance for task in tasks} == {100.0}
    assert host.balances == 1
    host.on_status = ["success"]
    for task in tasks:
        task.wait(60)


def test_looks_share_connections_and_each_paid_request_has_a_new_one(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    tasks = submitted(session, 3)
    until(lambda: len(host.looks) > 40)
    host.on_status = ["success"]
    for task in tasks:
        task.wait(60)
    assert len(set(host.clients)) < 10
    assert len(set(host.payers)) == 3
    assert not set(host.payers) & set(host.clients)


def test_a_connection_that_the_host_ends_between_two_looks_is_no_failure(session: sd.Session, host: Counting) -> None:
    host.on_status, host.hangs_up = ["running"], True
    (task,) = submitted(session, 1)
    until(lambda: host.hung_up > 5)
    assert task.row.error == ""
    gate = task._flow().endpoint.gate
    assert gate
    assert gate().rate >= 1000, "it was not taken for a host in trouble"
    host.on_status = ["success"]
    assert task.wait(60).path.exists()
    assert len(host.charges) == 1


def left_over(work: Callable[[], Any]) -> Counter[str]:
    """The kinds of objects that only the garbage collector can end after some work."""
    gc.collect()
    gc.disable()
    try:
        work()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return Counter(type(one).__name__ for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_request_is_freed_at_once_and_not_by_the_garbage_collector(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    (task,) = submitted(session, 1)
    flow, row = task._flow(), task.row

    def looks() -> None:
        for _ in range(3):
            ENGINE.run(poll_once(flow, row))

    def kept() -> None:
        request = httpx.Request("GET", "http://127.0.0.1/")
        request.extensions["trace"] = request

    assert {"_Attempt", "Request", "Response"}.isdisjoint(left_over(looks))
    assert "Request" in left_over(kept), "the control"


def test_the_ledger_is_written_only_when_a_state_changes(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    (task,) = submitted(session, 1)
    until(lambda: len(host.looks) > 30)
    host.on_status = ["success"]
    task.wait(60)
    with backend(session.ledger).lock:
        events = session.ledger._select("SELECT changes FROM events ORDER BY rowid", each=lambda found: str(found[0]))
    assert len(events) <= 7, events  # waiting, sending, accepted, running, done, saved


def test_results_of_many_tasks_are_saved_a_few_at_a_time(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0
    saving = results._Saving.run

    async def counted(self: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await saving(self)
        finally:
            at_once -= 1

    monkeypatch.setattr(results._Saving, "run", counted)
    tasks = submitted(session, 20)
    for task in tasks:
        assert task.wait(120).path.exists()
    assert 1 < most <= 8


def test_a_future_of_a_task_is_one_of_the_standard_library(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    tasks = submitted(session, 3)
    futures = {task.future: task.name for task in tasks}
    assert all(type(future) is concurrent.futures.Future for future in futures)
    given_up = session.task(tasks[0].name).future
    assert given_up.cancel()
    host.on_status = ["success"]
    ended = {futures[future]: future.result().task for future in concurrent.futures.as_completed(futures, timeout=60)}
    assert ended == {name: name for name in futures.values()}
    assert tasks[0].wait(60).path.exists()


def test_to_look_at_a_future_until_it_is_done_comes_to_an_end(session: sd.Session, host: Counting) -> None:
    host.on_status = ["running"]
    (task,) = submitted(session, 1)
    assert not task.future.done()
    host.on_status = ["success"]
    assert concurrent.futures.wait([task.future], timeout=60).done
    assert task.future.done(), "it is not another one at each look"
    assert session.task(task.name).future is not task.future


def test_the_future_of_a_failed_task_has_its_error(session: sd.Session, host: Counting) -> None:
    host.on_status = ["failed"]
    task = session.submit(MODEL, prompt="A fox")
    assert isinstance(task.future.exception(60), sd.TaskFailed)
    assert isinstance(task.future.exception(60), sd.TaskFailed)


def test_an_error_does_not_lead_to_the_loop_where_requests_are_under_way(session: sd.Session, host: Counting) -> None:
    host.on_status = ["failed"]
    task = session.submit(MODEL, prompt="A fox")
    with pytest.raises(sd.TaskFailed) as failed:
        task.wait(60)
    with pytest.raises(sd.SeedanceError) as asked:
        ENGINE.run(session.sender.account(task._spec).upload(b"", "empty.png"))
    assert [kind for error in (failed, asked) for kind in walk(error.value) if "EventLoop" in kind] == []
    assert "EventLoop" in str([*walk({"loop": ENGINE.start()})]), "the control"
