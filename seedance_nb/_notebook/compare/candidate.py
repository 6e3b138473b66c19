"""One model of a comparison: its request, where it would go, and its row of the table as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedance_nb._base.errors import InvalidInput, SeedanceError
from seedance_nb._base.problem import Problem
from seedance_nb._check.price import Estimate
from seedance_nb._document import load as _spec
from seedance_nb._document.operations import Operation
from seedance_nb._document.spec import Spec
from seedance_nb._notebook.compare.shared_settings import NO_FIELD, ModelRequest, request_for
from seedance_nb._session.session import Document, Session

HEADS = ("model", "runs on", "used", "not supported", "problems", "price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model of a comparison: its request, whether the simulator gets it, and why no request can be sent, "" if one can."""

    spec: Spec
    request: ModelRequest
    simulated: bool
    fault: str

    @property
    def name(self) -> str:
        """The name that `sd.models()` lists."""
        return self.spec.name

    @property
    def error(self) -> SeedanceError | None:
        """Why its request cannot be sent, None if it can. *pure*."""
        if self.request.problems:
            return InvalidInput(self.request.problems)
        return SeedanceError(self.fault) if self.fault else None

    @property
    def runs_on(self) -> str:
        """The provider, "simulator", or "nowhere" if nothing can be sent. *pure*."""
        return "nowhere" if self.fault else "simulator" if self.simulated else self.spec.provider


def brief(problem: Problem) -> str:
    """A problem as one line, with the name of its field. *pure*."""
    text = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return f"warning: {text} (according to {problem.source})" if problem.warns else text


def unsupported_text(request: ModelRequest) -> list[str]:
    """The settings that a model does not support, grouped by reason. *pure*."""
    settings: dict[str, list[str]] = {}
    for setting, reason in request.unsupported:
        settings.setdefault(reason, []).append(setting)
    return [", ".join(group) + (f": {reason}" if reason != NO_FIELD else "") for reason, group in settings.items()]


def price_text(candidate: Candidate, price: Estimate) -> str:
    """The price of one model's request. *pure*."""
    if candidate.error:
        return "not sent"
    if candidate.simulated:
        return f"Simulated (free){f'. With a key: {price}' if price.amount is not None else ''}"
    return f"{price}{f'; {price.why}' if price.why else ''}"


def cells(candidate: Candidate, price: Estimate) -> list[str]:
    """A model's row of the table, as text. *pure*."""
    request = candidate.request
    unsupported = "; ".join(unsupported_text(request))
    problems = "; ".join(filter(None, (candidate.fault, *map(brief, (*request.problems, *request.warnings)))))
    used = ", ".join(request.used)
    return [candidate.name, candidate.runs_on, used, unsupported, problems, price_text(candidate, price)]


def specs(documents: Document | Sequence[Document]) -> tuple[Spec, ...]:
    """The models of a comparison. *reads files*. Raises: InvalidInput for no model, or one that is listed twice; SpecError."""
    several = (documents,) if isinstance(documents, str | Path | Mapping | Spec | Operation) else documents
    models = tuple(map(_spec.spec, several))
    names = [spec.name for spec in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    fault = f"lists {twice} more than once" if twice else "" if names else "lists no model"
    if fault:
        raise InvalidInput((Problem(path="names", message=fault, rule="names", value=names),))
    return models


def candidate(session: Session, spec: Spec, settings: Mapping[str, Any]) -> Candidate:
    """One model with the shared settings. Reads the environment. Raises: InvalidInput for unknown settings."""
    fault, simulated = spec.unsendable, False
    try:
        simulated = session.is_simulated(spec)
    except SeedanceError as error:
        fault = fault or error.message
    return Candidate(spec=spec, request=request_for(spec, settings), simulated=simulated, fault=fault)
