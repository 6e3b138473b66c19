"""One model of a comparison: what it can take of the shared words, where its request would go, and that as text."""

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
from seedance_nb._notebook.compare.shared_words import ModelRequest, request_for
from seedance_nb._session.session import Document, Session

HEADS = ("model", "goes to", "carried", "could not be carried", "problems", "price")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model of a comparison: what it takes of the shared words, and where its request would go.

    `fault` says why nothing can be sent to it whatever the words are, "" if something can.
    """

    spec: Spec
    carried: ModelRequest
    simulated: bool
    fault: str

    @property
    def name(self) -> str:
        """The document's name."""
        return self.spec.name

    @property
    def error(self) -> SeedanceError | None:
        """Why its request is not sent, None if it can be. *pure*."""
        if self.carried.problems:
            return InvalidInput(self.carried.problems)
        return SeedanceError(self.fault) if self.fault else None

    @property
    def place(self) -> str:
        """Where its request goes, in a word. *pure*."""
        return "nowhere" if self.fault else "simulator" if self.simulated else self.spec.provider


def brief(problem: Problem) -> str:
    """A problem as one line, with the name of its field. *pure*."""
    told = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return f"warning: {told} (by {problem.source})" if problem.warns else told


def left_text(carried: ModelRequest) -> list[str]:
    """What could not be carried over, words with the same reason together. *pure*."""
    whys = dict.fromkeys(why for _, why in carried.left)
    return [f"{', '.join(word for word, reason in carried.left if reason == why)}: {why}" for why in whys]


def price_text(candidate: Candidate, told: Estimate) -> str:
    """The price of one model's request. *pure*."""
    if candidate.error:
        return "not sent"
    if candidate.simulated:
        return f"simulated, free{f'; the real one: {told}' if told.amount is not None else ''}"
    return f"{told}{f'; {told.why}' if told.why else ''}"


def cells(candidate: Candidate, told: Estimate) -> list[str]:
    """A model's row of the table, as text. *pure*."""
    carried = candidate.carried
    problems = [candidate.fault] if candidate.fault else []
    problems += [brief(problem) for problem in (*carried.problems, *carried.warnings)]
    return [
        candidate.name,
        candidate.place,
        ", ".join(carried.carried),
        "; ".join(left_text(carried)),
        "; ".join(problems),
        price_text(candidate, told),
    ]


def specs(documents: Document | Sequence[Document]) -> tuple[Spec, ...]:
    """The documents of a comparison; one alone counts as a list of it. *reads files*.

    Raises: InvalidInput for none, and for one that is named twice; SpecError.
    """
    several = (documents,) if isinstance(documents, str | Path | Mapping | Spec | Operation) else documents
    found = tuple(map(_spec.spec, several))
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    told = f"has {twice} more than once" if twice else "has no model" if not found else ""
    if told:
        raise InvalidInput((Problem(path="names", message=told, rule="names", value=names),))
    return found


def candidate(session: Session, spec: Spec, words: Mapping[str, Any]) -> Candidate:
    """What one model makes of the words. Reads the environment. Raises: InvalidInput for unknown words."""
    fault, simulated = spec.unsendable, False
    try:
        simulated = session.is_simulated(spec)
    except SeedanceError as error:
        fault = fault or error.message
    return Candidate(spec=spec, carried=request_for(spec, words), simulated=simulated, fault=fault)
