"""Classify a provider's response: accepted, refused or unknown. All functions are pure."""

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
    """The outcome of the paid POST. After `unsent` and `refused` no task exists; after `unknown` one may.

    `may_pass` is True if nothing was sent and a retry may succeed.
    """

    outcome: Literal["accepted", "refused", "unsent", "unknown"]
    task_id: str = ""
    why: str = ""
    error: SeedanceError | None = None
    simulated: bool = False
    may_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response: status, JSON (`ABSENT` if it is not JSON) and the host of a redirect. The key is masked."""

    status: int
    value: Any
    redirect: str = ""
    retry_after: float | None = None
    simulated: bool = False


def refusal(spec: Spec, code: str, words: str) -> Refused:
    """The error for one of the provider's codes or an HTTP status. *pure*."""
    meanings = spec.errors.statuses | spec.errors.refusals if spec.errors else {}
    return _REFUSALS[meanings.get(code, "refused")](
        words, code=int(code) if code.isdecimal() else code or None, provider=spec.provider
    )


def classify(spec: Spec, answer: Answer) -> SendOutcome:
    """The outcome that a response to the paid request means. *pure*.

    Accepted: a success with a task id. Refused: a documented refusal without one. Everything else is unknown.
    """
    if answer.redirect:
        return _unknown(f"the provider redirected to {answer.redirect}, and redirects are not followed")
    if not isinstance(answer.value, dict) or spec.errors is None or spec.task is None:
        return _unknown(f"the response (HTTP {answer.status}) does not match the schema")
    table, task_id = spec.errors, read_id(spec.task, answer.value)
    code, words = _code(table, answer), sanitize(_message(table, answer))[:500]
    if answer.status < 300 and (str(code) in table.ok or (not code and task_id)):  # noqa: PLR2004
        if task_id:
            return SendOutcome(outcome="accepted", task_id=task_id, simulated=answer.simulated)
        return _unknown("the provider accepted the request but returned no usable task id")
    if error := refused(spec, answer):
        if task_id:
            return _unknown(
                f"the provider rejected the request ({error.provider_message!r}) but returned a task id", task_id
            )
        return SendOutcome(outcome="refused", why=error.provider_message, error=error)
    if not code and not words:
        return _unknown(f"the response (HTTP {answer.status}) has no documented code", task_id)
    reason = table.unclear.get(str(code or answer.status), "this code is not documented")
    task = f"; it returned the task id {task_id}" if task_id else ""
    return _unknown(f"the provider returned {code or answer.status} {words!r}: {reason}{task}", task_id)


def _unknown(why: str, task_id: str = "") -> SendOutcome:
    return SendOutcome(outcome="unknown", why=why, task_id=task_id)


def refused(spec: Spec, answer: Answer) -> Refused | None:
    """The refusal in a response: a documented code in the provider's own format; None if it is not one. *pure*."""
    table = spec.errors
    if table is None or answer.redirect or not isinstance(answer.value, dict):
        return None
    code, words = str(_code(table, answer)), sanitize(_message(table, answer))[:500]
    status = str(answer.status)
    if code not in table.refusals:
        if not words or code in table.unclear or status not in table.statuses:
            return None
        code = status
    details = [f"- {sanitize(line)[:500]}" for line in _details(table, answer)]
    error = refusal(spec, code, "\n".join([words, *details]))
    if isinstance(error, RateLimited):
        error.retry_after = answer.retry_after
    return error


def free_value(spec: Spec, answer: Answer) -> dict[str, Any]:
    """The JSON of a successful free call. *pure*. Raises: Refused and its subclasses; SeedanceError for any other response."""
    if spec.errors is None or not isinstance(answer.value, dict) or answer.redirect:
        raise SeedanceError(
            f"{spec.provider} returned a response (HTTP {answer.status}) that does not match the schema."
        )
    code = _code(spec.errors, answer)
    if answer.status < 300 and (str(code) in spec.errors.ok or not code):  # noqa: PLR2004
        return answer.value
    if error := refused(spec, answer):
        raise error
    words = sanitize(_message(spec.errors, answer))[:300]
    raise SeedanceError(f"{spec.provider} returned {code or answer.status} {words!r}.")


def is_overloaded(spec: Spec, answer: Answer) -> bool:
    """Whether a response means that the provider is overloaded: 429, a 5xx, or its own code for one of them. *pure*."""
    meaning = ""
    if spec.errors is not None and isinstance(answer.value, dict):
        meaning = spec.errors.refusals.get(str(_code(spec.errors, answer)), "")
    return answer.status == 429 or answer.status >= 500 or meaning in ("rate-limited", "unavailable")  # noqa: PLR2004


def _code(table: ErrorTable, answer: Answer) -> int | str:
    codes = (find(answer.value, pointer) for pointer in table.code)
    return next((code for code in codes if isinstance(code, int | str) and not isinstance(code, bool)), "")


def _message(table: ErrorTable, answer: Answer) -> str:
    texts = (find(answer.value, pointer) for pointer in table.message)
    return next((text for text in texts if isinstance(text, str) and text), "")


def _details(table: ErrorTable, answer: Answer) -> list[str]:
    lines = [
        value if pointer.endswith("/*") else f"{pointer_parts(pointer)[-1]}: {value}"
        for pointer in table.details
        for value in find_all(answer.value, pointer)
    ]
    return [str(line) for line in lines[:50]]
