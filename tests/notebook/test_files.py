"""The files of a batch are checked before its first paid request: each once, and what fails stops only the requests that it concerns."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.media import picture
from support.provider import Provider
from support.shelf import Shelf, shelf
from support.waiting import until

import seedance_nb as sd
from seedance_nb import _api
from seedance_nb._media.preflight import Report
from seedance_nb._notebook import output as view_module
from seedance_nb._notebook.results import ShownBatch
from seedance_nb._session.sender import Sender

R2V, I2V = "crun/seedance-2.0-fast-r2v", "crun/seedance-2.0-i2v"
OPTIONS: dict[str, Any] = {"confirm": True}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Pictures on loopback, of which `thin.png` breaks a limit."""
    monkeypatch.setenv("SEEDANCE_ALLOW_HOSTS", "127.0.0.1")
    with shelf() as made:
        made.put("/thin.png", picture(200, 1000))
        made.put("/good.png", picture(640, 480))
        made.put("/other.png", picture(480, 640))
        made.put("/slow.png", picture(640, 480), "drip")
        yield made


@pytest.fixture(autouse=True)
def quick(session: sd.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public functions use a session that waits for nothing."""
    monkeypatch.setattr(_api, "_default", lambda **_: session)


BATCHES: dict[str, Callable[[str], ShownBatch]] = {
    "sweep": lambda url: sd.sweep(R2V, {"prompt": ["A fox", "A hen"]}, reference_images=[url]),
    "takes": lambda url: sd.takes(R2V, 2, prompt="A fox", reference_images=[url]),
    "compare": lambda url: sd.compare("A fox", [R2V, R2V], reference_images=[url]),
    "storyboard": lambda url: sd.storyboard(
        [{"prompt": "A fox", "model": R2V, "reference_images": [url]}, {"prompt": "It runs", "model": I2V}]
    ),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_no_batch_pays_for_a_file_that_submit_refuses(kind: str, web: Shelf, paying: Provider) -> None:
    url = f"{web.origin}/thin.png"
    with pytest.raises(sd.InvalidInput, match="200 px wide"):
        sd.submit(R2V, prompt="A fox", reference_images=[url])
    web.asked.clear()
    first, second = BATCHES[kind](url).run(**OPTIONS)
    assert (paying.charges, len(web.asked)) == ([], 1)
    assert isinstance(first, sd.InvalidInput)
    assert "200 px wide; must be at least 300 px" in str(first)
    assert isinstance(second, sd.SeedanceError)
    assert list(sd.tasks()) == []


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_that_does_not_look_pays_for_it(
    kind: str, web: Shelf, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unchecked(_: Sender, requests: Any) -> list[Report]:
        return [Report(findings=())] * len(requests)

    monkeypatch.setattr(Sender, "preflight", unchecked)
    BATCHES[kind](f"{web.origin}/thin.png").run(**OPTIONS)
    assert len(paying.charges) == 2


def test_each_file_is_read_once_before_the_first_request_and_stops_only_its_own(web: Shelf, paying: Provider) -> None:
    asked_before = list[int]()
    paying.when_charged = lambda: asked_before.append(len(web.asked))
    urls = [f"{web.origin}/{name}.png" for name in ("good", "thin", "other")]
    table = {"prompt": ["A fox", "A hen"], "reference_images": [urls[:1], urls[1:2], urls[:2], urls[::2]]}
    sweep = sd.sweep(R2V, table)
    results = sweep.run(**OPTIONS)
    assert [isinstance(one, sd.Video) for one in results] == [True, False, False, True] * 2
    assert asked_before == [3] * 4, "each was read once, before the first request"
    assert [error.problems[0].path for _, error in sweep.failed if isinstance(error, sd.InvalidInput)] == [
        f"/input/reference_images/{at}" for at in (0, 1, 0, 1)
    ]
    web.put("/thin.png", picture(640, 960))
    web.asked.clear()
    assert all(isinstance(one, sd.Video) for one in sd.sweep(R2V, table).run(**OPTIONS))
    assert sorted(path for path, _ in web.asked) == ["/good.png", "/thin.png"], (
        "what was sent already is not checked again"
    )
    assert len(paying.charges) == 8


def test_what_could_not_be_checked_in_time_is_told_and_sent(
    web: Shelf, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sender.preflight, "__defaults__", (0.4,))
    urls = [[f"{web.origin}/{name}.png"] for name in ("good", "slow", "slow")]
    rows = [{"prompt": f"A fox {at}", "reference_images": one} for at, one in enumerate(urls)]
    with pytest.warns(sd.MediaWarning, match=r"not checked: 127\.0\.0\.1 did not send it within .*"):
        sd.sweep(R2V, rows).run(**OPTIONS)
    assert len(paying.charges) == 3


def test_a_warning_about_a_file_comes_before_the_first_request(web: Shelf, paying: Provider) -> None:
    web.put("/page.png", b"<!doctype html><html>Sign in")
    with pytest.raises(sd.MediaWarning, match=r"HTML page"):  # pytest makes every warning an error
        BATCHES["sweep"](f"{web.origin}/page.png").run(**OPTIONS)
    assert paying.charges == []


def test_the_frame_of_the_shot_before_is_not_there_yet_and_no_file_to_check(web: Shelf, paying: Provider) -> None:
    assert all(isinstance(one, sd.Video) for one in BATCHES["storyboard"](f"{web.origin}/good.png").run(**OPTIONS))
    assert len(paying.charges) == 2, "and nothing was said of it, for pytest makes every warning an error"


def test_a_cell_sends_what_no_file_forbids_and_shows_why_the_rest_was_not_sent(
    web: Shelf, paying: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "PAUSE_S", 0)
    urls = [[f"{web.origin}/{name}.png"] for name in ("good", "thin")]
    view: Any = sd.sweep(R2V, {"reference_images": urls}, prompt="A fox")._view()
    view._go.click()
    view._yes.click()
    until(lambda: not view._busy.locked())
    assert len(paying.charges) == 1
    assert "1 of 2 done; the errors are below." in view._status.value
    assert "200 px wide; must be at least 300 px" in str(view._output.static)
