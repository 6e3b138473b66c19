"""What an answer to the paid request means for the money. Everything here is pure."""

from dataclasses import dataclass
from typing import Any, Literal

from seedance_nb._base.errors import NoCredits, RateLimited, Refused, SeedanceError, Unauthorized, Unavailable
from seedance_nb._base.text import sanitize
from seedance_nb._base.values import find, find_all, pointer_parts
from seedance_nb._document.spec import Spec
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
class SendOutcome:
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
    """One HTTP answer: its status, its JSON (`ABSENT` if it is none), and the host that a redirect names. The key is masked in it."""

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


def classify(spec: Spec, answer: Answer) -> SendOutcome:
    """What an answer to the paid request means. *pure*.

    Accepted: a yes with an id. Refused: a clear no without one. All else is unknown.
    """
    if answer.redirect:
        return _unknown(f"the provider answered with a redirect to {answer.redirect}, which is not followed")
    if not isinstance(answer.value, dict) or spec.errors is None or spec.task is None:
        return _unknown(f"the answer (HTTP {answer.status}) is not the JSON that the document describes")
    table, task_id = spec.errors, read_id(spec.task, answer.value)
    code, words = _code(table, answer), sanitize(_message(table, answer))[:500]
    if answer.status < 300 and (str(code) in table.ok or (not code and task_id)):  # noqa: PLR2004
        if task_id:
            return SendOutcome(outcome="accepted", task_id=task_id, simulated=answer.simulated)
        return _unknown("the provider said yes without a task id that can be used")
    if error := refused(spec, answer):
        said = error.provider_message
        if task_id:
            return _unknown(f"the provider said no ({said!r}) and named a task all the same", task_id)
        return SendOutcome(outcome="refused", why=said, error=error)
    if not code and not words:
        return _unknown(f"the answer (HTTP {answer.status}) has none of the document's codes", task_id)
    reason = table.unclear.get(str(code or answer.status), "which the document does not list")
    named = f"; it named the task {task_id}" if task_id else ""
    return _unknown(f"the provider answered {code or answer.status} {words!r}: {reason}{named}", task_id)


def _unknown(why: str, task_id: str = "") -> SendOutcome:
    return SendOutcome(outcome="unknown", why=why, task_id=task_id)


def refused(spec: Spec, answer: Answer) -> Refused | None:
    """The provider's clear no: a code that the document lists, in the provider's own shape; None where there is none. *pure*."""
    table = spec.errors
    if table is None or answer.redirect or not isinstance(answer.value, dict):
        return None
    code, words = str(_code(table, answer)), sanitize(_message(table, answer))[:500]
    meant = code if code in table.refusals else ""
    if not meant and words and code not in table.unclear and str(answer.status) in table.statuses:
        meant = str(answer.status)
    if not meant:
        return None
    details = [f"- {sanitize(line)[:500]}" for line in _details(table, answer)]
    error = refusal(spec, meant, "\n".join([words, *details]))
    if isinstance(error, RateLimited):
        error.retry_after = answer.retry_after
    return error


def free_value(spec: Spec, answer: Answer) -> dict[str, Any]:
    """The JSON of a yes to a call that costs nothing. *pure*. Raises: Refused and its kinds; SeedanceError for no clear answer."""
    if spec.errors is None or not isinstance(answer.value, dict) or answer.redirect:
        raise SeedanceError(
            f"{spec.provider} gave an answer (HTTP {answer.status}) that is not what the document describes."
        )
    code = _code(spec.errors, answer)
    if answer.status < 300 and (str(code) in spec.errors.ok or not code):  # noqa: PLR2004
        return answer.value
    if error := refused(spec, answer):
        raise error
    words = sanitize(_message(spec.errors, answer))[:300]
    raise SeedanceError(f"{spec.provider} answered {code or answer.status} {words!r}.")


def is_overloaded(spec: Spec, answer: Answer) -> bool:
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
        value if pointer.endswith("/*") else f"{pointer_parts(pointer)[-1]}: {value}"
        for pointer in table.details
        for value in find_all(answer.value, pointer)
    ]
    return [str(line) for line in told[:50]]
