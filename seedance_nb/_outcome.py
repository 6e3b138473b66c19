"""What an answer to the paid request means for the money. Everything here is pure."""

from dataclasses import dataclass
from typing import Any, Literal

from seedance_nb._errors import NoCredits, RateLimited, Refused, SeedanceError, Unauthorized, Unavailable
from seedance_nb._keys import Secret
from seedance_nb._spec import Spec
from seedance_nb._task import read_id
from seedance_nb._values import ABSENT, find, find_all

_REFUSALS: dict[str, type[Refused]] = {
    "refused": Refused,
    "unauthorized": Unauthorized,
    "no-credits": NoCredits,
    "rate-limited": RateLimited,
    "unavailable": Unavailable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of the one POST. `unsent` and `refused` certainly made no task; `unknown` may have."""

    outcome: Literal["accepted", "refused", "unsent", "unknown"]
    task_id: str = ""
    why: str = ""
    error: SeedanceError | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer: its status, its JSON (`ABSENT` if it is none), and the host that a redirect names."""

    status: int
    value: Any
    redirect: str = ""
    retry_after: float | None = None
    simulated: bool = False


def refusal(spec: Spec, code: str, words: str) -> Refused:
    """The error that one of the document's codes means. *pure*."""
    meaning = spec.errors.refusals.get(code, "refused") if spec.errors else "refused"
    return _REFUSALS[meaning](words, code=int(code) if code.isdecimal() else code or None)


def classify(spec: Spec, answer: Answer, secret: Secret | None = None) -> Sent:
    """What an answer to the create request means. *pure*.

    Accepted: a yes with an id. Refused: a code that the document lists, in the provider's own shape. All else is unknown.
    """
    if answer.redirect:
        return Sent(
            outcome="unknown", why=f"the provider answered with a redirect to {answer.redirect}, which is not followed"
        )
    if not isinstance(answer.value, dict) or spec.errors is None or spec.task is None:
        return Sent(
            outcome="unknown", why=f"the answer (HTTP {answer.status}) is not the JSON that the document describes"
        )
    table, hide = spec.errors, secret.hide if secret else str
    code = find(answer.value, table.code)
    if code is ABSENT or isinstance(code, bool) or not isinstance(code, int | str):
        return Sent(outcome="unknown", why=f"the answer (HTTP {answer.status}) has none of the document's codes")
    message = find(answer.value, table.message)
    words = hide(message)[:500] if isinstance(message, str) else ""
    if answer.status < 300 and code in table.ok:  # noqa: PLR2004
        task_id = read_id(spec.task, answer.value)
        if task_id and hide(task_id) == task_id:
            return Sent(outcome="accepted", task_id=task_id, simulated=answer.simulated)
        return Sent(outcome="unknown", why="the provider said yes without a task id that can be used")
    if str(code) in table.refusals:
        told = [hide(str(line))[:500] for line in find_all(answer.value, table.details)] if table.details else []
        error = refusal(spec, str(code), "\n".join([words, *(f"- {line}" for line in told[:50])]))
        if isinstance(error, RateLimited):
            error.retry_after = answer.retry_after
        return Sent(outcome="refused", why=error.provider_message, error=error)
    reason = table.unclear.get(str(code), "which the document does not list")
    return Sent(outcome="unknown", why=f"the provider answered {code} {words!r}: {reason}")
