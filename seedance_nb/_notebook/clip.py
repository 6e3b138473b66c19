"""Clips whose files hold the request that made them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedance_nb._base.errors import MediaError, SeedanceError
from seedance_nb._base.faults import created_by_package, typed
from seedance_nb._base.html import Readable
from seedance_nb._base.problem import Problem, Problems
from seedance_nb._base.values import NO_QUERY, json_text, read_json, sanitize, shorten
from seedance_nb._check.check import check, values_by_role, warnings
from seedance_nb._check.price import Estimate
from seedance_nb._document import load
from seedance_nb._document.spec import Spec
from seedance_nb._form.exchange import to_python
from seedance_nb._session.session import Document, Session
from seedance_nb._task.files import has_bytes, saved_request
from seedance_nb._web.regular_files import is_there

if TYPE_CHECKING:
    from seedance_nb._notebook.panel import Panel


@created_by_package
@dataclass(frozen=True, slots=True, kw_only=True)
class Clip(Readable):
    """A video file with the request that made it, as saved with it. `sd.open` returns one.

    `request` is the body, without keys and without the queries of URLs; `task` and `created` (UTC) are those of the task.
    `sha256` is of the provider's bytes, and `is_original` whether the file still has exactly these.
    """

    path: Path
    model: str
    request: dict[str, Any]
    take: int
    task: str
    simulated: bool
    created: str
    sha256: str
    is_original: bool
    spec: Spec = field(repr=False)

    @property
    def prompt(self) -> str:
        """The prompt, "" if the request has none."""
        return str(values_by_role(self.spec, self.request).get("prompt", ""))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the model's schema says of the request today, such as fields that it no longer has. *pure*."""
        return Problems(check(self.spec, self.request) + warnings(self.spec, self.request))

    def panel(self) -> Panel:
        """A panel with the form filled in; nothing is sent before Generate is pressed."""
        from seedance_nb._notebook.panel import Panel

        panel = Panel(self.spec, Session())
        panel.form.values = self.request
        return panel

    def code(self) -> str:
        """The request as Python code that calls `sd.generate`. *reads files*."""
        return to_python(self.spec, self.request)

    def estimate(self) -> Estimate:
        """What the request costs today; nothing is bought. *network*. Raises: InvalidInput with every problem."""
        # No price depends on the queries of URLs, which are not saved.
        return Session().estimate(self.spec, **read_json(json_text(self.request).replace(NO_QUERY, "")))

    def __repr__(self) -> str:
        marks = " · SIMULATED" * self.simulated
        marks += "" if self.is_original else " · the file was changed after it was saved"
        facts = f"{self.model} · take {self.take} · {self.created} · {self.task}{marks}"
        lines = f"Clip {self.path.name}: {facts}", shorten(self.prompt), f"Checked today: {self.problems!r}"
        return "\n".join(map(sanitize, lines))


@typed
def open(path: str | Path, /, *, document: Document | None = None) -> Clip:  # noqa: A001 - `sd.open`
    """The request that made a clip, read from the clip itself or from the JSON file beside it. *reads files*.

    The parameters:
      path: a video that this package saved.
      document: the model's schema, required if it came from a file or a dict.
    Returns: a clip: `panel()` and `code()` repeat its request, `estimate()` is what it costs today, and `problems` what the
    model's schema no longer allows.
    Raises: MediaError for a file without a request; SeedanceError for an unknown model.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A fox")
    >>> sd.open(video.path).prompt
    'A fox'
    """
    file = Path(path).expanduser()
    values, why = saved_request(file) if file.name else ({}, "")  # "." has no name
    if not values:
        why = why if is_there(file) else "there is no such file, or it is empty"
        step = "open the file that was saved, together with the .request.json file beside it if there is one"
        raise MediaError(f"{file} cannot be opened: {why}.", next_step=step, charged="not charged")
    if document is None and values["model"] not in load.model_names():
        # A name in a file is never a path: only the caller chooses the schema that says where requests go.
        name = shorten(sanitize(values["model"]))
        message = f"{file} was made with the model {name}, which this version does not have."
        raise SeedanceError(message, next_step="pass its schema: sd.open(path, document=...)", charged=None)
    spec = load.spec(values["model"] if document is None else document)
    return Clip(path=file, spec=spec, is_original=has_bytes(file, values["sha256"]), **values)
