"""One prompt for several models: what each supports, what they cost together, and every video or error."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from seedance_nb._base.errors import LimitWarning, SeedanceError, emit_warnings
from seedance_nb._base.faults import typed_class
from seedance_nb._base.html import table_text
from seedance_nb._base.public import created_by_package
from seedance_nb._check.check import approve
from seedance_nb._check.price import Estimate, Priced, Total, estimate, total_of
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, candidate, cells, specs
from seedance_nb._notebook.compare.shared_settings import validate_settings
from seedance_nb._notebook.compare.videos import Result, Videos
from seedance_nb._session.session import Document, Session
from seedance_nb._task.begin import World
from seedance_nb._task.display.video import Video
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task

T = TypeVar("T")


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
        ready = [(one, price) for one, price in pairs if not one.error]
        return total_of([Priced(spec=one.spec, estimate=price, simulated=one.simulated) for one, price in ready])

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
        return self.videos([_result(one, end) for one in self.begin(confirm=confirm)])

    def begin(self, *, confirm: bool = False, interactive: bool = False) -> tuple[Task | Exception, ...]:
        """The task of each model, or the error in its place. *spends credits*, *network*, *writes ledger*. Raises as `submit` does."""
        self._require_consent(confirm=confirm)
        if not interactive:
            self._emit_warnings()
        return tuple(one.error or self._task(one, interactive=interactive) for one in self.candidates)

    def videos(self, results: Sequence[Result]) -> "Videos":
        """The results with their models. *pure*."""
        return Videos(self.prompt, zip(self.candidates, results, strict=True))

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

    def _emit_warnings(self) -> None:
        # Before anything is sent, so that it costs nothing if warnings are turned into errors.
        for one in self.ready:
            emit_warnings((f"{one.name}, {problem}" for problem in one.request.warnings), LimitWarning)
            emit_warnings(_unsupported_lines(one), UserWarning)

    def _task(self, candidate: Candidate, *, interactive: bool) -> Task | Exception:
        world: World = "simulated" if candidate.simulated else "paid"
        options: dict[str, Any] = {"take": self._take, "budget": self._budget, "interactive": interactive}
        fields = candidate.request.fields
        return attempt(lambda: self._session.sender.send(approve(candidate.spec, fields), shown_world=world, **options))

    async def _estimate(self, candidate: Candidate) -> Estimate:
        if candidate.error:
            return Estimate(unit=candidate.spec.price.unit, why="it cannot be sent")
        if candidate.simulated:
            return estimate(candidate.spec, candidate.request.body)
        try:
            return await self._session.advice.price(candidate.spec, candidate.request.body)
        except SeedanceError as error:
            return Estimate(unit=candidate.spec.price.unit, why=error.message)


def attempt(act: Callable[[], T]) -> T | Exception:
    """The result of `act`, or its error, which takes the place of one model's video while the others go on."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - it is shown there
        return error


def _unsupported_lines(candidate: Candidate) -> list[str]:
    name = candidate.name
    return [f"{name} is sent without {setting}: {reason}" for setting, reason in candidate.request.unsupported]


def _result(task: Task | Exception, end: float | None) -> Video | Exception:
    if isinstance(task, Exception):
        return task
    return attempt(lambda: task.wait(None if end is None else max(0.0, end - time.monotonic())))
