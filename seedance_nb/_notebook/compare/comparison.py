"""One prompt for several models: what each supports, what they cost together, and every video or error side by side."""

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from seedance_nb._base.errors import LimitWarning, SeedanceError, emit_warnings
from seedance_nb._base.faults import created_by_package
from seedance_nb._base.html import table_text
from seedance_nb._base.text import shorten
from seedance_nb._notebook.compare.candidate import HEADS, request_for, specs, validate_settings
from seedance_nb._notebook.results import Videos, batch_table, batch_videos, cell_text, title_html
from seedance_nb._session.batch import Batch, Item, Result, attempt, destination
from seedance_nb._session.session import Document, Session
from seedance_nb._task.display.player import View
from seedance_nb._task.task import Task


@created_by_package
class Comparison(Batch):
    """One prompt for several models, created by `sd.compare`, which describes the parameters. Nothing is sent yet.

    `candidates` has one entry per model, `ready` those whose request can be sent, `total` their price. A cell shows it.

    >>> comparison = sd.compare("A fox", ["crun/seedance-1.0-pro-t2v"], seconds=4, resolution="480p")
    >>> [video.simulated for video in comparison.generate()]
    [True]
    """

    def __init__(
        self, session: Session, documents: Document | Sequence[Document], settings: Mapping[str, Any], *, take: int = 1,
        budget: float | None = None,
    ) -> None:  # fmt: skip
        self.settings, items, count = validate_settings(settings), list[Item](), dict[str, int]()
        for spec in specs(documents):
            number = count[spec.name] = count.get(spec.name, take - 1) + 1
            items.append(request_for(spec, self.settings, take=number, **destination(session, spec)))
        super().__init__(session, items, budget=budget)

    @property
    def prompt(self) -> str:
        """The prompt for all models."""
        return str(self.settings.get("prompt", ""))

    @property
    def candidates(self) -> tuple[Item, ...]:
        """The models with their requests, also those that are left out."""
        return self.items

    @property
    def due(self) -> list[int]:
        """The models whose requests can be sent, also if that was done already."""
        return [at for at, item in enumerate(self.items) if item.error is None]

    def submit(self, *, confirm: bool = False) -> tuple[Task, ...]:
        """Send every request that can be sent, and return the tasks. *spends credits*, *network*, *writes ledger*.

        The same request again returns the same task and costs nothing. A model that is left out is a warning, a limit from
        other sources a `LimitWarning`. Raises, before anything is sent: SeedanceError with the total if something costs
        credits and `confirm` is not True, or if no request can be sent.
        """
        self._begin(confirm=confirm)
        tasks = tuple(one for one in self.tasks if isinstance(one, Task))
        pairs = zip(self.items, self.tasks, strict=True)
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
        self._begin(confirm=confirm)
        results: list[Result] = []
        for task in self.tasks:
            left = None if end is None else max(0.0, end - time.monotonic())
            is_task = isinstance(task, Task)
            results.append(attempt(functools.partial(task.wait, left)) if is_task else task)  # type: ignore[union-attr,arg-type]
        return Videos(self.prompt, zip(self.items, results, strict=True))

    def __repr__(self) -> str:
        if not hasattr(self, "tasks"):  # a traceback shows an object whose creation failed
            return "Comparison (not created)"
        rows = [[cell_text(head, *pair) for head in HEADS] for pair in zip(self.items, self.estimates, strict=True)]
        return table_text(HEADS, rows, f"{len(self.ready)} of {len(self.items)} can be sent: {self.total}")

    def _ipython_display_(self) -> None:
        self._view().show()

    def _view(self) -> Any:
        """The comparison as widgets. *network*."""
        from seedance_nb._notebook.batch import BatchView

        settings = [(name, value) for name, value in self.settings.items() if name != "prompt"]
        texts = (f"{name} {value if isinstance(value, str) else shorten(value)}" for name, value in settings)
        head = title_html("Comparison", "model", self.items, self.prompt, " · ".join(texts))
        return BatchView(self, head, lambda: batch_table(self, HEADS), self._output)

    def _output(self, *, pending: bool = False) -> View:
        return batch_videos(self, self.prompt, self._session.outputs if pending else None).view()

    def _begin(self, *, confirm: bool) -> None:
        """Send what can be sent. *spends credits*, *network*, *writes ledger*. Raises as `submit` does."""
        left_out = "".join(f"\n{one.name} is left out: {one.error.message}" for one in self.items if one.error)
        if not self.ready:
            text = f"This request cannot be sent to any of these models.{left_out}"
            raise SeedanceError(text, next_step="change the shared settings or the models")
        self.require_same_places()
        without = [f"{one.name} is sent without {name}: {why}" for one in self.ready for name, why in one.unsupported]
        paid = [one.name for one in self.ready if not one.simulated]
        if paid and confirm is not True:
            lines = "".join(f"\n{text}" for text in without)
            text = f"This sends paid requests to {', '.join(paid)}. Total: {self.total}. Nothing has been sent.{left_out}{lines}"
            step = "pass confirm=True to send them, or simulate=True in sd.compare to try it for free"
            raise SeedanceError(text, next_step=step)
        # Before anything is sent: warnings may be turned into errors.
        emit_warnings((f"{one.name}, {problem}" for one in self.ready for problem in one.warnings), LimitWarning)
        emit_warnings(without, UserWarning)
        self.wait(self.send())
