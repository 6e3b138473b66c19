"""One prompt for several models: what each supports, what they cost together, and every video or error side by side."""

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from seedance_nb._base.errors import LimitWarning, SeedanceError, emit_warnings, error_text
from seedance_nb._base.faults import created_by_package, typed_class
from seedance_nb._base.html import DIM, FG, FONT, LINE, Html, table_text
from seedance_nb._check.check import approve
from seedance_nb._check.price import Estimate, Total, estimate, total_of
from seedance_nb._ledger.row import price_after
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, candidate, cells, specs, validate_settings
from seedance_nb._session.session import Document, Session
from seedance_nb._task.begin import World
from seedance_nb._task.display.page import COLUMNS
from seedance_nb._task.display.player import View, badge, pending_html, source_of
from seedance_nb._task.display.video import ERROR, Video, facts_html, video_player, video_text
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.files import video_path
from seedance_nb._task.task import Task

T = TypeVar("T")
_CODE = "overflow-wrap:anywhere;font-size:12px;background:none;padding:0;color:inherit"
_BOX = f"{LINE};border-radius:8px;padding:12px;min-height:120px;overflow-wrap:anywhere"
Result = Video | Exception | Html | None
"""The result of a model: its video, or the error in its place; while it is generating None, or what to show instead."""


@created_by_package
@typed_class
class Comparison:
    """One prompt for several models, created by `sd.compare`, which describes the parameters. Nothing is sent yet.

    `candidates` has one entry per model, `ready` those whose request can be sent, `total` their price. `show` displays it.

    >>> comparison = sd.compare("A fox", ["crun/seedance-1.0-pro-t2v"], seconds=4, resolution="480p")
    >>> [video.simulated for video in comparison.generate()]
    [True]
    """

    def __init__(
        self, session: Session, documents: Document | Sequence[Document], settings: Mapping[str, Any], *,
        show: Callable[["Comparison"], None], take: int = 1, budget: float | None = None,
    ) -> None:  # fmt: skip
        self.settings = validate_settings(settings)
        self.candidates = tuple(candidate(session, spec, self.settings) for spec in specs(documents))
        self.ready = tuple(one for one in self.candidates if one.error is None)
        self._session, self._take, self._budget, self._show = session, take, budget, show

    @property
    def prompt(self) -> str:
        """The prompt for all models."""
        return str(self.settings.get("prompt", ""))

    @functools.cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """The price of each model's request, in their order; requested once, all at the same time. *network*."""
        return tuple(map(wait_for, [ENGINE.submit(self._estimate(one)) for one in self.candidates]))

    @property
    def total(self) -> Total:
        """The price of all requests that can be sent. *network*, the first time."""
        pairs = zip(self.candidates, self.estimates, strict=True)
        return total_of([(one.spec, price, one.simulated) for one, price in pairs if not one.error])

    def cells(self) -> list[list[str]]:
        """The rows of the table, as text. *network*, the first time."""
        return list(map(cells, self.candidates, self.estimates))

    def submit(self, *, confirm: bool = False) -> tuple[Task, ...]:
        """Send every request that can be sent, and return the tasks. *spends credits*, *network*, *writes ledger*.

        The same request again returns the same task and costs nothing. A model that is left out is a warning, a limit from
        other sources a `LimitWarning`. Raises, before anything is sent: SeedanceError with the total if something costs
        credits and `confirm` is not True, or if no request can be sent.
        """
        started = self.begin(confirm=confirm)
        tasks = tuple(one for one in started if isinstance(one, Task))
        pairs = zip(self.candidates, started, strict=True)
        left_out = [(f"{one.name} is left out: {error}", error) for one, error in pairs if isinstance(error, Exception)]
        if not tasks:
            raise left_out[0][1]
        emit_warnings((text for text, _ in left_out), UserWarning)
        return tasks

    def generate(self, *, confirm: bool = False, timeout: float | None = None) -> "Videos":
        """Send the requests and wait for every video or error. *spends credits*, *network*, *writes ledger*, *writes files*.

        An error of one model takes the place of its video and stops no other. `timeout` is in seconds, for all together;
        the tasks go on after it. Warns and raises as `submit` does.
        """
        end = None if timeout is None else time.monotonic() + timeout
        results: list[Result] = []
        for task in self.begin(confirm=confirm):
            left = None if end is None else max(0.0, end - time.monotonic())
            results.append(task if isinstance(task, Exception) else attempt(functools.partial(task.wait, left)))
        return self.videos(results)

    def begin(self, *, confirm: bool = False, interactive: bool = False) -> tuple[Task | Exception, ...]:
        """The task of each model, or the error in its place. *spends credits*, *network*, *writes ledger*. Raises as `submit` does."""
        self._require_consent(confirm=confirm)
        for one in self.ready if not interactive else ():  # before anything is sent: warnings may be turned into errors
            emit_warnings((f"{one.name}, {problem}" for problem in one.warnings), LimitWarning)
            emit_warnings(_unsupported_lines(one), UserWarning)
        names = [one.name for one in self.candidates]
        takes = [self._take + names[:index].count(name) for index, name in enumerate(names)]
        pairs = zip(self.candidates, takes, strict=True)
        return tuple(one.error or self._task(one, take, interactive=interactive) for one, take in pairs)

    def videos(self, results: "Sequence[Result]", tasks: Sequence[Task | Exception] = ()) -> "Videos":
        """The results with their models, and with `tasks` the future files of those that have none yet. *reads files*."""
        files = [isinstance(one, Task) and video_path(self._session.outputs, one.row) for one in tasks]
        pending = [pending_html(path.name, source_of(path)) if path else None for path in files]
        shown = [one or later for one, later in zip(results, pending, strict=True)] if tasks else results
        return Videos(self.prompt, zip(self.candidates, shown, strict=True))

    def __repr__(self) -> str:
        if not hasattr(self, "_show"):  # a traceback shows an object whose creation failed
            return "Comparison (not created)"
        return table_text(HEADS, self.cells(), f"{len(self.ready)} of {len(self.candidates)} can be sent: {self.total}")

    def _ipython_display_(self) -> None:
        self._show(self)

    def _require_consent(self, *, confirm: bool) -> None:
        left_out = "".join(f"\n{one.name} is left out: {one.error.message}" for one in self.candidates if one.error)
        if not self.ready:
            text = f"This request cannot be sent to any of these models.{left_out}"
            raise SeedanceError(text, next_step="change the shared settings or the models")
        if rerouted := [one for one in self.ready if self._session.is_simulated(one.spec) is not one.simulated]:
            name, step = rerouted[0].name, "create the comparison again to see where requests go and what they cost"
            text = f"The keys have changed since this comparison was created, so requests for {name} would now go somewhere else."
            raise SeedanceError(text, next_step=step)
        paid = [one.name for one in self.ready if not one.simulated]
        if paid and confirm is not True:
            without = "".join(f"\n{text}" for one in self.ready for text in _unsupported_lines(one))
            text = f"This sends paid requests to {', '.join(paid)}. Total: {self.total}. Nothing has been sent.{left_out}{without}"
            step = "pass confirm=True to send them, or simulate=True in sd.compare to try it for free"
            raise SeedanceError(text, next_step=step)

    def _task(self, candidate: Candidate, take: int, *, interactive: bool) -> Task | Exception:
        world: World = "simulated" if candidate.simulated else "paid"
        options: dict[str, Any] = {
            "take": take,
            "budget": self._budget,
            "interactive": interactive,
            "shown_world": world,
        }
        return attempt(lambda: self._session.sender.send(approve(candidate.spec, candidate.fields), **options))

    async def _estimate(self, candidate: Candidate) -> Estimate:
        if candidate.error:
            return Estimate(unit=candidate.spec.price.unit, why="it cannot be sent")
        if candidate.simulated:
            return estimate(candidate.spec, candidate.body)
        try:
            return await self._session.sender.price(candidate.spec, candidate.body)
        except SeedanceError as error:
            return Estimate(unit=candidate.spec.price.unit, why=error.message)


def attempt(act: Callable[[], T]) -> T | Exception:
    """The result of `act`, or its error, which takes the place of one model's video while the others go on."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - it is shown there
        return error


def _unsupported_lines(candidate: Candidate) -> list[str]:
    return [f"{candidate.name} is sent without {setting}: {reason}" for setting, reason in candidate.unsupported]


class Videos(Sequence[Result]):
    """The video of each model, or the error in its place, in the models' order. Jupyter shows them side by side."""

    def __init__(self, prompt: str, results: Iterable[tuple[Candidate, Result]]) -> None:
        self._prompt, self._results = prompt, tuple(results)

    def __getitem__(self, index: Any) -> Any:
        return [result for _, result in self._results][index]

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return "\n".join(f"{candidate.name}: {_line(result)}" for candidate, result in self._results)

    def _repr_html_(self) -> str:
        return str(self.view().html)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.view().bundle

    def view(self) -> View:
        """The videos side by side, for every viewer. *reads files*."""
        # A grid that wraps, which needs neither scripts nor the kernel.
        grid = Html(
            '<div style="{};{};margin:8px 0;max-width:1180px">'
            '<div style="white-space:pre-wrap;overflow-wrap:anywhere;max-height:4.5em;overflow:auto;margin-bottom:8px">{}</div>'
            '<div style="{}">{}</div></div>'
        )
        tiles = Html().join(_tile(*one) for one in self._results)
        jpeg = next((result.poster for result in self if isinstance(result, Video)), b"")
        return View(text=repr(self), html=grid.format(FONT, FG, self._prompt, COLUMNS, tiles), jpeg=jpeg)


def _line(result: Result) -> str:
    if isinstance(result, Exception):
        return " ".join(error_text(result).splitlines())
    return video_text(result) if isinstance(result, Video) else "generating…"


def _tile(candidate: Candidate, result: Result) -> Html:
    video = result if isinstance(result, Video) else None
    return Html(
        '<figure style="margin:0;min-width:0">'
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:center"><b>{}</b>{}</div>'
        '<div style="{};margin-bottom:6px"><code style="{}">{}</code></div>{}</figure>'
    ).format(
        candidate.spec.title, badge(video.simulated if video else candidate.simulated), DIM, _CODE,
        f"{candidate.name}{f' · take {video.row.take}' if video and video.row.take > 1 else ''}",
        _video_html(result) if isinstance(result, Video) else _placeholder_html(result),
    )  # fmt: skip


def _video_html(video: Video) -> Html:
    seconds = (video.row.finished or 0) - video.row.created
    cost = f"generated in {seconds:.0f} s · {price_after(video.row)}" if seconds > 0 else price_after(video.row)
    source = source_of(video.path)
    caption = Html('{}<figcaption style="margin-top:6px;overflow-wrap:anywhere"><div>{}</div>{}</figcaption>')
    return caption.format(video_player(video, source), cost, facts_html(video, source))


def _placeholder_html(result: Exception | Html | None) -> Html:
    if not isinstance(result, Exception):
        return result or Html('<div style="{};{}">Generating…</div>').format(_BOX, DIM)
    lines = Html("<br>").join(error_text(result).splitlines())
    return Html('<div role="alert" style="{};{}">{}</div>').format(_BOX, ERROR, lines)
