"""Classify a provider's response: accepted, refused or unknown. All functions are pure."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from seedance_nb._base.errors import NoCredits, RateLimited, Refused, SeedanceError, Unauthorized, Unavailable
from seedance_nb._base.values import find, find_all, is_empty, sanitize, to_path
from seedance_nb._document.spec import Spec
from seedance_nb._document.tables import ErrorTable
from seedance_nb._provider.answers import PATTERNS, TABLE, find_id, id_text, ids_in, objects_in, plain_name, words_of
from seedance_nb._provider.status import read_id

_REFUSALS: dict[str, type[Refused]] = {
    "refused": Refused, "unauthorized": Unauthorized, "no-credits": NoCredits, "rate-limited": RateLimited,
    "unavailable": Unavailable,
}  # fmt: skip
_FIRST_ERROR, _MOST_READ = 400, 20_000
_LIKELY_REFUSED = (401, 403, 404, 405, 413, 415)  # still, the request is sent again only when a person says so


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOutcome:
    """The outcome of the paid POST: after `unsent` and `refused` no task exists (`is_transient`: a retry may succeed); after `unknown` one may, and `task_id` is a hint."""

    outcome: Literal["accepted", "refused", "unsent", "unknown"]
    task_id: str = ""
    why: str = ""
    error: SeedanceError | None = None
    simulated: bool = False
    is_transient: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response, the key masked; `hint` is what looks like a task's id, `header` one that leads to a task, and `doubts` say why it is not a clear answer."""

    status: int
    value: Any
    redirect: str = ""
    retry_after: float | None = None
    simulated: bool = False
    text: str = ""
    page: str = ""
    hint: str = ""
    header: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004

    @property
    def problem(self) -> str:
        """What is odd about it, as a clause, "" if nothing is. *pure*."""
        if self.redirect:
            return f"it redirected to {self.redirect}"
        return f"it is {self.page}" if self.page else "; ".join(self.doubts)


def refusal(spec: Spec, code: str, words: str, *, simulated: bool, retry_after: float | None = None) -> Refused:
    meanings = spec.errors.statuses | spec.errors.refusals if spec.errors else {}
    provider = f"The simulator, acting as {spec.provider}," if simulated else spec.provider
    kind, page = _REFUSALS[meanings.get(code, "refused")], spec.links.get("get a key", "")
    step = f"{kind.hint}; get a key at {page}" if page and kind is Unauthorized else ""
    error = kind(words, code=int(code) if code.isdecimal() else code or None, provider=provider, next_step=step)
    if isinstance(error, RateLimited):
        error.retry_after = retry_after
    return error


def classify(spec: Spec, answer: Answer) -> SendOutcome:
    """The outcome of the paid request. Accepted: a success with a documented id and no error beside it. Refused: a documented refusal that agrees with its status. *pure*."""
    hint, task, errors = answer.hint or find_id(answer.value), spec.task, spec.errors
    if task and errors and isinstance(answer.value, dict) and not (answer.doubts or answer.redirect):
        task_id, code = read_id(task, answer.value), _code(errors, answer)
        hint = task_id or hint
        if task_id and answer.is_success and (not code or str(code) in errors.ok) and not _has_error(answer.value):
            return SendOutcome(outcome="accepted", task_id=task_id, simulated=answer.simulated)
        if (error := refused(spec, answer)) and not _contradiction(spec, answer, error):
            return SendOutcome(outcome="refused", why=error.provider_message, error=error)
    if answer.is_success and isinstance(answer.value, dict):
        others = (id_text(answer.value.get(name)) for name in ("request_id", "requestId", "data"))
        hint = hint or next((text for text in others if re.search(r"[0-9_-]", text)), "")
    why, is_plain = _reason(spec, answer), answer.page or not answer.doubts or not (answer.text or answer.doubts[1:])
    if hint:
        why += f"; it returned the task id {hint[:200]}"
    elif is_plain and answer.status in _LIKELY_REFUSED and not answer.header:
        why += f"; HTTP {answer.status} without a task id most likely means that it was refused and not charged"
    return SendOutcome(outcome="unknown", why=why, task_id=hint, text=answer.text, simulated=answer.simulated)


def _reason(spec: Spec, answer: Answer) -> str:
    words = said(spec, answer)
    quoted = f" {words!r}" if words else ""
    if answer.redirect:
        return f"the provider redirected to {answer.redirect}, and redirects are not followed"
    if answer.page:
        return f"the response (HTTP {answer.status}) is {answer.page}"
    if answer.doubts:
        return f"the response (HTTP {answer.status}{quoted}) is not clear: {'; '.join(answer.doubts)}"
    if not isinstance(answer.value, dict) or spec.errors is None:
        return f"the response (HTTP {answer.status}) does not match the schema{quoted}"
    code = _code(spec.errors, answer)
    if answer.is_success and _has_error(answer.value):
        return f"the response (HTTP {answer.status}{quoted}) reports an error"
    if answer.is_success and str(code) in spec.errors.ok:
        return "the provider accepted the request but returned no usable task id"
    if error := refused(spec, answer):
        return f"the provider rejected the request ({words!r}), but {_contradiction(spec, answer, error)}"
    if not code and not words:
        return f"the response (HTTP {answer.status}) has no documented code"
    other = f"its HTTP status is {answer.status}" if str(code) in spec.errors.ok else "this code is not documented"
    meaning = spec.errors.unclear.get(str(code or answer.status), other)
    return f"the provider returned {code or answer.status}{quoted}: {meaning}"


def _contradiction(spec: Spec, answer: Answer, error: Refused) -> str:
    """Why a documented refusal is not clear, as a clause; "" if it is."""
    code, status = str(error.code), answer.status
    if not (status == 200 if code.isdecimal() else _FIRST_ERROR <= status < 500) and code != str(status):  # noqa: PLR2004
        return f"the HTTP status is {status}"
    if answer.header:
        return f"the response has the header {answer.header}"
    if answer.hint or any(not is_empty(inner) for _, inner in ids_in(answer.value)):
        return "the response names a task"
    table = spec.errors or ErrorTable()
    pointers = [to_path(pointer.removesuffix("/*")) for pointer in (*table.code, *table.message, *table.details)]
    names = {*TABLE["error_names"], *TABLE["aside"], *(parts[-1] for parts in pointers)}
    members = ((plain_name(name), inner) for item in objects_in(answer.value) for name, inner in item.items())
    lists = ((name, inner if isinstance(inner, list) else [inner]) for name, inner in members)
    for name, value in ((name, value) for name, values in lists for value in values if not is_empty(value)):
        is_known = name in names or (isinstance(value, dict) and any(name in parts for parts in pointers))
        is_yes = value is True or (name in ("code", "status") and str(value) in ("0", "200", *table.ok))
        words = str(value) if isinstance(value, str | list) and name not in TABLE["aside"] else ""
        if not is_known or is_yes or any(match[1] for match in PATTERNS["task_in_words"].finditer(words)):
            return "the response holds more than a refusal"
    return ""


def _has_error(value: dict[str, Any]) -> bool:
    inner = value.get("data")
    parts = (value, inner if isinstance(inner, dict) else {})
    return any(part.get("success") is False or part.get("error") not in (None, "", 0, {}, []) for part in parts)


def said(spec: Spec, answer: Answer) -> str:
    """The words of an error in a response, documented or not, "" if it has none. *pure*."""
    documented = _message(spec.errors, answer) if spec.errors else ""
    return sanitize(documented or words_of(answer.value if isinstance(answer.value, dict | list) else None))[:500]


def refused(spec: Spec, answer: Answer) -> Refused | None:
    """The refusal in a response: a documented code in the provider's own format; None if it is not one. *pure*."""
    table = spec.errors
    if table is None or answer.redirect or not isinstance(answer.value, dict):
        return None
    code, words = str(_code(table, answer)), sanitize(_message(table, answer))[:500]
    status = str(answer.status)
    if code not in table.refusals:
        if not words or {code, status} & table.unclear.keys() or status not in table.statuses:
            return None
        code = status
    found = [(pointer, value) for pointer in table.details for value in find_all(answer.value, pointer)]
    texts = [(pointer, words_of(value) or str(value)[:_MOST_READ]) for pointer, value in found[:50]]
    lines = (text if pointer.endswith("/*") else f"{to_path(pointer)[-1]}: {text}" for pointer, text in texts)
    text = "\n".join([words, *(f"- {sanitize(line)[:500]}" for line in lines)])
    return refusal(spec, code, text, simulated=answer.simulated, retry_after=answer.retry_after)


def free_value(spec: Spec, answer: Answer) -> dict[str, Any]:
    """The JSON of a successful free call. *pure*. Raises: Refused and its subclasses; SeedanceError for any other response."""
    if spec.errors is None or not isinstance(answer.value, dict) or answer.redirect:
        text = f"{spec.provider} returned a response (HTTP {answer.status}) that does not match the schema"
        raise SeedanceError(f"{text} ({answer.problem})." if answer.problem else f"{text}.")
    code = _code(spec.errors, answer)
    if answer.is_success and (str(code) in spec.errors.ok or not code):
        return answer.value
    if error := refused(spec, answer):
        raise error
    raise SeedanceError(f"{spec.provider} returned {code or answer.status} {said(spec, answer)[:300]!r}.")


def is_overloaded(spec: Spec, answer: Answer) -> bool:
    """Whether a response means that the provider is overloaded: 429, a 5xx, or its own code for one of them. *pure*."""
    table = spec.errors or ErrorTable()
    meaning = table.refusals.get(str(_code(table, answer)))
    return answer.status == 429 or answer.status >= 500 or meaning in ("rate-limited", "unavailable")  # noqa: PLR2004


def _code(table: ErrorTable, answer: Answer) -> int | str:
    codes = (find(answer.value, pointer) for pointer in table.code)
    code = next((code for code in codes if isinstance(code, int | float | str) and not isinstance(code, bool)), "")
    return str(code).removesuffix(".0") if isinstance(code, float) else code


def _message(table: ErrorTable, answer: Answer) -> str:
    texts = (find(answer.value, pointer) for pointer in table.message)
    return next((text[:_MOST_READ] for text in texts if isinstance(text, str) and text), "")
