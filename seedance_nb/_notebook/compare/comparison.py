"""One prompt for several models: what each of them can take of it, what all of it costs, and every video or error."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from seedance_nb._base.errors import LimitWarning, SeedanceError, emit_warnings
from seedance_nb._base.html import table_text
from seedance_nb._check.check import approve
from seedance_nb._check.price import Estimate, Priced, Total, estimate, total_of
from seedance_nb._notebook.compare.candidate import HEADS, Candidate, candidate, cells, specs
from seedance_nb._notebook.compare.shared_words import known
from seedance_nb._notebook.compare.videos import Result, Videos
from seedance_nb._session.session import Document, Session
from seedance_nb._task.begin import World
from seedance_nb._task.engine import ENGINE, wait_for
from seedance_nb._task.task import Task
from seedance_nb._task.video import Video

T = TypeVar("T")


class Comparison:
    """One prompt for several models. Making one sends nothing; showing one asks the providers' free estimate calls.

    `candidates` has one entry per model, `ready` those whose request can be sent. `show` puts it into a cell.
    """

    __module__ = "seedance_nb"

    def __init__(
        self,
        session: Session,
        documents: Document | Sequence[Document],
        words: Mapping[str, Any],
        *,
        show: Callable[["Comparison"], None],
        take: int = 1,
        budget: float | None = None,
    ) -> None:
        self.words = known(words)
        self.candidates = tuple(candidate(session, spec, self.words) for spec in specs(documents))
        self.ready = tuple(one for one in self.candidates if one.error is None)
        self._session = session
        self._take = take
        self._budget = budget
        self._show = show

    @property
    def prompt(self) -> str:
        """The prompt that all models get."""
        return str(self.words.get("prompt", ""))

    @functools.cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """The price of each model's request, in their order; asked for once, all at the same time. *network*."""
        return tuple(map(wait_for, [ENGINE.submit(self._estimate(one)) for one in self.candidates]))

    @property
    def total(self) -> Total:
        """The price of all requests that can be sent. *network*, the first time."""
        pairs = zip(self.candidates, self.estimates, strict=True)
        return total_of(
            [Priced(spec=one.spec, estimate=told, simulated=one.simulated) for one, told in pairs if not one.error]
        )

    def cells(self) -> list[list[str]]:
        """The rows of the table, as text. *network*, the first time."""
        return [cells(one, told) for one, told in zip(self.candidates, self.estimates, strict=True)]

    def submit(self, *, confirm: bool = False) -> tuple[Task, ...]:
        """One task for each model that can be sent its request. *spends credits*, *network*, *writes ledger*.

        The same request again is the same task and costs nothing. A model whose request is not sent is told as a
        warning, a limit that is only known from elsewhere as a `LimitWarning`. Raises: SeedanceError with the total where something would be paid and `confirm` is not True, or where
        no model can be sent anything; nothing is sent then.
        """
        begun = self.begin(confirm=confirm)
        errors = [one for one in begun if isinstance(one, Exception)]
        tasks = tuple(one for one in begun if isinstance(one, Task))
        if not tasks:
            raise errors[0]
        pairs = zip(self.candidates, begun, strict=True)
        emit_warnings(
            (f"{one.name} makes no video: {error}" for one, error in pairs if isinstance(error, Exception)), UserWarning
        )
        return tasks

    def generate(self, *, confirm: bool = False, timeout: float | None = None) -> Videos:
        """What became of each model, once all have ended. *spends credits*, *network*, *writes ledger*, *writes files*.

        An error of one model stands in its place and loses no other one. `timeout` is in seconds, for all together; a
        task that is not done by then goes on. A limit that is only known from elsewhere is a `LimitWarning`. Raises: SeedanceError as `submit` does.
        """
        end = None if timeout is None else time.monotonic() + timeout
        begun = self.begin(confirm=confirm)
        return self.videos([_ended(one, end) for one in begun])

    def begin(self, *, confirm: bool = False, by_hand: bool = False) -> tuple[Task | Exception, ...]:
        """For each model its task, or the error in its place. *spends credits*, *network*, *writes ledger*.

        `by_hand` says that a person who saw the table pressed a button. Raises: SeedanceError as `submit` does.
        """
        self._must_be_meant(confirm=confirm)
        if not by_hand:
            self._tell_limits()
        return tuple(one.error or self._task(one, by_hand=by_hand) for one in self.candidates)

    def videos(self, results: Sequence[Result]) -> Videos:
        """These results with their models. *pure*."""
        return Videos(self.prompt, zip(self.candidates, results, strict=True))

    def __repr__(self) -> str:
        if not hasattr(self, "_show"):  # a traceback shows an object whose making failed
            return "Comparison, not made"
        return table_text(HEADS, self.cells(), f"{len(self.ready)} of {len(self.candidates)} can be sent: {self.total}")

    def _ipython_display_(self) -> None:
        self._show(self)

    def _must_be_meant(self, *, confirm: bool) -> None:
        left_out = "".join(f"\n{one.name} is left out: {one.error.message}" for one in self.candidates if one.error)
        without = "".join(
            f"\n{one.name} is sent without {word}: {why}" for one in self.ready for word, why in one.carried.left
        )
        if not self.ready:
            raise SeedanceError(
                f"There is no model here that this can be sent to.{left_out}",
                next_step="change the shared words or the models",
            )
        moved = [one for one in self.ready if self._session.is_simulated(one.spec) is not one.simulated]
        if moved:
            raise SeedanceError(
                f"Since this comparison was made, the keys have changed, and {moved[0].name} would go elsewhere now.",
                next_step="make the comparison again, so that it says where it sends and what that costs",
            )
        paid = [one.name for one in self.ready if not one.simulated]
        if paid and confirm is not True:
            raise SeedanceError(
                f"This sends paid requests to {', '.join(paid)}. The total: {self.total}. Nothing was sent yet.{left_out}{without}",
                next_step="say confirm=True to send them, or simulate=True in sd.compare to try it for free",
            )

    def _tell_limits(self) -> None:
        # Before anything is sent, so that it costs nothing where warnings are made errors.
        for one in self.ready:
            emit_warnings((f"{one.name}, {problem}" for problem in one.carried.warnings), LimitWarning)
            emit_warnings((f"{one.name} is sent without {word}: {why}" for word, why in one.carried.left), UserWarning)

    def _task(self, candidate: Candidate, *, by_hand: bool) -> Task | Exception:
        world: World = "simulated" if candidate.simulated else "paid"
        return attempt(
            lambda: self._session.sender.send(
                approve(candidate.spec, candidate.carried.fields),
                take=self._take,
                budget=self._budget,
                shown_as=world,
                by_hand=by_hand,
            )
        )

    async def _estimate(self, candidate: Candidate) -> Estimate:
        if candidate.error:
            return Estimate(unit=candidate.spec.price.unit, why="it cannot be sent")
        if candidate.simulated:
            return estimate(candidate.spec, candidate.carried.body)
        try:
            return await self._session.advice.price(candidate.spec, candidate.carried.body)
        except SeedanceError as error:
            return Estimate(unit=candidate.spec.price.unit, why=error.message)


def attempt(act: Callable[[], T]) -> T | Exception:
    """What `act` gives, or its error: that stands in one model's place, and the other models go on."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - it is shown there
        return error


def _ended(task: Task | Exception, end: float | None) -> Video | Exception:
    if isinstance(task, Exception):
        return task
    return attempt(lambda: task.wait(None if end is None else max(0.0, end - time.monotonic())))
