"""The public functions as an editor and a type checker see them. Nothing here is run: mypy and pyright read it."""

from typing import Any, assert_type

import seedance_nb as sd

MODEL = "crun/seedance-2.0-fast-r2v"


def results(name: str, page: dict[str, Any], spec: sd.Spec) -> None:
    assert_type(sd.submit(MODEL, prompt="A fox", duration=4, audio=True, take=2, budget=100), sd.Task)
    assert_type(sd.generate("vastnum/doubao-seedance-2.0", prompt="A fox", generate_audio=False), sd.Video)
    assert_type(sd.check("seedance2-pro/seedance-20-i2v", urls=["https://example.com/a.png"]), tuple[sd.Problem, ...])
    assert_type(sd.submit(name, prompt="A fox", anything=1), sd.Task)
    assert_type(sd.submit(page, prompt="A fox"), sd.Task)
    assert_type(sd.submit(spec, **page), sd.Task)
    assert_type(sd.task("crun:task_1").wait(timeout=5), sd.Video)
    assert_type(sd.panel(MODEL, resolution="720p").task, sd.Task | None)
    assert_type(sd.estimate(MODEL, prompt="A fox").amount, float | None)
    assert_type(sd.balance(MODEL), float)
    assert_type(sd.Session(budget=5).submit(MODEL, prompt="A fox"), sd.Task)


async def awaited() -> None:
    assert_type(await sd.submit(MODEL, prompt="A fox"), sd.Video)


def mistakes() -> None:
    sd.submit(MODEL, prompt="A fox", take="2")  # type: ignore[call-overload]
    sd.generate(MODEL, prompt="A fox", timeout="soon")  # type: ignore[call-overload]
    sd.check()  # type: ignore[call-overload]
    sd.task(None)  # type: ignore[arg-type]
    sd.submit(MODEL, prompt="A fox").wait(now=True)  # type: ignore[call-arg]
