"""Four kernels, two tabs, twenty double clicks and three Run-Alls: one charge per intent, and never more than the budget."""

import json
import threading
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import httpx
import ipywidgets as W  # noqa: N812
import nbformat
import pytest
from faults import child
from faults.server import CREATE, FaultServer, accept, meet, serving, tell, wait
from faults.shapes import CRUN, PRO
from nbclient import NotebookClient
from support.waiting import until

import seedance_nb as sd
from seedance_nb._ledger.row import State
from seedance_nb._notebook import panel as panel_module
from seedance_nb._notebook.panel import Panel


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    return child.kernels()


@pytest.fixture
def server(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes(), create=[(wait(0.02), accept)]) as found:
        yield found


def race(context: ForkServerContext, url: str, folder: Path, shape: Any, **more: Any) -> None:
    """Four kernels that run the same cell at the same moment."""
    gate = context.Barrier(4)
    all_of_them = [
        child.start(context, child.submit_at, gate, url, folder, (shape.model, shape.fields), more) for _ in range(4)
    ]
    for one in all_of_them:
        one.join(60)
        assert one.exitcode == 0


@pytest.mark.parametrize("trial", range(10))
def test_four_kernels_on_one_ledger_are_one_charge(
    context: ForkServerContext, server: FaultServer, tmp_path: Path, trial: int
) -> None:
    folder = tmp_path / str(trial)
    folder.mkdir()
    race(context, server.url, folder, CRUN)
    assert (server.count(CREATE), len(server.charges)) == (1, 1)
    session = child.session_at(server.url, folder)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
    assert [row.state for row in session.tasks()] == [State.DONE]
    assert len(server.charges) == 1


@pytest.mark.parametrize("trial", range(3))
def test_four_kernels_together_stay_within_the_budget(
    context: ForkServerContext, made: tuple[sd.Session, sd.Video], tmp_path: Path, trial: int
) -> None:
    with serving(PRO, made[1].path.read_bytes(), status=[(tell("running"),)]) as server:
        price = sd.estimate(PRO.model, **PRO.fields).amount
        assert price
        race(context, server.url, tmp_path, PRO, takes=range(1 + trial, 6 + trial), budget=3.5 * price)
        # Four kernels of five takes each want the same five videos; there is money for three of them.
        assert len(server.charges) == 3


@pytest.mark.parametrize("at_once", [False, True])
def test_kernels_with_notes_instead_of_a_claim_are_charged_more_than_once_in_a_race(
    context: ForkServerContext, server: FaultServer, tmp_path: Path, at_once: bool
) -> None:
    if at_once:
        server.plans[CREATE] = [(meet(2), accept)]
    arguments = (server.url + CRUN.create, CRUN.fields, tmp_path / "notes")
    all_of_them = []
    for _ in range(4):
        all_of_them.append(child.start(context, child.naive, *arguments))
        if not at_once:
            all_of_them[-1].join(60)
    for one in all_of_them:
        one.join(60)
    assert (len(server.charges) > 1) is at_once


@pytest.fixture
def panels(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    """Two tabs of one kernel."""
    monkeypatch.setattr(panel_module, "SETTLE_S", 0.02)
    monkeypatch.setattr(panel_module, "_TICK_S", 0.01)
    session = child.session_at(server.url, tmp_path)
    return [Panel(sd.spec(CRUN.model), session) for _ in range(2)]


def press(panel: Panel) -> None:
    """What arrives from a browser when its button is pressed."""
    panel._go._handle_msg({"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []})


def test_twenty_double_clicks_are_twenty_charges(server: FaultServer, panels: list[Panel]) -> None:
    panel = panels[0]
    for number in range(20):
        panel.form.values = CRUN.fields | {"prompt": f"fox {number}"}
        if number % 2:
            press(panel)
            press(panel)
        else:  # from two threads at once, as some kernels deliver them
            both = [threading.Thread(target=press, args=(panel,)) for _ in range(2)]
            for one in both:
                one.start()
            for one in both:
                one.join()
        until(lambda: not panel._busy.locked())
    assert len({json.loads(body)["input"]["prompt"] for body in server.charges}) == 20
    assert len(server.charges) == server.count(CREATE) == 20
    assert panel.task is not None
    assert panel.task.state is State.DONE


@pytest.mark.parametrize(("clicks", "charges"), [(1, 1), (2, 2)])
def test_a_button_that_is_disabled_by_its_handler_pays_for_both_clicks(
    server: FaultServer, clicks: int, charges: int
) -> None:
    button = W.Button()

    def handler(_: Any) -> None:
        button.disabled = True
        httpx.post(server.url + CRUN.create, json=CRUN.fields, trust_env=False)

    button.on_click(handler)
    for _ in range(clicks):
        button._handle_msg({"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []})
    assert len(server.charges) == charges


def test_two_tabs_that_are_pressed_at_once_are_one_charge(server: FaultServer, panels: list[Panel]) -> None:
    for one in panels:
        one.form.values = CRUN.fields
    for one in panels:
        press(one)
    until(lambda: not any(one._busy.locked() for one in panels))
    assert len(server.charges) == 1
    assert [len(one._videos) for one in panels] == [1, 1]


def book(more: str = "") -> Any:
    fields = json.dumps(CRUN.fields).replace("true", "True")
    cell = f"video = sd.generate({CRUN.model!r}, timeout=60{more}, **{fields})\nprint(video.task)"
    cells = [nbformat.v4.new_code_cell("import seedance_nb as sd"), nbformat.v4.new_code_cell(cell)]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture
def keyed(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRUN_API_KEY", child.KEY)
    monkeypatch.setenv("CRUN_BASE_URL", server.url)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    server.plans["other"] = [(lambda exchange: exchange.write(ESTIMATED),)]
    return tmp_path


ESTIMATED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    b'{"code": 200, "message": "success", "data": {"credits": 12, "estimated": true, "balance": 100}}'
)


def test_three_run_alls_are_one_charge(server: FaultServer, keyed: Path) -> None:
    for _ in range(3):
        ran = book(", budget=100")
        NotebookClient(ran, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(keyed)}}).execute()
        assert ran.cells[1].outputs[0].text == "crun:task_1\n"
    assert (server.count(CREATE), len(server.charges)) == (1, 1)


def test_a_notebook_that_a_program_runs_spends_nothing_without_a_budget(server: FaultServer, keyed: Path) -> None:
    ran = book()
    NotebookClient(
        ran,
        timeout=120,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(keyed)}},
    ).execute()
    [output] = ran.cells[1].outputs
    assert output.output_type == "error"
    assert (
        "This would spend money and no one is here to confirm: the notebook is being run by a program" in output.evalue
    )
    assert "budget=" in output.evalue
    assert server.requests == []
