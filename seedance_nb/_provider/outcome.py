"""What an answer to the paid request means for the money. Everything here is pure."""

from dataclasses import dataclass
from typing import Any, Literal

from seedance_nb._base.errors import NoCredits, RateLimited, Refused, SeedanceError, Unauthorized, Unavailable
from seedance_nb._base.secret import Secret
from seedance_nb._base.text import tamed
from seedance_nb._base.values import find, find_all, split
from seedance_nb._document.load import Spec
from seedance_nb._document.tables import ErrorTable
from seedance_nb._provider.status import read_id

_REFUSALS: dict[str, type[Refused]] = {
    "refused": Refused,
    "unauthorized": Unauthorized,
    "no-credits": NoCredits,
    "rate-limited": RateLimited,
    "unavailable": Unavailable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of the one POST. `unsent` and `refused` certainly made no task; `unknown` may have.

    `may_pass` is True where nothing left, and may do so a moment later.
    """

    outcome: Literal["accepted", "refused", "unsent", "unknown"]
    task_id: str = ""
    why: str = ""
    error: SeedanceError | None = None
    simulated: bool = False
    may_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer: its status, its JSON (`ABSENT` if it is none), and the host that a redirect names."""

    status: int
    value: Any
    redirect: str = ""
    retry_after: float | None = None
    simulated: bool = False


def refusal(spec: Spec, code: str, words: str) -> Refused:
    """The error that one of the document's codes, or an HTTP status, means. *pure*."""
    known = spec.errors.statuses | spec.errors.refusals if spec.errors else {}
    meaning = known.get(code, "refused")
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
    code, words = _code(table, answer), tamed(hide(_message(table, answer)))[:500]
    task_id = read_id(spec.task, answer.value)
    if answer.status < 300 and (str(code) in map(str, table.ok) or (not code and task_id)):  # noqa: PLR2004
        if task_id and hide(task_id) == task_id:
            return Sent(outcome="accepted", task_id=task_id, simulated=answer.simulated)
        return Sent(outcome="unknown", why="the provider said yes without a task id that can be used")
    meant = str(code) if str(code) in table.refusals else ""
    if not meant and words and str(code) not in table.unclear and str(answer.status) in table.statuses:
        meant = str(answer.status)
    if meant:
        error = refusal(
            spec,
            meant,
            "\n".join([words, *(f"- {tamed(hide(line))[:500]}" for line in _details(table, answer))]),
        )
        if isinstance(error, RateLimited):
            error.retry_after = answer.retry_after
        return Sent(outcome="refused", why=error.provider_message, error=error)
    kept = task_id if hide(task_id) == task_id else ""
    if not code and not words:
        return Sent(
            outcome="unknown", task_id=kept, why=f"the answer (HTTP {answer.status}) has none of the document's codes"
        )
    reason = table.unclear.get(str(code or answer.status), "which the document does not list")
    named = f"; it named the task {kept}" if kept else ""
    why = f"the provider answered {code or answer.status} {words!r}: {reason}{named}"
    return Sent(outcome="unknown", task_id=kept, why=why)


def outcome_of(spec: Spec, answer: Answer, secret: Secret | None = None) -> Sent:
    """What an answer to the paid request itself means. *pure*. A no that names a task is no clear no."""
    sent = classify(spec, answer, secret)
    named = read_id(spec.task, answer.value) if sent.outcome == "refused" and spec.task else ""
    if not named:
        return sent
    kept = named if secret is None or secret.hide(named) == named else ""
    return Sent(
        outcome="unknown", task_id=kept, why=f"the provider said no ({sent.why!r}) and named a task all the same"
    )


def free_value(spec: Spec, answer: Answer, secret: Secret | None = None) -> dict[str, Any]:
    """The JSON of a yes to a call that costs nothing. *pure*. Raises: Refused and its kinds; SeedanceError for no clear answer."""
    hide = secret.hide if secret else str
    if spec.errors is not None and isinstance(answer.value, dict) and not answer.redirect:
        code = _code(spec.errors, answer)
        if answer.status < 300 and (str(code) in map(str, spec.errors.ok) or not code):  # noqa: PLR2004
            return answer.value
        sent = classify(spec, answer, secret)
        if sent.error is not None:
            raise sent.error
        words = tamed(hide(_message(spec.errors, answer)))[:300]
        raise SeedanceError(f"{spec.provider} answered {code or answer.status} {words!r}.")
    raise SeedanceError(
        f"{spec.provider} gave an answer (HTTP {answer.status}) that is not what the document describes."
    )


def troubled(spec: Spec, answer: Answer) -> bool:
    """Whether an answer asks to be left alone for a while: 429, a 5xx, or the document's code for one of them. *pure*."""
    meant = ""
    if spec.errors is not None and isinstance(answer.value, dict):
        meant = spec.errors.refusals.get(str(_code(spec.errors, answer)), "")
    return answer.status == 429 or answer.status >= 500 or meant in ("rate-limited", "unavailable")  # noqa: PLR2004


def _code(table: ErrorTable, answer: Answer) -> int | str:
    told = (find(answer.value, pointer) for pointer in table.code)
    return next((code for code in told if isinstance(code, int | str) and not isinstance(code, bool)), "")


def _message(table: ErrorTable, answer: Answer) -> str:
    told = (find(answer.value, pointer) for pointer in table.message)
    return next((text for text in told if isinstance(text, str) and text), "")


def _details(table: ErrorTable, answer: Answer) -> list[str]:
    told = [
        value if pointer.endswith("/*") else f"{split(pointer)[-1]}: {value}"
        for pointer in table.details
        for value in find_all(answer.value, pointer)
    ]
    return [str(line) for line in told[:50]]
